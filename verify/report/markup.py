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
_INTERVAL = r"[\[(][^\[\](){}\s]*,[^\[\](){}\s]*[\])]"
_POWER = r"\(((?:[^()]|\([^()]*\))*)\)"
_LETTERS = r"[a-z]+(?=[a-z][_^])|[a-z]+|[A-Z](?:[a-z]{3,}|\d[A-Z])?"  # Δ_lx_l is Δ_l x_l; S_B, N_Fourier, p_S4D
_INDEX = rf"[−-]?(?:\d+|(?:[Α-ω]|{_LETTERS})\d*)"
_CODE = re.compile(
    r"(?<![\w.])(?:"
    r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)*\.[A-Za-z]\w*_\w+"  # a theorem's path in Rocq
    r"|(?![A-Z][a-z]_|[d∂]x_)[A-Za-z][A-Za-z0-9]+(?:_[A-Za-z0-9]{2,})+"  # num_kv_pairs, but Px_lj and dx_lj
    r")(?!\w)"
)
_SCRIPT = re.compile(
    r"(?<=[\w)\]}|‖⟩′½∞∂∑∫∏Σ\u0302\u0304])"
    rf"(?:_(?:{_GROUP}|({_INTERVAL}|\([a-z]\)|⊤|∞|{_INDEX}))|\^(?:{_GROUP}|{_POWER}|(⊤|∞|\*|{_INDEX})))"
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
    """The scripts of a text, but for those that look so in the name of an option or of a theorem."""
    at = 0
    for name in _CODE.finditer(text):
        yield from _raised_and_lowered(text[at : name.start()])
        yield Span("text", name[0])
        at = name.end()
    yield from _raised_and_lowered(text[at:])


def _raised_and_lowered(text: str) -> Iterator[Span]:
    at = 0
    for match in _SCRIPT.finditer(text):
        if match.start() > at:
            yield Span("text", text[at : match.start()])
        kind, inner = "sup" if match[0][0] == "^" else "sub", next(g for g in match.groups() if g is not None)
        yield Span(kind, inner)
        at = match.end()
    if at < len(text):
        yield Span("text", text[at:])


def markdown(text: str) -> str:
    """Plain text as Markdown, in a cell of a table too: scripts as HTML, claims in typewriter."""
    return "".join(map(_markdown, pieces(text)))


def _markdown(span: Span) -> str:
    if span.kind in ("sup", "sub"):
        return f"<{span.kind}>{markdown(span.text)}</{span.kind}>"
    return f"`{span.text}`" if span.kind == "claim" else span.text.replace("|", r"\|").replace("*", r"\*")
