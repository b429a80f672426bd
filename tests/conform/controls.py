"""Correct kernels with limits of their own, about which the suite must raise no false alarm."""

from functools import wraps

import torch
from reference import convolution, scan, ssd, update

_scan, _ssd = scan(), ssd()
causal_conv1d, selective_state_update = convolution(), update()


def mamba_ssm(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False
):  # fmt: skip
    """mamba_ssm's signature; float64 is computed in float32, as its reference does."""
    narrow = [None if m is None else m.float() for m in (u, delta, A, B, C, D, z, delta_bias)]
    result = _scan(*narrow, delta_softplus, return_last_state)
    y, *last = result if return_last_state else (result,)
    return (y.to(u.dtype), *(m.to(u.dtype) if u.dtype == torch.float64 else m for m in last)) if last else y.to(u.dtype)


def float32_only(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, **more):
    if u.dtype != torch.float32:
        raise TypeError(f"float32 only, not {u.dtype}")
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, **more)


def no_initial_states(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, seq_idx=None):
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, seq_idx=seq_idx)


def multiples_of_64(u, *args, **more):
    if u.shape[2] % 64:
        raise ValueError("the length must be a multiple of 64")
    return _scan(u, *args, **more)


def multiples_of_64_declared(u, *args, **more):
    assert u.shape[2] % 64 == 0
    return _scan(u, *args, **more)


multiples_of_64_declared.conformance = {"sizes": {"length": {"multiple": 64}}, "dtypes": ["float32"]}


def no_gate(u, delta, A, B, C, D=None, delta_bias=None, delta_softplus=False, return_last_state=False):
    return _scan(u, delta, A, B, C, D, None, delta_bias, delta_softplus, return_last_state)


def by_name_alone(*, u, delta, A, B, C, D=None, delta_softplus=False):
    """Takes nothing by place."""
    return _scan(u, delta, A, B, C, D, None, None, delta_softplus)


def bounds_alone(
    x, weight, bias=None, initial_states=None, return_final_states=False, activation=None, cu_seqlens=None
):
    """Packed sequences by their bounds, and no seq_idx."""
    options = {"initial_states": initial_states, "return_final_states": return_final_states, "activation": activation}
    return causal_conv1d(x, weight, bias, **options, cu_seqlens=cu_seqlens)


def through_numpy(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False):
    """Nothing says that it has no gradients, but asked for one it raises."""
    given = [None if m is None else torch.from_numpy(m.numpy()) for m in (u, delta, A, B, C, D, z, delta_bias)]
    return _scan(*given, delta_softplus, return_last_state)


through_numpy.conformance = {"dtypes": ["float32", "float64"]}


def no_gradient_of_states(*args, **options):
    result = _ssd(*args, **options)
    return (result[0], *(m.detach() for m in result[1:])) if isinstance(result, tuple) else result


no_gradient_of_states = wraps(_ssd)(no_gradient_of_states)
no_gradient_of_states.conformance = {"not_offered": ["state gradient"], "dtypes": ["float32"]}


@torch.no_grad()
def forward_only(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False):
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state)


forward_only.conformance = {"gradient": False}


def refuses_gradients(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False):
    if u.requires_grad:
        raise NotImplementedError("this kernel has no backward")
    return _scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus)


def chunked(
    x,
    dt,
    A,
    B,
    C,
    chunk_size=64,
    D=None,
    dt_bias=None,
    initial_states=None,
    dt_softplus=False,
    return_final_states=False,
):
    """Chunk by chunk in matrix products, with differences of running sums masked before the exponential."""
    kept, wide = x.dtype, torch.float64 if x.dtype == torch.float64 else torch.float32
    x, dt, A, B, C, D, dt_bias, h = (
        None if m is None else m.to(wide) for m in (x, dt, A, B, C, D, dt_bias, initial_states)
    )
    dt = dt if dt_bias is None else dt + dt_bias
    dt = torch.nn.functional.softplus(dt) if dt_softplus else dt
    batch, length, heads, headdim = x.shape
    B, C = (m.repeat_interleave(heads // m.shape[2], 2) for m in (B, C))
    h = torch.zeros(batch, heads, headdim, B.shape[3], dtype=wide) if h is None else h
    ys = []
    for at in range(0, length, chunk_size):
        xs, ds, Bs, Cs = (m[:, at : at + chunk_size] for m in (x, dt, B, C))
        total = (ds * A).cumsum(1)
        differences = total[:, :, None] - total[:, None]
        later = torch.ones(xs.shape[1], xs.shape[1], dtype=torch.bool).triu(1)
        decay = torch.exp(differences.masked_fill(later[None, :, :, None], -torch.inf))
        y = torch.einsum("bihn,bjhn,bijh,bjh,bjhp->bihp", Cs, Bs, decay, ds, xs)
        y = y + torch.einsum("bihn,bhpn,bih->bihp", Cs, h, torch.exp(total))
        to_end = torch.exp(total[:, -1:] - total)
        h = h * torch.exp(total[:, -1])[..., None, None] + torch.einsum("bjhn,bjh,bjh,bjhp->bhpn", Bs, to_end, ds, xs)
        ys.append(y)
    y = torch.cat(ys, 1)
    y = y if D is None else y + (D if D.ndim == 2 else D[:, None]) * x
    return (y.to(kept), h) if return_final_states else y.to(kept)


chunked.conformance = {"not_offered": ["NaN"]}


def widths_2_to_4(x, weight, bias=None, seq_idx=None, initial_states=None, return_final_states=False, activation=None):
    if weight.shape[1] not in (2, 3, 4):
        raise RuntimeError("causal_conv1d only supports width between 2 and 4")
    return causal_conv1d(x, weight, bias, seq_idx, initial_states, return_final_states, activation)


def places_counted(x, weight, bias=None, seq_idx=None):
    """Taps at their places, whatever padding lies between, as in causal_conv1d's reference."""
    width = weight.shape[1]
    before = x.new_zeros(*x.shape[:2], width - 1)
    windows = torch.cat([before, x], -1).unfold(-1, width, 1)
    if seq_idx is not None:
        seen = torch.cat([seq_idx.new_full((len(x), width - 1), -1), seq_idx], -1).unfold(-1, width, 1)
        windows = torch.where((seen == seq_idx[..., None])[:, None], windows, 0.0)
    y = (windows * weight[:, None]).sum(-1) + (0.0 if bias is None else bias[:, None])
    return y if seq_idx is None else torch.where((seq_idx < 0)[:, None], 0.0, y)
