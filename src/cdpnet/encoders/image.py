"""Image -> feature grid, one interface over image encoders of every kind."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from shutil import which
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdpnet.errors import ConfigError

_PIXELS_AT_ONCE = 2**18  # on a CPU: larger activations do not fit its caches and are slow
RESIDUAL_STRIDE = 8  # output stride of the residual encoders (SSP)


class ImageEncoder(nn.Module):
    """Base of all image encoders: it normalises images and stays in eval mode.

    BatchNorm never updates its statistics (SSP), also after `.train()`. channels: C of the feature grid. stride: in
    pixels of the image. mean, std: of the three colours, for images in 0..1.
    """

    mean: Tensor
    std: Tensor
    text_channels: int | None = None
    """The first of the last channels, which lie in the space of the text encoder; None for none."""
    name_length: float = 1.0
    """The length that the name of a class starts with in these channels."""
    own: tuple[int, ...] = ()
    """Numbers of the stages that are trained unless a configuration says otherwise."""

    def __init__(self, *, channels: int, stride: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> ImageEncoder:  # noqa: ARG002
        """Do nothing: an encoder stays in eval mode, and training changes only which parameters get gradients."""
        super().train(False)
        return self

    def features(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in 0..1, of any size -> (B, C, h, w), h about H / stride."""
        normalised = self._normalise(images)
        if images.device.type != "cpu" or torch.compiler.is_exporting():  # an exported graph holds for any size
            return self.grid(normalised)
        parts = torch.split(normalised, max(1, _PIXELS_AT_ONCE // normalised[0, 0].numel()))
        return self.grid(normalised) if len(parts) == 1 else torch.cat([self.grid(part) for part in parts])

    def _normalise(self, images: Tensor) -> Tensor:
        if images.dtype == torch.uint8:
            images = images.float() / 255
        normalised = (images - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)  # the fastest for convolutions

    def grid(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, C, h, w)."""
        raise NotImplementedError

    def features_and_details(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As `features`, with features of finer grids (B, C_i, h_i, w_i) for outlines; by default none."""
        return self.features(images), []

    def trainable_stages(self) -> list[nn.Module]:
        """The parts that can be trained, from the image on."""
        raise NotImplementedError

    def set_trained(self, trained: str) -> None:
        """Choose what is trained: own, frozen, all, or last:N stages; BatchNorm never is. ConfigError for too many."""
        stages = self.trainable_stages()
        count = int(trained.removeprefix("last:")) if trained.startswith("last:") else len(stages)
        if count > len(stages):
            raise ConfigError(
                f"encoder.trained is {trained}, but this image encoder has {len(stages)} stages to train."
            )
        chosen = {"own": self.own, "frozen": ()}.get(trained, range(len(stages) - count, len(stages)))
        self.requires_grad_(False)
        for i in chosen:
            stages[i].requires_grad_(True)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):  # frozen affine parameters (SSP)
                module.requires_grad_(False)

    def compile_grid(self) -> None:
        """Replace `grid` by its compiled version (torch.compile). ConfigError without a C++ compiler."""
        if next(self.parameters()).device.type == "cpu" and not any(map(which, (os.environ.get("CXX", "g++"), "c++"))):
            raise ConfigError("torch.compile needs a C++ compiler, and there is none; install g++, or do without it.")
        self.grid = torch.compile(self.grid)  # type: ignore[method-assign]

    @contextmanager
    def at_stride(self, stride: int) -> Iterator[None]:
        """Use another output stride inside a ``with`` block; 0 keeps the own one. ConfigError where it is fixed."""
        own = self.stride
        if stride in (0, own):
            yield
            return
        self.set_stride(stride)
        try:
            yield
        finally:
            self.set_stride(own)

    def set_stride(self, stride: int) -> None:
        """Change the output stride, in pixels of the image. ConfigError where the encoder's is fixed."""
        raise ConfigError(f"The output stride of this encoder is {self.stride}; it cannot become {stride}.")


class StagedEncoder(ImageEncoder):
    """A sequence of stages; those with the numbers ``trained`` are trained by default, the others frozen."""

    def __init__(
        self,
        stages: Sequence[nn.Module],
        *,
        trained: Sequence[int],
        channels: int,
        stride: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__(channels=channels, stride=stride, mean=mean, std=std)
        self.stages, self.own = nn.ModuleList(stages), tuple(trained)
        self.set_trained("own")
        self.eval()

    @classmethod
    def up_to_stage_3(cls, stem: nn.Module, model: Any, mean: Sequence[float], std: Sequence[float]) -> Self:
        """The paper's image encoder from a residual network whose stages are layer1, layer2, ..."""
        model.layer3[-1].act3 = nn.Identity()  # the cosine match needs signed features
        stages = [stem, model.layer1, model.layer2, model.layer3]
        channels = model.layer3[-1].conv3.out_channels
        return cls(stages, trained=(2, 3), channels=channels, stride=RESIDUAL_STRIDE, mean=mean, std=std)

    def trainable_stages(self) -> list[nn.Module]:
        """All stages."""
        return list(self.stages)

    def grid(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, C, h, w)."""
        for stage in self.stages:
            images = stage(images)
        return images


def to_multiple(images: Tensor, patch: int) -> Tensor:
    """Enlarge images so that both sides are multiples of the patch: the token grid then covers exactly the image."""
    h, w = ((side + patch - 1) // patch * patch for side in images.shape[-2:])  # ONNX rounds negative quotients up
    if not torch.compiler.is_exporting() and (h, w) == tuple(images.shape[-2:]):
        return images
    return F.interpolate(images, size=(h, w), mode="bilinear", align_corners=False)
