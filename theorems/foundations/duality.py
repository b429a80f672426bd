"""Mamba-2 is masked attention, by rows or by chunks (Dao & Gu 2024, §3–7)."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.foundations.recurrence import BLOCK, j, m, r
from mamba_theorems.theorems.proofs.proof import Induction, Proof

B, C, step, fed = (sp.Function(name, real=True) for name in ("B", "C", "Delta", "x"))
rate, output, chunked = sp.symbols("A y chunked", real=True)
"""y_t of the recurrence of one head and channel; and what chunks that carry a state give."""
place, other, write, state = sp.symbols("t r j s", integer=True, positive=True)
num_states = sp.Symbol("N", integer=True, positive=True)
SCORE = sp.Sum(C(state) * B(state, write), (state, 1, num_states))
MASK = sp.exp(rate * sp.Sum(step(other), (other, write + 1, place)))
ROWS = sp.Eq(output, sp.Sum(MASK * SCORE * step(write) * fed(write), (write, 1, place)), evaluate=False)
DUALITY = sp.And(ROWS, sp.Eq(chunked, output, evaluate=False))


def ssd_duality() -> Proof:
    """Mamba-2: y_t = Σ_{j≤t} (Π_{r=j+1}^t a_r)(C_t·B_j) Δ_j x_j, one row of (L ∘ CBᵀ)X; chunks give the same."""
    C, B, mask, x = sp.Function("C", real=True), *(sp.Function(f, real=True) for f in ("B", "M", "X"))
    t, state = sp.Symbol("t", integer=True, positive=True), sp.Symbol("s", integer=True, positive=True)
    Delta, rate = sp.Function("Delta", positive=True), sp.Symbol("A", negative=True)
    return Proof(
        steps=(
            Induction(
                name="the sum over N states is the score C_t·B_j",
                sequence="y",
                because="M(j) = Π_{r=j+1}^t a_r is one number a head, the same for all states; X(j) = Δ_j x_j",
                index=m,
                next=lambda y, k: y + sp.Sum(C(k + 1) * mask(j) * B(k + 1, j) * x(j), (j, 1, t)),
                closed=sp.Sum(mask(j) * sp.Sum(C(state) * B(state, j), (state, 1, m)) * x(j), (j, 1, t)),
            ),
            Induction(
                name="the mask is e^{A(cumsum_t − cumsum_j)}",
                sequence="P",
                index=m,
                initial=sp.S.One,
                next=lambda p, k: sp.exp(rate * Delta(j + k + 1)) * p,
                closed=sp.exp(rate * (sp.Sum(Delta(r), (r, 1, j + m)) - sp.Sum(Delta(r), (r, 1, j)))),
            ),
            BLOCK,
        )
    )


CLAIMS = (
    Claim(
        id="foundations.ssd-duality",
        paper="Dao & Gu (2024), §3–7",
        form=Form.PRINTED,
        title="Mamba-2 is masked attention, by rows or by chunks",
        statement=r"a_r=e^{A\Delta_r}:\quad y=(L\circ CB^\top)(\Delta x),\ L_{tj}=\prod_{r=j+1}^ta_r="
        r"e^{A(\sigma_t-\sigma_j)},\ \sigma_t=\sum_{r\le t}\Delta_r;\ \text{chunked}=\text{recurrent}",
        formula=DUALITY,
        depends_on=("foundations.unrolled", "foundations.scan-associative"),
        expected=Outcome.FORMAL,
        proof=ssd_duality,
        formal=Formal(
            tuple(
                f"foundations.Duality.{name}" for name in ("masked_attention", "mask_of_clock", "chunked_is_recurrent")
            ),
            refused=(
                Weakened(
                    "a write meets its own decay too",
                    r"mask t j := \prod_(j.+1 <= r < t.+1)",
                    r"mask t j := \prod_(j <= r < t.+1)",
                ),
                Weakened("e of a sum is a sum", "x + y >-> x * y", "x + y >-> x + y"),
                Weakened("nothing carried on", "(i + q)%N (carried i q H)", "(i + q)%N H"),
                Weakened(
                    "what is carried skips a decay",
                    r"(\prod_(i <= r < t.+1) a r) * (\sum",
                    r"(\prod_(i.+1 <= r < t.+1) a r) * (\sum",
                ),
            ),
        ),
    ),
)
