"""A project that is open on the page, with what works on it."""

from __future__ import annotations

from pathlib import Path

from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.projects.project import Project
from cdpnet.projects.segmenting import ProjectSegmenter
from cdpnet.web.markings import Markings
from cdpnet.web.pictures import Pictures


class Workspace:
    """A project, the work of the network on it, its pictures and its markings. kept: as in `Project`."""

    def __init__(self, folder: Path, encoded: EncodedImages, *, kept: bool) -> None:
        self.project = Project(folder, kept=kept)
        self.work = ProjectSegmenter(self.project, encoded)
        self.pictures = Pictures(self.project)
        self.markings = Markings(encoded.segmenter, self.pictures)
