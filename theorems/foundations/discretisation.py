"""From the continuous state to a step: zero-order hold, Euler, the bilinear rule.

Section 2 of the paper; Gu & Dao (2023), eq. 4. One state with eigenvalue −λ ≤ 0, step Δ, x = λΔ.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.calculus import Integrated
from mamba_theorems.theorems.proofs.proof import Bound, Conjunction, Limit, Proof, Specialise
from mamba_theorems.theorems.statement import Hypothesis

x = sp.Symbol("x", nonnegative=True)
y = sp.Symbol("y", positive=True)
s, h0, u = sp.symbols("s h_0 u", real=True)
rate, length = sp.symbols("lambda Delta", real=True)

# --- zero-order hold ----------------------------------------------------------------------------------------------

h = sp.Function("h", real=True)
"""Any differentiable function."""
REST = sp.exp(-rate * (length - s)) * (sp.Derivative(h(s), s) + rate * h(s) - u)
"""How far h is from h′ = −λh + u at s, as it is felt at Δ."""
HELD = sp.Eq(
    sp.Integral(rate * REST, (s, 0, length)),
    rate * h(length) - rate * sp.exp(-rate * length) * h(0) - (1 - sp.exp(-rate * length)) * u,
    evaluate=False,
)
ZOH = sp.And(HELD, sp.Eq(sp.Limit((1 - sp.exp(-rate * length)) / rate, rate, 0), length, evaluate=False))


def zoh() -> Proof:
    """One antiderivative, for every h; and at λ → 0 the gain is Δ."""
    felt = sp.exp(-rate * (length - s))
    solved = Integrated(
        name="what h is off at Δ is what it was off before",
        integrand=HELD.lhs.function,
        variable=s,
        high=length,
        antiderivative=felt * (rate * h(s) - u),
        value=HELD.rhs,
    ).but_not("Euler's gain", value=rate * h(length) - rate * sp.exp(-rate * length) * h(0) - rate * length * u)
    gain = Limit(
        name="at λ → 0 the gain is Δ",
        expression=(1 - sp.exp(-rate * length)) / rate,
        variable=rate,
        point=sp.S.Zero,
        value=length,
    )
    return Proof(steps=(solved, gain, Conjunction(name="zero-order hold", of=(solved, gain))))


# --- Euler --------------------------------------------------------------------------------------------------------

RATIO = (1 - sp.exp(-y)) / y
GAP = sp.And(sp.Gt(RATIO, 1 - y / 2), sp.Lt(RATIO, 1 - y / 2 + y**2 / 6))
ADVANCES = Hypothesis("λΔ > 0", "the step is positive", sp.Gt(y, 0, evaluate=False), r"\lambda\Delta>0")


def euler_gap() -> Proof:
    """ZOH's gain over Euler's is (1 − e^{−x})/x; two Padé fractions of e^{−x} leave room for strict bounds."""
    below = Bound(
        name="e^{−x} ≤ (6 − 4x + x²)/(6 + 2x)",
        because="the difference and its first two derivatives are ≥ 0 at 0",
        claim=sp.Le((6 + 2 * x) * sp.exp(-x), 6 - 4 * x + x**2),
    ).but_not("5 for 6", claim=sp.Le((6 + 2 * x) * sp.exp(-x), 6 - 5 * x + x**2))
    above = Bound(
        name="e^{−x} ≥ (6 − 2x)/(6 + 4x + x²)",
        claim=sp.Ge((6 + 4 * x + x**2) * sp.exp(-x), 6 - 2 * x),
    ).but_not("3x for 4x", claim=sp.Ge((6 + 3 * x + x**2) * sp.exp(-x), 6 - 2 * x))
    at_y = [Specialise(name=f"{part.name}, at y > 0", of=part, at={x: y}) for part in (below, above)]
    gap = Bound(name="divide by y > 0", claim=GAP, given=tuple(part.relation for part in at_y))
    return Proof(
        steps=(
            below,
            above,
            *at_y,
            gap.but_not("y²/7 for y²/6", claim=sp.And(GAP.args[0], sp.Lt(RATIO, 1 - y / 2 + y**2 / 7))).but_not(
                "without the upper fraction", given=gap.given[:1]
            ),
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
    scaled = (1 + x / 2) * sp.exp(-x) - (1 - x / 2)
    above = Bound(name="e^{−x} is above it", claim=sp.Ge(scaled, 0)).but_not("by x³/24", claim=sp.Ge(scaled, x**3 / 24))
    near = Bound(
        name="by at most x³/12, times 1 + x/2",
        because="the difference and its first derivative vanish at 0, and the second is x(1 − e^{−x})/2",
        claim=sp.Ge(x**3 / 12, scaled),
    ).but_not("x³/13", claim=sp.Ge(x**3 / 13, scaled))
    factor = Bound(
        name="0 ≤ e^{−x} − (1 − x/2)/(1 + x/2) ≤ x³/12, and where the factor lies",
        because="divide by 1 + x/2 ≥ 1; a negative factor alternates, as no solution of the equation does",
        claim=BILINEAR,
        given=(above.claim, near.claim),
    )
    return Proof(
        steps=(
            above,
            near,
            factor.but_not("without the lower link", given=(near.claim,)).but_not(
                "negative for λΔ > 1", claim=sp.Implies(sp.Gt(x, 1), sp.Lt(TUSTIN, 0))
            ),
        )
    )


# --- the claims ---------------------------------------------------------------------------------------------------

CLAIMS = (
    Claim(
        id="foundations.zoh",
        paper="Eq. (3), §2",
        form=Form.PRINTED,
        title="zero-order hold solves the state equation exactly",
        statement=r"\lambda h(\Delta)-\lambda e^{-\lambda\Delta}h(0)-(1-e^{-\lambda\Delta})Bx"
        r"=\int_0^\Delta\lambda e^{-\lambda(\Delta-s)}\bigl(h'(s)+\lambda h(s)-Bx\bigr)ds\ "
        r"\text{for every}\ h\text{, which is 0 where}\ h'=-\lambda h+Bx,\ x\ \text{held};\quad "
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
        depends_on=("foundations.zoh",),
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
