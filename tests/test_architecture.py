"""Imports go only downwards through the wings of the house, and never in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import cdpnet

ROOT = Path(cdpnet.__file__).parent
WINGS = (  # from the top of the house to the ground; a wing may import itself and those below it
    ("face", ("__main__", "cli", "contact_sheet", "demo", "gallery", "plots", "report", "web")),
    (
        "work",
        (
            "ablate",
            "table",
            "check",
            "experiments",
            "train",
            "training_run",
            "results",
            "pretrain",
            "evaluate",
            "export",
            "adaptation",
            "calibrate",
            "bulk",
            "segmenter",
            "segmentation",
            "classes",
            "sight",
            "tiles",
        ),
    ),
    ("labels", ("labels",)),
    ("network", ("network",)),
    ("encoders", ("encoders",)),
    ("data", ("data",)),
    (
        "ground",
        (
            "episode",
            "config",
            "metrics",
            "pictures",
            "files",
            "hub",
            "provenance",
            "distributed",
            "errors",
            "weights",
            "configs",
        ),
    ),
)
LEVEL = {room: level for level, (_, rooms) in enumerate(WINGS) for room in rooms}


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


def test_every_room_has_its_place() -> None:
    rooms = {name.split(".")[0] for name in modules() if name}
    assert rooms == set(LEVEL)


def test_imports_go_downwards() -> None:
    known = modules()
    for name, path in known.items():
        if not name:
            continue  # the package's front door opens to every wing, lazily
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


def test_rooms_stay_small() -> None:
    for name, path in modules().items():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, name
