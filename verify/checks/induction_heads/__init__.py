"""Checks of the induction heads: Lemma 3 printed and amended, plain S6 in every block, and where floats stop them.

[P] Section 4.4, Appendix D.5. Networks run on the real kernels; exact instances run over balls and sympy.
"""

from mamba_theorems.theorems.joined import joined
from mamba_theorems.verify.checks.check import Check

CHECKS: tuple[Check, ...] = joined(__name__, "CHECKS", ("lemma3", "plain"))
