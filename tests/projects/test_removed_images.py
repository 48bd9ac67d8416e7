"""Images that are removed, and come back."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from cdpnet.projects import editing, history
from cdpnet.projects.adding import add_image
from cdpnet.projects.project import ConflictError, Project
from tests.projects.making import NAMES, SIZE, contents, image_of


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


def test_an_image_does_not_come_back_over_another_one(project: Project, folder: Path) -> None:
    for name, sentence in (("a.png", "since another image has its name now"), ("a.bmp", "since a.bmp has the mask")):
        content = (folder / "images" / "b.png").read_bytes()
        editing.remove_image(project, image_of(project, "a.png").id)
        added = add_image(project, name, content, SIZE)
        with pytest.raises(ConflictError, match=f"a.png cannot come back, {sentence}"):
            project.undo()
        assert (folder / "images" / name).read_bytes() == content
        assert (folder / "removed" / "a.png").exists()
        (folder / "images" / name).unlink()  # by hand; the program is started again
        document = project.document
        images = {key: image for key, image in document.images.items() if key != added}
        project.update(type(document)(**{**vars(document), "images": images}))
        project = Project(folder)
        project.undo()
        assert [image.file for image in project.document.images.values()] == list(NAMES)


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
    with pytest.raises(ConflictError, match=r"a\.png cannot come back, since another image has its name now"):
        project.undo()
    project.redo()
    project.undo()
    assert [path.read_bytes() for path in (folder / "removed").iterdir()] == [first]
    document = project.document  # the second one is taken away by hand
    (folder / "images" / "a.png").unlink()
    others = {image.id: image for image in document.images.values() if image.file != "a.png"}
    project.update(replace(document, images=others))
    Project(folder).undo()
    assert (folder / "images" / "a.png").read_bytes() == first
    assert not (folder / "removed").exists()


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
