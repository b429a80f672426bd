"""SSD in Triton, forward and backward: chunk after chunk with the state in registers, matrix products inside.

The same function as `kernels.chunked.ssd.chunk_scan`, and its formulas. Products are IEEE float32, never TF32; decays
come from segment sums, which cumulate a masked square and never subtract. A product of matrices multiplies what it
masks: a chunk whose result is not finite is run again step by step, and selects (`kernels.chunked.scan`).
"""

import triton
import triton.language as tl

from mamba_theorems.kernels.gpu.s6 import times


@triton.jit
def segment_decays(log_decay, Q: tl.constexpr):
    """e^{a_{j+1} + … + a_i} for j ≤ i, else 0: (Q, Q), each exponent a sum of its own terms."""
    i = tl.arange(0, Q)[:, None]
    j = tl.arange(0, Q)[None, :]
    sums = tl.cumsum(tl.where(j < i, log_decay[:, None], 0.0), axis=0)
    return tl.where(j <= i, tl.exp(sums), 0.0)


@triton.jit
def dot(a, b):
    """A matrix product that keeps every digit of its arguments, in their dtype."""
    return tl.dot(a, b, input_precision="ieee", out_dtype=a.dtype)


@triton.jit
def last_row(square, Q: tl.constexpr):
    """square[Q − 1]."""
    return tl.sum(tl.where(tl.arange(0, Q)[:, None] == Q - 1, square, 0.0), axis=0)


@triton.jit
def chunk_of(token, in_time, head, group, p, n, nheads, headdim, ngroups, d_state):
    """Where a chunk's tiles of x (Q, BLOCK_P) and of B, C (Q, BLOCK_N) are, each with its mask."""
    x_at = (token * nheads + head)[:, None] * headdim + p[None, :]
    m_at = (token * ngroups + group)[:, None] * d_state + n[None, :]
    return x_at, in_time[:, None] & (p < headdim)[None, :], m_at, in_time[:, None] & (n < d_state)[None, :]


@triton.jit
def through_decays(scores_bar, scores, carried_bar, carried, ends, whole_bar, Q: tl.constexpr):
    """The gradient of log_decay, (Q).

    a_r appears in each segment j < r ≤ i, in each f_i = e^{a_1 + … + a_i} with i ≥ r, in the decay to the end of each
    j < r, and in the whole chunk's.
    """
    q = tl.arange(0, Q)
    segments = tl.cumsum(scores_bar * scores, axis=0, reverse=True)  # Σ over i ≥ r, for every j
    a_bar = tl.sum(tl.where(q[None, :] < q[:, None], segments, 0.0), axis=1)
    a_bar += tl.cumsum(tl.sum(carried_bar * carried, axis=1), axis=0, reverse=True)
    return a_bar + tl.cumsum(ends, axis=0) - ends + whole_bar


@triton.jit
def not_finite(x):
    """How many entries are NaN or infinite."""
    return tl.sum(tl.where(tl.abs(x) < float("inf"), 0, 1))


@triton.jit
def row(x, t, Q: tl.constexpr):
    """x[t] of a (Q, ·) tile, selected."""
    return tl.sum(tl.where(tl.arange(0, Q)[:, None] == t, x, 0), axis=0)


@triton.jit
def with_row(x, t, value, Q: tl.constexpr):
    """x (Q, ·) with x[t] = value."""
    return tl.where(tl.arange(0, Q)[:, None] == t, value[None, :], x)


@triton.jit
def one_step(t, a, values, b, h, state_mask, Q: tl.constexpr):
    """e^{a_t} h, 0 where a packed sequence begins; what step t writes; a_t. States are 0 outside the mask."""
    a_t = tl.sum(tl.where(tl.arange(0, Q) == t, a, 0), axis=0)
    kept = tl.where(a_t == -float("inf"), 0, tl.exp(a_t) * h)
    write = tl.where(state_mask, row(values, t, Q)[:, None] * row(b, t, Q)[None, :], 0)
    return kept, write, a_t


@triton.jit
def chunk_by_steps(a, values, b, c, h, state_mask, Q: tl.constexpr):
    """The outputs (Q, BLOCK_P) of a chunk and the state at its end, by the recurrence."""
    out = tl.zeros(values.shape, dtype=values.dtype)
    for t in range(Q):
        kept, write, _ = one_step(t, a, values, b, h, state_mask, Q)
        h = kept + write
        read = tl.where(state_mask, h * row(c, t, Q)[None, :], 0)
        out = with_row(out, t, tl.sum(read, axis=1), Q)
    return out, h


@triton.jit
def chunk_backward_by_steps(a, values, b, c, h, out_bar, h_bar, state_mask, Q: tl.constexpr):
    """The gradients of a chunk's x, B, C, log_decay and of the state before it; each state is run up to anew."""
    x_bar, b_bar = tl.zeros(values.shape, dtype=values.dtype), tl.zeros(b.shape, dtype=b.dtype)
    c_bar, a_bar = tl.zeros(b.shape, dtype=b.dtype), tl.zeros(a.shape, dtype=a.dtype)
    for back in range(Q):
        t = Q - 1 - back
        before = h
        for earlier in range(t):
            kept, write, _ = one_step(earlier, a, values, b, before, state_mask, Q)
            before = kept + write
        kept, write, a_t = one_step(t, a, values, b, before, state_mask, Q)
        y_bar = row(out_bar, t, Q)
        c_bar = with_row(c_bar, t, tl.sum(times(y_bar[:, None], kept + write), axis=0), Q)
        g = tl.where(state_mask, h_bar + times(y_bar[:, None], row(c, t, Q)[None, :]), 0)
        x_bar = with_row(x_bar, t, tl.sum(times(g, row(b, t, Q)[None, :]), axis=1), Q)
        b_bar = with_row(b_bar, t, tl.sum(times(g, row(values, t, Q)[:, None]), axis=0), Q)
        begins = a_t == -float("inf")
        through_decay = tl.sum(tl.where(begins, 0, times(g, kept)))
        a_bar = tl.where(tl.arange(0, Q) == t, through_decay, a_bar)
        h_bar = tl.where(begins, 0, times(g, tl.exp(a_t)))
    return x_bar, b_bar, c_bar, a_bar, h_bar


@triton.jit
def chunk_backward(a, values, b, c, h, out_bar, h_bar, Q: tl.constexpr):
    """The same by matrix products."""
    decays = segment_decays(a, Q)
    to_end = last_row(decays, Q)
    from_start = tl.exp(tl.cumsum(a, axis=0))
    whole = tl.exp(tl.sum(a, axis=0))
    scores = dot(c, tl.trans(b)) * decays
    scores_bar = dot(out_bar, tl.trans(values))
    products_bar = scores_bar * decays
    through_state = dot(b, tl.trans(h_bar)) * to_end[:, None]
    x_bar = dot(tl.trans(scores), out_bar) + through_state
    carried_bar = out_bar * from_start[:, None]
    c_bar = dot(products_bar, b) + dot(carried_bar, h)
    b_bar = dot(tl.trans(products_bar), c) + dot(values * to_end[:, None], h_bar)
    ends, whole_bar = tl.sum(values * through_state, axis=1), whole * tl.sum(h_bar * h)
    a_bar = through_decays(scores_bar, scores, carried_bar, dot(c, tl.trans(h)), ends, whole_bar, Q)
    return x_bar, b_bar, c_bar, a_bar, whole * h_bar + dot(tl.trans(carried_bar), c)


@triton.jit
def ssd_forward(
    x,
    log_decay,
    B,
    C,
    initial,
    y,
    last,
    checkpoints,
    length,
    nheads,
    headdim,
    ngroups,
    d_state,
    SAVE: tl.constexpr,
    Q: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """y and the last state, and where SAVE the state before each chunk. Grid (blocks of headdim, nheads, batch).

    x, y (batch, L, nheads, headdim); log_decay (batch, L, nheads); B, C (batch, L, ngroups, N); initial, last
    (batch, nheads, headdim, N); checkpoints (batch, nheads, chunks, headdim, N). All contiguous.
    """
    batch, head = tl.program_id(2).to(tl.int64), tl.program_id(1)
    group = head // (nheads // ngroups)
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    n, q = tl.arange(0, BLOCK_N), tl.arange(0, Q)
    state_mask = (p < headdim)[:, None] & (n < d_state)[None, :]
    inside = p[:, None] * d_state + n[None, :]
    h = tl.load(initial + (batch * nheads + head) * headdim * d_state + inside, mask=state_mask, other=0)
    chunks = tl.cdiv(length, Q)
    for chunk in range(chunks):
        time = chunk * Q + q
        in_time = time < length
        token = batch * length + time
        x_at, x_mask, m_at, m_mask = chunk_of(token, in_time, head, group, p, n, nheads, headdim, ngroups, d_state)
        a = tl.load(log_decay + token * nheads + head, mask=in_time, other=0)
        values = tl.load(x + x_at, mask=x_mask, other=0)
        b = tl.load(B + m_at, mask=m_mask, other=0)
        c = tl.load(C + m_at, mask=m_mask, other=0)
        if SAVE:
            saved = ((batch * nheads + head) * chunks + chunk) * headdim * d_state
            tl.store(checkpoints + saved + inside, h, mask=state_mask)
        decays = segment_decays(a, Q)
        from_start = tl.exp(tl.cumsum(a, axis=0))
        out = dot(dot(c, tl.trans(b)) * decays, values) + dot(c, tl.trans(h)) * from_start[:, None]
        after = tl.exp(tl.sum(a, axis=0)) * h + dot(tl.trans(values), b * last_row(decays, Q)[:, None])
        if not_finite(out) + not_finite(after) > 0:
            out, after = chunk_by_steps(a, values, b, c, h, state_mask, Q)
        tl.store(y + x_at, out, mask=x_mask)
        h = after
    tl.store(last + (batch * nheads + head) * headdim * d_state + inside, h, mask=state_mask)


@triton.jit
def ssd_backward(
    x,
    log_decay,
    B,
    C,
    checkpoints,
    y_bar,
    last_bar,
    x_bar,
    log_decay_bar,
    B_bar,
    C_bar,
    initial_bar,
    length,
    nheads,
    headdim,
    ngroups,
    d_state,
    Q: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Every gradient, chunks backwards. log_decay_bar, B_bar, C_bar are zero at first: blocks add to them."""
    batch, head = tl.program_id(2).to(tl.int64), tl.program_id(1)
    group = head // (nheads // ngroups)
    p = tl.program_id(0) * BLOCK_P + tl.arange(0, BLOCK_P)
    n, q = tl.arange(0, BLOCK_N), tl.arange(0, Q)
    state_mask = (p < headdim)[:, None] & (n < d_state)[None, :]
    inside = p[:, None] * d_state + n[None, :]
    state_at = (batch * nheads + head) * headdim * d_state + inside
    h_bar = tl.load(last_bar + state_at, mask=state_mask, other=0)
    chunks = tl.cdiv(length, Q)
    for back in range(chunks):
        chunk = chunks - 1 - back
        time = chunk * Q + q
        in_time = time < length
        token = batch * length + time
        x_at, x_mask, m_at, m_mask = chunk_of(token, in_time, head, group, p, n, nheads, headdim, ngroups, d_state)
        a = tl.load(log_decay + token * nheads + head, mask=in_time, other=0)
        values = tl.load(x + x_at, mask=x_mask, other=0)
        out_bar = tl.load(y_bar + x_at, mask=x_mask, other=0)
        b = tl.load(B + m_at, mask=m_mask, other=0)
        c = tl.load(C + m_at, mask=m_mask, other=0)
        saved = ((batch * nheads + head) * chunks + chunk) * headdim * d_state
        h = tl.load(checkpoints + saved + inside, mask=state_mask, other=0)
        x_new, b_new, c_new, a_new, before = chunk_backward(a, values, b, c, h, out_bar, h_bar, Q)
        lost = not_finite(x_new) + not_finite(b_new) + not_finite(c_new) + not_finite(a_new) + not_finite(before)
        if lost > 0:
            x_new, b_new, c_new, a_new, before = chunk_backward_by_steps(
                a, values, b, c, h, out_bar, h_bar, state_mask, Q
            )
        tl.store(x_bar + x_at, x_new, mask=x_mask)
        tl.atomic_add(B_bar + m_at, b_new, mask=m_mask)
        tl.atomic_add(C_bar + m_at, c_new, mask=m_mask)
        tl.atomic_add(log_decay_bar + token * nheads + head, a_new, mask=in_time)
        h_bar = before
    tl.store(initial_bar + state_at, h_bar, mask=state_mask)
