"""The gated RNN inside S6: under zero-order hold, with one state and A = −1 (Gu & Dao 2023, Theorem 1)."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import sigmoid, softplus
from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.foundations.discretisation import h0, u, x
from mamba_theorems.theorems.proofs.proof import Bound, Enclosed, Identity, Proof

z = sp.Symbol("z", real=True)


GATED = sp.And(
    sp.Eq(
        sp.exp(-softplus(z)) * h0 + (1 - sp.exp(-softplus(z))) * u,
        (1 - sigmoid(z)) * h0 + sigmoid(z) * u,
        evaluate=False,
    ),
    sp.Gt(softplus(z), sigmoid(z), evaluate=False),
)


def gated_rnn() -> Proof:
    """N = 1, A = −1, B = 1, Δ = softplus(z): ZOH is the gated RNN with g = σ(z); Euler writes Δ > g instead."""
    written = sp.Subs(softplus(z) - sigmoid(z), z, 0)
    return Proof(
        steps=(
            Identity(name="e^{−softplus(z)} = 1 − σ(z)", lhs=sp.exp(-softplus(z)), rhs=1 - sigmoid(z)),
            Identity(
                name="Euler writes softplus(z) u: at z = 0 with h = 0, u = 1 it gives ln 2, the gated RNN 1/2",
                lhs=written,
                rhs=sp.log(2) - sp.Rational(1, 2),
            ),
            Enclosed(
                name="ln 2 > 1/2: the official Euler block is not that RNN",
                claim=sp.Gt(sp.log(2), sp.Rational(1, 2), evaluate=False),
            ),
            Bound(name="Euler always writes more: Δ > 1 − e^{−Δ}", claim=sp.Ge(x, 1 - sp.exp(-x))),
            Identity(name="ZOH, N = 1, A = −1 is h ← (1 − g)h + g u", lhs=GATED.lhs, rhs=GATED.rhs),
        )
    )


CLAIMS = (
    Claim(
        id="foundations.gated-rnn",
        paper="Gu & Dao (2023), Theorem 1",
        form=Form.PRINTED,
        title="ZOH with N = 1, A = −1, B = 1 is the gated RNN; Euler is not",
        statement=r"\Delta=\text{softplus}(z)\Rightarrow e^{-\Delta}h+(1-e^{-\Delta})u=(1-g)h+g\,u,\ g=\sigma(z);\quad "
        r"\text{Euler writes}\ \Delta u,\ \Delta>g",
        formula=GATED,
        proof=gated_rnn,
    ),
)
