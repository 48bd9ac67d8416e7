"""What all tests of the page share: the network, one server and one browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.network import PrototypeNetwork
from tests.web.browsing import visiting
from tests.web.serving import TIMEOUT, serve_in_thread

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


@pytest.fixture(scope="session")
def segmenter(tiny: PrototypeNetwork) -> Segmenter:
    return Segmenter(tiny)


@pytest.fixture(scope="session")
def page_url(segmenter: Segmenter) -> Iterator[str]:
    with serve_in_thread(segmenter) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for the tests of one file, since tests of other files run event loops of their own."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT * 1000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, page_url: str) -> Iterator[Any]:
    """The page opened by a new user."""
    with visiting(browser, page_url) as opened:
        yield opened
