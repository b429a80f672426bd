"""Token dynamics in one dimension, μ > 0 and S_Δ x_l(0) < 0 for all l: logarithmic growth, a constant each.

u_l = |S_Δ||x_l|, κ = μ/S_Δ², S_l = (ln u_l)′; the step is softplus(−u_l).
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Outcome
from mamba_theorems.theorems.proofs.proof import Bound, Cited, Identity, Limit, Proof
from mamba_theorems.theorems.proofs.written import Along
from mamba_theorems.theorems.statement import Hypothesis
from mamba_theorems.theorems.token_dynamics.system import (
    CONTINUATION,
    LHOPITAL,
    NONZERO,
    OF_FIRST,
    PAPER,
    RISES,
    a,
    after,
    begun,
    gain,
    kappa,
    loss,
    now,
    rate,
    size,
    softplus_below_exponential,
    softplus_increases,
    start,
    step,
    time,
    weight,
)

u, eps = sp.symbols("u epsilon", positive=True)
mu = sp.Symbol("mu", positive=True)
CONTINUE = Cited(name="no blow-up", statement="a solution that stays in a ball goes on for ever", source=CONTINUATION)


# -------------------------------------------------------------------------------- slow: S_Δ x_l(0) < 0 for all l


def _rescaled() -> Identity:
    """u = s|x| satisfies u′ = κ u Σ_j u_j²Δ_jE_lj; shown for one term of the sum."""
    x, other = (sp.Function(n, positive=True)(time) for n in ("x", "x_j"))
    s = sp.Symbol("s", positive=True)
    flow = {x: mu * x * other**2 * step}
    return Identity(
        name="in u = |S_Δ||x| only κ = μ/S_Δ² is left",
        lhs=Along(s * x, flow),
        rhs=(mu / s**2) * (s * x) * (s * other) ** 2 * step,
    )


def never_explodes() -> tuple[Bound, Bound]:
    """v² softplus(−v) ≤ v²e^{−v} ≤ 2, so (ln u_l)′ ≤ 2κl: u_l stays below u_l(0)e^{2κlt}."""
    v, count = sp.Symbol("v", nonnegative=True), sp.Symbol("l", positive=True)
    small = sp.Le(gain, 2)
    return (
        Bound(name="v² e^{−v} ≤ 2", claim=sp.Ge(sp.exp(v), v**2 / 2)).but_not(
            "v² e^{−v} ≤ 1/2", claim=sp.Ge(sp.exp(v), 2 * v**2)
        ),
        Bound(
            name="u_l grows at most exponentially",
            because="l terms, each at most 2, each damped by E_lj ≤ 1",
            claim=sp.Le(kappa * count * gain, 2 * kappa * count),
            given=(small,),
        ).but_not("without the bound", given=()),
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
    ).but_not("without a least step", given=given[:1])


def _first_token() -> tuple[Limit, ...]:
    """κt = ∫ dv/(v³ softplus(−v)) ~ e^u/u³, then invert."""
    log_t = u - 3 * sp.log(u) - sp.log(kappa)
    return (
        Limit(
            name="κt·u³e^{−u} → 1 for the first token",
            because="κt = F(u), F′ = 1/(u³ softplus(−u)); L'Hôpital against e^u/u³",
            expression=1 / (u**3 * softplus(-u)) / sp.diff(sp.exp(u) / u**3, u),
            variable=u,
            value=sp.S.One,
        ),
        Limit(
            name="u_1 = ln t + 3 ln ln t + ln κ + o(1)",
            because="ln t = u − 3 ln u − ln κ + o(1), put into the difference",
            expression=u - log_t - 3 * sp.log(log_t) - sp.log(kappa),
            variable=u,
        ),
        Limit(name="u_1²Δ_1 → 0", expression=u**2 * softplus(-u), variable=u),
    )


def _first_token_at_a_finite_time() -> tuple[Bound, Bound, Identity, Identity, Bound, Identity]:
    """1 − (u/u_0)³e^{u_0−u} ≤ κt·u³e^{−u} ≤ 1 + 6/u + (e⁹ + 1)/(2u_0²)·u³e^{−u}, u ≥ 9, κt = ∫ dv/(v³ softplus(−v))."""
    v, y, step_at = sp.Symbol("v", positive=True), sp.Symbol("y", positive=True), sp.Symbol("Delta", positive=True)
    beyond = sp.Symbol("v", nonnegative=True)
    given = (sp.Le(step_at, y), sp.Ge(step_at * (1 + y), y))
    slower, faster = sp.Ge(1 / step_at, (1 - 3 / v) / y), sp.Le(1 / step_at, (1 + y) / y)
    nearer = sp.Ge((3 * beyond - 24) * sp.exp(beyond), beyond**2)
    main = sp.exp(v) / v**3
    return (
        Bound(
            name="1/softplus(−v) ≥ e^v(1 − 3/v)", because="y = e^{−v}; softplus(−v) ≤ y", claim=slower, given=given[:1]
        ).but_not("without the bound", given=()),
        Bound(
            name="1/softplus(−v) ≤ e^v + 1", because="softplus(−v) ≥ y/(1 + y)", claim=faster, given=given[1:]
        ).but_not("without the bound", given=given[:1]),
        Identity(
            name="e^v/v³ grows no faster than the time",
            because="so κt ≥ e^u/u³ − e^{u_0}/u_0³",
            lhs=sp.Derivative(main, v),
            rhs=main * (1 - 3 / v),
        ),
        Identity(
            name="(1 + 6/v)e^v/v³ and its rate",
            lhs=sp.Derivative(main * (1 + 6 / v), v),
            rhs=main * (1 + 3 / v - 24 / v**2),
        ),
        Bound(
            name="from v = 9 on it grows at least as fast as the time",
            because="e^v(1 + 3/v − 24/v²) ≥ e^v + 1, times v²; so κt ≤ κt(9) + (1 + 6/u)e^u/u³",
            claim=nearer,
            given=(sp.Ge(beyond, 9),),
        ).but_not("from v = 8 on", given=(sp.Ge(beyond, 8),)),
        Identity(
            name="the time up to 9",
            because="e^v + 1 ≤ e⁹ + 1: an antiderivative that is 0 at infinity, so κt(9) ≤ (e⁹ + 1)/(2u_0²)",
            lhs=sp.Derivative(-(sp.exp(9) + 1) / (2 * v**2), v),
            rhs=(sp.exp(9) + 1) / v**3,
        ),
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
    ).but_not("before S_1 is small", given=given[:1])


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
        ).but_not("from v = 1", given=(sp.Ge(v, 1), *given[1:])),
        Bound(
            name="softplus(−v − 1) ≥ softplus(−v)/e",
            because="ln(1 + qy) ≥ q ln(1 + y), q = 1/e, y = e^{−v}",
            claim=concave,
            given=(sp.Lt(q, 1),),
        ).but_not("q may exceed 1", given=()),
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
        ).but_not("P′ unbounded below", given=given[:1]),
        Limit(
            name="a limit u_l/u_1 ≤ 1 would keep it near",
            because="P rises and the rest's tail is at most Ce^{−εu_1}: u_l − u_1 ≤ u_1(exp(Ce^{−εu_1}) − 1)",
            expression=u * (sp.exp(bound * sp.exp(-eps * u)) - 1),
            variable=u,
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
            name="softplus(−v) ≥ e^{−v}/2 for v ≥ 0", claim=sp.Ge(sp.log(1 + y), y / 2), given=(below, sp.Le(y, 1))
        ).but_not("for every v", given=(below,)),
        Identity(
            name="what a token ahead of the first still gains, per unit of u_1",
            because="dt = du_1/(κu_1³Δ_1), Δ_1 ≥ e^{−u_1}/2, u_l²Δ_l ≤ (1 + ε)²u_1²e^{−(1+ε)u_1}",
            lhs=kappa * ahead**2 * sp.exp(-ahead) / (kappa * u**3 * sp.exp(-u) / 2),
            rhs=2 * (1 + eps) ** 2 * sp.exp(-eps * u) / u,
        ),
        Identity(
            name="its tail",
            because="an antiderivative that is 0 at infinity; 1/v ≤ 1/u: at most 2(1 + ε)²e^{−εu}/(εu), as η_l needs",
            lhs=sp.Derivative(-sp.exp(-eps * v) / eps, v),
            rhs=sp.exp(-eps * v),
        ),
    )


_y0 = sp.Symbol("y", nonnegative=True)


def _first() -> Proof:
    return Proof(steps=(_rescaled(), softplus_below_exponential(), *_first_token_at_a_finite_time(), *_first_token()))


def _ratios() -> Proof:
    log_t = u - 3 * sp.log(u) - sp.log(kappa)
    return Proof(
        steps=(
            _rescaled(),
            *never_explodes(),
            CONTINUE,
            softplus_increases(),
            _diverges(),
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
                value=sp.S.One,
            ),
        )
    )


# ------------------------------------------------------------------------------------------------- statements

SMALL, LARGE = sp.Abs(weight * begun), sp.Abs(weight * now)
"""u_l(0) and u_l(t)."""
ELAPSED = rate / weight**2 * after * LARGE**3 * sp.exp(-LARGE)
"""κt·u³e^{−u}."""
LOGARITHMIC = sp.And(
    sp.Gt(ELAPSED, 1 - (LARGE / SMALL) ** 3 * sp.exp(SMALL - LARGE)),
    sp.Implies(
        sp.Ge(LARGE, 9),
        sp.Lt(ELAPSED, 1 + 6 / LARGE + (sp.exp(9) + 1) / (2 * SMALL**2) * LARGE**3 * sp.exp(-LARGE)),
    ),
)
SLOW = Hypothesis(
    "S_Δ x < 0", "the step of the token shrinks as it grows", sp.Lt(weight * begun, 0), r"S_\Delta x_l(0)<0"
)
token, floor, quotient, largest = sp.symbols("l R c u", real=True)
"""A token, a size that it is to pass; |x_l|/|x_1| and |S_Δ x_l| as they are met at last."""
OVERTAKES = sp.And(sp.Gt(quotient - 1, 0), sp.Gt(largest - floor, 0))

CLAIMS = (
    Claim(
        id="dynamics.1d-diverge-slow",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ > 0, shrinking steps: the first token grows like ln t + 3 ln ln t",
        statement=r"u=|S_\Delta||x_1|,\ \kappa=\mu/S_\Delta^2:\quad "
        r"1-\tfrac{u^3}{u_0^3}e^{u_0-u}<\kappa t\,u^3e^{-u},\quad "
        r"\kappa t\,u^3e^{-u}<1+\tfrac6u+\tfrac{e^9+1}{2u_0^2}u^3e^{-u}\ (u\ge9);"
        r"\quad \text{hence}\ u=\ln t+3\ln\ln t+\ln\kappa+o(1)",
        hypotheses=(RISES, SLOW, OF_FIRST),
        depends_on=("dynamics.1d-monotone",),
        expected=Outcome.DERIVED,
        formula=LOGARITHMIC,
        proof=_first,
    ),
    Claim(
        id="dynamics.1d-slow-ratios",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ > 0, all steps shrinking: every token diverges like ln t, and every later one passes the first",
        statement=r"S_\Delta x_j(0)<0\ \text{for every }j\le l:\quad |x_l|\to\infty,\quad "
        r"|x_l|/|x_1|\to c_l\in(1,\infty)\ (l\ge2)",
        hypotheses=(RISES, NONZERO, Hypothesis("l ≥ 2", "the token has one before it", sp.Gt(token, 1), r"l\ge2")),
        depends_on=("dynamics.1d-diverge-slow",),
        expected=Outcome.DERIVED,
        formula=OVERTAKES,
        cites=(CONTINUATION, LHOPITAL),
        proof=_ratios,
    ),
)
