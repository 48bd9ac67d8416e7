"""Where encoder weights come from: the package, the user's files, or the model hub. Random only if asked for."""

from __future__ import annotations

import socket
import threading
import urllib.request
import warnings
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from cdpnet.errors import WeightsError

RANDOM = "random"
HUB = ""
_PROBE_SECONDS = 1.5


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
    """An archive with code in it, as torch.jit.save writes."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def load_into(module: nn.Module, state: dict[str, Tensor], source: str, ignore: tuple[str, ...] = ()) -> None:
    """Load strictly; keys that start with one of ``ignore`` may be left over. WeightsError names the first misfit."""
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


def from_hub(repo: str, filename: str, option: str) -> Path:
    """A file of the model hub: from its cache, or downloaded with a progress bar.

    WeightsError within two seconds where there is neither a cached file nor a network; ``option`` is the command-line
    option that would take a local file.
    """
    import huggingface_hub
    from huggingface_hub import constants

    cached = huggingface_hub.try_to_load_from_cache(repo, filename)
    if isinstance(cached, str):
        return Path(cached)
    sentence = (
        f"The weights {repo}/{filename} are not on this machine and the model hub cannot be reached; run once with a "
        f"network, or pass a local copy with {option} FILE, or use the embedded encoder tiny, which needs no download."
    )
    if constants.HF_HUB_OFFLINE or not _reachable(constants.ENDPOINT):
        raise WeightsError(sentence)
    try:
        return Path(huggingface_hub.hf_hub_download(repo, filename))
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:120]
        raise WeightsError(
            f"The weights {repo}/{filename} could not be downloaded ({reason}); pass a local copy with {option} FILE."
        ) from None


def _reachable(endpoint: str) -> bool:
    """Whether something answers at the hub, or at the proxy before it. Name look-ups can hang, hence the thread."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https", proxies.get("all", ""))
    address = urlsplit(endpoint if not proxy else proxy if "://" in proxy else f"http://{proxy}")
    answered: list[bool] = []

    def probe() -> None:
        port = address.port or (80 if address.scheme == "http" else 443)
        try:
            socket.create_connection((address.hostname or "", port), timeout=_PROBE_SECONDS).close()
            answered.append(True)
        except OSError:
            pass

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS)
    return bool(answered)
