"""Fit the click models to the states that the simulated user meets with the models themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor

from cdpnet.data.readers.coco import CocoReader
from cdpnet.experiments.click_corrections import draw_corrections
from cdpnet.experiments.clicks import Target, begin_each, draw_objects, next_click
from cdpnet.experiments.config import ClicksConfig
from cdpnet.inference.click_model import ClickModel
from cdpnet.inference.click_windows import box_of, share_on_grid
from cdpnet.inference.marking import Marking, clicks_of_box
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.files import write_bytes
from cdpnet.runtime.metrics import mask_iou

_BATCH, _RATE, _DECAY = 2048, 5e-3, 1e-3
_ROUNDS = 3
_FITTED_CLICKS = 12  # on an object
_GOOD = 0.93  # IoU, after which an object gets no further click
_SAMPLES = 200  # locations of a state that are fitted
_NEAR, _NEAR_WEIGHT = 33, 3.0  # locations around an object that are drawn more often, and how much more


def fit(segmenter: Segmenter, reader: CocoReader, config: ClicksConfig, report: Callable[[str], object]) -> ClickModel:
    """Fit the click model of objects that nothing is marked of.

    Each object is marked twice: by clicks alone, and by a box and clicks. DataError where there is no object.
    """
    objects = draw_objects(reader, config, fitting=True)
    rounds = [
        [target for one in objects[number::_ROUNDS] for target in (one, one._replace(box=box_of(one.truth)))]
        for number in range(_ROUNDS)
    ]
    return _fit(rounds, segmenter, reader, config, report)


def fit_corrections(
    segmenter: Segmenter, reader: CocoReader, config: ClicksConfig, report: Callable[[str], object]
) -> ClickModel | None:
    """Fit the click model of masks that are corrected, results of the network; None where there are too few."""
    results = draw_corrections(segmenter, reader, config, fitting=True)
    if len(results) < _ROUNDS:
        return None
    rounds = [results[number::_ROUNDS] for number in range(_ROUNDS)]
    return _fit(rounds, segmenter, reader, config, report, corrects=True)


def _fit(
    rounds: Sequence[Sequence[Target]],
    segmenter: Segmenter,
    reader: CocoReader,
    config: ClicksConfig,
    report: Callable[[str], object],
    *,
    corrects: bool = False,
) -> ClickModel:
    """Fit a model to its own states, in rounds, of which each adds its states; in the first it is not fitted yet."""
    torch.manual_seed(config.seed)
    rng = torch.Generator().manual_seed(config.seed)
    model = ClickModel(corrects=corrects)
    cues: list[Tensor] = []
    shares: list[Tensor] = []
    for number, targets in enumerate(rounds, start=1):
        for begun, target in begin_each(segmenter, targets, reader, model):
            for state, share in _states(begun, target):
                chosen = _choose(share, rng)
                cues.append(state.flatten(1).T[chosen])
                shares.append(share.flatten()[chosen])
        loss = _regress(model, torch.cat(cues), torch.cat(shares), config.fit, rng)
        report(f"round {number}: {len(cues)} states, loss {loss:.4f}")
    return model.eval()


@torch.no_grad()
def _states(begun: Marking, target: Target) -> Iterator[tuple[Tensor, Tensor]]:
    """The cues (n, h, w) that the model meets in the first clicks on an object, and the object's share (h, w).

    The first clicks on an object in a box are those that stand for the box.
    """
    truth, given = target.truth, target.given
    state = begun.replay((), target.box, None if given is None else given.astype(np.uint8))
    first = [] if target.box is None else clicks_of_box(target.box, begun.size)
    found = np.zeros_like(truth) if given is None else given
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
    fresh = ClickModel(corrects=model.corrects)
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
