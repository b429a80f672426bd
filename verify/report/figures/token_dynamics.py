"""Phases of the token dynamics, with the predicted rate of the leading token. Vo, Pham, Tong & Nguyen (ICLR 2025)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mamba_theorems.constructions.token_dynamics.pictures import SCENARIOS, Scenario, token_picture
from mamba_theorems.verify.report.figures import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIMS = {
    "convergent": ("dynamics.1d-converge",),
    "slow": ("dynamics.1d-diverge-slow",),
    "blow-up": ("dynamics.1d-blowup",),
    "mixed": ("dynamics.1d-mixed", "dynamics.1d-mixed-all-diverge"),
}
FINITE = ("blow-up", "mixed")
HIGHEST = 100.0
"""The axis ends here where tokens leave every bound in finite time."""


def phase(name: str, scenario: Scenario) -> Canvas:
    """The tokens over time; the prediction in grey below them."""
    canvas = token_picture(scenario)
    (axes,) = canvas.axes
    *tokens, prediction = axes.lines
    prediction.set(color="#bbbbbb", linewidth=3, linestyle="-", zorder=1)
    axes.set(title="")
    if name in FINITE:
        lowest = min(float(np.min(token.get_ydata())) for token in tokens)
        axes.set(xscale="linear", ylim=(lowest / 1.5, HIGHEST))
    axes.legend()
    return canvas


FIGURES = tuple(
    Figure(
        f"tokens-{name}",
        scenario.title,
        f"{scenario.title}. Tokens start at {', '.join(f'{x:g}' for x in scenario.start)}; μ = {scenario.mu:g},"
        f" S_Δ = {scenario.S_delta:g}, a = {scenario.decay:g}; grey: the predicted size of the leading token.",
        CLAIMS[name],
        partial(phase, name, scenario),
    )
    for name, scenario in SCENARIOS.items()
)
