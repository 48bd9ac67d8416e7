"""The simulated user who corrects results by clicks: values by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cdpnet.cli.simulation import clicks as run_clicks
from cdpnet.data.readers.coco import open_coco
from cdpnet.experiments import click_corrections
from cdpnet.experiments.click_corrections import (
    CorrectedResult,
    correct,
    draw_corrections,
    mean_corrected,
    share_worse,
)
from cdpnet.experiments.clicks import Target
from cdpnet.experiments.config import ClicksConfig
from cdpnet.experiments.shown_images import Place, ShownImages
from cdpnet.inference.click_cues import cues_of_given
from cdpnet.inference.click_model import WEIGHTS, WEIGHTS_OF_CORRECTIONS, ClickModel, load_click_model
from cdpnet.inference.marking import Marking
from cdpnet.inference.segmenter import Segmenter
from tests.data.trees import box, save_image

SIZE = (40, 60)


def make_dogs(root: Path, count: int) -> None:
    """Images with a dog of 20 x 20 pixels each, the last one with a crowd as well."""
    (root / "annotations").mkdir(parents=True)
    names = [f"COCO_{i}.jpg" for i in range(count)]
    for i, name in enumerate(names):
        save_image(root / "val2014" / name, i, SIZE)
    dogs = [
        {"id": i + 1, "image_id": i, "category_id": 18, "iscrowd": 0, "segmentation": [box(10, 10, 30, 30)]}
        for i in range(count)
    ]
    crowd = {"id": 99, "image_id": count - 1, "category_id": 18, "iscrowd": 1, "segmentation": [box(40, 0, 60, 9)]}
    content = {
        "images": [{"id": i, "file_name": name, "height": 40, "width": 60} for i, name in enumerate(names)],
        "categories": [{"id": 18, "name": "dog", "supercategory": "animal"}],
        "annotations": [*dogs, crowd],
    }
    (root / "annotations" / "instances_val2014.json").write_text(json.dumps(content))


@pytest.fixture
def half_found(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Place, Place]]:
    """Results that mark the upper half of every dog, and nothing in the first image; the images and their examples."""
    asked: list[tuple[Place, Place]] = []

    def segment(images: ShownImages, place: Place, number: int, example: Place) -> Target:
        asked.append((place, example))
        truth = images.reader.labels(*place) == number
        found = truth & (np.arange(SIZE[0])[:, None] < 20) & (place[1] != images.reader.identifiers("val")[0])
        return Target(*place, truth, given=found)

    monkeypatch.setattr(click_corrections, "_segment", segment)
    return asked


def test_results_that_a_person_would_correct_are_drawn(tmp_path: Path, half_found: list[tuple[Place, Place]]) -> None:
    """Of the first, third and fifth image, each with another one as its example; the first one has no mask."""
    make_dogs(tmp_path, 7)
    reader = open_coco(tmp_path)
    segmenter = Segmenter.from_pretrained("tiny", device="cpu")
    drawn = draw_corrections(segmenter, reader, ClicksConfig(min_pixels=10), fitting=True)
    names = reader.identifiers("val")
    assert [one.identifier for one in drawn] == [names[2], names[4]]  # the seventh has a crowd
    assert {place[1] for place, _ in half_found} == {names[0], names[2], names[4]}
    assert all(place != example for place, example in half_found)
    assert [(one.given.sum(), one.truth.sum()) for one in drawn if one.given is not None] == [(200, 400)] * 2
    few = draw_corrections(segmenter, reader, ClicksConfig(min_pixels=10, objects=1), fitting=True)
    assert len(few) == 1


def test_a_result_is_corrected_click_by_click(monkeypatch: pytest.MonkeyPatch) -> None:
    """A marking that adds the column of each click: 2, then 3, 4 and all columns of 4; then there is no error."""
    truth = np.zeros((1, 9), dtype=bool)
    truth[0, 1:5] = True
    given = truth.copy()
    given[0, 3:] = False
    given[0, 8] = True

    def mask(_: Marking, clicks: list[tuple[int, int, bool]], *, mask: np.ndarray) -> np.ndarray:
        found = mask.copy()
        for row, column, positive in clicks:
            found[row, column] = positive
        return found

    monkeypatch.setattr(Marking, "mask", mask)
    ious = correct(object.__new__(Marking), Target("val", "a", truth, given=given))
    assert ious == pytest.approx((2 / 5, 3 / 5, 4 / 5, 1, 1, 1, 1))


def test_means_of_corrected_results() -> None:
    better, worse = CorrectedResult("a", (0.5, 0.7, 0.9)), CorrectedResult("b", (0.7, 0.6, 0.8))
    assert mean_corrected([better, worse]) == pytest.approx((0.6, 0.65, 0.85))
    assert share_worse([better, worse]) == 0.5


def test_both_models_are_fitted_and_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], half_found: list[tuple[Place, Place]]
) -> None:
    make_dogs(tmp_path / "coco", 9)
    out = tmp_path / "out"
    settings = {"--model": "tiny", "--min_pixels": 10, "--objects": 3, "--fit": 2, "--device": "cpu"}
    pairs = [str(word) for pair in settings.items() for word in pair]
    run_clicks(["--root", str(tmp_path / "coco"), "--out", str(out), *pairs])
    printed, measured = capsys.readouterr().out, json.loads((out / "clicks.json").read_text())
    assert half_found
    assert "model of corrections, round 3: " in printed
    assert "3 results of classes learned from one example, corrected: " in printed
    assert [one["ious"][0] for one in measured["corrected"]] == [0.5] * 3
    assert all(len(one["ious"]) == 7 for one in measured["corrected"])
    assert measured["mean IoU of results before and after each click"][0] == 0.5
    share = measured["share of results worse after the first click"]
    assert f"worse after the first click: {share:.0%}" in printed
    ClickModel().load_state_dict(load_file(out / WEIGHTS))
    ClickModel(corrects=True).load_state_dict(load_file(out / WEIGHTS_OF_CORRECTIONS))


def test_a_correction_is_read_by_its_own_model() -> None:
    """It has the given mask as further cues: itself, and its means over squares around each location."""
    given = torch.full((24, 48), -1.0)
    given[:, 24:] = 1
    cues = cues_of_given(given)
    assert cues.shape == (3, 24, 48)
    assert torch.equal(cues[0], given)
    assert cues[1, 12, 23:26].tolist() == pytest.approx([-1 / 3, 1 / 3, 1])  # of 3 x 3 locations
    assert cues[2, 12, 23:26].tolist() == pytest.approx([-1 / 7, 1 / 7, 3 / 7])  # of 7 x 7
    assert load_click_model(corrects=True).mean.numel() == load_click_model().mean.numel() + 3
