"""What a command tells its caller: an exit code, one sentence for what cannot be done, lines, and whole documents."""

from __future__ import annotations

import io
import sys
import threading
import time
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


SOON = 0.4
"""Seconds after which a command that has said nothing says that it works: packages alone take longer to load."""
_said = threading.Event()


def say(text: str) -> None:
    """Tell the user something on standard error, beside the result."""
    _said.set()
    print(f"verify: {text}", file=sys.stderr, flush=True)


@contextmanager
def sign_of_life(name: str) -> Iterator[None]:
    """A line on standard error, in a pipe too, if the work inside takes longer than a moment and says nothing."""
    _said.clear()
    timer = threading.Timer(SOON, lambda: None if _said.is_set() else say(f"working on `{name}`"))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Beats:
    """Progress where there is no terminal: a line at the start, then one every so many seconds."""

    def __init__(self, total: int, every: float = 10) -> None:
        self.total, self.every, self.done = total, every, 0
        self.start = self.last = time.monotonic()

    def __call__(self, name: str) -> None:
        """The next thing begins."""
        now = time.monotonic()
        if not self.done or now - self.last >= self.every:
            self.last = now
            say(f"{self.done} of {self.total} done, now {name} ({now - self.start:.0f} s)")
        self.done += 1
