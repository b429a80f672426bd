"""Tensors as certificates lay them out: parts of one fill and of entries given by expressions in two indices.

A layout is evaluated for all indices at once, compared with the tensor that ships, and hashed; large sparse tensors
are never dense.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from constructions.exact import ExactTensor
from kernels.fields import FLOAT32, FLOAT64
from verify.certificates.argument import Entries, Expression, TensorLayout

DTYPES = {"float32": FLOAT32, "float64": FLOAT64}
DENSE = 2**25
Names = Mapping[str, Any]


@dataclass(frozen=True)
class Sparse:
    """A tensor by the flat places, in order, where it differs from what fills it: (start, stop, number) in order."""

    shape: tuple[int, ...]
    fills: tuple[tuple[int, int, float], ...]
    places: np.ndarray
    numbers: np.ndarray

    @property
    def size(self) -> int:
        """How many entries it has."""
        return prod(self.shape)

    @property
    def fill(self) -> float:
        """What fills it. Raises ValueError where there is more than one number."""
        if len({number for *_, number in self.fills}) > 1:
            raise ValueError("Parts of this tensor have fills of their own: look at one of them.")
        return self.fills[0][2]

    def part(self, start: int, size: int, fill: float) -> "Sparse":
        """The entries start ... start + size − 1, against a fill. Raises ValueError for another than this one's."""
        fills = {number for low, high, number in self.fills if low < start + size and start < high}
        if size and fills != {fill}:
            raise ValueError(f"A part is said to be filled with {fill}, but is with {sorted(fills)}: lay it out anew.")
        inside = slice(*np.searchsorted(self.places, [start, start + size]))
        return Sparse((size,), ((0, size, fill),), self.places[inside] - start, self.numbers[inside])

    def at(self, places: np.ndarray) -> np.ndarray:
        """The numbers at some places."""
        starts = np.array([low for low, *_ in self.fills])
        usual = np.array([number for *_, number in self.fills])[np.searchsorted(starts, places, "right") - 1]
        if not len(self.places):
            return usual
        index = np.minimum(np.searchsorted(self.places, places), len(self.places) - 1)
        return np.where(self.places[index] == places, self.numbers[index], usual)


Shipped = np.ndarray | Sparse


def shipped(weights: Mapping[str, ExactTensor], dtype: str) -> dict[str, Shipped]:
    """Exact weights, each rounded once; dense unless that takes more than DENSE entries."""
    return {name: w.to(DTYPES[dtype]) if prod(w.shape) <= DENSE else _rounded(w, dtype) for name, w in weights.items()}


def _rounded(weight: ExactTensor, dtype: str) -> Sparse:
    """A tensor of single entries and of blocks of whole rows. Raises ValueError for other blocks."""
    palette = list(dict.fromkeys([weight.fill, *weight.entries.values()]))
    rounded = DTYPES[dtype].array(np.array(palette, dtype=object)).astype(float)
    number_of = dict(zip(palette, rounded.tolist(), strict=True))
    blocks = {index: value for index, value in weight.entries.items() if any(isinstance(i, range) for i in index)}
    single = {index: value for index, value in weight.entries.items() if index not in blocks}
    fills = _fills(weight, {index: number_of[value] for index, value in blocks.items()}, number_of[weight.fill])
    index = np.array(list(single), dtype=np.int64).reshape(-1, len(weight.shape))
    places = np.asarray(np.ravel_multi_index(tuple(index.T), weight.shape))
    numbers = np.array([number_of[value] for value in single.values()], dtype=float)
    order = np.argsort(places)
    empty = Sparse(weight.shape, fills, np.zeros(0, int), np.zeros(0))
    kept = order[numbers[order] != empty.at(places[order])]
    return Sparse(weight.shape, fills, places[kept], numbers[kept])


def _fills(weight: ExactTensor, blocks: Mapping[Any, float], usual: float) -> tuple[tuple[int, int, float], ...]:
    """What fills the rows, in order."""
    rows = {}
    for (first, *others), number in blocks.items():
        whole = [range(n) for n in weight.shape[1:]] == others and isinstance(first, range) and first.step == 1
        if not whole:
            raise ValueError("A large tensor is certified by single entries and whole rows: give it no other blocks.")
        rows[first.start, first.stop] = number
    width, found, at = prod(weight.shape[1:]), [], 0
    for (start, stop), number in sorted(rows.items()):
        found += [(at * width, start * width, usual), (start * width, stop * width, number)]
        at = stop
    found.append((at * width, weight.shape[0] * width, usual))
    return tuple(part for part in found if part[0] < part[1])


def part_of(tensor: Shipped, start: int, size: int, fill: float) -> Sparse:
    """Where the entries start ... start + size − 1 differ from `fill`."""
    if isinstance(tensor, Sparse):
        return tensor.part(start, size, fill)
    flat = tensor.reshape(-1)[start : start + size]
    places = np.flatnonzero(flat != fill)
    return Sparse((size,), ((0, size, fill),), places, flat[places].astype(float))


# ------------------------------------------------------------------------------------------- layouts

EXACT: dict[str, Any] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "bit": lambda x, i: x >> i & 1,
    "at": lambda x, i: np.asarray(x)[i],
}


def exact(expression: Expression, names: Names) -> Any:
    """An expression in numbers, names and entries of lists, for all indices at once; floats only where exact."""
    if isinstance(expression, list):
        operation, x, y = expression
        return EXACT[operation](exact(x, names), exact(y, names))
    return names[expression] if isinstance(expression, str) else expression


def indices(entries: Entries, names: Names) -> dict[str, np.ndarray]:
    """All pairs of indices."""
    rows = np.arange(exact(entries.rows, names))
    counts = np.broadcast_to(exact(entries.columns, {**names, "i": rows}), rows.shape)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return {"i": np.repeat(rows, counts), "j": np.arange(counts.sum()) - starts}


def places(entries: Entries, names: Names) -> np.ndarray:
    """The flat places, in the order of the indices."""
    inside = indices(entries, names)
    return np.broadcast_to(exact(entries.place, {**names, **inside}), inside["i"].shape)


def laid_out(layout: TensorLayout, names: Names) -> list[Sparse]:
    """The parts that a layout describes. Raises ValueError where entries lie outside of a part."""
    return [_part(int(exact(size, names)), fill, entries, names) for size, fill, entries in layout.parts]


def _part(size: int, fill: Expression, scattered: Sequence[Entries], names: Names) -> Sparse:
    usual = float(exact(fill, names))
    at, numbers = [np.zeros(0, int)], [np.zeros(0)]
    for entries in scattered:
        inside = indices(entries, names)
        at.append(places(entries, names))
        number = exact(entries.number, {**names, **inside})
        numbers.append(np.broadcast_to(np.asarray(number, dtype=float), inside["i"].shape))
    where, which = np.unique(np.concatenate(at), return_inverse=True)
    if len(where) and not 0 <= where[0] <= where[-1] < size:
        raise ValueError("An entry lies outside of its tensor: the sizes do not belong together.")
    sums = np.bincount(which, np.concatenate(numbers), len(where)) + 0.0
    return Sparse((size,), ((0, size, usual),), where[sums != usual], sums[sums != usual])


def digest(parts: Sequence[Sparse]) -> str:
    """SHA-256 of every part's size and fill, and of where what differs from it."""
    text = []
    for part in parts:
        text.append(f"{part.size} {part.fill.hex()}")
        text += [f"{i} {x.hex()}" for i, x in zip(part.places.tolist(), part.numbers.tolist(), strict=True)]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def same(parts: Sequence[Sparse], tensor: Shipped, dtype: str) -> bool:
    """Whether a tensor is exactly what its parts say."""
    start = 0
    for part in parts:
        found = part_of(tensor, start, part.size, part.fill)
        if not (np.array_equal(found.places, part.places) and np.array_equal(found.numbers, part.numbers)):
            return False
        start += part.size
    return start == tensor.size and all(_are_floats(part, dtype) for part in parts)


def _are_floats(part: Sparse, dtype: str) -> bool:
    numbers = np.append(part.numbers, part.fill)
    return bool((numbers.astype(dtype).astype(float) == numbers).all())
