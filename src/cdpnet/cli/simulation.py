"""The command simulate."""

from __future__ import annotations

from cdpnet.cli.options import (
    device_option,
    held_folder,
    load_chosen_network,
    model_options,
    settings,
)
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import print_line, printed
from cdpnet.encoders.catalogue import require_image_weights


def simulate(arguments: list[str]) -> None:
    """Measure what corrections give, by a simulated user."""
    from cdpnet.experiments.correction import CorrectionConfig

    parser = new_parser(
        "simulate",
        "A simulated user corrects the most uncertain image of a pool and teaches it, round by round; beside it random "
        "images. Prints the mean IoU of images that are never corrected.",
    )
    parser.add_argument(
        "--data", choices=("pascal", "coco", "fss", "folder"), default="coco", help="format of the data"
    )
    parser.add_argument("--root", required=True, help="folder of the data set")
    parser.add_class_arguments(CorrectionConfig, None, instantiate=False)
    parser.add_argument("--out", required=True, help="folder for the curves, correction.json and correction.png")
    model_options(parser, "photo")
    device_option(parser)
    chosen = parser.parse_args(arguments)
    config = settings(CorrectionConfig, chosen)
    require_image_weights(chosen.model, chosen.image_weights)

    from cdpnet.data.config import DataConfig
    from cdpnet.data.protocols.disk import DataOnDisk
    from cdpnet.experiments.correction import simulate, write_curves
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.report.plots import need_matplotlib, plot_correction
    from cdpnet.report.tables import correction_table

    need_matplotlib()
    reader = DataOnDisk(DataConfig(chosen.data, chosen.root)).reader
    with held_folder(chosen.out) as out:
        segmenter = Segmenter(load_chosen_network(chosen))
        curves = simulate(segmenter, reader, config, lambda name: print_line(f"{name}: done"))
        path = write_curves(curves, config, segmenter.model, out)
        plot = plot_correction(curves, out)
    classes = len({curve.class_name for curve in curves})
    printed(correction_table(curves))
    print_line(f"{classes} classes, {config.starts} starts each; the curves are {path} and {plot}")
