"""Layouts of tensors: parts of one fill and of entries at places that terms in two indices give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mamba_theorems.verify.certify.term import Expression, Term, term, the


@dataclass(frozen=True)
class Entries:
    """For i < rows and j < columns (which may depend on i), `number` is added at the flat `place` of a part.

    The same is done `times` in all, each time `stride` further on. A row of the tensor has at most `per_row` of them;
    all, where nothing is said.
    """

    rows: Expression
    columns: Expression
    place: Expression
    number: Expression
    times: Expression = 1
    stride: Expression = 0
    in_a_row: Expression | None = None

    @property
    def per_row(self) -> Expression:
        """How many of the entries a row of the tensor has, at most."""
        return self.rows * term(self.columns) * self.times if self.in_a_row is None else self.in_a_row

    def json(self) -> list[Any]:
        """As a certificate writes it."""
        fields = [self.rows, self.columns, self.place, self.number, self.times, self.stride]
        return [term(x).json() for x in (fields[:4] if (self.times, self.stride) == (1, 0) else fields)]


Many = tuple[Entries, ...]
Part = tuple[Expression, Expression, Many]
"""How many rows or entries there are, what fills them, and what is added."""


@dataclass(frozen=True)
class TensorLayout:
    """A tensor, row-major, in parts (size, fill, entries): `fill` but where entries add up."""

    shape: Sequence[Expression]
    parts: Sequence[Part]

    def json(self) -> dict[str, Any]:
        """As a certificate writes it."""
        parts = [[term(n).json(), term(x).json(), [e.json() for e in entries]] for n, x, entries in self.parts]
        return {"shape": [term(axis).json() for axis in self.shape], "parts": parts}


def tensor(shape: Sequence[Expression], fill: Expression = 0, *entries: Entries) -> TensorLayout:
    """A tensor in one part."""
    return TensorLayout(shape, ((_size(shape), fill, entries),))


def stacked(shape: Sequence[Expression], *parts: Part) -> TensorLayout:
    """A tensor in blocks (rows, fill, entries) one below the other; each block counts its places from its own start."""
    return TensorLayout(shape, tuple((_size((rows, *shape[1:])), fill, entries) for rows, fill, entries in parts))


def _size(shape: Sequence[Expression]) -> Term:
    first, *others = shape
    return _size(others) * first if others else term(first)


def diagonal(row: Expression, column: Expression, width: Term, count: Expression, number: Expression = 1) -> Entries:
    """The entries (row + i, column + i), i < count, of a matrix of that width."""
    return Entries(count, 1, row * width + column + (width + 1) * the.i, number, in_a_row=1)


def every(start: Expression, step: Expression, count: Expression, number: Expression) -> Entries:
    """The flat places start, start + step, ..., count of them."""
    return Entries(count, 1, start + step * the.i, number)


def single(place: Expression, number: Expression) -> Entries:
    """One entry at a flat place."""
    return Entries(1, 1, place, number, in_a_row=1)


def block(
    row: Expression, column: Expression, width: Term, rows: Expression, columns: Expression, number: Expression
) -> Entries:
    """The entries (row + i, column + j), i < rows, j < columns, of a matrix of that width."""
    return Entries(rows, columns, (row + the.i) * width + (column + the.j), number, in_a_row=columns)
