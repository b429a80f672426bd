"""The report as one self-contained page: no network, no external file; formulas are MathML, figures and graph SVG."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from mamba_theorems.verify.evidence import ClaimReport, Line, Report
from mamba_theorems.verify.extras import needs
from mamba_theorems.verify.glossary import WORDS, glossary, is_formula
from mamba_theorems.verify.report import book, graph, observed
from mamba_theorems.verify.report.book import Book
from mamba_theorems.verify.report.figures import Drawn
from mamba_theorems.verify.report.formula import mathml, runs
from mamba_theorems.verify.report.markup import Span, pieces
from mamba_theorems.verify.report.rocq import Shown
from mamba_theorems.verify.report.watch import page as watch

with needs("report", "the HTML page"):
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup, escape


def page(report: Report, *, figures: Sequence[Drawn] = (), table: Sequence[Sequence[str]] = ()) -> str:
    """The whole page, with figures and `table`, the sizes with their head."""
    chapters = Book(report)
    outcomes = chapters.outcomes
    return _render(
        "page.html",
        title=book.TITLE,
        subtitle=book.SUBTITLE,
        book=chapters,
        graph=Markup(graph.svg(list(outcomes), outcomes)),
        outcomes=[w for w in WORDS.values() if w.name in outcomes.values()],
        words=WORDS.values(),
        glossary=glossary(),
        trusted=book.TRUSTED,
        paper=chapters.paper,
        titles=book.GROUP_TITLES,
        table=table,
        figures=figures,
        observed=observed,
        networks=[*watch.groups(outcomes)],
    )


def watched(group: watch.Group) -> str:
    """Networks on one sequence as a page of its own."""
    return _render("show.html", group=group)


def ready() -> None:
    """Raises MissingExtra where a package is missing."""
    _environment()
    mathml("x")


def fragment(report: Report) -> str:
    """A table of the claims, for a notebook."""
    return _render("fragment.html", book=Book(report))


def claim_fragment(report: ClaimReport) -> str:
    """One claim in full, for a notebook."""
    return _render("claim.html", entry=book.entry(report), open=True)


def _render(template: str, **shown: object) -> str:
    return _environment().get_template(template).render(**shown)


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
    filters = (math, statement, prose, hypothesis, step, rocq)
    environment.filters |= {filter_.__name__: filter_ for filter_ in filters}
    return environment


def math(latex: str, display: bool = False) -> Markup:
    """A formula as MathML."""
    return Markup(mathml(latex, display=display))


def statement(latex: str) -> Markup:
    """A line of a statement: formulas as MathML, long words between them as words."""
    return Markup("").join(math(part, display=True) if is_math else prose(part) for is_math, part in runs(latex))


def prose(text: str) -> Markup:
    """Plain text with its scripts raised and lowered, its claims and hypotheses linked."""
    return Markup("").join(map(_span, pieces(text)))


def _span(span: Span) -> Markup:
    if span.kind == "text":
        return escape(span.text)
    if span.kind in ("sup", "sub"):
        return Markup(f"<{span.kind}>{prose(span.text)}</{span.kind}>")
    form = '<a href="#{0}"><code>{0}</code></a>' if span.kind == "claim" else '<a href="#word-{0}">{0}</a>'
    return Markup(form).format(span.text)


def hypothesis(text: str) -> Markup:
    """A hypothesis: a formula, which scrolls where it is too wide, or words."""
    return Markup('<div class="formula">{}</div>').format(math(text)) if is_formula(text) else prose(text)


def rocq(theorem: Shown) -> Markup:
    """A type with the definitions that it names linked."""
    link = Markup('<a href="#{}">{}</a>')
    return Markup("").join(link.format(anchor, text) if anchor else escape(text) for text, anchor in theorem.words)


def step(line: Line) -> Markup:
    """What a proof step states."""
    if line.latex:
        return Markup('<div class="formula">{}</div>').format(math(line.latex, display=True))
    if line.kind == "cited":
        return Markup("<div>{}</div>").format(prose(line.statement))
    return Markup('<div class="sympy">{}</div>').format(line.statement)
