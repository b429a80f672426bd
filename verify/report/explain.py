"""One claim, told in full: statement, hypotheses, every step and its kind, weights by channel, evidence."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from mamba_theorems.theorems.claim import Claim
from mamba_theorems.verify.evidence import ClaimReport, Evidence, Line
from mamba_theorems.verify.report.book import weights_by_channel

MARK = {"true": "✓", "false": "✗", "unknown": "?"}


def write(report: ClaimReport, console: Console) -> None:
    """Print everything about one claim."""
    claim = report.claim
    console.print(Text(f"{claim.id} — {claim.title}", style="bold"))
    console.print(Text(f"{claim.paper} · {claim.form} · {report.outcome} (expected {claim.expected})"))
    formula = [] if claim.formula is None else [f"as sympy: {claim.formula}"]  # a relation has no truth value
    _section(console, "Statement", [claim.statement, *formula])
    _section(console, "Hypotheses", list(claim.hypotheses) or ["none"])
    _section(console, "Rests on", list(claim.depends_on) or ["nothing"])
    for name, steps in report.steps.items():
        _section(console, name.capitalize(), [text for step in steps for text in _step(step)])
    if claim.erratum is not None:
        _section(console, "Erratum", _erratum(claim))
    if weights := weights_by_channel(claim.id):
        _section(console, "Weights by channel", weights)
    _section(console, "Evidence", [text for e in report.evidence for text in _piece(e)])


def _section(console: Console, title: str, body: list[str]) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    for text in body:
        console.print(Text(f"  {text}"), soft_wrap=True)


def _step(line: Line) -> list[str]:
    texts = [f"{MARK[line.truth]} {line.name}  ({line.kind}; {line.method})"]
    if line.statement:
        texts.append(f"    {line.statement}")
    if line.given:
        texts.append(f"    given {line.given}")
    if line.because:
        texts.append(f"    because {line.because}")
    return texts


def _erratum(claim: Claim) -> list[str]:
    e = claim.erratum
    assert e is not None
    return [
        f"printed:  {e.printed}",
        f"instance: {e.instance}",
        f"reading:  {e.reading}",
        f"instead:  {e.instead}",
        f"survives: {e.survives}",
    ]


def _piece(e: Evidence) -> list[str]:
    word = {True: "shown", False: "CONTRADICTED", None: "undecided"}[e.holds]
    figures = [f"{k} {v}" for k, v in e.facts.items()]
    figures += [f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in e.measured.items()]
    texts = [f"{e.kind}: {e.check}: {word if e.kind != 'SKIPPED' else e.summary}  {', '.join(figures)}".rstrip()]
    if e.summary and e.kind != "SKIPPED":
        texts.append(f"    {e.summary}")
    return [*texts, f"    replay: {e.replay}"] if e.replay else texts
