"""Mark, correct, teach, review and download in a browser."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from tests.web.browsing import (
    LARGEST,
    OBJECT,
    OTHER,
    SIDE,
    click,
    download,
    drag,
    drop,
    image,
    mark_and_teach,
    mask,
    open_picture,
    pictures,
    place,
    say_name,
    shown,
    state,
    wait_for_mask,
    wait_for_picture,
    wait_for_results,
)
from tests.web.serving import wait_until


def test_from_the_first_picture_to_the_first_masks_in_four_steps(page: Any, tmp_path: Path) -> None:
    drop(page, pictures(3))  # 1
    wait_for_picture(page, "1.png")
    click(page, OBJECT)  # 2
    expect(page.locator("#name-input")).to_have_value("object")
    say_name(page, "red square")  # 3
    wait_for_mask(page)
    on_screen = shown(page)
    page.keyboard.press("Enter")  # 4
    page.locator("#note").filter(has_text="red square is learned from 1 example.").wait_for()
    wait_for_results(page)

    # What was on the screen is what the server keeps: the square, and nothing else.
    assert shown(page) != on_screen  # the outline is no longer that of a mask in progress
    kept = mask(page, "1.png")
    assert kept[30:50, 20:40].mean() > 0.8
    assert not kept[:, 50:].any()
    expect(page.locator("#image-state")).to_contain_text(re.compile(r"corrected · red square\s[0-9.]+\s%"))
    assert [one["name"] for one in state(page)["classes"]] == ["red square"]

    # Both downloads can be unpacked; the masks are those of the project, in every format that is offered.
    folder = download(page, "#download-labels", tmp_path)
    assert np.array_equal(np.array(Image.open(folder / "masks" / "1.png")), kept)
    page.locator("[data-action=download]").click()
    page.locator("#format").select_option("coco")
    expect(page.locator("#min-area")).not_to_be_visible()
    page.locator("#instances").check()
    page.locator("#min-area").fill("0")
    page.locator("#download-labels").click()  # the browser says what is wrong
    page.locator("#min-area").fill("3")
    page.keyboard.press("Escape")
    with page.expect_request("**/api/download?format=coco&instances=1&min_area=3"):
        folder = download(page, "#download-labels", tmp_path)
    written = json.loads((folder / "annotations.json").read_text())
    assert [one["name"] for one in written["categories"]] == ["red square"]
    assert [path.suffix for path in download(page, "#download-classes", tmp_path).glob("*.safetensors")]
    offered = page.locator("#format option").evaluate_all("all => all.map(one => one.value)")
    assert offered == [one["name"] for one in state(page)["formats"]]


def test_outlines_lie_between_pixels_and_are_thin_however_large_the_picture_is_shown(page: Any) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    kept = np.pad(mask(page, "1.png") > 0, 1)
    opacity = np.array(Image.open(io.BytesIO(base64.b64decode(shown(page).partition(",")[2]))))[..., 3]
    top, left = ((side - SIDE * LARGEST) / 2 for side in opacity.shape)
    middle = LARGEST / 2
    around = np.stack([np.roll(kept, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)])
    for chosen, y, x, wanted in (
        (kept[1:] != kept[:-1], 0.0, middle - LARGEST, 255),  # on the lines between rows of pixels
        (kept[:, 1:] != kept[:, :-1], middle - LARGEST, 0.0, 255),
        (around.all(axis=0), middle - LARGEST, middle - LARGEST, 115),
        (~around.any(axis=0), middle - LARGEST, middle - LARGEST, 0),
    ):
        rows, columns = np.nonzero(chosen)
        inside = (rows > 0) & (columns > 0) & (rows <= SIDE) & (columns <= SIDE)
        assert inside.any()
        seen = opacity[
            (top + LARGEST * rows[inside] + y).astype(int), (left + LARGEST * columns[inside] + x).astype(int)
        ]
        assert (seen == wanted).all()


def test_click_brush_box_erase_and_undo(page: Any) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    page.keyboard.press("c")
    say_name(page, "square")
    page.locator("#class-list [aria-pressed=true]").wait_for()
    steps = [shown(page)]

    def changed() -> None:
        wait_until(lambda: shown(page) not in steps, "the masks on the screen do not change")
        steps.append(shown(page))

    click(page, OBJECT)
    page.locator("#hint").filter(has_text="Looking").wait_for(state="hidden")
    wait_for_mask(page)
    changed()
    page.keyboard.press("d")
    drag(page, (0.5, 0.8), (0.8, 0.8))  # the brush
    changed()
    page.mouse.move(*place(page, (0.1, 0.1)))
    page.mouse.down()
    page.mouse.move(*place(page, (0.4, 0.1)))
    changed()
    page.keyboard.press("Escape")  # drops the stroke alone
    page.mouse.up()
    steps.pop()
    wait_until(lambda: shown(page) == steps[-1], "the stroke is still there")
    page.keyboard.press("e")
    drag(page, (0.2, 0.5), (0.4, 0.5))
    changed()
    for _ in range(3):
        page.keyboard.press("]")
    drag(page, (0.2, 0.5), (0.4, 0.5))  # a larger eraser takes more
    changed()
    page.keyboard.press("p")
    click(page, OTHER)
    changed()
    click(page, OTHER, button="right")  # the opposite of the tool
    changed()

    # Step by step back, and forward again.
    for step in reversed(steps[:-1]):
        page.keyboard.press("Control+z")
        wait_until(lambda step=step: shown(page) == step, "undo shows another mask")  # type: ignore[misc]
    page.locator("#hint").filter(has_text="Nothing is marked. Enter saves that it is not there").wait_for()
    for step in steps[1:]:
        page.keyboard.press("Control+Shift+z")
        wait_until(lambda step=step: shown(page) == step, "redo shows another mask")  # type: ignore[misc]

    page.keyboard.press("Escape")
    wait_until(lambda: shown(page) == steps[0], "Escape leaves something")
    page.keyboard.press("Control+z")
    wait_until(lambda: shown(page) == steps[-1], "undo does not bring back what was dropped")
    page.keyboard.press("Escape")
    page.locator("#note").filter(has_text="The mask in progress is dropped. Undo (Ctrl+Z) brings it back.").wait_for()
    wait_until(lambda: shown(page) == steps[0], "Escape leaves something")
    page.keyboard.press("b")
    drag(page, (0.1, 0.2), (0.52, 0.62))
    wait_for_mask(page)
    page.keyboard.press("Enter")
    wait_until(lambda: image(page, "1.png")["state"] == "corrected", "the mask of the box is not saved")
    kept = mask(page, "1.png")
    assert kept[30:50, 20:40].mean() > 0.5
    assert kept[70:].mean() < 0.1


def test_clicks_start_from_what_was_there_or_was_drawn_before_them(page: Any) -> None:
    """Not from the mask of the clicks before, which they would count twice with."""
    sent: list[Any] = []
    page.on("request", lambda request: sent.append(request.post_data_json) if "/click" in request.url else None)
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    page.keyboard.press("c")
    say_name(page, "square")
    page.locator("#class-list [aria-pressed=true]").wait_for()
    for number, point in enumerate((OBJECT, OTHER), start=1):
        click(page, point)
        wait_until(lambda number=number: len(sent) == number or page.wait_for_timeout(20), "no click")  # type: ignore[misc]
        page.locator("#hint").filter(has_text="Looking").wait_for(state="hidden")
        wait_for_mask(page)
    assert [(len(one["clicks"]), one["mask"]) for one in sent] == [(1, None), (2, None)]
    page.keyboard.press("d")
    drag(page, (0.5, 0.8), (0.8, 0.8))
    drawn = shown(page)
    page.reload()
    wait_for_picture(page, "1.png")
    wait_until(lambda: shown(page) == drawn, "the reload shows another mask")
    click(page, OBJECT)
    wait_until(lambda: len(sent) == 3 or page.wait_for_timeout(20), "no click")
    assert len(sent[2]["clicks"]) == 1
    assert sent[2]["mask"].startswith("data:image/png")


def test_correct_teach_review_and_take_back(page: Any) -> None:
    drop(page, pictures(5))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    expect(page.locator("#progress")).to_have_text("0 accepted · 1 corrected · 0 rejected · 4 left")

    # G goes to the most uncertain result; drawing corrects it, and T teaches the correction.
    first = state(page)["order"][0]
    name = next(one["name"] for one in state(page)["images"] if one["id"] == first)
    page.keyboard.press("g")
    wait_for_picture(page, name)
    before = mask(page, name)
    page.keyboard.press("d")
    drag(page, (0.1, 0.9), (0.9, 0.9))
    wait_for_mask(page)
    page.keyboard.press("t")
    page.locator("#note").filter(has_text="square is learned from 2 examples.").wait_for()
    wait_for_results(page)
    after = mask(page, name)
    assert after[86, 10:86].all()
    assert (after[:70] == before[:70]).all()
    expect(page.locator("#example-list li")).to_have_count(2)
    expect(page.locator("#gain")).to_contain_text("square was learned anew: ")
    assert state(page)["gain"]["of"] == 3

    # A accepts and R rejects, each goes to the next; Ctrl+Z takes the last one back and shows it.
    order = state(page)["order"]
    page.keyboard.press("g")
    page.locator(f"#film li[data-id='{order[0]}'] [aria-current]").wait_for()
    page.keyboard.press("a")
    page.locator(f"#film li[data-id='{order[0]}'][data-state=accepted]").wait_for()
    page.locator(f"#film li[data-id='{order[1]}'] [aria-current]").wait_for()
    page.keyboard.press("r")
    expect(page.locator("#progress")).to_have_text("1 accepted · 2 corrected · 1 rejected · 1 left")
    page.keyboard.press("Control+z")
    page.locator(f"#film li[data-id='{order[1]}']:not([data-state=rejected]) [aria-current]").wait_for()
    expect(page.locator("#note")).to_contain_text("Taken back: the verdict on")
    page.keyboard.press("Control+Shift+z")
    expect(page.locator("#progress")).to_have_text("1 accepted · 2 corrected · 1 rejected · 1 left")

    # An example that is switched off no longer teaches; one that is removed is gone.
    page.locator("#example-list input").last.uncheck()
    expect(page.locator("#class-list .choose")).to_have_attribute("title", re.compile("^square: 1 example, "))
    page.locator("#example-list .small").last.click()
    expect(page.locator("#example-list li")).to_have_count(1)

    # The settings are the project's.
    page.locator("#threshold").fill("0.9")
    page.locator("#presence").uncheck()
    expect(page.locator("#threshold-value")).to_have_text("0.90")
    wanted = {"threshold": 0.9, "presence": False}
    wait_until(lambda: wanted.items() <= state(page)["settings"].items(), "the settings are not changed")

    # A class is renamed, removed, and brought back; digits choose among several.
    page.locator("#class-list [aria-label='Rename square']").click()
    say_name(page, "red square")
    page.locator("#class-list .name").filter(has_text="red square").wait_for()
    page.keyboard.press("c")
    say_name(page, "other")
    expect(page.locator("#class-list [aria-pressed=true] .name")).to_have_text("other")
    page.keyboard.press("1")
    expect(page.locator("#class-list [aria-pressed=true] .name")).to_have_text("red square")
    page.locator("#class-list [aria-label='Remove red square']").click()
    expect(page.locator("#class-list .name")).to_have_text(["other"])
    page.keyboard.press("Control+z")
    page.locator("#class-list .name").filter(has_text="red square").wait_for()
    page.locator("#class-list .choose").filter(has_text="red square").click()
    expect(page.locator("#example-list li")).to_have_count(1)

    # What cannot be done is said, and nothing is lost.
    open_picture(page, "1.png")
    drag(page, (0.1, 0.1), (0.2, 0.1))
    wait_for_mask(page)
    page.keyboard.press("a")
    page.locator("#refusal").filter(has_text="The mask is not saved yet").wait_for()
    wait_for_mask(page)
