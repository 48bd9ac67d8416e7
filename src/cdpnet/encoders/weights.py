"""Read weights from files of several formats, never running code, and load them strictly."""

from __future__ import annotations

import argparse
import codecs
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from cdpnet.errors import CdpnetError, WeightsError
from cdpnet.io.files import TENSORS_ENDING, regular_file, require_weights_file, write_bytes
from cdpnet.io.tensors import open_tensors
from cdpnet.runtime.text import listed

_WHAT = "a weights file"
_USUAL_KEYS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
"""Where training programs put the weights in a checkpoint, in the order in which they are looked for."""
_DEEPEST = 3
_WRAPPERS = re.compile(r"^((module|_orig_mod)\.)+")  # what parallel and compiled models put before the names
_NUMPY_SCALAR: Callable[..., Any] = np.float64(0).__reduce__()[0]  # type: ignore[assignment]
_PLAIN_OBJECTS: tuple[
    Callable[..., Any] | tuple[Callable[..., Any], str], ...
] = (  # that lie beside the weights in many checkpoints, and run no code
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),  # its place up to numpy 1
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefdgFDU"},
    codecs.encode,
    argparse.Namespace,
)
"""What lies beside the weights in many checkpoints and runs no code: numpy's numbers, and arguments of a command."""


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or a pickled state dict, in the precision of the file.

    The tensors are mapped from the file where its format allows, so that those of another model need no memory.
    WeightsError where the file is missing or neither of the two. Pickles are read with `weights_only`, and a
    TorchScript archive is refused, so no file can run code; `convert_archive` is for those of a trusted source.
    """
    require_weights_file(path)
    try:
        state = _read_safetensors(path) if path.suffix.lower() == TENSORS_ENDING else _read_pickle(path)
    except CdpnetError:
        raise
    except pickle.UnpicklingError:
        raise WeightsError(
            f"The weights file {path} cannot be read: it is not complete, or it holds other objects than "
            f"tensors, which could run code and are never loaded{_foreign_objects(path)}."
        ) from None
    except Exception as error:  # a broken file raises nearly every kind
        reason = str(error).strip().split("\n")[0][:120]
        raise WeightsError(f"The weights file {path} cannot be read ({reason}); is it complete?") from None
    found = find_state(state)
    if found is None:
        keys = f"it has the keys {_listed(list(state))}" if isinstance(state, dict) else "it is no mapping"
        raise WeightsError(f"The file {path} holds no state dict, a mapping of names to tensors: {keys}.")
    for key, value in found.items():
        if value.layout is not torch.strided or value.device.type != "cpu" or value.is_nested or value.is_quantized:
            raise WeightsError(f"{path} cannot be used: its tensor {key!r} is not stored as plain numbers.")
    return {_WRAPPERS.sub("", key): value for key, value in found.items()}


def shipped(filename: str) -> dict[str, Tensor]:
    """Tensors that come with the package, in the precision of their file."""
    with resources.as_file(resources.files("cdpnet.weights").joinpath(filename)) as path:
        return read_state(path)


def find_state(content: object, depth: int = 0) -> dict[str, Tensor] | None:
    """The state dict in the content of a checkpoint, which may lie under a key such as ``model``; None without one.

    Of several state dicts, that under the first of the usual keys is meant; without such a key there is none.
    """
    if not isinstance(content, dict) or depth > _DEEPEST or not all(isinstance(key, str) for key in content):
        return None
    if all(isinstance(value, Tensor) for value in content.values()):
        return content if content or not depth else None
    states = {key: found for key, value in content.items() if (found := find_state(value, depth + 1)) is not None}
    usual = [key for key in _USUAL_KEYS if key in states]
    chosen = usual[:1] or (list(states) if len(states) == 1 else [])
    return states[chosen[0]] if chosen else None


def _listed(keys: list[object]) -> str:
    return listed([str(key)[:80] for key in keys])


def convert_archive(source: Path, out: Path) -> int:
    """Write the tensors of a TorchScript archive, as OpenAI published CLIP, to a safetensors file.

    Returns their number. Opening such an archive runs the code in it, so its source must be trusted. WeightsError for
    another file.
    """
    if not _is_torchscript(regular_file(source, "a TorchScript archive")):
        raise WeightsError(f"{source} is no TorchScript archive, so it needs no conversion.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch advises against its own older format
            state = torch.jit.load(source, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise WeightsError(f"The archive {source} cannot be opened ({reason}); is it complete?") from None
    write_bytes(save({key: value.clone().contiguous() for key, value in state.items()}), out)
    return len(state)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with open_tensors(path, _WHAT) as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is not a dictionary


def _read_pickle(path: Path) -> Any:
    archived = zipfile.is_zipfile(regular_file(path, _WHAT))
    if archived:
        _check_archive(path)
    with torch.serialization.safe_globals(list(_PLAIN_OBJECTS)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's words about how a file was pickled
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archived)


def _foreign_objects(path: Path) -> str:
    """The kinds of the objects in a pickle that are never loaded, in brackets; empty where that is not known."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # a broken file raises nearly every kind
        return ""
    known = {one[1] if isinstance(one, tuple) else f"{one.__module__}.{one.__name__}" for one in _PLAIN_OBJECTS}
    others: list[object] = [name for name in names if name not in known]
    return f" ({_listed(others)})" if others else ""


def _check_archive(path: Path) -> None:
    """WeightsError for a zip archive with code, and for a compressed one, whose size in memory nobody knows."""
    if _is_torchscript(path):
        raise WeightsError(
            f"{path} is a TorchScript archive, whose code would run; if you trust its source, take the weights "
            f"out once by `cdpnet weights convert {path} OUT{TENSORS_ENDING} --trust`."
        )
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise WeightsError(f"The weights file {path} cannot be read: it is a compressed archive; unpack it first.")


def _is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of torch.jit.save, which contains code."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist())


def load_into(module: nn.Module, state: dict[str, Tensor], source: str, ignore: tuple[str, ...] = ()) -> None:
    """Load strictly; keys that start with one of ``ignore`` may be unused.

    WeightsError names the first tensor that is missing, unknown, of another shape or kind, or not finite.
    """
    wanted = module.state_dict()
    left = [key for key in state if key not in wanted and not key.startswith(ignore)]
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    wrong = [key for key, value in wanted.items() if key in state and state[key].shape != value.shape]
    for keys, what in ((missing, "lacks"), (left, "has an unknown tensor"), (wrong, "has another shape of")):
        if keys:
            raise WeightsError(
                f"{source} does not fit this model: it {what} {keys[0]!r} ({len(keys)} in all); its tensors are "
                f"{_listed(list(state))}; give the weights of this very encoder."
            )
    used = {key: value for key, value in state.items() if key in wanted}
    for key, value in used.items():
        if fault := _find_fault(value, wanted[key]):
            raise WeightsError(f"{source} cannot be used: its tensor {key!r} {fault}.")
    module.load_state_dict(used, strict=False)


def _find_fault(value: Tensor, wanted: Tensor) -> str:
    """What is wrong with the numbers of a tensor that has the right shape; empty for nothing."""
    if value.is_floating_point() != wanted.is_floating_point() or value.is_complex():
        kinds = {True: "floating-point numbers", False: "whole numbers"}
        return f"holds {str(value.dtype).removeprefix('torch.')}, where {kinds[wanted.is_floating_point()]} belong"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return "repeats fewer numbers than its shape has"
    return "" if value.float().isfinite().all() else "holds numbers that are not finite"
