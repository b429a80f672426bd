"""Tensors as certificates lay them out: parts of one fill and of entries that terms in two indices give.

A layout is evaluated for all indices at once, compared with the tensor that ships, and hashed; large sparse tensors
are never dense.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, rounded
from mamba_theorems.kernels.fields import FLOAT32, FLOAT64
from mamba_theorems.verify.certify.layout import Entries, TensorLayout
from mamba_theorems.verify.certify.term import Expression

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
        """The number of entries."""
        return prod(self.shape)

    @property
    def fill(self) -> float:
        """The number that fills the tensor. Raises ValueError where there is more than one number."""
        if len({number for *_, number in self.fills}) > 1:
            raise ValueError("Parts of this tensor have fills of their own: look at one of them.")
        return self.fills[0][2]

    def part(self, start: int, size: int, fill: float) -> "Sparse":
        """The entries start ... start + size − 1, against a fill. Raises ValueError unless the tensor has that fill."""
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
    """A tensor of whole rows, single entries and blocks. Raises ValueError where these overlap."""
    usual, *entries = rounded([weight.fill, *weight.entries.values()], DTYPES[dtype]).astype(float).tolist()
    number_of = dict(zip(weight.entries, entries, strict=True))
    single = {index: x for index, x in number_of.items() if not any(isinstance(i, range) for i in index)}
    rows = {index: x for index, x in number_of.items() if index not in single and _is_rows(index, weight.shape)}
    blocks = {index: x for index, x in number_of.items() if index not in single and index not in rows}
    index = np.array(list(single), dtype=np.int64).reshape(-1, len(weight.shape))
    inside = [_block(index, weight.shape) for index in blocks]
    places = np.concatenate([np.ravel_multi_index(tuple(index.T), weight.shape), *inside])
    numbers = np.repeat([*single.values(), *blocks.values()], [1] * len(single) + [len(block) for block in inside])
    order = np.argsort(places)
    if (np.diff(places[order]) == 0).any():
        raise ValueError("Blocks of a large tensor that is certified must not overlap: split them.")
    fills = _fills(weight, rows, usual)
    empty = Sparse(weight.shape, fills, np.zeros(0, int), np.zeros(0))
    kept = order[numbers[order] != empty.at(places[order])]
    return Sparse(weight.shape, fills, places[kept], numbers[kept])


def _is_rows(index: Index, shape: tuple[int, ...]) -> bool:
    first, *others = index
    return [range(n) for n in shape[1:]] == others and isinstance(first, range) and first.step == 1


def _block(index: Index, shape: tuple[int, ...]) -> np.ndarray:
    """The flat places of a block."""
    axes = np.meshgrid(*(np.asarray(i if isinstance(i, range) else [i]) for i in index))
    return np.ravel_multi_index(tuple(axis.reshape(-1) for axis in axes), shape)


def _fills(weight: ExactTensor, blocks: Mapping[Any, float], usual: float) -> tuple[tuple[int, int, float], ...]:
    """What fills the rows, in order."""
    rows = {(first.start, first.stop): number for (first, *_), number in blocks.items()}
    width, found, at = prod(weight.shape[1:]), [], 0
    for (start, stop), number in sorted(rows.items()):
        found += [(at * width, start * width, usual), (start * width, stop * width, number)]
        at = stop
    found.append((at * width, weight.shape[0] * width, usual))
    return tuple(part for part in found if part[0] < part[1])


def numbers_at(tensor: Shipped, start: int, places: np.ndarray) -> np.ndarray:
    """The numbers at some places, counted from `start`."""
    if isinstance(tensor, Sparse):
        return tensor.at(start + places)
    return tensor.reshape(-1)[start + places].astype(float)


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
    """The value of a term in numbers, names and entries of lists, for all indices at once; floats only where exact."""
    if isinstance(expression, int):
        return expression
    if not expression.arguments:
        return names[expression.head] if isinstance(expression.head, str) else expression.head
    return EXACT[str(expression.head)](*(exact(argument, names) for argument in expression.arguments))


def indices(entries: Entries, names: Names) -> dict[str, np.ndarray]:
    """All pairs of indices."""
    rows = np.arange(exact(entries.rows, names))
    counts = np.broadcast_to(exact(entries.columns, {**names, "i": rows}), rows.shape)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return {"i": np.repeat(rows, counts), "j": np.arange(counts.sum()) - starts}


def places(entries: Entries, names: Names) -> np.ndarray:
    """The flat places, in the order of the indices, before they are repeated."""
    inside = indices(entries, names)
    return np.broadcast_to(exact(entries.place, {**names, **inside}), inside["i"].shape)


def repeated(first: np.ndarray, entries: Entries, names: Names) -> np.ndarray:
    """The first places and all places that repeat them."""
    times, stride = _repetition(entries, names)
    return (first + stride * np.arange(times)[:, None]).reshape(-1)


def _repetition(entries: Entries, names: Names) -> tuple[int, int]:
    return int(exact(entries.times, names)), int(exact(entries.stride, names))


def laid_out(layout: TensorLayout, names: Names) -> list[Sparse]:
    """The parts that a layout describes. Raises ValueError where entries lie outside of a part."""
    found = []
    for size, fill, scattered in layout.parts:
        all_of = [
            (repeated(at, e, names), np.tile(x, _repetition(e, names)[0])) for e, at, x in _once(scattered, names)
        ]
        found.append(_part(int(exact(size, names)), float(exact(fill, names)), all_of))
    return found


def _once(scattered: Sequence[Entries], names: Names) -> Iterator[tuple[Entries, np.ndarray, np.ndarray]]:
    """Entries with their places and numbers, not repeated."""
    for entries in scattered:
        at = places(entries, names)
        number = exact(entries.number, {**names, **indices(entries, names)})
        yield entries, at, np.broadcast_to(np.asarray(number, dtype=float), at.shape)


def _part(size: int, usual: float, placed: Sequence[tuple[np.ndarray, np.ndarray]]) -> Sparse:
    """A part with numbers added at places."""
    at = np.concatenate([np.zeros(0, int), *(where for where, _ in placed)])
    numbers = np.concatenate([np.zeros(0), *(x for _, x in placed)])
    where, which = np.unique(at, return_inverse=True)
    if len(where) and not 0 <= where[0] <= where[-1] < size:
        raise ValueError("An entry lies outside of its tensor: the sizes do not belong together.")
    sums = np.bincount(which, numbers, len(where)) + 0.0
    return Sparse((size,), ((0, size, usual),), where[sums != usual], sums[sums != usual])


def digest(layout: TensorLayout, names: Names) -> str:
    """SHA-256 of every part's size and fill, and of what differs from it, with how often and how far on it repeats."""
    text = []
    for size, fill, scattered in layout.parts:
        kinds: dict[tuple[int, int], list[tuple[np.ndarray, np.ndarray]]] = {}
        for entries, at, numbers in _once(scattered, names):
            kinds.setdefault(_repetition(entries, names), []).append((at, numbers))
        whole, usual = int(exact(size, names)), float(exact(fill, names))
        text.append(f"{whole} {usual.hex()}")
        for (times, stride), placed in sorted(kinds.items()):
            part, again = _part(whole, usual, placed), f" {times} {stride}" * (times > 1)
            text += [f"{i} {x.hex()}{again}" for i, x in zip(part.places.tolist(), part.numbers.tolist(), strict=True)]
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
    normal = (numbers == 0) | (abs(numbers) >= np.finfo(dtype).smallest_normal)
    return bool((normal & (numbers.astype(dtype).astype(float) == numbers)).all())
