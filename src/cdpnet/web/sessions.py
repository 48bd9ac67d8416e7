"""Everybody's session, apart from everybody else's."""

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

_REMEMBERED = 10_000  # keys of sessions that are over


class Sessions:
    """Sessions by the key that the server gives to each opened page; safe to use from several threads."""

    def __init__(self, segmenter: Segmenter, root: Path, limits: Limits) -> None:
        self._segmenter, self._root, self._limits = segmenter, root, limits
        self._open: OrderedDict[str, Session] = OrderedDict()  # the one unused for longest comes first
        self._closed_at: dict[str, float] = {}
        self._over: OrderedDict[str, None] = OrderedDict()  # the last ones that were forgotten
        self._lock = Lock()

    def of(self, key: str) -> Session:
        """The session of a page; it begins with the first call. DataError for one that is over."""
        with self._lock:
            if key in self._over:
                raise DataError(
                    "What this page held is gone: it was away for long, or others needed the room; load it again."
                )
            self._closed_at.pop(key, None)  # it was only asleep
            if key not in self._open:
                folder = Path(mkdtemp(prefix="session-", dir=self._root))
                self._open[key] = Session(self._segmenter, folder, self._limits)
            self._open.move_to_end(key)
            while len(self._open) > self._limits.sessions:
                self._forget(next(iter(self._closed_at), next(iter(self._open))))
            return self._open[key]

    def close(self, key: str) -> None:
        """The page is closed, or its connection lost: the session ends unless it is used again within the grace."""
        with self._lock:
            if key in self._open:
                self._closed_at[key] = monotonic()

    def keep(self, key: str) -> None:
        """The page is there, though its connection may have been lost for a moment; that is no use of it."""
        with self._lock:
            self._closed_at.pop(key, None)

    def sweep(self) -> int:
        """Forget the sessions whose grace is over; says how many."""
        with self._lock:
            latest = monotonic() - self._limits.grace
            over = [key for key, closed in self._closed_at.items() if closed <= latest]
            for key in over:
                self._forget(key)
        return len(over)

    def __len__(self) -> int:
        return len(self._open)

    def _forget(self, key: str) -> None:
        self._closed_at.pop(key, None)
        self._over[key] = None
        while len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)
        shutil.rmtree(self._open.pop(key).folder, ignore_errors=True)
