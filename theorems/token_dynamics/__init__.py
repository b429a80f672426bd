"""Token dynamics (Vo et al., ICLR 2025, restated from the abstract): the theorems, one file a group."""

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.joined import joined

CLAIMS: tuple[Claim, ...] = joined(
    __name__, "CLAIMS", ("convergence", "slow", "divergence", "many_dimensions", "refinements")
)
