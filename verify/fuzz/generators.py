"""More ways to draw a property's cases than its check has: wider sizes, and cases meant to hurt.

Recall: all queries adjacent, all values equal, a query at the very end, the longest gap. Scans: extreme Δ, ragged and
large sizes. Each draws cases of the check's own type that keep its hypotheses, so that a case replays as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st

from mamba_theorems.kernels.backends import choices
from mamba_theorems.verify.checks.check import Property
from mamba_theorems.verify.checks.foundations import copying, duality, forms, scan
from mamba_theorems.verify.checks.induction_heads import sequences
from mamba_theorems.verify.checks.mqar import targets
from mamba_theorems.verify.checks.mqar.recall import Recall, RecallCase, recall_cases
from mamba_theorems.verify.fuzz.batches import Batches, batches_of
from mamba_theorems.verify.settings import Run

Generator = Callable[[Any, Run], st.SearchStrategy]
OWN = "as checked"


def generators_of(check: Property) -> dict[str, Generator | Batches]:
    """The check's own way to draw, and the wider ones that there are for it, by name."""
    by_claim = BY_CLAIM.get((check.claim, check.name), {})
    if check.claim in TIRING or "field" in check.facts:
        wider = EXACT if check.cases in (recall_cases, targets.plain_cases) else WIDER.get(check.cases, {})
        return {OWN: check.cases, **wider, **by_claim}
    return {OWN: check.cases, **WIDER.get(check.cases, {}), **by_claim, **batches_of(check)}


# --- recall ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Extent:
    """The numbers of keys and of values to draw from, and the longest stretch of noise."""

    keys: tuple[int, ...]
    values: tuple[int, ...]
    gap: int


EXTENTS = {
    "small": Extent((1, 2, 3, 4, 8), (2, 3, 4, 8), 16),
    "middle": Extent((1, 2, 5, 9, 16), (2, 5, 16), 100),
    "large": Extent((1, 17, 32), (2, 32), 400),
}
TAILS = ("any", "adjacent", "last position", "longest gap")
VALUES = ("equal", "one against all", "any")
Step = int | tuple[int, int]


@st.composite
def hard_recall(draw: st.DrawFn, subject: Recall, run: Run, reach: Extent) -> RecallCase:
    """H1, and H2 where the subject needs it: every order, coincidence, adjacency and gap that they admit."""
    num_keys, num_values = draw(st.sampled_from(reach.keys)), draw(st.sampled_from(reach.values))
    values = range(num_keys, num_keys + num_values)
    keys = draw(st.permutations(range(num_keys)))
    stored = draw(_stored(num_keys, values))
    tokens = [token for pair in zip(keys, stored, strict=True) for token in pair]
    tail = draw(_tail(keys, values, reach.gap))
    return RecallCase(
        num_keys, num_values, tokens + _written(tail, subject.rewrites_keys), draw(st.sampled_from(run.dtypes))
    )


@st.composite
def _stored(draw: st.DrawFn, count: int, values: range) -> list[int]:
    kind, one = draw(st.sampled_from(VALUES)), st.sampled_from(values)
    if kind == "any":
        return draw(st.lists(one, min_size=count, max_size=count))
    first, rest = draw(one), draw(one)
    odd = draw(st.integers(0, count - 1)) if kind == "one against all" else -1
    return [rest if i == odd else first for i in range(count)]


@st.composite
def _tail(draw: st.DrawFn, keys: list[int], values: range, gap: int) -> list[Step]:
    """Queries, and (value, times) for noise; the last step is a query."""
    kind, query, noise = draw(st.sampled_from(TAILS)), st.sampled_from(keys), st.sampled_from(values)
    if kind == "adjacent":
        return [*draw(st.permutations(keys)), *draw(st.lists(query, max_size=6))]
    if kind == "last position":
        return [(draw(noise), draw(st.integers(1, gap))), draw(query)]
    if kind == "longest gap":
        return [(draw(noise), gap), draw(st.sampled_from([keys[0], keys[-1]]))]
    runs = st.tuples(noise, st.integers(1, gap))
    steps = draw(st.lists(st.one_of(query, query, runs), max_size=10))
    return [*steps, draw(query)]


def _written(steps: list[Step], rewrites: bool) -> list[int]:
    """The tokens of the steps; a key that noise has followed is not asked again (H2), unless it may be rewritten.

    A last query that H2 forbids is left out with the noise that forbids it.
    """
    tokens: list[int] = []
    closed: set[int] = set()
    last = steps[-1]
    for i, step in enumerate(steps):
        if isinstance(step, tuple):
            if not rewrites and tokens and tokens[-1] == last:
                continue
            closed |= {tokens[-1]} if tokens and not rewrites else set()
            tokens += [step[0]] * step[1]
        elif step not in closed or i == len(steps) - 1:
            tokens.append(step)
    return tokens


RECALL: dict[str, Generator | Batches] = {
    f"adversarial, {size}": partial(hard_recall, reach=extent) for size, extent in EXTENTS.items()
}
EXACT = {"adversarial, small": RECALL["adversarial, small"]}
"""For networks over rationals and balls, which are slow, and for those that tire."""
TIRING = ("mqar.n1-delta-gate",)
"""Claims whose every query costs a factor 2κ of the floats' range: float32 answers some 25 queries at κ = 15."""


@st.composite
def hard_distinct(draw: st.DrawFn, subject: Recall, run: Run, keys: tuple[int, ...], gap: int) -> RecallCase:
    """H1, H2 and H3: distinct values for every write, noise written after queries included."""
    num_keys = draw(st.sampled_from(keys))
    num_values = 2 * num_keys + draw(st.integers(2, 4))
    values = draw(st.permutations(range(num_keys, num_keys + num_values)))
    order = draw(st.permutations(range(num_keys)))
    fresh = iter(values[num_keys:])
    tokens = [token for pair in zip(order, values, strict=False) for token in pair]
    asked = draw(st.lists(st.sampled_from(order), min_size=1, max_size=10))
    closed: set[int] = set()
    for key in asked:
        if key in closed:
            continue
        tokens.append(key)
        if draw(st.booleans()):
            closed.add(key)
            tokens += [next(fresh)] + [draw(st.sampled_from(values))] * draw(st.integers(0, gap))
    return RecallCase(num_keys, num_values, tokens, draw(st.sampled_from(run.dtypes)))


@st.composite
def hard_filler(draw: st.DrawFn, subject: Recall, run: Run, gap: int) -> targets.FillerCase:
    """H1 and H4: a filler or another key before every query; values coincide; long stretches of filler."""
    num_keys, num_values = draw(st.integers(2, 5)), draw(st.integers(2, 4))
    filler, keys = num_keys + num_values, draw(st.permutations(range(num_keys)))
    stored = draw(_stored(num_keys, range(num_keys, filler)))
    tokens = [token for pair in zip(keys, stored, strict=True) for token in pair] + [filler]
    for key in draw(st.lists(st.sampled_from(keys), min_size=1, max_size=8)):
        tokens += [filler] * draw(st.integers(0 if tokens[-1] != key else 1, gap)) + [key]
    return targets.FillerCase(num_keys, num_values, tokens, draw(st.sampled_from(run.dtypes)))


# --- kernels ---------------------------------------------------------------------------------------------------------


def wide_scans(subject: Any, run: Run, length: int, channels: int) -> st.SearchStrategy[scan.ScanCase]:
    """Any sizes, and Δ from frozen to forgetting at once: e^{−200} to 700."""
    return st.builds(
        scan.ScanCase,
        batch=st.integers(1, 4),
        d_inner=st.integers(1, channels),
        d_state=st.integers(1, 20),
        length=st.integers(1, length),
        delta_scale=st.sampled_from([1.0, 0.0, 1e-12, 0.1, 20.0, 100.0]),
        delta_shift=st.sampled_from([0.0, 20.0, 88.0, 700.0, -20.0, -60.0, -87.0, -200.0]),
        skip=st.booleans(),
        dtype=st.sampled_from(run.dtypes),
        seed=st.integers(0, 2**16),
    )


@st.composite
def wide_cuts(draw: st.DrawFn, subject: Any, run: Run) -> forms.CutCase:
    """A scan cut anywhere, its ends included."""
    length = draw(st.integers(2, 600))
    cut = draw(st.one_of(st.integers(1, length - 1), st.sampled_from([1, length - 1])))
    backend = draw(st.sampled_from(choices("selective_scan", run.device)))
    return forms.CutCase(length, cut, draw(st.integers(1, 33)), draw(st.integers(0, 999)), backend)


def wide_chunks(subject: Any, run: Run) -> st.SearchStrategy[duality.ChunkCase]:
    """Up to 8·32 steps in chunks that divide them and chunks that do not."""
    return st.builds(
        duality.ChunkCase,
        length=st.integers(1, 32),
        d_state=st.integers(1, 17),
        headdim=st.integers(1, 9),
        chunk_size=st.one_of(st.integers(1, 9), st.sampled_from([16, 63, 64, 65, 256])),
        seed=st.integers(0, 2**16),
        backend=st.sampled_from(duality.fast_backends(run.device)),
    )


@st.composite
def wide_copies(draw: st.DrawFn, subject: Any, run: Run) -> copying.CopyCase:
    """Contents all equal or any; places crowded at either end, or any."""
    m, values = draw(st.sampled_from([2, 3, 7, 16, 32])), draw(st.sampled_from([2, 3, 14]))
    length = draw(st.sampled_from([2 * m, 2 * m + 1, 300]))
    last, kind = length - m - 1, draw(st.sampled_from(["first", "last", "any"]))
    anywhere = st.lists(st.integers(0, last), min_size=m, max_size=m, unique=True)
    ends = {"first": list(range(m)), "last": list(range(last - m + 1, last + 1))}
    places = sorted(draw(anywhere)) if kind == "any" or last < m else ends[kind]
    one = st.integers(0, values - 1)
    contents = draw(st.one_of(one.map(lambda v: [v] * m), st.lists(one, min_size=m, max_size=m)))
    return copying.CopyCase(values, contents, places, length, draw(st.sampled_from(run.dtypes)))


WIDER: dict[Any, dict[str, Generator | Batches]] = {
    recall_cases: RECALL,
    targets.plain_cases: RECALL,
    targets.distinct_cases: {
        "adversarial, small": partial(hard_distinct, keys=(1, 2, 3, 8), gap=16),
        "adversarial, large": partial(hard_distinct, keys=(9, 16, 40), gap=200),
    },
    targets.filler_cases: {"adversarial, small": partial(hard_filler, gap=30)},
    scan.scan_cases: {
        "extreme Δ": partial(wide_scans, length=70, channels=9),
        "extreme Δ, large": partial(wide_scans, length=400, channels=40),
    },
    forms.cut_cases: {"large": wide_cuts},
    copying.copy_cases: {"adversarial": wide_copies},
}

# --- by claim --------------------------------------------------------------------------------------------------------


@st.composite
def long_sequences(draw: st.DrawFn, _: Any, run: Run, length: int) -> sequences.SequenceCase:
    """Runs of one token up to the whole length; the amended lemma has no longest gap below 10^10."""
    num_tokens = draw(st.integers(1, 16))
    token = st.integers(0, num_tokens - 1)
    times = st.one_of(st.integers(1, 9), st.integers(1, length))
    runs = draw(st.lists(st.tuples(token, times), min_size=1, max_size=20))
    tokens = [token for token, count in runs for _ in range(count)][:length]
    return sequences.SequenceCase(num_tokens, tokens, draw(st.sampled_from(run.dtypes)))


BY_CLAIM: dict[tuple[str, str], dict[str, Generator | Batches]] = {
    ("induction.lem3-amended", "random-sequences-answered"): {"long": partial(long_sequences, length=300)},
    ("foundations.ssd-duality", "kernel-against-masked-attention"): {"large": wide_chunks},
}
