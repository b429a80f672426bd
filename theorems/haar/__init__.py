"""Approximation: Theorem 1, Proposition 1, Corollaries 1 and 2, Remark 1, and the lower bound that the paper lacks.

Section 3 of the paper with its Appendix B. ψ_{j,k}(s) = 2^{j/2} ψ(2^j s − k), ψ = 1_[0,½) − 1_[½,1), H(s) = 1[s ≥ 0].
"""

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.joined import joined

CLAIMS: tuple[Claim, ...] = joined(
    __name__, "CLAIMS", ("heaviside", "pointwise", "clock", "rates", "separation", "keep", "one_state", "block")
)
