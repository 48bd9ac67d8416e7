"""Label Studio without Label Studio: sends the requests of its protocol, and serves files as it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from cdpnet.backend import server
from cdpnet.backend.host import LabelStudioHost
from cdpnet.backend.server import Sources, serve_backend
from cdpnet.inference.segmenter import Segmenter
from cdpnet.labels.brush import decode_mask, encode_mask
from cdpnet.web.address import Address
from cdpnet.web.limits import Limits
from tests.processes import free_port, served
from tests.projects.making import NAMES, SIZE, object_mask

TIMEOUT = 900.0  # seconds; it only ends a test that hangs
BRUSH = """<View><Image name="photo" value="$picture"/><BrushLabels name="tag" toName="photo">
<Label value="thing"/><Label value="other  thing"/></BrushLabels>
<KeyPointLabels name="click" toName="photo" smart="true"><Label value="thing"/></KeyPointLabels></View>"""
POLYGON = BRUSH.replace("BrushLabels", "PolygonLabels")
RECTANGLE = BRUSH.replace("BrushLabels", "RectangleLabels")


class Studio:
    """A project of Label Studio with the tasks 0, 1, .. for a.png, b.png, .. config: its labelling configuration."""

    def __init__(self, url: str, config: str = BRUSH, **options: Any) -> None:
        self.client = httpx.Client(base_url=url, timeout=TIMEOUT, verify=False, trust_env=False, **options)
        self.config = config

    def post(self, path: str, body: object, status: int) -> Any:
        """Send a request; gives the answer, or the sentence of a refusal."""
        answer = self.client.post(path, json=body)
        assert answer.status_code == status, answer.text
        if status < 400:
            return answer.json()
        detail = answer.json()["detail"]
        assert detail.endswith(".")
        return detail

    def set_up(self) -> str:
        """Connect; gives the version of the model."""
        body = {
            "project": "1.1790000000",
            "schema": self.config,
            "hostname": "http://localhost:8080",
            "access_token": "a",
        }
        return str(self.post("setup", body, 200)["model_version"])

    def predict(self, *tasks: Any, status: int = 200, **params: Any) -> Any:
        """The results for tasks, given by their numbers or whole."""
        asked = [task(one) if isinstance(one, int) else one for one in tasks]
        body = {"tasks": asked, "project": "1.1790000000", "label_config": self.config, "params": params}
        answer = self.post("predict", body, status)
        return answer if status >= 400 else answer["results"]

    def mask(self, number: int) -> NDArray[np.bool_]:
        """The predicted mask of a task, (H, W), whose one region is ``thing``."""
        (prediction,) = self.predict(number)
        (result,) = prediction["result"]
        assert result["value"]["brushlabels"] == ["thing"]
        return decode_mask(result["value"]["rle"], SIZE)

    def click(self, number: int, *marks: dict[str, Any], status: int = 200) -> Any:
        """What the marks of a smart tool give."""
        return self.predict(number, status=status, context={"result": list(marks)})

    def webhook(self, action: str, status: int = 201, **payload: Any) -> Any:
        """Tell of an event."""
        return self.post("webhook", {"action": action, "project": {"label_config": self.config}, **payload}, status)

    def annotate(self, number: int, *results: dict[str, Any], action: str = "ANNOTATION_CREATED", **more: Any) -> Any:
        """Submit the annotation 100 + number of a task; without results its object as ``thing``."""
        regions = results or (brush(object_mask(number)),)
        return self.webhook(action, annotation=annotation(number, *regions), task=task(number), **more)


def task(number: int, address: str = "") -> dict[str, Any]:
    """A task by its number."""
    return {"id": number, "data": {"picture": address or f"/data/local-files/?d=photos/{NAMES[number]}"}}


def annotation(number: int, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The annotation 100 + number of a task."""
    return {"id": 100 + number, "task": number, "was_cancelled": False, "result": list(results), **more}


def brush(mask: NDArray[np.bool_], label: str = "thing") -> dict[str, Any]:
    """A region that was drawn with the brush."""
    value = {"format": "rle", "rle": encode_mask(mask.astype(np.uint8)), "brushlabels": [label]}
    height, width = mask.shape
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    return {"id": label, "type": "brushlabels", "from_name": "tag", "to_name": "photo", **size, "value": value}


def keypoint(x: float, y: float, *, positive: bool = True, label: str = "thing") -> dict[str, Any]:
    """A click of a smart tool, in percent."""
    value = {"x": x, "y": y, "width": 0.3, "keypointlabels": [label]}
    return {"type": "keypointlabels", "from_name": "click", "is_positive": positive, "value": value}


@contextmanager
def serve_in_thread(
    segmenter: Segmenter,
    project: Path,
    images: Path | None = None,
    host: LabelStudioHost | None = None,
    *,
    login: tuple[str, str] | None = None,
    limits: Limits = server.LIMITS,
) -> Iterator[str]:
    """Serve a backend in a thread; gives its URL."""
    address = Address("127.0.0.1", free_port(), login)
    sources = Sources(images, host)
    with served(lambda ready, stop: serve_backend(segmenter, project, sources, address, ready, stop, limits)) as url:
        yield url


@contextmanager
def file_server(files: dict[str, bytes], authorization: str) -> Iterator[str]:
    """Serve files as Label Studio does, to requests with a header; a file ``-> URL`` leads elsewhere."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("authorization", "") != authorization:
                self._answer(401, b"")
            elif self.path not in files:
                self._answer(404, b"")
            elif files[self.path].startswith(b"-> "):
                self._answer(302, b"", files[self.path].decode().removeprefix("-> "))
            else:
                self._answer(200, files[self.path])

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_right = self.path == "/api/token/refresh" and body == b'{"refresh": "a.b.c"}'
            self._answer(200 if is_right else 401, b'{"access": "d.e.f"}' if is_right else b"")

        def _answer(self, status: int, content: bytes, location: str = "") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            if location:
                self.send_header("location", location)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}"
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


SMALL = replace(server.LIMITS, megabytes=1)
