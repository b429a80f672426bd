"""Every format that a report can be written in, by the name that --output-format takes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from rich.console import Console

from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import Report
from mamba_theorems.verify.report import junit, text


@dataclass(frozen=True)
class Format:
    """A format: its file's name, and the function that gives the file's text.

    `ready` raises MissingExtra where a package is missing, so that a user hears of it before a run.
    """

    file: str
    dumps: Callable[[Report], str]
    ready: Callable[[], None] = lambda: None


def plain_text(report: Report) -> str:
    """What a terminal shows, without colour."""
    file = io.StringIO()
    text.write(report, Console(file=file, no_color=True, width=160, highlight=False))
    return file.getvalue()


def _module(name: str) -> ModuleType:
    return import_module(f"mamba_theorems.verify.report.{name}")


FORMATS = {
    "text": Format("report.txt", plain_text),
    "json": Format("report.json", data.dumps),
    "junit": Format("report.xml", junit.dumps),
    "latex": Format("report.tex", lambda r: _module("latex").dumps(r), lambda: _module("latex").ready()),
    "html": Format("report.html", lambda r: _module("html").page(r), lambda: _module("html").ready()),
}
