"""How this companion and its paper are cited, as CITATION.cff says it."""

from __future__ import annotations

from mamba_theorems.verify.version import __version__

AUTHORS = ["The mamba-theorems authors"]
PAPER = (
    "N. Huang, M. Sarabia, A. Moudgil, P. Rodríguez, L. Zappella, F. Danieli: Understanding Input Selectivity in "
    "Mamba: Impact on Approximation Power, Memorization, and Associative Recall Capacity. ICML 2025, PMLR 267, "
    "25693–25727; arXiv 2506.11891."
)


def text(digest: str) -> str:
    """One sentence for a title page: this companion, its version and the digest of its results, and the paper."""
    return f"mamba-theorems {__version__}, results {digest[:16]}; a companion to {PAPER}"
