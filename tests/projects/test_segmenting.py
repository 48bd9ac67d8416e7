"""The network in a project: it does what is out of date, and nothing that a person has settled."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.config import Calibration
from cdpnet.errors import DataError
from cdpnet.inference.class_files import load_class
from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.inference.uncertainty import uncertainty
from cdpnet.labels.png import read_mask
from cdpnet.projects import editing
from cdpnet.projects.document import Settings
from cdpnet.projects.project import ConflictError, Project
from cdpnet.projects.segmenting import Gain, ProjectSegmenter
from cdpnet.web.pictures import Pictures
from tests.projects.making import NAMES, SIZE, image_of, object_mask, teach


@pytest.fixture
def work(project: Project, segmenter: Segmenter) -> ProjectSegmenter:
    return ProjectSegmenter(project, EncodedImages(segmenter))


def test_masks_are_those_of_the_segmenter(project: Project, work: ProjectSegmenter, segmenter: Segmenter) -> None:
    teach(project)
    work.run()
    images = project.folder / "images"
    learned = segmenter.learn("thing", images / "a.png", object_mask(0))
    for name in NAMES[1:]:
        expected = segmenter.segment(images / name, learned)
        image = image_of(project, name)
        assert (project.mask(image) == expected.mask).all()
        (finding,) = image.findings
        assert finding.share == float((expected.mask == 1).mean())
        assert finding.presence == pytest.approx(expected.presence[0], abs=1e-4)
        assert image.uncertainty == pytest.approx(uncertainty(expected), abs=1e-4)
    assert (project.mask(image_of(project, "a.png")) == object_mask(0)).all()
    assert work.job() is None
    assert not work.step()


def test_results_are_renewed_where_a_calibrated_network_decides_otherwise(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter
) -> None:
    """Its classes fit as they are."""
    class_id = teach(project)
    work.run()
    assert project.mask(image_of(project, "b.png")).any()
    learned = project.one_class(class_id).learned
    network, always = copy.deepcopy(segmenter.network), Calibration(threshold=1.0)
    network.config = replace(network.config, decision=replace(network.config.decision, named=always, unnamed=always))
    with_other = ProjectSegmenter(project, EncodedImages(Segmenter(network)))
    assert not with_other.is_segmented
    with_other.run()
    assert with_other.is_segmented
    assert project.one_class(class_id).learned == learned
    assert not any(project.mask(image_of(project, name)).any() for name in NAMES[1:])
    assert (project.mask(image_of(project, "a.png")) == object_mask(0)).all()


def test_a_mask_is_a_label_of_cdpnet_label(project: Project, work: ProjectSegmenter) -> None:
    teach(project)
    work.run()
    labels = project.folder / "labels"
    assert (labels / "classes.txt").read_text() == "thing\n"
    assert read_mask(labels / "masks" / "a.png", SIZE).numpy().sum() == object_mask(0).sum()
    with Image.open(labels / "masks" / "a.png") as mask:
        assert mask.mode == "P"


def test_a_class_grows_and_shrinks_with_its_examples(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter
) -> None:
    class_id = teach(project)
    teach(project, "b.png")
    work.run()
    images = project.folder / "images"
    both = segmenter.learn("thing", [images / "a.png", images / "b.png"], [object_mask(0), object_mask(1)])
    file = project.folder / editing.class_file(class_id)
    assert load_class(file).foreground.equal(both.foreground)
    first = next(iter(project.document.examples))
    editing.switch_example(project, first, enabled=False)
    work.run()
    assert load_class(file).foreground.equal(segmenter.learn("thing", images / "b.png", object_mask(1)).foreground)
    project.undo()
    work.run()
    assert load_class(file).shots == 2
    editing.rename_class(project, class_id, "other thing", 60)
    work.run()
    assert load_class(file).name == "other thing"
    for example in list(project.document.examples):
        editing.remove_example(project, example)
    work.run()
    assert not project.one_class(class_id).pooled
    assert image_of(project, "c.png").findings == ()
    assert not (project.folder / "labels" / "masks" / "c.png").exists()


def test_what_a_person_settled_stays(project: Project, work: ProjectSegmenter) -> None:
    class_id = teach(project)
    work.run()
    b, c = image_of(project, "b.png"), image_of(project, "c.png")
    editing.review(project, b.id, b.revision, "accepted")
    editing.review(project, c.id, c.revision, "rejected")
    settled = {name: (image_of(project, name), project.mask(image_of(project, name)).copy()) for name in NAMES[:3]}
    d = image_of(project, "d.png")
    editing.correct(project, d.id, d.revision, class_id, object_mask(0))
    editing.add_example(project, d.id, class_id, image_of(project, "d.png").revision)
    work.run()
    for name, (image, mask) in settled.items():
        assert image_of(project, name) == image
        assert (project.mask(image) == mask).all()
    editing.review(project, b.id, image_of(project, "b.png").revision, "new")
    assert image_of(project, "b.png").found_with == ""
    work.run()
    assert image_of(project, "b.png").found_with


def test_another_threshold_needs_no_network(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(project)
    work.run()
    expected = segmenter.segment(project.folder / "images" / "b.png", work.teacher.learned()[0][1], threshold=0.9).mask
    monkeypatch.setattr(EncodedImages, "segment", None)
    editing.configure(project, Settings(threshold=0.9))
    work.run()
    image = image_of(project, "b.png")
    assert (project.mask(image) == expected).all()
    assert not image.reason


def test_a_verdict_counts_for_a_new_result_only_if_its_mask_is_equal(project: Project, work: ProjectSegmenter) -> None:
    teach(project)
    editing.configure(project, Settings(threshold=0.5))
    work.run()
    b, c = image_of(project, "b.png"), image_of(project, "c.png")
    editing.configure(project, Settings(threshold=0.5 + 1e-9))
    work.run()
    assert image_of(project, "b.png").found_with != b.found_with
    editing.review(project, b.id, b.revision, "accepted")
    assert image_of(project, "b.png").review == "accepted"
    editing.configure(project, Settings(threshold=0.99))
    work.run()
    with pytest.raises(ConflictError, match=r"c\.png was changed meanwhile"):
        editing.review(project, c.id, c.revision, "accepted")


def test_a_result_of_older_classes_is_dropped(
    project: Project, work: ProjectSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(project)
    assert work.step()  # learns
    segment = EncodedImages.segment

    def segment_and_be_overtaken(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(EncodedImages, "segment", segment)
        found = segment(*arguments, **options)  # type: ignore[arg-type]
        image = image_of(project, "b.png")
        editing.correct(project, image.id, image.revision, next(iter(project.document.classes)), object_mask(3))
        return found

    monkeypatch.setattr(EncodedImages, "segment", segment_and_be_overtaken)
    work.run()
    assert (project.mask(image_of(project, "b.png")) == object_mask(3)).all()
    assert image_of(project, "c.png").found_with


def test_one_bad_image_is_shown_with_its_reason(project: Project, work: ProjectSegmenter) -> None:
    teach(project)
    (project.folder / "images" / "b.png").write_bytes(b"damaged")
    (project.folder / "images" / "c.png").unlink()
    work.run()
    assert image_of(project, "b.png").reason.startswith("b.png is not an image that can be read")
    assert image_of(project, "c.png").reason.startswith("c.png is no longer in the folder of images; put it back")
    assert image_of(project, "d.png").found_with
    assert work.job() is None


def test_an_example_whose_image_is_gone_still_teaches(project: Project, work: ProjectSegmenter) -> None:
    """The class file keeps what was learned from it; only what needs the image fails, with the reason."""
    class_id = teach(project)
    work.run()
    (project.folder / "images" / "a.png").unlink()
    teach(project, "b.png")
    work.run()
    assert len(project.one_class(class_id).pooled) == 2
    assert not project.one_class(class_id).reason
    editing.rename_class(project, class_id, "renamed", 60)
    work.run()
    assert "a.png is no longer in the folder of images" in project.one_class(class_id).reason
    assert len(project.one_class(class_id).pooled) == 2
    assert image_of(project, "d.png").findings


def test_a_stopped_program_goes_on_where_it_was(project: Project, work: ProjectSegmenter, segmenter: Segmenter) -> None:
    teach(project)
    for _ in range(2):
        assert work.step()
    opened = Project(project.folder)  # as after a crash, since nothing was saved at an end
    again = ProjectSegmenter(opened, EncodedImages(segmenter))
    again.run()
    work.run()
    for name in NAMES:
        assert (opened.mask(image_of(opened, name)) == project.mask(image_of(project, name))).all()


def test_a_class_of_another_model_is_learned_anew(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter
) -> None:
    class_id = teach(project)
    work.run()
    path = project.folder / editing.class_file(class_id)
    other = Segmenter(segmenter.network)
    other.__dict__["model"] = ("f" * 16, "another model")
    changed = ProjectSegmenter(Project(project.folder), EncodedImages(other))
    changed.run()
    assert load_class(path).model[0] == "f" * 16


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_a_class_file_that_is_lost_is_learned_anew(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter, damage: str
) -> None:
    class_id = teach(project)
    work.run()
    path = project.folder / editing.class_file(class_id)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"broken")
    again = ProjectSegmenter(Project(project.folder), EncodedImages(segmenter))
    again.run()
    assert load_class(path).shots == 1


def test_the_gain_counts_what_changed(project: Project, work: ProjectSegmenter) -> None:
    class_id = teach(project)
    work.run()
    before = {name: project.mask(image_of(project, name)) == 1 for name in ("c.png", "d.png")}
    teach(project, "b.png")
    work.run()
    expected = [1 - iou(before[name], project.mask(image_of(project, name)) == 1) for name in before]
    assert work.gain is not None
    assert replace(work.gain, total=0.0) == Gain(class_id, sum(change > 0 for change in expected), 2)
    assert work.gain.total == pytest.approx(sum(expected))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 1.0


def test_a_mask_of_another_size_is_refused(project: Project, folder: Path) -> None:
    teach(project)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "labels" / "masks" / "a.png")
    with pytest.raises(DataError, match=r"a\.png is not a mask of a\.png, whose size it must have"):
        project.mask(image_of(project, "a.png"))


def test_examples_are_compared_with_what_the_others_find(
    project: Project, work: ProjectSegmenter, segmenter: Segmenter
) -> None:
    teach(project)
    work.run()
    (only,) = project.document.examples.values()
    assert work.agreement.of(only) is None
    teach(project, "b.png")
    teach(project, "c.png")
    work.run()
    assert work.job() is None
    images = project.folder / "images"
    others = segmenter.learn("thing", [images / "b.png", images / "c.png"], [object_mask(1), object_mask(2)])
    found = segmenter.segment(images / "a.png", others, min_presence=0).mask == 1
    assert work.agreement.of(only) == pytest.approx(1 - iou(found, object_mask(0)))
    editing.switch_example(project, only.id, enabled=False)
    work.run()
    assert work.agreement.of(project.example(only.id)) is None


def test_an_image_that_is_gone_when_it_is_shown_is_failed(project: Project, work: ProjectSegmenter) -> None:
    teach(project)
    work.run()
    pictures = Pictures(project)
    (project.folder / "images" / "a.png").unlink()
    with pytest.raises(DataError):
        pictures.view(image_of(project, "a.png"))
    image = image_of(project, "a.png")
    assert image.reason.startswith("a.png is no longer in the folder of images")
    assert image.edited
    assert (project.mask(image) == object_mask(0)).all()
