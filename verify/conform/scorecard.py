"""What was found, for people and for programs: a table of 80 columns, JSON, Markdown, and a page."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any

from mamba_theorems.verify.conform.examine import DIRECTIONS
from mamba_theorems.verify.conform.replay import file_name
from mamba_theorems.verify.conform.suite import Conformance, Result, RowFinding

VERSION = "1.1"
"""Of the specification, and of the JSON."""
TOLD = 12
"""So many failures are told in full for one kernel; every failure is in the JSON."""
MARKS = {
    Conformance.CONFORMS: "CONFORMS",
    Conformance.FAILS: "FAILS",
    Conformance.NOT_OFFERED: "not offered",
    Conformance.NOT_EXERCISED: "not run",
}


def text(results: Iterable[Result]) -> str:
    """A table for each kernel, its failures, and what it does not offer."""
    return "\n\n".join(_text(result) for result in results) + "\n"


def verdict(result: Result) -> Conformance:
    """Of the whole."""
    if result.failures:
        return Conformance.FAILS
    return Conformance.CONFORMS if result.exercised else Conformance.NOT_EXERCISED


def _text(result: Result) -> str:
    dtypes = _dtypes(result)
    head = f"{result.operation}  {result.path}"
    lines = [head, "─" * 80, f"{'':<22}{'':<9}" + "".join(f"{name:<12}" for name in dtypes)]
    for option, direction, row in _lines(result, dtypes):
        lines.append((f"{option[:21]:<22}{direction:<9}" + "".join(f"{word:<12}" for word in row)).rstrip())
    lines += [
        "─" * 80,
        *_told(result),
        *_listed("not offered", result.not_offered),
        *_listed("not exercised", _not_run(result)),
    ]
    counts = ", ".join(f"{number} {word}" for word, number in _counts(result).items())
    lines.append(f"{verdict(result)}: {counts}; {result.calls:,} calls in {result.seconds:.1f} s")
    return "\n".join(lines)


def _dtypes(result: Result) -> list[str]:
    seen = {f.dtype for f in result.findings}
    return [name for name in ("float32", "float64", "bfloat16", "float16") if name in seen]


def _lines(result: Result, dtypes: Sequence[str]) -> Iterable[tuple[str, str, list[str]]]:
    """An option in a direction, with its verdict in each dtype; "" where no row asks."""
    cells = result.cells
    for option in dict.fromkeys(option for option, _, _ in cells):
        for direction in DIRECTIONS:
            row = [MARKS[cells[key]] if (key := (option, direction, name)) in cells else "" for name in dtypes]
            if any(row):
                yield option, direction, row


def _told(result: Result) -> list[str]:
    """The failures, grouped by kind; the first of each in full."""
    by_kind = _by_kind(result)
    lines = []
    for kind, found in list(by_kind.items())[:TOLD]:
        first = found[0]
        more = f" (and {len(found) - 1} rows more)" if len(found) > 1 else ""
        lines.append(f"FAILS {first.row.id} in {first.dtype}, {first.direction}{more}")
        lines.append(f"      {first.reason}")
        model = f": {first.failure.model}" if first.failure and first.failure.model else ""
        lines.append(f"      looks like: {kind}{model}")
        if first.case is not None:
            lines.append(f"      replay: {file_name(result, first)}.py")
    if len(by_kind) > TOLD:
        lines.append(f"      and {len(by_kind) - TOLD} kinds more: --output-format json")
    return lines


def _by_kind(result: Result) -> dict[str, list[RowFinding]]:
    found: dict[str, list[RowFinding]] = {}
    for finding in result.failures:
        found.setdefault(str(finding.failure.kind) if finding.failure else "", []).append(finding)
    return found


def first_of_each_kind(result: Result) -> list[RowFinding]:
    """The failures that are told in full, and replayed."""
    return [found[0] for found in list(_by_kind(result).values())[:TOLD]]


def _listed(words: str, names: Iterable[str]) -> list[str]:
    return [f"{words}: {name}" for name in names]


def _not_run(result: Result) -> list[str]:
    """Reasons, each with how many rows."""
    reasons = [f.reason for f in result.findings if f.verdict is Conformance.NOT_EXERCISED]
    return [f"{reasons.count(reason)} rows: {reason}" for reason in dict.fromkeys(reasons)]


def _counts(result: Result) -> dict[str, int]:
    verdicts = [f.verdict for f in result.findings]
    return {str(word): verdicts.count(word) for word in Conformance if word in verdicts}


# --- programs --------------------------------------------------------------------------------------------------------


def document(results: Iterable[Result]) -> dict[str, Any]:
    """Everything, with every row."""
    return {"specification": VERSION, "kernels": [_document(result) for result in results]}


def _document(result: Result) -> dict[str, Any]:
    return {
        "kernel": result.path,
        "operation": result.operation,
        "device": result.device,
        "tier": str(result.tier),
        "seed": result.seed,
        "verdict": str(verdict(result)),
        "calls": result.calls,
        "seconds": round(result.seconds, 2),
        "not_offered": list(result.not_offered),
        "cells": [
            {"option": option, "direction": direction, "dtype": dtype, "verdict": str(word)}
            for (option, direction, dtype), word in result.cells.items()
        ],
        "rows": [_row(finding) for finding in result.findings],
    }


def _row(finding: RowFinding) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": finding.row.id, "dtype": finding.dtype, "direction": finding.direction, "verdict": str(finding.verdict),
    }  # fmt: skip
    if finding.reason:
        row["reason"] = finding.reason
    if finding.failure is not None:
        failure = finding.failure
        row |= {"kind": failure.kind.words, "reports": list(failure.kind.reports), "output": failure.output}
        row |= {"model": failure.model} if failure.model else {}
        if failure.got is not None:
            numbers = {"got": failure.got, "want": failure.want, "bound": failure.bound}
            row |= {"index": list(failure.index)} | {k: repr(v) if _odd(v) else v for k, v in numbers.items()}
    return row


def _odd(x: float | None) -> bool:
    return x is None or not isfinite(x)


def dumps(results: Iterable[Result]) -> str:
    """As JSON."""
    return json.dumps(document(results), indent=1, ensure_ascii=False) + "\n"


def markdown(results: Iterable[Result], preface: Iterable[str] = ()) -> str:
    """As Markdown; the lines of a preface come before the first kernel."""
    parts = [f"# Conformance scorecard (specification {VERSION})\n", *preface]
    parts += [""] if len(parts) > 1 else []
    for result in results:
        dtypes = _dtypes(result)
        parts.append(f"## {result.operation}: `{result.path}`\n\n**{verdict(result)}** ({result.calls:,} calls)\n")
        parts.append(f"| option | direction | {' | '.join(dtypes)} |\n|---|---|{'---|' * len(dtypes)}")
        parts += [
            f"| {option} | {direction} | {' | '.join(row)} |" for option, direction, row in _lines(result, dtypes)
        ]
        told = [line.strip() for line in _told(result)]
        notes = [*told, *_listed("not offered", result.not_offered), *_listed("not exercised", _not_run(result))]
        parts.append("\n" + "\n".join(f"- {note}" for note in notes) + "\n")
    return "\n".join(parts)


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left}
.FAILS{background:#f7d4d4}.CONFORMS{background:#d9f0d9}td{color:#222}li{margin:.2rem 0}"""


def page(results: Iterable[Result]) -> str:
    """As a page that needs nothing else."""
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>Conformance</title><style>{STYLE}</style>"]
    for result in results:
        dtypes = _dtypes(result)
        parts.append(f"<h2>{result.operation}: <code>{html.escape(result.path)}</code></h2>")
        parts.append(f"<p><b>{verdict(result)}</b>, {result.calls:,} calls, specification {VERSION}</p><table><tr>")
        parts += [f"<th>{name}" for name in ("option", "direction", *dtypes)]
        for option, direction, row in _lines(result, dtypes):
            cells = "".join(f"<td class='{word}'>{word}" for word in row)
            parts.append(f"<tr><td>{html.escape(option)}<td>{direction}{cells}")
        notes = [
            *_told(result),
            *_listed("not offered", result.not_offered),
            *_listed("not exercised", _not_run(result)),
        ]
        parts.append(f"</table><ul>{''.join(f'<li>{html.escape(note.strip())}' for note in notes)}</ul>")
    return "\n".join(parts) + "</html>\n"


FORMATS: dict[str, tuple[str, Callable[[Iterable[Result]], str]]] = {
    "text": ("conformance.txt", text),
    "json": ("conformance.json", dumps),
    "markdown": ("conformance.md", markdown),
    "html": ("conformance.html", page),
}
"""By name: the file, and what writes it."""
