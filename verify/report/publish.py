"""What `verify appendix` and `verify figure` write: every file of the companion, made before any is written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import Report
from mamba_theorems.verify.report import appendix, figures, graph, html, latex
from mamba_theorems.verify.report.book import Book
from mamba_theorems.verify.report.figures import Drawn

Files = dict[str, str | bytes]
TABLE = "sizes"
HEAD = (
    "claim", "κ [pairs]", "|V| [values]", "d [channels]", "N [states a channel]", "weights [numbers]", "state [bits]",
    "least dtype",
)  # fmt: skip
"""What each column of the table of sizes counts, and in what."""
PAIRS, VALUES = (4, 16), 16
"""The sizes that the table counts: [P] Table 1 states them by order; a test holds these numbers to the weights."""


def ready() -> None:
    """Raises MissingExtra where a package is missing."""
    for part in (appendix, figures, html, latex):
        part.ready()


def companion(report: Report) -> Files:
    """The PDF, its LaTeX version, the page, the results and the figures, by path inside the folder."""
    shown = [c.claim.id for c in report.claims]
    drawn, table = [_graph(report), *figures.draw_all(shown)], legible(sizes(shown))
    files: Files = {
        "appendix.pdf": appendix.pdf(Book(report), drawn, table),
        "appendix.tex": latex.dumps(report, figures=drawn, table=table),
        "report.html": html.page(report, figures=drawn[1:], table=table),
        "report.json": data.dumps(report),
    }
    for figure in drawn:
        files |= _vectors(figure, "figures/")
    return files


def _graph(report: Report) -> Drawn:
    """The graph of what rests on what, for print; the page has a graph with links."""
    outcomes = Book(report).outcomes
    svg = graph.svg(list(outcomes), outcomes)
    caption = "What rests on what: an arrow leads from a claim to each that it uses; signs as in the list of claims."
    command = "python -m verify graph --output-format svg -o DIR"
    return Drawn("graph", "what rests on what", caption, command, svg, appendix.drawing(svg))


def figure_files(name: str) -> Files:
    """One figure, or the table of sizes. Raises KeyError if there is none of that name."""
    if name == TABLE:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(sizes(claims()))
        return {f"{TABLE}.csv": text.getvalue()}
    return _vectors(figures.draw(figures.figures()[name]), "")


def names() -> list[str]:
    """All that `figure_files` takes."""
    return [*figures.figures(), TABLE]


def _vectors(figure: Drawn, folder: str) -> Files:
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return {f"{folder}{figure.name}.svg": head + figure.svg, f"{folder}{figure.name}.pdf": figure.pdf}


def legible(table: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
    """A table for people: whole numbers by thousands."""
    return [tuple(f"{int(cell):,}" if cell.isdecimal() else cell for cell in row) for row in table]


def sizes(selected: Iterable[str]) -> list[tuple[str, ...]]:
    """The head and one row for each construction of the selected claims and number of pairs; [] without any."""
    from mamba_theorems.constructions.mqar.sizes import table  # noqa: PLC0415 - torch

    wanted = set(selected)
    rows = [
        (row.name, *map(str, (pairs, VALUES, row.d, row.N, row.parameters, row.state_bits, row.dtype)))
        for pairs in PAIRS
        for row in table(pairs, VALUES)
        if row.claim in wanted
    ]
    return [HEAD, *sorted(rows, key=lambda row: row[0])] if rows else []
