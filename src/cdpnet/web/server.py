"""The server: who may reach the page, and what is left when it stops, which is nothing."""

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
from cdpnet.io.images import read_image
from cdpnet.web.limits import Limits

_SWEEP = 5.0  # seconds between looks for sessions that are over


@dataclass(frozen=True)
class Address:
    """Where the page is, and the name and password that open it, if it has any."""

    host: str
    port: int
    login: tuple[str, str] | None


def serve(
    segmenter: Segmenter, model: str, address: Address, limits: Limits, ready: Callable[[str], None], stop: Event
) -> None:
    """Serve the page until ``stop`` is set; ``ready`` hears its address. ConfigError where the port is taken."""
    with tempfile.TemporaryDirectory(prefix="cdpnet-web-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder, "uploads"))
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the library is imported
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        from starlette.middleware import Middleware

        from cdpnet.web import style
        from cdpnet.web.page import build
        from cdpnet.web.request_filter import RequestFilter
        from cdpnet.web.samples import render_samples
        from cdpnet.web.sessions import Sessions

        sessions = Sessions(segmenter, Path(folder), limits)
        samples = render_samples(Path(folder, "samples"))
        _warm(segmenter, samples.teach[0], samples.look[0])
        page = build(sessions, samples, limits, model, segmenter.threshold)
        page.queue(max_size=limits.waiting, api_open=False)
        _ask_no_proxy()
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
                css=style.style(),
                head=style.head(limits),
            )
        except OSError:
            raise ConfigError(
                f"Port {address.port} on {address.host} cannot be used; another program may have it, so give another "
                "--port."
            ) from None
        try:
            ready(url)
            while not stop.wait(_SWEEP):
                if sessions.sweep():
                    _give_back_memory()
        finally:
            page.close(verbose=False)


def _warm(segmenter: Segmenter, example: Path, image: Path) -> None:
    """Learn and look once, or the first visitor would wait for what is made once."""
    _, h, w = read_image(example).shape
    mask = np.zeros((h, w), np.uint8)
    mask[h // 4 : h // 2, w // 4 : w // 2] = 1
    _ = segmenter.segment(image, segmenter.learn("something", example, mask)).mask


def _ask_no_proxy() -> None:
    """The library asks its own address whether it is there; a proxy is not to hear of that."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name, ""), "127.0.0.1,localhost,::1,0.0.0.0")))


def _give_back_memory() -> None:
    """Hand the memory of sessions that are over to the machine; the C library of Linux would keep it for later."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
