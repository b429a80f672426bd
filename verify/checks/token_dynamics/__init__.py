"""Checks of the token dynamics: random instances with estimated errors, certified solutions, and the refinements."""

from __future__ import annotations

from verify.checks.token_dynamics import certified, many_dimensions, one_dimension, refinements

CHECKS = (*one_dimension.CHECKS, *certified.CHECKS, *many_dimensions.CHECKS, *refinements.CHECKS)
