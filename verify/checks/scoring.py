"""What checks share: the dtypes they run in, the roundings of float64, and balls that must overlap."""

from __future__ import annotations

import numpy as np
import torch

from mamba_theorems.kernels.bounds.running_error import ELEMENTARY_ULPS
from mamba_theorems.kernels.dtypes import DTYPES

EVERY_DTYPE = ", ".join(DTYPES)
UNIT = float(torch.finfo(torch.float64).eps) / 2
ELEMENTARY = 2 * ELEMENTARY_ULPS


def disjoint(left: np.ndarray, right: np.ndarray) -> int:
    """In how many entries two arrays of balls cannot be equal."""
    return sum(not a.overlaps(b) for a, b in zip(left.flat, right.flat, strict=True))
