"""Notes to the user about input that was read in one of several ways, or left out."""

from __future__ import annotations

import warnings


def note(sentence: str) -> None:
    """Tell the user something about the input that is no error: a warning, which a command prints once."""
    warnings.warn(sentence, UserWarning, stacklevel=1)
