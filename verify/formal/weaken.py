"""Changes of a formal statement that Rocq must refuse: a hypothesis dropped, a bound sharpened, a weight altered.

Without such a refusal nobody knows that the theorem says something. A change that breaks the spelling shows nothing.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mamba_theorems.theorems.claim import Claim, Weakened
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.formal import rocq
from mamba_theorems.verify.formal.rocq import SECONDS, Built
from mamba_theorems.verify.formal.sources import Sources, path_of

SPELLING = re.compile(r"Syntax error|[Ll]exer|was not found in the current\s+environment|Unknown interpretation")


@dataclass(frozen=True)
class Refusal:
    """What became of a change: whether Rocq refused it, and what it said."""

    claim: str
    name: str
    refused: bool
    said: str


def changes() -> Iterator[tuple[Claim, Weakened]]:
    """Every change that a claim names."""
    for claim in claims().values():
        for change in claim.formal.refused if claim.formal else ():
            yield claim, change


def attempt(claim: Claim, change: Weakened, sources: Sources, built: Built) -> Refusal:
    """Compile the module of a claim's first theorem with the change in its text."""
    if claim.formal is None:
        raise ValueError(f"claim {claim.id} names no theorem, and so nothing can be changed in its file")
    module = claim.formal.theorems[0].rpartition(".")[0]
    text = sources.texts.get(module, "")
    if (times := text.count(change.old)) != 1:
        return Refusal(claim.id, change.name, False, f"{path_of(module)} says {change.old!r} {times} times, not once")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, path_of(module.rpartition(".")[2]))
        file.write_text(text.replace(change.old, change.new), encoding="utf-8")
        failed, said = rocq.coqc(file, built.folder)
    words = " ".join(said.split())[-300:]
    if failed == 124:
        return Refusal(claim.id, change.name, False, f"undecided after {SECONDS} s")
    return Refusal(claim.id, change.name, failed != 0 and not SPELLING.search(said), words or "accepted")
