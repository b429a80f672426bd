"""What a derivation says of itself: all that is decided, and what every letter is."""

from dataclasses import replace

import pytest
import sympy as sp

from mamba_theorems.theorems.proofs import decide
from mamba_theorems.theorems.proofs.proof import Bound, Induction, Proof, Specialise, StepResult, invariant
from mamba_theorems.theorems.proofs.steps import Step
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.engine.derivations import free, lines_of, reject_step_mutants
from mamba_theorems.verify.record import said as said_of
from mamba_theorems.verify.report import paper_map

X = sp.Symbol("x", nonnegative=True)
N = sp.Symbol("n", integer=True, nonnegative=True)
SQUARES = Induction(
    name="odd numbers", index=N, start=0, initial=sp.S.Zero, next=lambda h, t: h + 2 * t + 1, closed=N**2
)
CLAIMS = [c.id for c in claims().values() if c.proof or c.disproof]
COMPOSES = {"kind": "PROVED", "check": "derivation", "verdict": "shown"}
PROVED = [
    c["id"]
    for c in paper_map.recorded()["canonical"]["claims"]
    if any(COMPOSES.items() <= piece.items() for piece in c["evidence"])
]
"""Claims with a derivation that composes, whatever a theorem in Rocq adds."""


def all_steps(steps):
    for step in steps:
        yield step
        yield from all_steps(step.parts.values())


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_a_letter_is_one_symbol_in_a_step(claim_id):
    claim = claims()[claim_id]
    for derivation in filter(None, (claim.proof, claim.disproof)):
        for step in all_steps(derivation().steps):
            parts = [part for part in (step.relation, *step.assumes, *step.within) if part is not None]
            symbols = {s for part in parts for s in free(part)}
            assert len({str(s) for s in symbols}) == len(symbols), step.name


def said(step: Step) -> list[str]:
    """What a proof of one step says."""
    proof = Proof(steps=(step,))
    return [said_of(line) for line in lines_of([StepResult(step, decide.unknown(""))], proof)]


@pytest.mark.parametrize("claim_id", PROVED)
def test_the_slice_of_a_proved_claim_leaves_no_step_out(claim_id):
    claim = claims()[claim_id]
    proof = claim.proof()
    assert proof.slice() == proof.steps
    assert all(step.relation is not None for step in proof.steps)
    assert proof.link(claim.formula, tuple(h.meaning for h in claim.hypotheses), claim.cites) == ""
    idle = replace(proof, steps=(Bound(name="idle", claim=sp.Ge(X + 1, 1)), *proof.steps))
    assert "'idle' is not used" in idle.link(claim.formula, tuple(h.meaning for h in claim.hypotheses), claim.cites)


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_every_wrong_variant_of_every_step_is_rejected(claim_id):
    assert not [(m.check, m.mutant, m.how) for m in reject_step_mutants(claim_id) if not m.rejected]


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_a_step_that_is_another_says_something_else(claim_id):
    """So the record tells a true statement in place of the one that was read. Antiderivatives are witnesses only."""
    claim = claims()[claim_id]
    for derivation in filter(None, (claim.proof, claim.disproof)):
        for step in derivation().steps:
            for name, mutant in () if isinstance(step, Specialise) else step.mutants():
                alike = said(replace(mutant, name=step.name, because=step.because)) == said(step)
                assert not alike or name == "antiderivative + variable", (step.name, name)


def test_a_line_declares_its_letters_where_they_are_new_or_change():
    n, u, v = sp.Symbol("n", integer=True, positive=True), sp.Symbol("u", positive=True), sp.Symbol("v", real=True)
    steps = tuple(
        Bound(name=str(i), claim=sp.Ge(sp.exp(s), 1 + s, evaluate=False))
        for i, s in enumerate((n, v, u, sp.Symbol("u", real=True), u, sp.Symbol("v")))
    )
    given = [line.given for line in lines_of((StepResult(s, decide.unknown("")) for s in steps), Proof(steps=steps))]
    assert given == ["n in Naturals", "", "u > 0", "u in Reals", "u > 0", "v in Complexes"]


def test_a_line_says_the_sign_of_a_function_s_values():
    w, v = sp.Function("w", positive=True), sp.Function("v", real=True)
    assert said(Bound(name="signs", claim=sp.Ge(w(X) + v(X), v(X), evaluate=False))) == [
        "signs | bound v(x) + w(x) >= v(x) | given w > 0, x >= 0"
    ]


def test_an_induction_says_where_it_starts_and_how_it_goes_on():
    lines = said(SQUARES)
    assert "n in Naturals0, Eq(h(0), 0), Eq(h(n + 1), 2*n + h(n) + 1)" in lines[0]
    doubled = sp.Function("P", real=True)
    lines = said(invariant("both", sp.Ge(doubled(N), 1), N, {doubled(N): 1}, {doubled(N): 2 * doubled(N)}))
    assert lines == [
        "both | induction P(n) >= 1 | given n in Naturals0, Eq(P(0), 1), Eq(P(n + 1), 2*P(n))",
        "base: at the start | bound P(0) >= 1 | given Eq(P(0), 1)",
        "step: from n to n + 1 | bound P(n + 1) >= 1 | given P(n) >= 1, Eq(P(n + 1), 2*P(n))",
    ]
