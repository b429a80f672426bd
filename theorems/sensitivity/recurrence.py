"""How the state depends on one input: eq. (11), Lemma 1, bounded inputs, and Mamba-2's heads.

One component h of a diagonal state, one coordinate x of the mixer's input x̂_j. Step j reads x; step r > j multiplies
by Λ̄_r = a(r) = e^{−λΔ(r)} and adds what does not depend on x. m = t − j.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from mamba_theorems.theorems.proofs.proof import Bound, Identity, Induction, InductionOn, Limit, Proof

x = sp.Symbol("x", real=True)
j, m, r = sp.symbols("j m r", integer=True, nonnegative=True)
lam, delta, gain = sp.symbols("lambda delta K", nonnegative=True)
before, decay_now, write_now = sp.symbols("h_{j-1} a_r w_r", real=True)
a, Delta = sp.Function("a", real=True), sp.Function("Delta", positive=True)
Decay, Write, State = sp.Function("Lambda", real=True), sp.Function("w", real=True), sp.Function("h", real=True)


def sensitivity_now() -> sp.Expr:
    """K_j = ∂(B̄_j x̂_j)/∂x + h_{j−1} ∂Λ̄_j/∂x."""
    return sp.Derivative(Write(x), x) + before * sp.Derivative(Decay(x), x)


def clock(steps: sp.Expr) -> sp.Expr:
    """Σ_{r=j+1}^{j+steps} Δ(r)."""
    return sp.Sum(Delta(r), (r, j + 1, j + steps))


def sensitivity_later(steps: sp.Expr = m) -> sp.Expr:
    """K Π_{r=j+1}^{j+steps} a(r)."""
    return gain * sp.Product(a(r), (r, j + 1, j + steps))


def propagation() -> Induction:
    """∂h_{j+m}/∂x = K Π a(r), for every m, from ∂h_j/∂x = K and ∂h_{r+1}/∂x = a(r+1) ∂h_r/∂x."""
    step = Induction(
        name="eq. (11): every later step multiplies by its decay",
        index=m,
        initial=gain,
        next=lambda s, n: a(j + n + 1) * s,
        closed=sensitivity_later(),
    )
    late = gain * sp.Product(a(r), (r, j, j + m))
    return replace(step, also_wrong=(replace(step, name="the product starts at r = j", closed=late),))


def eq11() -> Proof:
    """Differentiate the step that reads x, then the later ones, then induct."""
    return Proof(
        steps=(
            Identity(
                name="the step that reads x̂_j",
                because="h_{j−1} comes before x̂_j, so only Λ̄_j and the write depend on x",
                lhs=sp.Derivative(Decay(x) * before + Write(x), x),
                rhs=sensitivity_now(),
                also_wrong=(
                    Identity(
                        name="without the term through the decay",
                        lhs=sp.Derivative(Decay(x) * before + Write(x), x),
                        rhs=sp.Derivative(Write(x), x),
                    ),
                ),
            ),
            Identity(
                name="a later step",
                because="Λ̄_r and B̄_r x̂_r are functions of x̂_r alone",
                lhs=sp.Derivative(decay_now * State(x) + write_now, x),
                rhs=decay_now * sp.Derivative(State(x), x),
            ),
            propagation(),
        )
    )


def exponential() -> Induction:
    """Π e^{−λΔ(r)} = e^{−λ Σ Δ(r)}, as the recurrence p ← e^{−λΔ} p from 1."""
    return Induction(
        name="the decays multiply to e^{−λΣΔ}",
        index=m,
        initial=sp.S.One,
        next=lambda p, n: sp.exp(-lam * Delta(j + n + 1)) * p,
        closed=sp.exp(-lam * clock(m)),
    )


def _constant_step() -> Induction:
    return Induction(
        name="S4D: the decays multiply to e^{−λ(t−j)}",
        because="Δ = 1",
        index=m,
        initial=sp.S.One,
        next=lambda p, _: sp.exp(-lam) * p,
        closed=sp.exp(-lam * m),
    )


def lemma1() -> Proof:
    """Both closed forms, with the constant that the printed exponents need."""
    signed = sp.Symbol("K_j", real=True)
    printed = sp.Abs(signed) * sp.exp(-lam)
    return Proof(
        steps=(
            propagation(),
            exponential(),
            _constant_step(),
            Identity(
                name="S4D: c̃ = e^{−λ}|K_j| with the printed exponent t − (j+1)",
                lhs=sp.Abs(signed) * sp.exp(-lam * m),
                rhs=printed * sp.exp(-lam * (m - 1)),
            ),
        )
    )


def slow_steps() -> tuple[Induction, Limit]:
    """Δ_r = ln(1 + 1/r) from r = 1: positive steps under which the sensitivity decays like 1/(m+1)^λ only."""
    telescoped = Induction(
        name="steps ln(1 + 1/r) add up to ln(m+1)",
        index=m,
        next=lambda s, n: s + sp.log((n + 2) / (n + 1)),
        closed=sp.log(m + 1),
    )
    y, rate = sp.Symbol("y", positive=True), sp.Symbol("eta", positive=True)
    slower = Limit(
        name="(m+1)^{−λ} beats every exponential",
        because="at λ = 1; e^{−ηm} of any rate η > 0 is smaller in the end",
        expression=sp.exp(-rate * y) * (y + 1),
        variable=y,
        point=sp.oo,
        value=sp.S.Zero,
    )
    return telescoped, slower


def lemma1_amended() -> Proof:
    """c̃ = |K_j|; S4D's exponent t − j; and what "exponentially" needs."""
    return Proof(
        steps=(
            propagation(),
            exponential(),
            _constant_step(),
            *slow_steps(),
            steps_add_up(),
            at_most_exponential(),
        )
    )


# --- bounded inputs -----------------------------------------------------------------------------------------------

total, floor = sp.symbols("s delta", nonnegative=True)
"""s = Σ_{r>j} Δ(r) over m steps; δ a floor under every Δ."""
ENOUGH = sp.Ge(total, floor * m)
FORGETS = sp.Le(gain * sp.exp(-lam * total), gain * sp.exp(-lam * floor * m))


def steps_add_up() -> InductionOn:
    """Δ ≥ δ at every step: ΣΔ ≥ mδ."""
    step_now = sp.Symbol("Delta_r", nonnegative=True)
    one_more = sp.Ge(total + step_now, floor * (m + 1))
    base = sp.Symbol("s_0", nonnegative=True)
    empty = (sp.Eq(base, 0, evaluate=False), sp.Eq(m, 0, evaluate=False))
    return InductionOn(
        name="m steps of at least δ add up to at least mδ",
        base=Bound(name="no step", claim=sp.Ge(base, floor * m), given=empty),
        step=Bound(
            name="one step more",
            claim=one_more,
            given=(ENOUGH, sp.Ge(step_now, floor)),
            also_wrong=(Bound(name="Δ ≥ δ dropped", claim=one_more, given=(ENOUGH,)),),
        ),
        conclusion=ENOUGH,
    )


def at_most_exponential() -> Bound:
    """|K| e^{−λΣΔ} ≤ |K| e^{−λδm}."""
    return Bound(
        name="the sensitivity is at most |K_j| e^{−λδ(t−j)}",
        because="the exponential is monotone",
        claim=FORGETS,
        given=(ENOUGH,),
        also_wrong=(
            Bound(name="without a floor", claim=FORGETS),
            Bound(name="a floor under m − 1 steps", claim=FORGETS, given=(sp.Ge(total, floor * (m - 1)),)),
        ),
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
        also_wrong=(Bound(name="x unbounded below", claim=claim, given=(*softplus, inside[0])),),
    )


def _state_is_bounded() -> InductionOn:
    """|w_r| ≤ W and Λ̄ ≤ q < 1: |h| ≤ W/(1−q) always, so K_j is bounded over all inputs of the compact set."""
    state, write, decay = sp.symbols("h w a", real=True)
    top, rate = sp.symbols("W q", nonnegative=True)
    bound = sp.Le(sp.Abs(state) * (1 - rate), top)
    start = (sp.Eq(state, 0, evaluate=False),)
    after = sp.Le(sp.Abs(decay * state + write) * (1 - rate), top)
    conditions = (bound, sp.Le(sp.Abs(write), top), sp.Ge(decay, 0), sp.Le(decay, rate), sp.Lt(rate, 1))
    return InductionOn(
        name="the state stays bounded, so |K_j| does",
        because="q = e^{−λδ}; then |K_j| ≤ sup|w′| + sup|Λ̄′| W/(1−q)",
        base=Bound(name="from 0", claim=bound, given=start),
        step=Bound(name="one step", claim=after, given=conditions),
        conclusion=bound,
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
            Limit(
                name="so it tends to 0 when λδ > 0",
                expression=sp.exp(-rate * steps),
                variable=steps,
                point=sp.oo,
                value=sp.S.Zero,
            ),
            Bound(
                name="and λΣΔ exceeds every c: (12) never holds",
                claim=sp.Gt(lam * total, ceiling),
                given=(ENOUGH, sp.Gt(lam * floor * m, ceiling)),
            ),
            Bound(
                name="at finite length, constant steps keep e^{−c} while λδ(t−j) ≤ c",
                claim=sp.Ge(sp.exp(-lam * floor * m), sp.exp(-ceiling)),
                given=(sp.Le(lam * floor * m, ceiling),),
                also_wrong=(
                    Bound(
                        name="twice as long",
                        claim=sp.Ge(sp.exp(-lam * floor * m), sp.exp(-ceiling)),
                        given=(sp.Le(lam * floor * m, 2 * ceiling),),
                    ),
                ),
            ),
            _state_is_bounded(),
            at_most_exponential(),
        )
    )


# --- Mamba-2 ------------------------------------------------------------------------------------------------------


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
