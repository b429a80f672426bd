"""Instances of Proposition 1 and of steps on a clock: points, with integrals and sums in balls."""

from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.test import statement_test

# Δ₀, λ, n, t
EXACT = ((1, 0, 1, 1), ("1/2", 0, 3, 2), (3, 0, 0, "1/4"), (1, 1, 2, 1), (2, "-1/2", 4, 3), ("5/2", 0, 20, 7))
NEARLY = (
    (1, 1, 2, 1), (1, "1/64", 2, "1/2"), ("1/8", "1/16", 5, 3), (3, 2, 9, 4), ("1/2", 5, 30, 12), (1, 0, 2, 1),
    (-1, 1, 2, 1), (1, -1, 3, 2), (1, 1, 1, 1), (1, 1, 0, 1), (1, 1, 2, 0), (2, 1, 3, -1), ("1/64", "1/64", 40, 30),
)  # fmt: skip
# W, λ, s, t̂
STEPS = (
    (1, 1, 0, 1), (40, "1/10", "1/2", "1/2"), (1, 1, 1, 0), (1, "1/2", "15/16", 1), (3, 4, "1/4", "3/4"),
    (40, "1/10", 1, 0), (12, -1, 0, "1/2"), (1, "1/10", 0, 3), (-1, 1, "1/2", 0), (7, 1, -1, "1/3"),
    (5, 2, "3/2", "1/2"), ("1/4", 3, "1/2", "1/2"),
)  # fmt: skip

CHECKS: tuple[Check, ...] = (
    statement_test("haar.prop1", Points(rows=EXACT)),
    statement_test("haar.prop1-amended", Points(rows=NEARLY)),
    statement_test("haar.clock", Points(rows=STEPS)),
)
