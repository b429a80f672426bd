"""The report as JSON: a canonical part, the same on every machine, and a volatile part, each with its digest.

What is read back is compared first: its shape, its digests, the version that wrote it, and what its claims say with
what the claims of this version say.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import sympy as sp

from mamba_theorems.theorems.claim import FAMILIES, Claim, Erratum, Form, Formal, Kind, Outcome
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Hypothesis
from mamba_theorems.verify.evidence import (
    MARKS,
    VERDICTS,
    ClaimReport,
    Evidence,
    Line,
    MutantResult,
    Report,
    Steps,
    outcome_of,
)
from mamba_theorems.verify.files import SHIPPED
from mamba_theorems.verify.recorded import digest
from mamba_theorems.verify.recorded import fingerprint as fingerprint_of_claims
from mamba_theorems.verify.settings import Run, Tier
from mamba_theorems.verify.shape import misfit
from mamba_theorems.verify.version import __version__

PACKAGES = ("torch", "triton", "numba", "sympy", "numpy", "python-flint", "z3-solver", "hypothesis")
ROOMS = ("theorems", "constructions", "kernels", "verify")
"""What a fingerprint covers."""
CODE = ("*.py", "*.v")

# --- written ---------------------------------------------------------------------------------------------------------


def canonical(report: Report) -> dict[str, Any]:
    """What the run established: no time, no host, no measured float."""
    return {
        "version": __version__,
        "counts": report.counts,
        "claims": [_claim(c) for c in report.claims],
        "mutants": [
            {"claim": claim, "check": m.check, "mutant": m.mutant, "rejected": m.rejected, "reason": m.reason}
            for claim, m in report.mutants
        ],
    }


def document(report: Report) -> dict[str, Any]:
    """Both parts, and their digests."""
    part, extra = canonical(report), volatile(report)
    return {"canonical": part, "digest": digest(part), "volatile": extra, "volatile_digest": digest(extra)}


def dumps(report: Report) -> str:
    """The document as text."""
    return json.dumps(document(report), indent=2, ensure_ascii=False) + "\n"


def recorded(report: Report, told: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a run beside the code: the canonical part, and what is shown of it without a run, each with its
    digest. `told` is each claim as `explain` tells it.
    """
    part, extra = canonical(report), volatile(report)
    run = {name: extra[name] for name in ("date", "tier", "seed", "python", "machine", "versions")}
    shown = {"run": run, "sources": fingerprint_of_claims(), "told": dict(told)}
    return {"canonical": part, "digest": digest(part), "shown": shown, "shown_digest": digest(shown)}


def _claim(report: ClaimReport) -> dict[str, Any]:
    return {
        **said_of(report.claim, report.family),
        "outcome": str(report.outcome),
        "evidence": [_evidence(e) for e in report.evidence],
        "steps": stated(report.steps),
    }


def said_of(claim: Claim, family: str) -> dict[str, Any]:
    """All that a claim says, whatever became of it."""
    return {
        "id": claim.id,
        "paper": claim.paper,
        "form": str(claim.form),
        "family": family,
        "title": claim.title,
        "statement": claim.statement,
        "hypotheses": list(map(_hypothesis, claim.hypotheses)),
        "formula": _meaning(claim.formula),
        "every": list(map(str, claim.every)),
        "some": list(map(str, claim.some)),
        "cites": list(claim.cites),
        "formal": _formal(claim.formal),
        "depends_on": list(claim.depends_on),
        "expected": str(claim.expected),
        "erratum": _erratum(claim.erratum) if claim.erratum else None,
    }


def _erratum(erratum: Erratum) -> dict[str, str]:
    """Its parts, the case as JSON."""
    return {
        **asdict(erratum),
        "case": json.dumps(erratum.case, separators=(",", ":"), sort_keys=True, ensure_ascii=False),
    }


def _formal(formal: Formal | None) -> dict[str, Any] | None:
    """The theorems that say a claim, what they leave out, and the changes that Rocq refuses, by name."""
    if formal is None:
        return None
    refused = [change.name for change in formal.refused]
    return {"theorems": list(formal.theorems), "leaves_out": formal.leaves_out, "refused": refused}


def _hypothesis(h: Hypothesis | str) -> dict[str, Any]:
    """A hypothesis with its meaning; one that is only words has none."""
    if isinstance(h, str):
        return {"name": "", "words": h, "latex": "", "meaning": None}
    return {"name": h.name, "words": h.words, "latex": h.latex, "meaning": _meaning(h.meaning)}


def _meaning(formula: sp.Basic | None) -> dict[str, str] | None:
    """A formula as sympy builds it, and as it is read."""
    return None if formula is None else {"readable": str(formula), "srepr": sp.srepr(formula)}


def stated(steps: Steps) -> dict[str, list[str]]:
    """What each step of a derivation says, whatever became of it."""
    return {name: [said(line) for line in lines] for name, lines in steps.items()}


def said(line: Line) -> str:
    """A line as the record has it: what it says and assumes, not how it was decided."""
    words = [
        line.name,
        f"{line.kind} {line.statement}".rstrip(),
        line.given and f"given {line.given}",
        line.where and f"where {line.where}",
        line.because,
    ]
    return " | ".join(filter(None, words))


def _evidence(e: Evidence) -> dict[str, Any]:
    return {"kind": str(e.kind), "check": e.check, "verdict": e.verdict, "facts": dict(sorted(e.facts.items()))}


def volatile(report: Report) -> dict[str, Any]:
    """Times, measured figures, texts of findings, and what it ran on."""
    return {
        "date": report.made.get("date") or datetime.now(UTC).date().isoformat(),
        "seconds": round(report.seconds, 2),
        "tier": str(report.run.tier),
        "seed": report.run.seed,
        "device": report.run.device,
        "dtypes": list(report.run.dtypes),
        "kernel": report.run.kernel or "ours",
        "python": report.made.get("python") or platform.python_version(),
        "machine": report.made.get("machine") or platform.machine(),
        "versions": report.made.get("versions") or versions(),
        "claims": {c.claim.id: _volatile_claim(c) for c in report.claims},
    }


def versions() -> dict[str, str]:
    """The packages that decide, with their versions."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _volatile_claim(c: ClaimReport) -> dict[str, Any]:
    return {
        "seconds": round(c.seconds, 2),
        "evidence": [
            {"check": e.check, "summary": e.summary, "measured": _plain(e.measured), "replay": e.replay}
            for e in c.evidence
        ],
        "steps": {name: [asdict(line) for line in lines] for name, lines in c.steps.items()},
    }


def _plain(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, str | int) else float(value) for name, value in measured.items()}


def write_claim(report: ClaimReport) -> tuple[dict[str, Any], dict[str, Any]]:
    """One claim's canonical and volatile parts."""
    return _claim(report), _volatile_claim(report)


# --- read ------------------------------------------------------------------------------------------------------------

Shape = dict[Any, Any]


def _words(words: Any) -> frozenset[str]:
    return frozenset(map(str, words))


MEANING: Any = (type(None), {"readable": str, "srepr": str})
CLAIM: Shape = {
    "id": str, "paper": str, "form": _words(Form), "family": _words(FAMILIES), "title": str, "statement": str,
    "hypotheses": [{"name": str, "words": str, "latex": str, "meaning": MEANING}],
    "formula": MEANING, "every": [str], "some": [str], "cites": [str], "depends_on": [str],
    "formal": (type(None), {"theorems": [str], "leaves_out": str, "refused": [str]}),
    "expected": _words(Outcome), "outcome": _words(Outcome),
    "erratum": (type(None), dict.fromkeys(Erratum.__dataclass_fields__, str)),
    "evidence": [
        {"kind": _words(Kind), "check": str, "verdict": _words(VERDICTS.values()), "facts": {str: (str, int)}}
    ],
    "steps": {str: [str]},
}  # fmt: skip
VOLATILE_CLAIM: Shape = {
    "seconds": float,
    "evidence": [{"check": str, "summary": str, "measured": {str: (str, int, float)}, "replay": str}],
    "steps": {str: [dict.fromkeys(Line.__dataclass_fields__, str) | {"truth": _words(MARKS)}]},
}
RECORDED: Shape = {
    "canonical": {
        "version": str,
        "counts": {str: {str: int}},
        "claims": [CLAIM],
        "mutants": [{"claim": str, "check": str, "mutant": str, "rejected": bool, "reason": str}],
    },
    "digest": str,
}
RUN: Shape = {"date": str, "tier": _words(Tier), "seed": int, "python": str, "machine": str, "versions": {str: str}}
KEPT: Shape = RECORDED | {"shown": {"run": RUN, "sources": str, "told": {str: [[(str, [[str]])]]}}, "shown_digest": str}
WRITTEN: Shape = RECORDED | {
    "volatile": {
        "date": str, "seconds": float, "tier": _words(Tier), "seed": int, "device": str, "dtypes": [str], "kernel": str,
        "python": str, "machine": str, "versions": {str: str}, "claims": {str: VOLATILE_CLAIM},
    },
    "volatile_digest": str,
}  # fmt: skip


DIGESTS = {"canonical": "digest", "volatile": "volatile_digest", "shown": "shown_digest"}
"""The parts of a document, each with the name of its digest."""


def read_record(document: Any) -> dict[str, Any]:
    """The canonical part of what `recorded` or `document` wrote. Raises ValueError, which says what is wrong."""
    parts = [part for part in DIGESTS if isinstance(document, dict) and part in document]
    part = document.get("canonical") if isinstance(document, dict) else None
    version = part.get("version") if isinstance(part, dict) else None
    if version != __version__:
        known = isinstance(version, str) and re.fullmatch(r"[\w.+-]{1,40}", version)
        by = f"mamba-theorems {version}" if known else "no version of mamba-theorems that says so"
        raise ValueError(f"it was written by {by}, and this is {__version__}: make it again")
    if reason := misfit(document, WRITTEN if "volatile" in parts else KEPT if "shown" in parts else RECORDED):
        raise ValueError(f"it is no report of this program: {reason}")
    for name in parts:
        if digest(document[name]) != document[DIGESTS[name]]:
            raise ValueError(f"its digest does not fit its {name} part: it was edited by hand")
    return document["canonical"]


def load(document: Any) -> Report:
    """The report that a document holds. Raises ValueError if it is none, or if its claims say otherwise than ours."""
    part = read_record(document)
    extra = document.get("volatile")
    if extra is None:
        raise ValueError("it is a record without the steps and figures of its run: give the report.json that -o wrote")
    try:
        found = tuple(read_claim(c, extra["claims"][c["id"]]) for c in part["claims"])
    except KeyError as reason:
        raise ValueError(f"its two parts do not belong together: one has no {reason}") from reason
    mutants = tuple(
        (m["claim"], MutantResult(m["check"], m["mutant"], m["rejected"], "", m["reason"])) for m in part["mutants"]
    )
    made = {name: extra[name] for name in ("date", "python", "machine", "versions")}
    report = Report(found, _read_run(extra), extra["seconds"], mutants, made)
    if other := differences(part, report):
        raise ValueError(f"it says otherwise than this version of {other[0]}: make it again")
    if c := next((c for c in report.claims if not _follows(c, report)), None):
        raise ValueError(f"its outcome of {c.claim.id} does not follow from its evidence: it was edited by hand")
    if canonical(report) != part:
        raise ValueError("its counts are not those of its claims: it was edited by hand")
    return report


def _follows(c: ClaimReport, report: Report) -> bool:
    """Whether an outcome is what the evidence amounts to, where all that the claim rests on is there."""
    known = {other.claim.id: other.outcome for other in report.claims}
    below = [known[d] for d in c.claim.depends_on if d in known]
    return len(below) < len(c.claim.depends_on) or c.outcome is outcome_of(c.evidence, below)


def _read_run(extra: Mapping[str, Any]) -> Run:
    kernel = "" if extra["kernel"] == "ours" else extra["kernel"]
    return Run(Tier(extra["tier"]), extra["seed"], extra["device"], tuple(extra["dtypes"]), kernel)


def read_claim(part: Mapping[str, Any], extra: Mapping[str, Any]) -> ClaimReport:
    """The claim that `write_claim` wrote. Raises ValueError where it does not fit, or is not here."""
    if reason := misfit(part, CLAIM) or misfit(extra, VOLATILE_CLAIM):
        raise ValueError(reason)
    if part["id"] not in claims():
        raise ValueError(f"it holds the claim {part['id']!a}, which is not one of this version")
    if [e["check"] for e in part["evidence"]] != [e["check"] for e in extra["evidence"]]:
        raise ValueError(f"its two parts name other checks of {part['id']}")
    evidence = tuple(_read_evidence(*both) for both in zip(part["evidence"], extra["evidence"], strict=True))
    steps = {name: tuple(Line(**line) for line in lines) for name, lines in extra["steps"].items()}
    outcome = Outcome(part["outcome"])
    return ClaimReport(claims()[part["id"]], part["family"], outcome, evidence, extra["seconds"], steps)


def _read_evidence(part: Mapping[str, Any], extra: Mapping[str, Any]) -> Evidence:
    holds = {word: truth for truth, word in VERDICTS.items()}[part["verdict"]]
    return Evidence(
        Kind(part["kind"]), part["check"], holds, extra["summary"], part["facts"], extra["measured"], extra["replay"]
    )  # fmt: skip


# --- compared --------------------------------------------------------------------------------------------------------


def differences(part: Mapping[str, Any], report: Report) -> list[str]:
    """The claims of a report of which a canonical part says otherwise, each with what differs."""
    then = {c["id"]: c for c in part["claims"]}
    found = []
    for c in report.claims:
        now = {**said_of(c.claim, c.family), "steps": stated(c.steps)}
        if c.claim.id not in then:
            found.append(f"{c.claim.id} (not in it)")
        elif other := [name for name, value in now.items() if then[c.claim.id][name] != value]:
            found.append(f"{c.claim.id} ({', '.join(other)})")
    return found


def fingerprint(run: object, sources: Sequence[str] = ROOMS) -> str:
    """The settings (by their repr), the source text of the rooms and the versions of the packages, as a short hash."""
    found = hashlib.sha256(repr(run).encode())
    found.update(json.dumps(versions(), sort_keys=True).encode())
    for path in sorted(p for room in sources for kind in CODE for p in (SHIPPED / room).rglob(kind)):
        found.update(path.relative_to(SHIPPED).as_posix().encode() + path.read_bytes())
    return found.hexdigest()[:16]
