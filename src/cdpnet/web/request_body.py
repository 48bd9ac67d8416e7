"""The body of a request: it must arrive in time, whole, and within a size."""

from __future__ import annotations

import asyncio
from time import monotonic

from starlette.formparsers import MultiPartException
from starlette.types import Message, Receive

_SLOWEST = 1000.0  # bytes per second that a connection brings at least, after the patience (our choice)


class BodyError(MultiPartException):
    """A body that is refused; of this base, as what the parser of uploads itself raises."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def limited(receive: Receive, patience: float, size: int) -> Receive:
    """A receive function that raises a BodyError for a body that stops, trickles, breaks off or is too large.

    patience: seconds between two parts of the body. size: bytes.
    """
    start, received, complete = monotonic(), 0, False

    async def receive_limited() -> Message:
        nonlocal received, complete
        if complete:
            return await receive()
        left = start + patience + received / _SLOWEST - monotonic()
        try:
            message = await asyncio.wait_for(receive(), min(patience, left))
        except TimeoutError:
            raise BodyError(408, "The request did not arrive in time; send it again.") from None
        if message["type"] == "http.disconnect":
            raise BodyError(400, "The connection ended before the request was complete.")
        received += len(message.get("body", b""))
        if received > size:
            raise BodyError(413, f"The request is larger than the maximum allowed size of {size} bytes.")
        complete = not message.get("more_body", False)
        return message

    return receive_limited


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A receive function that gives a body which was read already, and then what ``receive`` gives."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
