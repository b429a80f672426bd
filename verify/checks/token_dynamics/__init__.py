"""Checks of the token dynamics: random instances with bounded errors, certified solutions, and the refinements."""

from __future__ import annotations

from mamba_theorems.verify.checks.token_dynamics import certified, convergence, divergence, many_dimensions, refinements

CHECKS = (
    *convergence.CHECKS,
    *divergence.CHECKS,
    *certified.CHECKS,
    *many_dimensions.CHECKS,
    *refinements.CHECKS,
)
