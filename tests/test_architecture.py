"""Imports go only downwards through the layers of the package, and never in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import cdpnet

ROOT = Path(cdpnet.__file__).parent
LAYERS = (  # from the commands down to what everything imports; a layer imports itself and those below it
    ("__main__", "cli"),
    ("backend",),
    ("web",),
    ("report",),
    ("experiments",),
    ("projects",),
    ("bulk",),
    ("training",),
    ("evaluation",),
    ("inference",),
    ("labels",),
    ("network",),
    ("encoders",),
    ("data",),
    ("io",),
    ("runtime",),
    ("configs", "weights"),
    ("config", "episode", "values"),
    ("errors",),
)
AT_THE_TOP = {"__init__", "__main__", "episode", "errors", "values"}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MOST_LINES = 300


def modules() -> dict[str, Path]:
    names = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(part for part in parts if part != "__init__")] = path
    return names


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The package's own modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cdpnet."):
            base = node.module.removeprefix("cdpnet.")
            below = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name for name in below if name in known} or {base}
    return found


def test_only_the_named_modules_lie_at_the_top() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} == AT_THE_TOP


def test_every_package_belongs_to_a_layer() -> None:
    assert {name.split(".")[0] for name in modules() if name} == set(LEVEL)


def test_imports_go_downwards() -> None:
    known = modules()
    for name, path in known.items():
        if not name:
            continue  # the public API imports from every layer, on first use
        for target in imports(path, known):
            assert LEVEL[name.split(".")[0]] <= LEVEL[target.split(".")[0]], f"{name} imports {target}"


def test_there_is_no_circle() -> None:
    known = modules()
    graph = {name: imports(path, known) - {name} for name, path in known.items() if name}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("folder", ["src/cdpnet", "tests"])
def test_modules_stay_small(folder: str) -> None:
    for path in (ROOT.parents[1] / folder).rglob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path


def test_tests_mirror_the_package() -> None:
    tests = ROOT.parents[1] / "tests"
    for path in tests.rglob("test_*.py"):
        folder = path.parent.relative_to(tests)
        assert (ROOT / folder).is_dir() or folder.name == "hostile", f"{path} tests no package {folder}"
