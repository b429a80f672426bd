"""What the recall theorems share: the task's hypotheses, what is measured at a query, exact runs of the paper's block.

Task (eq. 46): κ key-value pairs, then noise and queries; at a query's own position answer its value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from mamba_theorems.theorems.activations import relu
from mamba_theorems.theorems.proofs.proof import Bound
from mamba_theorems.theorems.statement import Hypothesis, predicate


def _of_sequences(name: str, words: str) -> Hypothesis:
    """A hypothesis that the tokens alone make true or false (`constructions.tasks`)."""
    return Hypothesis(name, f"{name}: {words}", predicate(name))


H1 = _of_sequences("H1", "the context's keys are distinct")
H2 = _of_sequences("H2", "no key, stored or not, occurs again after the tail showed it right before a value")
H3 = _of_sequences("H3", "the values of all stored writes are distinct, those of the tail included")
H4 = _of_sequences("H4", "what stands before a query is no value (a filler token outside V, or another key)")

M = sp.Symbol("M", real=True)
"""logit_{v(q)} − logit_u at a query of q, of a network that ran on a sequence, for one value u other than v(q)."""
RECALLED = sp.Gt(M, 0)

delta = sp.KroneckerDelta
Vector = tuple[sp.Expr, ...]


def signs(pattern: str) -> Vector:
    """The column ±1/√p that a pattern such as "++-+" spells."""
    scale = sp.sqrt(len(pattern))
    return tuple((1 if sign == "+" else -1) / scale for sign in pattern)


def dot(x: Sequence[sp.Expr], y: Sequence[sp.Expr]) -> sp.Expr:
    """⟨x, y⟩."""
    return sum((a * b for a, b in zip(x, y, strict=True)), sp.S.Zero)


@dataclass(frozen=True)
class Branch:
    """One branch of a block: a token's vector, two taps (previous, current), a bias and the non-linearity."""

    vectors: Mapping[str, Vector]
    taps: tuple[sp.Expr, sp.Expr] = (sp.S.Zero, sp.S.One)
    bias: sp.Expr = sp.S.Zero
    activation: Callable[[sp.Expr], sp.Expr] = relu

    def at(self, tokens: Sequence[str], t: int) -> Vector:
        """The branch's output at position t."""
        now = self.vectors[tokens[t]]
        before = self.vectors[tokens[t - 1]] if t else tuple(sp.S.Zero for _ in now)
        old, new = self.taps
        return tuple(self.activation(old * p + new * c - self.bias) for p, c in zip(before, now, strict=True))


def last_readout(x: Branch, B: Branch, C: Branch, tokens: Sequence[str]) -> Vector:
    """y = h C at the last token, with h_t = h_{t-1} + x_t B_t^T: the ungated block with decay 1 and step 1."""
    last = C.at(tokens, len(tokens) - 1)
    width = len(x.at(tokens, 0))
    y = [sp.S.Zero] * width
    for t in range(len(tokens)):
        score = dot(B.at(tokens, t), last)
        y = [a + score * b for a, b in zip(y, x.at(tokens, t), strict=True)]
    return tuple(sp.expand(e) for e in y)


def integer_square(x: sp.Symbol) -> Bound:
    """x² ≥ 1 for an integer x ≠ 0."""
    return Bound(name="a nonzero integer has square at least 1", claim=sp.Ge(x**2, 1), given=(sp.Ne(x, 0),)).but_not(
        "at least 2", claim=sp.Ge(x**2, 2)
    )
