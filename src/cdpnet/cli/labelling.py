"""The commands segment, learn, classes and label."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.cli.options import (
    at_least_one,
    check_probability,
    chosen_refinement,
    device_option,
    load_chosen_network,
    model_options,
    refine_option,
    support_pairs,
    warn_of_icons_only,
)
from cdpnet.cli.parser import new_parser
from cdpnet.cli.projects import check_project_or_folders, finish, project_option
from cdpnet.cli.screen import labelling_bar, print_line, printed, progress_bar, say, to_standard_error
from cdpnet.encoders.catalogue import require_image_weights
from cdpnet.errors import DataError
from cdpnet.io.files import refuse_to_replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jsonargparse import ArgumentParser

    from cdpnet.config import QueryPrecision
    from cdpnet.inference.class_files import ClassPrototype
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.labels.examples import Example

_PROPOSALS = "Without an example the masks are proposals from the name alone; correct one and give it as --support."


def segment(arguments: list[str]) -> None:
    """Segment a class in images, learned from one example or a few."""
    parser = new_parser("segment", "Segment a class in images, learned from one labelled example or a few.")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="images to segment")
    parser.add_argument(
        "--name", default="", help="what the class is called; by default the network uses the examples alone"
    )
    parser.add_argument(
        "--support",
        action="append",
        default=[],
        metavar="IMAGE:MASK",
        help="an example: an image and its mask; may be repeated; without one, the masks are proposals from the name",
    )
    parser.add_argument("--out", required=True, help="folder for the masks and overlays")
    parser.add_argument("--overwrite", action="store_true", help="replace results of an earlier run")
    _query_options(parser)
    model_options(parser, "photo")
    device_option(parser)
    chosen = parser.parse_args(arguments)
    supports = support_pairs(chosen.support)
    out, thresholds = Path(chosen.out), _thresholds(chosen)
    require_image_weights(chosen.model, chosen.image_weights)

    from cdpnet.bulk.segment_files import Output, plan_outputs, segment_images

    inputs = [path for pair in supports for path in pair]
    outputs = plan_outputs([Path(p) for p in chosen.images], out, inputs=inputs, overwrite=chosen.overwrite)
    segmenter = _load_segmenter(chosen, precision=chosen.precision, refine=chosen_refinement(chosen))
    if supports:
        learned = segmenter.learn(chosen.name, [image for image, _ in supports], [mask for _, mask in supports])
    else:
        learned = segmenter.learn_name(chosen.name)
        print_line(_PROPOSALS)
    with progress_bar() as progress:
        task = progress.add_task("segmenting", total=len(outputs))

        def show(output: Output, share: float) -> None:
            found = f"{100 * share:.1f} % of the image" if share else "not found"
            say(progress.console, f"{output.mask}  {found}")
            progress.advance(task)

        segment_images(segmenter, learned, outputs, show, **thresholds)
    warn_of_icons_only(chosen)


def learn(arguments: list[str]) -> None:
    """Learn a class from examples and save it in a class file."""
    parser = new_parser("learn", "Learn a class from examples and save it in a class file.")
    parser.add_argument("--name", required=True, help="what the class is called")
    parser.add_argument(
        "--support",
        nargs="+",
        default=[],
        metavar="IMAGE:MARKS",
        help="examples; marks are a mask, or a COCO, LabelMe, YOLO or Label Studio file; both also as folders; none: "
        "proposals from the name",
    )
    parser.add_argument("--without", nargs="+", default=[], metavar="IMAGE", help="images that do not show the class")
    parser.add_argument("-o", "--out", required=True, help="the class file to write, *.safetensors")
    parser.add_argument("--label", default="", help="name of the class in the label files; by default that of --name")
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
    chosen = parser.parse_args(arguments)
    out = Path(chosen.out)
    if not chosen.name.strip():
        raise DataError("--name is empty; a class needs a name for its labels (--images-only keeps it from the model).")
    refuse_to_replace(out, overwrite=chosen.overwrite)
    if chosen.adapt < 0:
        raise DataError(f"--adapt must not be negative, and is {chosen.adapt}.")
    supports = support_pairs(chosen.support)
    require_image_weights(chosen.model, chosen.image_weights)

    from cdpnet.inference.class_files import save_class
    from cdpnet.labels.examples import read_examples

    examples = [example for pair in supports for example in read_examples(*pair, chosen.label or chosen.name)]
    segmenter = _load_segmenter(chosen)
    learned = _learn(segmenter, examples, chosen)
    if chosen.without:
        learned = segmenter.learn_absence(learned, chosen.without)
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
        print_line(_PROPOSALS)
    print_line(f"{out}: {learned.name!r}, learned from {learned.shots} image{'s' * (learned.shots != 1)}")
    warn_of_icons_only(chosen)


def _learn(segmenter: Segmenter, examples: Sequence[Example], chosen: Any) -> ClassPrototype:
    """The class of `learn`, from its examples or, where there are none, from its name."""
    if examples:
        images, masks = [example.image for example in examples], [example.mask for example in examples]
        return segmenter.learn(chosen.name, images, masks, read_name=not chosen.images_only, steps=chosen.adapt)
    if chosen.adapt or chosen.images_only:
        raise DataError("--adapt and --images_only need examples; give some with --support.")
    return segmenter.learn_name(chosen.name)


def classes(arguments: list[str]) -> None:
    """List class files."""
    parser = new_parser("classes", "List class files: the class, its examples, and the model that learned it.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="class files")
    chosen = parser.parse_args(arguments)

    from cdpnet.inference.class_files import load_class
    from cdpnet.report.tables import text_table

    rows = []
    for path in map(Path, chosen.files):
        learned = load_class(path)
        known_by = _known_by(learned)
        fingerprint, model = learned.model
        size = f"{path.stat().st_size / 1024:.0f} KB"
        rows.append((str(path), learned.name, str(learned.shots), known_by, f"{model}, {fingerprint}", size))
    printed(text_table(dict.fromkeys(("file", "class", "images", "known by", "model", "size"), "left"), rows))


def _known_by(learned: ClassPrototype) -> str:
    """What a class is known by, for people."""
    if not learned.reads_name:
        return "images"
    if not learned.shots:
        return "name alone"
    return "name, images" if learned.by_name else "name, not recognised"


def label(arguments: list[str]) -> int:
    """Label a folder of images; returns 1 where some of them could not be read."""
    from cdpnet.labels.label_set import FormatName

    parser = new_parser("label", "Segment learned classes in all images of a folder; a stopped run is continued.")
    parser.add_argument("folder", nargs="?", default="", metavar="FOLDER", help="images; with those of its subfolders")
    parser.add_argument(
        "--classes", nargs="+", default=[], metavar="FILE", help="class files that `cdpnet learn` wrote"
    )
    parser.add_argument("--out", default=None, help="folder for the labels and for index.html, the contact sheet")
    project_option(parser)
    parser.add_argument("--format", type=FormatName, default="png", help="format of the labels; by default png")
    parser.add_argument("--overwrite", action="store_true", help="start again and replace the labels of an earlier run")
    parser.add_argument("--strict", action="store_true", help="stop at the first image that cannot be labelled")
    parser.add_argument(
        "--engine", choices=("plain", "ray"), default="plain", help="ray labels on a cluster (extra bulk)"
    )
    parser.add_argument("--workers", type=int, default=None, help="processes of --engine ray; by default all cores")
    parser.add_argument(
        "--tiles_above",
        type=int,
        default=None,
        help="longer side in pixels beyond which an image is processed in tiles; by default 4 times the working size",
    )
    _query_options(parser)
    model_options(parser, "photo")
    device_option(parser)
    chosen = parser.parse_args(arguments)
    thresholds = _thresholds(chosen)
    for option in ("workers", "tiles_above"):
        if chosen[option] is not None:
            at_least_one(f"--{option.replace('_', '-')}", chosen[option])
    check_project_or_folders(chosen)
    require_image_weights(chosen.model, chosen.image_weights)
    if chosen.project:
        return finish(chosen)

    from cdpnet.bulk.engines import label_locally, label_with_ray
    from cdpnet.bulk.job import FAILED_FILE, PAGE, run_job
    from cdpnet.bulk.labeller import Labeller
    from cdpnet.inference.class_files import load_classes
    from cdpnet.labels.label_set import LabelSet
    from cdpnet.report.contact_sheet import write_sheet

    out = Path(chosen.out)
    engine = label_locally if chosen.engine == "plain" else partial(label_with_ray, workers=chosen.workers)
    segmenter = _load_segmenter(chosen, chosen.tiles_above, chosen.precision, chosen_refinement(chosen))
    files = [Path(path) for path in chosen.classes]
    known = load_classes(files, *segmenter.model)
    target = LabelSet(Path(chosen.folder), out, tuple(learned.name for learned in known))
    labeller = Labeller(segmenter, known, target, chosen.format, **thresholds)
    with labelling_bar() as show:
        result = run_job(
            labeller,
            engine,
            show,
            overwrite=chosen.overwrite,
            inputs=files,
            strict=chosen.strict,
            report=to_standard_error,
            finish=lambda result: write_sheet(result, labeller),
        )
    warn_of_icons_only(chosen)
    failed = result.failed
    for image, reason in failed.items():
        print_line(f"not labelled: {image}: {reason}")
    print_line(f"{len(result.images) - len(failed)} images are labelled; see {out / PAGE}")
    if failed:
        print_line(
            f"{len(failed)} of {len(result.images)} images are not labelled; the reasons are in {out / FAILED_FILE}"
        )
    return 1 if failed else 0


def _query_options(parser: ArgumentParser) -> None:
    """Add the options of segmenting, beside those of the network."""
    from cdpnet.config import QueryPrecision

    parser.add_argument(
        "--precision",
        type=QueryPrecision,
        default="float32",
        help="of large products: float32, bfloat16, or attention for bfloat16 in the match alone; by default float32",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=None,
        help="probability that a class must exceed at a pixel, 0 to 1; by default the model's own",
    )
    parser.add_argument(
        "--min_presence",
        type=float,
        default=None,
        help="leave out a class that is less probable to be in an image, 0 to 1; by default the model's own threshold",
    )
    refine_option(parser)


def _thresholds(chosen: Any) -> dict[str, float | None]:
    """The values of `_query_options`, as keywords of `Segmenter.segment`."""
    return {
        "threshold": check_probability("--threshold", chosen.threshold),
        "min_presence": check_probability("--min_presence", chosen.min_presence),
    }


def _load_segmenter(
    chosen: Any, tiles_above: int | None = None, precision: QueryPrecision = "float32", refine: bool | None = None
) -> Segmenter:
    """A segmenter over the network of `model_options`."""
    from cdpnet.inference.segmenter import Segmenter

    return Segmenter(load_chosen_network(chosen), tiles_above=tiles_above, precision=precision, refine=refine)
