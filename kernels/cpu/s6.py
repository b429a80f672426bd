"""The S6 scan on a CPU: compiled, parallel over batch × channels, sixteen channels to a vector.

One job is a block of LANES channels of one sequence. It walks over the sequence in tiles; within a tile each state
component runs through time in a register, and only Δ, Δu and y are buffered: memory stays O(1) in L and N beyond the
arguments. The equations are `kernels.semantics.selective_scan`; the backward pass recomputes states from tile starts.
"""

# mypy: disable-error-code="call-arg,var-annotated"
# (numba supplies the first argument of an intrinsic)
from typing import NamedTuple

import numpy as np
from numba import njit, prange
from numba.extending import register_jitable

from mamba_theorems.kernels.cpu import simd
from mamba_theorems.kernels.cpu.simd import LANES, Array, load, splat, store

TILE = 64  # time steps a tile: its buffers fit into a first-level cache


class S6Arrays(NamedTuple):
    """The arguments of a scan, of one dtype; what is absent has size 0.

    u, delta, z (batch, d_inner, L), or (batch, L, d_inner) where time_major; A (d_inner, N); B, C (batch, ngroups, N,
    L); D, delta_bias (d_inner); initial_state (batch, d_inner, N); fresh (batch, L) bool: where a packed sequence
    begins. B_gain, C_gain (d_inner, N) multiply B and C by channel. state_delta (batch, N, L): Δ^⊤, one Δ a state and
    none on the input. All contiguous, so that one compilation serves every caller.
    """

    u: Array
    delta: Array
    A: Array
    B: Array
    C: Array
    D: Array
    z: Array
    delta_bias: Array
    initial_state: Array
    fresh: Array
    B_gain: Array
    C_gain: Array
    state_delta: Array
    delta_softplus: bool
    time_major: bool


class ScanJob(NamedTuple):
    """Which channels of which sequence a job works on: channels start … start + width − 1, all of one group."""

    batch: int
    group: int
    start: int
    width: int


@register_jitable
def _blocks_of_group(s):
    return (s.A.shape[0] // s.B.shape[1] + LANES - 1) // LANES


@njit
def _block(s, job):
    """The job-th block: blocks run fastest, then groups, then the batch."""
    per_group, ngroups = _blocks_of_group(s), s.B.shape[1]
    channels = s.A.shape[0] // ngroups
    batch, rest = job // (per_group * ngroups), job % (per_group * ngroups)
    group, i = rest // per_group, rest % per_group
    return ScanJob(batch, group, group * channels + i * LANES, min(LANES, channels - i * LANES))


# Unsigned indices below spare numba's test for negative ones; it is what these loops would spend their time on.


@njit
def _gather(tile, x, block, start, length, time_major):
    """tile[t·LANES + c] = x of channel (first + c) at time start + t."""
    first, begin, lanes = np.uint64(block.start), np.uint64(start), np.uint64(LANES)
    if time_major:
        for t in range(np.uint64(length)):
            row = x[block.batch, begin + t]
            for c in range(np.uint64(block.width)):
                tile[t * lanes + c] = row[first + c]
    else:
        for c in range(np.uint64(block.width)):
            row = x[block.batch, first + c]
            for t in range(np.uint64(length)):
                tile[t * lanes + c] = row[begin + t]


@njit
def _scatter(tile, x, block, start, length, time_major):
    """The inverse of _gather."""
    first, begin, lanes = np.uint64(block.start), np.uint64(start), np.uint64(LANES)
    if time_major:
        for t in range(np.uint64(length)):
            row = x[block.batch, begin + t]
            for c in range(np.uint64(block.width)):
                row[first + c] = tile[t * lanes + c]
    else:
        for c in range(np.uint64(block.width)):
            row = x[block.batch, first + c]
            for t in range(np.uint64(length)):
                row[begin + t] = tile[t * lanes + c]


@njit
def _gather_matrix(vectors, x, block):
    """vectors[n·LANES + c] = x[first channel + c, n]."""
    for c in range(block.width):
        for n in range(x.shape[1]):
            vectors[n * LANES + c] = x[block.start + c, n]


@njit
def _scatter_matrix(vectors, x, block):
    """x[first channel + c, n] = vectors[n·LANES + c]."""
    for c in range(block.width):
        for n in range(x.shape[1]):
            x[block.start + c, n] = vectors[n * LANES + c]


@njit
def _lane_vector(x, block, dtype):
    """One value a channel, 0 where x is absent or the lane is beyond the block."""
    values = np.zeros(LANES, dtype)
    for c in range(block.width if x.size else 0):
        values[c] = x[block.start + c]
    return values


@njit
def _gather_gain(vectors, gain, block):
    """_gather_matrix, or ones where there is no gain."""
    vectors[:] = 1
    if gain.size:
        _gather_matrix(vectors, gain, block)


@njit
def _load_delta(s, block, start, length, raw, delta):
    """delta = softplus(Δ + bias) of the tile, and raw = Δ + bias itself; 1 where Δ runs along the state."""
    if s.state_delta.size:
        raw[:] = 0
        delta[:] = 1
        return
    _gather(raw, s.delta, block, start, length, s.time_major)
    bias = load(_lane_vector(s.delta_bias, block, s.u.dtype), 0)
    for i in range(0, length * LANES, LANES):
        x = load(raw, i) + bias
        store(raw, i, x)
        store(delta, i, simd.softplus(x) if s.delta_softplus else x)


@njit
def _load_state_delta(s, block, n, start, length, delta):
    """Where Δ runs along the state: component n's, in every lane."""
    if s.state_delta.size:
        row = s.state_delta[block.batch, n]
        for t in range(length):
            store(delta, t * LANES, splat(row[start + t]))


@njit
def _alike(s, A):
    """Whether all state components of a channel decay alike, so that one exponential a step serves them all."""
    for i in range(LANES, A.size):
        if A[i] != A[i - LANES]:
            return False
    return not s.state_delta.size


@njit
def _run_tile(s, block, start, length, A, B_gain, C_gain, state, delta, delta_u, decays, y):
    """Advance every state component through one tile and add C·h to y; `decays` is room for one component's."""
    alike = _alike(s, A)
    for i in range(0, length * LANES if alike else 0, LANES):
        store(decays, i, simd.exp(load(delta, i) * load(A, 0)))
    for n in range(A.size // LANES):
        i_n = n * LANES
        a, h = load(A, i_n), load(state, i_n)
        b, c = load(B_gain, i_n), load(C_gain, i_n)
        B, C = s.B[block.batch, block.group, n], s.C[block.batch, block.group, n]
        _load_state_delta(s, block, n, start, length, delta)
        for t in range(length):
            i = t * LANES
            write = load(delta_u, i) * (b * B[start + t])
            if s.fresh.size and s.fresh[block.batch, start + t]:
                h = write  # selected: 0·NaN would carry a NaN over from the sequence before
            else:
                decay = load(decays, i) if alike else simd.exp(load(delta, i) * a)
                h = decay * h + write
            store(y, i, load(y, i) + h * (c * C[start + t]))
        store(state, i_n, h)


@njit
def _gate(y, z, size):
    """y·SiLU(z), in place."""
    for i in range(0, size, LANES):
        gate = load(z, i)
        store(y, i, load(y, i) * (gate * simd.sigmoid(gate)))


@njit
def _forward(s, job, y, last_state, checkpoints, ungated):
    """One job: all of the sequence for LANES channels."""
    block, dtype = _block(s, job), s.u.dtype
    length, n = s.B.shape[3], s.A.shape[1]
    vectors = np.zeros((4, n * LANES), dtype)
    A, B_gain, C_gain, state = vectors[0], vectors[1], vectors[2], vectors[3]
    _gather_matrix(A, s.A, block)
    _gather_gain(B_gain, s.B_gain, block)
    _gather_gain(C_gain, s.C_gain, block)
    if s.initial_state.size:
        _gather_matrix(state, s.initial_state[block.batch], block)
    skip, nothing = load(_lane_vector(s.D, block, dtype), 0), splat(dtype.type(0))
    buffers = np.zeros((6, TILE * LANES), dtype)
    u, raw, delta, delta_u, decays, acc = buffers[0], buffers[1], buffers[2], buffers[3], buffers[4], buffers[5]
    for start in range(0, length, TILE):
        m = min(TILE, length - start)
        if checkpoints.size:
            checkpoints[job, start // TILE] = state
        _gather(u, s.u, block, start, m, s.time_major)
        _load_delta(s, block, start, m, raw, delta)
        for i in range(0, m * LANES, LANES):
            store(delta_u, i, load(delta, i) * load(u, i))
            store(acc, i, skip * load(u, i) if s.D.size else nothing)  # 0·∞ is NaN
        _run_tile(s, block, start, m, A, B_gain, C_gain, state, delta, delta_u, decays, acc)
        if ungated.size:
            _scatter(acc, ungated, block, start, m, s.time_major)
        if s.z.size:
            _gather(raw, s.z, block, start, m, s.time_major)
            _gate(acc, raw, m * LANES)
        _scatter(acc, y, block, start, m, s.time_major)
    if last_state.size:
        _scatter_matrix(state, last_state[block.batch], block)


@register_jitable
def number_of_jobs(s):
    """Blocks of channels in all sequences together; asked from Python too, and never compiled for that."""
    return s.u.shape[0] * s.B.shape[1] * _blocks_of_group(s)


@njit(parallel=True, cache=True, error_model="numpy")
def forward(s, y, last_state, checkpoints, ungated, sources=simd.SOURCES):
    """Fill y, laid out as u, and those of the others whose size is not 0.

    last_state (batch, d_inner, N); checkpoints (jobs, tiles, N·LANES), the state before each tile; ungated as y, y
    before the gate.
    """
    for job in prange(number_of_jobs(s)):
        _forward(s, job, y, last_state, checkpoints, ungated)
