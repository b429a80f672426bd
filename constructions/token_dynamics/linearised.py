"""The token system's derivative along a solution, and how far it can be from that a little way off the solution.

x_l' = Σ_{j≤l} w_lj p_lj x_j with p_lj = x_l^T S x_j, w_lj = Δ_j E_lj, E_lj = exp(−a Σ_{k=j+1}^{l} Δ_k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mamba_theorems.constructions.token_dynamics.system import TokenSystem
from mamba_theorems.kernels.fields import FLOAT64

Array = np.ndarray


@dataclass(frozen=True)
class PastWeights:
    """Δ_l, σ_l = softplus'(S_Δ·x_l), both (..., L); E_lj and w_lj, both (..., L, L), 0 for j > l."""

    step: Array
    slope: Array
    decay: Array
    weight: Array


def weights(system: TokenSystem, x: Float[Array, "*batch L D"]) -> PastWeights:
    """The steps at x and what they make of the past."""
    step = system.steps(FLOAT64, x)
    slope = -np.expm1(-step)  # sigmoid(v) = 1 − e^{−softplus(v)}
    total = np.cumsum(step, axis=-1)
    gap = np.maximum(total[..., :, None] - total[..., None, :], 0)
    decay = np.tril(np.exp(-np.asarray(system.decay)[..., None, None] * gap))
    return PastWeights(step, slope, decay, decay * step[..., None, :])


def jacobian(system: TokenSystem, x: Float[Array, "*batch L D"]) -> Float[Array, "*batch L D L D"]:
    """∂x_l'/∂x_i."""
    return _derivative(system.form, system.S_delta, -np.asarray(system.decay), x, weights(system, x))


def jacobian_terms(system: TokenSystem, x: Float[Array, "*batch L D"], size: Array) -> Float[Array, "*batch L D L D"]:
    """The same with absolute values in every sum, and `size` ≥ |x| for the tokens that are factors of a term."""
    form, S_delta, decay = (np.abs(part) for part in (system.form, system.S_delta, np.asarray(system.decay)))
    return _derivative(form, S_delta, decay, np.broadcast_to(size, x.shape), weights(system, x))


def velocity_terms(system: TokenSystem, x: Float[Array, "*batch L D"]) -> Float[Array, "*batch L D"]:
    """The velocity with every term of every sum replaced by its absolute value."""
    size, w = np.abs(x), weights(system, x).weight
    pairing = size @ np.abs(system.form) @ np.swapaxes(size, -1, -2)
    return (w * pairing) @ size


def _derivative(S: Array, S_delta: Array, minus_a: Array, x: Array, w: PastWeights) -> Array:
    """Through x_i on the right of S, through Δ_i, and for i = l through x_l on its left."""
    left, right = x @ S, x @ np.swapaxes(S, -1, -2)  # (S^T x_l) and (S x_j), as rows
    pairing = left @ np.swapaxes(x, -1, -2)
    driven = (w.weight * pairing)[..., None] * x[..., None, :, :]  # w_lj p_lj x_j, (..., l, j, D)
    older = np.cumsum(driven, axis=-2) - driven
    by_step = (w.decay * pairing)[..., None] * x[..., None, :, :] + minus_a[..., None, None, None] * older
    by_step = np.tril(np.ones(by_step.shape[-3:-1]))[..., None] * by_step * w.slope[..., None, :, None]
    identity = np.eye(x.shape[-1])
    found = w.weight[..., None, None] * x[..., None, :, :, None] * left[..., :, None, None, :]
    found = found + (w.weight * pairing)[..., None, None] * identity
    found = found + by_step[..., None] * S_delta[..., None, None, None, :]
    own = np.einsum("...lj,...jd,...je->...lde", w.weight, x, right)
    index = np.arange(x.shape[-2])
    found[..., index, index, :, :] += own
    return np.moveaxis(found, -3, -2)  # (..., l, i, D, D) to (..., l, D, i, D)
