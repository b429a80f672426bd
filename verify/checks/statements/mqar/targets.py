"""AllSequences in official blocks and language models, on all sequences of small sizes, in balls."""

from __future__ import annotations

from dataclasses import replace

from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels.fields import BALL
from mamba_theorems.theorems.mqar import task
from mamba_theorems.theorems.statement import Statement
from mamba_theorems.verify.checks.check import Check
from mamba_theorems.verify.checks.statements.mqar.networks import (
    built,
    said,
)
from mamba_theorems.verify.checks.statements.sequences import AllSequences
from mamba_theorems.verify.checks.statements.test import StatementTest


def on_target(claim: str, target: str) -> StatementTest:
    """That a claim's network recalls in another target, in balls: without the closed form, which decays blur there."""
    sequences_only = tuple(h for h in said(claim).hypotheses if h in (task.H1, task.H2))
    source = AllSequences((replace(built(claim, Vocabulary.paper(3, 2), (7, 7), target), numbers=BALL),))
    recalls = Statement(sequences_only, task.RECALLED)
    return StatementTest(
        claim=claim,
        name=f"statement-{target.replace('_', '-')}",
        subject=recalls,
        mutants=dict(recalls.mutants()),
        source=source,
    )


ELSEWHERE = {
    "mqar.thm2-step1": ("official", "language_model"),
    "mqar.value-code": ("mamba2_language_model",),
    "mqar.thm3-step1": ("official_mamba2",),
    "mqar.thm4": ("official", "language_model"),
}
"""Other targets, at three keys and two values, L ≤ 7: H1 first fails there, where the older value was stored twice."""


CHECKS: tuple[Check, ...] = (*(on_target(claim, target) for claim, targets in ELSEWHERE.items() for target in targets),)
