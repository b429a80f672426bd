"""What failed, on disk: one file for each shrunk case, named by its content, and replayable anywhere.

The folder is the example database that all workers of all campaigns share: the driver alone writes it, and every
campaign on the same claims first runs what it holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mamba_theorems.kernels.dtypes import DTYPES
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.checks.check import Finding, replay_line
from mamba_theorems.verify.files import FOLDER, write
from mamba_theorems.verify.fuzz import search
from mamba_theorems.verify.fuzz.cells import Stream, properties
from mamba_theorems.verify.fuzz.executions import PLAIN, Failure
from mamba_theorems.verify.fuzz.search import CellResult
from mamba_theorems.verify.settings import Run

FINDINGS = FOLDER / "findings"
FORMAT = 1


@dataclass(frozen=True)
class Found:
    """A failure, where it was found, and the settings that its replay needs."""

    claim: str
    check: str
    generator: str
    failure: Failure
    seed: int
    round: int
    device: str = "cpu"
    dtypes: tuple[str, ...] = DTYPES
    kernel: str = ""
    bug: str = ""

    @property
    def name(self) -> str:
        """A digest of what fails and how it was run: the same finding always has the same name."""
        what = [self.claim, self.check, self.failure.case, self.failure.execution, self.device, self.kernel, self.bug]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def stream(self) -> Stream:
        """Where it was found."""
        return Stream(self.claim, self.check, self.generator)

    @property
    def run(self) -> Run:
        """The settings of the replay."""
        return Run(seed=self.seed, device=self.device, dtypes=self.dtypes, kernel=self.kernel)

    def again(self) -> Failure | None:
        """How the case fails now; None where it passes. Raises ValueError where it does not fit this version."""
        try:
            return search.replay(self.claim, self.check, self.failure, self.run, self.bug)
        except (KeyError, ValueError) as reason:
            raise ValueError(f"its case does not fit a check of this version ({reason})") from reason


def found(result: CellResult, run: Run, bug: str) -> Found | None:
    """A cell's failure as a finding."""
    if result.failure is None:
        return None
    s = result.cell.stream
    place = (s.claim, s.check, s.generator, result.failure, run.seed, result.cell.round)
    return Found(*place, run.device, run.dtypes, run.kernel, bug)


def plain(finding: Found) -> dict[str, Any]:
    """The finding as JSON data."""
    failure = asdict(finding.failure) | {"value": str(finding.failure.value)}  # JSON has no NaN
    return {"format": FORMAT, **asdict(finding), "dtypes": list(finding.dtypes), "failure": failure}


def read(data: Any) -> Found:
    """The finding that `plain` wrote. Raises ValueError."""
    try:
        fields = {name: value for name, value in data.items() if name != "format"}
        failure = Failure(**data["failure"] | {"value": float(data["failure"]["value"])})
        fields |= {"failure": failure, "dtypes": tuple(data["dtypes"])}
        if data["format"] != FORMAT or data["claim"] not in claims():
            raise ValueError("it is of another version of this program")
        return Found(**fields)
    except (KeyError, TypeError, AttributeError) as reason:
        raise ValueError(f"it is no finding ({type(reason).__name__}: {reason})") from reason


def store(finding: Found, folder: Path = FINDINGS) -> Path:
    """Write the finding, whole, under its name; a finding that is there already is left alone."""
    path = folder / f"{finding.name}.json"
    if not path.exists():
        write(path, json.dumps(plain(finding), indent=1, sort_keys=True) + "\n")
    return path


def load(path: Path) -> Found:
    """The finding in a file. Raises ValueError."""
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except OSError as reason:
        raise ValueError(f"it cannot be read ({reason.strerror})") from reason


def stored(selected: Sequence[str], folder: Path = FINDINGS) -> list[tuple[Path, Found]]:
    """All findings on the selected claims that the folder holds; files that are none are passed over."""
    known = []
    for path in sorted(folder.glob("*.json")):
        try:
            finding = load(path)
        except ValueError:
            continue
        if finding.claim in selected and not finding.bug and finding.check in properties(finding.claim):
            known.append((path, finding))
    return known


def replay_lines(finding: Found, path: Path | None = None) -> list[str]:
    """The commands that run it again: from its file and, where the case ran the plain way, from its claim."""
    lines = [f"python -m verify fuzz --replay {path}"] if path else []
    if finding.failure.execution == PLAIN and not finding.bug:
        case = Finding(False, "", case=finding.failure.case)
        check = properties(finding.claim)[finding.check]
        kernel = f" --kernel {finding.kernel}" if finding.kernel else ""
        lines.append(replay_line(check, case) + kernel)
    return lines


def distinct(findings: Sequence[Found]) -> list[Found]:
    """Each finding once, in the order of its first appearance."""
    by_name = {f.name: f for f in reversed(findings)}
    return list(reversed(by_name.values()))
