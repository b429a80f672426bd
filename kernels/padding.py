"""Padding: tokens whose seq_idx is negative belong to no sequence, and change nothing but their own place.

Their outputs are 0, as causal_conv1d's are. States, windows of a convolution and sequences go over them as if they were
not there: be they at the start, in the middle or at the end, the other tokens' results and the last states are those of
the same tokens without padding. Our backends are handed arguments without padding; a foreign kernel is not.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mamba_theorems.kernels.arguments import NO_LIMIT, S6, SSD, Arguments, Convolution, DeltaT, time_steps


def unpadded(s: Any, operation: Callable[[Any], Any]) -> Any:
    """The operation's result on a record, by the same operation without padding."""
    seq_idx = getattr(s, "seq_idx", None)
    if seq_idx is None or (seq_idx.device.type == "cpu" and not bool((seq_idx < 0).any())):
        return operation(s)
    return _UNPADDED[type(s)](s, operation)


def filled(seq_idx: Tensor) -> Tensor:
    """seq_idx where each padding token has that of the last token before it; of the first token where none is."""
    real = seq_idx >= 0
    place = torch.arange(seq_idx.shape[1], device=seq_idx.device).expand_as(seq_idx)
    before = torch.where(real, place, -1).cummax(1).values
    first = real.to(torch.uint8).argmax(1, keepdim=True)
    return seq_idx.gather(1, torch.maximum(before, first))


def tokens_first(seq_idx: Tensor) -> Tensor:
    """The order (batch, L) that puts every token before the padding, and keeps the order of either."""
    return torch.argsort((seq_idx < 0).to(torch.uint8), dim=1, stable=True)


def _scan(s: S6, operation: Callable[[S6], Any]) -> Any:
    real = s.seq_idx[:, None] >= 0  # type: ignore[index]
    B, C = (M if M.ndim == 2 else _kept(real if M.ndim == 3 else real[:, None], M) for M in (s.B, s.C))
    changes = {"u": _kept(real, s.u), "delta": _kept(real, time_steps(s)), "B": B, "C": C, "z": _kept(real, s.z)}
    return _padded(s, real, operation, delta_bias=None, delta_softplus=False, **changes)


def _delta_t(s: DeltaT, operation: Callable[[DeltaT], Any]) -> Any:
    real = s.seq_idx[:, None] >= 0  # type: ignore[index]
    changes = {name: _kept(real, getattr(s, name)) for name in ("u", "delta", "B", "C", "z")}
    return _padded(s, real, operation, **changes)


def _ssd(s: SSD, operation: Callable[[SSD], Any]) -> Any:
    real = s.seq_idx[:, :, None] >= 0  # type: ignore[index]
    changes = {name: _kept(real[..., None], getattr(s, name)) for name in ("x", "B", "C", "z")}
    changes["dt"] = _kept(real, time_steps(s))
    return _padded(s, real[..., None], operation, dt_bias=None, dt_softplus=False, dt_limit=NO_LIMIT, **changes)


def _padded(s: Arguments, real: Tensor, operation: Callable[[Any], Any], **changes: Any) -> Any:
    """Where Δ and the input are 0 a state stays as it is, bit by bit."""
    result = operation(replace(s, seq_idx=filled(s.seq_idx), **changes))  # type: ignore[attr-defined,type-var]
    y, *last = result if s.return_last_state else (result,)
    return (_kept(real, y), *last) if last else _kept(real, y)


def _convolution(s: Convolution, operation: Callable[[Convolution], Tensor]) -> Tensor:
    assert s.seq_idx is not None
    order = tokens_first(s.seq_idx)
    at = order[:, None].expand(s.x.shape)
    y = operation(replace(s, x=s.x.gather(2, at), seq_idx=filled(s.seq_idx).gather(1, order)))
    return _kept(s.seq_idx[:, None] >= 0, torch.zeros_like(y).scatter(2, at, y))


def _kept(real: Tensor, m: Tensor | None) -> Any:
    """m, and 0 in its padding."""
    return None if m is None else torch.where(real, m, 0)


_UNPADDED: dict[type[Arguments], Callable[[Any, Callable[[Any], Any]], Any]] = {
    S6: _scan,
    DeltaT: _delta_t,
    SSD: _ssd,
    Convolution: _convolution,
}
