"""The index of a data set: broken images, and the cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import open_episodes
from cdpnet.data.protocols import index as index_module
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.data.protocols.index import build_index
from cdpnet.data.readers.folder import open_folder
from cdpnet.data.readers.voc import open_voc
from cdpnet.errors import DataError
from tests.data.trees import labels_of, make_folder, make_voc, save_labels


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDPNET_CACHE", str(tmp_path_factory.mktemp("cache")))


def test_palette_and_grey_masks_give_the_same_index(tmp_path: Path) -> None:
    indexes = []
    for palette in (True, False):
        make_voc(tmp_path / str(palette), palette=palette)
        indexes.append(build_index(open_voc(tmp_path / str(palette)), "val"))
    assert indexes[0].identifiers == indexes[1].identifiers
    assert np.array_equal(indexes[0].areas, indexes[1].areas)


def broken_folder(root: Path) -> None:
    """Five of sixteen images cannot be used, each for a reason of its own."""
    make_folder(root, parts=("train",))
    images, masks = root / "train" / "images", root / "train" / "masks"
    (images / "001.png").write_bytes((images / "001.png").read_bytes()[:3000])
    save_labels(masks / "002.png", labels_of(2, 5, (60, 60)))
    wrong = labels_of(3, 5)
    wrong[0, 0] = 9
    save_labels(masks / "003.png", wrong)
    (masks / "004.png").unlink()
    Image.new("RGB", (120, 104)).save(masks / "005.png")


def test_broken_images_are_named_and_the_rest_is_right(tmp_path: Path) -> None:
    make_folder(tmp_path / "whole", parts=("train",))
    broken_folder(tmp_path / "broken")
    with pytest.raises(DataError, match=r"001.png cannot be decoded .*\(4 more cannot .*--skip-broken true"):
        build_index(open_folder(tmp_path / "broken"), "train")
    whole = build_index(open_folder(tmp_path / "whole"), "train")
    rest = build_index(open_folder(tmp_path / "broken"), "train", skip_broken=True)
    said = " ".join(rest.broken)
    for sentence in ("cannot be decoded", "60 x 60 pixels and the image 120 x 104", "holds the number 9"):
        assert sentence in said
    assert "There is no mask" in said
    assert "holds colours" in said
    kept = [whole.identifiers.index(identifier) for identifier in rest.identifiers]
    assert kept == [0, *range(6, 16)]
    assert np.array_equal(rest.areas, whole.areas[kept])


def test_names_that_are_no_text_count_as_others_do(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"f\xff")
    make_folder(root, parts=("",))
    name = os.fsdecode(b"a\xff.png")
    for folder in ("images", "masks"):
        (root / folder / "000.png").rename(root / folder / name)
    data = DataOnDisk(DataConfig("folder", str(root)))
    assert data.index("train").identifiers[-1] == Path(name).stem
    assert len(open_episodes(data, 0, 1, "test", 0).list_sha256(3)) == 64


def test_the_cache_is_used_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path)
    data = open_folder(tmp_path)
    seen: list[tuple[int, int]] = []
    first = build_index(data, "train", report=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 16) for i in range(1, 17)]
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "read_image", lambda path: pytest.fail(f"{path} was read again"))
        again = build_index(data, "train")
    assert again.identifiers == first.identifiers
    assert np.array_equal(again.areas, first.areas)
    save_labels(tmp_path / "train" / "masks" / "000.png", np.full((104, 120), 4, np.uint8))
    assert build_index(data, "train").areas[0].tolist() == [0, 0, 0, 104 * 120, 0]
    for path in index_module.cache_folder().iterdir():
        path.write_bytes(b"damaged")
    assert build_index(data, "train").areas[0, 3] == 104 * 120


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "data")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CDPNET_CACHE", str(tmp_path / "file"))
    assert len(build_index(open_folder(tmp_path / "data"), "train").identifiers) == 16
