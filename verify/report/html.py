"""The report as one self-contained page: no network, no external file; formulas are MathML, figures and graph SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from mamba_theorems.theorems.claim import FAMILIES, Outcome
from mamba_theorems.verify.evidence import ClaimReport, Report
from mamba_theorems.verify.extras import needs
from mamba_theorems.verify.report import graph
from mamba_theorems.verify.report.book import MARKS, TITLE, TRUSTED, WORDS, book
from mamba_theorems.verify.report.formula import mathml
from mamba_theorems.verify.report.markup import is_formula, pieces
from mamba_theorems.verify.settings import Run

with needs("report", "the HTML page"):
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup, escape


def page(
    report: Report,
    *,
    weights: bool = True,
    figures: Sequence[Mapping[str, str]] = (),
    table: Sequence[Sequence[str]] = (),
) -> str:
    """The whole page; `figures` have a name, svg, caption and command, `table` is the sizes with their head."""
    chapters = book(report, weights=weights)
    outcomes = {c.claim.id: c.outcome for c in report.claims}
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=TITLE,
            book=chapters,
            graph=Markup(graph.svg(list(outcomes), outcomes)),
            outcomes=[o for o in Outcome if o in outcomes.values()],
            words=WORDS,
            marks=MARKS,
            trusted=TRUSTED,
            table=table,
            figures=[{**f, "svg": Markup(f["svg"])} for f in figures],
        )
    )


def ready() -> None:
    """Raises MissingExtra where a package is missing."""
    _environment()
    mathml("x")


def fragment(report: Report) -> str:
    """A table of the claims, for a notebook."""
    families = {f: [c for c in report.claims if c.family == f] for f in FAMILIES}
    template = _environment().get_template("fragment.html")
    return template.render(report=report, families=families, marks=MARKS)


def claim_fragment(report: ClaimReport) -> str:
    """One claim in full, for a notebook."""
    chapters = book(Report((report,), Run(), report.seconds), weights=True)
    return _environment().get_template("claim.html").render(entry=chapters.entries[0], open=True)


@cache
def _environment() -> Environment:
    folder = files("mamba_theorems.verify.report") / "templates"
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"math": math, "prose": prose, "hypothesis": hypothesis, "step": step}
    environment.tests["formula"] = is_formula
    return environment


def math(latex: str, display: bool = False) -> Markup:
    """A formula as MathML."""
    return Markup(mathml(latex, display=display))


def prose(text: str) -> Markup:
    """Plain text with its scripts raised and lowered and its claims linked."""
    shown = []
    for piece in pieces(text):
        if piece.kind == "claim":
            shown.append(Markup('<a href="#{0}"><code>{0}</code></a>').format(piece.text))
        elif piece.kind in ("sup", "sub"):
            shown.append(Markup(f"<{piece.kind}>{prose(piece.text)}</{piece.kind}>"))
        else:
            shown.append(escape(piece.text))
    return Markup("").join(shown)


def hypothesis(text: str) -> Markup:
    """A hypothesis: a formula, or words."""
    return math(text) if is_formula(text) else prose(text)


def step(line: Any) -> Markup:
    """What a proof step states."""
    if line.latex:
        return Markup('<div class="formula">{}</div>').format(math(line.latex, display=True))
    if line.kind == "cited":
        return Markup("<div>{}</div>").format(prose(line.statement))
    return Markup('<div class="sympy">{}</div>').format(line.statement)
