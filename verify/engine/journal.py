"""What an interrupted run already has: each claim is noted when it is done, and the same run goes on from there.

A journal fits only the same settings, the same source text and the same package versions; a complete run removes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import ClaimReport, MutantResult
from mamba_theorems.verify.files import FOLDER
from mamba_theorems.verify.settings import Run


class Journal:
    """One run's notes: `claims` and `mutants` by claim id, and a file to which more are added, a line each."""

    def __init__(self, run: Run, folder: Path = FOLDER) -> None:
        self.path = folder / f"run-{data.fingerprint(run)}.jsonl"
        self.claims: dict[str, ClaimReport] = {}
        self.mutants: dict[str, tuple[MutantResult, ...]] = {}
        self._read()

    def _read(self) -> None:
        """Take every whole line; one that a kill cut short is passed over."""
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in filter(None, lines):
            with suppress(ValueError, KeyError, TypeError):
                self._take(json.loads(line))

    def _take(self, note: Any) -> None:
        if "mutants" in note:
            self.mutants[note["claim"]] = tuple(MutantResult(**m) for m in note["mutants"])
        else:
            found = data.read_claim(*note["report"])
            self.claims[found.claim.id] = found

    def add(self, report: ClaimReport) -> None:
        """Note a claim that is done."""
        self._write({"report": data.write_claim(report)})

    def add_mutants(self, claim: str, found: Sequence[MutantResult]) -> None:
        """Note what became of a claim's mutants."""
        self._write({"claim": claim, "mutants": [asdict(m) for m in found]})

    def _write(self, note: dict[str, Any]) -> None:
        with suppress(OSError):  # a run that cannot be resumed is still a run
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"\n{json.dumps(note)}\n")  # the line before may have been cut short

    def close(self) -> None:
        """Forget everything: the run is complete."""
        self.path.unlink(missing_ok=True)
