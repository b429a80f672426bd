"""What every other theorem stands on: discretisations, the one recurrence in its many forms, and SiLU's identities.

Section 2 of the paper and Appendix A; Gu & Dao (2023), Dao & Gu (2024).
"""

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.joined import joined

CLAIMS: tuple[Claim, ...] = joined(
    __name__, "CLAIMS", ("discretisation", "recurrence", "gating", "duality", "silu", "copying")
)
