"""Checks of the token dynamics: random instances with bounded errors, certified solutions, and the refinements."""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(
    __name__, "CHECKS", ("convergence", "divergence", "certified", "many_dimensions", "refinements")
)
