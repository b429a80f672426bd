"""Family haar: networks against the definition and PyWavelets, certified integrals, the optimiser's own gradient."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import pywt
import torch
from flint import ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.constructions import describe_claim
from mamba_theorems.constructions.haar import (
    Steps,
    Wavelet,
    full_basis,
    keep_nth,
    mamba1_haar,
    mamba2_haar,
    wavelet,
    wavelet_steps,
)
from mamba_theorems.constructions.haar.transform import step_of_hinges
from mamba_theorems.kernels.fields import BALL, FLOAT32, FLOAT64
from mamba_theorems.theorems.haar import CLAIMS
from mamba_theorems.verify.checks.haar import CHECKS
from mamba_theorems.verify.checks.haar.separation import Fit, _start, fourier_error, simple_bound, step_down, tail_sum

NETWORKS = {
    "mamba": mamba1_haar,
    "mamba, clock first": lambda length, basis: mamba1_haar(length, basis, knows_time=False),
    "mamba2": mamba2_haar,
}


def test_every_check_is_of_a_claim_of_this_family():
    assert {check.claim for check in CHECKS} <= {claim.id for claim in CLAIMS}


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_the_full_transform_equals_pywavelets(build):
    length = 32
    basis = full_basis(length)
    signal = np.random.default_rng(1).standard_normal((3, length)).astype(np.float32)
    wanted = np.concatenate(pywt.wavedec(signal.astype(float), "haar"), axis=-1)
    norms = np.sqrt([w.squared_norm for w in basis])
    for found in (build(length, basis).run(FLOAT32, signal), build(length, basis).on_kernels(signal, torch.float32)):
        assert np.abs(found / norms - wanted).max() <= 64 * 2.0**-24 * np.abs(signal).sum(-1).max()


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_the_exact_network_misses_the_coefficient_by_less_than_float64_rounds(build):
    signal = [Fraction(3), Fraction(-1, 2), Fraction(7, 4), Fraction(2)]
    exact = signal[0] + signal[1] - signal[2] - signal[3]
    with ctx.workprec(300):
        (found,) = build(4, (wavelet(2, 0),)).run(BALL, BALL.array(signal)[None])[0]
        assert abs(found - BALL.number(exact)) < 2.0**-54 * float(sum(map(abs, signal)))  # half an ulp of float64


@given(st.integers(0, 6))
def test_a_basis_is_orthogonal_and_complete(log):
    basis = full_basis(2**log)
    matrix = np.stack([w.values(2**log) for w in basis])
    assert np.array_equal(matrix @ matrix.T, np.diag([w.squared_norm for w in basis]))


def test_a_length_that_is_no_power_of_two_says_what_to_do():
    with pytest.raises(ValueError, match="pad the signal"):
        full_basis(12)


@given(st.integers(0, 5), st.integers(1, 5), st.integers(1, 5))
def test_hinges_make_the_wavelet_exactly_in_float32(start, first, second):
    w = Wavelet(start, start + first, start + first + second)
    t = np.arange(24, dtype=np.float32)
    total = np.zeros_like(t)
    for channel, factor in step_of_hinges(w.jumps).items():
        x = np.float32(128) * (t - np.float32(channel.index))
        total += np.float32(factor) * x * FLOAT32.sigmoid(x)
    assert np.array_equal(total, w.values(24))


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(2, 9), st.integers(0, 5))
def test_keep_nth_is_exact_in_float32_by_definition_and_on_kernels(n, vocab_size, seed):
    tokens = np.random.default_rng(seed).integers(0, vocab_size, (2, 40))
    wanted = np.broadcast_to(np.eye(vocab_size)[tokens[:, n - 1]][:, None], (2, 41 - n, vocab_size))
    network = keep_nth(n, vocab_size)
    assert np.array_equal(network.run(FLOAT32, tokens)[:, n - 1 :], wanted)
    assert np.array_equal(network.on_kernels(tokens, torch.float32)[:, n - 1 :], wanted)


def test_token_zero_does_not_exist():
    with pytest.raises(ValueError, match="counted from 1"):
        keep_nth(0, 4)


def test_a_certified_integral_is_a_riemann_sum_within_the_sum_s_own_error():
    cells, rate = 200_000, 100
    steps = wavelet_steps(1, 1, Fraction(rate))
    s = (np.arange(cells) + 0.5) / cells
    total = np.zeros_like(s)
    for threshold, jump in steps.jumps.items():
        r = np.linspace(0, 1, cells + 1)
        step_size = np.logaddexp(0, -rate * (r - float(threshold)))
        exponent = np.concatenate([np.cumsum(((step_size[1:] + step_size[:-1]) / 2)[::-1])[::-1], [0]]) / cells
        g = np.exp(-(exponent[1:] + exponent[:-1]) / 2)
        total += float(jump) * (g - (s >= float(threshold)))
    jumps, steepest = float(sum(abs(j) for j in steps.jumps.values())), rate + np.log(2)  # |total|, |(log g)'| at most
    exponents = rate**2 / 4 / cells**2 / 6  # trapezoids, and their mean at a midpoint: softplus'' is rate^2 / 4 at most
    midpoints = jumps**2 * (4 * steepest**2 + 2 * rate) / 24 / cells**2
    allowed = midpoints + 2 * jumps**2 * exponents
    assert allowed < 1e-5
    assert abs(steps.squared_error(1e-9) - np.mean(total**2)) < allowed


def test_a_missing_jump_costs_its_whole_square():
    known, rate = {Fraction(0): Fraction(1)}, 10**6
    error = Steps(known, Fraction(rate), known | {Fraction(1, 2): Fraction(3)}).squared_error(1e-9)
    assert abs(error - 4.5) < 7.1 / rate**2 + 1e-9  # 1 - g <= exp(-rate s) / rate, with weights 1 and 2 times 3


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_the_gradient_of_the_fit_is_the_limit_of_central_differences(count):
    fit, point = Fit(step_down(0.3)), _start(count, 2, np.random.default_rng(3)) + 0.1
    _, gradient = fit.squared_error(point, count)

    def error(h: float) -> float:
        steps = h * np.eye(len(point))
        slopes = [fit.squared_error(point + e, count)[0] - fit.squared_error(point - e, count)[0] for e in steps]
        return float(np.linalg.norm(np.array(slopes) / (2 * h) - gradient))

    assert error(1e-3) < error(1e-2) / 90  # h^2 c, no constant left: 100 times less, but for h^4


@given(st.integers(1, 200))
def test_bounds_are_ordered(n):
    assert simple_bound(n) <= tail_sum(n) <= fourier_error(n)


def test_networks_are_told_by_channel():
    assert "  hinge[1] = SiLU(128·time + -128)" in describe_claim("haar", "haar.official-block")
    assert "  Δ = softplus(-2·clock + 640)" in describe_claim("haar", "haar.keep-nth-one-state")
    assert describe_claim("haar", "haar.thm1") == []
    wavelet_of_two = "1/128·hinge[-1] + -3/128·hinge[0] + 3/128·hinge[1] + -1/128·hinge[2]"
    assert f"  B of coefficient[0] = {wavelet_of_two}" in describe_claim("haar", "haar.official-block")


@pytest.mark.parametrize("length", [2, 4])
def test_no_weight_of_a_map_is_left_untold(length):
    (block,) = mamba1_haar(length, full_basis(length)).layers
    told = dict(line.split(" = ") for line in block.told if line.startswith(("B of", "C of", "output")))
    for name, starts in (("x_proj.weight", ("B of", "C of")), ("out_proj.weight", ("output",))):
        terms = sum(rule.count("·") for channel, rule in told.items() if channel.startswith(starts))
        assert terms == np.count_nonzero(block.weights[name].to(FLOAT64))


def test_a_mutated_block_is_another_block():
    network = mamba1_haar(4, (wavelet(2, 0),))
    block = network.layers[0]
    changed = replace(block, weights=block.weights | {"D": block.weights["D"].with_entries({(0,): 1})})
    assert not np.array_equal(changed.run(FLOAT64, np.ones((5, 3))), block.run(FLOAT64, np.ones((5, 3))))
