"""Pieces of evidence, and the outcome they amount to: computed from what ran, never set by hand.

A claim is no stronger than what it rests on; a theorem in Rocq rests on its axioms alone. The words and their meanings
stand in `glossary.EVIDENCE`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mamba_theorems.theorems.claim import Claim, Form, Kind, Outcome
from mamba_theorems.verify.settings import Run


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence: what it would show, whether it does, and the figures.

    `holds` is True if the piece shows its kind, False if something contradicts the claim (with the instance in
    `summary` and its `replay` line), None if nothing was decided. `facts` are the same on every machine; `measured`
    are not.
    """

    kind: Kind
    check: str
    holds: bool | None
    summary: str
    facts: Mapping[str, str | int] = field(default_factory=dict)
    measured: Mapping[str, float | str] = field(default_factory=dict)
    replay: str = ""

    @property
    def verdict(self) -> str:
        """`holds` as a word."""
        return VERDICTS[self.holds]

    @property
    def missed(self) -> bool:
        """Whether training did not find a network, or not yet."""
        return self.kind is Kind.OBSERVED and self.holds is None


VERDICTS = {True: "shown", False: "contradicted", None: "undecided"}
MARKS = {"true": "✓", "false": "✗", "unknown": "?"}
"""The three truth values of a piece of evidence as words, and of a proof step as signs."""

COMMA = r",\; "
"""Between the formulas of a list in LaTeX."""


@dataclass(frozen=True)
class Line:
    """A proof step as it is shown: its name, its kind, its verdict, and how that was reached.

    `statement` is its relation as sympy writes it, `latex` the same in LaTeX. `given` is what the step assumes beyond
    the steps before it, and `given_latex` the same in LaTeX. `where` is what each name in them stands for. `plain` is
    what a terminal shows of them: statement, given, where, a line each.
    """

    name: str
    kind: str
    truth: str
    method: str
    statement: str
    because: str
    latex: str = ""
    given: str = ""
    given_latex: str = ""
    where: str = ""
    plain: str = ""

    @property
    def mark(self) -> str:
        """Its verdict as a sign."""
        return MARKS[self.truth]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The formulas of `given_latex` one by one, so that a line of print can break between them."""
        return tuple(self.given_latex.split(COMMA)) if self.given_latex else ()


Steps = Mapping[str, tuple[Line, ...]]
GROUPS = OWN, BEYOND, FOUNDATIONS, OTHERS = "the paper's own", "beyond it", "foundations", "other papers'"
"""What the headline counts apart: a claim of the paper's, ours, what both stand on, and what is about other papers."""
THEOREM = "theorem"
"""The name of the piece of evidence that a claim's theorems in Rocq are."""
MUTANTS = "statement mutants"
"""The figure of a statement's test that counts its mutants."""

LINK = "a reader must see"
"""The fact of a DERIVED piece that tells what the steps leave to a reader."""


def group_of(family: str, form: str) -> str:
    """Where a claim of a family and a form counts."""
    apart = {"foundations": FOUNDATIONS, "token_dynamics": OTHERS}
    return apart.get(family, {Form.EXTENSION: BEYOND, Form.RESTATED: OTHERS}.get(Form(form), OWN))


@dataclass(frozen=True)
class ClaimReport:
    """A claim, all its evidence, the outcome, and the steps of its derivations for a reader.

    `calls` says how often its checks called someone else's kernel, where the run named one.
    """

    claim: Claim
    family: str
    outcome: Outcome
    evidence: tuple[Evidence, ...]
    seconds: float = 0.0
    steps: Steps = field(default_factory=dict)
    calls: int = 0

    @property
    def group(self) -> str:
        """Where the claim counts in the headline."""
        return group_of(self.family, self.claim.form)

    @property
    def link(self) -> str:
        """What a reader must see to get from the steps to the statement; empty where the proof composes."""
        return "; ".join(str(e.facts[LINK]) for e in self.evidence if e.holds and LINK in e.facts)

    @property
    def open(self) -> tuple[Evidence, ...]:
        """The pieces that ran and show nothing, or contradict the claim: a stronger piece does not excuse them.

        What training did not find is no such piece, for it says nothing of what exists.
        """
        return tuple(e for e in self.evidence if not e.holds and e.kind is not Kind.SKIPPED and not e.missed)

    @property
    def as_expected(self) -> bool:
        """Whether the outcome is the one the claim records, and every piece that ran shows what it is to show."""
        return self.outcome is self.claim.expected and not self.open


_STRENGTH = (
    Outcome.UNKNOWN, Outcome.TESTED, Outcome.CERTIFIED, Outcome.DERIVED, Outcome.PROVED, Outcome.FORMAL,
)  # fmt: skip


def outcome_of(evidence: Iterable[Evidence], rests_on: Iterable[Outcome]) -> Outcome:
    """The strongest word that the evidence supports, capped by the weakest claim it rests on.

    A piece that contradicts the claim leaves it UNKNOWN, unless a refutation was the very thing shown. What was
    OBSERVED of trained networks raises no outcome. A theorem in Rocq says the whole statement and uses no other claim,
    which `Print Assumptions` shows: what the claim's derivation and checks rest on, however weak, takes nothing from
    it.
    """
    pieces = list(evidence)
    shown = {e.kind for e in pieces if e.holds}
    contradicted = any(e.holds is False for e in pieces)
    if Kind.REFUTED in shown:
        return Outcome.UNKNOWN if contradicted or shown & {Kind.FORMAL, Kind.PROVED, Kind.DERIVED} else Outcome.REFUTED
    if contradicted:
        return Outcome.UNKNOWN
    if Kind.FORMAL in shown:
        return Outcome.FORMAL
    own = max((_STRENGTH.index(Outcome(k)) for k in shown - {Kind.SKIPPED, Kind.OBSERVED}), default=0)
    cap = min((_STRENGTH.index(o) if o in _STRENGTH else 0 for o in rests_on), default=len(_STRENGTH) - 1)
    return _STRENGTH[min(own, cap)]


@dataclass(frozen=True)
class MutantResult:
    """A mutant, and whether the check or step that faced it rejected it; `reason` says why one is true as well."""

    check: str
    mutant: str
    rejected: bool
    how: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """All that a run found: the claims that were asked for and, with controls, what became of each mutant.

    `made` is when and on what it was made, where the report was read from a file.
    """

    claims: tuple[ClaimReport, ...]
    run: Run
    seconds: float
    mutants: tuple[tuple[str, MutantResult], ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many claims have each outcome, the paper's own apart from what is not its own; only what there is."""
        found: dict[str, dict[str, int]] = {}
        for group in GROUPS:
            outcomes = [c.outcome for c in self.claims if c.group == group]
            if outcomes:
                found[group] = {str(o): outcomes.count(o) for o in Outcome if o in outcomes}
        return found

    @property
    def unexpected(self) -> tuple[ClaimReport, ...]:
        """Claims whose outcome is not the expected one."""
        return tuple(c for c in self.claims if not c.as_expected)

    @property
    def survivors(self) -> tuple[tuple[str, MutantResult], ...]:
        """Mutants that nothing rejected and no reason excuses, with their claims."""
        return tuple((claim, m) for claim, m in self.mutants if not m.rejected and not m.reason)

    @property
    def as_expected(self) -> bool:
        """Whether every outcome is the expected one and every mutant was rejected."""
        return not self.unexpected and not self.survivors

    def __getitem__(self, claim_id: str) -> ClaimReport:
        """One claim's report. Raises KeyError if it did not run."""
        return {c.claim.id: c for c in self.claims}[claim_id]
