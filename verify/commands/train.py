"""`train PLAN`: from words to trainings, their record and text."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mamba_theorems.verify.commands import asked
from mamba_theorems.verify.commands.usage import PROGRAM, Exit, Terminal, UsageError, as_usage_error, outcome, say
from mamba_theorems.verify.experiments import cost, plan, predictions, report
from mamba_theorems.verify.experiments.campaign import PlanRun, TrainingNotes, run_plan
from mamba_theorems.verify.files import write
from mamba_theorems.verify.fuzz import local


def train(args: Namespace, terminal: Terminal) -> Exit:
    """Run plans one after the other, and tell what came of each; without a name, tell the plans."""
    if args.source is not None:
        return _shown(args.source, args, terminal)
    if not args.words:
        for name in plan.shipped():
            known = plan.load(name)
            terminal.put(f"{name:<16}{len(known.trainings):>6} trainings  {known.title}")
        return Exit.EXPECTED
    with as_usage_error():
        plans = [plan.load(word) for word in args.words]
    for name, count in Counter(each.name for each in plans).items():
        if count > 1:
            raise UsageError(
                f"{count} of the plans are called '{name}', and their records would be one file: rename one"
            )
    if args.output_format == "json" and len(plans) > 1:
        raise UsageError("two JSON documents are none: give one plan, or -o DIR for a record of each")
    device = asked.device(args.device)
    asked.output(args, *map(report.file_name, plans))
    code = Exit.EXPECTED
    for each in plans:
        code = max(code, _one(each, device, args, terminal))
        if code is Exit.INTERRUPTED:
            break
    return code


def _shown(path: Path, args: Namespace, terminal: Terminal) -> Exit:
    if args.words:
        raise UsageError(f"give a plan or --from, not both: `{PROGRAM} train --from {path}` shows what it holds")
    with as_usage_error(f"cannot use {path}: "):
        run = report.read(asked.document(path))
    return _told(run, args, terminal)


def _one(chosen: plan.Plan, device: str, args: Namespace, terminal: Terminal) -> Exit:
    if args.dry_run:
        run = PlanRun(chosen, device)
        _keep(run, args)
        return _told(run, args, terminal) if args.output_format == "json" else _estimate(run, args, terminal)
    notes = TrainingNotes(chosen, device)
    run = notes.run()
    if run.results:
        say(f"{len(run.results)} of {len(chosen.trainings)} trainings are from an earlier sitting ({notes.path})")
    _keep(run, args)  # the predictions, before anything is run
    with asked.pool(args) as workers:
        run.workers = workers.workers
        run_plan(run, workers, notes=notes, progress=_progress())
    _keep(run, args)
    code = _told(run, args, terminal)
    if run.interrupted:
        say(f"interrupted: the same command goes on from here ({notes.path})")
        return Exit.INTERRUPTED
    if args.output is None:
        say(f"kept in {notes.path}: the same command with -o DIR writes the record without training again")
    return code


def _keep(run: PlanRun, args: Namespace) -> None:
    if args.output is not None:
        write(args.output / report.file_name(run.plan), report.dumps(run))


def _told(run: PlanRun, args: Namespace, terminal: Terminal) -> Exit:
    """Whether no theorem is contradicted: that a network was not found is no failure."""
    if args.output_format == "json":
        terminal.document(report.dumps(run))
    else:
        for line in report.lines(run):
            terminal.put_wrapped(line)
    verdicts = predictions.verdicts(run.plan, run.results)
    return outcome(not any(p.every and verdicts[p.name] == predictions.NOT_MET for p in predictions.of(run.plan)))


def _estimate(run: PlanRun, args: Namespace, terminal: Terminal) -> Exit:
    """Every training, and what it costs here at most: steps are timed, the rest is a formula."""
    rates, total = cost.rates(run.plan.trainings), 0.0
    for row in run.plan.rows:
        names = plan.varied(row)
        costs: dict[str, list[float]] = {}
        for t in row.trainings:
            costs.setdefault(plan.told(t, names) if names else "all", []).append(cost.seconds(t, rates))
        all_of_it = sum(map(sum, costs.values()))
        total += all_of_it
        rates_and_seeds = f"{len({t.lr for t in row.trainings})} rates, {len({t.seed for t in row.trainings})} seeds"
        terminal.put_wrapped(f"{row.label}: {len(row.trainings)} trainings ({rates_and_seeds}), {hours(all_of_it)}")
        for settings, those in costs.items():
            terminal.put_wrapped(f"  {settings}: {len(those)} trainings, {hours(those[0])} each")
    workers = args.workers or local.automatic()
    terminal.put_wrapped(
        f"{len(run.plan.trainings)} trainings, at most {hours(total)} of one processor as here; about "
        f"{hours(total / workers)} on {workers} (an estimate; a training that solves its task stops early)"
    )
    for p in predictions.of(run.plan):
        terminal.put_wrapped(f"predicted of {'every' if p.every else 'some'}: {p.claim}: {p.words}")
    return Exit.EXPECTED


def hours(seconds: float) -> str:
    """A time as one reads it."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


EVERY = 60
"""Seconds between progress lines."""


def _progress() -> Callable[[PlanRun], None]:
    """A line a minute on standard error, and one for the first."""
    last = -float("inf")

    def show(run: PlanRun) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            done, number = len(run.results), len(run.plan.trainings)
            say(f"{done} of {number} trainings in {hours(run.seconds)}, about {hours(run.remaining)} to go")

    return show
