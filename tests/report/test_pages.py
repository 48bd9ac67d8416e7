"""The pages that commands write, on a narrow screen."""

from __future__ import annotations

import re

import pytest

from cdpnet.report import comparison, contact_sheet, gallery

_PHONE = 20  # rem: the width of a narrow phone without the margins of a page


@pytest.mark.parametrize("style", [comparison._STYLE, contact_sheet._STYLE, gallery._STYLE])
def test_no_column_is_wider_than_a_phone(style: str) -> None:
    columns = re.findall(r"minmax\((?:(\d+)rem|min\(\d+rem, 100%\))", style)
    assert columns
    assert all(int(width or 0) <= _PHONE for width in columns)
