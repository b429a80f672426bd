"""The chapter "Observed": what training finds beside what the theorems say, made from the records that ship alone.

Each record was written by `verify train PLAN -o observed`, with its predictions before its runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from statistics import mean

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import Evidence
from mamba_theorems.verify.experiments import predictions, report
from mamba_theorems.verify.experiments.campaign import PlanRun
from mamba_theorems.verify.experiments.plan import PlanRow, told, varied
from mamba_theorems.verify.experiments.predictions import MET, NOT_MET, NOT_YET, SOLVED, Prediction
from mamba_theorems.verify.experiments.settings import TASKS, Training
from mamba_theorems.verify.experiments.training import Trained
from mamba_theorems.verify.files import SHIPPED
from mamba_theorems.verify.recorded import parsed

FOLDER = SHIPPED / "observed"
ORDER = ("table1", "mqar", "states", "induction", "construction", "koren")
"""Plans in the order in which they are told; others follow."""
TITLE = "Observed: what training finds"
NOTE = (
    "What is OBSERVED raises no outcome: one trained network shows that training can find it, with these seeds, and "
    "none that failed shows that there is none. A network beyond a bound would contradict its theorem, or the code. "
    "Every figure below is read from the records in the folder observed, whose predictions were written first. [P]'s "
    "hyper-parameters are not public: protocols and sizes are ours."
)
HEAD = ("trained", "[P] prints", "beside", "best rate: mean of its seeds", "each rate: every seed")
THRESHOLDS = f"Least sizes that answer {SOLVED} or more, at the best rate"
NO_DEVIATION = "None from what was predicted, nor from what [P] prints, in the rows that were run whole."
VERDICTS = {MET: "met", NOT_MET: "not met", NOT_YET: "not decided yet"}
OPEN = "why is open"
EXPLAINED: Mapping[tuple[str, str], str] = {}
"""What is known of a deviation, by its plan and its row or prediction; any other is said to be open."""

# --- records ---------------------------------------------------------------------------------------------------------


def runs(folder: Path | None = None) -> tuple[PlanRun, ...]:
    """The plans of the records in a folder, or of those that ship. Raises ValueError, which names a file."""
    return _runs(tuple((path, path.stat().st_mtime_ns) for path in sorted((folder or FOLDER).glob("train-*.json"))))


@lru_cache(maxsize=2)
def _runs(files: tuple[tuple[Path, int], ...]) -> tuple[PlanRun, ...]:
    found = [_read(path) for path, _ in files]
    return tuple(sorted(found, key=lambda run: (*(run.plan.name != name for name in ORDER), run.plan.name)))


def _read(path: Path) -> PlanRun:
    try:
        return report.read(parsed(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as reason:
        raise ValueError(f"cannot use observed/{path.name}: {reason}") from reason


def evidence(folder: Path | None = None) -> dict[str, tuple[Evidence, ...]]:
    """Per claim, an OBSERVED piece for each prediction that it makes; SKIPPED where none of its trainings was run."""
    found: dict[str, tuple[Evidence, ...]] = {}
    for run in runs(folder):
        for claim, pieces in report.evidence(run).items():
            found[claim] = (*found.get(claim, ()), *map(_ran, pieces))
    return found


def _ran(piece: Evidence) -> Evidence:
    if piece.facts["trainings"]:
        return piece
    return replace(piece, kind=Kind.SKIPPED, summary=f"no training of the plan {piece.facts['plan']} was run yet")


# --- the chapter -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Predicted:
    """A prediction and its verdict; `meaning` says what a miss means."""

    verdict: str
    claim: str
    words: str
    count: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.claim}: {self.words} ({self.count}){f'. {self.meaning}' if self.meaning else ''}"


@dataclass(frozen=True)
class ObservedRow:
    """Trainings that differ in rate and seed alone: what [P] prints of them, what else they stand beside, ours."""

    label: str
    settings: str
    printed: str
    beside: str
    best: str
    rates: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ObservedPlan:
    """A plan as it is told. `rows` and `deviations` are empty before its first training."""

    name: str
    title: str
    words: str
    protocol: str
    digest: str
    state: str
    predicted: tuple[Predicted, ...]
    rows: tuple[ObservedRow, ...]
    thresholds: tuple[str, ...]
    deviations: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command line that makes the record again."""
        return f"python -m verify train {self.name} -o observed"


def chapter(claims: Collection[str], *, whole: bool, folder: Path | None = None) -> tuple[ObservedPlan, ...]:
    """The plans that predict something of these claims; of a `whole` report every plan. Raises ValueError."""
    return tuple(
        observed(run)
        for run in runs(folder)
        if whole or any(p.claim in claims for p in predictions.of(run.plan))
    )  # fmt: skip


def observed(run: PlanRun) -> ObservedPlan:
    """A plan with its results, told."""
    shown = tuple(row for row in run.plan.rows if any(t in run.results for t in row.trainings))
    return ObservedPlan(
        run.plan.name,
        run.plan.title,
        run.plan.words,
        _protocol(run),
        data.digest({"predictions": predictions.stated(run.plan)}),
        _state(run),
        tuple(_predicted(run, p) for p in predictions.of(run.plan)),
        tuple(told for row in shown for told in _rows(run, row)),
        tuple(line for row in shown for line in _thresholds(run, row)),
        tuple(_deviations(run)),
    )


def _state(run: PlanRun) -> str:
    number, missing = len(run.plan.trainings), len(run.missing)
    if missing == number:
        return f"None of its {number} trainings was run yet: there are predictions alone."
    if missing:
        return f"{number - missing} of its {number} trainings were run: what needs the others is not decided yet."
    return f"All of its {number} trainings were run."


def _protocol(run: PlanRun) -> str:
    """Task, optimiser, length, rates and seeds in one line."""
    trainings = run.plan.trainings
    parts = [TASKS[task] for task in dict.fromkeys(t.task for t in trainings)]
    for name in dict.fromkeys(t.protocol for t in trainings):
        those = [t for t in trainings if t.protocol == name]
        known = those[0].described
        lengths = {
            f"{t.steps or known.steps:,} steps" if t.steps or known.steps else f"{known.epochs} epochs" for t in those
        }
        batches = {str(t.batch_size or known.batch_size) for t in those}
        parts.append(f"protocol {name}: {known.words}")
        parts.append(f"at most {', '.join(sorted(lengths))}, batch {', '.join(sorted(batches))}")
    rates = ", ".join(f"{lr:g}" for lr in sorted({t.lr for t in trainings}))
    seeds = sorted({t.seed for t in trainings})
    told_seeds = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    return "; ".join([*parts, f"rates {rates}", told_seeds, f"on {run.device}"])


def _predicted(run: PlanRun, p: Prediction) -> Predicted:
    verdict = p.verdict(run.plan.trainings, run.results)
    covered = [t for t in run.plan.trainings if p.covers(t)]
    done = [run.results[t] for t in covered if t in run.results]
    count = f"{len(done)} of {len(covered)} run, {sum(map(p.holds, done))} as predicted"
    return Predicted(VERDICTS[verdict], p.claim, p.words, count, _miss(p) if verdict == NOT_MET else "")


def _miss(p: Prediction) -> str:
    if p.every:
        return "This contradicts the theorem, or the code."
    return "The network exists, and training did not find it: this contradicts nothing."


# --- its table -------------------------------------------------------------------------------------------------------


def grouped(row: PlanRow, without: Collection[str] = ()) -> dict[str, list[Training]]:
    """A row's trainings by the settings in which they differ, but for rate, seed and those named."""
    names = tuple(name for name in varied(row) if name not in without)
    groups: dict[str, list[Training]] = {}
    for t in row.trainings:
        groups.setdefault(told(t, names) if names else "", []).append(t)
    return groups


def by_rate(run: PlanRun, those: Iterable[Training]) -> dict[float, list[Trained]]:
    """What was trained of these, by learning rate."""
    found: dict[float, list[Trained]] = {}
    for t in sorted(those, key=lambda t: t.lr):
        if t in run.results:
            found.setdefault(t.lr, []).append(run.results[t])
    return found


def best(run: PlanRun, those: Iterable[Training]) -> tuple[float, list[Trained]] | None:
    """The rate whose seeds answer the largest share on average, and its results; None where nothing was run."""
    found = by_rate(run, those)
    return max(found.items(), key=lambda item: mean(r.accuracy for r in item[1]), default=None)


def _rows(run: PlanRun, row: PlanRow) -> Iterator[ObservedRow]:
    label, printed = row.label, row.printed
    for settings, those in grouped(row).items():
        rates = tuple(
            (f"{lr:g}", _seeds(run, [t for t in those if t.lr == lr])) for lr in sorted({t.lr for t in those})
        )
        yield ObservedRow(label, settings, printed, _beside(run, those), _told_best(run, those), rates)
        label = printed = ""


def _told_best(run: PlanRun, those: Sequence[Training]) -> str:
    found = best(run, those)
    if found is None:
        return "not yet run"
    lr, results = found
    exact = sum(r.exact for r in results)
    return f"{_share(mean(r.accuracy for r in results))} at {lr:g}" + (
        f", exact in {exact} of {len(results)}" if exact else ""
    )


def _seeds(run: PlanRun, those: Iterable[Training]) -> str:
    found = (run.results.get(t) for t in those)
    return " ".join("–" if r is None else "exact" if r.exact else _share(r.accuracy) for r in found)


def _share(share: float) -> str:
    """Four digits; only what is 1 is told as 1."""
    return "1" if share == 1 else f"{min(share, 0.9999):.4f}"[1:]


def _beside(run: PlanRun, those: Sequence[Training]) -> str:
    """A ceiling, a law, contradicted queries or the cosines with a construction."""
    first, done = those[0], [run.results[t] for t in those if t in run.results]
    parts = []
    if first.task == "keep":
        most = predictions.ceiling(first.n, first.input_seq_len, first.vocab_size)
        parts.append(f"time-invariant at most {float(most):.4f}")
    if first.protocol == "K" and first.task == "zoology-random":
        parts.append(f"law of Koren et al. {_share(report.law(first))}")
    if any(r.shown_another for r in done):
        asked, shown = sum(r.total for r in done), sum(r.shown_another for r in done)
        others = sum(r.right_of_others for r in done) / (asked - shown)
        parts.append(f"{shown / asked:.1%} of the queries contradicted by filler; {_share(others)} of the others")
    if cosines := [cosine for r in done for _, cosine in r.alignment]:
        parts.append(f"cosines {min(cosines):.2f} to {max(cosines):.2f}, mean {mean(cosines):.2f}")
    return "; ".join(parts)


def _thresholds(run: PlanRun, row: PlanRow) -> Iterator[str]:
    for size in ("d_model", "d_state"):
        for settings, those in grouped(row, ("d_model", "d_state")).items() if size in varied(row) else ():
            where = f"{row.label}{f', {settings}' if settings else ''}"
            if all(t in run.results for t in those):
                every, some = least(run, those, size)
                yield f"{where}: least {size} {every or 'none'} in every seed, {some or 'none'} in some seed"
            else:
                yield f"{where}: least {size} not decided yet"


def least(run: PlanRun, those: Iterable[Training], size: str) -> tuple[int | None, int | None]:
    """The least size that solves the task at its best rate: in every seed, in some seed; None where there is none."""
    groups: dict[tuple[int, tuple[object, ...]], list[bool]] = {}
    for t in those:
        others = tuple(value for name, value in t.plain.items() if name != "seed")
        groups.setdefault((getattr(t, size), others), []).append(run.results[t].accuracy >= SOLVED)
    in_every, in_some = ([value for (value, _), solved in groups.items() if of(solved)] for of in (all, any))
    return min(in_every, default=None), min(in_some, default=None)


# --- deviations ------------------------------------------------------------------------------------------------------


def printed_shares(row: PlanRow) -> tuple[float, float] | None:
    """The share of right answers that [P] prints of a row, from and to; None where it prints something else."""
    found = re.match(r"(\d?\.\d+)(?: to (\d?\.\d+))?(?: with PE|$)", row.printed)
    return (float(found[1]), float(found[2] or found[1])) if found else None


def printed_width(row: PlanRow) -> tuple[int, int] | None:
    """The least d that [P]'s plot shows of a row, from and to; None where it shows something else."""
    found = re.fullmatch(r"least d about (\d+)(?: to (\d+))?", row.printed)
    return (int(found[1]), int(found[2] or found[1])) if found else None


def _deviations(run: PlanRun) -> Iterator[str]:
    """Predictions that were missed, and rows that were run whole and differ from what [P] prints."""
    name = run.plan.name
    for p in predictions.of(run.plan):
        if p.verdict(run.plan.trainings, run.results) == NOT_MET:
            reason = EXPLAINED.get((name, p.name), OPEN)
            yield f"{p.name} ({p.claim}) is not met: {_miss(p).removesuffix('.')}; {reason}."
    for row in run.plan.rows:
        if all(t in run.results for t in row.trainings):
            reason = EXPLAINED.get((name, row.label), OPEN)
            yield from (f"{row.label}: {difference}; {reason}." for difference in _differences(run, row))


def _differences(run: PlanRun, row: PlanRow) -> Iterator[str]:
    """Where our seeds at the best rate leave what [P] prints, to the digits printed."""
    if shares := printed_shares(row):
        low, high = shares
        for settings, those in grouped(row).items():
            _, results = best(run, those) or (0, [])
            ours = [round(r.accuracy, 2) for r in results]
            if ("with PE" not in row.printed or those[0].pe) and not (min(ours) <= high and low <= max(ours)):
                way = "more" if min(ours) > high else "less"
                of = f" ({settings})" if settings else ""
                yield f"ours{of} is {min(ours):.2f} to {max(ours):.2f}, {way} than [P]'s {row.printed}"
    elif width := printed_width(row):
        tried = sorted({t.d_model for t in row.trainings})
        every, _ = least(run, row.trainings, "d_model")
        fits = [d for d in tried if d >= width[0]]
        if every is None:
            yield f"no d up to {tried[-1]} solves it in every seed, where [P] has {row.printed}"
        elif fits and every != fits[0]:
            way = "less" if every < fits[0] else "more"
            yield f"the least d tried that solves it in every seed is {every}, {way} than [P]'s {row.printed}"
    elif row.printed.startswith("Δ^⊤ at least as good"):
        yield from _worse(run, row)


def _worse(run: PlanRun, row: PlanRow) -> Iterator[str]:
    """Sizes at which Mamba answers more than Mamba-Δ^⊤, each at its best rate."""
    for size, those in grouped(row, ("mixer",)).items():
        found = {}
        for mixer in ("mamba-delta-t", "mamba"):
            _, results = best(run, [t for t in those if t.mixer == mixer]) or (0, [])
            found[mixer] = mean(r.accuracy for r in results)
        if found["mamba-delta-t"] < found["mamba"]:
            shares = f"{_share(found['mamba'])}, Mamba-Δ^⊤ {_share(found['mamba-delta-t'])}"
            yield f"at {size} Mamba answers {shares}, where [P] has {row.printed}"


# --- text ------------------------------------------------------------------------------------------------------------


def terminal(plans: Iterable[ObservedPlan]) -> Iterator[tuple[str, str]]:
    """Plans, predictions and deviations as pairs for two columns."""
    for plan in plans:
        yield plan.name, f"{plan.title}. {plan.state}"
        yield from ((f"  {p.verdict}", str(p)) for p in plan.predicted)
        yield from (("  deviates", text) for text in plan.deviations)
