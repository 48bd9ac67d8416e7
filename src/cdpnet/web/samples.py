"""Sample images for the page: rendered scenes of classes that the embedded network never saw with a mask."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from io import BytesIO

import torch
from torch import Tensor

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.icons.scenes import SceneLayout
from cdpnet.report.images import to_image

_FOLD = 0  # its base classes trained the embedded network
_LAYOUT = SceneLayout(target=(0.5, 0.75), others=(1, 2), other=(0.25, 0.45))  # objects large enough for a brush
_CLASSES, _SCENES_PER_CLASS = 6, 2
_CANDIDATES = 200  # episodes from which the samples are selected


@cache
def render_samples() -> dict[str, bytes]:
    """PNG files by their names: for each class one scene to mark, named after it, and two others to find it in."""
    source = IconEpisodes(_FOLD, 1, "test", layout=_LAYOUT)
    by_class = defaultdict(list)
    for index, number in enumerate(source.choose(torch.arange(_CANDIDATES)).class_ids.tolist()):
        by_class[number].append(index)
    enough = [episodes for episodes in by_class.values() if len(episodes) >= _SCENES_PER_CLASS]
    indices = torch.tensor([episodes[:_SCENES_PER_CLASS] for episodes in enough[:_CLASSES]]).flatten()
    batch = source.draw(indices).batch
    to_mark, others = {}, {}
    for i in range(len(indices)):
        if i % _SCENES_PER_CLASS == 0:
            to_mark[f"{batch.class_names[i]}.png"] = _png(batch.support_images[i, 0])
        others[f"scene-{i + 1:02d}.png"] = _png(batch.query_images[i])
    return {**to_mark, **others}


def _png(image: Tensor) -> bytes:
    buffer = BytesIO()
    to_image(image).save(buffer, "PNG")
    return buffer.getvalue()
