"""Where the instances of a statement come from: exact points, smallest first, each with the case that gives it again.

A source knows nothing of what is claimed of its points: inside and outside the hypotheses alike, it says what is so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mamba_theorems.theorems.statement import Point, Statement
from mamba_theorems.verify.checks.case import Domain, NotACase
from mamba_theorems.verify.settings import Run, Tier

Columns = Mapping[Any, Any]
"""Symbols, or undefined functions, to their exact values, one an instance."""


@dataclass(frozen=True)
class Instances:
    """Some instances, column by column; `case(i)` is the i-th as JSON data."""

    columns: Columns
    case: Callable[[int], Any]

    def __iter__(self) -> Iterator[tuple[tuple[Any, ...], int]]:
        """The values row by row, in the order of the columns, with the row's number."""
        return iter(zip(zip(*map(_plain, self.columns.values()), strict=True), range(len(self)), strict=False))

    def __len__(self) -> int:
        """How many there are."""
        return len(next(iter(self.columns.values())))


def _plain(column: Sequence[Any]) -> Sequence[Any]:
    """Python's own numbers for numpy's."""
    return column.tolist() if hasattr(column, "tolist") else column


class Source(ABC):
    """Instances of one statement."""

    @property
    @abstractmethod
    def said(self) -> str:
        """Which instances, in words: sizes, lengths, how points are drawn."""

    @abstractmethod
    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """The instances, smallest first."""

    def seeded(self, seed: int) -> Source:
        """The same with random instances from another seed, where there are any."""
        return self

    @abstractmethod
    def domain(self, statement: Statement) -> Domain:
        """What a case of this source may be."""

    @abstractmethod
    def one(self, statement: Statement, case: Any) -> Instances:
        """The one instance of a case that is in the domain. Raises ValueError where it has none all the same."""

    def again(self, statement: Statement, case: Any) -> Instances:
        """The one instance of a case. Raises NotACase, which says what a case must be."""
        if reason := self.domain(statement).misfit(case, "a case of this statement", Run()):
            raise NotACase(reason)
        try:
            return self.one(statement, case)
        except (ValueError, ArithmeticError, LookupError, TypeError) as reason:
            raise NotACase(f"this case of the statement cannot be worked out ({reason}): change it") from reason


@dataclass(frozen=True)
class Listed(Source):
    """Instances worked out: the JSON cases of a tier, and the point that `measure` finds for each.

    `case` says what a case may be, listed or not.
    """

    words: str
    cases: Callable[[Tier], Iterable[Any]]
    measure: Callable[[Any], Point] = field(compare=False)
    case: Domain = field(compare=False, kw_only=True)

    @property
    def said(self) -> str:
        """As it was given."""
        return self.words

    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """Case by case."""
        return (self.one(statement, case) for case in self.cases(tier))

    def domain(self, statement: Statement) -> Domain:
        """As it was given."""
        return self.case

    def one(self, statement: Statement, case: Any) -> Instances:
        """The case's point."""
        return Instances({s: (v,) for s, v in self.measure(case).items()}, lambda _: case)
