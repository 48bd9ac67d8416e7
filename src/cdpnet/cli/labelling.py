"""The commands learn, classes and label."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.cli.cloud import Copies, copied
from cdpnet.cli.label_options import chosen_instances, chosen_label_set, writing_options
from cdpnet.cli.labels import compare_with_truth
from cdpnet.cli.options import (
    SEGMENTING,
    at_least_one,
    chosen_refinement,
    device_option,
    files_of_model,
    model_options,
    require_chosen_model,
    warn_of_icons_only,
)
from cdpnet.cli.parser import group_of, new_parser
from cdpnet.cli.projects import check_project_or_folders, finish, project_option
from cdpnet.cli.query import PROPOSALS, chosen_thresholds, load_segmenter, query_options
from cdpnet.cli.screen import labelling_bar, print_line, printed, to_standard_error
from cdpnet.cli.supports import (
    annotation_choices,
    files_of,
    read_supports,
    require_supports,
    spread_supports,
    support_options,
)
from cdpnet.errors import DataError
from cdpnet.io.files import TENSORS_ENDING, check_out_file, real_path, regular_file, require_class_file
from cdpnet.runtime.extras import require_ray
from cdpnet.runtime.text import counted, form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdpnet.inference.class_files import ClassPrototype
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.labels.examples import Example
    from cdpnet.labels.instances import InstanceRules


def learn(arguments: list[str]) -> None:
    """Learn a class from examples and save it in a class file."""
    parser = new_parser(
        "learn",
        "Learn a class from examples and save it in a class file.",
        "learn --name dog --support a.jpg:a.png b.jpg:b.json --out dog.safetensors",
        "learn --name dog --support photos:annotations.json --label Dog --out dog.safetensors",
    )
    parser.add_argument("--name", required=True, help="what the class is called")
    support_options(parser, "none: proposals from the name")
    parser.add_argument("--without", nargs="+", default=[], metavar="IMAGE", help="images that do not show the class")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the class file to write, *.safetensors")
    parser.add_argument(
        "--images_only", action="store_true", help="learn from the images alone; the model does not read the name"
    )
    parser.add_argument(
        "--adapt",
        type=int,
        default=0,
        help="gradient steps on two or more examples; used only if they help there; by default 0",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    model_options(parser, "photo")
    device_option(parser)
    chosen = parser.parse_args(spread_supports(arguments, all_words=True))
    out, without = Path(chosen.out), [Path(path) for path in chosen.without]
    chosen.name = chosen.name.strip()
    if not chosen.name:
        raise DataError("--name is empty; a class needs a name for its labels (--images-only keeps it from the model).")
    check_out_file(out, (TENSORS_ENDING,), read=files_of_model(chosen), overwrite=chosen.overwrite)
    if chosen.adapt < 0:
        raise DataError(f"--adapt must not be negative, and is {chosen.adapt}.")
    require_supports(chosen.support)
    for path in without:
        regular_file(path, "an image")
    require_chosen_model(chosen)

    from cdpnet.inference.class_files import save_class

    examples = read_supports(chosen)
    shown = {real_path(example.image) for example in examples}
    for path in without:
        if real_path(path) in shown:
            raise DataError(f"{path} shows the class as an example, and is also named after --without; leave one out.")
    segmenter = load_segmenter(chosen)
    learned = _learn(segmenter, examples, chosen)
    if without:
        learned = segmenter.learn_absence(learned, without)
    save_class(learned, out)
    if learned.reads_name and not learned.by_name:
        print_line(
            f"The model does not recognise the name {learned.name!r} in the examples; where masks are poor, "
            "--images-only may serve better."
        )
    if chosen.adapt:
        print_line(
            "The adaptation is kept." if learned.fusion else "The adaptation did not help on the examples; not kept."
        )
    if learned.min_presence is not None:
        print_line(f"The class counts as absent below a presence of {learned.min_presence:.3f}.")
    if not learned.shots:
        print_line(PROPOSALS)
    print_line(f"{out}: {learned.name!r}, learned from {counted(learned.shots, 'image')}")
    warn_of_icons_only(chosen)


def _learn(segmenter: Segmenter, examples: Sequence[Example], chosen: Any) -> ClassPrototype:
    """The class of `learn` or `label`, from its examples or, where there are none, from its name."""
    if examples:
        images, masks = [example.image for example in examples], [example.mask for example in examples]
        read_name, steps = not chosen.get("images_only"), chosen.get("adapt", 0)
        return segmenter.learn(chosen.name, images, masks, read_name=read_name, steps=steps)
    if chosen.get("adapt") or chosen.get("images_only"):
        raise DataError("--adapt and --images-only need examples; give some with --support.")
    return segmenter.learn_name(chosen.name)


def classes(arguments: list[str]) -> None:
    """List class files."""
    parser = new_parser(
        "classes",
        "List class files: the class, its examples, and the model that learned it.",
        "classes dog.safetensors",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="class files")
    chosen = parser.parse_args(arguments)
    for file in chosen.files:
        require_class_file(Path(file))

    from cdpnet.inference.class_files import load_class
    from cdpnet.report.tables import text_table

    rows = []
    for path in map(Path, chosen.files):
        learned = load_class(path)
        known_by = _known_by(learned)
        fingerprint, model = learned.model
        rows.append((str(path), learned.name, str(learned.shots), known_by, f"{model}, {fingerprint}"))
    printed(text_table(dict.fromkeys(("file", "class", "images", "known by", "model"), "left"), rows, whole="model"))


def _known_by(learned: ClassPrototype) -> str:
    """What a class is known by, for people."""
    if not learned.reads_name:
        return "images"
    if not learned.shots:
        return "name alone"
    return "name, images" if learned.by_name else "name, not recognised"


def label(arguments: list[str]) -> int:
    """Label a folder of images; returns 1 where some of them could not be read."""
    from cdpnet.labels.reading import recognise

    parser = new_parser(
        "label",
        "Segment learned classes in all images of a folder; a stopped run is continued.",
        "label photos --classes dog.safetensors --format coco --out labels",
        "label photos --name dog --support a.jpg:a.png --out labels",
        "label --project FOLDER   # finish the work of the page",
    )
    parser.add_argument(
        "folder", nargs="?", default="", metavar="FOLDER", help="images; with those of its subfolders; also s3://..."
    )
    parser.add_argument(
        "--classes", nargs="+", default=[], metavar="FILE", help="class files that `cdpnet learn` wrote"
    )
    parser.add_argument("--name", default="", help="what the class is called that is learned in this run")
    support_options(parser, "none: proposals from --name, or only the classes of --classes")
    parser.add_argument(
        "--out", default=None, metavar="FOLDER", help="folder for the labels and for index.html, the contact sheet"
    )
    project_option(parser)
    writing_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="start again and replace the labels of an earlier run")
    parser.add_argument(
        "--truth",
        default="",
        metavar="LABELS",
        help="true labels of the images, a file or a folder: prints the IoU of each class and writes truth.html",
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first image that cannot be labelled")
    parser.add_argument(
        "--engine",
        choices=("plain", "ray"),
        default="plain",
        help="plain, or ray to label on a cluster, without a shared disk (extra bulk); by default plain",
    )
    parser.add_argument("--workers", type=int, default=None, help="processes of --engine ray; by default all cores")
    group_of(parser, SEGMENTING).add_argument(
        "--tiles_above",
        type=int,
        default=None,
        help="longer side in pixels beyond which an image is processed in tiles; by default 4 times the working size",
    )
    query_options(parser)
    model_options(parser, "photo")
    device_option(parser)
    chosen = parser.parse_args(spread_supports(arguments))
    thresholds, instances = chosen_thresholds(chosen), chosen_instances(chosen)
    chosen.name = chosen.name.strip()
    check_project_or_folders(chosen)
    for option in ("workers", "tiles_above"):
        if chosen[option] is not None:
            at_least_one(f"--{option.replace('_', '-')}", chosen[option])
    truth = [Path(chosen.truth)] if chosen.truth else []
    for path in truth:
        recognise(path)  # refused before anything is loaded
    require_chosen_model(chosen)
    if chosen.engine == "ray":
        require_ray()
    if chosen.project:
        return finish(chosen)

    from cdpnet.io.images import require_folder

    require_supports(chosen.support)
    for file in chosen.classes:
        require_class_file(Path(file))
    with copied(chosen, "folder") as copies:
        require_folder(Path(chosen.folder))
        return _label_folder(chosen, thresholds, instances, truth, copies)


def _label_folder(
    chosen: Any, thresholds: dict[str, float | None], instances: InstanceRules | None, truth: list[Path], copies: Copies
) -> int:
    """Label the folder of options that are checked; returns 1 where some images could not be read."""
    from cdpnet.bulk.engines import label_locally
    from cdpnet.bulk.job import FAILED_FILE, PAGE, TRUTH_PAGE, run_job
    from cdpnet.bulk.labeller import Labeller
    from cdpnet.bulk.ray_engine import label_with_ray
    from cdpnet.inference.class_files import load_classes
    from cdpnet.labels.labelled_folder import LabelledFolder
    from cdpnet.report.contact_sheet import write_sheet

    out = Path(chosen.out)
    engine = label_locally if chosen.engine == "plain" else partial(label_with_ray, workers=chosen.workers)
    examples = read_supports(chosen)
    read, marks = files_of(examples, chosen)
    segmenter = load_segmenter(chosen, chosen.tiles_above, chosen.precision, chosen_refinement(chosen))
    files = [Path(path) for path in chosen.classes]
    known = list(load_classes(files, *segmenter.model))
    if chosen.name in [learned.name for learned in known]:
        raise DataError(f"--name {chosen.name} is also the class of a file in --classes; leave one out.")
    known += [_learn(segmenter, examples, chosen)] if chosen.name else []
    fingerprint, _ = segmenter.model
    names = [learned.name for learned in known]
    target = chosen_label_set(chosen, Path(chosen.folder), names, model_version=f"cdpnet {fingerprint}")
    labeller = Labeller(segmenter, known, target, chosen.format, **thresholds, instances=instances)
    with labelling_bar() as show:
        result = run_job(
            labeller,
            engine,
            copies.with_sending(show),
            overwrite=chosen.overwrite,
            inputs=[*files, *read],
            marks=[*marks, *truth],
            strict=chosen.strict,
            shown=copies.shown,
            report=lambda line: to_standard_error(copies.shown(line)),
            finish=lambda result: write_sheet(result, labeller),
        )
    warn_of_icons_only(chosen)
    failed = result.failed
    for image, reason in failed.items():
        print_line(f"not labelled: {image}: {reason}")
    print_line(
        f"{counted(result.n_images - len(failed), 'image is', 'images are')} labelled; see {copies.shown(out / PAGE)}"
    )
    if failed:
        print_line(
            f"{len(failed):,} of {counted(result.n_images, 'image')} {form(len(failed), 'is', 'are')} not labelled; "
            f"the reasons are in {copies.shown(out / FAILED_FILE)}"
        )
    for path in truth:
        labels = {record.labels.image: record.labels for record in result.journal.records(result.images)}
        found = LabelledFolder(chosen.format, tuple(names), labels)
        compare_with_truth(path, found, target.images, out / TRUTH_PAGE, annotation_choices(chosen))
    return 1 if failed else 0
