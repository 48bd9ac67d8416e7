"""Dilation, the tiny encoder, text and prompts, and reading weights."""

from __future__ import annotations

import copy
import shutil
import warnings
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor, nn

from cdpnet.config import EncoderConfig
from cdpnet.encoders import image
from cdpnet.encoders.build import build_encoders
from cdpnet.encoders.catalogue import IMAGE_FILES, WeightSources
from cdpnet.encoders.clip_image import DensePool, dilate
from cdpnet.encoders.image import to_multiple
from cdpnet.encoders.prompts import fill, templates
from cdpnet.encoders.tiny import (
    N_MERGES,
    build_tiny,
    dense_values,
    encode_texts,
    pooled_values,
    tiny_tokenizer,
    trunk,
    value_convolution,
)
from cdpnet.encoders.weights import convert_archive, load_into, read_state
from cdpnet.errors import ConfigError, WeightsError
from cdpnet.io.hub import from_hub
from tests.helpers import small_encoder


@torch.no_grad()
@pytest.mark.parametrize("output_stride", [4, 8, 16])
def test_dilated_features_are_those_of_the_original_network(output_stride: int) -> None:
    """Nothing is approximated: at every stride-th location the dilated network says what the strided one said."""
    torch.manual_seed(0)
    native = ModifiedResNet([1, 2, 2, 2], 16, 4, image_size=64, width=8).eval()
    for module in native.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.2)
    dilated = copy.deepcopy(native)
    dilate(dilated.children(), output_stride)
    x = torch.randn(2, 3, 128, 96)
    expected, dense = trunk(native, x), trunk(dilated, x)
    step = 32 // output_stride
    assert dense.shape[-1] == 96 // output_stride
    torch.testing.assert_close(dense[..., ::step, ::step], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_pooled_and_dense_values_equal_open_clips_attention_pool() -> None:
    torch.manual_seed(0)
    visual = build_tiny().visual.eval()
    x = torch.randn(3, 512, 8, 8)
    torch.testing.assert_close(pooled_values(visual.attnpool, x), visual.attnpool(x), atol=1e-5, rtol=1e-4)
    pool = visual.attnpool
    one = pool.c_proj(pool.v_proj(x[1, :, 2, 5]))
    dense = dense_values(pool.v_proj, pool.c_proj, x)
    torch.testing.assert_close(dense[1, :, 2, 5], one, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(value_convolution(pool)(x), dense, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_trimmed_texts_equal_open_clips_own() -> None:
    model = build_tiny().eval()
    tokens = tiny_tokenizer()(["a photo of a cat.", "owl"])
    torch.testing.assert_close(encode_texts(model, tokens), model.encode_text(tokens), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("text", ["cat", "weld crack", "Schweißnaht", "裂缝", "🦊🦊", "x" * 500, "", "{}"])
def test_the_tiny_tokenizer_takes_any_text(text: str) -> None:
    tokenizer = tiny_tokenizer()
    tokens = tokenizer([text])
    assert tokens.shape == (1, 24)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) == 512 + N_MERGES + 1
    stock = open_clip.tokenizer.SimpleTokenizer()
    spelled = "".join(tokenizer.symbols[number] for number in tokenizer.encode(text))
    assert spelled == "".join(stock.decoder[number] for number in stock.encode(text))


def test_the_tiny_encoder_has_about_three_million_parameters() -> None:
    assert 2.5e6 < sum(p.numel() for p in build_tiny().parameters()) < 3.5e6


def test_names_are_encoded_once_and_a_cut_is_said_once() -> None:
    text = build_encoders(EncoderConfig("tiny"), WeightSources(), reads_names=True).text
    assert text is not None
    calls: list[int] = []
    original = text.tower.encode_text

    def counted(tokens: Tensor) -> Tensor:
        calls.append(len(tokens))
        result: Tensor = original(tokens)
        return result

    text.tower.encode_text = counted  # type: ignore[method-assign]
    long_name = "a very long name of a class " * 10
    with pytest.warns(UserWarning, match=r"of a cl\.\.\.' is longer than the text tower reads"):
        first = text.encode(("cat", long_name, "cat"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = text.encode(("cat", long_name, "Katze", "猫", ""))
    assert len(calls) == 4
    assert torch.equal(first[:2], again[:2])
    assert torch.equal(first[0], first[2])
    assert again[4].abs().sum() == 0


def test_prompts() -> None:
    assert fill("a photo of a {}.", "dog") == "a photo of a dog."
    assert fill("a photo of a {}.", "owl") == "a photo of an owl."
    assert fill("the {}", "{} brace") == "the {} brace"
    assert len(templates("single")) == 1
    assert len(templates("ensemble")) == 7
    assert len(templates("full")) == 80
    assert all("{}" in template for name in ("ensemble", "full", "tiny") for template in templates(name))


def test_only_the_trained_stages_get_gradients() -> None:
    encoder = small_encoder()
    encoder.train()
    encoder.features(torch.rand(1, 3, 16, 16)).sum().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in encoder.stages[0].parameters())
    assert all(p.grad is not None for p in encoder.stages[1].parameters())


def test_to_multiple() -> None:
    assert to_multiple(torch.rand(1, 3, 28, 30), 14).shape[-2:] == (28, 42)


def _archive(state: dict[str, Tensor], path: Path) -> None:
    """A TorchScript archive that holds these tensors under these names, as OpenAI published CLIP."""
    root = nn.Module()
    for key, value in state.items():
        *parents, last = key.split(".")
        module = root
        for parent in parents:
            if not hasattr(module, parent):
                module.add_module(parent, nn.Module())
            module = getattr(module, parent)
        module.register_buffer(last, value.clone())
    torch.jit.save(torch.jit.script(root), path)


def test_weights_are_read_from_every_format(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {"visual.conv.weight": torch.randn(2, 3), "scale": torch.tensor(2.0)}
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pt")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "c.pth")
    _archive({k: v.half() for k, v in state.items()}, tmp_path / "d.pt")
    assert convert_archive(tmp_path / "d.pt", tmp_path / "d.safetensors") == len(state)
    for name in ("a.safetensors", "b.pt", "c.pth", "d.safetensors"):
        read = read_state(tmp_path / name)
        assert set(read) == set(state)
        torch.testing.assert_close(
            read["visual.conv.weight"].float(), state["visual.conv.weight"], atol=2e-3, rtol=1e-3
        )
        assert read["scale"].dtype == (torch.float16 if name.startswith("d") else torch.float32)


@pytest.mark.usefixtures("small_pairs")
def test_an_original_archive_loads_into_clip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = open_clip.CLIP(**open_clip.get_model_config("small-residual")).state_dict()
    extras = {
        "input_resolution": torch.tensor(224),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    _archive(
        {**{k: v.half() if v.is_floating_point() else v for k, v in state.items()}, **extras}, tmp_path / "RN50.pt"
    )
    path = str(tmp_path / "RN50.safetensors")
    convert_archive(tmp_path / "RN50.pt", Path(path))
    encoders = build_encoders(EncoderConfig("small-clip-residual"), WeightSources(path, path), reads_names=True)
    weight = encoders.image.state_dict()["stages.0.0.weight"]
    torch.testing.assert_close(weight, state["visual.conv1.weight"], atol=1e-3, rtol=1e-3)


class _Malicious:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must not run",))


def test_unusable_weights_are_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsError, match="no weights file"):
        read_state(tmp_path / "none.pt")
    (tmp_path / "text.safetensors").write_text("not weights")
    (tmp_path / "text.pt").write_text("not weights")
    torch.save(_Malicious(), tmp_path / "evil.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("text.safetensors", "text.pt", "evil.pt"):
        with pytest.raises(WeightsError, match="cannot be read"):
            read_state(tmp_path / name)
    assert "must not run" not in capsys.readouterr().out
    with pytest.raises(WeightsError, match="no state dict"):
        read_state(tmp_path / "list.pt")
    layer = nn.Linear(2, 3)
    good = layer.state_dict()
    for bad, what in (
        ({"weight": good["weight"]}, "lacks 'bias'"),
        ({**good, "more": good["bias"]}, "unknown tensor 'more'"),
        ({**good, "bias": torch.zeros(4)}, "another shape of 'bias'"),
    ):
        with pytest.raises(WeightsError, match=what):
            load_into(layer, bad, "w.pt")


def test_no_network_and_no_file_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for variable in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(WeightsError) as caught:
        from_hub("owner/model", "model.safetensors", "--image-weights")
    sentence = str(caught.value)
    for part in ("owner/model/model.safetensors", "--image-weights FILE", "network", "encoder tiny"):
        assert part in sentence


@pytest.mark.parametrize("name", IMAGE_FILES)
def test_the_files_asked_for_early_are_those_that_are_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def noted(repo: str, filename: str, option: str) -> Path:
        asked.append((repo, filename))
        raise WeightsError(option)

    for module in ("clip", "timm_models"):
        monkeypatch.setattr(f"cdpnet.encoders.{module}.from_hub", noted)
    with pytest.raises(WeightsError, match="--image-weights"):
        build_encoders(EncoderConfig(name), WeightSources(), reads_names=False)
    assert asked == [IMAGE_FILES[name]]


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_encoder_says_the_same() -> None:
    encoder = small_encoder()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    names = list(encoder.state_dict())
    expected = encoder.features(images)
    encoder.compile_grid()
    torch.testing.assert_close(encoder.features(images), expected, atol=1e-4, rtol=1e-4)
    assert list(encoder.state_dict()) == names


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_dilated_encoder_of_clip_learns_when_it_is_compiled() -> None:
    """Images are stored channels last, for which the compiler has no gradient of a padding that repeats the border."""
    images = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    pool, gradients = DensePool(1), []
    for compute in (pool, torch.compile(pool)):
        given = images.to(memory_format=torch.channels_last).requires_grad_()
        found = compute(given * 1)
        (found**2).sum().backward()
        assert found.is_contiguous(memory_format=torch.channels_last)
        gradients.append(given.grad)
    torch.testing.assert_close(*gradients)


def test_compiling_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "which", lambda _: None)
    encoder = build_encoders(EncoderConfig(), WeightSources(), reads_names=False).image
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler"):
        encoder.compile_grid()
