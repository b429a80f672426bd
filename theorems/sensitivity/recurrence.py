"""How the state depends on one input: eq. (11) and Lemma 1.

One component h of a diagonal state, one coordinate x of the mixer's input x̂_j. Step j reads x; step r > j multiplies
by Λ̄_r = a(r) = e^{−λΔ(r)} and adds what does not depend on x. m = t − j.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.proof import Bound, Identity, Induction, InductionOn, Limit, Proof, invariant

DIAGONAL = r"\bar\Lambda_r=e^{-\lambda\Delta_r},\ \lambda\ge0,\ \Delta_r>0"
ANY_INPUT = "Euler or ZOH: the write may be any differentiable function of the mixer's input at its own step"

x = sp.Symbol("x", real=True)
j, m, r = sp.symbols("j m r", integer=True, nonnegative=True)
lam, gain = sp.symbols("lambda K", nonnegative=True)
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
    return step.but_not("the product starts at r = j", closed=late)


def eq11() -> Proof:
    """Differentiate the step that reads x, then the later ones, then induct."""
    return Proof(
        steps=(
            Identity(
                name="the step that reads x̂_j",
                because="h_{j−1} comes before x̂_j, so only Λ̄_j and the write depend on x",
                lhs=sp.Derivative(Decay(x) * before + Write(x), x),
                rhs=sensitivity_now(),
            ).but_not("without the term through the decay", rhs=sp.Derivative(Write(x), x)),
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


# --- a floor under every step -------------------------------------------------------------------------------------

total = sp.Function("s", nonnegative=True)(m)
floor = sp.Symbol("delta", nonnegative=True)
"""s(m) = Σ_{r>j} Δ(r) over m steps; δ a floor under every Δ."""
ENOUGH = sp.Ge(total, floor * m)
FORGETS = sp.Le(gain * sp.exp(-lam * total), gain * sp.exp(-lam * floor * m))


def steps_add_up() -> InductionOn:
    """Δ ≥ δ at every step: ΣΔ ≥ mδ."""
    step_now = Delta(j + m + 1)
    return invariant(
        name="m steps of at least δ add up to at least mδ",
        conclusion=ENOUGH,
        index=m,
        initial={total: 0},
        following={total: total + step_now},
        given=(sp.Ge(step_now, floor),),
        wrong={"Δ ≥ δ dropped": {"given": ()}},
    )


def at_most_exponential() -> Bound:
    """|K| e^{−λΣΔ} ≤ |K| e^{−λδm}."""
    return (
        Bound(
            name="the sensitivity is at most |K_j| e^{−λδ(t−j)}",
            because="the exponential is monotone",
            claim=FORGETS,
            given=(ENOUGH,),
        )
        .but_not("without a floor", given=())
        .but_not("a floor under m − 1 steps", given=(sp.Ge(total, floor * (m - 1)),))
    )


CLAIMS = (
    Claim(
        id="sensitivity.eq11",
        paper="Eq. (11)",
        form=Form.PRINTED,
        title="the sensitivity of the state to an input",
        statement=r"\partial h_t/\partial\hat x_j=\Bigl(\prod_{r=j+1}^t\bar\Lambda_r\Bigr)K_j,\quad "
        r"K_j=\frac{\partial(\bar B_j\hat x_j)}{\partial\hat x_j}"
        r"+\frac{\partial\bar\Lambda_j}{\partial\hat x_j}h_{j-1}",
        hypotheses=(ANY_INPUT,),
        depends_on=("foundations.unrolled",),
        formula=propagation().relation,
        proof=eq11,
    ),
    Claim(
        id="sensitivity.lem1",
        paper="Lemma 1",
        form=Form.PRINTED,
        title="S4D forgets by e^{−λ(t−j−1)}, S6 by e^{−λΣΔ}, up to a constant",
        statement=r"|\partial h_t/\partial\hat x_j|=\tilde c\,e^{-\lambda(t-(j+1))}\ \text{(S4D)},\quad "
        r"\tilde c\,e^{-\lambda\sum_{r=j+1}^t\Delta_r}\ \text{(S6), for some}\ \tilde c\ge0",
        hypotheses=(DIAGONAL, r"\Delta=1\ \text{in S4D}"),
        depends_on=("sensitivity.eq11",),
        proof=lemma1,
    ),
    Claim(
        id="sensitivity.lem1-amended",
        paper="Lemma 1",
        form=Form.AMENDED,
        title="the constant is |K_j|; exponential decay needs λ > 0 and Δ bounded below",
        statement=r"|\partial h_t/\partial\hat x_j|=|K_j|e^{-\lambda(t-j)}\ \text{(S4D)},\ "
        r"|K_j|e^{-\lambda\sum_{r>j}\Delta_r}\ \text{(S6)};\ "
        r"\Delta\ge\delta\Rightarrow\ \le|K_j|e^{-\lambda\delta(t-j)};"
        r"\ \text{with}\ \Delta_r=\ln(1+1/r)\ \text{it is only}\ t^{-\lambda}",
        hypotheses=(DIAGONAL,),
        depends_on=("sensitivity.eq11",),
        formula=FORGETS,
        proof=lemma1_amended,
    ),
)
