"""Family haar: wordings that were false are refuted by the statement test where they are simplest."""

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp

from mamba_theorems.constructions.haar import keep_one_state
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import ball
from mamba_theorems.theorems.haar import block, clock, keep, one_state, pointwise, rates, separation
from mamba_theorems.theorems.proofs.decide import Truth
from mamba_theorems.theorems.proofs.proof import Bound, Discharged, Identity, Proof, Rewritten, Specialise
from mamba_theorems.theorems.statement import Statement, truth
from mamba_theorems.verify.checks.statements.haar import CHECKS
from mamba_theorems.verify.settings import Run

TESTS = {check.claim: check for check in CHECKS}
x, y = sp.symbols("x y", real=True)


def without(claim, *names):
    """The claim's statement, some hypotheses left out."""
    subject = TESTS[claim].subject
    return replace(subject, hypotheses=tuple(h for h in subject.hypotheses if h.name not in names))


def saying(claim, conclusion):
    """The claim's statement with another conclusion."""
    return replace(TESTS[claim].subject, conclusion=conclusion)


OLD = {
    "the official block's coefficients, time recovered by a first layer": (
        "haar.official-block", without("haar.official-block", "time"), {"x": [3, 5], "n": 1, "time": "first layer"},
    ),
    "W half as large": (
        "haar.thm1-amended", without("haar.thm1-amended", "W"), {"j": 0, "k": 0, "epsilon": "1/2", "factor": "1/2"},
    ),
    "complex states counted once": (
        "haar.s4d-lower-bound", without("haar.s4d-lower-bound", "counted"),
        {"e": "optimised", "size": 4, "counted": False},
    ),
    "a threshold behind the reading time": (
        "haar.thm1-pointwise", without("haar.thm1-pointwise", "t̂ ≤ 1"), {"W": "1", "s": "0", "that": "3"},
    ),
    "the printed difference": ("haar.cor2", TESTS["haar.cor2"].subject, {"x": [1], "n": 1, "t": 1, "H(0)": 1}),
    "S4D's rate for the norm": ("haar.cor1-s4d", TESTS["haar.cor1-s4d"].subject, {"C": 1, "N": 20}),
    "an error of twice e^{−w/2} for two channels": (
        "haar.cor2-amended",
        saying("haar.cor2-amended", sp.Le(sp.Abs(keep.answer - keep.asked), 2 * keep.largest * keep.SHRINKS)),
        {"x": [1, -1], "n": 1, "t": 2, "w": "20"},
    ),
    "D without the initial state": (
        "haar.keep-nth-one-state",
        without("haar.keep-nth-one-state", "|x_n| ≤ D"),
        {"x": [1], "n": 1, "t": 1, "w": "20", "too small": "D at 0"},
    ),
    "Δ at most twice its weight, the weights of any size": (
        "haar.any-weights", without("haar.any-weights", "Σw ≤ ½"), {"w": ["1", "1"], "s": 1},
    ),
    "δ = n": ("haar.keep-nth-s4d-impossible", without("haar.keep-nth-s4d-impossible", "δ < n"), None),
}  # fmt: skip


@pytest.mark.parametrize(("claim", "statement", "case"), OLD.values(), ids=OLD)
def test_a_wording_that_is_false_is_refuted_at_its_simplest_instance(claim, statement, case):
    finding = TESTS[claim].examine(statement, Run())
    refuted = finding.holds if TESTS[claim].kind == "REFUTED" else finding.holds is False
    assert refuted
    assert case is None or finding.case == case


@pytest.mark.parametrize("check", CHECKS, ids=[check.claim for check in CHECKS])
def test_every_statement_of_the_family_is_as_its_test_says(check):
    finding = check.examine(check.subject, Run())
    assert finding.holds, finding.summary
    assert not finding.facts.get("undecided")


@pytest.mark.parametrize(
    ("state", "discretization"),
    [(one_state.zoh_state, semantics.zoh), (one_state.euler_state, semantics.euler)],
    ids=["zoh", "euler"],
)
def test_the_sums_of_the_statement_are_what_the_network_computes(state, discretization):
    f, signal, n, slope = ball(256), (3, -1, 2, 5), 2, Fraction(3, 2)
    run = keep_one_state(f, f.array(signal), n, slope, discretization)
    values = ((v, sp.Eq(one_state.s, i)) for i, v in enumerate(signal, 1))
    at = {one_state.n: sp.Integer(n), one_state.slope: sp.Rational(slope)}
    point = at | {one_state.x: sp.Lambda(one_state.s, sp.Piecewise(*values, (0, True)))}
    network = sp.Symbol("network", real=True)
    for t, answer in enumerate(run, 1):
        same = sp.Eq(state(one_state.t), network, evaluate=False)
        assert truth(same, point | {one_state.t: sp.Integer(t), network: answer}), t
        other = sp.Eq(state(one_state.t), network + sp.Rational(1, 2**60), evaluate=False)
        assert truth(other, point | {one_state.t: sp.Integer(t), network: answer}) is False, t


def test_a_case_replays():
    check = TESTS["haar.cor2"]
    assert check.replay({"x": [1], "n": 1, "t": 1, "H(0)": 0}, Run()).holds
    with pytest.raises(ValueError, match='must give "n"'):
        TESTS["haar.official-block"].replay({"x": [1, 2]}, Run())


def test_the_modules_symbols_are_the_statements_own():
    for claim, symbols in {
        "haar.euler-mismatch": {block.rate, pointwise.W},
        "haar.clock": {clock.lam, pointwise.W},
        "haar.cor1-amended": {rates.place, rates.part},
        "haar.s4d-lower-bound": {separation.N, separation.squared},
    }.items():
        assert {s.name for s in symbols} <= {s.name for s in TESTS[claim].subject.symbols}


# --- steps that this family's proofs brought ------------------------------------------------------------------------


POSITIVE = Bound(name="x ≥ 1", claim=sp.Ge(x**2, 1), given=(sp.Ge(x, 1),))


def test_a_condition_becomes_a_premise_and_no_other_is_lost():
    implied = Discharged(name="implied", of=POSITIVE, conditions=(sp.Ge(x, 1),))
    statement = sp.Implies(sp.Ge(x, 1), sp.Ge(x**2, 1))
    assert Proof(steps=(POSITIVE, implied)).check(statement).link == ""
    bare = Proof(steps=(POSITIVE, replace(implied, conditions=(sp.Ge(x, 2),))))
    assert bare.check().truth is Truth.UNKNOWN
    both = Bound(name="xy ≥ 1", claim=sp.Ge(x * y, 1), given=(sp.Ge(x, 1), sp.Ge(y, 1)))
    half = Discharged(name="half", of=both, conditions=(sp.Ge(x, 1),))
    assert "y" in Proof(steps=(both, half)).check(half.relation).link


def test_an_equation_is_put_in_and_nothing_else():
    equation = Identity(name="square", lhs=(x + 1) ** 2, rhs=x**2 + 2 * x + 1)
    known = Bound(name="≥ 0", claim=sp.Ge(x**2 + 2 * x + 1, 0))
    there = Rewritten(name="as a square", claim=sp.Ge((x + 1) ** 2, 0, evaluate=False), of=known, by=(equation,))
    assert there.decide().truth is Truth.TRUE
    for claim in (sp.Gt((x + 1) ** 2, 0), sp.Ge((x + 1) ** 2, 1), sp.Ge(x**2, 0)):
        assert replace(there, claim=claim).decide().truth is Truth.UNKNOWN


def test_a_value_that_is_no_number_is_refused_before_it_is_put_in():
    maximum = Bound(
        name="max", claim=sp.Ge(sp.Max(x, 0), 0, evaluate=False), given=(sp.Ge(sp.Max(x, 0), 0, evaluate=False),)
    )
    assert Specialise(name="at i", of=maximum, at={x: sp.I}).decide().truth is Truth.UNKNOWN


def test_the_pointwise_theorem_composes():
    (claim,) = pointwise.CLAIMS
    result = claim.proof().check(claim.formula, tuple(h.meaning for h in claim.hypotheses))
    assert (result.truth, result.link) == (Truth.TRUE, "")
    sharper = Statement(claim.hypotheses, claim.formula.subs(sp.pi**2 / 12, sp.pi**2 / 13))
    assert claim.proof().check(sharper.conclusion, tuple(h.meaning for h in claim.hypotheses)).link
