"""SSD in Triton, forward and backward: chunk after chunk with the state in registers, matrix products inside.

The same function as `kernels.chunked.ssd.chunk_scan`, and its formulas. Products are IEEE float32, never TF32; decays
come from segment sums, which cumulate a masked square and never subtract.
"""

import triton
import triton.language as tl


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
        tl.store(y + x_at, out, mask=x_mask)
        h = tl.exp(tl.sum(a, axis=0)) * h + dot(tl.trans(values), b * last_row(decays, Q)[:, None])
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
        decays = segment_decays(a, Q)
        to_end = last_row(decays, Q)
        from_start = tl.exp(tl.cumsum(a, axis=0))
        whole = tl.exp(tl.sum(a, axis=0))
        scores = dot(c, tl.trans(b)) * decays
        scores_bar = dot(out_bar, tl.trans(values))
        products_bar = scores_bar * decays
        through_state = dot(b, tl.trans(h_bar)) * to_end[:, None]
        tl.store(x_bar + x_at, dot(tl.trans(scores), out_bar) + through_state, mask=x_mask)
        carried_bar = out_bar * from_start[:, None]
        tl.atomic_add(C_bar + m_at, dot(products_bar, b) + dot(carried_bar, h), mask=m_mask)
        written_bar = dot(values * to_end[:, None], h_bar)
        tl.atomic_add(B_bar + m_at, dot(tl.trans(products_bar), c) + written_bar, mask=m_mask)
        ends, whole_bar = tl.sum(values * through_state, axis=1), whole * tl.sum(h_bar * h)
        a_bar = through_decays(scores_bar, scores, carried_bar, dot(c, tl.trans(h)), ends, whole_bar, Q)
        tl.atomic_add(log_decay_bar + token * nheads + head, a_bar, mask=in_time)
        h_bar = whole * h_bar + dot(tl.trans(carried_bar), c)
    tl.store(initial_bar + state_at, h_bar, mask=state_mask)
