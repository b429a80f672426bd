"""Checks of SiLU's identities on the kernel of the short convolution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from hypothesis import strategies as st

from mamba_theorems.kernels import ops
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.verify.checks.case import Real, Whole
from mamba_theorems.verify.checks.check import DTYPE, Check, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import ELEMENTARY, EVERY_DTYPE
from mamba_theorems.verify.settings import Run

VALUES = st.builds(lambda m, e, s: s * m * 10.0**e, st.floats(1, 10), st.integers(-30, 3), st.sampled_from([1, -1]))


@dataclass(frozen=True)
class SiluCase:
    """A value, its magnitude from 1e-30 to 1e4, its sign either; and a dtype."""

    x: Annotated[float, Real(-1e4, 1e4), VALUES]
    dtype: DTYPE


Activation = Callable[[torch.Tensor], torch.Tensor]


def kernel_silu(x: torch.Tensor) -> torch.Tensor:
    """SiLU as the kernel of the short convolution applies it; x (n,)."""
    one = torch.ones(1, 1, dtype=x.dtype, device=x.device)
    return ops.causal_conv1d(x[:, None, None], one, activation="silu")[:, 0, 0]


def silu_pair_score(subject: Activation, case: SiluCase, run: Run) -> Score:
    """|SiLU(x) − SiLU(−x) − x| over (e + 2)u|x|: one elementary function and a product each, one subtraction."""
    x = torch.tensor([case.x, -case.x], dtype=DTYPE_NAMED[case.dtype], device=run.device)
    high, low = subject(x).cpu()
    value = x[0].cpu()
    info = torch.finfo(value.dtype)
    bound = (ELEMENTARY + 2) * info.eps / 2 * abs(float(value)) + 4 * info.smallest_normal * info.eps
    return Score(float(abs((high.double() - low.double()) - value.double())) / bound, "error/bound")


@dataclass(frozen=True)
class StepValueCase:
    """An integer d, |d| up to 1,000, and a sharpness w (a power of two) up to 256."""

    d: Annotated[int, Whole(-1000, 1000)]
    log_w: Annotated[int, Whole(0, 8)]
    dtype: DTYPE


def silu_step_score(subject: Activation, case: StepValueCase, run: Run) -> Score:
    """|step(d) + step(−1−d) − 1| over the roundings of four SiLUs of size w(|d|+1), divided by w."""
    w, d = float(2**case.log_w), case.d
    arguments = torch.tensor([w * (d + 1), w * d, -w * d, -w * (d + 1)], dtype=DTYPE_NAMED[case.dtype])
    a, b, c, e = subject(arguments.to(run.device)).cpu().double()
    total = float((a - b) + (c - e)) / w
    bound = 4 * (ELEMENTARY + 2) * torch.finfo(arguments.dtype).eps / 2 * (abs(d) + 1)
    return Score(abs(total - 1) / bound, "error/bound")


CHECKS: tuple[Check, ...] = (
    Property(
        claim="foundations.silu-pair",
        name="silu-pair-on-the-kernel",
        subject=kernel_silu,
        mutants={"ELU": torch.nn.functional.elu, "ReLU scaled": lambda x: torch.relu(x) * (1 + 1e-6)},
        cases=drawn(SiluCase),
        score=silu_pair_score,
        examples=100,
        facts={"kernel": "causal_conv1d", "dtypes": EVERY_DTYPE},
    ),
    Property(
        claim="foundations.silu-step",
        name="silu-step-on-the-kernel",
        subject=kernel_silu,
        mutants={"SiLU of 1.001 x": lambda x: kernel_silu(1.001 * x), "tanh": torch.tanh},
        cases=drawn(StepValueCase),
        score=silu_step_score,
        examples=100,
        facts={"kernel": "causal_conv1d", "dtypes": EVERY_DTYPE},
    ),
)
