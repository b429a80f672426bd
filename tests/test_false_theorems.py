"""False theorems, one for each way in which a proof engine may be fooled: none of them is proved.

A name says what the false step relies on; a true neighbour stands beside it where the hole is subtle.
"""

import pytest
import sympy as sp

from mamba_theorems.theorems.proofs.calculus import Grows, Integrated
from mamba_theorems.theorems.proofs.decide import Truth, derivative_chain, entails, identity
from mamba_theorems.theorems.proofs.domain import premises
from mamba_theorems.theorems.proofs.enclose import NotEnclosed, enclose, holds
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cases,
    Chained,
    Cited,
    Conjunction,
    Enclosed,
    Farkas,
    Identity,
    Induction,
    InductionOn,
    Limit,
    Proof,
    Specialise,
    Termwise,
    invariant,
)
from mamba_theorems.theorems.proofs.written import ForAll, Named, key, product, put_in

x, y = sp.symbols("x y", real=True)
p = sp.Symbol("p", positive=True)
q = sp.Symbol("q", nonnegative=True)
z = sp.Symbol("z")
n, k = sp.symbols("n k", integer=True, nonnegative=True)
m = sp.Symbol("m", integer=True)
f, h = sp.Function("f", real=True), sp.Function("h", real=True)
kept = {"evaluate": False}
one, two, half = sp.S.One, sp.Integer(2), sp.S.Half


def bound(claim, *given, **more):
    return Bound(name="false", claim=claim, given=given, **more)


def equal(lhs, rhs, *given):
    return Identity(name="false", lhs=lhs, rhs=rhs, given=given)


def integral(integrand, low, high, antiderivative, value, variable=x):
    return Integrated(
        name="false",
        integrand=integrand,
        variable=variable,
        low=low,
        high=high,
        antiderivative=antiderivative,
        value=value,
    )


def grows(larger, smaller, variable=x, **more):
    return Grows(name="false", larger=larger, smaller=smaller, variable=variable, **more)


def sums(lower, upper, low, high, *given):
    limits = (k, low, high)
    return Termwise(name="false", lower=sp.Sum(lower, limits), upper=sp.Sum(upper, limits), given=given)


FALSE_STEPS = {
    # domains
    "log² ≥ 0 on all reals": bound(sp.Ge(sp.log(x) ** 2, 0, **kept)),
    "√x ≥ 0 on all reals": bound(sp.Ge(sp.sqrt(x) + 1, 1, **kept)),
    "y⁻² > 0 for y = 0 too": bound(sp.Gt(y**-2, 0, **kept)),
    "a denominator says that it is not 0": bound(sp.Or(sp.Ne(y, 0), sp.Gt(1 / y, 5, **kept))),
    "a goal's denominator is no premise": bound(sp.And(sp.Ne(y, 0), sp.Ge(1 / y**2, 0, **kept), **kept)),
    "a hypothesis in a disjunction has no value": bound(sp.Ne(y, 0), sp.Or(sp.Gt(1 / y, 0), sp.Gt(x, 0))),
    "x/x = 1": equal(product(x, 1 / x), one),
    "1/x − 1/x = 0": bound(sp.Ge(sp.Add(1 / x, -1 / x, **kept), 0, **kept)),
    "log(xy) = log x + log y": equal(sp.log(x * y), sp.log(x) + sp.log(y)),
    "√x² = x": equal(sp.Pow(sp.sqrt(x), 2, **kept), x),
    "√(x²) = x": equal(sp.sqrt(x**2), x),
    "e^{log x} = x": equal(sp.exp(sp.log(x, **kept), **kept), x),
    "x⁰·… at a pole": equal(sp.Mul(x**2 - 1, 1 / (x - 1), **kept), x + 1),
    "Σ yᵏ in closed form at y = 1": equal(sp.Sum(y**k, (k, 0, n)), (1 - y ** (n + 1)) / (1 - y)),
    "Σ of a Kronecker delta at a number that is no integer": equal(
        sp.Sum(sp.KroneckerDelta(k, x), (k, 0, 5)), sp.Piecewise((1, sp.And(x >= 0, x <= 5)), (0, True))
    ),
    "real powers of a negative number": bound(sp.Ge(sp.Pow(x, sp.Rational(2, 3)), 0, **kept)),
    "tan has poles": equal(sp.tan(x) * sp.cos(x), sp.sin(x)),
    "a Piecewise without its last case": bound(sp.Ge(sp.Piecewise((x**2, x > 0)), 0, **kept)),
    # complex values
    "squares of complex numbers": bound(sp.Ge(z**2, 0, **kept)),
    "z² + 1 ≠ 0": bound(sp.Ne(z**2 + 1, 0)),
    "i² ≥ 0": bound(sp.Ge(sp.I * sp.I * x**2, 0, **kept)),
    "(−1)ˣ along the reals": bound(sp.Ge((-1) ** n + 1, 1, **kept)),
    "∞ − ∞": equal(sp.Add(sp.oo, -sp.oo, **kept), sp.S.Zero),
    # hypotheses that nothing satisfies
    "sin x > 2": bound(sp.Gt(y, 5), sp.Gt(sp.sin(x), 2), sp.Gt(y, 5)),
    "e^x < 0": bound(sp.Gt(y, 5), sp.Lt(sp.exp(x), 0, **kept), sp.Gt(y, 5)),
    "log 2 > 1": bound(sp.Gt(y, 5), sp.Gt(sp.log(2), 1, **kept), sp.Gt(y, 4), sp.Gt(y, 5)),
    "two values of one function": bound(sp.Eq(x, 3), sp.Eq(f(n), 1), sp.Eq(f(n), 2)),
    "f(x) = 1 and f(y) = 2 at x = y": bound(sp.Gt(z, 1), sp.Eq(x, y), sp.Eq(f(x), 1), sp.Eq(f(y), 2)),
    "an identity under hypotheses that contradict each other": equal(
        sp.sin(x) ** 2, 1 - sp.cos(x) ** 2, sp.Gt(sp.cos(y), 2)
    ),
    # undefined functions
    "f(1) > 0 by its pseudo-random value": Enclosed(name="false", claim=sp.Gt(f(1), 0)),
    "f(1) > 0 as a constant": bound(sp.Gt(f(1), 0)),
    "Σ f ≥ 0 by pseudo-random values": bound(sp.Ge(sp.Sum(f(k), (k, 0, 3)), 0)),
    # integers and reals
    "a rise between integers": bound(sp.Ge((n - half) ** 2 * 4, 2)),
    "an integer is even": bound(sp.Ge(sp.cos(sp.pi * n), 1, **kept)),
    # calculus
    "∫ over a pole": integral(x**-2, -one, one, -1 / x, -two),
    "∫ over a logarithm's pole": integral(1 / x, -one, two, sp.log(sp.Abs(x)), sp.log(2)),
    "an antiderivative that jumps": integral(sp.S.Zero, -one, one, sp.Heaviside(x), one),
    "an antiderivative with a floor": integral(sp.S.Zero, sp.S.Zero, one, sp.floor(x), one),
    "an antiderivative with a jump of atan": integral(1 / (1 + x**2), -one, one, -sp.atan(1 / x), -sp.pi / 2),
    "a positive variable with a negative end": integral(sp.Abs(p), -one, one, p**2 / 2, sp.S.Zero, p),
    "a fact at one point used all the way": grows(x**3 / 3 + 4 * x, 5 * x**2 / 2, given=(sp.Ge((x - 1) * (x - 4), 0),)),
    "a fact for all x that is false": grows(
        x**3 / 3 + 4 * x, 5 * x**2 / 2, given=(ForAll(x, sp.Ge((x - 1) * (x - 4), 0), sp.Ge(x, 0)),)
    ),
    "growth across a pole": grows(-1 / x, one, start=-one),
    "growth down a jump": grows(-sp.floor(x), sp.S.Zero),
    "growth of an integer variable": grows(n**2, n, n),
    "growth from below a variable's declaration": grows(p, sp.S.Zero, p, start=-one),
    "growth through a kink": grows(sp.Abs(x - 1), one),
    # sums
    "a reversed sum": sums(sp.S.Zero, one, 1, m),
    "reversed by constants": sums(sp.S.Zero, one, 5, 2),
    "a fact at one index": sums(f(k), sp.Integer(5), 0, n, sp.Le(f(k), 5)),
    "an index below its declaration": sums(sp.Abs(k), k, -3, 0),
    "reversed sums are negative": bound(sp.Ge(sp.Sum(1 + f(k) ** 2, (k, 1, m)), 0)),
    # limits
    "from above, where there is nothing": Limit(
        name="false", expression=sp.sqrt(-p), variable=p, point=sp.S.Zero, value=sp.S.Zero
    ),
    "at a point that the variable stays away from": Limit(
        name="false", expression=sp.log(1 + p) / p, variable=p, point=-half, value=2 * sp.log(2)
    ),
    "of an integer variable at a finite point": Limit(name="false", expression=n, variable=n, point=sp.S.Zero),
    "of a variable that is negative, at ∞": Limit(
        name="false", expression=1 / sp.Symbol("s", negative=True), variable=sp.Symbol("s", negative=True)
    ),
    # linear systems
    "a row too few": Farkas(
        name="false", rows=sp.Matrix([[1], [-1]]), bounds=sp.Matrix([-1]), multipliers=sp.Matrix([1])
    ),
    "a float": Farkas(name="false", rows=sp.Matrix([[0.0]]), bounds=sp.Matrix([-1]), multipliers=sp.Matrix([1])),
    "a strict row that is none": Farkas(
        name="false",
        rows=sp.Matrix([[1], [-1]]),
        bounds=sp.Matrix([0, 0]),
        multipliers=sp.Matrix([1, 1]),
        strict=frozenset({-1}),
    ),
    # found by the attack
    "growth above what has no value": grows(x**2 + 1, sp.exp(sp.log(-1, **kept), **kept), start=one),
    "one term below the index's declaration": sums(sp.S.Zero, k, m, m),
    "a limit where a parameter leaves no value": Limit(
        name="false", expression=sp.cos(p) ** x, variable=x, point=one, value=sp.cos(p)
    ),
    "a limit of a sum that ends before it begins": Limit(
        name="false", expression=sp.Sum(k * p, (k, 0, sp.Symbol("i", integer=True))) / p, variable=p
    ),
    "a limit where a parameter's denominator is 0": Limit(
        name="false", expression=(1 + 1 / p) / (1 - y), variable=p, value=1 / (1 - y)
    ),
    "an implication from what has no value": Enclosed(
        name="false",
        claim=sp.Implies(sp.Ge(x, sp.exp(sp.log(sp.sqrt(x), **kept), **kept)), sp.Ge((x - 1) ** 2, x)),
        over={x: (-2, -1)},
        boxes=40,
    ),
    "one of two, where the other has no value": Enclosed(
        name="false", claim=sp.Or(sp.Le(x, 0), sp.Ge(sp.sqrt(x), 0), evaluate=False), over={x: (-2, -1)}, boxes=40
    ),
    "a case without a value": Cases(
        name="false", claim=sp.Le(sp.Min(0, sp.exp(sp.log(n))), sp.exp(sp.log(n))), over={n: (3, 0)}
    ),
    # cited
    "x ≥ 5, seen at x = 6": Cited(name="false", statement="", source="", states=sp.Ge(x, 5), instances=({x: 6},)),
    # nested connectives
    "an implication read backwards": bound(sp.Implies(sp.Gt(x**2, 1), sp.Gt(x, 1))),
    "equivalence of an implication": bound(sp.Equivalent(sp.Gt(x, 1), sp.Gt(x**2, 1))),
    "not both": bound(sp.Not(sp.And(sp.Gt(x, 0), sp.Lt(x, 1)))),
    # chains
    "a chain with a gap": Chained(name="false", links=(sp.Le(x, y), sp.Le(y + 1, n))),
    "a chain with a link turned round": Chained(name="false", links=(sp.Le(x, y), sp.Ge(y, n))),
}


@pytest.mark.parametrize("step", FALSE_STEPS.values(), ids=FALSE_STEPS.keys())
def test_a_false_step_is_not_proved(step):
    assert step.decide().truth is not Truth.TRUE, step.decide()


# --- inductions ----------------------------------------------------------------------------------------------------


def induction(conclusion, base, step, *given, index=n, start=sp.S.Zero):
    return InductionOn(
        name="false",
        base=Bound(name="base", claim=base),
        step=Bound(name="step", claim=step, given=given),
        conclusion=conclusion,
        index=index,
        start=start,
    )


SMALL = sp.Lt(n, 1000)


@pytest.mark.parametrize(
    "step",
    [
        induction(SMALL, sp.Lt(0, 1000, **kept), sp.Lt(n + 1, 1001), SMALL),
        induction(SMALL, sp.Lt(0, 1000, **kept), sp.Lt(n + 1, 1000), SMALL, sp.Lt(n, 999)),
        induction(sp.Ge(n, 5), sp.Ge(x**2, 0), sp.Ge(n + 1, 5), sp.Ge(n, 5)),
        induction(sp.Ge(m, 0), sp.Ge(0, 0, **kept), sp.Ge(m + 1, 0), sp.Ge(m, 0), index=x),
        induction(sp.Ge(n, 3), sp.Ge(3, 3, **kept), sp.Ge(n + 1, 3), sp.Ge(n, 3), start=sp.Integer(-3)),
    ],
    ids=["another conclusion", "a step that holds up to 999", "another base", "along the reals", "from below"],
)
def test_an_induction_whose_parts_do_not_state_its_conclusion_proves_nothing(step):
    formula = step.conclusion
    assert Proof(steps=(step,)).check(formula).truth is not Truth.TRUE


def test_an_induction_from_3_says_nothing_about_smaller_numbers():
    late = induction(sp.Ge(n, 3), sp.Ge(3, 3, **kept), sp.Ge(n + 1, 3), sp.Ge(n, 3), start=sp.Integer(3))
    assert sp.Ge(n, 3, **kept) in late.assumes
    assert Proof(steps=(late,)).check(sp.Ge(n, 3)).truth is Truth.UNKNOWN


def test_a_premise_of_the_step_is_needed_for_every_n():
    grown = sp.Le(h(n + 1), h(n))
    falls = induction(sp.Le(h(n), h(0)), sp.Le(h(0), h(0), **kept), sp.Le(h(n + 1), h(0)), sp.Le(h(n), h(0)), grown)
    at_most = sp.Le(h(n), h(0))
    assert Proof(steps=(falls,), hypotheses=(grown,)).check(at_most).truth is Truth.UNKNOWN


def test_an_invariant_of_a_sequence_is_proved_and_a_sharper_one_is_not():
    above = sp.Ge(h(n), n + 1)
    doubled = invariant("2ⁿ ≥ n + 1", above, n, {h(n): 1}, {h(n): 2 * h(n)})
    assert doubled.decide().truth is Truth.TRUE
    assert Proof(steps=(doubled,)).check(above).truth is Truth.TRUE
    assert invariant("", sp.Gt(h(n), 2 * n), n, {h(n): 1}, {h(n): 2 * h(n)}).decide().truth is not Truth.TRUE


@pytest.mark.parametrize(
    "following",
    [{h(n): h(n + 1)}, {h(n): h(n) + h(n + 1)}, {h(n): h(2 * n)}, {h(n): f(n), f(n): h(n + 1)}],
    ids=str,
)
def test_a_recurrence_that_does_not_look_back_defines_no_sequence(following):
    initial = dict.fromkeys(following, 0)
    assert invariant("", sp.Ge(h(n) ** 2, 0), n, initial, following).decide().truth is Truth.UNKNOWN


def sequence(closed, step, name="h", **more):
    return Induction(name=name, sequence="h", index=n, next=step, closed=closed, **more)


SQUARES = sequence(n**2, lambda value, t: value + 2 * t + 1, "squares")
NUMBERS = sequence(n, lambda value, _: value + 1, "numbers")


def test_one_name_is_one_sequence():
    claim = sp.Eq(n**2, n)
    last = bound(claim, SQUARES.relation, NUMBERS.relation)
    for steps, hypotheses in (((SQUARES, NUMBERS, last), ()), ((SQUARES, last), (NUMBERS.relation,))):
        assert Proof(steps=steps, hypotheses=hypotheses).check(claim).truth is not Truth.TRUE
        assert Proof(steps=steps, hypotheses=hypotheses).ambiguity()
    assert Proof(steps=(SQUARES, SQUARES)).check(SQUARES.relation).truth is Truth.TRUE


def test_a_sequence_does_not_change_its_parameters():
    powers = sequence(x**n, lambda value, _: x * value, initial=one)
    assert powers.decide().truth is Truth.TRUE
    for at in ({x: two}, {x: y}):
        assert Specialise(name="false", of=powers, at=at).decide().truth is Truth.UNKNOWN
    assert Specialise(name="true", of=powers, at={n: n + 1}).decide().truth is Truth.TRUE


@pytest.mark.parametrize(
    "step",
    [
        sequence(n**2, lambda value, t: value + 2 * t + 1, start=-3, initial=sp.Integer(9)),
        sequence(sp.S.Zero, lambda _, t: sp.Piecewise((0, t < 5), (1, True)), given=(sp.Lt(n, 5),)),
        sequence(h(n), lambda value, _: value, initial=h(0)),
        Induction(name="false", index=x, next=lambda value, _: value, closed=sp.sin(sp.pi * x)),
    ],
    ids=["start below the index", "a fact at one index", "a sequence in terms of itself", "a real index"],
)
def test_an_induction_needs_an_index_that_runs_from_its_start(step):
    assert step.decide().truth is not Truth.TRUE


def test_a_closed_form_from_3_on_says_so():
    late = sequence(n**2, lambda value, t: value + 2 * t + 1, start=3, initial=sp.Integer(9))
    assert late.decide().truth is Truth.TRUE
    assert sp.Ge(n, 3, **kept) in late.assumes


# --- composition ---------------------------------------------------------------------------------------------------


def test_a_finite_case_is_no_identity():
    cases = Cases(name="x² = x", claim=sp.Eq(x**2, x, **kept), over={x: (0, 1)})
    at_y = Specialise(name="at y", of=cases, at={x: y})
    assert cases.decide().truth is Truth.TRUE
    for steps in ((cases,), (cases, at_y)):
        assert Proof(steps=steps).check(steps[-1].relation).truth is Truth.UNKNOWN


def test_a_point_whose_condition_is_undecided_is_not_dropped():
    claim, open_condition = sp.Eq(n, 0, **kept), sp.Gt(y, 0)
    assert Cases(
        name="false", claim=claim, over={n: (0, 1)}, given=(sp.Or(sp.Eq(n, 0), open_condition),)
    ).decide().truth is not (Truth.TRUE)


def test_a_name_is_one_quantity():
    first, second = sp.Ge(Named("a", x**2), 0, **kept), sp.Ge(Named("a", x**2 + 5), 1, **kept)
    steps = (Bound(name="one", claim=first), Bound(name="other", claim=second))
    assert [s.decide().truth for s in steps] == [Truth.TRUE, Truth.TRUE]
    assert Proof(steps=steps).check(second).truth is Truth.UNKNOWN
    assert Proof(steps=steps[:1]).check(sp.Ge(Named("a", x), 0, **kept)).truth is Truth.UNKNOWN
    assert Proof(steps=steps[:1]).check(sp.Ge(Named("b", x**2), 0, **kept)).truth is Truth.TRUE


def test_putting_in_captures_no_bound_variable():
    assert put_in(sp.Sum(n * k, (k, 1, 3)), {n: k}).doit() == 6 * k
    assert put_in(sp.Integral(x * y, (x, 0, 1)), {y: x}).doit() == x / 2
    assert put_in(sp.Limit(sp.exp(-x) + y, x, sp.oo), {y: x}).doit() == x
    t = sp.Symbol("t", integer=True, nonnegative=True)
    assert key(put_in(ForAll(n, sp.Ge(n + x, k)), {k: n})) == key(ForAll(t, sp.Ge(t + x, n)))
    some = bound(sp.Ge(sp.Sum(n, (k, 0, n)), 0, **kept))
    assert Specialise(name="at k", of=some, at={n: k}).relation.lhs.doit() == k * (k + 1)


def test_a_name_does_not_outlive_its_value():
    assert not put_in(Named("a", x**2), {x: y}).has(Named)
    assert put_in(Named("a", x**2), {n: 1}).has(Named)


def test_an_instance_keeps_conditions_and_declarations():
    root = Bound(name="root", claim=sp.Ge(sp.sqrt(x), 0), given=(sp.Ge(x, 0),))
    assert root.decide().truth is Truth.TRUE
    assert Specialise(name="at −1", of=root, at={x: -one}).decide().truth is Truth.UNKNOWN
    assert Specialise(name="at 2", of=root, at={x: two}).assumes == ()
    tangent = Bound(name="tangent", claim=sp.Ge(sp.exp(p), 1 + p))
    for expression in (x, 1 / x, sp.log(p), sp.oo, sp.nan, -p, sp.I):
        assert Specialise(name="false", of=tangent, at={p: expression}).decide().truth is Truth.UNKNOWN, expression
    even = sp.Symbol("e", even=True)
    halves = Bound(name="halves", claim=sp.Ge(even**2, 0))
    assert Specialise(name="false", of=halves, at={even: n}).decide().truth is Truth.UNKNOWN


def test_what_words_define_is_not_put_in_for():
    cited = Cited(name="F", statement="F is small", source="them", states=sp.Le(x, 1), instances=({x: 0},), about=(x,))
    assert cited.decide().truth is Truth.TRUE
    assert Specialise(name="false", of=cited, at={x: two}).decide().truth is Truth.UNKNOWN


def test_a_step_is_made_from_earlier_ones_only():
    lemma = Bound(name="lemma", claim=sp.Ge(x**2, 0))
    instance = Specialise(name="at 1", of=lemma, at={x: y})
    for steps in ((instance, lemma), (instance,), (Conjunction(name="both", of=(lemma,)), lemma)):
        assert Proof(steps=steps).check(steps[-1].relation).truth is Truth.UNKNOWN


def test_a_fact_for_all_values_is_known_only_if_nothing_is_said_of_the_variable():
    low = sp.Ge(x, 1)
    square = bound(sp.Ge(x**2, 1), low)
    claim = sp.Ge(y**2 + 1, 2 * y)
    everywhere = Bound(name="last", claim=claim, given=(ForAll(x, sp.Ge(x**2, 1)),))
    on_domain = Bound(name="last", claim=claim, given=(ForAll(x, sp.Ge(x**2, 1), low),))
    assert Proof(steps=(square, everywhere), hypotheses=(low,)).check(everywhere.relation).truth is Truth.UNKNOWN
    assert Proof(steps=(square, on_domain)).check(on_domain.relation).truth is Truth.TRUE


def test_a_hypothesis_for_all_values_of_a_domain_says_nothing_outside():
    beyond = ForAll(x, sp.Ge(f(x), 2), sp.Ge(x, 1))
    claim = sp.Ge(f(x), 1)
    last = bound(claim, sp.Ge(f(x), 2))
    assert Proof(steps=(last,), hypotheses=(beyond,)).check(claim).truth is Truth.UNKNOWN
    assert Proof(steps=(last,), hypotheses=(beyond, sp.Ge(x, 1))).check(claim).truth is Truth.TRUE


def test_hypotheses_that_contradict_each_other_prove_nothing_step_by_step():
    first, second = bound(sp.Ge(x, 0), sp.Gt(x, 1)), bound(sp.Le(x, 1), sp.Lt(sp.exp(x), 1))
    both = Conjunction(name="both", of=(first, second))
    hypotheses = (sp.Gt(x, 1), sp.Lt(sp.exp(x), 1))
    assert [s.decide().truth for s in (first, second)] == [Truth.TRUE, Truth.TRUE]
    assert Proof(steps=(first, second, both), hypotheses=hypotheses).check(both.relation).truth is Truth.UNKNOWN


def test_nothing_is_refuted_where_a_premise_is_not_seen_to_hold():
    assert bound(sp.Ge(x, 0), sp.Eq(sp.sin(x) + x, 10)).decide().truth is not Truth.FALSE


def test_a_fact_for_all_values_is_a_premise_and_no_conclusion():
    fact = ForAll(x, sp.Ge(f(x), 0))
    assert bound(fact, sp.Ge(f(x), 0)).decide().truth is Truth.UNKNOWN
    assert bound(sp.Ge(f(x) + 1, 1), fact).decide().truth is Truth.TRUE
    assert bound(sp.Ge(x + 1, 1), ForAll(x, sp.Ge(x, 0))).decide().truth is Truth.UNKNOWN


# --- procedures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("premise", "beyond"),
    [
        (sp.Eq(x**m, 1 + y, **kept), sp.Ne(x, 0)),  # x = 0, m = 1, y = -1
        (sp.Eq(x**y, 1 + y, **kept), sp.Ge(x**-2, 0, **kept)),  # x = 0, y = 1/2 and near
        (sp.Eq(sp.factorial(x), y, **kept), sp.Ge(x, 0)),  # (-1/2)! = √π
        (sp.Eq(sp.gamma(x), y, **kept), sp.Ge(sp.log(x**2), sp.log(x**2) - 1, **kept)),
        (sp.Eq(sp.polylog(m, x), y, **kept), sp.Lt(x, 1)),  # Li_0(2) = -2
        (sp.Eq(sp.binomial(x, 2), y, **kept), sp.Ge(y, 0)),  # x = 1/2
        (sp.Eq(sp.Sum(x, (k, 1, m)), y, **kept), sp.Ge(m, 0)),
    ],
)
def test_a_premise_has_no_value_only_where_it_must_have_none(premise, beyond):
    """What suffices for a goal's value is not said by a premise that has one."""
    assert bound(beyond, premise).decide().truth is not Truth.TRUE


@pytest.mark.parametrize("power", [q**n, q ** (2 * n), q**2 * (1 + q) ** n])
def test_a_power_of_0_is_no_exponential(power):
    """q^n is 0 at q = 0, where e^(n log q) has no value."""
    assert equal(sp.sign(power), one).decide().truth is not Truth.TRUE


def test_what_sympy_simplifies_away_is_looked_at():
    """sympy's simplify makes sign(Σ n·f(k)) − 1 a −1."""
    wrong = sp.sign(sp.Sum(n * f(k), (k, 1, 3)))
    assert equal(wrong - 1, -one).decide().truth is not Truth.TRUE
    step = Induction(
        name="false",
        index=n,
        start=1,
        initial=wrong.subs(n, 1),
        next=lambda sequence, _: sequence + wrong.subs(n, 1),
        closed=wrong,
    )
    assert step.decide().truth is not Truth.TRUE


WHOLE = sp.Ge(sp.Sum(k * x, (k, 0, n)) ** 2, 0, **kept)
"""A premise that speaks of a sum, whose value is then known to exist."""


def undone(e):
    """e^(log e): e where e is positive, and elsewhere no real number."""
    return sp.exp(sp.log(e, **kept), **kept)


@pytest.mark.parametrize(
    "step",
    [
        bound(sp.Or(WHOLE, sp.Ge(undone(x), 0, **kept), **kept), WHOLE),
        equal(undone(sp.Sum(k * x, (k, 0, n))), sp.Sum(k * x, (k, 0, n)), WHOLE),
        equal(undone(sp.UnevaluatedExpr(x)), x),
        equal(undone(sp.Derivative(x**2, x)), 2 * x),
        equal(sp.Sum(undone(m), (m, -2, 2)), sp.S.Zero),
        equal(sp.Integral(undone(x), (x, -2, 2)), sp.S.Zero),
        equal(sp.Sum(undone(n * m), (m, -2, 2)), sp.S.Zero, sp.Ge(sp.gamma(m), -y)),
    ],
)
def test_what_stands_around_a_part_is_not_decided_while_its_value_is_looked_for(step):
    """sympy makes e^(log x) an x wherever it builds it again."""
    assert step.decide().truth is not Truth.TRUE


def test_an_integral_says_nothing_of_its_ends():
    improper = sp.Eq(sp.Integral(1 / sp.sqrt(p), (p, 0, 1)), y, **kept)  # y = 2
    assert list(premises([improper])) == [improper]


@pytest.mark.parametrize(
    ("premise", "said"),
    [
        (sp.Ge(1 / x, y), sp.Ne(x, 0)),
        (sp.Ge(sp.log(x), y), sp.Gt(x, 0)),
        (sp.Ge(sp.sqrt(x), y), sp.Ge(x, 0)),
        (sp.Ge(x**m, y, **kept), sp.Or(sp.Ne(x, 0), sp.Ge(m, 0))),
        (sp.Ge(sp.acos(x), y), sp.Le(x**2, 1)),
    ],
)
def test_a_premise_says_that_its_parts_have_values(premise, said):
    assert bound(said, premise).decide().truth is Truth.TRUE


def test_nothing_compares_with_a_number_that_is_none():
    for bad in (sp.log(x), 1 / x, sp.sqrt(x - 1), sp.acos(x + 2)):
        for relation in (sp.Eq, sp.Ge, sp.Le, sp.Ne, sp.Lt):
            assert holds(relation(sp.Add(bad, bad, **kept), 2 * bad, **kept), {x: 0}) is None


def test_an_undefined_function_has_no_value():
    with pytest.raises(NotEnclosed, match="undefined"):
        enclose(f(1))


def test_a_declared_witness_is_checked():
    fact = sp.Eq(sp.exp(p), 3)
    assert bound(sp.Gt(p, 0), fact, witness={p: sp.log(3)}).decide().method == "vacuous"
    claim = sp.Ge(sp.exp(p), 2)
    assert bound(claim, fact, witness={p: sp.log(3)}).decide().truth is Truth.TRUE
    assert bound(claim, fact, witness={p: sp.log(4)}).decide().truth is Truth.UNKNOWN


def test_a_chain_of_derivatives_runs_over_the_reals_and_starts_apart_from_its_variable():
    assert derivative_chain((-1) ** n + 1, n, sp.S.Zero, ()).truth is Truth.UNKNOWN
    assert bound(sp.Ge(x - 4, 0), sp.Ge(x, x**2 - 12)).decide().truth is not Truth.TRUE


def test_z3_refutes_only_what_its_symbols_may_be():
    even = sp.Symbol("e", even=True)
    assert entails((), sp.Ne(even, 3)).truth is not Truth.FALSE
    assert identity(sp.Pow(-1, even, **kept), sp.S.One).truth is not Truth.FALSE


def test_a_negative_function_is_not_drawn_positive():
    g = sp.Function("g", negative=True)
    assert bound(sp.Lt(g(n), 0, **kept)).decide().truth is not Truth.FALSE
