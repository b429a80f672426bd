"""The report for a terminal: one line a claim, then what needs attention, then the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from mamba_theorems.theorems.claim import FAMILIES, Kind, Outcome
from mamba_theorems.verify.evidence import ClaimReport, Evidence, Report

STYLES = {
    Outcome.PROVED: "bold green",
    Outcome.CERTIFIED: "green",
    Outcome.TESTED: "cyan",
    Outcome.REFUTED: "bold magenta",
    Outcome.UNKNOWN: "bold red",
}
SHORT = {Kind.PROVED: "proved", Kind.CERTIFIED: "certified", Kind.TESTED: "tested", Kind.REFUTED: "refuted"}


def write(report: Report, console: Console) -> None:
    """Print the whole report."""
    width = max((len(c.claim.id) for c in report.claims), default=0)
    for family in FAMILIES:
        members = [c for c in report.claims if c.family == family]
        if members:
            console.print(Text(family, style="bold"))
        for claim in members:
            console.print(_line(claim, width), soft_wrap=True)
            for text in _details(claim):
                console.print(text, soft_wrap=True)
    console.print()
    for text in _conclusion(report):
        console.print(text, soft_wrap=True)


def _line(report: ClaimReport, width: int) -> Text:
    line = Text("  ")
    line.append(f"{report.claim.id:<{width}}  ")
    line.append(f"{report.outcome:<9}", style=STYLES[report.outcome])
    line.append("  " if report.as_expected else "! ", style="bold red")
    line.append(report.claim.title)
    line.append(f"  [{figures(report)}]", style="dim")
    return line


def figures(report: ClaimReport) -> str:
    """Evidence words, examples, the worst figure and the seconds, in one bracket."""
    words = dict.fromkeys(SHORT[e.kind] for e in report.evidence if e.holds and e.kind in SHORT)
    parts = [", ".join(words) or "nothing decided"]
    if examples := examples_of(report):
        parts.append(f"{examples:,} examples")
    parts += [f"{name} {value:.3g}" for name, value in worst(report).items()]
    return " · ".join([*parts, f"{report.seconds:.1f} s"])


def examples_of(report: ClaimReport) -> int:
    """How many examples the tests of a claim ran."""
    return sum(int({**e.measured, **e.facts}.get("examples", 0)) for e in report.evidence)


def worst(report: ClaimReport) -> dict[str, float]:
    """The smallest margin and the largest error/bound over all evidence."""
    found: dict[str, float] = {}
    for e in report.evidence:
        for name, value in e.measured.items():
            if isinstance(value, float | int) and name.startswith("worst"):
                pick = min if "margin" in name else max
                found[name] = pick(found[name], value) if name in found else value
    return found


def _details(report: ClaimReport) -> Iterable[Text]:
    """What a reader must see at once: the counterexample of a REFUTED line, and everything that went wrong."""
    for e in report.evidence:
        if e.kind is Kind.REFUTED and e.holds and e.summary:
            yield Text(f"      counterexample: {e.summary}", style="magenta")
            yield from _replay(e)
        elif e.holds is False or (e.holds is None and e.kind is not Kind.SKIPPED):
            word = "contradicted" if e.holds is False else "undecided"
            yield Text(f"      {word}: {e.check}: {e.summary}", style="red")
            yield from _replay(e)
    if not report.as_expected:
        yield Text(f"      expected {report.claim.expected}, found {report.outcome}", style="bold red")


def _replay(e: Evidence) -> Iterable[Text]:
    if e.replay:
        yield Text(f"      replay: {e.replay}", style="dim")


def _conclusion(report: Report) -> Iterable[Text]:
    counts = Counter(c.outcome for c in report.claims)
    skipped = [e for c in report.claims for e in c.evidence if e.kind is Kind.SKIPPED]
    words = [f"{counts[o]} {o}" for o in Outcome if counts[o]] + [f"{len(skipped)} checks SKIPPED"]
    yield Text(f"{len(report.claims)} claims: {', '.join(words)}", style="bold")
    for reason, number in Counter(e.summary for e in skipped).items():
        yield Text(f"  skipped {number}: {reason}", style="dim")
    if report.mutants:
        rejected = len(report.mutants) - len(report.survivors)
        yield Text(f"controls: {rejected} of {len(report.mutants)} mutants rejected")
        for claim, mutant in report.survivors:
            yield Text(f"  survived: {claim}: {mutant.check}: {mutant.mutant} ({mutant.how})", style="bold red")
    if report.as_expected:
        yield Text(f"every outcome is the expected one ({report.seconds:.0f} s)", style="green")
    for claim in report.unexpected:
        on = f" on {report.run.kernel}" if report.run.kernel else ""
        yield Text(f"not as expected{on}: {claim.claim.id}", style="bold red")
