"""The commands labels convert and labels compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cdpnet.cli.label_options import chosen_instances, chosen_label_set, writing_options
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import print_line, printed, to_standard_error
from cdpnet.cli.supports import annotation_choices, annotation_options
from cdpnet.errors import DataError
from cdpnet.io.files import check_out_file
from cdpnet.io.label_folders import NAMES_FILE
from cdpnet.runtime.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jsonargparse import ArgumentParser

    from cdpnet.labels.comparison import Comparison
    from cdpnet.labels.labelled_folder import LabelledFolder
    from cdpnet.labels.reading_options import ReadingOptions

_WHAT = """usage: cdpnet labels convert IN OUT --images FOLDER --format FORMAT [options]
       cdpnet labels compare A B --images FOLDER --out PAGE

convert  write labels in another format
compare  measure labels B against labels A, the truth"""
_WORST = 10  # images that compare prints
_ONE_CLASS_A_PIXEL = ("png", "voc")  # formats
_WITH_SCORES = ("coco", "labelstudio")


def labels(arguments: list[str]) -> int:
    """Convert labels, or compare them; no model is needed."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(_WHAT)
        return 0
    if arguments[:1] == ["convert"]:
        return _convert(arguments[1:])
    if arguments[:1] == ["compare"]:
        return _compare(arguments[1:])
    raise DataError(f"cdpnet labels takes convert or compare, not {arguments[0] if arguments else 'nothing'!r}.")


def _convert(arguments: list[str]) -> int:
    """Returns 1 where labels of some images cannot be read."""
    parser = new_parser(
        "labels convert",
        "Write labels in another format; no model is needed.",
        "labels convert annotations.json yolo --images photos --format yolo",
    )
    parser.add_argument("source", metavar="IN", help="a label file, or a folder of labels")
    parser.add_argument("out", metavar="OUT", help="folder for the converted labels")
    _reading_options(parser)
    writing_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace labels of an earlier run")
    chosen = parser.parse_args(arguments)
    instances, source = chosen_instances(chosen), Path(chosen.source)

    from cdpnet.labels.conversion import convert
    from cdpnet.labels.reading import read_labels

    found = read_labels(source, Path(chosen.images), chosen["from"], annotation_choices(chosen))
    target = chosen_label_set(chosen, Path(chosen.images), found.classes)
    convert(found, source, target, chosen.format, instances, overwrite=chosen.overwrite)
    _say_notes(source, found)
    n_overlapping = sum(one.has_overlaps for one in found.labels.values())
    if n_overlapping and chosen.format in _ONE_CLASS_A_PIXEL:
        to_standard_error(f"In {counted(n_overlapping, 'image')} classes overlap; there the later one wins.")
    n_scores = sum(region.score != 1 for one in found.labels.values() for region in one.regions)
    if n_scores and chosen.format not in _WITH_SCORES:
        to_standard_error(f"The format {chosen.format} has no place for scores ({n_scores}); they are left out.")
    print_line(f"{counted(len(found.labels), 'image')} from {found.format_name} to {chosen.format}: {target.out}")
    return _print_failed("not converted", found.failed)


def _compare(arguments: list[str]) -> int:
    """Returns 0, whatever the IoU is."""
    parser = new_parser(
        "labels compare",
        "Measure labels B against labels A, the truth; no model is needed.",
        "labels compare truth labels --images photos --out page.html",
    )
    parser.add_argument("truth", metavar="A", help="the true labels: a label file, or a folder of labels")
    parser.add_argument("found", metavar="B", help="the labels to measure")
    _reading_options(parser)
    parser.add_argument("--only", nargs="+", default=[], metavar="CLASS", help="classes to compare; by default all")
    parser.add_argument("--out", required=True, metavar="PAGE", help="the page to write, *.html")
    parser.add_argument("--overwrite", action="store_true", help="replace the page")
    chosen = parser.parse_args(arguments)
    page, images = Path(chosen.out), Path(chosen.images)
    check_out_file(page, (".html", ".htm"), overwrite=chosen.overwrite)

    from cdpnet.labels.comparison import compare
    from cdpnet.labels.reading import read_labels

    options = annotation_choices(chosen)
    truth, found = (read_labels(Path(side), images, chosen["from"], options) for side in (chosen.truth, chosen.found))
    if absent := [name for name in chosen.only if name not in truth.classes]:
        raise DataError(_no_class(absent, chosen.truth, truth))
    _say_notes(Path(chosen.truth), truth)
    _say_notes(Path(chosen.found), found)
    _say_unknown(found.shown_classes if not chosen.only else (), chosen.truth, truth)
    _report(compare(truth, found, chosen.only), images, page)
    return 0


def compare_with_truth(truth: Path, found: LabelledFolder, images: Path, page: Path, options: ReadingOptions) -> None:
    """Compare labels with those in a file or a folder, print the result and write the page.

    images: their folder. options: how the true labels are read.
    """
    from cdpnet.labels.comparison import compare
    from cdpnet.labels.reading import read_labels

    expected = read_labels(truth, images, options=options)
    _say_notes(truth, expected)
    _say_unknown(found.classes, truth, expected)
    _report(compare(expected, found, found.classes), images, page)


def _report(comparison: Comparison, images: Path, page: Path) -> None:
    """Print the IoU of the classes and of the worst images, and write the page. images: their folder."""
    from cdpnet.report.comparison import format_percent, write_comparison
    from cdpnet.report.tables import text_table

    confusion = comparison.confusion
    rows = [
        (name, format_percent(iou), f"{pixels:,}")
        for name, iou, pixels in zip(
            comparison.classes, comparison.iou.tolist(), confusion.sum(axis=1)[1:].tolist(), strict=True
        )
    ]
    printed(text_table({"class": "left", "IoU %": "right", "pixels in the truth": "right"}, rows))
    worst = [(image.truth.image, format_percent(image.mean_iou)) for image in comparison.images[:_WORST]]
    printed(text_table({"worst images": "left", "mean IoU %": "right"}, worst))
    if comparison.not_found:
        print_line(
            f"not in the labels: {counted(len(comparison.not_found), 'image')}, such as {comparison.not_found[0]}"
        )
    _print_failed("not compared", comparison.failed)
    write_comparison(comparison, images, page)
    average = format_percent(comparison.mean_iou) or "of no class"
    print_line(f"{counted(len(comparison.images), 'image')}, mean IoU {average}; see {page}")


def _reading_options(parser: ArgumentParser) -> None:
    from cdpnet.labels.label_set import FormatName

    parser.add_argument("--images", required=True, metavar="FOLDER", help="the folder of the images")
    parser.add_argument(
        "--from", type=FormatName | None, default=None, help="format that is read; by default recognised"
    )
    annotation_options(parser, "are left out")


def _say_unknown(classes: Iterable[str], truth: str | Path, expected: LabelledFolder) -> None:
    """Say which classes the truth does not have, so that their IoU is 0."""
    if absent := [name for name in classes if name not in expected.classes]:
        to_standard_error(_no_class(absent, truth, expected))


def _no_class(names: Sequence[str], source: str | Path, found: LabelledFolder) -> str:
    has = ", ".join(found.classes) or "none"
    if found.format_name in _ONE_CLASS_A_PIXEL and any(name.isdecimal() for name in found.classes):
        has += f"; a number is a class that no {NAMES_FILE} beside the masks names"
    return f"{source} has no class {', '.join(map(repr, names))}; it has {has}."


def _say_notes(source: Path, found: LabelledFolder) -> None:
    for note in found.notes:
        to_standard_error(f"{source}: {note}.")


def _print_failed(what: str, failed: Mapping[str, str]) -> int:
    for image, reason in failed.items():
        print_line(f"{what}: {image}: {reason}")
    return 1 if failed else 0
