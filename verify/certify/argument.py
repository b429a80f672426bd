"""Arguments: how all inputs of a size reduce to a few scalars, in words and in steps that a machine evaluates again.

An argument holds no number but integers. So a reader checks an argument once, for all sizes, and a certificate only
adds sizes, weights and enclosures to it. `check_certificate.py` evaluates the same terms without this code base.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from mamba_theorems.verify.certify.layout import TensorLayout
from mamba_theorems.verify.certify.term import Expression, Term, term, the

FORMAT = "mamba-theorems certificate 2"
POSITIVE, NOT_POSITIVE = "> 0", "<= 0"
FLOATS = (
    "Floating point: every addition and multiplication is IEEE, rounded to nearest in `dtype`; products may be fused "
    "with sums, products of several numbers and sums may be formed in any order, the recurrence may be evaluated step "
    "by step, by an associative scan or chunk by chunk; each elementary function (exp, sigmoid, softplus, reciprocal "
    "square root) is within `ulps` units in the last place, and exp and sigmoid are 1 within u/4 of 1, u = 2^-24 or "
    "2^-53. Adding an exact 0 and multiplying by an exact 0 or 1 are exact. A result that underflows may round to a "
    "subnormal number or be flushed to 0, and so may a subnormal operand; no weight is subnormal. TF32 and half "
    "precision are excluded. Steps: 'near n x' is x to n ulps, 'snap n x' too, but the float is 1 within u/4 of 1, "
    "'round x' is one rounding of x, 'hull' joins two intervals. A step encloses the exact value too, since its errors "
    "may be 0."
)


@dataclass(frozen=True)
class Scalar:
    """A step of an argument: a named number of the network, whose interval holds the exact value and every float's."""

    name: str
    expression: Expression
    because: str


Requirement = tuple[str, Expression]
"""What has to hold of sizes and weights, in words and as a term that is at least 0."""
ULPS: Requirement = ("elementary functions good to at least one ulp are what floats give", the.ulps >= 1)


@dataclass(frozen=True)
class Proven:
    """A theorem of theorems/formal that covers an argument's arithmetic, and what it `leaves` to a reader.

    `floats` are the closing inequalities that a reader needs for it, and the theorem does not.
    """

    theorem: str
    leaves: str
    floats: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """As a certificate writes it."""
        return {"theorem": self.theorem, "leaves": self.leaves}


READ = {"theorem": None, "leaves": "the whole argument"}
"""What a certificate says of an argument that no theorem covers."""


@dataclass(frozen=True)
class Argument:
    """Why a network answers every admissible input of its sizes rightly; the inequalities `closing` end it.

    `formal` is the theorem whose hypotheses are these inequalities; `formal.proved` alone sets it.
    """

    claim: str
    target: str
    statement: str
    words: tuple[str, ...]
    requires: tuple[Requirement, ...]
    tensors: dict[str, TensorLayout]
    steps: tuple[Scalar, ...]
    closing: tuple[tuple[str, str], ...]
    formal: Proven | None = None

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
            "formal": self.formal.json() if self.formal else READ,
            "requires": [[because, term(x).json()] for because, x in self.requires],
            "tensors": {name: layout.json() for name, layout in self.tensors.items()},
            "steps": [[step.name, term(step.expression).json(), step.because] for step in self.steps],
            "closing": [list(inequality) for inequality in self.closing],
        }


def not_negative(*names: str) -> tuple[Requirement, ...]:
    """The requirements that these weights are not negative."""
    return tuple((f"'{name}' is not negative", Term(name) >= 0) for name in names)


def positive(*names: str) -> tuple[tuple[str, str], ...]:
    """The closing inequalities that these steps are positive."""
    return tuple((name, POSITIVE) for name in names)


def canonical(value: Any) -> str:
    """The one text of a JSON value."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
