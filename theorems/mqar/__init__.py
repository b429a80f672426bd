"""Associative recall (Section 4.3, Appendix D.3-D.5 of the paper): every claim, one module a theorem."""

from mamba_theorems.theorems.mqar import extensions, lemma4, lower_bounds, theorem2, theorem3, theorem4, values
from mamba_theorems.theorems.mqar.theorem2 import REWRITTEN, WEIGHTS

__all__ = ["CLAIMS", "REWRITTEN", "WEIGHTS"]
CLAIMS = (
    *lemma4.CLAIMS,
    *theorem2.CLAIMS,
    *values.CLAIMS,
    *theorem3.CLAIMS,
    *theorem4.CLAIMS,
    *lower_bounds.CLAIMS,
    *extensions.CLAIMS,
)
