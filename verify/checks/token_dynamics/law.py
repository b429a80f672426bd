"""What every check of the token dynamics shares: the law it looks at, its mutants, and random instances.

An instance is a system with a start; a thousand of them advance together. Margins leave room for the error that two
tolerances show; a run that the integrator gave up is NaN, and NaN never passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from constructions.token_dynamics.integrate import Trajectory, integrate
from constructions.token_dynamics.system import TokenSystem
from kernels.fields import FLOAT64
from verify.check import Finding, Run

INSTANCES, TOKENS = 1000, 4
LAST_TIME = 1e8


@dataclass(frozen=True)
class Slower(TokenSystem):
    """A system that moves at half the speed: the step Δ halved where it is written."""

    def velocity(self, x: np.ndarray, *field: object) -> np.ndarray:
        """Half of the system's."""
        return super().velocity(x) / 2


@dataclass(frozen=True)
class Anticausal(TokenSystem):
    """A system in which a token is driven by those after it instead."""

    def velocity(self, x: np.ndarray, *field: object) -> np.ndarray:
        """The velocity of the reversed sequence, reversed."""
        return super().velocity(x[..., ::-1, :])[..., ::-1, :]


@dataclass(frozen=True)
class Unshared(TokenSystem):
    """A system whose decay is left out: a = 0."""

    def velocity(self, x: np.ndarray, *field: object) -> np.ndarray:
        """With a = 0."""
        return TokenSystem(self.S_B, self.S_C, self.S_delta, 0 * self.decay).velocity(x)


@dataclass(frozen=True)
class Linear(TokenSystem):
    """A system whose softplus is left out: steps S_Δ x may be negative."""

    def velocity(self, x: np.ndarray, *field: object) -> np.ndarray:
        """With softplus replaced by the identity."""
        return super().velocity(x, replace(FLOAT64, softplus=lambda v: v))


def _as(kind: type[TokenSystem]) -> Callable[[TokenSystem], TokenSystem]:
    return lambda s: kind(s.S_B, s.S_C, s.S_delta, s.decay)


@dataclass(frozen=True)
class Law:
    """What is run for a system that a theorem speaks about: the system itself, or a mutant of it."""

    run: Callable[[TokenSystem], TokenSystem]


TRUE = Law(lambda system: system)
FLIPPED = Law(TokenSystem.with_form_negated)
SLOWER, ANTICAUSAL = Law(_as(Slower)), Law(_as(Anticausal))
UNSHARED, LINEAR = Law(_as(Unshared)), Law(_as(Linear))


@dataclass(frozen=True)
class Instances:
    """n one-dimensional systems with their starts (n, L): mu, S_Δ, a as arrays (n)."""

    mu: np.ndarray
    S_delta: np.ndarray
    decay: np.ndarray
    start: np.ndarray

    @property
    def system(self) -> TokenSystem:
        """All of them as one batch."""
        return TokenSystem.scalar(self.mu, self.S_delta, self.decay)

    def follow(self, law: Law, marks: np.ndarray) -> Trajectory:
        """Run them under a law."""
        return integrate(law.run(self.system), self.start[..., None], marks)

    def only(self, which: np.ndarray | slice) -> Instances:
        """Some of them."""
        return Instances(self.mu[which], self.S_delta[which], self.decay[which], self.start[which])

    def first_token(self) -> Instances:
        """Each with its first token alone."""
        return replace(self, start=self.start[:, :1])


def draw(run: Run, sign: int, *, count: int = INSTANCES, salt: int = 0) -> Instances:
    """Random instances with mu of a sign: |mu| in [0.2, 2], |S_Δ| in [0.3, 2], a in [0, 2], |x| in [0.2, 2]."""
    rng = np.random.default_rng([run.seed, salt, 7])
    mu, decay = sign * rng.uniform(0.2, 2, count), rng.uniform(0, 2, count)
    S_delta = rng.uniform(0.3, 2, count) * rng.choice([-1, 1], count)
    start = rng.uniform(0.2, 2, (count, TOKENS)) * rng.choice([-1, 1], (count, TOKENS))
    return Instances(mu, S_delta, decay, start)


def slow(run: Run, *, count: int = INSTANCES, salt: int = 0) -> Instances:
    """Random instances with mu > 0 and S_Δ x_l < 0 for every token."""
    found = draw(run, 1, count=count, salt=salt)
    return replace(found, start=-np.sign(found.S_delta)[:, None] * np.abs(found.start))


def worst(values: np.ndarray, allowed: np.ndarray | float) -> float:
    """The largest value/allowed; NaN where anything is."""
    with np.errstate(all="ignore"):
        return float(np.max(values / allowed))


def finding(ratios: dict[str, float], summary: str, facts: dict[str, str | int] | None = None) -> Finding:
    """Holds iff every ratio of a figure to what it may be is at most 1; NaN is a failure."""
    holds = all(ratio <= 1 for ratio in ratios.values())
    broken = [name for name, ratio in ratios.items() if not ratio <= 1]
    text = summary if holds else f"{', '.join(broken)}: beyond what the theorem allows"
    return Finding(holds, text, {"instances": INSTANCES, **(facts or {})}, {k: float(v) for k, v in ratios.items()})
