"""What the checks of the foundations share: balls that must overlap, and the roundings of float64."""

from __future__ import annotations

import numpy as np
import torch

from mamba_theorems.kernels.bounds.running_error import ELEMENTARY_ULPS

UNIT = float(torch.finfo(torch.float64).eps) / 2
ELEMENTARY = 2 * ELEMENTARY_ULPS


def disjoint(left: np.ndarray, right: np.ndarray) -> int:
    """In how many entries two arrays of balls cannot be equal."""
    return sum(not a.overlaps(b) for a, b in zip(left.flat, right.flat, strict=True))
