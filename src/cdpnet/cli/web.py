"""The command that serves the page."""

from __future__ import annotations

import html
import signal
from importlib.util import find_spec
from ipaddress import ip_address
from threading import Event

from cdpnet.cli.options import model_options, weight_sources
from cdpnet.cli.parser import new_parser
from cdpnet.encoders.catalogue import require_image_weights
from cdpnet.errors import ConfigError

_PORTS = 65535


def web(arguments: list[str]) -> None:
    """Serve a page on which a class is painted, named and found."""
    parser = new_parser("web", "Serve a page on which a class is painted, named and found in other images.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; by default this machine alone")
    parser.add_argument("--port", type=int, default=7860, help="of that address")
    parser.add_argument("--user", default="", help="name:password that opens the page")
    parser.add_argument("--no_login", action="store_true", help="let anybody in who can reach the address")
    model_options(parser)
    chosen = parser.parse_args(arguments)
    login = _login(chosen.user)
    if not 1 <= chosen.port <= _PORTS:
        raise ConfigError(f"--port is a number from 1 to {_PORTS}, not {chosen.port}.")
    if not _only_here(chosen.host) and not login and not chosen.no_login:
        raise ConfigError(
            f"--host {chosen.host} lets other machines in; give --user name:password, or --no-login to let anybody in."
        )
    if find_spec("gradio") is None:
        raise ConfigError("cdpnet web needs Gradio, which the extra web brings: pip install 'cdpnet[web]'.")
    require_image_weights(chosen.model, chosen.image_weights)

    from cdpnet.inference.segmenter import Segmenter
    from cdpnet.network.build import load_network
    from cdpnet.runtime.devices import default_device
    from cdpnet.web.limits import Limits
    from cdpnet.web.server import Address, serve

    network = load_network(chosen.model, chosen.method, weight_sources(chosen)).to(default_device())
    stop = Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the last where the platform has it: the terminal is closed
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stop.set())
    segmenter = Segmenter(network)
    serve(
        segmenter,
        _about(chosen.model, segmenter.model[1]),
        Address(chosen.host.strip("[]"), chosen.port, login),
        Limits(),
        lambda url: print(f"The page is at {url} (stop it with Ctrl-C)", flush=True),
        stop,
    )


def _login(user: str) -> tuple[str, str] | None:
    """What --user says. ConfigError for another form."""
    if not user:
        return None
    name, _, password = user.partition(":")
    if not name or not password:
        raise ConfigError("--user takes name:password, such as anna:a-long-password.")
    return name, password


def _only_here(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _about(model: str, described: str) -> str:
    """What the model can and cannot do, in a sentence for the page."""
    if model == "tiny":
        return (
            "The model is <b>tiny</b>, which comes with the package: it knows rendered icons, and on photographs "
            "follows colour and texture more than objects; for those, start with <code>--model clip-vit-b16</code>."
        )
    return f"The model is <b>{html.escape(described)}</b>."
