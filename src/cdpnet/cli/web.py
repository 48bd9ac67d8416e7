"""The command web."""

from __future__ import annotations

from pathlib import Path

from cdpnet.cli.address import address_options, chosen_address, until_stopped
from cdpnet.cli.options import (
    TINY,
    chosen_keys,
    chosen_refinement,
    device_option,
    keys_option,
    load_chosen_network,
    model_options,
    refine_option,
    require_chosen_model,
    warn_of_icons_only,
)
from cdpnet.cli.parser import new_parser
from cdpnet.runtime.text import escape


def web(arguments: list[str]) -> None:
    """Serve a page on which a user marks objects, corrects what the network finds, and teaches it."""
    parser = new_parser(
        "web",
        "Serve a page to mark objects, correct what is found in other images, and teach that.",
        "web --project FOLDER",
        "web --project FOLDER --host 0.0.0.0 --user anna:a-long-password",
    )
    parser.add_argument(
        "--project",
        default=None,
        metavar="FOLDER",
        help="folder in which the work is kept; made if need be; by default nothing is kept when the server stops",
    )
    address_options(parser, 7860)
    model_options(parser, "photo")
    refine_option(parser)
    keys_option(parser)
    device_option(parser)
    chosen = parser.parse_args(arguments)
    chosen_keys(chosen)  # refused before anything is loaded
    address = chosen_address(chosen, "web")

    from cdpnet.projects.folder import check_folder

    project = Path(chosen.project) if chosen.project else None
    if project is not None:
        check_folder(project)
    require_chosen_model(chosen)

    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.web.limits import Limits
    from cdpnet.web.server import serve

    def show(url: str) -> None:
        warn_of_icons_only(chosen)
        print(escape(f"The page is at {url} (stop it with Ctrl-C)"), flush=True)

    segmenter = Segmenter(load_chosen_network(chosen), refine=chosen_refinement(chosen))
    about = about_model(chosen.model, segmenter.model[1])
    serve(segmenter, about, address, Limits(), show, until_stopped(), project)


def about_model(model: str, described: str) -> str:
    """What the page says about the model to somebody who has never heard of it. described: the names of its parts."""
    if model == TINY:
        return (
            "The model tiny looks for the objects. It knows rendered icons, and on photographs follows colour and "
            "texture more than objects; for those, start with --model photo."
        )
    if model == "photo":
        return "The model photo looks for the objects. It is made for photographs."
    return f"The model {described} looks for the objects."
