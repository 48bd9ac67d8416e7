"""Serve the page, and remove all its temporary files when it stops."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np

from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.image_tensors import read_image
from cdpnet.io.images import refuse_other_formats
from cdpnet.web.address import Address
from cdpnet.web.limits import Limits

_CLEAN_UP = 5.0  # seconds between two searches for expired sessions


def serve(
    segmenter: Segmenter, model: str, address: Address, limits: Limits, ready: Callable[[str], None], stop: Event
) -> None:
    """Serve the page until ``stop`` is set.

    model: a sentence about the network, for the page. ready: called with the URL once the page can be opened.
    ConfigError where the port cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="cdpnet-web-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder, "uploads"))
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the library is imported
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        refuse_other_formats()  # Gradio opens what browsers send as images
        from cdpnet.web.application import make_application
        from cdpnet.web.http_server import serving
        from cdpnet.web.page import build_page
        from cdpnet.web.samples import render_samples
        from cdpnet.web.sessions import Sessions

        sessions = Sessions(segmenter, Path(folder), limits)
        samples = render_samples(Path(folder, "samples"))
        _warm_up(segmenter, samples.support[0], samples.query[0])
        page = build_page(sessions, samples, limits, model, segmenter.threshold)
        with serving(make_application(page, address, limits), address, limits) as url:
            try:
                ready(url)
                while not stop.wait(_CLEAN_UP):
                    if sessions.end_expired():
                        _release_memory()
            finally:
                page.close(verbose=False)


def _warm_up(segmenter: Segmenter, example: Path, image: Path) -> None:
    """Learn and segment once, so that the first user does not wait for one-time initialisation."""
    _, h, w = read_image(example).shape
    mask = np.zeros((h, w), np.uint8)
    mask[h // 4 : h // 2, w // 4 : w // 2] = 1
    _ = segmenter.segment(image, segmenter.learn("something", example, mask)).mask


def _release_memory() -> None:
    """Return the memory of ended sessions to the system, which the C library of Linux would keep."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
