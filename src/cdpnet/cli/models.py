"""The command models."""

from __future__ import annotations

from cdpnet.cli.parser import new_parser
from cdpnet.cli.screen import print_line, printed

_EXPLAINED = (
    "Size: parameters of the image encoder. CPU s: seconds of one core for an image of 640 x 480. MiB: of the whole "
    "process at most. Photographs, icons: mIoU in percent with one example and with five, the mean of four folds of "
    "cdpn over photographs of COCO (80 with one example, 260 with five) and over rendered icons; empty: not measured. "
    "No GPU was measured. "
    "Models other than photo and tiny were measured with random weights and the method ssp, without their text tower."
)


def models(arguments: list[str]) -> None:
    """List the named models, or tell everything about one."""
    parser = new_parser(
        "models",
        "List the models that --model takes: weights, licence, time, memory, and what was measured.",
        "models",
        "models clip-vit-b16   # its weights, also for a machine without a network",
    )
    parser.add_argument("name", nargs="?", default="", metavar="MODEL", help="the model to tell about; by default all")
    parser.add_argument("--markdown", action="store_true", help="print the tables of the manual")
    chosen = parser.parse_args(arguments)

    from cdpnet.encoders.facts import model_facts, offline_lines
    from cdpnet.errors import ConfigError
    from cdpnet.report.models import COST, QUALITY, SHORT, WEIGHTS
    from cdpnet.report.tables import markdown_table, text_table

    facts = [model for model in model_facts() if chosen.name in ("", model.name)]
    if not facts:
        names = ", ".join(model.name for model in model_facts())
        raise ConfigError(f"There is no named model {chosen.name}; there are {names}.")
    if chosen.markdown:
        for columns in (COST, QUALITY, WEIGHTS):
            for line in (*markdown_table(columns.headings, columns.rows(facts)), ""):
                print_line(line)
        return
    if not chosen.name:
        printed(text_table(dict.fromkeys(SHORT.headings, "left"), SHORT.rows(facts)))
        print_line(_EXPLAINED)
        print_line("cdpnet models MODEL says where the weights of one come from.")
        return
    (model,) = facts
    for columns in (WEIGHTS, COST, QUALITY):
        for heading, cell in list(zip(columns.headings, columns.cells(model), strict=True))[columns is not WEIGHTS :]:
            print_line(f"{heading}: {cell}")
    lines = offline_lines(model)
    print_line("On a machine with a network, and then on the one without:" if lines else "It needs no network.")
    for line in lines:
        print_line(f"  {line}")
