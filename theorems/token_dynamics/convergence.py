"""Token dynamics in one dimension: signs and monotonicity, and convergence for μ < 0 with its rates and constants.

m = |μ|, X = |x_l|, X_0 = |x_l(0)|, s = |S_Δ|, K = 1/(2m ln 2), r = 2^{−a}.
"""

from __future__ import annotations

import sympy as sp

from theorems.claim import Claim, Form
from theorems.proof import Bound, Cited, Identity, InductionOn, Limit, Proof
from theorems.token_dynamics.system import (
    LHOPITAL,
    LN2,
    NONZERO,
    PAPER,
    a,
    along,
    cited_comparison,
    gain,
    growth_rate,
    m,
    own_share,
    scalar_flow,
    size,
    slope,
    softplus,
    softplus_increases,
    start,
    step,
    t,
    time,
)

SLOWEST = softplus(-slope * start)
"""The least step that a token of size at most X_0 can have."""

CONVERGES = sp.Le(size**2, 1 / (1 / start**2 + 2 * m * SLOWEST * t))
K, r = sp.symbols("K r", positive=True)
eps = sp.Symbol("epsilon", real=True)


def _monotone() -> Proof:
    mu = sp.Symbol("mu", real=True)
    x, total, g = (sp.Function(n, real=True)(time) for n in ("x", "G", "g"))
    rises = sp.Gt(mu * (mu * size * gain), 0)
    return Proof(
        steps=(
            growth_rate(),
            own_share(),
            Identity(
                name="x_l e^{−μ∫g_l} does not change",
                because="dx_l/dt = μ x_l g_l; G = ∫ g_l",
                lhs=along(x * sp.exp(-mu * total), {x: mu * x * g, total: g}),
                rhs=sp.S.Zero,
            ),
            Bound(
                name="so x_l keeps its sign",
                because="x_l = x_l(0) e^{μG}",
                claim=sp.Gt(sp.exp(mu * step) * start, 0, evaluate=False),
            ),
            Bound(
                name="|x_l| falls for μ < 0 and rises for μ > 0",
                because="d|x_l|/dt = μ |x_l| g_l has the sign of μ",
                claim=rises,
                given=(sp.Gt(gain, 0), sp.Ne(mu, 0)),
                also_wrong=(Bound(name="without g > 0", claim=rises, given=(sp.Ne(mu, 0),)),),
            ),
        )
    )


def _converges() -> Proof:
    inverse = sp.Ge(1 / size**2, 1 / start**2 + 2 * m * SLOWEST * t)
    faster = sp.Ge(2 * m * gain / size**2, 2 * m * step)
    unit = dict.fromkeys((m, start, slope, t), sp.S.One)
    steady = unit | {size: (1 + 2 * SLOWEST.subs(unit)) ** -sp.S.Half}  # Δ_l constant, no older token
    return Proof(
        steps=(
            scalar_flow(-2),
            Bound(
                name="x^{−2} grows at least as fast as 2|μ|Δ_l",
                because="g_l ≥ x_l²Δ_l",
                claim=faster,
                given=(sp.Ge(gain, size**2 * step),),
                also_wrong=(
                    Bound(name="without the token's own term", claim=faster),
                    Bound(
                        name="three times",
                        claim=sp.Ge(2 * m * gain / size**2, 3 * m * step),
                        given=(sp.Ge(gain, size**2 * step),),
                    ),
                ),
            ),
            softplus_increases(),
            _least_step(),
            cited_comparison("integrate from 0 to t", inverse, steady, "x^{−2} has at least this derivative"),
            Bound(name="|x_l| falls at least as t^{−1/2}", claim=CONVERGES, given=(inverse,)),
        )
    )


def _least_step() -> Bound:
    """S_Δ x_l ≥ −s X_0 while |x_l| ≤ X_0; with the step before, Δ_l ≥ softplus(−s X_0)."""
    x, weight = sp.symbols("x S", real=True)
    inside = (sp.Le(sp.Abs(x), start), sp.Eq(sp.Abs(weight), slope))
    return Bound(
        name="Δ_l is at least softplus(−s X_0)",
        because="|x_l| falls; softplus increases",
        claim=sp.Ge(weight * x, -slope * start),
        given=inside,
        also_wrong=(Bound(name="|x_l| may grow", claim=sp.Ge(weight * x, -slope * start), given=inside[1:]),),
    )


# ----------------------------------------------------------------------------------- rates and constants


def _chain() -> Identity:
    """With y = x^{−2} and M = (ln y)′ = 2|μ|g: y_l′ = 2|μ|Δ_l + e^{−aΔ_l} M_{l−1} y_l."""
    y, older = sp.symbols("y g_older", positive=True)
    return Identity(
        name="y_l = x_l^{−2} solves a linear equation driven by the tokens before it",
        because="y′ = 2|μ| g_l y, g_l = Δ_l/y + e^{−aΔ_l} g_{l−1}, M_{l−1} = 2|μ| g_{l−1}",
        lhs=2 * m * (step / y + sp.exp(-a * step) * older) * y,
        rhs=2 * m * step + sp.exp(-a * step) * (2 * m * older) * y,
    )


def _still_steps() -> tuple[Limit, ...]:
    """Δ_l → ln 2 and e^{−aΔ_l} → 2^{−a}, since every token tends to 0."""
    v = sp.Symbol("v", real=True)
    return (
        Limit(name="Δ_l → ln 2", expression=softplus(v), variable=v, point=sp.S.Zero, value=LN2),
        Limit(
            name="e^{−aΔ_l} → 2^{−a}",
            expression=sp.exp(-a * softplus(v)),
            variable=v,
            point=sp.S.Zero,
            value=2 ** (-a),
        ),
    )


def _variation_of_constants() -> tuple[Identity, Identity]:
    """y = Φ(y_0 + ∫ q/Φ), Φ′ = pΦ, and the quotient of derivatives of y/t = (y_0 + ∫ q/Φ)/(t/Φ)."""
    phi, integral, p, q = (sp.Function(n, positive=True)(time) for n in ("Phi", "I", "p", "q"))
    y0 = sp.Symbol("y_0", positive=True)
    flow = {phi: p * phi, integral: q / phi}
    y = phi * (y0 + integral)
    quotient = along(y0 + integral, flow) / along(time / phi, flow)
    return (
        Identity(name="variation of constants", lhs=along(y, flow), rhs=q + p * y),
        Identity(name="the quotient that L'Hôpital needs for y/t", lhs=quotient, rhs=q / (1 - time * p)),
    )


def _dominates() -> Bound:
    """(ln(t/Φ))′ = (1 − tp)/t ≥ (1 − r)/(2t) once tp ≤ (1 + r)/2, so t/Φ → ∞."""
    driven = sp.Symbol("P", real=True)
    near = (sp.Le(driven, (1 + r) / 2), sp.Lt(r, 1), sp.Gt(t, 0))
    claim = sp.Ge((1 - driven) / t, (1 - r) / (2 * t))
    return Bound(
        name="t/Φ tends to infinity",
        because="P = t p → r < 1, and ∫ dt/t diverges",
        claim=claim,
        given=near,
        also_wrong=(Bound(name="r may be 2", claim=sp.Gt((1 - driven) / t, 0), given=(near[0], near[2])),),
    )


def _closes() -> InductionOn:
    """If t M_{l−1} → 1 then y_l ~ t/(K(1 − r)) and t M_l → 1; for l = 1, y ~ t/K."""
    limit_of_y, v = 1 / (K * (1 - r)), sp.Symbol("v", real=True)
    return InductionOn(
        name="t·(ln y_l)′ → 1 for every l",
        because="base: t·2|μ|Δ_1/y_1; step: t·y_l′/y_l = 2|μ|Δ_l·t/y_l + e^{−aΔ_l}·t M_{l−1}",
        base=Limit(
            name="l = 1",
            because="no older token: p = 0, so y_1/t → 2|μ| ln 2 = 1/K",
            expression=2 * m * softplus(v) / (2 * m * LN2),
            variable=v,
            point=sp.S.Zero,
            value=sp.S.One,
        ),
        step=Identity(name="l − 1 to l", lhs=(1 / K) / limit_of_y + r * 1, rhs=sp.S.One),
    )


def _quotient_limit() -> Limit:
    return Limit(
        name="y_l/t → 1/(K(1 − r))",
        because="q = 2|μ|Δ_l → 1/K and t p → r; the quotient is continuous there",
        expression=((1 + eps) / K) / (1 - r * (1 + eps)),
        variable=eps,
        point=sp.S.Zero,
        value=1 / (K * (1 - r)),
    )


def _iterated_logarithms() -> tuple[Identity, Identity, Identity]:
    """a = 0: R = y_l/y_{l−1} has R′ = 2|μ|Δ_l/y_{l−1}; with Λ_{k+1} = ln Λ_k this gives y_l ~ (t/K)Λ_1⋯Λ_{l−1}."""
    older, y, g = (sp.Function(n, positive=True)(time) for n in ("y_older", "y", "g"))
    flow = {older: 2 * m * g * older, y: 2 * m * (step / y + g) * y}
    log_k, product = (sp.Function(n, positive=True)(time) for n in ("L", "Q"))
    return (
        Identity(
            name="a = 0: how the quotient of neighbours grows", lhs=along(y / older, flow), rhs=2 * m * step / older
        ),
        Identity(
            name="a = 0: the next iterated logarithm has the derivative it needs",
            because="Λ_k′ = 1/(tΛ_1⋯Λ_{k−1}) = 1/Q gives Λ_{k+1}′ = 1/(QΛ_k); L'Hôpital then gives R_{l+1} ~ Λ_l",
            lhs=along(sp.log(log_k), {log_k: 1 / product}),
            rhs=1 / (product * log_k),
        ),
        Identity(
            name="a = 0: l = 2, Λ_1 = ln t",
            lhs=sp.diff(sp.log(t), t),
            rhs=1 / t,
        ),
    )


def _rates() -> Proof:
    return Proof(
        steps=(
            scalar_flow(-2),
            _chain(),
            *_still_steps(),
            *_variation_of_constants(),
            _dominates(),
            _quotient_limit(),
            Cited(
                name="limits of quotients",
                statement="(f/g)′s numerator and denominator derivatives have a limit, g → ∞: f/g has the same limit",
                source=LHOPITAL,
            ),
            _closes(),
            *_iterated_logarithms(),
            Limit(
                name="x_l² t → K(1 − r)",
                because="x_l² t = t/y_l",
                expression=1 / ((1 + eps) / (K * (1 - r))),
                variable=eps,
                point=sp.S.Zero,
                value=K * (1 - r),
            ),
        )
    )


CLAIMS = (
    Claim(
        id="dynamics.1d-monotone",
        paper=PAPER,
        form=Form.EXTENSION,
        title="in one dimension signs are kept and |x_l| is monotone",
        statement=r"\dot x_l=\mu x_l g_l,\ g_l\ge x_l^2\Delta_l>0:"
        r"\quad \operatorname{sgn}x_l(t)=\operatorname{sgn}x_l(0),"
        r"\quad \operatorname{sgn}\tfrac{d}{dt}|x_l|=\operatorname{sgn}\mu",
        hypotheses=(NONZERO, r"a\ge0"),
        proof=_monotone,
    ),
    Claim(
        id="dynamics.1d-converge",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ < 0: every token tends to 0, at least as fast as t^{−1/2}",
        statement=r"|x_l(t)|\le\bigl(x_l(0)^{-2}+2|\mu|\,\mathrm{softplus}(-|S_\Delta x_l(0)|)\,t\bigr)^{-1/2}",
        hypotheses=(r"\mu<0", NONZERO, r"a\ge0"),
        depends_on=("dynamics.1d-monotone",),
        formula=CONVERGES,
        proof=_converges,
    ),
    Claim(
        id="dynamics.1d-converge-rates",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ < 0: the leading constants, and iterated logarithms without decay",
        statement=r"x_1\sim\sqrt{K/t},\quad x_l\sim\sqrt{K(1-2^{-a})/t}\ (l\ge2,\ a>0),\quad "
        r"x_l\sim\sqrt{K/(t\,\ln t\,\ln\ln t\cdots)}\ (a=0,\ l-1\text{ logarithms}),\quad K=\tfrac1{2|\mu|\ln2}",
        hypotheses=(r"\mu<0", NONZERO, r"a\ge0"),
        depends_on=("dynamics.1d-monotone", "dynamics.1d-converge"),
        proof=_rates,
    ),
)
