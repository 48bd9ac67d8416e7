"""Every code block of the manual and of README.md is run, or stands in a list with the reason why it is not.

A shell line that begins with `cdpnet` and is not run is parsed by its command, so no option in it can be wrong.
Nothing is downloaded, and images are made up; what a block prints is not looked at, only that it succeeds.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
from collections.abc import Iterator, Mapping
from contextlib import chdir, redirect_stdout
from functools import cache
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from cdpnet.data.icons.episodes import IconEpisodes
from cdpnet.errors import CdpnetError
from cdpnet.evaluation.results import score
from cdpnet.inference import segmenter as segmenter_module
from cdpnet.network import build
from docs.generation.pages import fill
from docs.generation.parsers import check_arguments
from tests.cli.running import run
from tests.helpers import small_network
from tests.manual import ROOT, Block, blocks, expand, make_files, make_project, pages, shell_lines

NO_CODE = ("text", "", "xml")  # languages of listings, and the settings of other programs
ONLY_PARSED_PAGES = {"docs/explanation/results.md": "the commands of the measurements take minutes to hours"}
ONLY_PARSED = {
    "data": "a check draws eight thousand episodes; tests/cli/test_benchmarks.py makes one",
    "train": "training takes minutes; tests/training trains with fewer steps",
    "table": "a table takes hours; tests/cli/test_benchmarks.py makes a small one",
    "reproduce": "a reproduction takes hours; tests/cli/test_reproduction.py makes a small one",
    "ablate": "an ablation takes an hour; tests/experiments makes a small one",
    "calibrate": "a calibration takes minutes; tests/training makes a small one",
    "levels": "a fit takes minutes; tests/training makes a small one",
    "distil": "distillation takes hours, and needs the extra teacher",
    "serve": "the backend serves until it is stopped; tests/backend uses it",
    "web": "the page serves until it is stopped; tests/web uses it",
    "export": "tracing a network takes a minute; tests/inference/test_onnx_export.py does it",
    "weights": "there is no archive of CLIP here; tests/encoders converts one of its kind",
}
ONLY_PARSED_WORDS = {
    "VOC2012": "PASCAL VOC is not here; tests/cli/test_benchmarks.py has a small tree of its kind",
    "COCO": "COCO is not here; tests/cli/test_benchmarks.py has a small tree of its kind",
    "DIR": "the lists of HSNet are not here",
    "runs/cdpn": "the network has not been trained",
    "runs/resnet18": "the network has not been trained",
    "resnet18.safetensors": "the weights are not here; tests/encoders loads such a file",
    "ray": "Ray takes half a minute to start; tests/bulk runs it",
}
OTHER_PROGRAMS = {
    "pip": "nothing is installed in a test",
    "make": "the target is looked up",
    "python": "the script or module is looked up",
    "torchrun": "its cdpnet command is parsed",
    "ray": "there is one machine",
    "export": "the shell is not the test's; the command after it is parsed",
    "docker": "there is no container engine; the cdpnet command in it is parsed",
}
_OUTPUTS = ("--out", "-o", "--json", "--page")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the blocks name; a test copies them."""
    folder = tmp_path_factory.mktemp("manual")
    make_files(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def each_network_once() -> Iterator[None]:
    """Load a network once for all blocks; no block changes one."""
    load, patch = cache(build.load_network), pytest.MonkeyPatch()
    patch.setattr(build, "load_network", load)
    patch.setattr(segmenter_module, "load_network", load)
    yield
    patch.undo()


@pytest.mark.parametrize("page", [page for page in pages() if any(b.language == "sh" for b in blocks(page))])
def test_shell_blocks(page: str, files: Path, tmp_path: Path) -> None:
    number = 0
    for block in blocks(page):
        for words in shell_lines(block) if block.language == "sh" else ():
            folder = tmp_path / str(number)
            number += 1
            _run_line(block, words, files, folder)


@pytest.mark.parametrize("page", [page for page in pages() if any(b.language == "python" for b in blocks(page))])
def test_python_blocks(page: str, files: Path, tmp_path: Path) -> None:
    """Blocks of a page share their names, in order."""
    shutil.copytree(files, tmp_path / "files")
    names: dict[str, object] = {}
    with chdir(tmp_path / "files"), redirect_stdout(StringIO()):
        for block in blocks(page):
            if block.language == "python":
                exec(compile(block.text, block.place, "exec"), names)


def test_other_blocks_are_settings_or_no_code(tmp_path: Path) -> None:
    for page in pages():
        for block in blocks(page):
            if block.language == "yaml":
                (tmp_path / "settings.yaml").write_text(block.text)
                check_arguments(["train", "--config", str(tmp_path / "settings.yaml"), "--out", "x"])
            else:
                assert block.language in ("sh", "python", *NO_CODE), block.place


def test_every_reason_not_to_run_a_block_is_used() -> None:
    lines = [
        words for page in pages() for block in blocks(page) if block.language == "sh" for words in shell_lines(block)
    ]
    commands = {words[1] for words in lines if words[0] == "cdpnet"}
    said = " ".join(word for words in lines for word in words)
    assert set(ONLY_PARSED) <= commands
    assert all(word in said for word in ONLY_PARSED_WORDS)
    assert set(OTHER_PROGRAMS) <= {words[0] for words in lines}


@pytest.mark.parametrize(
    "line",
    [
        "cdpnet segment --called dog --out masks a.jpg",
        "cdpnet segment --name dog --out masks none.jpg",
        "cdpnet train --steps 4 --out x",
        "cdpnet segmnt a.jpg",
        "make everything",
        "python examples/none.py",
        "rm a.jpg",
    ],
)
def test_a_line_that_is_wrong_fails(line: str, files: Path, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, CdpnetError, ValueError)):
        _run_line(Block("page.md", "sh", 1, line), line.split(), files, tmp_path / "copy")


def test_code_fits_the_page() -> None:
    """A page of the site has room for 90 characters of code; what is longer would be hidden at its right."""
    for page in pages():
        for block in blocks(page) if page.startswith("docs/") else ():
            for number, line in enumerate(block.text.splitlines(), block.line + 1):
                assert len(line) <= 90, f"{page}, line {number}: {line}"


def test_options_in_generated_tables_are_code() -> None:
    """In a table a line may end after the dashes of an option, but not within code."""
    for part in ("commands", "configuration"):
        tables = re.findall(r"^\|.*", fill(f"<!-- generated: {part} -->"), re.MULTILINE)
        assert not [row for row in tables if re.search(r"--[a-z]", re.sub(r"`[^`]*`", "", row))]


def test_links_lead_somewhere() -> None:
    """Also without Sphinx, which looks at the pages of the manual alone."""
    for page in (*pages(), "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        text = text if "<!-- generated: commands" in text or "<!-- generated: config" in text else fill(text)
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)", text):
            path = ROOT / page if not target else (ROOT / page).parent / target
            assert path.exists(), f"{page} links to {target}"
            if anchor:
                assert anchor[1:] in _anchors(path), f"{page} links to {target}{anchor}"


@pytest.mark.slow
def test_the_pictures_of_the_method_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["method_parts.py", str(tmp_path)])
    with redirect_stdout(StringIO()):
        runpy.run_path(str(ROOT / "examples" / "method_parts.py"))
    for path in sorted(tmp_path.iterdir()):
        with Image.open(path) as made, Image.open(ROOT / "docs" / "pictures" / path.name) as shown:
            assert made.size == shown.size
    assert len(list(tmp_path.iterdir())) == 3


def test_the_table_of_results_has_the_keys_that_evaluate_writes() -> None:
    page = (ROOT / "docs" / "howto" / "training.md").read_text(encoding="utf-8")
    table = page.split("The JSON holds", 1)[1].split("\n\n")[1]
    documented = [key for row in table.splitlines() for key in re.findall(r"`(\w+)`", row.split("|")[1])]
    result = score(small_network("panet"), IconEpisodes(0, 1, "test", 0), 1, (0,))
    assert sorted(documented) == sorted(result.to_json())


def test_the_citation_is_of_this_version() -> None:
    citation, project = ((ROOT / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "pyproject.toml"))
    found = [re.search(r'^version(?:: | = ")([\d.]+)', text, re.MULTILINE) for text in (citation, project)]
    assert all(found)
    assert len({match[1] for match in found if match}) == 1
    assert "doi: 10.3390/e25091353" in citation


def _anchors(path: Path) -> list[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def _run_line(block: Block, words: list[str], files: Path, folder: Path) -> None:
    """Run a line in a fresh copy of the files, without the results that it is to write; or check what can be."""
    words, variables = _split_variables(words)
    if words[0] != "cdpnet":
        _check_other_program(words)
        return
    arguments = words[1:]
    if block.page in ONLY_PARSED_PAGES or arguments[0] in ONLY_PARSED or set(arguments) & set(ONLY_PARSED_WORDS):
        check_arguments(arguments)
        return
    shutil.copytree(files, folder, copy_function=os.link)
    if "--project" in arguments:
        make_project(folder / arguments[arguments.index("--project") + 1])
    for option, value in pairwise(arguments):
        if option in _OUTPUTS:
            _remove(folder / value)
    if "evaluate" in arguments:
        arguments = [*arguments, "--episodes", "2"]
    done = run(*expand(arguments, folder), cwd=folder, **variables)
    assert done.returncode == 0, f"{block.place}: {' '.join(words)}\n{done.stdout}{done.stderr}"


def _split_variables(words: list[str]) -> tuple[list[str], Mapping[str, str]]:
    count = next(i for i, word in enumerate(words) if not re.fullmatch(r"[A-Z_]+=.*", word))
    return words[count:], dict(word.split("=", 1) for word in words[:count])


def _check_other_program(words: list[str]) -> None:
    assert words[0] in OTHER_PROGRAMS, f"{words[0]} is neither run nor in the list"
    if words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
    elif words[:2] == ["docker", "run"] or words[0] == "torchrun":
        check_arguments(words[words.index("cdpnet") + 1 :])
    elif words[0] == "python" and words[1] == "-m":
        path = ROOT / words[2].replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file()
    elif words[0] == "python" and words[1] != "-c":
        assert (ROOT / words[1]).is_file()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
