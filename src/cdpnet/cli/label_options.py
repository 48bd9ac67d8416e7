"""Options of the commands that write labels, and the objects made from their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdpnet.cli.parser import group_of
from cdpnet.errors import ConfigError
from cdpnet.io.files import check_out_folder

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

    from cdpnet.labels.instances import InstanceRules
    from cdpnet.labels.label_set import Control, LabelSet


def writing_options(parser: ArgumentParser) -> None:
    """Add the options that say how labels are written."""
    from cdpnet.labels.label_set import FormatName

    group = group_of(parser, "how labels are written")
    group.add_argument("--format", type=FormatName, default="png", help="format of the labels; by default png")
    group.add_argument(
        "--instances", action="store_true", help="an object of its own for each connected part of a class"
    )
    group.add_argument(
        "--min_area",
        type=int,
        default=None,
        help="pixels of the smallest object of --instances; by default a 500th of the largest one of its class",
    )
    group.add_argument("--fill_holes", action="store_true", help="fill the holes of the objects of --instances")
    group.add_argument(
        "--copy_images", action="store_true", help="copy the images into the folder of yolo or voc; by default links"
    )
    group.add_argument(
        "--label_config",
        default="",
        metavar="FILE",
        help="labelling configuration (XML) of the Label Studio project, which has the names of the next two",
    )
    group.add_argument(
        "--from_name", default="", metavar="NAME", help="Label Studio's name of the masks' control; by default labels"
    )
    group.add_argument("--to_name", default="", help="Label Studio's name of the image; by default image")


def chosen_instances(chosen: Any) -> InstanceRules | None:
    """The rules of ``--instances``; None without. ConfigError for its options without it."""
    from cdpnet.cli.options import at_least_one
    from cdpnet.labels.instances import InstanceRules

    if chosen.min_area is not None:
        at_least_one("--min-area", chosen.min_area)
    if chosen.instances:
        return InstanceRules(chosen.min_area, chosen.fill_holes)
    if chosen.min_area is not None or chosen.fill_holes:
        raise ConfigError("--min-area and --fill-holes are about the objects of --instances; pass that too.")
    return None


def chosen_label_set(chosen: Any, images: Path, classes: Sequence[str], model_version: str = "cdpnet") -> LabelSet:
    """Where labels go, and how; classes keep the order that an earlier run wrote.

    model_version: of Label Studio's predictions. DataError where ``--out`` is a file.
    """
    from cdpnet.labels.label_set import LabelSet, keep_order

    out = Path(chosen.out)
    check_out_folder(out)
    return LabelSet(images, out, keep_order(out, classes), chosen.copy_images, chosen_control(chosen), model_version)


def chosen_control(chosen: Any) -> Control:
    """The names that Label Studio's predictions give; those of options come before those of ``--label-config``."""
    from cdpnet.labels.label_set import Control
    from cdpnet.labels.labelstudio_config import read_control

    found = read_control(Path(chosen.label_config), chosen.from_name) if chosen.label_config else Control()
    given = {key: chosen[key] for key in ("from_name", "to_name") if chosen[key]}
    return replace(found, **given)
