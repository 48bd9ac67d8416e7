"""Every key of every configuration, from the dataclasses that hold them."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any, get_type_hints

from docstring_parser import parse_from_object

from cdpnet.cli.help import plain
from cdpnet.config import (
    Calibration,
    DecisionConfig,
    EncoderConfig,
    LossConfig,
    MatchingConfig,
    NetworkConfig,
    TrainConfig,
)
from cdpnet.data.config import DataConfig
from cdpnet.experiments.ablation_rows import AblationConfig
from cdpnet.experiments.config import (
    ClicksConfig,
    CorrectionConfig,
    DistillationConfig,
    PretrainConfig,
    ReproductionConfig,
    TableConfig,
)
from cdpnet.training.allowance import Allowance
from cdpnet.values import describe
from docs.generation.tables import code, options_as_code, table

KINDS: tuple[tuple[str, type], ...] = (
    ("Data and protocol", DataConfig),
    ("Training", TrainConfig),
    ("Encoders", EncoderConfig),
    ("A whole table", TableConfig),
    ("A reproduction", ReproductionConfig),
    ("The ablation", AblationConfig),
    ("The network", NetworkConfig),
    ("Its match", MatchingConfig),
    ("Its loss", LossConfig),
    ("Its decision", DecisionConfig),
    ("A calibration", Calibration),
    ("What a threshold may cost", Allowance),
    ("Simulated corrections", CorrectionConfig),
    ("Simulated clicks", ClicksConfig),
    ("Pretraining of `tiny`", PretrainConfig),
    ("Distillation of the text tower", DistillationConfig),
)


def markdown() -> str:
    """A section for each configuration: its purpose and a table of its keys."""
    return "\n\n".join(_section(title, kind) for title, kind in KINDS)


def _section(title: str, kind: Any) -> str:
    hints, said = get_type_hints(kind), {entry.arg_name: entry.description for entry in parse_from_object(kind).params}
    rows = [
        (
            code(field.name),
            describe(hints[field.name]),
            code(_default(field)),
            options_as_code(" ".join((said.get(field.name) or "").split())),
        )
        for field in dataclasses.fields(kind)
    ]
    said_of_it = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    purpose = "\n\n".join(part for part in said_of_it if not part.startswith("ConfigError"))  # which is for programmers
    return f"## {title}\n\n{purpose}\n\n{table(('key', 'value', 'default', 'meaning'), rows)}"


def _default(field: dataclasses.Field[Any]) -> str:
    """The default as YAML has it; empty where there is none, or where it is a configuration of its own."""
    value = field.default
    if value is dataclasses.MISSING:
        return ""
    return plain(value)
