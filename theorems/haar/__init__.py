"""Approximation: Theorem 1, Proposition 1, Corollaries 1 and 2, Remark 1, and the lower bound that the paper lacks.

Section 3 of the paper with its Appendix B. ψ_{j,k}(s) = 2^{j/2} ψ(2^j s − k), ψ = 1_[0,½) − 1_[½,1), H(s) = 1[s ≥ 0].
"""

from mamba_theorems.theorems.haar import block, clock, heaviside, keep, rates, separation

ORDER = (
    "thm1", "thm1-amended", "prop1", "prop1-amended", "clock", "cor1-s6", "cor1-s4d", "cor1-amended", "exact-jumps",
    "s4d-lower-bound", "s4d-lower-bound-jumps", "cor2", "cor2-amended", "keep-nth-one-state",
    "keep-nth-s4d-impossible", "euler-mismatch", "any-weights", "official-block", "remark1",
)  # fmt: skip

_BY_ID = {claim.id: claim for module in (heaviside, clock, rates, separation, keep, block) for claim in module.CLAIMS}

CLAIMS = tuple(_BY_ID[f"haar.{name}"] for name in ORDER)
