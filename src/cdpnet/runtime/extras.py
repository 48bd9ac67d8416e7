"""Packages that come with an extra of this one, which a user may not have installed."""

from __future__ import annotations

import os
import re
import socket
from importlib.util import find_spec

from cdpnet.errors import ConfigError

_SECONDS_TO_ANSWER = 10.0


def require_extra(what: str, extra: str, *packages: str) -> None:
    """ConfigError where a package is missing, for a command to ask before it makes a folder; nothing is imported.

    what: the command or option that needs it. extra: what installs it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(
                f"{what} needs {package}, which comes with the extra {extra}: pip install 'cdpnet[{extra}]'."
            )


def require_matplotlib() -> None:
    """ConfigError where it is not installed, before hours are spent on results to plot."""
    require_extra("The plot", "curves", "matplotlib")


def require_ray() -> None:
    """ConfigError where Ray is missing, or nothing answers at HOST:PORT of RAY_ADDRESS, which Ray tries for minutes."""
    require_extra("--engine ray", "bulk", "ray")
    if place := re.fullmatch(r"(?:ray://)?(?P<host>[^:/]+):(?P<port>\d{1,5})", os.environ.get("RAY_ADDRESS", "")):
        try:
            socket.create_connection((place["host"], int(place["port"])), _SECONDS_TO_ANSWER).close()
        except (OSError, OverflowError):
            raise ConfigError(no_cluster()) from None


def no_cluster() -> str:
    """The error message where there is no Ray cluster."""
    return (
        f"There is no Ray cluster at RAY_ADDRESS, which is {os.environ.get('RAY_ADDRESS')}; start one by "
        "`ray start --head`, or unset it."
    )
