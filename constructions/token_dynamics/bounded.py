"""Solutions of the token system with a bound on their error: Chebyshev collocation, its defect, and how errors spread.

On each cell of a clock the solution is a polynomial p; its defect p' − f(p) is measured, and what it can have done by
the end follows from the derivative of the flow: Grönwall within a cell, products of the cells' flows beyond. Thousands
of systems advance together. Source: Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, section I.10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.polynomial import chebyshev

from mamba_theorems.constructions.token_dynamics.linearised import jacobian, jacobian_terms, velocity_terms
from mamba_theorems.constructions.token_dynamics.system import TokenSystem
from mamba_theorems.kernels.bounds.running_error import ELEMENTARY_ULPS, Rounding
from mamba_theorems.kernels.fields import FLOAT64

DEGREE = 14


def _points(count: int) -> np.ndarray:
    """count + 1 Chebyshev points of [0, 1], ends included."""
    return (1 - np.cos(np.pi * np.arange(count + 1) / count)) / 2


NODES, SAMPLES = _points(DEGREE), _points(2 * DEGREE)
BETWEEN = np.sqrt(2)
"""A polynomial of degree M/2 is nowhere above sec(π/4) times its largest value at M + 1 Chebyshev points (Ehlich &
Zeller 1964): what a function that DEGREE resolves can reach between SAMPLES."""
FIRST_CELL, LEAST_CELL, WIDEST_CELLS, ROUNDS = 2.0**-4, 2.0**-16, (0.5, 0.125, 0.03, 0.008), 40
WIDER, GUESSED, TOGETHER = 1.25, 6, 100
WANTED, SETTLED, BLUR = 2.0**-36, 2.0**-26, 2.0**-10  # where the iterations stop; what they leave is in the bound
UNIT = Rounding.of(torch.float64).unit
TIME_ROUNDING = (2 * ELEMENTARY_ULPS + 2) * UNIT  # of SolutionClock.time, relative


@dataclass(frozen=True)
class SolutionClock:
    """t = scale·(e^s − 1) for solutions that go on for ever, t = scale·(1 − e^{−s}) for those that end; scale (n)."""

    scale: np.ndarray
    ends: bool = False

    def only(self, which: np.ndarray) -> SolutionClock:
        """Some systems' clock."""
        return SolutionClock(self.scale[which], self.ends)

    def time(self, s: float) -> np.ndarray:
        """t at s, (n)."""
        return -self.scale * np.expm1(-s) if self.ends else self.scale * np.expm1(s)

    def pace(self, s: np.ndarray) -> np.ndarray:
        """dt/ds at the moments s, (len(s), n)."""
        return np.exp(-s if self.ends else s)[:, None] * self.scale


@dataclass(frozen=True)
class Path:
    """Solutions at the marks of a clock: `time` (marks, n), `tokens` and `error` (marks, n, L, D).

    |tokens − truth| ≤ error in every coordinate; it is infinite where that is not shown, and tokens are NaN where they
    could not be followed. `least` and `most` (marks, n, L): Δ_l's range since the mark before.
    """

    time: np.ndarray
    tokens: np.ndarray
    error: np.ndarray
    least: np.ndarray
    most: np.ndarray

    @property
    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds below and above on |x_l|, (marks, n, L)."""
        size, error = (np.linalg.norm(part, axis=-1) for part in (self.tokens, self.error))
        room = error + (self.tokens.shape[-1] + 4) * UNIT * (size + error)
        return np.maximum(size - room, 0), size + room

    def only(self, which: np.ndarray) -> Path:
        """Some of the solutions."""
        parts = (self.time, self.tokens, self.error, self.least, self.most)
        return Path(*(part[:, which] for part in parts))

    @property
    def decided(self) -> np.ndarray:
        """Which solutions have a bound at every mark, (n) bool."""
        return np.asarray(self.last == len(self.time) - 1)

    @property
    def last(self) -> np.ndarray:
        """The last mark up to which each solution's error is bounded, (n); −1 if none."""
        return np.isfinite(self.error).all((-2, -1)).sum(0) - 1


def follow(system: TokenSystem, start: np.ndarray, clock: SolutionClock, marks: np.ndarray) -> Path:
    """Follow tokens from `start` (n, L, D), n systems together, to the clock times `marks`, increasing and > 0.

    Systems whose error is not bounded are followed again in narrower cells.
    """
    n, tokens, _ = start.shape
    values, errors = np.full((len(marks), *start.shape), np.nan), np.full((len(marks), *start.shape), np.inf)
    least, most = np.full((len(marks), n, tokens), np.nan), np.full((len(marks), n, tokens), np.nan)
    left = np.arange(n)
    for widest in WIDEST_CELLS:
        for chunk in np.array_split(left, -(-len(left) // TOGETHER)):
            cells = list(_cells(system.only(chunk), start[chunk], clock.only(chunk), marks, widest))
            for mark, group, error in _by_mark(cells, marks):
                values[mark, chunk], errors[mark, chunk] = group[-1].value, error.reshape(start[chunk].shape)
                low, high = zip(*(_range(cell.steps) for cell in group), strict=True)
                least[mark, chunk], most[mark, chunk] = np.min(low, axis=0), np.max(high, axis=0)
        left = left[~np.isfinite(errors[-1, left]).all((-2, -1))]
        if not len(left) or np.isnan(values[-1]).any():
            break
    return Path(np.array([clock.time(s) for s in marks]), values, errors, least, most)


def _by_mark(cells: list[SolvedCell], marks: np.ndarray) -> Iterator[tuple[int, list[SolvedCell], np.ndarray]]:
    """For each mark that was reached: its place, the cells that lead to it, and the error there."""
    errors, begin = spread([cell.local for cell in cells]), 0
    for place, mark in enumerate(marks):
        ends = [i for i, cell in enumerate(cells) if cell.end == mark]
        if not ends:
            return
        yield place, cells[begin : ends[0] + 1], errors[ends[0]]
        begin = ends[0] + 1


def _range(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on Δ over a cell, below and above, from its samples: how far ln Δ can go between them."""
    low, high = steps.min(0), steps.max(0)
    with np.errstate(all="ignore"):
        beyond = np.where(low > 0, (high / low) ** ((BETWEEN - 1) / 2), np.inf)
        return low / beyond, high * beyond


# ------------------------------------------------------------------------------------------------------- cells


@dataclass(frozen=True)
class Local:
    """A cell's part in the error, in units of `scale` (n, L·D), each token's largest coordinate in the cell.

    `loss` (n): the defect's integral, rounding included; `ending` (n): the rounding of the end value; `flow`
    (n, L·D, L·D) carries an error through the cell, itself wrong by up to `blurred` (n); `carried` and `growth` (n): by
    how much an error can grow from the start, and between any two moments; `terms` (n): the integral of the
    derivative's norm, term by term; `bend` (n): see `_bend`.
    """

    scale: np.ndarray
    loss: np.ndarray
    ending: np.ndarray
    flow: np.ndarray
    blurred: np.ndarray
    carried: np.ndarray
    growth: np.ndarray
    terms: np.ndarray
    bend: np.ndarray


@dataclass(frozen=True)
class SolvedCell:
    """A cell's end and the solution there, its part in the error, and the steps Δ_l at its samples."""

    end: float
    value: np.ndarray
    local: Local
    steps: np.ndarray


def _cells(
    system: TokenSystem, start: np.ndarray, clock: SolutionClock, marks: np.ndarray, widest: float
) -> Iterator[SolvedCell]:
    """Cells as wide as the wanted defect allows, one ending at each mark; no more once even the least is too wide."""
    at, wanted, last = 0.0, FIRST_CELL, None
    while at < marks[-1] and wanted >= LEAST_CELL:
        mark = float(marks[np.searchsorted(marks, at, side="right")])
        width = min(wanted, widest, mark - at)
        with np.errstate(all="ignore"):
            slopes = _collocate(system, start, clock, at, width, None if last is None else _continued(*last, width))
        if slopes is None:
            wanted, last = width / 2, None
            continue
        piece = CellPolynomial(system, clock, start, at, width, slopes)
        at = mark if width == mark - at else at + width
        start, last, wanted = piece.value(np.ones(1))[0], (slopes, width), max(wanted, WIDER * width)
        with np.errstate(all="ignore"):
            yield SolvedCell(at, start, _local(piece), piece.steps)


def _continued(slopes: np.ndarray, before: float, width: float) -> np.ndarray:
    """A cell's slopes continued into the next one, of another width: where its iteration starts."""
    return _apply(COEFFICIENTS, _evaluate(slopes[:GUESSED], 1 + width / before * NODES))


def _collocate(
    system: TokenSystem, start: np.ndarray, clock: SolutionClock, at: float, width: float, guess: np.ndarray | None
) -> np.ndarray | None:
    """Chebyshev coefficients of dx/ds over a cell, by Picard's iteration; None where they do not settle or decay."""
    pace = clock.pace(at + width * NODES)[..., None, None]
    x = start + (0 if guess is None else width * _apply(INTEGRAL, guess)) * np.ones((len(NODES), 1, 1, 1))
    slopes, change = np.empty(0), np.inf
    for _ in range(ROUNDS):
        slopes = _apply(COEFFICIENTS, pace * system.velocity(x))
        following = start + width * _apply(INTEGRAL, slopes)
        change = float(np.max(np.abs(following - x).max((0, -1)) / np.abs(following).max((0, -1))))
        if not change < np.inf:
            return None
        if change <= WANTED:
            break
        x = following
    tail = np.abs(slopes[-2:]).max((0, -1)) / np.abs(start).max(-1)
    return slopes if change <= SETTLED and np.max(tail) <= max(WANTED, change) else None


@dataclass(frozen=True)
class CellPolynomial:
    """The polynomial of one cell: start + width·∫slopes over local time [0, 1]."""

    system: TokenSystem
    clock: SolutionClock
    start: np.ndarray
    at: float
    width: float
    slopes: np.ndarray

    def value(self, points: np.ndarray) -> np.ndarray:
        """Tokens at local times, (points, n, L, D)."""
        return self.start + self.width * _evaluate(_antiderivative(self.slopes), points)

    def pace(self, points: np.ndarray) -> np.ndarray:
        """dt/ds there, (points, n, 1, 1)."""
        return self.clock.pace(self.at + self.width * points)[..., None, None]

    @cached_property
    def samples(self) -> np.ndarray:
        """Tokens at the sample points."""
        return self.value(SAMPLES)

    @cached_property
    def steps(self) -> np.ndarray:
        """Δ_l at the sample points, (samples, n, L)."""
        return self.system.steps(FLOAT64, self.samples)

    @cached_property
    def scale(self) -> np.ndarray:
        """A token's largest coordinate, at every one of its coordinates: (n, L, D)."""
        return np.abs(self.samples).max((0, -1))[..., None] * np.ones_like(self.start)


# ------------------------------------------------------------------------------------- a cell's part in the error


def _local(piece: CellPolynomial) -> Local:
    """Defect, rounding, and the derivative of the flow over one cell, all in units of `scale`."""
    steep = piece.width * piece.pace(NODES) * _scaled(jacobian, piece)
    terms = BETWEEN * piece.width * _norm(piece.pace(NODES) * _scaled(_terms(piece), piece)).max(0)
    ending = (len(NODES) + 4) * UNIT * (1 + piece.width * _largest(np.abs(piece.slopes).sum(0), piece))
    loss = piece.width * _largest(_defect(piece), piece) + terms * ending
    flat = piece.scale.reshape(len(piece.start), -1)
    return Local(flat, loss, ending, *_flow(steep), terms, _bend(piece))


def _largest(values: np.ndarray, piece: CellPolynomial) -> np.ndarray:
    """The norm in units of `scale`, (n)."""
    return (values / piece.scale).max((-2, -1))


def _norm(matrices: np.ndarray) -> np.ndarray:
    return np.abs(matrices).sum(-1).max(-1)


def _defect(piece: CellPolynomial) -> np.ndarray:
    """sup |p' − f(p)| and the rounding of both, (n, L, D)."""
    speed = piece.pace(SAMPLES) * piece.system.velocity(piece.samples)
    measured = BETWEEN * np.abs(_evaluate(piece.slopes, SAMPLES) - speed).max(0)
    terms = piece.pace(SAMPLES) * velocity_terms(piece.system, piece.samples)
    summed = (len(NODES) + 4) * UNIT * np.abs(piece.slopes).sum(0)
    return measured + summed + (_roundings(piece) * terms).max(0)


def _roundings(piece: CellPolynomial) -> np.ndarray:
    """Relative rounding error of pace·velocity against its terms, (samples, n, 1, 1), to first order in the unit.

    B and C: a product and D sums each; Δ: softplus, and D roundings of S_Δ·x; E: an exponential, a product and the
    error of aΔ for every token; the write, the state's sums, the readout; the pace: e^s, s known to s units.
    """
    width, tokens = piece.start.shape[-1], piece.start.shape[-2]
    decay = np.asarray(piece.system.decay)
    step = 2 * ELEMENTARY_ULPS + (width + 1) * _reach(piece).max(-1)
    memory = tokens * (2 * ELEMENTARY_ULPS + 3) + decay * piece.steps.sum(-1) * (1 + step)
    count = 4 * (width + 1) + 4 + step + memory + 2 * ELEMENTARY_ULPS + 2 + 2 * (piece.at + piece.width)
    return (UNIT * count)[..., None, None]


def _reach(piece: CellPolynomial) -> np.ndarray:
    """Σ_d |S_Δ,d|·scale_l: by how much S_Δ·x_l moves for an error of one unit, (n, L)."""
    return (np.abs(piece.system.S_delta)[:, None, :] * piece.scale).sum(-1)


def _bend(piece: CellPolynomial) -> np.ndarray:
    """θ/e: an error of e units multiplies each term of the derivative by at most e^θ, (n).

    Three tokens in a product; ln Δ, ln σ move by at most the change of S_Δ·x, ln E by a times all of them together.
    """
    reach = _reach(piece)
    return 3 + 2 * reach.max(-1) + np.asarray(piece.system.decay) * reach.sum(-1)


def _scaled(derivative: Callable[[TokenSystem, np.ndarray], np.ndarray], piece: CellPolynomial) -> np.ndarray:
    """A derivative at the nodes, (nodes, n, L·D, L·D), in units of `scale`."""
    size = piece.scale.reshape(len(piece.start), -1)
    found = derivative(piece.system, piece.value(NODES))
    found = found.reshape(*found.shape[:2], size.shape[-1], size.shape[-1])
    return found * (size[:, None, :] / size[:, :, None])


def _terms(piece: CellPolynomial) -> Callable[[TokenSystem, np.ndarray], np.ndarray]:
    """The derivative term by term, with `scale` for every token that is a factor."""
    return lambda system, x: jacobian_terms(system, x, piece.scale)


def _flow(steep: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The linear flow F' = J F over a cell by Picard's iteration: its end, that one's error, its norm, its growth.

    What the iteration leaves, δ, makes F the flow of J + δF⁻¹: by Grönwall a factor of at most e^{growth·|δF⁻¹|}.
    """
    identity, steepest = np.eye(steep.shape[-1]), _norm(steep).max(0)
    flow = np.broadcast_to(identity, steep.shape)
    for _ in range(ROUNDS):
        slopes = _apply(COEFFICIENTS, steep @ flow)
        following = identity + _apply(INTEGRAL, slopes)
        change, flow = _norm(following - flow).max(0), following
        left = steepest * change + 2 * _norm(slopes[-2:]).sum(0)
        if np.max(left) < BLUR:
            break
    carried, back = BETWEEN * _norm(flow).max(0), _norm(_inverse(flow)).max(0)
    wrong = np.exp(carried * back * left * back)
    return flow[-1], carried * back * wrong * left, carried * wrong, carried * back * wrong


def _inverse(flow: np.ndarray) -> np.ndarray:
    """Of every matrix; NaN, of which nothing follows, where there is none."""
    try:
        return np.linalg.inv(flow)
    except np.linalg.LinAlgError:
        return np.full_like(flow, np.nan)


def spread(cells: Sequence[Local]) -> list[np.ndarray]:
    """The error at the end of each cell, (n, L·D): what every cell has added, carried on by all that came after.

    Within a cell e = F e(0) + ∫ F(s, s')(defect + N) with |N| ≤ |terms|·(e^{bend·|e|} − 1)/2·|e|: it stays below
    R = 2·(carried·e(0) + growth·loss) as long as growth·∫|N|/|e| ≤ 1/2; where that fails, nothing is shown any more.
    """
    found: list[np.ndarray] = []
    error, parts = 0.0, np.zeros((0, 1, 1, 1))
    for cell in cells:
        with np.errstate(all="ignore"):
            before = np.max(error / cell.scale, axis=-1)
            reach = 2 * (cell.carried * before + cell.growth * cell.loss)
            bent = cell.growth * cell.terms * np.expm1(cell.bend * reach) / 2
            own = cell.growth * cell.loss + bent * reach + cell.blurred * before + cell.ending
            flow = cell.scale[:, :, None] * cell.flow / cell.scale[:, None, :]
            added = (own[:, None] * cell.scale)[:, :, None] * np.eye(flow.shape[-1])
            parts = np.concatenate([flow @ parts, added[None]]) if len(parts) else added[None]
            total = np.abs(parts).sum((0, -1))
        error = np.where((bent <= 1 / 2)[:, None] & (total < np.inf), total, np.inf)
        parts = np.where(np.isfinite(error)[None, :, :, None], parts, 0)
        found.append(error)
    return found


# ----------------------------------------------------------------------------------- Chebyshev series on [0, 1]


def _evaluate(coefficients: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The series at points of [0, 1], (points, …)."""
    return _apply(chebyshev.chebvander(2 * points - 1, len(coefficients) - 1), coefficients)


def _apply(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A matrix on the first axis."""
    return (matrix @ values.reshape(len(values), -1)).reshape(len(matrix), *values.shape[1:])


def _antiderivative(coefficients: np.ndarray) -> np.ndarray:
    """Of the integral from 0; local time is half as long as Chebyshev's interval."""
    return chebyshev.chebint(coefficients, lbnd=-1) / 2


COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(2 * NODES - 1, DEGREE))
INTEGRAL = chebyshev.chebvander(2 * NODES - 1, DEGREE + 1) @ _antiderivative(np.eye(DEGREE + 1))
