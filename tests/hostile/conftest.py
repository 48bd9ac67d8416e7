"""A good checkpoint beside a good class file, a network that notes every attempt to use it, and a small page."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cdpnet.inference.class_files import ClassPrototype, save_class
from cdpnet.network.network import PrototypeNetwork


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


@pytest.fixture(scope="package", autouse=True)
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of what is uploaded to pages."""
    folder = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        yield folder


@pytest.fixture(scope="package")
def url() -> Iterator[str]:
    """The URL of a small page behind a proxy."""
    from tests.hostile.small_page import small_page

    with small_page(names=("page.example.org",)) as served:
        yield served
