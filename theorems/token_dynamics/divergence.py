"""Token dynamics in one dimension, μ > 0: finite-time blow-up, and what mixed signs do."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Outcome
from mamba_theorems.theorems.proofs.proof import Bound, Identity, Proof
from mamba_theorems.theorems.statement import Hypothesis, predicate
from mamba_theorems.theorems.token_dynamics.slow import CONTINUE, never_explodes
from mamba_theorems.theorems.token_dynamics.system import (
    COMPARISON,
    CONTINUATION,
    LN2,
    NONZERO,
    PAPER,
    RISES,
    a,
    begun,
    cited_comparison,
    gain,
    now,
    own_share,
    rate,
    size,
    slope,
    softplus_below_exponential,
    softplus_grows_slowly,
    softplus_increases,
    start,
    step,
    weight,
)

mu = sp.Symbol("mu", positive=True)
HALF = sp.Rational(1, 2)

# ---------------------------------------------------------------------------- fast: S_Δ x_l(0) ≥ 0 for some l

LIFE = sp.Symbol("T", positive=True)
steep = sp.Symbol("s", positive=True)
BLOWS_UP = sp.Le(LIFE, 1 / (2 * mu * LN2 * start**2))
CLOCK = sp.Symbol("T_l", positive=True)


def _clock() -> tuple[Bound, Bound]:
    """G(X) = ∫_{X_0}^X dv/(μv³ softplus(sv)) grows at rate at least 1, so t ≤ G(∞); exactly 1 for the first token."""
    speed = sp.Symbol("V", positive=True)
    fast = sp.Ge(speed, mu * size**3 * step)
    claim = sp.Ge(speed / (mu * size**3 * step), 1)
    given = (fast, sp.Gt(step, 0))
    return (
        Bound(
            name="|x_l|′ ≥ μ|x_l|³ softplus(s|x_l|)",
            because="g_l ≥ x_l²Δ_l; S_Δx_l ≥ 0 stays so; for l = 1 there is no other term and both are equal",
            claim=sp.Ge(mu * size * gain, mu * size**3 * step),
            given=(sp.Ge(gain, size**2 * step),),
        ).but_not("without g_l ≥ x_l²Δ_l", given=()),
        Bound(name="the clock G(|x_l|) runs at least as fast as time", claim=claim, given=given).but_not(
            "a slower token", given=given[1:]
        ),
    )


def _life() -> tuple[Bound, Identity, Bound, Identity]:
    """G(∞) ≤ 1/(2μ ln 2 X_0²) and ≤ 1/(3μsX_0³), for softplus(sv) ≥ ln 2 and ≥ sv."""
    h = sp.Symbol("h", nonnegative=True)
    v = sp.Symbol("v", positive=True)
    return (
        Bound(name="softplus(s|x|) ≥ ln 2", claim=sp.Ge(softplus(h), LN2)).but_not(
            "≥ 0.7", claim=sp.Ge(softplus(h), sp.Rational(7, 10))
        ),
        Identity(
            name="the integral with ln 2",
            because="an antiderivative that is 0 at infinity: the integral from X_0 is 1/(2μ ln 2 X_0²)",
            lhs=sp.Derivative(-1 / (2 * mu * LN2 * v**2), v),
            rhs=1 / (mu * v**3 * LN2),
        ),
        Bound(
            name="softplus(h) ≥ h",
            because="e^{softplus(h)} = 1 + e^h, and exp increases",
            claim=sp.Ge(1 + sp.exp(h), sp.exp(h), evaluate=False),
        ).but_not("≥ h + ln 1.1", claim=sp.Ge(1 + sp.exp(h), sp.Rational(11, 10) * sp.exp(h))),
        Identity(
            name="the integral with s v",
            because="an antiderivative that is 0 at infinity: the integral from X_0 is 1/(3μsX_0³)",
            lhs=sp.Derivative(-1 / (3 * mu * steep * v**3), v),
            rhs=1 / (mu * v**3 * (steep * v)),
        ),
    )


def _leading_constant() -> tuple[Bound, Bound, Identity]:
    """1 − 2sX_0/ln 2 ≤ 2μ ln 2·X_0²·T_1 ≤ 1: the constant is sharp as sX_0 → 0."""
    h = sp.Symbol("h", nonnegative=True)
    v = sp.Symbol("v", positive=True)
    return (
        softplus_grows_slowly(),
        Bound(name="1/softplus(h) ≥ (1 − h/ln 2)/ln 2", claim=sp.Ge(LN2**2, (LN2 - h) * (LN2 + h))),
        Identity(
            name="the integral of that lower bound",
            because="an antiderivative that is 0 at infinity: from X_0 it is (1 − 2sX_0/ln 2)/(2μ ln 2 X_0²)",
            lhs=sp.Derivative((-1 / (2 * v**2) + slope / (LN2 * v)) / (mu * LN2), v),
            rhs=(1 / v**3 - slope / (LN2 * v**2)) / (mu * LN2),
        ),
    )


def _blows_up() -> Proof:
    whole = sp.Le(LIFE, CLOCK)
    return Proof(
        steps=(
            own_share(),
            softplus_increases(),
            *_clock(),
            *_life(),
            *_leading_constant(),
            cited_comparison(
                "time is at most the clock's range",
                whole,
                {LIFE: sp.S.One, CLOCK: sp.S.One},  # one token alone
                "T_l = G(∞) for the token l with S_Δx_l(0) ≥ 0",
            ),
            cited_comparison(
                "the clock's range",
                sp.Le(CLOCK, 1 / (2 * mu * LN2 * start**2)),
                {mu: sp.S.One, start: sp.S.One, CLOCK: 1 / (2 * LN2)},  # S_Δ = 0
            ),
            Bound(
                name="the solution ends before 1/(2μ ln 2·x_l(0)²)",
                claim=BLOWS_UP,
                given=(whole, sp.Le(CLOCK, 1 / (2 * mu * LN2 * start**2))),
            ),
        )
    )


# ----------------------------------------------------------------------------------------------- mixed signs


def _mixed() -> Proof:
    cap = sp.Symbol("D", positive=True)
    factor = sp.exp(-a * step)
    floor = sp.Le(a * step, a * cap)
    return Proof(
        steps=(
            *never_explodes(),
            CONTINUE,
            *_clock(),
            Bound(
                name="a bounded step keeps a least share of the older tokens' drive",
                because="e^{−aΔ} with Δ ≤ D; e^{h} ≥ 1",
                claim=sp.Ge(sp.exp(sp.Symbol("h", nonnegative=True)), 1),
            ).but_not("e^h ≥ 1.1", claim=sp.Ge(sp.exp(sp.Symbol("h", nonnegative=True)), sp.Rational(11, 10))),
            Bound(
                name="who follows a token that blows up cannot stay bounded",
                because="∫g_l = ln|x_l| + const → ∞ and g_{l+1} ≥ e^{−aD} g_l, so ∫g_{l+1} → ∞ too",
                claim=sp.Ge(factor * gain + size**2 * step, sp.exp(-a * cap) * gain),
                given=(sp.Ge(factor, sp.exp(-a * cap)), floor),
            ).but_not("an unbounded step", given=()),
            Bound(
                name="the tokens before the first that blows up are finite at T*",
                because="token l has its own system with the tokens before it, of life T_l; T_1 ≥ T_2 ≥ …, and m is the"
                " first l with T_l = T*; a token whose signs so far are all negative has T_l = ∞",
                claim=sp.Gt(_life_before, _life_all),
                given=(sp.Ge(_life_before, _life_all), sp.Ne(_life_before, _life_all)),
            ).but_not("m is not the first", given=(sp.Ge(_life_before, _life_all),)),
        )
    )


_life_before, _life_all = sp.symbols("T_before T_all", positive=True)

MIXED = (sp.Integer(1), HALF, sp.Rational(-3, 5))
"""At S_Δ = −1, μ = 1, a = 1: tokens 1 and 2 are slow, token 3 is fast; tokens 1 and 3 alone are the smallest case."""


def _height() -> tuple[Bound, Bound, Bound]:
    """v²e^{−v} ≤ 4e^{−2}, on both sides of v = 2."""
    y, shrunk = sp.Symbol("y", nonnegative=True), sp.Symbol("e", positive=True)
    below = Bound(name="e^{−y} ≥ 1 − y", claim=sp.Ge(sp.exp(-y), 1 - y))
    return (
        Bound(
            name="e^{2y} ≥ (1 + y)²", because="v = 2 + 2y: v²e^{−v} ≤ 4e^{−2}", claim=sp.Ge(sp.exp(2 * y), (1 + y) ** 2)
        ).but_not("e^{2y} ≥ (1 + 2y)²", claim=sp.Ge(sp.exp(2 * y), (1 + 2 * y) ** 2)),
        below,
        Bound(
            name="and on the other side",
            because="v = 2 − 2y, e = e^{−y}: v²e^{−v} = 4e^{−2}(1 − y)²/e² ≤ 4e^{−2}",
            claim=sp.Le((1 - y) ** 2, shrunk**2),
            given=(sp.Ge(shrunk, 1 - y), sp.Le(y, 1)),
        ).but_not("beyond v = 0", given=(sp.Ge(shrunk, 1 - y),)),
    )


def _mixed_stays_finite() -> Proof:
    """A token that grows ends the solution; the first one, alone as it is, grows at most exponentially until then."""
    u, kappa = sp.symbols("u kappa", positive=True)
    return Proof(
        steps=(
            *_clock(),
            *_life(),
            softplus_below_exponential(),
            *_height(),
            Bound(
                name="so u_1 = |S_Δ x_1| grows slower than e^{4e^{−2}κt}",
                because="u_1′ = κu_1³ softplus(−u_1), softplus(−u) < e^{−u}; κ = μ/S_Δ²; W = u²e^{−u}",
                claim=sp.Le(kappa * u * gain, 4 * sp.exp(-2) * kappa * u),
                given=(sp.Le(gain, 4 * sp.exp(-2)),),
            ).but_not("without the bound", given=()),
        )
    )


# ------------------------------------------------------------------------------------------------- statements

end, own_life = sp.symbols("T T_l", real=True)
"""When the solution ends, and ∫ du/(μu³ softplus(|S_Δ|u)) from |x_l(0)| on."""
ALONE = predicate("one token")
ENDS = sp.And(
    sp.Le(end, own_life),
    sp.Le(own_life, 1 / (2 * rate * LN2 * begun**2)),
    sp.Implies(ALONE, sp.Ge(end, own_life)),
)
GROWING = Hypothesis("S_Δ x ≥ 0", "the token's step grows with it", sp.Ge(weight * begun, 0), r"S_\Delta x_l(0)\ge0")

floor, ceiling = sp.symbols("R B", real=True)
"""A size that a token is to pass on the way to T*; |x_l| at T* in the system of the first l tokens alone."""
OUTLIVES = predicate("T_l>T*")
FINITE = sp.And(
    sp.Implies(OUTLIVES, sp.Lt(sp.Abs(now), ceiling)), sp.Implies(sp.Not(OUTLIVES), sp.Gt(sp.Abs(now) - floor, 0))
)

first, reached = sp.symbols("x_1 X_1", real=True)
"""x_1(0), and |x_1| at the end."""
HEIGHT = 4 * sp.exp(-2)
"""The largest value of v²e^{−v}."""
STAYS = sp.And(
    sp.Lt(end, 1 / (2 * rate * LN2 * begun**2)),
    sp.Lt(reached, sp.Abs(first) * sp.exp(HEIGHT * rate / weight**2 * end)),
)
SHRINKING = Hypothesis("S_Δ x_1 < 0", "the first token's step shrinks", sp.Lt(weight * first, 0), r"S_\Delta x_1(0)<0")

CLAIMS = (
    Claim(
        id="dynamics.1d-blowup",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ > 0 and a token with S_Δ x_l ≥ 0: the solution ends in finite time",
        statement=r"T^*\le\int_{|x_l(0)|}^{\infty}"
        r"\frac{du}{\mu u^3\mathrm{softplus}(|S_\Delta|u)}"
        r"\le\frac1{2\mu\ln2\;x_l(0)^2},\ \text{the first with equality for one token}",
        hypotheses=(RISES, GROWING),
        depends_on=("dynamics.1d-monotone",),
        expected=Outcome.DERIVED,
        formula=ENDS,
        cites=(COMPARISON,),
        proof=_blows_up,
    ),
    Claim(
        id="dynamics.1d-mixed",
        paper=PAPER,
        form=Form.EXTENSION,
        title="at the end T* the tokens before the first that blows up are finite, all others diverge",
        statement=r"T_l\text{ the life of the first }l\text{ tokens},\ T^*=\min_lT_l:\quad "
        r"|x_l(T^*)|<\infty\ (T_l>T^*),\quad |x_l(t)|\to\infty\ (t\to T^*,\ T_l=T^*)",
        hypotheses=(RISES, NONZERO),
        depends_on=("dynamics.1d-blowup", "dynamics.1d-slow-ratios"),
        expected=Outcome.DERIVED,
        formula=FINITE,
        cites=(CONTINUATION,),
        proof=_mixed,
    ),
    Claim(
        id="dynamics.1d-mixed-all-diverge",
        paper="Vo, Pham, Tong & Nguyen (ICLR 2025), abstract, restated:"
        " either all tokens converge to zero, or all diverge",
        form=Form.RESTATED,
        title="under our reading of it, the dichotomy fails wherever the first token shrinks and another grows",
        statement=r"\text{our reading: on its interval of existence }[0,T^*)\text{ all tokens of a solution}\to0"
        r"\text{, or all}\to\infty.\ \text{It fails, as at }\mu=1,S_\Delta=-1,x(0)=(1,\tfrac12,-\tfrac35):\quad "
        r"T^*<\frac1{2\mu\ln2\;x_l(0)^2},\quad |x_1(T^*)|<|x_1(0)|e^{4e^{-2}\mu T^*/S_\Delta^2}",
        hypotheses=(RISES, SHRINKING, GROWING),
        depends_on=("dynamics.1d-blowup",),
        expected=Outcome.DERIVED,
        formula=STAYS,
        proof=_mixed_stays_finite,
    ),
)
