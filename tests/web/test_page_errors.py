"""The page in a browser: files that are refused, a server that does not answer, and answers that come late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.web.browsing import (
    OBJECT,
    SIDE,
    click,
    drag,
    drop,
    image,
    mask,
    open_picture,
    pictures,
    say_name,
    state,
    visiting,
    wait_for_mask,
    wait_for_picture,
)
from tests.web.client import png
from tests.web.serving import wait_until

WAITS = "Looking for the object … It is saved then."


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
    page.locator("#refusal").filter(has_text="The server does not answer; nothing was changed.").wait_for()
    wait_for_mask(page)
    page.unroute("**/api/**")
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text="thing is learned from 1 example.").wait_for()


def test_what_is_changed_while_an_answer_is_awaited_stays_on_the_page(page: Any) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    next_held = _hold(page, "**/api/settings")
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
    page.locator("#refusal").filter(has_text="The server does not answer; nothing was changed.").wait_for()
    expect(presence).to_be_checked()


def test_a_mask_that_enter_waits_for_is_saved_even_if_another_picture_is_chosen_meanwhile(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    next_class, next_click = _hold(page, "**/api/classes"), _hold(page, "**/api/images/*/click")
    click(page, OBJECT)
    say_name(page, "square")
    new_class = next_class()
    page.keyboard.press("Enter")  # even before the class is made
    new_class.continue_()
    answer = next_click()
    page.locator("#hint").filter(has_text=WAITS).wait_for()
    open_picture(page, "2.png")
    answer.continue_()
    page.locator("#note").filter(has_text="square is learned from 1 example.").wait_for()
    assert mask(page, "1.png")[30:50, 20:40].all()
    expect(page.locator("#refusal")).to_be_empty()


def test_a_click_in_another_picture_neither_stops_nor_replaces_the_mask_that_enter_waits_for(page: Any) -> None:
    next_click = _click_and_hold(page)
    first = next_click()
    page.keyboard.press("Enter")
    page.locator("#hint").filter(has_text=WAITS).wait_for()
    open_picture(page, "2.png")
    expect(page.locator("#hint")).to_have_text("Click on a square to mark it.")  # nothing is looked for in this one
    click(page, OBJECT)
    second = next_click()
    expect(page.locator("#hint")).to_have_text("Looking for the object …")
    second.continue_()
    wait_for_mask(page)
    first.continue_()
    page.locator("#note").filter(has_text="square is learned from 1 example.").wait_for()
    assert mask(page, "1.png")[30:50, 20:40].all()
    assert image(page, "2.png")["state"] != "corrected"
    wait_for_mask(page)  # of the second picture it is still in progress
    expect(page.locator("#refusal")).to_be_empty()


def test_a_click_in_a_picture_that_is_removed_is_taken_back(page: Any) -> None:
    answer = _click_and_hold(page)()
    page.locator("[data-action=remove]").click()
    page.locator("#note").filter(has_text="1.png is removed.").wait_for()
    answer.fulfill(status=404, json={"detail": "There is no such image (any more); reload the page."})
    page.keyboard.press("Control+z")
    wait_for_picture(page, "1.png")
    expect(page.locator("#hint")).to_have_text("Click on a square to mark it.")
    expect(page.locator("#refusal")).to_be_empty()


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ({"status": 422, "json": {"detail": "The click is refused."}}, "The click is refused."),
        ({"body": png(np.zeros((SIDE, SIDE), np.uint8)), "content_type": "image/png"}, "so nothing is saved"),
    ],
    ids=["refused", "nothing found"],
)
def test_a_mask_that_enter_waits_for_in_vain_is_not_saved(page: Any, answered: dict[str, Any], said: str) -> None:
    drop(page, pictures(1))
    wait_for_picture(page, "1.png")
    next_click = _hold(page, "**/api/images/*/click")
    click(page, OBJECT)
    say_name(page, "square")
    answer = next_click()
    page.keyboard.press("Enter")
    page.locator("#hint").filter(has_text=WAITS).wait_for()
    answer.fulfill(**answered)
    page.locator("#refusal").filter(has_text=said).wait_for()
    page.keyboard.press("Escape")
    page.locator("#bar [data-action=save]").wait_for(state="hidden")
    assert image(page, "1.png")["state"] != "corrected"


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


def _hold(page: Any, pattern: str) -> Callable[[], Any]:
    """Hold back requests; the function gives the next one."""
    held: list[Any] = []

    def next_held() -> Any:
        wait_until(lambda: held or page.wait_for_timeout(20), "nothing is sent")
        return held.pop()

    page.route(pattern, lambda route: held.append(route))
    return next_held


def _click_and_hold(page: Any) -> Callable[[], Any]:
    """Make a class, click on its object in the first of two pictures; as `_hold`, of all requests for masks."""
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    page.keyboard.press("c")
    say_name(page, "square")
    page.locator("#class-list button").first.wait_for()
    next_click = _hold(page, "**/api/images/*/click")
    click(page, OBJECT)
    return next_click
