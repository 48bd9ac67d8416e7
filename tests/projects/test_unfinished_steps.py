"""A step that fails, or whose program is killed, leaves the project as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdpnet.errors import DataError
from cdpnet.projects import editing
from cdpnet.projects import folder as project_files
from cdpnet.projects.adding import add_image
from cdpnet.projects.document import Document
from cdpnet.projects.project import Project
from tests.projects.making import SIZE, contents, full_disk, image_of, object_mask, teach
from tests.projects.test_history import steps
from tests.projects.test_project import ACTIONS, correct_b, without_revisions


def test_a_full_disk_leaves_no_step(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teach(project)
    kept, document = steps(folder), project.document

    monkeypatch.setattr("cdpnet.projects.folder.put_file", full_disk)
    with pytest.raises(Exception, match="No space left on device"):
        correct_b(project)
    assert steps(folder) == kept
    assert project.document == document


def test_a_full_disk_keeps_an_image_whose_removal_fails(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document is written last, when the mask and the examples are gone already."""
    teach(project)
    before, kept, document = contents(folder), steps(folder), project.document

    put_file = project_files.put_file

    def put_what_has_space(place: Path, name: str, content: bytes | None) -> None:
        """As on a disk that has no more space than what its history leaves."""
        if content is not None and steps(folder) != kept:
            full_disk()
        put_file(place, name, content)

    monkeypatch.setattr(Document, "save", full_disk)
    monkeypatch.setattr("cdpnet.projects.folder.put_file", put_what_has_space)
    for change in (ACTIONS["The removal of a.png"], Project.undo):
        with pytest.raises(DataError, match="No space left on device"):
            change(project)
        assert contents(folder) == before
        assert steps(folder) == kept
        assert project.document == document


def test_a_full_disk_loses_nothing_of_what_can_be_put_back(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mask can be written any more; the file of the image only has to be moved."""
    teach(project)
    content = (folder / "images" / "a.png").read_bytes()

    monkeypatch.setattr(Document, "save", full_disk)
    monkeypatch.setattr("cdpnet.projects.folder.write_bytes", full_disk)
    with pytest.raises(DataError, match="No space left on device"):
        editing.remove_image(project, image_of(project, "a.png").id)
    assert (folder / "images" / "a.png").read_bytes() == content


@pytest.mark.parametrize("sentence", [*ACTIONS, "undo"])
def test_a_program_that_is_killed_in_a_step_leaves_no_half_of_it(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch, sentence: str
) -> None:
    teach(project)
    if sentence == "undo":
        editing.remove_image(project, image_of(project, "a.png").id)
    before, document = contents(folder), project.document

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Document, "save", kill)
        ACTIONS.get(sentence, Project.undo)(project)
    opened = Project(folder)
    assert contents(folder) == before
    assert without_revisions(opened.document) == without_revisions(document)
    assert opened.document.done == document.done
    opened.undo()


def test_several_later_steps_are_those_of_another_state(project: Project, folder: Path) -> None:
    """As where an older project.json was put in place: they are no step that was not finished."""
    class_id = teach(project)
    older = (folder / "project.json").read_text()
    for name in ("b.png", "c.png"):
        image = image_of(project, name)
        editing.correct(project, image.id, image.revision, class_id, object_mask(1))
    (folder / "project.json").write_text(older)
    Project(folder)
    assert (folder / "labels" / "masks" / "b.png").exists()


def test_a_full_disk_at_the_names_adds_no_class(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(project)
    document = project.document

    with monkeypatch.context() as patch, pytest.raises(DataError, match="nothing changed"):
        patch.setattr("cdpnet.projects.folder.put_file", full_disk)
        editing.add_class(project, "other", 60)
    opened = Project(folder)
    assert opened.document.classes == document.classes
    assert opened.document.done == document.done


def test_a_full_disk_adds_no_image(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there before the document is written."""
    before, content = contents(folder), (folder / "images" / "a.png").read_bytes()

    with monkeypatch.context() as patch, pytest.raises(DataError, match=r"No space left on device"):
        patch.setattr(Document, "save", full_disk)
        add_image(project, "new.png", content, SIZE)
    assert contents(folder) == before
    add_image(project, "new.png", content, SIZE)


def test_a_later_step_puts_no_image_aside_that_nothing_brings_back(project: Project, folder: Path) -> None:
    teach(project)
    path = folder / "history" / f"{steps(folder)[-1]}.json"
    values = {**json.loads(path.read_text()), "pictures": {"images/c.png": "removed/c.png"}}
    (folder / "history" / "999.json").write_text(json.dumps(values))
    Project(folder)
    assert (folder / "images" / "c.png").exists()
