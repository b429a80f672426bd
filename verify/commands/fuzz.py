"""`python -m verify fuzz CLAIM…|all`, `fuzz --replay FILE` and `fuzz --controls`: from words to campaigns and text."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mamba_theorems.verify.files import write
from mamba_theorems.verify.fuzz import findings, local, report
from mamba_theorems.verify.fuzz.campaign import Campaign, CampaignNotes, Pool, Settings, run_campaign
from mamba_theorems.verify.fuzz.cells import PER_ROUND
from mamba_theorems.verify.settings import Run

UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Profile:
    """What a campaign does unless told otherwise: a number of examples, or a time."""

    examples: int | None
    seconds: float
    resumes: bool = True


PROFILES = {
    "quick": Profile(50, math.inf),
    "ci": Profile(200, math.inf, resumes=False),
    "nightly": Profile(None, 8 * 3600),
}


@dataclass(frozen=True)
class Options:
    """The words of the command line that only `fuzz` reads."""

    time: str | None = None
    examples: int | None = None
    per_cell: int = PER_ROUND
    workers: str = "auto"
    scheduler: str | None = None
    profile: str = "quick"
    stop_early: bool = False
    json: bool = False
    output: Path | None = None


def seconds_of(text: str) -> float:
    """10m, 90s, 2h, 1h30m, or a number of seconds. Raises ValueError."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        text += "s"
    if not re.fullmatch(r"(\d+(\.\d+)?[smh])+", text):
        raise ValueError(f"--time takes a time as in 90s, 10m or 1h30m, not '{text}'")
    return sum(float(number) * UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)([smh])", text))


def fuzz(selected: Sequence[str], run: Run, options: Options, console: Console) -> Campaign:
    """Run a campaign on the selected claims and tell what it found. Raises ValueError for options that cannot be."""
    settings, seconds = _settings(selected, run, options)
    if not settings.streams:
        raise ValueError("the selected claims have no property to hunt through: `fuzz all` shows those that have")
    resumes = PROFILES[options.profile].resumes and not run.kernel
    with _pool(options) as pool:
        known = _run_known(selected)
        notes = CampaignNotes(settings) if resumes else None
        if notes and notes.results:
            _say(f"{len(notes.results)} cells are from an interrupted campaign ({notes.path})")
        with _progress() as show:
            campaign = run_campaign(
                settings, pool, seconds=seconds, stop_early=options.stop_early, notes=notes, progress=show,
                on_finding=_keep,
            )  # fmt: skip
    if notes and not campaign.interrupted:
        notes.close()
    _tell(campaign, options, console)
    for path in known:
        console.print(f"still fails: {path}", soft_wrap=True, markup=False)
    return campaign


def _settings(selected: Sequence[str], run: Run, options: Options) -> tuple[Settings, float]:
    profile = PROFILES[options.profile]
    if options.examples is not None and options.examples < 1:
        raise ValueError("--examples takes a number from 1: how many cases each way of drawing is given")
    if options.per_cell < 1:
        raise ValueError("--per-cell takes a number from 1: how many cases one task runs")
    examples, seconds = profile.examples, profile.seconds
    if options.time is not None or options.examples is not None:
        examples, seconds = options.examples, math.inf if options.time is None else seconds_of(options.time)
    return Settings(tuple(selected), run, examples, options.per_cell), seconds


def _pool(options: Options) -> AbstractContextManager[Pool]:
    if options.scheduler is not None:
        from mamba_theorems.verify.fuzz.cluster import pool_at  # noqa: PLC0415 - an optional extra

        return pool_at(options.scheduler)
    if options.workers == "auto":
        return local.pool_of(local.automatic())
    if not options.workers.isdigit() or int(options.workers) < 1:
        raise ValueError(f"--workers takes auto or a number from 1, not '{options.workers}'")
    return local.pool_of(int(options.workers))


def _run_known(selected: Sequence[str]) -> list[Path]:
    """Run what earlier campaigns found on these claims; the files of those that still fail."""
    failing = [path for path, finding in findings.stored(selected) if finding.again() is not None]
    known = len(findings.stored(selected))
    if known:
        _say(f"{known} known findings on these claims: {len(failing)} still fail")
    return failing


def _keep(finding: findings.Found) -> None:
    """Store a finding at once, and say so."""
    path = findings.store(finding)
    _say(
        f"finding: {finding.claim}: {finding.check}: {finding.failure.summary}\n  python -m verify fuzz --replay {path}"
    )


def _tell(campaign: Campaign, options: Options, console: Console) -> None:
    if options.json:
        sys.stdout.write(report.dumps(campaign))
    else:
        report.write(campaign, console)
    if options.output is not None:
        write(options.output / report.FILE, report.dumps(campaign))


def _say(text: str) -> None:
    print(f"verify: {text}", file=sys.stderr, flush=True)


# --- progress --------------------------------------------------------------------------------------------------------

EVERY = 60
"""Seconds between progress lines where there is no terminal."""


@contextmanager
def _progress() -> Iterator[Callable[[Campaign], None]]:
    """One line that is written over on a terminal's standard error, a line a minute elsewhere."""
    console = Console(stderr=True, highlight=False)
    last = time.monotonic()
    if not console.is_terminal:

        def log(campaign: Campaign) -> None:
            nonlocal last
            if time.monotonic() - last >= EVERY:
                last = time.monotonic()
                _say(progress_line(campaign))

        yield log
        return
    with console.status("starting", spinner="dots") as status:

        def show(campaign: Campaign) -> None:
            nonlocal last
            if time.monotonic() - last >= 0.2:
                last = time.monotonic()
                status.update(progress_line(campaign))

        yield show


def progress_line(campaign: Campaign) -> str:
    """Time, rounds, examples, examples a second, worst margin and error/bound so far, findings."""
    seconds = max(campaign.seconds, 1e-9)
    worst = [f"worst {unit} {value:.3g}" for unit, (value, _) in campaign.worst.items()]
    return " · ".join(
        [
            f"{seconds:.0f} s",
            f"round {campaign.round + 1}",
            f"{campaign.examples:,} examples ({campaign.examples / seconds:,.0f}/s)",
            *worst,
            f"{len(campaign.first_failures)} failing",
        ]
    )


# --- replay ----------------------------------------------------------------------------------------------------------


def replay(file: str, console: Console) -> bool:
    """Run a stored finding again; whether it passes now. Raises ValueError for a file that holds none."""
    try:
        finding = findings.load(Path(file))
        again = finding.again() if finding.failure.case is not None else finding.failure
    except ValueError as reason:
        raise ValueError(f"cannot replay {file}: {reason}") from reason
    where = f"{finding.claim}: {finding.check}"
    console.print(f"{where}: {'passes now' if again is None else again.summary}", soft_wrap=True, markup=False)
    return again is None


def controls(selected: Sequence[str], run: Run, options: Options, console: Console) -> bool:
    """Plant each bug in turn and hunt until something fails; whether all were found."""
    from mamba_theorems.verify.fuzz.controls import hunt_all  # noqa: PLC0415 - kept apart from campaigns

    return hunt_all(selected, run, options, console)
