"""Mark, segment and download in a browser; the results equal those of the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cdpnet.web.samples import Samples
from tests.web.browsing import (
    KNIGHT,
    SCENES,
    SNOWFLAKE,
    add_example,
    add_example_of_files,
    are_equal,
    brush,
    captions,
    choose_sample,
    download,
    download_masks,
    draw_mask,
    read_masks,
    run_command,
)


def test_a_class_is_marked_segmented_and_downloaded(page: Any, samples: Samples, tmp_path: Path) -> None:
    choose_sample(page, 0)
    assert page.locator("#name input, #name textarea").input_value() == samples.names[0]
    brush(page, *SNOWFLAKE)
    add_example(page, "snowflake")
    page.locator("#query-samples").click()
    first = captions(page)
    assert any("snowflake not present" in text for text in first)
    assert any(re.search(r"snowflake \d+\.\d", text) for text in first)
    assert page.locator("#results img").first.get_attribute("alt").startswith("snowflake")
    assert page.locator("#results button.thumbnail-item").first.get_attribute("aria-label").startswith("snowflake")

    # The same example gives the same masks on the command line.
    masks = download_masks(page, tmp_path)
    example, mask = sorted((download(page, "#download-classes", tmp_path) / "examples").iterdir())
    assert Image.open(example).tobytes() == Image.open(samples.support[0]).tobytes()
    command = ("segment", "--model", "tiny", *samples.query, "--support", f"{example}:{mask}", "--name", "snowflake")
    run_command(*command, "--out", tmp_path / "same")
    assert are_equal(masks, read_masks(tmp_path / "same"))
    assert 0 < sum(mask.any() for mask in masks.values()) < len(masks)

    # So does another threshold, set with the keyboard.
    slider = page.locator("#threshold input[type=number]")
    slider.fill("0.6")
    slider.press("Enter")
    second = captions(page, previous=first)
    higher = download_masks(page, tmp_path)
    assert sum(mask.sum() for mask in higher.values()) < sum(mask.sum() for mask in masks.values())
    run_command(*command, "--out", tmp_path / "higher", "--threshold", "0.6")
    assert are_equal(higher, read_masks(tmp_path / "higher"))

    # And masks of classes that seem absent.
    page.locator("#presence input").uncheck()
    third = captions(page, previous=second)
    assert not any("not present" in text for text in third)
    run_command(*command, "--out", tmp_path / "all", "--threshold", "0.6", "--min_presence", "0")
    assert are_equal(download_masks(page, tmp_path), read_masks(tmp_path / "all"))


def test_two_classes_and_every_format(page: Any, samples: Samples, tmp_path: Path) -> None:
    choose_sample(page, 0)
    brush(page, *SNOWFLAKE)
    add_example(page, "snowflake")
    choose_sample(page, 1)
    brush(page, *KNIGHT)
    add_example(page, "chess knight")
    images = samples.query[SCENES]
    page.locator("#query-files input").set_input_files([str(path) for path in images])
    both = captions(page, count=len(images))
    assert all("snowflake" in text and "chess knight" in text for text in both)
    assert page.locator("#classes li").count() == 2
    masks = download_masks(page, tmp_path)
    assert set(np.unique(np.concatenate([mask.ravel() for mask in masks.values()]))) == {0, 1, 2}

    # The downloaded class files give the same masks on the command line.
    files = sorted(download(page, "#download-classes", tmp_path).glob("*.safetensors"))
    assert [path.stem for path in files] == ["01 snowflake", "02 chess knight"]
    (tmp_path / "images").mkdir()
    for path in images:
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    run_command("label", "--model", "tiny", tmp_path / "images", "--classes", *files, "--out", tmp_path / "labels")
    assert are_equal(masks, read_masks(tmp_path / "labels" / "masks"))

    for title, file in (
        ("COCO", "annotations.json"),
        ("LabelMe", "scene-02.json"),
        ("YOLO", "data.yaml"),
        ("Label Studio", "tasks.json"),
    ):
        page.locator("#format label").filter(has_text=title).click()
        unpacked = download(page, "#download-labels", tmp_path)
        assert (unpacked / file).stat().st_size > 0
        if file.endswith("json"):
            json.loads((unpacked / file).read_text())

    # The scores of a class are shown on demand.
    before = page.locator("#results img").first.get_attribute("src")
    page.locator("#display label").filter(has_text="Scores").click()
    page.locator("#scores-of").wait_for()
    page.wait_for_function("b => document.querySelector('#results img').getAttribute('src') !== b", arg=before)

    # Examples are removed one by one; without a class nothing is downloaded, not even the previous archive.
    page.locator("#remove").click()
    one = captions(page, count=len(images), previous=both)
    assert not any("chess knight" in text for text in one)
    assert page.locator("#classes li").count() == 1
    page.locator("#remove").click()
    page.locator("#mark-note .note").filter(has_text="The last example of snowflake is removed.").wait_for()
    downloads: list[Any] = []
    page.on("download", lambda started: downloads.append(started))
    page.locator("#download-classes").click()
    page.locator("#download-note .note.bad").filter(has_text="There is no class yet").wait_for()
    assert page.locator("#classes-file[href], #classes-file a[href]").count() == 0
    assert not downloads


def test_a_mask_file_instead_of_the_brush(page: Any, samples: Samples, tmp_path: Path) -> None:
    mask = draw_mask(tmp_path)
    add_example_of_files(page, samples.support[0], mask, "flake")
    _, saved = sorted((download(page, "#download-classes", tmp_path) / "examples").iterdir())
    assert np.array_equal(np.array(Image.open(saved)) > 0, np.array(Image.open(mask)) > 0)
