"""Class name -> unit vector, by the text tower of a CLIP model; always frozen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.encoders.prompts import fill
from cdpnet.encoders.text_tower import TextTower
from cdpnet.encoders.tokenizer import Tokenizer
from cdpnet.episode import NO_NAME

if TYPE_CHECKING:  # a pair with our own tower needs no open_clip, whose import takes seconds
    import open_clip

_SHOWN = 80  # characters of a long name in a message


class TextEncoder(nn.Module):
    """The mean over prompts of a name's unit text features, at unit length.

    tower: a CLIP model of open_clip without its image part, or our own. tokenizer: its own. templates: the prompts.
    context_length: tokens that the tower reads. Features are cached by name, the only state that use adds; threads may
    share it.
    """

    def __init__(
        self,
        tower: open_clip.CLIP | TextTower,
        tokenizer: Tokenizer,
        templates: tuple[str, ...],
        context_length: int,
    ) -> None:
        super().__init__()
        self.tower: open_clip.CLIP | TextTower = tower.requires_grad_(False)
        self.tokenizer, self.templates, self.context_length = tokenizer, templates, context_length
        self.dim = int(tower.text_projection.shape[1])
        self._cache: dict[str, Tensor] = {}
        self.eval()

    def train(self, mode: bool = True) -> TextEncoder:  # noqa: ARG002
        """Do nothing: the encoder stays in eval mode."""
        super().train(False)
        return self

    def encode(self, names: Sequence[str]) -> Tensor:
        """Names of any length and language -> (n, D) unit vectors; `NO_NAME` becomes zeros."""
        for name in dict.fromkeys(names):
            if name not in self._cache:
                self._cache.setdefault(name, self._encode(name))  # atomic: threads that race keep one of equal vectors
        device = self.tower.text_projection.device
        return torch.stack([self._cache[name] for name in names]).to(device)

    @torch.no_grad()
    def _encode(self, name: str) -> Tensor:
        if name == NO_NAME:
            return torch.zeros(self.dim)
        texts = [fill(template, name) for template in self.templates]
        longest = max(len(self.tokenizer.encode(text)) for text in texts)
        if longest + 2 > self.context_length:
            shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
            warnings.warn(
                f"The class name {shown!r} is longer than the text tower reads: of {longest} tokens it sees "
                f"{self.context_length - 2}.",
                stacklevel=3,
            )
        device = self.tower.text_projection.device
        tokens = self.tokenizer(texts).to(device)
        with torch.autocast(device.type, enabled=False):  # cached features serve every precision
            features = F.normalize(self.tower.encode_text(tokens), dim=1).mean(dim=0)
        return F.normalize(features, dim=0).cpu()
