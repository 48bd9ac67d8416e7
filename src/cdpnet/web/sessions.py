"""All browser sessions, each with a temporary project of its own."""

from __future__ import annotations

import secrets
import shutil
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from time import monotonic

from cdpnet.errors import DataError
from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.web.limits import Limits
from cdpnet.web.threads import Threads
from cdpnet.web.workspace import Workspace

_KEY_BYTES = 32


class SessionEndedError(DataError):
    """A request of a page whose session has ended."""


class NoPlaceError(DataError):
    """A new page where all places are taken."""


class Sessions:
    """Workspaces by the key in the cookie of a browser; can be used from several threads.

    An open page waits for changes all the time, so a session that sends nothing belongs to a closed page.
    """

    def __init__(self, encoded: EncodedImages, root: Path, limits: Limits, threads: Threads) -> None:
        self._encoded, self._root, self._limits, self._threads = encoded, root, limits, threads
        self._workspaces: OrderedDict[str, Workspace] = OrderedDict()  # from the least to the most recently used
        self._used_at: dict[str, float] = {}
        self._seen_at: dict[str, float] = {}
        self._lock = Lock()

    def begin(self, key: str | None) -> tuple[str, Workspace]:
        """The session of a browser, or a new one with a new key where it has none.

        NoPlaceError where all places are taken by sessions in use.
        """
        ended: list[Workspace] = []
        with self._lock:
            if key is None or key not in self._workspaces:
                ended = self._make_place()
                key = secrets.token_urlsafe(_KEY_BYTES)
                folder = Path(mkdtemp(prefix="session-", dir=self._root))
                self._workspaces[key] = Workspace(folder, self._encoded, kept=False)
                self._used_at[key] = monotonic()
            self._seen_at[key] = monotonic()
            workspace = self._workspaces[key]
        self._remove(ended)
        return key, workspace

    def get(self, key: str | None, *, is_use: bool = True) -> Workspace:
        """The session with a key. is_use: whether a person does something, or the page only waits.

        SessionEndedError where there is none.
        """
        with self._lock:
            if key is None or key not in self._workspaces:
                raise SessionEndedError(
                    "The session of this page has ended: the page was inactive for too long, too many others were "
                    "open, or the server was started again; reload it."
                )
            self._seen_at[key] = monotonic()
            if is_use:
                self._used_at[key] = monotonic()
                self._workspaces.move_to_end(key)
            return self._workspaces[key]

    def end_expired(self) -> int:
        """End the sessions of pages that were closed longer ago than the grace; returns their number."""
        with self._lock:
            latest = monotonic() - self._limits.grace
            expired = [key for key, seen in self._seen_at.items() if seen <= latest]
            ended = [self._end(key) for key in expired]
        self._remove(ended)
        return len(ended)

    def __len__(self) -> int:
        return len(self._workspaces)

    def _make_place(self) -> list[Workspace]:
        """End a session if all places are taken: one of a closed page, else the least recently used one if idle."""
        if len(self._workspaces) < self._limits.sessions:
            return []
        now = monotonic()
        closed = [key for key, seen in self._seen_at.items() if seen < now - self._limits.silence]
        key = min(closed, key=self._seen_at.__getitem__, default=next(iter(self._workspaces)))
        if key not in closed and self._used_at[key] > now - self._limits.grace:
            raise NoPlaceError(
                f"The page is used by {len(self._workspaces)} others at the moment, which is all that it takes; try "
                "again in some minutes."
            )
        return [self._end(key)]

    def _end(self, key: str) -> Workspace:
        del self._used_at[key], self._seen_at[key]
        return self._workspaces.pop(key)

    def _remove(self, ended: Sequence[Workspace]) -> None:
        """Remove the files of sessions, without the lock, since a piece of work may have to be done first."""
        for workspace in ended:
            self._threads.forget(workspace.work)
            shutil.rmtree(workspace.project.folder, ignore_errors=True)


class SharedProject:
    """One project for all browsers, in the place of `Sessions`."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def begin(self, key: str | None) -> tuple[str, Workspace]:
        """The workspace; no key is needed."""
        return key or "", self.workspace

    def get(self, key: str | None, *, is_use: bool = True) -> Workspace:  # noqa: ARG002 - as Sessions
        """The workspace."""
        return self.workspace

    def end_expired(self) -> int:
        """Nothing ends."""
        return 0
