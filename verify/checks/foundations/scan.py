"""Checks of the scan: one definition, four number fields, and every backend held to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy as sp
import torch
from flint import arb
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels import ops, semantics
from mamba_theorems.kernels.arguments import DTYPE_NAMED, S6
from mamba_theorems.kernels.bounds.running_error import selective_scan_bound
from mamba_theorems.kernels.fields import BALL, FLOAT64, RATIONAL, SYMPY, Field
from mamba_theorems.verify.checks.check import Check, Property, Score
from mamba_theorems.verify.checks.scoring import EVERY_DTYPE
from mamba_theorems.verify.settings import Run

UNROLLED = "foundations.unrolled"

# --- the scan on a backend against the unrolled sum ------------------------------------------------------------------

Scan = Callable[..., Tensor]


@dataclass(frozen=True)
class ScanCase:
    """Sizes and the seed of the inputs; Δ = softplus(`delta_scale` · normal + `delta_shift` + normal).

    The shift reaches from forgetting within a step (20) to frozen time (−60); without `skip` there is no D, so that
    a small state is not hidden behind it.
    """

    batch: int
    d_inner: int
    d_state: int
    length: int
    delta_scale: float
    delta_shift: float
    skip: bool
    dtype: str
    seed: int


def scan_cases(subject: Scan, run: Run) -> st.SearchStrategy[ScanCase]:
    """Ragged sizes from 1 upward."""
    return st.builds(
        ScanCase,
        batch=st.integers(1, 3),
        d_inner=st.integers(1, 9),
        d_state=st.integers(1, 9),
        length=st.integers(1, 70),
        delta_scale=st.sampled_from([1e-6, 0.1, 1.0, 20.0]),
        delta_shift=st.sampled_from([0.0, 20.0, -20.0, -60.0]),
        skip=st.booleans(),
        dtype=st.sampled_from(run.dtypes),
        seed=st.integers(0, 2**16),
    )


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


def _swapped(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, **rest: Any) -> Tensor:
    return ops.selective_scan(u, delta, A, C, B, **rest)


def _gateless(z: Tensor, **rest: Any) -> Tensor:
    return ops.selective_scan(**rest)


def _relu_for_softplus(delta: Tensor, delta_bias: Tensor, delta_softplus: bool, **rest: Any) -> Tensor:
    return ops.selective_scan(delta=functional.relu(delta + delta_bias[:, None]), **rest)


def _naive_softplus(delta: Tensor, delta_bias: Tensor, delta_softplus: bool, **rest: Any) -> Tensor:
    return ops.selective_scan(delta=torch.log(1 + torch.exp(delta + delta_bias[:, None])), **rest)


def _late_skip(u: Tensor, D: Tensor | None, z: Tensor, **rest: Any) -> Tensor:
    y = ops.selective_scan(u=u, z=z, **rest)
    return y if D is None else y + D[:, None] * u


def _without_decay(**inputs: Any) -> Tensor:
    """1 + ΔA for e^{ΔA}: one exp dropped in the definition itself."""
    field = replace(FLOAT64, exp=lambda x: 1 + x)
    time_major = {k: inputs[k].double().numpy().swapaxes(1, 2) for k in ("u", "delta", "B", "C", "z")}
    delta = FLOAT64.softplus(time_major["delta"] + inputs["delta_bias"].double().numpy())
    u, B, C, z = (time_major[k] for k in ("u", "B", "C", "z"))
    D = None if inputs["D"] is None else inputs["D"].double().numpy()
    y = semantics.selective_scan(field, u, delta, inputs["A"].double().numpy(), B, C, D, z)
    return torch.from_numpy(y.swapaxes(1, 2))


SCAN_MUTANTS: dict[str, Scan] = {
    "B and C swapped": _swapped,
    "gate removed": _gateless,
    "softplus replaced by ReLU": _relu_for_softplus,
    "softplus as log(1 + exp)": _naive_softplus,
    "D added after the gate": _late_skip,
    "decay exp dropped": _without_decay,
}

# --- one text, four number fields --------------------------------------------------------------------------------


@dataclass(frozen=True)
class FieldCase:
    """Sizes and the seed of small rational weights for the paper's block and the official one."""

    d: int
    d_state: int
    length: int
    seed: int


def field_cases(subject: Any, run: Run) -> st.SearchStrategy[FieldCase]:
    """Small sizes, since exact rationals grow with the length."""
    return st.builds(
        FieldCase, d=st.integers(1, 3), d_state=st.integers(1, 2), length=st.integers(1, 4), seed=st.integers(0, 2**16)
    )


def _rationals(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Dyadic rationals with few bits, exact in float64 through a whole block."""
    numbers = rng.integers(-4, 5, shape)
    return np.vectorize(lambda n: sp.Rational(int(n), 4), otypes=[object])(numbers)


def _paper_inputs(case: FieldCase) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(case.seed)
    d, n = case.d, case.d_state
    shapes = {"conv.weight": (d, 2), "conv.bias": (d,), "delta.weight": (d, d), "delta.bias": (d,)}
    shapes |= {"B.weight": (n, d), "C.weight": (n, d), "gate.weight": (d, d)}
    weights = {name: _rationals(rng, *shape) for name, shape in shapes.items()}
    weights["A"] = np.full((d, n), sp.S.Zero, dtype=object)
    return weights, _rationals(rng, case.length, d)


def _official_inputs(case: FieldCase) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(case.seed)
    d, n = case.d, case.d_state
    shapes = {"in_proj.weight": (2 * d, d), "conv1d.weight": (d, 1, 2), "conv1d.bias": (d,), "D": (d,)}
    shapes |= {"x_proj.weight": (1 + 2 * n, d), "dt_proj.weight": (d, 1), "dt_proj.bias": (d,)}
    shapes |= {"A_log": (d, n), "out_proj.weight": (d, d)}
    return {name: _rationals(rng, *shape) for name, shape in shapes.items()}, _rationals(rng, case.length, d)


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
    inputs, options = _paper_inputs(case), {"delta_activation": "identity"}
    exact = _run(subject.rational, semantics.paper_mamba, inputs, **options)
    symbolic = _run(subject.symbolic, semantics.paper_mamba, inputs, **options)
    floating = _run(subject.floating, semantics.paper_mamba, inputs, **options)
    balls = _run(subject.ball, semantics.paper_mamba, inputs, **options)
    agree = [
        e == s and float(e) == f and b.contains(arb(f))
        for e, s, f, b in zip(exact.flat, symbolic.flat, floating.flat, balls.flat, strict=True)
    ]
    return Score(agree.count(False), "mismatches")


def official_fields_score(subject: Fields, case: FieldCase, run: Run) -> Score:
    """The official block: sympy's closed form lies in the ball, and float64 within its running-error ball."""
    from mamba_theorems.kernels.bounds.running_error import contains, rounding  # noqa: PLC0415

    inputs = _official_inputs(case)
    balls = _run(subject.ball, semantics.mamba, inputs)
    symbolic = _run(subject.symbolic, semantics.mamba, inputs)
    floating = _run(subject.floating, semantics.mamba, inputs)
    enclosures = _run(rounding(np.float64), semantics.mamba, inputs)
    inside = [_overlap(s, b) for s, b in zip(symbolic.flat, balls.flat, strict=True)]
    return Score(inside.count(False) + int((~contains(enclosures, floating)).sum()), "mismatches")


def _overlap(value: sp.Expr, ball: arb) -> bool:
    return bool(BALL.number(value).overlaps(ball))


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
        cases=field_cases,
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
        cases=field_cases,
        score=official_fields_score,
        examples=12,
        facts={"fields": "sympy, Arb, float64"},
    ),
)
