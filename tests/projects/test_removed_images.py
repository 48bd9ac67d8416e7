"""Images that are removed, and come back."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cdpnet.projects import editing, history
from cdpnet.projects.adding import add_image
from cdpnet.projects.project import Project
from tests.projects.making import SIZE, contents, image_of, object_mask, teach


def test_an_image_that_was_removed_is_deleted_with_its_step(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editing.remove_image(project, image_of(project, "a.png").id)
    assert (folder / "removed" / "a.png").exists()
    Project(folder)
    assert (folder / "removed" / "a.png").exists()
    monkeypatch.setattr(history, "MOST_BYTES", 0)
    editing.add_class(project, "thing", 60)
    assert not (folder / "removed").exists()


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_an_image_whose_name_is_taken_comes_back_under_another(project: Project, folder: Path, name: str) -> None:
    """Also where the other one has only its mask; all steps before and after are about it as they were."""
    class_id = teach(project)
    image = image_of(project, "a.png")
    editing.correct(project, image.id, image.revision, class_id, object_mask(1))
    marked, masks = (folder / "images" / "a.png").read_bytes(), folder / "labels" / "masks"
    mask = (masks / "a.png").read_bytes()
    editing.remove_image(project, image.id)
    other = (folder / "images" / "b.png").read_bytes()
    add_image(project, name, other, SIZE)
    for renamed in ({"a.png": "a-2.png"}, {}):
        assert project.undo() == renamed
        assert (folder / "images" / name).read_bytes() == other
        assert (folder / "images" / "a-2.png").read_bytes() == marked
        assert (masks / "a-2.png").read_bytes() == mask
        assert project.image(image.id).file == "a-2.png"
        assert len(project.document.examples) == 1
        assert project.redo() == {}
        assert not (folder / "images" / "a-2.png").exists()
        assert not (masks / "a-2.png").exists()
        project = Project(folder)
    project.undo()
    project.undo()  # the correction, which was of a.png
    assert (project.mask(project.image(image.id)) == object_mask(0)).all()
    assert not (masks / "a.png").exists()
    while project.to_undo is not None:
        project.undo()
    while project.to_redo is not None:
        project.redo()
    assert [one.file for one in project.document.images.values()] == ["b.png", "c.png", "d.png", name]
    project.undo()
    assert [one.reason for one in Project(folder).document.images.values()] == [""] * 5


def test_an_image_that_lies_in_the_folder_unseen_is_not_replaced(project: Project, folder: Path) -> None:
    editing.remove_image(project, image_of(project, "a.png").id)
    for name in ("a.png", "a-2.png"):
        (folder / "images" / name).write_bytes(b"mine")
    assert project.undo() == {"a.png": "a-3.png"}
    assert {(folder / "images" / name).read_bytes() for name in ("a.png", "a-2.png")} == {b"mine"}


def test_an_image_that_was_missing_comes_back_to_the_file_that_was_put_back(project: Project, folder: Path) -> None:
    path = folder / "images" / "a.png"
    content = path.read_bytes()
    path.unlink()
    project = Project(folder)
    editing.remove_image(project, image_of(project, "a.png").id)
    path.write_bytes(content)
    assert project.undo() == {}
    assert [one.reason for one in Project(folder).document.images.values()] == [""] * 4

    path.unlink()
    project = Project(folder)
    editing.remove_image(project, image_of(project, "a.png").id)
    add_image(project, "a.png", content, SIZE)
    assert project.undo() == {"a.png": "a-2.png"}
    assert "a-2.png is no longer in the folder of images" in image_of(project, "a-2.png").reason


def test_images_of_one_name_that_are_removed_one_after_the_other_keep_their_files(
    project: Project, folder: Path
) -> None:
    first, second = ((folder / "images" / name).read_bytes() for name in ("a.png", "b.png"))
    editing.remove_image(project, image_of(project, "a.png").id)
    add_image(project, "a.png", second, SIZE)
    editing.remove_image(project, image_of(project, "a.png").id)
    project = Project(folder)
    assert {path.read_bytes() for path in (folder / "removed").iterdir()} == {first, second}
    project.undo()
    assert (folder / "images" / "a.png").read_bytes() == second
    project.undo()
    assert (folder / "images" / "a-2.png").read_bytes() == first
    assert not (folder / "removed").exists()
    project.redo()
    project.redo()
    assert {path.read_bytes() for path in (folder / "removed").iterdir()} == {first, second}


def test_a_folder_of_images_on_another_disk(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(folder)
    replace_file = Path.replace

    def replace_on_one_disk(path: Path, target: Path) -> Path:
        if path.parent != target.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace_file(path, target)

    monkeypatch.setattr(Path, "replace", replace_on_one_disk)
    editing.remove_image(project, image_of(project, "a.png").id)
    assert (folder / "removed" / "a.png").read_bytes() == before["images/a.png"]
    assert not (folder / "images" / "a.png").exists()
    project.undo()
    assert contents(folder) == before
