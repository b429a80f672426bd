"""Checks of the induction heads: Lemma 3 printed and amended, plain S6 in every block, and where floats stop them.

[P] Section 4.4, Appendix D.5. Networks run on the real kernels; exact instances run over balls and sympy.
"""

from __future__ import annotations

from mamba_theorems.verify.checks.induction_heads import lemma3, plain
from mamba_theorems.verify.checks.induction_heads.sequences import Sequence

__all__ = ["CHECKS", "Sequence"]

CHECKS = (*lemma3.CHECKS, *plain.CHECKS)
