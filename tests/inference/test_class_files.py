"""Class files: small, whole, and refused where they do not belong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.errors import DataError
from cdpnet.inference.class_files import load_class, load_classes, save_class
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.network.checkpoint import fingerprint
from tests.helpers import small_network


def test_a_class_comes_back_from_its_file(tiny: Segmenter, tmp_path: Path) -> None:
    batch = IconEpisodes(0, 2, "test").draw(torch.arange(1)).batch
    learned = tiny.learn(batch.class_names[0], list(batch.support_images[0]), list(batch.support_masks[0]))
    path = tmp_path / "c.safetensors"
    save_class(learned, path)
    assert path.stat().st_size < 64 * 1024
    again = load_class(path)
    assert (again.name, again.shots, again.model) == (learned.name, 2, tiny.model)
    assert again.by_name == learned.by_name
    assert (again.thumbnail == learned.thumbnail).all()
    assert again.thumbnail.shape[2] == 4
    assert max(again.thumbnail.shape) <= 96  # no image goes into the file
    query = batch.query_images[0]
    assert (tiny.segment(query, again).mask == tiny.segment(query, learned).mask).all()
    assert [c.name for c in load_classes([path], *tiny.model)] == [learned.name]
    save_class(learned, str(tmp_path / "other.safetensors"))
    assert (tmp_path / "other.safetensors").read_bytes() == path.read_bytes()
    assert torch.equal(load_class(str(path)).foreground, again.foreground)


def test_the_network_may_be_kept_from_reading_the_name(tiny: Segmenter) -> None:
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(1)).batch
    support = (batch.support_images[0, 0], batch.support_masks[0, 0])
    unread, unnamed = tiny.learn("guitar", *support, read_name=False), tiny.learn("", *support)
    assert unread.name == "guitar"
    assert not unread.reads_name
    assert not unread.by_name
    assert torch.equal(unread.foreground, unnamed.foreground)


def test_files_that_do_not_belong_are_refused(tiny: Segmenter, tmp_path: Path) -> None:
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(1)).batch
    learned = tiny.learn("guitar", batch.support_images[0, 0], batch.support_masks[0, 0])
    for name in ("a", "b"):
        save_class(learned, tmp_path / f"{name}.safetensors")
    with pytest.raises(DataError, match="both hold the class 'guitar'"):
        load_classes([tmp_path / "a.safetensors", tmp_path / "b.safetensors"], *tiny.model)
    other = load_network("tiny", "ssp")
    with pytest.raises(DataError, match="learned by another model \\(tiny cdpn"):
        load_classes([tmp_path / "a.safetensors"], *Segmenter(other).model)
    with pytest.raises(DataError, match="There is no class file"):
        load_class(tmp_path / "none.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:500])
    (tmp_path / "text.safetensors").write_text("not a class")
    save_file({"background": torch.zeros(3)}, tmp_path / "plain.safetensors")
    for name in ("cut", "text", "plain"):
        with pytest.raises(DataError, match="is not a class file, or is cut off"):
            load_class(tmp_path / f"{name}.safetensors")
    with pytest.raises(DataError, match=r"does not end in \.safetensors"):
        save_class(learned, tmp_path / "a.bin")


def test_a_fingerprint_is_of_weights_and_settings_but_not_of_thresholds() -> None:
    one, same, other = small_network("cdpn"), small_network("cdpn"), small_network("cdpn", seed=1)
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)
    decision = dataclasses.replace(one.config.decision, background=1.0)
    same.config = dataclasses.replace(one.config, decision=decision)
    assert fingerprint(one) == fingerprint(same)
    matching = dataclasses.replace(one.config.matching, temperature=1.0)
    same.config = dataclasses.replace(one.config, matching=matching)
    assert fingerprint(one) != fingerprint(same)
