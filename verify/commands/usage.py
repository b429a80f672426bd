"""What a command tells its caller: an exit code, one sentence for what cannot be done, lines, and whole documents."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from mamba_theorems.verify.report.layout import filled

PROGRAM = "mamba-theorems" if Path(sys.argv[0]).stem == "mamba-theorems" else "python -m verify"
"""How this program was called."""


class Exit(IntEnum):
    """What the process tells its caller."""

    EXPECTED = 0
    UNEXPECTED = 1
    INTERRUPTED = 2
    INTERNAL = 3
    USAGE = 4
    NOTHING = 5


class UsageError(Exception):
    """What the user asked for cannot be done; the message is one sentence that says what to do."""

    code = Exit.USAGE


class NothingRan(UsageError):
    """What the user asked for is in order and comes to nothing; the message is one sentence."""

    code = Exit.NOTHING


@contextmanager
def as_usage_error(before: str = "") -> Iterator[None]:
    """A ValueError raised inside becomes a UsageError, whose message begins with the words `before`."""
    try:
        yield
    except ValueError as reason:
        raise UsageError(f"{before}{reason}") from reason


def outcome(as_expected: bool) -> Exit:
    """The exit code of what ran."""
    return Exit.EXPECTED if as_expected else Exit.UNEXPECTED


class Terminal(Console):
    """Standard output: every letter appears, as an escape where the terminal's encoding lacks it."""

    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        super().__init__(highlight=False)

    def put(self, text: str) -> None:
        """Print text as it is, a line of it as one line."""
        self.print(text, soft_wrap=True, markup=False)

    def put_wrapped(self, text: str) -> None:
        """Print text broken between words at the terminal's width."""
        for line in filled(text, self.width):
            self.put(line)

    def document(self, text: str) -> None:
        """Print what a program reads: the same bytes as a file would have, UTF-8 whatever the terminal."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
        sys.stdout.write(text)

    def on_broken_pipe(self) -> NoReturn:
        """Nobody reads on: rich would exit with 1."""
        raise BrokenPipeError


def say(text: str) -> None:
    """Tell the user something on standard error, beside the result."""
    print(f"verify: {text}", file=sys.stderr, flush=True)
