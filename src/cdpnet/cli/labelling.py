"""Commands for those who label: segment, learn, classes, label, demo."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.cli.options import (
    at_least_one,
    model_options,
    out_folder,
    share_option,
    support_pairs,
    weight_sources,
)
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import labelling_bar, printed, progress_bar, say
from cdpnet.encoders.catalogue import require_image_weights
from cdpnet.errors import DataError
from cdpnet.io.files import refuse_to_replace

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.config import QueryPrecision
    from cdpnet.inference.segmenter import Segmenter


def segment(arguments: list[str]) -> None:
    """Find a class in images from one labelled example or a few."""
    parser = new_parser("segment", "Find a class in images from one labelled example or a few.")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="images to segment")
    parser.add_argument("--name", default="", help="what the class is called; leave out to go by the images alone")
    parser.add_argument(
        "--support", action="append", required=True, metavar="IMAGE:MASK", help="an example; may be given again"
    )
    parser.add_argument("--out", required=True, help="folder for the masks and overlays")
    parser.add_argument("--overwrite", action="store_true", help="replace results of an earlier run")
    _query_options(parser)
    model_options(parser)
    chosen = parser.parse_args(arguments)
    supports = support_pairs(chosen.support)
    out, thresholds = Path(chosen.out), _thresholds(chosen)
    require_image_weights(chosen.model, chosen.image_weights)

    from cdpnet.bulk.segment_files import Output, plan_outputs, segment_images

    inputs = [path for pair in supports for path in pair]
    outputs = plan_outputs([Path(p) for p in chosen.images], out, inputs=inputs, overwrite=chosen.overwrite)
    segmenter = _segmenter(chosen, precision=chosen.precision)
    learned = segmenter.learn(chosen.name, [image for image, _ in supports], [mask for _, mask in supports])
    with progress_bar() as progress:
        task = progress.add_task("segmenting", total=len(outputs))

        def show(output: Output, share: float) -> None:
            found = f"{100 * share:.1f} % of the image" if share else "not found"
            say(progress.console, f"{output.mask}  {found}")
            progress.advance(task)

        segment_images(segmenter, learned, outputs, show, **thresholds)


def learn(arguments: list[str]) -> None:
    """Learn a class from a few marked images, and keep it in a file."""
    parser = new_parser("learn", "Learn a class from a few marked images, and keep it in a file.")
    parser.add_argument("--name", required=True, help="what the class is called")
    parser.add_argument(
        "--support",
        nargs="+",
        required=True,
        metavar="IMAGE:MARKS",
        help="examples; marks are a mask, or a file of COCO, LabelMe, YOLO or Label Studio; both may be folders",
    )
    parser.add_argument("-o", "--out", required=True, help="the class file to write, *.safetensors")
    parser.add_argument("--label", default="", help="what the class is called in files of labels, if not by its name")
    parser.add_argument(
        "--images_only", action="store_true", help="go by the images; do not let the model read the name"
    )
    parser.add_argument(
        "--adapt", type=int, default=0, help="gradient steps on the examples, two or more; kept only if they help there"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    model_options(parser)
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
    learned = _segmenter(chosen).learn(
        chosen.name,
        [example.image for example in examples],
        [example.mask for example in examples],
        read_name=not chosen.images_only,
        steps=chosen.adapt,
    )
    save_class(learned, out)
    if learned.reads_name and not learned.by_name:
        print(
            f"The model does not recognise the name {learned.name!r} in the examples; where masks are poor, "
            "--images-only may serve better."
        )
    if chosen.adapt:
        print("The adaptation is kept." if learned.fusion else "The adaptation did not help on the examples; not kept.")
    print(f"{out}: {learned.name!r}, learned from {learned.shots} image{'s' * (learned.shots > 1)}")


def classes(arguments: list[str]) -> None:
    """List class files."""
    parser = new_parser("classes", "List class files: what they hold, and which model made them.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="class files")
    chosen = parser.parse_args(arguments)

    from rich.table import Table

    from cdpnet.inference.class_files import load_class

    table = Table()
    for heading in ("file", "class", "images", "known by", "model", "size"):
        table.add_column(heading, overflow="fold")
    for path in map(Path, chosen.files):
        learned = load_class(path)
        known_by = "images" if not learned.reads_name else "name, images" if learned.by_name else "name, not recognised"
        fingerprint, model = learned.model
        size = f"{path.stat().st_size / 1024:.0f} KB"
        table.add_row(str(path), learned.name, str(learned.shots), known_by, f"{model}, {fingerprint}", size)
    printed(table)


def label(arguments: list[str]) -> int:
    """Label a folder of images; 1 where some of them could not be read."""
    from cdpnet.labels.label_set import FormatName

    parser = new_parser("label", "Find learned classes in all images of a folder; a stopped run goes on where it was.")
    parser.add_argument("folder", metavar="FOLDER", help="images, also in folders below it")
    parser.add_argument("--classes", nargs="+", required=True, metavar="FILE", help="class files, of `cdpnet learn`")
    parser.add_argument("--out", required=True, help="folder for the labels and index.html, the contact sheet")
    parser.add_argument("--format", type=FormatName, default="png", help="of the labels")
    parser.add_argument("--overwrite", action="store_true", help="begin anew and replace the labels of an earlier run")
    parser.add_argument("--engine", choices=("plain", "ray"), default="plain", help="ray for a cluster (extra bulk)")
    parser.add_argument("--workers", type=int, default=None, help="processes of --engine ray; by default all cores")
    parser.add_argument(
        "--tiles_above",
        type=int,
        default=None,
        help="pixels of the longer side beyond which an image is seen in tiles",
    )
    _query_options(parser)
    model_options(parser)
    chosen = parser.parse_args(arguments)
    thresholds = _thresholds(chosen)
    for option in ("workers", "tiles_above"):
        if chosen[option] is not None:
            at_least_one(f"--{option.replace('_', '-')}", chosen[option])
    require_image_weights(chosen.model, chosen.image_weights)

    from cdpnet.bulk.engines import label_locally, label_with_ray
    from cdpnet.bulk.job import run_job
    from cdpnet.bulk.labeller import Labeller
    from cdpnet.inference.class_files import load_classes
    from cdpnet.labels.label_set import LabelSet
    from cdpnet.report.contact_sheet import write_sheet

    out = Path(chosen.out)
    engine = label_locally if chosen.engine == "plain" else partial(label_with_ray, workers=chosen.workers)
    segmenter = _segmenter(chosen, chosen.tiles_above, chosen.precision)
    files = [Path(path) for path in chosen.classes]
    known = load_classes(files, *segmenter.model)
    target = LabelSet(Path(chosen.folder), out, tuple(learned.name for learned in known))
    labeller = Labeller(segmenter, known, target, chosen.format, **thresholds)
    with labelling_bar() as show:
        result = run_job(labeller, engine, show, overwrite=chosen.overwrite, inputs=files)
    write_sheet(result, labeller)
    print(f"{len(result.images) - len(result.failed)} images are labelled; see {out / 'index.html'}")
    for image, reason in result.failed.items():
        print(f"not labelled: {image}: {reason}")
    return 1 if result.failed else 0


def demo(arguments: list[str]) -> None:
    """Show the embedded models on classes that they never saw with a mask."""
    parser = new_parser("demo", "Show the embedded models on classes that they never saw with a mask.")
    parser.add_argument("--out", required=True, help="folder for the image")
    parser.add_argument("--episodes", type=int, default=120, help="episodes to score each method on")
    chosen = parser.parse_args(arguments)
    at_least_one("--episodes", chosen.episodes)

    from rich.console import Console
    from rich.table import Table

    from cdpnet.cli.demo import FOLD, SEED, SHOTS, demonstrate
    from cdpnet.config import METHODS

    with progress_bar() as progress:
        tasks = {name: progress.add_task(name, total=chosen.episodes) for name in METHODS}
        rows, image = demonstrate(
            out_folder(chosen.out), chosen.episodes, lambda name, n: progress.advance(tasks[name], n)
        )
    table = Table()
    for heading in ("method", "mIoU", "FB-IoU"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        table.add_row(row.method, f"{row.miou:.1f}", f"{row.fb_iou:.1f}")
    console = Console()
    say(console, f"Novel classes of fold {FOLD}, {SHOTS}-shot, {chosen.episodes} episodes, seed {SEED}, 128 px")
    console.print(table)
    say(console, f"The image is {image}")


def _query_options(parser: ArgumentParser) -> None:
    from cdpnet.config import QueryPrecision

    parser.add_argument(
        "--precision",
        type=QueryPrecision,
        default="float32",
        help="of large products; bfloat16, or attention for those of the match alone, is faster where it is at hand",
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


def _thresholds(chosen: Any) -> dict[str, float | None]:
    """What `_query_options` took, by the names that a segmenter gives them."""
    return {
        "threshold": share_option("--threshold", chosen.threshold),
        "min_presence": share_option("--min_presence", chosen.min_presence),
    }


def _segmenter(chosen: Any, tiles_above: int | None = None, precision: QueryPrecision = "float32") -> Segmenter:
    """The network of `model_options`, ready to learn and segment."""
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.network.build import load_network
    from cdpnet.runtime.devices import default_device

    network = load_network(chosen.model, chosen.method, weight_sources(chosen)).to(default_device())
    return Segmenter(network, tiles_above=tiles_above, precision=precision)
