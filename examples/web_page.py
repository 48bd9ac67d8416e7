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
from playwright.sync_api import Page, sync_playwright

SCREENS = {"web": (1440, "light"), "web-dark": (1440, "dark"), "web-phone": (390, "light")}
# What is marked: the number of the sample, its name, and strokes from x, y to x, y as fractions of the image.
MARKED = (
    (0, "snowflake", ((0.16, 0.52, 0.4, 0.62), (0.16, 0.7, 0.36, 0.56), (0.25, 0.5, 0.3, 0.74))),
    (1, "chess knight", ((0.42, 0.25, 0.6, 0.3), (0.45, 0.35, 0.5, 0.6), (0.4, 0.66, 0.62, 0.68))),
)
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/web")


def start_server() -> tuple[Any, str]:
    """Serve the page in a process; gives the process and the URL."""
    command = [sys.executable, "-m", "cdpnet", "web", "--port", "7871"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = re.search(r"The page is at (\S+)", process.stdout.readline())
    if found is None:
        sys.exit("The page could not be served.")
    return process, found[1]


def brush(page: Page, strokes: tuple[tuple[float, float, float, float], ...]) -> None:
    """Draw strokes with the brush."""
    canvas = page.locator("#editor .pixi-target canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    side = min(box["width"], box["height"])  # the image is square and centred
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    for x0, y0, x1, y1 in strokes:
        page.mouse.move(left + side * x0, top + side * y0)
        page.mouse.down()
        page.mouse.move(left + side * x1, top + side * y1)
        page.mouse.up()
    page.wait_for_timeout(500)


def use(page: Page, url: str) -> None:
    """Mark two classes, segment the samples, and leave strokes in the editor."""
    page.goto(url)
    page.locator("#support-samples button").nth(5).wait_for()
    page.wait_for_timeout(1000)
    for number, name, strokes in MARKED:
        page.locator("#support-samples button").nth(number).click()
        page.wait_for_timeout(2500)
        brush(page, strokes)
        page.locator("#add").click()
        page.locator("#mark-note .note").filter(has_text=name).wait_for()
    brush(page, MARKED[-1][2])
    page.locator("#query-samples").click()
    page.locator("#segment-note .note").filter(has_text="knight in").wait_for()
    page.wait_for_function("[...document.querySelectorAll('#results img')].filter(i => i.complete).length == 12")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    page.wait_for_timeout(1000)


browser_file = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
if browser_file is None:
    sys.exit("There is no Chromium on this machine.")
out.mkdir(parents=True, exist_ok=True)
process, url = start_server()
try:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file, args=["--no-sandbox"])
        for name, (width, scheme) in SCREENS.items():
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            use(page, url)
            shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
            shot.convert("RGB").save(out / f"{name}.jpg", quality=85, subsampling=0)
            print(out / f"{name}.jpg")
            page.close()
        browser.close()
finally:
    process.terminate()
    process.wait()
