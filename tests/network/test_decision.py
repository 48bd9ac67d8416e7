"""From logits to masks: by hand, against a loop over pixels, and the same by everything that decides."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.bulk.labeller import Labeller
from cdpnet.config import Calibration, DecisionConfig
from cdpnet.evaluation.loop import winners
from cdpnet.inference.onnx_export import LearnModule, SegmentModule
from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.label_set import LabelSet
from cdpnet.network.decision import decide, is_absent, log_odds
from cdpnet.network.presence import multiply_odds
from tests.helpers import random_batch, small_network


def test_log_odds_by_hand() -> None:
    logits = torch.tensor([[[[1.0, -2.0]], [[4.0, 3.0]]]])
    assert log_odds(logits).tolist() == [[[3.0, 5.0]]]


def test_decision_by_hand() -> None:
    """Four pixels: the first class wins, the second wins, both are equal, both are below the background."""
    odds = torch.tensor([[[3.0, 1.0, 2.0, -1.0]], [[2.0, 4.0, 2.0, -3.0]]])
    assert decide(odds, None, 0.0).tolist() == [[1, 2, 1, 0]]
    assert decide(odds, torch.tensor([True, False]), 0.0).tolist() == [[2, 2, 2, 0]]
    assert decide(odds, torch.tensor([True, True]), 0.0).tolist() == [[0, 0, 0, 0]]
    assert decide(odds, None, 2.0).tolist() == [[1, 2, 0, 0]]
    assert decide(odds, None, -2.0).tolist() == [[1, 2, 1, 1]]
    assert decide(odds, torch.tensor([True, False]), -torch.inf).tolist() == [[2, 2, 2, 2]]
    assert decide(odds, None, torch.inf).tolist() == [[0, 0, 0, 0]]


def test_absence_by_hand() -> None:
    assert is_absent(torch.tensor([[0.2, 0.5], [0.9, 0.4]]), torch.tensor([0.3, 0.5])).tolist() == [
        [True, False],
        [False, True],
    ]


@pytest.mark.parametrize("background", [0.0, -0.75])
def test_decision_equals_the_loop_over_pixels(background: float) -> None:
    generator = torch.Generator().manual_seed(0)
    odds = (2 * torch.randn(2, 3, 4, 5, generator=generator)).round()  # with ties
    absent = torch.tensor([[False, True, False], [False, False, True]])
    found = decide(odds, absent, background)
    for image in range(2):
        for y in range(4):
            for x in range(5):
                best, label = background, 0
                for number in range(3):
                    value = float(odds[image, number, y, x])
                    if not absent[image, number] and value > best:
                        best, label = value, number + 1
                assert found[image, y, x] == label


def test_everything_that_decides_agrees(tmp_path: Path) -> None:
    """Segmenter, bulk, evaluation, the graphs and the prediction: one network, one image, two classes."""
    network, batch = small_network("cdpn"), random_batch(2, 1, ignore=False)
    queries = (batch.query_images[:1] * 255).round().to(torch.uint8)
    supports = (batch.support_images * 255).round().to(torch.uint8)
    segmenter = Segmenter(network, longest_side=1000)
    classes = [
        segmenter.learn(name, support[0], mask[0])
        for name, support, mask in zip(batch.class_names, supports, batch.support_masks, strict=True)
    ]
    found = segmenter.segment(queries[0], classes, min_presence=0.0)
    labels = torch.from_numpy(found.mask).long()
    assert sorted(set(labels.flatten().tolist())) == [0, 1, 2]  # both classes and the background
    Image.fromarray(queries[0].permute(1, 2, 0).numpy()).save(tmp_path / "query.png")
    labeller = Labeller(segmenter, classes, LabelSet(tmp_path, tmp_path / "out", found.classes), "png", None, 0.0)
    with ThreadPoolExecutor(1) as pool:
        labeller.label(["query.png"], pool)
    in_bulk = np.array(Image.open(tmp_path / "out" / "masks" / "query.png"))
    assert np.array_equal(in_bulk, found.mask)
    with torch.inference_mode():
        prototypes = network.learn(supports, batch.support_masks, batch.class_names)
        prediction = network.match(queries, prototypes)
        assert network.text is not None
        text = network.text.encode(batch.class_names)
        background, foreground, u, by_name, shots = LearnModule(network)(supports, batch.support_masks, text)
        in_graph, _, _ = SegmentModule(network, refine=False)(queries, background, foreground, by_name, shots, u)
    rows = winners(prediction.logits, 2)
    evaluated = rows[0] + 2 * rows[1]
    for other in (evaluated, in_graph[0].long()):
        assert (other == labels).float().mean() > 0.999  # the segmenter resizes in two steps
    assert torch.equal(evaluated, in_graph[0].long())
    assert torch.equal(prediction.masks, winners(prediction.logits, 1))
    for i, answer in enumerate(prediction.masks):
        alone = segmenter.segment(queries[0], classes[i], min_presence=0.0).mask
        assert (torch.from_numpy(alone) == answer).float().mean() > 0.999


def test_thresholds_decide_alike_in_segmenter_and_graph() -> None:
    """A background and presence thresholds, which rise with the examples, that make one class absent."""
    network, batch = small_network("cdpn"), random_batch(2, 2, ignore=False)
    queries = (batch.query_images[:1] * 255).round().to(torch.uint8)
    supports = (batch.support_images * 255).round().to(torch.uint8)
    plain = Segmenter(network, longest_side=1000)
    classes = [
        plain.learn(name, [*support], [*mask])
        for name, support, mask in zip(batch.class_names, supports, batch.support_masks, strict=True)
    ]
    calibrated = Calibration(slope=20.0, centre=0.3)
    network.config = dataclasses.replace(
        network.config, decision=DecisionConfig(-0.5, named=calibrated, unnamed=calibrated)
    )
    presence = plain.segment(queries[0], classes).presence
    threshold = sum(presence) / 2
    assert min(presence) < threshold < max(presence)
    of_one = float(multiply_odds(torch.tensor(threshold), torch.tensor(1 / 2**0.5)))
    calibrated = dataclasses.replace(calibrated, threshold=of_one)
    network.config = dataclasses.replace(
        network.config, decision=DecisionConfig(-0.5, named=calibrated, unnamed=calibrated, threshold_rise=0.5)
    )
    found = plain.segment(queries[0], classes)
    assert sum(found.absent) == 1
    by_name = torch.tensor([c.by_name for c in classes])
    with torch.inference_mode():
        prototypes = network.learn(supports, batch.support_masks, batch.class_names)
        in_graph, _, probability = SegmentModule(network, refine=False)(
            queries, prototypes.background, prototypes.foreground, by_name, torch.tensor([2, 2]), prototypes.text
        )
    assert probability[0].tolist() == pytest.approx(presence, abs=1e-4)
    labels = torch.from_numpy(found.mask)
    assert len(set(labels.flatten().tolist())) == 2
    assert (in_graph[0] == labels).float().mean() > 0.999
