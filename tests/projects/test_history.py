"""The steps of a project lie in its folder: they are taken back and done again after it is opened anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from cdpnet.projects import editing, history
from cdpnet.projects.history import STEPS
from cdpnet.projects.project import ConflictError, Project
from tests.projects.making import contents, image_of, teach
from tests.projects.test_project import ACTIONS, correct_b, without_revisions


def steps(folder: Path) -> list[int]:
    """The revisions of the steps in the folder."""
    return sorted(int(path.stem) for path in (folder / "history").iterdir())


@pytest.mark.parametrize("sentence", ACTIONS)
def test_a_step_is_taken_back_and_done_again_after_a_restart(project: Project, folder: Path, sentence: str) -> None:
    teach(project)
    shown, files = without_revisions(project.document), contents(folder)
    ACTIONS[sentence](project)
    changed, changed_files = without_revisions(project.document), contents(folder)
    for files_of in (files, changed_files):
        del files_of["labels/classes.txt"]  # keeps the numbers of names

    opened = Project(folder)
    assert opened.to_undo is not None
    assert opened.to_undo.sentence == sentence
    opened.undo()
    now = contents(folder)
    del now["labels/classes.txt"]
    assert (without_revisions(opened.document), now) == (shown, files)

    opened = Project(folder)
    assert opened.to_redo is not None
    assert opened.to_redo.sentence == sentence
    opened.redo()
    now = contents(folder)
    del now["labels/classes.txt"]
    assert (without_revisions(opened.document), now) == (changed, changed_files)


def test_everything_is_taken_back_in_a_new_program_for_each_step(project: Project, folder: Path) -> None:
    before = without_revisions(project.document)
    teach(project)
    for action in (correct_b, ACTIONS["The removal of the class thing"], ACTIONS["The removal of a.png"]):
        action(project)
    while Project(folder).to_undo is not None:
        opened = Project(folder)
        opened.undo()
    opened = Project(folder)
    assert without_revisions(opened.document) == before
    assert all(opened.image_path(image).exists() for image in opened.document.images.values())
    assert not (folder / "removed").exists()


def test_an_image_that_is_missing_stays_so_when_a_step_about_it_is_taken_back(project: Project, folder: Path) -> None:
    teach(project)
    correct_b(project)
    (folder / "images" / "b.png").rename(folder / "b.png")
    opened = Project(folder)
    opened.undo()
    assert "b.png is no longer in the folder of images" in image_of(opened, "b.png").reason
    assert not image_of(opened, "b.png").edited


def test_redo_gives_back_what_was_there(project: Project, folder: Path) -> None:
    """Also a mask that another tool has changed while the project was closed."""
    teach(project)
    path = folder / "labels" / "masks" / "a.png"
    other = folder / "other.png"
    other.write_bytes(path.read_bytes())
    correct_b(project)
    edited = (folder / "labels" / "masks" / "b.png").read_bytes()
    (folder / "labels" / "masks" / "b.png").write_bytes(path.read_bytes())
    opened = Project(folder)
    opened.undo()
    assert not (folder / "labels" / "masks" / "b.png").exists()
    opened.redo()
    assert (folder / "labels" / "masks" / "b.png").read_bytes() == path.read_bytes() != edited


def test_the_history_is_bounded(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(STEPS + 5):
        editing.add_class(project, f"class {number}", 60)
    assert len(steps(folder)) == STEPS
    assert len(Project(folder).document.done) == STEPS
    monkeypatch.setattr(history, "MOST_BYTES", 3 * max(path.stat().st_size for path in (folder / "history").iterdir()))
    editing.add_class(project, "one more", 60)
    assert len(steps(folder)) == 4
    monkeypatch.setattr(history, "MOST_BYTES", 0)  # the last one can always be taken back
    editing.add_class(project, "the last", 60)
    assert len(steps(folder)) == 1
    Project(folder).undo()
    assert "the last" not in [one.name for one in Project(folder).document.classes.values()]


def test_steps_that_are_lost_or_damaged_end_the_history(project: Project, folder: Path) -> None:
    for number in range(4):
        editing.add_class(project, f"class {number}", 60)
    project.undo()
    kept = steps(folder)
    (folder / "history" / f"{kept[1]}.json").write_text("{")
    opened = Project(folder)
    assert (opened.document.done, opened.document.undone) == ((kept[2],), (kept[3],))
    assert opened.nothing_to_redo == "There is nothing to do again."
    assert steps(folder) == kept[2:]
    opened.undo()
    with pytest.raises(ConflictError, match=f"history/{kept[1]}.json is missing or damaged, so there is nothing more"):
        opened.undo()
    for revision in steps(folder):
        (folder / "history" / f"{revision}.json").unlink()
    opened = Project(folder)
    with pytest.raises(ConflictError, match=r"\.json is missing or damaged, so there is nothing more to do again"):
        opened.redo()


def test_a_folder_that_has_the_name_of_the_next_step_is_stepped_over(project: Project, folder: Path) -> None:
    teach(project)
    for later in (1, 2):
        (folder / "history" / f"{project.document.revision + later}.json").mkdir()
    before = project.document.revision
    correct_b(project)
    assert project.document.revision == before + 3
    opened = Project(folder)
    assert image_of(opened, "b.png").edited
    opened.undo()
    assert not image_of(Project(folder), "b.png").edited


def test_a_folder_in_the_place_of_a_step_stays_and_the_steps_around_it_go(project: Project, folder: Path) -> None:
    teach(project)
    (folder / "history" / "0.json").mkdir()
    for name in ("1000.json", "1001.json"):  # of a program that was killed; there are two, so none is put back
        (folder / "history" / name).write_text("{}")
    opened = Project(folder)
    assert opened.to_undo is not None
    assert (folder / "history" / "0.json").is_dir()
    assert not [path for path in (folder / "history").iterdir() if path.name.startswith("100")]


def test_a_project_without_a_history_opens(project: Project, folder: Path) -> None:
    """As one of before; what a newer program has left beside it belongs to no step."""
    teach(project)
    values = json.loads((folder / "project.json").read_text())
    del values["history"]
    (folder / "project.json").write_text(json.dumps(values))
    (folder / "history" / "notes.txt").write_text("mine")
    opened = Project(folder)
    assert opened.to_undo is None
    assert without_revisions(opened.document) == without_revisions(project.document)
    assert [path.name for path in (folder / "history").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "damage",
    [
        {"files": {"../../../outside.png": "AAAA"}},
        {"files": {"/outside.png": "AAAA"}},
        {"files": {"labels/masks/a.png": "no base64"}},
        {"files": []},
        {"pictures": {"removed/../../outside.png": "images/a.png"}},
        {"pictures": {"project.json": "images/a.png"}},
        {"pictures": {"removed/run.sh": "images/run.sh"}},
        {"pictures": {"removed/a.png": True}},
        {"files": {"project.json": "AAAA"}},
        {"files": {"labels/masks/run.sh": "AAAA"}},
        {"pictures": {"removed/a.png": "labels/masks/a.png"}},
        {"pictures": {"removed/a.png": ["images/a.png"]}},
        {"records": {"i1": None, "project.json": {}}},
        {"records": {"x1-00000a": {}}},
        {"sentence": 3},
    ],
)
def test_a_step_of_another_kind_or_that_reaches_outside_is_no_step(
    project: Project, folder: Path, damage: dict[str, object]
) -> None:
    teach(project)
    path = folder / "history" / f"{steps(folder)[-1]}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    assert Project(folder).to_undo is None


def test_what_a_link_leads_to_is_not_the_projects(project: Project, folder: Path, tmp_path: Path) -> None:
    teach(project)
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("1.json", "photo.png"):
        (outside / name).write_text("mine")
    for path in (folder / "history").iterdir():
        path.unlink()
    (folder / "history").rmdir()
    for name in ("history", "removed"):
        (folder / name).symlink_to(outside)
    Project(folder)
    assert sorted(path.name for path in outside.iterdir()) == ["1.json", "photo.png"]


def test_a_name_that_is_taken_back_leaves_its_line(project: Project, folder: Path) -> None:
    """A class that is added afterwards with that name has a number of its own."""
    class_id = editing.add_class(project, "old", 60)
    editing.rename_class(project, class_id, "new", 60)
    project.undo()
    assert (folder / "labels" / "classes.txt").read_text() == "old\n"
    project.redo()
    assert (folder / "labels" / "classes.txt").read_text() == "new\n"
    project.undo()
    editing.add_class(project, "new", 60)
    assert [(one.name, one.number) for one in project.document.classes.values()] == [("old", 1), ("new", 2)]
    assert (folder / "labels" / "classes.txt").read_text() == "old\nnew\n"


def test_the_lines_of_names_are_mended(project: Project, folder: Path) -> None:
    """Before, a name that was taken back stayed in its line."""
    editing.add_class(project, "old", 60)
    values = json.loads((folder / "project.json").read_text())
    (folder / "project.json").write_text(json.dumps({**values, "names": ["new"]}))
    assert Project(folder).document.names == ("old",)
    assert (folder / "labels" / "classes.txt").read_text() == "old\n"


def test_an_image_of_another_size_keeps_it_when_a_step_is_taken_back(project: Project, folder: Path) -> None:
    teach(project)
    correct_b(project)
    (folder / "images" / "b.png").unlink()
    Project(folder)
    Image.new("RGB", (50, 40)).save(folder / "images" / "b.png")
    opened = Project(folder)
    opened.undo()
    image = image_of(opened, "b.png")
    assert (image.height, image.width) == opened.mask(image).shape == (40, 50)
