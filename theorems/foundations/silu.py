"""SiLU as the official blocks have it: two of them make a line, two more a step that saturates on integers."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import sigmoid, silu, silu_step
from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.proof import Bound, Identity, Proof

x, d = sp.symbols("x d", real=True)
w, y = sp.Symbol("w", positive=True), sp.Symbol("y", nonnegative=True)


PAIR = sp.Eq(silu(x) - silu(-x), x, evaluate=False)
sharpness = sp.Symbol("w", real=True)


def rise(at: sp.Expr) -> sp.Expr:
    """w·step(at): SiLU(w(at + 1)) − SiLU(w·at), which has no division."""
    return silu(sharpness * (at + 1)) - silu(sharpness * at)


STEP = sp.And(
    sp.Eq(rise(d) + rise(-1 - d), sharpness, evaluate=False),
    sp.Eq(rise(sp.Integer(-1)), sharpness / (1 + sp.exp(sharpness)), evaluate=False),
)


def silu_pair() -> Proof:
    """σ(x) + σ(−x) = 1."""
    return Proof(
        steps=(
            Identity(name="σ(x) + σ(−x) = 1", lhs=sigmoid(x) + sigmoid(-x), rhs=sp.S.One),
            Identity(name="SiLU(x) − SiLU(−x) = x", lhs=PAIR.lhs, rhs=PAIR.rhs).but_not(
                "SiLU(x) + SiLU(−x)", lhs=silu(x) + silu(-x)
            ),
        )
    )


def silu_step_proof() -> Proof:
    """The symmetry from the pair; the two values next to the jump; and how flat SiLU is away from its bend."""
    power = sp.Symbol("E", positive=True)
    steep = Bound(
        name="y/(1 + e^y) ≤ y/e^y",
        because="E = e^y: so |SiLU(±y) − ReLU(±y)| ≤ y e^{−y}",
        claim=sp.Le(y / (1 + power), y / power),
    ).but_not("y/(2e^y)", claim=sp.Le(y / (1 + power), y / (2 * power)))
    return Proof(
        steps=(
            Identity(name="at the jump: step(0) = σ(w)", lhs=sp.Subs(silu_step(d, w), d, 0), rhs=sigmoid(w)),
            Identity(
                name="before it: step(−1) = 1/(1 + e^w)", lhs=sp.Subs(silu_step(d, w), d, -1), rhs=1 / (1 + sp.exp(w))
            ),
            Identity(name="SiLU(y) = ReLU(y) − y/(1 + e^y)", lhs=sp.Subs(silu(x), x, y), rhs=y - y / (1 + sp.exp(y))),
            Identity(name="SiLU(−y) = −y/(1 + e^y)", lhs=sp.Subs(silu(x), x, -y), rhs=-y / (1 + sp.exp(y))),
            steep,
            Identity(name="step(d) + step(−1−d) = 1", lhs=STEP.lhs, rhs=STEP.rhs).but_not(
                "step(d) + step(−d) = 1", lhs=silu_step(d, w) + silu_step(-d, w), rhs=sp.S.One
            ),
        )
    )


CLAIMS = (
    Claim(
        id="foundations.silu-pair",
        paper="official blocks",
        form=Form.EXTENSION,
        title="two SiLU channels make a linear one",
        statement=r"\text{SiLU}(x)-\text{SiLU}(-x)=x",
        formula=PAIR,
        proof=silu_pair,
    ),
    Claim(
        id="foundations.silu-step",
        paper="official blocks",
        form=Form.EXTENSION,
        title="the SiLU step is its own complement",
        statement=r"w\,\text{step}(d)=\text{SiLU}(w(d+1))-\text{SiLU}(wd)\ \Rightarrow\ "
        r"w\,\text{step}(d)+w\,\text{step}(-1-d)=w,\ w\,\text{step}(-1)=\frac w{1+e^w}",
        depends_on=("foundations.silu-pair",),
        formula=STEP,
        proof=silu_step_proof,
    ),
)
