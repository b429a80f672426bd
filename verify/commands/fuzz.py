"""`fuzz CLAIM…`, `fuzz --replay FILE` and `fuzz --controls`: from words to campaigns and text."""

from __future__ import annotations

import math
import secrets
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import Exit, Terminal, UsageError, as_usage_error, outcome, say
from mamba_theorems.verify.files import CannotWrite, write
from mamba_theorems.verify.fuzz import findings, local, report
from mamba_theorems.verify.fuzz.campaign import Campaign, CampaignNotes, Settings, run_campaign
from mamba_theorems.verify.settings import Run


@dataclass(frozen=True)
class Profile:
    """What a campaign does unless told otherwise: a number of examples, or a time; from a new seed, or from 0."""

    examples: int | None
    seconds: float
    resumes: bool = True
    new_seed: bool = False


PROFILES = {
    "quick": Profile(50, math.inf),
    "ci": Profile(200, math.inf, resumes=False),
    "nightly": Profile(None, 8 * 3600, new_seed=True),
}


def fuzz(args: Namespace, terminal: Terminal) -> Exit:
    """Run a campaign on the selected claims and tell what it found."""
    if args.replay is not None:
        return outcome(_replay(Path(args.replay), terminal))
    if args.seed is None and PROFILES[args.profile].new_seed:
        args.seed = secrets.randbelow(2**32)
        say(
            f"the seed of this campaign is new: the same command with --seed {args.seed} goes on with it, or repeats it"
        )
    selected, run = asked.selected(args), asked.run(args)
    asked.output(args, report.FILE)
    if args.controls:
        from mamba_theorems.verify.fuzz.controls import hunt_all  # noqa: PLC0415 - kept apart from campaigns

        return outcome(hunt_all(selected, run, args.workers or local.automatic(), terminal))
    campaign = _campaign(selected, run, args, terminal)
    if campaign.interrupted:
        return Exit.INTERRUPTED
    if not campaign.rounds and not campaign.findings:
        return Exit.NOTHING
    return outcome(not campaign.findings)


def _campaign(selected: Sequence[str], run: Run, args: Namespace, terminal: Terminal) -> Campaign:
    settings, seconds = _settings(selected, run, args)
    resumes = PROFILES[args.profile].resumes and not run.kernel
    with asked.pool(args) as pool:
        known = _run_known(selected)
        notes = CampaignNotes(settings) if resumes else None
        if notes and notes.results:
            say(f"{len(notes.results)} cells are from an interrupted campaign ({notes.path})")
        with _progress() as show:
            campaign = run_campaign(
                settings, pool, seconds=seconds, stop_early=args.stop_early, notes=notes, progress=show,
                on_finding=_keep,
            )  # fmt: skip
    if notes and not campaign.interrupted:
        notes.close()
    _tell(campaign, args, terminal)
    for path in known:
        terminal.put(f"still fails: {path}")
    return campaign


def _settings(selected: Sequence[str], run: Run, args: Namespace) -> tuple[Settings, float]:
    profile = PROFILES[args.profile]
    examples, seconds = profile.examples, profile.seconds
    if args.time is not None or args.examples is not None:
        examples, seconds = args.examples, math.inf if args.time is None else args.time
    settings = Settings(tuple(selected), run, examples, args.per_cell)
    if not settings.streams:
        raise UsageError("the selected claims have no property to hunt through: `fuzz all` shows those that have")
    return settings, seconds


def _run_known(selected: Sequence[str]) -> list[Path]:
    """Run what earlier campaigns found on these claims; the files of those that still fail."""
    failing = [path for path, finding in findings.stored(selected) if finding.again() is not None]
    known = len(findings.stored(selected))
    if known:
        say(f"{known} known findings on these claims: {len(failing)} still fail")
    return failing


def _keep(finding: findings.Found) -> None:
    """Store a finding at once, where that can be, and say so."""
    try:
        again = f"python -m verify fuzz --replay {findings.store(finding)}"
    except CannotWrite as reason:
        again = f"not stored: {reason}"
    say(f"finding: {finding.claim}: {finding.check}: {finding.failure.summary}\n  {again}")


def _tell(campaign: Campaign, args: Namespace, terminal: Terminal) -> None:
    if args.output_format == "json":
        terminal.document(report.dumps(campaign))
    else:
        report.write(campaign, terminal)
    if args.output is not None:
        write(args.output / report.FILE, report.dumps(campaign))


# --- progress --------------------------------------------------------------------------------------------------------

EVERY = 10
"""Seconds between progress lines where there is no terminal."""


@contextmanager
def _progress() -> Iterator[Callable[[Campaign], None]]:
    """One line that is written over on a terminal's standard error, a line every ten seconds elsewhere."""
    console, last = Console(stderr=True, highlight=False), time.monotonic()
    with console.status("starting", spinner="dots") if console.is_terminal else nullcontext() as status:
        tell, every = (status.update, 0.2) if status else (say, EVERY)

        def show(campaign: Campaign) -> None:
            nonlocal last
            if time.monotonic() - last >= every:
                last = time.monotonic()
                tell(progress_line(campaign))

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


def _replay(path: Path, terminal: Terminal) -> bool:
    """Run a stored finding again; whether it passes now."""
    with as_usage_error(f"cannot replay {path}: "):
        finding = findings.load(path)
        again = finding.again() if finding.failure.case is not None else finding.failure
    terminal.put(f"{finding.claim}: {finding.check}: {'passes now' if again is None else again.summary}")
    return again is None
