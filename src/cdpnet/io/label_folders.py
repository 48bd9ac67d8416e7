"""Labels that lie among images: how folders and files of them are called, and by what beside them they are known."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath

MASKS, VOC_MASKS, THUMBNAILS = "masks", "SegmentationClass", "sheet"
NAMES_FILE, JOURNAL = "classes.txt", ".cdpnet-label.jsonl"
MASK_ENDING, OVERLAY_ENDING = "_mask.png", "_overlay.png"  # of what `cdpnet segment` makes of an image


def label_folders(files: Collection[str]) -> set[str]:
    """The names of the folders beside these files whose images are masks, or thumbnails of a labelling job."""
    if JOURNAL in files:
        return {MASKS, VOC_MASKS, THUMBNAILS}
    return {MASKS, VOC_MASKS} if NAMES_FILE in files else set()


def segment_results(files: Collection[str]) -> set[str]:
    """The masks and overlays among the files of a folder that `cdpnet segment` made of an image there."""
    made_of = [name.removesuffix(OVERLAY_ENDING) for name in files if name.endswith(OVERLAY_ENDING)]
    if not made_of:  # as in most folders, which may have millions of files
        return set()
    stems, there = {PurePath(name).stem for name in files}, set(files)
    found = {stem for stem in made_of if stem in stems and stem + MASK_ENDING in there}
    return {stem + ending for stem in found for ending in (MASK_ENDING, OVERLAY_ENDING)}
