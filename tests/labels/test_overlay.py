"""Masks and scores drawn over an image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cdpnet.labels.overlay import overlay, score_map


def test_higher_scores_are_brighter() -> None:
    """Also in grey, over an image of one colour."""
    scores = np.linspace(0, 1, 11, dtype=np.float32)[None].repeat(4, axis=0)
    shown = np.array(score_map(torch.full((3, 4, 11), 90, dtype=torch.uint8), scores).convert("L")).astype(int)
    assert shown.shape == (4, 11)
    assert (np.diff(shown, axis=1) > 0).all()


def test_the_image_is_visible_under_zero_scores() -> None:
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    image[:, 0] = 255
    shown = np.array(score_map(image, np.zeros((2, 2), np.float32)))
    assert (shown[0] > shown[1]).all()


def test_a_class_has_its_colour_and_the_background_fades() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[3:6, 3:6] = 1
    shown = np.array(overlay(torch.full((3, 9, 9), 255, dtype=torch.uint8), mask)).astype(int)
    red, green, blue = shown[4, 4]
    assert red > green > blue  # the first class is orange
    assert len(np.unique(shown[0, 0])) == 1  # grey stays grey
    assert shown[0, 0, 0] < 255


def test_an_overlay_in_bands_has_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, 40, 30), dtype=torch.uint8, generator=chance)
    mask = np.zeros((40, 30), np.uint8)
    mask[3:20, 2:17], mask[12:38, 10:28], mask[30:, :9] = 1, 2, 255
    at_once = overlay(image, mask)
    monkeypatch.setattr("cdpnet.labels.overlay._BAND", 100)
    assert (np.array(overlay(image, mask)) == np.array(at_once)).all()
