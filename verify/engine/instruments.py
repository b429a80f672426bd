"""A run checks its own instruments before it tells a verdict: what is false must not pass, what is true must.

A case of each kind goes the way that evidence goes: a claim's proof through `derive`, a score through a `Property`, a
certificate through both checkers. One line in INSTRUMENTS adds a case.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Any

import sympy as sp
from hypothesis import strategies as st

from mamba_theorems import check_certificate
from mamba_theorems.theorems.claim import Claim, Form, Kind, Outcome
from mamba_theorems.theorems.proofs import decide
from mamba_theorems.theorems.proofs.proof import Bound, Cases, Cited, Identity, Induction, Proof, Step
from mamba_theorems.theorems.statement import Hypothesis, Statement
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.argument import canonical, digest_of
from mamba_theorems.verify.certify.certificate import Refused
from mamba_theorems.verify.checks import certificates
from mamba_theorems.verify.checks.case import Whole
from mamba_theorems.verify.checks.check import Property, Score
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.test import StatementTest
from mamba_theorems.verify.engine.derivations import derive
from mamba_theorems.verify.engine.gather import run_check
from mamba_theorems.verify.evidence import Evidence, outcome_of
from mamba_theorems.verify.files import SHIPPED
from mamba_theorems.verify.settings import BrokenInstrument, Run


@dataclass(frozen=True)
class Instrument:
    """Something that decides, and a case whose truth is known; `passes` is what it says of the case."""

    name: str
    case: str
    passes: Callable[[], bool]
    true: bool = False


def check_instruments() -> None:
    """Have every instrument decide its case. Raises BrokenInstrument, which names the first that decides it wrongly."""
    for instrument in INSTRUMENTS:
        said = _said(instrument)
        if said is not instrument.true:
            verb = {True: "lets pass", False: "refuses", None: "cannot decide"}[said]
            case = f"the {instrument.name} {verb} {instrument.case}"
            raise BrokenInstrument(f"{case}: no verdict of this run is to be trusted, and none is told")


def _said(instrument: Instrument) -> bool | None:
    """What the instrument says; None where it cannot say anything."""
    try:
        return instrument.passes()
    except Exception:
        return None


# --- proofs ----------------------------------------------------------------------------------------------------------

X, N = sp.Symbol("x", real=True), sp.Symbol("n", integer=True, nonnegative=True)
P, Q = sp.symbols("p q", integer=True, positive=True)
UNREAD = sp.Ge(sp.Function("f", real=True)(X), 0)
PELL = sp.Ne(P**2 - 61 * Q**2, 1)
"""False, first at p = 1766319049: nothing decides it quickly."""
SQUARE = sp.Ge(X**2 + 1, 2 * X)
IDEMPOTENT = sp.Eq(N**2, N, evaluate=False)
"""True of 0 and 1 alone."""
IMPATIENT = 2_000
"""Units of work in which z3 decides nothing that is hard."""


def outcome_by(steps: tuple[Step, ...], formula: sp.Basic | None) -> Outcome:
    """What becomes of a claim of which these steps are the proof, and whose hypotheses define their sequences."""
    definitions = tuple(d for step in steps if isinstance(step, Induction) for d in step.definitions)
    assumed = tuple(Hypothesis(str(d), str(d), d) for d in definitions)
    claim = Claim(
        "instrument", "", Form.EXTENSION, "", "", assumed, formula=formula, proof=lambda: Proof(steps, definitions)
    )
    return outcome_of(derive(claim).evidence, ())


def shows(*steps: Step) -> Callable[[], bool]:
    """Whether the steps show anything at all."""
    return lambda: outcome_by(steps, steps[-1].relation) is not Outcome.UNKNOWN


def proves(formula: sp.Basic | None, *steps: Step) -> Callable[[], bool]:
    """Whether the steps compose to the formula."""
    return lambda: outcome_by(steps, formula) is Outcome.PROVED


def _proofs() -> Iterator[Instrument]:
    engine = "proof engine"
    identity = Identity(name="identity", lhs=(X + 1) ** 2, rhs=X**2 + 1)
    counted = Induction(name="counted", index=N, initial=sp.S.One, next=lambda h, n: h + 1, closed=N + 1)
    bound, square = Bound(name="bound", claim=sp.Ge(X**2, X)), Bound(name="square", claim=SQUARE)
    cited = Cited(name="fact", statement="x² + 1 ≥ 2x", source="nobody", states=SQUARE)
    some = Cases(name="some", claim=IDEMPOTENT, over={N: (0, 1)})
    unread, pell = Bound(name="unread", claim=UNREAD), Bound(name="pell", claim=PELL)
    yield Instrument(engine, "the identity (x + 1)² = x² + 1", shows(identity))
    yield Instrument(engine, "the bound x² ≥ x for all real x", shows(bound))
    yield Instrument(engine, "a fact that is only cited", shows(cited))
    yield Instrument(engine, "an induction with a wrong base", shows(replace(counted, closed=N)))
    yield Instrument(engine, "an induction with a wrong step", shows(replace(counted, closed=N**2 + 1)))
    yield Instrument(engine, "a statement on which z3 finds nothing", shows(unread))
    yield Instrument(engine, "a statement for which z3 has no time", _impatient(shows(pell)))
    yield Instrument(engine, "a proof of another statement", proves(sp.Ge(X, 0), square))
    yield Instrument(engine, "a proof of what is in words", proves(None, square))
    yield Instrument(engine, "two cases as a proof of all", proves(IDEMPOTENT, some))
    yield Instrument(engine, "the bound x² + 1 ≥ 2x", proves(SQUARE, square), true=True)
    yield Instrument(engine, "a right induction", shows(counted), true=True)


def _impatient(passes: Callable[[], bool]) -> Callable[[], bool]:
    def said() -> bool:
        with _no_time():
            return passes()

    return said


@contextmanager
def _no_time() -> Iterator[None]:
    """z3 may do next to no work meanwhile."""
    usual, decide.Z3_EFFORT = decide.Z3_EFFORT, IMPATIENT
    try:
        yield
    finally:
        decide.Z3_EFFORT = usual


# --- scores and outcomes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A case that any draw is."""

    number: Annotated[int, Whole(0, 9)]


def tests(value: float, unit: str) -> Callable[[], bool]:
    """Whether a property whose score is always this comes out as tested."""

    def score(subject: Score, case: Case, run: Run) -> Score:
        return subject

    def cases(subject: Score, run: Run) -> st.SearchStrategy[Case]:
        return st.builds(Case, st.integers(0, 9))

    subject = Score(value, unit)
    check = Property(
        claim="instrument",
        name="score",
        subject=subject,
        mutants={"none": subject},
        cases=cases,
        score=score,
        examples=2,
    )
    return lambda: outcome_of((run_check(check, Run(shrink=False)),), ()) is Outcome.TESTED


def _scores() -> Iterator[Instrument]:
    failing = {"margin": (0.0, -1.0), "error/bound": (math.nextafter(1.0, 2.0), math.inf), "mismatches": (1.0, -1.0)}
    passing = {"margin": math.ulp(0.0), "error/bound": 1.0, "mismatches": 0.0}
    for unit, values in failing.items():
        for value in (*values, math.nan):
            yield Instrument("score", f"{unit} {value!r}", tests(value, unit))
        yield Instrument("score", f"{unit} {passing[unit]!r}", tests(passing[unit], unit), true=True)


def _outcomes() -> Iterator[Instrument]:
    """What evidence amounts to."""
    proof, against = Evidence(Kind.PROVED, "proof", True, ""), Evidence(Kind.TESTED, "test", False, "")
    undecided, skipped = replace(proof, holds=None), replace(proof, kind=Kind.SKIPPED)
    for case, pieces, below in (
        ("a proof beside a counterexample", (proof, against), ()),
        ("a proof that decided nothing", (undecided,), ()),
        ("a check that did not run", (skipped,), ()),
        ("a proof that rests on what is unknown", (proof,), (Outcome.UNKNOWN,)),
        ("a claim without evidence", (), ()),
    ):
        yield Instrument("rule from evidence to outcome", case, _shown(pieces, below))
    yield Instrument("rule from evidence to outcome", "a proof", _shown((proof,), ()), true=True)


def _shown(pieces: Iterable[Evidence], below: Iterable[Outcome]) -> Callable[[], bool]:
    return lambda: outcome_of(pieces, below) is not Outcome.UNKNOWN


# --- statements ------------------------------------------------------------------------------------------------------

LARGE = Hypothesis("large", "x ≥ 2", sp.Ge(X, 2))


def stands(statement: Statement) -> Callable[[], bool]:
    """Whether the test of a statement finds nothing against it, and its mutants false."""
    explicit = statement.explicit
    check = StatementTest(claim="instrument", subject=explicit, mutants=dict(explicit.mutants()), source=Points())
    return lambda: outcome_of((run_check(check, Run()),), ()) is Outcome.TESTED


def _statements() -> Iterator[Instrument]:
    large = Statement((LARGE,), sp.Ge(X**2, 4))
    for case, statement in {
        "a bound made strict": replace(large, conclusion=sp.Gt(X**2, 4)),
        "a constant too sharp": replace(large, conclusion=sp.Ge(X**2, sp.Rational(9, 2))),
        "a hypothesis left out": replace(large, hypotheses=()),
        "a hypothesis that nothing needs": replace(large, conclusion=sp.Ge(X**2, 0)),
        "a hypothesis that nothing satisfies": replace(large, hypotheses=(replace(LARGE, meaning=sp.Lt(X**2, 0)),)),
    }.items():
        yield Instrument("test of statements", case, stands(statement))
    yield Instrument("test of statements", "a sharp bound", stands(large), true=True)


# --- certificates ----------------------------------------------------------------------------------------------------

HONEST = "haar.thm1-amended_mixer_float32_0_10.json"
"""The smallest certificate that ships."""
FORGERIES: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "whose weights are changed": lambda c: {"weights": {**c["weights"], **_halved(c["weights"])}},
    "whose bounds are sharpened": lambda c: {"enclosures": {**c["enclosures"], c["closing"][0][0]: ["9", "9"]}},
    "whose conclusion is another": lambda c: {"closing": [[name, "<= 0"] for name, _ in c["closing"]]},
    "of another network": lambda c: {"claim": "mqar.thm2-step1"},
}
"""What a forger changes; the hash is made anew."""


def _halved(weights: Mapping[str, Any]) -> dict[str, str]:
    name = next(name for name, weight in weights.items() if isinstance(weight, str))
    return {name: (float.fromhex(weights[name]) / 2).hex()}


def accepts(checker: Callable[[str], object], forge: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[], bool]:
    """Whether a checker accepts the shipped certificate with what `forge` changes of it."""

    def said() -> bool:
        honest = json.loads((SHIPPED / "certificates" / HONEST).read_text(encoding="utf-8"))
        content = {name: part for name, part in {**honest, **forge(honest)}.items() if name != "hash"}
        try:
            checker(canonical({**content, "hash": digest_of(content)}))
        except (ValueError, LookupError, TypeError, Refused):
            return False
        return True

    return said


def _alone(text: str) -> object:
    return check_certificate.check(text)


def _ours(text: str) -> object:
    return catalogue.recheck(text)


def certifies(tampered: bool) -> Callable[[], bool]:
    """Whether the smallest network is certified, with its own weights or with those of a mutant."""

    def said() -> bool:
        request = next(r for r in catalogue.frozen() if r.name == HONEST)
        if tampered:
            mutants = catalogue.family_of(request.claim, request.target).mutants(request.target)
            request = replace(request, changes=next(iter(mutants.values())))
        return certificates.look(request, Run()).holds is True

    return said


def _certificates() -> Iterator[Instrument]:
    for name, checker in {"checker check_certificate.py": _alone, "checker of `check`": _ours}.items():
        for case, forge in FORGERIES.items():
            yield Instrument(name, f"a certificate {case}", accepts(checker, forge))
        yield Instrument(name, "an honest certificate", accepts(checker, lambda _: {}), true=True)
    yield Instrument("maker of certificates", "a network whose weights are wrong", certifies(tampered=True))
    yield Instrument("maker of certificates", "a network that ships", certifies(tampered=False), true=True)


INSTRUMENTS: tuple[Instrument, ...] = (
    *_proofs(), *_statements(), *_scores(), *_outcomes(), *_certificates()
)  # fmt: skip
"""Every case, in the order in which a run tries them."""
