"""The state of a browser session, without server or browser."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cdpnet.errors import DataError
from cdpnet.inference.class_files import ClassPrototype, load_class
from cdpnet.inference.segmentation import Segmentation
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples, render_samples
from cdpnet.web.session import Session, file_name, with_threshold
from cdpnet.web.views import class_list, describe, draw_result, note, summarise


def no_progress(*_: int) -> None:
    """Ignore the progress."""


@pytest.fixture
def session(segmenter: Segmenter, tmp_path: Path) -> Session:
    return Session(segmenter, tmp_path, replace(Limits(), examples=3))


def strokes(size: tuple[int, int] = (640, 640)) -> np.ndarray:
    """Strokes over the middle of an image at view size."""
    drawn = np.zeros(size, bool)
    drawn[size[0] // 3 : size[0] // 2, size[1] // 4 : size[1] // 2] = True
    return drawn


def add_examples(session: Session, samples: Samples, *names: str) -> Session:
    for i, name in enumerate(names):
        session.open_image(samples.support[i])
        session.add_example(name, strokes())
    return session


def test_samples_are_the_same_each_time(samples: Samples, tmp_path: Path) -> None:
    again = render_samples(tmp_path)
    assert again.names == samples.names
    for one, other in zip((*samples.support, *samples.query), (*again.support, *again.query), strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert len(set(samples.names)) == len(samples.support) == 6
    assert len(samples.query) == 12


def test_strokes_become_a_mask_of_the_image(session: Session, samples: Samples) -> None:
    """An image of 128 px is marked at 640 px: five pixels of the view for each of its own."""
    session.open_image(samples.support[0])
    drawn = np.zeros((640, 640), bool)
    drawn[200:400, 100:300] = True
    example = session.add_example("flake", drawn)
    mask = np.array(Image.open(example.mask))
    expected = np.zeros((128, 128), np.uint8)
    expected[40:80, 20:60] = 1
    assert np.array_equal(mask, expected)
    assert example.image.read_bytes() == samples.support[0].read_bytes()


@pytest.mark.parametrize(("size", "view"), [((2000, 1000), (640, 320)), ((50, 100), (320, 640)), ((640, 3), (640, 3))])
def test_any_image_is_shown_at_view_size(
    session: Session, tmp_path: Path, size: tuple[int, int], view: tuple[int, int]
) -> None:
    Image.new("RGB", size).save(tmp_path / "image.png")
    assert session.open_image(tmp_path / "image.png").size == view


def test_a_rotated_photo_is_marked_upright(session: Session, tmp_path: Path) -> None:
    image = Image.new("RGB", (120, 60), "grey")
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(tmp_path / "photo.jpg", exif=exif)
    assert session.open_image(tmp_path / "photo.jpg").size == (320, 640)
    example = session.add_example("thing", strokes((640, 320)))
    assert Image.open(example.mask).size == (60, 120)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s, _: s.add_example("a", strokes()), "There is no image yet"),
        (lambda s, f: (s.open_image(f / "sample.png"), s.add_example("a", None)), "Nothing is marked yet"),
        (
            lambda s, f: (s.open_image(f / "sample.png"), s.add_example("a", np.zeros((640, 640), bool))),
            "Nothing is marked yet",
        ),
        (
            lambda s, f: (s.open_image(f / "sample.png"), s.add_example("a", strokes((64, 64)))),
            "Another image was opened",
        ),
        (lambda s, f: (s.open_image(f / "sample.png"), s.add_example(" \n", strokes())), "The class has no name yet"),
        (
            lambda s, f: (s.open_image(f / "sample.png"), s.add_example("n" * 61, strokes())),
            "The name has 61 characters",
        ),
        (
            lambda s, f: (s.open_image(f / "sample.png"), s.add_example("a", np.ones((640, 640), bool))),
            "covers the whole image",
        ),
        (lambda s, f: (s.open_image(f / "sample.png"), s.add_example("a", None, f / "wide.png")), "is 9 x 5 pixels"),
        (lambda s, _: s.remove_last_example(), "There is no example to remove."),
        (lambda s, _: s.write_classes(), "There is no class yet"),
        (lambda s, _: s.write_labels("png", None), "There are no masks yet"),
        (lambda s, f: s.set_images([f / "sample.png"] * 49, no_progress), "49 images are too many for the page"),
        (lambda s, f: s.set_images([f / "sample.png", f / "sample.png"], no_progress), "have one stem"),
        (lambda s, f: s.set_images([f / "large.png"], no_progress), "5000 x 5000 pixels; at most 24 million are read"),
        (lambda s, f: s.set_images([f / "heavy.png"], no_progress), "heavy.png is larger than 20 MB"),
    ],
)
def test_refusals_change_nothing(
    session: Session, samples: Samples, tmp_path: Path, act: Callable[[Session, Path], object], message: str
) -> None:
    for name, size in (("large.png", (5000, 5000)), ("wide.png", (9, 5))):
        Image.new("1", size).save(tmp_path / name)
    with (tmp_path / "heavy.png").open("wb") as file:
        file.truncate(20_000_001)
    (tmp_path / "sample.png").write_bytes(samples.support[0].read_bytes())
    with pytest.raises(DataError, match=message):
        act(session, tmp_path)
    assert not session.examples
    assert not session.classes
    assert not session.segmented.segmentations


def test_examples_are_added_and_removed(session: Session, samples: Samples) -> None:
    add_examples(session, samples, "flake", "flake", "paw")
    assert {name: learned.shots for name, learned in session.classes.items()} == {"flake": 2, "paw": 1}
    with pytest.raises(DataError, match="takes 3 examples"):
        session.add_example("more", strokes())
    assert session.remove_last_example() == "paw"
    assert session.remove_last_example() == "flake"
    assert {name: learned.shots for name, learned in session.classes.items()} == {"flake": 1}
    alone = session.segmenter.learn("flake", session.examples[0].image, session.examples[0].mask)
    assert torch.equal(session.classes["flake"].foreground, alone.foreground)


def test_results_are_those_of_the_segmenter(session: Session, samples: Samples) -> None:
    add_examples(session, samples, "flake", "knight")
    session.set_images(samples.query[:3], no_progress)
    session.segment_images(no_progress, min_presence=None)
    classes = list(session.classes.values())
    for image, found in zip(*session.segmented, strict=True):
        for threshold in (None, 0.7):
            expected = session.segmenter.segment(image.file, classes, threshold=threshold).mask
            assert np.array_equal(with_threshold(found, threshold).mask, expected)
    assert all("mask" not in vars(found) for found in session.segmented.segmentations)  # no mask stays in memory


def test_images_are_segmented_again_only_after_a_change(
    session: Session, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmented: list[object] = []
    segment = session.segmenter.segment

    def counted(image: Path, classes: list[ClassPrototype], **options: float | None) -> Segmentation:
        segmented.append(image)
        return segment(image, classes, **options)

    monkeypatch.setattr(session.segmenter, "segment", counted)
    add_examples(session, samples, "flake")
    session.set_images(samples.query[:2], no_progress)
    for least, count in ((None, 2), (None, 2), (0.0, 4), (0.0, 4)):
        session.segment_images(no_progress, min_presence=least)
        assert len(segmented) == count
    session.remove_last_example()
    session.segment_images(no_progress, min_presence=0.0)
    assert len(segmented) == 4
    assert session.segmented.segmentations == ()


def test_class_files_hold_classes_and_examples(session: Session, samples: Samples, tmp_path: Path) -> None:
    add_examples(session, samples, "weld/crack", "weld:crack")
    archive = session.write_classes()
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        opened.extractall(tmp_path / "out")
    assert names[:2] == ["01 weld_crack.safetensors", "02 weld_crack.safetensors"]
    assert load_class(tmp_path / "out" / names[1]).name == "weld:crack"
    assert len([name for name in names if name.startswith("examples/")]) == 4


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("weld crack", "weld crack"),
        ("../../etc", "______etc"),
        ("größe", "größe"),
        ("?", "_"),
        ("\U00020000" * 60, "\U00020000" * 37),
    ],
)
def test_names_of_files(name: str, safe: str) -> None:
    assert file_name(name) == safe


def test_texts_of_the_page(session: Session, samples: Samples) -> None:
    add_examples(session, samples, "a<b", "knight")
    shown = class_list(session.classes.values())
    assert "<b>a&lt;b</b>" in shown
    assert shown.count("<li") == 2
    assert class_list([]) == ""
    assert note("a < b") == "<p class='note' role='status'>a &lt; b</p>"
    assert "role='alert'" in note("no", bad=True)
    assert summarise(2, {"flake": 1, "paw": 0}) == "2 images: flake in 1, paw in none."
    assert summarise(1, {}) == "1 image to segment; add an example of a class first."
    session.set_images(samples.query[:1], no_progress)
    session.segment_images(no_progress, min_presence=0.0)
    (image,), (answer,) = session.segmented
    found = with_threshold(answer, 0.999999)
    assert describe(found) == "a<b below the threshold\nknight below the threshold"
    assert describe(replace(found, absent=(True, False))) == "a<b not present\nknight below the threshold"
    assert draw_result(image.view, found, None).size == (640, 640)
    scores = [np.array(draw_result(image.view, found, name)) for name in found.classes]
    assert not np.array_equal(scores[0], scores[1])


def test_previous_uploads_are_removed(session: Session, samples: Samples) -> None:
    for _ in range(3):
        session.open_image(samples.support[0])
        session.set_images(samples.query[:2], no_progress)
    assert len(list(session.folder.glob("uploads-*"))) == 2


def test_strokes_must_belong_to_the_opened_image(session: Session, samples: Samples) -> None:
    """Strokes on an image that was opened before are refused; small changes of colour are not."""
    shown = [np.asarray(session.open_image(path)) for path in samples.support[:2]]
    with pytest.raises(DataError, match="Another image was opened in the meantime"):
        session.add_example("flake", strokes(), marked_view=shown[0])
    assert not session.examples
    session.add_example("knight", strokes(), marked_view=np.clip(shown[1].astype(int) + 3, 0, 255).astype(np.uint8))
    assert len(session.examples) == 1


def test_thin_strokes_on_a_tiny_image_count(session: Session, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "grey").save(tmp_path / "tiny.png")
    session.open_image(tmp_path / "tiny.png")
    drawn = np.zeros((640, 640), bool)
    drawn[398:402] = True  # between the centres of two pixels of the image
    example = session.add_example("line", drawn)
    assert np.array(Image.open(example.mask)).sum() == 32
