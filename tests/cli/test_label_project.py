"""`cdpnet label --project` in the formats of labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cdpnet.io.masks import read_class_numbers
from cdpnet.labels.label_set import FormatName
from cdpnet.labels.reading import read_labels
from cdpnet.projects import editing
from cdpnet.projects.folder import held
from cdpnet.projects.project import Project
from tests.cli.running import run
from tests.projects.making import NAMES, draw_images, image_of, object_mask, teach


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every image is settled by its true mask, but the last, which is rejected."""
    folder = tmp_path_factory.mktemp("settled") / "work"
    draw_images(folder / "images")
    with held(folder):
        project = Project(folder)
        class_id = teach(project)
        for number, name in enumerate(NAMES):
            image = image_of(project, name)
            editing.correct(project, image.id, image.revision, class_id, object_mask(number))
        image = image_of(project, NAMES[-1])
        editing.review(project, image.id, image.revision, "rejected")
    assert run("label", "--project", folder, "--model", "tiny").returncode == 0
    return folder


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_labels_in_a_format(name: FormatName, settled: Path, tmp_path: Path) -> None:
    before = (settled / "labels/masks/a.png").read_bytes()
    done = run("label", "--project", settled, "--model", "tiny", "--format", name, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert f"see {tmp_path / 'out'}" in done.stdout
    assert "labelling" not in done.stderr  # nothing was left to do
    found = read_labels(tmp_path / "out", settled / "images", name)
    assert sorted(found.labels) == list(NAMES[:-1])
    for number, image in enumerate(NAMES[:-1]):
        assert np.array_equal(found.labels[image].class_mask("thing"), object_mask(number))
    assert (settled / "labels/masks/a.png").read_bytes() == before


def test_an_image_whose_name_the_format_cannot_hold_is_left_out_and_told(tmp_path: Path) -> None:
    draw_images(tmp_path / "images")
    (tmp_path / "images" / "d.png").rename(tmp_path / "images" / "d\uffff.png")
    with held(tmp_path):
        project = Project(tmp_path)
        teach(project)
        project.save()
    done = run("label", "--project", tmp_path, "--model", "tiny", "--format", "cvat", "--out", tmp_path / "out")
    assert done.returncode == 1, done.stderr
    assert r"not written: d\uffff.png: Its name has the character \uffff, which the format cvat cannot" in done.stdout
    assert (tmp_path / "labels" / "masks" / "d\uffff.png").is_file()
    assert sorted(read_labels(tmp_path / "out", tmp_path / "images", "cvat").labels) == ["a.png", "b.png", "c.png"]


def test_objects_and_earlier_labels(settled: Path, tmp_path: Path) -> None:
    options = ("label", "--project", settled, "--model", "tiny", "--format", "coco", "--out", tmp_path)
    assert run(*options, "--instances", "--min-area", 10**4).returncode == 0
    assert json.loads((tmp_path / "annotations.json").read_text())["annotations"] == []
    done = run(*options)
    assert done.returncode == 2
    assert "annotations.json exists already" in done.stderr
    assert run(*options, "--overwrite").returncode == 0


def test_the_labels_of_the_project_itself_are_not_replaced(settled: Path) -> None:
    done = run("label", "--project", settled, "--model", "tiny", "--out", settled / "labels", "--overwrite")
    assert done.returncode == 2
    assert "work/labels/classes.txt is read by this very command" in done.stderr


def test_what_a_person_drew_of_one_class_stays_among_the_others(tmp_path: Path) -> None:
    draw_images(tmp_path / "images")
    with held(tmp_path):
        project = Project(tmp_path)
        class_id = teach(project)
        teach(project, "c.png", "other")
        image = image_of(project, "b.png")
        editing.correct(project, image.id, image.revision, class_id, object_mask(3))
    done = run("label", "--project", tmp_path, "--model", "tiny")
    said = "4 images are labelled, 3 of them around what a person drew, and 0 left as a person settled them"
    assert said in done.stdout, done.stderr
    mask = read_class_numbers(tmp_path / "labels" / "masks" / "b.png")
    assert np.array_equal(mask == 1, object_mask(3))
    assert (mask == 2).any()
