"""Files of the model hub. No heavy library is imported, so a missing file is reported before torch is loaded."""

from __future__ import annotations

import socket
import threading
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from cdpnet.errors import WeightsError

_PROBE_SECONDS = 1.5
CLIP_FILE, TIMM_FILE = "open_clip_model.safetensors", "model.safetensors"


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
    """Whether the hub, or the proxy in front of it, accepts connections; in a thread, since a name look-up can hang."""
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
