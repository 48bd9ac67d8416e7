"""The command segment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cdpnet.cli.cloud import Copies, copied
from cdpnet.cli.options import chosen_refinement, device_option, model_options, require_chosen_model, warn_of_icons_only
from cdpnet.cli.parser import new_parser
from cdpnet.cli.query import PROPOSALS, chosen_thresholds, load_segmenter, query_options
from cdpnet.cli.screen import print_line, progress_bar, say, to_standard_error
from cdpnet.cli.supports import files_of, read_supports, require_supports, spread_supports, support_options
from cdpnet.io.addresses import is_address


def segment(arguments: list[str]) -> int:
    """Segment a class in images, learned from examples; returns 1 where an image of a folder could not be read."""
    parser = new_parser(
        "segment",
        "Segment a class in images, learned from one labelled example or a few.",
        "segment --name dog --support a.jpg:a.png --out masks b.jpg c.jpg",
        "segment --name dog --out masks photos   # by the name alone",
    )
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="images to segment, folders of images, or patterns such as 'a/*.jpg'; also s3://...",
    )
    parser.add_argument(
        "--name", default="", help="what the class is called; by default the network uses the examples alone"
    )
    support_options(parser, "none: the masks are proposals from the name")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder for the masks and overlays")
    parser.add_argument("--overwrite", action="store_true", help="replace results of an earlier run")
    query_options(parser)
    model_options(parser, "photo")
    device_option(parser)
    chosen = parser.parse_args(spread_supports(arguments))

    from cdpnet.labels.support_paths import find_images_to_segment

    require_supports(chosen.support)
    for path in chosen.images:
        if not is_address(path):
            find_images_to_segment(Path(path))  # refused before anything is loaded
    thresholds = chosen_thresholds(chosen)
    require_chosen_model(chosen)
    with copied(chosen, "images") as copies:
        return _segment(chosen, thresholds, copies)


def _segment(chosen: Any, thresholds: dict[str, float | None], copies: Copies) -> int:
    """Segment the images of options that are checked; returns 1 where some of them could not be read."""
    from cdpnet.bulk.forecast import large_images
    from cdpnet.bulk.segment_files import Output, find_inputs, plan_outputs, segment_images

    out = Path(chosen.out)
    examples = read_supports(chosen)
    read, marks = files_of(examples, chosen)
    images = find_inputs([Path(path) for path in chosen.images], without=[out, *marks])
    plan = plan_outputs(images, out, inputs=read, overwrite=chosen.overwrite)
    if sentence := large_images([output.image for output in plan.outputs]):
        to_standard_error(sentence)
    segmenter = load_segmenter(chosen, precision=chosen.precision, refine=chosen_refinement(chosen))
    if examples:
        learned = segmenter.learn(
            chosen.name, [example.image for example in examples], [example.mask for example in examples]
        )
    else:
        learned = segmenter.learn_name(chosen.name)
        print_line(PROPOSALS)
    with progress_bar() as progress:
        task = progress.add_task("segmenting", total=len(plan.outputs))

        def show(output: Output, share: float, presence: float) -> None:
            found = f"{100 * share:.1f} % of the image" if share else "empty, the class was not found"
            say(progress.console, f"{copies.shown(output.mask)}  {found} (presence {presence:.3f})")
            progress.advance(task)

        segment_images(segmenter, learned, plan.outputs, copies.with_sending(show), **thresholds)
    warn_of_icons_only(chosen)
    for reason in plan.left_out.values():
        print_line(f"not segmented: {copies.shown(reason)}")
    return 1 if plan.left_out else 0
