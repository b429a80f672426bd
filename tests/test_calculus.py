"""Steps of calculus: true integrals and monotone differences are proved, false ones never."""

from dataclasses import replace

import pytest
import sympy as sp

from mamba_theorems.theorems.proofs.calculus import Grows, Integrated
from mamba_theorems.theorems.proofs.decide import Truth

x, t = sp.symbols("x t", positive=True)
v = sp.Symbol("v", real=True)

CUBE = Integrated(name="∫ 3v²", integrand=3 * v**2, variable=v, low=sp.S.Zero, high=x, antiderivative=v**3, value=x**3)
EXPONENTIAL = Grows(name="eˣ ≥ 1 + x", larger=sp.exp(x), smaller=1 + x, variable=x)
LEIBNIZ = Grows(
    name="∫_0^x eᵛ dv ≥ x",
    larger=sp.Integral(sp.exp(v), (v, 0, x)),
    smaller=x,
    variable=x,
)


@pytest.mark.parametrize("step", [CUBE, EXPONENTIAL, LEIBNIZ], ids=lambda s: s.name)
def test_a_true_step_is_proved_and_its_mutants_are_not(step):
    assert step.decide().truth is Truth.TRUE
    assert {mutant.decide().truth for _, mutant in step.mutants()}.isdisjoint({Truth.TRUE})


def test_a_wrong_antiderivative_is_refuted():
    assert replace(CUBE, antiderivative=v**2).decide().truth is Truth.FALSE


def test_a_difference_that_starts_below_is_not_proved():
    assert replace(EXPONENTIAL, smaller=sp.Rational(3, 2) + x).decide().truth is Truth.FALSE


def test_a_falling_difference_is_unknown_not_false():
    step = Grows(name="2 − x ≥ 0", larger=sp.Integer(2), smaller=x, variable=x)
    assert step.decide().truth is Truth.UNKNOWN


def test_a_bounded_domain_is_assumed_and_used():
    step = Grows(name="x(2 − x) ≥ 0 up to 1", larger=2 * x, smaller=x**2, variable=x, until=sp.S.One)
    assert step.decide().truth is Truth.TRUE
    assert sp.Le(x, 1) in step.assumes
    assert replace(step, until=sp.Integer(3)).decide().truth is not Truth.TRUE


def test_the_fundamental_theorem_is_stated_as_a_relation():
    assert CUBE.relation == sp.Eq(sp.Integral(3 * v**2, (v, 0, x)), x**3, evaluate=False)
    assert sp.Ge(sp.exp(x), 1 + x) == EXPONENTIAL.relation
