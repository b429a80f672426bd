"""Random token sequences for induction heads, and the least margin on them, in floats and over balls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from hypothesis import strategies as st

from mamba_theorems.constructions.induction_heads import (
    answers,
)
from mamba_theorems.kernels.fields import BALL
from mamba_theorems.verify.checks.case import Several, Whole
from mamba_theorems.verify.checks.check import DTYPE, Score
from mamba_theorems.verify.checks.induction_heads.heads import TestedHead, margins
from mamba_theorems.verify.settings import Run


@dataclass(frozen=True)
class SequenceCase:
    """Tokens 0 … num_tokens−1, and the dtype."""

    num_tokens: Annotated[int, Whole(1, 64)]
    tokens: Annotated[list[int], Several(Whole(0, 63), 1, 2000)]
    dtype: DTYPE

    def together(self) -> str:
        """Tokens are those of the vocabulary."""
        return "" if max(self.tokens) < self.num_tokens else f'"tokens" are below {self.num_tokens}'


@st.composite
def sequences(draw: st.DrawFn, _: TestedHead, run: Run) -> SequenceCase:
    """Up to 6 tokens and 40 steps; runs of one token are likely."""
    num_tokens = draw(st.integers(1, 6))
    runs = draw(st.lists(st.tuples(st.integers(0, num_tokens - 1), st.integers(1, 8)), min_size=1, max_size=12))
    tokens = [token for token, times in runs for _ in range(times)][:40]
    return SequenceCase(num_tokens, tokens, draw(st.sampled_from(run.dtypes)))


def score(head: TestedHead, case: SequenceCase, run: Run) -> Score:
    """The least margin of the right answer, blank included."""
    tokens = np.array([case.tokens + [0] * (40 - len(case.tokens))])
    found = margins(head.logits(tokens, case.num_tokens, case.dtype, run), answers(tokens, case.num_tokens))
    return Score(float(found[0, : len(case.tokens)].min()))


def score_repeated_tokens(head: TestedHead, case: SequenceCase, run: Run) -> Score:
    """The least margin where there is an answer; 1 where there is none."""
    tokens = np.array([case.tokens])
    targets = answers(tokens, case.num_tokens)
    logits = head.network(case.num_tokens, torch.float64).run(BALL, tokens[0])[:, : case.num_tokens]
    known = targets[0] < case.num_tokens
    lows = [certain_margin(row, int(t)) for row, t in zip(logits[known], targets[0][known], strict=True)]
    return Score(min(lows, default=1.0))


def certain_margin(row: Any, target: int) -> float:
    """A lower bound on right − other over balls, by the worst other."""
    others = [row[target] - x for i, x in enumerate(row) if i != target]
    return min((float(d.lower()) for d in others), default=1.0)
