"""A watched network at a terminal: tables over time, bars for what is answered, what each channel is for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

from mamba_theorems.verify.report.watch import Answer, Panel, Watched, beside, number

WIDEST_NAME, GAP, BAR = 30, 2, 30


def text(watched: Sequence[Watched], width: int = 80) -> str:
    """The networks one after the other; several are compared at the end."""
    parts = ["\n".join(_network(each, width)) for each in watched]
    if len(watched) > 1:
        parts.append("\n".join(_compared(watched, width)))
    return "\n\n".join(parts) + "\n"


def _network(watched: Watched, width: int) -> Iterator[str]:
    yield from wrap(watched.title, width)
    yield from wrap(watched.about, width)
    for line in watched.broken:
        yield from wrap(f"! {line}", width, subsequent_indent="  ")
    for i, panels in enumerate(watched.layers):
        if len(watched.layers) > 1:
            yield ""
            yield f"== layer {i + 1} =="
        for shown in panels:
            yield from _panel(watched, shown, width)
    yield from _panel(watched, watched.output, width)
    for answer in watched.answers:
        yield from _answer(answer)
    for t, verdict in watched.numbers:
        yield f"step {t + 1}, {watched.words[t]}: {verdict}"
    yield ""
    yield "What each channel is for (n counts from 0)"
    for name, purpose in watched.legend:
        yield from wrap(f"{name}: {purpose}", width, initial_indent="  ", subsequent_indent="      ")


def _panel(watched: Watched, shown: Panel, width: int) -> Iterator[str]:
    notes = "; ".join(shown.notes)
    yield ""
    head = f"{shown.sign}, {shown.words}"
    yield from wrap(head if shown.rows or not notes else f"{head}: {notes}", width, subsequent_indent="  ")
    if not shown.rows:
        return
    cells = {name: [*map(shown.cell, row)] for name, row in shown.rows.items()}
    names = min(WIDEST_NAME, max(map(len, (*cells, "step"))))
    columns = [max(len(watched.words[t]), *(len(row[t]) for row in cells.values())) for t in range(len(watched.words))]
    for part in _parts(columns, width - names - 2):
        yield _line("", [watched.words[t] for t in part], names, [columns[t] for t in part])
        for name, row in cells.items():
            yield _line(_short(name, names), [row[t] for t in part], names, [columns[t] for t in part])
    if notes:
        yield from wrap(notes, width, initial_indent="  ", subsequent_indent="  ")


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


def _parts(columns: list[int], room: int) -> Iterator[list[int]]:
    """The steps, in parts that fit beside each other."""
    part: list[int] = []
    taken = 0
    for t, column in enumerate(columns):
        if part and taken + column + GAP > room:
            yield part
            part, taken = [], 0
        part.append(t)
        taken += column + GAP
    yield part


def _line(name: str, cells: list[str], names: int, columns: list[int]) -> str:
    zero = [("·" if cell == "0" else cell) for cell in cells]
    shown = "".join(f"{cell:>{column + GAP}}" for cell, column in zip(zero, columns, strict=True))
    return f"  {name:<{names}}{shown}".rstrip()


def _answer(answer: Answer) -> Iterator[str]:
    yield ""
    yield f"step {answer.step + 1}, {answer.word} asks for {answer.right}"
    names = max(map(len, answer.scores))
    largest = max((abs(float(x)) for x in answer.scores.values()), default=0) or 1
    for name, score in answer.shown.items():
        mark = "=" if name in answer.tied else ">" if name == answer.right else " "
        yield f" {mark} {name:<{names}} {_bar(score, largest)} {number(score)}"
    if len(answer.shown) < len(answer.scores):
        yield f"   {'':<{names}} the others have 0"
    yield f"   {answer.verdict}"


def _bar(score: Any, largest: float) -> str:
    """A bar as long as the score is large; one below 0 is grey."""
    length = round(BAR * abs(float(score)) / largest)
    return ("█" if score > 0 else "▒") * length if length else "|"


def _compared(watched: Sequence[Watched], width: int) -> Iterator[str]:
    yield "Side by side, on one sequence"
    for step, word, verdicts in beside(watched):
        yield ""
        yield f"{step}, {word}"
        for each, verdict in zip(watched, verdicts, strict=True):
            yield from wrap(
                f"{each.title}: {verdict or 'nothing is asked'}", width, initial_indent="  ", subsequent_indent="    "
            )
