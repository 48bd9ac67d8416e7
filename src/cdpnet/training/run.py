"""The files of a training: the state from which a stopped run continues, the best checkpoint and the log."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.optim.optimizer import StateDict

from cdpnet.config import NetworkConfig
from cdpnet.encoders.weights import load_into
from cdpnet.errors import CdpnetError, ConfigError
from cdpnet.io.files import regular_file, remove_leftovers, write_bytes, write_text
from cdpnet.network.checkpoint import CheckpointConfig, read_config, trained_tensors
from cdpnet.network.model_files import CONFIG_FILE, MODEL_FILE
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.record import RunSettings, TrainingRecord, from_dict, to_dict
from cdpnet.values import JSON

STATE_FILE, LOG_FILE, CURVES_FOLDER = "training.pt", "log.json", "curves"


@dataclass(frozen=True)
class Validation:
    """The mIoU in percent of the validation after an iteration."""

    iteration: int
    miou: float


@dataclass(frozen=True)
class TrainingState:
    """Everything that a stopped run needs to continue."""

    network: dict[str, Tensor]
    """The tensors that training changes."""
    optimizer: StateDict
    schedule: StateDict
    random: Tensor
    """State of torch's random number generator."""
    settings: dict[str, JSON]
    """Those of `describe_settings`."""
    iteration: int
    best: float
    """Highest mIoU in validation, in percent."""
    losses: list[float]
    validations: list[Validation]

    def save(self, path: Path) -> None:
        """Write the state; the file appears whole or not at all."""
        validations = [dataclasses.asdict(validation) for validation in self.validations]
        save_state({**vars(self), "validations": validations}, path)

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Self:
        """Read the state of a run. ConfigError where the file is broken or of another kind."""
        values = load_state(path, cls.__dataclass_fields__, device)
        with broken_state_as_sentence(path):
            values["validations"] = [Validation(**validation) for validation in values["validations"]]
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})


def describe_settings(settings: RunSettings, network: NetworkConfig) -> dict[str, JSON]:
    """Plain values of everything that decides what a run computes."""
    return {"network": to_dict(network), **settings.to_json()}


class TrainingRun:
    """One run in its folder. Its files are written under another name and renamed, so they are always whole."""

    def __init__(
        self,
        network: PrototypeNetwork,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        out: Path,
        settings: RunSettings,
        *,
        writes: bool,
    ) -> None:
        self.network, self.optimizer, self.schedule, self.out = network, optimizer, schedule, out
        self.writes = writes  # of the processes of a run, one writes
        self.settings = settings
        self.iteration, self.best = 0, float("-inf")
        self.losses: list[float] = []
        self.validations: list[Validation] = []
        self.curves: Any = None

    def begin(self, *, resume: bool, curves: bool) -> None:
        """Continue the run in the folder, or make sure that there is none. ConfigError where the two disagree."""
        path = self.out / STATE_FILE
        checkpoint = self.out / CONFIG_FILE
        if path.is_file():
            self._continue(TrainingState.load(path, next(self.network.parameters()).device), resume=resume)
        elif not resume and (self.out / MODEL_FILE).exists():
            raise ConfigError(f"{self.out} holds a checkpoint without the state of its training; give another --out.")
        elif checkpoint.is_file() and not self._is_own(read_config(checkpoint)):
            raise ConfigError(
                f"{self.out} holds a checkpoint of another training, without the state to go on from; give another "
                "--out."
            )
        if self.writes:
            remove_leftovers(self.out, (STATE_FILE, LOG_FILE, MODEL_FILE, CONFIG_FILE))
        if self.writes and curves:
            self.curves = _curve_writer(self.out / CURVES_FOLDER, self.iteration)

    def _is_own(self, found: CheckpointConfig) -> bool:
        """Whether a checkpoint is one that this run wrote before it first saved its state."""
        if found.record is None:
            return False
        recorded = found.record.settings
        return (recorded, found.network) == (self.settings.as_far_as(recorded), self.network.config)

    def _continue(self, state: TrainingState, *, resume: bool) -> None:
        if not resume:
            raise ConfigError(
                f"{self.out} holds a run, at iteration {state.iteration}; go on with it by --resume, or give "
                "another --out."
            )
        path = self.out / STATE_FILE
        with broken_state_as_sentence(path):
            recorded = RunSettings.from_json(state.settings)
            then = describe_settings(recorded, from_dict(state.settings["network"]))
        now = describe_settings(self.settings.as_far_as(recorded), self.network.config)
        if then != now:
            raise ConfigError(
                f"{self.out} holds a run with other settings ({_first_difference(then, now)}); give another --out, or "
                "the same settings."
            )
        with broken_state_as_sentence(path):
            load_into(self.network, {**self.network.state_dict(), **state.network}, str(path))
            self.optimizer.load_state_dict(state.optimizer)
            self.schedule.load_state_dict(state.schedule)
            torch.set_rng_state(state.random.cpu())
        self.iteration, self.best = state.iteration, state.best
        self.losses, self.validations = state.losses, state.validations

    def add_loss(self, loss: float) -> None:
        """Count an iteration and keep its loss."""
        self.iteration += 1
        self.losses.append(loss)
        if self.curves is not None:
            self.curves.add_scalar("loss", loss, self.iteration)
            self.curves.add_scalar("learning rate", self.schedule.get_last_lr()[0], self.iteration)

    def add_validation(self, miou: float) -> None:
        """Add a validation to the log; write the checkpoint if it is the best so far."""
        self.validations.append(Validation(self.iteration, miou))
        if self.curves is not None:
            self.curves.add_scalar("validation mIoU", miou, self.iteration)
        if miou <= self.best:
            return
        self.best = miou
        if self.writes:
            self.network.record = TrainingRecord(self.settings, self.iteration, miou)
            self.network.save(self.out)

    def save(self) -> None:
        """Write the state and the log, if this process writes."""
        if not self.writes:
            return
        settings = describe_settings(self.settings, self.network.config)
        TrainingState(
            network=trained_tensors(self.network),
            optimizer=self.optimizer.state_dict(),
            schedule=self.schedule.state_dict(),
            random=torch.get_rng_state(),
            settings=settings,
            iteration=self.iteration,
            best=self.best,
            losses=self.losses,
            validations=self.validations,
        ).save(self.out / STATE_FILE)
        validations = [dataclasses.asdict(validation) for validation in self.validations]
        log = {"settings": settings, "loss": self.losses, "validation": validations}
        write_text(json.dumps(log), self.out / LOG_FILE)
        if self.curves is not None:
            self.curves.flush()


def save_state(values: object, path: Path) -> None:
    """Write the state of a run; readers see all of it or none.

    It is encoded in memory, since torch's writer reports a full disk as an error of another kind.
    """
    buffer = io.BytesIO()
    torch.save(values, buffer)
    write_bytes(buffer.getvalue(), path)


def load_state(path: Path, keys: Collection[str], device: torch.device | str = "cpu") -> dict[str, Any]:
    """The state of a stopped run. ConfigError where the file is broken or lacks one of the keys."""
    with broken_state_as_sentence(path):
        state = torch.load(regular_file(path), map_location=device, weights_only=True)
        if not set(keys) <= state.keys():
            raise KeyError
        return dict(state)


@contextmanager
def broken_state_as_sentence(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with the content of a state file into a ConfigError."""
    try:
        yield
    except (CdpnetError, OSError):
        raise
    except Exception:  # a broken file raises nearly every kind
        raise ConfigError(
            f"{path} is not the state of a run, or is broken; remove it to begin anew, or give another --out."
        ) from None


def _first_difference(then: JSON, now: JSON, name: str = "") -> str:
    """Where two settings first differ, in words."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*now, *then]):
            if then.get(key) != now.get(key):
                return _first_difference(then.get(key), now.get(key), f"{name}.{key}" if name else key)
    return f"{name} was {json.dumps(then, ensure_ascii=False)} and is {json.dumps(now, ensure_ascii=False)}"


def _curve_writer(folder: Path, iteration: int) -> Any:
    from torch.utils.tensorboard.writer import SummaryWriter

    return SummaryWriter(str(folder), purge_step=iteration + 1)
