"""What happens on the page: every handler takes what is on the screen, asks the session, and says what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from cdpnet.errors import CdpnetError
from cdpnet.labels.label_set import FormatName
from cdpnet.report.images import to_image
from cdpnet.web.layout import SCORES, Parts, build_layout
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples
from cdpnet.web.session import Session, at
from cdpnet.web.sessions import Sessions
from cdpnet.web.views import class_list, in_words, note, result, summary

Updates = dict[Any, Any]  # parts of the page, and what they show from now on
_UNUSABLE = "The server could not write or read a file of this page ({}); try again, or tell who runs it."
_ALIVE = 60.0  # seconds between the signs of life of an open page, whose connection may have been lost and found
_PROGRESS = gr.Progress()
_PRESS = "() => document.querySelector('#{0} a, a#{0}, button#{0}').click()"
_FOLDERS = re.compile(r"(?:/[^/\s]+)*/(?:session-|samples|[0-9a-f]{64})[^/\s]*/(?:[^/\s]+/)*")


def build(sessions: Sessions, samples: Samples, limits: Limits, model: str, threshold: float) -> gr.Blocks:
    """The page. model: a sentence about it. threshold: the model's own, 0..1."""
    with gr.Blocks(title="cdpnet", analytics_enabled=False, delete_cache=(60, 3600)) as page:
        parts = build_layout(samples, limits, model, round(threshold, 2))
        Actions(parts, sessions, samples, round(threshold, 2)).bind()
        page.unload(_closing(sessions))
        gr.Timer(_ALIVE).tick(_living(sessions), show_progress="hidden", api_visibility="private")
    return page


def _closing(sessions: Sessions) -> Callable[[gr.Request], None]:
    def close(request: gr.Request) -> None:
        sessions.close(request.session_hash)

    return close


def _living(sessions: Sessions) -> Callable[[gr.Request], None]:
    def live(request: gr.Request) -> None:
        sessions.keep(request.session_hash)

    return live


def _said_in(step: str, without: str = "") -> Callable[[Callable[..., Updates]], Callable[..., Updates]]:
    """What cannot be done is said in a sentence in the note of a step, and nothing else on the page changes.

    without: the part that would hold a file, and is emptied.
    """

    def decorate(act: Callable[..., Updates]) -> Callable[..., Updates]:
        @wraps(act)
        def handler(self: Actions, *inputs: Any) -> Updates:
            try:
                return act(self, *inputs)
            except (CdpnetError, OSError) as error:
                said = str(error) if isinstance(error, CdpnetError) else _UNUSABLE.format(error.strerror or error)
                emptied = {getattr(self.parts, without): None} if without else {}
                return {getattr(self.parts, f"{step}_note"): note(_FOLDERS.sub("", said), bad=True), **emptied}

        return handler

    return decorate


class Actions:
    """The handlers. Every one of them begins with the session of the page that asks."""

    def __init__(self, parts: Parts, sessions: Sessions, samples: Samples, threshold: float) -> None:
        self.parts, self.sessions, self.samples, self.own = parts, sessions, samples, threshold

    def bind(self) -> None:
        """Say what happens when; the images are looked at again whenever that could show something new."""
        p = self.parts
        opened = [p.teach_note, p.editor, p.name, p.teach_file, p.mask_file]
        taught = [p.teach_note, p.classes, p.editor, p.mask_file]
        chosen = [p.choose_note, p.look_files]
        _on(p.teach_file.upload, self.open_upload, [p.teach_file], opened, network=True, on=p.teach_note)
        _on(p.teach_samples.select, self.open_sample, [p.name], opened, network=True, on=p.teach_note)
        add = _either(p.add.click, p.name.submit)
        changes = (
            _on(add, self.add, [p.name, p.editor, p.mask_file], taught, network=True, on=p.teach_note),
            _on(p.take_back.click, self.take_back, [], taught, network=True, on=p.teach_note),
            _on(p.look_files.upload, self.choose_files, [p.look_files], chosen, network=True, last=True),
            _on(p.look_samples.click, self.choose_samples, [], chosen, network=True),
        )
        show = (self.show, [p.threshold, p.shown, p.scores_of], [p.look_note, p.results, p.scores_of])
        for trigger in (*(change.then for change in changes), p.presence.change):
            looked = _on(trigger, self.look, [p.presence], [p.look_note], network=True, last=True, on=p.results)
            _on(looked.then, *show)  # with what is on the screen by then
        for trigger in (p.threshold.change, p.shown.change, p.scores_of.input):
            _on(trigger, *show, last=True)
        take_labels = _on(
            p.take_labels.click, self.take_labels, [p.format_name, p.threshold], [p.take_note, p.labels_file]
        )
        take_classes = _on(p.take_classes.click, self.take_classes, [], [p.take_note, p.classes_file])
        for made, file in ((take_labels, p.labels_file), (take_classes, p.classes_file)):
            made.then(None, js=_PRESS.format(file.elem_id))

    @_said_in("teach", without="teach_file")
    def open_upload(self, file: str, request: gr.Request) -> Updates:
        """Begin to paint on an image of one's own."""
        return {**self._opened(Path(file), request), self.parts.teach_file: None}

    @_said_in("teach")
    def open_sample(self, name: str, event: gr.SelectData, request: gr.Request) -> Updates:
        """Begin to paint on a sample; its name is put in where there is none, or another sample's."""
        opened = self._opened(self.samples.teach[event.index], request)
        if not name.strip() or name in self.samples.names:
            opened[self.parts.name] = self.samples.names[event.index]
        return opened

    def _opened(self, file: Path, request: gr.Request) -> Updates:
        view = self._of(request).open_image(file)
        return {self.parts.editor: view, self.parts.mask_file: None, self.parts.teach_note: ""}

    @_said_in("teach")
    def add(self, name: str, painted: dict[str, Any] | None, mask_file: str | None, request: gr.Request) -> Updates:
        """Take the painting as an example of the class; the image stays, so that another class can be painted."""
        session = self._of(request)
        background = (painted or {}).get("background")
        painted_on = None if background is None else np.asarray(background)[..., :3]
        example = session.add_example(name, _strokes(painted), Path(mask_file) if mask_file else None, painted_on)
        learned = session.classes[example.name]
        said = f"{learned.name}: learned from {learned.shots} example{'s' * (learned.shots > 1)}."
        return {**self._taught(session, said), self.parts.editor: session.view, self.parts.mask_file: None}

    @_said_in("teach")
    def take_back(self, request: gr.Request) -> Updates:
        """Forget the last example."""
        session = self._of(request)
        name = session.take_back()
        return self._taught(session, f"The last example of {name} is taken back.")

    def _taught(self, session: Session, said: str) -> Updates:
        return {self.parts.classes: class_list(session.classes.values()), self.parts.teach_note: note(said)}

    @_said_in("choose", without="look_files")
    def choose_files(self, files: list[str], request: gr.Request, progress: Any = _PROGRESS) -> Updates:
        """Take images of one's own."""
        self._of(request).choose([Path(file) for file in files], _bar(progress, "reading"))
        return {self.parts.look_files: None, self.parts.choose_note: ""}

    @_said_in("choose")
    def choose_samples(self, request: gr.Request) -> Updates:
        """Take the samples."""
        self._of(request).choose(self.samples.look, lambda *_: None)
        return {self.parts.choose_note: ""}

    @_said_in("look")
    def look(self, presence: bool, request: gr.Request, progress: Any = _PROGRESS) -> Updates:
        """Find the classes in the images; what is found is shown after it."""
        self._of(request).look(_bar(progress, "looking"), min_presence=None if presence else 0.0)
        return {self.parts.look_note: ""}

    @_said_in("look")
    def show(self, threshold: float, shown: str, scores_of: str | None, request: gr.Request) -> Updates:
        """Show what was found, as the controls say."""
        images, answers = self._of(request).looked
        names = answers[0].classes if answers else ()  # what was looked for, whatever was taught since
        scores_of = scores_of if scores_of in names else next(iter(names), None)
        gallery, counts = [], dict.fromkeys(names, 0)
        for image, answer in zip(images, answers, strict=False):
            found = at(answer, self._threshold(threshold))
            drawn = result(image.shown, found, scores_of if shown == SCORES else None)
            gallery.append((drawn, f"{in_words(found)}\n{image.file.name}"))
            for name in found.found:
                counts[name] += 1
        if not answers:
            gallery = [(to_image(image.shown), image.file.name) for image in images]
        return {
            self.parts.results: gallery,
            self.parts.scores_of: gr.update(choices=names, value=scores_of, visible=shown == SCORES and bool(names)),
            self.parts.look_note: note(summary(len(images), counts)),
        }

    @_said_in("take", without="labels_file")
    def take_labels(self, format_name: FormatName, threshold: float, request: gr.Request) -> Updates:
        """Put the labels into an archive."""
        made = self._of(request).write_labels(format_name, self._threshold(threshold))
        return {self.parts.labels_file: str(made), self.parts.take_note: note(f"{made.name} is on its way.")}

    @_said_in("take", without="classes_file")
    def take_classes(self, request: gr.Request) -> Updates:
        """Put the classes into an archive."""
        made = self._of(request).write_classes()
        return {self.parts.classes_file: str(made), self.parts.take_note: note(f"{made.name} is on its way.")}

    def _of(self, request: gr.Request) -> Session:
        return self.sessions.of(request.session_hash)

    def _threshold(self, chosen: float) -> float | None:
        """None where the slider was left alone, since it shows the model's own threshold rounded."""
        return None if chosen == self.own else chosen


def _either(*triggers: Any) -> Callable[..., Any]:
    """Several triggers of one event, so that it does not happen twice at once."""
    return partial(gr.on, list(triggers))


def _on(
    trigger: Any,
    act: Callable[..., Updates],
    inputs: list[Any],
    outputs: list[Any],
    *,
    network: bool = False,
    last: bool = False,
    on: Any = None,
) -> Any:
    """An event and its handler.

    network: it runs the network or waits for those that do: one at a time, in order, since all share the cores and what
    they work on. last: the last of several events that come while one is handled is not lost. on: where progress shows.
    """
    queue: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1} if network else {}
    if last:
        queue["trigger_mode"] = "always_last"
    if on is not None:
        queue["show_progress_on"] = on
    return trigger(act, inputs, outputs, api_visibility="undocumented", show_progress="minimal", **queue)


def _strokes(painted: dict[str, Any] | None) -> NDArray[np.bool_] | None:
    """Where anything is painted, (h, w), however faint: a brush's edge is soft."""
    layers = [np.asarray(layer)[..., 3] > 0 for layer in (painted or {}).get("layers", ())]
    return np.logical_or.reduce(layers) if layers else None


def _bar(progress: Any, doing: str) -> Callable[[int, int], None]:
    return lambda done, total: progress((done, total), desc=doing, unit="images")
