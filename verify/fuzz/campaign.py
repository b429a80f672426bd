"""The driver: hands cells to workers, keeps what they return, and says what whole rounds amount to.

Only whole rounds are counted, and a stream stops counting with the round in which it first fails: so the result is the
same whatever the number of workers and the order in which they finish.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mamba_theorems.verify.checks.check import Score
from mamba_theorems.verify.files import FOLDER, JsonLines
from mamba_theorems.verify.fuzz import findings
from mamba_theorems.verify.fuzz.cells import PER_ROUND, Cell, Stream, cells, streams
from mamba_theorems.verify.fuzz.executions import Failure
from mamba_theorems.verify.fuzz.search import CellResult, run_cell
from mamba_theorems.verify.record import fingerprint
from mamba_theorems.verify.settings import Run


@dataclass(frozen=True)
class Settings:
    """What decides the result: the claims, the examples of a stream (None: as many rounds as time admits), the run.

    `bug` is one to plant; `per_round` the examples of one cell.
    """

    selected: tuple[str, ...]
    run: Run
    examples: int | None = None
    per_round: int = PER_ROUND
    bug: str = ""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream that is hunted through."""
        return streams(self.selected, self.run.device)

    @property
    def cells(self) -> Iterator[Cell]:
        """Every cell, in order; without end where time decides."""
        return cells(self.streams, self.examples, self.per_round)


class CellPool(Protocol):
    """Workers, on this machine or elsewhere."""

    @property
    def workers(self) -> int:
        """How many workers there are."""

    def submit(self, work: Callable[..., Any], *cell: Any) -> Future[Any]:
        """Have a worker run the cell, as `work` does."""

    def results(self, pending: Iterable[Future[Any]], seconds: float) -> set[Future[Any]]:
        """The futures that are done, once there is one or the seconds have passed."""


def as_they_come(
    pool: CellPool, submitted: Iterator[Future[Any]], under_way: Callable[[], int], enough: Callable[[], bool]
) -> Iterator[Any]:
    """Results as they come, with as many cells under way as `under_way` allows at the time.

    Iterating over `submitted` submits. It ends when everything is done, or nothing is under way, or it is enough.
    """
    pending: set[Future[Any]] = set()
    while True:
        while len(pending) < under_way():
            future = next(submitted, None)
            if future is None:
                break
            pending.add(future)
        if not pending or enough():
            return
        done = pool.results(pending, 1.0)
        pending -= done
        for future in done:
            yield future.result()


@dataclass
class Campaign:
    """What has been found so far, under its settings; `seconds` of work so far, and whether it was interrupted."""

    settings: Settings
    results: dict[Cell, CellResult] = field(default_factory=dict)
    first_failures: dict[Stream, int] = field(default_factory=dict)
    worst: dict[str, tuple[float, str]] = field(default_factory=dict)
    round: int = 0
    examples: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    workers: int = 1

    def add(self, result: CellResult) -> None:
        """Keep a result; `first_failures` has the round in which a stream first fails."""
        cell = result.cell
        self.results[cell] = result
        self.examples += result.examples
        self.round = max(self.round, cell.round)
        self._note_worst(result)
        if result.failure is not None:
            self.first_failures[cell.stream] = min(cell.round, self.first_failures.get(cell.stream, cell.round))

    def _note_worst(self, result: CellResult) -> None:
        """`worst` has, by unit, the worst score of any check, and the claim."""
        if result.worst is None or result.unit not in ("margin", "error/bound"):
            return
        found = Score(result.worst, result.unit)
        if result.unit not in self.worst or found.badness > Score(self.worst[result.unit][0], result.unit).badness:
            self.worst[result.unit] = result.worst, result.cell.stream.claim

    @property
    def rounds(self) -> int:
        """How many rounds are whole."""
        first, number, everything = self.first_failures, 0, self.settings.streams
        done = {(cell.stream, cell.round) for cell in self.results}
        while self._planned(number) and all((s, number) in done or number > first.get(s, number) for s in everything):
            number += 1
        return number

    def _planned(self, number: int) -> bool:
        examples = self.settings.examples
        return examples is None or number * self.settings.per_round < examples

    @property
    def counted(self) -> dict[Cell, CellResult]:
        """The results of whole rounds, stream by stream; none of a stream after the round in which it failed."""
        first, whole = self.first_failures, self.rounds
        kept = [c for c in self.results if c.round < whole and c.round <= first.get(c.stream, c.round)]
        order = {stream: i for i, stream in enumerate(self.settings.streams)}
        return {cell: self.results[cell] for cell in sorted(kept, key=lambda c: (order[c.stream], c.round))}

    @property
    def findings(self) -> list[findings.Found]:
        """Every finding, those of rounds that are not whole included, each once."""
        ordered = sorted(self.results.values(), key=lambda r: (r.cell.round, str(r.cell.stream)))
        made = (findings.found(result, self.settings.run, self.settings.bug) for result in ordered)
        return findings.distinct([f for f in made if f is not None])


class CampaignNotes(JsonLines):
    """A campaign's journal: each cell's result, so that the same command goes on after an interruption."""

    def __init__(self, settings: Settings, folder: Path = FOLDER) -> None:
        super().__init__(folder / f"fuzz-{fingerprint(settings)}.jsonl")
        self.results: dict[Cell, CellResult] = {}
        self.seconds = 0.0
        for note in self.read():
            with suppress(ValueError, KeyError, TypeError):
                self._take(note)

    def _take(self, note: dict[str, Any]) -> None:
        result = read_result(note["result"])
        self.results[result.cell], self.seconds = result, max(self.seconds, note["seconds"])

    def add(self, result: CellResult, seconds: float) -> None:
        """Note a cell that is done, and for how long the campaign has run."""
        self.append({"result": asdict(result), "seconds": round(seconds, 2)})


def read_result(data: dict[str, Any]) -> CellResult:
    """The result that `asdict` wrote."""
    cell = Cell(Stream(**data["cell"]["stream"]), data["cell"]["round"], data["cell"]["examples"])
    failure = data["failure"] and Failure(**data["failure"])
    return CellResult(**{**data, "cell": cell, "failure": failure})


Progress = Callable[[Campaign], None]


def run_campaign(
    settings: Settings,
    pool: CellPool,
    *,
    seconds: float = math.inf,
    stop_early: bool = False,
    notes: CampaignNotes | None = None,
    progress: Progress = lambda _: None,
    on_finding: Callable[[findings.Found], None] = lambda _: None,
) -> Campaign:
    """Run cells until the settings' examples are done, the seconds have passed, or (stop_early) something is found.

    Ctrl-C stops it too: what was found until then is returned, marked as interrupted.
    """
    campaign = Campaign(settings, seconds=notes.seconds if notes else 0.0, workers=pool.workers)
    for result in notes.results.values() if notes else ():
        campaign.add(result)
    known: set[str] = set()
    for finding in campaign.findings:
        known.add(finding.name)
        on_finding(finding)
    try:
        for result in _results(campaign, pool, seconds, lambda: stop_early and bool(known)):
            campaign.add(result)
            finding = findings.found(result, settings.run, settings.bug)
            if notes:
                notes.add(result, campaign.seconds)
            if finding is not None and finding.name not in known:
                known.add(finding.name)
                on_finding(finding)
            progress(campaign)
    except KeyboardInterrupt:
        campaign.interrupted = True
    return campaign


def _results(campaign: Campaign, pool: CellPool, seconds: float, enough: Callable[[], bool]) -> Iterator[CellResult]:
    """Results as they come, with two cells a worker under way, and no cell of a stream after it has failed."""
    start, before, settings = time.monotonic(), campaign.seconds, campaign.settings

    def under_way() -> int:
        campaign.seconds = before + time.monotonic() - start
        return 2 * pool.workers if campaign.seconds < seconds and not enough() else 0

    submitted = (pool.submit(run_cell, cell, settings.run, settings.bug) for cell in _todo(campaign))
    yield from as_they_come(pool, submitted, under_way, enough)


def _todo(campaign: Campaign) -> Iterator[Cell]:
    """Cells that are not done, of streams that have not failed before; it ends when every stream has failed."""
    everything, first = campaign.settings.streams, campaign.first_failures
    for cell in campaign.settings.cells:
        if len(first) == len(everything) and all(cell.round > r for r in first.values()):
            return
        if cell not in campaign.results and cell.round <= first.get(cell.stream, cell.round):
            yield cell
