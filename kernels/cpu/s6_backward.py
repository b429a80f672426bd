"""The gradient of the S6 scan on a CPU: the adjoint recurrence g_t = C_t ȳ_t + e^{Δ_{t+1}A} g_{t+1}, compiled.

Tiles are walked backwards. In each the states are recomputed from the state before the tile, which the forward pass
kept: one state in TILE steps. Gradients of B and C sum over channels: each job sums its own, torch adds up the jobs.
A cotangent of 0 contributes 0, be what it is multiplied by NaN: see `kernels.confined`.
"""

# mypy: disable-error-code="call-arg,var-annotated"
# (numba supplies the first argument of an intrinsic)
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from mamba_theorems.kernels.cpu import simd
from mamba_theorems.kernels.cpu.s6 import (
    TILE,
    _alike,
    _block,
    _blocks_of_group,
    _gather,
    _gather_gain,
    _gather_matrix,
    _lane_vector,
    _load_delta,
    _load_state_delta,
    _scatter,
    _scatter_matrix,
)
from mamba_theorems.kernels.cpu.simd import LANES, Array, load, splat, store, times, total


class Saved(NamedTuple):
    """What the backward pass is given: ȳ, the last state's gradient (size 0: none), and what the forward pass kept."""

    y: Array
    last_state: Array
    checkpoints: Array
    ungated: Array


class Gradients(NamedTuple):
    """What it fills: u, delta, z laid out as u; D, delta_bias (batch, d_inner); the matrices (batch, d_inner, N).

    B, C (batch·parts, ngroups, N, L) and state_delta (batch·parts, N, L), zero at first: part i of a sequence has the
    i-th share of its channels. matrices: of A, B_gain, C_gain and initial_state.
    """

    u: Array
    delta: Array
    z: Array
    B: Array
    C: Array
    D: Array
    delta_bias: Array
    state_delta: Array
    matrices: Array


@njit
def _ungate(y_bar, z, ungated, z_bar, size):
    """Through y·SiLU(z): z_bar = ȳ·y·SiLU'(z), and y_bar becomes ȳ·SiLU(z)."""
    for i in range(0, size, LANES):
        gate, slope = load(z, i), simd.sigmoid(load(z, i))
        one = splat(z.dtype.type(1))
        store(z_bar, i, times(load(y_bar, i), load(ungated, i) * (slope * (one + gate * (one - slope)))))
        store(y_bar, i, times(load(y_bar, i), gate * slope))


@njit
def _recompute(s, block, n, start, length, alike, a, b, before, delta, delta_u, decays, states):
    """Decays and states of component n through one tile; states[0] is the state before it.

    Where all components decay `alike`, `decays` holds the first one's.
    """
    B, h = s.B[block.batch, block.group, n], before
    _load_state_delta(s, block, n, start, length, delta)
    store(states, 0, h)
    for t in range(length):
        i = t * LANES
        decay = load(decays, i) if alike and n else simd.exp(load(delta, i) * a)
        write = load(delta_u, i) * (b * B[start + t])
        if s.fresh.size and s.fresh[block.batch, start + t]:  # noqa: SIM108
            h = write
        else:
            h = decay * h + write
        store(decays, i, decay)
        store(states, i + LANES, h)


@njit
def _reverse(s, g, part, block, n, start, length, vectors, y_bar, delta, delta_u, decays, states, out):
    """The adjoint of one component through one tile, backwards; out gathers the gradients of Δ (via decay) and Δu.

    vectors holds A, B_gain, C_gain, and updates the gradients of A, B_gain, C_gain and the adjoint.
    """
    delta_bar, delta_u_bar, i_n = out[0], out[1], n * LANES
    a, b, c = load(vectors[0], i_n), load(vectors[1], i_n), load(vectors[2], i_n)
    a_bar, b_bar, c_bar = load(vectors[3], i_n), load(vectors[4], i_n), load(vectors[5], i_n)
    adjoint = load(vectors[6], i_n)
    B, C = s.B[block.batch, block.group, n], s.C[block.batch, block.group, n]
    B_bar, C_bar = g.B[part, block.group, n], g.C[part, block.group, n]
    for back in range(length):
        t = length - 1 - back
        i = t * LANES
        y = load(y_bar, i)
        read = times(y, load(states, i + LANES))
        adjoint = adjoint + times(y, c * C[start + t])
        written = times(adjoint, load(delta_u, i))
        C_bar[start + t] += total(times(read, c))
        B_bar[start + t] += total(times(written, b))
        c_bar = c_bar + times(read, splat(C[start + t]))
        b_bar = b_bar + times(written, splat(B[start + t]))
        store(delta_u_bar, i, load(delta_u_bar, i) + times(adjoint, b * B[start + t]))
        adjoint = times(adjoint, load(decays, i))
        if s.fresh.size and s.fresh[block.batch, start + t]:
            adjoint = splat(s.u.dtype.type(0))
        through_decay = times(adjoint, load(states, i))
        store(delta_bar, i, load(delta_bar, i) + times(through_decay, a))
        a_bar = a_bar + times(through_decay, load(delta, i))
    for k, value in enumerate((a_bar, b_bar, c_bar, adjoint)):
        store(vectors[3 + k], i_n, value)


@njit
def _collect_state_delta(s, g, part, n, start, length, delta_bar):
    """Where Δ runs along the state its gradient is component n's alone, summed over the lanes."""
    if s.state_delta.size:
        for t in range(length):
            g.state_delta[part, n, start + t] += total(load(delta_bar, t * LANES))
        delta_bar[:] = 0


@njit
def _finish(s, block, start, length, u, raw, delta, y_bar, skip, out, g, sums):
    """From Δ and Δu to delta and u: product, skip connection and softplus; sums gathers D and delta_bias."""
    _load_delta(s, block, start, length, raw, delta)
    delta_bar, u_bar = out[0], out[1]
    D_bar, bias_bar = load(sums, 0), load(sums, LANES)
    for i in range(0, length * LANES, LANES):
        x, product = load(u, i), load(u_bar, i)
        step, y = load(delta_bar, i) + times(product, x), load(y_bar, i)
        if s.delta_softplus:
            step = times(step, simd.sigmoid(load(raw, i)))
        store(delta_bar, i, step)
        store(u_bar, i, times(product, load(delta, i)) + times(y, skip))
        D_bar = D_bar + times(y, x)
        bias_bar = bias_bar + step
    store(sums, 0, D_bar)
    store(sums, LANES, bias_bar)
    _scatter(delta_bar, g.delta, block, start, length, s.time_major)
    _scatter(u_bar, g.u, block, start, length, s.time_major)


@njit
def _backward(s, saved, g, job, part):
    """One block of channels, all of its sequence."""
    block, dtype, n_states = _block(s, job), s.u.dtype, s.A.shape[1]
    vectors = np.zeros((7, n_states * LANES), dtype)
    _gather_matrix(vectors[0], s.A, block)
    _gather_gain(vectors[1], s.B_gain, block)
    _gather_gain(vectors[2], s.C_gain, block)
    if saved.last_state.size:
        _gather_matrix(vectors[6], saved.last_state[block.batch], block)
    skip, alike = load(_lane_vector(s.D, block, dtype), 0), _alike(s, vectors[0])
    sums = np.zeros(2 * LANES, dtype)
    buffers = np.zeros((10, (TILE + 1) * LANES), dtype)
    u, raw, delta, delta_u, y_bar = buffers[0], buffers[1], buffers[2], buffers[3], buffers[4]
    decays, states, extra, out = buffers[5], buffers[6], buffers[7], buffers[8:10]
    length = s.B.shape[3]
    for tile in range((length - 1) // TILE, -1, -1):
        start = tile * TILE
        m = min(TILE, length - start)
        _gather(u, s.u, block, start, m, s.time_major)
        _gather(y_bar, saved.y, block, start, m, s.time_major)
        if s.z.size:
            _gather(raw, s.z, block, start, m, s.time_major)
            _gather(extra, saved.ungated, block, start, m, s.time_major)
            _ungate(y_bar, raw, extra, extra, m * LANES)
            _scatter(extra, g.z, block, start, m, s.time_major)
        _load_delta(s, block, start, m, raw, delta)
        for i in range(0, m * LANES, LANES):
            store(delta_u, i, load(delta, i) * load(u, i))
        out[:] = 0
        before = saved.checkpoints[job, tile]
        for n in range(n_states):
            a, b = load(vectors[0], n * LANES), load(vectors[1], n * LANES)
            _recompute(s, block, n, start, m, alike, a, b, load(before, n * LANES), delta, delta_u, decays, states)
            _reverse(s, g, part, block, n, start, m, vectors, y_bar, delta, delta_u, decays, states, out)
            _collect_state_delta(s, g, part, n, start, m, out[0])
        _finish(s, block, start, m, u, raw, delta, y_bar, skip, out, g, sums)
    for k in range(4):
        _scatter_matrix(vectors[3 + k], g.matrices[k, block.batch], block)
    for c in range(block.width):
        g.D[block.batch, block.start + c] = sums[c]
        g.delta_bias[block.batch, block.start + c] = sums[LANES + c]


@njit(parallel=True, cache=True, error_model="numpy")
def backward(s, saved, g, sources=simd.SOURCES):
    """Fill the gradients `g` of a scan `s` from the gradients of its results in `saved`."""
    batch = s.u.shape[0]
    blocks = s.B.shape[1] * _blocks_of_group(s)
    parts = g.B.shape[0] // batch
    for task in prange(batch * parts):
        sequence, part = task // parts, task % parts
        for i in range(part * blocks // parts, (part + 1) * blocks // parts):
            _backward(s, saved, g, sequence * blocks + i, task)
