"""What a notebook shows of a report, and the notebooks of the repository, run again.

`python -m verify.report.notebook`, from the root of a checkout, runs those that are kept with their outputs.
"""

from __future__ import annotations

import ast
import io
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from mamba_theorems.verify import files
from mamba_theorems.verify.evidence import ClaimReport, Report
from mamba_theorems.verify.report.book import parts


class ShownClaim(ClaimReport):
    """A claim's report that a notebook shows in full."""

    def _repr_html_(self) -> str:
        from mamba_theorems.verify.report.html import claim_fragment  # noqa: PLC0415 - html is an extra

        return claim_fragment(self)


class ShownReport(Report):
    """A report that a notebook shows as a table of claims, each of which the notebook shows in full."""

    def __getitem__(self, claim_id: str) -> ShownClaim:
        """One claim's report. Raises KeyError if it did not run."""
        return ShownClaim(**parts(super().__getitem__(claim_id)))

    def _repr_html_(self) -> str:
        from mamba_theorems.verify.report.html import fragment  # noqa: PLC0415 - html is an extra

        return fragment(self)


def shown(report: Report) -> ShownReport:
    """The same report, to be shown."""
    return ShownReport(**parts(report))


# --- notebooks of the repository --------------------------------------------------------------------------------------

NOTEBOOKS = Path("notebooks")
PAGES = ("theorem2.ipynb",)
"""Notebooks that are kept without outputs: what they show are whole reports, with figures and times of their run."""


def executed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook with the outputs of its cells, run in their order in this process. Raises what a cell raises."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, number = [], 0
    for cell in document["cells"]:
        done = {}
        if cell["cell_type"] == "code":
            number += 1
            done = {"execution_count": number, "outputs": _outputs("".join(cell["source"]), names, number)}
        cells.append({**cell, **done})
    return {**document, "cells": cells}


def _outputs(source: str, names: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """What a cell prints, and what its last line is, as a notebook keeps them."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        shown = value(source, names)
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        lines = printed.getvalue().splitlines(keepends=True)
        found.append({"name": "stdout", "output_type": "stream", "text": lines})
    if shown is not None:
        data = {"execution_count": number, "metadata": {}, "output_type": "execute_result", "data": _seen(shown)}
        found.append(data)
    return found


def _seen(shown: Any) -> dict[str, list[str]]:
    """A value as a notebook shows it: a page, or its text."""
    page = shown._repr_html_() if hasattr(shown, "_repr_html_") else ""
    plain = type(shown).__name__ if page else repr(shown)
    return {"text/plain": plain.splitlines(keepends=True)} | (
        {"text/html": page.splitlines(keepends=True)} if page else {}
    )


def value(source: str, names: dict[str, Any]) -> Any:
    """The value of a cell's last line, if that is an expression, once all of it has run."""
    tree, last = ast.parse(source), None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body[-1].value)
        del tree.body[-1]
    exec(compile(tree, "<cell>", "exec"), names)
    return None if last is None else eval(compile(last, "<cell>", "eval"), names)


def read(path: Path) -> dict[str, Any]:
    """A notebook as data."""
    return json.loads(path.read_text(encoding="utf-8"))


def main(paths: Iterable[Path]) -> None:
    """Run notebooks, by default those that are kept with outputs, and write what they show into them."""
    for path in paths or (path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.name not in PAGES):
        files.write(path, json.dumps(executed(read(path)), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main([Path(word) for word in sys.argv[1:]])
