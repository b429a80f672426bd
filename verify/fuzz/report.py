"""What a campaign found, as text, as JSON, and as evidence of the ordinary report.

JSON has three parts: `canonical` (what was hunted through, verdicts, findings: the same on every machine and for any
number of workers), `measured` (worst scores, sizes visited and a digest of every case drawn: the same wherever floats
are rounded alike) and `volatile` (time, workers, rounds that were not whole).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from rich.console import Console
from rich.text import Text

from mamba_theorems.theorems.registry import claims, dependencies_first
from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import Evidence, Report, outcome_of
from mamba_theorems.verify.fuzz import coverage, findings
from mamba_theorems.verify.fuzz.campaign import Campaign
from mamba_theorems.verify.fuzz.cells import PER_ROUND, Stream, properties
from mamba_theorems.verify.fuzz.search import CellResult

FILE = "fuzz.json"
By = dict[Stream, list[CellResult]]


def by_stream(campaign: Campaign) -> By:
    """The results that count, in the order of their streams and rounds."""
    found: By = {}
    for cell, result in campaign.counted.items():
        found.setdefault(cell.stream, []).append(result)
    return found


# --- JSON ------------------------------------------------------------------------------------------------------------


def document(campaign: Campaign) -> dict[str, Any]:
    """All three parts, and the digest of the canonical one."""
    part, streams = canonical(campaign), by_stream(campaign)
    return {
        "canonical": part,
        "digest": data.digest(part),
        "measured": {
            "streams": [asdict(s) | _measured(results) for s, results in streams.items()],
            "places": {claim: places(streams, claim) for claim in campaign.settings.selected},
        },
        "volatile": _volatile(campaign),
    }


def dumps(campaign: Campaign) -> str:
    """The document as text."""
    return json.dumps(document(campaign), indent=1, ensure_ascii=False) + "\n"


def canonical(campaign: Campaign) -> dict[str, Any]:
    """The part that is the same on every machine: whole rounds only."""
    settings, streams = campaign.settings, by_stream(campaign)
    counted = {(cell.stream, cell.round) for cell in campaign.counted}
    return {
        "seed": settings.run.seed,
        "rounds": campaign.rounds,
        "examples_per_round": settings.per_round,
        "claims": list(settings.selected),
        "device": settings.run.device,
        "dtypes": list(settings.run.dtypes),
        "kernel": settings.run.kernel or "ours",
        "streams": [asdict(s) | _verdict(results) for s, results in streams.items()],
        "findings": [_canonical_finding(f) for f in campaign.findings if (f.stream, f.round) in counted],
    }


def _verdict(results: Sequence[CellResult]) -> dict[str, Any]:
    failed = any(result.failure for result in results)
    return {"examples": sum(r.examples for r in results), "verdict": "fails" if failed else "passes"}


def _canonical_finding(f: findings.Found) -> dict[str, Any]:
    return {
        **asdict(f.stream),
        "name": f.name,
        "round": f.round,
        "case": f.failure.case,
        "execution": f.failure.execution,
    }


def _measured(results: Sequence[CellResult]) -> dict[str, Any]:
    digest = hashlib.sha256("".join(r.draws for r in results).encode()).hexdigest()[:16]
    worst = worst_of(results)
    return {"draws": digest} | ({} if worst is None else {f"worst {worst[1]}": _json(worst[0])})


def _json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def worst_of(results: Iterable[CellResult]) -> tuple[float, str] | None:
    """The worst score and its unit, of checks that have one in figures."""
    scores = [(r.worst, r.unit) for r in results if r.worst is not None and r.unit in ("margin", "error/bound")]
    if not scores:
        return None
    pick = min if scores[0][1] == "margin" else max
    broken = next((s for s in scores if math.isnan(s[0])), None)
    return broken or pick(scores)


def places(streams: By, claim: str) -> dict[str, int]:
    """How many cases of a claim lay at each place of the grid of sizes."""
    return coverage.merged(r.places for stream, results in streams.items() if stream.claim == claim for r in results)


def _volatile(campaign: Campaign) -> dict[str, Any]:
    counted = sum(r.examples for r in campaign.counted.values())
    return {
        "seconds": round(campaign.seconds, 2),
        "workers": campaign.workers,
        "interrupted": campaign.interrupted,
        "examples": campaign.examples,
        "examples_beyond_whole_rounds": campaign.examples - counted,
        "examples_per_second": round(campaign.examples / max(campaign.seconds, 1e-9), 1),
        "cell_seconds": round(sum(r.seconds for r in campaign.results.values()), 2),
        "processor_seconds": round(sum(r.processor_seconds for r in campaign.results.values()), 2),
        "findings": [findings.plain(f) for f in campaign.findings],
        "versions": data.versions(),
    }


# --- the ordinary report ---------------------------------------------------------------------------------------------


def merge(report: Report, pieces: dict[str, tuple[Evidence, ...]]) -> Report:
    """A report of `verify` with a campaign's evidence added, and its outcomes computed again."""
    done = {c.claim.id: replace(c, evidence=(*c.evidence, *pieces.get(c.claim.id, ()))) for c in report.claims}
    for name in filter(done.__contains__, dependencies_first()):
        c = done[name]
        done[name] = replace(c, outcome=outcome_of(c.evidence, [done[d].outcome for d in c.claim.depends_on]))
    return replace(report, claims=tuple(done.values()))


def read_evidence(document: Any) -> dict[str, tuple[Evidence, ...]]:
    """Per claim, a piece for each property hunted through, from a campaign's JSON. Raises ValueError if it is none."""
    try:
        part = document["canonical"]
        if data.digest(part) != document["digest"]:
            raise ValueError("its digest does not fit its canonical part: it was edited by hand")
        return _read(part, document)
    except (KeyError, TypeError) as reason:
        raise ValueError(f"it is no campaign of this program ({type(reason).__name__}: {reason})") from reason


def _read(part: dict[str, Any], document: dict[str, Any]) -> dict[str, tuple[Evidence, ...]]:
    known = {f.name: f for f in map(findings.read, document["volatile"]["findings"])}
    measured = {_id(m): m for m in document["measured"]["streams"]}
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for stream in part["streams"]:
        if stream["claim"] not in claims() or stream["check"] not in properties(stream["claim"]):
            raise ValueError(f"it holds {stream['claim']}:{stream['check']}, which is not one of this version")
        grouped.setdefault((stream["claim"], stream["check"]), []).append(stream | measured[_id(stream)])
    made: dict[str, list[Evidence]] = {}
    for (claim, check), streams in grouped.items():
        failing = [f for f in known.values() if (f.claim, f.check) == (claim, check)]
        made.setdefault(claim, []).append(_read_piece(part, claim, check, streams, failing))
    return {claim: tuple(pieces) for claim, pieces in made.items()}


def _id(stream: dict[str, Any]) -> tuple[str, str, str]:
    return stream["claim"], stream["check"], stream["generator"]


def _read_piece(
    part: dict[str, Any], claim: str, check: str, streams: list[dict[str, Any]], failing: list[findings.Found]
) -> Evidence:
    measured: dict[str, float | str] = {"examples": sum(s["examples"] for s in streams)}
    for unit, pick in (("margin", min), ("error/bound", max)):
        values = [float(s[f"worst {unit}"]) for s in streams if f"worst {unit}" in s]
        measured |= {f"worst {unit}": pick(values)} if values else {}
    replays = findings.replay_lines(failing[0]) if failing else []
    generators = ", ".join(s["generator"] for s in streams)
    facts: dict[str, str | int] = {"generators": generators, "rounds": part["rounds"], "seed": part["seed"]}
    summary = failing[0].failure.summary if failing else ""
    kind = properties(claim)[check].kind
    return Evidence(kind, f"fuzz: {check}", not failing, summary, facts, measured, replays[0] if replays else "")


# --- text ------------------------------------------------------------------------------------------------------------


def write(campaign: Campaign, console: Console) -> None:
    """One line a claim, the findings, and what it amounts to."""
    streams = by_stream(campaign)
    shown = [claim for claim in campaign.settings.selected if any(s.claim == claim for s in streams)]
    width = max(map(len, shown), default=0)
    for claim in shown:
        results = [r for s, found in streams.items() if s.claim == claim for r in found]
        console.print(_line(claim, width, results, places(streams, claim)), soft_wrap=True)
    for finding in campaign.findings:
        for text in told(finding):
            console.print(text, soft_wrap=True)
    for text in _conclusion(campaign):
        console.print(text, soft_wrap=True)


def _line(claim: str, width: int, results: list[CellResult], visited: dict[str, int]) -> Text:
    failed = any(result.failure for result in results)
    line = Text(f"  {claim:<{width}}  ")
    line.append("FAILS " if failed else "passes", style="bold red" if failed else "green")
    parts = [f"{sum(r.examples for r in results):,} examples"]
    for unit in ("margin", "error/bound"):
        worst = worst_of(r for r in results if r.unit == unit)
        parts += [] if worst is None else [f"worst {unit} {worst[0]:.3g}"]
    sizes = coverage.sentence(visited)
    line.append(f"  [{' · '.join([*parts, *([sizes] if sizes else [])])}]", style="dim")
    return line


def told(finding: findings.Found) -> list[Text]:
    """A finding in full: what fails, the case, and how to run it again."""
    where = f"{finding.claim}: {finding.check} ({finding.generator}, round {finding.round})"
    how = "" if finding.failure.execution == "auto" else f", run {finding.failure.execution}"
    case = json.dumps(finding.failure.case, ensure_ascii=False)
    lines = [Text(f"finding {finding.name}: {where}", style="bold red")]
    lines.append(Text(f"      {finding.failure.summary}: {case}{how}", style="red"))
    path = findings.FINDINGS / f"{finding.name}.json"
    return [*lines, *(Text(f"      replay: {line}", style="dim") for line in findings.replay_lines(finding, path))]


def _conclusion(campaign: Campaign) -> list[Text]:
    counted = sum(r.examples for r in campaign.counted.values())
    seconds = max(campaign.seconds, 1e-9)
    work = f"{campaign.examples:,} examples in {seconds:.0f} s ({campaign.examples / seconds:,.0f} a second"
    lines = [Text(f"{work}, {campaign.workers} workers), {campaign.rounds} whole rounds with {counted:,} of them")]
    if campaign.settings.examples is None and campaign.rounds:
        examples = campaign.rounds * campaign.settings.per_round
        size = campaign.settings.per_round
        cells = "" if size == PER_ROUND else f" --per-cell {size}"
        again = f"--examples {examples}{cells} --seed {campaign.settings.run.seed}"
        lines.append(Text(f"the same canonical result again: {again}", style="dim"))
    if not campaign.rounds and not campaign.interrupted:
        lines.append(Text(nothing_whole(campaign), style="bold yellow"))
    if campaign.interrupted:
        lines.append(Text("interrupted: the same command goes on from here", style="bold yellow"))
    number = len(campaign.findings)
    if number:
        lines.append(Text(f"{number} finding{'s' if number > 1 else ''}", style="bold red"))
    elif campaign.rounds:
        lines.append(Text("no counterexample found", style="green"))
    return lines


def nothing_whole(campaign: Campaign) -> str:
    """Why a campaign without a whole round counts nothing, and what to do: the time of a round, or fewer claims."""
    done, cells = sum(cell.round == 0 for cell in campaign.results), len(campaign.settings.streams)
    minutes = math.ceil(campaign.seconds * cells / done * 1.5 / 60) if done else 0
    longer = f"--time {minutes}m" if minutes else "a longer --time"
    return (
        f"no round is whole, so nothing counts ({done} of its {cells} cells are done): give {longer}, "
        f"or fewer claims, or --examples {campaign.settings.per_round}"
    )
