"""Phases of the token dynamics, with the predicted rate of the leading token. Vo, Pham, Tong & Nguyen (ICLR 2025)."""

from __future__ import annotations

from functools import partial

from constructions.token_dynamics.pictures import SCENARIOS, token_picture
from verify.report.figures import Figure

CLAIMS = {
    "convergent": ("dynamics.1d-converge",),
    "slow": ("dynamics.1d-diverge-slow",),
    "blow-up": ("dynamics.1d-blowup",),
    "mixed": ("dynamics.1d-mixed", "dynamics.1d-mixed-all-diverge"),
}

FIGURES = tuple(
    Figure(
        f"tokens-{name}",
        scenario.title,
        f"{scenario.title}. Tokens start at {', '.join(f'{x:g}' for x in scenario.start)}; μ = {scenario.mu:g},"
        f" S_Δ = {scenario.S_delta:g}, a = {scenario.decay:g}; dashes: {scenario.prediction}.",
        CLAIMS[name],
        partial(token_picture, scenario),
    )
    for name, scenario in SCENARIOS.items()
)
