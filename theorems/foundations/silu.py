"""SiLU as the official blocks have it: two of them make a line, two more a step that saturates on integers."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import silu
from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.proof import Conjunction, Identity, Proof

x, d, w = sp.symbols("x d w", real=True)


PAIR = sp.Eq(silu(x) - silu(-x), x, evaluate=False)


def silu_pair() -> Proof:
    """By σ(x) + σ(−x) = 1."""
    return Proof(
        steps=(
            Identity(name="SiLU(x) − SiLU(−x) = x", because="σ(x) + σ(−x) = 1", lhs=PAIR.lhs, rhs=PAIR.rhs).but_not(
                "SiLU(x) + SiLU(−x)", lhs=silu(x) + silu(-x)
            ),
        )
    )


def rise(at: sp.Expr) -> sp.Expr:
    """w·step(at): SiLU(w(at + 1)) − SiLU(w·at), which has no division."""
    return silu(w * (at + 1)) - silu(w * at)


COMPLEMENT = sp.Eq(rise(d) + rise(-1 - d), w, evaluate=False)
BEFORE = sp.Eq(sp.Subs(rise(d), d, -1), w / (1 + sp.exp(w)), evaluate=False)
STEP = sp.And(COMPLEMENT, BEFORE)


def silu_step_proof() -> Proof:
    """The symmetry from the pair, and the value before the jump."""
    symmetry = Identity(name="step(d) + step(−1−d) = 1, times w", lhs=COMPLEMENT.lhs, rhs=COMPLEMENT.rhs).but_not(
        "step(d) + step(−d) = 1", lhs=rise(d) + rise(-d)
    )
    before = Identity(name="step(−1) = 1/(1 + e^w), times w", lhs=BEFORE.lhs, rhs=BEFORE.rhs)
    return Proof(steps=(symmetry, before, Conjunction(name="the SiLU step", of=(symmetry, before))))


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
        formula=STEP,
        proof=silu_step_proof,
    ),
)
