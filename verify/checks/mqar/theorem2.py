"""Checks of Theorem 2, step 1: on real kernels in three targets, on Zoology's sequences, exactly.

[P] Section 4.3, Appendix D.3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from flint import arb

from mamba_theorems.constructions import mqar as build_mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import (
    Vocabulary,
)
from mamba_theorems.kernels import ops
from mamba_theorems.kernels.fields import BALL, RATIONAL
from mamba_theorems.verify.checks.check import Check, Examination, Property, Score
from mamba_theorems.verify.checks.mqar.recall import Recall, RecallCase, recall_cases, recall_score
from mamba_theorems.verify.checks.mqar.zoology import Zoology, recall_on_zoology
from mamba_theorems.verify.checks.scoring import EVERY_DTYPE
from mamba_theorems.verify.settings import Run, Sizes, Tier

CLAIM = "mqar.thm2-step1"


def _build(target: str, vocabulary: Vocabulary) -> Construction:
    return build_mqar.theorem2_step1(vocabulary, target)


# --- mutants: what each check must reject --------------------------------------------------------------------------


def _entries(construction: Construction, suffix: str, change: Any) -> Construction:
    """Every nonzero entry of the weight that ends in `suffix`, changed."""
    (name,) = [n for n in construction.weights if n.endswith(suffix)]
    weight = construction.weights[name]
    return replace(construction, weights=construction.weights | {name: change(weight)})


def tap_moved(construction: Construction) -> Construction:
    """The convolution looks one token further back."""

    def move(weight: Any) -> Any:
        return replace(weight, entries={(*i[:-1], max(i[-1] - 1, 0)): v for i, v in weight.entries.items()})

    return _entries(construction, "conv.weight" if construction.target == "paper" else "conv1d.weight", move)


def threshold_broken(construction: Construction) -> Construction:
    """The ReLU's bias is 0, so that the previous value leaks into the write."""
    return _entries(construction, "conv.bias", lambda w: replace(w, fill=0, entries={}))


def gate_negated(construction: Construction) -> Construction:
    """The gate's half of in_proj has the other sign, so that SiLU(z) < 0."""

    def negate(weight: Any) -> Any:
        half = weight.shape[0] // 2
        return replace(weight, entries={i: -v if _first(i[0]) >= half else v for i, v in weight.entries.items()})

    return _entries(construction, "in_proj.weight", negate)


def _first(index: int | range) -> int:
    return index.start if isinstance(index, range) else index


def forgetful(construction: Construction) -> Construction:
    """A = −20: e^{−20} is kept at each step, so that a pair is gone after a few."""
    name = ".A" if construction.target == "paper" else "A_log"
    value = -20 if construction.target == "paper" else 3
    return _entries(construction, name, lambda w: replace(w, fill=value, entries={}))


def _scan_without_decay_exp(u: Any, delta: Any, A: Any, *rest: Any, **options: Any) -> Any:
    """ΔA in place of e^{ΔA}: nothing is kept."""
    return ops.selective_scan(u, delta, A * 0 - 1e4, *rest, backend="cpu", **options)


def _scan_reading_late(u: Any, delta: Any, A: Any, B: Any, C: Any, *rest: Any, **options: Any) -> Any:
    """The state is read one step late: C moves by one token."""
    return ops.selective_scan(u, delta, A, B, torch.roll(C, 1, dims=-1), *rest, backend="cpu", **options)


def _recall_mutants(subject: Recall) -> dict[str, Recall]:
    mutants = {
        "conv tap moved": replace(subject, tamper=tap_moved),
        "strong decay": replace(subject, tamper=forgetful),
        "decay exp dropped": replace(subject, scan=_scan_without_decay_exp),
        "C one token late": replace(subject, scan=_scan_reading_late),
        "H1 dropped: keys repeat": replace(subject, repeats_keys=True),
        "H2 dropped: keys are rewritten": replace(subject, rewrites_keys=True),
    }
    if subject.target == "paper":
        return mutants | {"ReLU threshold broken": replace(subject, tamper=threshold_broken)}
    return mutants | {"gate negated": replace(subject, tamper=gate_negated)}


def _recall(name: str, target: str, examples: int) -> Property:
    subject = Recall(_build, target)
    return Property(
        claim=CLAIM,
        name=name,
        subject=subject,
        mutants=_recall_mutants(subject),
        cases=recall_cases,
        score=recall_score,
        case_type=RecallCase,
        examples=examples,
        facts={"target": target, "kernel": "selective_scan", "dtypes": EVERY_DTYPE},
    )


# --- Zoology's sequences, in a whole language model -----------------------------------------------------------------

QUICK = ((Sizes(64, 64, 8), 1000), (Sizes(256, 256, 32), 1000))
LARGE = ((Sizes(1024, 512, 64), 50),)


def _zoology(name: str, sizes: tuple[tuple[Sizes, int], ...], tier: Tier) -> Examination:
    subject = Zoology(Recall(_build, "language_model"), sizes)
    mutants = {
        "conv tap moved": subject.tampered(tap_moved),
        "gate negated": subject.tampered(gate_negated),
        "filler is random (H2 dropped)": replace(subject, random_non_queries=True),
    }
    return recall_on_zoology(CLAIM, name, subject, tier, mutants)


# --- exact: the block over the rationals and over balls equals the closed form ----------------------------------------


def _exactly(subject: Recall, case: RecallCase, run: Run) -> Score:
    """The paper's block over the rationals has exactly the logits of the closed form, at every position."""
    construction, tokens = subject.construct(case.vocabulary), np.array(case.tokens)
    found = construction.run(RATIONAL, tokens)
    wrong = int((found != _build("paper", case.vocabulary).expected_logits(RATIONAL, tokens)).sum())
    return Score(wrong, "mismatches")


def _enclosed(subject: Recall, case: RecallCase, run: Run) -> Score:
    """|exact block − closed form| ≤ what the strict decay can lose, in balls, at every position."""
    construction, tokens = subject.construct(case.vocabulary), np.array(case.tokens)
    found, ideal = construction.run(BALL, tokens), _build(subject.target, case.vocabulary).expected_logits(BALL, tokens)
    loss = BALL.number(construction.decay_loss_bound(len(tokens)))
    with BALL.arithmetic():
        return Score(max(_loss_ratio(f, i, loss) for f, i in zip(found.flat, ideal.flat, strict=True)), "error/bound")


def _loss_ratio(found: arb, ideal: arb, loss: arb) -> float:
    """|found − ideal| / (loss · ideal), at most; where nothing was stored the ball of `found` must contain 0."""
    if ideal == 0:
        return 0.0 if found.contains(0) else float("inf")
    return float((abs(found - ideal) / (loss * ideal)).upper())


CHECKS: tuple[Check, ...] = (
    _recall("recall-paper", "paper", 60),
    _recall("recall-official", "official", 60),
    _recall("recall-language-model", "language_model", 60),
    _zoology("recall-zoology", QUICK, Tier.QUICK),
    _zoology("recall-zoology-large", LARGE, Tier.FULL),
    Property(
        claim=CLAIM,
        name="closed-form-exactly",
        subject=Recall(_build, "paper", rewrites_keys=True),
        mutants={
            "conv tap moved": Recall(_build, "paper", tamper=tap_moved),
            "ReLU threshold broken": Recall(_build, "paper", tamper=threshold_broken),
        },
        cases=recall_cases,
        score=_exactly,
        case_type=RecallCase,
        examples=15,
        facts={"target": "paper", "field": "rationals"},
    ),
    Property(
        claim=CLAIM,
        name="closed-form-enclosed",
        subject=Recall(_build, "official", rewrites_keys=True),
        mutants={
            "conv tap moved": Recall(_build, "official", tamper=tap_moved),
            "strong decay": Recall(_build, "official", tamper=forgetful),
        },
        cases=recall_cases,
        score=_enclosed,
        case_type=RecallCase,
        examples=10,
        facts={"target": "official", "field": "Arb balls"},
    ),
)
