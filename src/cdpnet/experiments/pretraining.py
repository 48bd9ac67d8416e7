"""Contrastive pretraining of the tiny dual encoder on captioned images of all classes, without masks.

Whole images are compared with texts as in CLIP. So that single locations lie in the text space too, every location of
the grid is compared with the names: it must show something of the caption, and everything in the caption must show
somewhere. Masks, of base classes only, are used later, in episodic training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor

from cdpnet.data.icons.glyphs import sprites
from cdpnet.data.icons.portraits import PORTRAIT, Words, held_out_drawings, portraits, words
from cdpnet.data.icons.scenes import compose
from cdpnet.encoders.catalogue import TINY_FILE
from cdpnet.encoders.prompts import TINY_TEMPLATES, fill
from cdpnet.encoders.tiny import build_tiny, dense_values, encode_texts, pooled_values, tiny_tokenizer, trunk
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.experiments.config import PretrainConfig
from cdpnet.io.files import write_bytes
from cdpnet.runtime.devices import autocast
from cdpnet.training.optimisation import decay_matrices, half_cosine, warm_up
from cdpnet.training.run import broken_state_as_sentence, load_state, save_state

STATE_FILE = "pretrain.pt"
_STATE_KEYS = ("model", "optimizer", "schedule", "step", "settings")


def pretrain(
    config: PretrainConfig, out: Path, report: Callable[[str], None], device: torch.device | None = None
) -> open_clip.CLIP:
    """Train from scratch, or on from the checkpoint in ``out``; the finished model is returned, on the CPU.

    device: of the training, by default the CPU.
    """
    device = device or torch.device("cpu")
    torch.manual_seed(config.seed)
    model = build_tiny().to(memory_format=torch.channels_last)
    if config.start:
        with broken_state_as_sentence(Path(config.start)):
            load_into(model, _earlier(Path(config.start)), config.start)
    model = model.to(device)
    optimizer = torch.optim.AdamW(
        decay_matrices(model.parameters(), config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, config))
    checkpoint, start = out / STATE_FILE, 0
    if checkpoint.is_file():
        state = load_state(checkpoint, _STATE_KEYS, device)
        if state["settings"] != dataclasses.asdict(config):
            raise ConfigError(f"{out} holds a run with other settings; give another --out, or the same settings.")
        with broken_state_as_sentence(checkpoint):
            load_into(model, state["model"], str(checkpoint))
            optimizer.load_state_dict(state["optimizer"])
            schedule.load_state_dict(state["schedule"])
        start = state["step"]
    vocabulary = words()
    tokens = _tokens(vocabulary)
    vocabulary = dataclasses.replace(vocabulary, category=vocabulary.category.to(device))
    model.train()
    for step in range(start, config.steps):
        index = torch.arange(step * config.batch, (step + 1) * config.batch)
        images, main, captioned = (part.to(device) for part in portraits(config.seed, index, config.empty_share))
        chosen = torch.randint(tokens.shape[0], (tokens.shape[1],), generator=torch.Generator().manual_seed(step))
        texts = F.normalize(encode_texts(model, tokens[chosen, torch.arange(tokens.shape[1])].to(device)), dim=-1)
        with autocast(config.precision, device):
            terms, top1 = _losses(model, normalise(images), texts, main, captioned, vocabulary, config)
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            shown = "  ".join(f"{name} {value.item():.3f}" for name, value in terms.items())
            report(f"step {step}/{config.steps}  {shown}  top-1 in training {100 * top1:.1f}")
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            _save(checkpoint, model, optimizer, schedule, config, step + 1)
    return model.cpu()


def _losses(
    model: open_clip.CLIP,
    images: Tensor,
    texts: Tensor,
    main: Tensor,
    captioned: Tensor,
    vocabulary: Words,
    config: PretrainConfig,
) -> tuple[dict[str, Tensor], float]:
    """The weighted terms by name, and the share of images named rightly: images normalised, texts (n, D)."""
    pool = model.visual.attnpool
    grid = trunk(model.visual, images)
    scale = model.logit_scale.exp().clamp(max=100)
    pooled = scale * F.normalize(pooled_values(pool, grid), dim=-1) @ texts.T
    terms = {"pooled": contrastive_loss(pooled, main, vocabulary, config.category_weight)}
    dense = dense_values(pool.v_proj, pool.c_proj, grid)
    if config.dense_weight:
        mean = scale * F.normalize(dense.mean(dim=(2, 3)), dim=-1) @ texts.T
        terms["mean"] = config.dense_weight * contrastive_loss(mean, main, vocabulary, config.category_weight)
    if config.location_weight:
        names = texts[: vocabulary.n_names]
        each = scale * F.normalize(dense.flatten(2).transpose(1, 2), dim=-1) @ names.T
        terms["location"] = config.location_weight * location_loss(each, main, captioned, config)
    right = pooled[:, : vocabulary.n_names].argmax(dim=1) == main
    return terms, float(right.float().mean())


def contrastive_loss(logits: Tensor, target: Tensor, vocabulary: Words, category_weight: float) -> Tensor:
    """CLIP's symmetric loss against all names instead of those in the batch, with same-class positives.

    logits: (B, n) images against every text. target: (B,) name of each image.
    """
    names, categories = logits[:, : vocabulary.n_names], logits[:, vocabulary.n_names :]
    to_text = F.cross_entropy(names, target)
    positive = F.one_hot(target, vocabulary.n_names).to(logits.dtype)
    count = positive.sum(dim=0)
    to_image = -(F.log_softmax(names, dim=0) * positive).sum(dim=0) / count.clamp(min=1)
    to_image = to_image.sum() / (count > 0).sum()
    category = F.cross_entropy(categories, vocabulary.category[target], ignore_index=-1)
    return (to_text + to_image) / 2 + category_weight * category


def location_loss(logits: Tensor, main: Tensor, captioned: Tensor, config: PretrainConfig) -> Tensor:
    """The loss of single locations against the names of a caption, which does not say where its objects are.

    Every location shows something of the caption; the main object shows at its ``main_at`` best locations, the other
    objects of the caption at their ``other_at`` best. logits: (B, N, n) locations against names, the background last.
    main: (B,). captioned: (B, n) bool.
    """
    log_p = F.log_softmax(logits, dim=2)
    among = -log_p.masked_fill(~captioned[:, None], -1e4).logsumexp(dim=2).mean()
    image, name = captioned[:, :-1].nonzero(as_tuple=True)
    best = log_p.transpose(1, 2)[image, name].topk(config.main_at, dim=1).values  # (objects, main_at)
    is_main = main[image] == name
    main_term = best[is_main].sum() / max(1, int(is_main.sum()) * config.main_at)
    others = best[~is_main, : config.other_at]
    return 0.5 * among - main_term - 0.5 * others.sum() / max(1, others.numel())


def normalise(images: Tensor) -> Tensor:
    """0..1 -> -1..1, in the memory format that is fast for convolutions: (B, 3, H, W)."""
    return (images * 2 - 1).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def zero_shot(model: open_clip.CLIP, held_out: bool, seed: int = 1, repeats: int = 12) -> float:
    """Top-1 among all names, in percent, over portraits of the held-out drawings or of those of pretraining."""
    model.eval()
    vocabulary = words()
    texts = F.normalize(encode_texts(model, _tokens(vocabulary)[0][: vocabulary.n_names]), dim=-1)
    held = held_out_drawings()
    glyph = (held if held_out else ~held).nonzero().flatten().repeat(repeats)
    hits = 0
    for rows in torch.split(torch.arange(len(glyph)), 256):
        scenes = compose(seed, rows, glyph[rows], glyph, PORTRAIT)
        features = pooled_values(model.visual.attnpool, trunk(model.visual, normalise(scenes.images)))
        hits += int(((features @ texts.T).argmax(dim=1) == sprites().class_id[glyph[rows]]).sum())
    return 100 * hits / len(glyph)


@torch.inference_mode()
def export(model: open_clip.CLIP, out: Path) -> Path:
    """Write the weights in half precision, scaled so that dense features have about the length of a text feature.

    Cosines do not notice; the fusion and the multi-modal prototype meet image and text at one scale.
    """
    model.eval()
    images = normalise(portraits(2, torch.arange(256), PretrainConfig().empty_share).images)
    pool = model.visual.attnpool
    length = dense_values(pool.v_proj, pool.c_proj, trunk(model.visual, images)).norm(dim=1).mean()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for key in ("visual.attnpool.c_proj.weight", "visual.attnpool.c_proj.bias"):
        state[key] = state[key] / length
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    path = out / TINY_FILE
    write_bytes(save({key: value.contiguous() for key, value in half.items()}), path)
    return path


def _tokens(vocabulary: Words) -> Tensor:
    """Every text in every template: (templates, n, L)."""
    tokenizer = tiny_tokenizer()
    return torch.stack([tokenizer([fill(template, text) for text in vocabulary.texts]) for template in TINY_TEMPLATES])


def _earlier(start: Path) -> dict[str, Tensor]:
    """The weights of an earlier run, from its folder or the file it exported. WeightsError where there are none."""
    if start.is_file():
        return read_state(start)
    path = start / STATE_FILE
    if not path.is_file():
        raise WeightsError(
            f"There is no {path}: --start takes the --out folder of an earlier pretraining, or its {TINY_FILE}."
        )
    state: dict[str, Tensor] = load_state(path, _STATE_KEYS)["model"]
    return state


def _rate(step: int, config: PretrainConfig) -> float:
    """Linear warm-up, then half a cosine to zero."""
    if step < config.warmup:
        return warm_up(step, config.warmup)
    return half_cosine((step - config.warmup) / max(1, config.steps - config.warmup))


def _save(
    path: Path,
    model: open_clip.CLIP,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    config: PretrainConfig,
    step: int,
) -> None:
    state = (model.state_dict(), optimizer.state_dict(), schedule.state_dict(), step, dataclasses.asdict(config))
    save_state(dict(zip(_STATE_KEYS, state, strict=True)), path)
