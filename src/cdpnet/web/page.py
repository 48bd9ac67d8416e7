"""The page and its handlers: each reads components, calls the session and updates components."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypedDict

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import CdpnetError
from cdpnet.labels.label_set import FormatName
from cdpnet.report.images import to_image
from cdpnet.web.blocks import PageBlocks
from cdpnet.web.layout import SCORES, PageLayout
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples
from cdpnet.web.session import Progress, Session, with_threshold
from cdpnet.web.sessions import Sessions
from cdpnet.web.views import class_list, describe, draw_result, note, summarise

Updates = dict[Any, Any]  # components of the page, and their new values
_FILE_ERROR = "The server could not write or read a file of this page ({}); try again, or tell its administrator."
_KEEP_ALIVE = 60.0  # seconds between the requests by which an open page shows that it still exists
_PROGRESS = gr.Progress()
_CLICK = "() => document.querySelector('#{0} a, a#{0}, button#{0}').click()"
_SERVER_FOLDERS = re.compile(r"(?:/[^/\s]+)*/(?:session-|samples|[0-9a-f]{64})[^/\s]*/(?:[^/\s]+/)*")


class EditorValue(TypedDict):
    """What the image editor sends: RGBA arrays (h, w, 4) of the image and of each layer of brush strokes."""

    background: NDArray[np.uint8] | None
    layers: Sequence[NDArray[np.uint8]]


def build_page(sessions: Sessions, samples: Samples, limits: Limits, model: str, threshold: float) -> gr.Blocks:
    """Build the page. model: a sentence about the network. threshold: the network's own, 0..1."""
    with PageBlocks(title="cdpnet", analytics_enabled=False, delete_cache=(60, 3600)) as page:
        layout = PageLayout(samples, limits, model, round(threshold, 2))
        Handlers(layout, sessions, samples, round(threshold, 2)).connect()
        page.unload(_make_close_handler(sessions))
        gr.Timer(_KEEP_ALIVE).tick(_make_keep_alive_handler(sessions), show_progress="hidden", api_visibility="private")
    return page


def _make_close_handler(sessions: Sessions) -> Callable[[gr.Request], None]:
    def close(request: gr.Request) -> None:
        sessions.close(request.session_hash)

    return close


def _make_keep_alive_handler(sessions: Sessions) -> Callable[[gr.Request], None]:
    def keep_alive(request: gr.Request) -> None:
        sessions.keep_alive(request.session_hash)

    return keep_alive


def _errors_to(note_name: str, clear: str = "") -> Callable[[Callable[..., Updates]], Callable[..., Updates]]:
    """Decorate a handler so that its error message goes into a note, and nothing else on the page changes.

    note_name, clear: attributes of the layout; clear is a component that is emptied, such as an upload.
    """

    def decorate(handle: Callable[..., Updates]) -> Callable[..., Updates]:
        @wraps(handle)
        def handler(self: Handlers, *inputs: Any) -> Updates:
            try:
                return handle(self, *inputs)
            except (CdpnetError, OSError) as error:
                text = str(error) if isinstance(error, CdpnetError) else _FILE_ERROR.format(error.strerror or error)
                cleared = {getattr(self.layout, clear): None} if clear else {}
                return {getattr(self.layout, note_name): note(_SERVER_FOLDERS.sub("", text), bad=True), **cleared}

        return handler

    return decorate


class Handlers:
    """The handlers of the page. threshold: the network's own, rounded as the slider shows it."""

    def __init__(self, layout: PageLayout, sessions: Sessions, samples: Samples, threshold: float) -> None:
        self.layout, self.sessions, self.samples, self.own_threshold = layout, sessions, samples, threshold

    def connect(self) -> None:
        """Connect events to handlers; images are segmented again after every event that may change the result."""
        p = self.layout
        opened = [p.mark_note, p.editor, p.name, p.support_file, p.mask_file]
        examples = [p.mark_note, p.classes, p.editor, p.mask_file]
        images = [p.images_note, p.query_files]
        mark = partial(_connect, network=True, progress_on=p.mark_note)
        mark(p.support_file.upload, self.open_upload, [p.support_file], opened)
        mark(p.support_samples.select, self.open_sample, [p.name], opened)
        add = partial(gr.on, [p.add.click, p.name.submit])  # one event, so that both cannot run at once
        changes = (
            mark(add, self.add_example, [p.name, p.editor, p.mask_file], examples),
            mark(p.remove.click, self.remove_example, [], examples),
            _connect(p.query_files.upload, self.upload_images, [p.query_files], images, network=True, keep_last=True),
            _connect(p.query_samples.click, self.use_samples, [], images, network=True),
        )
        show = (self.show_results, [p.threshold, p.display, p.scores_of], [p.segment_note, p.results, p.scores_of])
        for trigger in (*(change.then for change in changes), p.presence.change):
            segmented = _connect(
                trigger,
                self.segment_images,
                [p.presence],
                [p.segment_note],
                network=True,
                keep_last=True,
                progress_on=p.results,
            )
            _connect(segmented.then, *show)  # with the values that the controls have by then
        for trigger in (p.threshold.change, p.display.change, p.scores_of.input):
            _connect(trigger, *show, keep_last=True)
        labels = [p.download_note, p.labels_file]
        made_labels = _connect(p.make_labels.click, self.make_labels, [p.format_name, p.threshold], labels)
        made_classes = _connect(p.make_classes.click, self.make_classes, [], [p.download_note, p.classes_file])
        for made, file in ((made_labels, p.labels_file), (made_classes, p.classes_file)):
            made.then(None, js=_CLICK.format(file.elem_id))

    @_errors_to("mark_note", clear="support_file")
    def open_upload(self, file: str, request: gr.Request) -> Updates:
        """Open an uploaded image to mark."""
        return {**self._open(Path(file), request), self.layout.support_file: None}

    @_errors_to("mark_note")
    def open_sample(self, name: str, event: gr.SelectData, request: gr.Request) -> Updates:
        """Open a sample to mark; its name is filled in unless the user has entered another one."""
        updates = self._open(self.samples.support[event.index], request)
        if not name.strip() or name in self.samples.names:
            updates[self.layout.name] = self.samples.names[event.index]
        return updates

    def _open(self, file: Path, request: gr.Request) -> Updates:
        view = self._session(request).open_image(file)
        return {self.layout.editor: view, self.layout.mask_file: None, self.layout.mark_note: ""}

    @_errors_to("mark_note")
    def add_example(self, name: str, editor: EditorValue | None, mask_file: str | None, request: gr.Request) -> Updates:
        """Add an example of a class; the image stays open, so that another class can be marked in it."""
        session = self._session(request)
        background = editor["background"] if editor else None
        marked_view = None if background is None else np.asarray(background)[..., :3]
        example = session.add_example(name, _strokes(editor), Path(mask_file) if mask_file else None, marked_view)
        learned = session.classes[example.name]
        text = f"{learned.name}: learned from {learned.shots} example{'s' * (learned.shots > 1)}."
        return {**self._show_classes(session, text), self.layout.editor: session.view, self.layout.mask_file: None}

    @_errors_to("mark_note")
    def remove_example(self, request: gr.Request) -> Updates:
        """Remove the last example."""
        session = self._session(request)
        name = session.remove_last_example()
        return self._show_classes(session, f"The last example of {name} is removed.")

    def _show_classes(self, session: Session, text: str) -> Updates:
        return {self.layout.classes: class_list(session.classes.values()), self.layout.mark_note: note(text)}

    @_errors_to("images_note", clear="query_files")
    def upload_images(self, files: list[str], request: gr.Request, progress: Any = _PROGRESS) -> Updates:
        """Replace the images to segment by uploaded ones."""
        self._session(request).set_images([Path(file) for file in files], _progress_bar(progress, "reading"))
        return {self.layout.query_files: None, self.layout.images_note: ""}

    @_errors_to("images_note")
    def use_samples(self, request: gr.Request) -> Updates:
        """Replace the images to segment by the samples."""
        self._session(request).set_images(self.samples.query, lambda *_: None)
        return {self.layout.images_note: ""}

    @_errors_to("segment_note")
    def segment_images(self, presence: bool, request: gr.Request, progress: Any = _PROGRESS) -> Updates:
        """Segment the images; `show_results` shows them. presence: whether absent classes are left out."""
        bar = _progress_bar(progress, "segmenting")
        self._session(request).segment_images(bar, min_presence=None if presence else 0.0)
        return {self.layout.segment_note: ""}

    @_errors_to("segment_note")
    def show_results(self, threshold: float, display: str, scores_of: str | None, request: gr.Request) -> Updates:
        """Show the images with masks or scores, as the controls say."""
        images, segmentations = self._session(request).segmented
        names = segmentations[0].classes if segmentations else ()  # not the session's, which may have changed since
        scores_of = scores_of if scores_of in names else next(iter(names), None)
        gallery, counts = [], dict.fromkeys(names, 0)
        for image, original in zip(images, segmentations, strict=False):
            segmentation = with_threshold(original, self._threshold(threshold))
            drawn = draw_result(image.view, segmentation, scores_of if display == SCORES else None)
            gallery.append((drawn, f"{describe(segmentation)}\n{image.file.name}"))
            for name in segmentation.found:
                counts[name] += 1
        if not segmentations:
            gallery = [(to_image(image.view), image.file.name) for image in images]
        return {
            self.layout.results: gallery,
            self.layout.scores_of: gr.update(choices=names, value=scores_of, visible=display == SCORES and bool(names)),
            self.layout.segment_note: note(summarise(len(images), counts)),
        }

    @_errors_to("download_note", clear="labels_file")
    def make_labels(self, format_name: FormatName, threshold: float, request: gr.Request) -> Updates:
        """Write the archive of the labels."""
        archive = self._session(request).write_labels(format_name, self._threshold(threshold))
        return self._offer(archive, self.layout.labels_file)

    @_errors_to("download_note", clear="classes_file")
    def make_classes(self, request: gr.Request) -> Updates:
        """Write the archive of the class files."""
        return self._offer(self._session(request).write_classes(), self.layout.classes_file)

    def _offer(self, archive: Path, button: Any) -> Updates:
        return {button: str(archive), self.layout.download_note: note(f"{archive.name} is being downloaded.")}

    def _session(self, request: gr.Request) -> Session:
        return self.sessions.get(request.session_hash)

    def _threshold(self, chosen: float) -> float | None:
        """None where the slider was not moved, since it shows the network's own threshold rounded."""
        return None if chosen == self.own_threshold else chosen


def _connect(
    trigger: Any,
    handler: Callable[..., Updates],
    inputs: list[Any],
    outputs: list[Any],
    *,
    network: bool = False,
    keep_last: bool = False,
    progress_on: Any = None,
) -> Any:
    """Connect an event to its handler.

    network: the handler runs the network or depends on handlers that do; these run one at a time and in order, since
    all share the processor and the session. keep_last: of several events during a run, the last one runs after it.
    progress_on: the component that shows progress.
    """
    return trigger(
        handler,
        inputs,
        outputs,
        api_visibility="undocumented",
        show_progress="minimal",
        show_progress_on=progress_on,
        concurrency_id="network" if network else None,
        concurrency_limit=1 if network else "default",
        trigger_mode="always_last" if keep_last else None,
    )


def _strokes(editor: EditorValue | None) -> NDArray[np.bool_] | None:
    """The pixels (h, w) that the brush touched, however faintly, since its edge is soft; None without a layer."""
    layers = [np.asarray(layer)[..., 3] > 0 for layer in editor["layers"]] if editor else []
    return np.logical_or.reduce(layers) if layers else None


def _progress_bar(progress: Any, activity: str) -> Progress:
    return lambda done, total: progress((done, total), desc=activity, unit="images")
