"""All sessions: they are separate, end with their pages, and are limited in number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web import sessions as module
from cdpnet.web.limits import Limits
from cdpnet.web.sessions import NoPlaceError, SessionEndedError, Sessions
from cdpnet.web.threads import Threads


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    return clock


@pytest.fixture
def sessions(segmenter: Segmenter, tmp_path: Path, clock: Clock) -> Iterator[Sessions]:  # noqa: ARG001 - it ticks
    threads = Threads()
    yield Sessions(EncodedImages(segmenter), tmp_path, replace(Limits(), sessions=2), threads)
    threads.close()


def test_sessions_are_separate_and_end(sessions: Sessions, clock: Clock) -> None:
    (one, first), (two, second) = sessions.begin(None), sessions.begin(None)
    assert one != two
    assert first.project.folder != second.project.folder
    assert sessions.begin(one) == (one, first)
    assert sessions.get(one) is first
    clock.now += 400
    sessions.get(two, is_use=False)  # its page still waits
    clock.now += 250
    assert sessions.end_expired() == 1
    assert not first.project.folder.exists()
    assert second.project.folder.exists()
    assert len(sessions) == 1
    with pytest.raises(SessionEndedError, match=r"The session of this page has ended: .* reload it\."):
        sessions.get(one)
    assert sessions.begin(one)[0] != one  # a reload begins a new one


@pytest.mark.parametrize("key", [None, "", "guessed"])
def test_a_key_that_was_never_given_is_no_session(sessions: Sessions, key: str | None) -> None:
    with pytest.raises(SessionEndedError):
        sessions.get(key)
    assert sessions.begin(key)[0] != key


def test_new_pages_wait_while_all_places_are_in_use(sessions: Sessions, clock: Clock) -> None:
    """The work of others is not lost because somebody opens pages."""
    keys = [sessions.begin(None)[0] for _ in range(2)]
    clock.now += 59
    with pytest.raises(NoPlaceError, match="The page is used by 2 others at the moment"):
        sessions.begin(None)
    assert all(sessions.get(key) for key in keys)


def test_a_closed_page_makes_place_before_an_idle_one(sessions: Sessions, clock: Clock) -> None:
    closed, _ = sessions.begin(None)
    clock.now += 1
    idle, _ = sessions.begin(None)
    clock.now += 70
    sessions.get(idle, is_use=False)
    sessions.begin(None)
    with pytest.raises(SessionEndedError):
        sessions.get(closed)
    assert sessions.get(idle, is_use=False)


def test_an_idle_page_makes_place_after_the_grace(sessions: Sessions, clock: Clock) -> None:
    idle, working = sessions.begin(None)[0], sessions.begin(None)[0]
    for _ in range(21):
        clock.now += 30
        sessions.get(idle, is_use=False)
        sessions.get(working)
    sessions.begin(None)
    assert sessions.get(working)
    with pytest.raises(SessionEndedError):
        sessions.get(idle)
