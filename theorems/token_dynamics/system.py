"""Token dynamics: the system, as restated from the abstract of Vo et al., and what every case starts from.

dx_l/dt = Σ_{j≤l} (x_lᵀ S_Cᵀ S_B x_j) Δ_j exp(−a Σ_{k=j+1}^{l} Δ_k) x_j, Δ_j = softplus(S_Δ x_j), a ≥ 0; in one
dimension μ = S_C S_B. The paper's text was not at hand: the system is a restatement, the statements proved are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.proofs.proof import Bound, Cited, Identity, Induction
from mamba_theorems.theorems.proofs.written import TIME, Along
from mamba_theorems.theorems.statement import Hypothesis, predicate

PAPER = "Vo, Pham, Tong & Nguyen (ICLR 2025), restated from the abstract; the statement is ours"
CONTINUATION = "Picard–Lindelöf: a solution exists and is unique until it leaves every ball"
COMPARISON = "comparison of a function with the integral of a bound on its derivative (mean value theorem)"
LHOPITAL = "L'Hôpital's rule, denominator tending to infinity"

t = sp.Symbol("t", nonnegative=True)
time = TIME
m, kappa, size, start = sp.symbols("m kappa X X_0", positive=True)
slope, a = sp.symbols("s a", nonnegative=True)
step, decay, gain = sp.symbols("Delta E g", nonnegative=True)
l, j, k = sp.symbols("l j k", integer=True, nonnegative=True)


LN2 = sp.log(2)

# --- what a solution shows: of one system, one token l, at a time after 0

rate, weight, damping = sp.symbols("mu S_Delta a", real=True)
begun, now, after = sp.symbols("x_0 x_t t", real=True)
"""x_l(0), x_l(t) and t ≥ 0."""
FIRST = predicate("l=1")
FALLS = Hypothesis("μ < 0", "μ is negative", sp.Lt(rate, 0), r"\mu<0")
RISES = Hypothesis("μ > 0", "μ is positive", sp.Gt(rate, 0), r"\mu>0")
NONZERO = Hypothesis("x_l(0) ≠ 0", "the token is not 0 at the start", sp.Ne(begun, 0), r"x_l(0)\ne0")
OF_FIRST = Hypothesis("l = 1", "the token has none before it", FIRST, "l=1")


def following(gain: sp.Expr, size: sp.Expr, step: sp.Expr) -> sp.Expr:
    """g_{l+1} = e^{−aΔ} g_l + x²Δ with the size x and the step Δ of token l + 1."""
    return sp.exp(-a * step) * gain + size**2 * step


def growth_rate() -> Induction:
    """g_l = Σ_{j≤l} x_j²Δ_j exp(−a Σ_{k=j+1}^l Δ_k) satisfies g_{l+1} = e^{−aΔ_{l+1}} g_l + x_{l+1}²Δ_{l+1}."""
    x, delta = sp.Function("x", positive=True), sp.Function("Delta", positive=True)

    def write(i: sp.Expr) -> sp.Expr:
        return x(i) ** 2 * delta(i)

    return Induction(
        name="g_l is a leaky sum over the tokens before it",
        because="dx_l/dt = μ x_l g_l; the decay of token l + 1 multiplies every older term",
        index=l,
        next=lambda g, n: following(g, x(n + 1), delta(n + 1)),
        closed=sp.Sum(sp.Product(sp.exp(-a * delta(k)), (k, j + 1, l)) * write(j), (j, 1, l)),
    )


def own_share() -> Bound:
    """g_l ≥ x_l²Δ_l > 0: the other terms are not negative."""
    older = sp.Symbol("g_older", nonnegative=True)
    whole = decay * older + size**2 * gain
    return Bound(
        name="a token drives itself",
        because="g_l = e^{−aΔ_l} g_{l−1} + x_l²Δ_l, here with Δ_l = g > 0",
        claim=sp.And(sp.Ge(whole, size**2 * gain), sp.Gt(whole, 0)),
        given=(sp.Gt(gain, 0),),
    ).but_not("an older term of the other sign", claim=sp.Gt(size**2 * gain - decay * older, 0))


def softplus_increases() -> Bound:
    """softplus(v + h) ≥ softplus(v), h ≥ 0."""
    v, h = sp.Symbol("v", real=True), sp.Symbol("h", nonnegative=True)
    return Bound(name="softplus increases", claim=sp.Ge(softplus(v + h), softplus(v))).but_not(
        "by more than half the step", claim=sp.Ge(softplus(v + h), softplus(v) + h / 2)
    )


def softplus_grows_slowly() -> Bound:
    """softplus(h) ≤ ln 2 + h, h ≥ 0."""
    h = sp.Symbol("h", nonnegative=True)
    return Bound(name="softplus(h) ≤ ln 2 + h", claim=sp.Ge(LN2 + h, softplus(h))).but_not(
        "≤ ln 2 + h/3", claim=sp.Ge(LN2 + h / 3, softplus(h))
    )


def softplus_below_exponential() -> Bound:
    """ln(1 + y) ≤ y."""
    y = sp.Symbol("y", nonnegative=True)
    return Bound(name="softplus(−v) ≤ e^{−v}", because="y = e^{−v}", claim=sp.Le(sp.log(1 + y), y)).but_not(
        "9/10 of it", claim=sp.Le(sp.log(1 + y), sp.Rational(9, 10) * y)
    )


def loss() -> Bound:
    """1 − e^{−x} ≤ x."""
    x = sp.Symbol("x", nonnegative=True)
    return Bound(name="1 − e^{−x} ≤ x", claim=sp.Le(1 - sp.exp(-x), x)).but_not(
        "0.9 x", claim=sp.Le(1 - sp.exp(-x), sp.Rational(9, 10) * x)
    )


def scalar_flow(power: int) -> Identity:
    """d(x^power)/dt along dx/dt = μ x g."""
    mu = sp.Symbol("mu", real=True)
    x, g = sp.Function("x", positive=True)(time), sp.Function("g", positive=True)(time)
    return Identity(
        name=f"how x^{power} moves",
        because="dx_l/dt = μ x_l g_l",
        lhs=Along(x**power, {x: mu * x * g}),
        rhs=power * mu * g * x**power,
    )


def cited_comparison(name: str, states: sp.Basic, instance: Mapping[sp.Symbol, sp.Expr], because: str = "") -> Cited:
    """A bound on a derivative, integrated from 0 to t; an instance where the bound is the derivative itself."""
    return Cited(
        name=name,
        statement=str(states),
        source=COMPARISON,
        states=states,
        instances=(instance,),
        about=tuple(sorted(states.free_symbols, key=str)),
        because=because,
    )
