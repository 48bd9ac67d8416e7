"""All browser sessions, each separate from the others."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from time import monotonic

from cdpnet.errors import DataError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.limits import Limits
from cdpnet.web.session import Session

_MAX_ENDED = 10_000  # keys of ended sessions that are remembered


class Sessions:
    """Sessions by the key that the server gives to each opened page; can be used from several threads."""

    def __init__(self, segmenter: Segmenter, root: Path, limits: Limits) -> None:
        self._segmenter, self._root, self._limits = segmenter, root, limits
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # from the least to the most recently used
        self._used_at: dict[str, float] = {}
        self._closed_at: dict[str, float] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()  # in the order in which they ended
        self._lock = Lock()

    def get(self, key: str) -> Session:
        """The session of a page, made by the first call.

        DataError for a session that has ended, and for a new page where all places are taken by sessions in use.
        """
        with self._lock:
            if key in self._ended:
                raise DataError(
                    "The session of this page has ended: the page was inactive for too long, or too many others were "
                    "open; reload it."
                )
            self._closed_at.pop(key, None)  # the page was suspended, as on a phone, and is used again
            if key not in self._sessions:
                self._make_place()
                folder = Path(mkdtemp(prefix="session-", dir=self._root))
                self._sessions[key] = Session(self._segmenter, folder, self._limits)
            self._sessions.move_to_end(key)
            self._used_at[key] = monotonic()
            return self._sessions[key]

    def close(self, key: str) -> None:
        """Note that a page was closed or lost its connection; its session ends unless it is used within the grace."""
        with self._lock:
            if key in self._sessions:
                self._closed_at[key] = monotonic()

    def keep_alive(self, key: str) -> None:
        """Note that a page is still open; this does not count as use of its session."""
        with self._lock:
            self._closed_at.pop(key, None)

    def end_expired(self) -> int:
        """End the closed sessions whose grace has passed; returns their number."""
        with self._lock:
            latest = monotonic() - self._limits.grace
            expired = [key for key, closed in self._closed_at.items() if closed <= latest]
            for key in expired:
                self._end(key)
        return len(expired)

    def __len__(self) -> int:
        return len(self._sessions)

    def _make_place(self) -> None:
        """End a session if all places are taken: a closed one, else the least recently used one if it is idle."""
        if len(self._sessions) < self._limits.sessions:
            return
        key = next(iter(self._closed_at), next(iter(self._sessions)))
        if key not in self._closed_at and self._used_at[key] > monotonic() - self._limits.grace:
            raise DataError(
                f"The page is used by {len(self._sessions)} others at the moment, which is all that it takes; try "
                "again in some minutes."
            )
        self._end(key)

    def _end(self, key: str) -> None:
        self._closed_at.pop(key, None)
        self._used_at.pop(key)
        self._ended[key] = None
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)
        shutil.rmtree(self._sessions.pop(key).folder, ignore_errors=True)
