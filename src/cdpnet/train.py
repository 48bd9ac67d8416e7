"""Episodic training: one straight line from episodes to a checkpoint."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cdpnet.config import Precision, to_dict
from cdpnet.data.draws import keys, uniform
from cdpnet.data.loader import batches
from cdpnet.data.source import EpisodesDrawn, EpisodeSource
from cdpnet.distributed import ALONE, Processes, autocast
from cdpnet.episode import NO_NAME, EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.evaluate import evaluate
from cdpnet.network import PrototypeNetwork
from cdpnet.network.checkpoint import sha256_of, trained_tensors
from cdpnet.network.loss import multi_prototype_loss
from cdpnet.training_run import TrainingRun

_NAME_STREAM = 21
_MIX = "prototypes."
_FREE = ("workers", "checkpoint_every", "curves")  # settings that do not change what a run computes
SELECTIONS = {"base": "base classes", "novel": "novel classes of the test fold"}


@dataclass(frozen=True)
class TrainConfig:
    """The training of a network's own parts and of the trained stages of its image encoder."""

    iterations: int = 400
    """Optimizer steps; our choice for the embedded data (SSP on PASCAL: 6000)."""
    batch: int = 8
    """Episodes of a step in one process; our choice (SSP: 4)."""
    accumulate: int = 1
    """Such batches in a step, one after the other, for more episodes than fit into memory."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Our choice for the embedded data; SSP takes sgd with a rate of 1e-3 and a weight decay of 5e-4."""
    learning_rate: float = 3e-4
    """Our choice for the embedded data; 1e-3 and 3e-3 were worse on base classes."""
    weight_decay: float = 0.01
    momentum: float = 0.9
    """Of sgd (SSP)."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """To zero by half a cosine, or to a tenth at each milestone (SSP)."""
    milestones: tuple[float, float] = (1 / 3, 2 / 3)
    """Shares of the iterations (SSP)."""
    warmup: int = 20
    """Iterations of linear warm-up; our choice."""
    mix_rate: float = 30.0
    """Factor on the rate of the few numbers that mix the prototypes: scalars learn slowly; our choice."""
    text_dropout: float = 0.2
    """Share of episodes that go without their name (method, Names in training)."""
    output_stride: int = 0
    """Of the image encoder in training, where coarser is enough: a quarter of the locations; 0 for its own."""
    precision: Precision = "auto"
    """Of training and validation: bfloat16 is autocast; auto takes it on GPUs that have it."""
    compile: bool = False
    """Let torch.compile make the image encoder: faster steps after a first one of a minute or more; our choice."""
    workers: int = 0
    """Processes that draw episodes ahead; the episodes are the same for any number."""
    checkpoint_every: int = 100
    """Iterations between states that a stopped run can go on from."""
    validate_every: int = 200
    """Iterations between validations, which select the checkpoint."""
    validation_episodes: int = 100
    select_on: Literal["base", "novel"] = "base"
    """Whose validation selects; novel looks at the test fold, as some published code does, and every result says so."""
    curves: bool = False
    """Write curves for tensorboard (extra `curves`)."""
    seed: int = 0
    """Of the episodes and of the parts that start random."""

    def __post_init__(self) -> None:
        counts = ("iterations", "batch", "accumulate", "checkpoint_every", "validate_every", "validation_episodes")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}.")
        for name in (
            "learning_rate",
            "weight_decay",
            "momentum",
            "warmup",
            "mix_rate",
            "output_stride",
            "workers",
            "seed",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, and is {getattr(self, name)}.")
        if not 0 <= self.text_dropout <= 1:
            raise ConfigError(f"text_dropout is a share from 0 to 1, not {self.text_dropout}.")


@dataclass(frozen=True)
class Progress:
    """What a progress display may show after an iteration."""

    iteration: int
    iterations: int
    loss: float
    validation_miou: float | None


def train(
    network: PrototypeNetwork,
    episodes: EpisodeSource,
    config: TrainConfig,
    out: Path,
    report: Callable[[Progress], object] = id,
    *,
    resume: bool = False,
    processes: Processes = ALONE,
) -> None:
    """Train ``network`` in place and keep the checkpoint that is best in validation in ``out``.

    resume: go on with the run found in ``out``; on a CPU it then gives the same weights as one that was never stopped.
    ConfigError where ``out`` holds a run and ``resume`` is off, or its settings differ.
    """
    split: Literal["val", "test"] = "val" if config.select_on == "base" else "test"
    validation = dataclasses.replace(episodes, split=split, category_share=0.0)
    optimizer, schedule = _optimizer(network, config)
    settings = _settings(network, episodes, config, processes)
    settings["validation_list"] = validation.list_sha256(
        config.validation_episodes
    )  # one that cannot be drawn ends here
    run = TrainingRun(network, optimizer, schedule, out, settings, writes=processes.first)
    run.begin(resume=resume, curves=config.curves)
    processes.wait()  # nobody writes before everybody has read
    model = DistributedDataParallel(network) if processes.world > 1 else network
    if config.compile:
        network.image.compile_grid()
    numbers = _episode_numbers(config, run.iteration, processes)
    drawn = zip(numbers, batches(episodes, numbers, config.workers), strict=True)
    for iteration in range(run.iteration, config.iterations):
        network.train()
        with network.image.at_stride(config.output_stride):
            loss = _step(model, network, drawn, config)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        run.add_loss(float(processes.total(loss)) / processes.world)
        last = iteration + 1 == config.iterations
        miou = None
        if (iteration + 1) % config.validate_every == 0 or last:
            counts = evaluate(
                network, validation, config.validation_episodes, processes=processes, precision=config.precision
            )
            miou = counts.miou()
            run.add_validation(miou)
        if (iteration + 1) % config.checkpoint_every == 0 or last:
            run.save()
        report(Progress(iteration + 1, config.iterations, run.losses[-1], miou))


def _step(
    model: nn.Module,
    network: PrototypeNetwork,
    drawn: Iterator[tuple[Tensor, EpisodesDrawn]],
    config: TrainConfig,
) -> Tensor:
    """The gradient of one step over its batches, each with its episodes' numbers; the mean loss of this process."""
    device = next(network.parameters()).device
    total = torch.zeros(())
    for part in range(config.accumulate):
        index, episodes = next(drawn)
        batch = without_some_names(episodes.batch, index, config).to(device)
        with _waiting(model, part + 1 < config.accumulate), autocast(config.precision, device):
            masks = episodes.query_masks.to(device)
            labels = None if episodes.labels is None else episodes.labels.to(device)
            terms = multi_prototype_loss(model(batch), batch.support_masks, masks, network.config, labels)
            loss = torch.stack(list(terms.values())).sum() / config.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach().float().cpu()
    return total


def without_some_names(batch: EpisodeBatch, index: Tensor, config: TrainConfig) -> EpisodeBatch:
    """Text dropout: some episodes lose their name, chosen by their number alone."""
    dropped = uniform(keys(config.seed, index, _NAME_STREAM), 1)[:, 0] < config.text_dropout
    return batch.with_names(
        [NO_NAME if gone else name for name, gone in zip(batch.class_names, dropped.tolist(), strict=True)]
    )


def _waiting(model: nn.Module, more: bool) -> AbstractContextManager[object]:
    """Gradients are averaged over processes behind the last batch of a step only."""
    return model.no_sync() if more and isinstance(model, DistributedDataParallel) else nullcontext()


def _episode_numbers(config: TrainConfig, start: int, processes: Processes) -> list[Tensor]:
    """The batches of this process from iteration ``start`` on; the processes take turns, so each number comes once."""
    parts = range(start * config.accumulate, config.iterations * config.accumulate)
    places = [part * processes.world + processes.rank for part in parts]
    return [torch.arange(place * config.batch, (place + 1) * config.batch) for place in places]


def _optimizer(
    network: PrototypeNetwork, config: TrainConfig
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """ConfigError where a network has nothing to train."""
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not trained:
        raise ConfigError("This network has nothing to train: its encoder is frozen and it has no parts of its own.")
    groups: list[dict[str, object]] = [{"params": [p for name, p in trained.items() if not name.startswith(_MIX)]}]
    mixing = [p for name, p in trained.items() if name.startswith(_MIX)]
    if mixing:
        groups.append({"params": mixing, "lr": config.learning_rate * config.mix_rate, "weight_decay": 0.0})
    optimizer: torch.optim.Optimizer
    if config.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, config.learning_rate, config.momentum, weight_decay=config.weight_decay)
    else:
        optimizer = torch.optim.AdamW(groups, config.learning_rate, weight_decay=config.weight_decay)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: rate(done, config))


def rate(done: int, config: TrainConfig) -> float:
    """The factor on the learning rate behind ``done`` iterations."""
    start = min(1.0, (done + 1) / config.warmup) if config.warmup else 1.0
    share = done / config.iterations
    if config.schedule == "steps":
        return start * 0.1 ** sum(share >= milestone for milestone in config.milestones)
    return start * 0.5 * (1 + math.cos(math.pi * share))


def training_settings(config: TrainConfig) -> dict[str, object]:
    """Those that change what a run computes."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in _FREE}


def _frozen_sha256(network: PrototypeNetwork) -> str:
    """A fingerprint of the weights that training leaves alone, so that no run goes on over others."""
    trained = trained_tensors(network)
    return sha256_of({name: value for name, value in network.state_dict().items() if name not in trained})


def _settings(
    network: PrototypeNetwork, episodes: EpisodeSource, config: TrainConfig, processes: Processes
) -> dict[str, object]:
    """All that makes a run what it is, and what its results must say."""
    return {
        **episodes.settings(),
        "checkpoint_selection": SELECTIONS[config.select_on],
        "processes": processes.world,
        "network": to_dict(network.config),
        "train": training_settings(config),
        "frozen": _frozen_sha256(network),
    }
