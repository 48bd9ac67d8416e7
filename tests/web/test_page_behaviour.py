"""The page in a browser: errors, changes while it computes, several users, keyboard, narrow screens."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image

from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples
from tests.web.browsing import (
    SCENES,
    SNOWFLAKE,
    add_example,
    add_example_of_files,
    brush,
    captions,
    choose_sample,
    download,
    download_masks,
    draw_mask,
    drop_file,
    enter_name,
    open_page,
)
from tests.web.serving import TIMEOUT

TOO_MANY_PIXELS = "large.png has 40.0 million pixels; at most 24 million are read, so scale it down first."
NO_IMAGE = "notes.png is not an image that can be read; JPEG, PNG, WebP, TIFF and BMP are."


def test_the_browser_refuses_files_before_it_sends_them(page: Any, samples: Samples, tmp_path: Path) -> None:
    uploads = []
    page.on("request", lambda request: uploads.append(request.url) if "/upload" in request.url else None)
    large, text = tmp_path / "large.png", tmp_path / "notes.png"
    Image.new("L", (8000, 5000)).save(large)
    text.write_text("This is not an image.")
    for upload, step, file, message in (
        ("support-file", "mark", large, TOO_MANY_PIXELS),
        ("support-file", "mark", text, NO_IMAGE),
        ("query-files", "segment", large, TOO_MANY_PIXELS),
    ):
        page.locator(f"#{upload} input").set_input_files(str(file))
        page.locator(f"#{step}-refusal").filter(has_text=message).wait_for()
    many = [{"name": f"{i}.png", "mimeType": "image/png", "buffer": samples.query[0].read_bytes()} for i in range(200)]
    refusal = page.locator("#segment-refusal")
    page.locator("#query-files input").set_input_files(many)
    refusal.filter(has_text="200 images are too many for the page, which takes 48").wait_for()
    drop_file(page, "#query-files .upload-container", "notes.png", b"This is not an image.")
    refusal.filter(has_text=NO_IMAGE).wait_for()
    assert not uploads


def test_the_server_refuses_what_the_browser_cannot_check(page: Any, samples: Samples, tmp_path: Path) -> None:
    (tmp_path / "broken.tif").write_text("This is not an image.")
    page.locator("#query-files input").set_input_files(str(tmp_path / "broken.tif"))
    page.locator("#images-note .note.bad").filter(has_text="broken.tif is not an image that can be read").wait_for()
    page.locator("#download-labels").click()
    page.locator("#download-note .note.bad").filter(has_text="There are no masks yet").wait_for()

    refusal = page.locator("#mark-note .note.bad")
    page.locator("#add").click()
    refusal.filter(has_text="There is no image yet; choose one, or use one of the samples.").wait_for()
    choose_sample(page, 0)
    page.locator("#add").click()
    refusal.filter(has_text="Nothing is marked yet; brush over the object in the image").wait_for()
    brush(page, *SNOWFLAKE)
    enter_name(page, "   ")
    page.locator("#add").click()
    refusal.filter(has_text="The class has no name yet; enter one, such as weld crack.").wait_for()
    add_example(page, "snowflake")  # the strokes are still there
    drop_file(page, "#query-files .upload-container", "scene.png", samples.query[0].read_bytes())
    assert captions(page, count=1)


def test_files_of_the_server_cannot_be_read(unused_page: Any) -> None:
    for path in ("/etc/passwd", str(Path(__file__).resolve()), "https://example.com/a.png"):
        answer = unused_page.request.get(f"{unused_page.url}gradio_api/file={path}")
        assert answer.status == 403
        assert answer.json()["detail"].endswith(".")


def test_changes_during_a_segmentation_count(
    page: Any, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server segments, the slider moves, a box is switched twice, and another image is opened."""
    started, go_on, segment = Event(), Event(), Segmenter.segment
    images = samples.query[SCENES]  # few, since every result makes the editor send its strokes once more

    def wait_and_segment(self: Segmenter, *inputs: Any, **options: Any) -> Segmentation:
        started.set()
        assert go_on.wait(TIMEOUT)
        return segment(self, *inputs, **options)

    choose_sample(page, 0)
    brush(page, *SNOWFLAKE)
    add_example(page, "snowflake")
    enter_name(page, "flake two")
    monkeypatch.setattr(Segmenter, "segment", wait_and_segment)
    try:
        page.locator("#query-files input").set_input_files([str(path) for path in images])
        assert started.wait(TIMEOUT)
        page.locator("#threshold input[type=number]").fill("0.6")
        page.locator("#threshold input[type=number]").press("Enter")
        page.locator("#presence input").uncheck()
        page.locator("#presence input").check()
        brush(page, *SNOWFLAKE)
        with page.expect_response(lambda response: "flake two" in (response.request.post_data or "")):
            page.locator("#add").click()  # sends the strokes first, and then this request
        page.locator("#support-samples button").nth(1).click()
    finally:
        go_on.set()
    page.locator("#segment-note .note").filter(has_text="flake two in").wait_for()
    texts, masks = captions(page, count=len(images)), download_masks(page, tmp_path)
    assert any("not present" in text for text in texts)
    for text, mask in zip(texts, masks.values(), strict=True):
        shown, percent = re.search(r"^snowflake (\d+\.\d)", text), 100 * (mask == 1).mean()
        assert (float(shown[1]) == pytest.approx(percent, abs=0.06)) if shown else percent < 0.1, (text, percent)
    # Both examples are of the first sample, on which they were marked.
    examples = download(page, "#download-classes", tmp_path) / "examples"
    marked = [path.read_bytes() for path in examples.iterdir() if "_mask" not in path.name]
    assert marked == [samples.support[0].read_bytes()] * 2


def test_two_users_do_not_see_each_other(
    page: Any, browser: Any, page_url: str, samples: Samples, tmp_path: Path
) -> None:
    add_example_of_files(page, samples.support[0], draw_mask(tmp_path), "snowflake")
    other = open_page(browser)
    other.goto(page_url)
    other.locator("#query-samples").click()
    other.locator("#segment-note .note").filter(has_text="12 images to segment; add an example").wait_for()
    assert other.locator("#classes li").count() == 0
    other.context.close()


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_screen(unused_page: Any, width: int) -> None:
    unused_page.set_viewport_size({"width": width, "height": 1000})
    unused_page.wait_for_function("width => window.innerWidth === width", arg=width)
    assert unused_page.evaluate("document.documentElement.scrollWidth") <= width


def test_limits_are_shown_before_a_file_is_chosen(unused_page: Any) -> None:
    limits = Limits()
    text = unused_page.locator("#query-files").inner_text()
    assert f"up to {limits.images}" in text
    assert limits.describe() in text
    assert "tiny" in unused_page.locator("header").inner_text()


def test_every_control_is_reached_with_the_keyboard(unused_page: Any) -> None:
    page, reached = unused_page, set()
    page.locator("#support-file .upload-container").focus()
    for _ in range(60):
        reached.add(page.evaluate("document.activeElement.closest('[id]:not([id^=component])')?.id ?? ''"))
        page.keyboard.press("Tab")
    wanted = ("support-samples", "name", "add", "remove", "query-samples", "threshold", "presence", "download-labels")
    assert all(any(one.startswith(name) for one in reached) for name in wanted), reached
    page.locator("#support-samples button").nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#name input, #name textarea').value === 'paw'")
