"""What the recall statements' sources share: vocabularies, lengths, networks with sign columns, their answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import sympy as sp

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import ball
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Hypothesis, Statement
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.sequences import ExactNetwork, asked_of
from mamba_theorems.verify.checks.statements.source import Source
from mamba_theorems.verify.checks.statements.test import statement_test

SMALL = Vocabulary.paper(2, 2)
MIDDLE = Vocabulary.paper(3, 3)
EVERY, WIDE, SHORT = (8, 9), (6, 9), (6, 7)
"""The longest sequences in both tiers: for the paper's numbers; where values are not alike; for other numbers."""
BALANCED, UNBALANCED = ("++--", "+-+-", "--++"), ("+---", "++++", "+++-")
"""Sign columns of p = 4, so that 1/√p is ½."""
PRECISE = ball(300)
"""Steps of 2^60 beside writes of 2^40."""


def repaired(
    claim_id: str,
    source: Source,
    name: str,
    *,
    added: tuple[Hypothesis, ...] = (),
    dropped: tuple[Hypothesis, ...] = (),
    conclusion: sp.Basic | None = None,
) -> Check:
    """The test of a printed statement that fails; its mutant has what repairs it, and nothing contradicts that."""
    statement = said(claim_id)
    kept = tuple(h for h in statement.hypotheses if h not in dropped)
    concluded = statement.conclusion if conclusion is None else conclusion
    whole = replace(statement, hypotheses=(*kept, *added), conclusion=concluded)
    return statement_test(claim_id, source, mutants={name: whole})


def said(claim_id: str) -> Statement:
    """A claim's statement. Raises ValueError where it is no object."""
    statement = claims()[claim_id].says
    if statement is None:
        raise ValueError(f"{claim_id} has no formula: give its statement a meaning")
    return statement


@dataclass(frozen=True)
class Signs(ExactNetwork):
    """A network whose values have sign columns."""

    columns: tuple[str, ...] = ()

    @cached_property
    def gram(self) -> np.ndarray:
        """⟨m_u, m_v⟩, exact in float64: 1/p is a power of 2."""
        codes = np.array([[1 if sign == "+" else -1 for sign in column] for column in self.columns])
        return codes @ codes.T / codes.shape[1]

    @property
    def nearest(self) -> float:
        """The largest |⟨m_u, m_v⟩| of two columns."""
        return float(np.abs(self.gram - np.eye(len(self.gram))).max())


def built(
    claim: str, vocabulary: Vocabulary, longest: tuple[int, int], target: str = "paper", **options: Any
) -> ExactNetwork:
    """A claim's own network for a target."""
    keys = len(vocabulary.keys)
    build = partial(mqar.build, claim, target, num_kv_pairs=keys, vocab_size=vocabulary.size, vocabulary=vocabulary)
    return ExactNetwork(f"{claim}, {target}", build, vocabulary, longest, **options)


def contexts(vocabulary: Vocabulary, assignments: np.ndarray) -> np.ndarray:
    """Every key with its value, in order."""
    keys = np.broadcast_to(np.array(vocabulary.keys), assignments.shape)
    return np.stack([keys, assignments], -1).reshape(len(assignments), -1)


def margins(network: ExactNetwork, tokens: np.ndarray, pairs: int) -> np.ndarray:
    """(sequences,): the least margin over the other values that some key holds or that are left."""
    asked = asked_of(network, tokens, pairs, network.numbers)
    return np.array([min(row) for row in asked.margin.reshape(len(tokens), -1).tolist()])


def answers(network: ExactNetwork, assignments: Iterable[tuple[int, ...]]) -> bool:
    """Whether each key is answered as the first query after each assignment, and after a filler where there is one."""
    v = network.vocabulary
    context = contexts(v, np.array(list(assignments)))
    between = np.full((len(context), int(v.filler is not None)), v.filler or 0)
    asked = [np.column_stack([context, between, np.full(len(context), query)]) for query in v.keys]
    return all((margins(network, tokens, len(v.keys)) > 0).all() for tokens in asked)
