"""The theme, style sheet and script of the page."""

from __future__ import annotations

import json
from importlib import resources

import gradio as gr

from cdpnet.web.limits import Limits

_ACCENT = gr.themes.Color(
    *(
        "#f2f3ff",
        "#e5e7ff",
        "#cdd2fe",
        "#aab1fb",
        "#838cf5",
        "#626bea",
        "#4a51d6",
        "#3d43b4",
        "#343992",
        "#2d3275",
        "#1b1e47",
    ),
    name="cdpnet",
)
_FONTS = ("ui-sans-serif", "system-ui", "sans-serif")  # of the system, so that nothing is downloaded


def theme() -> gr.themes.Base:
    """The theme: one accent colour, system fonts, large spacing."""
    return gr.themes.Base(
        primary_hue=_ACCENT,
        secondary_hue=_ACCENT,
        neutral_hue=gr.themes.colors.slate,
        spacing_size=gr.themes.sizes.spacing_lg,
        radius_size=gr.themes.sizes.radius_lg,
        text_size=gr.themes.sizes.text_md,
        font=_FONTS,
        font_mono=("ui-monospace", "monospace"),
    ).set(  # grey text with enough contrast: 4.7 to 1 on white, 6.6 to 1 on black
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        checkbox_label_background_fill="transparent",
        checkbox_label_background_fill_dark="transparent",
        checkbox_label_border_width="1px",
        checkbox_label_border_width_dark="1px",
        checkbox_label_border_color="*border_color_accent",
        checkbox_label_border_color_dark="*border_color_accent",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
    )


def style_sheet() -> str:
    """The style sheet of the page."""
    return _read_asset("page.css")


def script(limits: Limits) -> str:
    """The script of the page, which checks files before they are sent."""
    return f"<script>const LIMITS = {json.dumps(limits.for_browser())};\n{_read_asset('page.js')}</script>"


def _read_asset(name: str) -> str:
    return (resources.files("cdpnet.web") / name).read_text(encoding="utf-8")
