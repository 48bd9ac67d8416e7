"""The components of the page from top to bottom; `page` connects them to their handlers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from cdpnet.io.images import ENDINGS
from cdpnet.labels.formats import FORMATS
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples

MASKS, SCORES = "Masks", "Scores"
_BRUSH_COLOUR = "#ff7020"


class PageLayout:
    """The components that handlers read or change, as attributes; made inside an open `gr.Blocks`."""

    def __init__(self, samples: Samples, limits: Limits, model: str, threshold: float) -> None:
        """Model: a sentence about the network. threshold: the start of the slider, 0..1."""
        _add_header(model)
        with gr.Column(elem_classes="step", elem_id="mark"):
            _add_title(1, "Mark", "Choose an image, brush over one object in it, and name its class.")
            with gr.Row(equal_height=False):
                self._add_image_choice(samples, limits)
                self._add_editor()
                self._add_class_panel(limits)
        with gr.Column(elem_classes="step", elem_id="segment"):
            _add_title(
                2, "Segment", "Choose images to find the classes in. An absent class is reported as not present."
            )
            with gr.Row(equal_height=False):
                self._add_segment_panel(samples, limits, threshold)
                self._add_results()
        with gr.Column(elem_classes="step", elem_id="download"):
            _add_title(
                3,
                "Download",
                "Masks in the format of your tool, and class files to label whole folders with "
                "<code>cdpnet label</code>.",
            )
            self._add_downloads()

    def _add_image_choice(self, samples: Samples, limits: Limits) -> None:
        with gr.Column(scale=3, min_width=300):
            self.support_file = _upload("An image to mark", limits.describe(), several=False, name="support-file")
            gr.HTML("<p class='quiet'>or use a sample</p>")
            self.support_samples = _sample_gallery(samples.support, samples.names)

    def _add_editor(self) -> None:
        with gr.Column(scale=4, min_width=300):
            self.editor = gr.ImageEditor(
                label="Brush over the object",
                type="numpy",
                image_mode="RGBA",
                format="png",
                sources=(),
                transforms=(),
                layers=False,
                brush=gr.Brush(default_size=24, colors=[(_BRUSH_COLOUR, 0.6)], color_mode="fixed"),
                eraser=gr.Eraser(default_size=24),
                canvas_size=(640, 480),
                height=440,
                buttons=[],
                placeholder="Choose an image, or use a sample",
                elem_id="editor",
            )

    def _add_class_panel(self, limits: Limits) -> None:
        with gr.Column(scale=3, min_width=260):
            self.name = gr.Textbox(
                label="Class name", placeholder="for example weld crack", max_length=limits.name, elem_id="name"
            )
            with gr.Accordion("Use a mask file instead of the brush", open=False):
                self.mask_file = _upload("Mask, white on black", limits.describe(), several=False, name="mask-file")
            self.add = gr.Button("Add example", variant="primary", elem_id="add")
            self.remove = gr.Button("Remove last example", size="sm", elem_id="remove")
            self.mark_note = _add_note("mark")
            self.classes = gr.HTML("", elem_id="classes")

    def _add_segment_panel(self, samples: Samples, limits: Limits, threshold: float) -> None:
        with gr.Column(scale=3, min_width=260):
            described = f"up to {limits.images}, {limits.describe()}"
            self.query_files = _upload("Images to segment", described, several=True, name="query-files")
            self.images_note = gr.HTML("", elem_id="images-note")
            self.query_samples = gr.Button(f"Use {len(samples.query)} samples", elem_id="query-samples")
            self.display = gr.Radio([MASKS, SCORES], value=MASKS, label="Show", elem_id="display")
            self.scores_of = gr.Dropdown([], label="Scores of", visible=False, elem_id="scores-of")
            self.threshold = gr.Slider(
                0.01,
                0.99,
                value=threshold,
                step=0.01,
                label="Threshold",
                info="Lower values mark more of each image, higher values less.",
                elem_id="threshold",
            )
            self.presence = gr.Checkbox(
                True,
                label="Leave out absent classes",
                info="If unchecked, every class is marked where it fits best.",
                elem_id="presence",
            )
            self.segment_note = _add_note("segment")

    def _add_results(self) -> None:
        with gr.Column(scale=7, min_width=300):
            self.results = gr.Gallery(
                label="Results",
                show_label=False,
                columns=4,
                object_fit="contain",
                height="auto",
                format="jpeg",
                buttons=["download", "fullscreen"],
                interactive=False,
                elem_id="results",
            )

    def _add_downloads(self) -> None:
        """The buttons that make an archive, and hidden ones that the browser presses to fetch it."""
        choices = [(label_format.title, name) for name, label_format in FORMATS.items()]
        with gr.Row(equal_height=False):
            with gr.Column(scale=7, min_width=300):
                self.format_name = gr.Radio(choices, value=next(iter(FORMATS)), label="Format", elem_id="format")
            with gr.Column(scale=3, min_width=260):
                self.make_labels = gr.Button("Download masks", variant="primary", elem_id="download-labels")
                self.make_classes = gr.Button("Download classes", elem_id="download-classes")
        self.download_note = _add_note("download")
        self.labels_file = gr.DownloadButton(visible="hidden", elem_id="labels-file")
        self.classes_file = gr.DownloadButton(visible="hidden", elem_id="classes-file")


def _add_header(model: str) -> None:
    gr.HTML(
        "<header><h1>cdpnet</h1><p>Mark a class in an image, name it, and get its masks in other images.</p>"
        f"<p class='quiet'>{model}</p></header>"
    )


def _add_title(number: int, title: str, text: str) -> None:
    gr.HTML(f"<div class='title'><span aria-hidden='true'>{number}</span><h2>{title}</h2><p>{text}</p></div>")


def _upload(label: str, limits: str, *, several: bool, name: str) -> Any:
    return gr.File(
        label=f"{label}, {limits}",
        file_count="multiple" if several else "single",
        file_types=list(ENDINGS),
        height=132,
        elem_id=name,
        elem_classes="upload",
    )


def _sample_gallery(files: Sequence[Path], names: Sequence[str]) -> Any:
    return gr.Gallery(
        [(str(file), name) for file, name in zip(files, names, strict=True)],
        label="Samples to mark",
        show_label=False,
        columns=6,
        rows=1,
        height="auto",
        allow_preview=False,
        interactive=False,
        buttons=[],
        format="png",
        elem_id="support-samples",
    )


def _add_note(step: str) -> Any:
    """The line in which a step reports results and errors; errors found by the browser have a line of their own."""
    gr.HTML(f"<p class='note bad' role='alert' id='{step}-refusal'></p>")
    return gr.HTML("", elem_id=f"{step}-note")
