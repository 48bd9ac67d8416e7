"""Marking by clicks: distances against plain loops, the same clicks the same mask, refusals in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from cdpnet.errors import DataError
from cdpnet.experiments.clicks import mark
from cdpnet.inference.click_cues import N_CUES, Click, add_click, cues, latest_click, nothing
from cdpnet.inference.click_grid import ClickGrid
from cdpnet.inference.click_model import ClickModel
from cdpnet.inference.click_smoothing import smooth
from cdpnet.inference.click_windows import Box
from cdpnet.inference.marking import ClickState, Marking
from cdpnet.inference.segmenter import Segmenter

SIZE = (60, 80)


def scene() -> torch.Tensor:
    """A red square of 24 pixels on a green ground, both with noise: (3, H, W)."""
    image = torch.randint(0, 40, (3, *SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    image[1] += 150
    image[:, 20:44, 30:54] = torch.tensor([220, 30, 30], dtype=torch.uint8)[:, None, None]
    return image


@pytest.fixture(scope="module")
def begun(tiny: Segmenter) -> Marking:
    return tiny.begin(scene())


def test_a_distance_along_the_image_is_the_cheapest_path() -> None:
    """Bellman's rounds over all neighbours, in plain loops."""
    rng = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (3, 5, 6), generator=rng, dtype=torch.uint8)
    grid = ClickGrid(image, torch.randn(4, 3, 3, generator=rng))  # the features are the details too
    unit = 6 / 96
    cost = {}
    for r in range(5):
        for c in range(6):
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    a, b = r + down, c + right
                    if (down or right) and 0 <= a < 5 and 0 <= b < 6:
                        change = (grid.colours[:, r, c] - grid.colours[:, a, b]).norm()
                        here, there = grid.feature(r, c), grid.feature(a, b)
                        unlike, detail = 1 - here @ there, 0.15 * (here - there).norm()
                        step = float(change + unit * unlike.clamp(min=0) + detail)
                        step += 0.02 * (down**2 + right**2) ** 0.5 / unit
                        cost[r, c, a, b] = step
    mean = sum(cost.values()) / len(cost)
    best = {(r, c): 0.0 if (r, c) == (3, 1) else float("inf") for r in range(5) for c in range(6)}
    for _ in range(30):
        for (r, c, a, b), step in cost.items():
            best[a, b] = min(best[a, b], best[r, c] + step / mean / 6)
    nearest = add_click(grid, nothing(grid), 3, 1)
    expected = torch.tensor([[min(best[r, c], 2.0) for c in range(6)] for r in range(5)])
    torch.testing.assert_close(nearest.along, expected, atol=1e-4, rtol=1e-4)
    assert float(nearest.away[0, 5]) == pytest.approx(5 / 6)
    assert float(nearest.alike_detail[3, 1]) == pytest.approx(1, abs=1e-5)
    assert float(nearest.colour[3, 1]) == 0
    both = add_click(grid, nearest, 0, 5)
    assert float(both.away[0, 5]) == 0
    odds = torch.zeros(5, 6)
    latest = latest_click(grid, odds, 0, 5, positive=True)
    found = cues(grid, both, nothing(grid), latest, odds, 2)
    assert found.shape == (N_CUES, 5, 6)
    assert found.isfinite().all()


def test_the_latest_click_is_nearer_inside_the_mask_in_progress() -> None:
    """On a plain image, where nothing but the outline of that mask parts two locations."""
    grid = ClickGrid(torch.full((3, 8, 12), 90, dtype=torch.uint8), torch.ones(4, 2, 3))
    odds = torch.full((8, 12), -4.0)
    odds[:, :6] = 4
    latest = latest_click(grid, odds, 4, 3, positive=False)
    assert latest.sign == -1
    assert latest.there == pytest.approx(1, abs=1e-2)
    assert float(latest.within[4, 6] - latest.within[4, 5]) > float(latest.within[4, 5] - latest.within[4, 4]) + 0.05


def test_smoothing_solves_its_equation() -> None:
    """Against a dense solution; a click takes along what nothing parts from it, and nothing beyond an edge."""
    image = torch.full((3, 6, 8), 40, dtype=torch.uint8)
    image[:, :, 4:] = 200
    grid = ClickGrid(image, torch.ones(2, 3, 4))
    odds = torch.linspace(-2, 2, 48).reshape(6, 8)
    found = smooth(odds, grid.ties, [(1, 1, True)])
    ties = grid.ties.toarray()
    weight, answer = np.full(48, 0.03), odds.sigmoid().double().numpy().ravel()
    weight[9], answer[9] = 1e3, 1.0
    exact = np.linalg.solve(np.diag(ties.sum(axis=1) + weight) - ties, weight * answer).reshape(6, 8)
    torch.testing.assert_close(found.sigmoid().double(), torch.from_numpy(exact), atol=1e-2, rtol=0)
    plain = smooth(odds, grid.ties, [])
    gain = found.sigmoid() - plain.sigmoid()
    assert float(gain[:, :4].min()) > 5 * float(gain[:, 4:].max())


def test_a_plain_object_takes_few_clicks(begun: Marking) -> None:
    truth = np.zeros(SIZE, dtype=bool)
    truth[20:44, 30:54] = True
    ious = mark(begun, truth)
    assert ious[-1] >= 0.85
    assert len(ious) <= 5
    boxed = begun.mask([], box=(20, 30, 44, 54)) > 0
    assert (boxed & truth).sum() / (boxed | truth).sum() > 0.85
    assert not (boxed & ~truth).any()


def test_the_same_clicks_give_the_same_mask(tiny: Segmenter, begun: Marking) -> None:
    clicks = [Click(32, 42), Click(5, 5, False), Click(25, 35), Click(50, 60, False)]
    one_by_one = [begun.mask(clicks[: i + 1]) for i in range(4)]
    assert np.array_equal(tiny.begin(scene()).mask(clicks), one_by_one[-1])
    assert np.array_equal(begun.mask(clicks[:2]), one_by_one[1])  # as after undo
    assert np.array_equal(begun.mask(clicks), one_by_one[-1])


@pytest.mark.parametrize("opinion", [-4.0, 4.0])
def test_a_click_decides_about_its_place(tiny: Segmenter, opinion: float) -> None:
    """Whatever the model says there, here that everything is an object or nothing."""
    model = ClickModel()
    *weights, last_bias = model.parameters()
    for parameter in weights:
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(last_bias, opinion)
    begun = tiny.begin(scene(), model)
    mask = begun.mask([Click(30, 40), Click(10, 10, False)])
    assert (mask[30, 40], mask[10, 10]) == (1, 0)
    assert mask.mean() < 0.05 if opinion < 0 else mask.mean() > 0.9


def test_a_click_decides_about_its_own_pixel(tiny: Segmenter) -> None:
    """Also at the rim of its location of the grid, which is larger than a pixel."""
    large = scene().repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    begun = tiny.begin(large)
    for row in range(240, 248):
        mask = begun.mask([Click(256, 336), Click(row, 331, False), Click(row, 341)])
        assert (mask[row, 331], mask[row, 341]) == (0, 1)


def test_a_mask_in_progress_is_corrected(begun: Marking) -> None:
    """A given mask needs no click, and is another evidence than none."""
    given = np.zeros(SIZE, dtype=np.uint8)
    given[18:50, 28:60] = 1
    kept = begun.mask([], mask=given) > 0
    assert (kept & (given > 0)).sum() / (kept | (given > 0)).sum() > 0.8
    changed = begun.mask([(47, 57, False)], mask=given) > 0
    assert not changed[47, 57]
    assert changed[20:44, 30:54].sum() / changed.sum() > 0.8  # what is taken away is not the object
    assert np.array_equal(changed, begun.mask([(47, 57, False)], mask=given))


def test_a_click_far_from_the_mask_that_it_corrects(tiny: Segmenter) -> None:
    """Outside the window of a small mask."""
    begun = tiny.begin(scene())
    given = np.zeros(SIZE, dtype=np.uint8)
    given[2:6, 2:6] = 1
    corner = Click(SIZE[0] - 3, SIZE[1] - 3)
    assert begun.mask([corner], mask=given)[corner[:2]] == 1


def test_a_click_is_answered_once(tiny: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clicks there were, also beside a mask in progress and after clicks were taken back."""
    answered: list[Click] = []
    answers = Marking.answers

    def counted(self: Marking, state: ClickState, click: Click) -> Iterator[ClickState]:
        answered.append(click)
        return answers(self, state, click)

    begins: list[int] = []
    begin = Marking._begin

    def counted_begin(self: Marking) -> ClickState:
        begins.append(1)
        return begin(self)

    monkeypatch.setattr(Marking, "answers", counted)
    monkeypatch.setattr(Marking, "_begin", counted_begin)
    begun = tiny.begin(scene())
    clicks = [Click(32, 42), Click(5, 5, False), Click(25, 35)]
    other = Click(50, 60, False)
    given = np.zeros(SIZE, dtype=np.uint8)
    given[18:50, 28:60] = 1
    for mask in (None, given):
        answered.clear()
        begins.clear()
        for chosen in (clicks[:1], clicks[:2], clicks, clicks[:2], [*clicks[:2], other], clicks):
            begun.mask(chosen, mask=mask)
        assert answered == [*clicks, other]
        assert len(begins) == 1  # a window of the beginning may have to be encoded again
    fresh = tiny.begin(scene()).mask(clicks, mask=given)
    assert np.array_equal(begun.mask(clicks, mask=given), fresh)
    assert np.array_equal(begun.mask(clicks), tiny.begin(scene()).mask(clicks))


def watch_windows(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """The windows that are looked at, in turn."""
    seen: list[Box] = []
    answers = Marking.answers

    def watched(self: Marking, state: ClickState, click: Click) -> Iterator[ClickState]:
        for answer in answers(self, state, click):
            seen.append(answer.window)
            yield answer

    monkeypatch.setattr(Marking, "answers", watched)
    return seen


def test_a_small_object_is_seen_enlarged(tiny: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second click on, in a window that holds all positive clicks and the latest; each is encoded once."""
    passes: list[int] = []
    features = tiny.network.image.features

    def counted(images: torch.Tensor) -> torch.Tensor:
        passes.append(len(images))
        return features(images)

    monkeypatch.setattr(tiny.network.image, "features", counted)
    image = torch.randint(0, 40, (3, 240, 320), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    image[1] += 150
    image[:, 80:104, 120:150] = torch.tensor([220, 30, 30], dtype=torch.uint8)[:, None, None]
    begun = tiny.begin(image)
    assert passes == [1]
    seen = watch_windows(monkeypatch)
    begun.mask([Click(92, 135)])
    assert set(seen) == {(0, 0, 240, 320)}
    seen.clear()
    mask = begun.mask([Click(92, 135), Click(75, 115, False)])
    top, left, bottom, right = seen[-1]
    assert top <= 75 < 104 <= bottom
    assert left <= 115 < 150 <= right
    assert right - left <= 160
    truth = np.zeros((240, 320), dtype=bool)
    truth[80:104, 120:150] = True
    assert ((mask > 0) & truth).sum() / ((mask > 0) | truth).sum() > 0.7
    encoded = len(passes)
    assert encoded <= 3
    far = begun.mask([Click(92, 135), Click(75, 115, False), Click(230, 10)])
    assert (far[92, 135], far[230, 10]) == (1, 1)
    again = begun.mask([Click(92, 135), Click(75, 115, False)])
    assert np.array_equal(again, mask)
    assert len(passes) <= encoded + 1


def test_masks_have_the_size_of_a_large_image(tiny: Segmenter) -> None:
    large = scene().repeat_interleave(20, dim=1).repeat_interleave(20, dim=2)
    assert tiny.begin(large).mask([(640, 840, True)]).shape == (1200, 1600)


def test_what_cannot_be_marked_is_refused(begun: Marking) -> None:
    for clicks, options, sentence in (
        ([], {}, "no click on the object"),
        ([(5, 5, False)], {}, "no click on the object"),
        ([(60, 5, True)], {}, "The click at row 60, column 5 is outside the 80 x 60 pixels"),
        ([(5, -1, True)], {}, "row 5, column -1 is outside"),
        ([], {"box": (5, 5, 5, 9)}, r"The box \(5, 5, 5, 9\) is not top, left, bottom, right"),
        ([], {"box": (0, 0, 61, 80)}, "inside the 80 x 60 pixels"),
        ([], {"mask": np.ones((80, 60), np.uint8)}, "The mask is 60 x 80 pixels and its image 80 x 60"),
    ):
        with pytest.raises(DataError, match=sentence):
            begun.mask(clicks, **options)
