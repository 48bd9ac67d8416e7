"""Data sets on disk from the command line: check, episodes, training, scoring, a table; and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdpnet.cli import main
from tests.cli.running import run
from tests.data.protocols.test_lists import Malicious
from tests.data.trees import labels_of, make_coco, make_folder, make_fss, make_voc, save_labels

SMALL = (
    "--batch", 1, "--iterations", 2, "--crop", 64, "--validation_episodes", 2, "--checkpoint_every", 1,
    "--encoder.name", "tiny", "--output_stride", 8, "--novel_in_train", "keep",
)  # fmt: skip


def write_lists(splits: Path) -> list[str]:
    """Lists of fold 0 and 1 of PASCAL-5i in HSNet's format; the pairs of fold 0."""
    pairs = [f"2007_{i:06d}__{1 + i % 5:02d}" for i in range(40)]
    (splits / "val").mkdir(parents=True)
    (splits / "val" / "fold0.txt").write_text("\n".join(pairs) + "\n")
    return pairs


def test_episodes_of_list_files_need_no_images(tmp_path: Path) -> None:
    """The lines are those of a loop over numpy's legacy generator, and the hash is theirs."""
    pairs = [(line[:-4], int(line[-2:]) - 1) for line in write_lists(tmp_path)]
    arguments = ("data", "episodes", "--data", "pascal", "--protocol", "hsnet", "--fold", 0, "--splits", tmp_path)
    for shots, count in ((1, 1000), (5, 128)):  # the first without --episodes: 1,000 is the protocol's number
        generator, expected = np.random.RandomState(0), []
        for item in range(count):
            query, number = pairs[item % len(pairs)]
            supports: list[str] = []
            while len(supports) < shots:
                support = generator.choice([p for p, n in pairs if n == number], 1, replace=False)[0]
                if support != query:
                    supports.append(str(support))
            expected.append(" ".join([str(number), query, *supports]))
        options = ("--shots", shots, *(() if count == 1000 else ("--episodes", count)))
        shown = run(*arguments, *options)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.splitlines() == expected
        hashed = run(*arguments, *options, "--hash")
        assert hashed.stdout.strip() == hashlib.sha256("\n".join(expected).encode()).hexdigest()
    missing = run(*arguments[:-2], "--fold", 1, "--splits", tmp_path)
    assert missing.returncode == 2
    assert "fold1.txt" in missing.stderr


def test_check_counts_names_and_ends_with_yes_or_no(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdpnet.data.check.default_length", lambda _: (64, (0,)))  # in place of 1,000
    shown = run("data", "check", "--data", "folder", "--root", data_folder)
    assert shown.returncode == 0, shown.stderr
    assert "images of train: 30" in shown.stdout
    assert "fold 3, 1-shot: list of 64 episodes" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("yes")
    make_coco(tmp_path / "coco")
    half = run("data", "check", "--data", "coco", "--root", tmp_path / "coco")
    assert half.returncode == 1
    assert "images of val: 3" in half.stdout
    assert "no annotations for train" in half.stdout
    make_voc(tmp_path)
    (tmp_path / "JPEGImages" / "2007_000030.jpg").write_bytes(b"\xff\xd8\xff")
    wrong = run("data", "check", "--data", "pascal", "--root", tmp_path)
    assert wrong.returncode == 1
    assert "images of val: 32" in wrong.stdout
    assert "published 1,449" in wrong.stdout
    assert "2007_000030.jpg" in wrong.stdout
    assert wrong.stdout.splitlines()[-1].startswith("no: ")
    narrow = run("data", "check", "--data", "pascal", "--root", tmp_path, COLUMNS="80")
    for line in narrow.stdout.splitlines():
        assert len(line) <= 80 or len(line.split()) == 1, line  # a path alone may be longer
    assert "".join(narrow.stdout.split()) == "".join(wrong.stdout.split())


def test_check_counts_the_images_of_each_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path, each=3)
    names = [*(tmp_path / "classes.txt").read_text().split("\n")[:5], "ghost"]
    (tmp_path / "classes.txt").write_text("\n".join(names))
    for path in (tmp_path / "train" / "masks").iterdir():
        save_labels(path, np.full((104, 120), 3 if path.stem == "000" else 2, np.uint8))
    main(["data", "check", "--data", "folder", "--root", str(tmp_path)])
    shown = " ".join(capsys.readouterr().out.split())
    counts = "red thing (0), lamp (0), roof (0), ghost (0), door (1), blue thing (2)"
    assert f"images of each class of train, the fewest first: {counts}" in shown


def test_train_evaluate_and_the_words_beside_a_figure(data_folder: Path, tmp_path: Path) -> None:
    data = ("--data", "folder", "--root", data_folder)
    trained = run("train", *data, "--method", "ssp", *SMALL, "--out", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    shown = run(
        "evaluate", *data, "--model", tmp_path / "run", "--episodes", 4, "--seeds", 0, 1,
        "--json", tmp_path / "out.json", "--page", tmp_path / "page.html",
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    for word in (
        "folder test/",
        "protocol cdpnet",
        "interleaved",
        "novel in train: keep",
        "trained on folder",
        "scored at native",
    ):
        assert word in shown.stdout
    assert result["protocol"].startswith("cdpnet: ")
    assert result["list_from"] == "our own, made from the labels"
    assert result["miou_ci95"] is not None
    assert (tmp_path / "page.html").read_text().count("<figure>") >= 4
    ways = run("evaluate", *data, "--model", tmp_path / "run", "--episodes", 2, "--ways", 2)
    assert ways.returncode == 0, ways.stderr
    other = run("evaluate", *data, "--model", tmp_path / "run", "--fold", 1)
    assert other.returncode == 2
    assert "it has seen their masks" in other.stderr


def test_evaluate_reads_coco_and_fss(tmp_path: Path) -> None:
    make_fss(tmp_path / "fss")
    make_coco(tmp_path / "coco")
    tested = ("evaluate", "--method", "panet", "--episodes", 2, "--seeds", 0)
    fss = run(*tested, "--data", "fss", "--root", tmp_path / "fss")
    assert fss.returncode == 0, fss.stderr
    few = run(*tested, "--data", "coco", "--root", tmp_path / "coco")
    assert few.returncode == 2
    assert "images" in few.stderr


def test_a_table_is_trained_scored_and_kept(data_folder: Path, tmp_path: Path) -> None:
    arguments = (
        "table", "--data", "folder", "--root", data_folder, *SMALL, "--methods", "[panet,cdpn]", "--folds", "[0,2]",
        "--train_shots", 1, "--shots", "[1,2]", "--episodes", 2, "--seeds", "[0]", "--out", tmp_path,
    )  # fmt: skip
    shown = run(*arguments)
    assert shown.returncode == 0, shown.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(r["method"], r["fold"], r["shots"]) for r in results] == [
        (method, fold, shots) for fold in (0, 2) for method in ("panet", "cdpn") for shots in (1, 2)
    ]
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[0].startswith("| method | 1-shot, fold 0 | fold 2 | mean | FB-IoU | 2-shot, fold 0 |")
    cells = [cell.strip() for cell in lines[2].split("|")]
    of_panet = [r["miou"] for r in results if r["method"] == "panet" and r["shots"] == 1]
    assert cells[1:5] == ["`panet`", *(f"{miou:.1f}" for miou in of_panet), f"{sum(of_panet) / 2:.1f}"]
    assert "checkpoint selected on base classes" in lines[-1]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*-shot.json")}
    (tmp_path / "cdpn-fold2-1shot" / "2-shot.json").unlink()
    again = run(*arguments)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("score ") == 1
    assert json.loads((tmp_path / "results.json").read_text())[-1]["miou"] == results[-1]["miou"]
    kept = {path: path.stat().st_mtime_ns for path in before}
    assert sum(kept[path] != before[path] for path in before) == 1
    part = run(*arguments[:-2], "--folds", "[2]", "--out", tmp_path)  # keeps what is done
    assert part.returncode == 0, part.stderr
    assert len(json.loads((tmp_path / "results.json").read_text())) == len(results)
    other = run(*arguments, "--learning_rate", 1)
    assert other.returncode == 2
    assert "learning_rate was" in other.stderr


def test_what_is_refused(data_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(data_folder, broken)
    image = broken / "test" / "images" / "003.png"
    image.write_bytes(image.read_bytes()[:2000])
    save_labels(broken / "test" / "masks" / "004.png", labels_of(4, 5, (72, 80)))
    outside = labels_of(5, 5)
    outside[0, 0] = 77
    save_labels(broken / "test" / "masks" / "005.png", outside)
    cut_off = make_coco(tmp_path / "coco")
    cut_off.write_bytes(cut_off.read_bytes()[:300])
    trap = tmp_path / "trap"
    (tmp_path / "splits" / "val").mkdir(parents=True)
    (tmp_path / "splits" / "val" / "fold0.pkl").write_bytes(pickle.dumps({0: [Malicious(trap)]}))
    lists = ("data", "episodes", "--data", "coco", "--protocol", "hsnet", "--splits", tmp_path / "splits")
    for arguments, said in (
        (("evaluate", "--data", "pascal"), "Where is the data, --data pascal? Give its folder as --root."),
        (("evaluate", "--data", "pascal", "--root", tmp_path / "nowhere"), "There is no folder"),
        (("evaluate", "--data", "pascal", "--root", data_folder), "There is no JPEGImages"),
        (("evaluate", "--data", "folder", "--root", broken), "cannot be decoded"),
        (("evaluate", "--data", "coco", "--root", tmp_path / "coco"), "is not complete JSON"),
        (lists, "is refused"),
        (
            ("evaluate", "--data", "folder", "--root", data_folder, "--protocol", "fast"),
            "--protocol takes one of cdpnet",
        ),
        (("table", "--methods", "[magic]", "--out", tmp_path / "none"), "no method 'magic'"),
        (("data", "check"), "The icons are embedded"),
        (("data", "paint"), "check or episodes"),
    ):
        refused = run(*arguments)
        assert refused.returncode == 2, (arguments, refused.stderr)
        assert said in refused.stderr.splitlines()[-1]  # above it may stand a progress bar
        assert refused.stderr.count("cdpnet: ") == 1
        assert "Traceback" not in refused.stderr
    assert not trap.exists()
    assert not (tmp_path / "none").exists()
    skipped = run(
        "evaluate", "--data", "folder", "--root", broken, "--skip-broken", "--episodes", 2, "--seeds", 0,
        "--method", "panet", "--json", tmp_path / "out.json",
    )  # fmt: skip
    assert skipped.returncode == 0, skipped.stderr
    assert json.loads((tmp_path / "out.json").read_text())["images_broken"] == 3
    with Image.open(broken / "test" / "images" / "000.png") as whole:
        assert whole.size == (120, 104)
