"""Read weights from files of several formats, never running code, and load them strictly."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from cdpnet.errors import CdpnetError, WeightsError
from cdpnet.io.files import regular_file, write_bytes
from cdpnet.io.tensors import open_tensors

ENDING = ".safetensors"
_WHAT = "a weights file"


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors or a pickled state dict, in the precision of the file.

    The tensors are mapped from the file where its format allows, so that those of another model need no memory.
    WeightsError where the file is missing or neither of the two. Pickles are read with `weights_only`, and a
    TorchScript archive is refused, so no file can run code; `convert_archive` is for those of a trusted source.
    """
    if not path.exists():
        raise WeightsError(f"There is no weights file {path}; give a {ENDING}, .pt or .pth file that exists.")
    try:
        state = _read_safetensors(path) if path.suffix == ENDING else _read_pickle(path)
    except CdpnetError:
        raise
    except pickle.UnpicklingError:
        raise WeightsError(
            f"The weights file {path} cannot be read: it is not complete, or it holds other objects than "
            "tensors, which could run code and are never loaded."
        ) from None
    except Exception as error:  # a broken file raises nearly every kind
        reason = str(error).strip().split("\n")[0][:120]
        raise WeightsError(f"The weights file {path} cannot be read ({reason}); is it complete?") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f"The file {path} holds no state dict; a mapping of names to tensors is needed.")
    for key, value in state.items():
        if value.layout is not torch.strided or value.device.type != "cpu" or value.is_nested or value.is_quantized:
            raise WeightsError(f"{path} cannot be used: its tensor {key!r} is not stored as plain numbers.")
    return {key.removeprefix("module."): value for key, value in state.items()}


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's words about how a file was pickled
        return torch.load(path, map_location="cpu", weights_only=True, mmap=archived)


def _check_archive(path: Path) -> None:
    """WeightsError for a zip archive with code, and for a compressed one, whose size in memory nobody knows."""
    if _is_torchscript(path):
        raise WeightsError(
            f"{path} is a TorchScript archive, whose code would run; if you trust its source, take the weights "
            f"out once by `cdpnet weights convert {path} OUT{ENDING} --trust`."
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
                f"{source} does not fit this model: it {what} {keys[0]!r} ({len(keys)} in all); "
                "give the weights of this very encoder."
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
