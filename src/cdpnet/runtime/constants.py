"""Values that masks and labels hold beside class numbers."""

from __future__ import annotations

IGNORE_INDEX = 255  # in masks: a pixel that belongs neither to the foreground nor to the background
UNLABELLED = -1  # in labels of data sets: borders and crowds
SHORTEST_SIDE = 32  # pixels that an encoder needs in each direction; a shorter side of an image is stretched
