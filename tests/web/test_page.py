"""The page as a person uses it, in a real browser without a screen."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples, render_samples
from tests.cli.running import run
from tests.web.serving import CHROMIUM, Served, served

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on this machine")
SLOW = """
import sys, time
from cdpnet.cli import main
from cdpnet.inference.segmenter import Segmenter
usual = Segmenter.segment
Segmenter.segment = lambda *inputs, **options: (time.sleep(0.4), usual(*inputs, **options))[1]
sys.exit(main(['web', *sys.argv[1:]]))
"""
WAIT = 60_000  # ms, for a machine that does other things beside


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web") / "temporary") as server:
        yield server


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """The images that the page has as samples, in a folder of the test's own."""
    return render_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, page_server: Served) -> Iterator[Any]:
    """A new visitor; at the end, no request may have gone to another host, and no script failed."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(WAIT)
    opened = context.new_page()
    asked, failed = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: failed.append(str(error)))
    opened.goto(page_server.url)
    opened.locator("#teach-samples button").nth(5).wait_for()
    yield opened
    home = urlsplit(page_server.url).netloc
    assert asked
    assert not [url for url in asked if urlsplit(url).scheme not in ("blob", "data") and urlsplit(url).netloc != home]
    assert not failed
    context.close()


def choose_sample(page: Any, number: int) -> None:
    with page.expect_response(lambda response: re.search(r"file=.*/image\.png", response.url) is not None):
        page.locator("#teach-samples button").nth(number).click()
    page.wait_for_timeout(500)  # the editor lays the image out


def paint(page: Any, *strokes: tuple[float, float, float, float]) -> None:
    """Strokes of the brush, from x, y to x, y, in shares of the easel."""
    canvas = page.locator("#editor .pixi-target canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for x0, y0, x1, y1 in strokes:
        page.mouse.move(box["x"] + box["width"] * x0, box["y"] + box["height"] * y0)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * x1, box["y"] + box["height"] * y1, steps=8)
        page.mouse.up()
    page.wait_for_timeout(300)


def add(page: Any, name: str) -> None:
    page.locator("#name input, #name textarea").fill(name)
    page.locator("#add").click()
    page.locator("#teach-note .note").filter(has_text=f"{name}: learned from").wait_for()


def drop(page: Any, where: str, name: str, content: bytes) -> None:
    """Drop a file, as the mouse would."""
    page.evaluate(
        """([where, name, content]) => {
            const held = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
            held.items.add(new File([bytes], name, { type: "image/png" }));
            document.querySelector(where).dispatchEvent(
                new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: held }));
        }""",
        [where, name, base64.b64encode(content).decode()],
    )


def captions(page: Any, *, without: list[str] | None = None) -> list[str]:
    """The words under the results, once there are twelve of them and they are not those before."""
    page.wait_for_function(
        "before => { const now = [...document.querySelectorAll('#results .caption-label')].map(e => e.textContent);"
        "return now.length === 12 && JSON.stringify(now) !== before; }",
        arg=json.dumps(without, ensure_ascii=False, separators=(",", ":")),
    )
    return [str(text) for text in page.locator("#results .caption-label").all_text_contents()]


def download(page: Any, button: str, folder: Path) -> Path:
    """Press a button, and unpack what comes."""
    with page.expect_download() as coming:
        page.locator(button).click()
    archive: Path = folder / coming.value.suggested_filename
    coming.value.save_as(archive)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        opened.extractall(folder / archive.stem)
    return folder / archive.stem


def masks_in(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem.removesuffix("_mask"): np.array(Image.open(path)) for path in sorted(folder.glob("*.png"))}


def equal(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


SNOWFLAKE = ((0.2, 0.55, 0.42, 0.6), (0.2, 0.68, 0.42, 0.72))
KNIGHT = ((0.45, 0.25, 0.6, 0.3), (0.45, 0.4, 0.52, 0.62))


def test_a_class_is_painted_named_found_and_taken_away(page: Any, samples: Samples, tmp_path: Path) -> None:
    choose_sample(page, 0)
    assert page.locator("#name input, #name textarea").input_value() == samples.names[0]
    paint(page, *SNOWFLAKE)
    add(page, "snowflake")
    page.locator("#look-samples").click()
    one = captions(page)
    assert any("snowflake not here" in text for text in one)
    assert any(re.search(r"snowflake \d+\.\d", text) for text in one)
    assert page.locator("#results img").first.get_attribute("alt").startswith("snowflake")
    assert page.locator("#results button.thumbnail-item").first.get_attribute("aria-label").startswith("snowflake")

    # The same mask, on the command line, gives the same masks.
    masks = masks_in(download(page, "#take-labels", tmp_path) / "masks")
    taken = download(page, "#take-classes", tmp_path)
    example, marks = sorted((taken / "examples").iterdir())
    assert Image.open(example).tobytes() == Image.open(samples.teach[0]).tobytes()
    support = ("--support", f"{example}:{marks}", "--name", "snowflake")
    shown = run("segment", *samples.look, *support, "--out", tmp_path / "same")
    assert shown.returncode == 0, shown.stderr
    assert equal(masks, masks_in_command(tmp_path / "same"))
    assert any(mask.any() for mask in masks.values()) and not all(mask.any() for mask in masks.values())

    # Another threshold, here and there, by the keyboard.
    slider = page.locator("#threshold input[type=number]")
    slider.fill("0.6")
    slider.press("Enter")
    two = captions(page, without=one)
    higher = masks_in(download(page, "#take-labels", tmp_path) / "masks")
    assert sum(mask.sum() for mask in higher.values()) < sum(mask.sum() for mask in masks.values())
    shown = run("segment", *samples.look, *support, "--out", tmp_path / "higher", "--threshold", "0.6")
    assert shown.returncode == 0, shown.stderr
    assert equal(higher, masks_in_command(tmp_path / "higher"))

    # Marked also where it seems absent.
    page.locator("#presence input").uncheck()
    three = captions(page, without=two)
    assert not any("not here" in text for text in three)
    shown = run(
        "segment", *samples.look, *support, "--out", tmp_path / "all", "--threshold", "0.6", "--min_presence", "0"
    )
    assert shown.returncode == 0, shown.stderr
    assert equal(masks_in(download(page, "#take-labels", tmp_path) / "masks"), masks_in_command(tmp_path / "all"))


def masks_in_command(folder: Path) -> dict[str, np.ndarray]:
    for path in folder.glob("*_overlay.png"):
        path.unlink()
    return masks_in(folder)


def test_two_classes_and_every_format(page: Any, samples: Samples, tmp_path: Path) -> None:
    choose_sample(page, 0)
    paint(page, *SNOWFLAKE)
    add(page, "snowflake")
    choose_sample(page, 1)
    paint(page, *KNIGHT)
    add(page, "chess knight")
    page.locator("#look-files input").set_input_files([str(path) for path in samples.look])
    said = captions(page)
    assert all("snowflake" in text and "chess knight" in text for text in said)
    assert page.locator("#classes li").count() == 2
    masks = masks_in(download(page, "#take-labels", tmp_path) / "masks")
    assert set(np.unique(np.concatenate([mask.ravel() for mask in masks.values()]))) == {0, 1, 2}

    # The class files that were taken away label the folder as the page did.
    taken = sorted(download(page, "#take-classes", tmp_path).glob("*.safetensors"))
    assert [path.stem for path in taken] == ["01 snowflake", "02 chess knight"]
    (tmp_path / "images").mkdir()
    for path in samples.look:
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    shown = run("label", tmp_path / "images", "--classes", *taken, "--out", tmp_path / "labels")
    assert shown.returncode == 0, shown.stderr
    assert equal(masks, masks_in(tmp_path / "labels" / "masks"))

    for name, file in (
        ("COCO", "annotations.json"),
        ("LabelMe", "scene-01.json"),
        ("YOLO", "data.yaml"),
        ("Label Studio", "tasks.json"),
    ):
        page.locator("#format label").filter(has_text=name).click()
        unpacked = download(page, "#take-labels", tmp_path)
        assert (unpacked / file).stat().st_size > 0
        if file.endswith("json"):
            json.loads((unpacked / file).read_text())

    # The scores of either class, on demand, and the last example taken back.
    before = page.locator("#results img").first.get_attribute("src")
    page.locator("#shown label").filter(has_text="Scores").click()
    page.locator("#scores-of").wait_for()
    page.wait_for_function("b => document.querySelector('#results img').getAttribute('src') !== b", arg=before)
    page.locator("#take-back").click()
    after = captions(page, without=said)
    assert not any("chess knight" in text for text in after)
    assert page.locator("#classes li").count() == 1

    # Without a class there is nothing to take away, not even what was taken before.
    page.locator("#take-back").click()
    page.locator("#teach-note .note").filter(has_text="The last example of snowflake is taken back.").wait_for()
    taken_again = []
    page.on("download", lambda _: taken_again.append(1))
    page.locator("#take-classes").click()
    page.locator("#take-note .note.bad").filter(has_text="There is no class yet").wait_for()
    page.wait_for_timeout(500)
    assert not taken_again


def test_a_mask_in_place_of_paint(page: Any, samples: Samples, tmp_path: Path) -> None:
    mask = np.zeros((128, 128), np.uint8)
    mask[55:105, 5:60] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with page.expect_response(lambda response: re.search(r"file=.*/image\.png", response.url) is not None):
        page.locator("#teach-file input").set_input_files(str(samples.teach[0]))
    page.get_by_text("Have a mask already?").click()
    page.locator("#mask-file input").set_input_files(str(tmp_path / "mask.png"))
    page.locator("#mask-file .file-preview").wait_for()
    add(page, "flake")
    taken = download(page, "#take-classes", tmp_path)
    _, marks = sorted((taken / "examples").iterdir())
    assert np.array_equal(np.array(Image.open(marks)) > 0, mask > 0)


def test_what_cannot_be_used_is_said_and_the_page_goes_on(page: Any, samples: Samples, tmp_path: Path) -> None:
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/upload" in request.url else None)
    large, text = tmp_path / "large.png", tmp_path / "notes.png"
    Image.new("L", (8000, 5000)).save(large)
    text.write_text("This is not an image.")
    for step, file, words in (
        ("teach", large, "large.png has 40.0 million pixels; at most 24 million are read, so scale it down first."),
        ("teach", text, "notes.png is not an image that can be read; JPEG, PNG, WebP, TIFF and BMP are."),
        ("look", large, "large.png has 40.0 million pixels; at most 24 million are read, so scale it down first."),
    ):
        name = "#teach-file" if step == "teach" else "#look-files"
        page.locator(f"{name} input").set_input_files(str(file))
        page.locator(f"#{step}-refusal").filter(has_text=words).wait_for()
    many = [{"name": f"{i}.png", "mimeType": "image/png", "buffer": samples.look[0].read_bytes()} for i in range(200)]
    page.locator("#look-files input").set_input_files(many)
    page.locator("#look-refusal").filter(has_text="200 images are too many for the page, which takes 48").wait_for()
    assert not sent, "a file was sent although the browser could see that it would be refused"

    # What the browser cannot know, the server says, and what is shown stays.
    (tmp_path / "broken.tif").write_text("This is not an image.")
    page.locator("#look-files input").set_input_files(str(tmp_path / "broken.tif"))
    page.locator("#choose-note .note.bad").filter(has_text="broken.tif is not an image that can be read").wait_for()
    drop(page, "#look-files .upload-container", "notes.png", b"This is not an image.")
    page.locator("#look-refusal").filter(has_text="notes.png is not an image that can be read").wait_for()
    drop(page, "#look-files .upload-container", "scene.png", samples.look[0].read_bytes())
    page.locator("#look-note .note").filter(has_text="1 image to look at").wait_for()

    refused = page.locator("#teach-note .note.bad")
    page.locator("#add").click()
    refused.filter(has_text="There is no image yet; choose one, or take one of the samples.").wait_for()
    choose_sample(page, 0)
    page.locator("#add").click()
    refused.filter(has_text="Nothing is painted yet; paint over the object in the image").wait_for()
    paint(page, *SNOWFLAKE)
    page.locator("#name input, #name textarea").fill("   ")
    page.locator("#add").click()
    refused.filter(has_text="The class has no name yet; say what it is called, such as weld crack.").wait_for()
    page.locator("#take-labels").click()
    page.locator("#take-note .note.bad").filter(has_text="There are no masks yet").wait_for()

    for path in ("/etc/passwd", str(Path(__file__).resolve()), "https://example.com/a.png"):
        answer = page.request.get(f"{page.url}gradio_api/file={path}")
        assert answer.status == 403
        assert answer.json()["detail"].endswith(".")

    add(page, "snowflake")  # the painting is still there
    page.locator("#look-samples").click()
    assert captions(page)


def test_what_is_changed_during_a_look_counts(browser: Any, samples: Samples, tmp_path: Path) -> None:
    """On a slow server: the slider moves, a box is switched twice, another image is opened, all while it looks."""
    with served(tmp_path / "temporary", code=SLOW) as server:
        page = browser.new_page(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
        page.set_default_timeout(WAIT)
        page.goto(server.url)
        page.locator("#teach-samples button").nth(5).wait_for()
        choose_sample(page, 0)
        paint(page, *SNOWFLAKE)
        add(page, "snowflake")
        page.locator("#look-samples").click()
        page.wait_for_timeout(1500)
        page.locator("#threshold input[type=number]").fill("0.6")
        page.locator("#threshold input[type=number]").press("Enter")
        page.locator("#presence input").uncheck()
        page.wait_for_timeout(500)
        page.locator("#presence input").check()
        paint(page, *SNOWFLAKE)
        page.locator("#name input, #name textarea").fill("flake two")
        page.locator("#add").click()
        page.locator("#teach-samples button").nth(1).click()
        page.wait_for_timeout(16_000)  # whatever may still come
        said = captions(page)
        assert any("not here" in text for text in said)
        masks = masks_in(download(page, "#take-labels", tmp_path) / "masks")
        taken = download(page, "#take-classes", tmp_path)
        page.close()
    for text, mask in zip(said, masks.values(), strict=True):
        shown = re.search(r"^snowflake (\d+\.\d)", text)
        share = 100 * (mask == 1).mean()
        assert (float(shown[1]) == pytest.approx(share, abs=0.06)) if shown else share < 0.1, (text, share)
    # All examples were painted on the first sample: what the second one came between is refused, or was in time.
    examples = [path.read_bytes() for path in (taken / "examples").iterdir() if "_mask" not in path.name]
    assert examples
    assert set(examples) == {samples.teach[0].read_bytes()}


def test_two_visitors_do_not_see_each_other(page: Any, browser: Any, page_server: Served) -> None:
    choose_sample(page, 0)
    paint(page, *SNOWFLAKE)
    add(page, "snowflake")
    other = browser.new_page()
    other.goto(page_server.url)
    other.locator("#look-samples").click()
    other.locator("#look-note .note").filter(has_text="12 images to look at; teach a class").wait_for(timeout=WAIT)
    assert other.locator("#classes li").count() == 0
    other.close()


def test_every_control_is_reached_by_the_keyboard(page: Any) -> None:
    reached = set()
    page.locator("#teach-file .upload-container").focus()
    for _ in range(60):
        reached.add(page.evaluate("document.activeElement.closest('[id]:not([id^=component])')?.id ?? ''"))
        page.keyboard.press("Tab")
    wanted = {"teach-samples", "name", "add", "take-back", "look-samples", "threshold", "presence", "take-labels"}
    assert wanted <= {name for one in reached for name in wanted if one.startswith(name)} | reached
    page.locator("#teach-samples button").nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#name input, #name textarea').value === 'paw'")


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_screen(browser: Any, page_server: Served, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(page_server.url)
    page.locator("#teach-samples button").nth(5).wait_for(timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_limits_are_said_before_anything_is_chosen(page: Any) -> None:
    limits = Limits()
    text = page.locator("#look-files").inner_text()
    assert f"up to {limits.images}" in text
    assert limits.said() in text
    assert "tiny" in page.locator("header").inner_text()
