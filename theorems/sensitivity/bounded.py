"""On a compact input set Δ has a floor, so every state with λ > 0 forgets exponentially (Section 3.2)."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.proof import Bound, InductionOn, Limit, Proof, invariant
from mamba_theorems.theorems.sensitivity.recurrence import (
    DIAGONAL,
    ENOUGH,
    FORGETS,
    at_most_exponential,
    exponential,
    floor,
    lam,
    m,
    propagation,
    steps_add_up,
    total,
)


def _floor_of_softplus() -> Bound:
    """Δ = softplus(wx + b) ≥ δ = softplus(b − |w|M) for |x| ≤ M; both positive."""
    step, least = sp.symbols("Delta_r delta_0", positive=True)
    weight, bias, value, radius = sp.symbols("w b x M", real=True)
    lowest = bias - sp.Abs(weight) * radius
    linear = weight * value + bias
    softplus = (
        sp.Eq(sp.exp(step), 1 + sp.exp(linear), evaluate=False),
        sp.Eq(sp.exp(least), 1 + sp.exp(lowest), evaluate=False),
    )
    inside = (sp.Le(value, radius), sp.Ge(value, -radius))
    claim = sp.Ge(step, least)
    return Bound(
        name="on |x| ≤ M, softplus(wx + b) has the floor softplus(b − |w|M) > 0",
        because="Δ = softplus(z) is e^Δ = 1 + e^z; for a vector x read ‖w‖ for |w| and ‖x‖ for |x|",
        claim=claim,
        given=(*softplus, *inside),
    ).but_not("x unbounded below", given=(*softplus, inside[0]))


def _state_is_bounded() -> InductionOn:
    """|w_r| ≤ W and Λ̄ ≤ q < 1: |h| ≤ W/(1−q) always, so K_j is bounded over all inputs of the compact set."""
    state, write, decay = (sp.Function(name, real=True)(m) for name in ("h", "w", "a"))
    top, rate = sp.symbols("W q", nonnegative=True)
    return invariant(
        name="the state stays bounded, so |K_j| does",
        because="q = e^{−λδ}; then |K_j| ≤ sup|w′| + sup|Λ̄′| W/(1−q)",
        conclusion=sp.Le(sp.Abs(state) * (1 - rate), top),
        index=m,
        initial={state: 0},
        following={state: decay * state + write},
        given=(sp.Le(sp.Abs(write), top), sp.Ge(decay, 0), sp.Le(decay, rate), sp.Lt(rate, 1)),
    )


def bounded_inputs_forget() -> Proof:
    """A compact input set keeps Δ above a floor δ > 0, so every state with λ > 0 forgets exponentially."""
    rate, steps, ceiling = sp.symbols("eta y c", positive=True)
    return Proof(
        steps=(
            propagation(),
            exponential(),
            _floor_of_softplus(),
            steps_add_up(),
            Limit(name="so it tends to 0 when λδ > 0", expression=sp.exp(-rate * steps), variable=steps),
            Bound(
                name="and λΣΔ exceeds every c: (12) never holds",
                claim=sp.Gt(lam * total, ceiling),
                given=(ENOUGH, sp.Gt(lam * floor * m, ceiling)),
            ),
            Bound(
                name="at finite length, constant steps keep e^{−c} while λδ(t−j) ≤ c",
                claim=sp.Ge(sp.exp(-lam * floor * m), sp.exp(-ceiling)),
                given=(sp.Le(lam * floor * m, ceiling),),
            ).but_not("twice as long", given=(sp.Le(lam * floor * m, 2 * ceiling),)),
            _state_is_bounded(),
            at_most_exponential(),
        )
    )


CLAIMS = (
    Claim(
        id="sensitivity.bounded-inputs-forget",
        paper="Section 3.2, condition (12)",
        form=Form.EXTENSION,
        title="on a compact input set every state with λ > 0 forgets exponentially",
        statement=r"|x|\le M\Rightarrow\Delta\ge\delta=\text{softplus}(b-\|w\|M)>0,\quad "
        r"|\partial h_t/\partial x_j|\le|K_j|e^{-\lambda\delta(t-j)}",
        hypotheses=(DIAGONAL, r"\Delta=\text{softplus}(w^\top x+b)"),
        depends_on=("sensitivity.eq11",),
        formula=FORGETS,
        proof=bounded_inputs_forget,
    ),
)
