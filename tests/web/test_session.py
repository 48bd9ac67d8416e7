"""What the page keeps of a visitor, without server or browser."""

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
from cdpnet.network.build import load_network
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples, render_samples
from cdpnet.web.session import Session, at, file_name
from cdpnet.web.sessions import Sessions
from cdpnet.web.views import class_list, in_words, note, result, summary


def quiet(*_: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(load_network("tiny"))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return render_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def session(segmenter: Segmenter, tmp_path: Path) -> Session:
    return Session(segmenter, tmp_path, replace(Limits(), examples=3))


def painted(size: tuple[int, int] = (640, 640)) -> np.ndarray:
    """Strokes over the middle of an image at view size."""
    strokes = np.zeros(size, bool)
    strokes[size[0] // 3 : size[0] // 2, size[1] // 4 : size[1] // 2] = True
    return strokes


def taught(session: Session, samples: Samples, *names: str) -> Session:
    for i, name in enumerate(names):
        session.open_image(samples.teach[i])
        session.add_example(name, painted())
    return session


def test_samples_are_the_same_each_time(samples: Samples, tmp_path: Path) -> None:
    again = render_samples(tmp_path)
    assert again.names == samples.names
    for one, other in zip((*samples.teach, *samples.look), (*again.teach, *again.look), strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert len(set(samples.names)) == len(samples.teach) == 6
    assert len(samples.look) == 12


def test_the_painting_becomes_a_mask_of_the_image(session: Session, samples: Samples) -> None:
    """An image of 128 px is painted at 640: five pixels of the screen for one of its own."""
    session.open_image(samples.teach[0])
    strokes = np.zeros((640, 640), bool)
    strokes[200:400, 100:300] = True
    example = session.add_example("flake", strokes)
    mask = np.array(Image.open(example.mask))
    expected = np.zeros((128, 128), np.uint8)
    expected[40:80, 20:60] = 1
    assert np.array_equal(mask, expected)
    assert example.image.read_bytes() == samples.teach[0].read_bytes()


@pytest.mark.parametrize(("size", "view"), [((2000, 1000), (640, 320)), ((50, 100), (320, 640)), ((640, 3), (640, 3))])
def test_any_image_is_shown_at_the_size_of_the_screen(
    session: Session, tmp_path: Path, size: tuple[int, int], view: tuple[int, int]
) -> None:
    Image.new("RGB", size).save(tmp_path / "image.png")
    assert session.open_image(tmp_path / "image.png").size == view


def test_a_photo_that_lies_on_its_side_is_painted_upright(session: Session, tmp_path: Path) -> None:
    image = Image.new("RGB", (120, 60), "grey")
    exif = image.getexif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(tmp_path / "photo.jpg", exif=exif)
    assert session.open_image(tmp_path / "photo.jpg").size == (320, 640)
    example = session.add_example("thing", painted((640, 320)))
    assert Image.open(example.mask).size == (60, 120)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda s, _: s.add_example("a", painted()), "There is no image yet"),
        (lambda s, f: (s.open_image(f[0]), s.add_example("a", None)), "Nothing is painted yet"),
        (lambda s, f: (s.open_image(f[0]), s.add_example("a", np.zeros((640, 640), bool))), "Nothing is painted yet"),
        (lambda s, f: (s.open_image(f[0]), s.add_example("a", painted((64, 64)))), "Another image was opened"),
        (lambda s, f: (s.open_image(f[0]), s.add_example(" \n", painted())), "The class has no name yet"),
        (lambda s, f: (s.open_image(f[0]), s.add_example("n" * 61, painted())), "The name has 61 characters"),
        (
            lambda s, f: (s.open_image(f[0]), s.add_example("a", np.ones((640, 640), bool))),
            "covers the whole image",
        ),
        (lambda s, f: (s.open_image(f[0]), s.add_example("a", None, f[1].parent / "wide.png")), "is 9 x 5 pixels"),
        (lambda s, _: s.take_back(), "There is no example to take back."),
        (lambda s, _: s.write_classes(), "There is no class yet"),
        (lambda s, _: s.write_labels("png", None), "There are no masks yet"),
        (lambda s, f: s.choose([f[0]] * 49, quiet), "49 images are too many for the page"),
        (lambda s, f: s.choose([f[0], f[0]], quiet), "have one stem"),
        (lambda s, f: s.choose([f[0].parent / "large.png"], quiet), "5000 x 5000 pixels; at most 24 million are read"),
        (lambda s, f: s.choose([f[0].parent / "heavy.png"], quiet), "heavy.png is larger than 20 MB"),
    ],
)
def test_refusals_change_nothing(
    session: Session, samples: Samples, act: Callable[[Session, tuple[Path, ...]], object], words: str
) -> None:
    folder = samples.teach[0].parent
    if not (folder / "large.png").exists():
        Image.new("1", (5000, 5000)).save(folder / "large.png")
        Image.new("1", (9, 5)).save(folder / "wide.png")
        with (folder / "heavy.png").open("wb") as file:
            file.truncate(20_000_001)
    with pytest.raises(DataError, match=words):
        act(session, samples.teach)
    assert not session.examples
    assert not session.classes
    assert not session.looked.found


def test_examples_add_up_and_are_taken_back(session: Session, samples: Samples) -> None:
    taught(session, samples, "flake", "flake", "paw")
    assert {name: learned.shots for name, learned in session.classes.items()} == {"flake": 2, "paw": 1}
    with pytest.raises(DataError, match="takes 3 examples"):
        session.add_example("more", painted())
    assert session.take_back() == "paw"
    assert session.take_back() == "flake"
    assert {name: learned.shots for name, learned in session.classes.items()} == {"flake": 1}
    alone = session.segmenter.learn("flake", session.examples[0].image, session.examples[0].mask)
    assert torch.equal(session.classes["flake"].foreground, alone.foreground)


def test_answers_are_the_segmenters(session: Session, samples: Samples) -> None:
    taught(session, samples, "flake", "knight")
    session.choose(samples.look[:3], quiet)
    session.look(quiet, min_presence=None)
    classes = list(session.classes.values())
    for image, found in zip(*session.looked, strict=True):
        for threshold in (None, 0.7):
            expected = session.segmenter.segment(image.file, classes, threshold=threshold).mask
            assert np.array_equal(at(found, threshold).mask, expected)
    assert all("mask" not in vars(found) for found in session.looked.found)  # no mask stays in memory


def test_it_looks_again_only_where_something_changed(
    session: Session, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    segment = session.segmenter.segment

    def counted(image: Path, classes: list[ClassPrototype], **options: float | None) -> Segmentation:
        asked.append(image)
        return segment(image, classes, **options)

    monkeypatch.setattr(session.segmenter, "segment", counted)
    taught(session, samples, "flake")
    session.choose(samples.look[:2], quiet)
    for least, count in ((None, 2), (None, 2), (0.0, 4), (0.0, 4)):
        session.look(quiet, min_presence=least)
        assert len(asked) == count
    session.take_back()
    session.look(quiet, min_presence=0.0)
    assert len(asked) == 4
    assert session.looked.found == ()


def test_class_files_hold_what_was_taught(session: Session, samples: Samples, tmp_path: Path) -> None:
    taught(session, samples, "weld/crack", "weld:crack")
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


def test_words(session: Session, samples: Samples) -> None:
    taught(session, samples, "a<b", "knight")
    listed = class_list(session.classes.values())
    assert "<b>a&lt;b</b>" in listed
    assert listed.count("<li") == 2
    assert class_list([]) == ""
    assert note("a < b") == "<p class='note' role='status'>a &lt; b</p>"
    assert "role='alert'" in note("no", bad=True)
    assert summary(2, {"flake": 1, "paw": 0}) == "2 images: flake in 1, paw in none."
    assert summary(1, {}) == "1 image to look at; teach a class, and it is looked for at once."
    session.choose(samples.look[:1], quiet)
    session.look(quiet, min_presence=0.0)
    (image,), (answer,) = session.looked
    found = at(answer, 0.999999)
    assert in_words(found) == "a<b below the threshold\nknight below the threshold"
    assert in_words(replace(found, absent=(True, False))) == "a<b not here\nknight below the threshold"
    assert result(image.shown, found, None).size == (640, 640)
    scores = [np.array(result(image.shown, found, name)) for name in found.classes]
    assert not np.array_equal(scores[0], scores[1])


def test_sessions_are_apart_and_end(segmenter: Segmenter, tmp_path: Path) -> None:
    sessions = Sessions(segmenter, tmp_path, replace(Limits(), sessions=2, grace=0.0))
    one, two = sessions.of("one"), sessions.of("two")
    assert one is not two
    assert one.folder != two.folder
    assert sessions.of("one") is one
    sessions.of("three")  # the one unused for longest makes room
    assert not two.folder.exists()
    sessions.close("one")
    assert sessions.of("one") is one  # it was only asleep
    assert sessions.sweep() == 0
    sessions.close("one")
    sessions.close("never seen")
    assert sessions.sweep() == 1
    assert not one.folder.exists()
    assert len(sessions) == 1
    for key in ("one", "two"):
        with pytest.raises(DataError, match="What this page held is gone"):
            sessions.of(key)


def test_a_page_that_does_nothing_pushes_nobody_out(segmenter: Segmenter, tmp_path: Path) -> None:
    sessions = Sessions(segmenter, tmp_path, replace(Limits(), sessions=2))
    working, idle = sessions.of("working"), sessions.of("idle")
    sessions.keep("never used")  # a sign of life begins no session
    assert len(sessions) == 2
    sessions.close("idle")
    sessions.of("third")
    assert working.folder.exists()
    assert not idle.folder.exists()


def test_uploads_of_before_are_removed(session: Session, samples: Samples) -> None:
    for _ in range(3):
        session.open_image(samples.teach[0])
        session.choose(samples.look[:2], quiet)
    assert len(list(session.folder.glob("uploads-*"))) == 2


def test_the_painting_must_be_of_the_open_image(session: Session, samples: Samples) -> None:
    """What the screen had before, not what was opened in between; small changes of its colours do no harm."""
    shown = [np.asarray(session.open_image(path)) for path in samples.teach[:2]]
    with pytest.raises(DataError, match="Another image was opened in between"):
        session.add_example("flake", painted(), painted_on=shown[0])
    assert not session.examples
    session.add_example("knight", painted(), painted_on=np.clip(shown[1].astype(int) + 3, 0, 255).astype(np.uint8))
    assert len(session.examples) == 1


def test_thin_strokes_on_a_tiny_image_count(session: Session, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "grey").save(tmp_path / "tiny.png")
    session.open_image(tmp_path / "tiny.png")
    strokes = np.zeros((640, 640), bool)
    strokes[398:402] = True  # between two pixels of the image, whose centres it misses
    example = session.add_example("line", strokes)
    assert np.array(Image.open(example.mask)).sum() == 32


def test_a_session_is_kept_for_its_grace(segmenter: Segmenter, tmp_path: Path) -> None:
    sessions = Sessions(segmenter, tmp_path, replace(Limits(), grace=1000.0))
    sessions.of("one")
    sessions.close("one")
    assert sessions.sweep() == 0
    assert len(sessions) == 1
