"""Files in the tools themselves, those that are installed: labelme, supervision, ultralytics, Label Studio.

None of them is a dependency; `pip install labelme supervision ultralytics label-studio-sdk` beside the package, then
`pytest tests/labels/test_foreign_tools.py -s` prints the IoU of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from cdpnet.labels.formats import write_labels
from cdpnet.labels.label_set import FormatName, LabelSet
from cdpnet.labels.regions import ImageLabels, region_from_mask

pytestmark = pytest.mark.slow
RNG = np.random.default_rng(3)


def thin(shift: int) -> np.ndarray:
    """Lines of one pixel in eight directions, and single pixels."""
    mask, steps = np.zeros((90, 130), bool), np.arange(40)
    mask[10 + shift, 5:100] = mask[5:80, 30 + 3 * shift] = mask[85, 120] = mask[3, 3] = mask[4, 4] = True
    mask[20 + steps, 60 + steps] = mask[70 - steps, 10 + steps] = True
    return mask


def holes(count: int) -> np.ndarray:
    mask = np.zeros((120, 160), bool)
    mask[20:100, 20:140] = True
    for y, x, height, width in zip(*RNG.integers(25, 90, (2, count)), *RNG.integers(1, 8, (2, count)), strict=True):
        mask[y : y + height, x : x + width] = False
    return mask


MASKS = {
    **{f"thin{i}.png": thin(i) for i in range(6)},
    **{f"holes{i}.png": holes(i + 1) for i in range(8)},
    **{f"noise{i}.png": RNG.random((40, 50)) < 0.2 + 0.15 * i for i in range(5)},
    "all.png": np.ones((50, 70), bool),
}
for i, side in enumerate(RNG.integers(60, 500, (12, 2)).tolist()):
    MASKS[f"blob{i}.png"] = ndimage.gaussian_filter(RNG.random(side), 2 + i / 2) > 0.5


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name, mask in MASKS.items():
        Image.fromarray(RNG.integers(0, 255, (*mask.shape, 3), np.uint8)).save(folder / name)
    return folder


def write(name: FormatName, images: Path, out: Path) -> Path:
    labels = [
        ImageLabels(image, mask.shape[0], mask.shape[1], (region_from_mask(mask, "thing"),))
        for image, mask in MASKS.items()
    ]
    write_labels(labels, LabelSet(images, out, ("thing",)), name)
    return out


def check(tool: str, found: Mapping[str, np.ndarray], least: float) -> None:
    assert found.keys() == MASKS.keys()
    shares = [(found[name] & mask).sum() / (found[name] | mask).sum() for name, mask in MASKS.items()]
    print(f"{tool}: {len(shares)} masks, IoU {min(shares):.4f} at least, {np.mean(shares):.4f} on average")
    assert min(shares) >= least


def test_labelme(images: Path, tmp_path: Path) -> None:
    tool = pytest.importorskip("labelme.utils.shape")
    out, found = write("labelme", images, tmp_path), {}
    for name, mask in MASKS.items():
        shapes = json.loads((out / name).with_suffix(".json").read_text())["shapes"]
        parts = [tool.shape_to_mask(mask.shape, shape["points"], shape["shape_type"]) for shape in shapes]
        found[name] = np.any(parts, axis=0)
    check("labelme", found, 1.0)


@pytest.mark.parametrize("name", ["yolo", "coco"])
def test_supervision(name: FormatName, images: Path, tmp_path: Path) -> None:
    data_set = pytest.importorskip("supervision").DetectionDataset
    out = write(name, images, tmp_path)
    if name == "yolo":
        folders = (out / "images", out / "labels", out / "data.yaml")
        read = data_set.from_yolo(*map(str, folders), force_masks=True)
    else:
        read = data_set.from_coco(str(images), str(out / "annotations.json"), force_masks=True)
    found = {Path(path).name: np.any(np.asarray(objects.mask), axis=0) for path, _, objects in read}
    check(f"supervision, {name}", found, 1.0)


def test_label_studio(images: Path, tmp_path: Path) -> None:
    """The decoder with which it exports masks as PNG."""
    tool = pytest.importorskip("label_studio_sdk.converter.brush")
    found = {}
    for task in json.loads((write("labelstudio", images, tmp_path) / "tasks.json").read_text()):
        name, (result,) = task["data"]["image"].partition("?d=")[2], task["predictions"][0]["result"]
        pixels = tool.decode_rle(result["value"]["rle"])
        found[name] = np.array(pixels).reshape(*MASKS[name].shape, 4)[..., 3] > 0
    check("Label Studio", found, 1.0)


def test_ultralytics(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its check of a data set, and masks as its training draws them, before they are made smaller."""
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("YOLO_OFFLINE", "1")
    tool = pytest.importorskip("ultralytics.data.utils")
    data_set = pytest.importorskip("ultralytics.data.dataset").YOLODataset
    content = tool.check_det_dataset(str(write("yolo", images, tmp_path / "out") / "data.yaml"), autodownload=False)
    found = {}
    for split in ("train", "val"):
        for labels in data_set(img_path=content[split], data=content, task="segment", augment=False).labels:
            (height, width), name = labels["shape"], Path(labels["im_file"]).name
            objects = data_set.update_labels_info(_OF_MASKS, dict(labels))["instances"]
            objects.denormalize(width, height)
            parts = [tool.polygon2mask((height, width), [part.reshape(-1)]) > 0 for part in objects.segments]
            found[name] = np.any(parts, axis=0)
    check("ultralytics", found, 0.99)


class _OF_MASKS:  # noqa: N801
    use_obb, use_segments = False, True
