"""What a person drew of one class stays to the pixel; the other classes of the image go on being the network's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.inference.uncertainty import uncertainty
from cdpnet.projects import editing
from cdpnet.projects.document import FILE, Settings
from cdpnet.projects.folder import held, mask_path
from cdpnet.projects.labels import labels_of
from cdpnet.projects.project import ConflictError, Project
from cdpnet.projects.segmenting import ProjectSegmenter
from cdpnet.web.state import order, state_of
from tests.projects.making import NAMES, SIZE, draw_images, image_of, object_mask

RED, BLUE = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
RED[8:40, 50:90] = True  # what a person draws: not where the red object is, and over some of the blue one
RED[44:50, 4:16] = True
BLUE[40:68, 2:18] = True  # in every image


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Images with a red object, each at another place, and a blue one."""
    images = tmp_path / "project" / "images"
    draw_images(images)
    for name in NAMES:
        pixels = np.array(Image.open(images / name))
        pixels[BLUE] = (30, 60, 220)
        Image.fromarray(pixels).save(images / name)
    with held(tmp_path / "project") as folder:
        yield folder


@pytest.fixture
def work(project: Project, segmenter: Segmenter) -> ProjectSegmenter:
    return ProjectSegmenter(project, EncodedImages(segmenter))


def draw(project: Project, name: str, class_id: str, mask: NDArray[np.bool_]) -> None:
    """Save a mask of a class in an image."""
    image = image_of(project, name)
    editing.correct(project, image.id, image.revision, class_id, mask)


def use(project: Project, name: str, class_id: str) -> None:
    """Use the mask of a class in an image as an example."""
    image = image_of(project, name)
    editing.add_example(project, image.id, class_id, image.revision)


def teach_both(project: Project) -> tuple[str, str]:
    """Two classes, each with an example in the first image; gives their ids. Their numbers are 1 and 2."""
    red, blue = (editing.add_class(project, name, 60) for name in ("red", "blue"))
    for class_id, mask in ((red, object_mask(0)), (blue, BLUE)):
        draw(project, "a.png", class_id, mask & ~BLUE if class_id == red else mask)
        use(project, "a.png", class_id)
    return red, blue


def shown(project: Project, name: str) -> NDArray[np.uint8]:
    return project.mask(image_of(project, name))


def test_other_classes_are_found_around_what_a_person_drew(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter
) -> None:
    red, blue = teach_both(project)
    work.run()
    draw(project, "b.png", red, RED)
    assert set(np.unique(shown(project, "b.png"))) == {0, 1, 2}
    work.run()

    images = project.folder / "images"
    learned = segmenter.learn("blue", images / "a.png", BLUE)
    expected = segmenter.segment(images / "b.png", learned)
    around = np.where(RED, 1, np.where(expected.mask == 1, 2, 0))
    assert (around == 2).sum() > 200
    assert (shown(project, "b.png") == around).all()
    image = image_of(project, "b.png")
    found = {one.class_id: one for one in image.findings}
    assert (found[red].share, found[red].presence, found[red].score) == (RED.mean(), 1.0, 1.0)
    assert found[blue].share == float((around == 2).mean())
    assert found[blue].presence == pytest.approx(expected.presence[0], abs=1e-4)
    assert image.uncertainty == pytest.approx(uncertainty(expected), abs=1e-4)
    scores = {region.label: region.score for region in labels_of(project, project.document, image).regions}
    assert scores == {"red": 1.0, "blue": pytest.approx(1 - expected.uncertainties[0], abs=1e-4)}

    # Another class that is taught better changes there too, as does the threshold; what was drawn does not.
    draw(project, "c.png", blue, BLUE)
    use(project, "c.png", blue)
    work.run()
    both = segmenter.learn("blue", [images / "a.png", images / "c.png"], [BLUE, BLUE])
    for threshold in (None, 0.9):
        editing.configure(project, Settings(threshold))
        work.run()
        renewed = segmenter.segment(images / "b.png", both, threshold=threshold).mask == 1
        assert (shown(project, "b.png") == np.where(RED, 1, np.where(renewed, 2, 0))).all()
    assert work.job() is None


def test_a_class_that_is_added_later_is_looked_for_where_another_one_was_drawn(
    project: Project, work: ProjectSegmenter
) -> None:
    red = editing.add_class(project, "red", 60)
    draw(project, "a.png", red, object_mask(0) & ~BLUE)
    use(project, "a.png", red)
    draw(project, "b.png", red, RED)
    work.run()
    assert [state_of(image_of(project, name)) for name in ("a.png", "b.png")] == ["corrected"] * 2
    drawn = (project.folder / mask_path(image_of(project, "b.png"))).read_bytes()

    blue = editing.add_class(project, "blue", 60)
    draw(project, "c.png", blue, BLUE)
    use(project, "c.png", blue)
    work.run()
    for name, mask in (("a.png", object_mask(0) & ~BLUE), ("b.png", RED)):
        numbers = shown(project, name)
        assert ((numbers == 1) == mask).all()
        assert ((numbers == 2) & BLUE).sum() > 100
        assert state_of(image_of(project, name)) == "found"
        assert image_of(project, name).id in order(project.document)

    # Once the whole image is accepted, or the other class is drawn as well, nothing changes there any more.
    a = image_of(project, "a.png")
    editing.review(project, a.id, a.revision, "accepted")
    draw(project, "b.png", blue, BLUE & ~RED)
    assert state_of(image_of(project, "b.png")) == "corrected"
    before = [shown(project, name) for name in ("a.png", "b.png")]
    for example in list(project.document.examples):
        editing.remove_example(project, example)
    work.run()
    assert [state_of(image_of(project, name)) for name in ("a.png", "b.png")] == ["accepted", "corrected"]
    assert all((shown(project, name) == mask).all() for name, mask in zip(("a.png", "b.png"), before, strict=True))

    # What is left without the other class is, to the byte, what was drawn before there was one.
    editing.remove_class(project, blue)
    assert (project.folder / mask_path(image_of(project, "b.png"))).read_bytes() == drawn


def test_a_class_that_a_person_says_is_not_there_stays_away(project: Project, work: ProjectSegmenter) -> None:
    red, blue = teach_both(project)
    work.run()
    assert (shown(project, "b.png") == 1).any()
    draw(project, "b.png", red, np.zeros(SIZE, np.bool_))
    work.run()
    assert not (shown(project, "b.png") == 1).any()
    draw(project, "c.png", blue, BLUE)
    use(project, "c.png", blue)
    work.run()
    assert not (shown(project, "b.png") == 1).any()
    assert (shown(project, "b.png") == 2).any()


def test_an_example_of_what_was_found_is_a_persons_for_its_class_only(project: Project, work: ProjectSegmenter) -> None:
    red, blue = teach_both(project)
    work.run()
    found = shown(project, "b.png") == 1
    use(project, "b.png", red)
    draw(project, "c.png", blue, BLUE & ~object_mask(2))
    use(project, "c.png", blue)
    draw(project, "c.png", red, object_mask(2))
    use(project, "c.png", red)
    work.run()
    image = image_of(project, "b.png")
    assert ((shown(project, "b.png") == 1) == found).all()
    assert (image.drawn, image.review, state_of(image)) == ((red,), "", "found")


def test_steps_are_taken_back_and_done_again_around_what_the_network_renews(
    project: Project, work: ProjectSegmenter
) -> None:
    red, _ = teach_both(project)
    work.run()
    found = shown(project, "b.png")
    draw(project, "b.png", red, RED)
    work.run()
    drawn = shown(project, "b.png")
    project.undo()
    work.run()
    assert (shown(project, "b.png") == found).all()
    project.redo()
    work.run()
    assert (shown(project, "b.png") == drawn).all()
    editing.remove_class(project, red)
    work.run()
    assert not image_of(project, "b.png").edited  # there is nothing of a person's left
    assert (shown(project, "b.png") == 2).any()
    project.undo()
    work.run()
    assert (shown(project, "b.png") == drawn).all()
    image = image_of(project, "b.png")
    editing.review(project, image.id, image.revision, "new")
    work.run()
    assert (shown(project, "b.png") == found).all()


def test_a_program_that_is_killed_keeps_what_was_drawn(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter, folder: Path
) -> None:
    red, blue = teach_both(project)
    draw(project, "b.png", red, RED)
    draw(project, "c.png", blue, BLUE)
    document = (folder / FILE).read_bytes()
    work.run()
    renewed = shown(project, "b.png")
    (folder / FILE).write_bytes(document)  # masks were written, and the document was not
    opened = Project(folder)
    assert ((shown(opened, "b.png") == 1) == RED).all()
    ProjectSegmenter(opened, EncodedImages(segmenter)).run()
    assert (shown(opened, "b.png") == renewed).all()


def test_what_the_network_renews_does_not_stand_against_a_person_but_another_person_does(
    project: Project, work: ProjectSegmenter
) -> None:
    red, blue = teach_both(project)
    draw(project, "b.png", red, RED)
    known = image_of(project, "b.png")
    work.run()
    assert image_of(project, "b.png").revision > known.revision
    with pytest.raises(ConflictError):  # it was not this mask that was looked at
        editing.review(project, known.id, known.revision, "accepted")
    with pytest.raises(ConflictError):
        editing.add_example(project, known.id, blue, known.revision)
    editing.add_example(project, known.id, red, known.revision)
    known = image_of(project, "b.png")
    work.run()
    editing.correct(project, known.id, known.revision, blue, BLUE)
    work.run()
    with pytest.raises(ConflictError):
        editing.correct(project, known.id, known.revision, red, RED)
    assert image_of(project, "b.png").drawn == (red, blue)


@pytest.mark.parametrize("before", ["accepted", "edited"])
def test_a_mask_that_was_a_persons_as_a_whole_stays_so_when_it_is_corrected(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter, folder: Path, before: str
) -> None:
    """Accepted, or drawn in a project of before, which does not say what a person drew in it."""
    red, blue = teach_both(project)
    work.run()
    b = image_of(project, "b.png")
    if before == "accepted":
        editing.review(project, b.id, b.revision, "accepted")
    else:
        draw(project, "b.png", red, shown(project, "b.png") == 1)
        work.run()
        values = json.loads((folder / FILE).read_text())
        for image in values["images"]:
            del image["drawn"], image["touched"]
        (folder / FILE).write_text(json.dumps(values))
        project = Project(folder)
        work = ProjectSegmenter(project, EncodedImages(segmenter))
    kept = shown(project, "b.png")
    draw(project, "c.png", blue, BLUE)
    use(project, "c.png", blue)
    work.run()
    assert (shown(project, "b.png") == kept).all()
    draw(project, "b.png", red, RED)
    work.run()
    kept = np.where(RED, 1, np.where(kept == 1, 0, kept))
    assert (shown(project, "b.png") == kept).all()
    assert state_of(image_of(project, "b.png")) == "corrected"


def test_a_mask_of_another_size_is_not_drawn_over(project: Project, work: ProjectSegmenter, folder: Path) -> None:
    red, _ = teach_both(project)
    draw(project, "b.png", red, RED)
    other = (folder / "images" / "b.png").read_bytes()
    Image.new("RGB", (50, 40)).save(folder / "images" / "b.png")
    mask = folder / mask_path(image_of(project, "b.png"))
    content = mask.read_bytes()
    work.run()
    assert image_of(project, "b.png").reason.startswith("b.png is not a mask of b.png, whose size it must have")
    assert mask.read_bytes() == content
    (folder / "images" / "b.png").write_bytes(other)
    opened = Project(folder)
    assert not image_of(opened, "b.png").reason
    assert ((shown(opened, "b.png") == 1) == RED).all()
