"""The page in a browser: what lies where on wide and narrow screens."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.web.browsing import (
    OBJECT,
    click,
    drag,
    drop,
    mark_and_teach,
    pictures,
    say_name,
    visiting,
    wait_for_mask,
    wait_for_picture,
)


def test_nothing_is_wider_than_the_screen(page: Any) -> None:
    for size in SIZES:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert page.evaluate(PROTRUDING) == []
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    click(page, OBJECT)
    say_name(page, "a name as long as a name may be before it becomes a sentence"[:60])
    wait_for_mask(page)
    for size in reversed(SIZES):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert page.evaluate(PROTRUDING) == []
        # The picture, the button that saves, every tool and the filmstrip lie on the screen.
        for selector in ("#stage", "#bar [data-action=save]", "#film button >> nth=0", *TOOLS):
            box = page.locator(selector).bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= size[0], selector
            assert box["y"] >= 0 and box["y"] + box["height"] <= size[1], selector
        # What the state of the picture and the hint say is not cut off, nor the name of a tool while it is chosen.
        for tool in TOOLS:
            page.locator(tool).click()
            assert page.locator(f"{tool} span").evaluate("one => one.offsetWidth <= one.parentNode.clientWidth"), tool
        for selector in ("#image-state", "#hint", "#progress", "[for=threshold] small"):
            assert page.locator(selector).evaluate("one => one.scrollWidth <= one.clientWidth"), (size, selector)

    # On a phone the parts of the panel are behind tabs.
    page.locator("#tab-results").click()
    expect(page.locator("#threshold")).to_be_visible()
    expect(page.locator("#class-list")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#tab-examples")).to_be_focused()


# What is wider than the screen, but for the two rows that scroll by themselves.
PROTRUDING = """[...document.querySelectorAll("body *")].filter(one => one.checkVisibility()
    && !one.closest("#film, #bar .buttons > *") && one.getBoundingClientRect().right > innerWidth + 0.5)
    .map(one => one.outerHTML.slice(0, 80)).concat(document.documentElement.scrollWidth > innerWidth ? ["page"] : [])"""
SIZES = [(390, 844), (768, 1024), (1280, 800)]
TOOLS = [f"#tools [data-action={name}]" for name in ("add", "subtract", "box", "brush", "erase", "pan")]


def test_many_classes_and_examples_leave_the_results_in_sight(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    page.evaluate("""for (const list of ["#class-list", "#example-list"]) {
        const first = document.querySelector(`${list} li`);
        for (let i = 0; i < 11; i++) first.after(first.cloneNode(true));
    }""")
    for width, height in ((1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator("#threshold").bounding_box()
        assert box["y"] + box["height"] <= height
        assert page.locator("aside").evaluate("one => one.scrollHeight <= one.clientHeight")
        for section in ("#classes", "#examples"):
            assert page.locator(section).evaluate("one => one.clientHeight") > 90, section
        seen = page.locator("#class-list").evaluate(ROWS_IN_SIGHT)
        assert seen == 12 if height > 1000 else seen >= 6
    page.set_viewport_size({"width": 768, "height": 1024})
    assert page.locator("#class-list").evaluate(ROWS_IN_SIGHT) >= 6
    expect(page.locator("#threshold")).to_be_in_viewport(ratio=1)


# How many rows of a list lie wholly in the section that scrolls it.
ROWS_IN_SIGHT = """list => {
    const { top, bottom } = list.closest("section").getBoundingClientRect();
    const boxes = [...list.children].map(one => one.getBoundingClientRect());
    return boxes.filter(box => box.top >= top && box.bottom <= bottom).length;
}"""


def test_a_long_list_of_refused_files_leaves_the_picture_its_place(page: Any) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("""import("./static/notes.js").then(({ refuse }) =>
            refuse("Some files are left out:", [...Array(30).keys()].map((i) => `${i}.txt is not an image.`)))""")
        page.locator("#refusal li >> nth=29").wait_for(state="attached")
        assert page.locator("#refusal ul").evaluate("one => one.scrollHeight > one.clientHeight")
        assert page.locator("#stage").bounding_box()["height"] > 0.3 * height
        # Two files are read without scrolling.
        drop(page, [("broken.jpg", b"This is not an image."), ("notes.txt", b"This is not an image.")])
        expect(page.locator("#refusal li")).to_have_count(2)
        assert page.locator("#refusal ul").evaluate("one => one.scrollHeight <= one.clientHeight"), width


def test_a_touch_screen_names_buttons_where_others_name_keys(browser: Any, page_url: str) -> None:
    with visiting(browser, page_url, has_touch=True, is_mobile=True) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        for key in page.locator("kbd, .with-keys").all():
            expect(key).to_be_hidden()
        expect(page.locator("#empty ol")).to_contain_text("Press “Save mask”: it is found", use_inner_text=True)
        drop(page, pictures(2))
        wait_for_picture(page, "1.png")
        click(page, OBJECT)
        say_name(page, "square")
        wait_for_mask(page)
        page.locator("#hint").filter(has_text="marked. Click to improve it, or save it.").wait_for()
        page.locator("#bar [data-action=clear]").click()
        page.locator("#hint").filter(has_text="“Save mask” saves that it is not there, “Drop” drops.").wait_for()
        page.locator("[data-action=undo]").first.click()
        wait_for_mask(page)
        page.locator("#bar [data-action=save]").click()
        again = page.locator("#bar [data-action=reopen]")
        again.wait_for()
        box = again.bounding_box()  # every button can be seen
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        page.locator("#bar [data-action=remove]").click()
        expect(page.locator("#note")).to_have_text("1.png is removed. Undo brings it back.")


def test_the_list_of_keys_fits_a_usual_screen(page: Any) -> None:
    page.locator("header [data-action=help]").click()
    assert page.locator("#help-dialog").evaluate("one => one.scrollHeight <= one.clientHeight")


def test_the_keys_are_shown_from_the_first_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    page.locator("header [data-action=help]").click()
    scrolled = "one => [one.scrollTop, one.scrollHeight > one.clientHeight]"
    assert page.locator("#help-dialog").evaluate(scrolled) == [0, True]


def test_the_bar_of_a_settled_picture_is_one_row_on_a_usual_screen(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    page.locator("#bar [data-action=reopen]").wait_for()
    shown_parts = page.locator("#bar .words, #bar button:visible").all()
    boxes = [part.bounding_box() for part in shown_parts]
    assert max(box["y"] for box in boxes) < min(box["y"] + box["height"] for box in boxes)


def test_nothing_lies_over_the_picture_and_messages_do_not_move_it(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    page.keyboard.press("d")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        stage = page.locator("#stage").bounding_box()
        page.keyboard.press("Enter")  # nothing is marked
        page.locator("#refusal").filter(has_text="Nothing is marked yet").wait_for()
        assert page.locator("#stage").bounding_box() == stage
        assert page.evaluate(COVERING) == []
        page.locator("#refusal .close").click()
        drag(page, (0.1, 0.1), (0.2, 0.1))
        wait_for_mask(page)
        page.keyboard.press("Enter")
        page.locator("#note").filter(has_text="The mask is saved.").wait_for()
        assert page.locator("#stage").bounding_box() == stage
        assert page.evaluate(COVERING) == []
        shown = page.locator("#note p").bounding_box()
        assert shown["x"] >= 0
        assert shown["x"] + shown["width"] <= width
        assert page.locator("#note p").evaluate("one => one.scrollHeight <= one.clientHeight")
        page.locator("#note p").evaluate("one => one.remove()")


# What lies over the stage, at any of its corners, its sides and its middle.
COVERING = """(() => {
    const { left, top, width, height } = document.querySelector("#stage").getBoundingClientRect(), over = [];
    for (const x of [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]) for (const y of [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]) {
        const one = document.elementFromPoint(left + 1 + x * (width - 2), top + 1 + y * (height - 2));
        if (!one.closest("#stage")) over.push(one.outerHTML.slice(0, 80));
    }
    const stage = document.querySelector("#stage").getBoundingClientRect();
    for (const one of document.querySelectorAll("#notes *, #zoom, #brush")) {
        const box = one.getBoundingClientRect();
        if (one.checkVisibility() && box.width && box.bottom > stage.top + 1 && box.top < stage.bottom - 1
            && box.right > stage.left + 1 && box.left < stage.right - 1) over.push(one.outerHTML.slice(0, 80));
    }
    return over;
})()"""


def test_the_picture_has_room_on_a_phone_that_lies_on_its_side(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    page.locator("#bar [data-action=reopen]").wait_for()
    for width, height in ((844, 390), (1000, 600)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(PROTRUDING) == []
        assert page.locator("#stage").bounding_box()["height"] >= 0.4 * height
        for selector in (*TOOLS, "#bar [data-action=accept]", "#bar [data-action=remove]", "#film button >> nth=0"):
            box = page.locator(selector).bounding_box()
            assert box["y"] >= 0, selector
            assert box["y"] + box["height"] <= height, selector
        sides = page.locator("#tools").evaluate("one => [one.scrollHeight, one.clientHeight]")
        assert sides[0] <= sides[1]


def test_a_refusal_is_seen_over_an_earlier_note_and_a_later_note_over_a_refusal(page: Any) -> None:
    drop(page, pictures(1))
    page.locator("#note").filter(has_text="1 picture added.").wait_for()
    wait_for_picture(page, "1.png")
    page.keyboard.press("Enter")
    page.locator("#refusal").filter(has_text="Nothing is marked yet").wait_for()
    assert page.evaluate(ON_TOP) == "refusal"
    page.keyboard.press("g")
    page.locator("#note").filter(has_text="No other picture is left to be reviewed.").wait_for()
    assert page.evaluate(ON_TOP) == "note"
    page.locator("#refusal .close").click()  # the note lets the pointer through
    expect(page.locator("#refusal")).to_be_empty()


# The message that is seen: the one on top, since the note itself takes no pointer.
ON_TOP = """(() => {
    const note = document.querySelector("#note p"), { left, top } = note.getBoundingClientRect();
    note.style.pointerEvents = "auto";
    const found = document.elementFromPoint(left + 15, top + 15).closest("#notes > *").id;
    note.style.pointerEvents = "";
    return found;
})()"""


def test_the_buttons_stay_on_the_screen_while_something_is_running(page: Any) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    page.locator("#job span").evaluate("one => one.textContent = 'comparing examples 10 of 40'")
    page.locator("#job").evaluate("one => one.hidden = false")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator("header [data-action=download]").bounding_box()
        assert box["x"] + box["width"] <= width
        assert page.locator("#job progress").bounding_box()["width"] > 0


def test_the_state_of_a_corrected_picture_with_several_classes_is_not_cut(page: Any) -> None:
    name, pixels = pictures(1)[0]
    drop(page, [(f"IMG_20240611_{name}", pixels)])
    page.locator("#stage[aria-busy=false]").wait_for()
    for number, title in enumerate(("red square", "blue square", "wet ground")):
        page.keyboard.press("c")
        say_name(page, title)
        page.locator("#class-list [aria-pressed=true]").filter(has_text=title).wait_for()
        page.keyboard.press("d")
        drag(page, (0.1, 0.2 + 0.3 * number), (0.9, 0.2 + 0.3 * number))
        wait_for_mask(page)
        page.keyboard.press("Enter")
        page.locator("#note").filter(has_text=f"{title} is learned").wait_for()
    page.locator("#bar [data-action=reopen]").wait_for()
    expect(page.locator("#image-state")).to_contain_text("corrected · red square ")
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(CUT) == ([] if width > 390 else ["#image-name"]), width


# What of the name and the state is cut off, by itself or by what it is in.
CUT = """["#image-name", "#image-state", "#bar .words p"].filter(selector => {
    const one = document.querySelector(selector);
    return one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight;
})"""
