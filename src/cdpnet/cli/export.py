"""The command export."""

from __future__ import annotations

from pathlib import Path

from cdpnet.cli.options import get_weight_sources, model_options, require_chosen_model
from cdpnet.cli.outputs import held_folder
from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import print_line
from cdpnet.io.files import check_out_folder, refuse_to_replace
from cdpnet.runtime.extras import require_extra


def export(arguments: list[str]) -> None:
    """Write a network as two ONNX graphs, which learn and segment without PyTorch."""
    parser = new_parser(
        "export",
        "Write a network as two ONNX graphs, which learn and segment without PyTorch.",
        "export --model photo --names dog cat --out graphs",
    )
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="folder for learn.onnx, segment.onnx and about.json"
    )
    parser.add_argument(
        "--names", nargs="+", default=[], help="class names whose text features are written, as inputs of learn.onnx"
    )
    parser.add_argument(
        "--int8", action="store_true", help="weights in 8 bits: smaller files, slightly different masks"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the files of an earlier run")
    model_options(parser)
    chosen = parser.parse_args(arguments)
    out = Path(chosen.out)
    check_out_folder(out)
    require_extra("cdpnet export", "export", "onnx", "onnxscript", "onnxruntime")
    require_chosen_model(chosen)

    from cdpnet.inference.onnx_export import ABOUT, LEARN, NAMES, SEGMENT, export
    from cdpnet.network.build import load_network

    for name in (LEARN, SEGMENT, ABOUT, NAMES):
        refuse_to_replace(out / name, overwrite=chosen.overwrite)
    network = load_network(chosen.model, chosen.method, get_weight_sources(chosen))
    with held_folder(chosen.out):
        paths = export(network, out, chosen.names, int8=chosen.int8)
    for path in paths:
        print_line(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
