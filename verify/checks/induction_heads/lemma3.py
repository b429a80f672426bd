"""Checks of Lemma 3: as printed, its argmax, and amended."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from mamba_theorems.constructions.compiler.exact import ExactTensor
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.induction_heads import (
    answers,
    hard_case,
    lemma3,
    lemma3_printed,
    lone_write,
)
from mamba_theorems.kernels.dtypes import DTYPES
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.case import Choice, Record, Whole
from mamba_theorems.verify.checks.check import Check, Examination, Finding, Property
from mamba_theorems.verify.checks.induction_heads.heads import (
    TestedHead,
    answered,
    margins,
    negated,
    none,
    still,
    swap,
    taps_moved,
)
from mamba_theorems.verify.checks.induction_heads.sequences import (
    SequenceCase,
    score,
    score_repeated_tokens,
    sequences,
)
from mamba_theorems.verify.settings import Run

WIDE = 24
"""w of Lemma 3 in the checks: ln(2L) ≤ 24 for every L ≤ 10^10."""

AMENDED = TestedHead(lambda n, _: lemma3(n, WIDE))
PRINTED = TestedHead(lambda n, _: lemma3_printed(n, WIDE))


NO_ERASE = TestedHead(AMENDED.build, swap("delta.weight", none))
KEEP_AND_ERASE_EXCHANGED = TestedHead(
    AMENDED.build, lambda h: swap("delta.weight", negated)(swap("delta.bias", negated)(h))
)
LEMMA_MUTANTS = {
    "columns never erased": NO_ERASE,
    "keep and erase exchanged": KEEP_AND_ERASE_EXCHANGED,
    "no blank logit": TestedHead(AMENDED.build, swap("head.bias", none)),
    "taps moved": TestedHead(AMENDED.build, swap("conv.weight", taps_moved)),
    "as printed": PRINTED,
}


def _large(head: TestedHead, run: Run) -> Finding:
    """|V| = 64 and L = 2,000: random sequences, and the hard case over the whole length."""
    num_tokens, length = 64, 2000
    rng = np.random.default_rng(run.seed)
    drawn = rng.integers(0, num_tokens, (2, length))
    hard = [hard_case(num_tokens, length, position, run.seed) for position in (1, 2, 500, 998)]
    tokens = np.stack([*drawn, *hard])
    worst = {
        d: float(margins(head.logits(tokens, num_tokens, d, run), answers(tokens, num_tokens)).min())
        for d in run.dtypes
    }
    holds = all(value > 0 for value in worst.values())
    facts: dict[str, str | int] = {"vocab_size": num_tokens, "input_seq_len": length, "examples": len(tokens)}
    return Finding(holds, "exact, blank included" if holds else "a wrong answer", facts, dict(worst))


FIRST_FAILING = {"float32": 152, "float64": 1077}


def _first_failing(head: TestedHead, run: Run) -> Finding:
    """The least L at which 0 1 … 1 0 is answered wrongly at its last token: 2 + 150 and 2 + 1075 by the proof."""
    found = {}
    for dtype in run.dtypes:
        lengths = list(range(FIRST_FAILING[dtype] - 4, FIRST_FAILING[dtype] + 4))
        right = answered(head, [lone_write(length - 2) for length in lengths], dtype, run)
        found[dtype] = next((length for length, r in zip(lengths, right, strict=True) if not r), 0)
    holds = all(found[dtype] == FIRST_FAILING[dtype] for dtype in run.dtypes)
    facts: dict[str, str | int] = {f"first failing L, {dtype}": length for dtype, length in found.items()}
    dtype = run.dtypes[0]
    summary = f"0 1 … 1 0 of L = {found[dtype]} is answered wrongly at its last token, in {dtype}"
    return Finding(holds, summary, facts, case={"L": found[dtype], "dtype": dtype})


def _fails_at(head: TestedHead, case: Any, run: Run) -> Finding:
    """Whether 0 1 … 1 0 of one length is answered wrongly at its last token."""
    (right,) = answered(head, [lone_write(case["L"] - 2)], case["dtype"], run)
    word = "rightly" if right else "wrongly"
    return Finding(not right, f"0 1 … 1 0 of L = {case['L']} is answered {word} at its last token, in {case['dtype']}")


def _kept_better(num_tokens: int) -> Construction:
    """The printed weights with the argument lowered by 1/10 everywhere: columns keep a little more than half."""
    head = lemma3_printed(num_tokens, WIDE)
    return head.with_weight("mixer.delta.bias", ExactTensor((num_tokens,), Fraction(-1, 10)))


CHECKS: tuple[Check, ...] = (
    Examination(
        claim="induction.lem3",
        name="lone-write-lost-in-floats",
        kind=Kind.REFUTED,
        subject=PRINTED,
        mutants={"the amended weights": AMENDED, "kept a little better": TestedHead(lambda n, _: _kept_better(n))},
        look=_first_failing,
        again=_fails_at,
        case=Record({"L": Whole(2, 2000), "dtype": Choice(DTYPES)}),
    ),
    Property(
        claim="induction.lem3-argmax",
        name="random-sequences-answered-in-balls",
        subject=TestedHead(lambda n, _: lemma3_printed(n, 1)),
        mutants={
            "w = −1": TestedHead(lambda n, _: lemma3_printed(n, -1)),
            "no decay": TestedHead(PRINTED.build, swap("mixer.A", still)),
            "taps moved": TestedHead(PRINTED.build, swap("conv.weight", taps_moved)),
        },
        cases=sequences,
        score=score_repeated_tokens,
        case_type=SequenceCase,
        examples=12,
    ),
    Property(
        claim="induction.lem3-amended",
        name="random-sequences-answered",
        subject=AMENDED,
        mutants=LEMMA_MUTANTS,
        cases=sequences,
        score=score,
        case_type=SequenceCase,
        examples=60,
    ),
    Examination(
        claim="induction.lem3-amended",
        name="hard-case-answered-at-length-2000",
        kind=Kind.TESTED,
        subject=AMENDED,
        mutants={name: LEMMA_MUTANTS[name] for name in ("columns never erased", "as printed")},
        look=_large,
    ),
)
