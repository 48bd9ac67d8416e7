"""A good checkpoint beside a good class file, a network that notes every attempt to use it, and a small page."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cdpnet.inference.class_files import ClassPrototype, save_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.network import PrototypeNetwork
from tests.hostile.small_page import SmallPage, small_page


@pytest.fixture(scope="package")
def checkpoint(tiny: PrototypeNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "checkpoint"
    tiny.save(folder)
    channels = tiny.image.channels
    numbers = torch.arange(channels) / channels
    blank = np.zeros((4, 4, 3), np.uint8)
    known = ClassPrototype("thing", numbers, numbers + 1, numbers + 2, True, 1, blank, ("0" * 16, "tiny cdpn"))
    save_class(known, folder.parent / "class.safetensors")
    return folder


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Addresses that were looked up or connected to; every attempt fails."""
    asked: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


@pytest.fixture(scope="package")
def segmenter(tiny: PrototypeNetwork) -> Segmenter:
    return Segmenter(tiny)


@pytest.fixture(scope="package")
def served(segmenter: Segmenter) -> Iterator[SmallPage]:
    """A page behind a proxy."""
    with small_page(segmenter, names=("page.example.org",)) as page:
        yield page


@pytest.fixture
def url(served: SmallPage) -> str:
    """The URL of that page."""
    return served.url
