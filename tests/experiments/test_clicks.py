"""The simulated user who clicks: values by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from cdpnet.cli import main
from cdpnet.cli.simulation import clicks as run_clicks
from cdpnet.experiments.clicks import MOST_CLICKS, MarkedObject, mean_ious, next_click
from cdpnet.inference.click_model import WEIGHTS, ClickModel
from cdpnet.runtime.provenance import provenance
from tests.data.trees import make_coco


def test_the_next_click_is_in_the_middle_of_the_largest_error() -> None:
    truth, found = np.zeros((40, 50), dtype=bool), np.zeros((40, 50), dtype=bool)
    truth[5:14, 10:19] = True
    assert next_click(found, truth) == (9, 14, True)
    found[20:31, 30:41] = True  # larger than what is missing
    assert next_click(found, truth) == (25, 35, False)
    found[5:14, 10:19] = True
    found[20:31, 30:41] = False
    assert next_click(found, truth) is None
    corner = np.zeros((40, 50), dtype=bool)
    corner[:9, :9] = True  # the border of the image counts as a border
    assert next_click(np.zeros((40, 50), dtype=bool), corner) == (4, 4, True)


def test_what_is_not_reached_counts_as_the_most_clicks() -> None:
    good, bad = MarkedObject("a", 1, (0.2, 0.85), 0.6), MarkedObject("b", 1, (0.1,) * MOST_CLICKS, 0.5)
    assert (good.clicks, bad.clicks) == (2, 20)
    ious = mean_ious([good, bad])
    assert len(ious) == MOST_CLICKS
    assert ious[:3] == pytest.approx((0.15, 0.475, 0.475))


def test_a_model_is_fitted_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of three images the first and third are for fitting, so the object of the second one is measured."""
    make_coco(tmp_path / "coco")
    out = tmp_path / "out"
    settings = {"--model": "tiny", "--min_pixels": 10, "--objects": 3, "--fit": 3, "--device": "cpu"}
    pairs = [str(word) for pair in settings.items() for word in pair]
    run_clicks(["--root", str(tmp_path / "coco"), "--out", str(out), *pairs])
    printed, measured = capsys.readouterr().out, json.loads((out / "clicks.json").read_text())
    assert "1 object: " in printed
    assert "model of objects, round 1: " in printed
    assert "model of corrections: not fitted" in printed
    assert measured["fit"] == 3
    assert measured.items() >= provenance().items()
    marked = measured["marked"]
    assert [one["pixels"] for one in marked] == [120]
    assert measured["mean IoU of the box alone"] == marked[0]["box_iou"]
    assert f"without a click: {marked[0]['box_iou']:.3f}" in printed
    ClickModel().load_state_dict(load_file(out / WEIGHTS))
    assert (out / WEIGHTS).stat().st_size <= 100_000


def test_labels_of_another_size_than_their_image_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of images that were made smaller without their annotations."""
    make_coco(tmp_path / "coco")
    for path in (tmp_path / "coco").rglob("*.jpg"):
        Image.new("RGB", (15, 10)).save(path)
    arguments = ["--root", tmp_path / "coco", "--out", tmp_path / "out", "--model", "tiny", "--min-pixels", 10]
    assert main(["clicks", *map(str, arguments)]) == 2
    assert "is 30 x 20 pixels and the image 15 x 10; a mask has the size of its image." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_negative_number_of_steps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clicks", "--root", str(tmp_path), "--out", str(tmp_path / "out"), "--fit", "-1"]) == 2
    assert capsys.readouterr().err == "cdpnet: fit must be from 0 to 2147483648, not -1.\n"
