"""Where the instances of the induction heads' statements come from: exact runs of the heads on every small sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import sympy as sp
from flint import arb

from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.induction_heads import answers, lemma3, lemma3_printed, lone_write
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import BALL
from mamba_theorems.theorems.induction_heads import lemma3 as stated
from mamba_theorems.theorems.statement import Point, Statement
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.source import Instances, Source
from mamba_theorems.verify.checks.statements.test import statement_test
from mamba_theorems.verify.settings import Tier

Case = dict[str, Any]


def up_to_renaming(num_tokens: int, length: int) -> np.ndarray:
    """All sequences of a length over so many tokens, each token that is new being the next one: (sequences, length)."""
    rows: list[tuple[int, ...]] = [(0,)]
    for _ in range(length - 1):
        rows = [(*row, token) for row in rows for token in range(min(num_tokens, max(row) + 2))]
    return np.array(rows)


# --- Lemma 3 in balls ------------------------------------------------------------------------------------------------

SIZES = {Tier.QUICK: ((2, 6), (3, 5)), Tier.FULL: ((2, 9), (3, 7), (4, 6))}
"""Numbers of tokens and lengths: all sequences of these and of every shorter length."""
GAPS = (10, 38)
"""Steps of the longer sequences 0 1 … 1 0 that show how sharp the bounds are."""


@dataclass(frozen=True)
class Lemma3(Source):
    """Lemma 3's block at every position of every small sequence, for several w."""

    build: Callable[[int, Any], Construction]
    sharpness: tuple[sp.Expr, ...]
    measure: Callable[[Construction, np.ndarray], list[Point]] = field(hash=False)
    gaps: tuple[int, ...] = ()

    @property
    def said(self) -> str:
        """Sizes, lengths and w."""
        sizes = ", ".join(f"{tokens} tokens up to L = {length}" for tokens, length in SIZES[Tier.QUICK])
        longer = "".join(f", 0 1 … 1 0 of length {gap + 2} at w = ln {2 * gap + 4}" for gap in self.gaps)
        return f"all sequences up to renaming, {sizes}, at w = {', '.join(map(str, self.sharpness))}{longer}; in balls"

    def instances(self, statement: Statement, tier: Tier) -> Iterable[Instances]:
        """Every prefix once, shortest first, with each w; then the longer sequences."""
        sizes = SIZES.get(tier, SIZES[Tier.QUICK])
        found = [at for num_tokens, length in sizes for at in self._all(num_tokens, length)]
        found.sort(key=lambda at: len(at[0]["tokens"]))
        for gap in self.gaps:
            case = {"num_tokens": 2, "w": str(sp.log(2 * gap + 4)), "tokens": lone_write(gap).tolist()}
            found.append((case, self._at(case)))
        yield _columns([point for _, point in found], [case for case, _ in found])

    def again(self, statement: Statement, case: Any) -> Instances:
        """The last position of the case's sequence."""
        try:
            return _columns([self._at(case)], [case])
        except (KeyError, TypeError, IndexError, sp.SympifyError) as reason:
            raise ValueError(f"a case has num_tokens, w and tokens below num_tokens: {reason}") from reason

    def _at(self, case: Case) -> Point:
        w = sp.sympify(case["w"])
        return self._points(case["num_tokens"], w, np.array([case["tokens"]]))[-1]

    def _all(self, num_tokens: int, length: int) -> Iterator[tuple[Case, Point]]:
        tokens, seen = up_to_renaming(num_tokens, length), set()
        for w in self.sharpness:
            for i, point in enumerate(self._points(num_tokens, w, tokens)):
                prefix = tuple(tokens[i // length, : i % length + 1].tolist())
                if (w, prefix) not in seen:
                    seen.add((w, prefix))
                    yield {"num_tokens": num_tokens, "w": str(w), "tokens": list(prefix)}, point

    def _points(self, num_tokens: int, w: sp.Expr, tokens: np.ndarray) -> list[Point]:
        """At every position of every sequence (batch, L)."""
        places = np.tile(np.arange(1, tokens.shape[1] + 1), len(tokens)).tolist()
        found = self.measure(self.build(num_tokens, w), tokens)
        return [{**point, stated.w: w, stated.length: place} for point, place in zip(found, places, strict=True)]


def _columns(points: list[Point], cases: list[Case]) -> Instances:
    return Instances({symbol: [point[symbol] for point in points] for symbol in points[0]}, cases.__getitem__)


def _logits(network: Construction, tokens: np.ndarray) -> Iterator[tuple[list[arb], int, int]]:
    """The logits at every position, the right class, and the number of blank."""
    logits = network.run(BALL, tokens)
    num_tokens = logits.shape[-1] - 1
    for row, target in zip(logits.reshape(-1, num_tokens + 1), answers(tokens, num_tokens).ravel(), strict=True):
        yield list(row), int(target), num_tokens


def _margin(row: list[arb], target: int) -> arb:
    return row[target] - reduce(arb.max, row[:target] + row[target + 1 :])


def printed(network: Construction, tokens: np.ndarray) -> list[Point]:
    """The margin with blank at 0, and how much is kept of the columns that are not erased."""
    kept = _kept(network, tokens)
    return [
        {
            stated.repeated: target < blank,
            stated.margin: _margin(row, target),
            stated.column: sum(row[:blank], arb(0)),
            stated.kept: factor,
        }
        for (row, target, blank), factor in zip(_logits(network, tokens), kept, strict=True)
    ]


def _kept(network: Construction, tokens: np.ndarray) -> Iterator[arb]:
    """The least factor by which a step keeps a column other than the erased one, by Δ = softplus(0); 1 where none is."""
    weights = semantics.sub_weights(network.to(BALL), "mixer")
    with BALL.arithmetic():
        factor = BALL.exp(weights["A"][0, 0] * BALL.softplus(weights["delta.bias"][0]))
    for row in tokens.tolist():
        for t in range(len(row)):
            yield factor if set(row[: max(t - 1, 0)]) - {row[t - 1]} else arb(1)


def amended(network: Construction, tokens: np.ndarray) -> list[Point]:
    """The answer's logit, the other tokens' together, and blank's."""
    found = []
    for row, target, blank in _logits(network, tokens):
        own = row[target] if target < blank else arb(0)
        rest = sum((x for token, x in enumerate(row[:blank]) if token != target), arb(0))
        found.append({stated.repeated: target < blank, stated.own: own, stated.rest: rest, stated.blank: row[blank]})
    return found


def _lemma3() -> Iterator[Check]:
    zero, low, high = sp.S.Zero, sp.Rational(-3, 2), sp.S.One
    yield statement_test(
        "induction.lem3",
        Lemma3(lemma3_printed, (sp.Integer(3),), printed),
        mutants={
            "at a repeated token, nothing said of what is kept": Statement(
                (stated.REPEATED,), sp.Gt(stated.margin, 0)
            )
        },
    )
    yield statement_test("induction.lem3-argmax", Lemma3(lemma3_printed, (zero, high, low), printed))
    yield statement_test("induction.lem3-amended", Lemma3(lemma3, (sp.log(12), sp.Integer(3), sp.S.Half), amended, GAPS))


CHECKS: tuple[Check, ...] = (*_lemma3(),)
