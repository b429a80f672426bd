"""Language models whose first layer counts: recall whatever follows the queries (E, D + E, I with positions).

Two official Mamba-1 layers and nothing of ours: the first sums 1s, the second reads the count as its position.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sympy as sp

from mamba_theorems.constructions import mqar as build_mqar
from mamba_theorems.constructions.compiler.counting import ANCHOR, COUNTER_A_LOG, SHARP
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar import codes as recall_codes
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import ball
from mamba_theorems.verify.checks.check import Check, Examination, Property, Score
from mamba_theorems.verify.checks.mqar.recall import Recall, RecallCase
from mamba_theorems.verify.checks.mqar.targets import ByClaim, on, plain_cases, recall_property, zoology_check
from mamba_theorems.verify.checks.mqar.zoology import Zoology
from mamba_theorems.verify.settings import Run, Sizes, Tier

PRECISE = ball(400)
"""B is 2^98 in the context and 0 after it, a step 2^60: their product must vanish against 1."""
LM = "language_model"
ROBUST, DELTA = "mqar.robust", "mqar.n1-delta-gate"


class TwoStates(ByClaim):
    """D + E: the moment curve's two states, closed after `num_kv_pairs` pairs."""

    def __call__(self, target: str, vocabulary: Vocabulary) -> Construction:
        """The network of two states."""
        pairs = self.num_kv_pairs or len(vocabulary.keys)
        return build_mqar.robust(vocabulary, target, num_kv_pairs=pairs, choose=recall_codes.two_state_codes)


# --- mutants ----------------------------------------------------------------------------------------------------


def _changed(construction: Construction, name: str, entries: dict) -> Construction:
    weight = construction.weights[name]
    return replace(construction, weights=construction.weights | {name: replace(weight, entries=entries)})


def count_stopped(construction: Construction) -> Construction:
    """The first layer writes nothing: every position is 0."""
    return _changed(construction, "backbone.layers.0.mixer.out_proj.weight", {})


def count_forgets(construction: Construction) -> Construction:
    """The counter decays by e^-1 a step: it never reaches 2."""
    name = "backbone.layers.0.mixer.A_log"
    weight = replace(construction.weights[name], fill=-5)
    return replace(construction, weights=construction.weights | {name: weight})


def anchor_light(construction: Construction) -> Construction:
    """An anchor that weighs 2^48 times less: the norms feel the count."""
    name = "backbone.embedding.weight"
    entries = construction.weights[name].entries
    lighter = {i: v if v == 1 else v // ANCHOR for i, v in entries.items()}
    return _changed(construction, name, lighter)


COUNTING = {"the count stops": count_stopped, "the count forgets": count_forgets, "a light anchor": anchor_light}


# --- exactly: both layers over balls -------------------------------------------------------------------------------


def _enclosed(subject: Recall, case: RecallCase, run: Run) -> Score:
    """|the model over balls − the closed form| ≤ 2 ℓ (1 + S), S the largest logit, at every position.

    ℓ is what the decays, the counter's too, and the steps of 2^60 − 40 may lose in L steps. The second ℓ is for what is
    far smaller: t² 4^-48 of the norms, and 256 e^-256 wherever SiLU stands for ReLU.
    """
    construction, tokens = subject.construct(case.vocabulary), np.array(case.tokens)
    found, ideal = construction.run(PRECISE, tokens), construction.expected_logits(PRECISE, tokens)
    with PRECISE.arithmetic():
        per_step = SHARP * sp.exp(COUNTER_A_LOG) + RESTED
        loss = PRECISE.number(construction.decay_loss_bound(len(tokens)) + per_step * len(tokens))
        bound = 2 * loss * (1 + max(abs(x).upper() for x in ideal.flat))
        return Score(max(float((abs(x - y) / bound).upper()) for x, y in zip(found.flat, ideal.flat, strict=True)),
                     "error/bound")  # fmt: skip


RESTED = sp.Rational(1, 2**52)
"""40 ln(2κ) 2^-60 a shrink, κ ≤ 8, at most two shrinks a token: what the −40 of a rest costs a step of 2^60."""


def _enclosure(claim: str) -> Property:
    subject = Recall(ByClaim(claim), LM, rewrites_keys=True)
    return Property(
        claim=claim,
        name="closed-form-enclosed",
        subject=subject,
        mutants={name: replace(subject, tamper=tamper) for name, tamper in COUNTING.items()},
        cases=plain_cases,
        score=_enclosed,
        case_type=RecallCase,
        examples=4,
        facts={"target": LM, "field": "Arb balls"},
    )


# --- on kernels ---------------------------------------------------------------------------------------------------


def _on_kernels(claim: str) -> Property:
    """Sequences keep H1 alone: keys are queried again after noise, and noise may be any value."""
    subject = Recall(ByClaim(claim), LM, rewrites_keys=True)
    check = recall_property(claim, on(LM), subject, drops="H1")
    broken = {name: replace(subject, tamper=tamper) for name, tamper in COUNTING.items()}
    return replace(check, mutants={**check.mutants, **broken})


SMALL, MIDDLE = Sizes(64, 64, 8), Sizes(512, 256, 64)


WITHOUT_E = {
    ROBUST: ("mqar.thm3-step1", "mamba2_language_model"),
    "": ("mqar.n2-distinct", LM),
    DELTA: ("mqar.thm4", LM),
}


def _random_filler(claim: str, name: str, build: ByClaim, sizes: Sizes, count: int, tier: Tier) -> Examination:
    """Zoology's default filler: every other position is any token."""
    subject = Zoology(Recall(build, LM), ((sizes, count),), random_non_queries=True)
    other, target = WITHOUT_E[build.claim]
    alone = replace(subject, recall=Recall(ByClaim(other), target))
    stopped = subject.tampered(count_stopped)
    return zoology_check(claim, name, subject, tier, {f"{other} without positions": alone, "the count stops": stopped})


def _three_queries() -> Examination:
    """Every key is queried three times, with noise from V between."""
    subject = Zoology(Recall(ByClaim(ROBUST, 8), LM), ((SMALL, 1000),), queries_per_key=3)
    alone = replace(subject, recall=Recall(ByClaim("mqar.thm3-step1"), "mamba2_language_model"))
    return zoology_check(ROBUST, "recall-three-queries", subject, mutants={"without E": alone})


CHECKS: tuple[Check, ...] = (
    *map(_on_kernels, (ROBUST, DELTA)),
    *map(_enclosure, (ROBUST, DELTA)),
    _three_queries(),
    _random_filler(ROBUST, "recall-random-filler", ByClaim(ROBUST, 8), SMALL, 1000, Tier.QUICK),
    _random_filler(ROBUST, "recall-random-filler-two-states", TwoStates("", 8), SMALL, 1000, Tier.QUICK),
    _random_filler(DELTA, "recall-random-filler", ByClaim(DELTA, 8), SMALL, 100, Tier.QUICK),
    _random_filler(DELTA, "recall-random-filler-thousand", ByClaim(DELTA, 8), SMALL, 1000, Tier.FULL),
    _random_filler(ROBUST, "recall-random-filler-512", ByClaim(ROBUST, 64), MIDDLE, 100, Tier.FULL),
    _random_filler(ROBUST, "recall-random-filler-two-states-512", TwoStates("", 64), MIDDLE, 1000, Tier.FULL),
)
