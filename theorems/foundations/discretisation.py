"""From the continuous state to a step: zero-order hold, Euler, the bilinear rule.

Section 2 of the paper; Gu & Dao (2023), eq. 4. One state with eigenvalue −λ ≤ 0, step Δ, x = λΔ.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.proof import Bound, Cited, Identity, Limit, Proof, Specialise
from mamba_theorems.theorems.statement import Hypothesis

x = sp.Symbol("x", nonnegative=True)
s, h0, u = sp.symbols("s h_0 u", real=True)
lam, step = sp.symbols("lambda Delta", positive=True)
rate, length = sp.symbols("lambda Delta", real=True)


# --- zero-order hold ----------------------------------------------------------------------------------------------


def zoh_flow(time: sp.Expr) -> sp.Expr:
    """h(time) under h′ = −λh + u with u held: e^{−λs}h_0 + (1 − e^{−λs})/λ · u."""
    return sp.exp(-lam * time) * h0 + (1 - sp.exp(-lam * time)) / lam * u


def zoh() -> Proof:
    """The flow solves the equation, is the only solution, and at λ → 0 the gain is Δ."""
    other = sp.Function("d", real=True)(s)
    slope = sp.Derivative(other, s)
    return Proof(
        steps=(
            Identity(
                name="it solves h′ = −λh + u", lhs=sp.Derivative(zoh_flow(s), s), rhs=-lam * zoh_flow(s) + u
            ).but_not(
                "Euler's gain",
                lhs=sp.Derivative(sp.exp(-lam * s) * h0 + s * u, s),
                rhs=-lam * (sp.exp(-lam * s) * h0 + s * u) + u,
            ),
            Identity(name="from h(0) = h_0", lhs=sp.Subs(zoh_flow(s), s, 0), rhs=h0),
            Identity(
                name="a difference d of two solutions has (e^{λs}d)′ = e^{λs}(d′ + λd)",
                because="and d′ = −λd, d(0) = 0",
                lhs=sp.Derivative(sp.exp(lam * s) * other, s),
                rhs=sp.exp(lam * s) * (slope + lam * other),
            ),
            Cited(name="so it is constant", statement="f′ = 0 makes f constant", source="mean value theorem"),
            Limit(
                name="at λ → 0 the gain is Δ",
                expression=(1 - sp.exp(-lam * step)) / lam,
                variable=lam,
                point=sp.S.Zero,
                value=step,
            ),
            Identity(
                name="two steps are one step of double length, with the same input",
                lhs=sp.exp(-lam * step) * zoh_flow(step) + (1 - sp.exp(-lam * step)) / lam * u,
                rhs=zoh_flow(2 * step),
            ),
        )
    )


# --- Euler --------------------------------------------------------------------------------------------------------

y = sp.Symbol("y", positive=True)
RATIO = (1 - sp.exp(-y)) / y
GAP = sp.And(sp.Gt(RATIO, 1 - y / 2), sp.Lt(RATIO, 1 - y / 2 + y**2 / 6))
ADVANCES = Hypothesis("λΔ > 0", "the step is positive", sp.Gt(y, 0, evaluate=False), r"\lambda\Delta>0")


def euler_gap() -> Proof:
    """ZOH's gain over Euler's is (1 − e^{−x})/x, within x²/6 of 1 − x/2."""
    lower, upper = x - x**2 / 2, x - x**2 / 2 + x**3 / 6
    below = Bound(
        name="lower, times x",
        claim=sp.Ge(1 - sp.exp(-x), lower),
        because="1 − e^{−x} − x + x²/2 and its first two derivatives are ≥ 0 at 0",
    ).but_not("x²/3 for x²/2", claim=sp.Ge(1 - sp.exp(-x), x - x**2 / 3))
    above = Bound(name="upper, times x", claim=sp.Le(1 - sp.exp(-x), upper)).but_not(
        "x³/7 for x³/6", claim=sp.Le(1 - sp.exp(-x), lower + x**3 / 7)
    )
    at_y = [Specialise(name=f"{part.name}, at y > 0", of=part, at={x: y}) for part in (below, above)]
    return Proof(
        steps=(
            below,
            above,
            Limit(name="the ratio tends to 1", expression=RATIO, variable=y, point=sp.S.Zero, value=sp.S.One),
            *at_y,
            Bound(name="divide by y > 0", claim=GAP, given=tuple(part.claim.subs(x, y) for part in (below, above))),
        )
    )


# --- bilinear -----------------------------------------------------------------------------------------------------

TUSTIN = (1 - x / 2) / (1 + x / 2)
BILINEAR = sp.And(
    sp.Ge(sp.exp(-x) - TUSTIN, 0),
    sp.Le(sp.exp(-x) - TUSTIN, x**3 / 12),
    sp.Gt(TUSTIN, -1),
    sp.Le(TUSTIN, 1),
    sp.Equivalent(sp.Lt(TUSTIN, 0), sp.Gt(x, 2)),
)
DECAYS = Hypothesis("λΔ ≥ 0", "no state grows", sp.Ge(x, 0, evaluate=False), r"\lambda\Delta\ge0")


def bilinear() -> Proof:
    """The trapezoidal rule's factor: inside the unit disc, negative beyond x = 2, third-order exact."""
    after = sp.Symbol("h_1", real=True)
    trapezoid = sp.Eq(after, h0 + step / 2 * ((-lam * h0 + u) + (-lam * after + u)), evaluate=False)
    solved = (1 - lam * step / 2) / (1 + lam * step / 2) * h0 + step / (1 + lam * step / 2) * u
    scaled = (1 + x / 2) * sp.exp(-x) - (1 - x / 2)
    bend = Bound(name="x(1 − e^{−x})/2 ≥ 0", claim=sp.Ge(x / 2 - x * sp.exp(-x) / 2, 0))
    return Proof(
        steps=(
            Bound(
                name="the trapezoidal rule, solved for h_1",
                claim=sp.Eq(after, solved, evaluate=False),
                given=(trapezoid,),
            ).but_not("the input not halved", claim=sp.Eq(after, solved + step * u / 9)),
            Bound(name="|factor| ≤ 1, and < 1 for x > 0", claim=sp.And(sp.Le(TUSTIN, 1), sp.Gt(TUSTIN, -1))),
            Bound(
                name="negative exactly for λΔ > 2",
                because="so the state alternates, as no solution of the equation does",
                claim=sp.And(sp.Implies(sp.Gt(x, 2), sp.Lt(TUSTIN, 0)), sp.Implies(sp.Le(x, 2), sp.Ge(TUSTIN, 0))),
            ).but_not("for λΔ > 1", claim=sp.Implies(sp.Gt(x, 1), sp.Lt(TUSTIN, 0))),
            Bound(name="e^{−x} is above it", claim=sp.Ge(scaled, 0)),
            bend,
            Identity(
                name="x³/12 − ((1 + x/2)e^{−x} − (1 − x/2)) has second derivative x(1 − e^{−x})/2",
                lhs=sp.Derivative(x**3 / 12 - scaled, (x, 2)),
                rhs=x / 2 - x * sp.exp(-x) / 2,
            ),
            Identity(
                name="and vanishes at 0 with its first derivative",
                lhs=sp.Subs(sp.Derivative(x**3 / 12 - scaled, x) ** 2 + (x**3 / 12 - scaled) ** 2, x, 0),
                rhs=sp.S.Zero,
            ),
            Cited(
                name="so it is ≥ 0",
                statement="f(0) = f′(0) = 0 and f″ ≥ 0 on x ≥ 0 give f ≥ 0",
                source="Taylor's formula",
                states=sp.Ge(x**3 / 12 - scaled, 0),
                instances=(near := {x: sp.Rational(1, 8)},),
            ).but_not("x³/13", statement="", states=sp.Ge(x**3 / 13 - scaled, 0), instances=(near,)),
            Bound(
                name="0 ≤ e^{−x} − (1 − x/2)/(1 + x/2) ≤ x³/12",
                because="divide by 1 + x/2 ≥ 1",
                claim=BILINEAR,
                given=(sp.Ge(scaled, 0), sp.Ge(x**3 / 12 - scaled, 0)),
            )
            .but_not("x³/13", claim=sp.Le(sp.exp(-x) - TUSTIN, x**3 / 13), given=())
            .but_not("without the lower link", given=(sp.Ge(x**3 / 12 - scaled, 0),)),
        )
    )


# --- statements ---------------------------------------------------------------------------------------------------

h = sp.Function("h", real=True)
"""Any differentiable function."""
DRIVEN = sp.exp(-rate * (length - s)) * (sp.Derivative(h(s), s) + rate * h(s) - u)
"""How far h is from solving h′ = −λh + u, as it is felt at Δ."""
ZOH = sp.And(
    sp.Eq(
        rate * h(length),
        rate * sp.exp(-rate * length) * h(0)
        + (1 - sp.exp(-rate * length)) * u
        + rate * sp.Integral(DRIVEN, (s, 0, length)),
        evaluate=False,
    ),
    sp.Eq(sp.Limit((1 - sp.exp(-rate * length)) / rate, rate, 0), length, evaluate=False),
)

CLAIMS = (
    Claim(
        id="foundations.zoh",
        paper="Eq. (3), §2",
        form=Form.PRINTED,
        title="zero-order hold solves the state equation exactly",
        statement=r"\lambda h(\Delta)=\lambda e^{-\lambda\Delta}h(0)+(1-e^{-\lambda\Delta})Bx"
        r"+\lambda\int_0^\Delta e^{-\lambda(\Delta-s)}\bigl(h'(s)+\lambda h(s)-Bx\bigr)ds:\ "
        r"\text{where}\ h'=-\lambda h+Bx,\ x\ \text{held, the last term is 0};\quad "
        r"\frac{1-e^{-\lambda\Delta}}\lambda\to\Delta\ \text{as}\ \lambda\to0",
        formula=ZOH,
        proof=zoh,
    ),
    Claim(
        id="foundations.euler-gap",
        paper="Eq. (3), §2",
        form=Form.EXTENSION,
        title="how far Euler's B is from ZOH's",
        statement=r"1-\tfrac x2<\frac{1-e^{-x}}{x}<1-\tfrac x2+\tfrac{x^2}{6},\quad x=\lambda\Delta>0",
        hypotheses=(ADVANCES,),
        formula=GAP,
        proof=euler_gap,
    ),
    Claim(
        id="foundations.bilinear",
        paper="§2 (S4's discretisation)",
        form=Form.EXTENSION,
        title="the bilinear rule: stable, third-order close, and alternating beyond λΔ = 2",
        statement=r"0\le e^{-x}-\frac{1-x/2}{1+x/2}\le\frac{x^3}{12},\quad "
        r"-1<\frac{1-x/2}{1+x/2}\le1,\quad \frac{1-x/2}{1+x/2}<0\iff x>2,\quad x=\lambda\Delta\ge0",
        hypotheses=(DECAYS,),
        formula=BILINEAR,
        proof=bilinear,
    ),
)
