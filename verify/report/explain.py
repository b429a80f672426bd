"""One claim, told in full: statement, hypotheses, every step and its kind, weights by channel, evidence, words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from mamba_theorems.theorems.claim import Outcome
from mamba_theorems.verify.evidence import LINK, ClaimReport, Line
from mamba_theorems.verify.report.book import ClaimEntry, EvidenceEntry, entry
from mamba_theorems.verify.report.rocq import Theorems


def write(report: ClaimReport, console: Console, outcomes: Mapping[str, Outcome] | None = None) -> None:
    """Print everything about one claim; `outcomes` are those of the claims that were reported with it."""
    told = entry(report, outcomes)
    claim = told.claim
    console.print(Text(f"{claim.id} — {claim.title}", style="bold"))
    console.print(Text(f"{claim.paper} · {claim.form} · {told.outcome} (expected {claim.expected})"))
    for title, lines in _sections(told, max(console.width - 2, 40)):
        console.print()
        console.print(Text(title, style="bold"))
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


def _sections(told: ClaimEntry, width: int) -> Iterator[tuple[str, Iterable[str]]]:
    claim = told.claim
    formula = [] if claim.formula is None else [f"as sympy: {claim.formula}"]  # a relation has no truth value
    yield "Statement", [claim.statement, *formula]
    yield "Hypotheses", claim.assumed or ["none"]
    if told.theorems:
        yield "In Rocq", _theorems(told.theorems, width)
    yield "Rests on", [f"{name}  {outcome}".rstrip() for name, outcome in told.rests_on] or ["nothing"]
    for name, steps in told.steps.items():
        yield name.capitalize(), [text for step in steps for text in _step(step)]
    if told.link:
        yield "A reader must see", wrap(told.link, width)
    if told.failing:
        yield told.failure, [f"{f'{name}:':<9} {value}" for name, value in told.failing.items()]
    if told.weights:
        yield "Weights by channel", told.weights
    yield "Evidence", [text for piece in told.pieces for text in _piece(piece)]
    glosses = (f"{gloss.name}: {gloss.meaning}" for gloss in told.glosses)
    yield "Words and letters", [line for text in glosses for line in wrap(text, width, subsequent_indent="    ")]


def _theorems(told: Theorems, width: int) -> Iterator[str]:
    yield f"{told.role.removesuffix(', by')} ({told.known})"
    for theorem in told.shown:
        yield f"{theorem.name}  ({theorem.file})"
        yield from (f"    {line}" for line in theorem.says.splitlines())
        yield f"    axioms: {theorem.axioms}"
    yield from wrap(f"leaves out: {told.leaves_out or 'nothing'}", width, subsequent_indent="    ")


def _step(line: Line) -> Iterator[str]:
    yield f"{line.mark} {line.name}  ({line.kind}; {line.method})"
    parts = (("", line.statement), ("given ", line.given), ("where ", line.where), ("because ", line.because))
    for word, text in parts:
        if text:
            yield f"    {word}{text}"


def _piece(piece: EvidenceEntry) -> Iterator[str]:
    """The verdict and the figures, the finding, the replay line; a skipped check tells its reason as its verdict."""
    skipped = piece.verdict == "skipped"
    verdict = piece.summary if skipped else piece.verdict.replace("contradicted", "CONTRADICTED")
    figures = ", ".join(f"{name} {value}" for name, value in piece.figures.items() if name != LINK)
    yield f"{piece.kind}: {piece.check}: {verdict}  {figures}".rstrip()
    if piece.summary and not skipped:
        yield f"    {piece.summary}"
    if piece.replay:
        yield f"    replay: {piece.replay}"
