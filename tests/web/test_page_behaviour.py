"""The page in a browser: reloads, several browsers, keyboard only, touch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import expect

from cdpnet.inference.segmenter import Segmenter
from tests.web.browsing import (
    OTHER,
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
    visiting,
    wait_for_mask,
    wait_for_picture,
    wait_for_results,
)
from tests.web.serving import serve_in_thread, wait_until


def test_a_project_survives_a_reload_another_browser_and_the_server(
    browser: Any, segmenter: Segmenter, tmp_path: Path
) -> None:
    folder = tmp_path / "weld cracks"
    with serve_in_thread(segmenter, project=folder) as url, visiting(browser, url) as page:
        expect(page.locator(".not-kept").first).to_be_hidden()
        drop(page, pictures(3))
        wait_for_picture(page, "1.png")
        mark_and_teach(page, "square")

        # A reload shows the same picture with the same mask in progress.
        open_picture(page, "2.png")
        page.keyboard.press("d")
        drag(page, (0.1, 0.9), (0.9, 0.9))
        wait_for_mask(page)
        page.mouse.move(0, 0)
        before = shown(page)
        page.reload()
        wait_for_picture(page, "2.png")
        wait_for_mask(page)
        wait_until(lambda: shown(page) == before, "the reload shows another mask")

        # Another browser corrects this picture. The later save is told; nothing is overwritten, nothing is lost.
        with visiting(browser, url) as other:
            expect(other.locator("#project")).to_have_text("weld cracks")
            open_picture(other, "2.png")
            other.keyboard.press("d")
            drag(other, (0.1, 0.05), (0.9, 0.05))
            wait_for_mask(other)
            other.keyboard.press("Enter")
            other.locator("#film [data-state=corrected]").nth(1).wait_for()
        theirs = mask(page, "2.png")
        page.keyboard.press("Enter")
        page.locator("#refusal").filter(has_text="2.png was changed meanwhile").wait_for()
        assert np.array_equal(mask(page, "2.png"), theirs)
        wait_for_mask(page)
        page.keyboard.press("Enter")  # knowing that
        page.locator("#note").filter(has_text="The mask is saved.").wait_for()
        assert mask(page, "2.png")[86, 10:86].all()
        saved = mask(page, "2.png")
        page.keyboard.press("a")
        page.locator("#film [data-state=accepted]").wait_for()

    # The last step is taken back and done again under another server.
    with serve_in_thread(segmenter, project=folder) as url, visiting(browser, url) as page:
        page.locator("#film [data-state=accepted]").wait_for()
        page.keyboard.press("Control+z")
        page.locator("#note").filter(has_text="Taken back: the verdict on 2.png").wait_for()
        expect(page.locator("#film [data-state=corrected]")).to_have_count(2)
        page.keyboard.press("Control+Shift+z")
        page.locator("#film [data-state=accepted]").wait_for()

    # Another server goes on where the first one was; a picture that was deleted meanwhile costs nothing else.
    (folder / "images" / "3.png").unlink()
    with serve_in_thread(segmenter, project=folder) as url, visiting(browser, url) as page:
        wait_for_results(page)
        page.locator("#film [data-state=failed] button").click()
        expect(page.locator("#failure")).to_contain_text("3.png")
        assert np.array_equal(mask(page, "2.png"), saved)
        assert [one["state"] for one in state(page)["images"]][:2] == ["corrected", "accepted"]
        expect(page.locator("#class-list .name")).to_have_text(["square"])
        expect(page.locator("#example-list li")).to_have_count(1)


def test_undo_goes_on_where_another_picture_has_the_name(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    page.locator("#bar [data-action=remove]").click()
    page.locator("#note").filter(has_text="1.png is removed.").wait_for()
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    page.keyboard.press("Control+z")
    page.locator("#note").filter(
        has_text="Taken back: the removal of 1.png. 1.png is now 1-2.png, since another picture has its name"
    ).wait_for()
    wait_for_picture(page, "1-2.png")
    page.keyboard.press("Control+z")
    page.locator("#note").filter(has_text="There is nothing to take back.").wait_for()


def test_without_a_project_each_user_has_a_page_of_their_own(browser: Any, page: Any, page_url: str) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    with visiting(browser, page_url) as other:
        expect(other.locator("#empty .not-kept")).to_contain_text("Nothing is kept after the server stops")
        assert state(other)["images"] == []


def test_everything_is_done_with_the_keyboard(page: Any) -> None:
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.action") == "samples":
            break
    page.keyboard.press("Enter")
    wait_for_picture(page, "snowflake.png")
    page.keyboard.press("x")  # shows the crosshair
    for _ in range(12):
        page.keyboard.press("Shift+ArrowLeft")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("x")
    say_name(page, "snowflake")
    wait_for_mask(page)
    page.keyboard.press("Enter")
    wait_for_results(page)
    assert mask(page, "snowflake.png")[76, 26]
    page.keyboard.press("ArrowRight")
    page.locator("#image-name").filter(has_not_text="snowflake.png").wait_for()

    # Every control is reached with Tab, and shows that it has the focus.
    page.keyboard.press("d")
    reached: dict[str, str] = {}
    for _ in range(90):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => { const e = document.activeElement, style = getComputedStyle(e);
                return [e.dataset.action ?? e.id ?? "", style.outlineStyle + style.outlineWidth]; }"""
        )
        reached[name] = outline
    controls = page.locator("button[data-action], input, #stage").evaluate_all(
        "all => all.filter(e => e.checkVisibility() && !e.disabled).map(e => e.dataset.action ?? e.id)"
    )
    assert set(filter(None, controls)) <= set(reached)
    assert {reached[name] for name in reached if name} <= {"solid3px", "solid2px"}

    # Every control has a name that is read aloud.
    names = page.locator("button, input, select, #stage").evaluate_all(
        "all => all.map(e => [e.outerHTML, e.ariaLabel ?? e.labels?.[0]?.textContent.trim() ?? e.textContent.trim()])"
    )
    assert [html for html, name in names if not name and 'id="files"' not in html] == []

    # Single letters can be switched off.
    page.locator("#stage").focus()
    page.keyboard.press("?")
    page.locator("#letters").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.locator("#stage")).to_have_attribute("data-tool", "brush")


def test_two_fingers_zoom_and_one_marks(browser: Any, page_url: str) -> None:
    with visiting(browser, page_url, has_touch=True) as page:
        drop(page, pictures(1))
        wait_for_picture(page, "1.png")
        fitted = shown(page, "picture")
        page.evaluate(PINCH)
        wait_until(lambda: shown(page, "picture") != fitted, "two fingers do not zoom")
        page.keyboard.press("0")
        wait_until(lambda: shown(page, "picture") == fitted, "the picture is not fitted again")
        page.touchscreen.tap(*place(page, OTHER))
        say_name(page, "blue square")
        wait_for_mask(page)
        page.keyboard.press("Enter")
        wait_until(lambda: image(page, "1.png")["state"] == "corrected", "the mask is not saved")
        assert mask(page, "1.png")[20:28, 68:78].all()


PINCH = """() => {
    const stage = document.querySelector("#stage"), box = stage.getBoundingClientRect();
    const send = (kind, id, x) => stage.dispatchEvent(new PointerEvent(kind, {
        bubbles: true, pointerId: id, pointerType: "touch", clientX: box.left + x, clientY: box.top + 200 }));
    stage.setPointerCapture = () => {};
    send("pointerdown", 1, 300); send("pointerdown", 2, 340);
    for (let x = 350; x < 500; x += 20) send("pointermove", 2, x);
    send("pointerup", 1, 300); send("pointerup", 2, 500);
}"""


def test_why_a_class_was_not_learned_is_shown(page: Any) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    page.keyboard.press("c")
    say_name(page, "square")
    page.locator("#class-list [aria-pressed=true]").wait_for()
    expect(page.locator("#class-list .reason")).to_be_hidden()

    def with_reason(route: Any) -> None:
        told = state(page)
        told["classes"][0]["reason"] = "The only example is switched off."
        route.fulfill(json=told)

    page.route("**/api/state", with_reason)
    page.reload()
    expect(page.locator("#class-list .reason")).to_have_text("The only example is switched off.")


def test_the_buttons_say_what_would_be_undone(page: Any) -> None:
    undo, redo = (page.locator(f"header [data-action={name}]") for name in ("undo", "redo"))
    expect(undo).to_have_attribute("title", "Undo (Ctrl+Z)")
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    page.keyboard.press("c")
    say_name(page, "square")
    expect(undo).to_have_attribute("title", "Undo: the new class square (Ctrl+Z)")
    undo.click()
    expect(redo).to_have_attribute("title", "Redo: the new class square (Ctrl+Shift+Z)")
    expect(redo).to_have_accessible_name("Redo: the new class square")
    expect(undo).to_have_attribute("title", "Undo (Ctrl+Z)")


def test_pictures_that_are_skipped_come_after_the_others(page: Any) -> None:
    drop(page, pictures(5))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    names = {one["id"]: one["name"] for one in state(page)["images"]}
    order = [names[one] for one in state(page)["order"]]
    assert len(order) == 4
    open_picture(page, order[1])
    for name in (order[0], order[2], order[3], order[0], order[1]):
        page.keyboard.press("g")
        wait_for_picture(page, name)
    for name in (order[2], order[3], order[0]):
        page.keyboard.press("a")
        wait_for_picture(page, name)
    page.keyboard.press("r")
    page.locator("#note").filter(has_text=f"{order[0]} is rejected, and left out of the labels. All").wait_for()


def test_a_class_that_is_not_in_a_picture_is_taught_so(page: Any) -> None:
    drop(page, pictures(3))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    open_picture(page, "2.png")
    page.keyboard.press("Delete")
    page.locator("#hint").filter(has_text="Nothing is marked. Enter saves that it is not there").wait_for()
    page.keyboard.press("Control+z")
    wait_for_mask(page)
    page.locator("#bar [data-action=clear]").click()
    page.keyboard.press("t")
    page.locator("#note").filter(has_text="square is learned from pictures without it, too.").wait_for()
    wait_for_results(page)
    assert not mask(page, "2.png").any()
    assert image(page, "2.png")["state"] == "corrected"
    expect(page.locator("#example-list label")).to_have_text(["used", "not there"])
    expect(page.locator("#class-list .choose")).to_have_attribute("title", re.compile("^square: 1 example, "))
