"""The proof engine: what is true is proved, what is false is refuted, what is undecided stays unknown."""

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy as sp
from attacks import attack
from flint import arb, ctx, fmpq
from hypothesis import given
from hypothesis import strategies as st

from mamba_theorems.theorems.proofs import decide
from mamba_theorems.theorems.proofs.decide import Truth
from mamba_theorems.theorems.proofs.enclose import NotEnclosed, enclose, holds
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cases,
    Cited,
    Enclosed,
    Farkas,
    Identity,
    Induction,
    Limit,
    Proof,
    Specialise,
    Termwise,
    invariant,
)
from mamba_theorems.theorems.proofs.written import TIME, Along, ForAll, Named, key, latex, product, put_in, vacuous
from mamba_theorems.theorems.registry import claims

x = sp.Symbol("x", nonnegative=True)
y = sp.Symbol("y", real=True)
n, j = sp.symbols("n j", integer=True, nonnegative=True)
rationals = st.fractions(min_value=-5, max_value=5, max_denominator=40)

powers = sp.Function("P", real=True)
SQUARES = Induction(
    name="sum of odd numbers",
    index=n,
    start=0,
    initial=sp.S.Zero,
    next=lambda h, t: h + 2 * t + 1,
    closed=n**2,
)
TRUE_STEPS = [
    Identity(name="binomial", lhs=(y + 1) ** 2, rhs=y**2 + 2 * y + 1),
    Identity(name="circle", lhs=sp.sin(y) ** 2, rhs=1 - sp.cos(y) ** 2),
    Bound(name="square", claim=sp.Ge(y**2 + 1, 2 * y)),
    Bound(name="exponential", claim=sp.Ge(sp.exp(x), 1 + x)),
    Bound(name="monotone exponentials", claim=sp.Le(x * sp.exp(-2 * x * n), x * sp.exp(-x * n))),
    Bound(name="exponentials reflect order", claim=sp.Ge(y, x), given=(sp.Ge(sp.exp(y), sp.exp(x)),)),
    Identity(name="derivative", lhs=sp.Derivative(sp.exp(y) * y, y), rhs=sp.exp(y) * (1 + y)),
    Bound(name="constants", claim=sp.Lt(sp.exp(1), sp.Rational(2719, 1000), evaluate=False)),
    Limit(name="softplus slope", expression=sp.log(1 + sp.exp(x)) / x, variable=x, point=sp.oo, value=sp.S.One),
    SQUARES,
    Cases(name="parity", claim=sp.Eq(n * (n - 1) * (n - 2) * (n - 3), 0, evaluate=False), over={n: range(4)}),
    Enclosed(name="box", claim=sp.Lt(sp.exp(-y), sp.Rational(1, 2)), over={y: (1, 2)}),
    Farkas(
        name="x ≥ 1, y ≥ 1, x + y ≤ 1",
        rows=sp.Matrix([[-1, 0], [0, -1], [1, 1]]),
        bounds=sp.Matrix([-1, -1, 1]),
        multipliers=sp.Matrix([1, 1, 1]),
    ),
    Termwise(
        name="Σ1 ≤ Σ(1 + j²)",
        lower=sp.Sum(sp.S.One, (j, 1, n)),
        upper=sp.Sum(1 + j**2 / 2, (j, 1, n)),
    ),
    invariant("2ⁿ ≥ 1", sp.Ge(powers(n), 1), n, {powers(n): 1}, {powers(n): 2 * powers(n)}),
]


@pytest.mark.parametrize("step", TRUE_STEPS, ids=lambda s: s.name)
def test_a_true_step_is_proved_and_each_of_its_mutants_is_not(step):
    assert step.decide().truth is Truth.TRUE, step.decide()
    mutants = list(step.mutants())
    assert mutants
    for name, mutant in mutants:
        assert mutant.decide().truth is not Truth.TRUE, name


@attack(100)
@given(rationals, rationals)
def test_an_identity_that_is_off_by_any_rational_is_refuted_at_a_point(a, b):
    shifted = Identity(name="shifted", lhs=product(y + a, y + a) + b, rhs=y**2 + 2 * a * y + a**2)
    assert shifted.decide().truth is (Truth.TRUE if b == 0 else Truth.FALSE)


@given(rationals)
def test_balls_contain_what_exact_arithmetic_gives(a):
    value = enclose((y - 3) ** 5 / (y**2 + 1), {y: a})
    exact = (a - 3) ** 5 / (a**2 + 1)
    true = fmpq(exact.numerator, exact.denominator)
    with ctx.workprec(1024):
        assert value.overlaps(arb(true))
        assert not value.overlaps(arb(true + fmpq(1, 10**9)))


def test_a_comparison_that_balls_cannot_separate_is_undecided():
    assert holds(sp.Eq(sp.sin(y) ** 2 + sp.cos(y) ** 2, 1, evaluate=False), {y: Fraction(1, 3)}) is None


def test_what_is_not_both_is_as_decided_as_both():
    both = sp.And(sp.Gt(y, 0), sp.Lt(sp.exp(y), 3))
    assert holds(sp.Not(both), {y: arb(1)}) is False
    assert holds(sp.Not(both), {y: arb(2)}) is True
    assert holds(sp.Not(both), {y: arb(1, 1)}) is None


def test_a_part_without_an_enclosure_is_named():
    with pytest.raises(NotEnclosed, match="zeta"):
        enclose(sp.zeta(3, evaluate=False))


@pytest.mark.parametrize(
    ("integral", "exact"),
    [
        (sp.Integral(sp.Pow(sp.Symbol("u") ** 2, sp.S.Half), (sp.Symbol("u"), -1, 1)), sp.S.One),
        (sp.Integral(sp.sqrt(1 - y**2), (y, -1, 1)), sp.pi / 2),
        (
            sp.Integral(sp.log(1 + sp.exp(-100 * y)), (y, 0, 1)),
            (sp.pi**2 / 12 + sp.polylog(2, -sp.exp(-100))) / 100,
        ),
    ],
    ids=str,
)
def test_quadrature_encloses_integrals_whose_integrand_has_a_branch_cut(integral, exact):
    difference = enclose(integral) - enclose(exact)
    assert difference.contains(0)
    assert float(difference.rad()) < 1e-9


def test_a_premise_that_says_what_number_a_symbol_is_is_put_in_and_no_other_equation():
    decays = Identity(name="e^{−ny} = 1", lhs=sp.exp(-n * y), rhs=sp.S.One, given=(sp.Eq(y, 0),))
    assert decays.decide().truth is Truth.TRUE
    assert replace(decays, given=(sp.Eq(y, 1),)).decide().truth is Truth.FALSE
    assert replace(decays, given=()).decide().truth is Truth.FALSE
    z = sp.Symbol("z", real=True)
    either = Identity(name="z = 0", lhs=z, rhs=sp.S.Zero, given=(sp.Eq(y * z, 0, evaluate=False),))
    assert either.decide().truth is not Truth.TRUE  # y may be 0
    assert replace(either, given=(sp.Eq(y, 0), sp.Eq(y, 1))).decide().truth is Truth.UNKNOWN
    positive = sp.Symbol("p", positive=True)
    none = Identity(name="p = 0", lhs=positive * z, rhs=sp.S.Zero, given=(sp.Eq(positive, 0, evaluate=False),))
    assert none.decide().truth is not Truth.TRUE
    slope = Identity(name="d/dy y² at 1", lhs=sp.Derivative(y**2, y), rhs=sp.S.Zero, given=(sp.Eq(y, 1),))
    assert slope.decide().truth is not Truth.TRUE
    assert replace(slope, rhs=sp.S(2)).decide().truth is Truth.TRUE
    pole = Identity(name="y/y = 1", lhs=sp.Mul(y, 1 / y, evaluate=False), rhs=sp.S.One, given=(sp.Eq(y, 0),))
    assert pole.decide().truth is not Truth.TRUE


def test_a_fact_for_all_values_is_compared_without_being_evaluated():
    fact = sp.Ge(n + sp.I, 0, evaluate=False)
    assert key(ForAll(n, fact)) == key(ForAll(j, put_in(fact, {n: j})))
    assert key(ForAll(n, fact)) != key(ForAll(n, sp.Ge(n, 0, evaluate=False)))


def test_a_last_term_is_split_off_from_the_outside_in_and_captures_nothing():
    a, b, i, r = sp.Function("a", real=True), sp.Function("b", real=True), *sp.symbols("i r", integer=True)

    def state(until):
        return sp.Sum(sp.Product(a(r), (r, i + 1, until)) * b(i), (i, 1, until))

    follows = Identity(name="recurrence", lhs=state(n + 1), rhs=a(n + 1) * state(n) + b(n + 1))
    assert follows.decide().truth is Truth.TRUE
    for wrong in (
        a(n + 1) * (state(n) + b(n + 1)),
        a(n) * state(n) + b(n + 1),
        a(n + 1) * state(n),
    ):
        assert decide.split_as_written(follows.lhs - wrong) != 0
    inner = sp.Product(a(r), (r, 1, i)) * b(i)
    free = sp.Symbol("r", integer=True)  # the same letter as the inner index
    last = put_in(inner, {i: free + 1})
    whole, rest = sp.Sum(inner, (i, 1, free + 1)), sp.Sum(inner, (i, 1, free))
    assert decide.split_as_written(whole - rest - last) == 0
    assert decide.split_as_written(whole - rest - last / a(free + 1) * a(free)) != 0


def test_an_identity_sympy_cannot_reduce_is_unknown_not_false():
    k = sp.Symbol("k", integer=True, positive=True)
    lengths = sp.Sum(sp.zeta(j + 2), (j, 1, k))
    assert decide.identity(lengths, sp.Sum(sp.zeta(n + 2), (n, 1, k + 1)) - sp.zeta(k + 3)).truth is not Truth.FALSE
    assert decide.identity(sp.zeta(k + 2), sp.zeta(k + 3)).truth is Truth.UNKNOWN


def test_contradictory_hypotheses_prove_nothing():
    assert Bound(name="b", claim=sp.Ge(y, 5), given=(sp.Gt(y, 1), sp.Lt(y, 0))).decide().truth is Truth.UNKNOWN


def test_an_abstracted_transcendental_part_never_yields_false_from_z3():
    assert decide.entails((), sp.Ge(sp.log(1 + x), x / 2)).truth is Truth.UNKNOWN


def test_what_stands_in_a_denominator_is_not_zero():
    r, s = sp.symbols("r s", real=True)
    assert Bound(name="inverse", claim=sp.Gt(r * s, 0), given=(sp.Eq(s, 1 / r),)).decide().truth is Truth.TRUE


def test_a_strict_inequality_that_is_tight_is_refuted():
    assert Bound(name="strict", claim=sp.Gt(y**2 + 1, 2 * y)).decide().truth is Truth.FALSE


@pytest.mark.parametrize("f", [1 / (5 - x), 1 / (7 - x) ** 3, sp.Max(x, 1) - x / 2], ids=str)
def test_a_derivative_chain_stops_at_poles_and_kinks(f):
    assert decide.derivative_chain(f, x, sp.S.Zero, ()).truth is Truth.UNKNOWN


def test_a_derivative_chain_passes_a_denominator_that_stays_positive():
    assert decide.derivative_chain(1 - 1 / (1 + x), x, sp.S.Zero, ()).truth is Truth.TRUE
    assert decide.derivative_chain(sp.log(1 + x), x, sp.S.Zero, ()).truth is Truth.TRUE


def test_a_proof_of_citations_alone_is_unknown():
    proof = Proof(steps=(Cited(name="Eckart–Young", statement="best rank", source="Eckart & Young (1936)"),))
    assert proof.check().truth is Truth.UNKNOWN


def link(*steps, formula, hypotheses=()):
    """What a reader must see in a proof of true steps under its own hypotheses, which the claim has too."""
    result = Proof(steps=steps, hypotheses=hypotheses).check(formula, hypotheses)
    assert result.truth is Truth.TRUE
    return result.link


def test_a_proof_whose_last_step_states_something_else_does_not_compose():
    step = Bound(name="square", claim=sp.Ge(y**2 + 1, 2 * y))
    assert not link(step, formula=sp.Ge(y**2 + 1, 2 * y))
    assert "does not state the claim" in link(step, formula=sp.Ge(y**2, 1))


def test_a_conclusion_from_an_unestablished_premise_is_unknown():
    premise, conclusion = sp.Ge(y, 2), sp.Ge(y**2, 4)
    leap = Bound(name="leap", claim=conclusion, given=(premise,))
    assert Proof(steps=(leap,)).check(conclusion).truth is Truth.UNKNOWN
    assert not link(leap, formula=conclusion, hypotheses=(premise,))


def test_a_premise_established_only_under_another_premise_does_not_count():
    middle = Bound(name="middle", claim=sp.Ge(y, 2), given=(sp.Ge(y, 3),))
    leap = Bound(name="leap", claim=sp.Ge(y**2, 4), given=(sp.Ge(y, 2),))
    assert Proof(steps=(middle, leap)).check(sp.Ge(y**2, 4)).truth is Truth.UNKNOWN


def test_specialising_needs_the_symbol_s_assumptions_and_the_step_itself():
    lemma = Bound(name="lemma", claim=sp.Ge(sp.exp(x), 1 + x))
    good = Specialise(name="at y²", of=lemma, at={x: y**2})
    assert good.decide().truth is Truth.TRUE
    assert good.relation == sp.Ge(sp.exp(y**2), 1 + y**2)
    assert replace(good, at={x: y}).decide().truth is Truth.UNKNOWN
    assert Proof(steps=(lemma, good)).check(good.relation).truth is Truth.TRUE
    assert Proof(steps=(TRUE_STEPS[0], good)).check(good.relation).truth is Truth.UNKNOWN


def test_no_claim_of_the_project_rests_on_a_step_without_mutants():
    proofs = [p() for c in claims().values() for p in (c.proof, c.disproof) if p is not None]
    assert proofs
    for proof in proofs:
        for step in proof.steps:
            assert not step.needs_mutant or list(step.mutants()), step.name


def test_a_proof_is_as_good_as_its_worst_step_and_names_it():
    good = Bound(name="good", claim=sp.Ge(y**2 + 1, 2 * y))
    unknown = Bound(name="open", claim=sp.Ge(y, 5), given=(sp.Gt(y, 1), sp.Lt(y, 0)))
    wrong = Identity(name="wrong", lhs=y + 1, rhs=y)
    assert Proof(steps=(good,)).check().truth is Truth.TRUE
    undecided = Proof(steps=(good, unknown)).check()
    assert undecided.truth is Truth.UNKNOWN
    assert "'open'" in undecided.reason
    for steps in ((unknown, wrong), (wrong, unknown)):
        refuted = Proof(steps=steps).check()
        assert refuted.truth is Truth.FALSE
        assert "'wrong'" in refuted.reason


def test_a_cited_relation_with_a_wrong_constant_fails_at_its_instance():
    fact = Cited(name="AM-GM", statement="", source="AM-GM", states=sp.Ge(y**2 + 1, 2 * y), instances=({y: sp.S(2)},))
    assert fact.decide().truth is Truth.TRUE
    assert replace(fact, states=sp.Ge(y**2 + 1, 3 * y)).decide().truth is Truth.FALSE
    assert not list(replace(fact, states=None).mutants())


def test_every_cited_relation_has_an_instance():
    proofs = [make() for c in claims().values() for make in (c.proof, c.disproof) if make is not None]
    cited = [s for proof in proofs for s in proof.steps if isinstance(s, Cited) and s.states is not None]
    assert cited
    assert all(step.instances for step in cited)


def test_a_step_that_is_decided_before_it_is_looked_at_shows_nothing():
    x = sp.Symbol("x", positive=True)
    steps = (
        Identity(name="one side twice", lhs=x + x, rhs=2 * x),
        Bound(name="true as built", claim=sp.Gt(x, 0)),
        Bound(name="a side against itself in a conjunction", claim=sp.And(sp.Ge(x, 1), sp.Eq(x, x, evaluate=False))),
        Enclosed(name="a true constant", claim=sp.Lt(sp.Rational(1, 3), sp.Rational(1, 2))),
        Cases(name="one side twice on a grid", claim=sp.Eq(x, x, evaluate=False), over={x: (1, 2)}),
    )
    assert [step.decide().truth for step in steps] == [Truth.UNKNOWN] * len(steps)
    assert {step.decide().method for step in steps} == {"vacuous"}


def test_what_is_written_down_is_carried_out_before_it_is_decided():
    x, f = sp.Symbol("x", positive=True), sp.Function("f", positive=True)(TIME)
    assert Identity(name="product", lhs=product(x, x), rhs=x**2).decide().truth is Truth.TRUE
    assert Identity(name="name", lhs=Named("half", sp.Rational(1, 2)), rhs=sp.S.Half).decide().truth is Truth.TRUE
    assert (
        Identity(name="wrong name", lhs=Named("half", sp.Rational(1, 3)), rhs=sp.S.Half).decide().truth is Truth.FALSE
    )
    assert Identity(name="flow", lhs=Along(f**2, {f: x * f}), rhs=2 * x * f**2).decide().truth is Truth.TRUE
    assert Identity(name="wrong flow", lhs=Along(f**2, {f: x}), rhs=2 * x * f**2).decide().truth is Truth.FALSE
    assert Bound(name="no term", claim=sp.Ge(sp.Sum(x, (j, 1, 0)), 0, evaluate=False)).decide().truth is Truth.TRUE
    assert str(Named("half", sp.S.Half)) == "half"
    assert str(Along(f, {f: x})) == "d/dtau[f(tau) | f(tau)' = x]"


@pytest.mark.parametrize("claim_id", [c.id for c in claims().values() if c.proof or c.disproof])
def test_no_step_of_any_proof_compares_a_side_with_itself(claim_id):
    claim = claims()[claim_id]
    for derivation in filter(None, (claim.proof, claim.disproof)):
        for step in derivation().steps:
            if not isinstance(step, Cited):
                parts = (step, *step.parts.values())
                assert not [p.name for p in parts if vacuous(p.relation)]


def test_a_square_may_be_zero():
    assert Bound(name="y² > 0", claim=sp.Gt(y**2, 0)).decide().truth is not Truth.TRUE
    assert decide.entails((), sp.Gt(y**2 + y**4, 0)).truth is not Truth.TRUE
    assert Bound(name="y⁻² > 0", claim=sp.Gt(y**-2, 0)).decide().truth is Truth.UNKNOWN
    assert Bound(name="y⁻² > 0", claim=sp.Gt(y**-2, 0), given=(sp.Ne(y, 0),)).decide().truth is Truth.TRUE


def test_a_sum_to_a_bound_that_is_not_an_exact_integer_is_not_enclosed():
    nearly_two = sp.Pow(sp.sqrt(2), 2, evaluate=False)
    with pytest.raises(NotEnclosed, match="not an exact integer"):
        enclose(sp.Sum(1 / j, (j, 1, nearly_two)), {})


def test_words_in_formulas_stand_upright_and_letters_do_not():
    X, mass, other, gap = sp.symbols("X mass m_other Delta_2")
    assert latex(X * mass) == r"X \mathrm{mass}"
    assert latex(other) == r"m_{\mathrm{other}}"
    assert latex(gap * sp.exp(X)) == sp.latex(gap * sp.exp(X))


def test_a_step_that_is_a_premise_of_the_last_one_is_used():
    """Whether the premise is one relation or a part of a conjunction."""
    first, second = sp.Symbol("p", positive=True), sp.Symbol("q", positive=True)
    one = Bound(name="one", claim=sp.Ge(sp.exp(first), 1 + first))
    other = Bound(name="other", claim=sp.Ge(sp.exp(second), 1 + second))
    goal = sp.Gt(sp.exp(first) + sp.exp(second), 2)
    for premises in ((one.claim, other.claim), (sp.And(one.claim, other.claim),)):
        proof = Proof(steps=(one, other, Bound(name="both", claim=goal, given=premises)))
        assert proof.unused() == ()
        assert proof.link(goal) == ""
    idle = Proof(steps=(one, other, Bound(name="alone", claim=sp.Gt(sp.exp(first), 1), given=(one.claim,))))
    assert idle.unused() == (other,)
