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
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional

from mamba_theorems.constructions.compiler import modules as construction_modules
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.mqar import codes, theorem2
from mamba_theorems.kernels.arguments import S6, SSD, Convolution, sequence_starts, time_steps
from mamba_theorems.kernels.backends import Backend
from mamba_theorems.kernels.cpu.backend import BACKEND as COMPILED

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

scan, convolution, ssd = COMPILED.selective_scan, COMPILED.causal_conv1d, COMPILED.ssd_chunk_scan
CHUNK = 8


def _oldest_tap_late(s: Convolution) -> Tensor:
    """The oldest of three or more taps reads one token further back."""
    if s.weight.shape[1] < 3:
        return convolution(s)
    wider = torch.cat([s.weight[:, :1], torch.zeros_like(s.weight[:, :1]), s.weight[:, 1:]], dim=1)
    before = None if s.initial_states is None else functional.pad(s.initial_states, (1, 0))
    return convolution(replace(s, weight=wider, initial_states=before))


def _last_carry_lost(s: S6) -> Any:
    """A last chunk that is not full starts from an empty state."""
    length = s.u.shape[2]
    whole = length - length % CHUNK
    if length % CHUNK == 0 or whole == 0:
        return scan(s)
    chunk = torch.arange(length, device=s.u.device) >= whole
    restarted = torch.zeros(s.u.shape[0], length, dtype=torch.long) if s.seq_idx is None else s.seq_idx.long()
    return scan(replace(s, seq_idx=2 * restarted + chunk))


def _packing_leaks(s: S6) -> Any:
    """A packed sequence that begins at a multiple of 4 sees the one before it."""
    starts = sequence_starts(s.seq_idx)
    if starts is None:
        return scan(s)
    starts[:, ::4] = False
    return scan(replace(s, seq_idx=starts.cumsum(1)))


def _softplus_linear(s: S6) -> Any:
    """softplus(x) = x above 8, which is wrong by e^−8."""
    if not s.delta_softplus:
        return scan(s)
    raw = s.delta if s.delta_bias is None else s.delta + s.delta_bias[:, None]
    delta = torch.where(raw > 8, raw, torch.logaddexp(raw, torch.zeros_like(raw)))
    return scan(replace(s, delta=delta, delta_bias=None, delta_softplus=False))


def _wrong_group(s: S6) -> Any:
    """Channel d reads B of group d mod G."""
    groups = s.B.shape[1] if s.B.ndim == 4 else 1
    return scan(replace(s, B=s.B.repeat(1, s.u.shape[1] // groups, 1, 1)) if groups > 1 else s)


def _skip_lost(s: S6) -> Any:
    """D is left out where L is odd."""
    return scan(replace(s, D=None) if s.u.shape[2] % 2 else s)


def _decay_grows(s: SSD) -> Any:
    """The state enters a chunk of 8 with e^{−ΔA} for e^{ΔA} at its first step."""
    if s.seq_idx is not None:
        return ssd(s)
    steps, state, ys = time_steps(s), cast(Any, s.initial_states), []
    signals = {name: m for name in ("x", "dt", "B", "C", "z") if (m := getattr(s, name)) is not None}
    for start in range(0, s.x.shape[1], CHUNK):
        if start:
            state = state * torch.exp(-2 * steps[:, start] * s.A)[:, :, None, None]
        chunk: dict[str, Any] = {name: m[:, start : start + CHUNK] for name, m in signals.items()}
        y, state = ssd(replace(s, **chunk, initial_states=state, return_final_states=True))
        ys.append(y)
    return s.result(torch.cat(ys, 1), state)


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


BUGS: dict[str, tuple[ModuleType | type | Backend, str, Wrong]] = {
    "convolution: the oldest tap is off by one": (COMPILED, "causal_conv1d", _oldest_tap_late),
    "scan: the carry into the last chunk is lost": (COMPILED, "selective_scan", _last_carry_lost),
    "scan: packed sequences leak": (COMPILED, "selective_scan", _packing_leaks),
    "scan: softplus turns linear at 8": (COMPILED, "selective_scan", _softplus_linear),
    "scan: B of the wrong group": (COMPILED, "selective_scan", _wrong_group),
    "scan: no D where L is odd": (COMPILED, "selective_scan", _skip_lost),
    "SSD: the decay's sign at a chunk's boundary": (COMPILED, "ssd_chunk_scan", _decay_grows),
    "codes: one key has another's code": (codes, "describe", _one_wrong_code),
    "Theorem 2: neighbours tie": (theorem2, "describe", _tie_of_neighbours),
    "positions: off by one": (construction_modules.Position, "forward", _positions_from_zero),
}
"""By name: where the bug is planted, and what stands there then."""
