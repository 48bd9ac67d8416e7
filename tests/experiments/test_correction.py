"""The simulated user, on a small folder of data."""

from __future__ import annotations

import json
import math
from itertools import count
from pathlib import Path

import pytest
import torch

from cdpnet.data.readers.folder import open_folder
from cdpnet.experiments import correction
from cdpnet.experiments.config import CorrectionConfig
from cdpnet.experiments.correction import (
    ROUNDS,
    Choice,
    CorrectionCurve,
    describe,
    gains_in_likeness,
    lead_over_random,
    mean_curves,
    simulate,
)
from cdpnet.experiments.shown_images import ShownImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.runtime.provenance import provenance
from tests.cli.running import run
from tests.data.trees import make_folder

FEW = ("--at-least", 5, "--at-most", 6, "--min-pixels", 400)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "folder"
    make_folder(root, parts=("train", "val"), each=6)
    return root


def test_the_command_prints_the_table_and_writes_the_curves(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run(
        "simulate",
        "--data",
        "folder",
        "--root",
        folder,
        "--model",
        "tiny",
        *FEW,
        "--longest-side",
        64,
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "out" / "correction.json").read_text())
    means = mean_curves([CorrectionCurve(**curve) for curve in about["curves"]])
    assert about["rounds"] == list(ROUNDS)
    assert about.items() >= provenance().items()
    assert means["uncertain"][0] == means["random"][0]  # the same start
    for choice, ious in means.items():
        assert len(ious) == len(ROUNDS)
        row = next(line for line in done.stdout.splitlines() if choice in line)
        assert all(f"{iou:.1f}" in row for iou in ious)
    assert {curve["pool"] for curve in about["curves"]} <= {2, 3}  # of 5 or 6 images one is taught, a third is tested
    assert "fewer than 10 images to correct: " in done.stdout
    untaught = next(line for line in done.stdout.splitlines() if "not taught" in line)
    assert untaught.count(f"{means['uncertain'][0]:.1f}") == len(ROUNDS)
    assert (tmp_path / "out" / "correction.png").stat().st_size > 5000


def test_the_user_corrects_the_most_uncertain_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an uncertainty that falls in the order of the pool, both choices are the same; in reverse they are not."""
    network = Segmenter.from_pretrained("tiny", device="cpu")
    config = CorrectionConfig(at_least=5, at_most=6, min_pixels=400)
    monkeypatch.setattr(correction, "CHOICES", ("uncertain", "random"))
    monkeypatch.setattr(correction, "uncertainty", lambda _: 0.5)
    curves = simulate(network, open_folder(folder), config, id)
    by_choice = [[curve.ious for curve in curves if curve.choice == choice] for choice in ("uncertain", "random")]
    assert by_choice[0] == by_choice[1]
    assert len(by_choice[0]) == len({curve.class_name for curve in curves})
    monkeypatch.setattr(correction, "most_uncertain_first", lambda values: list(range(len(values)))[::-1])
    other = [curve.ious for curve in simulate(network, open_folder(folder), config, id) if curve.choice == "uncertain"]
    assert [ious[0] for ious in other] == [ious[0] for ious in by_choice[1]]
    assert [ious[1] for ious in other] != [ious[1] for ious in by_choice[1]]


def test_the_orders_beside_the_uncertainty(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each orders the pool by its own values; those of disagreement need a second example."""
    segmenter = Segmenter.from_pretrained("tiny", device="cpu")
    images, values = ShownImages(segmenter, open_folder(folder)), count()
    places = images.find_classes(CorrectionConfig(at_least=5, min_pixels=400))
    number = min(places)
    with torch.inference_mode():
        shown = [images.show(place, number) for place in places[number][:4]]
        user = correction._User(images, "red thing", shown[:1])
        monkeypatch.setattr(correction, "uncertainty", lambda _: 1.0)
        monkeypatch.setattr(correction, "disagreement", lambda _: float(next(values)))
        assert user._values(shown[:1], shown[1:], "disagreement") == [1, 1, 1]  # one example agrees with itself
        assert user._values(shown[:2], shown[2:], "disagreement") == [0, 1]
        results = images.segment([user._learn(shown[:1])], shown[1:])
        expected = [float((found.log_odds - found.background).sigmoid().mean()) for found in results]
        assert user._values(shown[:1], shown[1:], "uncertain area") == pytest.approx(expected)
        typical = gains_in_likeness([describe(one) for one in shown[1:]], [describe(shown[0])])
        assert user._values(shown[:1], shown[1:], "typical") == pytest.approx(typical)


def test_the_typical_image_is_the_one_that_most_others_are_like() -> None:
    """Two images alike and one apart: teaching one of the two helps both; where one is taught, the one apart helps."""
    right, up = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    assert gains_in_likeness([right, right, up], [torch.tensor([0.6, -0.8])]) == pytest.approx([1.6, 1.6, 1.8])
    assert gains_in_likeness([right, right, up], [right]) == [0, 0, 1]
    assert gains_in_likeness([right, right, up], [torch.tensor([0.6, 0.8])]) == pytest.approx([0.8, 0.8, 0.2])


def test_a_lead_is_compared_start_by_start() -> None:
    """Two starts that differ by far more than the choices do; 2 and 4 above random: 3, with an error of 1."""
    at_five: dict[tuple[Choice, int], float] = {
        ("uncertain", 0): 12.0,
        ("uncertain", 1): 84.0,
        ("random", 0): 10.0,
        ("random", 1): 80.0,
    }
    curves = [
        CorrectionCurve("cat", start, choice, tuple(value if done == 5 else 0.0 for done in ROUNDS), 10)
        for (choice, start), value in at_five.items()
    ]
    assert lead_over_random(curves, "uncertain", 5) == pytest.approx((3, 1))
    assert lead_over_random(curves, "uncertain", 3) == (0, 0)
    assert math.isnan(lead_over_random(curves[::2], "uncertain", 5)[1])


def test_too_few_images_are_said(folder: Path, tmp_path: Path) -> None:
    done = run("simulate", "--data", "folder", "--root", folder, "--model", "tiny", "--out", tmp_path / "out")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "No class is shown by 15 images" in done.stderr
