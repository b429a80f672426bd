"""Memory: dual numbers, eq. (11), the memory blocks and Lemma 2's counterexamples."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.constructions import sensitivity as construction
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.duals import Dual, dual, perturbed, tangents
from mamba_theorems.kernels.fields import BALL, FLOAT64, RATIONAL, SYMPY
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.theorems.sensitivity.lemma2 import BETA, BRACKET, FIRST
from mamba_theorems.verify.checks.sensitivity import CHECKS
from mamba_theorems.verify.checks.sensitivity.lemma2 import Counterexample, exact_sensitivity, root_ball
from mamba_theorems.verify.report.book import weights_by_channel

rationals = st.fractions(min_value=-3, max_value=3, max_denominator=9)


@given(rationals, rationals.filter(bool))
def test_dual_numbers_differentiate_sums_products_and_quotients(a, b):
    x = Dual(a, Fraction(1))
    assert (x * x * b - x + 2).tangent == 2 * a * b - 1
    assert (x / b).tangent == 1 / b
    assert (b / (x * x + 1)).tangent == -2 * a * b / (a * a + 1) ** 2
    assert (1 - x).tangent == -1


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sigmoid", "softplus"])
def test_dual_numbers_differentiate_elementary_functions(name):
    x = sp.Symbol("x", positive=True)
    function = getattr(SYMPY, name)
    found = getattr(dual(SYMPY), name)(Dual(x, sp.S.One)).tangent
    assert sp.simplify(found - sp.diff(function(x), x)) == 0


@settings(max_examples=15)
@given(st.integers(0, 999), st.integers(0, 4), st.integers(0, 1))
def test_eq11_is_the_derivative_of_the_definition(seed, j, e):
    rng = np.random.default_rng(seed)
    mixer = construction.S6Mixer(
        rng.standard_normal((2, 2)),
        rng.standard_normal(2),
        -np.exp(rng.standard_normal((2, 3))),
        rng.standard_normal((3, 2)),
    )
    x = rng.standard_normal((5, 2))
    exact = tangents(mixer.states(dual(BALL), perturbed(BALL, x, (j, e))))[j:]
    claimed = mixer.eq11(BALL, BALL.array(x), j, e)
    assert all(a.overlaps(b) for a, b in zip(exact.flat, claimed.flat, strict=True))


def test_a_relu_block_differentiates_over_rationals():
    weights = {
        "conv.weight": [[1, 2]], "conv.bias": [-1], "delta.weight": [[0]], "delta.bias": [1],
        "B.weight": [[1]], "C.weight": [[1]], "A": [[0]],
    }  # fmt: skip
    f = dual(RATIONAL)
    x = perturbed(RATIONAL, np.array([[2], [1], [3]], dtype=object), (0, 0))
    y = semantics.paper_mamba(
        f, {k: f.array(np.array(v, dtype=object)) for k, v in weights.items()}, x, delta_activation="identity"
    )
    # x̂ = (3, 3, 6), x̂′ = (2, 1, 0); y_3 = x̂_3 Σ x̂_j²
    assert tangents(y)[2, 0] == 6 * (2 * 3 * 2 + 2 * 3 * 1)


def test_lemma_2_fails_exactly_and_at_an_enclosed_root():
    assert exact_sensitivity(Counterexample(FIRST, BETA), 3) == [0, 0, 0, 0]
    root = root_ball(*BRACKET)
    with BALL.arithmetic():
        residue = root * BALL.softplus(root) - 4 * BALL.log(BALL.number(2))
    assert residue.contains(0)
    assert float(root.rad()) < 1e-30


def test_an_interval_without_a_root_is_refused():
    with pytest.raises(ArithmeticError):
        root_ball(sp.Rational(1), sp.Rational(11, 10))


@pytest.mark.parametrize("build", [construction.memory_block, construction.memory_block2])
def test_a_clock_keeps_the_value_of_one_moment(build):
    module = build(construction.by_clock(5)).module(torch.float64)
    u = torch.rand(1, 300, 3, dtype=torch.float64)
    u[0, :, 1], u[0, :, 2] = torch.arange(300), 1
    assert (module(u)[0, 5:, 0] - u[0, 5, 0]).abs().max() <= 1 / (2 * construction.ANCHOR**2)


@pytest.mark.parametrize("claim", ["sensitivity.latch", "foundations.selective-copying"])
def test_constructions_are_told_by_channel(claim):
    assert len(weights_by_channel(claim)) > 3


def test_the_memory_block_runs_on_balls():
    u = BALL.array(np.array([[Fraction(1, 3), 1, 1], [Fraction(-1, 2), 0, 1], [1, 0, 1]], dtype=object))
    y = construction.memory_block(construction.by_flag()).run(BALL, u)[:, 0]
    with BALL.arithmetic():
        assert all(abs(v - BALL.number(Fraction(1, 3))) < BALL.number(Fraction(1, 10**20)) for v in y)


def test_every_claim_of_the_family_has_a_check_or_a_derivation_and_every_check_its_claim():
    family = {name for name in claims() if family_of(name) == "sensitivity"}
    assert {check.claim for check in CHECKS} <= family
    assert len(family) == 11
    assert all(claims()[name].proof or claims()[name].disproof for name in family)


def test_float_duals_match_a_difference_quotient():
    x = np.array([[0.3], [-0.7]])

    def run(f, values):
        return semantics.state_history(f, values, f.softplus(values), f.array([[-1]]), f.array(np.ones((2, 1))))

    step = 2.0**-20
    up, down = (run(FLOAT64, x + np.array([[s], [0]])) for s in (step, -step))
    found = tangents(run(dual(FLOAT64), perturbed(FLOAT64, x, (0, 0)))).astype(float)
    assert np.abs((up - down) / (2 * step) - found).max() < step
