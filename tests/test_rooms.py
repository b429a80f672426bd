"""Four rooms, one direction: verify → theorems, verify → constructions → kernels; theorems needs no torch."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "theorems": {"theorems"},
    "kernels": {"kernels"},
    "constructions": {"constructions", "kernels"},
    "verify": {"verify", "theorems", "constructions", "kernels"},
}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        foreign = imported(path) & set(MAY_IMPORT) - MAY_IMPORT[room]
        assert not foreign, f"{path.relative_to(ROOT)} imports {', '.join(foreign)}"


def test_theorems_need_no_torch():
    for path in (ROOT / "theorems").rglob("*.py"):
        assert not imported(path) & {"torch", "triton", "numba"}, path.relative_to(ROOT)
