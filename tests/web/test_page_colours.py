"""The colours of the page: whether what is written in them can be read."""

from __future__ import annotations

import re
from importlib import resources

import numpy as np


def test_colours_have_the_contrast_of_wcag_aa() -> None:
    css = (resources.files("cdpnet.web") / "static" / "theme.css").read_text()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    for scheme in (light, light + dark):
        colours = {name: value[:7] for name, value in re.findall(r"--([\w-]+): (#[0-9a-f]{6});", scheme)}
        for text, ground, least in CONTRASTS:
            assert _contrast(colours[text], colours[ground]) >= least, (text, ground)
        # A key on the button of the chosen tool lets its ground shine through.
        share, ends = _opacity_of_keys(css), (colours["accent"], colours["accent-soft"])
        channels = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in ends]
        shown = "".join(f"{round(share * on + (1 - share) * under):02x}" for on, under in zip(*channels, strict=True))
        assert _contrast(f"#{shown}", colours["accent-soft"]) >= 4.5


CONTRASTS = [
    *((text, ground, 4.5) for text in ("text", "quiet") for ground in ("ground", "surface", "raised", "accent-soft")),
    *((text, "surface", 4.5) for text in ("accent", "bad", "good", "warn")),
    ("accent", "accent-soft", 4.5),
    ("on-accent", "accent", 4.5),
    ("bad", "bad-soft", 4.5),
    ("border", "surface", 3.0),
    ("border", "ground", 3.0),
    ("accent", "stage", 3.0),
]


def _opacity_of_keys(css: str) -> float:
    found = re.search(r"^kbd \{.* opacity: ([.\d]+);", css, re.MULTILINE)
    return float(found[1]) if found else 1.0


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1..21, by WCAG 2."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
