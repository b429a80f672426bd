"""The forms of one recurrence as code of their own: gated RNN, FFT convolution, masked attention, chunks.

Gu & Dao (2023), Theorem 1; Gu et al. (2022); Dao & Gu (2024), §3–7.
"""

from typing import Any

import numpy as np

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import Field

Array = np.ndarray


def gated_rnn(f: Field, z: Array, u: Array) -> Array:
    """h ← (1 − g)h + g u with g = σ(z) from 0; z, u and h (L,)."""
    with f.arithmetic():
        g = f.sigmoid(z)
        return semantics.recurrence(f, (1 - g)[:, None, None], (g * u)[:, None, None])[:, 0, 0]


def gated_rnn_in_s6(f: Field, z: Array, u: Array, discretization: semantics.Discretization = semantics.zoh) -> Array:
    """The same by S6 with N = 1, A = −1, B = C = 1, Δ = softplus(z); exact under ZOH."""
    ones = f.array(np.ones((len(u), 1), dtype=int))
    delta = f.softplus(z)[:, None]
    A = f.array(np.full((1, 1), -1))
    return semantics.selective_scan(f, u[:, None], delta, A, ones, ones, discretization=discretization)[:, 0]


def s4d_kernel(f: Field, decay: Array, gain: Array, length: int) -> Array:
    """k_i = Σ_n gain_n decay_n^i, i = 0 … length − 1; decay and gain = C B̄ (N,)."""
    with f.arithmetic():
        powers = np.multiply.accumulate(
            np.concatenate([(0 * decay + 1)[None], np.tile(decay, (length - 1, 1))]), axis=0
        )
        return (powers * gain).sum(-1)


def fft_convolution(kernel: Array, x: Array, period: int) -> Array:
    """The first L values of kernel * x by an FFT of length `period`: right iff period ≥ 2L − 1. Both (L,)."""
    product = np.fft.rfft(kernel, period) * np.fft.rfft(x, period)
    return np.fft.irfft(product, period)[: len(x)]


def masked_attention(f: Field, x: Array, dt: Array, A: Any, B: Array, C: Array) -> Array:
    """(L ∘ CBᵀ)(Δ x) of one head, L_tj = e^{A(σ_t − σ_j)}, σ = cumsum Δ; x (L, P), dt (L,), B, C (L, N)."""
    with f.arithmetic():
        clock = np.add.accumulate(dt)
        past = f.array(np.tri(len(dt), dtype=int))
        mask = f.exp((clock[:, None] - clock[None, :]) * past * A) * past  # no exponential of the future: it overflows
        return (mask * (C @ B.T)) @ (dt[:, None] * x)


def chunked(f: Field, x: Array, dt: Array, A: Any, B: Array, C: Array, chunk_size: int) -> Array:
    """The same by chunks: masked attention inside, one state (P, N) carried across; chunk_size need not divide L."""
    outputs, state = [], None
    for start in range(0, len(dt), chunk_size):
        part = slice(start, start + chunk_size)
        y = masked_attention(f, x[part], dt[part], A, B[part], C[part])
        with f.arithmetic():
            clock = np.add.accumulate(dt[part])
            if state is not None:
                y = y + f.exp(clock * A)[:, None] * (C[part] @ state.T)
            written = f.exp((clock[-1] - clock) * A) * dt[part]
            added = (written[:, None] * x[part]).T @ B[part]
            state = added if state is None else f.exp(clock[-1:] * A)[0] * state + added
        outputs.append(y)
    return np.concatenate(outputs)
