"""The steps of a project that can be taken back and done again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cdpnet.projects.document import Record

STEPS = 50  # that can be taken back (our choice)


@dataclass(frozen=True)
class Change:
    """New values; None where there is nothing then.

    records: by their ids. files: contents by paths below the folder of the project. pictures: of files of images,
    whether they are in the folder of images, or put aside.
    """

    records: Mapping[str, Record | None] = field(default_factory=dict)
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    pictures: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """sentence: what was done. before, after: the same things before and after it."""

    sentence: str
    before: Change
    after: Change


class History:
    """Steps to take back, and steps that were taken back. forget: called with a change that nothing can undo now."""

    def __init__(self, forget: Callable[[Change], object]) -> None:
        self._done: deque[Step] = deque()
        self._undone: list[Step] = []
        self._forget = forget

    def add(self, step: Step) -> None:
        """Note a new step; what was taken back before cannot be done again any more."""
        self._undone.clear()
        self._done.append(step)
        while len(self._done) > STEPS:
            self._forget(self._done.popleft().after)

    @property
    def to_undo(self) -> Step | None:
        """The last step."""
        return self._done[-1] if self._done else None

    @property
    def to_redo(self) -> Step | None:
        """The step that was taken back last."""
        return self._undone[-1] if self._undone else None

    def undone(self) -> None:
        """Note that the last step was taken back."""
        self._undone.append(self._done.pop())

    def redone(self) -> None:
        """Note that the step that was taken back last was done again."""
        self._done.append(self._undone.pop())
