"""The interface of the page: its addresses, and how requests get their workspace, threads and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cdpnet.errors import CdpnetError
from cdpnet.io.fields import FieldError, JsonObject
from cdpnet.web import api_changes as changes
from cdpnet.web import api_files, api_pictures
from cdpnet.web.answering import Endpoint, answering
from cdpnet.web.api_changes import Change
from cdpnet.web.call import Call, read_fields
from cdpnet.web.limits import Limits
from cdpnet.web.state import Fields, describe
from cdpnet.web.threads import Threads
from cdpnet.web.uploads import add_uploads, read_files
from cdpnet.web.workspace import Workspace

T = TypeVar("T")
_WAIT = 20.0  # seconds after which a request for events is answered at the latest


class Places(Protocol):
    """Where requests find their workspace: `Sessions`, or `SharedProject`."""

    def begin(self, key: str | None) -> tuple[str, Workspace]:
        """The workspace of a key, or a new one with its key."""
        ...

    def get(self, key: str | None, *, is_use: bool = True) -> Workspace:
        """The workspace of a key."""
        ...

    def end_expired(self) -> int:
        """End what is no longer used; returns how many."""
        ...


@dataclass(frozen=True)
class Api:
    """cookie: name of the cookie with the key of a session. model: a sentence about the network."""

    places: Places
    threads: Threads
    limits: Limits
    cookie: str
    model: str

    def routes(self) -> list[Route]:
        """All addresses of the interface."""
        change, picture, network = self._changing, self._reading, self._in_network
        return [
            Route("/api/state", answering(self._state)),
            Route("/api/events", answering(self._events)),
            Route("/api/images", answering(self._upload), methods=["POST"]),
            Route("/api/samples", change(changes.add_samples), methods=["POST"]),
            Route("/api/images/{image}", change(changes.remove_image), methods=["DELETE"]),
            Route("/api/images/{image}/view", picture(api_pictures.view)),
            Route("/api/images/{image}/thumbnail", picture(api_pictures.thumbnail)),
            Route("/api/images/{image}/masks", picture(api_pictures.masks)),
            Route("/api/images/{image}/open", network(api_pictures.open_for_clicks), methods=["POST"]),
            Route("/api/images/{image}/click", network(api_pictures.click), methods=["POST"]),
            Route("/api/images/{image}/mask", change(changes.put_mask), methods=["PUT"]),
            Route("/api/images/{image}/review", change(changes.review), methods=["POST"]),
            Route("/api/classes", change(changes.add_class), methods=["POST"]),
            Route("/api/classes/{class}", change(changes.rename_class), methods=["PATCH"]),
            Route("/api/classes/{class}", change(changes.remove_class), methods=["DELETE"]),
            Route("/api/examples", change(changes.add_example), methods=["POST"]),
            Route("/api/examples/{example}", change(changes.switch_example), methods=["PATCH"]),
            Route("/api/examples/{example}", change(changes.remove_example), methods=["DELETE"]),
            Route("/api/examples/{example}/thumbnail", picture(api_pictures.example)),
            Route("/api/settings", change(changes.configure), methods=["POST"]),
            Route("/api/undo", change(changes.undo), methods=["POST"]),
            Route("/api/redo", change(changes.redo), methods=["POST"]),
            Route("/api/download", picture(api_files.download)),
            Route("/api/classes.zip", picture(api_files.classes)),
        ]

    def _changing(self, change: Change) -> Endpoint:
        """An endpoint that changes the project and answers with its state."""

        async def endpoint(request: Request) -> Response:
            call = await self._read(request)
            more = await self.threads.in_files(_tell, change, call)
            return await self._answer_state(call.workspace, more)

        return answering(endpoint)

    def _reading(self, read: Callable[[Call], Response]) -> Endpoint:
        """An endpoint that reads files."""

        async def endpoint(request: Request) -> Response:
            return await self.threads.in_files(_tell, read, await self._read(request))

        return answering(endpoint)

    def _in_network(self, use: Callable[[Call], Response]) -> Endpoint:
        """An endpoint that uses the network."""

        async def endpoint(request: Request) -> Response:
            return await self.threads.in_network(_tell, use, await self._read(request))

        return answering(endpoint)

    async def _read(self, request: Request) -> Call:
        workspace = self.places.get(request.cookies.get(self.cookie))
        fields = JsonObject() if request.method in ("GET", "HEAD") else await read_fields(request)
        return Call(workspace, self.limits, request.path_params, request.query_params, fields)

    async def _state(self, request: Request) -> Response:
        key = request.cookies.get(self.cookie)
        found, workspace = await self.threads.in_files(self.places.begin, key)
        answer = await self._answer_state(workspace)
        if found and found != key:
            answer.set_cookie(self.cookie, found, httponly=True, samesite="strict")
        return answer

    async def _events(self, request: Request) -> Response:
        """Answer once the revision differs from ``after``, or after a while."""
        try:
            after = int(request.query_params.get("after", ""))
        except ValueError:
            raise FieldError("after is not a whole number") from None
        workspace = self.places.get(request.cookies.get(self.cookie), is_use=False)
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        with workspace.project.listening(lambda: loop.call_soon_threadsafe(changed.set)):
            if workspace.project.document.revision == after:
                waiting = {asyncio.ensure_future(changed.wait()), asyncio.ensure_future(_disconnected(request))}
                _, pending = await asyncio.wait(waiting, timeout=_WAIT, return_when=asyncio.FIRST_COMPLETED)
                for task in pending:
                    task.cancel()
        return await self._answer_state(workspace)

    async def _upload(self, request: Request) -> Response:
        workspace = self.places.get(request.cookies.get(self.cookie))
        files = await read_files(request, self.limits)
        refused = await self.threads.in_files(add_uploads, workspace.project, files, self.limits)
        return await self._answer_state(workspace, {"refused": refused})

    async def _answer_state(self, workspace: Workspace, more: Fields | None = None) -> JSONResponse:
        """The state; what is out of date in the project is worked on from now on."""
        self.threads.wake(workspace.work)
        state = await run_in_threadpool(describe, workspace, self.model, self.limits)
        return JSONResponse({**state, **(more or {})}, headers={"cache-control": "no-store"})


def _tell(function: Callable[[Call], T], call: Call) -> T:
    """Call a function; the folder of the project, which is nobody's business, is left out of what goes wrong."""
    try:
        return function(call)
    except CdpnetError as error:
        error.args = (str(error).replace(f"{call.workspace.project.folder}/", ""),)
        raise


async def _disconnected(request: Request) -> None:
    """Return when the browser has closed the connection, or the server is being stopped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
