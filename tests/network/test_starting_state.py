"""The network over `photo` before any training: the name lies in the text channels, at the length it starts with."""

from __future__ import annotations

import torch

from cdpnet.config import DecisionConfig, method
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.network.build import build_network


def test_a_name_starts_in_the_text_channels() -> None:
    network = build_network(method("cdpn", "photo"), WeightSources(RANDOM, RANDOM)).eval()
    assert network.text is not None
    t, u = network.text.encode(("cat",)), network.encode_names(("cat",))
    assert u.shape == (1, 592)
    assert not u[:, :208].any()
    torch.testing.assert_close(u[:, 208:], 0.6 * t)
    features = torch.randn(1, 592, 3, 4)
    assert torch.equal(network.fuse(features, u), features)  # W2 is zero
    decision, config = network.config.decision, network.config
    assert (decision.locations, decision.margin, decision.groups) == (3, False, True)
    assert (config.background_name, config.naming) == (False, False)
    assert method("cdpn").background_name
    assert method("cdpn").decision == DecisionConfig()
