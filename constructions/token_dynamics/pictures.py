"""Phase pictures: tokens over time in each scenario, and the leading token against its predicted rate.

Needs matplotlib (`pip install matplotlib`); every function returns a figure and writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mamba_theorems.constructions.token_dynamics.integrate import integrate
from mamba_theorems.constructions.token_dynamics.system import TokenSystem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rate = Callable[["Scenario", np.ndarray, np.ndarray], np.ndarray]
"""A scenario, times and the largest token at each, to the predicted size."""


@dataclass(frozen=True)
class Scenario:
    """A one-dimensional system, a start, and the predicted size of the leading token as a function of time."""

    title: str
    mu: float
    S_delta: float
    decay: float
    start: tuple[float, ...]
    predicted: Rate
    prediction: str
    clock: float = 60.0

    @property
    def system(self) -> TokenSystem:
        """As a batch of one."""
        return TokenSystem.scalar(*(np.array([value]) for value in (self.mu, self.S_delta, self.decay)))


def _to_the_end(scenario: Scenario, time: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Near T* softplus(s x) ~ s x, so x' = mu s x^4: what is left at the last mark gives T*."""
    rate = 3 * scenario.mu * abs(scenario.S_delta)
    return (rate * (time[-1] - time) + largest[-1] ** -3) ** (-1 / 3)


SCENARIOS = {
    "convergent": Scenario(
        "μ < 0: all tokens tend to 0", -1.0, -0.5, 1.0, (1.0, 0.5, -0.8), lambda _, t, __: (2 * np.log(2) * t) ** -0.5,
        r"$(2|\mu|\,\ln 2\cdot t)^{-1/2}$",
    ),
    "slow": Scenario(
        "μ > 0, S_Δ x < 0: logarithmic growth", 1.0, -1.0, 1.0, (1.0, 0.8, 1.2),
        lambda _, t, __: np.log(t) + 3 * np.log(np.log(t)), r"$\ln t + 3\,\ln\,\ln t$",
    ),
    "blow-up": Scenario(
        "μ > 0, S_Δ x > 0: the end in finite time", 1.0, 0.1, 1.0, (1.0, 0.8, 0.9), _to_the_end,
        r"$(3\mu|S_\Delta|(T^* - t))^{-1/3}$", 12.0,
    ),
    "mixed": Scenario(
        "mixed signs: tokens 1 and 2 are finite at T*", 1.0, -1.0, 1.0, (1.0, 0.5, -0.6), _to_the_end,
        r"$(3\mu|S_\Delta|(T^* - t))^{-1/3}$", 8.0,
    ),
}  # fmt: skip


def token_picture(scenario: Scenario, marks: int = 400) -> Figure:
    """|x_l| over time, with the predicted rate of the leading token as a dashed line. Raises ImportError."""
    plt = _pyplot()
    run = integrate(scenario.system, np.array(scenario.start)[None, :, None], np.linspace(0.1, scenario.clock, marks))
    time, sizes = run.time[:, 0], run.norms[:, 0]
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for token, size in enumerate(sizes.T, start=1):
        axes.plot(time, size, label=f"token {token}")
    late = time > (math.exp(1.5) if scenario.clock > 20 else 0)
    prediction = scenario.predicted(scenario, time[late], sizes.max(-1)[late])
    axes.plot(time[late], prediction, "k--", linewidth=1, label=scenario.prediction)
    axes.set(title=scenario.title, xlabel="t", ylabel="|x|", xscale="log")
    if "convergent" in scenario.title or scenario.mu < 0 or scenario.clock < 20:
        axes.set_yscale("log")
    axes.legend()
    return figure


def plane_picture(S: np.ndarray, S_delta: np.ndarray, decay: float, starts: np.ndarray, clock: float = 20.0) -> Figure:
    """Paths of tokens in the plane, one colour a token; S (2, 2), starts (n, L, 2). Raises ImportError."""
    plt = _pyplot()
    count = len(starts)
    forms, weights = (np.broadcast_to(w, (count, *np.shape(w))) for w in (S, S_delta))
    run = integrate(TokenSystem.of_form(forms, weights, np.full(count, decay)), starts, np.linspace(0.02, clock, 300))
    paths = np.concatenate([starts[None], run.tokens])
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    for solution in range(count):
        for token in range(starts.shape[1]):
            axes.plot(*paths[:, solution, token].T, color=f"C{token}")
            axes.plot(*paths[0, solution, token], "o", color=f"C{token}")
    axes.set(title=f"S = {np.asarray(S).tolist()}", xlabel="first coordinate", ylabel="second coordinate")
    return figure


def _pyplot():
    import matplotlib.pyplot as plt  # noqa: PLC0415

    return plt
