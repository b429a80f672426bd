"""Checks in R^3: symmetric forms, forms with a negative definite symmetric part, and the conjecture about them.

Trajectories are bounds on the true solutions; what is an identity between states is checked on rationals, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from flint import arb, fmpq

from mamba_theorems.constructions.token_dynamics.bounded import UNIT, Path
from mamba_theorems.constructions.token_dynamics.quadrature import time_between
from mamba_theorems.constructions.token_dynamics.system import TokenSystem, quadratic_forms
from mamba_theorems.kernels.fields import RATIONAL
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.check import Examination, Finding
from mamba_theorems.verify.checks.token_dynamics.law import (
    FLIPPED,
    FORM_SIGN,
    FORMULA,
    HALVED,
    Law,
    decided_only,
    finding,
    instances,
    tested,
    to_last_time,
    unreached,
    worst_reached,
)
from mamba_theorems.verify.settings import Run

WIDTH, TOKENS = 3, 3
TURN = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 0]], dtype=object)
FLIP = np.array([[1, -1, 1], [1, 1, 1], [1, 1, 1]], dtype=object)
LN2 = np.log(2)


@dataclass(frozen=True)
class Forms:
    """Systems in R^3 with their starts: S (n, 3, 3), S_Δ (n, 3), a (n), start (n, L, 3)."""

    S: np.ndarray
    S_delta: np.ndarray
    decay: np.ndarray
    start: np.ndarray

    @property
    def system(self) -> TokenSystem:
        """All systems as one batch."""
        return TokenSystem.of_form(self.S, self.S_delta, self.decay)

    def follow(self, law: Law) -> Path:
        """The solutions under a law, to t = 10^8."""
        return law.follow(self.system, self.start, *to_last_time(self.system, self.start))

    @property
    def room(self) -> np.ndarray:
        """λ, at most the least of −xᵀSx/|x|²: LAPACK's eigenvalue less its backward error, (n)."""
        part = (self.S + np.swapaxes(self.S, -1, -2)) / 2
        return -np.linalg.eigvalsh(part)[:, -1] - BACKWARD * np.linalg.norm(part, axis=(-2, -1))

    def only(self, which: np.ndarray, tokens: int = TOKENS) -> Forms:
        """Some of the systems, with their first tokens."""
        return Forms(self.S[which], self.S_delta[which], self.decay[which], self.start[which, :tokens])


BACKWARD = 2 * WIDTH**2 * 8 * UNIT
"""LAPACK's symmetric eigenvalues are those of a matrix within p(n)·u·‖S‖; n rotations or reflections of n entries, each
of at most 8 roundings, twice (Higham 2002, lemma 19.3)."""


def draw(run: Run, eigenvalues: tuple[float, float], twist: float = 0.0, salt: int = 0) -> Forms:
    """Random S = Q diag(e) Qᵀ + twist·(antisymmetric), e in a range; S_Δ of length up to 1.5; |x| about 1."""
    count = instances(run)
    rng = np.random.default_rng([run.seed, salt, 11])
    Q = np.linalg.qr(rng.normal(size=(count, WIDTH, WIDTH)))[0]
    S = Q @ (rng.uniform(*eigenvalues, (count, WIDTH, 1)) * np.swapaxes(Q, -1, -2))
    S = (S + np.swapaxes(S, -1, -2)) / 2
    turn = rng.normal(size=S.shape)
    S = S + twist * (turn - np.swapaxes(turn, -1, -2))
    return Forms(S, rng.normal(size=(count, WIDTH)) / 2, rng.uniform(0, 2, count), rng.normal(size=(count, TOKENS, 3)))


def least_step(found: Forms, reach: np.ndarray) -> np.ndarray:
    """softplus(−‖S_Δ‖·reach), the least step of a token of at most that length; reach (n, L)."""
    return np.logaddexp(0, -np.linalg.norm(found.S_delta, axis=-1)[:, None] * reach)


def _negative_definite(law: Law, run: Run) -> Finding:
    found = draw(run, (-2.0, -0.3))
    path, q0 = found.follow(law), -quadratic_forms(found.S, found.start)
    least = least_step(found, np.sqrt(q0 / found.room[:, None]))
    bound = 1 / (1 / q0 + 2 * least * path.time[..., None]) / found.room[:, None]
    ratios = {"|x|²/bound": worst_reached(path.sizes[1] ** 2, bound * (1 - FORMULA)), "10^8/t": unreached(path)}
    facts: dict[str, str | int] = {"instances": len(found.S), "width": WIDTH}
    return finding(ratios, "S ≺ 0: |x_l|² below its bound up to t = 10^8", facts)


def forms_between(S: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on q_l = x_lᵀSx_l, (marks, n, L): |q(x + e) − q(x)| ≤ ‖S‖|e|(2|x| + |e|), and its rounding."""
    norm = np.linalg.norm(S, axis=(-2, -1))[:, None]
    size, error = (np.linalg.norm(part, axis=-1) for part in (path.tokens, path.error))
    q = np.stack([quadratic_forms(S, x) for x in path.tokens])
    room = norm * (error * (2 * size + error) + (2 * S.shape[-1] + 2) * UNIT * size**2) * (1 + FORMULA)
    return q - room, q + room


def _indefinite(law: Law, run: Run) -> Finding:
    """q_l only rises while it is followed; a token of positive form ends above its start."""
    found = draw(run, (-2.0, 2.0), salt=1)
    q = quadratic_forms(found.S, found.start)
    clock, _ = to_last_time(found.system, found.start)
    path = law.follow(found.system, found.start, clock, np.array([1 / 32, 1 / 16, 1 / 8]))
    low, high = forms_between(found.S, path)
    start = np.broadcast_to(q, low[:1].shape)
    rises = np.concatenate([start, low[:-1]]) - high
    none = {
        "q_l that surely fall": int(np.sum(rises > 0)),
        "q_l(0) > 0 that may not have grown": int(np.sum((q > 0) & ~(low[-1] > q))),
    }
    return finding({}, "q_l never falls, and grows where it is positive", {"instances": len(found.S)}, none)


def _sinking(law: Law, run: Run) -> Finding:
    """A first token of negative form sinks along its line at the time of its integral, below its bound, to t = 10^8.

    Where |q_1| is far below ‖S‖|x_1|² errors leave the line faster than the token sinks: such systems stay undecided.
    """
    found = draw(run, (-2.0, 2.0), salt=1)
    q = quadratic_forms(found.S, found.start)[:, 0]
    alone = found.only(np.nonzero(q < 0)[0], tokens=1)
    sure, path, undecided = decided_only(alone.follow(law))
    alone, form = alone.only(sure, tokens=1), -q[q < 0][sure]
    start = np.linalg.norm(alone.start[:, 0], axis=-1)
    least = least_step(alone, start[:, None])[:, 0]
    bound = start**2 / (1 + 2 * form * least * path.time)
    low, high = (size[-1, :, 0] / start for size in path.sizes)
    ratios = {
        "q_1(0) < 0: |x_1|²/bound": worst_reached(path.sizes[1][..., 0] ** 2, bound * (1 - FORMULA)),
        "time against its integral": _line_ratio(alone, path.time[-1], low * (1 - FORMULA), high * (1 + FORMULA)),
        "10^8/t": unreached(path),
    }
    seen = finding(ratios, "a first token of negative form sinks on its line", {"instances": int(np.sum(q < 0))})
    return replace(seen, measured={**seen.measured, **undecided})


def _line_ratio(alone: Forms, times: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The time over the integral's on x_1 = c·x_1(0), c' = q_1(0)·c³ softplus(c S_Δ·x_1(0)), both ways."""
    ratio = 0.0
    for i, time in enumerate(times):
        if not 0 < low[i] <= high[i] < np.inf:
            return np.inf
        S, x, weight = (exact(part[i]) for part in (alone.S, alone.start[:, 0], alone.S_delta))
        form, slope = (arb(fmpq(v.numerator, v.denominator)) for v in (x @ S @ x, weight @ x))
        soonest, latest = (time_between(form, slope, 1.0, float(c)) for c in (high[i], low[i]))
        ratio = max(ratio, float((soonest / arb(time)).lower()), float((arb(time) / latest).lower()))
    return ratio / (1 + FORMULA)


def exact(values: np.ndarray) -> np.ndarray:
    """Floats as the fractions they are."""
    return np.vectorize(Fraction, otypes=[object])(values)


# ------------------------------------------------------------------------------------------- in exact fractions

STAND_IN = replace(RATIONAL, softplus=lambda v: 1 + v * v, exp=lambda v: 1 / (1 - v))
"""The theorem's algebra needs of softplus only that it is positive, of e^{−aΔ} that it lies in (0, 1]."""


@dataclass(frozen=True)
class Algebra:
    """What S is made into before the identities between states are looked at."""

    change: Callable[[np.ndarray], np.ndarray] = lambda S: S


def _drawn_fractions(run: Run, salt: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Any S, S_Δ, a and tokens, in sixteenths, for each instance."""
    rng = np.random.default_rng([run.seed, salt, 17])
    shapes = ((WIDTH, WIDTH), (WIDTH,), (), (TOKENS, WIDTH))
    for _ in range(instances(run)):
        S, S_delta, decay, x = (
            np.array(rng.integers(-32, 33, shape), dtype=object) * Fraction(1, 16) for shape in shapes
        )
        yield S, S_delta, np.array(abs(decay), dtype=object), x


def _antisymmetric(algebra: Algebra, run: Run) -> Finding:
    """S antisymmetric: the velocity of the first token is 0, in fractions."""
    moving = 0
    for S, S_delta, decay, x in _drawn_fractions(run, 2):
        system = TokenSystem.of_form(algebra.change(S - S.T), S_delta, decay)
        moving += any(v != 0 for v in system.velocity(x, STAND_IN)[0])
    none = {"first tokens that move": moving}
    return finding({}, "S antisymmetric: token 1 stays", {"instances": instances(run)}, none)


def _rising(algebra: Algebra, run: Run) -> Finding:
    """S symmetric: q_l' ≥ 2Δ_l q_l² in fractions, for every token."""
    below = 0
    for S, S_delta, decay, x in _drawn_fractions(run, 3):
        system = TokenSystem.of_form(algebra.change(S + S.T), S_delta, decay)
        velocity, form = system.velocity(x, STAND_IN), system.form
        q, rate = ((left @ form * x).sum(-1) for left in (x, velocity))
        rate = rate + (x @ form * velocity).sum(-1)
        below += int(np.sum(rate < 2 * system.steps(STAND_IN, x) * q**2))
    none = {"tokens with q' < 2Δq²": below}
    return finding({}, "q_l' ≥ 2Δ_l q_l²", {"instances": instances(run)}, none)


# ------------------------------------------------------------------------------------- S that is not symmetric


def _bounds(found: Forms, path: Path, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """1/(m_l(1 + t)) of dynamics.nd-nonsymmetric, C_l = 1/m_l for the next token; steps in [least, most] (n, L)."""
    norm = np.linalg.norm(found.S, axis=(-2, -1))
    bounds, older = [], np.zeros(len(norm))
    for token in range(TOKENS):
        size = np.linalg.norm(found.start[:, token], axis=-1)
        with np.errstate(divide="ignore"):
            m = np.minimum(size**-2.0, 2 * found.room * least[:, token] / (2 * norm * older + 1))
            bounds.append(1 / (m * (1 + path.time)))
            older = older + most[:, token] / m
    return np.stack(bounds, axis=-1) * (1 - FORMULA)


def _nonsymmetric(law: Law, run: Run) -> Finding:
    """|x_l|² ≤ 1/(m_l(1 + t)); steps are constant, ln 2."""
    found = draw(run, (-2.0, -0.3), twist=1.0, salt=3)
    found = replace(found, S_delta=0 * found.S_delta)
    path = found.follow(law)
    steps = np.full(found.start.shape[:2], LN2)
    bounds = _bounds(found, path, steps * (1 - FORMULA), steps * (1 + FORMULA))
    ratios = {"|x_l|²/bound": worst_reached(path.sizes[1] ** 2, bounds), "10^8/t": unreached(path)}
    return finding(ratios, "negative definite symmetric part: |x_l|² ≤ 1/(m(1 + t))", {"instances": len(found.S)})


def _conjecture(law: Law, run: Run) -> Finding:
    """The bound of the theorem for bounded steps, with the steps that the solutions themselves show up to then.

    dynamics.nd-nonsymmetric assumes Δ_l ≥ δ > 0. Here δ_l is the least step on the way to t = 10^8, read off the
    solution with its error: if it stays above 0, every token has come down like t^{−1/2}. A system whose error is not
    bounded up to then is undecided: it is counted apart, and only what is known of it is compared.
    """
    found = draw(run, (-2.0, -0.2), twist=2.0, salt=4)
    path = found.follow(law)
    off = (np.abs(found.S_delta)[:, None] * path.error).sum(-1)  # of S_Δ·x, and softplus moves no more
    least = np.min(np.where(np.isfinite(off), path.least - off, np.inf), axis=0)
    most = np.max(np.where(np.isfinite(off), path.most + off, 0), axis=0)
    bounds = _bounds(found, path, np.maximum(least, 0), most)
    ratios = {"|x_l|² over the bound of the steps seen": worst_reached(path.sizes[1] ** 2, bounds)}
    decided, known, undecided = decided_only(path)
    ratios["10^8/t"] = unreached(known)
    facts: dict[str, str | int] = {"instances": len(found.S), "tokens": TOKENS, "width": WIDTH}
    none = {"tokens whose steps may vanish": int(np.sum(~(least[decided] > 0)))}
    seen = finding(ratios, "every token comes down to 0 below the bound that its steps give", facts, none)
    figures = {"least step": float(np.min(least[decided], initial=np.inf)), **undecided}
    return replace(seen, measured={**seen.measured, **figures})


NEGATED = {"the form's sign flipped": FLIPPED}
CHECKS = (
    tested("dynamics.nd-symmetric", "negative-definite-form-to-time-1e8", _negative_definite, FORM_SIGN | HALVED),
    tested("dynamics.nd-symmetric", "indefinite-form-never-falls", _indefinite, FORM_SIGN),
    tested("dynamics.nd-symmetric", "first-token-of-negative-form-to-time-1e8", _sinking, NEGATED | HALVED),
    Examination(
        claim="dynamics.nd-symmetric",
        name="form-grows-in-fractions",
        kind=Kind.TESTED,
        subject=Algebra(),
        mutants={
            "an antisymmetric part": Algebra(lambda S: S + TURN),
            "the sign of one entry": Algebra(lambda S: S * FLIP),
        },
        look=_rising,
    ),
    Examination(
        claim="dynamics.nd-symmetric",
        name="antisymmetric-form-keeps-token-1",
        kind=Kind.TESTED,
        subject=Algebra(),
        mutants={"a symmetric part": Algebra(lambda S: S + Fraction(1, 100) * np.eye(WIDTH, dtype=int))},
        look=_antisymmetric,
    ),
    tested("dynamics.nd-nonsymmetric", "constant-steps-to-time-1e8", _nonsymmetric, FORM_SIGN),
    tested("dynamics.nd-conjecture", "random-systems-to-time-1e8", _conjecture, NEGATED),
)
