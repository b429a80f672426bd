"""Checks of eq. (45): the Jacobian of causal softmax attention against its bound, and the query's own token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import sympy as sp
import torch
from hypothesis import strategies as st

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.sensitivity.attention import QUERY_CONSTANT
from mamba_theorems.verify.checks.case import Flag, Real, Record, Whole
from mamba_theorems.verify.checks.check import SEED, Check, Examination, Finding, Property, Score, drawn
from mamba_theorems.verify.checks.scoring import UNIT
from mamba_theorems.verify.settings import Run

LENGTH = st.shared(st.integers(2, 24), key="length")


@dataclass(frozen=True)
class AttentionCase:
    """t tokens in dimension d; `extreme` puts x_t, x_j at +M and the others at −M on one axis; `sharp` scales W_Q.

    Scores reach from none at all (Q = 0, where the bound is attained) to sharp.
    """

    length: Annotated[int, Whole(2, 200), LENGTH]
    d: Annotated[int, Whole(1, 4)]
    j: Annotated[int, Whole(0, 198), LENGTH.flatmap(lambda length: st.integers(0, length - 2))]
    sharp: Annotated[float, Real(0, 1), st.sampled_from([0.0, 0.1, 1.0])]
    radius: Annotated[float, Real(0.1, 1.5), st.sampled_from([0.3, 1.0, 1.5])]
    extreme: Annotated[bool, Flag()]
    seed: SEED

    def together(self) -> str:
        """j is not the last token."""
        return "" if self.j < self.length - 1 else f'"j" is a token before {self.length - 1}, counted from 0'

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens (t, d), Q = W_Qᵀ W_K and W_V (d, d)."""
        rng = np.random.default_rng(self.seed)
        x, Q, W_V = (rng.standard_normal((rows, self.d)) for rows in (self.length, self.d, self.d))
        x, Q = x * self.radius, Q * self.sharp
        if self.extreme:
            x, Q, W_V = np.zeros_like(x), self.sharp * np.eye(self.d), np.eye(self.d)
            x[:, 0] = -self.radius
            x[[self.j, -1], 0] = self.radius
        return torch.from_numpy(x), torch.from_numpy(Q), torch.from_numpy(W_V)


def attend(tokens: torch.Tensor, Q: torch.Tensor, W_V: torch.Tensor) -> torch.Tensor:
    """y_t of causal softmax attention at the last token."""
    return W_V @ (torch.softmax(tokens[-1] @ Q @ tokens.T, -1) @ tokens)


@dataclass(frozen=True)
class Norms:
    """What the constant of (45) is made of: M, q = ‖Q‖, W = ‖W_V‖, the length t."""

    M: float
    q: float
    W: float
    t: int


def constant(norms: Norms) -> float:
    """C/t with C = e^{M²q}‖W_V‖(1 + 2M²q)."""
    return float(np.exp(norms.M**2 * norms.q) * norms.W * (1 + 2 * norms.M**2 * norms.q)) / norms.t


def attention_score(subject: Callable[[Norms], float], case: AttentionCase, run: Run) -> Score:
    """‖∂y_t/∂x_j‖ over C/t · (min_r e^{s_r})^{−1}; slack for the roundings of t exponentials and d-term sums."""
    x, Q, W_V = case.draw()
    jacobian = torch.autograd.functional.jacobian(lambda tokens: attend(tokens, Q, W_V), x)[:, case.j]
    q, W = (float(torch.linalg.matrix_norm(m, 2)) for m in (Q, W_V))
    norms = Norms(float(x.norm(dim=1).max()), q, W, len(x))
    least = float(torch.exp((x[-1] @ Q @ x.T).min()))
    roundings = 4 * (case.length + 4 * case.d + 20) * (1 + norms.M**2 * norms.q)
    bound = subject(norms) / least * (1 + roundings * UNIT)
    size = float(torch.linalg.matrix_norm(jacobian, 2))
    return Score(size / bound if bound else float(np.inf) * (size > 0), "error/bound")


def _without_own(norms: Norms) -> float:
    return constant(norms) * 2 * norms.M**2 * norms.q / (1 + 2 * norms.M**2 * norms.q)


# --- the query's own token ---------------------------------------------------------------------------------------


def own_derivative(length: int) -> sp.Expr:
    """∂y_t/∂x_t at x_t = 0 after +1, −1, …, with W_V = Q = 1 in one dimension, by exact differentiation."""
    z = sp.Symbol("z", real=True)
    tokens = [*([sp.S.One, -sp.S.One] * (length // 2)), z]
    scores = [sp.exp(z * x) for x in tokens]
    output = sum(s * x for s, x in zip(scores, tokens, strict=True)) / sum(scores)
    return sp.nsimplify(sp.diff(output, z).subs(z, 0))


def look_at_query(length: int, run: Run) -> Finding:
    """|∂y_t/∂x_t| = 1 against the printed C/t at an odd length."""
    size, printed = own_derivative(length), QUERY_CONSTANT / length
    facts: dict[str, str | int] = {"t": length, "left": str(size), "right": str(printed)}
    return Finding(
        bool(size > printed), f"t = {length}: |∂y_t/∂x_t| = {size}, printed bound {printed}", facts, case={"t": length}
    )


CHECKS: tuple[Check, ...] = (
    Property(
        claim="sensitivity.attention",
        name="jacobian-against-bound",
        subject=constant,
        mutants={
            "C halved": lambda norms: constant(norms) / 2,
            "without the 1": _without_own,
            "1/t² for 1/t": lambda norms: constant(norms) / norms.t,
        },
        cases=drawn(AttentionCase),
        score=attention_score,
        examples=60,
        facts={"kernel": "torch softmax", "dtypes": "float64"},
    ),
    Examination(
        claim="sensitivity.attention-query",
        name="query-keeps-its-weight",
        kind=Kind.REFUTED,
        subject=9,
        mutants={"t = 7, where 3e/7 > 1": 7},
        look=look_at_query,
        again=lambda _, case, run: look_at_query(case["t"], run),
        case=Record({"t": Whole(3, 33, odd=True)}),
    ),
)
