"""Token dynamics in one dimension: signs and monotonicity, and convergence for μ < 0 with its rates and constants.

m = |μ|, X = |x_l|, X_0 = |x_l(0)|, s = |S_Δ|, K = 1/(2m ln 2), r = 2^{−a}.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Outcome
from mamba_theorems.theorems.proofs.proof import Bound, Cited, Identity, Limit, Proof
from mamba_theorems.theorems.proofs.written import Along, Named
from mamba_theorems.theorems.statement import Hypothesis
from mamba_theorems.theorems.token_dynamics.system import (
    COMPARISON,
    FALLS,
    LHOPITAL,
    LN2,
    NONZERO,
    PAPER,
    a,
    after,
    begun,
    cited_comparison,
    damping,
    gain,
    growth_rate,
    m,
    now,
    own_share,
    rate,
    scalar_flow,
    size,
    slope,
    softplus_grows_slowly,
    softplus_increases,
    start,
    step,
    t,
    time,
    weight,
)

SLOWEST = softplus(-slope * start)
"""The least step that a token of size at most X_0 can have."""

CONVERGES = sp.Le(size**2, 1 / (1 / start**2 + 2 * m * SLOWEST * t))
K, r = sp.symbols("K r", positive=True)
eps = sp.Symbol("epsilon", real=True)
_late = sp.Symbol("t", positive=True)


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
                lhs=Along(x * sp.exp(-mu * total), {x: mu * x * g, total: g}),
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
            ).but_not("without g > 0", given=(sp.Ne(mu, 0),)),
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
            )
            .but_not("without the token's own term", given=())
            .but_not("three times", claim=sp.Ge(2 * m * gain / size**2, 3 * m * step)),
            softplus_increases(),
            _least_step(),
            cited_comparison("integrate from 0 to t", inverse, steady, "x^{−2} has at least this derivative"),
            Bound(
                name="one token whose step stays attains the bound",
                claim=sp.Eq(size**2, CONVERGES.rhs, evaluate=False),
                given=(sp.Eq(inverse.lhs, inverse.rhs, evaluate=False),),
            ),
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
    ).but_not("|x_l| may grow", given=inside[1:])


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
    quotient = Along(y0 + integral, flow) / Along(time / phi, flow)
    return (
        Identity(name="variation of constants", lhs=Along(y, flow), rhs=q + p * y),
        Identity(
            name="the quotient that L'Hôpital needs for y/t",
            lhs=quotient,
            rhs=q / (1 - time * p),
            given=(sp.Lt(time * p, 1),),
        ),
    )


def _dominates() -> Bound:
    """(ln(t/Φ))′ = (1 − tp)/t ≥ (1 − r)/(2t) once tp ≤ (1 + r)/2, so t/Φ → ∞."""
    driven = sp.Symbol("P", real=True)
    near = (sp.Le(driven, (1 + r) / 2), sp.Lt(r, 1), sp.Gt(t, 0))
    claim = sp.Ge((1 - driven) / t, (1 - r) / (2 * t))
    return Bound(
        name="t/Φ tends to infinity", because="P = t p → r < 1, and ∫ dt/t diverges", claim=claim, given=near
    ).but_not("r may be 2", claim=sp.Gt((1 - driven) / t, 0), given=(near[0], near[2]))


def _closes() -> tuple[Limit, Identity]:
    """If t M_{l−1} → 1 then y_l ~ t/(K(1 − r)) and t M_l → 1; for l = 1, y ~ t/K."""
    limit_of_y, v = 1 / (K * (1 - r)), sp.Symbol("v", real=True)
    return (
        Limit(
            name="t·(ln y_l)′ → 1 for l = 1",
            because="t·2|μ|Δ_1/y_1; no older token: p = 0, so y_1/t → 2|μ| ln 2 = 1/K",
            expression=2 * m * softplus(v) / (2 * m * LN2),
            variable=v,
            point=sp.S.Zero,
            value=sp.S.One,
        ),
        Identity(
            name="and from l − 1 to l",
            because="t·y_l′/y_l = 2|μ|Δ_l·t/y_l + e^{−aΔ_l}·t M_{l−1}",
            lhs=Named("(1/K)/(lim y_l/t) + r lim t M_{l-1}", (1 / K) / limit_of_y + r * 1),
            rhs=sp.S.One,
        ),
    )


def _quotient_limit() -> Limit:
    left = sp.Symbol("g", positive=True)
    return Limit(
        name="y_l/t → 1/(K(1 − r))",
        because="q = 2|μ|Δ_l → 1/K and t p → r = 1 − g < 1; the quotient is continuous there",
        expression=((1 + eps) / K) / (1 - (1 - left) * (1 + eps)),
        variable=eps,
        point=sp.S.Zero,
        value=1 / (K * left),
    )


# ------------------------------------------------------------------------------------------ at a finite time


def _first_at_a_finite_time() -> tuple[Bound, Bound, Identity, Cited, Identity]:
    """|y_1/(2|μ| ln 2·t) − 1| ≤ E(t) = 1/(2|μ| ln 2·X_0²t) + (s/ln 2)·2/√(2|μ|δt), δ = softplus(−sX_0)."""
    h, least = sp.Symbol("h", nonnegative=True), sp.Symbol("delta", positive=True)
    path = 2 * sp.sqrt(_late) / sp.sqrt(2 * m * least)
    drift = (1 / start**2 + 2 * m * slope * path) / (2 * m * LN2 * _late)
    return (
        softplus_grows_slowly(),
        Bound(
            name="softplus(−h) ≥ ln 2 − h", because="so |Δ_1 − ln 2| ≤ s|x_1|", claim=sp.Ge(softplus(-h), LN2 - h)
        ).but_not("≥ ln 2 − h/3", claim=sp.Ge(softplus(-h), LN2 - h / 3)),
        Identity(
            name="∫|x_1| ≤ 2√t/√(2|μ|δ)",
            because="|x_1| ≤ 1/√(2|μ|δt) by dynamics.1d-converge",
            lhs=sp.Derivative(path, _late),
            rhs=1 / sp.sqrt(2 * m * least * _late),
        ),
        cited_comparison(
            "integrate y_1′ = 2|μ|Δ_1",
            sp.Le(sp.Abs(_y - 1 / start**2 - 2 * m * LN2 * _late), 2 * m * slope * path),
            {_y: sp.Rational(25, 4), start: 1, m: 1, slope: 1, least: sp.Rational(1, 2), _late: 1},
        ),
        Identity(
            name="so |y_1/(2|μ| ln 2·t) − 1| ≤ E(t)",
            because="y_1(0) and the integral, over 2|μ| ln 2·t",
            lhs=drift,
            rhs=1 / (2 * m * LN2 * start**2 * _late) + slope / LN2 * 2 / sp.sqrt(2 * m * least * _late),
        ),
    )


_y = sp.Symbol("y_1", positive=True)


def _second_at_a_finite_time() -> tuple[Identity, Bound, Bound, Identity]:
    """v = y_2/t, v* = 1/(K(1 − r)): |v − v*| is pulled down at rate 1 − r − e_p and pushed up by e_q + e_p v*."""
    y, p, q = (sp.Function(n, positive=True)(time) for n in ("y", "p", "q"))
    goal, far, pull, push, begun = sp.symbols("v w k c w_0", positive=True)
    push_q, push_p = sp.symbols("e_q e_p", nonnegative=True)
    off_q, off_p = sp.symbols("Q P", real=True)
    near = (sp.Le(off_q, push_q), sp.Le(off_p, push_p))
    claim = sp.Le(off_q + off_p * goal - (1 - r - off_p) * far, push_q + push_p * goal - (1 - r - push_p) * far)
    decayed = sp.exp(-pull * _late) * begun + (1 - sp.exp(-pull * _late)) * push / pull
    return (
        Identity(
            name="v = y_2/t moves by q − (1 − tp)v in ln t",
            lhs=time * Along(y / time, {y: q + p * y}),
            rhs=q - (1 - time * p) * (y / time),
            given=(sp.Gt(time, 0),),
        ),
        Bound(
            name="|v − v*|′ ≤ e_q + e_p v* − (1 − r − e_p)|v − v*|",
            because="Q = q − 1/K, P = tp − r; v − v* = w > 0, and likewise below, where −Q ≤ e_q, −P ≤ e_p",
            claim=claim,
            given=near,
        ).but_not("without |P| ≤ e_p", given=near[:1]),
        _drive_error(),
        Identity(
            name="so |v − v*| ≤ e^{−kτ}|v − v*|(0) + (1 − e^{−kτ})c/k over τ = ln(t/t_0)",
            because="k = 1 − r − e_p, c = e_q + e_p v*; both errors only fall with t",
            lhs=sp.Derivative(decayed, _late) + pull * decayed,
            rhs=push,
        ),
    )


def _drive_error() -> Bound:
    """t·2|μ|e^{−aΔ_2}x_1²Δ_1 lies within r(A − 1) of r, A = (1 + α)e^β/(1 − E): as far below as above at most."""
    alpha, beta, drift = sp.symbols("alpha beta E", nonnegative=True)
    given = tuple(sp.Le(part, 1) for part in (alpha, beta, drift))
    above, below = ((1 + k * alpha) * (1 + k * beta) * (1 + k * drift) for k in (1, -1))
    return Bound(
        name="e_p = r((1 + α)e^β/(1 − E) − 1), α = s|x_1|/ln 2, β = as|x_2|",
        because="e^{±β} ≥ 1 ± β, 1/(1 ∓ E) ≥ 1 ± E: 1 − (1 − α)e^{−β}/(1 + E) ≤ (1 + α)e^β/(1 − E) − 1",
        claim=sp.Ge(above - 1, 1 - below),
        given=given,
    ).but_not("half as far", claim=sp.Ge((above - 1) / 2, 1 - below))


def _iterated_logarithms() -> tuple[Identity, Identity, Identity]:
    """a = 0: R = y_l/y_{l−1} has R′ = 2|μ|Δ_l/y_{l−1}; with Λ_{k+1} = ln Λ_k this gives y_l ~ (t/K)Λ_1⋯Λ_{l−1}."""
    older, y, g = (sp.Function(n, positive=True)(time) for n in ("y_older", "y", "g"))
    flow = {older: 2 * m * g * older, y: 2 * m * (step / y + g) * y}
    log_k, product = (sp.Function(n, positive=True)(time) for n in ("L", "Q"))
    return (
        Identity(
            name="a = 0: how the quotient of neighbours grows", lhs=Along(y / older, flow), rhs=2 * m * step / older
        ),
        Identity(
            name="a = 0: the next iterated logarithm has the derivative it needs",
            because="Λ_k′ = 1/(tΛ_1⋯Λ_{k−1}) = 1/Q gives Λ_{k+1}′ = 1/(QΛ_k); L'Hôpital then gives R_{l+1} ~ Λ_l",
            lhs=Along(sp.log(log_k), {log_k: 1 / product}),
            rhs=1 / (product * log_k),
        ),
        Identity(name="a = 0: l = 2, Λ_1 = ln t", lhs=sp.Derivative(sp.log(_late), _late), rhs=1 / _late),
    )


def _rates() -> Proof:
    return Proof(steps=(scalar_flow(-2), _chain(), *_first_at_a_finite_time(), *_second_at_a_finite_time()))


def _constants() -> Proof:
    return Proof(
        steps=(
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
            *_closes(),
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


# ------------------------------------------------------------------------------------------------- statements

velocity = sp.Symbol("v_0", real=True)
"""dx_l/dt at the start."""
MONOTONE = sp.And(
    sp.Gt(now * begun, 0),
    sp.Gt(rate * (sp.Abs(now) - sp.Abs(begun)), 0),
    sp.Ge(rate * velocity * begun, rate**2 * begun**4 * softplus(weight * begun)),
)
LEAST = softplus(-sp.Abs(weight * begun))
FALLEN = sp.Le(now**2 * (1 + 2 * sp.Abs(rate) * begun**2 * LEAST * after), begun**2)

second, halfway, middle = sp.symbols("z_0 z_m t_m", real=True)
late = sp.Symbol("z_t", real=True)
"""Beside x, the first token: the second one at the start, at t_m ≤ t, and at t."""


def _bound(start_at: sp.Expr, moment: sp.Expr) -> sp.Expr:
    """The bound on |x_l| at a moment (dynamics.1d-converge)."""
    least = softplus(-sp.Abs(weight * start_at))
    return 1 / sp.sqrt(1 / start_at**2 + 2 * sp.Abs(rate) * least * moment)


def _drift(moment: sp.Expr) -> sp.Expr:
    """E(t): how far x_1^{−2} is from 2|μ| ln 2·t at most, relative to it."""
    lead = 2 * sp.Abs(rate) * LN2
    return 1 / (lead * begun**2 * moment) + 2 * sp.Abs(weight) / LN2 / sp.sqrt(2 * sp.Abs(rate) * LEAST * moment)


DRIFT_Q = 2 * sp.Abs(rate * weight) * _bound(second, middle)
KEPT = 2 ** (-damping)
DRIFT_P = KEPT * (
    (1 + sp.Abs(weight) * _bound(begun, middle) / LN2)
    * sp.exp(damping * sp.Abs(weight) * _bound(second, middle))
    / (1 - _drift(middle))
    - 1
)
PULL, GOAL = 1 - KEPT - DRIFT_P, 2 * sp.Abs(rate) * LN2 / (1 - KEPT)
PUSH = DRIFT_Q + DRIFT_P * GOAL
FADED = sp.exp(-PULL * sp.log(after / middle))
FIRST_RATE = sp.Le(sp.Abs(1 / (2 * sp.Abs(rate) * LN2 * after * now**2) - 1), _drift(after))
SECOND_RATE = sp.Le(
    sp.Abs(1 / (late**2 * after) - GOAL),
    FADED * sp.Abs(1 / (halfway**2 * middle) - GOAL) + (1 - FADED) * PUSH / PULL,
)
room, nearest = sp.symbols("epsilon near", real=True)
"""How near the quotient is to come to its limit 1, and how near it is met on the way to t = 10^8."""
CONSTANTS = sp.Gt(room - nearest, 0)
RATES = sp.And(FIRST_RATE, sp.Implies(sp.And(sp.Lt(_drift(middle), 1), sp.Gt(PULL, 0), sp.Gt(damping, 0)), SECOND_RATE))

CLAIMS = (
    Claim(
        id="dynamics.1d-monotone",
        paper=PAPER,
        form=Form.EXTENSION,
        title="in one dimension signs are kept and |x_l| is monotone",
        statement=r"\dot x_l=\mu x_l g_l,\ g_l\ge x_l^2\Delta_l>0:"
        r"\quad \operatorname{sgn}x_l(t)=\operatorname{sgn}x_l(0),"
        r"\quad \mu\,(|x_l(t)|-|x_l(0)|)>0\ (t>0)",
        hypotheses=(NONZERO, Hypothesis("μ ≠ 0", "μ is not 0", sp.Ne(rate, 0), r"\mu\ne0")),
        expected=Outcome.DERIVED,
        formula=MONOTONE,
        proof=_monotone,
    ),
    Claim(
        id="dynamics.1d-converge",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ < 0: every token tends to 0, at least as fast as t^{−1/2}",
        statement=r"x_l(t)^2\bigl(1+2|\mu|\,\mathrm{softplus}(-|S_\Delta x_l(0)|)\,x_l(0)^2\,t\bigr)\le x_l(0)^2",
        hypotheses=(FALLS,),
        depends_on=("dynamics.1d-monotone",),
        expected=Outcome.DERIVED,
        formula=FALLEN,
        cites=(COMPARISON,),
        proof=_converges,
    ),
    Claim(
        id="dynamics.1d-converge-rates",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ < 0: the leading constants of the first two tokens, at every finite time",
        statement=r"\Bigl|\frac{x_1^{-2}}{2|\mu|\ln2\,t}-1\Bigr|\le e(t)=\frac1{2|\mu|\ln2\,x_1(0)^2t}"
        r"+\frac{2|S_\Delta|/\ln2}{\sqrt{2|\mu|\,\mathrm{softplus}(-|S_\Delta x_1(0)|)\,t}};\quad "
        r"a>0,\ k=1-2^{-a}-e_p>0,\ t\ge t_m,\ e(t_m)<1:\ "
        r"\Bigl|\frac{x_2^{-2}}t-v^*\Bigr|\le\Bigl(\frac{t_m}t\Bigr)^k\Bigl|\frac{x_2(t_m)^{-2}}{t_m}-v^*\Bigr|"
        r"+\Bigl(1-\Bigl(\frac{t_m}t\Bigr)^k\Bigr)\frac{e_q+e_pv^*}k,\ v^*=\frac{2|\mu|\ln2}{1-2^{-a}},\ "
        r"e_q=2|\mu S_\Delta|b_2,\ e_p=2^{-a}\Bigl(\frac{(1+|S_\Delta|b_1/\ln2)e^{a|S_\Delta|b_2}}{1-e(t_m)}-1\Bigr),"
        r"\ b_l=(x_l(0)^{-2}+2|\mu|\,\mathrm{softplus}(-|S_\Delta x_l(0)|)t_m)^{-1/2}",
        hypotheses=(FALLS,),
        depends_on=("dynamics.1d-monotone", "dynamics.1d-converge"),
        expected=Outcome.DERIVED,
        formula=RATES,
        cites=(COMPARISON,),
        proof=_rates,
    ),
    Claim(
        id="dynamics.1d-converge-constants",
        paper=PAPER,
        form=Form.EXTENSION,
        title="μ < 0: the leading constants of all tokens, and iterated logarithms without decay",
        statement=r"x_l^2\,t\to K(1-2^{-a})\ (l\ge2,\ a>0),\quad "
        r"x_l^2\,t\,\ln t\,\ln\ln t\cdots\to K\ (a=0,\ l-1\text{ logarithms}),\quad K=\tfrac1{2|\mu|\ln2}",
        hypotheses=(FALLS, NONZERO),
        depends_on=("dynamics.1d-converge-rates",),
        expected=Outcome.DERIVED,
        formula=CONSTANTS,
        cites=(LHOPITAL,),
        proof=_constants,
    ),
)
