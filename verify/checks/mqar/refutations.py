"""The printed steps that fail, on the definition of the paper's blocks over exact numbers: replayable instances.

[P] Lemma 4; Theorem 2 step 2; Theorem 3 step 2, with and without the block's ReLU; Theorem 4 step 2.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import RATIONAL
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.theorems.mqar import theorem3, theorem4
from mamba_theorems.verify.checks.check import Check, Examination, Finding
from mamba_theorems.verify.settings import Run

HALF = Fraction(1, 2)


@dataclass(frozen=True)
class PrintedInstance:
    """A sequence for one printed construction: sign columns of keys or values (p = 4, so 1/√p = ½), and its tokens.

    `repaired` applies the amendment (bias, balanced use, or linear branches); then the instance must be answered.
    """

    construction: str
    columns: dict[str, str]
    tokens: list[str]
    correct: str
    rival: str
    repaired: bool = False


def column(pattern: str) -> list[Fraction]:
    """±1/√p as its pattern of signs spells it, p = 4."""
    if len(pattern) != 4:
        raise ValueError("An instance here has p = 4, where 1/√p is rational: give four signs a column.")
    return [HALF if sign == "+" else -HALF for sign in pattern]


def _run(weights: dict[str, Any], tokens: list[str], rows: dict[str, list], block: Any, **options: Any) -> np.ndarray:
    """The block's output at the last token."""
    exact = {name: RATIONAL.array(np.array(weight, dtype=object)) for name, weight in weights.items()}
    x = RATIONAL.array(np.array([rows[token] for token in tokens], dtype=object))
    return np.asarray(block(RATIONAL, exact, x, **options)[-1])


def shifted_values(case: PrintedInstance) -> dict[str, Fraction]:
    """Theorem 2, step 2: κ = 1, k = 10, β = 2, c_0 = 1, c_1 = 10, b = 3; logits with the printed head bias."""
    codes = {name: column(pattern) for name, pattern in case.columns.items()}
    rows = {name: [0, *(m + 2 for m in code)] for name, code in codes.items()} | {"k": [10, 0, 0, 0, 0]}
    key = [[1, 0, 0, 0, 0]]
    weights = {
        "conv.weight": [[1, 10]] * 5,
        "conv.bias": [-3] * 5,
        "delta.weight": [[0] * 5] * 5,
        "delta.bias": [1] * 5,
        "B.weight": key,
        "C.weight": key,
        "A": [[0]] * 5,
    }
    y = _run(weights, case.tokens, rows, semantics.paper_mamba, delta_activation="identity")[1:]
    factor = (10 * 1 - 3) * (10 * 2 - 3) * (97 if case.repaired else 1)
    return {name: sum(m * e for m, e in zip(code, y, strict=True)) - factor * sum(code) for name, code in codes.items()}


def sign_keys(case: PrintedInstance) -> dict[str, Fraction]:
    """Theorem 3, step 2: keys are sign columns, values one-hot; `relu` is the block of Table 2."""
    keys = list(case.columns)
    order = [*keys, "u", "v"]
    rows = {name: [int(i == j) for j in range(len(order))] for i, name in enumerate(order)}
    address = [list(row) for row in zip(*(column(case.columns[key]) for key in keys), strict=True)]
    padded = [[*row, 0, 0] for row in address]
    weights = {
        "x.weight": [[0] * len(keys) + [1, 0], [0] * len(keys) + [0, 1]],
        "B.weight": padded,
        "C.weight": padded,
        "x_conv.weight": [[0, 1]] * 2,
        "B_conv.weight": [[1, 0]] * 4,
        "C_conv.weight": [[0, 1]] * 4,
        "delta.weight": [[0] * len(order)],
        "delta.bias": [1],
        "A": [0],
    }
    clips = case.construction == "sign keys, ReLU" and not case.repaired
    y = _run(weights, case.tokens, rows, semantics.paper_mamba2, delta_activation="identity",
             activation="relu" if clips else "identity")  # fmt: skip
    return dict(zip(("u", "v"), y, strict=True))


def gated_values(case: PrintedInstance) -> dict[str, Fraction]:
    """Theorem 4, step 2: κ = 1, k = 10, c_0 = 10, c_1 = 1, b = 100, codes m + β with β = 1 > 1/√p."""
    codes = {name: column(pattern) for name, pattern in case.columns.items()}
    rows = {name: [m + 1 for m in code] for name, code in codes.items()} | {"k": [10] * 4}
    weights = {
        "conv.weight": [[10, 1]] * 4,
        "conv.bias": [-100] * 4,
        "A": [[0]] * 4,
        "B": [1],
        "C": [1],
        "gate.weight": np.eye(4, dtype=int),
    }
    y = _run(weights, case.tokens, rows, semantics.paper_s4d)
    bias = 10 if case.repaired else 0
    return {name: sum(m * e for m, e in zip(code, y, strict=True)) - bias * sum(code) for name, code in codes.items()}


RUNS = {
    "shifted values": shifted_values,
    "sign keys": sign_keys,
    "sign keys, ReLU": sign_keys,
    "gated values": gated_values,
}


def _margin(case: PrintedInstance) -> Fraction:
    logits = RUNS[case.construction](case)
    return Fraction(logits[case.correct] - logits[case.rival])


def _look(case: PrintedInstance, run: Run) -> Finding:
    """The rival's logit is larger, exactly."""
    margin = _margin(case)
    summary = f"{' '.join(case.tokens)}: the margin of {case.correct} over {case.rival} is exactly {margin}"
    return Finding(margin < 0, summary, {"exact margin": str(margin)}, {}, asdict(case))


def _again(_: PrintedInstance, case: Any, run: Run) -> Finding:
    return _look(PrintedInstance(**case), run)


def _refutation(claim: str, case: PrintedInstance, mutants: dict[str, PrintedInstance]) -> Examination:
    return Examination(
        claim=claim,
        name="exact-instance",
        kind=Kind.REFUTED,
        subject=case,
        mutants=mutants,
        look=_look,
        again=_again,
    )


def _repaired(case: PrintedInstance) -> dict[str, PrintedInstance]:
    return {"repaired as amended": replace(case, repaired=True)}


def _asked(context: tuple[tuple[str, str], ...], query: str) -> list[str]:
    return [*(token for pair in context for token in pair), query]


VALUES = PrintedInstance("shifted values", {"u": "++--", "v": "++++"}, ["k", "u", "k"], "u", "v")
ASKED_FOR_V = replace(VALUES, tokens=["k", "v", "k"], correct="v", rival="u")
ORTHOGONAL = {"q": "++++", "a": "++--", "b": "+-+-", "c": "+--+", "d": "-++-"}
CROSSED = PrintedInstance("sign keys", theorem3.CROSSED, _asked(theorem3.CROSSED_CONTEXT, "q"), "u", "v")
CLIPPED = PrintedInstance("sign keys, ReLU", theorem3.CLIPPED, _asked(theorem3.CLIPPED_CONTEXT, "q"), "v", "u")
GATED = PrintedInstance("gated values", theorem4.COMPARABLE, ["k", "u", "k"], "u", "w")

CHECKS: tuple[Check, ...] = (
    _refutation("mqar.thm2-step2", VALUES, _repaired(VALUES) | {"query for v": ASKED_FOR_V}),
    _refutation(
        "mqar.thm3",
        CROSSED,
        {
            "two keys hold v": replace(CROSSED, tokens=[*CROSSED.tokens[:6], "q"]),
            "orthogonal keys": replace(CROSSED, columns=ORTHOGONAL),
        },
    ),
    _refutation("mqar.thm3-relu-clip", CLIPPED, _repaired(CLIPPED)),
    _refutation("mqar.thm4-jl", GATED, _repaired(GATED)),
)  # fmt: skip
