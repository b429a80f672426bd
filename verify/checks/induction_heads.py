"""Checks of the induction heads: Lemma 3 printed and amended, plain S6 in every block, and where floats stop them.

[P] Section 4.4, Appendix D.5. Networks run on the real kernels; exact instances run over balls and sympy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import numpy as np
import sympy
import torch
from hypothesis import strategies as st

from constructions.exact import ExactTensor
from constructions.induction_heads import (
    DECAY_RATE,
    TARGETS,
    InductionHead,
    answers,
    first_failing_repeat,
    hard_case,
    lemma3,
    lemma3_printed,
    lone_write,
    plain_s6,
    reach,
    repeated,
)
from kernels.fields import BALL, SYMPY
from verify.check import Check, Examination, Finding, Property, Run, Score, Tier
from verify.evidence import Kind

DTYPES = {"float32": torch.float32, "float64": torch.float64}
NUMPY: dict[str, type[np.floating]] = {"float32": np.float32, "float64": np.float64}
Builder = Callable[[int, torch.dtype], InductionHead]
WIDE = 24
"""w of Lemma 3 in the checks: ln(2L) ≤ 24 for every L ≤ 10^10."""


@dataclass(frozen=True)
class Head:
    """A network by its number of tokens and dtype, and what is done to its weights."""

    build: Builder
    tamper: Callable[[InductionHead], InductionHead] = lambda head: head

    def network(self, num_tokens: int, dtype: torch.dtype) -> InductionHead:
        """The exact weights."""
        return self.tamper(self.build(num_tokens, dtype))

    def logits(self, tokens: np.ndarray, num_tokens: int, dtype: str, run: Run) -> np.ndarray:
        """On the real kernels: (batch, L, num_tokens + 1) for tokens (batch, L)."""
        module = _module(self, num_tokens, dtype, run.device)
        return module(torch.from_numpy(tokens).to(run.device)).cpu().numpy()


@lru_cache(maxsize=64)
def _module(head: Head, num_tokens: int, dtype: str, device: str) -> torch.nn.Module:
    return head.network(num_tokens, DTYPES[dtype]).module(DTYPES[dtype], device=device)


def margins(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Right logit minus the best other one; NaN logits stay NaN."""
    right = np.take_along_axis(logits, targets[..., None], -1)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, targets[..., None], -np.inf, -1)
    return right - others.max(-1)


AMENDED = Head(lambda n, _: lemma3(n, WIDE))
PRINTED = Head(lambda n, _: lemma3_printed(n, WIDE))


def _with_decay(rate: sympy.Expr | Fraction, target: str = "paper") -> Head:
    return Head(lambda n, dtype: plain_s6(n, target, decay_rate=rate, dtype=dtype))


PLAIN = {target: _with_decay(DECAY_RATE, target) for target in TARGETS}


# -------------------------------------------------------------------------------------------------- mutants


def _swap(name: str, change: Callable[[ExactTensor], ExactTensor]) -> Callable[[InductionHead], InductionHead]:
    """One weight, found by the end of its name, changed."""

    def tamper(head: InductionHead) -> InductionHead:
        (full,) = [n for n in head.weights if n.endswith(name)]
        return head.with_weight(full, change(head.weights[full]))

    return tamper


def _negated(tensor: ExactTensor) -> ExactTensor:
    return replace(tensor, fill=-tensor.fill, entries={i: -v for i, v in tensor.entries.items()})


def _still(tensor: ExactTensor) -> ExactTensor:
    """No decay at all: A = 0."""
    return ExactTensor(tensor.shape, 0)


def _still_logarithm(tensor: ExactTensor) -> ExactTensor:
    """No decay to speak of: A_log = −40."""
    return ExactTensor(tensor.shape, -40)


def _taps_moved(tensor: ExactTensor) -> ExactTensor:
    """The previous token's tap on the current one."""
    entries = {(*i[:-1], tensor.shape[-1] - 1): v for i, v in tensor.entries.items()}
    return replace(tensor, entries=entries)


def _none(tensor: ExactTensor) -> ExactTensor:
    return ExactTensor(tensor.shape, 0)


NO_ERASE = Head(AMENDED.build, _swap("delta.weight", _none))
KEEP_AND_ERASE_EXCHANGED = Head(
    AMENDED.build, lambda h: _swap("delta.weight", _negated)(_swap("delta.bias", _negated)(h))
)
LEMMA_MUTANTS = {
    "columns never erased": NO_ERASE,
    "keep and erase exchanged": KEEP_AND_ERASE_EXCHANGED,
    "no blank logit": Head(AMENDED.build, _swap("head.bias", _none)),
    "taps moved": Head(AMENDED.build, _swap("conv.weight", _taps_moved)),
    "as printed": PRINTED,
}


# --------------------------------------------------------------------------------------- random sequences


@dataclass(frozen=True)
class Sequence:
    """Tokens 0 … num_tokens−1, and the dtype."""

    num_tokens: int
    tokens: list[int]
    dtype: str


@st.composite
def sequences(draw: st.DrawFn, _: Head, run: Run) -> Sequence:
    """Up to 6 tokens and 40 steps; runs of one token are likely."""
    num_tokens = draw(st.integers(1, 6))
    runs = draw(st.lists(st.tuples(st.integers(0, num_tokens - 1), st.integers(1, 8)), min_size=1, max_size=12))
    tokens = [token for token, times in runs for _ in range(times)][:40]
    return Sequence(num_tokens, tokens, draw(st.sampled_from(run.dtypes)))


def _score(head: Head, case: Sequence, run: Run) -> Score:
    """The least margin of the right answer, blank included."""
    tokens = np.array([case.tokens + [0] * (40 - len(case.tokens))])
    found = margins(head.logits(tokens, case.num_tokens, case.dtype, run), answers(tokens, case.num_tokens))
    return Score(float(found[0, : len(case.tokens)].min()))


def _score_repeated_tokens(head: Head, case: Sequence, run: Run) -> Score:
    """The least margin where there is an answer; 1 where there is none."""
    tokens = np.array([case.tokens])
    targets = answers(tokens, case.num_tokens)
    logits = head.network(case.num_tokens, torch.float64).run(BALL, tokens[0])[:, : case.num_tokens]
    known = targets[0] < case.num_tokens
    lows = [_certain_margin(row, int(t)) for row, t in zip(logits[known], targets[0][known], strict=True)]
    return Score(min(lows, default=1.0))


def _certain_margin(row: Any, target: int) -> float:
    """A lower bound on right − other over balls, by the worst other."""
    others = [row[target] - x for i, x in enumerate(row) if i != target]
    return min((float(d.lower()) for d in others), default=1.0)


# ------------------------------------------------------------------------------------------ whole sizes


def _large(head: Head, run: Run) -> Finding:
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


def _hard_cases(head: Head, run: Run) -> Finding:
    """The paper's hard case for every position r, as far apart as plain S6 reaches with this decay."""
    num_tokens, length = 8, 140
    tokens = np.stack([hard_case(num_tokens, length, r, run.seed) for r in range(1, length // 2)])
    worst = {
        d: float(margins(head.logits(tokens, num_tokens, d, run), answers(tokens, num_tokens)).min())
        for d in run.dtypes
    }
    holds = all(value > 0 for value in worst.values())
    return Finding(holds, "" if holds else "a wrong answer", {"sequences": len(tokens), "length": length}, dict(worst))


def _every_sequence(head: Head, _: Run) -> Finding:
    """All sequences of |V| = 2, L ≤ 6, in balls: the weights as they are shipped, every input of these sizes."""
    length = 6
    network, worst = head.network(2, torch.float64), np.inf
    tokens = np.array(list(itertools.product(range(2), repeat=length)))
    logits, targets = network.run(BALL, tokens), answers(tokens, 2)
    for row, target in zip(logits.reshape(-1, 3), targets.ravel(), strict=True):
        worst = min(worst, _certain_margin(row, int(target)))
    facts: dict[str, str | int] = {"sequences": len(tokens), "length": length}
    return Finding(bool(worst > 0), "" if worst > 0 else "a wrong answer", facts, {"least margin": float(worst)})


# ------------------------------------------------------------------------------------- Lemma 3 as printed


def _no_blank(head: Head, _: Run) -> Finding:
    """L = 1 over sympy: if blank's logit is not the largest, the printed network does not answer."""
    logits = head.network(2, torch.float64).run(SYMPY, np.array([0]))[0]
    beaten = not all(sympy.simplify(logits[2] - x) > 0 for x in logits[:2])
    summary = f"at t = 1 the logits are {', '.join(map(str, logits[:2]))}: blank is not answered"
    return Finding(beaten, summary, {"logits": str(list(map(str, logits)))}, case={"tokens": [0]})


FIRST_FAILING = {"float32": 152, "float64": 1077}


def _first_failing(head: Head, run: Run) -> Finding:
    """The least L at which 0 1 … 1 0 is answered wrongly at its last token: 2 + 150 and 2 + 1075 by the proof."""
    found = {}
    for dtype in run.dtypes:
        lengths = list(range(FIRST_FAILING[dtype] - 4, FIRST_FAILING[dtype] + 4))
        right = _answered(head, [lone_write(length - 2) for length in lengths], dtype, run)
        found[dtype] = next((length for length, r in zip(lengths, right, strict=True) if not r), 0)
    holds = all(found[dtype] == FIRST_FAILING[dtype] for dtype in run.dtypes)
    facts: dict[str, str | int] = {f"first failing L, {dtype}": length for dtype, length in found.items()}
    return Finding(holds, "0 1 … 1 0 is answered wrongly at its last token", facts, case={"tokens": "0 1^(L-2) 0"})


def _answered(head: Head, rows: list[np.ndarray], dtype: str, run: Run, num_tokens: int = 2) -> list[bool]:
    """Whether each sequence's last token is answered; shorter ones are padded behind, which changes nothing."""
    longest = max(map(len, rows))
    tokens = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])
    found = margins(head.logits(tokens, num_tokens, dtype, run), answers(tokens, num_tokens))
    return [bool(found[i, len(row) - 1] > 0) for i, row in enumerate(rows)]


# --------------------------------------------------------------------------------------- plain S6: limits


@dataclass(frozen=True)
class Limits:
    """A plain S6 network and the decay rate that its limits are predicted from."""

    target: str
    rate: Fraction = DECAY_RATE
    actual: Fraction = DECAY_RATE

    @property
    def head(self) -> Head:
        """The network."""
        return _with_decay(self.actual, self.target)


AROUND = range(-3, 5)


def _gaps(limits: Limits, run: Run) -> Finding:
    """The last gap that is answered, for a lone write and for the worst input, against the exact recurrence."""
    facts: dict[str, str | int] = {}
    holds = True
    for dtype in run.dtypes:
        number = NUMPY[dtype]
        predicted = reach(number(np.exp(-number(float(limits.rate)))), number(1))
        theory = -np.log2(float(np.finfo(number).smallest_subnormal)) * np.log(2) / float(limits.rate)
        alone = _last_answered(limits.head, lone_write, predicted.alone, dtype, run)
        worst = _last_answered(limits.head, partial(_worst, predicted.repeats), predicted.any_input, dtype, run)
        holds &= abs(alone - theory) <= 1 and abs(alone - predicted.alone) <= 1
        holds &= abs(worst - predicted.any_input) <= 1
        facts |= {f"{dtype} alone": alone, f"{dtype} any input": worst}
        facts |= {f"{dtype} predicted": f"{theory:.2f}, {predicted.any_input}"}
    return Finding(bool(holds), "exact up to its limits, wrong above them" if holds else "not where predicted", facts)


def _worst(repeats: int, gap: int) -> np.ndarray:
    """The query's token repeated, its answer, and the query `gap` steps after the write."""
    return repeated(repeats + 1, gap)


def _last_answered(head: Head, sequence: Callable[[int], np.ndarray], predicted: int, dtype: str, run: Run) -> int:
    """The gap up to which all near the prediction are answered; −1 where answers go on two steps past the first miss.

    A chunked scan decays over many steps at once and rounds once, so that one gap past a miss may be right again.
    """
    gaps = [max(1, predicted + d) for d in AROUND]
    right = _answered(head, [sequence(gap) for gap in gaps], dtype, run)
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
        right = _answered(_with_decay(rate + repeats.faster), [repeated(k) for k in counts], dtype, run)
        first = next((k for k, r in zip(counts, right, strict=True) if not r), 0)
        holds &= abs(first - predicted) <= 1 and not any(right[counts.index(first) :] if first else [True])
        facts[f"λΔ = {rate}, {dtype}"] = f"{first} (predicted {predicted})"
    return Finding(bool(holds), "fails where predicted" if holds else "does not fail where predicted", facts)


HALVING = {"float32": 26, "float64": 55}


def _at_ln_2(head: Head, run: Run) -> Finding:
    """λΔ = ln 2 exactly: 0^k 1 0 first fails at k = p + 2."""
    found: dict[str, str | int] = {}
    for dtype in run.dtypes:
        counts = range(HALVING[dtype] - 4, HALVING[dtype] + 4)
        right = _answered(head, [repeated(k) for k in counts], dtype, run)
        found[dtype] = next((k for k, r in zip(counts, right, strict=True) if not r), 0)
    holds = all(found[dtype] == HALVING[dtype] for dtype in run.dtypes)
    return Finding(holds, "fails first at k = p + 2" if holds else "fails elsewhere", found)


def _plain_checks(target: str) -> list[Check]:
    head = PLAIN[target]
    official = "conv1d.weight" if target != "paper" else "conv.weight"
    still = _swap("mixer.A", _still) if target == "paper" else _swap("A_log", _still_logarithm)
    mutants = {
        "no decay": Head(head.build, still),
        "decay of 1/2 a step and more kept": _with_decay(Fraction(1, 2), target),
        "taps moved": Head(head.build, _swap(official, _taps_moved)),
    }
    return [
        Property(
            claim="induction.plain-s6",
            name=f"random sequences, {target}",
            subject=head,
            mutants=mutants,
            cases=sequences,
            score=_score,
            case_type=Sequence,
            examples=60,
            facts={"target": target},
        ),
        Examination(
            claim="induction.plain-s6-limits",
            name=f"gaps, {target}",
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
    Examination(
        claim="induction.lem3",
        name="the first position, over sympy",
        kind=Kind.REFUTED,
        subject=PRINTED,
        mutants={"the amended weights": AMENDED},
        look=_no_blank,
    ),
    Examination(
        claim="induction.lem3",
        name="0 1 … 1 0 in floats",
        kind=Kind.REFUTED,
        subject=PRINTED,
        mutants={"the amended weights": AMENDED, "kept a little better": Head(lambda n, _: _kept_better(n))},
        look=_first_failing,
    ),
    Property(
        claim="induction.lem3-argmax",
        name="random sequences, in balls",
        subject=Head(lambda n, _: lemma3_printed(n, 1)),
        mutants={
            "w = −1": Head(lambda n, _: lemma3_printed(n, -1)),
            "no decay": Head(PRINTED.build, _swap("mixer.A", _still)),
            "taps moved": Head(PRINTED.build, _swap("conv.weight", _taps_moved)),
        },
        cases=sequences,
        score=_score_repeated_tokens,
        case_type=Sequence,
        examples=12,
    ),
    Property(
        claim="induction.lem3-amended",
        name="random sequences",
        subject=AMENDED,
        mutants=LEMMA_MUTANTS,
        cases=sequences,
        score=_score,
        case_type=Sequence,
        examples=60,
    ),
    Examination(
        claim="induction.lem3-amended",
        name="|V| = 64, L = 2,000, and the hard case",
        kind=Kind.TESTED,
        subject=AMENDED,
        mutants={name: LEMMA_MUTANTS[name] for name in ("columns never erased", "as printed")},
        look=_large,
    ),
    Examination(
        claim="induction.lem3-amended",
        name="every sequence of 2 tokens and 6 steps, in balls",
        kind=Kind.CERTIFIED,
        subject=Head(lambda n, _: lemma3(n, 3)),
        mutants={"w = 1/2 < ln 12": Head(lambda n, _: lemma3(n, Fraction(1, 2)))},
        look=_every_sequence,
    ),
    *itertools.chain.from_iterable(_plain_checks(target) for target in TARGETS),
    Examination(
        claim="induction.plain-s6",
        name="the paper's hard case at every position",
        kind=Kind.TESTED,
        subject=PLAIN["official"],
        mutants={"λΔ = 1/2": _with_decay(Fraction(1, 2), "official"), "λΔ = 1": _with_decay(Fraction(1), "official")},
        look=_hard_cases,
    ),
    Examination(
        claim="induction.plain-s6",
        name="below ln 2 it fails where predicted",
        kind=Kind.TESTED,
        subject=Repeats(),
        mutants={"decay rates 1/20 higher": Repeats(faster=Fraction(1, 20))},
        look=_too_heavy,
    ),
    Examination(
        claim="induction.plain-s6-limits",
        name="at ln 2",
        kind=Kind.TESTED,
        subject=_with_decay(sympy.log(2)),
        mutants={
            "ln 2 + 2^−22": _with_decay(sympy.log(2) + Fraction(1, 2**22)),
            "ln 2 − 2^−22": _with_decay(sympy.log(2) - Fraction(1, 2**22)),
        },
        look=_at_ln_2,
    ),
)


def _kept_better(num_tokens: int) -> InductionHead:
    """The printed weights with the argument lowered by 1/10 everywhere: columns keep a little more than half."""
    head = lemma3_printed(num_tokens, WIDE)
    return head.with_weight("mixer.delta.bias", ExactTensor((num_tokens,), Fraction(-1, 10)))
