"""Where the instances of the foundations' statements come from."""

import sympy as sp

from mamba_theorems.theorems.foundations import discretisation
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.test import statement_test

s = discretisation.s
PATHS = tuple(sp.Lambda(s, path) for path in (1 - sp.exp(-s), s**2 - s, 2 + sp.exp(s / 2)))
"""Differentiable functions: two of them solve a state equation with a held input."""
HELD = {
    discretisation.rate: (0, 1, sp.Rational(-1, 2)),
    discretisation.length: (1, sp.Rational(1, 4)),
    discretisation.u: (1, -2),
}
"""λ, Δ and the input: all combinations, for each costs an integral."""

CHECKS: tuple[Check, ...] = (
    statement_test("foundations.zoh", Points(values=HELD, functions={discretisation.h: PATHS})),
    *(
        statement_test(f"foundations.{name}", Points())
        for name in ("euler-gap", "bilinear", "gated-rnn", "silu-pair", "silu-step")
    ),
)
