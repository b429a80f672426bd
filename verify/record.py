"""The report as JSON: a canonical part, the same on every machine, with its digest, and a volatile part."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from mamba_theorems.theorems.claim import Kind, Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.evidence import VERDICTS, ClaimReport, Evidence, Line, MutantResult, Report, Steps
from mamba_theorems.verify.files import SHIPPED
from mamba_theorems.verify.settings import Run, Tier

PACKAGES = ("torch", "triton", "numba", "sympy", "numpy", "python-flint", "z3-solver", "hypothesis")
ROOMS = ("theorems", "constructions", "kernels", "verify")
"""What a fingerprint covers."""


def canonical(report: Report) -> dict[str, Any]:
    """What the run established: no time, no host, no measured float."""
    found: dict[str, Any] = {"claims": [_claim(c) for c in report.claims]}
    if report.mutants:
        found["mutants"] = [
            {"claim": claim, "check": m.check, "mutant": m.mutant, "rejected": m.rejected}
            for claim, m in report.mutants
        ]
    return found


def digest(part: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical part in one fixed spelling."""
    return hashlib.sha256(json.dumps(part, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def document(report: Report) -> dict[str, Any]:
    """Both parts, and the digest."""
    part = canonical(report)
    return {"canonical": part, "digest": digest(part), "volatile": volatile(report)}


def dumps(report: Report) -> str:
    """The document as text."""
    return json.dumps(document(report), indent=2, ensure_ascii=False) + "\n"


def _claim(report: ClaimReport) -> dict[str, Any]:
    claim = report.claim
    return {
        "id": claim.id,
        "paper": claim.paper,
        "form": str(claim.form),
        "family": report.family,
        "title": claim.title,
        "hypotheses": list(claim.assumed),
        "outcome": str(report.outcome),
        "expected": str(claim.expected),
        "evidence": [_evidence(e) for e in report.evidence],
        "steps": stated(report.steps),
    }


def stated(steps: Steps) -> dict[str, list[str]]:
    """What each step of a derivation says, whatever became of it."""
    return {name: [said(line) for line in lines] for name, lines in steps.items()}


def said(line: Line) -> str:
    """A line as the record has it: what it says and assumes, not how it was decided."""
    words = [line.name, f"{line.kind} {line.statement}".rstrip(), line.given and f"given {line.given}", line.because]
    return " | ".join(filter(None, words))


def _evidence(e: Evidence) -> dict[str, Any]:
    return {"kind": str(e.kind), "check": e.check, "verdict": e.verdict, **dict(sorted(e.facts.items()))}


def volatile(report: Report) -> dict[str, Any]:
    """Times, measured figures, texts of findings, and what it ran on."""
    return {
        "seconds": round(report.seconds, 2),
        "tier": str(report.run.tier),
        "seed": report.run.seed,
        "device": report.run.device,
        "dtypes": list(report.run.dtypes),
        "kernel": report.run.kernel or "ours",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": versions(),
        "claims": {c.claim.id: _volatile_claim(c) for c in report.claims},
    }


def versions() -> dict[str, str]:
    """The packages that decide, with their versions."""
    return {name: _version(name) for name in PACKAGES}


def _volatile_claim(c: ClaimReport) -> dict[str, Any]:
    return {
        "seconds": round(c.seconds, 2),
        "evidence": [
            {"check": e.check, "summary": e.summary, "measured": _plain(e.measured), "replay": e.replay}
            for e in c.evidence
        ],
        "steps": {name: [asdict(line) for line in lines] for name, lines in c.steps.items()},
    }


def write_claim(report: ClaimReport) -> tuple[dict[str, Any], dict[str, Any]]:
    """One claim's canonical and volatile parts."""
    return _claim(report), _volatile_claim(report)


def load(document: Mapping[str, Any]) -> Report:
    """The report that a document holds. Raises ValueError if it is none, or of claims that are not here."""
    try:
        part, extra = document["canonical"], document["volatile"]
        if digest(part) != document["digest"]:
            raise ValueError("its digest does not fit its canonical part: it was edited by hand")
        found = tuple(read_claim(c, extra["claims"][c["id"]]) for c in part["claims"])
        mutants = tuple(
            (m["claim"], MutantResult(m["check"], m["mutant"], m["rejected"], "")) for m in part.get("mutants", ())
        )
        return Report(found, _read_run(extra), extra["seconds"], mutants)
    except (KeyError, TypeError) as reason:
        raise ValueError(f"it is no report of this program ({type(reason).__name__}: {reason})") from reason


def _read_run(extra: Mapping[str, Any]) -> Run:
    kernel = "" if extra["kernel"] == "ours" else extra["kernel"]
    return Run(Tier(extra["tier"]), extra["seed"], extra["device"], tuple(extra["dtypes"]), kernel)


def read_claim(part: Mapping[str, Any], extra: Mapping[str, Any]) -> ClaimReport:
    """The claim that `write_claim` wrote. Raises ValueError for a claim that is not here."""
    if part["id"] not in claims():
        raise ValueError(f"it holds the claim {part['id']}, which is not one of this version")
    evidence = tuple(_read_evidence(*both) for both in zip(part["evidence"], extra["evidence"], strict=True))
    steps = {name: tuple(Line(**line) for line in lines) for name, lines in extra["steps"].items()}
    outcome = Outcome(part["outcome"])
    return ClaimReport(claims()[part["id"]], part["family"], outcome, evidence, extra["seconds"], steps)


def _read_evidence(part: Mapping[str, Any], extra: Mapping[str, Any]) -> Evidence:
    facts = {name: value for name, value in part.items() if name not in ("kind", "check", "verdict")}
    holds = {word: truth for truth, word in VERDICTS.items()}[part["verdict"]]
    return Evidence(
        Kind(part["kind"]), part["check"], holds, extra["summary"], facts, extra["measured"], extra["replay"]
    )  # fmt: skip


def _plain(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str | int) else float(value) for name, value in measured.items()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def fingerprint(run: object) -> str:
    """The settings (by their repr), the source text of every room and the versions of the packages, as a short hash."""
    found = hashlib.sha256(repr(run).encode())
    found.update(json.dumps(versions(), sort_keys=True).encode())
    for path in sorted(p for room in ROOMS for p in (SHIPPED / room).rglob("*.py")):
        found.update(path.relative_to(SHIPPED).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]
