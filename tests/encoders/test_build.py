"""Every named pair by its shapes, and every kind of pair with random weights read back from local files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from cdpnet.config import EncoderConfig
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import PAIRS, WeightSources
from cdpnet.encoders.clip_image import CLIP_MEAN, CLIP_STD, ClipTransformer
from cdpnet.encoders.tiny import build_tiny
from cdpnet.errors import ConfigError, WeightsError
from tests.encoders.conftest import SMALL_PAIRS

# Channels, and the grid of an image of 320 x 384 (tokens of 14 px cover it resized to 322 x 392).
DOCUMENTED = {
    "tiny": (128, 80, 96),
    "photo": (592, 20, 24),
    "resnet50": (1024, 40, 48),
    "resnet101": (1024, 40, 48),
    "ssp-resnet50": (1024, 40, 48),
    "ssp-resnet101": (1024, 40, 48),
    "clip-rn50": (1024, 40, 48),
    "clip-rn101": (1024, 40, 48),
    "clip-vit-b16": (768, 20, 24),
    "clip-vit-l14": (1024, 23, 28),
    "dinov2-b14": (768, 23, 28),
}


def save(model: torch.nn.Module, path: Path) -> str:
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    return str(path)


def random_weights(name: str, folder: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """A file of random weights for the image part of a pair."""
    torch.manual_seed(2)
    kind, model_name = PAIRS[name].image.split(":")
    model: Any
    if kind == "tiny":
        model = build_tiny()
    elif kind.startswith("clip"):
        model = open_clip.CLIP(**open_clip.get_model_config(model_name))
    else:
        model = timm.create_model(model_name, pretrained=False)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # residual networks start with branches of zero
            torch.nn.init.uniform_(module.weight, 0.2, 0.6)
    return save(model, folder / f"{name}.safetensors"), model.state_dict()


def test_every_pair_is_documented() -> None:
    assert set(DOCUMENTED) == set(PAIRS)


@torch.no_grad()
@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_pair_gives_its_documented_grid(name: str) -> None:
    """In its real size, on a device that holds shapes and no numbers."""
    with torch.device("meta"):
        encoders = build_encoders(EncoderConfig(name), WeightSources("random", "random"), reads_names=True)
        features = encoders.image.features(torch.zeros(1, 3, 320, 384))
    channels, h, w = DOCUMENTED[name]
    assert features.shape == (1, channels, h, w)
    assert encoders.image.channels == channels
    assert encoders.text is not None
    assert any(not p.requires_grad for p in encoders.image.parameters())


@torch.no_grad()
@pytest.mark.parametrize("name", ["tiny", *SMALL_PAIRS])
@pytest.mark.usefixtures("small_pairs")
def test_every_kind_of_pair_reads_local_files(name: str, tmp_path: Path) -> None:
    path, state = random_weights(name, tmp_path)
    text_path = path
    if PAIRS[name].text not in PAIRS[name].image:
        text_path = save(open_clip.CLIP(**open_clip.get_model_config(PAIRS[name].text)), tmp_path / "t.safetensors")
    encoders = build_encoders(EncoderConfig(name), WeightSources(path, text_path), reads_names=True)
    features = encoders.image.features(torch.randint(0, 256, (1, 3, 96, 128), dtype=torch.uint8))
    assert (features < 0).any()  # the cosine match needs signed features
    loaded = dict(encoders.image.named_parameters())
    first = next(key for key in loaded if key.endswith("weight") and loaded[key].ndim == 4)
    assert any(torch.equal(loaded[first], value) for value in state.values() if value.shape == loaded[first].shape)
    text = encoders.text
    assert text is not None
    vectors = text.encode(("dog", "weld crack"))
    assert vectors.shape == (2, text.dim)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    frozen = [p for p in encoders.image.parameters() if not p.requires_grad]
    assert frozen
    encoders.image.train()
    assert not any(module.training for module in encoders.image.modules())


@torch.no_grad()
@pytest.mark.usefixtures("small_pairs")
def test_a_clip_transformer_equals_open_clip(tmp_path: Path) -> None:
    name, model = "small-clip-transformer", "small-transformer"
    path, _ = random_weights(name, tmp_path)
    encoders = build_encoders(EncoderConfig(name, prompts="single"), WeightSources(path, path), reads_names=True)
    theirs = open_clip.create_model(model, pretrained=path).eval()
    images = torch.rand(2, 3, 64, 64)
    normalised = (images - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
    assert isinstance(encoders.image, ClipTransformer)
    ours = encoders.image.tokens(normalised)[:, 0] @ encoders.image.visual.proj
    torch.testing.assert_close(ours, theirs.encode_image(normalised), atol=1e-5, rtol=0)
    tokens = open_clip.get_tokenizer(model)(["a photo of a dog.", "a photo of an owl."])
    expected = F.normalize(theirs.encode_text(tokens), dim=1)
    assert encoders.text is not None
    torch.testing.assert_close(encoders.text.encode(("dog", "owl")), expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("dense_attention", ["value", "self"])
@pytest.mark.usefixtures("small_pairs")
def test_dense_attention_puts_tokens_into_the_text_space(dense_attention: Any) -> None:
    config = EncoderConfig("small-clip-transformer", dense_attention=dense_attention)
    encoders = build_encoders(config, WeightSources("random", "random"), reads_names=True)
    assert encoders.text is not None
    assert encoders.image.features(torch.rand(1, 3, 100, 130)).shape == (1, encoders.text.dim, 7, 9)


@torch.no_grad()
@pytest.mark.parametrize(("name", "channels", "stride"), [("convnext_atto", 160, 8), ("dla46_c", 128, 16)])
def test_any_timm_model(name: str, channels: int, stride: int) -> None:
    encoders = build_encoders(EncoderConfig(f"timm:{name}"), WeightSources("random", ""), reads_names=False)
    features = encoders.image.features(torch.rand(1, 3, 64, 96))
    assert features.shape == (1, channels, 64 // stride, 96 // stride)
    assert (encoders.image.channels, encoders.image.stride) == (channels, stride)


def test_any_timm_model_reads_a_local_file(tmp_path: Path) -> None:
    torch.manual_seed(3)
    path = save(timm.create_model("convnext_atto"), tmp_path / "w.safetensors")
    images = torch.rand(1, 3, 32, 32)
    grids = [
        build_encoders(EncoderConfig("timm:convnext_atto"), WeightSources(path), reads_names=False).image.features(
            images
        )
        for _ in range(2)
    ]
    torch.testing.assert_close(*grids)
    for name in ("convnext_femto", "test_vit"):
        with pytest.raises(WeightsError, match="does not fit"):
            build_encoders(EncoderConfig(f"timm:{name}"), WeightSources(path), reads_names=False)


@torch.no_grad()
def test_a_transformer_of_timm_reads_a_local_file(tmp_path: Path) -> None:
    torch.manual_seed(3)
    path = save(timm.create_model("test_vit"), tmp_path / "w.safetensors")
    encoder = build_encoders(EncoderConfig("timm:test_vit"), WeightSources(path), reads_names=False).image
    reference = timm.create_model("test_vit", dynamic_img_size=True, num_classes=0, checkpoint_path="").eval()
    from safetensors.torch import load_file

    reference.load_state_dict({k: v for k, v in load_file(path).items() if not k.startswith("head.")})
    images = torch.rand(1, 3, 64, 96)
    tokens = reference.forward_features((images - encoder.mean) / encoder.std)[:, 1:]
    torch.testing.assert_close(encoder.features(images).flatten(2).transpose(1, 2), tokens, atol=1e-5, rtol=1e-4)


def test_unknown_names_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=r"no encoder 'resnet5'.*clip-rn50"):
        build_encoders(EncoderConfig("resnet5"), WeightSources(), reads_names=False)
    with pytest.raises(ConfigError, match="timm has no model"):
        build_encoders(EncoderConfig("timm:nothing_like_it"), WeightSources("random"), reads_names=False)
    with pytest.raises(ConfigError, match="gives no feature grid"):
        build_encoders(EncoderConfig("timm:mixer_s32_224"), WeightSources("random"), reads_names=False)
    with pytest.raises(ConfigError, match="no prompts 'singel'"):
        build_encoders(EncoderConfig("tiny", prompts="singel"), WeightSources(), reads_names=True)
    with pytest.raises(ConfigError, match="not of CLIP's plain kind"):
        build_encoders(EncoderConfig("tiny", text_tower="coca_ViT-B-32"), WeightSources("", "random"), reads_names=True)
    with pytest.raises(ConfigError, match="open_clip has no model"):
        build_encoders(EncoderConfig("tiny", text_tower="RN5"), WeightSources(), reads_names=True)
