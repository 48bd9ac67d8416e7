"""What all tests of the page share: the network."""

from __future__ import annotations

import pytest

from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.network import PrototypeNetwork


@pytest.fixture(scope="session")
def segmenter(tiny: PrototypeNetwork) -> Segmenter:
    return Segmenter(tiny)
