"""A watched network as SVG: a square for each number, as large as it is; bars for what is answered.

Legible in black and white: above 0 is full, below 0 is hollow and dashed, the number stands beside; the right bar is
full, its rivals are hatched, and equal bars are tied by a bracket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import sqrt
from typing import Any

from mamba_theorems.verify.report.watch import Answer, Panel, Watched, number

ROW, HEAD, SQUARE, LETTER, BAR, GAP, LONGEST = 20, 34, 15, 6.7, 110, 40, 30
"""Pixels: a row, a heading's height, the largest square, a letter, the longest bar, two networks; letters of a name."""
STYLE = (
    ".net{font:11px ui-monospace,'DejaVu Sans Mono',monospace;color:#1b1b1b;background:#fff}"
    "@media(prefers-color-scheme:dark){.net{color:#e8e6e1;background:#161616}}"
    ".net text{fill:currentColor}.net .b{font-weight:700}.net .s{font-size:10px;opacity:.8}"
    ".net .now{fill:currentColor;fill-opacity:.07;stroke:currentColor;stroke-width:1.5}"
)


def svg(watched: Sequence[Watched], name: str = "net") -> str:
    """One drawing with the networks side by side, by itself: it has its own style."""
    parts, x, height = [], 0.0, 0.0
    for i, each in enumerate(watched):
        body, size = _network(each, f"{name}-{i}")
        parts.append(f'<g transform="translate({x:g} 0)">{body}</g>')
        x, height = x + size[0] + GAP, max(height, size[1])
    return _document("".join(parts), (x - GAP, height), f"<style>{STYLE}</style>", watched[0].title)


def inline(watched: Watched, name: str) -> str:
    """The drawing of one network for a page, which has the style; `name` is its ids' alone."""
    body, size = _network(watched, name)
    return _document(body, size, "", watched.title)


def _document(body: str, size: tuple[float, float], style: str, title: str) -> str:
    width, height = size
    return (
        f'<svg class="net" xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img"><title>{escape(title)}</title>{style}{body}</svg>'
    )


def _network(watched: Watched, name: str) -> tuple[str, tuple[float, float]]:
    """What is drawn of one network, and how large it is."""
    names, column = _names(watched), _column(watched)
    texts = [watched.title, *_fold(watched.broken), *(answer.verdict for answer in watched.answers)]
    texts += [
        f"{_head(shown, '')}{'' if shown.rows else _notes(shown)}" for panels in watched.layers for shown in panels
    ]
    width = max(names + column * len(watched.words) + 8, names + BAR + 110, 20 + LETTER * max(map(len, texts)))
    hatch = (
        f'<defs><pattern id="{name}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><line y2="5" stroke="currentColor" stroke-width="2.4"/></pattern></defs>'
    )
    lines = [hatch]
    y = 18.0
    for text, kind in ((watched.title, "b"), *((line, "b") for line in _fold(watched.broken))):
        lines.append(_text(4, y, text, kind))
        y += 16
    top = y
    for i, panels in enumerate(watched.layers):
        for shown in panels:
            lines += _panel(shown, watched, f"layer {i + 1}: " if len(watched.layers) > 1 else "", names, column, y)
            y += _height(shown)
    lines += _panel(watched.output, watched, "", names, column, y)
    y += _height(watched.output) + 8
    place = f'x="{names}" y="{top:g}" width="{column}" height="{y - top:g}"'
    lines.append(f'<rect class="now" data-column="{column}" data-left="{names}" {place} visibility="hidden"/>')
    for answer in watched.answers:
        lines += _answer(answer, name, names, y)
        y += ROW * (len(answer.shown) + 2)
    for t, verdict in watched.numbers:
        lines.append(f'<g data-step="{t}">{_text(4, y + 14, f"step {t + 1}, {watched.words[t]}: {verdict}", "b")}</g>')
        y += ROW
    return "".join(lines), (width, y + 8)


def _fold(sentences: Sequence[str]) -> Iterator[str]:
    """Each sentence up to its colon: the rest is told beside the drawing."""
    return (f"! {sentence.partition(':')[0]}" for sentence in sentences)


def _head(shown: Panel, where: str) -> str:
    return f"{where}{shown.sign}, {shown.words}"


def _notes(shown: Panel) -> str:
    return "; ".join(shown.notes)


def _names(watched: Watched) -> float:
    """The width of the names' column."""
    panels = [*(shown for layer in watched.layers for shown in layer), watched.output]
    return round(24 + LETTER * min(LONGEST, max((len(name) for shown in panels for name in shown.rows), default=4)))


def _column(watched: Watched) -> float:
    """A step's width: that of the longest number or token, and of the square."""
    panels = [*(shown for layer in watched.layers for shown in layer), watched.output]
    cells = (shown.cell(x) for shown in panels for row in shown.rows.values() for x in row)
    return round(SQUARE + 10 + LETTER * max(map(len, (*cells, *watched.words))), 1)


def _height(shown: Panel) -> float:
    return HEAD + ROW * len(shown.rows) + (ROW * 0.8 if shown.rows and _notes(shown) else 0)


def _panel(shown: Panel, watched: Watched, where: str, names: float, column: float, y: float) -> Iterator[str]:
    notes, head = _notes(shown), _head(shown, where)
    if not shown.rows:
        yield _text(4, y + 22, head, "b") + _text(4 + LETTER * 1.04 * (len(head) + 1), y + 22, notes, "s")
        return
    yield _text(4, y + 14, head, "b")
    for t, word in enumerate(watched.words):
        yield _text(names + column * t + 3, y + 28, word, "s")
    for i, (name, row) in enumerate(shown.rows.items()):
        middle = y + HEAD + ROW * (i + 0.5)
        yield _text(12, middle + 4, name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…", "")
        for t, x in enumerate(row):
            yield _cell(names + column * t, middle, x, shown)
    if notes:
        yield _text(12, y + HEAD + ROW * len(shown.rows) + 11, notes, "s")


def _cell(x: float, y: float, value: Any, shown: Panel) -> str:
    """A square whose area is the number's size, and the number; a dot for 0."""
    size = SQUARE * sqrt(min(1.0, abs(float(value)) / shown.largest))
    if not value:
        return f'<circle cx="{x + 3 + SQUARE / 2:g}" cy="{y:g}" r="1" fill="currentColor"/>'
    kind = 'fill="currentColor"' if value > 0 else 'fill="none" stroke="currentColor" stroke-dasharray="2 1.4"'
    corner = f'x="{x + 3 + (SQUARE - size) / 2:.1f}" y="{y - size / 2:.1f}"'
    return f'<rect {corner} width="{size:.1f}" height="{size:.1f}" {kind}/>' + _text(
        x + SQUARE + 6, y + 4, shown.cell(value), ""
    )


def _answer(answer: Answer, name: str, names: float, y: float) -> Iterator[str]:
    yield f'<g data-step="{answer.step}">'
    yield _text(4, y + 14, f"step {answer.step + 1}, {answer.word} asks for {answer.right}", "b")
    largest = max((abs(float(x)) for x in answer.scores.values()), default=0) or 1
    for i, (word, score) in enumerate(answer.shown.items()):
        top, length = y + ROW * (i + 1), BAR * abs(float(score)) / largest
        fill = "currentColor" if word == answer.right else f"url(#{name}-hatch)"
        dashes = ' stroke-dasharray="3 2"' if score < 0 else ""
        yield _text(12, top + 14, f"{'▸ ' if word == answer.right else '  '}{word}", "")
        yield (
            f'<rect x="{names}" y="{top + 3:g}" width="{max(length, 1):.1f}" height="13" fill="{fill}" '
            f'stroke="currentColor"{dashes}/>'
        )
        yield _text(names + length + 18, top + 14, number(score), "")
    end = y + ROW * (len(answer.shown) + 1)
    if answer.tied:
        low, high = y + ROW + 9, y + ROW * (len(answer.tied) + 1) - 11
        x = names + BAR + 4
        yield f'<path d="M{x} {low:g}h8v{high - low:g}h-8" fill="none" stroke="currentColor" stroke-width="2.5"/>'
        yield _text(x + 34, (low + high) / 2 + 5, "= tie", "b")
    yield _text(12, end + 13, answer.verdict, "b")
    yield "</g>"


def _text(x: float, y: float, text: str, kind: str) -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{css} xml:space="preserve">{escape(text)}</text>'
