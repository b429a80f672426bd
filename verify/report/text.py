"""The report for a terminal: one line a claim, then what needs attention, then the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.evidence import THEOREM, Report
from mamba_theorems.verify.glossary import WORDS
from mamba_theorems.verify.report import layout, paper
from mamba_theorems.verify.report.book import Book, ClaimEntry, EvidenceEntry


def write(report: Report, console: Console) -> None:
    """Print the whole report; where it has every claim, the paper at a glance and what was observed first."""
    book = Book(report)
    if book.is_whole:
        from mamba_theorems.verify.report import observed  # noqa: PLC0415 - torch is loaded only where it is needed

        console.print(Text("the paper at a glance", style="bold"))
        for line in layout.columns(paper.terminal(book.paper), console.width - 2, 20):
            console.print(Text(f"  {line}"), soft_wrap=True)
        console.print()
        console.print(Text(observed.TITLE, style="bold"))
        for line in layout.columns(observed.terminal(book.observed), console.width - 2, 20):
            console.print(Text(f"  {line}"), soft_wrap=True)
        console.print()
    width = max((len(e.claim.id) for e in book.entries), default=0)
    for family, _, members in book.families:
        console.print(Text(family, style="bold"))
        for entry in members:
            for text in (_line(entry, width), *_details(entry)):
                console.print(text, soft_wrap=True)
    console.print()
    for text in _conclusion(book):
        console.print(text, soft_wrap=True)


def _line(entry: ClaimEntry, width: int) -> Text:
    line = Text("  ")
    line.append(f"{entry.claim.id:<{width}}  ")
    line.append(f"{entry.outcome:<9}", style=WORDS[entry.outcome].style)
    line.append("  " if entry.as_expected else "! ", style="bold red")
    line.append(entry.claim.title)
    line.append(f"  [{figures(entry)}]", style="dim")
    return line


def figures(entry: ClaimEntry) -> str:
    """Evidence words, examples, the worst figures and the seconds, for one bracket."""
    parts = [", ".join(entry.shown) or "nothing decided"]
    if entry.examples:
        parts.append(f"{entry.examples:,} examples")
    parts += [f"{name} {value:.3g}" for name, value in entry.worst.items()]
    return " · ".join([*parts, f"{entry.seconds:.1f} s"])


def _details(entry: ClaimEntry) -> Iterator[Text]:
    """What a reader must see at once: the counterexample of a REFUTED line, and everything that went wrong."""
    for piece in entry.pieces:
        if piece.kind is Kind.REFUTED and piece.verdict == "shown" and piece in entry.further:
            continue
        if piece.kind is Kind.REFUTED and piece.verdict == "shown" and piece.summary:
            yield Text(f"      {_against(entry, piece)}", style="magenta")
        elif piece.fails:
            yield Text(f"      {piece.verdict}: {piece.check}: {piece.summary}", style="red")
        else:
            continue
        if piece.replay:
            yield Text(f"      replay: {piece.replay}", style="dim")
    if entry.further:
        told = f"python -m verify explain {entry.claim.id}"
        yield Text(f"      further counterexamples: {len(entry.further)} ({told})", style="dim")
    if entry.surprise:
        yield Text(f"      {entry.surprise}", style="bold red")


def _against(entry: ClaimEntry, piece: EvidenceEntry) -> str:
    """What refutes a claim: a theorem in Rocq, or the instance that its erratum names."""
    if piece.check == THEOREM:
        return f"refuted by the theorem {piece.figures['theorems']}: {piece.summary}"
    return f"fails at: {entry.claim.erratum.instance if entry.claim.erratum else piece.summary}"


def _conclusion(book: Book) -> Iterator[Text]:
    report = book.report
    yield Text(book.headline, style="bold")
    for group, words in book.counts:
        yield Text(f"  {group}: {words}", style="bold")
    for reason, number in book.skipped:
        yield Text(f"  skipped {number}: {reason}", style="dim")
    if book.controls:
        yield Text(f"controls: {book.controls}")
    for claim, mutant in report.survivors:
        yield Text(f"  survived: {claim}: {mutant.check}: {mutant.mutant} ({mutant.how})", style="bold red")
    if report.as_expected:
        yield Text(f"every outcome is the expected one ({report.seconds:.0f} s)", style="green")
    for entry in report.unexpected:
        on = f" on {report.run.kernel}" if report.run.kernel else ""
        yield Text(f"not as expected{on}: {entry.claim.id}", style="bold red")
