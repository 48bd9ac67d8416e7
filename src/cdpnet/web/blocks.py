"""The Gradio application of the page, which reports failed events in one line."""

from __future__ import annotations

import logging

import gradio as gr

_SENTENCE = "The server could not do this; reload the page and try again."
_log = logging.getLogger(__name__)


class PageBlocks(gr.Blocks):  # type: ignore[misc]
    """Blocks that write one line into the log for an event that fails, as after forged input, and no traceback."""

    async def process_api(self, *arguments: object, **options: object) -> object:
        """Handle an event as the parent does."""
        try:
            return await super().process_api(*arguments, **options)
        except Exception as error:
            _log.warning("An event of the page failed: %.200r", error)
            raise gr.Error(_SENTENCE, print_exception=False) from None
