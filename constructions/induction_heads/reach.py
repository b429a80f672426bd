"""Where floats and the decay rate stop plain S6."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FloatReach:
    """How far plain S6 with a rounded decay reaches, found step by step in the float's own arithmetic.

    `alone`: the largest gap after which a lone write is not 0. `any_input`: the largest gap after which the latest
    write beats every older one, whatever the input; −1 if even gap 0 does not. `repeats`: how many repetitions the
    worst case needs at most.
    """

    alone: int
    any_input: int
    repeats: int


def reach(decay: np.floating, write: np.floating) -> FloatReach:
    """The limits of h' = fl(fl(decay·h) + write), by rounding's monotony reached by 0^k 1 … 1 0.

    No sequence has a larger older entry than one token repeated, as fl is monotone: exact for all inputs.
    """
    zero, largest, repeats = write - write, write - write, 0
    while (grown := decay * largest + write) != largest and repeats < 10_000:
        largest, repeats = grown, repeats + 1
    latest, older, gap = write, decay * largest, 0
    while latest > older:
        latest, older, gap = decay * latest, decay * older, gap + 1
    alone, left = 0, decay * write
    while left > zero:
        left, alone = decay * left, alone + 1
    return FloatReach(alone, gap - 1, repeats)


def first_failing_repeat(decay_rate: float) -> int:
    """The least k at which 0^k 1 0 fails in real arithmetic, ρ > ½: ρ + … + ρ^{k−1} ≥ 1."""
    rho = float(np.exp(-decay_rate))
    return 1 + int(np.ceil(np.log(2 - 1 / rho) / np.log(rho)))
