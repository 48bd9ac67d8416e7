"""All sessions: they are separate, end with their pages, and are limited in number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cdpnet.errors import DataError
from cdpnet.inference.segmenter import Segmenter
from cdpnet.web.limits import Limits
from cdpnet.web.sessions import Sessions


def test_sessions_are_separate_and_end(segmenter: Segmenter, tmp_path: Path) -> None:
    sessions = Sessions(segmenter, tmp_path, replace(Limits(), sessions=2, grace=0.0))
    one, two = sessions.get("one"), sessions.get("two")
    assert one is not two
    assert one.folder != two.folder
    assert sessions.get("one") is one
    sessions.get("three")  # ends the least recently used one
    assert not two.folder.exists()
    sessions.close("one")
    assert sessions.get("one") is one  # it was only suspended
    assert sessions.end_expired() == 0
    sessions.close("one")
    sessions.close("never seen")
    assert sessions.end_expired() == 1
    assert not one.folder.exists()
    assert len(sessions) == 1
    for key in ("one", "two"):
        with pytest.raises(DataError, match="The session of this page has ended"):
            sessions.get(key)


def test_an_idle_page_ends_no_other_session(segmenter: Segmenter, tmp_path: Path) -> None:
    sessions = Sessions(segmenter, tmp_path, replace(Limits(), sessions=2))
    working, idle = sessions.get("working"), sessions.get("idle")
    sessions.keep_alive("never used")  # starts no session
    assert len(sessions) == 2
    sessions.close("idle")
    sessions.get("third")
    assert working.folder.exists()
    assert not idle.folder.exists()


def test_new_pages_wait_while_all_places_are_in_use(segmenter: Segmenter, tmp_path: Path) -> None:
    """The work of others is not lost because somebody opens pages."""
    sessions = Sessions(segmenter, tmp_path, replace(Limits(), sessions=2))
    working = [sessions.get("one"), sessions.get("two")]
    for key in ("three", "four"):
        with pytest.raises(DataError, match="The page is used by 2 others at the moment"):
            sessions.get(key)
    assert all(session.folder.exists() for session in working)
    sessions.close("one")
    sessions.get("three")
    assert [session.folder.exists() for session in working] == [False, True]


def test_a_closed_session_is_kept_during_its_grace(segmenter: Segmenter, tmp_path: Path) -> None:
    sessions = Sessions(segmenter, tmp_path, replace(Limits(), grace=1000.0))
    sessions.get("one")
    sessions.close("one")
    assert sessions.end_expired() == 0
    assert len(sessions) == 1
