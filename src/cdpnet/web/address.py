"""The address of the page: where it listens, under which names, and with which login."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address


@dataclass(frozen=True)
class Address:
    """Host and port to listen on; the login as name and password, if there is one; more names, as behind a proxy."""

    host: str
    port: int
    login: tuple[str, str] | None
    names: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether it can be reached from this machine only."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def url(self) -> str:
        """The URL for a browser on this machine."""
        host = "localhost" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"
