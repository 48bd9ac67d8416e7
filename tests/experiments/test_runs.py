"""Which trainings and results on disk count as those that are asked for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cdpnet.config import DecisionConfig
from cdpnet.experiments.runs import load_record
from tests.training.small import CONFIG, new_episodes, train_small


def test_a_record_is_that_of_the_network_the_episodes_and_the_training(tmp_path: Path) -> None:
    network, episodes = train_small(tmp_path), new_episodes()
    config = network.config
    assert load_record(config, episodes, CONFIG, tmp_path) == network.record
    assert load_record(config, episodes, dataclasses.replace(CONFIG, batch=3), tmp_path) is None
    assert load_record(config, dataclasses.replace(episodes, category_share=0.5), CONFIG, tmp_path) is None
    assert load_record(dataclasses.replace(config, refinement=False), episodes, CONFIG, tmp_path) is None
    assert load_record(config, episodes, CONFIG, tmp_path / "nowhere") is None
    network.config = dataclasses.replace(config, decision=DecisionConfig(locations=5))  # as `calibrate` does
    network.save(tmp_path)
    assert load_record(config, episodes, CONFIG, tmp_path) == network.record


def test_what_an_earlier_version_did_not_record_is_not_compared() -> None:
    recorded = new_episodes().settings()
    now = dataclasses.replace(recorded, data_sha256="ab", longest_side=640, evaluation_space="native")
    assert now.as_far_as(recorded) == recorded
    assert now.as_far_as(now) == now
    assert dataclasses.replace(now, data_sha256="cd").as_far_as(now) != now
