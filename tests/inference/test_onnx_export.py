"""The graphs of `cdpnet export` in a process that cannot import torch, against the network itself."""

from __future__ import annotations

import json
import math
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from benchmarks.graphs import Graphs, in_onnx_runtime, scored
from cdpnet.cli import main
from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.errors import ConfigError
from cdpnet.inference.class_files import save_class
from cdpnet.inference.onnx_export import ABOUT, LEARN, NAMES, SEGMENT, LearnModule, SegmentModule, export, quantise
from cdpnet.inference.segmenter import Segmenter
from cdpnet.network.build import load_network
from cdpnet.network.decision import log_odds
from tests.helpers import small_network

EXAMPLE = Path(__file__).parents[2] / "examples" / "without_torch.py"
EPISODES = 8
WITHOUT_TORCH = """
import sys
from dataclasses import replace
sys.modules["torch"] = None  # from here on its import fails
import numpy, onnxruntime
for graph, inputs, outputs in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    session = onnxruntime.InferenceSession(graph)
    found = session.run(None, dict(numpy.load(inputs)))
    numpy.savez(outputs, **dict(zip((o.name for o in session.get_outputs()), found)))
assert not any(name.split(".")[0] in ("torch", "cdpnet") for name, module in sys.modules.items() if module)
"""


def run_graph(graph: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a graph by name."""
    session = onnxruntime.InferenceSession(graph)
    return dict(zip((output.name for output in session.get_outputs()), session.run(None, inputs), strict=True))


def run_example(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run examples/without_torch.py in this process: its exit code."""
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *map(str, arguments)])
    try:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_the_command_writes_all_files(graphs: Path) -> None:
    assert {path.name for path in graphs.iterdir()} == {LEARN, SEGMENT, ABOUT, NAMES}
    about = json.loads((graphs / ABOUT).read_text())
    assert list(about) == ["model", "model_name", "longest_side", "threshold", "text_features", "precision", "cdpnet"]
    assert (about["model_name"], about["longest_side"], about["precision"]) == ("tiny cdpn", 192, "float32")


def test_the_graphs_run_without_torch(graphs: Path, tmp_path: Path) -> None:
    """In a process that cannot import it they say what they say in this one."""
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(2)).batch
    text = np.zeros((2, json.loads((graphs / ABOUT).read_text())["text_features"]), np.float32)
    given = {"images": batch.support_images.numpy(), "masks": batch.support_masks.numpy().astype("uint8"), "text": text}
    learned = run_graph(graphs / LEARN, given)
    known = {name: learned[name] for name in ("background", "foreground", "by_name", "shots")}
    queries = {"images": batch.query_images.numpy(), **known, "text": learned["text_prototype"]}
    found = run_graph(graphs / SEGMENT, queries)
    command = [sys.executable, "-c", WITHOUT_TORCH]
    for graph, inputs in ((LEARN, given), (SEGMENT, queries)):
        np.savez(tmp_path / f"{graph}.in.npz", **inputs)
        command += [str(graphs / graph), str(tmp_path / f"{graph}.in.npz"), str(tmp_path / f"{graph}.out.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for graph, expected in ((LEARN, learned), (SEGMENT, found)):
        outputs = np.load(tmp_path / f"{graph}.out.npz")
        assert set(outputs) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(outputs[name], value, atol=1e-5)


@pytest.mark.parametrize(("episodes", "shots", "size"), [(1, 1, (128, 128)), (3, 2, (96, 120)), (2, 5, (64, 101))])
def test_classes_and_masks_equal_the_network(
    graphs: Path, tiny: Segmenter, episodes: int, shots: int, size: tuple[int, int]
) -> None:
    """Any number of episodes, shots, images and classes, any size; with names and without."""
    h, w = size
    network, batch = tiny.network, IconEpisodes(0, shots, "test").draw(torch.arange(episodes)).batch
    assert network.text is not None
    supports, marks = batch.support_images[..., :h, :w], batch.support_masks[..., :h, :w].to(torch.uint8)
    queries, text = batch.query_images[..., :h, :w], network.text.encode(batch.class_names)
    text[episodes - 1] *= 0 if episodes > 1 else 1  # the last class has no name
    given = {"images": supports.numpy(), "masks": marks.numpy(), "text": text.numpy()}
    learned = run_graph(graphs / LEARN, given)
    with torch.inference_mode():
        expected = LearnModule(network)(supports, marks, text)
    for name, tensor in zip(("background", "foreground", "text_prototype", "by_name", "shots"), expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(learned[name]), tensor, atol=1e-4, rtol=1e-4)
    known = {name: learned[name] for name in ("background", "foreground", "by_name", "shots")}
    given = {"images": queries.numpy(), **known, "text": learned["text_prototype"]}
    found = run_graph(graphs / SEGMENT, given)
    with torch.inference_mode():
        background, foreground, u, *rest = expected
        masks, scores, presence = SegmentModule(network, refine=False)(queries, background, foreground, *rest, u)
    assert learned["shots"].tolist() == [shots] * episodes
    assert found["masks"].shape == (episodes, h, w)
    assert (found["masks"] == masks.numpy()).mean() >= 0.999
    torch.testing.assert_close(torch.from_numpy(found["presence"]), presence, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.from_numpy(found["scores"]), scores, atol=1e-3, rtol=0)


def test_the_graphs_decide_as_a_segmenter_does(tiny: Segmenter) -> None:
    """Before any export: several classes that compete, absent ones, by name or not, in a batch of images."""
    network, batch = tiny.network, IconEpisodes(0, 2, "test").draw(torch.arange(6)).batch
    assert network.text is not None
    segmenter = tiny
    examples = zip(batch.class_names, batch.support_images, batch.support_masks, strict=True)
    names = [f"{i} {name}" if i < 2 else name for i, name in enumerate(batch.class_names)]  # some are not recognised
    classes = [segmenter.learn(name, [*i], [*m]) for name, (_, i, m) in zip(names, examples, strict=True)]
    with torch.inference_mode():
        learned = LearnModule(network)(batch.support_images, batch.support_masks, network.text.encode(names))
        background, foreground, text, by_name, shots = learned
        masks, scores, presence = SegmentModule(network, refine=False)(
            batch.query_images, background, foreground, by_name, shots, text
        )
    assert shots.tolist() == [c.shots for c in classes]
    assert by_name.tolist() == [c.by_name for c in classes]
    answers = [segmenter.segment(image, classes) for image in batch.query_images]
    assert np.mean([mask.numpy() == answer.mask for mask, answer in zip(masks, answers, strict=True)]) > 0.9999
    assert len(masks.unique()) > 2
    for i, answer in enumerate(answers):
        assert presence[i].tolist() == pytest.approx(answer.presence, abs=1e-4)
        np.testing.assert_allclose(scores[i].numpy(), answer.scores, atol=1e-3)


def test_the_example_needs_no_torch(
    graphs: Path, tiny: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """examples/without_torch.py gives the masks of `Segmenter`, from an example and from a class file."""
    i, batch = 2, IconEpisodes(0, 1, "test").draw(torch.arange(4)).batch
    Image.fromarray(batch.support_images[i, 0].permute(1, 2, 0).numpy()).save(tmp_path / "s.png")
    Image.fromarray(batch.support_masks[i, 0].to(torch.uint8).numpy() * 255).save(tmp_path / "m.png")
    Image.fromarray(batch.query_images[i].permute(1, 2, 0).numpy()).save(tmp_path / "q.png")
    learned = tiny.learn(batch.class_names[i], tmp_path / "s.png", tmp_path / "m.png")
    save_class(learned, tmp_path / "c.safetensors")
    expected = tiny.segment(tmp_path / "q.png", learned).mask
    assert expected.any()
    monkeypatch.setitem(sys.modules, "torch", None)  # the example could not import it
    by_example = ["--support", f"{tmp_path / 's.png'}:{tmp_path / 'm.png'}", "--name", batch.class_names[i]]
    paths = [graphs, tmp_path / "q.png", tmp_path / "out.png"]
    for how in (by_example, ["--class", tmp_path / "c.safetensors"]):
        assert run_example(monkeypatch, *paths, *how) == 0
        assert ((np.array(Image.open(tmp_path / "out.png")) > 0) == (expected > 0)).mean() >= 0.999
        (tmp_path / "out.png").unlink()
    save_class(replace(learned, min_presence=1.0), tmp_path / "higher.safetensors")
    assert run_example(monkeypatch, *paths, "--class", tmp_path / "higher.safetensors") == 0
    assert not np.array(Image.open(tmp_path / "out.png")).any()  # as `Segmenter`, which calls it absent
    save_class(replace(learned, fusion={"weight": torch.zeros(1)}), tmp_path / "adapted.safetensors")
    save_class(tiny.learn_name("fox"), tmp_path / "name.safetensors")
    unknown = [*by_example[:2], "--name", "dodo"]
    adapted, no_example = (["--class", tmp_path / f"{name}.safetensors"] for name in ("adapted", "name"))
    for wrong, said in (
        (unknown, "has no name 'dodo'"),
        ([], "give an example"),
        (adapted, "has a fusion of its own"),
        (no_example, "has no example"),
    ):
        assert run_example(monkeypatch, *paths, *wrong) == 2
        assert said in capsys.readouterr().err


def test_int8_keeps_most_of_the_figure(graphs: Path, tiny: Segmenter, tmp_path: Path) -> None:
    for name in (LEARN, SEGMENT):
        shutil.copy(graphs / name, tmp_path / name)
        quantise(tmp_path / name)
        assert (tmp_path / name).stat().st_size < 0.5 * (graphs / name).stat().st_size
    in_full, in_int8 = (scored(Graphs(folder), tiny.network, EPISODES) for folder in (graphs, tmp_path))
    assert in_full.alike >= 0.999
    assert 0.9 < in_int8.alike < 1
    assert abs(in_full.miou - in_int8.miou) < 3


def test_the_benchmark_gives_figures(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the graphs that are there already, and few images; an export takes long."""
    monkeypatch.setattr("benchmarks.graphs._IMAGES", 2)
    monkeypatch.setattr("benchmarks.graphs.export", lambda _, folder: shutil.copytree(graphs, folder))
    figures = list(in_onnx_runtime(2, 1))
    assert len({figure.what for figure in figures}) == len(figures) == 8
    assert all(math.isfinite(figure.value) for figure in figures)


def test_a_network_without_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any export: which files there are, that both graphs need no names, and what is refused."""
    network, given = small_network("panet", stride=8), list[list[str]]()

    def run(graph: Any, path: Path, network: object) -> None:  # noqa: ARG001
        given.append(list(graph.inputs))
        assert len(graph.module(**graph.inputs)) == len(graph.outputs)
        assert set(graph.dimensions) == set(graph.inputs)
        path.write_text("")

    (tmp_path / NAMES).write_text("of an earlier export")
    with monkeypatch.context() as patched:
        patched.setattr("cdpnet.inference.onnx_export._write", run)
        assert [path.name for path in export(network, tmp_path)] == [LEARN, SEGMENT, ABOUT]
    assert given == [["images", "masks"], ["images", "background", "foreground", "by_name", "shots"]]
    assert not (tmp_path / NAMES).exists()
    assert json.loads((tmp_path / ABOUT).read_text())["text_features"] == 0
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(2)).batch
    with torch.inference_mode():
        learned = LearnModule(network)(batch.support_images, batch.support_masks)
        _, scores, _ = SegmentModule(network, refine=False)(batch.query_images, *learned)
        logits = network(batch).logits
    assert not learned[-2].any()  # by name
    own = log_odds(logits)[:, None]
    own = F.interpolate(own, size=batch.query_images.shape[-2:], mode="bilinear", align_corners=True).sigmoid()
    torch.testing.assert_close(torch.stack([scores[i, i] for i in range(2)])[:, None], own, atol=1e-4, rtol=1e-4)
    with pytest.raises(ConfigError, match="reads no names"):
        export(network, tmp_path / "other", ["fox"])
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_the_graphs_of_a_network_without_names_equal_it(tmp_path: Path) -> None:
    network = small_network("panet", stride=8)
    export(network, tmp_path)
    batch = IconEpisodes(0, 1, "test").draw(torch.arange(2)).batch
    given = {"images": batch.support_images.numpy(), "masks": batch.support_masks.to(torch.uint8).numpy()}
    learned = run_graph(tmp_path / LEARN, given)
    assert not learned["by_name"].any()
    found = run_graph(tmp_path / SEGMENT, {"images": batch.query_images.numpy(), **learned})
    with torch.inference_mode():
        masks, _, _ = SegmentModule(network, refine=False)(
            batch.query_images, *LearnModule(network)(batch.support_images, batch.support_masks)
        )
    assert (found["masks"] == masks.numpy()).mean() >= 0.999


def test_all_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the second graph cannot be made, the first is not left behind, and what was there stays."""
    (tmp_path / LEARN).write_text("of an earlier export")

    def write(graph: object, path: Path, network: object) -> None:  # noqa: ARG001
        if path.name.startswith(f".{Path(SEGMENT).stem}"):
            raise ConfigError("No ONNX graph can be made of it.")
        path.write_text("new")

    monkeypatch.setattr("cdpnet.inference.onnx_export._write", write)
    with pytest.raises(ConfigError):
        export(load_network("tiny"), tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {LEARN: "of an earlier export"}


def test_refusals(
    graphs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in graphs.iterdir()}
    assert main(["export", "--out", str(graphs)]) == 2
    said = capsys.readouterr().err
    assert "exists already; pass --overwrite" in said
    assert said.count("\n") == 1
    assert {path.name: path.read_bytes() for path in graphs.iterdir()} == before
    (tmp_path / "file").write_text("")
    assert main(["export", "--out", str(tmp_path / "file")]) == 2
    assert "is a file; give --out a folder" in capsys.readouterr().err
    monkeypatch.setattr("cdpnet.runtime.extras.find_spec", lambda _: None)
    assert main(["export", "--out", str(tmp_path / "new")]) == 2
    assert "pip install 'cdpnet[export]'" in capsys.readouterr().err
