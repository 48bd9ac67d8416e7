"""Episodic training: one straight line from episodes to a checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cdpnet.config import to_dict
from cdpnet.data.draws import keys, uniform
from cdpnet.data.icons import IconEpisodes
from cdpnet.episode import NO_NAME, EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.evaluate import evaluate
from cdpnet.files import atomic
from cdpnet.network import PrototypeNetwork
from cdpnet.network.checkpoint import trained_tensors
from cdpnet.network.loss import multi_prototype_loss

_NAME_STREAM = 21
STATE_FILE = "training.pt"
LOG_FILE = "log.json"


@dataclass(frozen=True)
class TrainConfig:
    """The training of a network's heads and of the trained stages of its image encoder."""

    iterations: int = 300
    """Optimizer steps; our choice for the embedded data."""
    batch: int = 8
    """Episodes in a step; our choice."""
    learning_rate: float = 1e-3
    """AdamW; our choice."""
    weight_decay: float = 0.01
    """Our choice."""
    milestones: tuple[float, float] = (0.7, 0.9)
    """Shares of the iterations behind which the rate falls to a tenth; our choice for short runs (SSP: 1/3 and 2/3)."""
    text_dropout: float = 0.2
    """Share of episodes that go without their name (method, Text dropout)."""
    validate_every: int = 100
    """Iterations between validations on base classes, which select the checkpoint."""
    validation_episodes: int = 100
    """Episodes of a validation."""
    seed: int = 0
    """Of the episodes and of the parts that start random."""

    def __post_init__(self) -> None:
        if min(self.iterations, self.batch, self.validate_every, self.validation_episodes) < 1:
            raise ConfigError("iterations, batch, validate_every and validation_episodes must be at least 1.")
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
    episodes: IconEpisodes,
    config: TrainConfig,
    out: Path,
    report: Callable[[Progress], object] = id,
) -> None:
    """Train ``network`` in place and keep the checkpoint that is best on base classes in ``out``.

    A run found in ``out`` is continued, and then gives the same weights as one that was never stopped.
    """
    validation = dataclasses.replace(episodes, split="val")
    device = next(network.parameters()).device
    trained = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
    marks = [round(share * config.iterations) for share in config.milestones]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, marks, gamma=0.1)
    settings = {
        "data": "icons",
        "fold": episodes.fold,
        "shots": episodes.shots,
        "seed": episodes.seed,
        "network": to_dict(network.config),
        "train": dataclasses.asdict(config),
    }
    run = _Run(network, optimizer, schedule, out, settings)
    run.resume()
    for iteration in range(run.iteration, config.iterations):
        index = torch.arange(iteration * config.batch, (iteration + 1) * config.batch)
        drawn = episodes.draw(index)
        batch = without_some_names(drawn.batch, index, config).to(device)
        network.train()
        terms = multi_prototype_loss(network(batch), batch.support_masks, drawn.query_masks.to(device), network.config)
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        run.losses.append(loss.item())
        miou = None
        if (iteration + 1) % config.validate_every == 0 or iteration + 1 == config.iterations:
            miou = evaluate(network, validation, config.validation_episodes).miou()
            run.keep(iteration + 1, miou)
        report(Progress(iteration + 1, config.iterations, run.losses[-1], miou))


def without_some_names(batch: EpisodeBatch, index: Tensor, config: TrainConfig) -> EpisodeBatch:
    """Text dropout: some episodes lose their name, chosen by their number alone."""
    dropped = uniform(keys(config.seed, index, _NAME_STREAM), 1)[:, 0] < config.text_dropout
    return batch.with_names(
        [NO_NAME if gone else name for name, gone in zip(batch.class_names, dropped.tolist(), strict=True)]
    )


class _Run:
    """What a stopped run must find again, and the best checkpoint so far."""

    def __init__(
        self,
        network: PrototypeNetwork,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        out: Path,
        settings: dict[str, Any],
    ) -> None:
        self.network, self.optimizer, self.schedule, self.out = network, optimizer, schedule, out
        self.settings = json.loads(json.dumps(settings))
        self.iteration, self.best = 0, float("-inf")
        self.losses: list[float] = []
        self.validations: list[dict[str, float]] = []

    def resume(self) -> None:
        """Take up the state in the folder, if there is one. ConfigError if it was made with other settings."""
        path = self.out / STATE_FILE
        if not path.is_file():
            return
        state = torch.load(path, map_location=next(self.network.parameters()).device, weights_only=True)
        if state["settings"] != self.settings:
            raise ConfigError(f"{self.out} holds a run with other settings; give another --out, or the same settings.")
        self.network.load_state_dict(state["network"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.iteration, self.best = state["iteration"], state["best"]
        self.losses, self.validations = state["losses"], state["validations"]

    def keep(self, iteration: int, miou: float) -> None:
        """Write the state, the log, and the network if it is the best so far."""
        self.iteration = iteration
        self.validations.append({"iteration": iteration, "base_miou": miou})
        if miou > self.best:
            self.best = miou
            about = {key: value for key, value in self.settings.items() if key != "network"}
            self.network.record = {**about, "iteration": iteration, "checkpoint_selection": "base classes"}
            self.network.save(self.out)
        state = {
            "network": trained_tensors(self.network),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "settings": self.settings,
            "iteration": iteration,
            "best": self.best,
            "losses": self.losses,
            "validations": self.validations,
        }
        with atomic(self.out / STATE_FILE) as path:
            torch.save(state, path)
        with atomic(self.out / LOG_FILE) as path:
            path.write_text(json.dumps({"loss": self.losses, "validation": self.validations}), encoding="utf-8")
