"""Theorem 1's functions near the wavelet, and how far N exponentials must stay from a step. [P] section 3.1."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from flint import acb

from mamba_theorems.constructions.haar.heavisides import wavelet_steps
from mamba_theorems.verify.checks.haar import separation
from mamba_theorems.verify.report.figures import Figure, new_canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

SLOPES = (30, 300, 3000)
LARGEST, STARTS, SEED = 12, 2, 0
GRID = 240


def approximation(slope: int, places: list[Fraction]) -> list[float]:
    """g₁ − 2g₂ + g₃ of Theorem 1 for ψ_{0,0} at W = `slope`, from the closed form in balls."""
    steps = wavelet_steps(0, 0, Fraction(slope))
    found = []
    for s in places:
        total = float(sum(jump for t, jump in steps.jumps.items() if t <= s))
        for threshold, jump in steps.jumps.items():
            point = acb(float(s))
            error = steps.error_at(threshold, point, analytic=False, to_the_left=s < threshold)
            total += float(jump) * float(error.real)
        found.append(total)
    return found


def wavelet() -> Canvas:
    """ψ and what the printed construction makes of it: the gap at the jumps stays."""
    places = [Fraction(2 * i + 1, 2 * GRID) for i in range(GRID)]
    canvas, axes = new_canvas(xlabel="s", ylabel="value")
    x = np.array(places, dtype=float)
    axes.plot([0, 0.5, np.nan, 0.5, 1], [1, 1, np.nan, -1, -1], color="#999999", linewidth=3, label="ψ")
    for slope in SLOPES:
        axes.plot(x, approximation(slope, places), label=f"W = {slope}")
    axes.legend()
    return canvas


def lower_bound() -> Canvas:
    """L² distance to the centred step, over the number of functions."""
    count, step = range(1, LARGEST + 1), separation.step_down(0.5)
    canvas, axes = new_canvas(xlabel="N", ylabel="L² distance to 1 on [0, ½)", xscale="log", yscale="log")
    curves = {
        "Fourier frequencies": ("s", [separation.fourier_error(n) for n in count]),
        "best exponents found": ("o", [separation.best_error(step, n, STARTS, SEED) for n in count]),
        "lower bound, the sum": ("^", [separation.tail_sum(n) for n in count]),
        "lower bound 1/(π√(2N+1))": ("", [separation.simple_bound(n) for n in count]),
    }
    for label, (marker, squared) in curves.items():
        axes.plot(count, np.sqrt(squared), marker=marker, markersize=4, markerfacecolor="white", label=label)
    axes.set_xticks([1, 2, 3, 4, 6, 8, 12], labels=["1", "2", "3", "4", "6", "8", "12"], minor=False)
    axes.text(0.03, 0.05, f"S6 with N = 2: below {separation.s6_error(2):.1g}", transform=axes.transAxes)
    axes.legend()
    return canvas


FIGURES = (
    Figure(
        "haar-wavelet",
        "Theorem 1's functions and the wavelet",
        f"The Haar wavelet and the three S6 functions of Theorem 1 at W = {', '.join(map(str, SLOPES))}: they converge"
        " in L² and at every point, and their error near a jump does not shrink.",
        ("haar.thm1", "haar.thm1-amended"),
        wavelet,
    ),
    Figure(
        "s4d-lower-bound",
        "how far N exponentials stay from a step",
        f"L² distance to the step on [0, ½) for N = 1 … {LARGEST}: no sum of N exponentials comes below the lower"
        f" bound; exponents found by L-BFGS from {STARTS} starts; two S6 functions are enough.",
        ("haar.s4d-lower-bound", "haar.cor1-s4d", "haar.cor1-amended"),
        lower_bound,
    ),
)
