"""Token dynamics: the system against its sum, the integrators against a closed form, refinements on a block."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from constructions.token_dynamics.enclosures import ScalarTokens, enclose
from constructions.token_dynamics.integrate import integrate, time_left
from constructions.token_dynamics.refinements import Reordered, exclude_convergent, positive_form, softsort
from constructions.token_dynamics.system import TokenSystem, quadratic_forms


def written_out(system, x):
    """The double sum, one term at a time."""
    steps = np.logaddexp(0, x @ system.S_delta)
    velocity = np.zeros_like(x)
    for l in range(len(x)):
        for j in range(l + 1):
            decay = np.exp(-system.decay * steps[j + 1 : l + 1].sum())
            velocity[l] += (x[l] @ system.form @ x[j]) * steps[j] * decay * x[j]
    return velocity


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31))
def test_velocity_equals_the_double_sum(width, tokens, seed):
    rng = np.random.default_rng(seed)
    S_B, S_C = rng.normal(size=(2, width, width))
    system = TokenSystem(S_B, S_C, rng.normal(size=width), np.array(rng.uniform(0, 2)))
    x = rng.normal(size=(tokens, width))
    np.testing.assert_allclose(system.velocity(x), written_out(system, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mu", [-1.0, 0.5])
def test_one_token_with_constant_step_follows_its_closed_form(mu):
    system = TokenSystem.scalar(*(np.array([v]) for v in (mu, 0.0, 1.0)))
    path = integrate(system, np.array([[[0.8]]]), np.arange(1.0, 20.0))
    with np.errstate(invalid="ignore"):
        exact = (0.8**-2 - 2 * mu * np.log(2) * path.time[:, 0]) ** -0.5
    before_the_end = path.norms[:, 0, 0] < 1e3  # closer to a singularity the closed form itself loses its digits
    np.testing.assert_allclose(path.norms[before_the_end, 0, 0], exact[before_the_end], rtol=1e-4)
    ends = 1 / (2 * mu * np.log(2) * 0.64)
    if mu > 0:
        assert (
            path.time[-1, 0]
            <= ends * (1 + 1e-9)
            <= (path.time[-1] + time_left(system, path.tokens[-1]))[0] * (1 + 1e-8)
        )


def test_enclosure_holds_the_closed_form():
    system = ScalarTokens(Fraction(-1), Fraction(0), Fraction(1))
    end = enclose(system, (Fraction(3, 4),), Fraction(2), Fraction(1, 16))
    closed = 1 / (Fraction(16, 9).numerator / end.time.__class__(9) + 2 * end.time.__class__(2).log() * end.time).sqrt()
    assert closed.overlaps(end.tokens[0])
    assert end.tokens[0].rad() < 1e-9


def test_positive_form_refuses_a_weight_that_is_not_positive():
    with pytest.raises(ValueError, match="must be positive"):
        positive_form(np.zeros((2, 2)), np.array([1, -1]))


def test_excluding_convergence_changes_a_block_s_projection_and_trains():
    block = torch.nn.Module()
    block.x_proj = torch.nn.Linear(6, 2 + 2 * 6, bias=False)
    before = block.x_proj.weight[:2].detach().clone()
    exclude_convergent(block, d_state=6)
    weight = block.x_proj.weight
    assert torch.equal(weight[:2], before)
    B, C = weight[2:8].detach().double().numpy(), weight[8:].detach().double().numpy()
    x = np.random.default_rng(0).normal(size=(20, 1, 6))
    assert (quadratic_forms(C.T @ B, x) > 0).all()
    weight.sum().backward()
    assert any(p.grad is not None for p in block.x_proj.parametrizations.parameters())


def test_excluding_convergence_says_when_the_projection_is_too_small():
    block = torch.nn.Module()
    block.x_proj = torch.nn.Linear(4, 4)
    with pytest.raises(ValueError, match="give its d_state"):
        exclude_convergent(block, d_state=3)


def test_softsort_becomes_the_permutation_and_reordering_puts_tokens_back():
    scores = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    assert torch.allclose(softsort(scores, 1e-3), torch.eye(3, dtype=torch.float64)[[1, 0, 2]])
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    score = torch.nn.Linear(3, 1).double()
    layer = Reordered(torch.nn.Identity(), torch.nn.Sequential(score, torch.nn.Flatten(-2)), tau=1e-6)
    assert torch.allclose(layer(x), x, atol=1e-9)


def test_pictures_are_figures():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from constructions.token_dynamics.pictures import SCENARIOS, plane_picture, token_picture

    for scenario in SCENARIOS.values():
        assert len(token_picture(scenario, marks=40).axes[0].lines) == len(scenario.start) + 1
    starts = np.random.default_rng(0).normal(size=(2, 2, 2))
    assert plane_picture(np.diag([1.0, -1.0]), np.array([0.3, -0.2]), 1.0, starts, clock=4.0).axes
