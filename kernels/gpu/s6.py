"""The S6 scan in Triton, fused: softplus, Δ·B·u, decay, C, D and gate in one pass over the sequence.

One program takes BLOCK_D channels of one sequence and walks over chunks of BLOCK_T steps; inside a chunk each state
component is an associative scan along time. No (batch, L, d_inner, N) tensor exists. Where a packed sequence begins
the scan selects and does not multiply: 0·NaN is NaN. The interpreter (TRITON_INTERPRET=1) checks indexing and masks;
numerics need a GPU.
"""

import triton
import triton.language as tl

FP_FUSION = True  # fused multiply-adds are allowed: the running-error bound holds with and without them


@triton.jit
def combine(decay_a, write_a, decay_b, write_b):
    """The scan's operator: first a, then b."""
    return decay_a * decay_b, decay_b * write_a + write_b


@triton.jit
def combine_packed(start_a, decay_a, write_a, start_b, decay_b, write_b):
    """The same where sequences are packed: what begins afresh in b has forgotten a."""
    return (
        start_a | start_b,
        tl.where(start_b != 0, 0, decay_a * decay_b),
        tl.where(start_b != 0, write_b, decay_b * write_a + write_b),
    )


@triton.jit
def scan_states(decay, write, before, starts, HAS_FRESH: tl.constexpr):
    """h_t = decay_t h_{t−1} + write_t along axis 1, h_0 = `before`; write_t alone where a packed sequence starts."""
    if HAS_FRESH:
        fresh = tl.broadcast_to(starts, decay.shape).to(tl.int32)
        begun, kept, written = tl.associative_scan((fresh, decay, write), 1, combine_packed)
        return tl.where(begun != 0, written, kept * before[:, None] + written)
    kept, written = tl.associative_scan((decay, write), 1, combine)
    return kept * before[:, None] + written


@triton.jit
def times(cotangent, factor):
    """cotangent·factor, and 0 where the cotangent is 0: what the loss does not see may be NaN."""
    return tl.where(cotangent == 0, 0, cotangent * factor)


@triton.jit
def softplus(x):
    """max(x, 0) + log1p(e^−|x|), log1p(t) = 2 artanh(t/(2+t)) by its series; log(1+e^x) would be 0 for x < −16.64."""
    t = tl.exp(-tl.abs(x))
    s = t / (2 + t)
    q = s * s
    series = q * 0 + 2.0 / 35
    for i in tl.static_range(16, -1, -1):
        series = series * q + 2.0 / (2 * i + 1)
    return tl.maximum(x, 0) + s * series


@triton.jit
def sigmoid(x):
    """1/(1 + e^−x), written so that nothing overflows."""
    t = tl.exp(-tl.abs(x))
    return tl.where(x < 0, t, 1) / (1 + t)


@triton.jit
def load_delta(delta, bias, tile, mask, channel, in_channels, HAS_BIAS: tl.constexpr, SOFTPLUS: tl.constexpr):
    """Δ of a tile (BLOCK_D, BLOCK_T) and the same before softplus; 0 where masked."""
    raw = tl.load(delta + tile, mask=mask, other=0)
    if HAS_BIAS:
        raw += tl.load(bias + channel, mask=in_channels, other=0)[:, None]
    step = softplus(raw) if SOFTPLUS else raw
    return tl.where(mask, step, 0), raw


@triton.jit
def load_starts(fresh, at, mask, HAS_FRESH: tl.constexpr):
    """Where a packed sequence begins, (1, BLOCK_T); nowhere without `fresh`."""
    starts = mask & False
    if HAS_FRESH:
        starts = tl.load(fresh + at, mask=mask, other=0) != 0
    return starts[None, :]


@triton.jit
def block_of_channels(d_inner, ngroups, BLOCK_D: tl.constexpr):
    """This program's sequence and group, its channels, which of them exist, and their rows of (batch·d_inner)."""
    batch, group = tl.program_id(2).to(tl.int64), tl.program_id(1)
    channels = d_inner // ngroups
    lane = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    channel = group * channels + lane
    return batch, group, channel, lane < channels, batch * d_inner + channel


@triton.jit
def column(matrix, n, i):
    """matrix[:, i] of a (BLOCK_D, BLOCK_N) tile."""
    return tl.sum(tl.where(n[None, :] == i, matrix, 0), axis=1)


@triton.jit
def skipped(x, D, channel, in_channels, HAS_D: tl.constexpr):
    """D x, or 0."""
    out = tl.zeros(x.shape, dtype=x.dtype)
    if HAS_D:
        out = x * tl.load(D + channel, mask=in_channels, other=0)[:, None]
    return out


@triton.jit
def advance(
    A,
    B,
    C,
    channel,
    in_channels,
    at,
    in_time,
    length,
    d_state,
    step,
    x,
    starts,
    out,
    h,
    T: tl.constexpr,
    HAS_FRESH: tl.constexpr,
):
    """Every state component through one chunk of T steps: `out` plus C·h, and the state at its end."""
    n, t = tl.arange(0, h.shape[1]), tl.arange(0, T)
    for i in range(d_state):
        a = tl.load(A + channel * d_state + i, mask=in_channels, other=0)
        b = tl.load(B + at + i * length, mask=in_time, other=0)
        c = tl.load(C + at + i * length, mask=in_time, other=0)
        decay = tl.exp(step * a[:, None])
        states = scan_states(decay, step * x * b[None, :], column(h, n, i), starts, HAS_FRESH)
        out += states * c[None, :]
        at_end = tl.sum(tl.where(t[None, :] == T - 1, states, 0), axis=1)
        h = tl.where(n[None, :] == i, at_end[:, None], h)
    return out, h


@triton.jit
def gated(out, z, ungated, tile, mask, HAS_Z: tl.constexpr, SAVE: tl.constexpr):
    """out·SiLU(z) where there is a gate; where SAVE, `out` itself is kept."""
    if HAS_Z:
        if SAVE:
            tl.store(ungated + tile, out, mask=mask)
        gate = tl.load(z + tile, mask=mask, other=0)
        out *= gate * sigmoid(gate)
    return out


@triton.jit
def s6_forward(
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    bias,
    initial,
    fresh,
    y,
    last,
    checkpoints,
    ungated,
    length,
    d_inner,
    ngroups,
    d_state,
    HAS_D: tl.constexpr,
    HAS_Z: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_INITIAL: tl.constexpr,
    HAS_FRESH: tl.constexpr,
    SAVE: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """y, the last state; where SAVE the state before each chunk, y before the gate. Grid (blocks, groups, batch).

    u, delta, z, y (batch, d_inner, L); A (d_inner, N); B, C (batch, ngroups, N, L); fresh (batch, L);
    initial, last (batch, d_inner, N); checkpoints (batch, d_inner, chunks, N). All contiguous.
    """
    batch, group, channel, in_channels, row = block_of_channels(d_inner, ngroups, BLOCK_D)
    n = tl.arange(0, BLOCK_N)
    state_mask = in_channels[:, None] & (n < d_state)[None, :]
    state_at = row[:, None] * d_state + n[None, :]
    h = tl.zeros((BLOCK_D, BLOCK_N), dtype=A.dtype.element_ty)
    if HAS_INITIAL:
        h = tl.load(initial + state_at, mask=state_mask, other=0)
    chunks = tl.cdiv(length, BLOCK_T)
    for chunk in range(chunks):
        time = chunk * BLOCK_T + tl.arange(0, BLOCK_T)
        in_time = time < length
        mask = in_channels[:, None] & in_time[None, :]
        tile = row[:, None] * length + time[None, :]
        if SAVE:
            tl.store(checkpoints + (row[:, None] * chunks + chunk) * d_state + n[None, :], h, mask=state_mask)
        step, _ = load_delta(delta, bias, tile, mask, channel, in_channels, HAS_BIAS, SOFTPLUS)
        x = tl.load(u + tile, mask=mask, other=0)
        starts = load_starts(fresh, batch * length + time, in_time, HAS_FRESH)
        out = skipped(x, D, channel, in_channels, HAS_D)
        at = (batch * ngroups + group) * d_state * length + time
        out, h = advance(
            A, B, C, channel, in_channels, at, in_time, length, d_state, step, x, starts, out, h, BLOCK_T, HAS_FRESH
        )
        tl.store(y + tile, gated(out, z, ungated, tile, mask, HAS_Z, SAVE), mask=mask)
    tl.store(last + state_at, h, mask=state_mask)
