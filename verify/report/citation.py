"""How this companion, one of its claims, and its paper are cited, as CITATION.cff says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mamba_theorems.verify import record as data
from mamba_theorems.verify.report import latex
from mamba_theorems.verify.version import __version__

AUTHORS = ["The mamba-theorems authors"]
PAPER = (
    "N. Huang, M. Sarabia, A. Moudgil, P. Rodríguez, L. Zappella, F. Danieli: Understanding Input Selectivity in "
    "Mamba: Impact on Approximation Power, Memorization, and Associative Recall Capacity. ICML 2025, PMLR 267, "
    "25693–25727; arXiv 2506.11891."
)
PAPER_BIBTEX = """@inproceedings{huang2025selectivity,
  author    = {Huang, Ningyuan and Sarabia, Miguel and Moudgil, Abhinav and Rodr{\\'i}guez, Pau and Zappella, Luca
               and Danieli, Federico},
  title     = {Understanding Input Selectivity in {Mamba}: Impact on Approximation Power, Memorization, and Associative
               Recall Capacity},
  booktitle = {Proceedings of the 42nd International Conference on Machine Learning},
  series    = {PMLR},
  volume    = {267},
  pages     = {25693--25727},
  year      = {2025},
  note      = {arXiv:2506.11891},
}
"""


def text(digest: str) -> str:
    """One sentence for a title page: this companion, its version and the digest of its results, and the paper."""
    return f"mamba-theorems {__version__}, results {digest[:16]}; a companion to {PAPER}"


def claim_text(claim: Mapping[str, Any], digest: str) -> str:
    """Two sentences for one claim of a canonical part: what it is and came to, by digest, and what it is part of."""
    return (
        f"{claim['paper']}, {claim['form']}: {claim['title']}. Claim {claim['id']}, {claim['outcome']} "
        f"(SHA-256 {data.digest(claim)}), in {text(digest)}"
    )


def claim_bibtex(claim: Mapping[str, Any], digest: str) -> str:
    """The entry of one claim of a canonical part: title, version, outcome, digests. Raises MissingExtra."""
    place, title = (latex.text(claim[name], claim="\\texttt{{{}}}") for name in ("paper", "title"))
    return f"""@software{{mamba-theorems:{claim["id"]},
  author  = {{{{{" and ".join(AUTHORS)}}}}},
  title   = {{{place}, {claim["form"]}: {title}}},
  version = {{{__version__}}},
  note    = {{mamba-theorems, claim {claim["id"]}, outcome {claim["outcome"]}; SHA-256 of the claim
             {data.digest(claim)}, of all results
             {digest}; a companion to Huang et al., ICML 2025}},
}}
"""
