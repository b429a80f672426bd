"""Mamba-2: one decay a head, so all components of a head fade together past the convolution's window (Remark 1)."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import Identity, Induction, Proof
from mamba_theorems.theorems.sensitivity.recurrence import Decay, Write, a, i, j, m, r, x
from mamba_theorems.theorems.statement import Hypothesis, predicate

State = sp.Function("h", real=True)
change, at_window, window, factor = sp.symbols("change G_i G factor", real=True)
"""Of one component of a head's state, on an exact run: ∂h_t/∂x_j, ∂h_i/∂x_j at the last step i whose convolution sees
x_j, the sum over the window that G is, and the head's own Π_{r>i} λ̄_r."""
ONE_DECAY = predicate("one decay a head")
FADES = sp.And(sp.Eq(change, factor * window), sp.Eq(at_window, window))


def mamba2() -> Proof:
    """One decay a head: all P×N components of a head fade together, also past the convolution's window."""
    component = sp.Symbol("p", integer=True)
    start, added = sp.Function("G", real=True)(component), sp.Function("d", real=True)
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
                because="d(r) = ∂w_r/∂x + h_{r−1} ∂Λ̄_r/∂x is what step r adds",
                sequence="window",
                index=m,
                initial=added(j),
                next=lambda s, n: a(j + n + 1) * s + added(j + n + 1),
                closed=sp.Sum(added(i) * sp.Product(a(r), (r, i + 1, j + m)), (i, j, j + m)),
            ),
            Induction(
                name="past the window, every component of a head has the same factor",
                because="G(p) is the sensitivity of component p = (row, column) at the last step i = j+k−1 whose "
                "convolution sees x_j; a(r) is the head's one decay",
                index=m,
                initial=start,
                next=lambda s, n: a(i + n + 1) * s,
                closed=start * sp.Product(a(r), (r, i + 1, i + m)),
            ),
        )
    )


CLAIMS = (
    Claim(
        id="sensitivity.mamba2",
        paper="Remark 1",
        form=Form.AMENDED,
        title="Mamba-2: one decay a head, past the convolution's window",
        statement=r"\partial h_t/\partial x_j=\Bigl(\prod_{r>i}\bar\lambda_r\Bigr)G,\ i=j+k-1,\quad "
        r"G=\partial h_i/\partial x_j=\sum_{i'=j}^{j+k-1}\Bigl(\prod_{r=i'+1}^{i}\bar\lambda_r\Bigr)d_{i'}\ "
        r"\text{with the same factor for all}\ P\times N\ \text{components of a head}",
        hypotheses=(
            Hypothesis("one decay", "λ̄_r is one number a head", ONE_DECAY, r"\bar\lambda_r=e^{-\lambda\Delta_r}"),
        ),
        depends_on=("sensitivity.eq11",),
        expected=Outcome.FORMAL,
        formula=FADES,
        proof=mamba2,
        formal=Formal(
            ("real.Mamba2.mamba2_fades",),
            refused=(
                Weakened(
                    "the decay of the window's last step too",
                    r"R := \prod_(q.+1 <= r < t.+1) head_decay",
                    r"R := \prod_(q <= r < t.+1) head_decay",
                ),
                Weakened(
                    "without the term through the decay",
                    "\n  + (if r is q.+1 then entry c n q x0 else 0) * 'D_1 (head_decay (head_of W c) r) x0.",
                    ".",
                ),
                Weakened("a window one step shorter", "(j + m2_d_conv W - 1)%N.", "(j + m2_d_conv W - 2)%N."),
                Weakened("from within the window on", "t : (last_step <= t)%N ->", "t : (j <= t)%N ->"),
            ),
        ),
    ),
)
