"""Checks of the latch (hold the value at the last flag): S6 against S4D of the same size, both official blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from mamba_theorems.constructions import sensitivity as construction
from mamba_theorems.constructions.compiler.exact import silu_preimage
from mamba_theorems.constructions.sensitivity import StepRule
from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.kernels.blocks import Mamba
from mamba_theorems.kernels.duals import dual, perturbed, tangents
from mamba_theorems.kernels.fields import BALL, Field
from mamba_theorems.verify.checks.case import Real, Several, Whole
from mamba_theorems.verify.checks.check import DTYPE, SEED, Check, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import ELEMENTARY, EVERY_DTYPE, disjoint
from mamba_theorems.verify.checks.sensitivity.recurrence import gradient_score, mixer_cases, wrong_scan
from mamba_theorems.verify.settings import Run

WRITE, FROZEN = 50, 100
# A value passes SiLU (2 elementary functions), Δ (one, of |50| + |100| before softplus), B (SiLU and 1/D), C and the
# gate (SiLU each): 7 elementary functions; in_proj, four taps, three products, the pair's difference, out_proj: 30.
ROUNDINGS = ELEMENTARY * 7 + 6 * (WRITE + FROZEN) // WRITE + 30


@dataclass(frozen=True)
class LatchCase:
    """Flags at some of the steps, values in [−1, 1] from a seed."""

    flags: Annotated[list[int], Several(Whole(0, 9999), 1, 100, rising=True)]
    length: Annotated[int, Whole(1, 10_000)]
    dtype: DTYPE
    seed: SEED

    def together(self) -> str:
        """Flags are steps."""
        return "" if self.flags[-1] < self.length else f'"flags" are steps before {self.length}, counted from 0'

    def tokens(self) -> torch.Tensor:
        """(1, L, 3): value, flag, 1."""
        rng = np.random.default_rng(self.seed)
        u = np.ones((1, self.length, 3))
        u[0, :, 0] = rng.uniform(-1, 1, self.length)
        u[0, :, 1] = np.isin(np.arange(self.length), self.flags)
        return torch.from_numpy(u).to(DTYPE_NAMED[self.dtype])


@st.composite
def latch_cases(draw: st.DrawFn, subject: object, run: Run) -> LatchCase:
    """Up to six flags, adjacent ones included, over up to 2,000 steps of noise."""
    length = draw(st.sampled_from([3, 20, 300, 2000]))
    flags = draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=6, unique=True))
    return LatchCase(sorted(flags), length, draw(st.sampled_from(run.dtypes)), draw(st.integers(0, 999)))


@dataclass(frozen=True)
class Latch:
    """A step rule in an official block; `norm_loss` is what Mamba-2's RMSNorm may move a value."""

    step: StepRule
    mamba2: bool = False

    def module(self, dtype: torch.dtype) -> torch.nn.Module:
        """The block on the kernels."""
        return (construction.memory_block2 if self.mamba2 else construction.memory_block)(self.step).module(dtype)

    @property
    def norm_loss(self) -> float:
        """1/(2·ANCHOR²)."""
        return 1 / (2 * construction.ANCHOR**2) if self.mamba2 else 0.0


def latch_score(subject: Latch, case: LatchCase, run: Run) -> Score:
    """|y_t − value at the last flag| from the first flag on, over 2e^{−D} + mε(1 + 1/D) and the roundings."""
    u = case.tokens()
    y = subject.module(u.dtype).to(run.device)(u.to(run.device)).cpu()[0, case.flags[0] :, 0].double()
    last = [max(f for f in case.flags if f <= t) for t in range(case.flags[0], case.length)]
    target = u[0, last, 0].double()
    loss = 2 * math.exp(-WRITE) + case.length * math.exp(-FROZEN) * (1 + 1 / WRITE) + subject.norm_loss
    return Score(float((y - target).abs().max()) / (loss + ROUNDINGS * torch.finfo(u.dtype).eps / 2), "error/bound")


# --- S4D cannot --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RivalCase:
    """An S4D in the official block: random weights of every kind, Δ constant; flags at two steps, far apart.

    The bound does not depend on the size.
    """

    d_inner: Annotated[int, Whole(1, 12)]
    d_state: Annotated[int, Whole(1, 16)]
    gap: Annotated[int, Whole(4, 30)]
    scale: Annotated[float, Real(0, 10), st.sampled_from([0.1, 1.0, 3.0])]
    seed: SEED


Builder = Callable[[RivalCase], torch.nn.Module]


def random_s4d(case: RivalCase) -> Mamba:
    """Random weights, but dt, B and C read only the constant channel: Δ, B, C are constant, the mixer is LTI."""
    block = Mamba(3, case.d_state, d_inner=case.d_inner + 1, dt_rank=1, dtype=torch.float64).requires_grad_(False)
    generator = torch.Generator().manual_seed(case.seed)
    for parameter in block.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * case.scale)
    block.conv1d.weight[-1] = 0
    block.get_parameter("conv1d.bias")[-1] = float(silu_preimage(1))
    block.x_proj.weight[:, :-1] = 0
    return block


def selective_latch(case: RivalCase) -> torch.nn.Module:
    """The S6 latch, which does hold the value."""
    return construction.memory_block(construction.by_flag(WRITE, FROZEN)).module(torch.float64)


def rival_score(subject: Builder, case: RivalCase, run: Run) -> Score:
    """Worst error over the four inputs (contents ±1 then +1 or nothing) less 1/2."""
    u = torch.zeros(4, 2 * case.gap + 6, 3, dtype=torch.float64)
    u[..., 2] = 1
    u[:, 0, 0], u[:, 0, 1] = torch.tensor([1.0, -1.0, 1.0, -1.0]), 1
    u[:2, case.gap, :2] = 1
    y = subject(case)(u)[:, -1, 0]
    target = torch.tensor([1.0, 1.0, 1.0, -1.0], dtype=torch.float64)
    return Score(float((y - target).abs().max()) - 0.5, "margin")


# --- Mamba-2: one factor a head ----------------------------------------------------------------------------------

HEAD_LENGTH = st.shared(st.integers(2, 7), key="length")


@dataclass(frozen=True)
class SsdHeadCase:
    """An SSD head: N states, P rows; the derivative of all states along x_j, past the step j, not the last."""

    length: Annotated[int, Whole(2, 40), HEAD_LENGTH]
    headdim: Annotated[int, Whole(1, 2)]
    d_state: Annotated[int, Whole(1, 3)]
    j: Annotated[int, Whole(0, 38), HEAD_LENGTH.flatmap(lambda length: st.integers(0, length - 2))]
    seed: SEED

    def together(self) -> str:
        """j is not the last step."""
        return "" if self.j < self.length - 1 else f'"j" is a step before {self.length - 1}, counted from 0'


Ssd = Callable[..., np.ndarray]


def head_score(subject: Ssd, case: SsdHeadCase, run: Run) -> Score:
    """Components whose sensitivity at the end is not e^{AΣ_{r>j}Δ_r} times the one at step j, in Arb."""
    rng = np.random.default_rng(case.seed)
    x = rng.standard_normal((case.length, case.headdim))
    weights = {k: rng.standard_normal(s) for k, s in (("dt", (1, case.headdim)), ("B", (case.d_state, case.headdim)))}
    f, rate = dual(BALL), -float(np.exp(rng.standard_normal()))
    with BALL.arithmetic():
        inputs = perturbed(BALL, x, (case.j, 0))
        dt = f.softplus(semantics.linear(inputs, f.array(weights["dt"])))
        history = subject(f, inputs, dt, rate, semantics.linear(inputs, f.array(weights["B"])))
        change = tangents(history)
        steps = BALL.softplus(semantics.linear(BALL.array(x[case.j + 1 :]), BALL.array(weights["dt"])))
        factor = BALL.exp(BALL.number(rate) * steps.sum())
        return Score(disjoint(change[-1], change[case.j] * factor), "mismatches")


def ssd_history(f: Field, x: np.ndarray, dt: np.ndarray, rate: float, B: np.ndarray) -> np.ndarray:
    """h_1 … h_L (L, P, N) of one head by the definition's recurrence."""
    with f.arithmetic():
        decay = f.exp(dt * f.number(rate))[..., None] + f.array(np.zeros((1, x.shape[1], B.shape[1]), dtype=int))
        return semantics.recurrence(f, decay, (dt * x)[..., None] * B[:, None, :])


def _rate_per_state(f: Field, x: np.ndarray, dt: np.ndarray, rate: float, B: np.ndarray) -> np.ndarray:
    with f.arithmetic():
        A = f.array(np.full((x.shape[1], B.shape[1]), rate) * (1 + np.arange(B.shape[1])) * 1.5)
        return semantics.recurrence(f, f.exp(dt[..., None] * A), (dt * x)[..., None] * B[:, None, :])


def ssd_as_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, **options: Any) -> Tensor:
    """One Mamba-2 head on the chunked kernel, in the layout of the S6 scan."""
    x, B, C = (m.transpose(1, 2)[:, :, None] for m in (u, B, C))
    dt, bias = delta[:, :1].transpose(1, 2), options["delta_bias"][:1]
    y = ops.ssd_chunk_scan(x, dt, A[0, :1], B, C, 8, dt_bias=bias, dt_softplus=options["delta_softplus"])
    return y[:, :, 0].transpose(1, 2)


def _holds(name: str, mamba2: bool) -> Check:
    """The latch in one of the two official blocks."""
    rules = {
        "S4D of the same size": construction.constant(),
        "not frozen enough": construction.by_flag(WRITE, 10),
        "flag too weak": construction.by_flag(5, FROZEN),
    }
    return Property(
        claim="sensitivity.latch",
        name=name,
        subject=Latch(construction.by_flag(WRITE, FROZEN), mamba2),
        mutants={rule: Latch(step, mamba2) for rule, step in rules.items()},
        cases=latch_cases,
        score=latch_score,
        examples=40,
        facts={"block": f"official Mamba-{1 + mamba2}", "d_inner": 6, "d_state": 1, "dtypes": EVERY_DTYPE},
    )


CHECKS: tuple[Check, ...] = (
    _holds("official-block-holds", mamba2=False),
    _holds("official-mamba2-holds", mamba2=True),
    Property(
        claim="sensitivity.latch",
        name="no-s4d-holds",
        subject=random_s4d,
        mutants={"the S6 latch": selective_latch},
        cases=drawn(RivalCase),
        score=rival_score,
        examples=40,
        facts={"block": "official Mamba-1 with constant Δ, B, C", "dtypes": "float64"},
    ),
    Property(
        claim="sensitivity.mamba2",
        name="one-factor-a-head",
        subject=ssd_history,
        mutants={
            "a rate for every state": _rate_per_state,
            "rate off by 2^−40": lambda f, x, dt, rate, B: ssd_history(f, x, dt, rate * (1 + 2.0**-40), B),
        },
        cases=drawn(SsdHeadCase),
        score=head_score,
        examples=20,
        facts={"field": "Arb, dual numbers"},
    ),
    Property(
        claim="sensitivity.mamba2",
        name="autograd-through-the-kernel",
        subject=ssd_as_scan,
        mutants={"Δ detached in the decay": wrong_scan("detached"), "decay one step late": wrong_scan("late")},
        cases=lambda subject, run: mixer_cases(subject, run, longest=40, one_head=True),
        score=gradient_score,
        examples=60,
        facts={"kernel": "ssd_chunk_scan", "dtypes": "float64"},
    ),
)
