"""Serve the page, and remove all its temporary files when it stops."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import numpy as np

from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.images import open_image, refuse_other_formats
from cdpnet.io.scratch import scratch_folder
from cdpnet.projects.folder import held
from cdpnet.web.address import Address
from cdpnet.web.api import Api, Places
from cdpnet.web.application import make_application
from cdpnet.web.http_server import serving
from cdpnet.web.limits import Limits
from cdpnet.web.samples import render_samples
from cdpnet.web.sessions import Sessions, SharedProject
from cdpnet.web.threads import Threads
from cdpnet.web.workspace import Workspace

_CLEAN_UP = 5.0  # seconds between two searches for expired sessions
_COOKIE = "cdpnet_session_{port}"  # browsers send the cookies of a name to all its ports


def serve(
    segmenter: Segmenter,
    model: str,
    address: Address,
    limits: Limits,
    ready: Callable[[str], None],
    stop: Event,
    project: Path | None = None,
) -> None:
    """Serve the page until ``stop`` is set.

    model: a sentence about the network, for the page. ready: called with the URL once the page can be opened. project:
    folder of the project that all users share; None for a temporary one for each.
    ConfigError where the port or the folder cannot be used; DataError where another process holds the project.
    """
    refuse_other_formats()
    _warm_up(segmenter)
    threads = Threads()
    with _places(EncodedImages(segmenter), limits, threads, project) as places:
        api = Api(places, threads, limits, _COOKIE.format(port=address.port), model)
        try:
            with serving(make_application(api, address, limits), address, limits) as url:
                ready(url)
                while not stop.wait(_CLEAN_UP):
                    if places.end_expired():
                        _release_memory()
        finally:
            threads.close()


@contextmanager
def _places(encoded: EncodedImages, limits: Limits, threads: Threads, project: Path | None) -> Iterator[Places]:
    """The projects of the page; temporary ones are removed at the end, another one is saved."""
    if project is None:
        with scratch_folder() as folder:
            yield Sessions(encoded, folder, limits, threads)
        return
    with held(project) as folder:
        workspace = Workspace(folder, encoded, kept=True)
        try:
            yield SharedProject(workspace)
        finally:
            workspace.project.save()


def _warm_up(segmenter: Segmenter) -> None:
    """Learn and segment once, so that the first user does not wait for one-time initialisation."""
    image = open_image(next(iter(render_samples().values())))
    mask = np.zeros((image.height, image.width), np.uint8)
    mask[image.height // 4 : image.height // 2, image.width // 4 : image.width // 2] = 1
    _ = segmenter.segment(image, segmenter.learn("something", image, mask)).mask


def _release_memory() -> None:
    """Return the memory of ended sessions to the system, which the C library of Linux would keep."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
