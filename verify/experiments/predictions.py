"""What the theorems say of trainings, as predicates over results, written into the record before anything is run.

A prediction that a bound makes is of every training that the bound covers, and a miss contradicts it, or the code. A
prediction that a construction makes is of some training: the network exists, and training may fail to find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mamba_theorems.verify.experiments.plan import Plan
from mamba_theorems.verify.experiments.settings import Training
from mamba_theorems.verify.experiments.training import Trained

MET, NOT_MET, NOT_YET = "met", "not met", "not yet run"
SOLVED = 0.99
"""The share of right answers from which a task counts as solved, as in [P] and Zoology."""
ONE_DECAY = ("mamba2", "mamba-one-decay")
"""Mixers with one decay for all channels, as extension C assumes: per-channel Δ is extension I's way around it."""
RECALLS = ("mamba", *ONE_DECAY)
STANDARD_ERRORS = 3


@dataclass(frozen=True)
class Prediction:
    """What a claim says of the trainings that it covers: that every one, or some one, `holds`."""

    name: str
    claim: str
    words: str
    covers: Callable[[Training], bool]
    holds: Callable[[Trained], bool]
    every: bool

    def verdict(self, trainings: Iterable[Training], results: Mapping[Training, Trained]) -> str:
        """Met, not met or not yet run, over the trainings that it covers."""
        covered = [training for training in trainings if self.covers(training)]
        found = [self.holds(results[training]) for training in covered if training in results]
        decisive = not self.every
        if decisive in found:
            return MET if decisive else NOT_MET
        if len(found) < len(covered):
            return NOT_YET
        return NOT_MET if decisive else MET


def ceiling(n: int, input_seq_len: int, vocab_size: int) -> Fraction:
    """The most that a time-invariant mixer can get of KEEP n-TH, averaged over t = n … L.

    By `haar.keep-nth-s4d-impossible` errors at two times less than n apart add up to ½(1 − 1/|V|) or more. Their sum is
    least where each has half of that, but for n = 2 and an odd number of times: there every second one has all of it,
    beginning with none.
    """
    times = input_seq_len - n + 1
    if n < 2 or times < 2:
        return Fraction(1)
    pairs = Fraction(times // 2 if n == 2 else times, 1 if n == 2 else 2)
    return 1 - pairs * Fraction(vocab_size - 1, 2 * vocab_size) / times


def _recall(t: Training, *, distinct: bool) -> bool:
    """Recall by one layer, of at least two values: where there is one, every network answers."""
    return t.task == "mqar-once" and t.n_layer == 1 and t.distinct_values is distinct and t.vocab_size > 1


def _shared_decay(t: Training) -> bool:
    return t.mixer in ONE_DECAY and not t.gate


def _fits(t: Training, channels: int) -> bool:
    """Whether a construction fits: so many channels, and a convolution that shows a token the one before it."""
    return t.expand * t.d_model >= channels and t.d_conv > 1


def _time_invariant(t: Training) -> bool:
    """LTI between embedding and head; a convolution or a PE ahead of σ is not covered."""
    return t.mixer == "s4d" and not t.gate and not t.pe and t.d_conv == 1 and t.n_layer == 1


def _solved(r: Trained) -> bool:
    return r.accuracy >= SOLVED


def _within_ceiling(r: Trained) -> bool:
    t = r.training
    return r.accuracy <= float(ceiling(t.n, t.input_seq_len, t.vocab_size)) + STANDARD_ERRORS * r.standard_error


ALL = (
    Prediction(
        "fewer states than keys",
        "mqar.n-lower-bound",
        "without a gate, one decay for all channels and values with replacement: with N < κ no network answers every "
        "assignment",
        lambda t: _recall(t, distinct=False) and _shared_decay(t) and t.d_state < t.num_kv_pairs,
        lambda r: not r.exact,
        every=True,
    ),
    Prediction(
        "one state and three keys",
        "mqar.n1-impossible",
        "the same with distinct values: with N = 1 and κ ≥ 3 no network answers every assignment",
        lambda t: _recall(t, distinct=True) and _shared_decay(t) and t.d_state == 1 and t.num_kv_pairs >= 3,
        lambda r: not r.exact,
        every=True,
    ),
    Prediction(
        "distinct values need two states",
        "mqar.n2-distinct",
        "without a gate and with distinct values: with 2 ≤ N < κ some network answers every assignment",
        lambda t: (
            _recall(t, distinct=True)
            and not t.gate
            and t.mixer in RECALLS
            and 2 <= t.d_state < t.num_kv_pairs
            and _fits(t, t.num_kv_pairs + t.vocab_size)
        ),
        lambda r: r.exact,
        every=False,
    ),
    Prediction(
        "as many states as keys",
        "mqar.value-code",
        "without a gate, values with replacement: with N ≥ κ and d_inner ≥ 2κ + 2 some network answers every "
        "assignment",
        lambda t: (
            _recall(t, distinct=False)
            and not t.gate
            and t.mixer in RECALLS
            and t.d_state >= t.num_kv_pairs
            and _fits(t, 2 * t.num_kv_pairs + 2)
        ),
        lambda r: r.exact,
        every=False,
    ),
    Prediction(
        "a gate needs one state",
        "mqar.thm4",
        "with a gate, values with replacement: with N = 1 and d_inner ≥ κ|V| some network answers every assignment",
        lambda t: (
            _recall(t, distinct=False)
            and t.gate
            and t.mixer in ("mamba", "s4d")
            and t.d_state == 1
            and _fits(t, t.num_kv_pairs * t.vocab_size)
        ),
        lambda r: r.exact,
        every=False,
    ),
    Prediction(
        "a time-invariant mixer forgets which",
        "haar.keep-nth-s4d-impossible",
        "S4D without gate, convolution and PE keeps x_n at most as often as the ceiling of n, T and |V|, within "
        f"{STANDARD_ERRORS} standard errors",
        lambda t: t.task == "keep" and _time_invariant(t),
        _within_ceiling,
        every=True,
    ),
    Prediction(
        "time as an input keeps",
        "haar.keep-nth-one-state",
        f"Mamba with positions keeps x_n: some network answers {SOLVED} of the test set",
        lambda t: t.task == "keep" and t.mixer == "mamba" and t.pe,
        _solved,
        every=False,
    ),
    Prediction(
        "recall at [P]'s sizes",
        "mqar.value-code",
        f"Mamba with N ≥ κ and d_inner ≥ 2κ + 2 recalls: some network answers {SOLVED} of the test set",
        lambda t: (
            t.task == "mqar" and t.mixer == "mamba" and t.d_state >= t.num_kv_pairs and _fits(t, 2 * t.num_kv_pairs + 2)
        ),
        _solved,
        every=False,
    ),
    Prediction(
        "Δ^⊤ is an induction head",
        "induction.lem3-amended",
        f"Mamba-Δ^⊤ with d_inner ≥ 2|V| and N ≥ |V|: some network answers {SOLVED} of the test set",
        lambda t: (
            t.task == "induction"
            and t.mixer == "mamba-delta-t"
            and t.d_state >= t.vocab_size
            and _fits(t, 2 * t.vocab_size)
        ),
        _solved,
        every=False,
    ),
    Prediction(
        "so is plain S6",
        "induction.plain-s6",
        f"Mamba with d_inner ≥ 2|V| and N ≥ |V|: some network answers {SOLVED} of the test set",
        lambda t: (
            t.task == "induction" and t.mixer == "mamba" and t.d_state >= t.vocab_size and _fits(t, 2 * t.vocab_size)
        ),
        _solved,
        every=False,
    ),
    Prediction(
        "exact weights answer before training",
        "mqar.thm2-step1",
        "every network that starts at the construction's weights answers all of the test set at step 0",
        lambda t: t.start == "exact",
        lambda r: r.history[0][2] == 1.0,
        every=True,
    ),
)


def of(plan: Plan) -> tuple[Prediction, ...]:
    """The predictions that cover some of a plan's trainings."""
    return tuple(p for p in ALL if any(map(p.covers, plan.trainings)))


def stated(plan: Plan) -> list[dict[str, Any]]:
    """What is predicted of a plan, as data that no result changes."""
    return [
        {
            "name": p.name,
            "claim": p.claim,
            "words": p.words,
            "of": "every" if p.every else "some",
            "a miss contradicts the theorem": p.every,
            "trainings": [number for number, training in enumerate(plan.trainings) if p.covers(training)],
        }
        for p in of(plan)
    ]


def verdicts(plan: Plan, results: Mapping[Training, Trained]) -> dict[str, str]:
    """What became of each prediction."""
    return {p.name: p.verdict(plan.trainings, results) for p in of(plan)}
