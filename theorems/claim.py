"""What a claim is: its identity, where the paper states it, under which hypotheses, and what it rests on.

A printed statement that fails is kept as printed, with its erratum; what is true instead is a claim of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sympy as sp

from mamba_theorems.theorems.proofs.proof import Proof
from mamba_theorems.theorems.readable import readable
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
    """A printed statement that fails, or a printed argument for one that is true, stated soberly.

    `case` is the one instance at which the statement fails, as the test of the statement takes it: `instance` tells
    each of its values, as <name>, so that text, terminal and replay are about one instance. `further` tells others.
    Where the statement is true and its printed argument does not give it there is no case.
    """

    printed: str
    instance: str
    reading: str
    instead: str
    survives: str
    case: Mapping[str, Any] | None = field(default=None, hash=False)
    further: str = ""

    def __post_init__(self) -> None:
        """Put the case into the text. Raises ValueError where the text leaves a value out."""
        text = self.instance
        for name, value in (self.case or {}).items():
            if f"<{name}>" not in text:
                raise ValueError(f"an erratum leaves out the value of its case for '{name}': write <{name}>")
            text = text.replace(f"<{name}>", worded(value))
        object.__setattr__(self, "instance", text)

    @property
    def texts(self) -> dict[str, str]:
        """Its parts in words by name, those that there are."""
        return {name: text for name, text in vars(self).items() if isinstance(text, str) and text}


def worded(value: Any) -> str:
    """A value of a case as a sentence says it: 10⁸, ½, ln 3, true; the values of a list one after the other."""
    if isinstance(value, list):
        return " ".join(map(worded, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and re.search(r"log|\*", value):
        return readable(sp.sympify(value))
    return HALVES.get(str(value), str(value).replace("-", "−") if isinstance(value, int) else str(value))


HALVES = {"1/2": "½", "1/3": "⅓", "1/4": "¼"}


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
        """Refuse a claim that is expected to fail and does not say where, or that says so and is expected to hold."""
        fails = self.erratum is not None and self.erratum.case is not None
        if self.expected is Outcome.REFUTED and not fails:
            raise ValueError(f"claim {self.id} is expected REFUTED: give its erratum, with the case at which it fails")
        if fails and self.expected is not Outcome.REFUTED:
            raise ValueError(f"claim {self.id} is expected {self.expected}, and its erratum has a case: leave it out")

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
