"""Where the instances of a statement come from: exact points, smallest first, each with the case that gives it again.

A source knows nothing of what is claimed of its points: inside and outside the hypotheses alike, it says what is so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mamba_theorems.theorems.statement import Point, Statement
from mamba_theorems.verify.settings import Tier

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
    def again(self, statement: Statement, case: Any) -> Instances:
        """The one instance of a case. Raises ValueError for a case that is none of this source."""


@dataclass(frozen=True)
class Listed(Source):
    """Instances worked out: the JSON cases of a tier, and the point that `measure` finds for each."""

    words: str
    cases: Callable[[Tier], Iterable[Any]]
    measure: Callable[[Any], Point] = field(compare=False)

    @property
    def said(self) -> str:
        """As it was given."""
        return self.words

    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """Case by case."""
        return (self.again(statement, case) for case in self.cases(tier))

    def again(self, statement: Statement, case: Any) -> Instances:
        """The case's point."""
        try:
            point = self.measure(case)
        except (KeyError, TypeError, IndexError) as reason:
            raise ValueError(f"{case} is no case of this statement ({self.words}): {reason}") from reason
        return Instances({s: (v,) for s, v in point.items()}, lambda _: case)
