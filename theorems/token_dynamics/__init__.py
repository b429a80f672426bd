"""Token dynamics (Vo et al., ICLR 2025, restated from the abstract): the theorems, one module a group."""

from __future__ import annotations

from mamba_theorems.theorems.token_dynamics import convergence, divergence, many_dimensions, refinements, slow

CLAIMS = (*convergence.CLAIMS, *slow.CLAIMS, *divergence.CLAIMS, *many_dimensions.CLAIMS, *refinements.CLAIMS)
