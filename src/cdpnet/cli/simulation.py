"""The commands simulate and clicks: simulated users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdpnet.cli.options import (
    chosen_refinement,
    device_option,
    load_chosen_network,
    model_options,
    refine_option,
    require_chosen_model,
    settings,
)
from cdpnet.cli.outputs import held_folder
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import counting_bar, print_line, printed, progress_bar
from cdpnet.data.config import DataConfig
from cdpnet.data.root import require_root
from cdpnet.runtime.extras import require_matplotlib
from cdpnet.runtime.text import counted

if TYPE_CHECKING:
    from cdpnet.data.readers.reader import DatasetReader
    from cdpnet.experiments.config import CorrectionConfig
    from cdpnet.inference.segmenter import Segmenter


def simulate(arguments: list[str]) -> None:
    """Measure what corrections give, by a simulated user."""
    from cdpnet.experiments.config import CorrectionConfig

    parser = new_parser(
        "simulate",
        "A simulated user corrects the most uncertain image of a pool and teaches it, round by round; beside it other "
        "orders, and random images. Prints the mean IoU of images that are never corrected.",
        "simulate --data coco --root COCO --out simulation",
        "simulate --root COCO --absence --starts 3 --out absence",
    )
    parser.add_argument(
        "--data", choices=("pascal", "coco", "fss", "folder"), default="coco", help="format of the data"
    )
    parser.add_argument("--root", required=True, metavar="FOLDER", help="folder of the data set")
    parser.add_class_arguments(CorrectionConfig, None, instantiate=False)
    parser.add_argument(
        "--absence",
        action="store_true",
        help="instead, name images without the class: the false masks that this prevents, and the IoU that it costs",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FOLDER",
        help="folder for correction.json and correction.png, or, with --absence, absence.json",
    )
    model_options(parser, "photo")
    refine_option(parser)
    device_option(parser)
    chosen = parser.parse_args(arguments)
    config, data = settings(CorrectionConfig, chosen), DataConfig(chosen.data, chosen.root)

    from cdpnet.data.readers.registry import open_reader

    reader = open_reader(data)
    require_chosen_model(chosen)

    from cdpnet.experiments.correction import simulate, write_curves
    from cdpnet.report.corrections import correction_table, small_pools
    from cdpnet.report.plots import plot_correction

    if chosen.absence:
        _simulate_absence(chosen, reader, config)
        return
    require_matplotlib()
    with held_folder(chosen.out) as out:
        segmenter = _load_segmenter(chosen, config)
        curves = simulate(segmenter, reader, config, lambda name: print_line(f"{name}: done"))
        path = write_curves(curves, config, segmenter, out)
        plot = plot_correction(curves, out)
    classes = counted(len({curve.class_name for curve in curves}), "class", "classes")
    printed(correction_table(curves))
    if note := small_pools(curves):
        print_line(note)
    print_line(f"{classes}, {counted(config.starts, 'start')} each; the curves are {path} and {plot}")


def _simulate_absence(chosen: Any, reader: DatasetReader, config: CorrectionConfig) -> None:
    from cdpnet.experiments.absence import measure_absence, write_absence
    from cdpnet.report.corrections import absence_table

    with held_folder(chosen.out) as out:
        segmenter = _load_segmenter(chosen, config)
        curves = measure_absence(segmenter, reader, config, lambda name: print_line(f"{name}: done"))
        path = write_absence(curves, config, segmenter, out)
    classes = counted(len({curve.class_name for curve in curves}), "class", "classes")
    printed(absence_table(curves))
    print_line(f"{classes}, {counted(config.starts, 'start')} each; the curves are {path}")


def _load_segmenter(chosen: Any, config: CorrectionConfig) -> Segmenter:
    from cdpnet.inference.segmenter import Segmenter

    side, refine = config.longest_side or None, chosen_refinement(chosen)
    return Segmenter(load_chosen_network(chosen), longest_side=side, refine=refine)


def clicks(arguments: list[str]) -> None:
    """Measure how many clicks an object takes, by a simulated user; or fit the model of the clicks."""
    from cdpnet.experiments.config import ClicksConfig

    parser = new_parser(
        "clicks",
        "A simulated user marks objects, each click in the middle of the largest error; an IoU of 0.85 that is not "
        "reached in 20 clicks counts as 20. Prints mean, median and curve, what the box around an object gives, and "
        "what clicks give that correct results of classes learned from one example.",
        "clicks --root COCO --objects 40 --out clicks",
    )
    parser.add_argument("--root", required=True, metavar="FOLDER", help="folder of a data set in COCO's layout")
    parser.add_class_arguments(ClicksConfig, None, instantiate=False)
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for clicks.json, clicks.png and, with --fit, the models"
    )
    model_options(parser, "photo")
    device_option(parser)
    chosen = parser.parse_args(arguments)
    config = settings(ClicksConfig, chosen)
    require_matplotlib()

    from cdpnet.data.readers.coco import open_coco

    reader = open_coco(require_root(DataConfig("coco", chosen.root)))
    require_chosen_model(chosen)

    from cdpnet.experiments.click_corrections import corrections_json, mean_corrected, measure_corrections, share_worse
    from cdpnet.experiments.click_fitting import fit, fit_corrections, save_click_model
    from cdpnet.experiments.clicks import clicks_json, mean_ious, measure
    from cdpnet.inference.click_model import WEIGHTS, WEIGHTS_OF_CORRECTIONS
    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.io.files import write_json
    from cdpnet.report.plots import plot_clicks

    with held_folder(chosen.out) as out, progress_bar() as progress:
        segmenter = Segmenter(load_chosen_network(chosen))
        model = correcting = None
        if config.fit:
            model = fit(segmenter, reader, config, lambda line: print_line(f"model of objects, {line}"))
            save_click_model(model, out / WEIGHTS)
            correcting = fit_corrections(
                segmenter, reader, config, lambda line: print_line(f"model of corrections, {line}")
            )
            if correcting is None:
                print_line(
                    "model of corrections: not fitted, since there are too few results to correct; the package's is "
                    "measured"
                )
            else:
                save_click_model(correcting, out / WEIGHTS_OF_CORRECTIONS)
        marked = measure(segmenter, reader, config, counting_bar(progress, "marking"), model)
        corrected = measure_corrections(segmenter, reader, config, counting_bar(progress, "correcting"), correcting)
        measured = clicks_json(marked, config, segmenter.model) | corrections_json(corrected)
        write_json(measured, out / "clicks.json")
        plot = plot_clicks(marked, out)
    mean, median = measured["mean clicks"], measured["median clicks"]
    print_line(f"{counted(len(marked), 'object')}: {mean:.2f} clicks in the mean, {median:g} in the median")
    print_line(f"mean IoU after 1, 2, ... clicks: {' '.join(f'{iou:.3f}' for iou in mean_ious(marked))}")
    print_line(f"mean IoU of the box around an object, without a click: {measured['mean IoU of the box alone']:.3f}")
    if corrected:
        print_line(
            f"{counted(len(corrected), 'result')} of classes learned from one example, corrected: mean IoU before "
            f"and after 1, 2, ... clicks: {' '.join(f'{iou:.3f}' for iou in mean_corrected(corrected))}"
        )
        print_line(f"results that are worse after the first click: {share_worse(corrected):.0%}")
    print_line(f"the curve is {plot}")
