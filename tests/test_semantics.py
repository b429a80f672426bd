"""One text, five number fields: the same equations agree on floats, rationals, Arb balls and sympy."""

from dataclasses import replace
from fractions import Fraction

import flint
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.bounds.running_error import contains, rounding
from mamba_theorems.kernels.fields import BALL, FLOAT32, FLOAT64, RATIONAL, SYMPY, ball


def exact_array(rng, *shape):
    return np.vectorize(lambda n: Fraction(int(n), 8), otypes=[object])(rng.integers(-8, 9, shape))


def exact_weights(rng, **shapes):
    return {name.replace("__", "."): exact_array(rng, *shape) for name, shape in shapes.items()}


def in_field(f, weights):
    return {name: f.array(w) for name, w in weights.items()}


def official_mamba(rng, d_model=2, d_inner=2, n=2, dt_rank=1, d_conv=2):
    return exact_weights(
        rng,
        in_proj__weight=(2 * d_inner, d_model),
        conv1d__weight=(d_inner, 1, d_conv),
        conv1d__bias=(d_inner,),
        x_proj__weight=(dt_rank + 2 * n, d_inner),
        dt_proj__weight=(d_inner, dt_rank),
        dt_proj__bias=(d_inner,),
        A_log=(d_inner, n),
        D=(d_inner,),
        out_proj__weight=(d_model, d_inner),
    )


def official_mamba2(rng, d_model=2, nheads=2, headdim=1, n=2, d_conv=2):
    d_inner = nheads * headdim
    return exact_weights(
        rng,
        in_proj__weight=(2 * d_inner + 2 * n + nheads, d_model),
        conv1d__weight=(d_inner + 2 * n, 1, d_conv),
        conv1d__bias=(d_inner + 2 * n,),
        dt_bias=(nheads,),
        A_log=(nheads,),
        D=(nheads,),
        norm__weight=(d_inner,),
        out_proj__weight=(d_model, d_inner),
    )


def paper_weights(rng, d=2, n=2, k=2):
    weights = exact_weights(
        rng,
        conv__weight=(d, k),
        conv__bias=(d,),
        delta__weight=(d, d),
        delta__bias=(d,),
        B__weight=(n, d),
        C__weight=(n, d),
        gate__weight=(d, d),
    )
    return weights | {"A": -abs(exact_array(rng, d, n))}


def paper_mamba2_weights(rng, d=2, n=2, k=2):
    convs = exact_weights(rng, x_conv__weight=(d, k), B_conv__weight=(n, k), C_conv__weight=(n, k))
    maps = exact_weights(rng, x__weight=(d, d), B__weight=(n, d), C__weight=(n, d), delta__weight=(d, d))
    return convs | maps | {"A": -abs(exact_array(rng, d))}


def language_model(rng, mixer):
    head = exact_weights(
        rng,
        backbone__embedding__weight=(4, 2),
        backbone__layers__0__norm__weight=(2,),
        backbone__norm_f__weight=(2,),
        lm_head__weight=(4, 2),
    )
    return head | {f"backbone.layers.0.mixer.{name}": w for name, w in mixer(rng).items()}


def s4d_weights(rng):
    weights = paper_weights(rng)
    return weights | {"B": exact_array(rng, 2), "C": exact_array(rng, 2, 2)}


def delta_t_weights(rng):
    return paper_weights(rng) | exact_weights(rng, delta__weight=(2, 2), delta__bias=(2,))


def on_vectors(block):
    return lambda f, weights, x: block(f, weights, f.array(x))


BLOCKS = {
    "mamba": (official_mamba, on_vectors(semantics.mamba)),
    "mamba2": (official_mamba2, on_vectors(semantics.mamba2)),
    "paper_mamba": (paper_weights, on_vectors(semantics.paper_mamba)),
    "paper_mamba2": (paper_mamba2_weights, on_vectors(semantics.paper_mamba2)),
    "paper_s4d": (s4d_weights, on_vectors(semantics.paper_s4d)),
    "paper_mamba_delta_t": (delta_t_weights, on_vectors(semantics.paper_mamba_delta_t)),
}


def evaluate(block, f, seed, length=2):
    rng = np.random.default_rng(seed)
    make, run = BLOCKS[block]
    return run(f, in_field(f, make(rng)), exact_array(rng, length, 2))


@pytest.mark.parametrize("block", BLOCKS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_floats_lie_in_their_running_error_balls(block, seed):
    for f in (FLOAT32, FLOAT64):
        enclosures = evaluate(block, rounding(f.dtype), seed)
        assert contains(enclosures, evaluate(block, f, seed)).all()


@pytest.mark.parametrize("block", BLOCKS)
def test_sympy_lies_in_the_arb_balls(block):
    balls, closed_forms = evaluate(block, BALL, 3), evaluate(block, SYMPY, 3)
    for b, expression in zip(balls.flat, closed_forms.flat, strict=True):
        assert flint.arb(str(sympy.N(expression, 30))).overlaps(b + flint.arb(0, 1e-25))


@pytest.mark.parametrize("mixer", [official_mamba, official_mamba2])
def test_language_model_agrees_on_floats_and_balls(mixer):
    tokens = np.array([[0, 1, 3], [2, 2, 0]])
    weights = language_model(np.random.default_rng(0), mixer)
    enclosures, floats = (
        semantics.language_model(f, in_field(f, weights), tokens) for f in (rounding(np.float64), FLOAT64)
    )
    assert floats.shape == (2, 3, 4)
    assert contains(enclosures, floats).all()


@given(seed=st.integers(0, 1000), length=st.integers(1, 5))
@settings(max_examples=30)
def test_rationals_equal_sympy_where_the_state_never_decays(seed, length):
    rng = np.random.default_rng(seed)
    weights = paper_weights(rng) | {"A": 0 * exact_array(rng, 2, 2)}
    x = exact_array(rng, length, 2)
    exact_runs = [
        semantics.paper_mamba(f, in_field(f, weights), f.array(x), delta_activation="identity")
        for f in (RATIONAL, SYMPY, FLOAT64)
    ]
    rational, symbolic, floating = exact_runs
    assert all(a == sympy.Rational(b) for a, b in zip(symbolic.flat, rational.flat, strict=True))
    np.testing.assert_array_equal(floating, rational.astype(float))  # dyadic: no rounding


def unrolled_sum(f, u, delta, A, B, C):
    """y_t = Σ_j C_t · e^{A Σ_{j<r≤t} Δ_r} Δ_j B_j u_j, written as the sum it is."""
    length = u.shape[0]
    y = f.array(np.zeros(u.shape, dtype=int))
    for t in range(length):
        for j in range(t + 1):
            kernel = f.exp(delta[j + 1 : t + 1].sum(0)[:, None] * A)
            y[t] += (kernel * (delta[j] * u[j])[:, None] * B[j] * C[t]).sum(-1)
    return y


@given(seed=st.integers(0, 1000), length=st.integers(1, 9))
@settings(max_examples=25)
def test_scan_equals_unrolled_sum_for_every_length(seed, length):
    rng = np.random.default_rng(seed)
    u, delta, B, C = (BALL.array(exact_array(rng, length, 2)) for _ in range(4))
    A = BALL.array(-abs(exact_array(rng, 2, 2)))
    scan = semantics.selective_scan(BALL, u, abs(delta), A, B, C)
    for y, s in zip(scan.flat, unrolled_sum(BALL, u, abs(delta), A, B, C).flat, strict=True):
        assert y.overlaps(s)
        assert y.rad() < 1e-30


@given(seed=st.integers(0, 1000), cut=st.integers(1, 5))
@settings(max_examples=20)
def test_state_carries_the_past(seed, cut):
    rng = np.random.default_rng(seed)
    u, delta, B, C = (rng.normal(size=(3, 6, 2)) for _ in range(4))
    A = -np.exp(rng.normal(size=(2, 2)))
    past = semantics.state_history(FLOAT64, u[:, :cut], delta[:, :cut], A, B[:, :cut])[:, -1]
    rest = semantics.selective_scan(
        FLOAT64, *(m[:, cut:] for m in (u, delta)), A, B[:, cut:], C[:, cut:], None, None, past
    )
    whole = semantics.selective_scan(FLOAT64, u, delta, A, B, C)
    np.testing.assert_array_equal(whole[:, cut:], rest)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_ssd_is_the_selective_scan_with_one_decay_a_head(seed):
    rng = np.random.default_rng(seed)
    x, dt = rng.normal(size=(2, 5, 4, 3)), rng.random((2, 5, 4))
    A, D = -rng.random(4), rng.normal(size=4)
    B, C = rng.normal(size=(2, 2, 5, 2, 7))
    y = semantics.ssd(BALL, *map(BALL.array, (x, dt, A, B, C, D)))
    for head in range(4):
        group = head // 2
        step_size, decay = np.repeat(dt[:, :, [head]], 3, -1), np.full((3, 7), A[head])
        parts = (x[:, :, head], step_size, decay, B[:, :, group], C[:, :, group], np.full(3, D[head]))
        same = semantics.selective_scan(BALL, *map(BALL.array, parts))
        assert all(a.overlaps(b) and a.rad() < 1e-20 for a, b in zip(y[:, :, head].flat, same.flat, strict=True))


def test_zero_order_hold_is_the_exact_solution_of_the_ode():
    x, a, b, h = sympy.symbols("x a b h")

    def array(symbol):
        return np.array([[symbol]], dtype=object)

    decay, gain = semantics.zoh(SYMPY, array(x), array(a))
    step = decay[0, 0] * h + gain[0, 0] * b
    time = sympy.symbols("time")
    assert sympy.simplify(sympy.diff(step.subs(x, time), time) - (a * step.subs(x, time) + b)) == 0
    assert step.subs(x, 0) == h


def test_zero_order_hold_of_a_frozen_state_is_euler():
    delta, still = RATIONAL.array([[Fraction(3, 7)]]), RATIONAL.array([[0]])
    assert semantics.zoh(RATIONAL, delta, still) == semantics.euler(RATIONAL, delta, still)


def test_a_mutant_field_changes_every_block():
    mutant = replace(FLOAT64, exp=lambda x: 1 + x)
    for block in ("mamba", "mamba2", "paper_mamba", "paper_mamba2", "paper_s4d", "paper_mamba_delta_t"):
        assert not np.array_equal(evaluate(block, mutant, 5, 4), evaluate(block, FLOAT64, 5, 4)), block


def test_last_tap_of_the_convolution_is_the_current_token():
    x, weight = np.array([[1.0], [10.0], [100.0]]), np.array([[2.0, 3.0]])
    np.testing.assert_array_equal(semantics.causal_conv1d(FLOAT64, x, weight), [[3.0], [32.0], [320.0]])


@given(numerator=st.integers(-(10**30), 10**30), denominator=st.integers(1, 10**30))
def test_float32_is_the_nearest_one(numerator, denominator):
    value = Fraction(numerator, denominator)
    x = FLOAT32.number(value)
    error = abs(Fraction(float(x)) - value)
    for neighbour in (np.nextafter(x, np.float32(-np.inf)), np.nextafter(x, np.float32(np.inf))):
        assert error <= abs(Fraction(float(neighbour)) - value)


def test_float32_is_not_rounded_twice():
    just_above_the_middle = 1 + Fraction(1, 2**24) + Fraction(1, 2**60)
    assert FLOAT32.number(just_above_the_middle) == np.nextafter(np.float32(1), np.float32(2))
    assert np.float32(float(just_above_the_middle)) == 1


def test_numbers_of_closed_forms():
    gate_of_one = 1 + sympy.LambertW(sympy.exp(-1))
    x = FLOAT64.number(gate_of_one)
    assert abs(BALL.number(gate_of_one) - flint.arb(float(x))) <= flint.arb(float(np.spacing(x))) / 2
    assert SYMPY.number(gate_of_one) == gate_of_one
    silu = semantics.silu(BALL, BALL.array(np.array([gate_of_one], dtype=object)))
    assert silu.item().overlaps(flint.arb(1))
    assert ball(300).number(sympy.pi).rad() < 1e-80


def test_irrational_values_are_refused_on_the_rationals_with_the_way_out():
    with pytest.raises(ArithmeticError, match="Arb"):
        RATIONAL.exp(Fraction(1))
    with pytest.raises(ArithmeticError, match="Arb"):
        RATIONAL.sqrt(Fraction(2))
    assert RATIONAL.sqrt(Fraction(9, 4)) == Fraction(3, 2)
    assert RATIONAL.exp(Fraction(0)) == 1
    assert RATIONAL.sigmoid(Fraction(0)) == Fraction(1, 2)


def test_softplus_keeps_its_relative_accuracy_down_to_minus_100():
    for f in (FLOAT32, FLOAT64):
        for x in (-15, -17, -50, -87, -100):
            value = float(f.softplus(f.number(x)))
            assert contains(np.array(rounding(f.dtype).softplus(rounding(f.dtype).number(x))), np.array(value)).all()
