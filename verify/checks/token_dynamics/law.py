"""What every check of the token dynamics shares: the law it looks at, its mutants, random instances, and comparisons.

An instance is a system with a start; all of a check's instances are followed together, each with a bound on its error.
A comparison passes only if it holds for every value within the bounds; what could not be bounded never passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mamba_theorems.constructions.token_dynamics.bounded import TIME_ROUNDING, UNIT, Path, SolutionClock, follow
from mamba_theorems.constructions.token_dynamics.integrate import ends_about, time_left
from mamba_theorems.constructions.token_dynamics.system import TokenSystem
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.check import Examination, Finding
from mamba_theorems.verify.checks.scoring import ELEMENTARY
from mamba_theorems.verify.settings import Run, Tier

TOKENS, LAST_TIME = 4, 1e8
FORMULA = TIME_ROUNDING + (16 + 4 * ELEMENTARY) * UNIT
"""Relative rounding of a bound at a mark: its time, 16 operations without cancellation, 4 elementary functions."""
INSTANCES = {Tier.QUICK: 50}
EARLY = (1 / 256, 1 / 4)

Facts = dict[str, str | int]


def instances(run: Run) -> int:
    """How many instances a check runs: a thousand, and fewer in the quick tier."""
    return INSTANCES.get(run.tier, 1000)


@dataclass(frozen=True)
class Law:
    """What is run for a system that a theorem speaks about: the system itself, or a mutant of it.

    `backwards` runs the tokens in reverse order, so that each is driven by those after it.
    """

    run: Callable[[TokenSystem], TokenSystem]
    backwards: bool = False

    def follow(self, system: TokenSystem, start: np.ndarray, clock: SolutionClock, marks: np.ndarray) -> Path:
        """Tokens from `start` (n, L, D) under this law."""
        if not self.backwards:
            return follow(self.run(system), start, clock, marks)
        path = follow(self.run(system), start[:, ::-1], clock, marks)
        return Path(
            path.time,
            path.tokens[:, :, ::-1],
            path.error[:, :, ::-1],
            path.least[:, :, ::-1],
            path.most[:, :, ::-1],
        )


def _one_flipped(system: TokenSystem) -> TokenSystem:
    S_B = system.S_B.copy()
    S_B[0] *= -1
    return replace(system, S_B=S_B)


TRUE = Law(lambda system: system)
FLIPPED, ONE_FLIPPED = Law(TokenSystem.with_form_negated), Law(_one_flipped)
SLOWER = Law(lambda system: replace(system, S_B=system.S_B / 2))
UNSHARED = Law(lambda system: replace(system, decay=0 * system.decay))
ANTICAUSAL = Law(lambda system: system, backwards=True)
SIGN = {"mu's sign flipped": FLIPPED, "mu's sign flipped in one system": ONE_FLIPPED}
FORM_SIGN = {"the form's sign flipped": FLIPPED, "flipped in one system": ONE_FLIPPED}
HALVED = {"half the step": SLOWER}
REVERSED = {"driven by later tokens": ANTICAUSAL}


def tested(claim: str, name: str, look: Callable[[Law, Run], Finding], mutants: dict[str, Law]) -> Examination:
    """A check of solutions: `look` follows them under the true law, and must reject them under each mutant."""
    return Examination(claim=claim, name=name, kind=Kind.TESTED, subject=TRUE, mutants=mutants, look=look)


def to_last_time(system: TokenSystem, start: np.ndarray, marks: int = 24) -> tuple[SolutionClock, np.ndarray]:
    """A clock that starts at each system's own pace, and marks on it, all systems being beyond 10^8 at the last.

    Two marks are early, so that a system that explodes instead is seen to go the wrong way first.
    """
    velocity = np.linalg.norm(system.velocity(start), axis=-1)
    clock = SolutionClock(1 / (velocity / np.linalg.norm(start, axis=-1)).max(-1))
    even = np.linspace(0, np.log1p(2 * LAST_TIME / clock.scale.min()), marks + 1)[1:]
    return clock, np.concatenate([EARLY, even])


def to_the_end(
    law: Law, system: TokenSystem, start: np.ndarray, until: float = 12.0, reach: float = 7.0
) -> tuple[SolutionClock, np.ndarray]:
    """A clock that stands still where ln|x| has moved by `reach` a token, and marks up to a part e^{−until} before."""
    return SolutionClock(ends_about(law.run(system), start, reach), ends=True), np.linspace(0, until, 25)[1:]


@dataclass(frozen=True)
class ScalarSystems:
    """n one-dimensional systems with their starts (n, L): mu, S_Δ, a as arrays (n)."""

    mu: np.ndarray
    S_delta: np.ndarray
    decay: np.ndarray
    start: np.ndarray

    @property
    def system(self) -> TokenSystem:
        """All systems as one batch."""
        return TokenSystem.scalar(self.mu, self.S_delta, self.decay)

    def follow(self, law: Law) -> Path:
        """The solutions under a law, to t = 10^8."""
        return law.follow(self.system, self.start[..., None], *to_last_time(self.system, self.start[..., None]))

    def follow_to_the_end(self, law: Law) -> Path:
        """The solutions under a law, to where they seem to end."""
        return law.follow(self.system, self.start[..., None], *to_the_end(law, self.system, self.start[..., None]))

    def only(self, which: np.ndarray | slice) -> ScalarSystems:
        """Some of the instances."""
        return ScalarSystems(self.mu[which], self.S_delta[which], self.decay[which], self.start[which])

    def tokens(self, count: int) -> ScalarSystems:
        """Every instance with its first tokens alone."""
        return replace(self, start=self.start[:, :count])

    @property
    def growing(self) -> np.ndarray:
        """Whether S_Δ x_l > 0, (n, L)."""
        return self.S_delta[:, None] * self.start > 0

    def life(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Bounds below and above on when the solutions end, both (n), from how far they were followed with a bound."""
        each, lived = np.arange(len(self.mu)), path.last >= 0
        reached, largest = path.time[path.last, each], path.sizes[0][path.last, each]
        left = time_left(self.system, np.where(np.isfinite(largest), largest, 0), self.growing)
        low, high = reached * (1 - FORMULA), (reached + left) * (1 + FORMULA)
        return np.where(lived, low, 0), np.where(lived, high, np.inf)


def draw(run: Run, sign: int, *, count: int | None = None, salt: int = 0) -> ScalarSystems:
    """Random instances with mu of a sign: |mu| in [0.2, 2], |S_Δ| in [0.3, 2], a in [0, 2], |x| in [0.2, 2]."""
    count = instances(run) if count is None else count
    rng = np.random.default_rng([run.seed, salt, 7])
    mu, decay = sign * rng.uniform(0.2, 2, count), rng.uniform(0, 2, count)
    S_delta = rng.uniform(0.3, 2, count) * rng.choice([-1, 1], count)
    start = rng.uniform(0.2, 2, (count, TOKENS)) * rng.choice([-1, 1], (count, TOKENS))
    return ScalarSystems(mu, S_delta, decay, start)


def slow(run: Run, *, salt: int = 0) -> ScalarSystems:
    """Random instances with mu > 0 and S_Δ x_l < 0 for every token."""
    found = draw(run, 1, salt=salt)
    return replace(found, start=-np.sign(found.S_delta)[:, None] * np.abs(found.start))


def worst(values: np.ndarray, allowed: np.ndarray | float) -> float:
    """The largest value/allowed; NaN where anything is."""
    with np.errstate(all="ignore"):
        return float(np.max(values / allowed))


def worst_reached(values: np.ndarray, allowed: np.ndarray | float) -> float:
    """The largest value/allowed over what was followed; `unreached` says whether everything was."""
    with np.errstate(all="ignore"):
        ratios = values / allowed
    return float(np.max(ratios[np.isfinite(ratios)], initial=0.0))


def decided_only(path: Path) -> tuple[np.ndarray, Path, dict[str, float]]:
    """The solutions with a bound at every mark; the others, near a boundary of their case, are counted as undecided."""
    sure = np.nonzero(path.decided)[0]
    return sure, path.only(sure), {"systems undecided": float(len(path.decided) - len(sure))}


def unreached(path: Path) -> float:
    """10^8 over the time up to which every solution was followed with a bound; infinite without any."""
    if not path.time.shape[1]:
        return np.inf
    bounded = np.isfinite(path.error).all((-2, -1))
    reached = np.where(bounded, path.time, 0).max(0).min()
    return float(LAST_TIME / reached) if reached > 0 else np.inf


def finding(ratios: dict[str, float], summary: str, facts: Facts, none: dict[str, int] | None = None) -> Finding:
    """Holds iff every ratio of a figure to what it may be is at most 1, NaN being a failure, and every count 0."""
    counts = none or {}
    broken = [name for name, ratio in ratios.items() if not ratio <= 1] + [name for name, n in counts.items() if n]
    text = f"{', '.join(broken)}: beyond what the theorem allows" if broken else summary
    return Finding(not broken, text, facts, {k: float(v) for k, v in (ratios | counts).items()})
