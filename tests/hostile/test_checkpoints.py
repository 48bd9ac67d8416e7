"""Checkpoints, class files and settings with values of other kinds, and configurations that name a model hub."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.hostile.makers import (
    Maker,
    class_tensor,
    class_with,
    described,
    long_header,
    pipe,
    sparse_file,
    text_file,
    with_pipe,
    with_setting,
    with_tensor,
    with_text,
)
from tests.hostile.refusing import Case, assert_refused

SCORE = "evaluate --episodes 1 --seeds 0 --model {file}"
LIST = "classes {file}"
TRAIN = "train --config {file} --out {out}"
NO_CLASS = "is not a class file, or is cut off"
CASES = (  # a file, its maker, the command that reads it, a part of the sentence
    ("width", with_setting("network.fusion_width", "wide"), SCORE, 'fusion_width must be a whole number, not "wide"'),
    ("large", with_setting("network.fusion_width", 10**9), SCORE, "fusion_width must be from 1 to 16384"),
    ("none", with_setting("network.fusion_width", 0), SCORE, "fusion_width must be from 1 to 16384"),
    ("list", with_setting("network.matching", [1]), SCORE, "matching must be an object with keys, not [1]"),
    ("minus", with_setting("network.matching.foreground_threshold", -1), SCORE, "foreground_threshold must be from 0"),
    ("nan", with_setting("network.matching.temperature", float("nan")), SCORE, "temperature must be at least 0"),
    ("words", with_setting("network.matching.refinement_weights", ["a"] * 3), SCORE, "a list of 3, each a number"),
    ("two", with_setting("network.matching.refinement_weights", [1, 2]), SCORE, "a list of 3, each a number"),
    ("digits", with_setting("network.matching.temperature", 10**400), SCORE, "temperature must be a number, not 1000"),
    ("switch", with_setting("network.text_fusion", "no"), SCORE, 'text_fusion must be true or false, not "no"'),
    ("number", with_setting("network.encoder.trained", 3), SCORE, "trained must be text, not 3"),
    ("attention", with_setting("network.encoder.dense_attention", "x"), SCORE, "one of plain, value, self"),
    ("record", with_setting("record.iteration", "many"), SCORE, 'iteration must be a whole number, not "many"'),
    ("seed", with_setting("record.train.seed", 2**64), SCORE, "A seed is a whole number from 0 to 42949"),
    ("deep", with_text("[" * 10**5), SCORE, "no configuration of a cdpnet checkpoint"),
    ("long", with_text(" " * 2**21), SCORE, "config.json has 2,097,152 bytes"),
    ("pipe", with_pipe, SCORE, "config.json is a pipe"),
    ("not-a-number", with_tensor(lambda mix: mix * float("nan")), SCORE, "'prototypes.mix' holds numbers that are not"),
    ("infinite", with_tensor(lambda mix: mix + float("inf")), SCORE, "'prototypes.mix' holds numbers that are not fin"),
    ("whole", with_tensor(lambda mix: mix.int()), SCORE, "'prototypes.mix' holds int32, where floating-point numbers"),
    ("a.safetensors", class_tensor("foreground", lambda x: x * float("nan")), LIST, "its tensor 'foreground' is not"),
    ("b.safetensors", class_tensor("text", lambda x: x[:3]), LIST, "its tensor 'text' is not"),
    ("c.safetensors", class_tensor("foreground", lambda x: x[:, None]), LIST, "its tensor 'foreground' is not"),
    ("d.safetensors", class_tensor("background", lambda x: x.int()), LIST, "its tensor 'background' is not"),
    ("e.safetensors", class_tensor("thumbnail", lambda x: x.float()), LIST, "its tensor 'thumbnail' is not an image"),
    ("e0.safetensors", class_tensor("thumbnail", lambda x: x[:0]), LIST, "its tensor 'thumbnail' is not an image"),
    ("e1.safetensors", class_tensor("thumbnail", lambda x: x.repeat(999, 1, 1)), LIST, "at most 1024 x 1024 pixels"),
    ("e5.safetensors", class_tensor("foreground", lambda x: x.bfloat16()), LIST, "its tensor 'foreground' is not"),
    ("e2.safetensors", class_tensor("fusion.x", lambda x: x / 0), LIST, "its tensor 'fusion.x' is not finite"),
    ("e3.safetensors", class_tensor("parts", lambda x: x[:, None]), LIST, "its tensor 'parts' is not two lists of"),
    ("e4.safetensors", class_tensor("parts", lambda x: x.reshape(2, 2, 1)[:, :0]), LIST, "its tensor 'parts' is no"),
    (
        "e5.safetensors",
        class_tensor("examples.foreground", lambda x: x[:, :2]),
        LIST,
        "'examples.foreground' is not 1 l",
    ),
    ("e6.safetensors", class_tensor("examples.background", lambda x: x / 0), LIST, "'examples.background' is not 1 l"),
    ("e8.safetensors", class_with(example_shots=[2]), LIST, NO_CLASS),
    ("e9.safetensors", class_with(shots=0, example_shots=[0]), LIST, NO_CLASS),
    ("e10.safetensors", class_with(shots=2**40, example_shots=[2**40]), LIST, NO_CLASS),
    ("e11.safetensors", class_with(similarities=[float("nan")]), LIST, NO_CLASS),
    ("e12.safetensors", class_with(pictures=["../../a"]), LIST, NO_CLASS),
    ("e13.safetensors", class_with(pictures=[]), LIST, NO_CLASS),
    ("e14.safetensors", class_with(min_presence=1.5), LIST, NO_CLASS),
    ("e15.safetensors", class_with(min_presence=float("nan")), LIST, NO_CLASS),
    ("f.safetensors", class_with(name=5), LIST, NO_CLASS),
    ("g.safetensors", class_with(shots=-4), LIST, NO_CLASS),
    ("h.safetensors", class_with(shots=float("inf")), LIST, NO_CLASS),
    ("i.safetensors", class_with(by_name="yes"), LIST, NO_CLASS),
    ("j.safetensors", described("[" * 10**5), LIST, NO_CLASS),
    ("k.safetensors", described("[]"), LIST, NO_CLASS),
    ("l.safetensors", long_header, LIST, NO_CLASS),
    ("m.safetensors", sparse_file, LIST, "m.safetensors has 1,099,511,627,776 bytes and cannot be a class file"),
    ("n.safetensors", pipe, LIST, "n.safetensors is a pipe"),
    ("pipe.yaml", pipe, TRAIN, "pipe.yaml is a pipe; give the path of a file of settings"),
    ("deep.yaml", text_file("[" * 10**4), TRAIN, "deep.yaml is not a YAML file that can be read"),
    ("seed.yaml", text_file(f"seed: {2**64}"), TRAIN, "A seed is a whole number from 0 to 42949"),
    (
        "twice.yaml",
        text_file("iterations: 1\nencoder:\n  name: tiny\niterations: 2\n"),
        TRAIN,
        "twice.yaml has the key iterations twice, in lines 1 and 4; keep one of them.",
    ),
    ("alias.yaml", text_file("a: &a [1]\nb: [*a, *a]\n"), TRAIN, "alias.yaml has a YAML alias, *a"),
    ("base60.yaml", text_file("seed: 1" + ":59" * 300_000), TRAIN, "has a value of more than 16,384 characters"),
    ("class.yaml", text_file("encoder: {class_path: os.system}"), TRAIN, "The settings hold os.system as class_path;"),
    ("rate.yaml", text_file("learning_rate: .nan"), TRAIN, "learning_rate"),
    (
        "unused",
        text_file(""),
        f"evaluate --model tiny --seeds {2**64}",
        "A seed is a whole number from 0 to 42949",
    ),
    (
        "unused",
        text_file(""),
        f"pretrain --seed {2**64} --out {{out}}",
        "A seed is a whole number from 0 to 42949",
    ),
    (
        "unused",
        text_file(""),
        f"ablate --seeds [{2**64}] --out {{out}}",
        "A seed is a whole number from 0 to 42949",
    ),
)


@pytest.mark.parametrize(
    ("file", "make", "command", "sentence"), CASES, ids=[f"{case[0]}, {case[3][:30]}" for case in CASES]
)
def test_what_cannot_be_used_is_refused(
    file: str, make: Maker, command: str, sentence: str, tmp_path: Path, checkpoint: Path
) -> None:
    assert_refused(Case(file, partial(make, good=checkpoint), command, sentence), tmp_path, checkpoint)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("text_tower", "hf-hub:someone/model", "open_clip has no model 'hf-hub:someone/model'"),
        ("text_tower", "local-dir:/tmp", "open_clip has no model 'local-dir:/tmp'"),
        ("text_tower", "roberta-ViT-B-32", "is not of CLIP's plain kind"),
        ("text_tower", "ViT-B-16-SigLIP", "is not of CLIP's plain kind"),
        ("name", "timm:hf-hub:someone/model", "timm has no model 'hf-hub:someone/model'"),
    ],
)
@pytest.mark.parametrize("embedded", [True, False])
def test_no_configuration_asks_a_model_hub(
    key: str,
    value: str,
    sentence: str,
    embedded: bool,
    tmp_path: Path,
    checkpoint: Path,
    requests: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with_setting(f"network.encoder.{key}", value)(tmp_path / "bad", checkpoint)
    if embedded:
        sentence = "another version of the encoders"
    else:
        about = json.loads((tmp_path / "bad" / "config.json").read_text())
        (tmp_path / "bad" / "config.json").write_text(json.dumps({**about, "embedded": None}))
    shown = run(*SCORE.format(file=tmp_path / "bad").split())
    assert (shown.returncode, len(shown.stderr.splitlines())) == (2, 1), shown.stderr
    assert sentence in shown.stderr
    assert not requests
