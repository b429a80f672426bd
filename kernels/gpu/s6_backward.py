"""The gradient of the S6 scan in Triton: chunks backwards, states recomputed from the ones the forward pass kept.

Inside a chunk the adjoint g_t = C_t ȳ_t + e^{Δ_{t+1}A} g_{t+1} is an associative scan in reverse. Gradients of B and C
sum over channels by atomic additions; those of A, D and the bias are kept by sequence and summed outside. A cotangent
of 0 contributes 0, be what it is multiplied by NaN: see `kernels.confined`.
"""

import triton
import triton.language as tl

from mamba_theorems.kernels.gpu.s6 import (
    block_of_channels,
    column,
    load_delta,
    load_starts,
    sigmoid,
    times,
)


@triton.jit
def ungate(y_bar, z, ungated, z_bar, tile, mask):
    """Through y·SiLU(z): store z's gradient, and return ȳ·SiLU(z)."""
    gate = tl.load(z + tile, mask=mask, other=0)
    slope = sigmoid(gate)
    before = tl.load(ungated + tile, mask=mask, other=0)
    tl.store(z_bar + tile, times(y_bar, before * slope * (1 + gate * (1 - slope))), mask=mask)
    return times(y_bar, gate * slope)


@triton.jit
def combine_states(start_a, decay_a, write_a, kept_a, start_b, decay_b, write_b, kept_b):
    """First a, then b; `kept` is the last state of b without its own write. Where b starts afresh a is forgotten."""
    from_a = decay_b * write_a
    return (
        start_a | start_b,
        tl.where(start_b != 0, 0, decay_a * decay_b),
        tl.where(start_b != 0, write_b, from_a + write_b),
        tl.where(start_b != 0, kept_b, from_a + kept_b),
    )


@triton.jit
def states_and_kept(decay, write, before, starts):
    """Every state h_t of a chunk, and e^{Δ_t A} h_{t−1}, which is 0 where a packed sequence starts."""
    fresh = tl.broadcast_to(starts, decay.shape).to(tl.int32)
    parts = (fresh, decay, write, tl.zeros(write.shape, dtype=write.dtype))
    begun, prefix, written, kept = tl.associative_scan(parts, 1, combine_states)
    carried = tl.where(begun != 0, 0, prefix * before[:, None])
    return carried + written, carried + kept


@triton.jit
def combine_adjoints(cut_a, decay_a, read_a, cut_b, decay_b, read_b):
    """First a, which is later in time, then b; nothing flows back where a packed sequence is cut off from the next."""
    return (
        cut_a | cut_b,
        tl.where(cut_b != 0, 0, times(decay_a, decay_b)),
        tl.where(cut_b != 0, read_b, times(read_a, decay_b) + read_b),
    )


@triton.jit
def adjoints(next_decay, read_bar, next_starts):
    """g_t = r_t + e^{Δ_{t+1}A} g_{t+1} along axis 1."""
    cut = tl.broadcast_to(next_starts, next_decay.shape).to(tl.int32)
    return tl.associative_scan((cut, next_decay, read_bar), 1, combine_adjoints, reverse=True)[2]


@triton.jit
def component_backward(
    B_bar,
    C_bar,
    at,
    in_time,
    a,
    b,
    c,
    step,
    next_step,
    x,
    starts,
    next_starts,
    out_bar,
    before,
    later,
    BLOCK_T: tl.constexpr,
):
    """One state component through one chunk: `before` is its state at the start, `later` the adjoint that flows in.

    Adds to B_bar and C_bar; returns the gradients of Δ (through the decay), of Δu, of a, and the adjoint that flows on.
    """
    t = tl.arange(0, BLOCK_T)[None, :]
    decay = tl.exp(step * a[:, None])
    states, kept = states_and_kept(decay, step * x * b[None, :], before, starts)
    read_bar = times(out_bar, c[None, :]) + tl.where(t == BLOCK_T - 1, later[:, None], 0)
    g = adjoints(tl.exp(next_step * a[:, None]), read_bar, next_starts)
    through_decay = tl.where(starts, 0, times(g, kept))
    tl.atomic_add(B_bar + at, tl.sum(times(g, step * x), axis=0), mask=in_time)
    tl.atomic_add(C_bar + at, tl.sum(times(out_bar, states), axis=0), mask=in_time)
    first = tl.sum(tl.where((t == 0) & (starts == 0), times(g, decay), 0), axis=1)
    at_a = tl.sum(times(through_decay, step), axis=1)
    return times(through_decay, a[:, None]), times(g, b[None, :]), at_a, first


@triton.jit
def store_signals(u_bar, delta_bar, tile, mask, x, x_bar, step_bar, out_bar):
    """Store the gradients of u and delta; return their sums over time that belong to D and to the bias, (BLOCK_D)."""
    tl.store(u_bar + tile, x_bar, mask=mask)
    tl.store(delta_bar + tile, step_bar, mask=mask)
    return tl.sum(times(out_bar, x), axis=1), tl.sum(tl.where(mask, step_bar, 0), axis=1)


@triton.jit
def components_backward(
    matrices, bars, at, in_time, block, sizes, signals, next_signals, out_bar, before, adjoint, BLOCK_T: tl.constexpr
):
    """Every state component through one chunk: gradients of Δ by the decay, of Δu, of A, and the adjoint before."""
    A, B, C = matrices
    channel, in_channels = block
    length, d_state = sizes
    step, x, starts = signals
    next_step, next_starts = next_signals
    n = tl.arange(0, before.shape[1])
    step_bar, product_bar = tl.zeros(x.shape, dtype=x.dtype), tl.zeros(x.shape, dtype=x.dtype)
    a_bar = tl.zeros(adjoint.shape, dtype=adjoint.dtype)
    for i in range(d_state):
        a = tl.load(A + channel * d_state + i, mask=in_channels, other=0)
        row = at + i * length
        b, c = tl.load(B + row, mask=in_time, other=0), tl.load(C + row, mask=in_time, other=0)
        h, later = column(before, n, i), column(adjoint, n, i)
        through_decay, through_write, at_a, first = component_backward(
            *bars, row, in_time, a, b, c, step, next_step, x, starts, next_starts, out_bar, h, later, BLOCK_T
        )
        step_bar += through_decay
        product_bar += through_write
        a_bar += tl.where(n[None, :] == i, at_a[:, None], 0)
        adjoint = tl.where(n[None, :] == i, first[:, None], adjoint)
    return step_bar, product_bar, a_bar, adjoint


@triton.jit
def chunk_backward(
    chunk,
    block,
    sizes,
    inputs,
    saved,
    bars,
    adjoint,
    HAS_D: tl.constexpr,
    HAS_Z: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_FRESH: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    BLOCK_T: tl.constexpr,
):
    """One chunk; returns the adjoint before it, and its parts of the gradients of A, D and the bias."""
    batch, group, channel, in_channels, row = block
    length, ngroups, d_state = sizes
    u, delta, A, B, C, D, z, bias, fresh = inputs
    checkpoints, ungated, y_bar = saved
    u_bar, delta_bar, B_bar, C_bar, z_bar = bars
    time = chunk * BLOCK_T + tl.arange(0, BLOCK_T)
    in_time, n = time < length, tl.arange(0, adjoint.shape[1])
    mask = in_channels[:, None] & in_time[None, :]
    next_mask = in_channels[:, None] & (time + 1 < length)[None, :]
    tile = row[:, None] * length + time[None, :]
    step, raw = load_delta(delta, bias, tile, mask, channel, in_channels, HAS_BIAS, SOFTPLUS)
    next_step, _ = load_delta(delta, bias, tile + 1, next_mask, channel, in_channels, HAS_BIAS, SOFTPLUS)
    x = tl.load(u + tile, mask=mask, other=0)
    starts = load_starts(fresh, batch * length + time, in_time, HAS_FRESH)
    next_starts = load_starts(fresh, batch * length + time + 1, time + 1 < length, HAS_FRESH)
    out_bar = tl.load(y_bar + tile, mask=mask, other=0)
    if HAS_Z:
        out_bar = ungate(out_bar, z, ungated, z_bar, tile, mask)
    kept = (row[:, None] * tl.cdiv(length, BLOCK_T) + chunk) * d_state + n[None, :]
    before = tl.load(checkpoints + kept, mask=in_channels[:, None] & (n < d_state)[None, :], other=0)
    at, signals = (batch * ngroups + group) * d_state * length + time, (step, x, starts)
    step_bar, product_bar, a_bar, adjoint = components_backward(
        (A, B, C), (B_bar, C_bar), at, in_time, (channel, in_channels), (length, d_state), signals,
        (next_step, next_starts), out_bar, before, adjoint, BLOCK_T,
    )  # fmt: skip
    step_bar += times(product_bar, x)
    if SOFTPLUS:
        step_bar = times(step_bar, sigmoid(raw))
    x_bar = times(product_bar, step)
    if HAS_D:
        x_bar += times(out_bar, tl.load(D + channel, mask=in_channels, other=0)[:, None])
    d_bar, shift = store_signals(u_bar, delta_bar, tile, mask, x, x_bar, step_bar, out_bar)
    return adjoint, a_bar, d_bar, shift


@triton.jit
def s6_backward(
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    bias,
    fresh,
    checkpoints,
    ungated,
    y_bar,
    last_bar,
    u_bar,
    delta_bar,
    A_bar,
    B_bar,
    C_bar,
    D_bar,
    z_bar,
    bias_bar,
    initial_bar,
    length,
    d_inner,
    ngroups,
    d_state,
    HAS_D: tl.constexpr,
    HAS_Z: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_FRESH: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Every gradient. Grid (blocks, groups, batch), the same blocks and chunks as the forward pass.

    u_bar, delta_bar, z_bar as u; A_bar, initial_bar (batch, d_inner, N); B_bar, C_bar as B, zero at first;
    D_bar, bias_bar (batch, d_inner). All contiguous.
    """
    block = block_of_channels(d_inner, ngroups, BLOCK_D)
    in_channels, row, n = block[3], block[4], tl.arange(0, BLOCK_N)
    state_mask = in_channels[:, None] & (n < d_state)[None, :]
    state_at = row[:, None] * d_state + n[None, :]
    adjoint = tl.load(last_bar + state_at, mask=state_mask, other=0)
    a_bar = tl.zeros(adjoint.shape, dtype=adjoint.dtype)
    d_bar, shift = tl.sum(a_bar, axis=1), tl.sum(a_bar, axis=1)
    inputs, saved = (u, delta, A, B, C, D, z, bias, fresh), (checkpoints, ungated, y_bar)
    sizes, bars = (length, ngroups, d_state), (u_bar, delta_bar, B_bar, C_bar, z_bar)
    chunks = tl.cdiv(length, BLOCK_T)
    for back in range(chunks):
        adjoint, a, d, b = chunk_backward(
            chunks - 1 - back, block, sizes, inputs, saved, bars, adjoint, HAS_D, HAS_Z, HAS_BIAS, HAS_FRESH, SOFTPLUS,
            BLOCK_T,
        )  # fmt: skip
        a_bar, d_bar, shift = a_bar + a, d_bar + d, shift + b
    tl.store(A_bar + state_at, a_bar, mask=state_mask)
    tl.store(initial_bar + state_at, adjoint, mask=state_mask)
    tl.store(D_bar + row, d_bar, mask=in_channels)
    tl.store(bias_bar + row, shift, mask=in_channels)
