"""Lower bounds for κ ≤ 5 by linear programs, exactly.

A linear program only finds the multipliers; exact rationals decide (`theorems.proofs.proof.Farkas`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import sympy as sp
from flint import fmpq, fmpq_mat
from scipy.optimize import linprog

from mamba_theorems.theorems.proofs.decide import Truth
from mamba_theorems.theorems.proofs.proof import Farkas
from mamba_theorems.verify.checks.check import Finding
from mamba_theorems.verify.settings import Run


@dataclass(frozen=True)
class System:
    """Rows·x ≥ 1, in integers."""

    rows: tuple[tuple[int, ...], ...]
    name: str


def farkas(system: System) -> Farkas | None:
    """An exact certificate that rows·x ≥ 1 has no solution, or None: the program finds the support, rationals the rest.

    Multipliers y ≥ 0 with yᵀrows = 0 and Σ y = 1 exist iff there is no solution.
    """
    A = np.array(system.rows, dtype=float)
    equations = np.vstack([A.T, np.ones(len(A))])
    found = linprog(np.zeros(len(A)), A_eq=equations, b_eq=[0.0] * A.shape[1] + [1.0], method="highs-ds")
    if found.status != 0:
        return None
    support = [i for i, y in enumerate(found.x) if y > 1e-9]
    multipliers = _exactly([system.rows[i] for i in support])
    if multipliers is None:
        return None
    y = sp.zeros(len(A), 1)
    for i, value in zip(support, multipliers, strict=True):
        y[i] = sp.Rational(value.numerator, value.denominator)
    rows = -sp.Matrix(system.rows)
    return Farkas(name=system.name, rows=rows, bounds=-sp.ones(len(A), 1), multipliers=y)


def _exactly(rows: list[tuple[int, ...]]) -> list[Fraction] | None:
    """Rational y with Σ y_i row_i = 0 and Σ y_i = 1, unique on the support of a vertex."""
    columns = [[*row, 1] for row in rows]
    matrix = fmpq_mat(
        len(columns[0]), len(rows), [fmpq(columns[j][i]) for i in range(len(columns[0])) for j in range(len(rows))]
    )
    target = fmpq_mat(len(columns[0]), 1, [fmpq(0)] * (len(columns[0]) - 1) + [fmpq(1)])
    square, right = matrix.transpose() * matrix, matrix.transpose() * target
    try:
        solution = square.solve(right)
    except ZeroDivisionError:
        return None
    return [Fraction(int(solution[i, 0].p), int(solution[i, 0].q)) for i in range(len(rows))]  # fmt: skip


@dataclass(frozen=True)
class Keys:
    """κ from 2 (or 3) to `most` keys; `spare` states more than κ − 1."""

    most: int = 5
    spare: int = 0
    fewest: int = 2


def _readouts(kappa: int, n: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """C as (κ, N) integer matrices: the moment curve, small random ones, random signs."""
    rng = np.random.default_rng(seed)
    yield "moment curve", np.array([[(q + 1) ** (i + 1) for i in range(n)] for q in range(kappa)])
    yield "random integers", rng.integers(-9, 10, (kappa, n))
    yield "random signs", rng.choice([-1, 1], (kappa, n))


def _assignments(C: np.ndarray, name: str) -> System:
    """Unknown states g(s) ∈ R^N for every s ∈ {±1}^κ and offsets τ: s_q (C_q·g(s) + τ_q) ≥ 1."""
    kappa, n = C.shape
    signs = list(product((1, -1), repeat=kappa))
    rows = []
    for index, s in enumerate(signs):
        for q in range(kappa):
            row = np.zeros(n * len(signs) + kappa, dtype=int)
            row[n * index : n * (index + 1)] = s[q] * C[q]
            row[n * len(signs) + q] = s[q]
            rows.append(tuple(row.tolist()))
    return System(tuple(rows), name)


def too_few_states(subject: Keys, run: Run) -> Finding:
    """No states for all 2^κ assignments with N = κ − 1, whatever they are."""
    facts: dict[str, str | int] = {}
    for kappa in range(subject.fewest, subject.most + 1):
        n = kappa - 1 + subject.spare
        for name, C in _readouts(kappa, n, run.seed):
            step = farkas(_assignments(C, f"κ = {kappa}, N = {n}, C: {name}"))
            if step is None or step.decide().truth is not Truth.TRUE:
                return Finding(False, f"κ = {kappa}, N = {n}, C: {name}: no certificate", facts)
            facts[step.name] = "infeasible, exact Farkas certificate"
    return Finding(True, "", facts)
