"""Every reader either reads a file or refuses it: valid documents with some of their values changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import cast
from xml.sax.saxutils import quoteattr

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from cdpnet.bulk.journal import Journal, JournalRecord
from cdpnet.bulk.stamps import ImageStamp, OutputStamp
from cdpnet.config import NetworkConfig
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.data.readers.folder import open_folder
from cdpnet.errors import CdpnetError
from cdpnet.inference.class_files import load_class
from cdpnet.io.label_folders import JOURNAL
from cdpnet.labels import cvat_reader
from cdpnet.labels.examples import read_examples
from cdpnet.labels.labelstudio_config import read_control
from cdpnet.labels.number_masks import read_colour_map
from cdpnet.labels.regions import ImageLabels, Region
from cdpnet.network.checkpoint import CheckpointConfig, read_config
from cdpnet.projects.document import load_document
from cdpnet.projects.keys import class_key, result_key
from cdpnet.values import JSON
from tests.bulk.settings import JOB_SETTINGS
from tests.helpers import record_of
from tests.hostile.label_files import FLAT, TRIANGLE, brush, coco, labelme, runs, tasks
from tests.projects.making import project_values

SIZE = (10, 12)
NUMBERS = count()
IMAGES = ["a.png", "b.png", "c.png"]
OUTPUTS = (OutputStamp(5, "12" * 16), OutputStamp(6, "34" * 16))
RECORDS = (
    JournalRecord(ImageLabels("a.png", *SIZE, (Region("cat", "5:Y3", 0.5),)), 0.25),
    JournalRecord(ImageLabels("b.png", 0, 0), error="it is damaged"),
    JournalRecord(ImageLabels("c.png", *SIZE), stamp=ImageStamp(5, 2, 3, "56" * 16), outputs=OUTPUTS),
)
TRAINED = record_of(IconEpisodes(0, 1, "train").settings())
MISSING = "missing"  # stands for a key or an entry that is left out
VALUES = cast(
    "st.SearchStrategy[JSON]",
    st.one_of(
        st.sampled_from(
            [None, True, 0, -1, 1, 2, 2**31, 2**63, 10**30, 10**400, 0.5, 1e8, -1e8, 1e300, float("nan"), float("inf")]
        ),
        st.sampled_from(["", "cat", "\x1b[31m", "\ud800", "a\nb", "\0", "5", [], {}, [[]], [[[]]], {"a": []}, MISSING]),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.lists(st.integers(-9, 300) | st.floats(width=16), max_size=9),
    ),
)


def positions(value: JSON, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths to all values in a document."""
    yield path
    entries: list[tuple[str | int, JSON]] = []
    if isinstance(value, dict):
        entries.extend(value.items())
    elif isinstance(value, list):
        entries.extend(enumerate(value))
    for key, inner in entries:
        yield from positions(inner, (*path, key))


def replace(document: JSON, path: tuple[str | int, ...], value: JSON) -> JSON:
    """A copy of a document with another value at a path; `MISSING` leaves it out."""
    if not path:
        return value

    def changed(key: str | int, old: JSON) -> JSON:
        return replace(old, path[1:], value) if key == path[0] else old

    if isinstance(document, dict):
        return {key: new for key, old in document.items() if (new := changed(key, old)) != MISSING}
    if isinstance(document, list):
        return [new for i, old in enumerate(document) if (new := changed(i, old)) != MISSING]
    return document


@st.composite
def mutated(draw: st.DrawFn, documents: tuple[JSON, ...]) -> JSON:
    """One of the documents with one to three values changed."""
    document = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 3))):
        document = replace(document, draw(st.sampled_from(list(positions(document)))), draw(VALUES))
    return document


def read_json(folder: Path, document: JSON) -> None:
    path = folder / f"{next(NUMBERS)}.json"  # a new one, since a file is read again only when its time has changed
    path.write_text(json.dumps(document))
    read_examples(folder / "a.png", path, "cat")


def read_yolo(folder: Path, document: JSON) -> None:
    """Lines of numbers as lists."""
    lines = document if isinstance(document, list) else [document]
    text = "\n".join(" ".join(map(repr, line)) if isinstance(line, list) else str(line) for line in lines)
    (folder / "a.txt").write_text(text, encoding="utf-8", errors="surrogatepass")
    read_examples(folder / "a.png", folder / "a.txt", "0")


def read_names(folder: Path, document: JSON) -> None:
    (folder / "a.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    text = yaml.safe_dump(document, allow_unicode=True)
    (folder / "data.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
    read_examples(folder / "a.png", folder / "a.txt", "cat")


def elements(document: JSON) -> str:
    """XML of a list of elements, each a list of its name and its attributes; a name that is none breaks it."""
    texts = []
    for entry in document if isinstance(document, list) else []:
        name, *more = entry if isinstance(entry, list) and entry else ["other"]
        attributes = more[0] if more and isinstance(more[0], dict) else {}
        texts.append(f"<{name} {' '.join(f'{key}={quoteattr(str(value))}' for key, value in attributes.items())}/>")
    return "".join(texts)


def read_cvat(folder: Path, document: JSON) -> None:
    """Shapes of an image as lists of an element's name and its attributes."""
    image = f'<image name="a.png" width="{SIZE[1]}" height="{SIZE[0]}">{elements(document)}</image>'
    text = f"<annotations>{image}</annotations>"
    (folder / "a.xml").write_text(text, encoding="utf-8", errors="surrogatepass")
    for found in cvat_reader.read(folder / "a.xml").images:
        found.read(folder / "a.png")


def read_label_map(folder: Path, document: JSON) -> None:
    lines = document if isinstance(document, list) else [document]
    (folder / "labelmap.txt").write_text("\n".join(map(str, lines)), encoding="utf-8", errors="surrogatepass")
    read_colour_map(folder / "labelmap.txt")


def read_label_config(folder: Path, document: JSON) -> None:
    """Elements as lists of their name and attributes."""
    text = f"<View>{elements(document)}</View>"
    (folder / "config.xml").write_text(text, encoding="utf-8", errors="surrogatepass")
    read_control(folder / "config.xml")


def read_class_list(folder: Path, document: JSON) -> None:
    lines = document if isinstance(document, list) else [document]
    (folder / "classes.txt").write_text("\n".join(map(str, lines)), encoding="utf-8", errors="surrogatepass")
    assert open_folder(folder).class_names is not None


def read_class_file(folder: Path, document: JSON) -> None:
    path = folder / "a.safetensors"
    tensors = {"background": torch.zeros(4), "foreground": torch.ones(4), "thumbnail": torch.zeros(2, 2, 3).byte()}
    save_file(tensors, path, {"cdpnet_class": json.dumps(document)})
    load_class(path)


def read_journal(folder: Path, document: JSON) -> None:
    """Lines of a journal; one that is no record is left out, and every record that is read has masks."""
    lines = document if isinstance(document, list) else [document]
    (folder / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))
    journal = Journal(folder, JOB_SETTINGS)
    for record in journal.records(IMAGES):
        assert all(record.labels.mask(region).shape == SIZE for region in record.labels.regions)
    journal.sort(IMAGES)


def read_checkpoint(folder: Path, document: JSON) -> None:
    (folder / "config.json").write_text(json.dumps(document))
    assert json.dumps(read_config(folder / "config.json").to_json())


def read_project(folder: Path, document: JSON) -> None:
    """A project.json that is read can be written, and is the same again."""
    (folder / "project.json").write_text(json.dumps(document))
    found = load_document(folder)
    assert result_key(found) is not None
    assert all(class_key(found, one, "") is not None for one in found.classes.values())
    found.save(folder)
    assert load_document(folder) == found


def document(text: str) -> JSON:
    found: JSON = json.loads(text)
    return found


CORNER: dict[str, JSON] = {"x": 1, "y": 2, "width": 9, "height": 5}
READERS: dict[str, tuple[Callable[[Path, JSON], None], tuple[JSON, ...]]] = {
    "coco": (
        read_json,
        (
            document(coco([FLAT], SIZE)),
            document(coco(runs([5, 10, 105], SIZE), SIZE)),
            document(coco(runs("5:Y3", SIZE), SIZE)),
        ),
    ),
    "labelme": (
        read_json,
        (
            document(labelme(TRIANGLE, SIZE)),
            document(labelme([[1, 1], [3, 3]], SIZE, shape_type="circle")),
            document(labelme([[1, 1], [3, 3]], SIZE, shape_type="mask", mask="")),
            document(labelme([[1, 1], [3, 1], [3, 3], [1, 3]], SIZE, shape_type="rectangle")),
        ),
    ),
    "labelstudio": (
        read_json,
        (
            document(tasks({"points": TRIANGLE, "polygonlabels": ["cat"]}, SIZE)),
            document(tasks(brush(480, "111" + f"{479:016b}" + "1" * 8), SIZE)),
            document(tasks({"x": 1, "y": 2, "radiusX": 9, "radiusY": 5, "rotation": 30, "labels": ["cat"]}, SIZE)),
            document(tasks({"x": 1, "y": 2, "width": 9, "height": 5, "rotation": 30, "labels": ["cat"]}, SIZE)),
            [
                {
                    "id": 1,
                    "image": "a.png",
                    "annotator": 2,
                    "b": [{"labels": ["cat"], **CORNER}],
                    "updated_at": "2024-05-01",
                }
            ],
        ),
    ),
    "yolo": (
        read_yolo,
        ([[0, 0.1, 0.1, 0.5, 0.1, 0.5, 0.5], [1, 0.2, 0.2, 0.4, 0.2, 0.4, 0.4], [0, 0.5, 0.5, 0.1, 0.1, 1]],),
    ),
    "data.yaml": (read_names, ({"path": ".", "names": {"0": "cat", "1": "dog"}}, {"names": ["cat", "dog"]})),
    "cvat": (
        read_cvat,
        (
            [["polygon", {"label": "cat", "points": "1,1;5,1;5,5", "z_order": 1}], ["tag", {"label": "cat"}]],
            [["mask", {"label": "cat", "rle": "1,2,1", "left": 1, "top": 2, "width": 2, "height": 2}]],
            [["ellipse", {"label": "cat", "cx": 3, "cy": 3, "rx": 2, "ry": 1, "rotation": 9}]],
            [["box", {"label": "cat", "xtl": 1, "ytl": 1, "xbr": 4, "ybr": 5, "rotation": 9}]],
        ),
    ),
    "labelmap.txt": (read_label_map, (["# label:color_rgb:parts:actions", "background:0,0,0::", "cat:128,0,0::"],)),
    "label config": (
        read_label_config,
        ([["Image", {"name": "a", "value": "$b"}], ["BrushLabels", {"name": "c", "toName": "a"}]],),
    ),
    "classes.txt": (read_class_list, (["cat", "dog"],)),
    "class file": (
        read_class_file,
        ({"name": "cat", "by_name": True, "shots": 1, "model": "123", "model_name": "tiny", "cdpnet": "0.2.0"},),
    ),
    "journal": (
        read_journal,
        ([document(json.dumps(JOB_SETTINGS.to_json())), *(document(record.to_line()) for record in RECORDS)],),
    ),
    "project": (read_project, (project_values(),)),
    "config": (read_checkpoint, (CheckpointConfig("0.2.0", NetworkConfig(), None, TRAINED).to_json(),)),
}


@pytest.mark.parametrize("examples", [200, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_a_changed_file_is_read_or_refused(name: str, examples: int, tmp_path: Path) -> None:
    read, documents = READERS[name]
    Image.new("RGB", SIZE[::-1]).save(tmp_path / "a.png")

    @settings(max_examples=examples, deadline=None, database=None)
    @given(mutated(documents))
    def check(changed: JSON) -> None:
        try:
            read(tmp_path, changed)
        except CdpnetError as error:
            assert str(error)

    check()
