"""The command serve."""

from __future__ import annotations

import os
from pathlib import Path

from cdpnet.cli.address import address_options, chosen_address, until_stopped
from cdpnet.cli.options import (
    chosen_refinement,
    device_option,
    load_chosen_network,
    model_options,
    refine_option,
    require_chosen_model,
    warn_of_icons_only,
)
from cdpnet.cli.parser import new_parser
from cdpnet.errors import ConfigError
from cdpnet.runtime.text import escape

TOKEN = "CDPNET_LABEL_STUDIO_TOKEN"
_PORT = 9090  # of ML backends by custom


def serve(arguments: list[str]) -> None:
    """Serve the ML backend of Label Studio."""
    parser = new_parser(
        "serve",
        "Serve masks for the tasks and clicks of Label Studio, and learn from its annotations.",
        "serve --label-studio --project FOLDER --images photos",
    )
    parser.add_argument("--label_studio", action="store_true", help="as an ML backend of Label Studio; must be given")
    parser.add_argument(
        "--project",
        default=None,
        metavar="FOLDER",
        help="folder in which the work is kept; made if need be; must be given",
    )
    parser.add_argument(
        "--images",
        default=None,
        metavar="FOLDER",
        help="folder with the images of the tasks, found by the longest common end of their paths; by default those "
        "of the project",
    )
    parser.add_argument(
        "--url",
        default="",
        help="address of Label Studio, from which images that are not found are fetched, with the access token in the "
        f"environment variable {TOKEN}; by default none are",
    )
    parser.add_argument(
        "--from_name",
        default="",
        metavar="NAME",
        help="the control that masks belong to, where a labelling configuration has several",
    )
    address_options(parser, _PORT)
    model_options(parser, "photo")
    refine_option(parser)
    device_option(parser)
    chosen = parser.parse_args(arguments)
    if not chosen.label_studio:
        raise ConfigError("serve needs --label-studio, the only program that it serves; the page is `cdpnet web`.")
    if not chosen.project:
        raise ConfigError("serve needs --project FOLDER, in which the work is kept.")
    address = chosen_address(chosen, "serve")

    from cdpnet.backend.host import read_host
    from cdpnet.io.images import require_folder
    from cdpnet.projects.folder import check_folder

    host = read_host(chosen.url, os.environ.get(TOKEN, "")) if chosen.url else None
    project, images = Path(chosen.project), Path(chosen.images) if chosen.images else None
    check_folder(project)
    if images is not None:
        require_folder(images)
    require_chosen_model(chosen)

    from cdpnet.backend.server import Sources, serve_backend
    from cdpnet.inference.segmenter import Segmenter

    def show(url: str) -> None:
        warn_of_icons_only(chosen)
        print(escape(f"The ML backend is at {url} (stop it with Ctrl-C)"), flush=True)

    segmenter = Segmenter(load_chosen_network(chosen), refine=chosen_refinement(chosen))
    serve_backend(segmenter, project, Sources(images, host, chosen.from_name), address, show, until_stopped())
