"""Margins of every recall construction over the number of pairs, on the kernels in float32. [P] section 4."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mamba_theorems.constructions import BUILDERS, build
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import IGNORED, Batch, Vocabulary, zoology_mqar
from mamba_theorems.verify.checks.mqar.recall import Recall, batch_margins
from mamba_theorems.verify.report.figures import Figure, new_panels
from mamba_theorems.verify.settings import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIMS = tuple(claim for claim in BUILDERS if claim.startswith("mqar."))
PAIRS = (2, 4, 8, 16)
SEQUENCES, DRAWN, TOKENS_A_PAIR, LENGTH_A_PAIR = 16, 128, 4, 8
STEADY = 4
"""A margin changes with the number of pairs where its largest value is more than so many times the least."""


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
    """Worst margins over the number of pairs: a line for each value that constructions have, named at its end.

    A margin that changes with the number of pairs stands in a panel of its own, so that the others can be told apart.
    """
    found = {claim: tuple(worst_margin(claim, pairs) for pairs in PAIRS) for claim in CLAIMS}
    canvas, (above, below) = new_panels(heights=(3, 2), ylabel="worst margin", xscale="log", yscale="log")
    for values, claims in _alike(found).items():
        axes = above if max(values) <= STEADY * min(values) else below
        shown = np.where(np.array(values) > 0, values, np.nan)
        (line,) = axes.plot(PAIRS, shown, marker="o", markersize=4, markerfacecolor="white")
        names = ",\n".join(claim.partition(".")[2] + ("" if min(values) > 0 else " (fails)") for claim in claims)
        axes.annotate(
            names, (1.02, shown[-1]), xycoords=("axes fraction", "data"), va="center", fontsize=7.5,
            color=line.get_color(), annotation_clip=False,
        )  # fmt: skip
    below.set(xlabel="κ, number of pairs")
    below.set_xticks(PAIRS, labels=list(map(str, PAIRS)), minor=False)
    above.margins(y=0.15)
    for axes in (above, below):
        axes.minorticks_off()
    return canvas


def _alike(found: dict[str, tuple[float, ...]]) -> dict[tuple[float, ...], list[str]]:
    """The claims by their margins, which are alike where no eye could tell them apart."""
    groups: dict[tuple[float, ...], list[str]] = {}
    for claim, values in found.items():
        alike = next((other for other in groups if np.allclose(values, other, rtol=0.02, atol=0)), values)
        groups.setdefault(alike, []).append(claim)
    return groups


FIGURES = (
    Figure(
        "margins",
        "margins over the number of pairs",
        f"Worst margin of each recall construction in the paper's block, float32, over {SEQUENCES} of Zoology's"
        f" sequences a point (filler 0, no value right before a query, {TOKENS_A_PAIR}κ tokens, L = {LENGTH_A_PAIR}κ);"
        " a margin must be above 0. Constructions of one margin share a line.",
        CLAIMS,
        margins,
    ),
)
