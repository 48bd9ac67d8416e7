"""Labelling jobs: two at once, torn journals, and images that cannot be labelled. No run is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdpnet.bulk.engines import Window, label_locally
from cdpnet.bulk.journal import JournalRecord
from cdpnet.bulk.labeller import Labeller
from cdpnet.errors import ConfigError, DataError
from cdpnet.inference.preprocessing import PreprocessedImage, Preprocessing
from cdpnet.io.image_tensors import ImageSource
from cdpnet.io.label_folders import JOURNAL
from cdpnet.io.locks import LOCK_FILE, locked
from cdpnet.labels.label_set import FormatName
from cdpnet.runtime.text import escape
from tests.hostile.jobs import N_IMAGES, Job, contents, write_noise

HOLD = """
import sys
from pathlib import Path
from cdpnet.io.locks import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job.of(tmp_path)


def test_a_second_job_is_refused_while_the_first_writes(job: Job) -> None:
    with locked(job.out), pytest.raises(DataError, match="is in use: another cdpnet command is writing to it"):
        job.run()
    assert contents(job.out) == {}
    job.run()
    assert contents(job.out) == job.undisturbed()
    assert not (job.out / LOCK_FILE).exists()


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="is in use"), locked(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locked(tmp_path):
        assert (tmp_path / LOCK_FILE).exists()


DAMAGE: dict[str, Callable[[list[bytes]], None]] = {
    "begin of a line lost": lambda lines: lines.__setitem__(2, lines[2][7:]),
    "two lines in one": lambda lines: lines.__setitem__(slice(2, 4), [lines[2][:30] + lines[3]]),
    "end lost": lambda lines: lines.__setitem__(-2, lines[-2][:12]),
    "zeros": lambda lines: lines.insert(2, bytes(500)),
    "not UTF-8": lambda lines: lines.insert(2, b'["\xff", 1, 1, [], 0, ""]'),
    "an object": lambda lines: lines.insert(2, b'{"a": 1}'),
    "a number": lambda lines: lines.insert(2, b"7"),
    "numbers for texts": lambda lines: lines.insert(2, b'[1, 1, 1, [], 0, ""]'),
    "texts for numbers": lambda lines: lines.insert(2, b'["0.bmp", "1", "1", [], "0", ""]'),
    "another class": lambda lines: lines.insert(2, b'["0.bmp", 1, 1, [["other", "01", 1]], 0, ""]'),
    "a broken mask": lambda lines: lines.insert(2, b'["0.bmp", 9, 9, [["noise", "oo", 1]], 0, ""]'),
    "a mask of another size": lambda lines: lines.insert(2, b'["0.bmp", 9, 9, [["noise", "5", 1]], 0, ""]'),
    "a mask too large": lambda lines: lines.insert(2, b'["0.bmp", 99999, 99999, [["noise", "0", 1]], 0, ""]'),
    "not a number": lambda lines: lines.insert(2, b'["0.bmp", 9, 9, [], NaN, ""]'),
    "half a stamp": lambda lines: lines.insert(2, b'["0.bmp", 1, 1, [], 0, "", [1, 2], [3]]'),
    "brackets": lambda lines: lines.insert(2, b"[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_lines_that_are_torn_or_foreign_are_left_out(damage: Callable[[list[bytes]], None], job: Job) -> None:
    job.run()
    lines = job.journal.read_bytes().split(b"\n")
    damage(lines)
    job.journal.write_bytes(b"\n".join(lines).rstrip(b"\n") + (b"\n" if lines[-1] == b"" else b""))
    job.run()
    assert "torn or of another job, and are left out: 1; their images are labelled anew." in job.said[0]
    assert contents(job.out) == job.undisturbed()


@pytest.mark.parametrize("head", [b"", b"\n", b"[1]\n", b"7\n", b"\x89PNG\n", b'{"format": "png"'])
def test_a_journal_with_another_head_is_refused(head: bytes, job: Job) -> None:
    job.run()
    job.journal.write_bytes(head)
    with pytest.raises(ConfigError, match="does not begin as the journal of a labelling job"):
        job.run()
    job.run(overwrite=True)
    assert contents(job.out) == job.undisturbed()


def _text(path: Path) -> None:
    path.write_text("not an image")


def _cut(path: Path) -> None:
    write_noise(path.with_suffix(".png"), 9)
    content = path.with_suffix(".png").read_bytes()
    path.with_suffix(".png").unlink()
    path.write_bytes(content[: len(content) // 2])


BAD: dict[str, tuple[bytes, Callable[[Path], None], str]] = {
    "text": (b"bad.png", _text, "is not an image that can be read"),
    "cut": (b"bad.png", _cut, "cannot be decoded"),
    "link to itself": (b"bad.png", lambda path: path.symlink_to(path.name), "cannot be read"),
    "link to nothing": (b"bad.png", lambda path: path.symlink_to("nothing"), "cannot be read"),
}


@pytest.mark.parametrize(("name", "make", "reason"), BAD.values(), ids=BAD)
def test_one_bad_image_is_left_out_and_listed(name: bytes, make: Callable[[Path], None], reason: str, job: Job) -> None:
    path = job.images / os.fsdecode(name)
    make(path)
    for _ in range(2):  # it is tried again, and fails again
        result = job.run()
        ((image, said),) = result.failed.items()
        assert image == escape(os.fsdecode(name))
        assert reason in said
        assert (job.out / "failed.txt").read_text(encoding="utf-8") == f"{image}\t{said}\n"
        assert len(list((job.out / "masks").iterdir())) == N_IMAGES
    assert job.said == ["The job is resumed: 0 new, 0 changed, 0 outputs missing, 1 failed before."]
    path.unlink()
    assert not job.run().failed
    assert contents(job.out) == job.undisturbed()  # without failed.txt


NOT_TEXT = "Its name is not text in UTF-8; rename it."
NAMES: list[tuple[FormatName, bytes, str]] = [
    *((label_format, b"b\xffd\n.png", NOT_TEXT) for label_format in ("png", "coco", "labelme", "labelstudio")),
    ("cvat", b"b\x01d.png", r"Its name has the character \x01, which the format cvat cannot hold; rename it."),
    ("cvat", "b\uffffd.png".encode(), r"Its name has the character \uffff, which the format cvat cannot hold"),
    ("yolo", b"b\nd.png", r"Its name has the character \n, which the format yolo cannot hold; rename it."),
    ("voc", "b\u2028d/b.png".encode(), r"Its name has the character \u2028, which the format voc cannot hold"),
]


@pytest.mark.parametrize(("label_format", "name", "reason"), NAMES)
def test_a_name_that_a_format_cannot_hold_is_known_before_anything_is_labelled(
    label_format: FormatName, name: bytes, reason: str, tmp_path: Path
) -> None:
    job = Job.of(tmp_path, label_format)
    write_noise(job.images / os.fsdecode(name), 9)
    with pytest.raises(DataError, match=f"cannot be labelled: {re.escape(reason)}"):
        job.run(strict=True)
    assert not job.out.exists()
    for _ in range(2):
        result = job.run()
        ((image, said),) = result.failed.items()
        assert image == escape(os.fsdecode(name))
        assert reason in said
        assert (job.out / "failed.txt").read_text(encoding="utf-8") == f"{image}\t{said}\n"
    assert job.said == ["The job is resumed: 0 new, 0 changed, 0 outputs missing."]
    (job.images / os.fsdecode(name)).unlink()
    assert not job.run().failed
    assert contents(job.out) == job.undisturbed()


@pytest.mark.parametrize(
    ("label_format", "classes", "sentence"),
    [
        (
            "cvat",
            ("noise", "a\ufffe"),
            r"The class a\ufffe has the character \ufffe in its name",
        ),
        ("png", ("noise", *map(str, range(254))), "The format png holds 254 classes at most, not 255; take another."),
        ("voc", ("noise", *map(str, range(254))), "The format voc holds 254 classes at most, not 255; take another."),
    ],
)
def test_classes_that_a_format_cannot_hold_are_refused_before_anything_is_labelled(
    label_format: FormatName, classes: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    job = Job.of(tmp_path, label_format)
    job.labeller = replace(job.labeller, target=replace(job.labeller.target, classes=classes))
    with pytest.raises(DataError, match=re.escape(sentence)):
        job.run()
    assert not job.out.exists()


@pytest.mark.parametrize(
    ("label_format", "folder", "image"), [("png", "x.jpg", "x.png"), ("labelme", "x.json", "x.bmp")]
)
def test_an_image_whose_labels_have_the_name_of_a_folder_of_labels(
    label_format: FormatName, folder: str, image: str, tmp_path: Path
) -> None:
    """Such as the thumbnail x.jpg of x.png, beside a folder of images that is called x.jpg."""
    job = Job.of(tmp_path, label_format)
    write_noise(job.images / folder / "inner.bmp", 8)
    write_noise(job.images / image, 9)
    for _ in range(2):
        assert "is the folder of other labels; rename the image." in job.run().failed[image]
    assert (job.out / "sheet" / folder / "inner.jpg").is_file()


def test_a_folder_of_images_with_the_name_of_a_file_about_all(tmp_path: Path) -> None:
    job = Job.of(tmp_path, "labelme")
    write_noise(job.images / "index.html" / "inner.bmp", 8)
    said = "index.html, the folder of its labels, is a file about all images; rename the folder."
    for _ in range(2):
        assert job.run().failed == {"index.html/inner.bmp": said}
    assert not (job.out / "index.html").exists()  # before the contact sheet is written


@pytest.mark.parametrize(
    ("label_format", "name"), [("png", "masks"), ("png", "sheet"), ("yolo", "images"), ("voc", "ImageSets")]
)
def test_a_file_in_the_place_of_a_folder_of_the_job_is_refused(
    label_format: FormatName, name: str, tmp_path: Path
) -> None:
    job = Job.of(tmp_path, label_format)
    job.out.mkdir()
    (job.out / name).write_text("mine")
    sentence = f"{job.out / name} is a file, in the place of a folder; move it away, or give another --out."
    for overwrite in (False, True):
        with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
            job.run(overwrite=overwrite)
    assert contents(job.out) == {name: b"mine"}


@pytest.mark.parametrize("name", [JOURNAL, LOCK_FILE, "index.html", "classes.txt", "masks/3.png"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_the_place_of_a_file_of_the_job_is_refused(name: str, overwrite: bool, job: Job) -> None:
    (job.out / name).mkdir(parents=True)
    sentence = f"{job.out / name} is a folder, in the place of a file to write; move it away, or give another --out."
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        job.run(overwrite=overwrite)
    assert contents(job.out) == {}


@pytest.mark.parametrize("length", [240, 250, 255])
def test_a_name_of_any_length_is_labelled(length: int, job: Job) -> None:
    name = "n" * (length - 4)
    write_noise(job.images / f"{name}.bmp", 9)
    assert not job.run().failed
    assert job.mask(name).is_file()


def test_a_name_that_leaves_no_room_for_the_ending_of_its_labels(tmp_path: Path) -> None:
    job = Job.of(tmp_path, "labelme")
    write_noise(job.images / f"{'n' * 251}.bmp", 9)  # .json has a letter more
    said = "Its name is too long for that of its label file, which has 255 bytes at most; rename it."
    assert list(job.run().failed.values()) == [said]
    assert len(list(job.out.glob("*.json"))) == N_IMAGES


def test_an_image_that_vanishes_meanwhile(job: Job) -> None:
    def engine(labeller: Labeller, windows: Iterable[Window]) -> Iterator[list[JournalRecord]]:
        (job.images / "3.bmp").unlink()
        return label_locally(labeller, windows)

    assert "3.bmp cannot be read (No such file or directory)" in job.run(engine).failed["3.bmp"]
    assert not job.run().failed
    assert contents(job.out) == job.undisturbed()


def test_an_image_that_is_replaced_while_it_is_read(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Preprocessing.load

    def load_and_replace(self: Preprocessing, image: ImageSource) -> PreprocessedImage:
        loaded = load(self, image)
        if str(image).endswith("3.bmp"):
            write_noise(job.images / "3.bmp", 9)
        return loaded

    with monkeypatch.context() as patched:
        patched.setattr(Preprocessing, "load", load_and_replace)
        assert "was changed while it was read" in job.run().failed["3.bmp"]
    assert not job.mask(3).exists()
    assert not job.run().failed
    assert contents(job.out) == job.undisturbed()


def test_strict_stops_at_the_first(job: Job) -> None:
    _text(job.images / "2.png")
    (job.images / "2.bmp").unlink()
    with pytest.raises(DataError, match=r"2.png cannot be labelled: .*2.png is not an image"):
        job.run(strict=True)
    images = [json.loads(line)[0] for line in job.journal.read_text().splitlines()[1:]]
    assert len(images) == N_IMAGES  # what the window finished is kept
