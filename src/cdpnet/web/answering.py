"""How errors become answers: a status and a sentence."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cdpnet.errors import CdpnetError
from cdpnet.io.fields import FieldError
from cdpnet.projects.project import ConflictError, MissingError
from cdpnet.web.call import RequestError
from cdpnet.web.refusals import Refusal
from cdpnet.web.request_body import BodyError
from cdpnet.web.sessions import NoPlaceError, SessionEndedError

Endpoint = Callable[[Request], Awaitable[Response]]
_STATUS: tuple[tuple[type[CdpnetError], int], ...] = (
    (RequestError, 400),
    (MissingError, 404),
    (ConflictError, 409),
    (SessionEndedError, 410),
    (NoPlaceError, 503),
    (CdpnetError, 422),
)
_FAULT = Refusal(500, "The server could not do this; try again, or tell its administrator.")
_log = logging.getLogger(__name__)


def answering(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose errors are refusals; one that nobody foresaw, such as of the disk, is a line in the log."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except HTTPException:
            raise
        except BodyError as error:
            return Refusal(error.status, error.message).response()
        except FieldError as error:
            return Refusal(422, f"The request cannot be used: {error}.").response()
        except CdpnetError as error:
            return Refusal(next(status for kind, status in _STATUS if isinstance(error, kind)), str(error)).response()
        except Exception as error:
            _log.warning("%s %.200r failed: %.200r", request.method, request.url.path, error)
            return _FAULT.response()

    return answer


async def refuse_address(_: Request, error: Exception) -> Response:
    """What answers an address or a method that the page does not have."""
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow", "")
    if error.status_code == 405:
        return Refusal(405, f"This address takes {allowed} only.", {"allow": allowed}).response()
    return Refusal(error.status_code, "There is nothing at this address.").response()
