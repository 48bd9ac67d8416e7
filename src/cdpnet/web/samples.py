"""Sample images for the page: rendered scenes of classes that the embedded network never saw with a mask."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.report.images import to_image

_FOLD = 0  # its base classes trained the embedded network
_LAYOUT = SceneLayout(target=(0.5, 0.75), others=(1, 2), other=(0.25, 0.45))  # objects large enough for a brush
_CLASSES, _SCENES_PER_CLASS = 6, 2
_CANDIDATES = 200  # episodes from which the samples are selected


@dataclass(frozen=True)
class Samples:
    """Support images to mark, one for each class, with the class names; query images to segment, two for each."""

    names: tuple[str, ...]
    support: tuple[Path, ...]
    query: tuple[Path, ...]


def render_samples(folder: Path) -> Samples:
    """Render the samples into a folder; they are the same each time."""
    folder.mkdir(parents=True, exist_ok=True)
    source = IconEpisodes(_FOLD, 1, "test", layout=_LAYOUT)
    by_class = defaultdict(list)
    for index, number in enumerate(source.choose(torch.arange(_CANDIDATES)).class_ids.tolist()):
        by_class[number].append(index)
    enough = [episodes for episodes in by_class.values() if len(episodes) >= _SCENES_PER_CLASS]
    indices = torch.tensor([episodes[:_SCENES_PER_CLASS] for episodes in enough[:_CLASSES]]).flatten()
    batch = source.draw(indices).batch
    support, query = [], []
    for i in range(len(indices)):
        if i % _SCENES_PER_CLASS == 0:
            support.append(folder / f"{batch.class_names[i]}.png")
            to_image(batch.support_images[i, 0]).save(support[-1])
        query.append(folder / f"scene-{i + 1:02d}.png")
        to_image(batch.query_images[i]).save(query[-1])
    return Samples(tuple(batch.class_names[::_SCENES_PER_CLASS]), tuple(support), tuple(query))
