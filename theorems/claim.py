"""What a claim is: its identity, where the paper states it, under which hypotheses, and what it rests on.

A printed statement that fails is kept as printed, with its erratum; what is true instead is a claim of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import sympy as sp

from mamba_theorems.theorems.proofs.proof import Proof
from mamba_theorems.theorems.statement import Hypothesis, Statement

FAMILIES = ("foundations", "haar", "sensitivity", "mqar", "induction_heads", "token_dynamics")


class Form(StrEnum):
    """Whose sentence a claim is: the paper's, the paper's repaired, ours, or another's known to us by restatement."""

    PRINTED = "printed"
    AMENDED = "amended"
    EXTENSION = "extension"
    RESTATED = "restated"


class Outcome(StrEnum):
    """The strongest word that a claim's evidence supports, strongest first; REFUTED stands apart."""

    FORMAL = "FORMAL"
    PROVED = "PROVED"
    DERIVED = "DERIVED"
    CERTIFIED = "CERTIFIED"
    TESTED = "TESTED"
    UNKNOWN = "UNKNOWN"
    REFUTED = "REFUTED"


class Kind(StrEnum):
    """What a piece of evidence shows if it holds."""

    FORMAL = "FORMAL"
    PROVED = "PROVED"
    DERIVED = "DERIVED"
    CERTIFIED = "CERTIFIED"
    TESTED = "TESTED"
    OBSERVED = "OBSERVED"
    REFUTED = "REFUTED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class Erratum:
    """A printed statement that fails, stated soberly."""

    printed: str
    instance: str
    reading: str
    instead: str
    survives: str


@dataclass(frozen=True)
class Weakened:
    """A change of a formal statement, `old` for `new` in the text of its theorem, that Rocq must refuse."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Formal:
    """Theorems of theorems/formal, by module and name, that together say the claim, less what `leaves_out` names.

    A claim is FORMAL only where nothing is left out. Of a claim that is expected REFUTED they say the negation.
    `refused` are changes in the text of the first one's module after which its proof must fail.
    """

    theorems: tuple[str, ...]
    leaves_out: str = ""
    refused: tuple[Weakened, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One statement, with everything a reader needs to judge it.

    `statement` is LaTeX; `formula` is what it means, a sympy boolean about the real objects that an instance makes true
    or false under the `hypotheses`; of two quantifiers `every` and `some` name the symbols, and `uniform` says that the
    same some serve all. `proof` derives the statement for all sizes: if it composes to `formula`, from the hypotheses
    and from facts that `cites` names, the claim is PROVED, else DERIVED. `disproof` derives its negation from an exact
    instance. Both are functions, so that listing claims builds no steps. `formal` names the statement's theorems in
    Rocq; with them the claim is FORMAL.
    """

    id: str
    paper: str
    form: Form
    title: str
    statement: str
    hypotheses: tuple[Hypothesis | str, ...] = ()
    depends_on: tuple[str, ...] = ()
    expected: Outcome = Outcome.PROVED
    formula: sp.Basic | None = None
    every: tuple[sp.Symbol, ...] = ()
    some: tuple[sp.Symbol, ...] = ()
    uniform: bool = False
    cites: tuple[str, ...] = ()
    proof: Callable[[], Proof] | None = None
    disproof: Callable[[], Proof] | None = None
    erratum: Erratum | None = None
    formal: Formal | None = None

    def __post_init__(self) -> None:
        """Refuse a printed claim that is expected to fail but tells no erratum."""
        if self.expected is Outcome.REFUTED and self.erratum is None:
            raise ValueError(f"claim {self.id} is expected REFUTED: give its erratum")

    @property
    def says(self) -> Statement | None:
        """The statement as an object, where there is one."""
        if self.formula is None:
            return None
        objects = tuple(h for h in self.hypotheses if isinstance(h, Hypothesis))
        return Statement(objects, self.formula, self.every, self.some, self.uniform)

    @property
    def assumed(self) -> tuple[str, ...]:
        """The hypotheses as a page shows them."""
        return tuple(h if isinstance(h, str) else h.text for h in self.hypotheses)
