"""Distillation of the text tower, small: the loss by hand, batches, the start, resuming, the files."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from cdpnet.encoders.catalogue import TEXT_FILE
from cdpnet.encoders.text_tower import CLASS_NAMES, TextTower, load_tower
from cdpnet.encoders.weights import read_state
from cdpnet.errors import ConfigError, DataError
from cdpnet.experiments import distillation, phrases
from cdpnet.experiments.config import DistillationConfig
from cdpnet.experiments.distillation import (
    PHRASES_FILE,
    TEACHER_FILE,
    TeacherVectors,
    agreement,
    distil,
    distillation_loss,
    draw_batch,
    encode,
    export_tower,
    new_optimizers,
    phrase_pool,
    set_rates,
    start_from_means,
    teacher_vectors,
    tokenize,
)
from cdpnet.experiments.phrases import Phrases, class_names, coco_names
from tests.cli.running import run

TRAIN = tuple(f"{a} {b}" for a in ("red", "small", "old", "wet") for b in ("cat", "dog", "car", "cup", "tree"))
HELD_OUT = ("red tree house", "wet")
CONFIG = DistillationConfig(steps=4, batch=8, warmup=1, save_every=2, name_repeats=1)


def fake_embed(texts: tuple[str, ...], report: object = id) -> torch.Tensor:  # noqa: ARG001
    """A vector for each text, the sum of fixed vectors of its words: a teacher that can be learned from."""
    words = [[torch.randn(384, generator=torch.Generator().manual_seed(hash_of(w))) for w in t.split()] for t in texts]
    return F.normalize(torch.stack([torch.stack(of).sum(dim=0) for of in words]), dim=1).half()


def hash_of(word: str) -> int:
    return int.from_bytes(word.encode()[:7], "big")


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TeacherVectors:
    monkeypatch.setattr(distillation, "embed", fake_embed)
    monkeypatch.setattr(distillation, "draw_phrases", lambda: Phrases(TRAIN, HELD_OUT))
    return teacher_vectors(tmp_path / "teacher")


def test_the_loss_by_hand() -> None:
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    names = torch.tensor([[0.0, 2.0]])
    # cosines 1 and 0; the second's similarities to the two phrases differ by 1, that to the name by 2
    assert float(distillation_loss(features, target, names, 10.0)) == pytest.approx(0.5 + 10 * (1 + 1 + 4) / 6)
    assert float(distillation_loss(target, target, names, 10.0)) == pytest.approx(0.0)


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    by_length = torch.arange(100)
    config = DistillationConfig(batch=5)
    first = draw_batch(by_length, config, 7)
    assert torch.equal(first, draw_batch(by_length, config, 7))
    assert not torch.equal(first, draw_batch(by_length, config, 8))
    assert len(set(first.tolist())) == 5
    assert int(first.max() - first.min()) < 40  # neighbours in length


def test_names_are_drawn_more_often_than_other_phrases() -> None:
    phrases = ("a very long phrase", "tench", "red cat")  # of which ImageNet-21k names one
    pool = phrase_pool(phrases, tokenize(phrases), 3)
    assert pool.tolist() == [1, 1, 1, 2, 0]  # by length in tokens
    assert phrase_pool(phrases, tokenize(phrases), 1).tolist() == [1, 2, 0]


def test_every_parameter_has_one_optimizer() -> None:
    tower = TextTower()
    adam, muon = ([p for group in o.param_groups for p in group["params"]] for o, _ in new_optimizers(tower, CONFIG))
    assert sorted(map(id, [*adam, *muon])) == sorted(map(id, tower.parameters()))
    assert {id(p) for p in muon} == {id(p) for p in tower.transformer.parameters() if p.ndim == 2}
    assert id(tower.token_embedding.weight) in set(map(id, adam))
    ((alone, rate),) = new_optimizers(tower, dataclasses.replace(CONFIG, matrix_learning_rate=0, learning_rate=0.1))
    assert sum(len(group["params"]) for group in alone.param_groups) == len(list(tower.parameters()))
    assert rate == 0.1


def test_rates_rise_and_fall() -> None:
    config = DistillationConfig(steps=100, warmup=10, learning_rate=0.2, matrix_learning_rate=0.8)
    optimizers = new_optimizers(TextTower(), config)

    def rates(step: int) -> list[float]:
        set_rates(optimizers, config, step)
        return [optimizer.param_groups[0]["lr"] for optimizer, _ in optimizers]

    assert rates(0) == pytest.approx([0.02, 0.08], rel=1e-3)
    assert rates(50) == pytest.approx([0.1, 0.4])
    assert rates(100) == pytest.approx([0.0, 0.0])


def test_tokens_start_at_the_mean_vector_of_their_phrases() -> None:
    """Two phrases of one token each: the tower starts with their differences from the mean."""
    torch.manual_seed(0)
    tower, vectors = TextTower(), F.normalize(torch.randn(2, 384), dim=1)
    start_from_means(tower, tokenize(("cat", "dog")), vectors.half())
    table = tower.token_embedding.weight[tokenize(("cat", "dog"))[:, 1].long()] @ tower.direct_projection
    expected = vectors - vectors.mean(dim=0)
    assert F.cosine_similarity(table, expected).min() > 0.99


def test_training_agrees_better_with_the_teacher(teacher: TeacherVectors, tmp_path: Path) -> None:
    torch.manual_seed(CONFIG.seed)
    before = agreement(TextTower(), teacher)
    after = agreement(distil(dataclasses.replace(CONFIG, steps=12), teacher, tmp_path / "run", id), teacher)
    assert after.held_out > before.held_out + 0.2
    assert "cosine on" in str(after)


def test_a_resumed_run_equals_one_that_was_not_stopped(teacher: TeacherVectors, tmp_path: Path) -> None:
    whole = distil(CONFIG, teacher, tmp_path / "whole", id)

    def stop(line: str) -> None:
        if line.startswith("step 2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distil(CONFIG, teacher, tmp_path / "stopped", stop)
    resumed = distil(CONFIG, teacher, tmp_path / "stopped", id)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    with pytest.raises(ConfigError, match="other settings"):
        distil(dataclasses.replace(CONFIG, seed=1), teacher, tmp_path / "stopped", id)


def test_the_vectors_are_kept_and_must_fit_their_phrases(teacher: TeacherVectors, tmp_path: Path) -> None:
    again = teacher_vectors(tmp_path / "teacher")
    assert (again.train, again.held_out) == (TRAIN, HELD_OUT) == (teacher.train, teacher.held_out)
    (tmp_path / "teacher" / PHRASES_FILE).write_text("one\n")
    with pytest.raises(DataError, match=f"{TEACHER_FILE} do not fit together"):
        teacher_vectors(tmp_path / "teacher")


def test_the_file_holds_the_tower_and_the_teachers_vectors_of_class_names(
    teacher: TeacherVectors, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    tower = TextTower().eval()
    path = export_tower(tower, teacher, tmp_path)
    assert path.name == TEXT_FILE
    assert torch.equal(read_state(path)[CLASS_NAMES], teacher.class_names_vectors)
    assert teacher.class_names_vectors.shape == (1000, 384)
    assert torch.allclose(encode(load_tower(path), class_names()[:3]), encode(tower, class_names()[:3]), atol=1e-2)


def test_names_of_the_benchmarks() -> None:
    assert (len(class_names()), class_names()[0], class_names()[281]) == (1000, "tench", "tabby")
    assert (len(coco_names()), coco_names()[0], coco_names()[-1]) == (80, "person", "toothbrush")


def test_names_of_imagenet_21k() -> None:
    names = phrases.imagenet_names()
    assert {"tench", "Tinca tinca", "tabby cat"} <= names
    assert "" not in names


@pytest.mark.parametrize("settings", [{"steps": 0}, {"name_repeats": 0}])
def test_settings_below_one_are_one_sentence(settings: Any) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        DistillationConfig(**settings)


def test_a_missing_teacher_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "english_words", None)
    result = run("distil", "--out", tmp_path / "out")
    assert result.returncode == 2
    assert "pip install 'cdpnet[teacher]'" in result.stderr
    assert phrases.N_HELD_OUT == 2000
