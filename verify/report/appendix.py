"""The appendix as a PDF: the chapters of a report as data, set by typst from its Python package.

The file is PDF/A, which refuses missing glyphs. typst's own fonts make the file look the same on every machine.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from mamba_theorems.verify.evidence import Line
from mamba_theorems.verify.extras import needs
from mamba_theorems.verify.glossary import WORDS, Gloss, glossary, is_formula
from mamba_theorems.verify.report import book, citation, observed
from mamba_theorems.verify.report.book import Book, ClaimEntry, EvidenceEntry
from mamba_theorems.verify.report.figures import Drawn
from mamba_theorems.verify.report.formula import runs
from mamba_theorems.verify.report.formula import typst as typst_math
from mamba_theorems.verify.report.markup import pieces
from mamba_theorems.verify.report.observed import ObservedPlan
from mamba_theorems.verify.report.paper import PaperRow
from mamba_theorems.verify.report.rocq import Theorems

REPRODUCTION = "Each line of this report comes from the run named on its first page; these commands make it again."
SIZES = "What the constructions are made of, counted on the weights that were built for this report."


def ready() -> None:
    """Raises MissingExtra where a package is missing."""
    with needs("report", "the PDF"):
        import typst  # noqa: F401, PLC0415
    typst_math("x")


def pdf(chapters: Book, figures: Sequence[Drawn] = (), sizes: Sequence[Sequence[str]] = ()) -> bytes:
    """The whole PDF of a report, with its figures and its table of sizes. Raises MissingExtra."""
    template = (files("mamba_theorems.verify.report") / "templates/appendix.typ").read_text(encoding="utf-8")
    content = json.dumps(contents(chapters, figures, sizes), ensure_ascii=False)
    return _typeset(template, {"data.json": content, **{f"{f.name}.svg": f.svg for f in figures}}, pdf_standards="a-2b")


def drawing(svg: str) -> bytes:
    """An SVG as a PDF of the same size. Raises MissingExtra."""
    page = '#set page(width: auto, height: auto, margin: 4pt)\n#image("drawing.svg")\n'
    return _typeset(page, {"drawing.svg": svg})


def _typeset(template: str, beside: Mapping[str, str], **options: Any) -> bytes:
    """What typst makes of a template, with the files `beside` it."""
    ready()
    import typst  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as name:
        for file, text in {"main.typ": template, **beside}.items():
            Path(name, file).write_text(text, encoding="utf-8")
        return typst.compile(Path(name, "main.typ"), root=Path(name), ignore_system_fonts=True, **options)


def contents(chapters: Book, figures: Sequence[Drawn], sizes: Sequence[Sequence[str]]) -> dict[str, Any]:
    """All that the template shows."""
    return {
        "title": book.TITLE,
        "subtitle": book.SUBTITLE,
        "authors": citation.AUTHORS,
        "citation": citation.text(chapters.digest),
        "digest": chapters.digest,
        "headline": chapters.headline,
        "counts": chapters.counts,
        "skipped": chapters.skipped,
        "run": chapters.run,
        "words": [(word.name, word.meaning) for word in WORDS.values()],
        "families": [{"name": name, "entries": list(map(_entry, members))} for _, name, members in chapters.families],
        "paper": list(map(_row, chapters.paper)),
        "errata": [_erratum(entry) for entry, _ in chapters.errata],
        "arguments": [_erratum(entry) for entry in chapters.arguments],
        "apart": [
            {"title": book.GROUP_TITLES[group], "entries": list(map(_heading, members))}
            for group, members in chapters.apart
        ],
        "observed": {
            "title": observed.TITLE,
            "note": _prose(observed.NOTE),
            "head": list(map(_prose, observed.HEAD)),
            "thresholds": observed.THRESHOLDS,
            "no_deviation": _prose(observed.NO_DEVIATION),
            "plans": [_plan(plan, figures) for plan in chapters.observed],
        },
        "sizes": sizes,
        "sizes_caption": _prose(SIZES),
        "figures": [{"name": f.name, "file": f"{f.name}.svg", "caption": _prose(f.caption)} for f in figures],
        "definitions": [{"name": d.name, "file": d.file, "text": d.text} for d in chapters.definitions],
        "trusted": book.TRUSTED,
        "cited": [{"source": _prose(source), "claims": list(map(_prose, by))} for source, by in chapters.cited],
        "glossary": [{"title": title, "entries": list(map(_gloss, part))} for title, part in glossary().items()],
        "reproduction": REPRODUCTION,
        "commands": _commands(figures, sizes, chapters.observed),
    }


def _prose(text: str) -> list[dict[str, Any]]:
    return [
        {"kind": p.kind, "text": p.text, "pieces": _prose(p.text) if p.kind in ("sup", "sub") else []}
        for p in pieces(text)
    ]


def _heading(entry: ClaimEntry) -> dict[str, Any]:
    return {
        "id": entry.claim.id,
        "title": _prose(entry.claim.title),
        "paper": entry.claim.paper,
        "form": str(entry.claim.form),
        "outcome": str(entry.outcome),
        "expected": str(entry.claim.expected),
        "as_expected": entry.as_expected,
        "mark": entry.mark,
    }


def _entry(entry: ClaimEntry) -> dict[str, Any]:
    return _heading(entry) | {
        "lines": [list(map(_run, runs(line))) for line in entry.lines],
        "hypotheses": list(map(_hypothesis, entry.claim.assumed)),
        "theorems": _theorems(entry.theorems) if entry.theorems else {},
        "link": _prose(entry.link),
        "depends_on": [{"name": _prose(name), "outcome": outcome} for name, outcome in entry.rests_on],
        "proofs": [
            {"name": name.capitalize(), "lines": list(map(_step, lines))} for name, lines in entry.derivations.items()
        ],
        "weights": entry.weights,
        "pieces": list(map(_piece, entry.gathered)),
        "command": entry.command,
    }


def _run(run: tuple[bool, str]) -> dict[str, Any]:
    is_math, part = run
    return {"typst": typst_math(part) if is_math else "", "pieces": [] if is_math else _prose(part)}


def _piece(piece: EvidenceEntry) -> dict[str, Any]:
    figures = [(_prose(name), _prose(value)) for name, value in piece.counted]
    spelled = [(name, value if "**" in value else "", _prose(value)) for name, value in piece.spelled_out]
    return vars(piece) | {"figures": figures, "spelled_out": spelled, "summary": _prose(piece.summary)}


def _theorems(told: Theorems) -> dict[str, Any]:
    shown = [vars(t) | {"definitions": ()} for t in told.shown]
    return {"role": told.role, "known": told.known, "leaves_out": told.leaves_out or "nothing", "shown": shown}


def _gloss(gloss: Gloss) -> dict[str, Any]:
    return {
        "anchor": gloss.anchor,
        "typst": typst_math(gloss.latex) if gloss.latex else "",
        "name": _prose(gloss.name),
        "meaning": _prose(gloss.meaning),
        "scope": gloss.scope,
    }


def _hypothesis(text: str) -> Mapping[str, Any]:
    formula = is_formula(text)
    return {"formula": formula, "typst": typst_math(text) if formula else "", "pieces": _prose(text)}


def _step(line: Line) -> dict[str, Any]:
    return {
        "name": _prose(line.name),
        "mark": line.mark,
        "kind": line.kind,
        "method": line.method,
        "typst": typst_math(line.latex) if line.latex else "",
        "statement": line.statement,
        "words": _prose(line.statement) if line.kind == "cited" else [],
        "because": _prose(line.because),
        "where": line.where,
        "given": typst_math(line.given_latex) if line.given_latex else "",
    }


def _erratum(entry: ClaimEntry) -> dict[str, Any]:
    fields = {title: _prose(text) for title, text in entry.failing.items()}
    replay = entry.named.replay if entry.named else ""
    return _heading(entry) | {"fields": fields, "replays": [replay] if replay else []}


def _row(row: PaperRow) -> dict[str, Any]:
    printed = row.printed.id if row.printed else ""
    parts = {name: _prose(text) for name, text in (("words", row.words), ("instead", row.instead))}
    claims = {
        name: [vars(c) | {"title": _prose(c.title)} for c in of]
        for name, of in (("amended", row.amended), ("beyond", row.beyond))
    }
    return {"item": row.item, "outcome": row.outcome, "printed": printed, **parts, **claims}


def _plan(plan: ObservedPlan, figures: Sequence[Drawn]) -> dict[str, Any]:
    return {
        "title": _prose(plan.title),
        "words": _prose(plan.words),
        "state": plan.state,
        "protocol": _prose(plan.protocol),
        "digest": plan.digest[:16],
        "command": plan.command,
        "predicted": [{"verdict": p.verdict, "text": _prose(str(p))} for p in plan.predicted],
        "rows": [
            {"label": _prose(row.label), "settings": row.settings, "rates": row.rates}
            | {
                name: _prose(text)
                for name, text in (("printed", row.printed), ("beside", row.beside), ("best", row.best))
            }
            for row in plan.rows
        ],
        "thresholds": list(map(_prose, plan.thresholds)),
        "deviations": list(map(_prose, plan.deviations)),
        "figures": [f.name for f in figures if f.name.startswith(f"observed-{plan.name}")],
    }


def _commands(
    figures: Sequence[Drawn], sizes: Sequence[Sequence[str]], trained: Sequence[ObservedPlan]
) -> list[tuple[Any, str]]:
    lines = [
        ("this report", "python -m verify appendix -o DIR"),
        ("every claim", "python -m verify all"),
        ("every claim, with the mutants that checks and steps must reject", "python -m verify all --controls"),
        *([("the table of sizes", "python -m verify figure sizes -o DIR")] if sizes else []),
        *((f"figure: {f.title}", f.command) for f in figures),
        *((f"trainings: {plan.title}", plan.command) for plan in trained),
    ]
    return [(_prose(what), command) for what, command in lines]
