"""Images to try the page with: rendered scenes, made on the spot, of classes that the shipped network never saw."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.report.images import to_image

_FOLD = 0  # the one whose base classes trained the shipped network
_LAYOUT = SceneLayout(target=(0.5, 0.75), others=(1, 2), other=(0.25, 0.45))  # room for a brush
_CLASSES, _SCENES_EACH = 6, 2
_DRAWN = 200  # episodes that these are taken from


@dataclass(frozen=True)
class Samples:
    """Images to teach with, one for each class, and others to look at, two for each."""

    names: tuple[str, ...]
    teach: tuple[Path, ...]
    look: tuple[Path, ...]


def render_samples(folder: Path) -> Samples:
    """Paint the samples into a folder; the same ones each time."""
    folder.mkdir(parents=True, exist_ok=True)
    source = IconEpisodes(_FOLD, 1, "test", layout=_LAYOUT)
    by_class = defaultdict(list)
    for index, number in enumerate(source.choose(torch.arange(_DRAWN)).class_ids.tolist()):
        by_class[number].append(index)
    chosen = [episodes[:_SCENES_EACH] for episodes in by_class.values() if len(episodes) >= _SCENES_EACH][:_CLASSES]
    drawn = source.draw(torch.tensor(chosen).flatten()).batch
    names, teach, look = drawn.class_names[::_SCENES_EACH], [], []
    for number, (support, query) in enumerate(zip(drawn.support_images[:, 0], drawn.query_images, strict=True)):
        if number % _SCENES_EACH == 0:
            teach.append(folder / f"{drawn.class_names[number]}.png")
            to_image(support).save(teach[-1])
        look.append(folder / f"scene-{number + 1:02d}.png")
        to_image(query).save(look[-1])
    return Samples(tuple(names), tuple(teach), tuple(look))
