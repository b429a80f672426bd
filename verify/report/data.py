"""The report as JSON: a canonical part, the same on every machine, with its digest, and a volatile part."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from verify.evidence import ClaimReport, Evidence
from verify.runner import Report

PACKAGES = ("torch", "triton", "numba", "sympy", "numpy", "python-flint", "z3-solver", "hypothesis")


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
        "hypotheses": list(claim.hypotheses),
        "outcome": str(report.outcome),
        "expected": str(claim.expected),
        "evidence": [_evidence(e) for e in report.evidence],
    }


def _evidence(e: Evidence) -> dict[str, Any]:
    holds = {True: "shown", False: "contradicted", None: "undecided"}[e.holds]
    return {"kind": str(e.kind), "check": e.check, "verdict": holds, **dict(sorted(e.facts.items()))}


def volatile(report: Report) -> dict[str, Any]:
    """Times, measured figures, texts of findings, and what it ran on."""
    return {
        "seconds": round(report.seconds, 2),
        "tier": str(report.run.tier),
        "seed": report.run.seed,
        "device": report.run.device,
        "kernel": report.run.kernel or "ours",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": {name: _version(name) for name in PACKAGES},
        "claims": {
            c.claim.id: {
                "seconds": round(c.seconds, 2),
                "evidence": [
                    {"check": e.check, "summary": e.summary, "measured": _plain(e.measured), "replay": e.replay}
                    for e in c.evidence
                ],
            }
            for c in report.claims
        },
    }


def _plain(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str | int) else float(value) for name, value in measured.items()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
