"""Token dynamics in one dimension, μ > 0: finite-time blow-up, and what mixed signs do."""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Outcome
from mamba_theorems.theorems.proofs.proof import Bound, Enclosed, Identity, Proof
from mamba_theorems.theorems.token_dynamics.slow import CONTINUE, never_explodes
from mamba_theorems.theorems.token_dynamics.system import (
    LN2,
    NONZERO,
    PAPER,
    a,
    cited_comparison,
    gain,
    own_share,
    size,
    slope,
    softplus_grows_slowly,
    softplus_increases,
    start,
    step,
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


def _mixed_stays_finite() -> Proof:
    life = 1 / (2 * LN2 * MIXED[2] ** 2)
    horizon = sp.Rational(201, 100)
    one, two = MIXED[:2]
    return Proof(
        steps=(
            *never_explodes(),
            *_clock(),
            *_life(),
            Enclosed(
                name="token 3 has S_Δx_3 > 0 and blows up before t = 2.01", claim=sp.Lt(life, horizon, evaluate=False)
            ),
            Enclosed(name="token 1 is below 56 until then", claim=sp.Lt(one * sp.exp(2 * horizon), 56, evaluate=False)),
            Enclosed(
                name="token 2 is below 1553 until then", claim=sp.Lt(two * sp.exp(4 * horizon), 1553, evaluate=False)
            ),
        )
    )


CLAIMS = (
    Claim(
        id="dynamics.1d-blowup",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ > 0 and a token with S_Δ x_l ≥ 0: the solution ends in finite time",
        statement=r"T^*\le\min_{l:\,S_\Delta x_l(0)\ge0}\int_{|x_l(0)|}^{\infty}"
        r"\frac{du}{\mu u^3\mathrm{softplus}(|S_\Delta|u)}"
        r"\le\min_l\frac1{2\mu\ln2\;x_l(0)^2},\ \text{the first with equality for one token}",
        hypotheses=(r"\mu>0", r"S_\Delta x_l(0)\ge0\ \text{for some }l", NONZERO, r"a\ge0"),
        depends_on=("dynamics.1d-monotone",),
        formula=BLOWS_UP,
        proof=_blows_up,
    ),
    Claim(
        id="dynamics.1d-mixed",
        paper=PAPER,
        form=Form.EXTENSION,
        title="at the end T* the tokens before the first that blows up are finite, all others diverge",
        statement=r"m=\min\{l:T_l=T^*\}:\quad |x_l(T^*)|<\infty\ (l<m),\quad |x_l(t)|\to\infty\ (t\to T^*,\ l\ge m)",
        hypotheses=(r"\mu>0", r"S_\Delta x_l(0)\ge0\ \text{for some }l", NONZERO, r"a\ge0"),
        depends_on=("dynamics.1d-blowup", "dynamics.1d-diverge-slow"),
        proof=_mixed,
    ),
    Claim(
        id="dynamics.1d-mixed-all-diverge",
        paper="Vo, Pham, Tong & Nguyen (ICLR 2025), abstract: either all tokens converge to zero, or all diverge",
        form=Form.PRINTED,
        title="μ > 0: all tokens diverge to infinity",
        statement=r"\mu>0\ \Rightarrow\ |x_l(t)|\to\infty\ \text{for every }l\text{ as }t\to T^*",
        hypotheses=(r"\mu>0", NONZERO),
        expected=Outcome.REFUTED,
        disproof=_mixed_stays_finite,
        erratum=Erratum(
            printed="In one dimension only one of two things happens: all tokens converge to zero, or all diverge.",
            instance="μ = 1, S_Δ = −1, a = 1, x(0) = (1, 1/2, −3/5): the solution ends at T* ≤ 2.01, where token 3"
            " is infinite and tokens 1 and 2 are finite (1.41 and 0.72).",
            reading="the solution of the whole system, on the interval on which it exists; the sentence is the"
            " abstract's, whose hypotheses we do not know",
            instead="dynamics.1d-mixed: the tokens before the first that blows up stay finite, all others diverge",
            survives="the dichotomy for μ < 0, for μ > 0 with all S_Δ x_l < 0, and for one token; each token, with"
            " only those before it, diverges on its own interval of existence",
        ),
    ),
)
