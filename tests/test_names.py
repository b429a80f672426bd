"""One name, one thing: no two classes share a name, and checks are called in one style."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.engine.gather import checks_of

ROOT = Path(__file__).parent.parent
ROOMS = ("theorems", "constructions", "kernels", "verify")
STYLE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
"""Words in lower case with hyphens between them: such a name needs no quotes on a command line."""
BARE = re.compile(
    r"(-?(paper|official|language|model|block|mamba1|mamba2|s6|ssd|kernel|scan|silu|step|chunks|gaps|tails|zoology|error"
    r"|bound|clock|filler|random|float32|float64|large|quick)(?![a-z0-9]))+"
)
"""What a check is about: a name of these words alone does not say what holds or what is compared."""


def too_bare(name: str) -> bool:
    """Whether a name does not say what holds or what is compared; a statement says so itself."""
    return name != "statement" and (not STYLE.fullmatch(name) or BARE.fullmatch(name) is not None)


def test_no_two_classes_share_a_name():
    places = defaultdict(list)
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: found for name, found in places.items() if len(found) > 1}


def test_the_name_of_a_check_says_what_holds_or_what_is_compared():
    assert not [f"{claim}: {c.name}" for claim in claims() for c in checks_of(claim) if too_bare(c.name)]


@pytest.mark.parametrize(
    "name", ["kernel", "official-block", "silu-step", "S ≺ 0, to t = 10^8", "gaps, official_mamba2"]
)
def test_a_bare_name_is_refused(name):
    assert too_bare(name)
