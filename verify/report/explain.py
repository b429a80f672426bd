"""One claim, told in full: statement, hypotheses, where it fails, steps, weights by channel, evidence, words.

A run tells it, and the record keeps what was told: `explain` shows that at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console

from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.theorems.readable import readable
from mamba_theorems.verify.evidence import LINK, ClaimReport, Line, Report
from mamba_theorems.verify.glossary import is_formula
from mamba_theorems.verify.report.book import ClaimEntry, EvidenceEntry, entry
from mamba_theorems.verify.report.layout import show
from mamba_theorems.verify.report.plain import plain
from mamba_theorems.verify.report.rocq import Theorems

Lines = Iterator[tuple[str, str]]
"""Each "text", which may be broken between words, or "code", which stands as it is."""


def write(report: ClaimReport, console: Console, outcomes: Mapping[str, Outcome] | None = None) -> None:
    """Print everything about one claim; `outcomes` are those of the claims that were reported with it."""
    show(told(report, outcomes), console)


def told(report: ClaimReport, outcomes: Mapping[str, Outcome] | None = None) -> list[Any]:
    """Everything about one claim as JSON data: sections, each a title and its lines."""
    found = entry(report, outcomes)
    return [[title, [list(line) for line in lines]] for title, lines in _sections(found)]


def all_told(report: Report) -> dict[str, Any]:
    """Every claim of a report, told."""
    outcomes = {c.claim.id: c.outcome for c in report.claims}
    return {c.claim.id: told(c, outcomes) for c in report.claims}


def _sections(told: ClaimEntry) -> Iterator[tuple[str, Iterable[tuple[str, str]]]]:
    claim = told.claim
    about = f"{claim.paper} · {claim.form} · {told.outcome} (expected {claim.expected})"
    yield f"{claim.id} — {claim.title}", [("text", about)]
    formula = [f"tested as: {readable(claim.formula)}"] if claim.formula is not None else []
    yield "Statement", _texts([*plain(claim.statement), *formula])
    yield "Hypotheses", _texts([line for h in claim.assumed for line in _hypothesis(h)] or ["none"])
    if told.failing:
        yield told.failure, _failing(told)
    if told.theorems:
        yield "In Rocq", _theorems(told.theorems)
    yield "Rests on", _texts([f"{name}  {outcome}".rstrip() for name, outcome in told.rests_on] or ["nothing"])
    for name, steps in told.steps.items():
        yield name.capitalize(), (line for step in steps for line in _step(step))
    if told.link:
        yield "A reader must see", _texts([told.link])
    if told.weights:
        yield "Weights by channel", (("code", line) for line in told.weights)
    yield "Evidence", (line for piece in told.pieces for line in _piece(piece))
    yield "Words and letters", _texts(f"{gloss.name}: {gloss.meaning}" for gloss in told.glosses)


def _texts(lines: Iterable[str]) -> Lines:
    return (("text", line) for line in lines)


def _hypothesis(text: str) -> list[str]:
    return plain(text) if is_formula(text) else [text]


def _failing(told: ClaimEntry) -> Lines:
    """The account, and the line that runs the instance again."""
    yield from _texts(f"{f'{name}:':<9} {value}" for name, value in told.failing.items())
    if told.named and told.named.replay:
        yield "code", f"replay: {told.named.replay}"


def _theorems(told: Theorems) -> Lines:
    yield "text", f"{told.role.removesuffix(', by')} ({told.known})"
    for theorem in told.shown:
        yield "text", f"{theorem.name}  ({theorem.file})"
        yield from (("code", f"    {line}") for line in theorem.says.splitlines())
        yield "text", f"    axioms: {theorem.axioms}"
    yield "text", f"leaves out: {told.leaves_out or 'nothing'}"


def _step(line: Line) -> Lines:
    yield "text", f"{line.mark} {line.name}  ({line.kind}; {line.method})"
    yield from _texts(f"    {part}" for part in (line.plain or line.statement).splitlines())
    if line.because:
        yield "text", f"    because {line.because}"


def _piece(piece: EvidenceEntry) -> Lines:
    """The verdict and the figures, the finding, the replay line; a skipped check tells its reason as its verdict."""
    skipped = piece.verdict == "skipped"
    verdict = piece.summary if skipped else piece.verdict.replace("contradicted", "CONTRADICTED")
    figures = ", ".join(f"{name} {value}" for name, value in piece.figures.items() if name != LINK)
    yield "text", f"{piece.kind}: {piece.check}: {verdict}  {figures}".rstrip()
    if piece.summary and not skipped:
        yield "text", f"    {piece.summary}"
    if piece.replay:
        yield "code", f"    replay: {piece.replay}"
