"""Makers of damaged checkpoints, class files and settings; each takes the path to write and a good checkpoint."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor


class Maker(Protocol):
    """Writes a file to ``path``, from a good checkpoint that lies beside a good class file."""

    def __call__(self, path: Path, good: Path) -> None: ...


def with_setting(key: str, value: object) -> Maker:
    """A checkpoint with another value in its configuration."""

    def make(path: Path, good: Path) -> None:
        shutil.copytree(good, path)
        about = json.loads((good / "config.json").read_text())
        *parents, last = key.split(".")
        place = about
        for name in parents:
            place = place[name]
        place[last] = value
        (path / "config.json").write_text(json.dumps(about))

    return make


def with_text(text: str) -> Maker:
    """A checkpoint with another text for its configuration."""

    def make(path: Path, good: Path) -> None:
        shutil.copytree(good, path)
        (path / "config.json").write_text(text)

    return make


def with_pipe(path: Path, good: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "config.json")
    shutil.copy(good / "model.safetensors", path)


def with_tensor(change: Callable[[Tensor], Tensor]) -> Maker:
    """A checkpoint with another tensor `prototypes.mix`."""

    def make(path: Path, good: Path) -> None:
        shutil.copytree(good, path)
        state = load_file(good / "model.safetensors")
        save_file({**state, "prototypes.mix": change(state["prototypes.mix"])}, path / "model.safetensors")

    return make


def class_with(**values: object) -> Maker:
    """A class file with other values in its description."""

    def make(path: Path, good: Path) -> None:
        tensors, about = read_class(good)
        save_file(tensors, path, {"cdpnet_class": json.dumps({**about, **values})})

    return make


def class_tensor(name: str, change: Callable[[Tensor], Tensor]) -> Maker:
    """A class file with another tensor."""

    def make(path: Path, good: Path) -> None:
        tensors, about = read_class(good)
        changed = change(tensors.get(name, torch.zeros(4)))
        save_file({**tensors, name: changed}, path, {"cdpnet_class": json.dumps(about)})

    return make


def read_class(good: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    with safe_open(good.parent / "class.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["cdpnet_class"])  # noqa: SIM118


def described(text: str) -> Maker:
    """A class file with this description."""

    def make(path: Path, good: Path) -> None:
        save_file(load_file(good.parent / "class.safetensors"), path, {"cdpnet_class": text})

    return make


def long_header(path: Path, good: Path) -> None:  # noqa: ARG001
    header = b'{"__metadata__":{"a":"' + b"x" * 2**24 + b'"}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def sparse_file(path: Path, good: Path) -> None:  # noqa: ARG001
    with path.open("wb") as file:
        file.truncate(2**40)


def text_file(text: str) -> Maker:
    """A file with this text."""

    def make(path: Path, good: Path) -> None:  # noqa: ARG001
        path.write_text(text)

    return make


def pipe(path: Path, good: Path) -> None:  # noqa: ARG001
    os.mkfifo(path)
