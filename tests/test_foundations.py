"""The recurrence's other forms, and selective copying with its explicit size."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.constructions import foundations as forms
from mamba_theorems.constructions.foundations import Copying, selective_copying
from mamba_theorems.constructions.tasks import IGNORED
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.bounds.running_error import contains, rounding
from mamba_theorems.kernels.fields import BALL, RATIONAL
from mamba_theorems.theorems.registry import claims, family_of
from mamba_theorems.verify.checks.foundations import CHECKS
from mamba_theorems.verify.checks.foundations.copying import margins


@settings(max_examples=20)
@given(st.integers(1, 20), st.integers(0, 99))
def test_an_fft_of_at_least_2l_minus_1_points_is_the_convolution(length, seed):
    kernel, x = np.random.default_rng(seed).integers(-99, 100, (2, length))
    exact = np.convolve(kernel, x)[:length]
    for period in (2 * length - 1, 2 * length, 4 * length):
        assert np.array_equal(np.rint(forms.fft_convolution(kernel.astype(float), x.astype(float), period)), exact)


def test_one_point_fewer_wraps_the_last_product_onto_the_first_output():
    found = forms.fft_convolution(np.array([1.0, 2, 3]), np.array([1.0, 0, 5]), 4)
    assert list(np.rint(found)) == [1 + 3 * 5, 2, 3 + 5]


def test_the_s4d_kernel_is_exact_over_rationals():
    decay, gain = (np.array([Fraction(a, 4), Fraction(b, 3)], dtype=object) for a, b in ((1, 2), (3, 1)))
    kernel = forms.s4d_kernel(RATIONAL, decay, gain, 3)
    assert list(kernel) == [sum(g * d**i for d, g in zip(decay, gain, strict=True)) for i in range(3)]


@settings(max_examples=15)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_chunks_of_any_size_equal_masked_attention(length, size, seed):
    rng = np.random.default_rng(seed)
    x, B, C = (BALL.array(rng.standard_normal((length, k))) for k in (2, 3, 3))
    dt, A = BALL.array(rng.random(length)), BALL.number(-1)
    rows, chunks = forms.masked_attention(BALL, x, dt, A, B, C), forms.chunked(BALL, x, dt, A, B, C, size)
    assert all(a.overlaps(b) for a, b in zip(rows.flat, chunks.flat, strict=True))


def test_zoh_is_the_gated_rnn_and_euler_is_not():
    z, u = (BALL.array(m) for m in np.random.default_rng(0).standard_normal((2, 6)))
    gated = forms.gated_rnn(BALL, z, u)
    assert all(a.overlaps(b) for a, b in zip(forms.gated_rnn_in_s6(BALL, z, u), gated, strict=True))
    assert not any(
        a.overlaps(b) for a, b in zip(forms.gated_rnn_in_s6(BALL, z, u, semantics.euler), gated, strict=True)
    )


def test_copying_tasks_hold_the_contents_in_order():
    tokens, targets = Copying(5, 3, 20).batch(50, 0)
    for row, target in zip(tokens, targets, strict=True):
        contents = row[row < 5]
        assert list(target[target != IGNORED]) == list(contents)
        assert list(row[-3:]) == [6, 6, 6]
        assert (row[:-3] == 5).sum() == 14


@pytest.mark.parametrize("sizes", [(0, 1, 5), (2, 0, 5), (2, 3, 5)])
def test_impossible_copying_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="use at least one of each"):
        Copying(*sizes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("values", "tokens"), [(1, 1), (2, 4), (14, 16)])
def test_the_copier_answers_everything_and_one_address_fewer_does_not(values, tokens, dtype):
    inputs, targets = Copying(values, tokens, 300).batch(4, 1)
    copier = selective_copying(values, tokens)
    logits = copier.network().module(dtype)(torch.from_numpy(inputs)).numpy()
    assert (margins(logits, targets) > 0).all()
    assert copier.hyperparameters["d_model"] == values + 3
    assert copier.expand * (values + 3) >= values + 2 * tokens
    if tokens > 1:
        smaller = (
            selective_copying(values, tokens, tokens - 1).network().module(dtype)(torch.from_numpy(inputs)).numpy()
        )
        assert (margins(smaller, targets) <= 0).any()


def test_the_copier_s_definition_and_kernel_agree():
    inputs, targets = Copying(3, 2, 12).batch(2, 0)
    copier = selective_copying(3, 2)
    f = rounding(np.float64)
    kernel = copier.network().module(torch.float64)(torch.from_numpy(inputs)).numpy()
    assert contains(copier.network().run(f, inputs), kernel)[targets != IGNORED].all()


def test_every_claim_of_the_family_has_a_check():
    family = {name for name in claims() if family_of(name) == "foundations"}
    assert {check.claim for check in CHECKS} == family
    assert len(family) == 12
