"""Zoology's sequences at the field's sizes, for every construction of the table whose hypotheses hold there.

How many sequences, and in which dtypes, the table of sizes says: 1,000, or 100 where N·d > 10^5; every dtype it claims.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mamba_theorems.constructions import mqar as build_mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar import codes as recall_codes
from mamba_theorems.constructions.mqar.active import ActiveBlock
from mamba_theorems.constructions.mqar.sizes import MODEL, Cost, of_zoology
from mamba_theorems.constructions.tasks import IGNORED, Batch, Vocabulary, zoology_mqar
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.check import Check, Examination, Finding
from mamba_theorems.verify.checks.mqar.recall import keep
from mamba_theorems.verify.checks.mqar.targets import head_negated, taps_swapped
from mamba_theorems.verify.settings import Run, Sizes, Tier

SMALLEST, MIDDLE, LARGE, HUGE = Sizes(64, 64, 8), Sizes(512, 256, 64), Sizes(1024, 512, 128), Sizes(8192, 512, 64)
MANY, FEW, WIDE = 1000, 100, 10**5


@dataclass(frozen=True)
class Large:
    """A row of the table, by name, at one size."""

    name: str
    sizes: Sizes
    tamper: Callable[[Construction], Construction] = keep

    def row(self, sizes: Sizes) -> Cost:
        """The row of the table at some sizes."""
        return next(row for row in of_zoology(sizes.vocab_size, sizes.num_kv_pairs) if row.name == self.name)

    def build(self, sizes: Sizes, vocabulary: Vocabulary | None = None) -> Construction:
        """The network in the paper's block, over Zoology's vocabulary unless another is given."""
        row, vocabulary = self.row(sizes), vocabulary or Vocabulary.zoology(sizes.vocab_size)
        pairs = sizes.num_kv_pairs
        if row.form == " (with D)":
            return build_mqar.robust(vocabulary, "paper", num_kv_pairs=pairs, choose=recall_codes.two_state_codes)
        if row.form == " (with positions)":
            return build_mqar.theorem4_without_gate(vocabulary, "paper", num_kv_pairs=pairs, positions=True)
        return build_mqar.build(
            row.claim, "paper", num_kv_pairs=pairs, vocab_size=vocabulary.size, vocabulary=vocabulary
        )

    @property
    def by_blocks(self) -> bool:
        """Whether only the blocks of each sequence's own keys are built: 4095 alike make weights of 10^9 entries."""
        return self.sizes == HUGE and "gate" in self.row(HUGE).needs

    @property
    def random_non_queries(self) -> bool:
        """Zoology's default filler where H2 is not needed; to the selective step a random key is a query too many."""
        return self.name.startswith("mqar.robust")

    def count(self) -> int:
        """How many sequences are run."""
        return MANY if self.row(self.sizes).state_size <= WIDE else FEW


def own_keys(batch: Batch) -> Batch:
    """The batch over κ keys, each sequence's own in the order it stores them; values and filler as before.

    For blocks that are alike (one a key) and sequences that show no other key: those other blocks sleep throughout.
    """
    kappa, values = batch.num_kv_pairs, batch.vocabulary.values
    size = kappa + len(values)
    vocabulary = Vocabulary(size + 1, range(kappa), range(kappa, size), filler=size)
    names = np.full((len(batch.tokens), batch.vocabulary.size), vocabulary.filler)
    names[:, values.start : values.stop] = vocabulary.values
    np.put_along_axis(names, batch.tokens[:, 0 : 2 * kappa : 2], np.arange(kappa)[None, :], axis=1)
    tokens = np.take_along_axis(names, batch.tokens, axis=1)
    asked = np.take_along_axis(names, np.maximum(batch.targets, 0), axis=1)
    return Batch(tokens, np.where(batch.queries, asked, IGNORED), vocabulary, kappa)


def _look(subject: Large, run: Run) -> Finding:
    """100 % in every dtype that the table claims."""
    sizes, count = (subject.sizes, subject.count()) if run.shrink else (SMALLEST, 4)
    facts: dict[str, str | int] = {"examples": 0, "target": "paper block, its active channels"}
    batch = zoology_mqar(
        sizes.vocab_size,
        count,
        sizes.input_seq_len,
        run.seed,
        num_kv_pairs=sizes.num_kv_pairs,
        random_non_queries=subject.random_non_queries,
    )
    if subject.by_blocks:
        batch = own_keys(batch)
    built = subject.tamper(subject.build(sizes, batch.vocabulary))
    for dtype in subject.row(sizes).dtypes:
        right = int(ActiveBlock(built, DTYPE_NAMED[dtype]).right(batch).sum())
        where = f"(|V|, L, κ) = ({sizes.vocab_size}, {sizes.input_seq_len}, {sizes.num_kv_pairs}), {dtype}"
        facts["examples"] = int(facts["examples"]) + count
        facts[where] = f"{right} of {count}"
        if right < count:
            return Finding(False, f"{right} of {count} at {where}", facts)
    return Finding(True, "", facts)


def _holds(row: Cost, sizes: Sizes) -> bool:
    """Whether a row is run at a size: the paper's block only; H4 without positions fails where all places are asked.

    At 8192 only where N·d ≤ 10^5.
    """
    if MODEL in row.form or (row.name == "mqar.n1-delta-gate"):
        return False
    return sizes is not HUGE or row.state_size <= WIDE


def subjects() -> tuple[Large, ...]:
    """Every row of the table at every size where it holds."""
    return tuple(
        Large(row.name, sizes)
        for sizes in (MIDDLE, LARGE, HUGE)
        for row in of_zoology(sizes.vocab_size, sizes.num_kv_pairs)
        if _holds(row, sizes)
    )


def _check(subject: Large) -> Examination:
    form = subject.row(SMALLEST).form.strip(" ()").replace(" ", "-")
    return Examination(
        claim=subject.row(SMALLEST).claim,
        name="-".join(part for part in ("recall-zoology", form.lower(), str(subject.sizes.vocab_size)) if part),
        kind=Kind.TESTED,
        subject=subject,
        mutants={
            "taps swapped": replace(subject, tamper=taps_swapped),
            "head negated": replace(subject, tamper=head_negated),
        },
        tier=Tier.FULL,
        look=_look,
    )


CHECKS: tuple[Check, ...] = tuple(map(_check, subjects()))
