"""The model `photo` on photographs with masks, where they lie beside the project: what a name gives and costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdpnet.config import Names
from cdpnet.data.config import DataConfig
from cdpnet.data.episodes import open_episodes
from cdpnet.data.protocols.disk import DataOnDisk
from cdpnet.evaluation import loop
from cdpnet.evaluation.features import FeatureCache
from cdpnet.evaluation.results import score
from cdpnet.network.build import load_network

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "photos"
EPISODES = 100


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="there are no photographs beside the project")
def test_a_name_helps_and_a_wrong_one_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """mIoU over the novel classes of two folds, 1-shot; far above a disc drawn in the middle, which reaches 16.5."""
    network = load_network("photo")
    cache = FeatureCache(network)
    monkeypatch.setattr(loop, "FeatureCache", lambda _: cache)  # the same photographs again and again
    config = DataConfig("coco", str(PHOTOGRAPHS), min_area=2048, novel_in_train="keep")
    data = DataOnDisk(config)
    levels: tuple[Names, ...] = ("exact", "none", "wrong")
    miou: dict[Names, float] = dict.fromkeys(levels, 0.0)
    for fold in (0, 2):
        for names in levels:
            episodes = open_episodes(data, fold, 1, "test", names=names)
            miou[names] += score(network, episodes, EPISODES, [0], refine=True).figures.miou / 2
    assert miou["exact"] > miou["none"]
    assert miou["none"] - miou["wrong"] < 3
    assert miou["exact"] > 25
