"""Networks on disk, and the checkpoints of the SSP authors."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cdpnet.config import method
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.encoders.catalogue import RANDOM, WeightSources
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.network.build import build_network, load_network
from cdpnet.network.checkpoint import fingerprint
from cdpnet.network.model_files import CONFIG_FILE, MODEL_FILE
from cdpnet.network.network import PrototypeNetwork
from cdpnet.network.record import TrainingRecord, from_dict, to_dict
from cdpnet.network.ssp import load_ssp
from tests.helpers import random_batch, record_of
from tests.network.test_network import naive_logits


def changed_tiny(name: str = "cdpn") -> PrototypeNetwork:
    """The embedded encoder with every trained number moved a little, as by training."""
    torch.manual_seed(4)
    network = build_network(method(name))
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.02 * torch.randn_like(parameter)
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", ["panet", "ssp", "cdpn"])
def test_saved_networks_come_back(name: str, tmp_path: Path) -> None:
    network, batch = changed_tiny(name), random_batch()
    network.record = record_of(IconEpisodes(2, 1, "train").settings())
    network.save_pretrained(tmp_path / "model")
    back = PrototypeNetwork.from_pretrained(str(tmp_path / "model"))
    assert back.config == network.config
    assert back.record == network.record
    assert torch.equal(back(batch).logits, network(batch).logits)
    assert not list(tmp_path.glob("model/.*"))


def test_an_untrained_network_has_no_record(tmp_path: Path) -> None:
    changed_tiny("panet").save(tmp_path)
    assert json.loads((tmp_path / CONFIG_FILE).read_text())["record"] == {}
    assert PrototypeNetwork.from_pretrained(tmp_path).record is None


def test_the_record_of_version_0_1_is_read_whole() -> None:
    """Those of the shipped networks, and of one trained on photographs, where a key had another name."""
    for name in ("panet", "ssp", "cdpn"):
        folder = resources.files("cdpnet.weights").joinpath(f"tiny-{name}")
        stored = json.loads(folder.joinpath(CONFIG_FILE).read_text())["record"]
        record = TrainingRecord.from_json(stored)
        written = json.loads(json.dumps(record.to_json()))
        assert stored.pop("train").items() <= written["train"].items()  # settings that came later have their defaults
        assert stored.items() <= written.items()
        assert TrainingRecord.from_json(written) == record
    on_photographs = {**written, "data": "pascal", "protocol": "ssp", "crop": 473, "pictures": "5e" * 32}
    del on_photographs["layout"], on_photographs["images"]
    episodes = TrainingRecord.from_json(on_photographs).settings.episodes
    assert (episodes.data, episodes.protocol, episodes.crop) == ("pascal", "ssp", 473)
    assert (episodes.images, episodes.layout) == ("5e" * 32, None)


def test_a_record_without_its_keys_is_refused(tmp_path: Path) -> None:
    changed_tiny("panet").save(tmp_path)
    about = json.loads((tmp_path / CONFIG_FILE).read_text())
    (tmp_path / CONFIG_FILE).write_text(json.dumps({**about, "record": {"fold": 2}}))
    with pytest.raises(WeightsError, match=r"record of the training .* is incomplete"):
        PrototypeNetwork.from_pretrained(tmp_path)


@torch.no_grad()
def test_half_precision_halves_the_file_and_hardly_moves_the_answer(tmp_path: Path) -> None:
    network, batch = changed_tiny(), random_batch(1, 1)
    network.save(tmp_path / "whole")
    network.save(tmp_path / "half", half=True)
    sizes = [(tmp_path / name / MODEL_FILE).stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.55 * sizes[0]
    back = PrototypeNetwork.from_pretrained(str(tmp_path / "half"))
    assert {p.dtype for p in back.parameters()} == {torch.float32}
    torch.testing.assert_close(back(batch).logits, network(batch).logits, atol=0.05, rtol=0)


def test_over_the_embedded_encoder_only_what_training_changes_is_stored(tmp_path: Path) -> None:
    network = changed_tiny()
    network.save(tmp_path)
    stored = load_file(tmp_path / MODEL_FILE)
    assert set(stored) == {name for name, p in network.named_parameters() if p.requires_grad}
    assert (tmp_path / MODEL_FILE).stat().st_size < 3e6


@torch.no_grad()
def test_other_checkpoints_are_self_contained(tmp_path: Path) -> None:
    """No other file, and no network, is needed to load them."""
    network = build_network(method("ssp", "timm:resnet10t"), WeightSources(RANDOM, RANDOM)).eval()
    network.save(tmp_path)
    back = PrototypeNetwork.from_pretrained(str(tmp_path))
    batch = random_batch(1, 1)
    assert torch.equal(back(batch).logits, network(batch).logits)


@torch.no_grad()
def test_a_checkpoint_over_another_tiny_encoder_is_self_contained(tmp_path: Path) -> None:
    """Frozen weights that are not the package's are stored too."""
    torch.manual_seed(6)
    network = build_network(method("cdpn"), WeightSources(RANDOM, RANDOM)).eval()
    network.save(tmp_path)
    batch = random_batch(1, 1)
    back = PrototypeNetwork.from_pretrained(str(tmp_path))
    assert torch.equal(back(batch).logits, network(batch).logits)


def test_a_model_that_is_nowhere_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("no such folder", "owner/none"):
        with pytest.raises(WeightsError, match="neither a checkpoint folder nor a repository"):
            PrototypeNetwork.from_pretrained(name)


def test_loading_is_strict_and_says_what_is_wrong(tmp_path: Path) -> None:
    network = changed_tiny()
    network.save(tmp_path)
    state = load_file(tmp_path / MODEL_FILE)
    save_file({k: v for k, v in state.items() if k != "prototypes.mix"}, tmp_path / MODEL_FILE)
    with pytest.raises(WeightsError, match=r"prototypes\.mix"):
        PrototypeNetwork.from_pretrained(str(tmp_path))
    save_file(state, tmp_path / MODEL_FILE)
    about = json.loads((tmp_path / CONFIG_FILE).read_text())
    about["embedded"] = "0" * 16
    (tmp_path / CONFIG_FILE).write_text(json.dumps(about))
    with pytest.raises(WeightsError, match="another version of the encoders tiny"):
        PrototypeNetwork.from_pretrained(str(tmp_path))
    (tmp_path / CONFIG_FILE).write_text('{"network"')
    with pytest.raises(WeightsError, match="no configuration"):
        PrototypeNetwork.from_pretrained(str(tmp_path))
    (tmp_path / CONFIG_FILE).unlink()
    with pytest.raises(WeightsError, match=r"has no config\.json"):
        PrototypeNetwork.from_pretrained(str(tmp_path))


def test_configurations_survive_json_and_refuse_unknown_keys() -> None:
    config = dataclasses.replace(method("cdpn", "clip-vit-b16"), fusion_width=7)
    values = json.loads(json.dumps(to_dict(config)))
    assert from_dict(values) == config
    with pytest.raises(ConfigError, match="fusion_with"):
        from_dict({"fusion_with": 3})
    with pytest.raises(ConfigError, match="no method 'sspp'"):
        method("sspp")


def ssp_checkpoint(depth: str, path: Path) -> None:
    """Random weights in the SSP authors' format: layer0 is their stem in a row, then layer1 to layer3."""
    torch.manual_seed(5)
    model = timm.create_model(f"resnet{depth}s")
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.3, 0.6)
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
    layers: dict[str, Any] = {"layer0": nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool)}
    layers |= {name: getattr(model, name) for name in ("layer1", "layer2", "layer3")}
    torch.save({f"{k}.{key}": value for k, layer in layers.items() for key, value in layer.state_dict().items()}, path)


@torch.no_grad()
@pytest.mark.parametrize("depth", ["50", pytest.param("101", marks=pytest.mark.slow)])
def test_a_checkpoint_of_the_ssp_authors_gives_the_naive_loops_logits(depth: str, tmp_path: Path) -> None:
    ssp_checkpoint(depth, tmp_path / "best.pth")
    network, batch = load_ssp(tmp_path / "best.pth"), random_batch(1, 2, h=64, w=56)
    keys = torch.load(tmp_path / "best.pth", weights_only=True)
    assert torch.equal(network.image.state_dict()["stages.0.0.3.weight"], keys["layer0.0.3.weight"])
    assert network.image.features(batch.query_images).shape == (1, 1024, 8, 7)
    torch.testing.assert_close(network(batch).logits, naive_logits(network, batch), atol=1e-4, rtol=0)


def test_other_files_are_no_ssp_checkpoints(tmp_path: Path) -> None:
    torch.save({"layer3.0.conv1.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="whose layer3 has 6 or 23 blocks, not 1; a network of"):
        load_ssp(tmp_path / "a.pth")
    ssp_checkpoint("50", tmp_path / "b.pth")
    state = torch.load(tmp_path / "b.pth", weights_only=True)
    torch.save({k: v for k, v in state.items() if not k.startswith("layer1")}, tmp_path / "b.pth")
    with pytest.raises(WeightsError, match=r"lacks 'stages\.1"):
        load_ssp(tmp_path / "b.pth")


def test_a_hash_of_installed_weights_beside_another_encoder_is_refused(tmp_path: Path) -> None:
    load_network("tiny", "ssp").save(tmp_path)
    about = json.loads((tmp_path / CONFIG_FILE).read_text())
    about["network"]["encoder"]["name"] = "resnet50"
    (tmp_path / CONFIG_FILE).write_text(json.dumps(about))
    with pytest.raises(WeightsError, match="another version of the encoders resnet50"):
        load_network(tmp_path)


@pytest.mark.parametrize(("name", "expected"), [("photo", "b44ba849b8ba0bf7"), ("tiny", "a3461bff4d5401ee")])
def test_classes_that_were_learned_before_fit_the_shipped_networks(name: str, expected: str) -> None:
    """The fingerprint covers the names of all tensors: a change makes every class file of users unfit."""
    assert fingerprint(load_network(name)) == expected
