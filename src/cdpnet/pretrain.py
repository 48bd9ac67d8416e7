"""Contrastive pretraining of the tiny dual encoder on captioned pictures of all classes, without masks.

CLIP has read about every class of PASCAL and COCO before a few-shot network is trained on some of them; the embedded
encoder is given the same start. It sees pictures with captions of *all* classes here; masks come later, of base classes
only. For every class drawn in three or more families one family's drawing is held out, to measure what was learned.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor

from cdpnet.data.draws import keys, pick, uniform
from cdpnet.data.glyphs import FAMILIES, nouns, sprites
from cdpnet.data.scenes import SceneLayout, compose
from cdpnet.encoders.prompts import TINY_TEMPLATES, fill
from cdpnet.encoders.tiny import (
    BACKGROUND_NAME,
    WEIGHTS_FILE,
    TinyTokenizer,
    build_tiny,
    dense_values,
    encode_texts,
    pooled_values,
    trunk,
)
from cdpnet.errors import ConfigError
from cdpnet.files import atomic

PORTRAIT = SceneLayout(size=64, target=(0.45, 1.0), others=(0, 2), other=(0.2, 0.5), smallest_target=0.06)
_CHOICE_STREAM = 7  # random numbers that choose what a picture shows; the scene itself uses stream 0


@dataclass(frozen=True)
class PretrainConfig:
    """Pretraining of the tiny encoder; every number is our choice."""

    crops: int = 600_000
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 200  # steps
    dense_weight: float = 0.5  # of the same loss on the mean of the dense values
    category_weight: float = 0.3  # of the loss against the names of the categories
    empty_share: float = 0.06  # pictures without an object, captioned as background
    seed: int = 0
    save_every: int = 200  # steps

    def __post_init__(self) -> None:
        if min(self.batch, self.warmup, self.save_every) < 1 or self.crops < self.batch:
            raise ConfigError("batch, warmup and save_every must be at least 1, and crops at least a batch.")

    @property
    def steps(self) -> int:
        """Number of optimizer steps."""
        return self.crops // self.batch


@dataclass(frozen=True)
class Captions:
    """What can be said of a picture: names, then `BACKGROUND_NAME`, then categories; class_category: (classes + 1,)."""

    texts: tuple[str, ...]
    n_names: int
    class_category: Tensor


def captions() -> Captions:
    """The names of the embedded data set; the background has category -1."""
    categories = sorted({noun.category for noun in nouns()})
    of_class = torch.tensor([categories.index(noun.category) for noun in nouns()] + [-1])
    names = [noun.name for noun in nouns()] + [BACKGROUND_NAME]
    return Captions((*names, *categories), len(names), of_class)


def held_out_drawings() -> Tensor:
    """True for the glyphs never shown in pretraining: (G,) bool, one family of every class drawn in three or more."""
    held = torch.zeros(len(sprites().class_id), dtype=torch.bool)
    for class_id, noun in enumerate(nouns()):
        if len(noun.families) >= 3:
            choice = hashlib.sha256(f"held out {noun.name}".encode()).digest()[0] % len(noun.families)
            held[sprites().of(class_id, FAMILIES.index(noun.families[choice]))] = True
    return held


def pretrain(config: PretrainConfig, out: Path, report: Callable[[str], None]) -> open_clip.CLIP:
    """Train from scratch, or on from the checkpoint in ``out``; the finished model is returned."""
    torch.manual_seed(config.seed)
    model = build_tiny().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_groups(model, config), lr=config.learning_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, config))
    checkpoint, start = out / "pretrain.pt", 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["settings"] != dataclasses.asdict(config):
            raise ConfigError(f"{out} holds a run with other settings; give another --out, or the same settings.")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        start = state["step"]
    words, glyphs, tokens = captions(), _glyphs_by_class(), _tokens(captions())
    model.train()
    for step in range(start, config.steps):
        images, target = portraits(config, step, glyphs)
        chosen = torch.randint(tokens.shape[0], (tokens.shape[1],), generator=torch.Generator().manual_seed(step))
        texts = F.normalize(encode_texts(model, tokens[chosen, torch.arange(tokens.shape[1])]), dim=-1)
        grid = trunk(model.visual, images)
        scale = model.logit_scale.exp().clamp(max=100)
        pooled = scale * F.normalize(pooled_values(model.visual.attnpool, grid), dim=-1) @ texts.T
        pool = model.visual.attnpool
        dense = dense_values(pool.v_proj, pool.c_proj, grid).mean(dim=(2, 3))
        dense = scale * F.normalize(dense, dim=-1) @ texts.T
        loss = contrastive_loss(pooled, target, words, config.category_weight)
        loss = loss + config.dense_weight * contrastive_loss(dense, target, words, config.category_weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            top1 = (pooled[:, : words.n_names].argmax(dim=1) == target).float().mean()
            report(f"step {step}/{config.steps}  loss {loss.item():.3f}  top-1 in training {100 * top1:.1f}")
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(checkpoint, model, optimizer, schedule, {"step": step + 1, "settings": dataclasses.asdict(config)})
    return model


def contrastive_loss(logits: Tensor, target: Tensor, words: Captions, category_weight: float) -> Tensor:
    """CLIP's symmetric loss against all names instead of those in the batch, with same-class positives.

    logits: (B, n) pictures against every text. target: (B,) name of each picture.
    """
    names, categories = logits[:, : words.n_names], logits[:, words.n_names :]
    to_text = F.cross_entropy(names, target)
    positive = F.one_hot(target, words.n_names).to(logits.dtype)
    count = positive.sum(dim=0)
    to_image = -(F.log_softmax(names, dim=0) * positive).sum(dim=0) / count.clamp(min=1)
    to_image = to_image.sum() / (count > 0).sum()
    category = F.cross_entropy(categories, words.class_category[target], ignore_index=-1)
    return (to_text + to_image) / 2 + category_weight * category


def portraits(config: PretrainConfig, step: int, glyphs: Tensor) -> tuple[Tensor, Tensor]:
    """The batch of one step, normalised to -1..1: images (B, 3, 64, 64) and the name of each (B,).

    glyphs: (classes, most) glyph numbers that may be shown, padded with -1.
    """
    index = torch.arange(step * config.batch, (step + 1) * config.batch)
    u = uniform(keys(config.seed, index, _CHOICE_STREAM), 3)
    n_classes = glyphs.shape[0]
    target = pick(u[:, 0], n_classes)
    glyph = glyphs[target, pick(u[:, 1], (glyphs[target] >= 0).sum(dim=1))]
    empty = u[:, 2] < config.empty_share
    target, glyph = torch.where(empty, n_classes, target), torch.where(empty, -1, glyph)
    scenes = compose(config.seed, index, glyph, glyphs[glyphs >= 0], PORTRAIT)
    return normalised(scenes.images), target


def normalised(images: Tensor) -> Tensor:
    """0..1 -> -1..1, in the memory format that convolutions like: (B, 3, H, W)."""
    return (images * 2 - 1).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def zero_shot(model: open_clip.CLIP, held_out: bool, seed: int = 1, repeats: int = 12) -> float:
    """Top-1 among all names, in percent, over portraits of the held-out drawings or of those of pretraining."""
    model.eval()
    words = captions()
    texts = F.normalize(encode_texts(model, _tokens(words)[0][: words.n_names]), dim=-1)
    held = held_out_drawings()
    glyph = (held if held_out else ~held).nonzero().flatten().repeat(repeats)
    hits = 0
    for rows in torch.split(torch.arange(len(glyph)), 256):
        scenes = compose(seed, rows, glyph[rows], glyph, PORTRAIT)
        features = pooled_values(model.visual.attnpool, trunk(model.visual, normalised(scenes.images)))
        hits += int(((features @ texts.T).argmax(dim=1) == sprites().class_id[glyph[rows]]).sum())
    return 100 * hits / len(glyph)


@torch.inference_mode()
def export(model: open_clip.CLIP, out: Path) -> Path:
    """Write the weights in half precision, scaled so that dense features have about the length of a text feature.

    Cosines do not notice; the fusion and the multi-modal prototype meet image and text at one scale.
    """
    model.eval()
    images, _ = portraits(PretrainConfig(seed=2), 0, _glyphs_by_class())
    pool = model.visual.attnpool
    length = dense_values(pool.v_proj, pool.c_proj, trunk(model.visual, images)).norm(dim=1).mean()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for key in ("visual.attnpool.c_proj.weight", "visual.attnpool.c_proj.bias"):
        state[key] = state[key] / length
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    path = out / WEIGHTS_FILE
    with atomic(path) as temporary:
        temporary.write_bytes(save({key: value.contiguous() for key, value in half.items()}))
    return path


def _glyphs_by_class() -> Tensor:
    held = held_out_drawings()
    rows = [sprites().of(class_id) for class_id in range(len(nouns()))]
    rows = [row[~held[row]] for row in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def _tokens(words: Captions) -> Tensor:
    """Every text in every template: (templates, n, L)."""
    tokenizer = TinyTokenizer()
    return torch.stack([tokenizer([fill(template, text) for text in words.texts]) for template in TINY_TEMPLATES])


def _groups(model: open_clip.CLIP, config: PretrainConfig) -> list[dict[str, object]]:
    """Weight decay for matrices only."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    rest = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]


def _rate(step: int, config: PretrainConfig) -> float:
    """Linear warm-up, then half a cosine to zero."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - config.warmup) / max(1, config.steps - config.warmup)))


def _save(
    path: Path,
    model: open_clip.CLIP,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    progress: dict[str, object],
) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    with atomic(path) as temporary:
        torch.save({**state, **progress}, temporary)
