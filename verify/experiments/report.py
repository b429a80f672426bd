"""A plan's record, and what it says as text.

JSON has a `canonical` part (plan, predictions, results, verdicts: the same for any number of workers, killed or not,
wherever floats are rounded alike) and a `volatile` one (time, workers, versions). The predictions have a digest of
their own, which no result changes: it is the same before the runs and after.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import log, pi, sqrt
from statistics import NormalDist
from typing import Any

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify import record as data
from mamba_theorems.verify.evidence import Evidence
from mamba_theorems.verify.experiments import predictions, training
from mamba_theorems.verify.experiments.campaign import PlanRun, made_by
from mamba_theorems.verify.experiments.plan import Plan, PlanRow, told, varied
from mamba_theorems.verify.experiments.settings import Training
from mamba_theorems.verify.experiments.training import Trained
from mamba_theorems.verify.version import __version__

# --- JSON ------------------------------------------------------------------------------------------------------------


def file_name(plan: Plan) -> str:
    """The record's file."""
    return f"train-{plan.name}.json"


def document(run: PlanRun) -> dict[str, Any]:
    """Both parts, the digest of the canonical one, and that of the predictions."""
    part = canonical(run)
    return {
        "canonical": part,
        "digest": data.digest(part),
        "predictions_digest": data.digest({"predictions": part["predictions"]}),
        "volatile": _volatile(run),
    }


def dumps(run: PlanRun) -> str:
    """The document as text."""
    return json.dumps(document(run), indent=1, ensure_ascii=False) + "\n"


def canonical(run: PlanRun) -> dict[str, Any]:
    """The part that workers and their order do not change."""
    plan, protocols = run.plan, sorted({t.protocol for t in run.plan.trainings})
    known = {t.protocol: t.described for t in plan.trainings}
    return {
        "version": __version__,
        "made_by": made_by(run.device),
        "device": run.device,
        "plan": {
            "name": plan.name,
            "title": plan.title,
            "words": plan.words,
            "rows": [
                {"label": row.label, "printed": row.printed, "trainings": [t.plain for t in row.trainings]}
                for row in plan.rows
            ],
        },
        "protocols": {name: asdict(known[name]) for name in protocols},
        "predictions": predictions.stated(plan),
        "verdicts": predictions.verdicts(plan, run.results),
        "results": [_steady(run.results[t]) for t in plan.trainings if t in run.results],
    }


def _steady(result: Trained) -> dict[str, Any]:
    return {name: value for name, value in training.plain(result).items() if name not in training.VOLATILE}


def _volatile(run: PlanRun) -> dict[str, Any]:
    done = [run.results[t] for t in run.plan.trainings if t in run.results]
    return {
        "seconds": round(run.seconds, 2),
        "processor_seconds": round(sum(r.processor_seconds for r in done), 2),
        "workers": run.workers,
        "interrupted": run.interrupted,
        "seconds_by_training": [[round(r.seconds, 2), round(r.processor_seconds, 2)] for r in done],
        "python": platform.python_version(),
        "machine": platform.machine(),
        "versions": data.versions(),
    }


def read(found: Any) -> PlanRun:
    """The run that `document` wrote. Raises ValueError, in one sentence."""
    try:
        part, extra = found["canonical"], found["volatile"]
        if part["version"] != __version__:
            raise ValueError(f"it was written by version {part['version']}, and this is {__version__}: make it again")
        if data.digest(part) != found["digest"]:
            raise ValueError("its digest does not fit its canonical part: it was edited by hand")
        run = PlanRun(_read_plan(part["plan"]), part["device"], seconds=extra["seconds"], workers=extra["workers"])
        for result, times in zip(part["results"], extra["seconds_by_training"], strict=True):
            one = training.read(result | dict(zip(training.VOLATILE, times, strict=True)))
            run.results[one.training] = one
        if predictions.stated(run.plan) != part["predictions"]:
            raise ValueError("its predictions are not those of this version: make it again")
        if predictions.verdicts(run.plan, run.results) != part["verdicts"]:
            raise ValueError("its verdicts do not follow from its results: it was edited by hand")
        return run
    except (KeyError, TypeError) as reason:
        raise ValueError(f"it is no record of `train` ({type(reason).__name__}: {reason})") from reason


def _read_plan(part: Mapping[str, Any]) -> Plan:
    rows = tuple(
        PlanRow(row["label"], tuple(Training(**t) for t in row["trainings"]), row["printed"]) for row in part["rows"]
    )
    return Plan(part["name"], part["title"], part["words"], rows)


def evidence(run: PlanRun) -> dict[str, tuple[Evidence, ...]]:
    """Per claim, an OBSERVED piece for each prediction that it makes; it raises no outcome."""
    found: dict[str, list[Evidence]] = {}
    for p in predictions.of(run.plan):
        verdict = p.verdict(run.plan.trainings, run.results)
        covered = sum(map(p.covers, run.results))
        miss = False if p.every else None  # a network that exists and was not found contradicts nothing
        holds = {predictions.MET: True, predictions.NOT_MET: miss}.get(verdict)
        facts: dict[str, str | int] = {"plan": run.plan.name, "trainings": covered}
        piece = Evidence(Kind.OBSERVED, f"train: {p.name}", holds, f"{p.words}: {verdict}", facts)
        found.setdefault(p.claim, []).append(piece)
    return {claim: tuple(pieces) for claim, pieces in found.items()}


# --- text ------------------------------------------------------------------------------------------------------------


def lines(run: PlanRun) -> Iterator[str]:
    """Title, predictions with what became of each, and every row: each rate, and every seed as a figure."""
    yield run.plan.title
    if run.plan.words:
        yield f"  {run.plan.words}"
    verdicts = predictions.verdicts(run.plan, run.results)
    for p in predictions.of(run.plan):
        covered = [run.results[t] for t in run.plan.trainings if p.covers(t) and t in run.results]
        number = sum(map(p.covers, run.plan.trainings))
        count = f"{len(covered)} of {number} run, {sum(map(p.holds, covered))} as predicted"
        yield f"  {verdicts[p.name].upper()}: {p.claim}: {p.words} ({count})"
    for row in run.plan.rows:
        yield from _row(run, row)
    missing = len(run.missing)
    if missing:
        yield f"{missing} of {len(run.plan.trainings)} trainings are not yet run"


def _row(run: PlanRun, row: PlanRow) -> Iterator[str]:
    printed = f"  ([P] prints {row.printed})" if row.printed else ""
    yield f"{row.label}{printed}"
    names = varied(row)
    for settings, those in _grouped(row, names).items():
        yield from _group(run, settings, those)
    yield from _thresholds(run, row, names)


def _grouped(row: PlanRow, names: tuple[str, ...]) -> dict[str, list[Training]]:
    groups: dict[str, list[Training]] = {}
    for t in row.trainings:
        groups.setdefault(told(t, names) if names else "", []).append(t)
    return groups


def _group(run: PlanRun, settings: str, those: Sequence[Training]) -> Iterator[str]:
    if settings:
        yield f"  {settings}"
    first = those[0]
    if first.task == "keep":
        most = predictions.ceiling(first.n, first.input_seq_len, first.vocab_size)
        yield f"    time-invariant at most {float(most):.4f}"
    if first.protocol == "K" and first.task == "zoology-random":
        yield f"    law of Koren et al., a = 5/8: {law(first):.3f}"
    for lr, seeds in _by_rate(those).items():
        yield f"    lr {lr:<8g}" + " ".join(_figure(run.results.get(t)) for t in seeds)


def _by_rate(those: Iterable[Training]) -> dict[float, list[Training]]:
    found: dict[float, list[Training]] = {}
    for t in those:
        found.setdefault(t.lr, []).append(t)
    return dict(sorted(found.items()))


def _figure(result: Trained | None) -> str:
    if result is None:
        return "  -  "
    return "exact" if result.exact else f"{min(result.accuracy, 0.9999):.4f}"[1:]


def _thresholds(run: PlanRun, row: PlanRow, names: tuple[str, ...]) -> Iterator[str]:
    """The least width and state that solve the task, whatever the rate: in every seed, in some seed."""
    for size in ("d_model", "d_state"):
        if size not in names:
            continue
        others = tuple(name for name in names if name not in ("d_model", "d_state"))
        for settings, those in _grouped(row, others).items():
            found = _least(run, those, size) if all(t in run.results for t in those) else predictions.NOT_YET
            yield f"  least {size}{f' at {settings}' if settings else ''}: {found}"


def _least(run: PlanRun, those: Iterable[Training], size: str) -> str:
    groups: dict[tuple[Any, ...], list[Training]] = {}
    for t in those:
        groups.setdefault((getattr(t, size), *(v for k, v in t.plain.items() if k != "seed")), []).append(t)
    every, some = [], []
    for key, seeds in groups.items():
        solved = [run.results[t].accuracy >= predictions.SOLVED for t in seeds]
        every += [key[0]] if all(solved) else []
        some += [key[0]] if any(solved) else []
    in_every, in_some = (min(found, default="none") for found in (every, some))
    return f"{in_every} (every seed), {in_some} (some seed), {predictions.SOLVED} at the best rate"


def law(t: Training, a: float = 5 / 8) -> float:
    """Φ(1/σ − m_V), σ² = a n/(N D) + 1/D: the share of right answers that Koren et al. (2026) fit; D = d_model."""
    square = a * t.num_kv_pairs / (t.d_state * t.d_model) + 1 / t.d_model
    leading = sqrt(2 * log(t.vocab_size))
    largest = leading - (log(log(t.vocab_size)) + log(4 * pi)) / (2 * leading)
    return NormalDist().cdf(1 / sqrt(square) - largest)
