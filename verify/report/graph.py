"""The graph of what rests on what, coloured by outcome: DOT, Mermaid and SVG.

Claims come from the registry, outcomes from a run. Each outcome has a sign too: the graph reads in black and white.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import networkx as nx

from mamba_theorems.theorems.claim import FAMILIES, Outcome
from mamba_theorems.theorems.registry import claims, dependency_graph, family_of
from mamba_theorems.verify.glossary import WORDS, EvidenceWord
from mamba_theorems.verify.report.book import FAMILY_TITLES

Outcomes = Mapping[str, Outcome]


def dot(selected: Sequence[str], outcomes: Outcomes) -> str:
    """Graphviz's language; an arrow from a claim to each that it rests on."""
    lines = [
        "digraph claims {",
        "  rankdir=RL; outputorder=edgesfirst;",
        '  node [shape=box, style=filled, fontname="sans-serif"];',
    ]
    for family, members in _families(selected):
        lines += [f'  subgraph "cluster_{family}" {{', f'    label="{FAMILY_TITLES[family]}";']
        lines += [f'    "{c}" [label="{_label(c, outcomes)}", fillcolor="{_fill(c, outcomes)}"];' for c in members]
        lines.append("  }")
    lines += [f'  "{a}" -> "{b}";' for a, b in _edges(selected)]
    signs = "  ".join(f"{word.mark} {word.name}" for word in _legend(selected, outcomes))
    return "\n".join([*lines, f'  label="{signs}";', "}"]) + "\n"


def mermaid(selected: Sequence[str], outcomes: Outcomes) -> str:
    """Mermaid's language, as GitHub draws it."""
    names = {c: c.replace(".", "_").replace("-", "_") for c in selected}
    lines = ["flowchart RL"]
    for family, members in _families(selected):
        lines += [f"  subgraph {family}[{FAMILY_TITLES[family]}]"]
        lines += [f'    {names[c]}["{_label(c, outcomes)}"]' for c in members]
        lines.append("  end")
    lines += [f"  {names[a]} --> {names[b]}" for a, b in _edges(selected)]
    lines += [f"  style {names[c]} fill:{_fill(c, outcomes)},color:#000" for c in selected]
    for word in _legend(selected, outcomes):
        lines += [f'  {word.name}["{word.mark} {word.name}"]', f"  style {word.name} fill:{word.fill},color:#000"]
    return "\n".join(lines) + "\n"


def _legend(selected: Sequence[str], outcomes: Outcomes) -> list[EvidenceWord]:
    """The words that the drawing has signs of."""
    shown = {outcomes[c] for c in selected if c in outcomes}
    return [word for word in WORDS.values() if word.name in shown]


def _families(selected: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    for family in FAMILIES:
        if members := [c for c in selected if family_of(c) == family]:
            yield family, members


def _edges(selected: Sequence[str]) -> list[tuple[str, str]]:
    return [(a, b) for a, b in dependency_graph().edges if a in selected and b in selected]


def _label(claim: str, outcomes: Outcomes) -> str:
    return f"{WORDS[outcomes[claim]].mark} {claim}" if claim in outcomes else claim


def _short(claim: str, outcomes: Outcomes) -> str:
    """The label without its family, which the band names."""
    return _label(claim, outcomes).replace(claim, claim.partition(".")[2])


def _fill(claim: str, outcomes: Outcomes) -> str:
    return WORDS[outcomes[claim]].fill if claim in outcomes else "#ffffff"


# --- SVG: a band a family, a column a depth ---------------------------------------------------------------------------

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN, HEAD, SIGN, FONT, PAD = 168, 22, 22, 6, 10, 22, 104, 10.5, 5
COLUMNS = 4
"""A page of A4 upright: every name is legible in print."""
Places = dict[str, tuple[float, float]]


def svg(selected: Sequence[str], outcomes: Outcomes) -> str:
    """A drawing that stands alone; each claim links to #ID. Colours of text and lines follow the page's."""
    places, bands, size = _layout(selected)
    words = _legend(selected, outcomes)
    a_row = max(1, int(size[0] - 2 * MARGIN) // SIGN)
    height = size[1] + math.ceil(len(words) / a_row) * (HEIGHT + GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="0 0 {size[0]:g} {height:g}" '
        f'width="{size[0]:g}" height="{height:g}" role="img" aria-label="what rests on what" '
        f'font-family="DejaVu Sans Mono, monospace" font-size="{FONT}">',
        '<rect class="paper" width="100%" height="100%" fill="#fff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><path d="M0 0L8 4L0 8z" fill="#666"/></marker></defs>',
    ]
    parts += [_band(family, top, bottom, size[0]) for family, top, bottom in bands]
    parts += [_arrow(places[a], places[b]) for a, b in _edges(selected)]
    parts += [_box(claim, places[claim], outcomes) for claim in selected]
    parts += [
        _sign(2 * MARGIN + i % a_row * SIGN, size[1] + i // a_row * (HEIGHT + GAP_Y), word)
        for i, word in enumerate(words)
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _layout(selected: Sequence[str]) -> tuple[Places, list[tuple[str, float, float]], tuple[float, float]]:
    """Left upper corners, the bands (family, top, bottom), and the size."""
    places: Places = {}
    bands, top = [], float(MARGIN)
    for family, members in _families(selected):
        columns = _columns(members)
        for x, column in enumerate(columns):
            for y, claim in enumerate(column):
                places[claim] = (MARGIN * 2 + x * (WIDTH + GAP_X), top + HEAD + y * (HEIGHT + GAP_Y))
        bottom = top + HEAD + max(map(len, columns)) * (HEIGHT + GAP_Y)
        bands.append((family, top, bottom))
        top = bottom + MARGIN
    right = max((x for x, _ in places.values()), default=0) + WIDTH + 2 * MARGIN
    return places, bands, (right, top)


def _columns(members: Sequence[str]) -> list[list[str]]:
    """Claims by depth inside their family; claims that nothing joins fill the columns evenly, below."""
    inside = dependency_graph().subgraph(members)
    joined = [c for c in members if inside.degree(c)]
    loose = [c for c in members if not inside.degree(c)]
    deep = [sorted(layer, key=members.index) for layer in nx.topological_generations(inside.subgraph(joined).reverse())]
    columns = deep + [[] for _ in range(COLUMNS - len(deep))]
    for claim in loose:
        min(columns, key=len).append(claim)
    return [column for column in columns if column]


def _band(family: str, top: float, bottom: float, width: float) -> str:
    return (
        f'<g><rect x="{MARGIN}" y="{top:g}" width="{width - 2 * MARGIN:g}" height="{bottom - top:g}" rx="6" '
        'fill="none" stroke="#999" stroke-dasharray="3 3"/>'
        f'<text x="{2 * MARGIN}" y="{top + 15:g}" fill="currentColor" font-weight="bold">'
        f"{escape(FAMILY_TITLES[family])}</text></g>"
    )


def _sign(x: float, top: float, word: EvidenceWord) -> str:
    """One word of the legend below the bands."""
    dashed = ' stroke-dasharray="5 2"' if word.name == Outcome.REFUTED else ""
    return (
        f'<g><rect x="{x:g}" y="{top:g}" width="{SIGN - 12}" height="{HEIGHT}" rx="4" '
        f'fill="{word.fill}" stroke="#333"{dashed}/>'
        f'<text x="{x + PAD:g}" y="{top + 15:g}" fill="#111">{word.mark} {word.name}</text></g>'
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """An arrow from a claim's left edge to the right edge of a claim below it; in one column, around the left."""
    x1, y1 = start[0], start[1] + HEIGHT / 2
    x2, y2 = end[0] + WIDTH, end[1] + HEIGHT / 2
    if x2 > x1:
        x2 = end[0]
        bend = f"C{x1 - 2 * MARGIN:g} {y1:g} {x2 - 2 * MARGIN:g} {y2:g}"
    else:
        bend = f"C{x1 - GAP_X / 2:g} {y1:g} {x2 + GAP_X / 2:g} {y2:g}"
    path = f"M{x1:g} {y1:g}{bend} {x2:g} {y2:g}"
    return f'<path d="{path}" fill="none" stroke="#666" stroke-width="1.1" marker-end="url(#tip)"/>'


def _box(claim: str, place: tuple[float, float], outcomes: Outcomes) -> str:
    outcome = outcomes.get(claim)
    dashed = ' stroke-dasharray="5 2"' if outcome is Outcome.REFUTED else ""
    return (
        f'<a href="#{claim}"><title>{escape(claims()[claim].title)}{f" — {outcome}" if outcome else ""}</title>'
        f'<rect x="{place[0]:g}" y="{place[1]:g}" width="{WIDTH}" height="{HEIGHT}" rx="4" '
        f'fill="{_fill(claim, outcomes)}" stroke="#333"{dashed}/>'
        f'<text x="{place[0] + PAD:g}" y="{place[1] + 15:g}" fill="#111">{escape(_short(claim, outcomes))}</text></a>'
    )


DRAWN = {"dot": dot, "mermaid": mermaid, "svg": svg}
"""Every way to draw the graph, by the name that --output-format takes."""
