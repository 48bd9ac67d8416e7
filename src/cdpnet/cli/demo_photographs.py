"""The photographs of the demonstration: a cheetah is marked in one, and looked for in three others.

The photographs come with Gradio (extra demo) and are only read; the outline of the cheetah is our own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "cheetah"
OUTLINE = "demo-outline.json"
EXAMPLE = "media_assets/images/cheetah1.jpg"
OTHERS = {  # and what they show
    "media_assets/images/cheetah.jpg": "a running cheetah",
    "test_data/cheetah2.jpg": "a cub",
    "media_assets/images/lion.jpg": "no cheetah",
}
HOW_TO_GET = "The photographs come with Gradio: pip install 'cdpnet[demo]'. The demonstration goes on with icons."
KNOWN = "The classifier that the encoder comes from was trained on cheetahs and lions, so this is an easy case."
MIN_PRESENCE = 0.99  # stricter than the network's own, so that a lion does not pass for a cheetah
_CELL = 320  # pixels


@dataclass(frozen=True)
class Finding:
    """What was found in one photograph: what it shows, and the share of its pixels in the mask, 0..1."""

    shows: str
    share: float


def find_photographs() -> Path | None:
    """The folder of Gradio, which is not imported; None where it is not installed or lacks one of the photographs."""
    spec = find_spec("gradio")
    for folder in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
        if all((folder / name).is_file() for name in (EXAMPLE, *OTHERS)):
            return folder
    return None


def segment_photographs(folder: Path, image: Path, device: str) -> list[Finding]:
    """Learn the cheetah from its outline, look for it in the other photographs, and draw all four in ``image``."""
    from PIL import Image

    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.io.files import write_image
    from cdpnet.io.image_tensors import read_image
    from cdpnet.labels.overlay import overlay
    from cdpnet.report.images import grid

    segmenter = Segmenter.from_pretrained(device=device)
    example = read_image(folder / EXAMPLE)
    marked = _outlined((example.shape[2], example.shape[1]))
    learned = segmenter.learn(NAME, example, Image.fromarray(marked))
    columns = {"marked": overlay(example, marked // 255)}
    findings = []
    for name, shows in OTHERS.items():
        photograph = read_image(folder / name)
        mask = segmenter.segment(photograph, learned, min_presence=MIN_PRESENCE).mask
        columns[shows] = overlay(photograph, mask)
        findings.append(Finding(shows, float((mask > 0).mean())))
    write_image(grid([(NAME, list(columns.values()))], list(columns), cell=_CELL), image)
    return findings


def _outlined(size: tuple[int, int]) -> NDArray[np.uint8]:
    """The mask (H, W) of the outline, 0 or 255, in an image of ``size`` width, height."""
    import numpy as np
    from PIL import Image, ImageDraw

    points = json.loads(resources.files("cdpnet.configs").joinpath(OUTLINE).read_text(encoding="utf-8"))
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([(x * size[0], y * size[1]) for x, y in points], fill=255)
    return np.array(mask)
