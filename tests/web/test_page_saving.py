"""The page in a browser: masks that are saved and taught while other things are done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.web.browsing import (
    OBJECT,
    OTHER,
    SIDE,
    click,
    click_and_hold,
    drag,
    draw_after_teaching,
    drop,
    hold,
    image,
    mark_and_teach,
    mask,
    open_picture,
    pictures,
    save_after_new_results,
    say_name,
    state,
    wait_for_mask,
    wait_for_picture,
)
from tests.web.client import png
from tests.web.serving import wait_until


def teach_in_the_first_of(page: Any, count: int) -> None:
    """Drop pictures, mark a square in the first, which teaches it, and open the second."""
    drop(page, pictures(count))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    open_picture(page, "2.png")


WAITS = "Looking for the object … It is saved then."


def test_a_mask_that_enter_waits_for_is_saved_even_if_another_picture_is_chosen_meanwhile(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    next_class, next_click = hold(page, "**/api/classes"), hold(page, "**/api/images/*/click")
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
    assert mask(page, "1.png")[30:50, 20:40].mean() > 0.8
    expect(page.locator("#refusal")).to_be_empty()


def test_a_click_in_another_picture_neither_stops_nor_replaces_the_mask_that_enter_waits_for(page: Any) -> None:
    next_click = click_and_hold(page)
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
    assert mask(page, "1.png")[30:50, 20:40].mean() > 0.8
    assert image(page, "2.png")["state"] != "corrected"
    wait_for_mask(page)  # of the second picture it is still in progress
    expect(page.locator("#refusal")).to_be_empty()


def test_a_click_in_a_picture_that_is_removed_is_taken_back(page: Any) -> None:
    answer = click_and_hold(page)()
    page.locator("[data-action=remove]").click()
    page.locator("#note").filter(has_text="1.png is removed.").wait_for()
    answer.fulfill(status=404, json={"detail": "There is no such image (any more); it was removed in another window."})
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
    next_click = hold(page, "**/api/images/*/click")
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


@pytest.mark.parametrize("key", ["ArrowRight", "j", "g"])
def test_keys_to_another_picture_do_not_wait_for_the_mask_that_enter_waits_for(page: Any, key: str) -> None:
    drop(page, pictures(3))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "square")
    page.locator("#film button").last.click()
    wait_for_picture(page, "3.png")
    page.keyboard.press("k")
    wait_for_picture(page, "2.png")
    next_click = hold(page, "**/api/images/*/click")
    click(page, OTHER)
    answer = next_click()
    page.keyboard.press("Enter")
    page.locator("#hint").filter(has_text=WAITS).wait_for()
    page.keyboard.press(key)
    wait_for_picture(page, "3.png")
    assert image(page, "2.png")["state"] != "corrected"
    answer.continue_()
    page.locator("#note").filter(has_text="The mask of 2.png is saved.").wait_for()
    assert mask(page, "2.png")[20:30, 66:80].mean() > 0.8
    wait_for_picture(page, "3.png")


def test_an_example_that_t_waits_for_is_taught_while_another_picture_is_shown(page: Any) -> None:
    answer = click_and_hold(page)()
    page.keyboard.press("t")
    page.locator("#hint").filter(has_text=WAITS).wait_for()
    page.keyboard.press("ArrowRight")
    wait_for_picture(page, "2.png")
    answer.continue_()
    page.locator("#note").filter(has_text="square is learned from 1 example.").wait_for()
    assert [one["image"] for one in state(page)["examples"]] == [image(page, "1.png")["id"]]
    expect(page.locator("#refusal")).to_be_empty()


def test_masks_of_two_pictures_are_awaited_at_once(page: Any) -> None:
    next_click = click_and_hold(page)
    answers = [next_click()]
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    wait_for_picture(page, "2.png")
    click(page, OBJECT)
    answers.append(next_click())
    page.keyboard.press("Enter")
    page.locator("#hint").filter(has_text=WAITS).wait_for()
    page.keyboard.press("ArrowLeft")
    wait_for_picture(page, "1.png")
    page.locator("#hint").filter(has_text=WAITS).wait_for()
    for answer in reversed(answers):
        answer.continue_()
    expect(page.locator("#film [data-state=corrected]")).to_have_count(2)
    for name in ("1.png", "2.png"):
        assert mask(page, name)[30:50, 20:40].mean() > 0.8
    expect(page.locator("#refusal")).to_be_empty()


def test_a_click_whose_class_is_being_made_is_not_lost_when_another_picture_is_chosen(page: Any) -> None:
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    next_class = hold(page, "**/api/classes")
    click(page, OBJECT)
    say_name(page, "square")
    new_class = next_class()
    page.keyboard.press("ArrowRight")
    wait_for_picture(page, "2.png")
    click(page, OBJECT)  # asks for no second name
    new_class.continue_()
    page.unroute("**/api/classes")
    wait_for_mask(page)
    page.keyboard.press("ArrowLeft")
    wait_for_picture(page, "1.png")
    wait_for_mask(page)
    for _ in range(2):
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowRight")
    expect(page.locator("#film [data-state=corrected]")).to_have_count(2)
    assert [one["name"] for one in state(page)["classes"]] == ["square"]


def test_what_is_marked_while_a_mask_is_being_saved_stays_in_progress(page: Any) -> None:
    draw_after_teaching(page, 1)
    next_save = hold(page, "**/api/images/*/mask")
    page.keyboard.press("Enter")
    save = next_save()
    drag(page, (0.1, 0.1), (0.9, 0.1))
    save.continue_()
    page.locator("#note").filter(has_text="The mask is saved.").wait_for()
    kept = mask(page, "1.png")
    assert kept[86, 10:86].all()
    assert not kept[10].any()
    page.unroute("**/api/images/*/mask")
    page.locator("#bar [data-action=save]").wait_for()
    page.keyboard.press("Enter")
    wait_until(lambda: mask(page, "1.png")[10, 10:86].all(), "the second stroke is not saved")
    expect(page.locator("#refusal")).to_be_empty()


def test_a_verdict_after_enter_is_about_the_picture_it_was_given_in(page: Any) -> None:
    teach_in_the_first_of(page, 3)
    next_click = hold(page, "**/api/images/*/click")
    click(page, OTHER)
    answer = next_click()
    page.keyboard.press("Enter")
    page.keyboard.press("a")
    open_picture(page, "3.png")
    answer.continue_()
    page.locator("#note").filter(has_text="2.png is accepted.").wait_for()
    assert image(page, "3.png")["state"] in ("found", "absent")
    wait_for_picture(page, "3.png")


def test_a_mask_in_progress_outlives_new_results_of_its_picture(page: Any) -> None:
    teach_in_the_first_of(page, 3)
    page.keyboard.press("d")
    drag(page, (0.1, 0.9), (0.9, 0.9))
    wait_for_mask(page)
    open_picture(page, "3.png")
    drag(page, (0.1, 0.9), (0.9, 0.9))
    wait_for_mask(page)
    save_after_new_results(page, "2.png", "square is learned from 2 examples.")
    assert mask(page, "2.png")[86, 10:86].all()
    expect(page.locator("#refusal")).to_be_empty()


def test_undo_says_what_it_takes_back_where_a_mask_is_being_saved_in_another_picture(page: Any) -> None:
    teach_in_the_first_of(page, 2)
    next_mask = hold(page, "**/api/images/*/mask")
    click(page, OTHER)
    wait_for_mask(page)
    page.keyboard.press("Enter")
    saved = next_mask()
    page.keyboard.press("ArrowLeft")
    wait_for_picture(page, "1.png")
    page.keyboard.press("Control+z")
    saved.continue_()
    page.locator("#note").filter(has_text="Taken back: the correction of square in 2.png").wait_for()
    assert [one["image"] for one in state(page)["examples"]] == [image(page, "1.png")["id"]]
    expect(page.locator("#refusal")).to_be_empty()


def test_a_mask_of_another_class_that_is_begun_while_one_is_being_saved_is_saved_as_well(page: Any) -> None:
    """What this page has changed meanwhile is nobody else's change."""
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    for name in ("blue", "red"):
        page.keyboard.press("c")
        say_name(page, name)
        page.locator("#class-list [aria-pressed=true]").filter(has_text=name).wait_for()
    page.keyboard.press("d")
    drag(page, (0.1, 0.1), (0.5, 0.1))
    wait_for_mask(page)
    next_mask = hold(page, "**/api/images/*/mask")
    page.keyboard.press("Enter")
    first = next_mask()
    page.keyboard.press("1")
    drag(page, (0.1, 0.9), (0.5, 0.9))
    wait_for_mask(page)
    first.continue_()
    page.locator("#note").filter(has_text="red is learned from 1 example.").wait_for()
    page.keyboard.press("Enter")
    next_mask().continue_()
    page.locator("#note").filter(has_text="blue is learned from 1 example.").wait_for()
    expect(page.locator("#refusal")).to_be_empty()
    assert {*np.unique(mask(page, "1.png"))} == {0, 1, 2}
