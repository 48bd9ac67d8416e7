"""The page in a browser: what another window has removed."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.web.browsing import (
    OBJECT,
    click,
    drag,
    drop,
    image,
    mask,
    open_picture,
    pictures,
    say_name,
    visiting,
    wait_for_mask,
    wait_for_picture,
)
from tests.web.serving import wait_until

REMOVED = "1.png was removed in another window. Undo (Ctrl+Z) brings it back, with what is marked in it."


def _remove_elsewhere(page: Any, name: str) -> None:
    """Remove a picture as another window of the same browser does."""
    url = page.url.split("#")[0]
    page.request.delete(f"{url}api/images/{image(page, name)['id']}")


def _draw_in_both(page: Any) -> None:
    """Make a class, and draw masks in two pictures that are not saved; the first is shown."""
    drop(page, pictures(2))
    wait_for_picture(page, "1.png")
    page.keyboard.press("c")
    say_name(page, "square")
    page.locator("#class-list button").first.wait_for()
    page.keyboard.press("d")
    for name in ("2.png", "1.png"):
        open_picture(page, name)
        drag(page, (0.1, 0.9), (0.9, 0.9))
        wait_for_mask(page)


def test_a_picture_that_another_window_removes_makes_room_and_comes_back_with_its_mask(page: Any) -> None:
    _draw_in_both(page)
    _remove_elsewhere(page, "1.png")
    expect(page.locator("#refusal")).to_contain_text(REMOVED)
    wait_for_picture(page, "2.png")
    wait_for_mask(page)
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text="square is learned from 1 example.").wait_for()
    for _ in range(3):
        page.keyboard.press("Control+z")
    page.locator("#film button[aria-label^='1.png,']").click()
    wait_for_picture(page, "1.png")
    wait_for_mask(page)
    page.keyboard.press("Enter")
    wait_until(lambda: mask(page, "1.png")[86, 10:86].all(), "the mask is not saved")


def test_a_page_that_is_behind_comes_up_to_date_when_a_picture_is_gone(browser: Any, page_url: str) -> None:
    with visiting(browser, page_url, refused=[404]) as page:
        page.route("**/api/events*", lambda _: None)  # it hears of nothing
        page.reload()
        page.locator("#empty").wait_for()
        _draw_in_both(page)
        _remove_elsewhere(page, "1.png")
        page.keyboard.press("Enter")
        expect(page.locator("#refusal")).to_contain_text(REMOVED)
        wait_for_picture(page, "2.png")
        wait_for_mask(page)
        page.keyboard.press("Enter")
        page.locator("#note").filter(has_text="square is learned from 1 example.").wait_for()

        # So it does after a click, and where a picture is opened.
        drop(page, [("3.png", pictures(3)[2][1]), ("4.png", pictures(4)[3][1])])
        wait_for_picture(page, "3.png")
        _remove_elsewhere(page, "3.png")
        page.keyboard.press("p")
        click(page, OBJECT)
        expect(page.locator("#refusal")).to_contain_text("3.png was removed in another window.")
        wait_for_picture(page, "4.png")
        _remove_elsewhere(page, "4.png")
        page.keyboard.press("k")
        wait_for_picture(page, "2.png")
        page.locator("#film button[aria-label^='4.png,']").click()
        expect(page.locator("#refusal")).to_contain_text("4.png was removed in another window.")
        expect(page.locator("#film li")).to_have_count(1)
