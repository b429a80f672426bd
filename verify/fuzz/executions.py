"""Which kernel runs a case, and in what pieces: drawn beside the case, so that a failure shrinks to the plain way.

A property that fixes the backend itself, or bounds the error of one chunk size, keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from hypothesis import strategies as st

from mamba_theorems.kernels import ops, ssd
from mamba_theorems.kernels.backends import using_backend
from mamba_theorems.verify.checks.check import Property
from mamba_theorems.verify.settings import Run

PLAIN = "auto"
DEFINITION = "reference"
PIECES = "pieces of "
LENGTHS = (1, 2, 3, 7, 16, 64)
OWN_BACKEND = ("backend", "chunk_size")
"""Fields of a case that choose the execution themselves."""


def admitted(check: Property, run: Run) -> st.SearchStrategy[str]:
    """The ways in which the check's cases may run: the device's kernel alone where it cannot matter, or must not."""
    if run.kernel or run.device != "cpu" or not _runs_kernels(check) or _chooses_itself(check):
        return st.just(PLAIN)
    pieces = [f"{PIECES}{n}" for n in LENGTHS] if "target" in check.facts else []
    definition = [] if check.claim.startswith("sensitivity.") else [DEFINITION]  # it cannot be differentiated
    return st.sampled_from([PLAIN, *pieces, *definition])


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
    if execution == DEFINITION:
        chosen: Any = DEFINITION
    elif execution.startswith(PIECES) and execution[len(PIECES) :].isdigit():
        size = int(execution[len(PIECES) :])
        chosen = {"selective_scan": scan_in_pieces(size), "ssd_chunk_scan": ssd_in_chunks(size)}
    else:
        raise ValueError(f"there is no execution '{execution}': use {PLAIN}, {DEFINITION} or '{PIECES}N'")
    with using_backend(chosen):
        yield


def scan_in_pieces(size: int) -> Callable[..., Any]:
    """The selective scan `size` steps at a time, the state handed on: what a long context or decoding does."""

    def scan(
        u: Any,
        delta: Any,
        A: Any,
        B: Any,
        C: Any,
        D: Any = None,
        z: Any = None,
        delta_bias: Any = None,
        delta_softplus: bool = False,
        return_last_state: bool = False,
        initial_state: Any = None,
        seq_idx: Any = None,
    ) -> Any:
        options: Any = {"delta_softplus": delta_softplus, "return_last_state": True, "seq_idx": seq_idx}
        step = u.shape[2] if seq_idx is not None else size  # packed sequences are run whole
        state, ys = initial_state, []
        for start in range(0, u.shape[2], step):
            part = slice(start, start + step)
            uc, dc, Bc, Cc, zc = (m if m is None or m.ndim < 3 else m[..., part] for m in (u, delta, B, C, z))
            y, state = ops.selective_scan(
                uc, dc, A, Bc, Cc, D, zc, delta_bias, backend="cpu", initial_state=state, **options
            )
            ys.append(y)
        y = torch.cat(ys, dim=-1)
        return (y, state) if return_last_state else y

    return scan


def ssd_in_chunks(size: int) -> Callable[..., Any]:
    """SSD as torch runs it, in chunks of `size`: the path of gradients, and of devices without a compiled one."""

    def scan(x: Any, dt: Any, A: Any, B: Any, C: Any, chunk_size: int = 64, *rest: Any, **options: Any) -> Any:
        return ssd.ssd_chunk_scan(x, dt, A, B, C, size, *rest, **options)

    return scan
