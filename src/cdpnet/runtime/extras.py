"""Packages that come with an extra of this one, which a user may not have installed."""

from __future__ import annotations

from importlib.util import find_spec

from cdpnet.errors import ConfigError


def require_extra(what: str, extra: str, *packages: str) -> None:
    """ConfigError where a package is missing, for a command to ask before it makes a folder; nothing is imported.

    what: the command or option that needs it. extra: what installs it.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(
                f"{what} needs {package}, which comes with the extra {extra}: pip install 'cdpnet[{extra}]'."
            )


def require_ray() -> None:
    """ConfigError where Ray is missing."""
    require_extra("--engine ray", "bulk", "ray")
