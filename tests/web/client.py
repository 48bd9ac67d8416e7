"""A user of the page without a browser: sends the requests that the page sends."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.web.serving import TIMEOUT


class User:
    """Requests with the cookie of one browser. state: the last one that was answered."""

    def __init__(self, url: str, **options: Any) -> None:
        self.client = httpx.Client(base_url=f"{url}api/", timeout=TIMEOUT, verify=False, **options)
        self.state: dict[str, Any] = self.client.get("state").json()

    def change(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """Send a request that changes the project, and take the state that answers it; a refusal gives its sentence."""
        answer = self.client.request(method, path, **options)
        assert answer.status_code == status, answer.text
        if status != 200:
            detail = answer.json()["detail"]
            assert detail.endswith(".")
            return detail
        self.state = answer.json()
        return self.state

    def upload(self, *files: tuple[str, bytes]) -> list[dict[str, str]]:
        """Send images; gives those that were refused."""
        refused: list[dict[str, str]] = self.change("POST", "images", files=[("files", file) for file in files])[
            "refused"
        ]
        return refused

    def image(self, name: str) -> dict[str, Any]:
        """An image of the state by its name."""
        return next(image for image in self.state["images"] if image["name"] == name)

    def add_class(self, name: str) -> str:
        """Add a class; gives its id."""
        self.change("POST", "classes", json={"name": name})
        return str(next(one["id"] for one in self.state["classes"] if one["name"] == name))

    def correct(self, name: str, class_id: str, mask: NDArray[np.bool_]) -> None:
        """Save a mask (h, w) at view size."""
        image = self.image(name)
        body = {"revision": image["revision"], "class": class_id, "mask": data_url(mask)}
        self.change("PUT", f"images/{image['id']}/mask", json=body)

    def teach(self, name: str, class_id: str) -> None:
        """Use the mask of an image as an example, and wait until all is segmented."""
        image = self.image(name)
        body = {"image": image["id"], "class": class_id, "revision": image["revision"]}
        self.change("POST", "examples", json=body)
        self.wait()

    def wait(self) -> None:
        """Wait until no job is running."""
        while self.state["job"]:
            self.state = self.client.get("events", params={"after": self.state["revision"]}).json()

    def picture(self, name: str, path: str, **options: Any) -> NDArray[np.uint8]:
        """A picture of an image, (h, w) or (h, w, 3)."""
        answer = self.client.get(f"images/{self.image(name)['id']}/{path}", **options)
        assert answer.status_code == 200, answer.text
        return np.array(Image.open(io.BytesIO(answer.content)))

    def click(self, name: str, class_id: str, **body: Any) -> NDArray[np.uint8]:
        """The mask of clicks, (h, w)."""
        fields = {"class": class_id, "clicks": [], "box": None, "mask": None, **body}
        answer = self.client.post(f"images/{self.image(name)['id']}/click", json=fields)
        assert answer.status_code == 200, answer.text
        return np.array(Image.open(io.BytesIO(answer.content)))


def data_url(mask: NDArray[np.bool_]) -> str:
    """A mask as a PNG, white on black, as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png(mask.astype(np.uint8) * 255)).decode()


def png(pixels: NDArray[np.uint8]) -> bytes:
    """The content of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def drawn(folder: Path) -> list[tuple[str, bytes]]:
    """The files of a folder, as an upload."""
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
