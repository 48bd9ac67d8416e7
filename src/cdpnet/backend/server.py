"""Serve the ML backend of Label Studio for a project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from cdpnet.backend.api import BackendApi
from cdpnet.backend.host import LabelStudioHost
from cdpnet.backend.images import TaskImages
from cdpnet.backend.records import load_records
from cdpnet.inference.encoded_images import EncodedImages
from cdpnet.inference.segmenter import Segmenter
from cdpnet.io.images import MAX_PIXELS
from cdpnet.projects.folder import held
from cdpnet.web.address import Address
from cdpnet.web.application import guarded
from cdpnet.web.http_server import serving
from cdpnet.web.limits import Limits
from cdpnet.web.threads import Threads
from cdpnet.web.workspace import Workspace

LIMITS = Limits(megabytes=100, megapixels=MAX_PIXELS // 10**6, body=64 * 2**20)


@dataclass(frozen=True)
class Sources:
    """Where the images of tasks are: a folder on this machine, and Label Studio. from_name: see `BackendApi`."""

    images: Path | None
    host: LabelStudioHost | None
    from_name: str = ""


def serve_backend(
    segmenter: Segmenter,
    project: Path,
    sources: Sources,
    address: Address,
    ready: Callable[[str], None],
    stop: Event,
    limits: Limits = LIMITS,
) -> None:
    """Serve the backend until ``stop`` is set.

    project: folder of the project. ready: called with the URL once the backend answers. ConfigError where the port or
    the folder cannot be used; DataError where another process holds the project.
    """
    threads = Threads()
    with held(project) as folder:
        records = load_records(folder)
        workspace = Workspace(folder, EncodedImages(segmenter), kept=True)
        images = TaskImages(workspace.project, records, sources.images, sources.host, limits)
        api = BackendApi(workspace, images, threads, sources.from_name)
        try:
            with serving(guarded(api.routes(), address, limits), address, limits) as url:
                ready(url)
                stop.wait()
        finally:
            threads.close()
            workspace.project.save()
