"""On a compact input set Δ has a floor, so every state with λ > 0 forgets exponentially (Section 3.2).

Δ_r = softplus(z(r) + b), z(r) = w·x̂_r. On |x̂| ≤ M, Cauchy–Schwarz gives |z(r)| ≤ ρ with ρ = ‖w‖M.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.calculus import Grows
from mamba_theorems.theorems.proofs.proof import Bound, Identity, Proof, Specialise, Step, Termwise
from mamba_theorems.theorems.proofs.written import ForAll
from mamba_theorems.theorems.sensitivity.recurrence import (
    AT_START,
    LAMBDA,
    LATER,
    K,
    j,
    lam,
    m,
    r,
    sensitivity,
    size_is,
)
from mamba_theorems.theorems.statement import Hypothesis

z = sp.Function("z", real=True)
bias, radius = sp.symbols("b_Delta rho", real=True)
FLOOR = softplus(bias - radius)
COMPACT = Hypothesis(
    "|z| ≤ ρ",
    "after j, |w·x̂_r| ≤ ρ: on |x̂| ≤ M with ρ = ‖w‖M",
    ForAll(r, sp.Le(sp.Abs(z(r)), radius), LATER),
    r"|w^\top\hat x_r|\le\|w\|M\ (j<r\le t)",
)


def decay(step: sp.Expr) -> sp.Expr:
    """e^{−λ softplus(z(r) + b)}."""
    return sp.exp(-lam * softplus(z(step) + bias))


STEPS = sp.Sum(softplus(z(r) + bias), (r, j + 1, j + m))
FORGETS = sp.Le(sp.Abs(sensitivity(decay)), sp.Abs(K) * sp.exp(-lam * FLOOR * m), evaluate=False)


def _floor_of_softplus() -> tuple[Step, ...]:
    """softplus(z + b) ≥ softplus(b − ρ) for |z| ≤ ρ."""
    v, low = sp.symbols("v v_0", real=True)
    increases = Grows(name="softplus increases", larger=softplus(v), smaller=softplus(low), variable=v, start=low)
    above = Bound(
        name="z + b ≥ b − ρ",
        claim=sp.Ge(z(r) + bias, bias - radius, evaluate=False),
        given=(COMPACT.meaning, *LATER.args),
    ).but_not("z unbounded", given=())
    least = Specialise(name="softplus(z + b) ≥ softplus(b − ρ)", of=increases, at={v: z(r) + bias, low: bias - radius})
    return (increases, above, least)


def bounded_inputs_forget() -> Proof:
    """A compact input set keeps Δ above a floor δ > 0, so every state with λ > 0 forgets exponentially."""
    size = size_is(decay, sp.exp(-lam * STEPS), "S6")
    floor = _floor_of_softplus()
    even = sp.Sum(FLOOR, (r, j + 1, j + m))
    longer = Termwise(
        name="so m steps add up to at least mδ",
        lower=even,
        upper=STEPS,
        given=(ForAll(r, floor[-1].relation, LATER),),
    )
    total = Identity(name="m steps of δ", lhs=even, rhs=FLOOR * m)
    forgets = Bound(
        name="the sensitivity is at most |K_j| e^{−λδ(t−j)}",
        claim=FORGETS,
        given=(size[-1].relation, longer.relation, total.relation, LAMBDA.meaning),
        witness=AT_START,
    ).but_not("without a floor", given=(size[-1].relation, LAMBDA.meaning))
    return Proof(hypotheses=(LAMBDA.meaning, COMPACT.meaning), steps=(*size, *floor, longer, total, forgets))


CLAIMS = (
    Claim(
        id="sensitivity.bounded-inputs-forget",
        paper="Section 3.2, condition (12)",
        form=Form.EXTENSION,
        title="on a compact input set every state with λ > 0 forgets exponentially",
        statement=r"\Delta_r=\text{softplus}(w^\top\hat x_r+b_\Delta):\quad "
        r"|\partial h_t/\partial\hat x_j|\le|K_j|e^{-\lambda\delta(t-j)},\ \delta=\text{softplus}(b_\Delta-\|w\|M)>0",
        hypotheses=(LAMBDA, COMPACT),
        depends_on=("sensitivity.eq11",),
        formula=FORGETS,
        proof=bounded_inputs_forget,
        expected=Outcome.FORMAL,
        formal=Formal(
            ("real.Lemma1.bounded_inputs_forget",),
            refused=(
                Weakened("z not bounded", "  (forall r, (j < r <= t)%N -> `|z r| <= rho) ->\n", ""),
                Weakened("z bounded above only", "-> `|z r| <= rho) ->", "-> z r <= rho) ->"),
                Weakened(
                    "the floor at b + ρ",
                    "expR (- lambda * softplus (b - rho)",
                    "expR (- lambda * softplus (b + rho)",
                ),
            ),
        ),
    ),
)
