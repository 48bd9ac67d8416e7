"""Who may talk to the page: requests to other names, and those that another site has a browser send, are refused."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cdpnet.web.address import Address
from cdpnet.web.refusals import Refusal

_OTHER_NAME = Refusal(
    421, "This server is not known under this name; the option --allow-host NAME of its command allows it."
)
_OTHER_SITE = Refusal(403, "This request comes from another site, whose requests are refused.")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(:\d+)?")  # a name or an address, and a port
_OWN_SITE = ("same-origin", "none")  # of Sec-Fetch-Site: a script of the page, or what a user enters


class VisitorFilter:
    """An ASGI application around another, which gets only what is sent to a name of the page and not by another site.

    Another site can have its own name lead to this machine (DNS rebinding), so that its scripts could use the page:
    such requests have a foreign Host and are answered with 421. Whose script or form sends a request, browsers say in
    Sec-Fetch-Site, Origin or Referer: those of other sites are answered with 403. Links of other sites to the page
    work. A client that is no browser sends none of the three.
    """

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self.app, self.is_local = app, address.is_local
        self.behind_proxy = {name.lower() for name in address.names}
        machine = set() if address.is_local else {socket.gethostname().lower()}
        self.names = {"localhost", address.host.lower()} | machine | self.behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        refusal = self._find_refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _find_refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        hosts = [host.strip().lower() for name in ("host", "x-forwarded-host") for host in headers.getlist(name)]
        if not headers.get("host") or not all(map(self._is_own, hosts)):
            return _OTHER_NAME
        is_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in ("GET", "HEAD")
        if is_link and scope["path"] == "/":
            return None
        sources = [_split(value) for name in ("origin", "referer") for value in headers.getlist(name)]
        is_foreign = any(name not in self.behind_proxy and host not in hosts for name, host in sources)
        return _OTHER_SITE if is_foreign or headers.get("sec-fetch-site", "none") not in _OWN_SITE else None

    def _is_own(self, host: str) -> bool:
        """Whether a host is one of the page's. An IP address leads to one machine, so no site can make it its own."""
        name = _split(f"//{host}")[0] if _HOST.fullmatch(host) else ""
        try:
            return name in self.names or ip_address(name).is_loopback or not self.is_local
        except ValueError:
            return False


def _split(url: str) -> tuple[str, str]:
    """Name and host (name:port) of a URL in lower case; both empty for what is no URL, such as the Origin null."""
    try:
        parts = urlsplit(url.lower())
        return parts.hostname or "", parts.netloc
    except ValueError:
        return "", ""
