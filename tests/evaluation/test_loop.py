"""Evaluation and its results: independent of batches and workers, figures by hand, all that stands beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cdpnet.config import method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.errors import ConfigError
from cdpnet.evaluation.loop import SegmentedBatch, evaluate, segment_episodes
from cdpnet.evaluation.results import EvaluationResult, score, summarise
from cdpnet.io.files import write_json
from cdpnet.network.build import build_network, load_network
from cdpnet.network.network import PrototypeNetwork
from cdpnet.report.gallery import Gallery, write_page
from cdpnet.runtime.metrics import SegmentationCounts
from tests.helpers import record_of

SMALL = SceneLayout(size=48)


def test_evaluation_does_not_depend_on_the_batch_or_on_workers() -> None:
    network = build_network(method("ssp")).eval()
    source = IconEpisodes(2, 1, "test", layout=SMALL)
    seen: list[SegmentedBatch] = []
    one = evaluate(network, source, 7, batch=1)
    many = evaluate(network, source, 7, batch=4, watch=seen.append)
    apart = evaluate(network, source, 7, batch=4, workers=2)
    assert (one.intersection - many.intersection).abs().max() <= 3  # pixels at a tie, by another order of summing
    assert torch.equal(many.intersection, apart.intersection)
    assert torch.equal(many.union, apart.union)
    assert torch.equal(one.episodes, many.episodes)
    assert torch.cat([answered.numbers for answered in seen]).tolist() == list(range(7))
    assert int(one.episodes.sum()) == 7


def test_half_precision_gives_nearly_the_same_masks() -> None:
    """Names read in bfloat16 serve a network in float32 afterwards, so the order does not matter either."""
    network = load_network("tiny")
    source = IconEpisodes(0, 1, "test", layout=SceneLayout(size=64))
    half = evaluate(network, source, 6, precision="bfloat16")
    whole = evaluate(network, source, 6)
    assert not torch.equal(half.intersection, whole.intersection)
    differing = (half.intersection - whole.intersection).abs().sum() / whole.union.sum()
    assert differing < 0.005
    assert torch.equal(evaluate(network, source, 6, precision="auto").intersection, whole.intersection)  # on a CPU


def test_figures_by_hand() -> None:
    """Two seeds, two classes: IoU 1/2 and 1/4, then 1/2 alone; the third class is never drawn."""
    runs = []
    for rows in (((0, 1, 2), (1, 1, 4)), ((0, 3, 6),)):
        run = SegmentationCounts(3)
        for class_id, intersection, union in rows:
            run.intersection[class_id] = torch.tensor([8, intersection])
            run.union[class_id] = torch.tensor([10, union])
            run.episodes[class_id] = 1
        runs.append(run)
    figures = summarise(runs, ("cat", "dog", "owl"))
    assert figures.miou_of_seeds == (37.5, 50.0)
    assert figures.miou == 43.75
    assert figures.miou_std == pytest.approx(8.84, abs=0.01)
    assert figures.per_class == {"cat": 50.0, "dog": 25.0}  # cat: (1 + 3) / (2 + 6)
    assert figures.fb_iou == pytest.approx((100 * (16 / 20 + 2 / 6) / 2 + 100 * (8 / 10 + 3 / 6) / 2) / 2, abs=0.01)
    assert summarise(runs[:1], ("cat", "dog", "owl")).miou_std is None


def test_a_result_says_what_stands_beside_it(tmp_path: Path) -> None:
    network = build_network(method("cdpn")).eval()
    source = IconEpisodes(1, 2, "test", layout=SMALL, names="category")
    result = score(network, source, 4, [0, 5])
    write_json(result.to_json(), tmp_path / "out.json")
    read = json.loads((tmp_path / "out.json").read_text())
    assert EvaluationResult.from_json(read) == result
    for key in ("miou", "fb_iou", "per_class", "protocol", "evaluation_space", "novel_in_train", "commit", "machine"):
        assert key in read
    assert (read["fold"], read["shots"], read["names"], read["episodes"]) == (1, 2, "category", 4)
    assert read["seeds"] == [0, 5]
    assert read["precision"] == "float32"
    assert len(set(read["list_sha256"])) == 2
    assert read["checkpoint_selection"] == "none"  # nothing was trained
    assert read["evaluation_space"] == "native, 48 x 48 pixels"
    network.record = record_of(IconEpisodes(1, 1, "train").settings())
    trained = score(network, source, 1, [0])
    assert (trained.trained_on, trained.checkpoint_selection, trained.novel_in_train) == (
        "icons",
        "base classes",
        "drop",
    )
    assert EvaluationResult.from_json(json.loads(json.dumps(trained.to_json()))) == trained


def test_the_page_shows_best_median_and_worst(tmp_path: Path) -> None:
    network = build_network(method("panet")).eval()
    source = IconEpisodes(1, 1, "test", layout=SMALL)
    gallery = Gallery(20)
    result = score(network, source, 20, [0, 1], watch=gallery.add)
    assert len(gallery.scored) == 20
    chosen = gallery.chosen()
    worst_of_best, best_of_worst = chosen["Best"][-1][0], chosen["Worst"][0][0]
    assert worst_of_best >= chosen["Median"][0][0] >= chosen["Median"][-1][0] >= best_of_worst
    write_page(gallery, network, source, result, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<figure>") == 18
    assert page.count("data:image/png;base64,") == 72
    assert "://" not in page  # nothing comes from elsewhere


def test_by_the_name_alone_the_supports_do_not_matter(tiny: PrototypeNetwork) -> None:
    source = IconEpisodes(0, 1, "test", layout=SceneLayout(size=64))
    drawn = source.draw(torch.arange(3))
    blank = drawn._replace(batch=replace(drawn.batch, support_images=torch.zeros_like(drawn.batch.support_images)))
    with torch.inference_mode():
        found = segment_episodes(tiny, drawn, name_alone=True)
        assert torch.equal(segment_episodes(tiny, blank, name_alone=True), found)
        assert not torch.equal(segment_episodes(tiny, drawn), found)
    result = score(tiny, source, 3, [0], name_alone=True)
    assert (result.name_alone, result.refine) == (True, False)
    with pytest.raises(ConfigError, match="reads no names"):
        evaluate(build_network(method("ssp")), source, 1, name_alone=True)


def test_refined_masks_differ_and_are_said_to_be_refined(tiny: PrototypeNetwork) -> None:
    source = IconEpisodes(0, 1, "test", layout=SceneLayout(size=64))
    plain, refined = (score(tiny, source, 3, [0], refine=refine) for refine in (False, True))
    assert (plain.refine, refined.refine) == (False, True)
    assert plain.figures.per_class != refined.figures.per_class
