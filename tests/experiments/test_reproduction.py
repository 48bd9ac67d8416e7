"""Which networks a reproduction trains: the protocols of one convention of the folds share them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from cdpnet.config import EncoderConfig, TrainConfig
from cdpnet.data.config import DataConfig
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.experiments.benchmark_table import Recipe
from cdpnet.experiments.reproduction import Estimate, recipe_under


@pytest.mark.parametrize(
    ("data", "conventions"),
    [
        ("pascal", {"ssp": "consecutive", "hsnet": "consecutive", "pfenet": "consecutive"}),
        ("coco", {"ssp": "consecutive", "hsnet": "interleaved", "pfenet": "interleaved"}),
    ],
)
def test_a_network_is_scored_on_classes_that_were_novel_in_its_training(
    data: Literal["pascal", "coco"], conventions: dict[str, str]
) -> None:
    opened = DataOnDisk(DataConfig(data, "nowhere", "ssp", splits=""))
    recipe = Recipe(opened, EncoderConfig(), TrainConfig(), None, WeightSources())
    for protocol, convention in conventions.items():
        found = recipe_under(protocol, recipe, Path("out"))
        assert found.trained_on is not None
        assert found.data.config.protocol == protocol
        assert found.trained_on.config.protocol == "ssp"  # the paper's trainings, whatever the evaluation
        assert found.data.fold_convention == found.trained_on.fold_convention == convention
        assert found.networks == Path("out/networks") / convention


def test_the_time_is_that_of_all_steps_and_episodes() -> None:
    assert Estimate(networks=2, steps=7200, step_seconds=0.5, episodes=3600, episode_seconds=1.0).seconds == 7200
