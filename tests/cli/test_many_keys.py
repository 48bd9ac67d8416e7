"""Memory of a folder at an address that has many files: it does not grow with their number."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.registry import _registry

from cdpnet.io.addresses import RemoteFolder

PAGE = 100  # keys; S3 has 1,000
MIB = 2**20
COUNTS = [10_000, pytest.param(1_000_000, marks=pytest.mark.slow)]


class ManyKeys(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A bucket of COUNT keys, which are made when they are asked for, and keep nothing that is put."""

    protocol = ("s3", "s3a")
    count = 0

    @classmethod
    def split_path(cls, path: str) -> tuple[str, str, None]:
        bucket, _, prefix = path.partition("/")
        return bucket, prefix, None

    def call_s3(self, method: str, *, Bucket: str, Prefix: str, ContinuationToken: str = "0") -> dict[str, Any]:
        assert (method, Bucket, Prefix) == ("list_objects_v2", "photos", "a/")
        start = int(ContinuationToken)
        numbers = range(start, min(start + PAGE, self.count))
        page: dict[str, Any] = {"Contents": [{"Key": f"a/deep{i % 7}/{i:07d}.jpg", "Size": 9} for i in numbers]}
        return page | {"IsTruncated": numbers.stop < self.count, "NextContinuationToken": str(numbers.stop)}

    def get_file(self, key: str, path: str, **_: object) -> None:
        Path(path).write_text(key)

    def put_file(self, path: str, key: str, **_: object) -> None:
        self.sent.append((Path(path).name, key))

    def rm_file(self, key: str) -> None:
        self.sent.append(("", key))

    sent: list[tuple[str, str]] = []  # noqa: RUF012 - fsspec makes one instance


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RemoteFolder:
    monkeypatch.setitem(_registry, "s3", ManyKeys)
    monkeypatch.setattr(ManyKeys, "sent", [])
    return RemoteFolder("s3://photos/a", tmp_path / "copy")


def growth(work: Callable[[], object]) -> float:
    """The most memory above that before, in MiB."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", COUNTS)
def test_a_listing_is_not_held(count: int, bucket: RemoteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ManyKeys, "count", count)
    seen = 0

    def listing() -> None:
        nonlocal seen
        for name in bucket.names():
            assert name == f"deep{seen % 7}/{seen:07d}.jpg"
            seen += 1

    assert growth(listing) < 0.3
    assert seen == count


@pytest.mark.parametrize("count", COUNTS)
def test_what_was_sent_is_not_held(count: int, bucket: RemoteFolder) -> None:
    states = bucket._sent

    def note() -> None:
        for i in range(count):
            states[f"masks/{i:07d}.png"] = i, 2 * i
        assert sum(1 for _ in states) == count

    assert growth(note) < 0.3
    assert states["masks/0000007.png"] == (7, 14)
    assert states["masks/none.png"] is None


def test_only_what_is_new_is_sent_and_what_is_gone_removed(
    bucket: RemoteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ManyKeys, "count", PAGE + 1)
    assert growth(bucket.fetch) < 0.3
    assert len(list(bucket.copy.rglob("*.jpg"))) == PAGE + 1
    bucket.send(last=".journal")
    assert ManyKeys.sent == []
    (bucket.copy / "deep0" / "0000000.jpg").unlink()
    (bucket.copy / "deep1" / "0000001.jpg").write_text("changed")
    for name in (".journal", ".temporary", "new.png"):
        (bucket.copy / name).write_text("x")
    bucket.send(last=".journal")
    changed, new, journal, removed = sorted(ManyKeys.sent[:2]) + ManyKeys.sent[2:]
    assert changed == ("0000001.jpg", "photos/a/deep1/0000001.jpg")
    assert new == ("new.png", "photos/a/new.png")
    assert journal == (".journal", "photos/a/.journal")
    assert removed == ("", "photos/a/deep0/0000000.jpg")
