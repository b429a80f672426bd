"""Where the instances of the foundations' statements come from."""

from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.points import Points
from mamba_theorems.verify.checks.statements.test import statement_test

CHECKS: tuple[Check, ...] = tuple(
    statement_test(f"foundations.{name}", Points()) for name in ("euler-gap", "bilinear", "silu-pair", "silu-step")
)
