"""The page in a browser: several classes in one picture, of which a person drew one."""

from __future__ import annotations

from typing import Any

import numpy as np
from playwright.sync_api import expect

from tests.web.browsing import (
    OTHER,
    click,
    drag,
    drop,
    image,
    mark_and_teach,
    mask,
    open_picture,
    pictures,
    save_after_new_results,
    say_name,
    wait_for_mask,
    wait_for_picture,
    wait_for_results,
)
from tests.web.serving import wait_until


def test_a_class_is_looked_for_in_a_picture_in_which_another_one_was_drawn(page: Any) -> None:
    drop(page, pictures(3))
    wait_for_picture(page, "1.png")
    mark_and_teach(page, "red")
    open_picture(page, "2.png")
    page.keyboard.press("d")
    drag(page, (0.1, 0.9), (0.9, 0.9))
    wait_for_mask(page)
    page.keyboard.press("Enter")
    page.locator("#film [data-state=corrected]").nth(1).wait_for()
    drawn = mask(page, "2.png") == 1

    # A class that is added later is found there, around what was drawn, and is to be reviewed.
    open_picture(page, "1.png")
    page.keyboard.press("p")
    page.keyboard.press("c")
    say_name(page, "blue")
    page.locator("#class-list [aria-pressed=true]").filter(has_text="blue").wait_for()
    click(page, OTHER)
    wait_for_mask(page)
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text="blue is learned from 1 example.").wait_for()
    wait_for_results(page)
    example = page.locator("#example-list img")
    wait_until(lambda: example.evaluate("one => one.naturalWidth") > 0, "the example has no picture")
    assert image(page, "1.png")["state"] == "corrected"
    assert image(page, "2.png")["state"] == "found"
    found = mask(page, "2.png")
    assert np.array_equal(found == 1, drawn)
    assert (found == 2).any()

    # Results that come while something is marked there do not stand against it.
    open_picture(page, "2.png")
    expect(page.locator("#image-state")).to_contain_text("to review · red")
    page.keyboard.press("d")
    drag(page, (0.1, 0.05), (0.5, 0.05))
    wait_for_mask(page)
    open_picture(page, "3.png")
    page.keyboard.press("p")
    click(page, OTHER)
    wait_for_mask(page)
    save_after_new_results(page, "2.png", "blue is learned from 2 examples.")
    expect(page.locator("#refusal")).to_be_empty()
    page.locator("#film [data-state=corrected]").nth(1).wait_for()
    kept = mask(page, "2.png")
    assert np.array_equal(kept == 1, drawn & (kept != 2))
    assert (kept == 2)[4, 12:46].all()

    # A accepts the picture as a whole.
    open_picture(page, "3.png")
    expect(page.locator("#image-state")).to_contain_text("to review · red")
    page.keyboard.press("a")
    wait_until(lambda: image(page, "3.png")["state"] == "accepted", "it is not accepted")
