"""What an interrupted run already has: each claim is noted when it is done, and the same run goes on from there.

A journal fits only the same settings, the same source text and the same package versions; a complete run removes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import ClaimReport, MutantResult
from mamba_theorems.verify.files import FOLDER, JsonLines
from mamba_theorems.verify.settings import Run


class Journal(JsonLines):
    """One run's notes: `claims` and `mutants` by claim id, and a file to which more are added."""

    def __init__(self, run: Run, folder: Path = FOLDER) -> None:
        super().__init__(folder / f"run-{data.fingerprint(run)}.jsonl")
        self.claims: dict[str, ClaimReport] = {}
        self.mutants: dict[str, tuple[MutantResult, ...]] = {}
        for note in self.read():
            with suppress(ValueError, KeyError, TypeError):
                self._take(note)

    def _take(self, note: Any) -> None:
        if "mutants" in note:
            self.mutants[note["claim"]] = tuple(MutantResult(**m) for m in note["mutants"])
        else:
            found = data.read_claim(*note["report"])
            self.claims[found.claim.id] = found

    def add(self, report: ClaimReport) -> None:
        """Note a claim that is done."""
        self.append({"report": data.write_claim(report)})

    def add_mutants(self, claim: str, found: Sequence[MutantResult]) -> None:
        """Note what became of a claim's mutants."""
        self.append({"claim": claim, "mutants": [asdict(m) for m in found]})
