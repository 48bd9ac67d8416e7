"""A project on the disk: it is opened with what lies there, and every change can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cdpnet.errors import DataError
from cdpnet.projects import editing
from cdpnet.projects.document import Document
from cdpnet.projects.history import STEPS
from cdpnet.projects.project import ConflictError, MissingError, Project
from tests.projects.making import SIZE, contents, image_of, object_mask, teach

Action = Callable[[Project], object]


def a_image(project: Project) -> str:
    return image_of(project, "a.png").id


def a_class(project: Project) -> str:
    return next(iter(project.document.classes))


def an_example(project: Project) -> str:
    return next(iter(project.document.examples))


def correct_b(project: Project) -> None:
    image = image_of(project, "b.png")
    editing.correct(project, image.id, image.revision, a_class(project), object_mask(1))


def reject_b(project: Project) -> None:
    image = image_of(project, "b.png")
    editing.review(project, image.id, image.revision, "rejected")


def give_back_a(project: Project) -> None:
    image = image_of(project, "a.png")
    editing.review(project, image.id, image.revision, "new")


ACTIONS: dict[str, Action] = {
    "The correction of thing in b.png": correct_b,
    "The verdict on b.png": reject_b,
    "The verdict on a.png": give_back_a,
    "The new class other": lambda project: editing.add_class(project, "other", 60),
    "The new name of thing": lambda project: editing.rename_class(project, a_class(project), "renamed", 60),
    "The removal of the class thing": lambda project: editing.remove_class(project, a_class(project)),
    "The removal of a.png": lambda project: editing.remove_image(project, a_image(project)),
    "The example of thing in a.png": lambda project: editing.add_example(
        project, a_image(project), a_class(project), image_of(project, "a.png").revision
    ),
    "An example switched off": lambda project: editing.switch_example(project, an_example(project), enabled=False),
    "The removal of an example": lambda project: editing.remove_example(project, an_example(project)),
}


def without_revisions(document: Document) -> list[object]:
    """What a person can see of a document."""
    images = [(i.file, i.edited, i.review, i.findings) for i in document.images.values()]
    return [images, list(document.classes.values()), list(document.examples.values())]


@pytest.mark.parametrize("sentence", ACTIONS)
def test_every_step_is_taken_back_and_done_again(project: Project, folder: Path, sentence: str) -> None:
    teach(project)
    shown, files = without_revisions(project.document), contents(folder)
    ACTIONS[sentence](project)
    changed, changed_files = without_revisions(project.document), contents(folder)
    assert changed != shown
    assert project.to_undo is not None
    assert project.to_undo.sentence == sentence
    names = "labels/classes.txt"  # keeps the numbers of names
    for files_of in (files, changed_files):
        files_of.pop(names)
    project.undo()
    now = contents(folder)
    now.pop(names)
    assert (without_revisions(project.document), now) == (shown, files)
    project.redo()
    now = contents(folder)
    now.pop(names)
    assert (without_revisions(project.document), now) == (changed, changed_files)
    opened = Project(folder)
    assert without_revisions(opened.document) == changed


def test_many_steps_are_taken_back_in_order(project: Project) -> None:
    assert STEPS >= 20
    for number in range(STEPS + 5):
        editing.add_class(project, f"class {number}", 60)
    for _ in range(STEPS):
        project.undo()
    assert [one.name for one in project.document.classes.values()] == [f"class {number}" for number in range(5)]
    with pytest.raises(ConflictError, match=r"There is nothing to take back\."):
        project.undo()
    project.redo()
    editing.add_class(project, "another", 60)
    with pytest.raises(ConflictError, match=r"There is nothing to do again\."):
        project.redo()


def test_every_change_has_a_revision_of_its_own(project: Project) -> None:
    teach(project)
    image = image_of(project, "a.png")
    seen = {image.revision}
    for change in (project.undo, project.undo, project.redo, project.redo):
        change()
        revision = image_of(project, "a.png").revision
        assert revision not in seen
        seen.add(revision)


def test_an_older_revision_changes_nothing(project: Project, folder: Path) -> None:
    class_id = teach(project)
    image = image_of(project, "a.png")
    files, document = contents(folder), project.document
    for stale in (image.revision - 1, image.revision + 1):
        with pytest.raises(ConflictError, match=r"a\.png was changed meanwhile"):
            editing.correct(project, image.id, stale, class_id, object_mask(2))
        with pytest.raises(ConflictError):
            editing.review(project, image.id, stale, "accepted")
        with pytest.raises(ConflictError):
            editing.add_example(project, image.id, class_id, stale)
    assert contents(folder) == files
    assert project.document == document


def test_a_mask_that_is_saved_again_since_the_answer_was_lost_is_no_conflict(project: Project) -> None:
    class_id, before = editing.add_class(project, "thing", 60), image_of(project, "a.png")
    editing.correct(project, before.id, before.revision, class_id, object_mask(1))
    document = project.document
    editing.correct(project, before.id, before.revision, class_id, object_mask(1))
    assert project.document == document


def test_a_mask_that_two_draw_alike_hides_no_other_change_between_them(project: Project) -> None:
    """Who is told that it is saved takes all changes until then for seen, and may draw over them."""
    one, two = (editing.add_class(project, name, 60) for name in ("one", "two"))
    seen = image_of(project, "a.png")
    for class_id, mask in ((one, object_mask(0)), (two, ~object_mask(0))):
        image = image_of(project, "a.png")
        editing.correct(project, image.id, image.revision, class_id, mask)
    with pytest.raises(ConflictError, match=r"a\.png was changed meanwhile"):
        editing.correct(project, seen.id, seen.revision, one, object_mask(0))
    project.undo()
    editing.correct(project, seen.id, seen.revision, one, object_mask(0))
    assert project.to_undo is not None
    assert project.to_undo.sentence == "The correction of one in a.png"
    project.undo()
    assert not project.mask(image_of(project, "a.png")).any()


def test_a_correction_keeps_other_classes_outside_of_it(project: Project) -> None:
    one, two = (editing.add_class(project, name, 60) for name in ("one", "two"))
    image = image_of(project, "a.png")
    left, middle = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    left[:, :50], middle[:, 30:70] = True, True
    editing.correct(project, image.id, image.revision, one, left)
    editing.correct(project, image.id, image.revision + 1, two, middle)
    row = project.mask(image)[0]
    assert [int((row == number).sum()) for number in range(3)] == [26, 30, 40]
    editing.correct(project, image.id, image.revision + 2, one, np.zeros(SIZE, np.bool_))
    row = project.mask(image)[0]
    assert [int((row == number).sum()) for number in range(3)] == [56, 0, 40]


def test_the_number_of_a_class_is_given_to_no_other(project: Project, folder: Path) -> None:
    for name in ("one", "two", "three"):
        editing.add_class(project, name, 60)
    two = next(key for key, one in project.document.classes.items() if one.name == "two")
    editing.remove_class(project, two)
    editing.add_class(project, "four", 60)
    editing.add_class(project, "two", 60)
    assert {one.name: one.number for one in project.document.classes.values()} == {
        "one": 1,
        "three": 3,
        "four": 4,
        "two": 2,
    }
    assert (folder / "labels" / "classes.txt").read_text() == "one\ntwo\nthree\nfour\n"


def test_a_second_example_of_an_image_takes_the_place_of_the_first(project: Project, folder: Path) -> None:
    teach(project)
    first = an_example(project)
    teach(project)
    assert len(project.document.examples) == 1
    assert an_example(project) != first
    assert len(list((folder / "examples").iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("  ", "The class has no name yet"),
        ("x" * 61, "The name has 61 characters; at most 60"),
        ("two\nlines", "holds a control character"),
        ("thing", "There is a class 'thing' already"),
        (" thing ", "There is a class 'thing' already"),
    ],
)
def test_names_that_cannot_be_used(project: Project, name: str, message: str) -> None:
    teach(project)
    with pytest.raises(DataError, match=message):
        editing.add_class(project, name, 60)
    other = editing.add_class(project, "other", 60)
    with pytest.raises(DataError, match=message):
        editing.rename_class(project, other, name, 60)


def test_ids_that_nothing_has(project: Project) -> None:
    for action in (
        lambda: editing.remove_image(project, "i0"),
        lambda: editing.remove_class(project, "c0"),
        lambda: editing.remove_example(project, "e0"),
        lambda: editing.add_example(project, a_image(project), "../c", 1),
    ):
        with pytest.raises(MissingError, match="There is no such"):
            action()


def test_what_cannot_be_an_example(project: Project) -> None:
    class_id = editing.add_class(project, "thing", 60)
    with pytest.raises(DataError, match=r"thing is not marked in a\.png"):
        editing.add_example(project, a_image(project), class_id, 1)
    with pytest.raises(DataError, match=r"a\.png has no result yet that could be accepted"):
        editing.review(project, a_image(project), 1, "accepted")
    teach(project)
    with pytest.raises(DataError, match="There are 1 examples, and 1 at most"):
        correct_b(project)
        image = image_of(project, "b.png")
        editing.add_example(project, image.id, class_id, image.revision, 1)
