"""What the page consists of, from top to bottom; nothing here does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr

from cdpnet.io.images import ENDINGS
from cdpnet.labels.label_set import FormatName
from cdpnet.web.limits import Limits
from cdpnet.web.samples import Samples

MASKS, SCORES = "Masks", "Scores"
_FORMATS: dict[FormatName, str] = {
    "png": "PNG masks",
    "coco": "COCO",
    "labelme": "LabelMe",
    "yolo": "YOLO",
    "labelstudio": "Label Studio",
}
_BRUSH = "#ff7020"


@dataclass(frozen=True)
class Parts:
    """The parts that something happens with, in the order of the page."""

    teach_file: Any
    teach_samples: Any
    editor: Any
    name: Any
    mask_file: Any
    add: Any
    take_back: Any
    teach_note: Any
    classes: Any
    look_files: Any
    look_samples: Any
    threshold: Any
    presence: Any
    shown: Any
    scores_of: Any
    choose_note: Any
    look_note: Any
    results: Any
    format_name: Any
    take_labels: Any
    take_classes: Any
    labels_file: Any
    classes_file: Any
    take_note: Any


def build_layout(samples: Samples, limits: Limits, model: str, threshold: float) -> Parts:
    """Put the page together inside an open `gr.Blocks`."""
    _head(model)
    with gr.Column(elem_classes="step", elem_id="teach"):
        _step(1, "Teach", "Choose an image, paint over one thing in it, and say what it is called.")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                teach_file = _upload("An image to paint on", limits.said(), several=False, name="teach-file")
                gr.HTML("<p class='quiet'>or take a sample</p>")
                teach_samples = _samples(samples.teach, samples.names, "Samples to paint on", columns=6)
            with gr.Column(scale=4, min_width=300, elem_id="easel"):
                editor = gr.ImageEditor(
                    label="Paint over the object",
                    type="numpy",
                    image_mode="RGBA",
                    format="png",
                    sources=(),
                    transforms=(),
                    layers=False,
                    brush=gr.Brush(default_size=24, colors=[(_BRUSH, 0.6)], color_mode="fixed"),
                    eraser=gr.Eraser(default_size=24),
                    canvas_size=(640, 480),
                    height=440,
                    buttons=[],
                    placeholder="Choose an image, or take a sample",
                    elem_id="editor",
                )
            with gr.Column(scale=3, min_width=260):
                name = gr.Textbox(
                    label="Name of the class", placeholder="such as weld crack", max_length=limits.name, elem_id="name"
                )
                with gr.Accordion("Have a mask already?", open=False):
                    mask_file = _upload(
                        "Its mask, white on black", "used instead of the painting", several=False, name="mask-file"
                    )
                add = gr.Button("Add the example", variant="primary", elem_id="add")
                take_back = gr.Button("Take back the last example", size="sm", elem_id="take-back")
                teach_note = _note("teach")
                classes = gr.HTML("", elem_id="classes")
    with gr.Column(elem_classes="step", elem_id="look"):
        _step(2, "Look", "Drop the images to find it in. A class that is not in an image is said to be not here.")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=260):
                said = f"up to {limits.images}, {limits.said()}"
                look_files = _upload("Images to look at", said, several=True, name="look-files")
                choose_note = gr.HTML("", elem_id="choose-note")
                look_samples = gr.Button(f"Look at {len(samples.look)} samples", elem_id="look-samples")
                shown = gr.Radio([MASKS, SCORES], value=MASKS, label="Show", elem_id="shown")
                scores_of = gr.Dropdown([], label="Scores of", visible=False, elem_id="scores-of")
                threshold_slider = gr.Slider(
                    0.01,
                    0.99,
                    value=threshold,
                    step=0.01,
                    label="Threshold",
                    info="Lower marks more of each image, higher less.",
                    elem_id="threshold",
                )
                presence = gr.Checkbox(
                    True,
                    label="Leave out what is not here",
                    info="Without it, every class is marked where it fits best.",
                    elem_id="presence",
                )
                look_note = _note("look")
            with gr.Column(scale=7, min_width=300):
                results = gr.Gallery(
                    label="Found",
                    show_label=False,
                    columns=4,
                    object_fit="contain",
                    height="auto",
                    format="jpeg",
                    buttons=["download", "fullscreen"],
                    interactive=False,
                    elem_id="results",
                )
    with gr.Column(elem_classes="step", elem_id="take"):
        _step(
            3,
            "Take",
            "Masks in the format of your tool; class files for whole folders, with <code>cdpnet label</code>.",
        )
        with gr.Row(equal_height=False):
            with gr.Column(scale=7, min_width=300):
                format_name = gr.Radio(
                    [(said, key) for key, said in _FORMATS.items()],
                    value=get_args(FormatName)[0],
                    label="Format",
                    elem_id="format",
                )
            with gr.Column(scale=3, min_width=260):
                take_labels = gr.Button("Download the masks", variant="primary", elem_id="take-labels")
                take_classes = gr.Button("Download the classes", elem_id="take-classes")
        take_note = _note("take")
        labels_file = gr.DownloadButton(visible="hidden", elem_id="labels-file")
        classes_file = gr.DownloadButton(visible="hidden", elem_id="classes-file")
    return Parts(
        teach_file=teach_file,
        teach_samples=teach_samples,
        editor=editor,
        name=name,
        mask_file=mask_file,
        add=add,
        take_back=take_back,
        teach_note=teach_note,
        classes=classes,
        look_files=look_files,
        look_samples=look_samples,
        threshold=threshold_slider,
        presence=presence,
        shown=shown,
        scores_of=scores_of,
        choose_note=choose_note,
        look_note=look_note,
        results=results,
        format_name=format_name,
        take_labels=take_labels,
        take_classes=take_classes,
        labels_file=labels_file,
        classes_file=classes_file,
        take_note=take_note,
    )


def _head(model: str) -> None:
    gr.HTML(
        "<header><h1>cdpnet</h1><p>Mark a class in an image, name it, and see it found in others.</p>"
        f"<p class='quiet'>{model}</p></header>"
    )


def _step(number: int, title: str, said: str) -> None:
    gr.HTML(f"<div class='title'><span aria-hidden='true'>{number}</span><h2>{title}</h2><p>{said}</p></div>")


def _upload(label: str, said: str, *, several: bool, name: str) -> Any:
    return gr.File(
        label=f"{label}, {said}",
        file_count="multiple" if several else "single",
        file_types=list(ENDINGS),
        height=132,
        elem_id=name,
        elem_classes="upload",
    )


def _samples(files: Any, names: Any, label: str, columns: int) -> Any:
    return gr.Gallery(
        [(str(file), name) for file, name in zip(files, names, strict=True)],
        label=label,
        show_label=False,
        columns=columns,
        rows=1,
        height="auto",
        allow_preview=False,
        interactive=False,
        buttons=[],
        format="png",
        elem_id="teach-samples",
    )


def _note(step: str) -> Any:
    """Where a step says what happened; refusals of the browser stand in a line of their own."""
    gr.HTML(f"<p class='note bad' role='alert' id='{step}-refusal'></p>")
    return gr.HTML("", elem_id=f"{step}-note")
