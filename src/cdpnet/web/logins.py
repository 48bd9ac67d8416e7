"""Wrong logins: an address that has sent many of them waits before the next."""

from __future__ import annotations

from collections import OrderedDict, deque
from time import monotonic

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cdpnet.web.limits import Limits
from cdpnet.web.refusals import Refusal

_SECONDS = 60.0  # for which a wrong login counts (our choice)
_MOST_ADDRESSES = 10_000  # that are remembered
_TOO_MANY = Refusal(429, "Too many wrong logins came from this address; try again in a minute.")


class LoginFilter:
    """An ASGI application around another, which gets a limited number of wrong logins of an address a minute."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()  # times by address, the latest address last

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http" or scope["path"].rstrip("/") != "/login":
            await self.app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        times = self._wrong.get(address, deque())
        while times and times[0] < monotonic() - _SECONDS:
            times.popleft()
        if len(times) >= self.limits.logins:
            await _TOO_MANY(scope, receive, send)
            return

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                self._note(address)
            await send(message)

        await self.app(scope, receive, send_noted)

    def _note(self, address: str) -> None:
        self._wrong.setdefault(address, deque()).append(monotonic())
        self._wrong.move_to_end(address)
        if len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.popitem(last=False)
