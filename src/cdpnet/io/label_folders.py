"""Folders of labels that lie among images: how they are called, and by which files beside them they are known."""

from __future__ import annotations

from collections.abc import Collection

MASKS, VOC_MASKS, THUMBNAILS = "masks", "SegmentationClass", "sheet"
NAMES_FILE, JOURNAL = "classes.txt", ".cdpnet-label.jsonl"


def label_folders(files: Collection[str]) -> set[str]:
    """The names of the folders beside these files whose images are masks, or thumbnails of a labelling job."""
    if JOURNAL in files:
        return {MASKS, VOC_MASKS, THUMBNAILS}
    return {MASKS, VOC_MASKS} if NAMES_FILE in files else set()
