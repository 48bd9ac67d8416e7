"""A table of names on the disk, for as many as would fill memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from cdpnet.errors import DataError


class DiskTable:
    """Two whole numbers for each name; in a temporary file of its own, which ends with the table.

    One thread uses it. All of it raises DataError where that file cannot grow any more.
    """

    def __init__(self) -> None:
        self._rows = sqlite3.connect("")
        self._ask("CREATE TABLE numbers (name BLOB PRIMARY KEY, a INTEGER, b INTEGER) WITHOUT ROWID")

    def __getitem__(self, name: str) -> tuple[int, int] | None:
        """The numbers of a name; None where it has none."""
        found: tuple[int, int] | None = self._ask("SELECT a, b FROM numbers WHERE name = ?", _key(name)).fetchone()
        return found

    def __setitem__(self, name: str, numbers: tuple[int, int]) -> None:
        self._ask("REPLACE INTO numbers VALUES (?, ?, ?)", _key(name), *numbers)

    def __delitem__(self, name: str) -> None:
        self._ask("DELETE FROM numbers WHERE name = ?", _key(name))

    def __iter__(self) -> Iterator[str]:
        """All names; the table must not be changed meanwhile."""
        return (key.decode(*_CODING) for (key,) in self._ask("SELECT name FROM numbers"))

    def _ask(self, what: str, *values: bytes | int) -> sqlite3.Cursor:
        try:
            return self._rows.execute(what, values)
        except sqlite3.OperationalError as error:
            raise DataError(
                f"A temporary file cannot be written ({error}); free space in the folder of temporary files, or name "
                "another one in the environment variable TMPDIR."
            ) from None


_CODING = "utf-8", "surrogatepass"  # a name may be that of a file, which need not be text


def _key(name: str) -> bytes:
    return name.encode(*_CODING)
