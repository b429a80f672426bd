"""`verify CLAIM…` and `--replay`: run, show progress, hand over the report."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mamba_theorems.verify import record as data
from mamba_theorems.verify import recorded
from mamba_theorems.verify.checks.case import NotACase
from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import (
    PROGRAM,
    Beats,
    Exit,
    NothingRan,
    Terminal,
    UsageError,
    as_usage_error,
    outcome,
    say,
)
from mamba_theorems.verify.engine import gather, runner
from mamba_theorems.verify.engine.instruments import check_instruments
from mamba_theorems.verify.engine.journal import Journal
from mamba_theorems.verify.evidence import Evidence, Report
from mamba_theorems.verify.files import writable, write
from mamba_theorems.verify.report import paper_map, readme, text
from mamba_theorems.verify.report.explain import all_told
from mamba_theorems.verify.report.formats import FORMATS, plain_text
from mamba_theorems.verify.settings import NotAvailable, Run


def verify(args: Namespace, terminal: Terminal) -> Exit:
    """`verify CLAIM…`: the evidence on claims."""
    selected = asked.selected(args)
    if args.replay is not None:
        return _replay(selected, args.replay, asked.run(args), terminal)
    _ready(args)
    found = report(selected, args)
    _hand_over(found, args, terminal)
    if args.kernel:
        _exercised(found, args.kernel)
    if args.record:
        _record(found)
    return outcome(found.as_expected)


def _exercised(found: Report, kernel: str) -> None:
    """Say which claims called someone else's kernel; a run in which none did says nothing of it."""
    calls = {c.claim.id: c.calls for c in found.claims if c.calls}
    if not calls:
        raise NothingRan(f"{kernel} was never called by the checks of {len(found.claims)} claims: name others, or all")
    others = len(found.claims) - len(calls)
    say(f"{kernel}: {sum(calls.values()):,} calls by {', '.join(calls)}; {others} others never called it")


def _ready(args: Namespace) -> None:
    """Before a run, see that its result can be written."""
    if args.record and (args.words != ["all"] or args.k or args.kernel):
        raise UsageError("--record goes with `all`, without -k and --kernel: a record of less would lose the rest")
    FORMATS[args.output_format].ready()
    asked.output(args, FORMATS[args.output_format].file)
    if args.record and not readme.READING.exists():
        raise UsageError(f"--record writes into a checkout, and there is no {readme.READING} here: start it in one")
    for path in (recorded.RECORD, paper_map.MAP, readme.READING, readme.PICTURE) if args.record else ():
        writable(path)


def _hand_over(found: Report, args: Namespace, terminal: Terminal) -> None:
    """Print the report, and write it where -o says."""
    form = FORMATS[args.output_format]
    if args.output_format == "text" or args.output is not None:
        text.write(found, terminal)
    else:
        terminal.document(form.dumps(found))
    if args.output is not None:
        write(args.output / form.file, form.dumps(found))


def _record(found: Report) -> None:
    """Write recorded.json (the canonical part and its digest), and what pages show of it: map, sample, picture."""
    document = data.recorded(found, all_told(found))
    before = readme.READING.read_text(encoding="utf-8")
    files = {
        recorded.RECORD: json.dumps(document, indent=1, ensure_ascii=False) + "\n",
        paper_map.MAP: paper_map.render(document),
        readme.READING: readme.with_sample(before, plain_text(found)),
        readme.PICTURE: readme.picture(document["canonical"]),
    }
    for path, content in files.items():
        write(path, content)


def report(selected: list[str], args: Namespace) -> Report:
    """A run, or the one that --from names; with a campaign's evidence, if --fuzz names one."""
    pieces, before, observed = _campaign(args.campaign), _last_record(args), _observed()
    if args.source is None:
        found = with_progress(selected, asked.run(args), controls=args.controls, stop_early=args.stop_early)
    else:
        found = _stored(selected, args.source)
    if before is not None:
        _compare(before, found)
    if args.source is None and not args.kernel:  # trainings run on our kernels, and a report has its own
        found = _merged(found, observed)
    return _merged(found, pieces)


def _observed() -> dict[str, tuple[Evidence, ...]]:
    """What the records of trainings say of claims."""
    from mamba_theorems.verify.report import observed  # noqa: PLC0415 - torch is loaded only where it is needed

    with as_usage_error():
        return observed.evidence()


def _merged(found: Report, pieces: dict[str, tuple[Evidence, ...]]) -> Report:
    from mamba_theorems.verify.fuzz.report import merge  # noqa: PLC0415 - torch is loaded only where it is needed

    return merge(found, pieces) if pieces else found


def _last_record(args: Namespace) -> dict[str, Any] | None:
    """What the last recorded run says; None where there is none, and where this run makes the next."""
    path = recorded.last_record()
    return asked.record(path) if path.exists() and not args.record else None


TOLD = 5
"""So many claims that the record has otherwise are told by name."""


def _compare(before: dict[str, Any], found: Report) -> None:
    """Say which claims, or steps of their derivations, the record has otherwise."""
    other = data.differences(before, found)
    if other:
        more = f" and {len(other) - TOLD} more" if len(other) > TOLD else ""
        say(
            f"the record says otherwise of {', '.join(other[:TOLD])}{more}: "
            f"read the change, then run `{PROGRAM} all --record`"
        )


def _stored(selected: list[str], source: Path) -> Report:
    """The selected claims, and what they rest on, of a report.json."""
    with as_usage_error(f"cannot use {source}: "):
        whole = data.load(asked.document(source))
    wanted = runner.with_dependencies(selected)
    return replace(whole, claims=tuple(c for c in whole.claims if c.claim.id in wanted))


def _campaign(path: Path | None) -> dict[str, tuple[Evidence, ...]]:
    """A campaign's evidence, from its fuzz.json."""
    if path is None:
        return {}
    from mamba_theorems.verify.fuzz.report import read_evidence  # noqa: PLC0415 - torch is loaded only where it is needed

    with as_usage_error(f"cannot use {path}: "):
        return read_evidence(asked.document(path))


def _replay(selected: list[str], spec: str, run: Run, terminal: Terminal) -> Exit:
    """Run one instance of one check again."""
    claim, *others = selected
    name, _, case = spec.partition(":")
    names = [c.name for c in gather.checks_of(claim)]
    if others or name not in names:
        known = "" if others else f", with CHECK one of: {', '.join(names) or 'none'}"
        raise UsageError(f"--replay takes one claim and CHECK:CASE{known}")
    try:
        instance = json.loads(case, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as reason:
        raise UsageError(f"the case after '{name}:' is not JSON ({reason}): copy the whole replay line") from reason
    try:
        evidence = gather.replay(claim, name, instance, run)
    except NotACase as reason:
        raise UsageError(str(reason)) from reason
    except NotAvailable as reason:
        raise NothingRan(f"'{name}' cannot run here: {reason}") from reason
    check_instruments()  # before the verdict is told
    terminal.put(f"{claim}: {name}: {json.dumps(instance, ensure_ascii=False)}: {evidence.summary}")
    return outcome(bool(evidence.holds))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping of JSON, in which each name stands once. Raises ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in it")
    return found


def _no_number(name: str) -> None:
    """NaN and Infinity are no JSON. Raises ValueError."""
    raise ValueError(f"{name} is no number")


def with_progress(selected: list[str], run: Run, *, controls: bool = False, stop_early: bool = False) -> Report:
    """Run with a progress bar, from where an interrupted run of the same kind stopped; not with a foreign kernel."""
    notes = None if run.kernel else Journal(run)
    wanted = runner.with_dependencies(selected)
    if notes is not None and (known := sum(c in notes.claims for c in wanted)):
        say(f"{known} of {len(wanted)} claims are from an interrupted run ({notes.path})")
    try:
        with progress_of(len(wanted) * (2 if controls else 1)) as advance:
            found = runner.verify(
                selected, run, controls=controls, stop_early=stop_early, progress=advance, notes=notes
            )
    except KeyboardInterrupt as reason:
        goes_on = notes is not None and notes.path.exists()
        raise KeyboardInterrupt(
            f"; no report was written{': the same command goes on from here' if goes_on else ''}"
        ) from reason
    if notes is not None:
        notes.close()
    return found


@contextmanager
def progress_of(total: int) -> Iterator[Callable[[str], None]]:
    """What tells of each thing that begins: a bar on a terminal's standard error, lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Beats(total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=total)
        yield lambda name: progress.update(task, description=name, advance=1)
