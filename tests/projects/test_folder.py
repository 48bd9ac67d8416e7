"""The folder of a project: what lies there is shown as it is, and nothing else is touched."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cdpnet.errors import ConfigError, DataError
from cdpnet.projects import editing
from cdpnet.projects.adding import add_image, check_file_name
from cdpnet.projects.document import Document
from cdpnet.projects.folder import held
from cdpnet.projects.project import Project
from tests.projects.making import NAMES, SIZE, contents, full_disk, image_of, object_mask, teach


def test_it_opens_with_what_lies_in_the_folder(project: Project, folder: Path) -> None:
    teach(project)
    (folder / "images" / "b.png").rename(folder / "b.png")
    (folder / "images" / "sub").mkdir()
    (folder / "images" / "sub" / "new.png").write_bytes((folder / "b.png").read_bytes())
    (folder / "images" / "broken.png").write_text("no image")
    opened = Project(folder)
    assert "b.png is no longer in the folder of images" in image_of(opened, "b.png").reason
    assert (image_of(opened, "sub/new.png").height, image_of(opened, "sub/new.png").width) == SIZE
    assert image_of(opened, "broken.png").reason.startswith("broken.png is not an image that can be read")
    assert image_of(opened, "a.png").edited
    (folder / "b.png").rename(folder / "images" / "b.png")
    assert image_of(Project(folder), "b.png").reason == ""


def test_a_removed_image_lies_aside(project: Project, folder: Path) -> None:
    editing.remove_image(project, image_of(project, "a.png").id)
    assert not (folder / "images" / "a.png").exists()
    assert (folder / "removed" / "a.png").exists()
    opened = Project(folder)
    assert [image.file for image in opened.document.images.values()] == list(NAMES[1:])
    assert (folder / "removed" / "a.png").exists()


def test_one_process_at_a_time_and_only_a_folder_of_its_own(tmp_path: Path) -> None:
    with held(tmp_path / "p"), pytest.raises(DataError, match=r"is in use.*wait for its end, or give another folder"):
        held(tmp_path / "p").__enter__()
    (tmp_path / "file").write_text("")
    for name, message in (("file", "is a file"), (".", "is no project and not empty; give a new folder")):
        with pytest.raises(ConfigError, match=message):
            held(tmp_path / name).__enter__()
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(ConfigError, match=r"holds images itself; move them to .*images"):
        held(tmp_path).__enter__()


def test_a_full_disk_changes_nothing(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teach(project)
    files, document = contents(folder), project.document

    monkeypatch.setattr(Document, "save", full_disk)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); nothing changed"):
        teach(project, "b.png")
    assert contents(folder) == files
    assert project.document == document
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); nothing changed"):
        editing.configure(project, replace(document.settings, threshold=0.3))
    assert project.document == document


def test_images_that_cannot_be_added(project: Project) -> None:
    for name, message in (("a.png", r"a\.png is there already"), ("A.jpg", r"A\.jpg and a\.png have one stem")):
        with pytest.raises(DataError, match=message):
            add_image(project, name, b"", SIZE)
    for name in ("", ".hidden.png", "../a.png", "a/b.png", "a\\b.png", "a\n.png", "x" * 250 + ".png", "a:b.png"):
        with pytest.raises(DataError, match="name"):
            check_file_name(name)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(project: Project, folder: Path) -> None:
    teach(project)
    mask = folder / "labels" / "masks" / "a.png"
    mask.unlink()
    os.mkfifo(mask)
    with pytest.raises(DataError, match="is a pipe"):
        project.mask(image_of(project, "a.png"))
    with pytest.raises(DataError, match="is a pipe"):
        editing.remove_image(project, image_of(project, "a.png").id)
    (folder / "project.json").unlink()
    os.mkfifo(folder / "project.json")
    with pytest.raises(DataError, match="is a pipe"):
        Project(folder)


def test_an_image_that_would_share_a_mask_is_shown_and_takes_nothing_from_the_other(
    project: Project, folder: Path
) -> None:
    teach(project)
    (folder / "images" / "a.bmp").write_bytes((folder / "images" / "b.png").read_bytes())
    for _ in range(2):
        project = Project(folder)
        second = image_of(project, "a.bmp")
        assert second.reason == "a.bmp and a.png have one stem, so one mask; rename one of them."
        assert not image_of(project, "a.png").reason
    editing.remove_image(project, second.id)
    assert (project.mask(image_of(project, "a.png")) == object_mask(0)).all()
    project.undo()
    (folder / "images" / "a.bmp").rename(folder / "images" / "e.bmp")
    assert (image_of(Project(folder), "e.bmp").height, image_of(Project(folder), "e.bmp").reason) == (SIZE[0], "")
