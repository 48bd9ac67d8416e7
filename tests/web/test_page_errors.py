"""The page in a browser: files that are refused, a server that does not answer, and answers that come late."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.web.browsing import (
    SIDE,
    drag,
    draw_after_teaching,
    drop,
    hold,
    image,
    mask,
    pictures,
    say_name,
    state,
    visiting,
    wait_for_mask,
    wait_for_picture,
)
from tests.web.client import png


def test_one_bad_file_is_listed_and_the_others_go_in(page: Any) -> None:
    good = pictures(2)
    uploads = []
    page.on("request", lambda request: uploads.append(request.url) if request.url.endswith("/images") else None)
    drop(page, [("notes.txt", b"This is not an image.")])
    page.locator("#refusal li").filter(has_text="notes.txt is not an image that can be read").wait_for()
    assert not uploads  # the browser knows by the name
    drop(page, [good[0], ("broken.png", b"This is not an image."), ("large.png", 20_000_001), good[1]])
    refusals = page.locator("#refusal li")
    expect(refusals).to_have_count(2)
    refusals.filter(has_text="broken.png is not an image that can be read").wait_for()
    refusals.filter(has_text="large.png is larger than 20 MB").wait_for()
    expect(page.locator("#film li")).to_have_count(2)
    page.locator("#refusal .close").click()
    expect(page.locator("#refusal")).to_be_empty()

    # What the server refuses is a sentence, too.
    page.locator("[data-action=download]").first.click()
    page.locator("#download-classes").click()
    page.locator("#refusal").filter(has_text="No class has been learned yet; mark an object").wait_for()
    page.keyboard.press("Enter")
    page.locator("#refusal").filter(has_text="Nothing is marked yet; click on the object").wait_for()
    for name, wanted in (("   ", "The class has no name yet"), ("thing", "")):
        page.keyboard.press("c")
        say_name(page, name)
        page.locator("#refusal").filter(has_text=wanted).wait_for(state="attached")
    expect(page.locator("#class-list li")).to_have_count(1)

    # While the server does not answer, nothing is lost: the click's mask fails, the brush's stays.
    page.route("**/api/**", lambda route: route.abort())
    page.keyboard.press("d")
    drag(page, (0.2, 0.8), (0.5, 0.8))
    wait_for_mask(page)
    page.keyboard.press("Enter")
    page.locator("#refusal").filter(has_text="The server did not answer; try again.").wait_for()
    wait_for_mask(page)
    page.unroute("**/api/**")
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text="thing is learned from 1 example.").wait_for()


def test_what_is_changed_while_an_answer_is_awaited_stays_on_the_page(page: Any) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    next_held = hold(page, "**/api/settings")
    presence = page.locator("#presence")
    page.locator("#threshold").fill("0.8")
    first = next_held()
    presence.uncheck()
    first.continue_()
    second = next_held()  # is sent when the answer to the first has been shown
    expect(presence).not_to_be_checked()
    assert state(page)["settings"] == {**state(page)["settings"], "threshold": 0.8, "presence": True}

    # What is refused is taken back.
    second.abort()
    page.locator("#refusal").filter(has_text="The server did not answer; try again.").wait_for()
    expect(presence).to_be_checked()


def test_a_mask_whose_answer_is_lost_is_saved_by_the_next_enter_also_if_more_is_marked(page: Any) -> None:
    draw_after_teaching(page, 2)
    next_save = hold(page, "**/api/images/*/mask")
    for more in (False, True):
        page.keyboard.press("Enter")
        saved = next_save()
        saved.fetch()
        saved.abort()
        expect(page.locator("#refusal")).to_contain_text("The server did not answer; try again.")
        assert mask(page, "1.png")[86, 20:76].all()
        wait_for_mask(page)  # it stays in progress
        if more:
            drag(page, (0.9, 0.1), (0.9, 0.6))
        page.keyboard.press("Enter")
        for _ in range(1 + more):
            next_save().continue_()
        page.locator("#bar [data-action=save]").wait_for(state="hidden")
        expect(page.locator("#refusal")).to_be_empty()
        drag(page, (0.1, 0.9), (0.1, 0.7))
        wait_for_mask(page)
    assert mask(page, "1.png")[20:50, 86].all()


def test_an_answer_that_breaks_off_is_a_lost_one(page: Any) -> None:
    draw_after_teaching(page, 1)
    page.evaluate("""() => {
        const fetched = window.fetch;
        window.fetch = async (address, init) => {
            const answer = await fetched(address, init);
            if (init.method !== "PUT") return answer;
            window.fetch = fetched;
            return new Response(new ReadableStream({ pull: (body) => body.error(new TypeError("network error")) }));
        };
    }""")
    page.keyboard.press("Enter")
    expect(page.locator("#refusal")).to_contain_text("The server did not answer; try again.")
    wait_for_mask(page)
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text="The mask is saved.").wait_for()
    expect(page.locator("#refusal")).to_be_empty()
    assert mask(page, "1.png")[86, 20:76].all()


def test_another_persons_mask_stands_against_one_whose_answer_is_lost(page: Any) -> None:
    draw_after_teaching(page, 1)
    next_save = hold(page, "**/api/images/*/mask")
    page.keyboard.press("Enter")
    next_save().abort()
    expect(page.locator("#refusal")).to_contain_text("The server did not answer; try again.")
    told, empty = image(page, "1.png"), base64.b64encode(png(np.zeros((SIDE, SIDE), np.uint8))).decode()
    fields = {"class": state(page)["classes"][0]["id"], "mask": f"data:image/png;base64,{empty}"}
    url = page.url.split("#")[0]
    data = {**fields, "revision": told["revision"]}
    assert page.request.put(f"{url}api/images/{told['id']}/mask", data=data).ok
    page.keyboard.press("Enter")
    next_save().continue_()
    page.locator("#refusal").filter(has_text="1.png was changed meanwhile").wait_for()
    assert not mask(page, "1.png").any()
    page.keyboard.press("Enter")
    next_save().continue_()
    page.locator("#note").filter(has_text="The mask is saved.").wait_for()
    assert mask(page, "1.png")[86, 20:76].all()


def test_an_answer_that_the_page_cannot_use_is_said_and_reported(browser: Any, page_url: str) -> None:
    reported, said = list[str](), False
    with pytest.raises(AssertionError), visiting(browser, page_url) as page:  # no fault of the page may be reported
        page.on("pageerror", lambda error: reported.append(str(error)))
        drop(page, pictures(1))
        wait_for_picture(page, "1.png")
        page.route("**/api/classes", lambda route: route.fulfill(status=200, body="<p>a proxy's page</p>"))
        page.keyboard.press("c")
        say_name(page, "square")
        page.locator("#refusal").filter(has_text="The page could not use what the server answered").wait_for()
        said = True
    assert said
    assert len(reported) == 1
    assert "is not valid JSON" in reported[0]


def test_a_folder_that_is_dropped_gives_its_files(page: Any, tmp_path: Path) -> None:
    (_, one), (_, other) = pictures(2)
    for name, content in (("10.png", one), ("2.png", other), ("in/2.png", one), ("in/a.txt", b"text"), (".x.png", one)):
        path = tmp_path / "photos" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    devices = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(tmp_path / "photos")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devices.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 300, "data": dragged})
    page.locator("#refusal li").filter(has_text="in/a.txt is not an image that can be read").wait_for()
    expect(page.locator("#refusal li")).to_have_count(1)
    assert [one["name"] for one in state(page)["images"]] == ["2.png", "10.png", "in/2.png"]
