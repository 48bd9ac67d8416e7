"""The login: what counts as a wrong attempt, and when one may try again."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from cdpnet.web.login import LoginFilter

RIGHT, WRONG = "anna:sécret:with:colons", "anna:wrong"


async def inside(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Visitor:
    """Sends requests from an address, at a time."""

    def __init__(self, most: int = 3) -> None:
        self.now = 0.0
        self.filter = LoginFilter(inside, ("anna", "sécret:with:colons"), most, lambda: self.now)

    def status(self, login: str | None, address: str = "192.0.2.1") -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        value = b"" if login is None else b"Basic " + b64encode(login.encode())
        headers = [] if login is None else [(b"authorization", value)]
        scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "client": (address, 1)}
        with suppress(StopIteration):  # nothing is waited for, so no event loop is needed; the browser has one here
            self.filter(scope, receive, send).send(None)
        return int(sent[0]["status"])


def test_the_right_login_is_let_in() -> None:
    visitor = Visitor()
    assert [visitor.status(login) for login in (None, WRONG, RIGHT, "")] == [401, 401, 200, 401]


def test_attempts_are_counted_by_address_and_forgotten_after_a_minute() -> None:
    visitor = Visitor()
    assert [visitor.status(None) for _ in range(10)] == [401] * 10  # no attempts
    for second in (0.0, 10.0, 20.0):
        visitor.now = second
        assert visitor.status(WRONG) == 401
    assert visitor.status(RIGHT) == 429
    assert visitor.status(RIGHT, "192.0.2.2") == 200
    visitor.now = 60.5
    assert visitor.status(RIGHT) == 200
    assert visitor.status(WRONG) == 401
    assert visitor.status(WRONG) == 429
