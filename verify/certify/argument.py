"""Arguments: how all inputs of a size reduce to a few scalars, in words and in steps that a machine evaluates again.

A step's expression is an integer, a name (a size, a weight or an earlier step) or [operation, argument...]; an argument
holds no other number. So a reader checks it once, for all sizes, and a certificate only adds sizes, weights and
enclosures to it. `check_certificate.py` evaluates the same expressions without this code base.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Expression = int | str | list
FORMAT = "mamba-theorems certificate 1"
POSITIVE, NOT_POSITIVE = "> 0", "<= 0"
FLOATS = (
    "Floating point: every addition and multiplication is IEEE, rounded to nearest in `dtype`; products may be fused "
    "with sums, sums may run in any order, the recurrence may be evaluated step by step, by an associative scan or "
    "chunk by chunk; each elementary function (exp, sigmoid, softplus, reciprocal square root) is within `ulps` units "
    "in the last place, and exp and sigmoid are 1 within u/4 of 1, u = 2^-24 or 2^-53. Adding an exact 0 and "
    "multiplying by an exact 0 or 1 are exact. A result that underflows may round to a subnormal number or be flushed "
    "to 0. TF32 and half precision are excluded. Steps: 'near n x' is x to n ulps, 'snap n x' too, but the float is 1 "
    "within u/4 of 1, 'round x' is one rounding of x, 'hull' joins two intervals. A step encloses the exact "
    "value too, since its errors may be 0."
)


@dataclass(frozen=True)
class Step:
    """A named scalar of the network: an interval that holds its exact value and every float's."""

    name: str
    expression: Expression
    because: str


@dataclass(frozen=True)
class Entries:
    """For i < rows and j < columns (which may depend on i), `number` is added at the flat `place` of a part.

    And again, `times` in all, each time `stride` further on.
    """

    rows: Expression
    columns: Expression
    place: Expression
    number: Expression
    times: Expression = 1
    stride: Expression = 0

    def json(self) -> list[Expression]:
        """As a certificate writes it."""
        once = [self.rows, self.columns, self.place, self.number]
        return once if (self.times, self.stride) == (1, 0) else [*once, self.times, self.stride]


@dataclass(frozen=True)
class TensorLayout:
    """A tensor, row-major, in parts (size, fill, entries): `fill` but where entries add up."""

    shape: Sequence[Expression]
    parts: Sequence[tuple[Expression, Expression, Sequence[Entries]]]

    def json(self) -> dict[str, Any]:
        """As a certificate writes it."""
        parts = [[size, fill, [e.json() for e in entries]] for size, fill, entries in self.parts]
        return {"shape": list(self.shape), "parts": parts}


def tensor(shape: Sequence[Expression], fill: Expression = 0, *entries: Entries) -> TensorLayout:
    """A tensor in one part."""
    return TensorLayout(shape, ((_size(shape), fill, entries),))


def stacked(shape: Sequence[Expression], *parts: tuple[Expression, Expression, Sequence[Entries]]) -> TensorLayout:
    """A tensor in blocks (rows, fill, entries) one below the other; each block counts its places from its own start."""
    return TensorLayout(shape, tuple((_size((rows, *shape[1:])), fill, entries) for rows, fill, entries in parts))


def _size(shape: Sequence[Expression]) -> Expression:
    first, *others = shape
    return mul(_size(others), first) if others else first


def diagonal(
    row: Expression, column: Expression, width: Expression, count: Expression, number: Expression = 1
) -> Entries:
    """The entries (row + i, column + i), i < count, of a matrix of that width."""
    return Entries(count, 1, add(add(mul(row, width), column), mul(add(width, 1), "i")), number)


def every(start: Expression, step: Expression, count: Expression, number: Expression) -> Entries:
    """The flat places start, start + step, ..., count of them."""
    return Entries(count, 1, add(start, mul(step, "i")), number)


def block(
    row: Expression, column: Expression, width: Expression, rows: Expression, columns: Expression, number: Expression
) -> Entries:
    """The entries (row + i, column + j), i < rows, j < columns, of a matrix of that width."""
    return Entries(rows, columns, add(mul(add(row, "i"), width), add(column, "j")), number)


@dataclass(frozen=True)
class Argument:
    """Why a network answers every admissible input of its sizes rightly; `closing` are the inequalities that end it."""

    claim: str
    target: str
    statement: str
    words: tuple[str, ...]
    requires: tuple[tuple[str, Expression], ...]
    tensors: dict[str, TensorLayout]
    steps: tuple[Step, ...]
    closing: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError(f"Two steps of {self.claim} ({self.target}) have one name: rename one of them.")

    def prose(self) -> dict[str, Any]:
        """Everything of a certificate that holds no number, as JSON data."""
        return {
            "format": FORMAT,
            "claim": self.claim,
            "target": self.target,
            "statement": self.statement,
            "argument": list(self.words),
            "requires": [list(condition) for condition in self.requires],
            "tensors": {name: layout.json() for name, layout in self.tensors.items()},
            "steps": [[step.name, step.expression, step.because] for step in self.steps],
            "closing": [list(inequality) for inequality in self.closing],
        }


def canonical(value: Any) -> str:
    """The one text of a JSON value."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


# ------------------------------------------------------------------------------------------ expressions


def add(x: Expression, y: Expression) -> Expression:
    """x + y."""
    return ["add", x, y]


def sub(x: Expression, y: Expression) -> Expression:
    """x - y."""
    return ["sub", x, y]


def mul(x: Expression, y: Expression) -> Expression:
    """x y."""
    return ["mul", x, y]


def div(x: Expression, y: Expression) -> Expression:
    """x / y."""
    return ["div", x, y]


def rounded(x: Expression) -> Expression:
    """What one IEEE operation gives whose exact result is x."""
    return ["round", x]


def product(x: Expression, y: Expression) -> Expression:
    """x y, rounded."""
    return rounded(mul(x, y))


def total(x: Expression, y: Expression) -> Expression:
    """x + y, rounded."""
    return rounded(add(x, y))


def exp(x: Expression) -> Expression:
    """e^x."""
    return ["exp", x]


def sigmoid(x: Expression) -> Expression:
    """1 / (1 + e^-x)."""
    return div(1, add(1, exp(sub(0, x))))


def softplus(x: Expression) -> Expression:
    """log(1 + e^x)."""
    return ["log", add(1, exp(x))]


def sqrt(x: Expression) -> Expression:
    """The root of x > 0."""
    return ["pow", x, div(1, 2)]


def near(x: Expression) -> Expression:
    """x as an elementary function computes it, to `ulps` units in the last place."""
    return ["near", "ulps", x]


def snap(x: Expression) -> Expression:
    """x as exp or sigmoid computes it: to `ulps` units in the last place, and 1 where it is within u/4 of 1."""
    return ["snap", "ulps", x]


def silu(x: Expression) -> Expression:
    """x sigmoid(x) as it is computed."""
    return product(x, snap(sigmoid(x)))


def power(x: Expression, n: Expression) -> Expression:
    """x^n of x > 0."""
    return ["pow", x, n]


def hull(x: Expression, y: Expression) -> Expression:
    """The least interval that holds both."""
    return ["hull", x, y]


def magnitude(x: Expression) -> Expression:
    """|x|."""
    return ["abs", x]


def zero(because: str, x: Expression) -> tuple[str, Expression]:
    """A requirement: x is 0."""
    return because, sub(0, magnitude(x))


def relu(x: Expression) -> Expression:
    """max(x, 0)."""
    return div(add(x, magnitude(x)), 2)


def entry(name: str, i: Expression) -> Expression:
    """The i-th entry of a list, from 0."""
    return ["at", name, i]


def bit(x: Expression, i: Expression) -> Expression:
    """The i-th binary digit of an integer."""
    return ["bit", x, i]


def over(index: str, count: Expression, x: Expression) -> Expression:
    """All values of x for index = 0 ... count - 1."""
    return ["over", index, count, x]
