"""Token dynamics in one dimension, μ > 0: logarithmic growth, finite-time blow-up, and what mixed signs do.

u_l = |S_Δ||x_l|, κ = μ/S_Δ², S_l = (ln u_l)′; where S_Δ x_l < 0 the step is softplus(−u_l).
"""

from __future__ import annotations

import sympy as sp

from theorems.claim import Claim, Erratum, Form, Outcome
from theorems.proof import Bound, Cited, Enclosed, Identity, Limit, Proof
from theorems.token_dynamics.system import (
    CONTINUATION,
    LHOPITAL,
    LN2,
    NONZERO,
    PAPER,
    a,
    along,
    cited_comparison,
    gain,
    kappa,
    loss,
    own_share,
    size,
    slope,
    softplus,
    softplus_below_exponential,
    softplus_increases,
    start,
    step,
    time,
)

u, first, eps = sp.symbols("u u_1 epsilon", positive=True)
mu = sp.Symbol("mu", positive=True)
HALF = sp.Rational(1, 2)
CONTINUE = Cited(name="no blow-up", statement="a solution that stays in a ball goes on for ever", source=CONTINUATION)


# -------------------------------------------------------------------------------- slow: S_Δ x_l(0) < 0 for all l


def _rescaled() -> Identity:
    """u = s|x| satisfies u′ = κ u Σ_j u_j²Δ_jE_lj; shown for one term of the sum."""
    x, other = (sp.Function(n, positive=True)(time) for n in ("x", "x_j"))
    s = sp.Symbol("s", positive=True)
    flow = {x: mu * x * other**2 * step}
    return Identity(
        name="in u = |S_Δ||x| only κ = μ/S_Δ² is left",
        lhs=along(s * x, flow),
        rhs=(mu / s**2) * (s * x) * (s * other) ** 2 * step,
    )


def _never_explodes() -> tuple[Bound, Bound]:
    """v² softplus(−v) ≤ v²e^{−v} ≤ 2, so (ln u_l)′ ≤ 2κl: u_l stays below u_l(0)e^{2κlt}."""
    v, count = sp.Symbol("v", nonnegative=True), sp.Symbol("l", positive=True)
    small = sp.Le(gain, 2)
    return (
        Bound(
            name="v² e^{−v} ≤ 2",
            claim=sp.Ge(sp.exp(v), v**2 / 2),
            also_wrong=(Bound(name="v² e^{−v} ≤ 1/2", claim=sp.Ge(sp.exp(v), 2 * v**2)),),
        ),
        Bound(
            name="u_l grows at most exponentially",
            because="l terms, each at most 2, each damped by E_lj ≤ 1",
            claim=sp.Le(kappa * count * gain, 2 * kappa * count),
            given=(small,),
            also_wrong=(Bound(name="without the bound", claim=sp.Le(kappa * count * gain, 2 * kappa * count)),),
        ),
    )


def _diverges() -> Bound:
    """While u_l ≤ M: u_l′ ≥ κ u_l³Δ_l ≥ κ u_l(0)³ softplus(−M) > 0, so every ball is left."""
    least = sp.Symbol("delta", positive=True)
    given = (sp.Ge(size, start), sp.Ge(step, least))
    claim = sp.And(sp.Ge(kappa * size**3 * step, kappa * start**3 * least), sp.Gt(kappa * start**3 * least, 0))
    return Bound(
        name="a bounded token would grow at a constant rate",
        because="Δ_l ≥ δ = softplus(−M) on u_l ≤ M; u_l only grows",
        claim=claim,
        given=given,
        also_wrong=(Bound(name="without a least step", claim=claim, given=given[:1]),),
    )


def _first_token() -> tuple[Limit, ...]:
    """κt = ∫ dv/(v³ softplus(−v)) ~ e^u/u³, then invert."""
    log_t = u - 3 * sp.log(u) - sp.log(kappa)
    return (
        Limit(
            name="κt·u³e^{−u} → 1 for the first token",
            because="κt = F(u), F′ = 1/(u³ softplus(−u)); L'Hôpital against e^u/u³",
            expression=1 / (u**3 * softplus(-u)) / sp.diff(sp.exp(u) / u**3, u),
            variable=u,
            point=sp.oo,
            value=sp.S.One,
        ),
        Limit(
            name="u_1 = ln t + 3 ln ln t + ln κ + o(1)",
            because="ln t = u − 3 ln u − ln κ + o(1), put into the difference",
            expression=u - log_t - 3 * sp.log(log_t) - sp.log(kappa),
            variable=u,
            point=sp.oo,
            value=sp.S.Zero,
        ),
        Limit(name="u_1²Δ_1 → 0", expression=u**2 * softplus(-u), variable=u, point=sp.oo, value=sp.S.Zero),
    )


def _relative_growth() -> Identity:
    """(ln(u_l/u_1))′ with S_{l−1} = S_1 + η: a part P′ of the token's own, and a damped rest."""
    own, one, rest, e = sp.symbols("w S_1 eta e", real=True)
    return Identity(
        name="growth relative to the first token",
        because="S_l = κu_l²Δ_l + e^{−aΔ_l}S_{l−1}; w = κu_l²Δ_l, e = e^{−aΔ_l}; P′ = w − (1 − e)S_1",
        lhs=own + e * (one + rest) - one,
        rhs=(own - (1 - e) * one) + e * rest,
    )


def _own_part() -> Bound:
    """½κu_l²Δ_l ≤ P′ ≤ κu_l²Δ_l once aS_1 ≤ ½κu_l²."""
    one, lost = sp.symbols("S_1 f", nonnegative=True)
    own = kappa * u**2 * step
    given = (sp.Le(lost, a * step), sp.Le(a * one, kappa * u**2 / 2))
    claim = sp.And(sp.Ge(own - lost * one, own / 2), sp.Le(own - lost * one, own))
    return Bound(
        name="P′ lies between half of κu_l²Δ_l and all of it, from some time on",
        because="f = 1 − e^{−aΔ_l} ≤ aΔ_l; S_1 = κu_1²Δ_1 → 0 and u_l ≥ u_l(0)",
        claim=claim,
        given=given,
        also_wrong=(Bound(name="before S_1 is small", claim=claim, given=given[:1]),),
    )


def _comparable() -> tuple[Bound, Bound]:
    """If u_l ≤ u_1 + 1 then u_l²Δ_l ≥ u_1²Δ_1/e: v² softplus(−v) falls for v ≥ 4, one step costs at most e."""
    y, v = sp.Symbol("y", nonnegative=True), sp.Symbol("v", real=True)
    q = sp.Symbol("q", positive=True)
    derivative = 2 * v * sp.log(1 + y) - v**2 * y / (1 + y)
    falls = sp.Le(derivative * (1 + y), 0)
    given = (sp.Ge(v, 4), sp.Le(y, 1), sp.Le(sp.log(1 + y), y))
    concave = sp.Ge(sp.log(1 + q * y), q * sp.log(1 + y))
    return (
        Bound(
            name="v² softplus(−v) falls for v ≥ 4",
            because="its derivative with y = e^{−v} is 2v ln(1 + y) − v²y/(1 + y)",
            claim=falls,
            given=given,
            also_wrong=(Bound(name="from v = 1", claim=falls, given=(sp.Ge(v, 1), *given[1:])),),
        ),
        Bound(
            name="softplus(−v − 1) ≥ softplus(−v)/e",
            because="ln(1 + qy) ≥ q ln(1 + y), q = 1/e, y = e^{−v}",
            claim=concave,
            given=(sp.Lt(q, 1),),
            also_wrong=(Bound(name="q may exceed 1", claim=concave),),
        ),
    )


def _must_overtake() -> tuple[Bound, Limit]:
    """u_l ≤ u_1 + 1 for all late t is impossible, and lim ln(u_l/u_1) ≤ 0 would force it."""
    one, own, part = sp.symbols("S_1 w P", nonnegative=True)
    q, bound = sp.symbols("q C", positive=True)
    given = (sp.Ge(own, q * one), sp.Ge(part, own / 2))
    return (
        Bound(
            name="a token that stays near the first one gains on it without end",
            because="w = κu_l²Δ_l ≥ S_1/e, so P′ ≥ S_1/(2e) = (ln u_1)′/(2e), whose integral diverges",
            claim=sp.Ge(part, q * one / 2),
            given=given,
            also_wrong=(Bound(name="P′ unbounded below", claim=sp.Ge(part, q * one / 2), given=given[:1]),),
        ),
        Limit(
            name="a limit u_l/u_1 ≤ 1 would keep it near",
            because="P rises and the rest's tail is at most Ce^{−εu_1}: u_l − u_1 ≤ u_1(exp(Ce^{−εu_1}) − 1)",
            expression=u * (sp.exp(bound * sp.exp(-eps * u)) - 1),
            variable=u,
            point=sp.oo,
            value=sp.S.Zero,
        ),
    )


def _settles() -> tuple[Bound, Bound, Identity, Identity]:
    """Once u_l ≥ (1 + ε)u_1, ∫κu_l²Δ_l dt converges with a tail O(e^{−εu_1}): u_l/u_1 has a limit > 1."""
    y, v = sp.symbols("y v", positive=True)
    below = sp.Ge((1 + y) * sp.log(1 + y), y)
    ahead = (1 + eps) * u
    return (
        Bound(name="ln(1 + y) ≥ y/(1 + y)", claim=sp.Ge((1 + _y0) * sp.log(1 + _y0), _y0)),
        Bound(
            name="softplus(−v) ≥ e^{−v}/2 for v ≥ 0",
            claim=sp.Ge(sp.log(1 + y), y / 2),
            given=(below, sp.Le(y, 1)),
            also_wrong=(Bound(name="for every v", claim=sp.Ge(sp.log(1 + y), y / 2), given=(below,)),),
        ),
        Identity(
            name="what a token ahead of the first still gains, per unit of u_1",
            because="dt = du_1/(κu_1³Δ_1), Δ_1 ≥ e^{−u_1}/2, u_l²Δ_l ≤ (1 + ε)²u_1²e^{−(1+ε)u_1}",
            lhs=kappa * ahead**2 * sp.exp(-ahead) / (kappa * u**3 * sp.exp(-u) / 2),
            rhs=2 * (1 + eps) ** 2 * sp.exp(-eps * u) / u,
        ),
        Identity(
            name="its tail",
            because="an antiderivative that is 0 at infinity; 1/v ≤ 1/u: at most 2(1 + ε)²e^{−εu}/(εu), as η_l needs",
            lhs=sp.diff(-sp.exp(-eps * v) / eps, v),
            rhs=sp.exp(-eps * v),
        ),
    )


_y0 = sp.Symbol("y", nonnegative=True)


def _slow() -> Proof:
    log_t = u - 3 * sp.log(u) - sp.log(kappa)
    return Proof(
        steps=(
            _rescaled(),
            softplus_below_exponential(),
            *_never_explodes(),
            CONTINUE,
            softplus_increases(),
            _diverges(),
            *_first_token(),
            Cited(name="limits of quotients", statement="F(u)/(e^u/u³) → 1 from the quotient above", source=LHOPITAL),
            loss(),
            _relative_growth(),
            _own_part(),
            *_comparable(),
            *_must_overtake(),
            *_settles(),
            Limit(
                name="|S_Δ||x_l| = (c_l + o(1)) ln t",
                because="u_l/u_1 → c_l and u_1/ln t → 1; c_1 = 1",
                expression=u / log_t,
                variable=u,
                point=sp.oo,
                value=sp.S.One,
            ),
        )
    )


# ---------------------------------------------------------------------------- fast: S_Δ x_l(0) ≥ 0 for some l

LIFE = sp.Symbol("T", positive=True)
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
            also_wrong=(Bound(name="without g_l ≥ x_l²Δ_l", claim=sp.Ge(mu * size * gain, mu * size**3 * step)),),
        ),
        Bound(
            name="the clock G(|x_l|) runs at least as fast as time",
            claim=claim,
            given=given,
            also_wrong=(Bound(name="a slower token", claim=claim, given=given[1:]),),
        ),
    )


def _life() -> tuple[Bound, Identity]:
    """G(∞) ≤ 1/(2μ ln 2 X_0²), for softplus(sv) ≥ ln 2."""
    h = sp.Symbol("h", nonnegative=True)
    v = sp.Symbol("v", positive=True)
    return (
        Bound(
            name="softplus(s|x|) ≥ ln 2",
            claim=sp.Ge(softplus(h), LN2),
            also_wrong=(Bound(name="≥ 0.7", claim=sp.Ge(softplus(h), sp.Rational(7, 10))),),
        ),
        Identity(
            name="the integral with ln 2",
            because="an antiderivative that is 0 at infinity: the integral from X_0 is 1/(2μ ln 2 X_0²)",
            lhs=sp.diff(-1 / (2 * mu * LN2 * v**2), v),
            rhs=1 / (mu * v**3 * LN2),
        ),
    )


def _leading_constant() -> tuple[Bound, Bound, Identity]:
    """1 − 2sX_0/ln 2 ≤ 2μ ln 2·X_0²·T_1 ≤ 1: the constant is sharp as sX_0 → 0."""
    h = sp.Symbol("h", nonnegative=True)
    v = sp.Symbol("v", positive=True)
    return (
        Bound(
            name="softplus(h) ≤ ln 2 + h",
            claim=sp.Ge(LN2 + h, softplus(h)),
            also_wrong=(Bound(name="≤ ln 2 + h/3", claim=sp.Ge(LN2 + h / 3, softplus(h))),),
        ),
        Bound(
            name="1/softplus(h) ≥ (1 − h/ln 2)/ln 2",
            claim=sp.Ge(LN2**2, (LN2 - h) * (LN2 + h)),
        ),
        Identity(
            name="the integral of that lower bound",
            because="an antiderivative that is 0 at infinity: from X_0 it is (1 − 2sX_0/ln 2)/(2μ ln 2 X_0²)",
            lhs=sp.diff((-1 / (2 * v**2) + slope / (LN2 * v)) / (mu * LN2), v),
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
            *_never_explodes(),
            CONTINUE,
            *_clock(),
            Bound(
                name="a bounded step keeps a least share of the older tokens' drive",
                because="e^{−aΔ} with Δ ≤ D; e^{h} ≥ 1",
                claim=sp.Ge(sp.exp(sp.Symbol("h", nonnegative=True)), 1),
                also_wrong=(
                    Bound(name="e^h ≥ 1.1", claim=sp.Ge(sp.exp(sp.Symbol("h", nonnegative=True)), sp.Rational(11, 10))),
                ),
            ),
            Bound(
                name="who follows a token that blows up cannot stay bounded",
                because="∫g_l = ln|x_l| + const → ∞ and g_{l+1} ≥ e^{−aD} g_l, so ∫g_{l+1} → ∞ too",
                claim=sp.Ge(factor * gain + size**2 * step, sp.exp(-a * cap) * gain),
                given=(sp.Ge(factor, sp.exp(-a * cap)), floor),
                also_wrong=(
                    Bound(
                        name="an unbounded step",
                        claim=sp.Ge(factor * gain + size**2 * step, sp.exp(-a * cap) * gain),
                    ),
                ),
            ),
            Bound(
                name="the tokens before the first that blows up are finite at T*",
                because="token l has its own system with the tokens before it, of life T_l; T_1 ≥ T_2 ≥ …, and m is the"
                " first l with T_l = T*; a token whose signs so far are all negative has T_l = ∞",
                claim=sp.Gt(_life_before, _life_all),
                given=(sp.Ge(_life_before, _life_all), sp.Ne(_life_before, _life_all)),
                also_wrong=(
                    Bound(
                        name="m is not the first",
                        claim=sp.Gt(_life_before, _life_all),
                        given=(sp.Ge(_life_before, _life_all),),
                    ),
                ),
            ),
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
            *_never_explodes(),
            *_clock(),
            *_life(),
            Enclosed(name="token 3 has S_Δx_3 > 0 and blows up before t = 2.01", claim=sp.Lt(life, horizon)),
            Enclosed(name="token 1 is below 56 until then", claim=sp.Lt(one * sp.exp(2 * horizon), 56)),
            Enclosed(name="token 2 is below 1553 until then", claim=sp.Lt(two * sp.exp(4 * horizon), 1553)),
        )
    )


CLAIMS = (
    Claim(
        id="dynamics.1d-diverge-slow",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ > 0, all steps shrinking: every token grows like ln t, each with its constant",
        statement=r"|S_\Delta||x_1|=\ln t+3\ln\ln t+\ln(\mu/S_\Delta^2)+o(1),\quad "
        r"|x_l|/|x_1|\to c_l\in(1,\infty)\ (l\ge2)",
        hypotheses=(r"\mu>0", r"S_\Delta x_l(0)<0\ \text{for every }l", r"a\ge0"),
        depends_on=("dynamics.1d-monotone",),
        proof=_slow,
    ),
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
