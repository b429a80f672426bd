"""Ten bugs to plant, one at a time, each in one kernel or construction: a campaign must find every one of them.

They are of the kinds that such code has had: off by one, a carry or a skip that is lost at some lengths only, packing
that leaks, a threshold, a wrong group, one wrong code, a tie.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import _lru_cache_wrapper
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional

from mamba_theorems.constructions.compiler import modules as construction_modules
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.mqar import codes, theorem2
from mamba_theorems.kernels.cpu import backend as cpu_ops
from mamba_theorems.kernels.ssd import time_steps

Wrong = Callable[..., Any]
BUILT = ("mamba_theorems.constructions.", "mamba_theorems.verify.checks.")
"""Modules that remember networks they have built."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with a bug planted; none for "". Raises KeyError for a bug that is not known."""
    if not name:
        yield
        return
    owner, attribute, wrong = BUGS[name]
    forget()
    try:
        with patch.object(owner, attribute, wrong):
            yield
    finally:
        forget()


def forget() -> None:
    """Drop every network built so far: it may have been built with the bug, or without."""
    for path, module in list(sys.modules.items()):
        if path.startswith(BUILT):
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper):
                    value.cache_clear()


# --- kernels ---------------------------------------------------------------------------------------------------------

SCAN, CONVOLUTION = cpu_ops.selective_scan, cpu_ops.causal_conv1d
SSD: Wrong = cpu_ops.ssd_chunk_scan
CHUNK = 8


def _oldest_tap_late(
    x: Tensor, weight: Tensor, *rest: Any, initial_states: Tensor | None = None, **options: Any
) -> Any:
    """The oldest of three or more taps reads one token further back."""
    if weight.shape[1] < 3:
        return CONVOLUTION(x, weight, *rest, initial_states=initial_states, **options)
    wider = torch.cat([weight[:, :1], torch.zeros_like(weight[:, :1]), weight[:, 1:]], dim=1)
    before = None if initial_states is None else functional.pad(initial_states, (1, 0))
    return CONVOLUTION(x, wider, *rest, initial_states=before, **options)


def _last_carry_lost(u: Tensor, *rest: Any, **options: Any) -> Any:
    """A last chunk that is not full starts from an empty state."""
    length = u.shape[2]
    whole = length - length % CHUNK
    if length % CHUNK == 0 or whole == 0:
        return SCAN(u, *rest, **options)
    chunk = torch.arange(length, device=u.device) >= whole
    given = options.pop("seq_idx", None)
    restarted = torch.zeros(u.shape[0], length, dtype=torch.long) if given is None else given.long()
    return SCAN(u, *rest, seq_idx=2 * restarted + chunk, **options)


def _packing_leaks(u: Tensor, *rest: Any, seq_idx: Tensor | None = None, **options: Any) -> Any:
    """A packed sequence that begins at a multiple of 4 sees the one before it."""
    if seq_idx is not None:
        starts = functional.pad(seq_idx[:, 1:] != seq_idx[:, :-1], (1, 0))
        starts[:, ::4] = False
        seq_idx = starts.cumsum(1)
    return SCAN(u, *rest, seq_idx=seq_idx, **options)


def _softplus_linear(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *rest: Any,
    **options: Any,
) -> Any:
    """softplus(x) = x above 8, which is wrong by e^−8."""
    if delta_softplus:
        raw = delta if delta_bias is None else delta + delta_bias[:, None]
        delta, delta_bias = torch.where(raw > 8, raw, torch.logaddexp(raw, torch.zeros_like(raw))), None
    return SCAN(u, delta, A, B, C, D, z, delta_bias, False, *rest, **options)


def _wrong_group(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, *rest: Any, **options: Any) -> Any:
    """Channel d reads B of group d mod G."""
    groups = B.shape[1] if B.ndim == 4 else 1
    return SCAN(u, delta, A, B.repeat(1, u.shape[1] // groups, 1, 1) if groups > 1 else B, *rest, **options)


def _skip_lost(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None, *rest: Any, **options: Any
) -> Any:
    """D is left out where L is odd."""
    return SCAN(u, delta, A, B, C, None if u.shape[2] % 2 else D, *rest, **options)


def _decay_grows(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, size: int = 64, **o: Any) -> Any:
    """The state enters a chunk of 8 with e^{−ΔA} for e^{ΔA} at its first step."""
    if o.get("seq_idx") is not None:
        return SSD(x, dt, A, B, C, size, **o)
    state, z, last = o.pop("initial_states", None), o.pop("z", None), o.pop("return_final_states", False)
    steps = time_steps(dt, o.get("dt_bias"), o.get("dt_softplus", False), o.get("dt_limit", (0.0, float("inf"))))
    ys = []
    for start in range(0, x.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        if start:
            state = state * torch.exp(-2 * steps[:, start] * A)[:, :, None, None]
        inputs: dict[str, Any] = {
            "x": x[:, part],
            "dt": dt[:, part],
            "B": B[:, part],
            "C": C[:, part],
            "z": z if z is None else z[:, part],
        }
        y, state = SSD(A=A, chunk_size=size, initial_states=state, return_final_states=True, **inputs, **o)
        ys.append(y)
    return (torch.cat(ys, 1), state) if last else torch.cat(ys, 1)


# --- constructions ---------------------------------------------------------------------------------------------------

CODES, THEOREM2 = codes.describe, theorem2.describe


def _one_wrong_code(vocabulary: Any, chosen: codes.RecallCodes, activation: str) -> MixerDescription:
    """The fourth key is read by the third one's code."""
    wrong = replace(chosen, read=lambda q: chosen.read(2 if q == 3 else q))
    return CODES(vocabulary, wrong, activation)


def _tie_of_neighbours(vocabulary: Any, chosen: theorem2.TapCodes) -> MixerDescription:
    """A key's two taps are equal: adjacent queries of different values tie."""
    description = THEOREM2(vocabulary, chosen)
    keys = [channel for channel in description.inner if channel.name == "key"]
    return replace(description, taps={**description.taps, **dict.fromkeys(keys, (chosen.current_tap,) * 2)})


def _positions_from_zero(self: Any, x: Tensor) -> Tensor:
    """Positions count from 0."""
    t = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
    return x + t[:, None] * self.weight


BUGS: dict[str, tuple[ModuleType | type, str, Wrong]] = {
    "convolution: the oldest tap is off by one": (cpu_ops, "causal_conv1d", _oldest_tap_late),
    "scan: the carry into the last chunk is lost": (cpu_ops, "selective_scan", _last_carry_lost),
    "scan: packed sequences leak": (cpu_ops, "selective_scan", _packing_leaks),
    "scan: softplus turns linear at 8": (cpu_ops, "selective_scan", _softplus_linear),
    "scan: B of the wrong group": (cpu_ops, "selective_scan", _wrong_group),
    "scan: no D where L is odd": (cpu_ops, "selective_scan", _skip_lost),
    "SSD: the decay's sign at a chunk's boundary": (cpu_ops, "ssd_chunk_scan", _decay_grows),
    "codes: one key has another's code": (codes, "describe", _one_wrong_code),
    "Theorem 2: neighbours tie": (theorem2, "describe", _tie_of_neighbours),
    "positions: off by one": (construction_modules.Position, "forward", _positions_from_zero),
}
"""By name: where the bug is planted, and what stands there then."""
