"""The SSD scan on a CPU: compiled, parallel over batch × heads, sixteen channels of a head to a vector.

A head walks over the sequence in tiles. Within a tile, COMPONENTS state components at a time run through time in
registers under the head's one decay: the state (headdim × N) is read and written once a tile, never once a step.
A decay is the exponential of one step: no running sum loses digits, and what underflows was forgotten.
"""

# mypy: disable-error-code="call-arg,var-annotated"
# (numba supplies the first argument of an intrinsic)
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mamba_theorems.kernels.cpu import simd
from mamba_theorems.kernels.cpu.simd import LANES, Array, load, splat, store

TILE = 32  # time steps a tile: B, C and the state of one head stay in a first-level cache
COMPONENTS = 8


class SSDArrays(NamedTuple):
    """The arguments of a scan, contiguous and of one dtype; what is absent has size 0.

    x, z (batch, L, nheads, headdim), headdim a multiple of LANES; dt (batch, L, nheads); A, dt_bias (nheads);
    B, C (batch, L, ngroups, N), N a multiple of COMPONENTS; D (nheads, headdim); fresh (batch, L) bool: where a packed
    sequence begins; dt_limit (2), the least and the largest Δ.
    """

    x: Array
    dt: Array
    A: Array
    B: Array
    C: Array
    D: Array
    z: Array
    dt_bias: Array
    fresh: Array
    dt_limit: Array
    dt_softplus: bool


class HeadJob(NamedTuple):
    """One head of one sequence, and its group."""

    batch: int
    head: int
    group: int


# Unsigned indices spare numba's test for negative ones; it is what these loops would spend their time on.


@njit
def _load_steps(s, at, start, length, step, decay):
    """Δ and e^{ΔA} of one head in one tile, (TILE); a decay of 0 where a packed sequence begins."""
    bias = s.dt_bias[at.head] if s.dt_bias.size else s.dt_limit[0] * 0
    for t in range(length):
        step[t] = s.dt[at.batch, start + t, at.head] + bias
    for i in range(0, TILE, LANES):
        if s.dt_softplus:
            store(step, i, simd.softplus(load(step, i)))
        for t in range(i, i + LANES):
            step[t] = min(max(step[t], s.dt_limit[0]), s.dt_limit[1])
        store(decay, i, simd.exp(load(step, i) * s.A[at.head]))
    for t in range(length if s.fresh.size else 0):
        if s.fresh[at.batch, start + t]:
            decay[t] = 0


@njit
def _load_tile(s, at, start, length, p, step, written, y):
    """written = Δx and y = D x of LANES channels from p on, (length·LANES)."""
    skip = load(s.D[at.head], p) if s.D.size else splat(s.x.dtype.type(0))
    for t in range(length):
        x = load(s.x[at.batch, start + t, at.head], p)
        store(written, t * LANES, x * step[t])
        store(y, t * LANES, x * skip)


@njit
def _advance(state, first, stride, written, decay, B, C, y, length):
    """COMPONENTS components of LANES channels through one tile; adds their part of h_t C_t to y.

    Component i lies in `state` at `first` + i·stride; decay (length); B, C (length, COMPONENTS).
    """
    i0, i1, i2, i3 = first, first + stride, first + 2 * stride, first + 3 * stride
    i4, i5, i6, i7 = first + 4 * stride, first + 5 * stride, first + 6 * stride, first + 7 * stride
    h0, h1, h2, h3 = load(state, i0), load(state, i1), load(state, i2), load(state, i3)
    h4, h5, h6, h7 = load(state, i4), load(state, i5), load(state, i6), load(state, i7)
    for t in range(np.uint64(length)):
        a, b, c, w = decay[t], B[t], C[t], load(written, t * np.uint64(LANES))
        h0, h1, h2, h3 = h0 * a + w * b[0], h1 * a + w * b[1], h2 * a + w * b[2], h3 * a + w * b[3]
        h4, h5, h6, h7 = h4 * a + w * b[4], h5 * a + w * b[5], h6 * a + w * b[6], h7 * a + w * b[7]
        even = h0 * c[0] + h2 * c[2] + h4 * c[4] + h6 * c[6]
        odd = h1 * c[1] + h3 * c[3] + h5 * c[5] + h7 * c[7]
        store(y, t * np.uint64(LANES), load(y, t * np.uint64(LANES)) + (even + odd))
    store(state, i0, h0), store(state, i1, h1), store(state, i2, h2), store(state, i3, h3)
    store(state, i4, h4), store(state, i5, h5), store(state, i6, h6), store(state, i7, h7)


@njit
def _store_tile(s, at, start, length, p, out, y):
    """The tile's result, times SiLU(z) where there is a gate."""
    for t in range(length):
        value = load(out, t * LANES)
        if s.z.size:
            gate = load(s.z[at.batch, start + t, at.head], p)
            value = value * (gate * simd.sigmoid(gate))
        store(y[at.batch, start + t, at.head], p, value)


@njit
def _head(s, at, state, y):
    """All of the sequence for one head; advances state (N·headdim)."""
    headdim, d_state = s.x.shape[3], s.B.shape[3]
    written, out = np.empty(TILE * LANES, s.x.dtype), np.empty(TILE * LANES, s.x.dtype)
    step, decay = np.zeros(TILE, s.x.dtype), np.empty(TILE, s.x.dtype)
    B, C = s.B[at.batch, :, at.group], s.C[at.batch, :, at.group]
    for start in range(0, s.x.shape[1], TILE):
        length = min(TILE, s.x.shape[1] - start)
        stop = start + length
        _load_steps(s, at, start, length, step, decay)
        for p in range(0, headdim, LANES):
            _load_tile(s, at, start, length, p, step, written, out)
            for n in range(0, d_state, COMPONENTS):
                b, c = B[start:stop, n : n + COMPONENTS], C[start:stop, n : n + COMPONENTS]
                _advance(state, n * headdim + p, headdim, written, decay, b, c, out, length)
            _store_tile(s, at, start, length, p, out, y)


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def forward(s, state, y, sources=simd.SOURCES):
    """Fill y, as x, with h_t C_t + D x_t, gated; advance state (batch, nheads, N·headdim) from h_0 to h_L."""
    nheads, by_group = s.x.shape[2], s.x.shape[2] // s.B.shape[2]
    for job in prange(s.x.shape[0] * nheads):
        at = HeadJob(job // nheads, job % nheads, job % nheads // by_group)
        _head(s, at, state[at.batch, at.head], y)
