"""The rows of the paper's ablation and of its controls, and the settings of a run."""

from __future__ import annotations

from dataclasses import dataclass

from cdpnet.config import METHODS, Names, Switches
from cdpnet.errors import ConfigError
from cdpnet.values import check_seeds


@dataclass(frozen=True)
class AblationRow:
    """A network of the ablation: its name, its switches, and the levels of names that it is scored with."""

    name: str
    description: str
    switches: Switches
    names: tuple[Names, ...] = ("exact",)


_PLAIN = METHODS["panet"]
_FUSION: Switches = {**_PLAIN, "text_fusion": True}
_MSP: Switches = {**_FUSION, "multimodal_prototype": True}
_AFBM: Switches = {**_MSP, "adaptive_matching": True}
_REFINED: Switches = {**_AFBM, "refinement": True}
_PAPER: Switches = {**_REFINED, "multi_prototype_loss": True}
_BACKGROUND: Switches = {**_PAPER, "background_name": True}
_TEXT_ONLY: Switches = {**METHODS["cdpn"], "multimodal_prototype": False, "background_name": False, "text_only": True}
ROWS = (
    AblationRow("panet", "plain prototypes", _PLAIN),
    AblationRow("fusion", "+ text fusion", _FUSION),
    AblationRow("msp", "+ multi-modal prototype", _MSP),
    AblationRow("afbm", "+ adaptive matching", _AFBM),
    AblationRow("refined", "+ refinement", _REFINED),
    AblationRow("paper", "+ multi-prototype loss", _PAPER),
    AblationRow("background", "+ the background's name (ours)", _BACKGROUND),
    AblationRow("cdpn", "+ a loss on all names (ours)", METHODS["cdpn"], ("exact", "category", "none", "wrong")),
    AblationRow("ssp", "without text", METHODS["ssp"]),
    AblationRow("text", "text only", _TEXT_ONLY, ("exact", "category")),
)


@dataclass(frozen=True)
class AblationConfig:
    """The episodes of the trainings and evaluations, the same for every row."""

    fold: int = 0
    """Fold whose classes stay novel."""
    shots: tuple[int, ...] = (1, 5)
    """Labelled examples in the episodes of the evaluations; training takes one."""
    episodes: int = 1000
    """Episodes of an evaluation and a seed."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of the evaluations' episodes."""
    category_share: float = 0.2
    """Share of training episodes that are named by the category."""
    rows: tuple[str, ...] = ()
    """Rows to train and score in this call, such as panet, fusion; by default all."""

    def __post_init__(self) -> None:
        if min((self.episodes, *self.shots), default=0) < 1 or not self.shots or not self.seeds:
            raise ConfigError("An ablation needs at least one episode, at least one number of shots, and a seed.")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"The seeds {list(self.seeds)} are not all different.")
        check_seeds(*self.seeds)
        for name in self.rows:
            if name not in {row.name for row in ROWS}:
                raise ConfigError(f"There is no row {name!r}; there are {', '.join(row.name for row in ROWS)}.")
