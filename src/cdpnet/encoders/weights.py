"""Read weights from files of several formats, and load them strictly."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cdpnet.errors import WeightsError


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from safetensors, a pickled state dict, or an original TorchScript archive of CLIP.

    WeightsError where the file is missing or none of the three. Pickles are read with `weights_only`, so they cannot
    run code; a TorchScript archive is opened as such, and only its tensors are kept.
    """
    if not path.is_file():
        raise WeightsError(f"There is no weights file {path}; give a .safetensors, .pt or .pth file that exists.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        elif _is_torchscript(path):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch advises against its own older format, which is OpenAI's
                state = dict(torch.jit.load(path, map_location="cpu").state_dict())  # type: ignore[no-untyped-call]
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:120]
        raise WeightsError(f"The weights file {path} cannot be read ({reason}); is it complete?") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"The file {path} holds no state dict; a mapping of names to tensors is needed.")
    prefix = "module."
    return {
        key.removeprefix(prefix): value.float() if value.is_floating_point() else value for key, value in state.items()
    }


def _is_torchscript(path: Path) -> bool:
    """Whether a file is an archive of torch.jit.save, which contains code."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def load_into(module: nn.Module, state: dict[str, Tensor], source: str, ignore: tuple[str, ...] = ()) -> None:
    """Load strictly; keys that start with one of ``ignore`` may be unused. WeightsError names the first mismatch."""
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
    module.load_state_dict({key: value for key, value in state.items() if key in wanted}, strict=False)
