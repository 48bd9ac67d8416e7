"""Episodic training: one straight line from episodes to a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cdpnet.config import SELECTIONS, TrainConfig
from cdpnet.data.loader import batches
from cdpnet.data.source import DrawnEpisodes, EpisodeSource
from cdpnet.episode import NO_NAME, EpisodeBatch
from cdpnet.errors import ConfigError
from cdpnet.evaluation.loop import evaluate
from cdpnet.io.locks import locked
from cdpnet.network.checkpoint import sha256_of, trained_tensors
from cdpnet.network.loss import multi_prototype_loss
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.record import RunSettings
from cdpnet.runtime.devices import autocast
from cdpnet.runtime.distributed import ALONE, Processes
from cdpnet.runtime.rng import keys, uniform
from cdpnet.training.optimisation import half_cosine, warm_up
from cdpnet.training.run import TrainingRun

_NAME_STREAM = 21
_MIX, _IMAGE = "prototypes.", "image."


@dataclass(frozen=True)
class Progress:
    """The state of a training after an iteration."""

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
    """Train ``network`` in place and write the checkpoint that is best in validation to ``out``.

    resume: continue the run found in ``out``; on a CPU it then gives the same weights as one that was never stopped.
    report: called after every iteration.
    ConfigError where ``out`` holds a run and ``resume`` is off, or its settings differ. DataError where another process
    writes to ``out``.
    """
    split: Literal["val", "test"] = "val" if config.select_on == "base" else "test"
    validation = dataclasses.replace(episodes, split=split, category_share=0.0)
    optimizer, schedule = _optimizer(network, config)
    settings = RunSettings(
        episodes=episodes.settings(),
        checkpoint_selection=SELECTIONS[config.select_on],
        processes=processes.world,
        train=config.without_free(),
        frozen=_frozen_sha256(network),
        validation_list=validation.list_sha256(config.validation_episodes),  # DataError where there are too few images
        validation_data=validation.data_sha256,
    )
    run = TrainingRun(network, optimizer, schedule, out, settings, writes=processes.first)
    with locked(out) if processes.first else nullcontext():
        run.begin(resume=resume, curves=config.curves)
        processes.wait()  # no process writes before all have read
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
    drawn: Iterator[tuple[Tensor, DrawnEpisodes]],
    config: TrainConfig,
) -> Tensor:
    """The gradient of one step over its batches, each with its episodes' numbers; the mean loss of this process."""
    device = next(network.parameters()).device
    total = torch.zeros(())
    for part in range(config.accumulate):
        index, episodes = next(drawn)
        batch = drop_names(episodes.batch, index, config).to(device)
        with _sync_gradients(model, last=part + 1 == config.accumulate), autocast(config.precision, device):
            masks = episodes.query_masks.to(device)
            labels = None if episodes.labels is None else episodes.labels.to(device)
            terms = multi_prototype_loss(model(batch), batch.support_masks, masks, network.config, labels)
            loss = torch.stack(list(terms.values())).sum() / config.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach().float().cpu()
    return total


def drop_names(batch: EpisodeBatch, index: Tensor, config: TrainConfig) -> EpisodeBatch:
    """Text dropout: some episodes lose their name, chosen by their number alone."""
    dropped = uniform(keys(config.seed, index, _NAME_STREAM), 1)[:, 0] < config.text_dropout
    return batch.with_names(
        [NO_NAME if gone else name for name, gone in zip(batch.class_names, dropped.tolist(), strict=True)]
    )


def _sync_gradients(model: nn.Module, *, last: bool) -> AbstractContextManager[object]:
    """Average gradients over processes only after the last batch of a step."""
    return nullcontext() if last or not isinstance(model, DistributedDataParallel) else model.no_sync()


def _episode_numbers(config: TrainConfig, start: int, processes: Processes) -> list[Tensor]:
    """The batches of this process from iteration ``start`` on; the processes take turns, so each number comes once."""
    parts = range(start * config.accumulate, config.iterations * config.accumulate)
    places = [part * processes.world + processes.rank for part in parts]
    return [torch.arange(place * config.batch, (place + 1) * config.batch) for place in places]


def _optimizer(
    network: PrototypeNetwork, config: TrainConfig
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """ConfigError where a network has nothing to train."""
    groups = _parameter_groups(network, config)
    fused = next(network.parameters()).device.type == "cuda" or None  # else as PyTorch chooses
    optimizer: torch.optim.Optimizer
    if config.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            groups, config.learning_rate, config.momentum, weight_decay=config.weight_decay, fused=fused
        )
    else:
        optimizer = torch.optim.AdamW(groups, config.learning_rate, weight_decay=config.weight_decay, fused=fused)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: scale_rate(done, config))


def _parameter_groups(network: PrototypeNetwork, config: TrainConfig) -> list[dict[str, list[nn.Parameter] | float]]:
    """The weights of the network's parts, those of the image encoder, and the numbers that mix the prototypes.

    Each has a rate of its own; the numbers have no weight decay. ConfigError where a network has nothing to train.
    """
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not trained:
        raise ConfigError(
            "This network has nothing to train: its image encoder is frozen and it has no parts of its own; set "
            "--encoder.trained last:2, for example."
        )
    mixing = [p for name, p in trained.items() if name.startswith(_MIX)]
    own_rate = _IMAGE if config.encoder_rate != 1 else _MIX  # a group of its own only where the rate differs
    encoder = [p for name, p in trained.items() if name.startswith(own_rate) and not name.startswith(_MIX)]
    others = [p for name, p in trained.items() if not name.startswith((_MIX, own_rate))]
    rate = config.learning_rate
    groups: list[dict[str, list[nn.Parameter] | float]] = [
        {"params": others},
        {"params": encoder, "lr": rate * config.encoder_rate},
        {"params": mixing, "lr": rate * config.mix_rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def scale_rate(done: int, config: TrainConfig) -> float:
    """The factor on the learning rate after ``done`` iterations."""
    start = warm_up(done, config.warmup)
    share = done / config.iterations
    if config.schedule == "steps":
        return start * 0.1 ** sum(share >= milestone for milestone in config.milestones)
    return start * half_cosine(share)


def _frozen_sha256(network: PrototypeNetwork) -> str:
    """A hash of the weights that training does not change, so that no run continues with others."""
    trained = trained_tensors(network)
    return sha256_of({name: value for name, value in network.state_dict().items() if name not in trained})
