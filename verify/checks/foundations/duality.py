"""Checks of the gated RNN inside S6, and of Mamba-2 as masked attention, by rows, by chunks and on the kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch

from mamba_theorems.constructions import foundations as forms
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.backends import DEFINITION, choices
from mamba_theorems.kernels.fields import BALL, FLOAT64, Field
from mamba_theorems.verify.checks.case import Choice, Whole
from mamba_theorems.verify.checks.check import SEED, Check, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import ELEMENTARY, UNIT, disjoint
from mamba_theorems.verify.settings import Run

IN_CHUNKS = "torch"
Discretization = semantics.Discretization


def fast_backends(device: str) -> list[str]:
    """What runs SSD, but not the definition: the compiled recurrence, or what --kernel names; chunks in products."""
    return [name for name in choices("ssd_chunk_scan", device) if name != DEFINITION]


@dataclass(frozen=True)
class ChunkCase:
    """Random numbers from a seed: L steps, N states, P rows, chunks of a size that may not divide L, on a backend."""

    length: Annotated[int, Whole(1, 64, usual=9)]
    d_state: Annotated[int, Whole(1, 32, usual=3)]
    headdim: Annotated[int, Whole(1, 32, usual=3)]
    chunk_size: Annotated[int, Whole(1, 512, usual=5)]
    seed: SEED
    backend: Annotated[str, Choice(lambda run: fast_backends(run.device))] = "auto"


def gated_score(subject: Discretization, case: ChunkCase, run: Run) -> Score:
    """S6 with N = 1, A = −1 against the gated RNN, in balls."""
    z, u = (BALL.array(m) for m in np.random.default_rng(case.seed).standard_normal((2, case.length)))
    return Score(disjoint(forms.gated_rnn_in_s6(BALL, z, u, subject), forms.gated_rnn(BALL, z, u)), "mismatches")


Attention = Callable[..., np.ndarray]
"""(field, x, Δ, A, B, C, chunk size) → y."""


def duality_score(subject: Attention, case: ChunkCase, run: Run) -> Score:
    """The recurrence of `semantics.ssd` against a form of it, in balls."""
    rng = np.random.default_rng(case.seed)
    x, B, C = (BALL.array(rng.standard_normal((case.length, k))) for k in (case.headdim, case.d_state, case.d_state))
    dt, A = BALL.array(np.abs(rng.standard_normal(case.length))), BALL.number(-float(np.exp(rng.standard_normal())))
    y = semantics.ssd(BALL, x[:, None], dt[:, None], np.array([A]), B[:, None], C[:, None])[:, 0]
    with BALL.arithmetic():
        found = subject(BALL, x, dt, A, B, C, case.chunk_size)
    return Score(disjoint(found, y), "mismatches")


def by_rows(f: Field, x: np.ndarray, dt: np.ndarray, A: Any, B: np.ndarray, C: np.ndarray, _: int) -> np.ndarray:
    """Masked attention."""
    return forms.masked_attention(f, x, dt, A, B, C)


def _chunks_forget(
    f: Field, x: np.ndarray, dt: np.ndarray, A: Any, B: np.ndarray, C: np.ndarray, size: int
) -> np.ndarray:
    parts = [slice(i, i + size) for i in range(0, len(dt), size)]
    return np.concatenate([forms.masked_attention(f, x[p], dt[p], A, B[p], C[p]) for p in parts])


def ssd_kernel_score(subject: Callable[..., torch.Tensor], case: ChunkCase, run: Run) -> Score:
    """The kernel in float64 against masked attention, over γ_n Σ|terms|.

    Each term e^{A(σ_t−σ_j)}(C_t·B_j)Δ_j x_j sees at most: a cumulative sum (relative |A|σ_L·L), one exponential and
    two products a step, or a chunk, passed, and the sums over N, L and the chunks.
    """
    rng, length = np.random.default_rng(case.seed), 8 * case.length
    x, B, C = (rng.standard_normal((length, k)) for k in (case.headdim, case.d_state, case.d_state))
    dt, A = np.abs(rng.standard_normal(length)), -float(np.exp(rng.standard_normal()))
    arguments = [torch.from_numpy(m)[None] for m in (x[:, None], dt[:, None])]
    matrices = [torch.from_numpy(m)[None, :, None] for m in (B, C)]
    moved = [m.to(run.device) for m in (*arguments, torch.tensor([A], dtype=torch.float64), *matrices)]
    found = subject(*moved, chunk_size=case.chunk_size, backend=case.backend).cpu().numpy()[0, :, 0]
    terms = forms.masked_attention(FLOAT64, np.abs(x), dt, A, np.abs(B), np.abs(C))
    passed = (length // case.chunk_size if case.backend == IN_CHUNKS else length) + 2
    roundings = abs(A) * dt.sum() * (length + 4) + (ELEMENTARY + 2) * passed + length + case.d_state + 20
    exact = forms.masked_attention(FLOAT64, x, dt, A, B, C)
    return Score(float((np.abs(found - exact) / (2 * roundings * UNIT * terms)).max()), "error/bound")


def _wrong_ssd(change: Callable[..., tuple]) -> Callable[..., torch.Tensor]:
    def scan(*arguments: torch.Tensor, **options: Any) -> Any:
        return ops.ssd_chunk_scan(*change(*arguments), **options)

    return scan


CHECKS: tuple[Check, ...] = (
    Property(
        claim="foundations.gated-rnn",
        name="zoh-is-the-gated-rnn",
        subject=semantics.zoh,
        mutants={"Euler": semantics.euler, "bilinear": semantics.bilinear},
        cases=drawn(ChunkCase),
        score=gated_score,
        facts={"field": "Arb"},
    ),
    Property(
        claim="foundations.ssd-duality",
        name="recurrence-is-masked-attention",
        subject=by_rows,
        mutants={
            "B and C swapped": lambda f, x, dt, A, B, C, _: forms.masked_attention(f, x, dt, A, C, B),
            "diagonal left out": lambda f, x, dt, A, B, C, _: (
                forms.masked_attention(f, x, dt, A, B, C) - ((C * B).sum(-1) * dt)[:, None] * x
            ),
            "mask late": lambda f, x, dt, A, B, C, _: (
                f.exp(dt * A)[:, None] * forms.masked_attention(f, x, dt, A, B, C)
            ),
        },
        cases=drawn(ChunkCase),
        score=duality_score,
        examples=25,
        facts={"field": "Arb"},
    ),
    Property(
        claim="foundations.ssd-duality",
        name="chunks-give-the-recurrence",
        subject=forms.chunked,
        mutants={
            "no decay across chunks": lambda f, x, dt, A, B, C, size: forms.masked_attention(
                f, x, dt, A * (1 if len(dt) <= size else 0), B, C
            ),
            "state dropped between chunks": _chunks_forget,
        },
        cases=drawn(ChunkCase),
        score=duality_score,
        examples=25,
        facts={"field": "Arb"},
    ),
    Property(
        claim="foundations.ssd-duality",
        name="kernel-against-masked-attention",
        subject=_wrong_ssd(lambda *arguments: arguments),
        mutants={
            "B and C swapped": _wrong_ssd(lambda x, dt, A, B, C: (x, dt, A, C, B)),
            "A off by 1e-9": _wrong_ssd(lambda x, dt, A, B, C: (x, dt, A * (1 + 1e-9), B, C)),
        },
        cases=drawn(ChunkCase),
        score=ssd_kernel_score,
        examples=30,
        facts={"kernel": "ssd_chunk_scan", "backends": "compiled, torch in chunks", "dtypes": "float64"},
    ),
)
