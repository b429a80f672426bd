"""Rigorous enclosures of what shipped weights compute, for all inputs of a size: balls in bulk, as midpoint and radius.

A construction whose convolution separates (each channel sees one token) is determined by its key-key scores
⟨C(q), B(k)⟩ and its value-value scores ⟨head(w), x(v)⟩: the state is linear in the stored pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flint import arb
from scipy import sparse

from constructions.construction import Construction
from constructions.exact import ExactTensor
from kernels.fields import BALL, FLOAT32, FLOAT64

Margin = Callable[["Codes"], float]
UNIT = np.finfo(np.float64).eps / 2
FIELDS = {"float32": FLOAT32, "float64": FLOAT64}


@dataclass(frozen=True)
class Balls:
    """A sparse matrix of balls: every entry lies within `radius` of `middle`."""

    middle: sparse.csr_array
    radius: sparse.csr_array

    @property
    def transposed(self) -> Balls:
        """The transposed matrix."""
        return Balls(self.middle.T.tocsr(), self.radius.T.tocsr())

    def rows(self, index: np.ndarray) -> Balls:
        """Some rows."""
        return Balls(self.middle[index], self.radius[index])

    def columns(self, index: np.ndarray) -> Balls:
        """Some columns."""
        return Balls(self.middle[:, index], self.radius[:, index])

    def __matmul__(self, other: Balls) -> Balls:
        """The product, with what float64 rounds off: (n + 2) u |A||B| for sums of n terms (Higham, eq. 3.11)."""
        size = self.middle.shape[1]
        large, other_large = abs(self.middle) + self.radius, abs(other.middle) + other.radius
        radius = large @ other.radius + self.radius @ other_large + (size + 2) * UNIT * (large @ other_large)
        return Balls((self.middle @ other.middle).tocsr(), (radius * (1 + 8 * size * UNIT)).tocsr())

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Dense lower and upper bounds."""
        middle, radius = self.middle.toarray(), self.radius.toarray()
        return np.nextafter(middle - radius, -np.inf), np.nextafter(middle + radius, np.inf)


@dataclass(frozen=True)
class Codes:
    """B (N, keys), C (keys, N), x (channels, values), head (values, channels), as the shipped weights give them."""

    B: Balls
    C: Balls
    x: Balls
    head: Balls


def shipped(tensor: ExactTensor, dtype: str) -> sparse.csr_array:
    """The tensor as it ships, each entry rounded once, exactly representable in float64; (channels, 1, k) as (·, k).

    Blocks given by ranges are left out: the caller reads single entries only.
    """
    places = [index for index in tensor.entries if all(isinstance(i, int) for i in index)]
    values = FIELDS[dtype].array(np.array([tensor.entries[index] for index in places], dtype=object))
    index = np.array([(place[0], place[-1]) for place in places], dtype=np.int64).reshape(-1, 2)
    shape = (tensor.shape[0], tensor.shape[-1])
    return sparse.csr_array((values.astype(np.float64), (index[:, 0], index[:, 1])), shape=shape)


def _activated(matrix: sparse.csr_array, scale: np.ndarray, activation: str) -> Balls:
    """σ(scale · entry) for the stored entries, in balls; σ(0) = 0 elsewhere."""
    coordinates = matrix.tocoo()
    arguments = list(zip(scale[coordinates.row].tolist(), coordinates.data.tolist(), strict=True))
    known = {argument: _ball_of(argument, activation) for argument in set(arguments)}
    pairs = np.array([known[argument] for argument in arguments]).reshape(-1, 2)
    place = (coordinates.row, coordinates.col)
    return Balls(*(sparse.csr_array((part, place), shape=matrix.shape) for part in pairs.T))


def _ball_of(argument: tuple[float, float], activation: str) -> tuple[float, float]:
    """Midpoint and radius, as floats, of σ at the exact product of two floats."""
    with BALL.arithmetic():
        x = arb(argument[0]) * arb(argument[1])
        y = x.max(arb(0)) if activation == "relu" else x / (1 + (-x).exp())
        middle = float(y.mid())
        radius = (abs(y - arb(middle))).upper()
    return middle, float(np.nextafter(float(radius), np.inf)) if radius != 0 else 0.0


def codes(construction: Construction, dtype: str) -> Codes:
    """The codes of a construction for the paper's or the official Mamba-1 block.

    Raises ValueError where a channel sees two tokens, has a bias, or the target is another.
    """
    read = {"paper": _paper, "official": _official}.get(construction.target)
    if read is None:
        raise ValueError(f"Target {construction.target} is not certified here: use paper or official.")
    embedding, taps, B, C, head = read(construction, dtype)
    previous, current = taps[:, [-2]].toarray()[:, 0], taps[:, [-1]].toarray()[:, 0]
    others = taps[:, list(range(taps.shape[1] - 2))]
    if (previous * current != 0).any() or others.count_nonzero():
        raise ValueError("A channel sees two tokens: its codes do not separate.")
    activation = construction.description.activation
    before, now = _activated(embedding, previous, activation), _activated(embedding, current, activation)
    keys, values = (np.array(part) for part in (construction.vocabulary.keys, construction.vocabulary.values))
    exact = [Balls(matrix, matrix * 0) for matrix in (B, C, head)]
    return Codes(
        B=exact[0] @ before.columns(keys),
        C=(exact[1] @ now.columns(keys)).transposed,
        x=now.columns(values),
        head=exact[2].rows(values),
    )


def _paper(construction: Construction, dtype: str) -> tuple[sparse.csr_array, ...]:
    weights = construction.weights
    names = ("embedding.weight", "mixer.conv.weight", "mixer.B.weight", "mixer.C.weight", "head.weight")
    embedding, *rest = (shipped(weights[name], dtype) for name in names)
    if weights["mixer.conv.bias"].entries:
        raise ValueError("A channel has a bias: its codes do not separate.")
    return (embedding.T.tocsr(), *rest)


def _official(construction: Construction, dtype: str) -> tuple[sparse.csr_array, ...]:
    weights, sizes = construction.weights, construction.hyperparameters
    if weights["mixer.conv1d.bias"].entries:
        raise ValueError("A channel has a bias: its codes do not separate.")
    names = ("in_proj.weight", "conv1d.weight", "x_proj.weight", "out_proj.weight")
    in_proj, taps, x_proj, out_proj = (shipped(weights[f"mixer.{name}"], dtype) for name in names)
    start, n = sizes["dt_rank"], sizes["d_state"]
    return in_proj[: sizes["d_inner"]], taps, x_proj[start : start + n], x_proj[start + n :], out_proj


ROWS = 256
LONGEST, DECAY = 10**6, 4.3e-18
"""L up to 10^6; a step keeps e^{−Δ|A|} ≥ 1 − e^{−40} > 1 − 4.3e-18 (constructions.compile.NEGLIGIBLE_A_LOG)."""


def least_margin_any_values(found: Codes) -> float:
    """A lower bound of the margin over every query, every assignment of values and every order of the pairs.

    Needs ⟨C(q), B(k)⟩ = 0 for k ≠ q exactly, so that other pairs do not matter; −inf otherwise.
    """
    low, high = (found.C @ found.B).bounds()
    away = ~np.eye(len(low), dtype=bool)
    if away.any() and (low[away].min() < -TINY or high[away].max() > TINY):
        return -np.inf
    least = np.inf
    for start in range(0, found.head.middle.shape[0], ROWS):
        least = min(least, _value_gap(found, start))
    return float(np.diag(low).min() * least)


TINY = 1e-300
"""Below this a score is an exact 0 that outward rounding moved by one subnormal step."""


def _value_gap(found: Codes, start: int) -> float:
    """min over v in a block and w ≠ v of ⟨head(v) − head(w), x(v)⟩."""
    count = found.head.middle.shape[0]
    block = np.arange(start, min(start + ROWS, count))
    low, high = (found.head @ found.x.columns(block)).bounds()
    own = low[block, np.arange(len(block))]
    high[block, np.arange(len(block))] = -np.inf
    return float((own - high.max(axis=0)).min()) if count > 1 else np.inf


def least_margin_distinct_values(found: Codes) -> float:
    """The same where all stored values differ: min over q, l ≠ q of S_qq − S_ql and S_qq, times the value's own score.

    The query's pair may be LONGEST steps old: the official block's strict decay takes at most LONGEST · DECAY of it.
    Needs ⟨head(w), x(v)⟩ = 0 for w ≠ v; the least score of a value with itself must not differ from the largest.
    """
    own_low, own_high = _own_scores(found)
    least = np.inf
    for start in range(0, found.C.middle.shape[0], ROWS):
        block = np.arange(start, min(start + ROWS, found.C.middle.shape[0]))
        low, high = (found.C.rows(block) @ found.B).bounds()
        own = low[np.arange(len(block)), block].copy()
        high[np.arange(len(block)), block] = 0.0
        faded = own * (own_low - LONGEST * DECAY)
        least = min(least, float((faded - np.maximum(high.max(axis=1), 0) * own_high).min()))
    return least


def _own_scores(found: Codes) -> tuple[float, float]:
    product = found.head @ found.x
    off = product.middle - sparse.diags_array(product.middle.diagonal())
    if abs(off).max() > 0:
        return -np.inf, np.inf
    middle, radius = product.middle.diagonal(), product.radius.diagonal()
    return float((middle - radius).min()), float((middle + radius).max())
