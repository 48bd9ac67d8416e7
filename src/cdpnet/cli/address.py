"""The options of commands that serve: where they listen, under which names, with which login, and until when."""

from __future__ import annotations

import re
import signal
from threading import Event
from typing import TYPE_CHECKING, Any

from cdpnet.errors import ConfigError
from cdpnet.runtime.extras import require_extra
from cdpnet.web.address import Address

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

_PORTS = 65535


def address_options(parser: ArgumentParser, port: int) -> None:
    """Add the options of an address. port: by default."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; by default reachable from this machine only"
    )
    parser.add_argument("--port", type=int, default=port, help=f"port to listen on; by default {port}")
    parser.add_argument(
        "--user", default="", metavar="NAME:PASSWORD", help="require this login; by default none on this machine"
    )
    parser.add_argument(
        "--allow_host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name under which this server is reached, such as that of a proxy; can be repeated",
    )
    parser.add_argument("--no_login", action="store_true", help="serve other machines without a login")


def chosen_address(chosen: Any, command: str) -> Address:
    """The values of `address_options`. ConfigError for one that cannot be used, or where the extra web is missing."""
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
    require_extra(f"cdpnet {command}", "web", "starlette", "uvicorn", "python_multipart")
    return address


def until_stopped() -> Event:
    """An event that is set when a person or the system stops the command."""
    stop = Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # the last, for a closed terminal, does not exist on every platform
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stop.set())
    return stop


def _login(user: str) -> tuple[str, str] | None:
    """Name and password of --user. ConfigError for another form."""
    if not user:
        return None
    name, _, password = user.partition(":")
    if not name or not password:
        raise ConfigError("--user takes name:password, such as anna:a-long-password.")
    return name, password
