"""How a state forgets: the sensitivity to an input over time, through the scan's own gradient. [P] section 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mamba_theorems.kernels.ops import selective_scan
from mamba_theorems.verify.checks.sensitivity.recurrence import sensitivities
from mamba_theorems.verify.report.figures import Figure, new_canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

TIMES, RATE = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 59), 0.25
FROZEN = 100.0
"""Time stands still at Δ = softplus(−100)."""


def steps(length: int) -> dict[str, np.ndarray]:
    """Δ over time in each scenario; the first token writes with Δ = 1."""
    later = np.arange(1, length)
    return {
        "S4D: Δ = 1": np.ones(length),
        "S6, bounded inputs: Δ ≥ ½": np.concatenate([[1.0], 0.75 + 0.25 * np.cos(later)]),
        "S6: Δ = ln(1 + 1/t)": np.concatenate([[1.0], np.log1p(1 / later)]),
        "S6: Δ summable, $2^{-t}$": np.concatenate([[1.0], 0.5**later]),
        "S6, frozen: Δ = softplus(−100)": np.concatenate([[1.0], np.full(length - 1, np.log1p(np.exp(-FROZEN)))]),
    }


def forgetting() -> Canvas:
    """|∂h_t/∂x_1| relative to its first value."""
    canvas, axes = new_canvas(xlabel="t − j", ylabel="sensitivity, relative to t = j", yscale="log")
    for (label, delta), marker in zip(steps(TIMES[-1] + 1).items(), "os^xD", strict=True):
        found = [sensitivities(selective_scan, delta[: t + 1], RATE)[0] for t in TIMES]
        axes.plot(TIMES, np.array(found) / found[0], marker=marker, markersize=3.5, markerfacecolor="w", label=label)
    axes.legend()
    return canvas


FIGURES = (
    Figure(
        "sensitivity",
        "how a state forgets its first input",
        f"Sensitivity of the state to its first input, by autograd through the scan in float64, one state with"
        f" λ = {RATE:g}: exponential where Δ is bounded below, a power where ΣΔ diverges slowly, a positive limit"
        " where ΣΔ converges.",
        ("sensitivity.lem1-amended", "sensitivity.criterion", "sensitivity.bounded-inputs-forget"),
        forgetting,
    ),
)
