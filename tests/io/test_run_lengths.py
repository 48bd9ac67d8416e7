"""Run lengths: the masks that they stand for."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from cdpnet.io import run_lengths


@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_a_mask_comes_back_as_pycocotools_has_it(share: float) -> None:
    mask = np.random.default_rng(0).random((37, 53)) < share
    encoded = run_lengths.encode_mask(mask)
    decoded = run_lengths.decode(encoded)
    assert decoded.dtype == np.uint8
    assert decoded.flags.f_contiguous
    assert np.array_equal(decoded, mask)
    assert np.array_equal(decoded, coco_mask.decode(encoded))


def test_no_interrupt_is_lost_in_decoding() -> None:
    """numpy warns where it catches an error of the class of pycocotools; a Ctrl-C at that place became a TypeError."""
    encoded = run_lengths.encode_mask(np.eye(3, dtype=bool))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run_lengths.decode(encoded).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
