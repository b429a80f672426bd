"""The gated RNN inside S6: under zero-order hold, with one state and A = −1 (Gu & Dao 2023, Theorem 1)."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import sigmoid, softplus
from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.foundations.discretisation import h0, u, x
from mamba_theorems.theorems.proofs.proof import Bound, Conjunction, Identity, Proof, Specialise

z = sp.Symbol("z", real=True)


STEP = sp.Eq(
    sp.exp(-softplus(z)) * h0 + (1 - sp.exp(-softplus(z))) * u,
    (1 - sigmoid(z)) * h0 + sigmoid(z) * u,
    evaluate=False,
)
EULER = sp.Gt(softplus(z), sigmoid(z), evaluate=False)
GATED = sp.And(STEP, EULER)


def gated_rnn() -> Proof:
    """N = 1, A = −1, B = 1, Δ = softplus(z): ZOH is the gated RNN with g = σ(z); Euler writes Δ > g instead."""
    same = Identity(name="ZOH, N = 1, A = −1 is h ← (1 − g)h + g u", lhs=STEP.lhs, rhs=STEP.rhs)
    tangent = Bound(name="(2 + x)e^{−x} ≥ 2 − x", claim=sp.Ge((2 + x) * sp.exp(-x), 2 - x)).but_not(
        "3 − x", claim=sp.Ge((2 + x) * sp.exp(-x), 3 - x)
    )
    at_step = Specialise(name="at x = Δ = softplus(z)", of=tangent, at={x: softplus(z)})
    gate = Identity(name="σ(z) = 1 − e^{−Δ}", lhs=sigmoid(z), rhs=1 - sp.exp(-softplus(z)))
    more = Bound(
        name="Euler always writes more: Δ > 1 − e^{−Δ}",
        because="Δ − 1 + e^{−Δ} ≥ Δ²/(2 + Δ) > 0",
        claim=EULER,
        given=(at_step.relation, gate.relation),
    ).but_not("by a quarter", claim=sp.Gt(softplus(z), sp.Rational(5, 4) * sigmoid(z)))
    return Proof(steps=(same, tangent, at_step, gate, more, Conjunction(name="the gated RNN", of=(same, more))))


CLAIMS = (
    Claim(
        id="foundations.gated-rnn",
        paper="Gu & Dao (2023), Theorem 1",
        form=Form.PRINTED,
        title="ZOH with N = 1, A = −1, B = 1 is the gated RNN; Euler is not",
        statement=r"\Delta=\text{softplus}(z)\Rightarrow e^{-\Delta}h+(1-e^{-\Delta})u=(1-g)h+g\,u,\ g=\sigma(z);\quad "
        r"\text{Euler writes}\ \Delta u,\ \Delta>g",
        formula=GATED,
        depends_on=("foundations.zoh",),
        proof=gated_rnn,
    ),
)
