"""The real Label Studio: started from its executable with an empty data folder, and used through its interface."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.processes import free_port

EXECUTABLE = os.environ.get("CDPNET_LABEL_STUDIO") or shutil.which("label-studio") or ""
TIMEOUT = 600.0  # seconds; it only ends a test that hangs
TOKEN = "0123456789abcdef0123456789abcdef01234567"
_SETTINGS = {  # it may talk to this machine, and serve files of it
    "ML_BLOCK_LOCAL_IP": "false",
    "SSRF_PROTECTION_ENABLED": "false",
    "LOCAL_FILES_SERVING_ENABLED": "true",
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "WEBHOOK_TIMEOUT": "60",  # seconds, since this machine may be busy
    "ML_TIMEOUT_HEALTH": "60",
    "ML_TIMEOUT_SETUP": "60",
}


@contextmanager
def label_studio(folder: Path, images: Path) -> Iterator[LabelStudio]:
    """Label Studio with its data in a folder, which may serve a folder of images."""
    port = free_port()
    environment = {**os.environ, **_SETTINGS, "HOME": str(folder), "LOCAL_FILES_DOCUMENT_ROOT": str(images.parent)}
    log = folder / "label-studio.log"
    command = [EXECUTABLE, "start", "--no-browser", "--host", "127.0.0.1", "--internal-host", "127.0.0.1"]
    command += ["--port", str(port), "--data-dir", str(folder / "data"), "--username", "user@example.org"]
    command += ["--password", "a-long-password", "--user-token", TOKEN, "--enable-legacy-api-token"]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _await_health(url, process, log)
        yield LabelStudio(url)
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)


class LabelStudio:
    """Requests of a user who is logged in by an access token."""

    def __init__(self, url: str) -> None:
        self.url = url
        headers = {"Authorization": f"Token {TOKEN}"}
        self.client = httpx.Client(base_url=f"{url}/api/", headers=headers, timeout=TIMEOUT, trust_env=False)

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; gives the JSON of its answer."""
        answer = self.client.request(method, path, **options)
        assert answer.status_code < 300, answer.text[:2000]
        return answer.json() if answer.content else None

    def begin(self, config: str) -> int:
        """Make a project with a labelling configuration; gives its number."""
        return int(self.request("POST", "projects", json={"title": "A test", "label_config": config})["id"])

    def serve_files(self, project: int, folder: Path) -> None:
        """Let a project show the images of a folder by their addresses in a local storage."""
        body = {"project": project, "path": str(folder), "use_blob_urls": True, "title": "images"}
        self.request("POST", "storages/localfiles", json=body)

    def upload(self, project: int, files: list[Path]) -> None:
        """Add images, each a task."""
        for file in files:
            self.request("POST", f"projects/{project}/import", files={"file": (file.name, file.read_bytes())})

    def load(self, project: int, tasks: object) -> Any:
        """Import tasks."""
        return self.request("POST", f"projects/{project}/import", json=tasks)

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """The tasks in the order of their numbers."""
        found = self.request("GET", "tasks", params={"project": project, "fields": "all"})["tasks"]
        return sorted(found, key=lambda task: int(task["id"]))

    def connect(self, project: int, backend: str) -> int:
        """Connect an ML backend with its webhook; gives its number."""
        hook = {"project": project, "url": f"{backend}webhook", "send_payload": True, "send_for_all_actions": True}
        self.request("POST", "webhooks/", json=hook)
        body = {"project": project, "url": backend, "title": "cdpnet", "is_interactive": True}
        found = self.request("POST", "ml", json=body)
        assert found["readable_state"] == "Connected", found
        return int(found["id"])

    def act(self, project: int, action: str, **more: Any) -> Any:
        """Do something with all tasks, as from the list of tasks."""
        body = {"selectedItems": {"all": True, "excluded": []}, **more}
        return self.request("POST", "dm/actions", params={"id": action, "project": project}, json=body)

    def export(self, project: int) -> list[dict[str, Any]]:
        """A snapshot of all tasks as JSON, with annotations and predictions."""
        options = {"predictions": {"only_id": False}, "annotations__completed_by": {"only_id": True}}
        path = f"projects/{project}/exports"
        number = self.request("POST", f"{path}/", json={"serialization_options": options})["id"]
        found: list[dict[str, Any]] = self.request("GET", f"{path}/{number}/download", params={"exportType": "JSON"})
        return sorted(found, key=lambda task: int(task["id"]))

    def export_masks(self, project: int) -> dict[str, NDArray[np.bool_]]:
        """The export as PNG, (H, W) each, by the names of the files."""
        answer = self.client.get(f"projects/{project}/export", params={"exportType": "BRUSH_TO_PNG"})
        assert answer.status_code == 200, answer.text[:2000]
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            names = [name for name in archive.namelist() if name.endswith(".png")]
            return {name: np.array(Image.open(io.BytesIO(archive.read(name)))) > 0 for name in names}
