"""project.json: what is written is read again, and what is damaged, hostile or newer is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdpnet.errors import DataError
from cdpnet.projects.document import FILE, load_document
from cdpnet.projects.project import Project
from tests.projects.making import teach

Damage = Callable[[dict[str, Any]], object]


def test_what_is_written_is_read_again(project: Project, folder: Path) -> None:
    teach(project)
    assert load_document(folder) == project.document
    assert project.document.examples


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values.pop("format"),
        lambda values: values.pop("images"),
        lambda values: values.update(format="1"),
        lambda values: values.update(images=5),
        lambda values: values.update(revision=-1),
        lambda values: values.update(names=["two\nlines"]),
        lambda values: values.update(settings={"threshold": 2.0}),
        lambda values: values.update(settings={"threshold": "high"}),
        lambda values: values["images"].append(5),
        lambda values: values["images"][0].update(id="../../x"),
        lambda values: values["images"][0].update(file="../../../etc/passwd"),
        lambda values: values["images"][0].update(file="/etc/passwd"),
        lambda values: values["images"][0].update(file=""),
        lambda values: values["images"][0].update(height=-5),
        lambda values: values["images"][0].update(height=10**9),
        lambda values: values["images"][0].update(uncertainty=float("nan")),
        lambda values: values["images"][0].update(review="perhaps"),
        lambda values: values["images"][0].update(touched=-1),
        lambda values: values["images"][0].update(drawn=[5]),
        lambda values: values["images"][0].update(findings=[{"class_id": "c1"}]),
        lambda values: values["classes"][0].update(number=300),
        lambda values: values["classes"][0].update(number=0),
        lambda values: values["classes"][0].update(pooled=[5]),
        lambda values: values["examples"][0].update(image="i99-000000"),
        lambda values: values["examples"][0].update(class_id="c99-000000"),
        lambda values: values["examples"][0].update(enabled="yes"),
    ],
)
def test_a_damaged_file_is_refused_and_stays(project: Project, folder: Path, damage: Damage) -> None:
    teach(project)
    values = json.loads((folder / FILE).read_text())
    damage(values)
    (folder / FILE).write_text(json.dumps(values))
    written = (folder / FILE).read_bytes()
    with pytest.raises(
        DataError, match=r"project\.json is not the file of a project, or is damaged \(.*\); put a copy"
    ):
        Project(folder)
    assert (folder / FILE).read_bytes() == written


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '{"format": ' + "9" * 5000 + "}"])
def test_what_is_no_json_of_a_project_is_refused(folder: Path, content: str) -> None:
    (folder / FILE).write_text(content)
    with pytest.raises(DataError):
        Project(folder)


def test_a_newer_format_is_refused(folder: Path) -> None:
    (folder / FILE).write_text('{"format": 2, "unknown": []}')
    with pytest.raises(DataError, match="has the format 2 of a newer version of cdpnet, and this one reads 1; install"):
        Project(folder)
    assert (folder / FILE).read_text() == '{"format": 2, "unknown": []}'
