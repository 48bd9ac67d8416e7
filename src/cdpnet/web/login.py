"""The login: HTTP Basic on everything, with a limit of wrong attempts."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cdpnet.web.refusals import Refusal

_WINDOW = 60.0  # seconds in which wrong attempts are counted
_MOST_ADDRESSES = 10_000  # whose attempts are remembered
_ASK = {"www-authenticate": 'Basic realm="cdpnet", charset="UTF-8"'}
_NO_LOGIN = Refusal(401, "Log in first.", _ASK)
_WRONG = Refusal(401, "Name or password is wrong.", _ASK)
_TOO_MANY = Refusal(429, "There were too many wrong logins; wait a minute.", {"retry-after": str(round(_WINDOW))})


class LoginFilter:
    """An ASGI application around another, which gets only requests with the login.

    most: wrong attempts of an address in a minute; more are not looked at. clock: seconds.
    """

    def __init__(self, app: ASGIApp, login: tuple[str, str], most: int, clock: Callable[[], float] = monotonic) -> None:
        self.app, self._expected, self._most, self._clock = app, ":".join(login).encode(), most, clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        refusal = self._find_refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _find_refusal(self, scope: Scope) -> Refusal | None:
        given = Headers(scope=scope).get("authorization")
        if given is None:
            return _NO_LOGIN
        address = (scope.get("client") or ("",))[0]
        if self._n_wrong(address) >= self._most:
            return _TOO_MANY
        if hmac.compare_digest(_decode(given), self._expected):
            return None
        self._wrong.setdefault(address, deque()).append(self._clock())
        while len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        return _WRONG

    def _n_wrong(self, address: str) -> int:
        times = self._wrong.get(address, deque())
        while times and times[0] <= self._clock() - _WINDOW:
            times.popleft()
        if not times:
            self._wrong.pop(address, None)
        return len(times)


def _decode(header: str) -> bytes:
    """Name and password as name:password; empty for another kind of header."""
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return b""
    try:
        return b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
