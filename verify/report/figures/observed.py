"""What training finds: every training a point, beside what the theorems say and [P] prints; from the shipped records.

A point's shape is its learning rate. Only plans with results are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from mamba_theorems.verify.experiments import predictions, report
from mamba_theorems.verify.experiments.campaign import PlanRun
from mamba_theorems.verify.experiments.plan import PlanRow, varied
from mamba_theorems.verify.experiments.settings import Training
from mamba_theorems.verify.experiments.training import Trained
from mamba_theorems.verify.report import observed
from mamba_theorems.verify.report.figures import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SHAPES = "os^Dvp"
"""A shape a learning rate."""
SPREAD, APART = 0.3, 0.04
"""The points of one place are spread over so much to either side at most, or stand so far apart, to be told apart."""
LARGEST = 512
"""Sizes up to which a prediction is asked for its threshold."""
MARK: dict[str, Any] = {"markersize": 4, "markerfacecolor": "none", "linestyle": "none", "markeredgewidth": 0.8}
LIMITS = (-0.04, 1.06)

Value = Callable[[Trained], float]


@dataclass(frozen=True)
class Place:
    """Trainings that stand at one place of an axis, and its label."""

    label: str
    trainings: tuple[Training, ...]


def share(result: Trained) -> float:
    """The share of right answers."""
    return result.accuracy


def least_cosine(result: Trained) -> float:
    """The least cosine between a weight matrix and the construction's."""
    return min(cosine for _, cosine in result.alignment)


def new_grid(rows: int, columns: int, height: float, **options: Any) -> tuple[Canvas, Any]:
    """A canvas and its axes, (rows, columns), of the width of a page."""
    from matplotlib.figure import Figure as MatplotlibFigure  # noqa: PLC0415

    canvas = MatplotlibFigure(figsize=(5.6, height))
    return canvas, canvas.subplots(rows, columns, squeeze=False, **options)


def places(run: PlanRun, rows: Iterable[PlanRow]) -> list[Place]:
    """A place for each group of trainings that differ in rate and seed alone, of those that were run."""
    found = []
    for row in rows:
        for settings, those in observed.grouped(row).items():
            if any(t in run.results for t in those):
                label = row.label.replace("^⊤", "ᵀ")
                found.append(Place(f"{label}\n{settings}" if settings else label, tuple(those)))
    return found


def points(run: PlanRun, axes: Any, at: float, those: Sequence[Training], value: Value, *, across: bool) -> None:
    """Every training of one place as a point: `across` the y axis (places below each other), or above the x axis."""
    rates = sorted({t.lr for t in run.plan.trainings})
    done = [t for t in those if t in run.results]
    side = min(SPREAD, APART * (len(done) - 1))
    spread = np.linspace(-side, side, len(done))
    for t, shift in zip(sorted(done, key=lambda t: (t.lr, t.seed)), spread, strict=True):
        x, y = (value(run.results[t]), at + shift) if across else (at + shift, value(run.results[t]))
        solid = {"markerfacecolor": "#000000"} if value is share and run.results[t].exact else {}
        axes.plot(x, y, SHAPES[rates.index(t.lr) % len(SHAPES)], color="#000000", **MARK | solid)


def below(run: PlanRun, canvas: Canvas, *others: Any) -> None:
    """A legend under the drawing: the shapes of the rates, a solid point, and other marks."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    marks = [
        Line2D([], [], color="#000000", marker=SHAPES[i % len(SHAPES)], label=f"rate {lr:g}", **MARK)
        for i, lr in enumerate(sorted({t.lr for t in run.plan.trainings}))
    ]
    if any(r.exact for r in run.results.values()):
        marks.append(
            Line2D([], [], color="#000000", marker="o", label="exact", **MARK | {"markerfacecolor": "#000000"})
        )
    canvas.legend(handles=[*marks, *others], loc="outside lower center", ncols=3)


def listed(run: PlanRun, found: Sequence[Place], *values: tuple[str, Value]) -> tuple[Canvas, Any]:
    """Places below each other, a panel a value, every training a point."""
    canvas, grid = new_grid(1, len(values), 1.2 + 0.42 * len(found), sharey=True)
    for axes, (label, value) in zip(grid[0], values, strict=True):
        for at, place in enumerate(found):
            points(run, axes, at, place.trainings, value, across=True)
        axes.set(xlabel=label, ylim=(len(found) - 0.5, -0.5))
        axes.set_yticks(range(len(found)), labels=[place.label for place in found])
        axes.grid(axis="y", visible=False)
        for at in range(1, len(found)):
            axes.axhline(at - 0.5, color="#dddddd", linewidth=0.5, linestyle="-")
    return canvas, grid[0]


# --- the figures -----------------------------------------------------------------------------------------------------


def keep(run: PlanRun) -> Canvas:
    """Table 1: shares by row, with what [P] prints and the ceiling of time-invariant mixers."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    found = places(run, run.plan.rows)
    canvas, (axes,) = listed(run, found, ("share of right answers", share))
    row_of = {t: row for row in run.plan.rows for t in row.trainings}
    for at, place in enumerate(found):
        first = place.trainings[0]
        ceiling = float(predictions.ceiling(first.n, first.input_seq_len, first.vocab_size))
        axes.plot([ceiling] * 2, [at - 0.5, at + 0.5], color="#000000", linestyle="--")
        printed = observed.printed_shares(row_of[first])
        if printed and ("with PE" not in row_of[first].printed or first.pe):
            axes.plot(printed, [at] * 2, "|-", color="#777777", markersize=16, markeredgewidth=2.5, zorder=1)
    axes.set(xlim=LIMITS)
    below(
        run,
        canvas,
        Line2D([], [], color="#777777", marker="|", markersize=12, markeredgewidth=2.5, linestyle="none", label="[P]"),
        Line2D([], [], color="#000000", linestyle="--", label="time-invariant at most"),
    )
    return canvas


def of_size(training: Training, size: str, value: int) -> Training:
    """The training with another d or N."""
    return replace(training, d_model=value) if size == "d_model" else replace(training, d_state=value)


def threshold(run: PlanRun, training: Training, size: str) -> int | None:
    """The least size at which a construction's prediction covers a training; None where none does."""
    existing = [p for p in predictions.of(run.plan) if not p.every]
    sizes = range(1, LARGEST + 1)
    return next((s for s in sizes if any(p.covers(of_size(training, size, s)) for p in existing)), None)


def sweeps(run: PlanRun, size: str) -> Canvas:
    """Recall over one size: a panel a row, the best rate joined, the theorem's threshold and [P]'s least d."""
    from matplotlib.lines import Line2D  # noqa: PLC0415
    from matplotlib.patches import Patch  # noqa: PLC0415

    rows = swept(run, size)
    columns = 2 if len(rows) > 1 else 1
    canvas, grid = new_grid(-(-len(rows) // columns), columns, 1.0 + 1.7 * -(-len(rows) // columns), sharey=True)
    for axes in grid.flat[len(rows) :]:
        axes.set_visible(False)
    for axes, row in zip(grid.flat, rows, strict=False):
        sweep(run, axes, row.trainings, size)
        axes.set(title=row.label.partition(":")[0], ylim=LIMITS)
        sizes = sorted({getattr(t, size) for t in row.trainings})
        if (needed := threshold(run, max(row.trainings, key=lambda t: getattr(t, size)), size)) is not None:
            axes.axvline(place_of(needed, sizes), color="#000000", linestyle=":")
        if (width := observed.printed_width(row)) and size == "d_model":
            low, high = (place_of(d, sizes) for d in width)
            axes.axvspan(low - 0.06, high + 0.06, color="#cccccc", zorder=0)
    for axes in grid[:, 0]:
        axes.set(ylabel="share of right answers")
    others: list[Any] = [
        Line2D([], [], color="#000000", linestyle="-", label="best rate"),
        Line2D([], [], color="#000000", linestyle=":", label="a construction exists from here"),
    ]
    if size == "d_model":
        others.append(Patch(color="#cccccc", label="least d in [P]'s plot"))
    below(run, canvas, *others)
    return canvas


def swept(run: PlanRun, size: str) -> list[PlanRow]:
    """The rows that sweep this size and have results."""
    return [row for row in run.plan.rows if size in varied(row) and any(t in run.results for t in row.trainings)]


def place_of(size: float, sizes: Sequence[int]) -> float:
    """Where a size stands among those of an axis, which are one apart each; at its edge where it is beyond them."""
    if len(sizes) < 2:
        return 0.45 * (float(size > sizes[0]) - float(size < sizes[0]))
    inner = float(np.interp(np.log(size), np.log(sizes), np.arange(len(sizes))))
    return inner - 0.45 if size < sizes[0] else inner + 0.45 if size > sizes[-1] else inner


def sweep(
    run: PlanRun, axes: Any, those: Sequence[Training], size: str, *, shift: float = 0.0, line: Any = "-"
) -> None:
    """Every training over a size, and the mean of the best rate's seeds joined."""
    sizes = sorted({getattr(t, size) for t in those})
    joined = []
    for at, value in enumerate(sizes):
        here = [t for t in those if getattr(t, size) == value]
        points(run, axes, at + shift, here, share, across=False)
        if (found := observed.best(run, here)) is not None:
            joined.append((at + shift, mean(r.accuracy for r in found[1])))
    axes.plot(*zip(*joined, strict=True), color="#000000", linestyle=line, marker="", zorder=1)
    axes.set_xticks(range(len(sizes)), labels=list(map(str, sizes)))
    axes.set(xlim=(-0.6, len(sizes) - 0.4), xlabel={"d_model": "d", "d_state": "N"}[size])


def states(run: PlanRun) -> Canvas:
    """Shares on every assignment over N: a panel for each mixer, gate and kind of values, with N = κ marked."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    kinds: dict[tuple[Any, ...], list[Training]] = {}
    for t in run.plan.trainings:
        if t in run.results:
            kinds.setdefault((t.distinct_values, t.gate, t.mixer), []).append(t)
    columns = min(2, len(kinds))
    rows = -(-len(kinds) // columns)
    canvas, grid = new_grid(rows, columns, 1.0 + 1.7 * rows, sharey=True)
    for axes in grid.flat[len(kinds) :]:
        axes.set_visible(False)
    for axes, ((distinct, gate, mixer), those) in zip(grid.flat, kinds.items(), strict=False):
        sweep(run, axes, those, "d_state")
        values, gated = "distinct" if distinct else "with replacement", "a gate" if gate else "no gate"
        axes.set(title=f"{mixer}, {gated},\nvalues {values}", ylim=LIMITS)
        axes.axvline(
            place_of(those[0].num_kv_pairs, sorted({t.d_state for t in those})), color="#000000", linestyle=":"
        )
    for axes in grid[:, 0]:
        axes.set(ylabel="share of right answers")
    joined, pairs = (Line2D([], [], color="#000000", linestyle=s) for s in ("-", ":"))
    joined.set_label("best rate")
    pairs.set_label("N = κ")
    below(run, canvas, joined, pairs)
    return canvas


def construction(run: PlanRun) -> Canvas:
    """What training keeps of the exact weights: the answers, and the least cosine of a matrix with its own."""
    found = places(run, run.plan.rows)
    values = (("share of right answers", share), ("least cosine with the construction", least_cosine))
    canvas, _ = listed(run, found, *values)
    below(run, canvas)
    return canvas


def induction(run: PlanRun) -> Canvas:
    """Induction heads: shares by mixer and size."""
    canvas, (axes,) = listed(run, places(run, run.plan.rows), ("share of right answers", share))
    axes.set(xlim=LIMITS)
    below(run, canvas)
    return canvas


def koren(run: PlanRun) -> Canvas:
    """Protocol K: shares over N, and the law as a curve."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    canvas, grid = new_grid(1, 1, 3.2)
    those = run.plan.trainings
    sweep(run, grid[0, 0], those, "d_state")
    sizes = sorted({t.d_state for t in those})
    curve = range(sizes[0], sizes[-1] + 1)
    law = [report.law(replace(those[0], d_state=n)) for n in curve]
    grid[0, 0].plot([place_of(n, sizes) for n in curve], law, color="#777777", linestyle="--")
    grid[0, 0].set(ylim=LIMITS, ylabel="share of right answers")
    others = [
        Line2D([], [], color="#000000", linestyle="-", label="mean"),
        Line2D([], [], color="#777777", linestyle="--", label="law of Koren et al., a = 5/8"),
    ]
    below(run, canvas, *others)
    return canvas


EVERY = "Every training is a point, by rate; those that answer everything are solid."
JOINED = f"{EVERY} The line joins the mean of the best rate's seeds; a threshold beyond the sizes tried is at the edge."


@dataclass(frozen=True)
class Drawing:
    """A figure of a plan, before its record is known; `ready` says whether a run has what it shows."""

    name: str
    plan: str
    title: str
    words: str
    draw: Callable[[PlanRun], Canvas]
    ready: Callable[[PlanRun], bool] = lambda run: bool(run.results)


DRAWINGS = (
    Drawing("observed-table1", "table1", "KEEP FIFTH after training, beside Table 1",
            f"{EVERY} Bars are [P]'s numbers, dashes the most that a time-invariant mixer reaches.", keep),
    Drawing("observed-mqar-width", "mqar", "recall after training, over the width",
            f"{JOINED} Dots stand where a construction exists, grey is the least width in [P]'s plot.",
            partial(sweeps, size="d_model"), lambda run: bool(swept(run, "d_model"))),
    Drawing("observed-mqar-state", "mqar", "recall after training, over the state",
            f"{JOINED} Dots stand where a construction exists.",
            partial(sweeps, size="d_state"), lambda run: bool(swept(run, "d_state"))),
    Drawing("observed-states", "states", "recall of every assignment after training, over the state",
            f"{JOINED} Dots stand at N = κ.", states),
    Drawing("observed-induction", "induction", "induction heads after training", EVERY, induction),
    Drawing("observed-construction", "construction", "what training keeps of a construction", EVERY, construction),
    Drawing("observed-koren", "koren", "recall under protocol K, beside its law", JOINED, koren),
)  # fmt: skip
BESIDE = "mqar.value-code"
"""The claim beside which a plan stands that no prediction covers: recall with N ≥ κ."""


def of(run: PlanRun) -> tuple[Figure, ...]:
    """The figures of a run that it has results for."""
    claims = tuple(dict.fromkeys(p.claim for p in predictions.of(run.plan))) or (BESIDE,)
    done = f"{len(run.results)} of {len(run.plan.trainings)} trainings"
    return tuple(
        Figure(d.name, d.title, f"{run.plan.title} ({done}). {d.words}", claims, partial(d.draw, run))
        for d in DRAWINGS
        if d.plan == run.plan.name and d.ready(run)
    )


FIGURES = tuple(figure for run in observed.runs() for figure in of(run))
