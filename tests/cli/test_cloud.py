"""label and segment with addresses of fsspec: in memory, and a bucket of moto's S3 server on the loopback address."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from secrets import token_hex

import fsspec
import pytest

from cdpnet.bulk.labeller import Labeller
from cdpnet.io.addresses import RemoteFolder
from tests.cli.conftest import COUNT, class_files
from tests.cli.running import run
from tests.cli.test_labelling_stopped import JOURNAL, contents

MEMORY = "memory://bucket"


def arguments(job: Path, images: str, out: str, *more: object) -> list[object]:
    return ["label", "--model", "tiny", images, "--classes", *class_files(job), "--out", out, *more]


def upload(job: Path, address: str) -> None:
    for path in (job / "images").rglob("*.png"):
        with fsspec.open(f"{address}/{path.relative_to(job / 'images').as_posix()}", "wb") as file:
            file.write(path.read_bytes())


def stored(address: str) -> dict[str, bytes]:
    files, root = fsspec.url_to_fs(address)
    files.invalidate_cache()
    return {key[len(root) :].lstrip("/"): files.cat_file(key) for key in files.find(root)}


def without_journal(files: dict[str, bytes]) -> dict[str, bytes]:
    """The journal has the address, and times of the images."""
    return {name: content for name, content in files.items() if name != JOURNAL}


@pytest.fixture
def memory(label_job: Path) -> Iterator[str]:
    upload(label_job, f"{MEMORY}/images")
    yield MEMORY
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_an_address_gets_the_files_of_a_folder(label_job: Path, job_labels: Path, memory: str) -> None:
    shown = run(*arguments(label_job, f"{memory}/images", f"{memory}/out"))
    assert shown.returncode == 0, shown.stderr
    assert f"{COUNT} images are labelled; see {memory}/out/index.html" in shown.stdout
    assert without_journal(stored(f"{memory}/out")) == without_journal(contents(job_labels))
    assert len(stored(f"{memory}/out")[JOURNAL].splitlines()) == COUNT + 1


def test_a_job_that_was_stopped_is_resumed_from_its_address(
    label_job: Path, job_labels: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, label = count(1), Labeller.label

    def stop_at_the_second(self: Labeller, *given: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return label(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Labeller, "label", stop_at_the_second)
        assert run(*arguments(label_job, f"{memory}/images", f"{memory}/out")).returncode == 130
    assert len(stored(f"{memory}/out")[JOURNAL].splitlines()) == 16 + 1
    shown = run(*arguments(label_job, f"{memory}/images", f"{memory}/out"))
    assert shown.returncode == 0, shown.stderr
    assert f"The job is resumed: {COUNT - 16} new, 0 changed, 0 outputs missing." in shown.stderr
    assert without_journal(stored(f"{memory}/out")) == without_journal(contents(job_labels))


def segment(images: list[object], support: str, out: object) -> list[object]:
    return ["segment", "--model", "tiny", "--support", support, *images, "--out", out]


def test_segment_reads_and_writes_addresses_as_it_does_files(label_job: Path, memory: str, tmp_path: Path) -> None:
    """One image is named, others are in a folder; the example is a file at an address, its mask one of this machine."""
    shutil.copytree(label_job / "images" / "deep", tmp_path / "images" / "deep")
    shutil.copy(label_job / "images" / "001.png", tmp_path / "images")
    mask = label_job / "mask0.png"
    with fsspec.open(f"{memory}/examples/support0.png", "wb") as file:
        file.write((label_job / "support0.png").read_bytes())
    images = tmp_path / "images"
    local = segment([images / "deep", images / "001.png"], f"{label_job / 'support0.png'}:{mask}", tmp_path / "out")
    assert run(*local).returncode == 0
    remote = segment(
        [f"{memory}/images/deep", f"{memory}/images/001.png"], f"{memory}/examples/support0.png:{mask}", f"{memory}/out"
    )
    shown = run(*remote)
    assert shown.returncode == 0, shown.stderr
    assert f"{memory}/out/001_mask.png" in shown.stdout + shown.stderr
    assert stored(f"{memory}/out") == contents(tmp_path / "out")
    again = run(*remote)
    assert again.returncode == 2
    assert f"{memory}/out/001_mask.png exists already; pass --overwrite" in again.stderr


def test_label_learns_from_examples_at_addresses(label_job: Path, memory: str) -> None:
    """The marks lie in the folder of images, where they are no images."""
    for name in ("support0", "mask0"):
        with fsspec.open(f"{memory}/images/of/{name}.png", "wb") as file:
            file.write((label_job / f"{name}.png").read_bytes())
    pair = f"{memory}/images/of/support0.png:{memory}/images/of/mask0.png"
    given = ["label", "--model", "tiny", f"{memory}/images/of", "--name", "x", "--support", pair]
    shown = run(*given, "--out", f"{memory}/images/of/out")
    assert shown.returncode == 0, shown.stderr
    assert "1 image is labelled" in shown.stdout
    assert f"{memory}/images/of/out/index.html" in shown.stdout
    assert "masks/support0.png" in stored(f"{memory}/images/of/out")


def test_what_is_said_and_written_has_addresses_and_no_copies(label_job: Path, memory: str) -> None:
    """A note, a reason, failed.txt, the journal and the page; with or without a slash at the end, a job is the same."""
    images, out = f"{memory}/few ü%", f"{memory}/out"
    for name, content in {"1.png": (label_job / "images" / "001.png").read_bytes(), "2.png": b"", "3.txt": b""}.items():
        with fsspec.open(f"{images}/{name}", "wb") as file:
            file.write(content)
    first = run(*arguments(label_job, images, out))
    again = run(*arguments(label_job, f"{images}/", f"{out}/"))
    for shown in (first, again):
        assert shown.returncode == 1, shown.stderr
        assert f"not labelled: 2.png: {images}/2.png is not an image" in shown.stdout
        assert f"Files of {images} that are no images" in shown.stderr
        assert "/cdpnet-" not in shown.stdout + shown.stderr
    assert "The job is resumed: 0 new, 0 changed, 0 outputs missing, 1 failed before." in again.stderr
    files = stored(out)
    assert files["failed.txt"].decode().startswith(f"2.png\t{images}/2.png is not an image")
    assert not [name for name, content in files.items() if b"/cdpnet-" in content]


def test_out_that_is_a_file_is_refused_and_stays(label_job: Path, memory: str) -> None:
    before = stored(memory)
    support = f"{label_job / 'support0.png'}:{label_job / 'mask0.png'}"
    for out in (f"{memory}/images/001.png", f"{memory}/images/001.png/"):
        for given in (segment([f"{memory}/images"], support, out), arguments(label_job, f"{memory}/images", out)):
            shown = run(*given)
            assert shown.returncode == 2
            assert f"{memory}/images/001.png" in shown.stderr
            assert shown.stderr.endswith(" is a file; give --out a folder.\n")
            assert shown.stderr.count("\n") == 1
    below = run(*arguments(label_job, f"{memory}/images", f"{memory}/images/001.png/out"))
    assert below.returncode == 2
    assert f"{memory}/images/001.png/out cannot be read: Not a directory; check the address" in below.stderr
    assert stored(memory) == before


@pytest.mark.parametrize("support", ["memory://none/a.png:memory://none/b.png", "memory://none/a.png"])
def test_examples_that_are_not_there_are_refused(support: str, label_job: Path, tmp_path: Path) -> None:
    shown = run(*segment([label_job / "images" / "001.png"], support, tmp_path / "out"))
    assert shown.returncode == 2
    assert shown.stderr.count("\n") == 1, shown.stderr
    assert "memory://none/a.png" in shown.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_storage_that_fails_during_the_job_keeps_a_whole_journal(
    label_job: Path, job_labels: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is sent before all and after all, so it names no file that is not there, and the next run resumes."""
    files = type(fsspec.filesystem("memory"))
    calls, put = count(1), files.put_file

    def fail_at_the_tenth(self: object, *given: object) -> None:
        if next(calls) >= 10:
            raise PermissionError("Access Denied")
        put(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(files, "put_file", fail_at_the_tenth)
        shown = run(*arguments(label_job, f"{memory}/images", f"{memory}/out"))
    assert shown.returncode == 2
    assert f"{memory}/out cannot be written to: Access Denied; check the address" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert len(stored(f"{memory}/out")[JOURNAL].splitlines()) == 1
    assert run(*arguments(label_job, f"{memory}/images", f"{memory}/out")).returncode == 0
    assert without_journal(stored(f"{memory}/out")) == without_journal(contents(job_labels))


@pytest.mark.parametrize(
    ("images", "more", "said"),
    [
        ("nothing://bucket/x", (), "nothing://bucket/x cannot be used: Protocol not known: nothing"),
        ("memory://", (), "memory:// names no place; give an address such as s3://bucket/photos."),
        ("://", (), ":// names no place"),
        ("github://", (), "github:// names no place"),
        ("github://x", (), "github://x cannot be used: the storage gives no reason"),
        ("memory://empty", (), "memory://empty"),
        ("memory://empty", ("--format", "labelme"), "--format labelme does not go with addresses"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(
    images: str, more: tuple[str, ...], said: str, label_job: Path, tmp_path: Path
) -> None:
    shown = run(*arguments(label_job, images, str(tmp_path / "out"), *more))
    assert shown.returncode == 2
    assert said in shown.stderr
    assert "Traceback" not in shown.stderr


def test_an_address_without_a_place_is_no_folder_of_this_machine(label_job: Path, tmp_path: Path) -> None:
    support = f"{label_job / 'support0.png'}:{label_job / 'mask0.png'}"
    shown = run(*segment([label_job / "images" / "001.png"], support, "memory://"), cwd=tmp_path)
    assert shown.returncode == 2
    assert "memory:// names no place" in shown.stderr
    assert not list(tmp_path.iterdir())


def test_names_that_no_folder_of_this_machine_can_have_are_told(
    label_job: Path, memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fsspec.filesystem("memory")
    for folder, name in (("long", "n" * 300), ("slash", "/1.png")):
        files.store[f"/bucket/{folder}/{name}"] = files.open(f"{memory}/images/001.png")  # as a bucket has them
    said = {
        "long": f"{memory}/long/{'n' * 300} cannot be a file of this machine (File name too long); rename it.",
        "slash": f"{memory}/slash has a file '/1.png', whose name leads out of the folder; rename it.",
    }

    def keys(folder: RemoteFolder) -> Iterator[str]:
        return (key for key in list(files.store) if key.startswith(f"{folder._root}/"))

    monkeypatch.setattr(RemoteFolder, "_walk", keys)
    for folder, sentence in said.items():
        shown = run(*arguments(label_job, f"{memory}/{folder}", str(tmp_path / "out")))
        assert shown.returncode == 2
        assert sentence in shown.stderr
        assert "/cdpnet-" not in shown.stderr


def test_an_image_that_is_removed_while_others_are_copied_is_passed_over(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = RemoteFolder._walk

    def keys(folder: RemoteFolder) -> Iterator[str]:
        return chain([f"{folder._root}/removed.png"], listed(folder))

    monkeypatch.setattr(RemoteFolder, "_walk", keys)
    assert RemoteFolder(f"{memory}/images", tmp_path / "copy").fetch() == tmp_path / "copy"
    assert contents(tmp_path / "copy") == stored(f"{memory}/images")


@contextmanager
def s3_bucket() -> Iterator[tuple[str, dict[str, str]]]:
    """The address of an empty bucket of S3 on this machine, and the variables by which other processes reach it."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        access = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with pytest.MonkeyPatch.context() as patched:
            for name, value in access.items():
                patched.setenv(name, value)
            files = fsspec.get_filesystem_class("s3")
            files.clear_instance_cache()  # of another server
            bucket = f"photos-{token_hex(4)}"  # servers of one process share their buckets
            files().mkdir(bucket)
            yield f"s3://{bucket}", access
    finally:
        server.stop()


@pytest.mark.slow
def test_a_bucket_of_s3(label_job: Path, job_labels: Path) -> None:
    with s3_bucket() as (bucket, _):
        upload(label_job, f"{bucket}/images")
        shown = run(*arguments(label_job, f"{bucket}/images", f"{bucket}/out"))
        assert shown.returncode == 0, shown.stderr
        assert without_journal(stored(f"{bucket}/out")) == without_journal(contents(job_labels))
        missing = run(*arguments(label_job, "s3://no-such-bucket/images", f"{bucket}/more"))
        assert missing.returncode == 2
        assert "s3://no-such-bucket/images" in missing.stderr
        assert "Traceback" not in missing.stderr
