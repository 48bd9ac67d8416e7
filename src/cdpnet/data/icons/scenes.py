"""Scenes composed of glyphs by batched torch operations; each is a pure function of (seed, index).

A scene is a textured background, one target and some distractors of other classes, rendered over each other in a random
order, with affine and mild elastic deformation, shading and noise. Its labels are exact (our choice throughout).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from cdpnet.data.icons.glyphs import nouns, sprites
from cdpnet.runtime.rng import between, keys, pick, uniform

_PER_OBJECT = 24  # random numbers that an object needs
_PER_SCENE = 32
_ATTEMPTS = 12  # at rendering a scene whose target is too small


@dataclass(frozen=True)
class SceneLayout:
    """Sizes and numbers of objects in a scene. Sizes are the longer side of a sprite as a share of the image's side."""

    size: int = 128  # pixels
    target: tuple[float, float] = (0.30, 0.70)
    others: tuple[int, int] = (1, 4)
    other: tuple[float, float] = (0.22, 0.60)
    smallest_target: float = 0.015  # share of the image; a scene with a smaller visible target is rendered again
    typical_palette: float = 0.75  # share of objects in the colours of their class


@dataclass(frozen=True)
class Scenes:
    """images (B, 3, H, W) float32 in 0..1; labels (B, H, W) int64, 0 background, class id + 1 on an object."""

    images: Tensor
    labels: Tensor


def compose(
    seed: int, index: Tensor, targets: Tensor, distractors: Tensor, layout: SceneLayout, stream: int = 0
) -> Scenes:
    """Render a batch of scenes; it equals its scenes rendered one by one.

    index: (B,) int64. targets: (B,) int64, glyph numbers, -1 for a background without objects. distractors: (D,) int64,
    the glyph numbers from which the other objects are chosen, without those of the target's class.
    """
    scenes = _render(keys(seed, index, stream), targets, distractors, layout)
    wanted = torch.where(targets < 0, 0, sprites().class_id.to(index.device)[targets] + 1)
    for attempt in range(1, _ATTEMPTS):
        visible = (scenes.labels == wanted[:, None, None]).float().mean(dim=(1, 2))
        small = (visible < layout.smallest_target).nonzero().flatten()
        if small.numel() == 0:
            break
        others = layout.others if attempt < _ATTEMPTS - 1 else (0, 0)  # in the last attempt nothing covers the target
        again = keys(seed, index[small], stream + (attempt << 16))
        rendered = _render(again, targets[small], distractors, replace(layout, others=others))
        scenes.images[small], scenes.labels[small] = rendered.images, rendered.labels
    return scenes


def _render(key: Tensor, targets: Tensor, distractors: Tensor, layout: SceneLayout) -> Scenes:
    """One attempt at every scene: key (B,), targets (B,)."""
    batch, side, device = key.shape[0], layout.size, key.device
    slots = layout.others[1] + 1
    u = uniform(key, _PER_SCENE + slots * _PER_OBJECT)
    scene_u, object_u = u[:, :_PER_SCENE], u[:, _PER_SCENE:].reshape(batch, slots, _PER_OBJECT)
    n_others = layout.others[0] + pick(scene_u[:, 0], layout.others[1] - layout.others[0] + 1)

    # The target has a random position in the rendering order; slots beyond the number of objects stay empty.
    position = pick(scene_u[:, 1], n_others + 1)
    slot = torch.arange(slots, device=device)
    is_target = slot == position[:, None]
    glyph = torch.where(is_target, targets[:, None], _other_glyphs(object_u[..., 0], targets, distractors))
    present = (slot <= n_others[:, None]) & (targets >= 0)[:, None]

    noise = _noise_bank(key, side)
    images = _background(scene_u, noise)
    labels = torch.zeros(batch, side, side, dtype=torch.int64, device=device)
    class_id = sprites().class_id.to(device)[glyph]
    for s in range(slots):  # painter's order: at most five layers, each batched over the scenes
        ink, body = _place_sprites(glyph[:, s], object_u[:, s], is_target[:, s], noise, layout)
        body = body * present[:, s, None, None]
        images = _render_object(images, ink, body, object_u[:, s], class_id[:, s], noise, layout)
        labels = torch.where(body > 0.5, class_id[:, s, None, None] + 1, labels)

    light = between(scene_u[:, 2], 0.85, 1.12)[:, None, None, None]
    grain = between(scene_u[:, 3], 0.0, 0.05)[:, None, None]
    images = images * light + (grain * noise[:, 3])[:, None]
    return Scenes(images.clamp(0, 1), labels)


def _other_glyphs(u: Tensor, targets: Tensor, distractors: Tensor) -> Tensor:
    """A glyph of another class than the target's for every slot: u (B, S), targets (B,) -> (B, S)."""
    class_id = sprites().class_id.to(u.device)
    pool_class = class_id[distractors]
    allowed = pool_class != class_id[targets][:, None]  # (B, D)
    rank = pick(u, allowed.sum(dim=1)[:, None])
    position = torch.searchsorted(allowed.cumsum(dim=1).contiguous(), rank + 1)
    return distractors[position]


def _noise_bank(key: Tensor, side: int) -> Tensor:
    """Four fields of noise in -1..1 for each scene, from coarse to single pixels: (B,) -> (B, 4, side, side)."""
    fields, start = [], 0
    stream_key = key ^ 0x5DEECE66D
    for cells in (4, 9, 24):
        u = uniform(stream_key + start, cells * cells).reshape(-1, 1, cells, cells)
        fields.append(F.interpolate(u, size=(side, side), mode="bilinear", align_corners=True))
        start += 1
    fields.append(uniform(stream_key + start, side * side).reshape(-1, 1, side, side))
    return torch.cat(fields, dim=1) * 2 - 1


def _background(u: Tensor, noise: Tensor) -> Tensor:
    """A gradient of two colours with coarse noise or stripes: u (B, n) -> (B, 3, H, W)."""
    side = noise.shape[-1]
    x, y = _axes(side, u.device)
    angle = u[:, 4] * 2 * math.pi
    ramp = (torch.cos(angle)[:, None, None] * x + torch.sin(angle)[:, None, None] * y) * 0.35 + 0.5
    clouds = (u[:, 5, None, None] * noise[:, 0] + u[:, 6, None, None] * noise[:, 1]) * 0.5
    stripes = torch.sin(ramp * between(u[:, 7], 8, 50)[:, None, None]) * 0.4 * (u[:, 8] < 0.3)[:, None, None]
    weight = (ramp + clouds + stripes).clamp(0, 1)[:, None]
    first = _colour(u[:, 9], u[:, 10] * 0.7, between(u[:, 11], 0.25, 0.95))
    hue = torch.where(u[:, 12] < 0.6, u[:, 9] + 0.15 * (u[:, 13] - 0.5), u[:, 13])
    second = _colour(hue, u[:, 14] * 0.7, between(u[:, 15], 0.25, 0.95))
    rough = (between(u[:, 16], 0.0, 0.12)[:, None, None] * noise[:, 2])[:, None]
    return first[:, :, None, None] * weight + second[:, :, None, None] * (1 - weight) + rough


def _place_sprites(
    glyph: Tensor, u: Tensor, is_target: Tensor, noise: Tensor, layout: SceneLayout
) -> tuple[Tensor, Tensor]:
    """Transform one sprite for each scene: glyph (B,), u (B, n) -> ink and body, each (B, H, W) in 0..1."""
    low = torch.where(is_target, layout.target[0], layout.other[0])
    high = torch.where(is_target, layout.target[1], layout.other[1])
    scale = low + (high - low) * u[:, 1]
    reach = (1 - 0.7 * scale).clamp(min=0)  # the centre keeps most of the object inside the image
    centre_x, centre_y = (2 * u[:, 2] - 1) * reach, (2 * u[:, 3] - 1) * reach
    turn = between(u[:, 4], -0.45, 0.45)
    flip = torch.where(u[:, 5] < 0.5, -1.0, 1.0)
    stretch, shear = torch.exp(between(u[:, 6], -0.18, 0.18)), between(u[:, 7], -0.15, 0.15)

    x, y = _axes(layout.size, u.device)
    bend = between(u[:, 8], 0.0, 0.05)[:, None, None] * scale[:, None, None]
    x = x - centre_x[:, None, None] + bend * noise[:, 0]
    y = y - centre_y[:, None, None] + bend * noise[:, 1]
    cos, sin = torch.cos(turn)[:, None, None], torch.sin(turn)[:, None, None]
    across = (cos * x + sin * y) * (flip * stretch)[:, None, None]
    down = (cos * y - sin * x) / stretch[:, None, None]
    grid = torch.stack((across + shear[:, None, None] * down, down), dim=-1) / scale[:, None, None, None]
    layers = F.grid_sample(sprites().layers.to(u.device)[glyph], grid, align_corners=False)
    return layers[:, 0], layers[:, 1]


def _render_object(
    images: Tensor, ink: Tensor, body: Tensor, u: Tensor, class_id: Tensor, noise: Tensor, layout: SceneLayout
) -> Tensor:
    """One object for each scene over the images (B, 3, H, W): a shadow, a shaded body, and the ink on it."""
    palette = _palettes().to(u.device)[class_id]
    typical = (u[:, 9] < layout.typical_palette)[:, None]
    jitter = (u[:, 10:12] - 0.5) * 0.07
    hues = torch.where(typical, palette[:, :2] + jitter, u[:, 10:12])
    saturation = torch.where(typical[:, 0], palette[:, 2] + (u[:, 12] - 0.5) * 0.2, between(u[:, 12], 0.1, 0.9))
    value = torch.where(typical[:, 0], palette[:, 3] + (u[:, 13] - 0.5) * 0.2, between(u[:, 13], 0.4, 1.0))

    side = images.shape[-1]
    x, y = _axes(side, u.device)
    angle = u[:, 14] * 2 * math.pi
    ramp = torch.cos(angle)[:, None, None] * x + torch.sin(angle)[:, None, None] * y
    shade = 1 + 0.22 * ramp + (u[:, 15, None, None] * 0.25) * noise[:, 1] + (u[:, 16, None, None] * 0.18) * noise[:, 2]
    skin = _colour(hues[:, 0], saturation, value)[:, :, None, None] * shade[:, None]
    dark = torch.where(u[:, 17] < 0.65, between(u[:, 18], 0.15, 0.5), between(u[:, 18], 0.85, 1.0))
    lines = _colour(hues[:, 1], saturation, dark)[:, :, None, None] * (1 + 0.15 * noise[:, 0])[:, None]

    drop = side // 42
    shadow = F.pad(body, (drop, -drop, drop, -drop)) * 0.35
    images = images * (1 - shadow * (u[:, 19] < 0.7)[:, None, None])[:, None]
    strength = between(u[:, 20], 0.6, 1.0)[:, None, None]
    surface = torch.lerp(skin, lines, (ink * strength)[:, None])
    return torch.lerp(images, surface, body[:, None])


@lru_cache(maxsize=1)
def _palettes() -> Tensor:
    """Typical colours of each class, chosen by a hash of its name: (classes, 4), two hues, saturation, value."""
    digests = [hashlib.sha256(f"palette {noun.name}".encode()).digest() for noun in nouns()]
    u = torch.tensor([[int.from_bytes(d[4 * i : 4 * i + 4], "big") / 2**32 for i in range(4)] for d in digests])
    return torch.stack((u[:, 0], u[:, 1], between(u[:, 2], 0.35, 0.9), between(u[:, 3], 0.5, 0.95)), dim=1)


def _colour(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """HSV to RGB: three tensors (B,) -> (B, 3)."""
    saturation, value = saturation.clamp(0, 1), value.clamp(0, 1)
    offset = torch.tensor([5.0, 3.0, 1.0], device=hue.device)
    k = (offset + (hue % 1.0)[:, None] * 6) % 6
    fade = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * fade)


def _axes(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixel centres in -1..1: x (1, 1, side) and y (1, side, 1)."""
    line = (torch.arange(side, device=device) + 0.5) * (2 / side) - 1
    return line[None, None, :], line[None, :, None]
