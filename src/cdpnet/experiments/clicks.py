"""A simulated user who marks objects by clicks: how many an object takes, and what the click model is fitted on.

The next click is in the middle of the largest connected error: the pixel farthest from its border, positive where the
object is missing. An object that does not reach the IoU counts as the most clicks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save
from scipy import ndimage
from torch import Tensor

from cdpnet.data.readers.coco import CocoReader
from cdpnet.data.readers.reader import ImageSet
from cdpnet.errors import DataError
from cdpnet.experiments.config import ClicksConfig
from cdpnet.inference.click_cues import Click
from cdpnet.inference.click_model import ClickModel
from cdpnet.inference.click_windows import Box, box_of, share_on_grid
from cdpnet.inference.marking import Marking, clicks_of_box
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io import run_lengths
from cdpnet.io.files import write_bytes
from cdpnet.io.image_tensors import read_image
from cdpnet.runtime.metrics import mask_iou
from cdpnet.values import JSON

MOST_CLICKS = 20
GOAL = 0.85
"""The IoU that an object shall reach."""
_BATCH, _RATE, _DECAY = 2048, 5e-3, 1e-3
_FITTED_CLICKS = 12  # on an object
_GOOD = 0.93  # IoU, after which an object gets no further click
_SAMPLES = 200  # locations of a state that are fitted
_NEAR, _NEAR_WEIGHT = 33, 3.0  # locations around an object that are drawn more often, and how much more


@dataclass(frozen=True)
class MarkedObject:
    """An object, the IoU, 0..1, after each click until it is high enough, and that of the box around it alone."""

    image: str
    pixels: int
    ious: tuple[float, ...]
    box_iou: float

    @property
    def clicks(self) -> int:
        """The number of clicks that it took."""
        return next((i + 1 for i, iou in enumerate(self.ious) if iou >= GOAL), MOST_CLICKS)


class _Object(NamedTuple):
    image_set: ImageSet
    identifier: str
    truth: NDArray[np.bool_]


def next_click(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Click | None:
    """The click in the middle of the largest connected error of a mask (H, W); None where there is no error."""
    best: tuple[int, NDArray[np.bool_], bool] | None = None
    for error, positive in ((truth & ~found, True), (found & ~truth, False)):
        parts, count = ndimage.label(error)
        if count:
            sizes = np.bincount(parts.ravel())[1:]
            if best is None or sizes.max() > best[0]:
                best = int(sizes.max()), parts == sizes.argmax() + 1, positive
    if best is None:
        return None
    _, region, positive = best
    inside = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(inside.argmax()), region.shape)
    return Click(int(row), int(column), positive)


def mark(marking: Marking, truth: NDArray[np.bool_]) -> tuple[float, ...]:
    """The IoU after each click of the simulated user on one object (H, W), until it is high enough."""
    clicks: list[Click] = []
    ious: list[float] = []
    found = np.zeros_like(truth)
    while len(ious) < MOST_CLICKS and (not ious or ious[-1] < GOAL):
        click = next_click(found, truth)
        if click is None:
            break
        clicks.append(click)
        found = marking.mask(clicks) > 0
        ious.append(mask_iou(found, truth))
    return tuple(ious)


def measure(
    segmenter: Segmenter,
    reader: CocoReader,
    config: ClicksConfig,
    report: Callable[[int], object],
    model: ClickModel | None = None,
) -> list[MarkedObject]:
    """Mark objects of the images that nothing was fitted on. DataError where there is none."""
    marked = []
    for begun, target in _markings(segmenter, _draw(reader, config, fitting=False), reader, model):
        by_box = mask_iou(begun.mask([], box_of(target.truth)) > 0, target.truth)
        pixels = int(target.truth.sum())
        marked.append(MarkedObject(target.identifier, pixels, mark(begun, target.truth), by_box))
        report(len(marked))
    return marked


def _draw(reader: CocoReader, config: ClicksConfig, *, fitting: bool) -> list[_Object]:
    """The objects of one half of the images, in the order of the images. DataError where there is none."""
    sets: list[ImageSet] = ["train", "val"]
    images = [(part, name) for part in sets if part in reader.files for name in reader.identifiers(part)]
    objects = [
        _Object(*image, truth)
        for image in images[0 if fitting else 1 :: 2]
        for found in reader.regions(*image)
        if not found.is_crowd
        and config.min_pixels <= (truth := run_lengths.decode(found.mask).view(np.bool_)).sum() < truth.size
    ]
    if not objects:
        raise DataError(f"No object in {reader.root} has {config.min_pixels} pixels; give a lower --min-pixels.")
    order = np.random.default_rng(config.seed).permutation(len(objects))[: config.objects]
    return [objects[i] for i in sorted(order.tolist())]


def _markings(
    segmenter: Segmenter, objects: Sequence[_Object], reader: CocoReader, model: ClickModel | None
) -> Iterator[tuple[Marking, _Object]]:
    """The objects with their images, each of which is encoded once."""
    before: tuple[ImageSet, str] | None = None
    for target in objects:
        if target[:2] != before:
            before = target[:2]
            begun = segmenter.begin(read_image(reader.image_path(*before)), model)
        yield begun, target


def fit(
    segmenter: Segmenter, reader: CocoReader, config: ClicksConfig, steps: int, report: Callable[[str], object]
) -> ClickModel:
    """Fit the click model to the states that the simulated user meets with the model itself, in three rounds.

    Each object is marked twice: by clicks alone, and by a box and clicks. In the first round they are answered by a
    model that is not fitted yet. Each round adds its states.
    """
    torch.manual_seed(config.seed)
    rng = torch.Generator().manual_seed(config.seed)
    objects = _draw(reader, config, fitting=True)
    model = ClickModel()
    cues: list[Tensor] = []
    shares: list[Tensor] = []
    for number in range(3):
        for begun, target in _markings(segmenter, objects[number::3], reader, model):
            for box in (None, box_of(target.truth)):
                for state, share in _states(begun, target.truth, box):
                    chosen = _choose(share, rng)
                    cues.append(state.flatten(1).T[chosen])
                    shares.append(share.flatten()[chosen])
        loss = _regress(model, torch.cat(cues), torch.cat(shares), steps, rng)
        report(f"round {number + 1}: {len(cues)} states, loss {loss:.4f}")
    return model.eval()


@torch.no_grad()
def _states(begun: Marking, truth: NDArray[np.bool_], box: Box | None) -> Iterator[tuple[Tensor, Tensor]]:
    """The cues (n, h, w) that the model meets in the first clicks on an object, and the object's share (h, w).

    box: the first clicks are those that stand for it.
    """
    state = begun.replay((), box)
    first = [] if box is None else clicks_of_box(box, begun.size)
    found = np.zeros_like(truth)
    for number in range(_FITTED_CLICKS):
        click = first[number] if number < len(first) else next_click(found, truth)
        if click is None or mask_iou(found, truth) > _GOOD:
            return
        *met, state = begun.answers(state, click)
        for seen in met:
            grid = begun.grid(seen.window)
            yield seen.cues(grid), share_on_grid(truth, seen.window, grid.size)
        found = begun.pixels(state) > 0


def _choose(share: Tensor, rng: torch.Generator) -> Tensor:
    """Numbers of locations to fit, more of them near the object."""
    near = F.max_pool2d((share > 0).float()[None], _NEAR, stride=1, padding=_NEAR // 2)[0]
    return torch.multinomial(1 + _NEAR_WEIGHT * near.flatten(), _SAMPLES, generator=rng)


def _regress(model: ClickModel, cues: Tensor, truth: Tensor, steps: int, rng: torch.Generator) -> float:
    """Minimise the cross-entropy from a new start; the last loss."""
    fresh = ClickModel()
    model.load_state_dict(fresh.state_dict() | {"mean": cues.mean(dim=0), "std": cues.std(dim=0) + 1e-3})
    optimizer = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss = torch.zeros(())
    for _ in range(steps):
        chosen = torch.randint(len(cues), (_BATCH,), generator=rng)
        loss = F.binary_cross_entropy_with_logits(model(cues[chosen]), truth[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return float(loss.detach())


def save_click_model(model: ClickModel, path: Path) -> None:
    """Write the weights of a click model."""
    write_bytes(save(model.state_dict()), path)


def clicks_json(marked: Sequence[MarkedObject], config: ClicksConfig, model: tuple[str, str]) -> dict[str, JSON]:
    """The measurement as plain values."""
    counts = [one.clicks for one in marked]
    return {
        "model": list(model),
        **asdict(config),
        "goal": GOAL,
        "mean clicks": float(np.mean(counts)),
        "median clicks": float(np.median(counts)),
        "mean IoU after each click": list(mean_ious(marked)),
        "mean IoU of the box alone": float(np.mean([one.box_iou for one in marked])),
        "marked": [{**asdict(one), "ious": list(one.ious)} for one in marked],
    }


def mean_ious(marked: Sequence[MarkedObject]) -> tuple[float, ...]:
    """The mean IoU after 1, 2, ... clicks; an object that is good enough stays as it is."""
    rows = [[one.ious[min(i, len(one.ious) - 1)] for i in range(MOST_CLICKS)] for one in marked]
    return tuple(np.mean(rows, axis=0).tolist())
