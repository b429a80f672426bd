"""Associative recall (Section 4.3, Appendix D.3-D.5 of the paper): every claim, one file a theorem."""

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.joined import joined

CLAIMS: tuple[Claim, ...] = joined(
    __name__, "CLAIMS", ("lemma4", "theorem2", "values", "theorem3", "theorem4", "lower_bounds", "extensions")
)
