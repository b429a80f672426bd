"""What a case may be: one domain a value, which says in words what fits, tells what does not, and draws what does.

A check states its domains once. hypothesis draws from them, and a case that is given back as JSON is held to them
before anything runs: every value needed, none unknown, each of its kind and within what the check can run.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import sympy as sp
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from mamba_theorems.verify.settings import Run


class NotACase(ValueError):
    """What was given is no case of the check; the message is one sentence that says what a case must be."""


class Domain(ABC):
    """What one value of a case may be."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What fits, as in "a whole number from 1 to 9"."""

    @abstractmethod
    def fits(self, value: Any, run: Run) -> bool:
        """Whether a value of JSON is one of these."""

    def misfit(self, value: Any, where: str, run: Run) -> str:
        """What is wrong with a value, as a sentence; empty if it fits."""
        return "" if self.fits(value, run) else f"{where} must be {self.words}, not {_shown(value)}"

    def drawn(self, run: Run) -> SearchStrategy[Any]:
        """How hypothesis draws one. Raises NotImplementedError where a case is drawn otherwise."""
        raise NotImplementedError(f"say how {self.words} is drawn")


def _shown(value: Any) -> str:
    """A value as JSON writes it, the middle of a long one left out."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:40]} … {text[-10:]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Whole(Domain):
    """A whole number from `low` to `high`, the most that a check can run; up to `usual` are drawn."""

    low: int
    high: int
    usual: int | None = None
    odd: bool = False

    @property
    def words(self) -> str:
        """Both ends."""
        return f"{'an odd' if self.odd else 'a'} whole number from {self.low} to {self.high}"

    def fits(self, value: Any, run: Run) -> bool:
        """No float and no truth value."""
        return type(value) is int and self.low <= value <= self.high and not (self.odd and value % 2 == 0)

    def drawn(self, run: Run) -> SearchStrategy[int]:
        """Up to the usual end."""
        return st.integers(self.low, self.high if self.usual is None else self.usual)


@dataclass(frozen=True)
class Real(Domain):
    """A finite number, as a float is one, from `low` to `high`."""

    low: float
    high: float

    @property
    def words(self) -> str:
        """Both ends."""
        return f"a number from {self.low:g} to {self.high:g}"

    def fits(self, value: Any, run: Run) -> bool:
        """A whole number is one too."""
        return _is_number(value) and math.isfinite(value) and self.low <= value <= self.high

    def drawn(self, run: Run) -> SearchStrategy[float]:
        """Any of them."""
        return st.floats(self.low, self.high)


RATIO = re.compile(r"-?[0-9]{1,40}(/[0-9]{1,40})?")


@dataclass(frozen=True)
class Ratio(Domain):
    """An exact number: a whole one, or a text as in "-3/8"; from `low` to `high`, ends included unless `open` says."""

    low: Fraction | int | None = None
    high: Fraction | int | None = None
    open: bool = False

    @property
    def words(self) -> str:
        """The ends that there are."""
        ends = [
            f"{word} {end}" for word, end in zip(self._signs, (self.low, self.high), strict=True) if end is not None
        ]
        return " ".join(['an exact number as in "3/8"', " and ".join(ends)]).strip()

    @property
    def _signs(self) -> tuple[str, str]:
        return (">", "<") if self.open else ("≥", "≤")

    def fits(self, value: Any, run: Run) -> bool:
        """No float: it may be rounded."""
        if type(value) is not int and not (isinstance(value, str) and RATIO.fullmatch(value)):
            return False
        try:
            number = Fraction(value)
        except ZeroDivisionError:
            return False
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        return abs(number) < 10**40 and (low < number < high if self.open else low <= number <= high)


@dataclass(frozen=True)
class Flag(Domain):
    """true or false."""

    words = "true or false"

    def fits(self, value: Any, run: Run) -> bool:
        """No number."""
        return isinstance(value, bool)

    def drawn(self, run: Run) -> SearchStrategy[bool]:
        """Either."""
        return st.booleans()


@dataclass(frozen=True)
class Choice(Domain):
    """One of some values, or of those that a run has."""

    values: Sequence[Any] | Callable[[Run], Sequence[Any]]

    def _known(self, run: Run) -> Sequence[Any]:
        return self.values(run) if callable(self.values) else self.values

    @property
    def words(self) -> str:
        """All of them."""
        return f"one of {', '.join(map(_shown, self._known(Run())))}"

    def fits(self, value: Any, run: Run) -> bool:
        """An equal value of the same kind."""
        return any(value == known and type(value) is type(known) for known in self._known(run))

    def drawn(self, run: Run) -> SearchStrategy[Any]:
        """Any of them."""
        return st.sampled_from(list(self._known(run)))


@dataclass(frozen=True)
class Several(Domain):
    """A list of `least` to `most` values of one domain; `rising` says that each is larger than the one before."""

    of: Domain
    least: int = 0
    most: int = 1000
    rising: bool = False

    @property
    def words(self) -> str:
        """How many of what."""
        count = f"{self.least} values" if self.least == self.most else f"{self.least} to {self.most} values"
        return f"a list of {count}{', rising' * self.rising}, each {self.of.words}"

    def fits(self, value: Any, run: Run) -> bool:
        """Every entry."""
        return not self.misfit(value, "", run)

    def misfit(self, value: Any, where: str, run: Run) -> str:
        """The list, or its first entry that does not fit."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            return f"{where} must be {self.words}, not {_shown(value)}"
        for i, entry in enumerate(value):
            if reason := self.of.misfit(entry, f"{where}[{i}]", run):
                return reason
        fallen = self.rising and any(Fraction(a) >= Fraction(b) for a, b in pairwise(value))
        return f"{where} must rise, and {_shown(value)} does not" if fallen else ""

    def drawn(self, run: Run) -> SearchStrategy[list[Any]]:
        """Of any length."""
        return st.lists(self.of.drawn(run), min_size=self.least, max_size=self.most)


@dataclass(frozen=True)
class Subset(Domain):
    """Some of the names, each once, in the order of the alphabet."""

    names: tuple[str, ...]

    @property
    def words(self) -> str:
        """All of them."""
        return f"a list, in order, of some of {', '.join(map(_shown, sorted(self.names)))}"

    def fits(self, value: Any, run: Run) -> bool:
        """Each once, in order."""
        known = isinstance(value, list) and all(name in self.names for name in value)
        return known and value == sorted(set(value))

    def drawn(self, run: Run) -> SearchStrategy[list[str]]:
        """Any of them."""
        return st.lists(st.sampled_from(self.names), unique=True).map(sorted)


@dataclass(frozen=True)
class Tuple(Domain):
    """A list with one domain for each place."""

    of: tuple[Domain, ...]

    @property
    def words(self) -> str:
        """Place by place."""
        return f"a list of {len(self.of)} values: {'; '.join(domain.words for domain in self.of)}"

    def fits(self, value: Any, run: Run) -> bool:
        """Every place."""
        return (
            isinstance(value, list)
            and len(value) == len(self.of)
            and all(domain.fits(entry, run) for domain, entry in zip(self.of, value, strict=True))
        )


def matrix(of: Domain, rows: int, columns: int) -> Domain:
    """A list of rows."""
    return Several(Several(of, columns, columns), rows, rows)


_PIECE = r"\s+|[0-9]{1,4}(?![\w.])|[()+*/-]|(?:log|exp|sqrt|pi)\b"
_TOWER = re.compile(r"\*\*\s*(?:\d{3,}|\(?\s*-?\w+\s*\)?\s*\*\*)|\)\s*\*\*")
_SMALL = re.compile(r"\)\s*\*\*\s*(?:[1-4]\b|[a-z]\w*\b(?!\s*\())")
"""Powers of a bracket that stay small; no tower of powers is read."""


@dataclass(frozen=True)
class Formula(Domain):
    """A text that sympy reads, of whole numbers, + − * / **, log, exp, sqrt, pi and the named variables."""

    variables: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What may stand in it."""
        of = f" of {', '.join(self.variables)}" if self.variables else ""
        return f'a formula{of} as in "1 + log(3)/2": numbers, + - * / **, log, exp, sqrt, pi'

    def fits(self, value: Any, run: Run) -> bool:
        """Whether it can be read, and is a finite number where it has no variables."""
        names = "".join(rf"|{name}\b" for name in self.variables)
        if type(value) is int:
            return abs(value) < 10**4
        if not isinstance(value, str) or len(value) > 200 or not re.fullmatch(rf"(?:{_PIECE}{names})+", value):
            return False
        if _TOWER.search(_SMALL.sub(")", value)):
            return False
        try:
            found = sp.sympify(value, locals={name: sp.Symbol(name, real=True) for name in self.variables})
        except (sp.SympifyError, SyntaxError, TypeError, ValueError, AttributeError):
            return False
        return isinstance(found, sp.Expr) and not found.has(sp.nan, sp.zoo, sp.oo, sp.I)


@dataclass(frozen=True)
class Words(Domain):
    """A text of words between single spaces, each of them of a pattern."""

    said: str
    pattern: str
    most: int = 64

    @property
    def words(self) -> str:
        """As it was given."""
        return self.said

    def fits(self, value: Any, run: Run) -> bool:
        """Every word."""
        if not isinstance(value, str):
            return False
        parts = value.split(" ")
        return len(parts) <= self.most and all(re.fullmatch(self.pattern, part) for part in parts)


@dataclass(frozen=True)
class Record(Domain):
    """A mapping with a domain for each name; those of `optional` may be left out.

    `together` tells what is wrong with values that fit one by one; empty if nothing is.
    """

    of: Mapping[str, Domain]
    optional: frozenset[str] = frozenset()
    together: Callable[[dict[str, Any]], str] = field(default=lambda _: "")

    @property
    def words(self) -> str:
        """Name by name."""
        return "a mapping that gives " + "; ".join(f'"{name}": {domain.words}' for name, domain in self.of.items())

    def fits(self, value: Any, run: Run) -> bool:
        """Every name."""
        return not self.misfit(value, "", run)

    def misfit(self, value: Any, where: str, run: Run) -> str:
        """The first name that is missing, unknown, or has a value that does not fit."""
        names = ", ".join(f'"{name}"' for name in self.of)
        if not isinstance(value, dict):
            return f"{where} must be a mapping that gives {names}, not {_shown(value)}"
        for name in self.of:
            if name not in value and name not in self.optional:
                return f'{where} must give "{name}": {self.of[name].words}'
        if strange := next((name for name in value if name not in self.of), None):
            return f'{where} gives {names}, and not "{strange}"'
        wrong = (self.of[name].misfit(entry, f'"{name}"', run) for name, entry in value.items())
        return next(filter(None, wrong), "") or self.together(value)


@dataclass(frozen=True)
class Kinds(Domain):
    """A mapping of one of several kinds, told by the value that it gives to `name`."""

    name: str
    of: Mapping[str, Record]

    @property
    def words(self) -> str:
        """The kinds."""
        return f'a mapping whose "{self.name}" is one of {", ".join(map(_shown, self.of))}'

    def fits(self, value: Any, run: Run) -> bool:
        """As its kind."""
        return not self.misfit(value, "", run)

    def misfit(self, value: Any, where: str, run: Run) -> str:
        """That it is of no kind, or what does not fit its kind."""
        kind = value.get(self.name) if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in self.of:
            return f"{where} must be {self.words}"
        return self.of[kind].misfit(value, where, run)
