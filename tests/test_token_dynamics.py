"""Token dynamics: the system against its sum, bounded solutions against closed forms, refinements on a block."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from mamba_theorems.constructions.token_dynamics.bounded import TIME_ROUNDING, SolutionClock, follow
from mamba_theorems.constructions.token_dynamics.enclosures import WIDEST, ScalarTokens, enclose
from mamba_theorems.constructions.token_dynamics.integrate import integrate, time_left
from mamba_theorems.constructions.token_dynamics.linearised import jacobian, jacobian_terms
from mamba_theorems.constructions.token_dynamics.quadrature import life, time_between
from mamba_theorems.constructions.token_dynamics.refinements import (
    Reordered,
    exclude_convergent,
    positive_form,
    softsort,
)
from mamba_theorems.constructions.token_dynamics.system import TokenSystem, quadratic_forms
from mamba_theorems.kernels.fields import BALL


def drawn(width, tokens, seed):
    """A random system of one and its tokens."""
    rng = np.random.default_rng(seed)
    S_B, S_C = rng.normal(size=(2, width, width))
    system = TokenSystem(S_B, S_C, rng.normal(size=width), np.array(rng.uniform(0, 2)))
    return system, rng.normal(size=(tokens, width))


def written_out(system, x):
    """The double sum in balls, one term at a time."""
    x, form, weight, (decay,) = map(BALL.array, (x, system.S_C.T, system.S_delta, system.decay[None]))
    form = form @ BALL.array(system.S_B)
    steps, velocity = BALL.softplus(x @ weight), np.zeros_like(x)
    for l in range(len(x)):
        for j in range(l + 1):
            kept = (-decay * sum(steps[j + 1 : l + 1], arb(0))).exp()
            velocity[l] = velocity[l] + (x[l] @ form @ x[j]) * steps[j] * kept * x[j]
    return velocity


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31))
def test_velocity_equals_the_double_sum(width, tokens, seed):
    system, x = drawn(width, tokens, seed)
    pairs = zip(system.velocity(BALL.array(x), BALL).ravel(), written_out(system, x).ravel(), strict=True)
    assert all(ours.overlaps(theirs) for ours, theirs in pairs)


@settings(max_examples=10)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**31))
def test_the_derivative_s_terms_bound_how_velocities_differ(width, tokens, seed):
    system, x = drawn(width, tokens, seed)
    apart = np.random.default_rng(seed).uniform(-1, 1, x.shape) * 2.0**-12
    there, here = (system.velocity(BALL.array(y), BALL) for y in (x + apart, x))
    moved = there - here - np.einsum("ldie,ie->ld", jacobian(system, x), apart)
    size = np.abs(x) + np.abs(apart)
    reach = np.abs(system.S_delta).sum() * 2.0**-12
    theta = 3 * np.max(np.abs(apart) / np.abs(x)) + (2 + float(system.decay) * tokens) * reach
    allowed = np.expm1(theta) * np.einsum("ldie,ie->ld", jacobian_terms(system, x, size), np.abs(apart))
    assert all(bool(abs(m) <= float(a)) for m, a in zip(moved.ravel(), allowed.ravel(), strict=True))


@pytest.mark.parametrize("mu", [-1.0, 0.5])
def test_one_token_with_constant_step_is_within_its_bound_of_the_closed_form(mu):
    system, start = TokenSystem.scalar(*(np.array([v]) for v in (mu, 0.0, 1.0))), np.array([[[0.8]]])
    ends = 1 / (2 * arb(mu) * arb(2).log() * arb(0.8) ** 2)
    clock = SolutionClock(np.array([float(abs(ends))]), ends=mu > 0)
    path = follow(system, start, clock, np.linspace(0.5, 9, 18))
    for time, token, error in zip(path.time[:, 0], path.tokens[:, 0, 0, 0], path.error[:, 0, 0, 0], strict=True):
        moment = arb(time, 2 * TIME_ROUNDING * time)
        closed = (arb(0.8) ** -2 - 2 * arb(mu) * arb(2).log() * moment).rsqrt()
        assert bool(abs(arb(token) - closed).lower() <= error)
        assert error < abs(token) / 1000
    if mu > 0:
        left = time_left(system, path.sizes[0][-1], np.array([[True]]))
        assert path.time[-1, 0] < ends < path.time[-1, 0] + left[0]


def test_a_bounded_solution_is_checked_by_its_quadrature():
    system = TokenSystem.scalar(*(np.array([v]) for v in (1.0, 0.7, 0.0)))
    path = follow(system, np.array([[[0.5]]]), SolutionClock(np.array([1.0])), np.array([0.25]))
    (low,), (high,) = (size[-1, 0] for size in path.sizes)
    assert time_between(1.0, 0.7, 0.5, float(low)) < path.time[-1, 0] < time_between(1.0, 0.7, 0.5, float(high))
    assert life(1.0, 0.7, 0.5) > time_between(1.0, 0.7, 0.5, 5.0)


def test_a_solution_that_ends_is_followed_no_further():
    system = TokenSystem.scalar(*(np.array([v]) for v in (1.0, 0.0, 0.0)))
    path = follow(system, np.array([[[1.0]]]), SolutionClock(np.array([1.0])), np.array([0.25, 2.0]))
    assert np.isfinite(path.error[0]).all()
    assert np.isinf(path.error[1]).all()
    assert np.isnan(path.tokens[1]).all()


def test_the_quick_integrator_finds_the_end():
    system, start = TokenSystem.scalar(*(np.array([v]) for v in (1.0, 0.0, 0.0))), np.array([[[1.0]]])
    path = integrate(system, start, np.array([4.0]))
    assert (
        path.time[0, 0]
        < 1 / (2 * np.log(2))
        < path.time[0, 0] + time_left(system, path.norms[0] / 2, start[..., 0] > 0)
    )


def test_enclosure_holds_the_closed_form():
    system, steps = ScalarTokens(Fraction(-1), Fraction(0), Fraction(1)), 32
    end = enclose(system, (Fraction(3, 4),), Fraction(2), Fraction(2, steps))
    closed = (arb(16) / 9 + 2 * arb(2).log() * end.time).rsqrt()
    assert closed.overlaps(end.tokens[0])
    assert end.tokens[0].rad() < steps * 2 * WIDEST  # a remainder a step, which the flow only shrinks


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
    with pytest.raises(ValueError, match=r"x_proj has 4 rows, fewer than 2·d_state = 6: give its d_state"):
        exclude_convergent(block, d_state=3)


def test_softsort_becomes_the_permutation_and_reordering_puts_tokens_back():
    scores = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    never = 1 / 800  # of the least gap: e^{−800} is below the least float64
    assert torch.equal(softsort(scores, 1.3 * never), torch.eye(3, dtype=torch.float64)[[1, 0, 2]])
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    score = torch.nn.Linear(3, 1).double()
    score = torch.nn.Sequential(score, torch.nn.Flatten(-2))
    gap = float(score(x).detach().sort().values.diff().min())
    assert torch.equal(Reordered(torch.nn.Identity(), score, tau=gap * never)(x), x)


def test_pictures_are_figures():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from mamba_theorems.constructions.token_dynamics.pictures import SCENARIOS, plane_picture, token_picture

    for scenario in SCENARIOS.values():
        assert len(token_picture(scenario, marks=40).axes[0].lines) == len(scenario.start) + 1
    starts = np.random.default_rng(0).normal(size=(2, 2, 2))
    assert plane_picture(np.diag([1.0, -1.0]), np.array([0.3, -0.2]), 1.0, starts, clock=4.0).axes
