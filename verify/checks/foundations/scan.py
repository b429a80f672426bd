"""Checks of the scan: one definition, four number fields, and every backend held to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import sympy as sp
import torch
from flint import arb
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.arguments import DTYPE_NAMED, S6
from mamba_theorems.kernels.bounds.running_error import contains, rounding, selective_scan_bound
from mamba_theorems.kernels.fields import BALL, FLOAT64, RATIONAL, SYMPY, Field
from mamba_theorems.verify.checks.case import Flag, Real, Whole
from mamba_theorems.verify.checks.check import DTYPE, WIDE_SEED, Check, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import EVERY_DTYPE, disjoint
from mamba_theorems.verify.settings import Run

UNROLLED = "foundations.unrolled"

# --- the scan on a backend against the unrolled sum ------------------------------------------------------------------

Scan = Callable[..., Tensor]


@dataclass(frozen=True)
class ScanCase:
    """Ragged sizes and the seed of the inputs; Δ = softplus(`delta_scale` · normal + `delta_shift` + normal).

    The shift reaches from forgetting within a step (20) to frozen time (−60); without `skip` there is no D, so that
    a small state is not hidden behind it.
    """

    batch: Annotated[int, Whole(1, 16, usual=3)]
    d_inner: Annotated[int, Whole(1, 64, usual=9)]
    d_state: Annotated[int, Whole(1, 64, usual=9)]
    length: Annotated[int, Whole(1, 1000, usual=70)]
    delta_scale: Annotated[float, Real(0, 100), st.sampled_from([1e-6, 0.1, 1.0, 20.0])]
    delta_shift: Annotated[float, Real(-200, 700), st.sampled_from([0.0, 20.0, -20.0, -60.0])]
    skip: Annotated[bool, Flag()]
    dtype: DTYPE
    seed: WIDE_SEED


scan_cases = drawn(ScanCase)


def scan_inputs(case: ScanCase, device: str = "cpu") -> dict[str, Any]:
    """Random inputs of every argument, from the seed."""
    rng = np.random.default_rng(case.seed)
    n, d, s, length = case.batch, case.d_inner, case.d_state, case.length

    def normal(*shape: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal(shape)).to(DTYPE_NAMED[case.dtype]).to(device)

    return {
        "u": normal(n, d, length),
        "delta": normal(n, d, length) * case.delta_scale,
        "A": -torch.exp(normal(d, s)),
        "B": normal(n, s, length),
        "C": normal(n, s, length),
        "D": normal(d) if case.skip else None,
        "z": normal(n, d, length),
        "delta_bias": normal(d) + case.delta_shift,
    }


def scan_score(subject: Scan, case: ScanCase, run: Run) -> Score:
    """Error against the unrolled definition over its running-error bound, with softplus, D and gate."""
    inputs = scan_inputs(case, run.device)
    y = subject(**inputs, delta_softplus=True)
    return Score(selective_scan_bound(S6(**inputs, delta_softplus=True)).ratio(y), "error/bound")


def _with_softplus(softplus: Callable[[Tensor], Tensor]) -> Scan:
    def scan(delta: Tensor, delta_bias: Tensor, delta_softplus: bool, **rest: Any) -> Tensor:
        return ops.selective_scan(delta=softplus(delta + delta_bias[:, None]), **rest)

    return scan


def _late_skip(u: Tensor, D: Tensor | None, z: Tensor, **rest: Any) -> Tensor:
    y = ops.selective_scan(u=u, z=z, **rest)
    return y if D is None else y + D[:, None] * u


def _without_decay(**inputs: Any) -> Tensor:
    """1 + ΔA for e^{ΔA}: one exp dropped in the definition itself."""
    field = replace(FLOAT64, exp=lambda x: 1 + x)
    arrays = {k: v.double().numpy() for k, v in inputs.items() if isinstance(v, Tensor)}
    u, delta, B, C, z = (arrays[k].swapaxes(1, 2) for k in ("u", "delta", "B", "C", "z"))
    delta = FLOAT64.softplus(delta + arrays["delta_bias"])
    y = semantics.selective_scan(field, u, delta, arrays["A"], B, C, arrays.get("D"), z)
    return torch.from_numpy(y.swapaxes(1, 2))


SCAN_MUTANTS: dict[str, Scan] = {
    "B and C swapped": lambda B, C, **rest: ops.selective_scan(B=C, C=B, **rest),
    "gate removed": lambda z, **rest: ops.selective_scan(**rest),
    "softplus replaced by ReLU": _with_softplus(functional.relu),
    "softplus as log(1 + exp)": _with_softplus(lambda x: torch.log(1 + torch.exp(x))),
    "D added after the gate": _late_skip,
    "decay exp dropped": _without_decay,
}

# --- one text, four number fields --------------------------------------------------------------------------------


@dataclass(frozen=True)
class FieldCase:
    """Sizes and the seed of small rational weights; the sizes are small, since exact rationals grow with the length."""

    d: Annotated[int, Whole(1, 3)]
    d_state: Annotated[int, Whole(1, 2)]
    length: Annotated[int, Whole(1, 4)]
    seed: WIDE_SEED


def _rationals(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Dyadic rationals with few bits, exact in float64 through a whole block."""
    numbers = rng.integers(-4, 5, shape)
    return np.vectorize(lambda n: sp.Rational(int(n), 4), otypes=[object])(numbers)


def _inputs(case: FieldCase, shapes: dict[str, tuple[int, ...]]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(case.seed)
    return {name: _rationals(rng, *shape) for name, shape in shapes.items()}, _rationals(rng, case.length, case.d)


def _paper_inputs(case: FieldCase) -> tuple[dict[str, np.ndarray], np.ndarray]:
    d, n = case.d, case.d_state
    shapes = {"conv.weight": (d, 2), "conv.bias": (d,), "delta.weight": (d, d), "delta.bias": (d,)}
    weights, x = _inputs(case, shapes | {"B.weight": (n, d), "C.weight": (n, d), "gate.weight": (d, d)})
    return weights | {"A": np.full((d, n), sp.S.Zero, dtype=object)}, x


def _official_inputs(case: FieldCase) -> tuple[dict[str, np.ndarray], np.ndarray]:
    d, n = case.d, case.d_state
    shapes = {"in_proj.weight": (2 * d, d), "conv1d.weight": (d, 1, 2), "conv1d.bias": (d,), "D": (d,)}
    shapes |= {"x_proj.weight": (1 + 2 * n, d), "dt_proj.weight": (d, 1), "dt_proj.bias": (d,)}
    return _inputs(case, shapes | {"A_log": (d, n), "out_proj.weight": (d, d)})


@dataclass(frozen=True)
class Fields:
    """The four fields that must agree."""

    rational: Field = RATIONAL
    symbolic: Field = SYMPY
    ball: Field = BALL
    floating: Field = FLOAT64


def _run(field: Field, block: Callable[..., np.ndarray], inputs: tuple, **options: Any) -> np.ndarray:
    weights, x = inputs
    return block(field, {k: field.array(v) for k, v in weights.items()}, field.array(x), **options)


def paper_fields_score(subject: Fields, case: FieldCase, run: Run) -> Score:
    """The paper's block with Λ = 0: rationals = sympy = float64 exactly (few bits), and inside the ball."""
    inputs, fields = _paper_inputs(case), (subject.rational, subject.symbolic, subject.floating, subject.ball)
    found = [_run(f, semantics.paper_mamba, inputs, delta_activation="identity").flat for f in fields]
    agree = [e == s and float(e) == f and b.contains(arb(f)) for e, s, f, b in zip(*found, strict=True)]
    return Score(agree.count(False), "mismatches")


def official_fields_score(subject: Fields, case: FieldCase, run: Run) -> Score:
    """The official block: sympy's closed form lies in the ball, and float64 within its running-error ball."""
    inputs, fields = _official_inputs(case), (subject.ball, subject.symbolic, subject.floating, rounding(np.float64))
    balls, symbolic, floating, enclosures = (_run(f, semantics.mamba, inputs) for f in fields)
    outside = disjoint(BALL.array(symbolic), balls) + int((~contains(enclosures, floating)).sum())
    return Score(outside, "mismatches")


CHECKS: tuple[Check, ...] = (
    Property(
        claim=UNROLLED,
        name="scan-against-definition",
        subject=ops.selective_scan,
        mutants=SCAN_MUTANTS,
        cases=scan_cases,
        score=scan_score,
        examples=80,
        facts={"kernel": "selective_scan", "dtypes": EVERY_DTYPE},
    ),
    Property(
        claim=UNROLLED,
        name="paper-block-on-four-fields",
        subject=Fields(),
        mutants={
            "ReLU dropped on floats": Fields(floating=replace(FLOAT64, relu=lambda x: x)),
            "ReLU leaks in sympy": Fields(symbolic=replace(SYMPY, relu=lambda x: x)),
            "exp shifted on floats": Fields(floating=replace(FLOAT64, exp=lambda x: np.exp(x) - 0.25)),
        },
        cases=drawn(FieldCase),
        score=paper_fields_score,
        examples=25,
        facts={"fields": "rationals, sympy, Arb, float64"},
    ),
    Property(
        claim=UNROLLED,
        name="official-block-on-three-fields",
        subject=Fields(),
        mutants={
            "softplus replaced on floats": Fields(floating=replace(FLOAT64, softplus=FLOAT64.relu)),
            "sigmoid replaced in balls": Fields(ball=replace(BALL, sigmoid=BALL.exp)),
            "exp to first order in sympy": Fields(symbolic=replace(SYMPY, exp=lambda x: 1 + x)),
        },
        cases=drawn(FieldCase),
        score=official_fields_score,
        examples=12,
        facts={"fields": "sympy, Arb, float64"},
    ),
)
