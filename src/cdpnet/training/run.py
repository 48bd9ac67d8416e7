"""What a training keeps on disk: the state that a stopped run must find again, the best checkpoint, the log."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

from cdpnet.errors import ConfigError
from cdpnet.io.files import atomic, remove_leftovers
from cdpnet.network.checkpoint import CONFIG_FILE, MODEL_FILE, trained_tensors
from cdpnet.network.network import PrototypeNetwork

STATE_FILE, LOG_FILE, CURVES_FOLDER = "training.pt", "log.json", "curves"


class TrainingRun:
    """One run in its folder. Its files are written to another name and renamed, so they are whole at any moment."""

    def __init__(
        self,
        network: PrototypeNetwork,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        out: Path,
        settings: dict[str, Any],
        *,
        writes: bool,
    ) -> None:
        self.network, self.optimizer, self.schedule, self.out = network, optimizer, schedule, out
        self.writes = writes  # several processes of one run share the folder, and one of them writes
        self.settings = json.loads(json.dumps(settings))
        self.iteration, self.best = 0, float("-inf")
        self.losses: list[float] = []
        self.validations: list[dict[str, float]] = []
        self.curves: Any = None

    def begin(self, *, resume: bool, curves: bool) -> None:
        """Take up the run in the folder, or make sure that there is none. ConfigError where the two disagree."""
        path = self.out / STATE_FILE
        if path.is_file():
            self._take_up(load_state(path, next(self.network.parameters()).device), resume=resume)
        elif not resume and (self.out / MODEL_FILE).exists():
            raise ConfigError(
                f"{self.out} holds a checkpoint that no run of training stands behind; give another --out."
            )
        if self.writes:
            remove_leftovers(self.out, (STATE_FILE, LOG_FILE, MODEL_FILE, CONFIG_FILE))
        if self.writes and curves:
            self.curves = _curve_writer(self.out / CURVES_FOLDER, self.iteration)

    def _take_up(self, state: dict[str, Any], *, resume: bool) -> None:
        if not resume:
            raise ConfigError(
                f"{self.out} holds a run, at iteration {state['iteration']}; go on with it by --resume, or give "
                "another --out."
            )
        if state["settings"] != self.settings:
            different = _first_difference(state["settings"], self.settings)
            raise ConfigError(
                f"{self.out} holds a run with other settings ({different}); give another --out, or the same settings."
            )
        self.network.load_state_dict(state["network"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"].cpu())
        self.iteration, self.best = state["iteration"], state["best"]
        self.losses, self.validations = state["losses"], state["validations"]

    def add_loss(self, loss: float) -> None:
        """One more iteration is done."""
        self.iteration += 1
        self.losses.append(loss)
        if self.curves is not None:
            self.curves.add_scalar("loss", loss, self.iteration)
            self.curves.add_scalar("learning rate", self.schedule.get_last_lr()[0], self.iteration)

    def add_validation(self, miou: float) -> None:
        """Remember a validation, and keep the network if it is the best so far."""
        self.validations.append({"iteration": self.iteration, "miou": miou})
        if self.curves is not None:
            self.curves.add_scalar("validation mIoU", miou, self.iteration)
        if miou <= self.best:
            return
        self.best = miou
        if self.writes:
            about = {key: value for key, value in self.settings.items() if key != "network"}
            self.network.record = {**about, "iteration": self.iteration, "validation_miou": miou}
            self.network.save(self.out)

    def save(self) -> None:
        """Write the state and the log, if this process writes."""
        if not self.writes:
            return
        state = {
            "network": trained_tensors(self.network),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "settings": self.settings,
            "iteration": self.iteration,
            "best": self.best,
            "losses": self.losses,
            "validations": self.validations,
        }
        with atomic(self.out / STATE_FILE) as path:
            torch.save(state, path)
        log = {"settings": self.settings, "loss": self.losses, "validation": self.validations}
        with atomic(self.out / LOG_FILE) as path:
            path.write_text(json.dumps(log), encoding="utf-8")
        if self.curves is not None:
            self.curves.flush()


def load_state(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What a stopped run left. ConfigError where the file is broken or of another kind."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        if not {"settings", "optimizer", "schedule"} <= state.keys():
            raise KeyError("settings")
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, AttributeError, TypeError):
        raise ConfigError(
            f"{path} is not the state of a run, or is broken; remove it to begin anew, or give another --out."
        ) from None
    return state


def _first_difference(then: Any, now: Any, name: str = "") -> str:
    """Where two settings first differ, in words."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*now, *then]):
            if then.get(key) != now.get(key):
                return _first_difference(then.get(key), now.get(key), f"{name}.{key}" if name else key)
    return f"{name} was {then!r} and is {now!r}"


def _curve_writer(folder: Path, iteration: int) -> Any:
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise ConfigError("--curves needs the package tensorboard: pip install 'cdpnet[curves]'.") from None
    return SummaryWriter(str(folder), purge_step=iteration + 1)
