"""What all tests of the page share: the network, the samples, one server and one browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.web.samples import Samples, render_samples
from tests.web.browsing import open_page
from tests.web.serving import serve_in_thread

os.environ["GRADIO_HEARTBEAT_INTERVAL"] = "0.5"  # seconds, in place of 15, until a server notices a closed page
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return Segmenter(load_network("tiny"))


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """The images that the page has as samples, in a folder of the tests."""
    return render_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="session")
def page_url(segmenter: Segmenter) -> Iterator[str]:
    with serve_in_thread(segmenter) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, page_url: str) -> Iterator[Any]:
    """The page opened by a new user; no request may go to another host, and no script may fail or be forbidden."""
    opened = open_page(browser)
    requests, errors = [], []
    opened.on("request", lambda request: requests.append(urlsplit(request.url)))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)
    opened.goto(page_url)
    opened.locator("#support-samples button").nth(5).wait_for()
    yield opened
    opened.context.close()
    assert requests
    assert {url.netloc for url in requests if url.scheme not in ("blob", "data")} == {urlsplit(page_url).netloc}
    assert not errors


@pytest.fixture(scope="module")
def unused_page(browser: Any, page_url: str) -> Iterator[Any]:
    """The page for tests that change nothing in their session."""
    opened = open_page(browser)
    opened.goto(page_url)
    opened.locator("#support-samples button").nth(5).wait_for()
    yield opened
    opened.context.close()
