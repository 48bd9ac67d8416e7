"""Distillation of the text tower: phrases in the space of a sentence encoder that is many times as large.

The loss is one minus the cosine to the teacher's vector, and the squared difference of the similarities to a batch's
phrases and to ImageNet's class names. Everything here is our choice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save
from scipy.stats import spearmanr
from torch import Tensor
from torch.optim import AdamW, Muon, Optimizer

from cdpnet.encoders.catalogue import TEXT_FILE
from cdpnet.encoders.text_tower import CLASS_NAMES, DIM, TextTower, pack, text_tokenizer
from cdpnet.encoders.weights import load_into, read_state
from cdpnet.errors import ConfigError, DataError
from cdpnet.experiments.config import DistillationConfig
from cdpnet.experiments.phrases import N_HELD_OUT, class_names, coco_names, draw_phrases, imagenet_names
from cdpnet.experiments.teacher import embed
from cdpnet.io.files import read_text, write_bytes, write_text
from cdpnet.runtime.devices import autocast
from cdpnet.training.optimisation import decay_matrices, half_cosine, warm_up
from cdpnet.training.run import broken_state_as_sentence, load_state, save_state

PHRASES_FILE, TEACHER_FILE, STATE_FILE = "phrases.txt", "teacher.safetensors", "distil.pt"
_STATE_KEYS = ("model", "optimizers", "step", "settings")
_SIMILAR_LENGTH = 8  # batches of neighbours in length from which one batch is drawn


@dataclass(frozen=True)
class TeacherVectors:
    """Phrases, and the teacher's vectors for them (n, 384), unit length, half precision.

    coco, class_names: vectors of the names of COCO's and of ImageNet's classes.
    """

    train: tuple[str, ...]
    train_vectors: Tensor
    held_out: tuple[str, ...]
    held_out_vectors: Tensor
    coco_vectors: Tensor
    class_names_vectors: Tensor


@dataclass(frozen=True)
class Agreement:
    """Agreement of tower and teacher.

    held_out, coco: the mean cosine on names never trained on, and on COCO's. ranks: the mean rank correlation
    (Spearman) of each of COCO's names over ImageNet's names, which have the teacher's vectors.
    """

    held_out: float
    coco: float
    ranks: float

    def __str__(self) -> str:
        return (
            f"cosine on {N_HELD_OUT} names never trained on {self.held_out:.3f}, on COCO's names {self.coco:.3f}, "
            f"rank correlation over ImageNet's names {self.ranks:.3f}"
        )


def has_vectors(out: Path) -> bool:
    """Whether a folder has the vectors of the teacher, who is not needed then."""
    return (out / TEACHER_FILE).is_file()


def teacher_vectors(out: Path, report: Callable[[str], object] = id) -> TeacherVectors:
    """The vectors that lie in ``out``, or, where there are none, those of `draw_phrases` by the teacher.

    The teacher needs the extra teacher. DataError for files that do not fit.
    """
    phrases_path, vectors_path = out / PHRASES_FILE, out / TEACHER_FILE
    if not has_vectors(out):
        phrases = draw_phrases()
        groups = {
            "train": phrases.train,
            "held_out": phrases.held_out,
            "coco": coco_names(),
            CLASS_NAMES: class_names(),
        }
        vectors = {name: embed(group, report) for name, group in groups.items()}
        write_text("\n".join((*phrases.held_out, *phrases.train)) + "\n", phrases_path)
        write_bytes(save(vectors), vectors_path)
    vectors, lines = read_state(vectors_path), tuple(read_text(phrases_path).splitlines())
    n_held = len(vectors.get("held_out", ()))
    if len(lines) != n_held + len(vectors.get("train", ())) or CLASS_NAMES not in vectors:
        raise DataError(f"{phrases_path} and {vectors_path} do not fit together; remove both to make them anew.")
    return TeacherVectors(
        lines[n_held:],
        vectors["train"],
        lines[:n_held],
        vectors["held_out"],
        vectors["coco"],
        vectors[CLASS_NAMES],
    )


def distil(
    config: DistillationConfig, teacher: TeacherVectors, out: Path, report: Callable[[str], object]
) -> TextTower:
    """Train from the start, or on from the state in ``out``; the finished tower is returned.

    ConfigError where ``out`` holds a run with other settings.
    """
    torch.manual_seed(config.seed)
    tokens = tokenize(teacher.train)
    tower, state_path, start = TextTower(), out / STATE_FILE, 0
    optimizers = new_optimizers(tower, config)
    if state_path.is_file():
        state = load_state(state_path, _STATE_KEYS)
        if state["settings"] != dataclasses.asdict(config):
            raise ConfigError(f"{out} holds a run with other settings; give another --out, or the same settings.")
        with broken_state_as_sentence(state_path):
            load_into(tower, state["model"], str(state_path))
            for (optimizer, _), saved in zip(optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        start = state["step"]
    else:
        start_from_means(tower, tokens, teacher.train_vectors)
    pool = phrase_pool(teacher.train, tokens, config.name_repeats)
    names = teacher.class_names_vectors.float()
    for step in range(start, config.steps):
        chosen = draw_batch(pool, config, step)
        set_rates(optimizers, config, step)
        with autocast(config.precision, tokens.device):
            features = tower.encode_text(tokens[chosen].long())
        vectors = teacher.train_vectors[chosen].float()
        loss = distillation_loss(F.normalize(features.float(), dim=1), vectors, names, config.similarity_weight)
        tower.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, _ in optimizers:
            optimizer.step()
        if (step + 1) % 100 == 0:
            report(f"step {step + 1}/{config.steps}  loss {loss.item():.4f}")
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            states = [optimizer.state_dict() for optimizer, _ in optimizers]
            values = (tower.state_dict(), states, step + 1, dataclasses.asdict(config))
            save_state(dict(zip(_STATE_KEYS, values, strict=True)), state_path)
            report(f"step {step + 1}/{config.steps}  {agreement(tower, teacher)}")
    return tower


def new_optimizers(tower: TextTower, config: DistillationConfig) -> list[tuple[Optimizer, float]]:
    """AdamW for the table of tokens, what projects to and from it, and vectors; Muon for the transformer's matrices.

    With each its highest learning rate. After 400 steps with Muon (Jordan et al., 2024) the cosine to the teacher is
    0.73 on names never trained on, with AdamW alone 0.69.
    """
    by_muon = [p for p in tower.transformer.parameters() if p.ndim == 2] if config.matrix_learning_rate else []
    numbers = {id(parameter) for parameter in by_muon}
    rest = [parameter for parameter in tower.parameters() if id(parameter) not in numbers]
    groups = decay_matrices(rest, config.weight_decay)
    optimizers: list[tuple[Optimizer, float]] = [(AdamW(groups, betas=(0.9, 0.98)), config.learning_rate)]
    if by_muon:
        optimizers.append((Muon(by_muon, weight_decay=config.weight_decay), config.matrix_learning_rate))
    return optimizers


def set_rates(optimizers: Sequence[tuple[Optimizer, float]], config: DistillationConfig, step: int) -> None:
    """The learning rates of a step: a linear warm-up, then half a cosine to zero."""
    factor = warm_up(step, config.warmup) * half_cosine(step / config.steps)
    for optimizer, highest in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = highest * factor


def phrase_pool(phrases: Sequence[str], tokens: Tensor, name_repeats: int) -> Tensor:
    """Indices of the phrases (n,) in the order of their length in tokens, names of ImageNet-21k several times."""
    names = imagenet_names()
    repeats = torch.tensor([name_repeats if phrase in names else 1 for phrase in phrases])
    by_length = (tokens != 0).sum(dim=1).argsort(stable=True)
    return by_length.repeat_interleave(repeats[by_length])


def distillation_loss(features: Tensor, target: Tensor, names: Tensor, similarity_weight: float) -> Tensor:
    """Unit vectors of the tower and of the teacher, both (n, D), and of the teacher for names (k, D) -> scalar."""
    cosine = (features * target).sum(dim=1)
    difference = (features - target) @ torch.cat([target, names]).T
    return (1 - cosine).mean() + similarity_weight * (difference**2).mean()


def draw_batch(pool: Tensor, config: DistillationConfig, step: int) -> Tensor:
    """The phrases of a step, of similar length so that little is padded; a function of seed and step alone."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    window = min(len(pool), _SIMILAR_LENGTH * config.batch)
    start = int(torch.randint(len(pool) - window + 1, (1,), generator=generator))
    return pool[start + torch.randperm(window, generator=generator)[: config.batch]]


@torch.no_grad()
def start_from_means(tower: TextTower, tokens: Tensor, vectors: Tensor) -> None:
    """Start each token at the mean vector of the phrases it is in, reduced to the table's width by a singular basis.

    tokens (n, L), vectors (n, 384). The direct projection maps the tokens back, so the tower starts as a mean of means.
    """
    size, width = tower.token_embedding.weight.shape
    sums, counts = torch.zeros(size, DIM), torch.zeros(size)
    for some, of_some in zip(torch.split(tokens, 65536), torch.split(vectors, 65536), strict=True):
        real = (some != 0) & (torch.arange(some.shape[1]) > 0)
        phrase, place = real.nonzero(as_tuple=True)
        weight = 1 / real.sum(dim=1).float()
        ids = some[phrase, place].long()
        sums.index_add_(0, ids, of_some.float()[phrase] * weight[phrase, None])
        counts.index_add_(0, ids, weight[phrase])
    means = sums / counts.clamp(min=1e-6)[:, None] - sums.sum(dim=0) / counts.sum()
    means[counts == 0] = 0
    basis = torch.linalg.eigh((means * counts[:, None]).T @ means).eigenvectors[:, -width:]
    reduced = means @ basis
    scale = reduced.std()
    tower.token_embedding.weight.copy_(reduced / scale)
    tower.direct_projection.copy_(basis.T * scale)


def tokenize(phrases: Sequence[str]) -> Tensor:
    """Token ids (n, L), int32."""
    tokenizer = text_tokenizer()
    return torch.cat([tokenizer(list(phrases[i : i + 4096])).int() for i in range(0, len(phrases), 4096)])


@torch.no_grad()
def encode(tower: TextTower, phrases: Sequence[str]) -> Tensor:
    """Unit vectors (n, 384) of phrases."""
    parts = torch.split(tokenize(phrases).long(), 512)
    return F.normalize(torch.cat([tower.encode_text(part) for part in parts]), dim=1)


def agreement(tower: TextTower, teacher: TeacherVectors) -> Agreement:
    """How well the tower agrees with its teacher on phrases that it was not trained on, and on names of classes."""
    held_out, coco = encode(tower, teacher.held_out), encode(tower, coco_names())
    of_classes = teacher.class_names_vectors.float()
    own, taught = coco @ of_classes.T, teacher.coco_vectors.float() @ of_classes.T
    ranks = [float(spearmanr(*rows).statistic) for rows in zip(own.numpy(), taught.numpy(), strict=True)]
    return Agreement(
        float((held_out * teacher.held_out_vectors.float()).sum(dim=1).mean()),
        float((coco * teacher.coco_vectors.float()).sum(dim=1).mean()),
        sum(ranks) / len(ranks),
    )


def export_tower(tower: TextTower, teacher: TeacherVectors, out: Path) -> Path:
    """Write the packed weights, and the teacher's vectors of ImageNet's class names."""
    write_bytes(save({**pack(tower.state_dict()), CLASS_NAMES: teacher.class_names_vectors}), out / TEXT_FILE)
    return out / TEXT_FILE
