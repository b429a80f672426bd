"""Prose of claims and errata: where plain text raises, lowers, or names a claim or a hypothesis of the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from mamba_theorems.theorems.registry import claims


@dataclass(frozen=True)
class Span:
    """A run of text: its kind is text, sup, sub, claim (an id to link to) or word (H1 … H4 of the glossary)."""

    kind: str
    text: str


_GROUP = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_SCRIPT = re.compile(
    r"(?:(?<![A-Za-z][A-Za-z])|(?<=(?<![A-Za-z])[A-Z][a-z]))"  # x_l and Px_l have scripts, num_keys none
    rf"(?<=[\w)\]∞∑∫∏Σ\u0302\u0304])([_^])(?:{_GROUP}|(⊤|∞|[−-]?(?:\d+|(?:[Α-ω]|[^\W\d_ᵀ²³Α-ω]+)\d*)))"
)


def pieces(text: str) -> list[Span]:
    """Plain text with its scripts (x_l, 2^{j/2}, W_v) and with the claims and hypotheses that it names."""
    found: list[Span] = []
    at = 0
    for match in _names().finditer(text):
        found += _scripts(text[at : match.start()])
        found.append(Span("claim" if match[0] in claims() else "word", match[0]))
        at = match.end()
    return [*found, *_scripts(text[at:])]


@cache
def _names() -> re.Pattern[str]:
    longest_first = sorted(claims(), key=len, reverse=True)
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, longest_first))}|H[1-4])(?![\w-])")


def _scripts(text: str) -> Iterator[Span]:
    at = 0
    for match in _SCRIPT.finditer(text):
        if match.start() > at:
            yield Span("text", text[at : match.start()])
        yield Span("sup" if match[1] == "^" else "sub", match[2] if match[2] is not None else match[3])
        at = match.end()
    if at < len(text):
        yield Span("text", text[at:])
