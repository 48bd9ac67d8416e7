"""Use the page of `cdpnet web` in a headless browser and take screenshots of it; offline.

python examples/web_page.py OUT_FOLDER   (needs playwright, and Chromium on the machine)
"""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

SCREENS = {"web": (1280, 800, "light"), "web-dark": (1280, 800, "dark"), "web-phone": (390, 844, "light")}
SIDE, MARGIN, LARGEST = 128, 12, 4.0  # pixels of the samples; where the page shows them, as in its view.js
MARKED = (("snowflake", (0.2, 0.6)), ("chess knight", (0.5, 0.3)))  # samples by their names, and where to click
SHOWN, CLASS_KEY = "scene-02.png", "1"  # in which a mask of a class is in progress
STROKE = ((0.72, 0.5), (0.79, 0.55))  # over an arm of the snowflake that was not found
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/web")


def start_server() -> tuple[Any, str]:
    """Serve the page in a process, with the model that knows rendered samples; gives the process and the URL."""
    command = [sys.executable, "-m", "cdpnet", "web", "--model", "tiny", "--port", "7871"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"The page is at (\S+)", process.stdout.readline())
    if found is None:
        sys.exit("The page could not be served.")
    return process, found[1]


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture, given by fractions, is on the screen."""
    box = page.locator("#stage").bounding_box()
    assert box is not None
    scale = min((min(box["width"], box["height"]) - 2 * MARGIN) / SIDE, LARGEST)
    left, top = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return left + (x - 0.5) * SIDE * scale, top + (y - 0.5) * SIDE * scale


def open_picture(page: Page, name: str) -> None:
    """Choose a picture in the filmstrip."""
    page.locator(f"#film button[aria-label^='{name},']").click()
    expect(page.locator("#image-name")).to_have_text(name)
    page.locator("#stage[aria-busy=false]").wait_for()


def teach(page: Page, name: str, point: tuple[float, float]) -> None:
    """Make a class, click on its object in the sample of its name, and save the mask."""
    open_picture(page, f"{name}.png")
    page.keyboard.press("c")
    page.locator("#name-input").fill(name)
    page.keyboard.press("Enter")
    page.locator("#class-list [aria-pressed=true]").filter(has_text=name).wait_for()
    page.mouse.click(*place(page, *point))
    page.locator("#hint").filter(has_text="% marked").wait_for()
    page.keyboard.press("Enter")
    page.locator("#note").filter(has_text=f"{name} is learned").wait_for()
    page.locator("#film:not(:has([data-state=new]))").wait_for()
    page.locator("#job").wait_for(state="hidden")


def use(page: Page, url: str) -> None:
    """Teach two classes with the samples, review some results, and leave a mask in progress."""
    page.goto(url)
    page.locator("[data-action=samples]").click()
    page.locator("#film li").nth(17).wait_for()
    for name, point in MARKED:
        teach(page, name, point)
    for key in "gaar":
        page.keyboard.press(key)
    expect(page.locator("#progress")).to_contain_text("1 rejected")
    open_picture(page, SHOWN)
    page.keyboard.press(CLASS_KEY)
    page.keyboard.press("d")
    page.mouse.move(*place(page, *STROKE[0]))
    page.mouse.down()
    page.mouse.move(*place(page, *STROKE[1]), steps=4)
    page.mouse.up()
    page.locator("#hint").filter(has_text="% marked").wait_for()
    page.locator("#note p").evaluate("note => note.remove()")


browser_file = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
if browser_file is None:
    sys.exit("There is no Chromium on this machine.")
out.mkdir(parents=True, exist_ok=True)
process, url = start_server()
try:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file, args=["--no-sandbox"])
        for name, (width, height, scheme) in SCREENS.items():
            touch = width < height
            screen = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
            context = browser.new_context(**screen, has_touch=touch, is_mobile=touch)
            page = context.new_page()
            use(page, url)
            shot = Image.open(io.BytesIO(page.screenshot()))
            shot.convert("RGB").save(out / f"{name}.jpg", quality=85, subsampling=0)
            print(out / f"{name}.jpg")
            context.close()
        browser.close()
finally:
    process.terminate()
    process.wait()
