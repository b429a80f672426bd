"""Checks of plain S6: exact in every block, and where floats and the decay rate stop it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import sympy

from mamba_theorems.constructions.induction_heads import (
    DECAY_RATE,
    TARGETS,
    answers,
    first_failing_repeat,
    hard_case,
    lone_write,
    plain_s6,
    reach,
    repeated,
)
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.check import Check, Examination, Finding, Property
from mamba_theorems.verify.checks.induction_heads.heads import (
    NUMPY,
    TestedHead,
    answered,
    margins,
    still,
    still_logarithm,
    swap,
    taps_moved,
)
from mamba_theorems.verify.checks.induction_heads.sequences import SequenceCase, score, sequences
from mamba_theorems.verify.settings import Run, Tier


def with_decay(rate: sympy.Expr | Fraction, target: str = "paper") -> TestedHead:
    """Plain S6 with a decay rate λΔ."""
    return TestedHead(lambda n, dtype: plain_s6(n, target, decay_rate=rate, dtype=dtype))


PLAIN = {target: with_decay(DECAY_RATE, target) for target in TARGETS}


def _hard_cases(head: TestedHead, run: Run) -> Finding:
    """The paper's hard case for every position r, as far apart as plain S6 reaches with this decay."""
    num_tokens, length = 8, 140
    tokens = np.stack([hard_case(num_tokens, length, r, run.seed) for r in range(1, length // 2)])
    worst = {
        d: float(margins(head.logits(tokens, num_tokens, d, run), answers(tokens, num_tokens)).min())
        for d in run.dtypes
    }
    holds = all(value > 0 for value in worst.values())
    return Finding(holds, "" if holds else "a wrong answer", {"sequences": len(tokens), "length": length}, dict(worst))


@dataclass(frozen=True)
class Limits:
    """A plain S6 network and the decay rate that its limits are predicted from."""

    target: str
    rate: Fraction = DECAY_RATE
    actual: Fraction = DECAY_RATE

    @property
    def head(self) -> TestedHead:
        """The network."""
        return with_decay(self.actual, self.target)


AROUND = range(-3, 5)


def _gaps(limits: Limits, run: Run) -> Finding:
    """The last gap that is answered, for a lone write and for the worst input, against the exact recurrence."""
    facts: dict[str, str | int] = {}
    holds = True
    for dtype in run.dtypes:
        number = NUMPY[dtype]
        predicted = reach(number(np.exp(-number(float(limits.rate)))), number(1))
        theory = -np.log2(float(np.finfo(number).smallest_subnormal)) * np.log(2) / float(limits.rate)
        alone = _last_answered(limits.head, lone_write, int(predicted.alone), dtype, run)
        worst = _last_answered(limits.head, partial(_worst, predicted.repeats), predicted.any_input, dtype, run)
        holds &= abs(alone - theory) <= 1 and abs(alone - predicted.alone) <= 1
        holds &= abs(worst - predicted.any_input) <= 1
        facts |= {f"{dtype} alone": alone, f"{dtype} any input": worst}
        facts |= {f"{dtype} predicted": f"{theory:.2f}, {predicted.any_input}"}
    return Finding(bool(holds), "exact up to its limits, wrong above them" if holds else "not where predicted", facts)


def _worst(repeats: int, gap: int) -> np.ndarray:
    """The query's token repeated, its answer, and the query `gap` steps after the write."""
    return repeated(repeats + 1, gap)


def _last_answered(
    head: TestedHead, sequence: Callable[[int], np.ndarray], predicted: int, dtype: str, run: Run
) -> int:
    """The gap up to which all near the prediction are answered; −1 where answers go on two steps past the first miss.

    A chunked scan decays over many steps at once and rounds once, so that one gap past a miss may be right again.
    """
    gaps = [max(1, predicted + d) for d in AROUND]
    right = answered(head, [sequence(gap) for gap in gaps], dtype, run)
    last = next((i for i, r in enumerate(right) if not r), len(right))
    return gaps[last - 1] if 0 < last < len(right) and not any(right[last + 2 :]) else -1


@dataclass(frozen=True)
class Repeats:
    """Decay rates below ln 2, and what k is added to the prediction."""

    rates: tuple[Fraction, ...] = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 5), Fraction(17, 25))
    faster: Fraction = Fraction(0)


def _too_heavy(repeats: Repeats, run: Run) -> Finding:
    """0^k 1 0 fails from the k of ρ^{k−1} ≤ 2 − 1/ρ on."""
    facts, holds = {}, True
    for rate, dtype in itertools.product(repeats.rates, run.dtypes):
        predicted = first_failing_repeat(float(rate))
        counts = range(max(2, predicted - 3), predicted + 4)
        right = answered(with_decay(rate + repeats.faster), [repeated(k) for k in counts], dtype, run)
        first = next((k for k, r in zip(counts, right, strict=True) if not r), 0)
        holds &= abs(first - predicted) <= 1 and not any(right[counts.index(first) :] if first else [True])
        facts[f"λΔ = {rate}, {dtype}"] = f"{first} (predicted {predicted})"
    return Finding(bool(holds), "fails where predicted" if holds else "does not fail where predicted", facts)


HALVING = {"float32": 26, "float64": 55}


def _at_ln_2(head: TestedHead, run: Run) -> Finding:
    """λΔ = ln 2 exactly: 0^k 1 0 first fails at k = p + 2."""
    found: dict[str, str | int] = {}
    for dtype in run.dtypes:
        counts = range(HALVING[dtype] - 4, HALVING[dtype] + 4)
        right = answered(head, [repeated(k) for k in counts], dtype, run)
        found[dtype] = next((k for k, r in zip(counts, right, strict=True) if not r), 0)
    holds = all(found[dtype] == HALVING[dtype] for dtype in run.dtypes)
    return Finding(holds, "fails first at k = p + 2" if holds else "fails elsewhere", found)


def _plain_checks(target: str) -> list[Check]:
    head = PLAIN[target]
    official = "conv1d.weight" if target != "paper" else "conv.weight"
    kept = swap("mixer.A", still) if target == "paper" else swap("A_log", still_logarithm)
    mutants = {
        "no decay": TestedHead(head.build, kept),
        "decay of 1/2 a step and more kept": with_decay(Fraction(1, 2), target),
        "taps moved": TestedHead(head.build, swap(official, taps_moved)),
    }
    return [
        Property(
            claim="induction.plain-s6",
            name=f"random-sequences-answered-{target.replace('_', '-')}",
            subject=head,
            mutants=mutants,
            cases=sequences,
            score=score,
            case_type=SequenceCase,
            examples=60,
            facts={"target": target},
        ),
        Examination(
            claim="induction.plain-s6-limits",
            name=f"gaps-as-predicted-{target.replace('_', '-')}",
            kind=Kind.TESTED,
            subject=Limits(target),
            mutants={
                "decay rate 5 % higher": Limits(target, actual=DECAY_RATE * Fraction(21, 20)),
                "decay rate 5 % lower": Limits(target, rate=DECAY_RATE * Fraction(21, 20)),
            },
            look=_gaps,
            tier=Tier.QUICK if target in ("paper", "official", "official_mamba2") else Tier.FULL,
        ),
    ]


CHECKS: tuple[Check, ...] = (
    *itertools.chain.from_iterable(_plain_checks(target) for target in TARGETS),
    Examination(
        claim="induction.plain-s6",
        name="hard-case-at-every-position",
        kind=Kind.TESTED,
        subject=PLAIN["official"],
        mutants={"λΔ = 1/2": with_decay(Fraction(1, 2), "official"), "λΔ = 1": with_decay(Fraction(1), "official")},
        look=_hard_cases,
    ),
    Examination(
        claim="induction.plain-s6",
        name="failure-below-ln-2-as-predicted",
        kind=Kind.TESTED,
        subject=Repeats(),
        mutants={"decay rates 1/20 higher": Repeats(faster=Fraction(1, 20))},
        look=_too_heavy,
    ),
    Examination(
        claim="induction.plain-s6-limits",
        name="first-failure-at-ln-2",
        kind=Kind.TESTED,
        subject=with_decay(sympy.log(2)),
        mutants={
            "ln 2 + 2^−22": with_decay(sympy.log(2) + Fraction(1, 2**22)),
            "ln 2 − 2^−22": with_decay(sympy.log(2) - Fraction(1, 2**22)),
        },
        look=_at_ln_2,
    ),
)
