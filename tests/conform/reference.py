"""Correct kernels in plain torch, a step at a time, with the field's signatures; `broken` names what one does wrong.

They are what somebody else might have written: nothing here imports the project.
"""

# ruff: noqa: PLR0912, PLR0915 - one branch a fault
import torch
from torch.nn import functional


class Backward(torch.autograd.Function):
    """The identity, whose gradient is changed by a function."""

    @staticmethod
    def forward(ctx, x, change):
        ctx.change = change
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return ctx.change(gradient), None


def ragged(axis, size=16):
    """The gradient of what lies in a last chunk that is not full is doubled."""

    def change(gradient):
        length = gradient.shape[axis]
        begin = length - length % size
        weight = torch.ones(length, dtype=gradient.dtype)
        weight[begin:] = 2
        return gradient * weight.reshape([-1 if i == axis % gradient.ndim else 1 for i in range(gradient.ndim)])

    return change


def wide(x):
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def softplus(x, broken=""):
    if broken == "softplus is ReLU":
        return x.clamp(min=0)
    if broken == "softplus linear at 8":
        return functional.softplus(x, threshold=8)
    if broken == "softplus without a tail":
        return torch.log(1 + torch.exp(x))
    return functional.softplus(x)


def starts_of(seq_idx, batch, length, broken=""):
    """Where a sequence begins after another, and where a token is padding, (batch, length)."""
    if seq_idx is None or broken == "seq_idx ignored":
        return torch.zeros(batch, length, dtype=torch.bool), torch.zeros(batch, length, dtype=torch.bool)
    pad = torch.zeros_like(seq_idx, dtype=torch.bool) if broken == "padding is a sequence" else seq_idx < 0
    begins = torch.zeros(batch, length, dtype=torch.bool)
    for row in range(batch):
        last, seen = None, set()
        for t in range(length):
            if pad[row, t]:
                continue
            index = int(seq_idx[row, t])
            if last is not None and index != last:
                begins[row, t] = (index not in seen) if broken == "an index returns" else True
            seen.add(index)
            last = index
    if broken == "a boundary at a tile's first step":
        begins[:, ::16] = False
    if broken == "a boundary inside a chunk":
        begins[:, torch.arange(length) % 16 != 0] = False
    return begins, pad


def by_bounds(seq_idx, cu_seqlens, length, broken=""):
    """seq_idx of sequences by their bounds, where there are any."""
    if cu_seqlens is None or broken == "cu_seqlens ignored":
        return None if cu_seqlens is not None else seq_idx
    if broken == "bounds inside a chunk of 16 ignored":
        cu_seqlens = cu_seqlens[(cu_seqlens % 16 == 0) | (cu_seqlens == length)]
    if broken == "the last bound ignored":
        cu_seqlens = torch.cat([cu_seqlens[:-2], cu_seqlens[-1:]])
    places = torch.arange(length)
    return ((cu_seqlens[1:, None] <= places).sum(0)).expand(1, -1)


def recurrence(u, delta, A, B, C, start, begins, pad, broken=""):
    """y and the last state; u, delta (b, d, t), A (d, n), B, C (b, d, n, t), start (b, d, n)."""
    h, ys, before, states = start, [], start, [start]
    for t in range(u.shape[2]):
        step, new = delta[:, :, t, None], begins[:, t, None, None]
        carried = h * (~new).to(h.dtype) if broken == "boundaries multiply" else torch.where(new, 0.0, h)
        decay = torch.exp(step * A)
        now = decay * carried + step * B[..., t] * u[:, :, t, None]
        before, h = h, torch.where(pad[:, t, None, None], h, now)
        if broken == "graph cut between chunks" and t % 8 == 7:
            h = h.detach()
        states.append(h)
        ys.append((C[..., t] * h).sum(-1))
    return torch.stack(ys, -1), before if broken == "last state one too early" else h, states


def at_ends(states, cu_seqlens, broken):
    """The last state of each sequence, 0 of an empty one."""
    found = []
    for begin, end in zip(cu_seqlens.tolist(), cu_seqlens.tolist()[1:], strict=False):
        empty = begin == end and broken != "an empty sequence has the state before it"
        late = end + 1 if broken == "the state after the next sequence's first token" and end < len(states) - 1 else end
        late = -(-end // 16) * 16 if broken == "states at the ends of chunks" else late
        found.append(torch.zeros_like(states[0]) if empty else states[min(late, len(states) - 1)])
    return torch.cat(found)


def by_channel(M, d, batch, length, broken=""):
    if M.ndim == 2:
        return M[None, :, :, None].expand(batch, -1, -1, length)
    if M.ndim == 3:
        M = M[:, None]
    if broken == "groups repeated":
        return M.repeat(1, d // M.shape[1], 1, 1)
    if broken == "first group for all":
        return M[:, :1].expand(-1, d, -1, -1)
    return M.repeat_interleave(d // M.shape[1], dim=1)


CACHE = {}


def scan(broken=""):
    def selective_scan(
        u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False,
        *, initial_state=None, seq_idx=None, cu_seqlens=None,
    ):  # fmt: skip
        seq_idx = by_bounds(seq_idx, cu_seqlens, u.shape[2], broken)
        no_graph = torch.is_grad_enabled() and broken == "no graph"
        if no_graph:
            with torch.no_grad():
                return computed(
                    u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state, initial_state, seq_idx
                )
        result = computed(
            u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state, initial_state, seq_idx
        )
        return spoiled(result, u, broken)

    def computed(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state, initial_state, seq_idx):
        dtype, (batch, d, length), n = wide(u), u.shape, A.shape[1]
        key = (u.data_ptr(), tuple(u.shape), D is None, z is None)
        if broken == "results are kept" and not u.requires_grad and key in CACHE:
            return CACHE[key]
        if broken == "strides of u ignored":
            u = u.as_strided(u.shape, (d * length, length, 1), 0)
        if broken == "overflow" and u.dtype == torch.float16:
            u = torch.where((u.float() * B.float().abs().amax()).abs() > 65504, torch.inf, u)
        kept = u.dtype
        if broken == "delta changed in place" and delta_bias is not None and not delta.requires_grad:
            delta += delta_bias[:, None].to(delta.dtype)
            delta_bias = None
        if broken == "A rounded" and u.dtype in (torch.bfloat16, torch.float16):
            A = A.to(u.dtype)
        inputs = {"u": u, "delta": delta, "A": A, "B": B, "C": C, "D": D, "z": z, "delta_bias": delta_bias}
        inputs["initial_state"] = initial_state
        for name, m in inputs.items():
            if m is None:
                continue
            if broken == f"no gradient of {name}":
                inputs[name] = m.detach()
            if broken == f"half the gradient of {name}":
                inputs[name] = Backward.apply(m, lambda g: g / 2)
            if broken == f"gradient of {name} in the ragged end":
                inputs[name] = Backward.apply(m, ragged(-1))
        u, delta, A, B, C, D, z, delta_bias, initial_state = (
            None if m is None else m.to(dtype) for m in inputs.values()
        )
        if delta_bias is not None and broken == "gradient of delta_bias without a full chunk":
            delta_bias = Backward.apply(delta_bias[:, None].expand(-1, length), ragged(-1))
            delta = delta + delta_bias
        elif delta_bias is not None and broken not in ("bias ignored", "bias after softplus"):
            delta = delta + delta_bias[:, None]
        if delta_softplus:
            delta = softplus(delta, broken)
        if delta_bias is not None and broken == "bias after softplus":
            delta = delta + delta_bias[:, None]
        begins, pad = starts_of(seq_idx, batch, length, broken)
        dropped = (batch == 1 and broken == "initial state dropped for one sequence") or (
            length % 16 and broken == "initial state dropped in a ragged chunk"
        )
        start = torch.zeros(batch, d, n, dtype=dtype) if initial_state is None or dropped else initial_state
        Bs, Cs = by_channel(B, d, batch, length, broken), by_channel(C, d, batch, length, broken)
        y, last, _ = recurrence(u, delta, A, Bs, Cs, start, begins, pad, broken)
        last = last.detach() if broken == "no graph of the last state" else last
        if broken == "last state for constant B" and B.ndim == 2:
            last = last * 2
        if broken == "last state is zero":
            last = torch.zeros_like(last)
        if D is not None and broken not in ("D ignored", "D outside the gate"):
            skipped = D[:, None] * u
            if broken == "gradient of D without the gate" and z is not None:
                gate = functional.silu(z).detach()
                skipped = Backward.apply(D[:, None].expand(d, length), lambda g: g / gate.mean(0)) * u
            y = y + skipped
        if z is not None and broken != "z ignored":
            y = y * functional.silu(z)
        if D is not None and broken == "D outside the gate":
            y = y + D[:, None] * u
        result = (y.to(kept), last) if return_last_state else y.to(kept)
        if broken == "results are kept" and not y.requires_grad:
            CACHE[key] = result
        return result

    return selective_scan


def spoiled(result, signal, broken):
    """What may be wrong with any result."""
    y, *rest = result if isinstance(result, tuple) else (result,)
    if broken == "zeros":
        y = torch.zeros_like(y)
    if broken == "last step not written":
        fresh = torch.empty_like(y)
        fresh[..., : y.shape[-1] - 1] = y[..., : y.shape[-1] - 1]
        y = fresh if not y.requires_grad else y
    if broken == "not the same bits":
        y = y * (1 + torch.finfo(y.dtype).eps * torch.randint(0, 2, y.shape).to(y.dtype))
    if broken == "float32 for half":
        y = y.to(wide(signal))
    if broken == "result without a graph":
        y = y.detach()
    return (y, *rest) if rest else y


def ssd(broken=""):
    def ssd_chunk_scan(
        x, dt, A, B, C, chunk_size=64, D=None, z=None, dt_bias=None, initial_states=None, seq_idx=None,
        dt_softplus=False, dt_limit=(0.0, float("inf")), return_final_states=False, cu_seqlens=None,
        return_varlen_states=False,
    ):  # fmt: skip
        seq_idx = by_bounds(seq_idx, cu_seqlens, x.shape[1], broken)
        dtype, (batch, length, heads, headdim), n = wide(x), x.shape, B.shape[3]
        kept, d = x.dtype, heads * headdim
        if broken == "A rounded" and kept in (torch.bfloat16, torch.float16):
            A = A.to(kept)
        if broken == "C·B in half" and kept == torch.float16:
            over = (B.float().abs().amax() * C.float().abs().amax()) > 65504
            B = torch.where(over, torch.inf, B)
        if dt_bias is not None and broken == "no gradient of dt_bias":
            dt_bias = dt_bias.detach()
        if initial_states is not None and broken == "no gradient of initial_states":
            initial_states = initial_states.detach()
        x, dt, A, B, C, D, z, dt_bias, initial_states = (
            None if m is None else m.to(dtype) for m in (x, dt, A, B, C, D, z, dt_bias, initial_states)
        )
        if broken == "gradient of C in the ragged end":
            C = Backward.apply(C, ragged(1, chunk_size))
        if broken == "half the gradient of A":
            A = Backward.apply(A, lambda g: g / 2)
        if dt_bias is not None and broken != "bias ignored":
            dt = dt + dt_bias
        if broken == "gradient of dt in the ragged end":
            dt = Backward.apply(dt, ragged(1, chunk_size))
        if broken == "limits before softplus":
            dt = dt.clamp(*dt_limit)
        if dt_softplus:
            dt = softplus(dt, broken)
        if broken not in ("limits ignored", "limits before softplus"):
            dt = dt.clamp(*dt_limit)
        begins, pad = starts_of(seq_idx, batch, length, broken)
        dropped = (batch == 1 and broken == "initial state dropped for one sequence") or (
            length % chunk_size and broken == "initial state dropped in a ragged chunk"
        )
        start = torch.zeros(batch, heads, headdim, n, dtype=dtype)
        start = start if initial_states is None or dropped else initial_states
        if broken == "exp before the mask" and seq_idx is None:
            y, last = quadratic(x, dt, A, B, C, start)
        else:
            Bs, Cs = (by_channel(m.permute(0, 2, 3, 1), d, batch, length, broken) for m in (B, C))
            if broken == "groups repeated":
                Bs, Cs = (
                    m.permute(0, 2, 3, 1).repeat(1, heads // m.shape[2], 1, 1).repeat_interleave(headdim, 1)
                    for m in (B, C)
                )
            y, last, states = recurrence(
                x.flatten(2).mT, dt.mT.repeat_interleave(headdim, 1), A.repeat_interleave(headdim)[:, None], Bs, Cs,
                start.flatten(1, 2), begins, pad, broken,
            )  # fmt: skip
            y, last = y.mT.unflatten(2, (heads, headdim)), last.unflatten(1, (heads, headdim))
        if broken == "last state is zero":
            last = torch.zeros_like(last)
        if D is not None and broken != "D ignored":
            D = D[:, :1] if broken == "D of the first channel" and D.ndim == 2 else D
            y = y + (D if D.ndim == 2 else D[:, None]) * x
        if z is not None and broken != "z ignored":
            y = y * functional.silu(z)
        y = y.to(kept)
        more = [last] if return_final_states else []
        if return_varlen_states:
            more.append(at_ends([m.unflatten(1, (heads, headdim)) for m in states], cu_seqlens, broken))
        return (y, *more) if more else y

    return ssd_chunk_scan


def quadratic(x, dt, A, B, C, start):
    """All pairs at once, and the mask after the exponential."""
    heads = x.shape[2]
    B, C = (m.repeat_interleave(heads // m.shape[2], 2) for m in (B, C))
    total = (dt * A).cumsum(1)
    decay = torch.exp(total[:, :, None] - total[:, None]) * torch.ones(x.shape[1], x.shape[1]).tril()[None, :, :, None]
    y = torch.einsum("bihn,bjhn,bijh,bjh,bjhp->bihp", C, B, decay, dt, x)
    y = y + torch.einsum("bihn,bhpn,bih->bihp", C, start, torch.exp(total))
    to_end = torch.exp(total[:, -1:] - total)
    last = torch.einsum("bjhn,bjh,bjh,bjhp->bhpn", B, to_end, dt, x) + start * torch.exp(total[:, -1])[..., None, None]
    return y, last


def convolution(broken=""):
    def causal_conv1d(
        x, weight, bias=None, seq_idx=None, initial_states=None, return_final_states=False, activation=None,
        *, cu_seqlens=None,
    ):  # fmt: skip
        seq_idx = by_bounds(seq_idx, cu_seqlens, x.shape[2], broken)
        dtype, (batch, dim, length), width = wide(x), x.shape, weight.shape[1]
        kept = x.dtype
        x, weight, bias, initial_states = (
            None if m is None else m.to(dtype) for m in (x, weight, bias, initial_states)
        )
        if broken == "taps reversed":
            weight = weight.flip(-1)
        if broken == "half the gradient of weight":
            weight = Backward.apply(weight, lambda g: g / 2)
        if bias is not None and broken == "no gradient of bias":
            bias = bias.detach()
        nothing = torch.zeros(batch, dim, width - 1, dtype=dtype)
        dropped = broken == "initial state dropped" or (
            broken == "initial state dropped for one sequence" and batch == 1
        )
        before = nothing if initial_states is None or dropped else initial_states
        begins, pad = starts_of(seq_idx, batch, length, broken)
        ys, past = [], before
        for t in range(length):
            seen = torch.where(begins[:, t, None, None], 0.0, past)
            if broken == "boundaries multiply":
                seen = past * (~begins[:, t, None, None]).to(dtype)
            window = torch.cat([seen, x[:, :, t, None]], -1)
            y = torch.where(pad[:, t, None], 0.0, (window * weight).sum(-1))
            ys.append(y)
            past = torch.where(pad[:, t, None, None], past, window[..., 1:])
        y = torch.stack(ys, -1)
        if bias is not None and broken != "bias ignored":
            y = y + bias[:, None]
        if activation is not None and broken != "activation ignored":
            y = functional.silu(y)
        y = torch.where(pad[:, None], 0.0, y).to(kept)
        if broken == "final state of short sequences" and length < width - 1:
            past = functional.pad(x, (0, width - 1 - length))
        if broken == "final state one too early":
            past = torch.cat([before, x], -1)[..., length - 1 : length + width - 2]
        return (y, past.to(kept)) if return_final_states else y

    return causal_conv1d


def update(broken=""):
    def selective_state_update(
        state, x, dt, A, B, C, D=None, z=None, dt_bias=None, dt_softplus=False, state_batch_indices=None
    ):
        if state_batch_indices is not None:
            return by_rows(state, x, dt, A, B, C, D, z, dt_bias, dt_softplus, state_batch_indices.long())
        return advanced(state, x, dt, A, B, C, D, z, dt_bias, dt_softplus)

    def by_rows(state, x, dt, A, B, C, D, z, dt_bias, dt_softplus, at):
        if broken == "slots ignored":
            at = torch.arange(len(x))
        if broken == "slots in rising order":
            at = at.sort().values
        if broken == "padding is the first row":
            at = at.clamp(min=0)
        if broken == "padding is the last row":
            at = at % len(state)
        real = at >= 0
        rows = state[at.clamp(min=0)]
        y = advanced(rows, x, dt, A, B, C, D, z, dt_bias, dt_softplus)
        if broken == "padding hides the rest":
            real = real.int().cummin(0).values.bool()
        if broken == "gradient of padding counted again" and real.any():
            entry = torch.where(real, torch.arange(len(at)), real.int().argmax())
            state.index_copy_(0, at[entry], rows[entry])
        else:
            state[at[real]] = rows[real]
        return y

    def advanced(state, x, dt, A, B, C, D, z, dt_bias, dt_softplus):
        dtype, kept = wide(x), x.dtype
        if broken == "A rounded" and kept in (torch.bfloat16, torch.float16):
            A = A.to(kept)
        x, dt, A, B, C, D, z, dt_bias = (None if m is None else m.to(dtype) for m in (x, dt, A, B, C, D, z, dt_bias))
        heads = x.shape[1]
        if x.ndim == 3:
            repeat = heads // B.shape[1]
            if broken == "groups repeated":
                B, C = (m.repeat(1, repeat, 1) for m in (B, C))
            else:
                B, C = (m.repeat_interleave(repeat, 1) for m in (B, C))
            B, C = B[:, :, None], C[:, :, None]
        else:
            B, C = B[:, None], C[:, None]
        if dt_bias is not None and broken != "bias ignored":
            dt = dt + dt_bias
        if dt_softplus and broken != "softplus ignored":
            dt = softplus(dt, broken)
        before = state.clone().to(dtype)  # a graph keeps it, and the state is advanced in place
        now = torch.exp(dt[..., None] * A) * before + (dt * x)[..., None] * B
        if broken != "state not advanced":
            state.copy_(now.detach() if broken == "gradient ends at the step" else now)
        if broken == "state advanced twice":
            state.copy_(torch.exp(dt[..., None] * A) * now)
        y = (now * C).sum(-1)
        y = y if D is None or broken == "D ignored" else y + D * x
        y = y if z is None or broken == "z ignored" else y * functional.silu(z)
        return y.to(kept)

    return selective_state_update


MAKERS = {
    "selective_scan": scan, "ssd_chunk_scan": ssd, "causal_conv1d": convolution, "selective_state_update": update,
}  # fmt: skip
