"""Fixtures of many tests. Nothing heavy is imported here: the process that only distributes the tests reads it too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported; several processes share the cores
os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported; no test waits for a network

LONG_FILES = (  # begun first, so that no worker is left with one of them at the end
    "web/test_page_behaviour.py",
    "inference/test_onnx_export.py",
    "web/test_page.py",
    "web/test_server.py",
    "cli/test_labelling_stopped.py",
    "network/test_fast_paths.py",
    "training/test_processes.py",
    "cli/test_benchmarks.py",
)

if TYPE_CHECKING:
    from cdpnet.network.network import PrototypeNetwork


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    order = {tests / name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(scope="session")
def icon_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An episode as files: support.png, mask.png, query.png, name.txt; wide.jpg is an image of another size."""
    import torch
    from PIL import Image

    from cdpnet.data.icons.episodes import IconEpisodes

    folder = tmp_path_factory.mktemp("icons")
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(2)).batch
    for name, tensor in (("support", batch.support_images[0, 0]), ("query", batch.query_images[0])):
        Image.fromarray(tensor.permute(1, 2, 0).numpy()).save(folder / f"{name}.png")
    Image.fromarray(batch.query_images[1].permute(1, 2, 0).numpy()).resize((200, 150)).save(folder / "wide.jpg")
    Image.fromarray(batch.support_masks[0, 0].numpy() * 255).save(folder / "mask.png")
    (folder / "name.txt").write_text(batch.class_names[0])
    return folder


@pytest.fixture(scope="session")
def tiny() -> PrototypeNetwork:
    """The embedded network of the method cdpn, loaded once; a test must not change it."""
    from cdpnet.network.build import load_network

    return load_network("tiny")
