"""Every kind of mask, folder and COCO file that people bring is read right, or refused in plain words."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

from cdpnet.errors import DataError
from cdpnet.labels.examples import read_examples
from tests.labels.coco_files import COCO
from tests.labels.exif_files import EXIF
from tests.labels.mask_files import FOLDERS, MASKS, Kind


@pytest.mark.parametrize("kind", (*MASKS, *FOLDERS, *COCO, *EXIF), ids=lambda kind: kind.name)
def test_a_kind(kind: Kind, tmp_path: Path) -> None:
    kind.make(tmp_path)
    halves = tmp_path / kind.images, tmp_path / kind.marks
    if kind.says:
        with pytest.raises(DataError, match=kind.says) as refused:
            read_examples(*halves, kind.label, kind.options)
        assert str(tmp_path) in str(refused.value)  # the file is named
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        examples = read_examples(*halves, kind.label, kind.options)
    folder = halves[0] if halves[0].is_dir() else halves[0].parent
    counts = {example.image.relative_to(folder).as_posix(): int((example.mask == 1).sum()) for example in examples}
    assert counts == kind.pixels
    said = [str(warning.message) for warning in caught if warning.category is UserWarning]
    assert len(said) == len(kind.notes), said
    for note in kind.notes:
        assert any(re.search(note, sentence) for sentence in said), said
