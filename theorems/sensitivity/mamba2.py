"""Mamba-2: one decay a head, so all components of a head fade together past the convolution's window (Remark 1)."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.proof import Identity, Induction, Proof
from mamba_theorems.theorems.sensitivity.recurrence import Decay, State, Write, a, exponential, j, m, r, x


def mamba2() -> Proof:
    """One decay a head: all P×N components of a head fade together, also past the convolution's window."""
    component, i = sp.Symbol("p", integer=True), sp.Symbol("i", integer=True, nonnegative=True)
    start, added = sp.Function("G", real=True)(component), sp.Function("d", real=True)
    head = Induction(
        name="past the window, every component of a head has the same factor",
        because="G(p) is the sensitivity of component p = (row, column) at the last step i = j+k−1 whose convolution "
        "sees x_j; a(r) is the head's one decay",
        index=m,
        initial=start,
        next=lambda s, n: a(i + n + 1) * s,
        closed=start * sp.Product(a(r), (r, i + 1, i + m)),
    )
    return Proof(
        steps=(
            Identity(
                name="a step inside the window",
                because="a token x_j enters x, B, C of steps j … j+k−1 through the convolution, and Δ at step j",
                lhs=sp.Derivative(Decay(x) * State(x) + Write(x), x),
                rhs=Decay(x) * sp.Derivative(State(x), x)
                + sp.Derivative(Decay(x), x) * State(x)
                + sp.Derivative(Write(x), x),
            ),
            Induction(
                name="window: the contributions of steps j … j+m add up",
                sequence="added_up",
                because="d(r) = ∂w_r/∂x + h_{r−1} ∂Λ̄_r/∂x is what step r adds",
                index=m,
                initial=added(j),
                next=lambda s, n: a(j + n + 1) * s + added(j + n + 1),
                closed=sp.Sum(added(i) * sp.Product(a(r), (r, i + 1, j + m)), (i, j, j + m)),
            ),
            head,
            exponential(),
        )
    )


CLAIMS = (
    Claim(
        id="sensitivity.mamba2",
        paper="Remark 1",
        form=Form.AMENDED,
        title="Mamba-2: one decay a head, past the convolution's window",
        statement=r"\partial h_t/\partial x_j=\Bigl(\prod_{r>i}\bar\lambda_r\Bigr)G,\ i=j+k-1,\quad "
        r"G=\sum_{i'=j}^{j+k-1}\Bigl(\prod_{r=i'+1}^{i}\bar\lambda_r\Bigr)d_{i'}\ "
        r"\text{with the same factor for all}\ P\times N\ \text{components of a head}",
        hypotheses=(r"\bar\lambda_r=e^{-\lambda\Delta_r}\ \text{scalar per head}", r"t\ge j+k-1"),
        depends_on=("sensitivity.eq11",),
        proof=mamba2,
    ),
)
