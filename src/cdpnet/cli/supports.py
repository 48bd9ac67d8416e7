"""The options of examples, the same in every command that learns: ``--support IMAGE:MARKS`` and how marks are read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.cli.parser import group_of
from cdpnet.errors import ConfigError, DataError
from cdpnet.io.addresses import is_address

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.labels.examples import Example
    from cdpnet.labels.reading_options import ReadingOptions

_OPTION = "--support"


def support_options(parser: ArgumentParser, without: str) -> None:
    """Add the options of examples; without: what happens without any, for the help."""
    group = group_of(parser, "the examples to learn from")
    group.add_argument(
        _OPTION,
        action="append",
        default=[],
        metavar="IMAGE:MARKS",
        help="examples, several after one option or the option repeated: an image, folder or pattern, a colon, and its "
        "marks: a mask, a COCO, LabelMe, YOLO, Label Studio or CVAT file, or a folder or pattern of those; " + without,
    )
    group.add_argument("--label", default="", help="name of the class in the label files; by default that of --name")
    group.add_argument("--index", type=int, default=None, help="number of the class in masks that hold several")
    group.add_argument("--colour", default="", help="colour of the class in masks that hold several, such as #ff0000")
    annotation_options(parser, "count as neither object nor background")


def annotation_options(parser: ArgumentParser, crowds: str) -> None:
    """Add the options of label files that can be read in several ways; crowds: what crowds do by default, for help."""
    group = group_of(parser, "how label files are read")
    group.add_argument("--crowd", action="store_true", help=f"read COCO's crowd regions too; by default they {crowds}")
    group.add_argument("--annotator", default="", help="id or e-mail of the one annotator of Label Studio to read")
    group.add_argument(
        "--merge",
        choices=("newest", "union", "majority"),
        default="newest",
        help="of several annotations of an image by Label Studio: newest, union or majority; by default newest",
    )
    group.add_argument(
        "--exif",
        choices=("turned", "raw"),
        default="turned",
        help="whether masks that fit an image both as it is stored (raw) and as its EXIF tag turns it were made for "
        "the turned image; by default turned",
    )


def spread_supports(arguments: Sequence[str], *, all_words: bool = False) -> list[str]:
    """Arguments with the option repeated before each of its values, which may have followed one option.

    all_words: every word up to the next option is a value; otherwise those that have a colon and name no file.
    """
    found: list[str] = []
    follows = False
    for i, word in enumerate(arguments):
        is_first = i > 0 and arguments[i - 1] == _OPTION
        is_value = not word.startswith("-") and (all_words or (bool(_colons(word)) and not os.path.lexists(word)))
        if follows and not is_first and is_value:
            found.append(_OPTION)
        follows = word == _OPTION or (follows and (is_first or is_value))
        found.append(word)
    return found


def support_pairs(pairs: Sequence[str]) -> list[tuple[Path, Path]]:
    """IMAGE:MARKS as paths. DataError as `split_pairs`."""
    return [(Path(image), Path(marks)) for image, marks in split_pairs(pairs)]


def split_pairs(pairs: Sequence[str]) -> list[tuple[str, str]]:
    """Split IMAGE:MARKS at a colon; the path of either may contain others, and both may be addresses with ``://``.

    That one is meant which has something on both sides that is there, else the last. DataError without a colon.
    """
    found = []
    for pair in pairs:
        splits = [(pair[:i], pair[i + 1 :]) for i in _colons(pair)]
        splits = [(image, marks) for image, marks in splits if image and marks]
        if not splits:
            raise DataError(
                f"--support {pair} is not of the form IMAGE:MARKS, such as photo.jpg:mask.png or photos:labels."
            )
        there = [split for split in splits if all(os.path.lexists(path) for path in split)]
        found.append((there or splits)[-1])
    return found


def _colons(pair: str) -> list[int]:
    """Where there are colons, other than those of ``://`` in an address."""
    return [i for i, letter in enumerate(pair) if letter == ":" and pair[i : i + 3] != "://"]


def require_supports(pairs: Sequence[str]) -> None:
    """DataError for a pair that is none, or that names a file that is not there; before anything is loaded.

    Pairs with an address are looked at once it has been copied.
    """
    from cdpnet.labels.support_paths import require_support

    for images, marks in split_pairs(pairs):
        if not (is_address(images) or is_address(marks)):
            require_support(Path(images), Path(marks))


def annotation_choices(chosen: Any) -> ReadingOptions:
    """How label files are read, from the values of `annotation_options`."""
    from cdpnet.labels.reading_options import ReadingOptions

    return ReadingOptions(crowd=chosen.crowd, annotator=chosen.annotator, merge=chosen.merge, exif=chosen.exif)


def reading_options(chosen: Any) -> ReadingOptions:
    """How marks are read, from the values of `support_options`. ConfigError for values that do not fit."""
    if chosen.index is not None and chosen.colour:
        raise ConfigError("--index and --colour both choose the class in a mask; give one of them.")
    if chosen.index is not None and chosen.index < 0:
        raise ConfigError(f"--index is a number in a mask, from 0 on, not {chosen.index}.")
    colour = _as_colour(chosen.colour) if chosen.colour else None
    return replace(annotation_choices(chosen), index=chosen.index, colour=colour)


def _as_colour(text: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError:
        raise ConfigError(f"--colour takes a colour such as #ff0000 or red, not {text}.") from None
    return red, green, blue


def read_supports(chosen: Any) -> list[Example]:
    """The examples of `support_options`, one an image. ConfigError and DataError where they cannot be had."""
    from cdpnet.labels.examples import one_an_image, read_examples

    options, label = reading_options(chosen), chosen.label or chosen.name
    pairs = support_pairs(chosen.support)
    return one_an_image(example for pair in pairs for example in read_examples(*pair, label, options))


def files_of(examples: Sequence[Example], chosen: Any) -> tuple[list[Path], list[Path]]:
    """The files of examples, which no result may replace: all of them, and those that are marks and no images."""
    from cdpnet.labels.support_paths import mark_files

    marks = [file for _, path in support_pairs(chosen.support) for file in mark_files(path)]
    images = {example.image.resolve() for example in examples}
    return [*images, *marks], [path for path in marks if path.resolve() not in images]
