"""The interface that Label Studio uses: health, setup, predictions and webhooks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cdpnet.backend.images import TaskImages
from cdpnet.backend.predicting import Prediction, model_version, predict, predict_object
from cdpnet.backend.requests import Prompt, Task, read_added, read_config, read_deleted, read_prompt, read_tasks
from cdpnet.backend.teaching import Lesson, forget, teach
from cdpnet.errors import DataError
from cdpnet.io.fields import FieldError, JsonObject, as_object
from cdpnet.labels.labelstudio_config import ShapeControl, find_control
from cdpnet.runtime.text import escape
from cdpnet.web.answering import answering
from cdpnet.web.call import read_fields
from cdpnet.web.threads import Threads
from cdpnet.web.workspace import Workspace

_CREATED = 201  # the status that answers webhooks
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackendApi:
    """from_name: the control that regions belong to, where a project has several; else empty."""

    workspace: Workspace
    images: TaskImages
    threads: Threads
    from_name: str = ""

    def routes(self) -> list[Route]:
        """All addresses of the interface."""
        health = answering(self._health)
        return [
            Route("/", health),
            Route("/health", health),
            Route("/setup", answering(self._setup), methods=["POST"]),
            Route("/predict", answering(self._predict), methods=["POST"]),
            Route("/webhook", answering(self._webhook), methods=["POST"]),
        ]

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "UP", "model_class": "cdpnet"})

    async def _setup(self, request: Request) -> Response:
        """Remember the labelling configuration of a project."""
        fields = await read_fields(request)
        config = fields.text("schema")
        find_control(config, self.from_name)
        await self.threads.in_files(self._remember, config)
        return JSONResponse({"model_version": model_version(self.workspace.work)})

    async def _predict(self, request: Request) -> Response:
        """Masks for tasks, or for what a person has clicked on in one; a task that cannot be used gets none."""
        fields = await read_fields(request)
        control = self._control(fields)
        tasks, prompt = read_tasks(fields, control), read_prompt(fields, control)
        if prompt is not None:
            if len(tasks) != 1:
                raise FieldError(f"the marks of one object come with {len(tasks)} tasks")
            return self._answer([[await self._predict_object(tasks[0], prompt, control)]])
        addresses = {task.address for task in tasks}
        found: list[list[Prediction]] = []
        failed: list[str] = []
        for task in tasks:
            try:
                found.append(await self._predict_one(task, addresses, control))
            except DataError as error:
                found.append([])
                failed.append(str(error))
                _log.warning("%s gets no prediction: %s", task.name, escape(str(error)))
        if len(failed) == len(tasks):
            raise DataError(failed[0])
        return self._answer(found)

    async def _predict_one(self, task: Task, addresses: set[str], control: ShapeControl) -> list[Prediction]:
        image = await self.threads.in_files(self.images.find, task.address, addresses)
        await self.threads.in_network(self.workspace.work.segment, image.id)
        return await self.threads.in_files(predict, self.workspace, image, control)

    async def _predict_object(self, task: Task, prompt: Prompt, control: ShapeControl) -> Prediction:
        image = await self.threads.in_files(self.images.find, task.address)
        return await self.threads.in_network(predict_object, self.workspace, image, prompt, control)

    def _answer(self, found: list[list[Prediction]]) -> Response:
        """The predictions of each task; where there is one, it stands alone, as clicks need it."""
        results = [one[0] if len(one) == 1 else one for one in found]
        return JSONResponse({"results": results, "model_version": model_version(self.workspace.work)})

    async def _webhook(self, request: Request) -> Response:
        """Learn from annotations that are made, changed or deleted; other events change nothing."""
        fields = await read_fields(request)
        action = fields.text("action")
        deleted = read_deleted(action, fields)
        await self.threads.in_files(forget, self.workspace.project, self.images, deleted)
        lessons: list[Lesson] = []
        if action.startswith("ANNOTATION") and not deleted:
            control = self._control(as_object(fields.get("project") or {}, "project"))
            annotations = list(read_added(action, fields, control))
            lessons = [
                await self.threads.in_files(teach, self.workspace, self.images, annotation)
                for annotation in annotations
            ]
        learned = sorted({name for lesson in lessons for name in lesson.learned})
        left_out = [sentence for lesson in lessons for sentence in lesson.left_out]
        for sentence in left_out:
            _log.warning("%s", escape(sentence))
        answer = {"learned": learned, "left_out": left_out}
        return JSONResponse(answer, _CREATED, background=BackgroundTask(self._learn))

    async def _learn(self) -> None:
        """Learn after the answer, since Label Studio waits for that one second only."""
        try:
            await self.threads.in_network(self.workspace.work.learn)
        except Exception as error:  # such as a full disk; the next request tries again
            _log.warning("Learning failed: %.200r", error)

    def _control(self, fields: JsonObject) -> ShapeControl:
        """The control of the labelling configuration of a request, or of the last setup."""
        config = read_config(fields, "label_config") or self.images.records.config
        if not config:
            raise FieldError("label_config is missing, and no project was set up before")
        return find_control(config, self.from_name)

    def _remember(self, config: str) -> None:
        with self.workspace.project.lock:
            if config != self.images.records.config:
                self.images.remember(replace(self.images.records, config=config))
