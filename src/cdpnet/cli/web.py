"""The command web."""

from __future__ import annotations

import re
import signal
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from cdpnet.cli.options import (
    TINY,
    chosen_keys,
    chosen_refinement,
    device_option,
    keys_option,
    load_chosen_network,
    model_options,
    refine_option,
    warn_of_icons_only,
)
from cdpnet.cli.parser import new_parser
from cdpnet.encoders.catalogue import require_image_weights
from cdpnet.errors import ConfigError
from cdpnet.runtime.text import escape
from cdpnet.web.address import Address

_PORTS = 65535


def web(arguments: list[str]) -> None:
    """Serve a page on which a user marks objects, corrects what the network finds, and teaches it."""
    parser = new_parser("web", "Serve a page to mark objects, correct what is found in other images, and teach that.")
    parser.add_argument(
        "--project",
        default=None,
        metavar="FOLDER",
        help="folder in which the work is kept; made if need be; by default nothing is kept when the server stops",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; by default reachable from this machine only"
    )
    parser.add_argument("--port", type=int, default=7860, help="port to listen on; by default 7860")
    parser.add_argument("--user", default="", help="require this login, as name:password")
    parser.add_argument(
        "--allow_host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name under which the page is reached, such as that of a proxy; can be repeated",
    )
    parser.add_argument("--no_login", action="store_true", help="serve other machines without a login")
    model_options(parser, "photo")
    refine_option(parser)
    keys_option(parser)
    device_option(parser)
    chosen = parser.parse_args(arguments)
    chosen_keys(chosen)  # refused before anything is loaded
    address = Address(chosen.host.strip("[]"), chosen.port, _login(chosen.user), tuple(chosen.allow_host))
    for name in address.names:
        if not re.fullmatch(r"[\w.-]+", name):
            raise ConfigError(f"--allow-host takes a name such as page.example.org, without port and path, not {name}.")
    if not 1 <= chosen.port <= _PORTS:
        raise ConfigError(f"--port is a number from 1 to {_PORTS}, not {chosen.port}.")
    if not address.is_local and not address.login and not chosen.no_login:
        raise ConfigError(
            f"--host {chosen.host} lets other machines in; give --user name:password, or --no-login to let anybody in."
        )
    if missing := [name for name in ("starlette", "uvicorn", "python_multipart") if find_spec(name) is None]:
        raise ConfigError(f"cdpnet web needs {missing[0]}, which comes with the extra web: pip install 'cdpnet[web]'.")
    require_image_weights(chosen.model, chosen.image_weights)

    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.projects.folder import check_folder
    from cdpnet.web.limits import Limits
    from cdpnet.web.server import serve

    project = Path(chosen.project) if chosen.project else None
    if project is not None:
        check_folder(project)

    def show(url: str) -> None:
        warn_of_icons_only(chosen)
        print(escape(f"The page is at {url} (stop it with Ctrl-C)"), flush=True)

    segmenter = Segmenter(load_chosen_network(chosen), refine=chosen_refinement(chosen))
    stop = Event()
    for name in (
        "SIGINT",
        "SIGTERM",
        "SIGHUP",
    ):  # SIGHUP, when the terminal is closed, does not exist on every platform
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stop.set())
    serve(
        segmenter,
        _about(chosen.model, segmenter.model[1]),
        address,
        Limits(),
        show,
        stop,
        project,
    )


def _login(user: str) -> tuple[str, str] | None:
    """Name and password of --user. ConfigError for another form."""
    if not user:
        return None
    name, _, password = user.partition(":")
    if not name or not password:
        raise ConfigError("--user takes name:password, such as anna:a-long-password.")
    return name, password


def _about(model: str, described: str) -> str:
    """A sentence about the model for the page: what it is good for."""
    if model == TINY:
        return (
            "The model is tiny: it knows rendered icons, and on photographs follows colour and texture more than "
            "objects; for those, start with --model photo."
        )
    return f"The model is {described}."
