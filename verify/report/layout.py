"""Text laid out in a terminal's width, broken between words and nowhere else; what is told at once imports no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.text import Text

LEAST = 40


def show(sections: Iterable[Any], console: Console) -> None:
    """Print sections, each a title and its lines of "text" or "code"."""
    width = max(console.width - 2, LEAST)
    for i, (title, lines) in enumerate(sections):
        if i:
            console.print()
        for part in filled(title, width + 2):
            console.print(Text(part, style="bold"), soft_wrap=True)
        for kind, text in lines:
            for part in [text] if kind == "code" else filled(text, width):
                console.print(Text(f"  {part}"), soft_wrap=True)


def filled(text: str, width: int) -> Iterator[str]:
    """The lines of a text; those after the first stand further in. A longer word stands whole."""
    indent = " " * (len(text) - len(text.lstrip()))
    yield from wrap(text, width, subsequent_indent=f"{indent}    ", break_long_words=False, break_on_hyphens=False) or [
        ""
    ]


def columns(rows: Iterable[tuple[str, str]], width: int, first: int) -> Iterator[str]:
    """A short text and a longer one beside it, row by row."""
    for head, body in rows:
        parts = wrap(body, max(width - first, LEAST // 2), break_long_words=False, break_on_hyphens=False) or [""]
        yield f"{head:<{first}}{parts[0]}".rstrip()
        yield from (f"{'':<{first}}{part}" for part in parts[1:])
