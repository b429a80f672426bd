"""Margins of every recall construction over the number of pairs, on the kernels in float32. [P] section 4."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mamba_theorems.constructions import BUILDERS, build
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import IGNORED, Batch, Vocabulary, zoology_mqar
from mamba_theorems.verify.checks.mqar.recall import Recall, batch_margins
from mamba_theorems.verify.report.figures import Figure, new_canvas
from mamba_theorems.verify.settings import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIMS = tuple(claim for claim in BUILDERS if claim.startswith("mqar."))
PAIRS = (2, 4, 8, 16)
SEQUENCES, DRAWN, TOKENS_A_PAIR, LENGTH_A_PAIR = 16, 128, 4, 8


def worst_margin(claim: str, num_kv_pairs: int) -> float:
    """The least margin over Zoology's sequences with filler 0 that keep H4, in the paper's block."""
    vocab_size, length = TOKENS_A_PAIR * num_kv_pairs, LENGTH_A_PAIR * num_kv_pairs
    drawn = zoology_mqar(vocab_size, DRAWN, length, 0, num_kv_pairs=num_kv_pairs, random_non_queries=False)
    kept = _no_value_before_a_query(drawn)
    batch = replace(drawn, tokens=drawn.tokens[kept][:SEQUENCES], targets=drawn.targets[kept][:SEQUENCES])

    def network(target: str, vocabulary: Vocabulary) -> Construction:
        return build(claim, target, num_kv_pairs=num_kv_pairs, vocab_size=vocabulary.size, vocabulary=vocabulary)

    subject = Recall(network, "paper")
    return float(batch_margins(subject, batch, "float32", Run(), SEQUENCES).min())


def _no_value_before_a_query(batch: Batch) -> np.ndarray:
    """Which sequences keep H4: (n,) bool."""
    after_a_value = np.isin(batch.tokens[:, :-1], list(batch.vocabulary.values))
    return ~(after_a_value & (batch.targets[:, 1:] != IGNORED)).any(axis=1)


def margins() -> Canvas:
    """Worst margins over the number of pairs, a curve for each construction."""
    canvas, axes = new_canvas(xlabel="κ, number of pairs", ylabel="worst margin", xscale="log", yscale="log")
    for claim, marker in zip(CLAIMS, "osv^Dx+*p", strict=False):
        found = [worst_margin(claim, pairs) for pairs in PAIRS]
        shown = np.where(np.array(found) > 0, found, np.nan)
        name = claim.partition(".")[2] + ("" if min(found) > 0 else " (fails)")
        axes.plot(PAIRS, shown, marker=marker, markersize=4, markerfacecolor="white", label=name)
    axes.set_xticks(PAIRS, labels=list(map(str, PAIRS)), minor=False)
    axes.minorticks_off()
    axes.legend(ncols=2)
    return canvas


FIGURES = (
    Figure(
        "margins",
        "margins over the number of pairs",
        f"Worst margin of each recall construction in the paper's block, float32, over {SEQUENCES} of Zoology's"
        f" sequences a point (filler 0, no value right before a query, {TOKENS_A_PAIR}κ tokens, L = {LENGTH_A_PAIR}κ);"
        " a margin must be above 0.",
        CLAIMS,
        margins,
    ),
)
