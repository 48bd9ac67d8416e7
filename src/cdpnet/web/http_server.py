"""The HTTP server below the page: uvicorn in a thread, whose requests must arrive in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from cdpnet.errors import ConfigError
from cdpnet.web.address import Address
from cdpnet.web.limits import Limits
from cdpnet.web.response_headers import HEADERS

_SHUTDOWN = 5  # seconds for which the handling of requests is awaited at the end


@contextmanager
def serving(app: ASGIApp, address: Address, limits: Limits) -> Iterator[str]:
    """Serve an application in a thread; gives its URL. ConfigError where the port cannot be used."""
    listener = _listen(address.host, address.port)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=type("Protocol", (PromptProtocol,), {"limits": limits}),
            ws="none",
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_SHUTDOWN,
        )
    )
    thread = Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            if not thread.is_alive():
                raise RuntimeError("the HTTP server ended while it was being started")
        yield address.url
    finally:
        server.should_exit = True
        thread.join()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError:
        raise ConfigError(
            f"Port {port} on {host} cannot be used; another program may have it, so give another --port."
        ) from None


class PromptProtocol(H11Protocol):
    """HTTP/1.1 in which the headers of a request must arrive within the patience; uvicorn has no limit for them.

    A connection more than the limit is refused, so that the process does not run out of files.
    """

    limits = Limits()
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._close_with(503, "Too many connections are open; try again in a moment.")
        else:
            self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Read data; where they are less than the headers of a request, wait for the rest."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._deadline is None:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection when the server stops, since responses to an open page have no end of their own."""
        super().shutdown()
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, with the headers that every response has."""
        self._close_with(400, msg)

    def _should_upgrade(self) -> bool:
        """Treat a request for a WebSocket, which the page does not have, as any other; uvicorn would warn twice."""
        return False

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(
            self.limits.patience, self._close_with, 408, "The request did not arrive in time."
        )

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close_with(self, status: int, sentence: str) -> None:
        headers = {**HEADERS, "Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
        for event in (
            h11.Response(status_code=status, headers=list(headers.items())),
            h11.Data(data=sentence.encode()),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
