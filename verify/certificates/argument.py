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


@dataclass(frozen=True)
class Step:
    """A named scalar of the network: an interval that holds its exact value and every float's."""

    name: str
    expression: Expression
    because: str


@dataclass(frozen=True)
class TensorLayout:
    """A tensor of few distinct values: `fill`, then every run (flat start, step, count, value) written over it."""

    shape: Sequence[Expression]
    fill: int | str
    runs: Sequence[tuple[Expression, Expression, Expression, int | str]] = ()


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

    def prose(self) -> dict[str, Any]:
        """Everything of a certificate that holds no number, as JSON data."""
        return {
            "format": FORMAT,
            "claim": self.claim,
            "target": self.target,
            "statement": self.statement,
            "argument": list(self.words),
            "requires": [list(condition) for condition in self.requires],
            "tensors": {
                name: {"shape": list(t.shape), "fill": t.fill, "runs": [list(run) for run in t.runs]}
                for name, t in self.tensors.items()
            },
            "steps": [[step.name, step.expression, step.because] for step in self.steps],
            "closing": [list(inequality) for inequality in self.closing],
        }


def canonical(value: Any) -> str:
    """The one text of a JSON value."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def digest(value: Any) -> str:
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


def silu(x: Expression) -> Expression:
    """x sigmoid(x) as it is computed."""
    return product(x, near(sigmoid(x)))
