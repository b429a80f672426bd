"""Prose of claims and errata: which lines are formulas, and where plain text raises, lowers or names a claim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mamba_theorems.theorems.registry import claims


@dataclass(frozen=True)
class Piece:
    """A run of text: kind is text, sup, sub or claim (an id to link to)."""

    kind: str
    text: str


def is_formula(text: str) -> bool:
    """Whether a hypothesis is written in LaTeX rather than in words."""
    return re.search(r"\\[A-Za-z,;{]", text) is not None


_GROUP = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_SCRIPT = re.compile(
    r"(?:(?<![A-Za-z][A-Za-z])|(?<=(?<![A-Za-z])[A-Z][a-z]))"  # x_l and Px_l have scripts, num_keys none
    rf"(?<=[\w)\]∞∑∫∏Σ\u0302\u0304])([_^])(?:{_GROUP}|(⊤|∞|[−-]?(?:\d+|[^\W\d_ᵀ]+\d*)))"
)


def pieces(text: str) -> list[Piece]:
    """Plain text with its scripts (x_l, 2^{j/2}, W_v) and the claims that it names."""
    known = sorted(claims(), key=len, reverse=True)
    names = "|".join(map(re.escape, known)) or "(?!)"
    found: list[Piece] = []
    at = 0
    for match in re.finditer(rf"(?<![\w.-])({names})(?![\w-])", text):
        found += _scripts(text[at : match.start()])
        found.append(Piece("claim", match[1]))
        at = match.end()
    return [*found, *_scripts(text[at:])]


def _scripts(text: str) -> Iterator[Piece]:
    at = 0
    for match in _SCRIPT.finditer(text):
        if match.start() > at:
            yield Piece("text", text[at : match.start()])
        yield Piece("sup" if match[1] == "^" else "sub", match[2] if match[2] is not None else match[3])
        at = match.end()
    if at < len(text):
        yield Piece("text", text[at:])
