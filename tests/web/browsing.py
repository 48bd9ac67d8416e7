"""Use the page in a browser as a person does."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cdpnet.cli import main
from tests.web.serving import TIMEOUT, wait_until

# Brush strokes from x, y to x, y, as fractions of the editor.
SNOWFLAKE = ((0.2, 0.55, 0.42, 0.6), (0.2, 0.68, 0.42, 0.72))
KNIGHT = ((0.45, 0.25, 0.6, 0.3), (0.45, 0.4, 0.52, 0.62))
_BLANK = 5.0  # standard deviation of the pixels of an editor that shows no image
SCENES = slice(1, 3)  # of the samples to segment: one with a snowflake, one with a chess knight
Masks = Mapping[str, np.ndarray]


def open_page(browser: Any) -> Any:
    """An empty tab with cookies and storage of its own."""
    page = browser.new_context(
        viewport={"width": 1440, "height": 1000}, device_scale_factor=0.5, accept_downloads=True
    ).new_page()
    page.set_default_timeout(TIMEOUT * 1000)
    return page


def expect_opened_image(page: Any) -> Any:
    """Wait, at the end of a with block, until the image of the editor has been sent."""
    return page.expect_response(lambda response: re.search(r"file=.*/image\.png", response.url) is not None)


def choose_sample(page: Any, number: int) -> None:
    """Open a sample in the editor."""
    before = _editor_pixels(page)
    with expect_opened_image(page):
        page.locator("#support-samples button").nth(number).click()
    wait_until(lambda: _shows_other_image(page, before), "the editor does not show the sample")


def _shows_other_image(page: Any, before: np.ndarray) -> bool:
    """Whether the editor shows an image, not the one from before, and has finished drawing."""
    now = _editor_pixels(page)
    if now.shape == before.shape and np.array_equal(now, before):
        return False
    h, w = now.shape[:2]
    centre = now[h // 4 : -h // 4, w // 4 : -w // 4]
    return now.size > 0 and centre.std() > _BLANK and np.array_equal(now, _editor_pixels(page))


def _editor_pixels(page: Any) -> np.ndarray:
    """The editor as it is drawn, (h, w, 3); empty before an image is opened."""
    canvas = page.locator("#editor .pixi-target canvas")
    if not canvas.count():
        return np.zeros((0, 0, 3), np.uint8)
    return np.array(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"))


def brush(page: Any, *strokes: tuple[float, float, float, float]) -> None:
    """Draw straight strokes, and wait until the editor shows them; every movement costs a second without a GPU."""
    canvas = page.locator("#editor .pixi-target canvas")
    canvas.scroll_into_view_if_needed()
    before, box = _editor_pixels(page), canvas.bounding_box()
    for x0, y0, x1, y1 in strokes:
        page.mouse.move(box["x"] + box["width"] * x0, box["y"] + box["height"] * y0)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * x1, box["y"] + box["height"] * y1)
        page.mouse.up()
    page.mouse.move(0, 0)
    wait_until(lambda: _shows_other_image(page, before), "the editor does not show the strokes")


def enter_name(page: Any, name: str) -> None:
    """Fill in the class name."""
    page.locator("#name input, #name textarea").fill(name)


def add_example(page: Any, name: str, *, brushed: bool = True) -> None:
    """Name the class, add the example, and wait until the editor shows the image without the brush strokes."""
    enter_name(page, name)
    before = _editor_pixels(page)
    with expect_opened_image(page):
        page.locator("#add").click()
        page.locator("#mark-note .note").filter(has_text=f"{name}: learned from").wait_for()
    if brushed:
        wait_until(lambda: _shows_other_image(page, before), "the editor still shows the strokes")


def add_example_of_files(page: Any, image: Path, mask: Path, name: str) -> None:
    """Add an example of an image and its mask, both uploaded; the editor's strokes cost much more without a GPU."""
    with expect_opened_image(page):
        page.locator("#support-file input").set_input_files(str(image))
    page.get_by_text("Use a mask file instead of the brush").click()
    page.locator("#mask-file input").set_input_files(str(mask))
    page.locator("#mask-file .file-preview").wait_for()
    add_example(page, name, brushed=False)


def draw_mask(folder: Path) -> Path:
    """The file of a mask (128, 128) that marks the object of the first sample."""
    mask = np.zeros((128, 128), np.uint8)
    mask[55:105, 5:60] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    return folder / "mask.png"


def drop_file(page: Any, selector: str, name: str, content: bytes) -> None:
    """Drop a file on an element, as the mouse does."""
    page.evaluate(
        """([selector, name, content]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type: "image/png" }));
            document.querySelector(selector).dispatchEvent(
                new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: transfer }));
        }""",
        [selector, name, base64.b64encode(content).decode()],
    )


def captions(page: Any, *, count: int = 12, previous: list[str] | None = None) -> list[str]:
    """The captions of the results, as soon as there are that many and they differ from the previous ones."""
    page.wait_for_function(
        "([count, previous]) => {"
        "const now = [...document.querySelectorAll('#results .caption-label')].map(e => e.textContent);"
        "return now.length === count && JSON.stringify(now) !== previous; }",
        arg=[count, json.dumps(previous, ensure_ascii=False, separators=(",", ":"))],
    )
    return [str(text) for text in page.locator("#results .caption-label").all_text_contents()]


def download(page: Any, button: str, folder: Path) -> Path:
    """Press a download button and unpack the archive; gives the folder of its files."""
    with page.expect_download() as started:
        page.locator(button).click()
    archive: Path = folder / started.value.suggested_filename
    started.value.save_as(archive)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        opened.extractall(folder / archive.stem)
    return folder / archive.stem


def download_masks(page: Any, folder: Path) -> Masks:
    """The masks as PNG, by the names of their images."""
    return read_masks(download(page, "#download-labels", folder) / "masks")


def read_masks(folder: Path) -> Masks:
    """The masks of a folder, without the overlays that `cdpnet segment` writes beside them."""
    files = [path for path in sorted(folder.glob("*.png")) if not path.stem.endswith("_overlay")]
    return {path.stem.removesuffix("_mask"): np.array(Image.open(path)) for path in files}


def are_equal(left: Masks, right: Masks) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def run_command(*arguments: object) -> None:
    """Run a command of `cdpnet` in this process."""
    assert main([str(argument) for argument in arguments]) == 0
