"""Where a claim stands in the repository: derivation, theorems in Rocq, construction, checks, tests, from its root."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.registry import family_of
from mamba_theorems.verify.files import SHIPPED
from mamba_theorems.verify.formal.sources import path_of

ROOMS = {"derivation": "theorems", "construction": "constructions", "checks": "verify.checks"}


def places(claim: Claim) -> Iterable[tuple[str, str]]:
    """Words and paths: the derivation's own module, the family's in the other rooms, its theorems' files, its tests."""
    family = family_of(claim.id)
    for file in dict.fromkeys(map(file_of, claim.formal.theorems if claim.formal else ())):
        yield "formal", file
    for word, room in ROOMS.items():
        proof = claim.proof or claim.disproof
        own = proof.__module__ if word == "derivation" and proof is not None else ""
        if path := _path(own if own.startswith("mamba_theorems.theorems.") else f"mamba_theorems.{room}.{family}"):
            yield word, path
    tests = f"tests/test_{family}.py"
    if (SHIPPED / tests).exists():
        yield "tests", tests


def file_of(theorem: str) -> str:
    """The file of a theorem in Rocq."""
    return f"theorems/formal/{path_of(theorem.rpartition('.')[0])}"


def _path(module: str) -> str:
    """The file of a module, or the folder of a package; empty where there is none."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    path = module.removeprefix("mamba_theorems.").replace(".", "/")
    return f"{path}/" if Path(spec.origin).name == "__init__.py" else f"{path}.py"
