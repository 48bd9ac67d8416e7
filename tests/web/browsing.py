"""Use the page in a browser as a person does.

The content policy of the page forbids Playwright's `wait_for_function`; `expect` and `wait_until` wait instead.
"""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.web.client import png
from tests.web.serving import TIMEOUT, wait_until

SIDE = 96  # pixels of the pictures
MARGIN = 12  # around a fitted picture, and the largest scale: as in view.js
LARGEST = 4.0
Point = tuple[float, float]  # x, y as fractions of the picture
OBJECT, GROUND, OTHER = (0.3, 0.4), (0.9, 0.9), (0.75, 0.25)


def pictures(count: int) -> list[tuple[str, bytes]]:
    """Pictures with a red square around OBJECT, moved a little in each, and a blue one around OTHER."""
    rng, made = np.random.default_rng(0), []
    for i in range(count):
        pixels = rng.integers(90, 110, (SIDE, SIDE, 3), np.uint8)
        pixels[24 + i : 56 + i, 12:46] = (210, 40, 50)
        pixels[14:36, 62:84] = (40, 60, 200)
        made.append((f"{i + 1}.png", png(pixels)))
    return made


@contextmanager
def visiting(browser: Any, url: str, *, refused: Collection[int] = (), **options: Any) -> Iterator[Any]:
    """The page in a browser of its own.

    At the end: no request went to another host, nothing failed in a script or was forbidden by the content policy,
    and whatever the server refused it refused in a sentence that the page shows. refused: a status of 404 or 500 that
    a test wants.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True, **options)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT * 1000)
    requests, errors, failures = [], [], {404, 500} - {*refused}
    page.on("request", lambda request: requests.append(urlsplit(request.url)))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if not _is_status(said.text) else None)
    page.on("response", lambda answer: errors.append(answer.url) if answer.status in failures else None)
    page.goto(url)
    page.locator("#empty:not([hidden]), #film li").first.wait_for()
    try:
        yield page
    finally:
        context.close()
    assert {one.netloc for one in requests if one.scheme not in ("blob", "data")} == {urlsplit(url).netloc}
    assert not errors


def _is_status(text: str) -> bool:
    """Whether the browser reports the status of an answer, as it does for every refusal."""
    return text.startswith("Failed to load resource: ")


def state(page: Any) -> dict[str, Any]:
    """The state as the server tells it."""
    told: dict[str, Any] = page.request.get(f"{page.url.split('#')[0]}api/state").json()
    return told


def image(page: Any, name: str) -> dict[str, Any]:
    """An image of the state by its name."""
    return next(one for one in state(page)["images"] if one["name"] == name)


def mask(page: Any, name: str) -> NDArray[np.uint8]:
    """The numbers of the classes (h, w) that the server keeps for an image."""
    answer = page.request.get(f"{page.url.split('#')[0]}api/images/{image(page, name)['id']}/masks")
    return np.array(Image.open(io.BytesIO(answer.body())))


def drop(page: Any, files: Sequence[tuple[str, bytes | int]]) -> None:
    """Drop files on the page, as the mouse does: names with contents, or with a number of bytes that are 0."""
    page.evaluate(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, content] of files)
                transfer.items.add(new File([typeof content === "number" ? new Uint8Array(content)
                    : Uint8Array.from(atob(content), c => c.charCodeAt(0))], name));
            const event = kind => new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer });
            document.body.dispatchEvent(event("dragenter"));
            document.body.dispatchEvent(event("drop"));
        }""",
        [[name, one if isinstance(one, int) else base64.b64encode(one).decode()] for name, one in files],
    )


def open_picture(page: Any, name: str) -> None:
    """Choose a picture in the filmstrip."""
    page.locator(f"#film button[aria-label^='{name},']").click()
    wait_for_picture(page, name)


def wait_for_picture(page: Any, name: str) -> None:
    """Wait until a picture is on the stage."""
    page.locator("#image-name").filter(has_text=name).wait_for()
    page.locator("#stage[aria-busy=false]").wait_for()


def place(page: Any, point: Point) -> Point:
    """Where a point of the fitted picture is on the screen."""
    box = page.locator("#stage").bounding_box()
    scale = min((box["width"] - 2 * MARGIN) / SIDE, (box["height"] - 2 * MARGIN) / SIDE, LARGEST)
    x, y = ((fraction - 0.5) * SIDE * scale for fraction in point)
    return box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y


def click(page: Any, point: Point, **options: Any) -> None:
    """Click in the picture."""
    page.mouse.click(*place(page, point), **options)


def drag(page: Any, start: Point, end: Point) -> None:
    """Draw from one point of the picture to another."""
    page.mouse.move(*place(page, start))
    page.mouse.down()
    page.mouse.move(*place(page, end))
    page.mouse.up()


def shown(page: Any, layer: str = "masks") -> str:
    """A layer as it is on the screen: the picture, the masks, or the marks."""
    return str(page.evaluate("name => document.querySelector(`canvas[data-layer=${name}]`).toDataURL()", layer))


def say_name(page: Any, name: str) -> None:
    """Answer the question for the name of a class."""
    page.locator("#name-input").fill(name)
    page.keyboard.press("Enter")


def wait_for_mask(page: Any) -> None:
    """Wait for the mask of a click."""
    page.locator("#hint").filter(has_text="% marked").wait_for()


def wait_for_results(page: Any) -> None:
    """Wait until all pictures are segmented."""
    page.locator("#film:not(:has([data-state=new]))").wait_for()
    page.locator("#job").wait_for(state="hidden")


def mark_and_teach(page: Any, name: str) -> None:
    """Click on the object, name its class, and save the mask, which teaches it."""
    click(page, OBJECT)
    say_name(page, name)
    wait_for_mask(page)
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text=f"{name} is learned from 1 example.").wait_for()
    wait_for_results(page)


def draw_after_teaching(page: Any, count: int) -> None:
    """Drop pictures, mark and teach a square in the first, and draw a stroke below it, which is not saved yet."""
    drop(page, pictures(count))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    page.keyboard.press("d")
    drag(page, (0.1, 0.9), (0.9, 0.9))
    wait_for_mask(page)


def save_after_new_results(page: Any, name: str, taught: str) -> None:
    """Teach what is marked in the present picture, then save what was marked in another one before.

    name: of that other picture, whose results change meanwhile. taught: what the page says of the class.
    """
    before = image(page, name)["revision"]
    page.keyboard.press("t")
    page.locator("#note").filter(has_text=taught).wait_for()
    wait_for_results(page)
    assert image(page, name)["revision"] > before
    open_picture(page, name)
    wait_for_mask(page)
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text="The mask is saved.").wait_for()


def download(page: Any, button: str, folder: Path) -> Path:
    """Press a button of the download dialog and unpack the archive; gives the folder of its files."""
    page.locator("[data-action=download]").click()
    with page.expect_download() as started:
        page.locator(button).click()
    archive: Path = folder / started.value.suggested_filename
    started.value.save_as(archive)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        opened.extractall(folder / archive.stem)
    return folder / archive.stem


def hold(page: Any, pattern: str) -> Callable[[], Any]:
    """Hold back requests; the function gives the next one."""
    held: list[Any] = []

    def next_held() -> Any:
        try:
            wait_until(lambda: held or page.wait_for_timeout(20), "")
        except AssertionError:
            shown_texts = page.locator("#bar, #notes").all_inner_texts()
            raise AssertionError(f"nothing is sent to {pattern}; the page says: {shown_texts}") from None
        return held.pop(0)

    page.route(pattern, lambda route: held.append(route))
    return next_held


def click_and_hold(page: Any) -> Callable[[], Any]:
    """Make a class, click on its object in the first of two pictures; as `hold`, of all requests for masks."""
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    page.keyboard.press("c")
    say_name(page, "square")
    page.locator("#class-list button").first.wait_for()
    next_click = hold(page, "**/api/images/*/click")
    click(page, OBJECT)
    return next_click
