"""Weights as exact sparse arrays: integers, fractions and closed forms, rounded once when a number type is chosen.

Stands before every explicit network of the paper: what a proof says about the weights is said of these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np
import sympy
import torch

from mamba_theorems.kernels.fields import FLOAT32, FLOAT64, Exact, Field

Index = tuple[int | range, ...]
FIELD_OF_DTYPE = {torch.float32: FLOAT32, torch.float64: FLOAT64}


@dataclass(frozen=True)
class ExactTensor:
    """An exact array of `shape`: `fill` everywhere but at `entries`.

    An entry's index has an int or a range for each axis; ranges name a block. Later entries overwrite earlier ones.
    Raises ValueError for an index outside `shape`.
    """

    shape: tuple[int, ...]
    fill: Exact = 0
    entries: Mapping[Index, Exact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self._plainly_inside():
            return
        for index in self.entries:
            inside = len(index) == len(self.shape) and all(
                _within(i, size) for i, size in zip(index, self.shape, strict=True)
            )
            if not inside:
                raise ValueError(f"Index {index} is outside shape {self.shape}: move the entry or enlarge the array.")

    def _plainly_inside(self) -> bool:
        """Whether all indices are single positions inside, decided at once; where not, each is looked at."""
        places = self._places()
        return places is not None and bool(((places >= 0) & (places < self.shape)).all())

    def _places(self) -> np.ndarray | None:
        """The indices, a row each; None where not all are single positions."""
        try:
            places = np.array(list(self.entries), dtype=np.int64).reshape(-1, len(self.shape))
        except (TypeError, ValueError, OverflowError):
            return None
        return places if len(places) == len(self.entries) else None

    def to(self, number_field: Field) -> np.ndarray:
        """This array in a field: each distinct exact value becomes the field's nearest number, once."""
        fill, *_ = numbers = rounded([self.fill, *self.entries.values()], number_field)
        array = np.full(self.shape, fill, dtype=numbers.dtype)
        places = self._places()
        if places is not None:
            array[tuple(places.T)] = numbers[1:]
            return array
        for index, number in zip(self.entries, numbers[1:], strict=True):
            array[tuple(_numpy_index(i) for i in index)] = number
        return array

    def torch(self, dtype: torch.dtype) -> torch.Tensor:
        """This array as a tensor of float32 or float64, each entry rounded once from its exact value."""
        if dtype not in FIELD_OF_DTYPE:
            raise ValueError(f"Exact weights are rounded to float32 or float64, not {dtype}: choose one of them.")
        return torch.from_numpy(self.to(FIELD_OF_DTYPE[dtype]))

    def with_entries(self, entries: Mapping[Index, Exact]) -> "ExactTensor":
        """This array with `entries` written over it."""
        kept = {index: value for index, value in self.entries.items() if index not in entries}
        return replace(self, entries={**kept, **entries})

    def padded(self, shape: tuple[int, ...]) -> "ExactTensor":
        """This array at the origin of a larger one with the same fill."""
        return replace(self, shape=shape)

    def transposed(self) -> "ExactTensor":
        """This array with its axes reversed."""
        return ExactTensor(self.shape[::-1], self.fill, {index[::-1]: value for index, value in self.entries.items()})


def rounded(values: Sequence[Exact], number_field: Field) -> np.ndarray:
    """The field's nearest numbers, each distinct value's found once; equal objects are told apart before their hashes.

    A Fraction's hash takes long, and millions of entries share a few objects.
    """
    objects = {id(value): value for value in values}
    palette = {value: i for i, value in enumerate(dict.fromkeys(objects.values()))}
    place_of = {identity: palette[value] for identity, value in objects.items()}
    which = np.fromiter((place_of[id(value)] for value in values), dtype=np.int64, count=len(values))
    return number_field.array(np.array(list(palette), dtype=object))[which]


def block(shape: tuple[int, ...], value: Exact) -> ExactTensor:
    """The constant array of `shape`."""
    return ExactTensor(shape, value)


def stack_rows(tensors: Sequence[ExactTensor]) -> ExactTensor:
    """The arrays one below the other, along the first axis; a fill that differs from the first's becomes a block."""
    heights = [tensor.shape[0] for tensor in tensors]
    starts = [0, *accumulate(heights)]
    entries: dict[Index, Exact] = {}
    for tensor, start in zip(tensors, starts, strict=False):
        entries |= dict(_shifted(tensor, start, tensors[0].fill))
    return ExactTensor((starts[-1], *tensors[0].shape[1:]), tensors[0].fill, entries)


def _shifted(tensor: ExactTensor, start: int, fill: Exact) -> Iterator[tuple[Index, Exact]]:
    if tensor.fill != fill:
        yield (range(start, start + tensor.shape[0]), *map(range, tensor.shape[1:])), tensor.fill
    for (row, *rest), value in tensor.entries.items():
        moved = range(row.start + start, row.stop + start, row.step) if isinstance(row, range) else row + start
        yield (moved, *rest), value


def _within(index: int | range, size: int) -> bool:
    if isinstance(index, range):
        return index.start >= 0 and index.step > 0 and index.stop <= size
    return 0 <= index < size


def _numpy_index(index: int | range) -> int | slice:
    return slice(index.start, index.stop, index.step) if isinstance(index, range) else index


# ----------------------------------------------------------------------- preimages in closed form


def silu_preimage(value: Exact) -> sympy.Expr:
    """The x > 0 with SiLU(x) = value > 0: `x = value + W(value e^-value)`, W Lambert's."""
    value = sympy.sympify(value)
    return value + sympy.LambertW(value * sympy.exp(-value))


def softplus_preimage(value: Exact) -> sympy.Expr:
    """The x with softplus(x) = value > 0: `x = log(e^value - 1)`."""
    return sympy.log(sympy.exp(sympy.sympify(value)) - 1)


PREIMAGES: dict[str, Callable[[Exact], Exact]] = {"relu": lambda value: value, "silu": silu_preimage}
"""By non-linearity of a mixer: the x > 0 that it takes to a value > 0."""
