"""A report as chapters for a reader: terminal, `explain`, JUnit, page, PDF and LaTeX show them, each in its own markup.

Everything comes from the claims and from one run; nothing is typed here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from mamba_theorems.theorems.claim import FAMILIES, Erratum, Form, Kind, Outcome
from mamba_theorems.theorems.registry import claims, dependency_graph, family_of
from mamba_theorems.verify import glossary
from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import (
    BEYOND,
    FOUNDATIONS,
    GROUPS,
    LINK,
    MUTANTS,
    OTHERS,
    THEOREM,
    ClaimReport,
    Evidence,
    Line,
    Report,
)
from mamba_theorems.verify.glossary import WORDS, Gloss
from mamba_theorems.verify.report import rocq
from mamba_theorems.verify.report.formula import clauses
from mamba_theorems.verify.report.paper import PaperRow, rows
from mamba_theorems.verify.report.places import places
from mamba_theorems.verify.report.rocq import Definition, Theorems

if TYPE_CHECKING:
    from mamba_theorems.verify.report.observed import ObservedPlan

TITLE = "Understanding Input Selectivity in Mamba: the verified companion"
SUBTITLE = (
    "Each claim of Huang, Sarabia, Moudgil, Rodríguez, Zappella and Danieli (ICML 2025): its statement, its derivation "
    "step by step, the weights that do what it says, and the evidence of one run."
)
FAMILY_TITLES = {
    "foundations": "Foundations",
    "haar": "Approximation",
    "sensitivity": "Memory",
    "mqar": "Associative recall",
    "induction_heads": "Induction heads",
    "token_dynamics": "Token dynamics",
}
GROUP_TITLES = {
    BEYOND: "Beyond the paper",
    FOUNDATIONS: "Foundations, which the paper and these claims stand on",
    OTHERS: "Other papers' statements, known to us by restatement, and ours about them: nobody's errata",
}
NAMED = "statement"
"""The check whose case an erratum names."""
TRUSTED = (
    "Rocq's kernel, the axioms shown, and the definitions of theorems/formal, compared with Python's by running both",
    "sympy: identities, limits, sums and products, where a step says so",
    "Arb (python-flint): enclosures of constants and of functions over boxes",
    "z3: inequalities over the reals and integers, with transcendental parts abstracted",
    "torch, numba and Triton: the arithmetic of the kernels, compared with the definition within derived bounds",
    "hypothesis: the search for bad cases; a search that finds none is TESTED, never PROVED",
    "Python, and our reading of the paper's sentences, which each claim states in full",
)
"""What a reader must believe; the facts that proofs cite come from the run."""


CELL = 300
"""Characters that a cell of the table of evidence holds."""


@dataclass(frozen=True)
class EvidenceEntry:
    """One piece of evidence: its word, check (or checks), verdict, figures, finding and replay line."""

    kind: Kind
    check: str
    verdict: str
    figures: Mapping[str, str]
    summary: str
    replay: str

    @property
    def counted(self) -> tuple[tuple[str, str], ...]:
        """The figures by name; what is long, and what a proof cites or leaves to a reader, has a place of its own."""
        apart = ("cited", LINK, *(name for name, _ in self.spelled_out))
        return tuple((name, value) for name, value in self.figures.items() if name not in apart)

    @property
    def spelled_out(self) -> tuple[tuple[str, str], ...]:
        """Figures that no cell of a table holds, by name: mutants as sympy writes them, with the reason of each."""
        return tuple((name, value) for name, value in self.figures.items() if len(value) > CELL and name != "cited")

    @property
    def fails(self) -> bool:
        """Whether the piece ran and does not show its kind; training may miss what exists, which is no failure."""
        return self.verdict == "contradicted" or (self.verdict == "undecided" and self.kind is not Kind.OBSERVED)


@dataclass(frozen=True)
class ClaimEntry(ClaimReport):
    """A claim's report as it is read; `outcomes` are those of the claims that were reported with it."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def rests_on(self) -> list[tuple[str, str]]:
        """The claims that this one rests on, each with its outcome where that is known."""
        return [(d, str(self.outcomes.get(d, ""))) for d in self.claim.depends_on]

    @property
    def mark(self) -> str:
        """The outcome as a sign."""
        return WORDS[self.outcome].mark

    @property
    def command(self) -> str:
        """The command line that runs this claim again."""
        return f"python -m verify {self.claim.id}"

    @property
    def surprise(self) -> str:
        """What is wrong with the outcome, or which piece shows nothing; empty where all is as expected."""
        if self.outcome is not self.claim.expected:
            return f"expected {self.claim.expected}, found {self.outcome}"
        return "; ".join(f"{e.check} shows nothing: {e.summary}" for e in self.open)

    @property
    def failure(self) -> str:
        """What the account of a statement that fails is called, or of an argument that does not give a true one."""
        if self.claim.erratum is not None and self.claim.erratum.case is None:
            return "The printed argument"
        return "Where it fails" if self.claim.form is Form.RESTATED else "Erratum"

    @property
    def failing(self) -> dict[str, str]:
        """The parts of that account; {} where there is none."""
        return erratum(self.claim.erratum, self.claim.form) if self.claim.erratum else {}

    @property
    def named(self) -> EvidenceEntry | None:
        """The evidence on the instance that the erratum names; None where nothing fails, or nothing ran."""
        refuting = (p for p in self.pieces if p.kind is Kind.REFUTED and p.check == NAMED and p.verdict == "shown")
        return next(refuting, None) if self.claim.expected is Outcome.REFUTED else None

    @property
    def further(self) -> tuple[EvidenceEntry, ...]:
        """Other counterexamples."""
        refuting = (p for p in self.pieces if p.kind is Kind.REFUTED and p.verdict == "shown" and p.check != THEOREM)
        return tuple(p for p in refuting if p.replay and p.check != NAMED)

    @property
    def lines(self) -> list[str]:
        """The statement, a formula a line."""
        return clauses(self.claim.statement)

    @property
    def derivations(self) -> dict[str, list[Line]]:
        """The derivations by name, with steps fit for a page."""
        return {name: list(map(legible, lines)) for name, lines in self.steps.items()}

    @cached_property
    def pieces(self) -> tuple[EvidenceEntry, ...]:
        """All evidence, in the order in which it was found."""
        return tuple(map(_piece, self.evidence))

    @property
    def gathered(self) -> Iterator[EvidenceEntry]:
        """What was found; then what was not run, together where the reason is one."""
        skipped: dict[str, list[str]] = {}
        for piece in self.pieces:
            if piece.kind is Kind.SKIPPED:
                skipped.setdefault(piece.summary, []).append(piece.check)
            else:
                yield piece
        for reason, checks in skipped.items():
            yield EvidenceEntry(Kind.SKIPPED, ", ".join(checks), "skipped", {}, reason, "")

    @property
    def shown(self) -> tuple[str, ...]:
        """The evidence words that the claim has."""
        return tuple(dict.fromkeys(str(p.kind).lower() for p in self.pieces if p.verdict == "shown"))

    @property
    def examples(self) -> int:
        """How many examples the claim's tests ran."""
        return sum(int({**e.measured, **e.facts}.get("examples", 0)) for e in self.evidence)

    @property
    def worst(self) -> dict[str, float]:
        """The smallest margin and the largest error/bound over all evidence."""
        found: dict[str, list[float]] = {}
        for name, value in (measured for e in self.evidence for measured in e.measured.items()):
            if isinstance(value, float | int) and name.startswith("worst"):
                found.setdefault(name, []).append(value)
        return {name: (min if "margin" in name else max)(values) for name, values in found.items()}

    @property
    def weights(self) -> Sequence[str]:
        """See `weights_by_channel`."""
        return weights_by_channel(self.claim.id)

    @property
    def theorems(self) -> Theorems | None:
        """The claim's theorems in Rocq; None where it names none."""
        return rocq.theorems(self.claim)

    @property
    def carries(self) -> list[str]:
        """The claims that rest on this one."""
        return [c for c in claims() if c in dependency_graph().predecessors(self.claim.id)]

    @property
    def code(self) -> Iterable[tuple[str, str]]:
        """Where the claim stands in the repository."""
        return places(self.claim)

    @property
    def glosses(self) -> list[Gloss]:
        """The entries of the glossary that the claim uses."""
        return glossary.used(self.claim, self.family, (self.outcome, *(e.kind for e in self.evidence)))


@dataclass(frozen=True)
class Book:
    """A report's claims by family, with what its title page and its last chapters tell."""

    report: Report

    @cached_property
    def families(self) -> tuple[tuple[str, str, tuple[ClaimEntry, ...]], ...]:
        """The families that the report has claims of: name, title, claims."""
        outcomes = {c.claim.id: c.outcome for c in self.report.claims}
        members = {f: tuple(entry(c, outcomes) for c in self.report.claims if c.family == f) for f in FAMILIES}
        return tuple((f, FAMILY_TITLES[f], found) for f, found in members.items() if found)

    @property
    def entries(self) -> tuple[ClaimEntry, ...]:
        """Every claim."""
        return tuple(e for _, _, members in self.families for e in members)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of each claim."""
        return {e.claim.id: e.outcome for e in self.entries}

    @property
    def counts(self) -> tuple[tuple[str, str], ...]:
        """How many claims have each outcome, group by group: the paper's own first."""
        groups = self.report.counts.items()
        words = tuple((group, ", ".join(f"{n} {word}" for word, n in words.items())) for group, words in groups)
        return (*words, *self.statements)

    @property
    def statements(self) -> tuple[tuple[str, str], ...]:
        """At how many instances the statements were evaluated, and how many of their mutants one contradicts."""
        facts = [e.facts for c in self.report.claims for e in c.evidence if MUTANTS in e.facts]
        if not facts:
            return ()
        instances, total, rejected = (
            sum(int(f[name]) for f in facts) for name in ("instances", MUTANTS, "contradicted")
        )
        share = f"{rejected} of {total} mutants contradicted ({100 * rejected / max(total, 1):.1f} %)"
        return (("statements", f"{len(facts)} true at {instances:,} instances, {share}, the others excused"),)

    @property
    def headline(self) -> str:
        """How many claims there are, and how many checks did not run."""
        skipped = sum(number for _, number in self.skipped)
        number = len(self.entries)
        return f"{number} claim{'s' if number != 1 else ''}" + (f", {skipped} checks SKIPPED" if skipped else "")

    @property
    def skipped(self) -> tuple[tuple[str, int], ...]:
        """How many checks did not run, for each reason."""
        return tuple(Counter(p.summary for e in self.entries for p in e.pieces if p.kind is Kind.SKIPPED).items())

    @property
    def errata(self) -> tuple[tuple[ClaimEntry, Erratum], ...]:
        """Statements of the paper that fail as printed."""
        told = ((e, e.claim.erratum) for e in self.entries if e.claim.form is not Form.RESTATED)
        return tuple((e, erratum) for e, erratum in told if erratum is not None and erratum.case is not None)

    @property
    def arguments(self) -> tuple[ClaimEntry, ...]:
        """True statements of the paper that its argument does not give."""
        return tuple(e for e in self.entries if e.claim.erratum is not None and e.claim.erratum.case is None)

    @cached_property
    def paper(self) -> list[PaperRow]:
        """The paper at a glance, in its own order."""
        return rows(data.canonical(self.report)["claims"], whole=self.is_whole)

    @property
    def is_whole(self) -> bool:
        """Whether every claim is in the report."""
        return len(self.report.claims) == len(claims())

    @property
    def apart(self) -> list[tuple[str, list[ClaimEntry]]]:
        """What is not the paper's own, group by group."""
        groups = ((group, [e for e in self.entries if e.group == group]) for group in GROUPS[1:])
        return [(group, members) for group, members in groups if members]

    @property
    def extensions(self) -> tuple[ClaimEntry, ...]:
        """What is shown beyond the paper."""
        return tuple(e for e in self.entries if e.group == BEYOND)

    @property
    def restated(self) -> tuple[ClaimEntry, ...]:
        """What other papers state, and what is shown about them."""
        return tuple(e for e in self.entries if e.group == OTHERS)

    @cached_property
    def observed(self) -> tuple[ObservedPlan, ...]:
        """What training finds beside these claims, from the records that ship. Raises ValueError."""
        from mamba_theorems.verify.report import observed  # noqa: PLC0415 - the other chapters need no torch

        return observed.chapter(self.outcomes, whole=self.is_whole)

    @property
    def definitions(self) -> list[Definition]:
        """The definitions in Rocq that the theorems of these claims unfold to."""
        return rocq.definitions(e.claim for e in self.entries)

    @cached_property
    def digest(self) -> str:
        """The digest of the canonical results."""
        return data.digest(data.canonical(self.report))

    @property
    def controls(self) -> str:
        """What became of the mutants; empty in a run without controls."""
        total = len(self.report.mutants)
        return f"{total - len(self.report.survivors)} of {total} mutants rejected" if total else ""

    @property
    def cited(self) -> list[tuple[str, list[str]]]:
        """Textbook facts that proofs lean on, each with the claims that do."""
        cited = [(p.figures["cited"], e.claim.id) for e in self.entries for p in e.pieces if p.figures.get("cited")]
        found: dict[str, dict[str, None]] = {}
        for source, by in ((source, by) for sources, by in cited for source in sources.split("; ")):
            found.setdefault(source, {})[by] = None
        return [(source, list(found[source])) for source in sorted(found)]

    @property
    def run(self) -> list[tuple[str, str]]:
        """What ran, on what."""
        extra = data.volatile(self.report)
        versions = ", ".join(f"{name} {version}" for name, version in extra["versions"].items())
        return [
            *((name, str(extra[name])) for name in ("tier", "seed", "device", "kernel")),
            ("seconds", f"{self.report.seconds:.0f}"),
            ("Python", f"{extra['python']} on {extra['machine']}"),
            ("versions", versions),
            *([("controls", self.controls)] if self.controls else []),
        ]


def entry(report: ClaimReport, outcomes: Mapping[str, Outcome] | None = None) -> ClaimEntry:
    """A claim's report, to be read."""
    return ClaimEntry(**parts(report), outcomes=outcomes or {})


def parts(report: Report | ClaimReport) -> dict[str, Any]:
    """The fields of a report by name, to make another kind of report of it."""
    return {f.name: getattr(report, f.name) for f in fields(report)}


def _piece(e: Evidence) -> EvidenceEntry:
    figures = {
        name: f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in (*e.facts.items(), *e.measured.items())
    }
    verdict = "skipped" if e.kind is Kind.SKIPPED else e.verdict
    return EvidenceEntry(e.kind, e.check, verdict, figures, e.summary, e.replay)


def erratum(e: Erratum, form: Form = Form.PRINTED) -> dict[str, str]:
    """The parts of an erratum by what they are called; a restated sentence was not printed, as far as we know."""
    names = {"instance": "It gives" if e.case is None else "Fails at", "further": "Also"}
    names |= {"printed": "Restated"} if form is Form.RESTATED else {}
    return {names.get(name, name.capitalize()): text for name, text in e.texts.items()}


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


@cache
def weights_by_channel(claim_id: str) -> Sequence[str]:
    """Lines that say what each weight does between named channels, at the smallest size; () without a construction."""
    from mamba_theorems.constructions import describe_claim  # noqa: PLC0415 - the other chapters need no torch

    return tuple(describe_claim(family_of(claim_id), claim_id))
