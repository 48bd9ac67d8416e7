"""Images from the Label Studio that the user named, and from no other host."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from time import monotonic
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
)

from cdpnet.errors import ConfigError, DataError
from cdpnet.io.fields import FieldError, as_object

_SILENCE = 20.0  # seconds that the host may be silent
_LONGEST = 60.0  # seconds that a file may take
_CHUNK = 2**20  # bytes
_MOST_ANSWER = 2**16  # bytes of an access token
_FILES = "/data/"  # where Label Studio has the images of tasks: uploads, and files of local storages
_SAFE = "/?&=%+,;:@!$'()*~"  # characters that an address in a task has for a purpose
_REFRESH = "/api/token/refresh"
_NO_ACCESS = (401, 403)


@dataclass(frozen=True)
class LabelStudioHost:
    """url: of Label Studio, without a slash at its end. token: a personal or a legacy access token, or empty."""

    url: str
    token: str

    def path_of(self, address: str) -> str | None:
        """The path of an image of this Label Studio from its address in a task; None for another address."""
        path = address.removeprefix(self.url)
        return path if path.startswith(_FILES) and "/../" not in path else None

    def fetch(self, path: str, most_bytes: int) -> bytes:
        """The content of a file. DataError where it is not there, is too large, or lies on another host."""
        return self._open(Request(f"{self.url}{quote(path, safe=_SAFE)}", headers=self._authorise()), most_bytes)

    def _authorise(self) -> dict[str, str]:
        """The header for the token. A personal one, which has three parts, gives tokens for a few minutes."""
        if not self.token:
            return {}
        if self.token.count(".") != 2:
            return {"Authorization": f"Token {self.token}"}
        body = json.dumps({"refresh": self.token}).encode()
        request = Request(f"{self.url}{_REFRESH}", body, {"Content-Type": "application/json"})
        try:
            answer = as_object(json.loads(self._open(request, _MOST_ANSWER)), "the answer")
            return {"Authorization": f"Bearer {answer.text('access')}"}
        except (ValueError, FieldError, RecursionError):
            raise DataError(f"{self.url} does not answer as Label Studio does; check --url.") from None

    def _open(self, request: Request, most_bytes: int) -> bytes:
        path = urlsplit(request.full_url).path
        deadline = monotonic() + _LONGEST
        try:
            with _opener().open(request, timeout=_SILENCE) as answer:
                content = b""
                while chunk := answer.read(_CHUNK):
                    content += chunk
                    if len(content) > most_bytes:
                        raise DataError(f"{path} has more than {most_bytes // 10**6} MB; scale the image down.")
                    if monotonic() > deadline:
                        raise DataError(f"{path} did not arrive from {self.url} within {_LONGEST:.0f} seconds.")
                return content
        except HTTPError as error:
            raise DataError(self._refused(path, error.code)) from None
        except (OSError, HTTPException, ValueError):  # ValueError: an address with characters that none has
            raise DataError(f"{path} cannot be fetched from {self.url}; check that Label Studio runs there.") from None

    def _refused(self, path: str, status: int) -> str:
        if status in _NO_ACCESS:
            return (
                f"{self.url} gives no access to {path} (status {status}); set CDPNET_LABEL_STUDIO_TOKEN to an access "
                "token of Label Studio."
            )
        if 300 <= status < 400:
            return f"{path} leads away from {self.url}, which is not followed; give its file with --images."
        return f"{self.url} does not give {path} (status {status}); check that the file is there."


def _opener() -> OpenerDirector:
    """Opens HTTP addresses, directly; it follows no redirect, so that an answer cannot lead to another host."""
    opener = OpenerDirector()
    for handler in (HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(), HTTPErrorProcessor()):
        opener.add_handler(handler)
    return opener


def read_host(url: str, token: str) -> LabelStudioHost:
    """A host from what a user gave. ConfigError for what is no address."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        is_usable = False
    if not is_usable or parts.query or parts.fragment or parts.username or not url.isprintable() or " " in url:
        raise ConfigError(f"--url takes the address of Label Studio, such as http://localhost:8080, not {url}.")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError("CDPNET_LABEL_STUDIO_TOKEN holds characters that no access token has; copy it again.")
    return LabelStudioHost(url.rstrip("/"), token)
