"""The server of the page: address, login, and removal of all temporary files when it stops."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from cdpnet.errors import ConfigError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.images import read_image, refuse_other_formats
from cdpnet.web.limits import Limits

_CLEAN_UP = 5.0  # seconds between two searches for expired sessions


@dataclass(frozen=True)
class Address:
    """Host and port of the page, and the login as name and password, if there is one."""

    host: str
    port: int
    login: tuple[str, str] | None


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
        from starlette.middleware import Middleware

        from cdpnet.web import style
        from cdpnet.web.page import build_page
        from cdpnet.web.request_filter import RequestFilter
        from cdpnet.web.samples import render_samples
        from cdpnet.web.sessions import Sessions

        sessions = Sessions(segmenter, Path(folder), limits)
        samples = render_samples(Path(folder, "samples"))
        _warm_up(segmenter, samples.support[0], samples.query[0])
        page = build_page(sessions, samples, limits, model, segmenter.threshold)
        page.queue(max_size=limits.waiting, api_open=False)
        _bypass_proxy()
        try:
            _, url, _ = page.launch(
                server_name=f"[{address.host}]" if ":" in address.host else address.host,
                server_port=address.port,
                auth=address.login,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                ssr_mode=False,
                run_history=False,
                enable_monitoring=False,
                footer_links=[],
                app_kwargs={"middleware": [Middleware(RequestFilter)]},
                state_session_capacity=limits.sessions,
                max_file_size=limits.megabytes * 10**6,
                theme=style.theme(),
                css=style.style_sheet(),
                head=style.script(limits),
            )
        except OSError:
            raise ConfigError(
                f"Port {address.port} on {address.host} cannot be used; another program may have it, so give another "
                "--port."
            ) from None
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


def _bypass_proxy() -> None:
    """Exclude local addresses from a proxy, since Gradio checks its own address by a request."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name, ""), "127.0.0.1,localhost,::1,0.0.0.0")))


def _release_memory() -> None:
    """Return the memory of ended sessions to the system, which the C library of Linux would keep."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
