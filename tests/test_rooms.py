"""Four rooms, one direction; inside verify floors, each importing only downward; no circle anywhere."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
PREFIX = "mamba_theorems."
MAY_IMPORT = {
    "theorems": {"theorems"},
    "kernels": {"kernels"},
    "constructions": {"constructions", "kernels"},
    "verify": {"verify", "theorems", "constructions", "kernels"},
}
FLOORS = (
    {"__main__", "commands", "api"},
    {"report"},
    {"engine"},
    {"conform", "fuzz", "experiments"},
    {"checks"},
    {"certify", "formal"},
    {"evidence", "record", "recorded", "files", "settings", "version", "workers", "extras", "glossary", "shape"},
)
"""The floors of verify, from the top; what lies on one floor may import each other."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the rooms, by its name without the prefix."""
    found = {p.relative_to(ROOT).with_suffix(""): p for room in MAY_IMPORT for p in (ROOT / room).rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in found.items()}


def imported(path: Path) -> Iterator[str]:
    """What a file imports, anywhere in it: a module of ours without the prefix, or another's package."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            ours = [n.removeprefix(PREFIX) for n in names if n.removeprefix(PREFIX) in modules()]
            yield from ours
            if len(ours) < len(names):
                yield module.removeprefix(PREFIX) if module.startswith(PREFIX) else module.partition(".")[0]


@cache
def graph() -> nx.DiGraph:
    """An edge a → b says that module a imports module b."""
    edges = [(name, other) for name, path in modules().items() for other in imported(path) if other in modules()]
    return nx.DiGraph(edges)


def floor(module: str) -> int:
    """The number of a module's floor in verify, 0 at the top."""
    part = module.split(".")[1]
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room):
    for name, path in modules().items():
        if name.partition(".")[0] == room:
            foreign = {other.partition(".")[0] for other in imported(path)} & set(MAY_IMPORT) - MAY_IMPORT[room]
            assert not foreign, f"{name} imports {', '.join(foreign)}"


def test_a_room_imports_what_it_needs_by_the_one_import_name():
    """A room's own name finds the same module, but only in a checkout."""
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert module.partition(".")[0] not in MAY_IMPORT, f"{name} imports {module} without mamba_theorems"


def test_theorems_need_no_torch():
    for name, path in modules().items():
        if name.startswith("theorems"):
            assert not set(imported(path)) & {"torch", "triton", "numba"}, name


def test_no_module_imports_itself_by_way_of_others():
    circles = [sorted(part) for part in nx.strongly_connected_components(graph()) if len(part) > 1]
    assert not circles


def test_each_floor_of_verify_imports_only_downward():
    inside = [(a, b) for a, b in graph().edges if a.startswith("verify.") and b.startswith("verify.")]
    assert len(inside) > 100
    upward = [f"{a} imports {b}" for a, b in inside if floor(b) < floor(a)]
    assert not upward


def test_nothing_below_imports_the_front_of_verify():
    """`verify/__init__.py` is the Python surface: only users import it."""
    assert not [a for a, b in graph().edges if b == "verify"]
