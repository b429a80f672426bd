"""A report as chapters for a reader: what the page, the PDF and the LaTeX version all show, each in its own markup.

Everything comes from the claims and from one run; nothing is typed here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from mamba_theorems.theorems.claim import FAMILIES, Claim, Erratum, Form, Kind, Outcome
from mamba_theorems.theorems.registry import claims, dependency_graph, family_of
from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import ClaimReport, Evidence, Line, Report
from mamba_theorems.verify.report.formula import clauses
from mamba_theorems.verify.report.places import places
from mamba_theorems.verify.report.text import examples_of, worst

TITLE = "Understanding Input Selectivity in Mamba: the verified companion"
FAMILY_TITLES = {
    "foundations": "Foundations",
    "haar": "Approximation",
    "sensitivity": "Memory",
    "mqar": "Associative recall",
    "induction_heads": "Induction heads",
    "token_dynamics": "Token dynamics",
}
WORDS = {
    "PROVED": "every step holds symbolically for all sizes under the listed hypotheses; cited facts are listed",
    "CERTIFIED": "a rigorous enclosure for stated sizes and all inputs of those sizes, of the weights actually shipped",
    "TESTED": "property-based runs on a named kernel, device and dtype: number of examples, worst margin",
    "REFUTED": "an exact or enclosed counterexample to the statement as printed, replayable",
    "UNKNOWN": "nothing decides, or something contradicts",
    "SKIPPED": "not run, with the reason; counted in the headline",
}
MARKS = {Outcome.PROVED: "■", Outcome.CERTIFIED: "◆", Outcome.TESTED: "●", Outcome.REFUTED: "✗", Outcome.UNKNOWN: "?"}
"""So that outcomes can be told apart without colour."""
TRUSTED = (
    "sympy: identities, limits, sums and products, where a step says so",
    "Arb (python-flint): enclosures of constants and of functions over boxes",
    "z3: inequalities over the reals and integers, with transcendental parts abstracted",
    "torch, numba and Triton: the arithmetic of the kernels, compared with the definition within derived bounds",
    "hypothesis: the search for bad cases; a search that finds none is TESTED, never PROVED",
    "Python, and our reading of the paper's sentences, which each claim states in full",
)
"""What a reader must believe; the facts that proofs cite come from the run."""


@dataclass(frozen=True)
class Piece:
    """One piece of evidence: its word and verdict, the figures, the text of the finding, the line that replays it."""

    kind: str
    check: str
    verdict: str
    figures: tuple[str, ...]
    summary: str
    replay: str


@dataclass(frozen=True)
class Entry:
    """One claim as it is shown."""

    claim: Claim
    family: str
    outcome: Outcome
    as_expected: bool
    seconds: float
    lines: tuple[str, ...]
    steps: tuple[tuple[str, tuple[Line, ...]], ...]
    pieces: tuple[Piece, ...]
    weights: tuple[str, ...]
    carries: tuple[str, ...]
    code: tuple[tuple[str, str], ...]
    examples: int
    worst: tuple[str, ...]

    @property
    def command(self) -> str:
        """What runs this claim again."""
        return f"python -m verify {self.claim.id}"

    @property
    def mark(self) -> str:
        """The outcome as a sign."""
        return MARKS[self.outcome]


@dataclass(frozen=True)
class Book:
    """All claims of a report, by family, with what a title page needs."""

    report: Report
    families: tuple[tuple[str, str, tuple[Entry, ...]], ...]
    digest: str
    counts: tuple[tuple[str, int], ...]
    skipped: tuple[tuple[str, int], ...]
    cited: tuple[tuple[str, tuple[str, ...]], ...]
    run: tuple[tuple[str, str], ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every claim."""
        return tuple(e for _, _, members in self.families for e in members)

    @property
    def errata(self) -> tuple[tuple[Entry, Erratum], ...]:
        """Printed statements that fail."""
        return tuple((e, e.claim.erratum) for e in self.entries if e.claim.erratum is not None)

    @property
    def extensions(self) -> tuple[Entry, ...]:
        """What is shown beyond the paper."""
        return tuple(e for e in self.entries if e.claim.form is Form.EXTENSION)


def book(report: Report, *, weights: bool = True) -> Book:
    """The chapters of a report; `weights` builds the constructions to tell their weights by channel."""
    entries = [_entry(c, weights=weights) for c in report.claims]
    families = [(f, FAMILY_TITLES[f], tuple(e for e in entries if e.family == f)) for f in FAMILIES]
    skipped = Counter(e.summary for c in report.claims for e in c.evidence if e.kind is Kind.SKIPPED)
    counts = Counter(c.outcome for c in report.claims)
    return Book(
        report=report,
        families=tuple(f for f in families if f[2]),
        digest=data.digest(data.canonical(report)),
        counts=tuple((str(o), counts[o]) for o in Outcome if counts[o]),
        skipped=tuple(skipped.items()),
        cited=tuple(_cited(report.claims)),
        run=tuple(_run(report)),
    )


def _entry(report: ClaimReport, *, weights: bool) -> Entry:
    claim = report.claim
    return Entry(
        claim=claim,
        family=report.family,
        outcome=report.outcome,
        as_expected=report.as_expected,
        seconds=report.seconds,
        lines=tuple(clauses(claim.statement)),
        steps=tuple((name, tuple(map(legible, lines))) for name, lines in report.steps.items()),
        pieces=tuple(_pieces(report.evidence)),
        weights=tuple(weights_by_channel(claim.id)) if weights else (),
        carries=tuple(c for c in claims() if c in dependency_graph().predecessors(claim.id)),
        code=tuple(places(claim)),
        examples=examples_of(report),
        worst=tuple(f"{name} {value:.3g}" for name, value in worst(report).items()),
    )


LONG, DIGITS, POWER = 6000, 36, 1 << 20
"""Characters of LaTeX from which a step is shown as sympy writes it, digits from which a number is shortened, and the
least power of two that is shown as one."""


def legible(line: Line) -> Line:
    """A step fit for a page: its formula if that is not too long, and long numbers by their ends."""
    latex = re.sub(r"\d{7,}", partial(_number, power="2^{{{}}}", gap=r"\ldots "), line.latex)
    statement = re.sub(r"\d{7,}", partial(_number, power="2**{}", gap="…"), line.statement)
    return replace(line, latex=latex if len(latex) <= LONG else "", statement=statement)


def _number(digits: re.Match[str], power: str, gap: str) -> str:
    """A long number: a power of two by its exponent, any other by its ends."""
    n = int(digits[0])
    if n >= POWER and n & (n - 1) == 0:
        return power.format(n.bit_length() - 1)
    return f"{digits[0][:8]}{gap}{digits[0][-8:]}" if len(digits[0]) >= DIGITS else digits[0]


def _pieces(evidence: Iterable[Evidence]) -> Iterator[Piece]:
    """What was found, in order; then what was not run, together where the reason is one."""
    skipped: dict[str, list[str]] = {}
    for e in evidence:
        if e.kind is Kind.SKIPPED:
            skipped.setdefault(e.summary, []).append(e.check)
        else:
            yield Piece(str(e.kind), e.check, data.VERDICTS[e.holds], tuple(figures(e)), e.summary, e.replay)
    for reason, checks in skipped.items():
        yield Piece(str(Kind.SKIPPED), ", ".join(checks), "skipped", (), reason, "")


def figures(e: Evidence) -> Iterable[str]:
    """What a piece of evidence counted and measured, as name and value."""
    for name, value in (*e.facts.items(), *e.measured.items()):
        if name != "cited":
            yield f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"


def _cited(reports: Iterable[ClaimReport]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Textbook facts that proofs lean on, each with the claims that do."""
    found: dict[str, list[str]] = {}
    for report in reports:
        for e in report.evidence:
            for source in filter(None, str(e.facts.get("cited", "")).split("; ")):
                found.setdefault(source, []).append(report.claim.id)
    for source in sorted(found):
        yield source, tuple(dict.fromkeys(found[source]))


def _run(report: Report) -> Iterable[tuple[str, str]]:
    """What ran, on what: for the title page."""
    extra = data.volatile(report)
    yield "tier", extra["tier"]
    yield "seed", str(extra["seed"])
    yield "device", extra["device"]
    yield "kernel", extra["kernel"]
    yield "seconds", f"{report.seconds:.0f}"
    yield "Python", f"{extra['python']} on {extra['machine']}"
    yield "versions", ", ".join(f"{name} {version}" for name, version in extra["versions"].items())
    if report.mutants:
        rejected = len(report.mutants) - len(report.survivors)
        yield "controls", f"{rejected} of {len(report.mutants)} mutants rejected"


def weights_by_channel(claim_id: str) -> list[str]:
    """Lines that say what each weight does between named channels, at the smallest size; [] without a construction."""
    from mamba_theorems.constructions import describe_claim  # noqa: PLC0415 - the other chapters need no torch

    return describe_claim(family_of(claim_id), claim_id)
