"""Which kernel runs a case, and in what pieces: drawn beside the case, so that a failure shrinks to the plain way.

A property that fixes the backend itself, or bounds the error of one chunk size, keeps its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st

from mamba_theorems.kernels.arguments import S6, SSD
from mamba_theorems.kernels.backends import AUTO, Backend, backend_names, choices, load, using_backend
from mamba_theorems.verify.checks.check import Property, Score
from mamba_theorems.verify.settings import Run

PLAIN = AUTO
PIECES = "pieces of "
LENGTHS = (1, 2, 3, 7, 16, 64)
OWN_BACKEND = ("backend", "chunk_size")
"""Fields of a case that choose the execution themselves."""


@dataclass(frozen=True)
class Failure:
    """A case that fails, shrunk: plain data, how it was run, its score, and what it says."""

    case: Any
    execution: str
    value: float
    unit: str
    summary: str
    crashed: bool = False

    @classmethod
    def of(cls, case: Any, execution: str, score: Score, error: str = "") -> Failure:
        """A case with the score by which it fails, or with the `error` that it raises."""
        summary = error or f"fails with {score.unit} {score.value:.6g}"
        return cls(json.loads(json.dumps(asdict(case))), execution, score.value, score.unit, summary, bool(error))


def admitted(check: Property, run: Run) -> st.SearchStrategy[str]:
    """The ways in which the check's cases may run: the device's kernel alone where it cannot matter, or must not."""
    if run.kernel or run.device != "cpu" or not _runs_kernels(check) or _chooses_itself(check):
        return st.just(PLAIN)
    pieces = [f"{PIECES}{n}" for n in LENGTHS] if "target" in check.facts else []
    others = [name for name in choices("selective_scan", run.device) if name != AUTO]
    if check.claim.startswith("sensitivity."):
        others = [name for name in others if load(name).differentiable]
    return st.sampled_from([PLAIN, *pieces, *others])


def _runs_kernels(check: Property) -> bool:
    exact = {"rationals", "Arb balls"} & {str(check.facts.get("field"))}
    return not exact and ("target" in check.facts or check.facts.get("kernel") in ("selective_scan", "ssd_chunk_scan"))


def _chooses_itself(check: Property) -> bool:
    return any(name in check.case_type.__dataclass_fields__ for name in OWN_BACKEND)


@contextmanager
def running(execution: str) -> Iterator[None]:
    """Run the kernels in this way. Raises ValueError for a way that does not exist."""
    if execution == PLAIN:
        yield
        return
    size = execution.removeprefix(PIECES)
    if execution not in backend_names() and not (execution.startswith(PIECES) and size.isdigit()):
        names = ", ".join(backend_names())
        raise ValueError(f"there is no execution '{execution}': use {names} or '{PIECES}N'")
    with using_backend(execution if execution in backend_names() else Pieces(int(size))):
        yield


class Pieces(Backend):
    """Scans a number of steps at a time: what a long context does, and what devices without a compiled path do."""

    def __init__(self, size: int) -> None:
        self.size = size

    def selective_scan(self, s: S6) -> Any:
        """The compiled scan of each piece, the state handed on; packed sequences are run whole."""
        if s.seq_idx is not None:
            return load("cpu").selective_scan(s)
        state: Any = s.initial_state
        signals = {name: m for name in ("u", "delta", "B", "C", "z") if (m := getattr(s, name)) is not None}
        ys = []
        for start in range(0, s.u.shape[2], self.size):
            time = slice(start, start + self.size)
            cut: dict[str, Any] = {name: m[..., time] for name, m in signals.items() if m.ndim > 2}
            y, state = load("cpu").selective_scan(replace(s, **cut, initial_state=state, return_last_state=True))
            ys.append(y)
        return s.result(torch.cat(ys, dim=-1), state)

    def ssd_chunk_scan(self, s: SSD) -> Any:
        """In torch, in chunks of as many steps: also the path of gradients."""
        return load("torch").ssd_chunk_scan(replace(s, chunk_size=self.size))
