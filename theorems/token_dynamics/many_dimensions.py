"""Token dynamics in R^D: symmetric S = S_CᵀS_B by its quadratic form, and what is left when S is not symmetric.

q_l = x_lᵀSx_l, p_j = x_lᵀSx_j, w_j = Δ_jE_lj ≥ 0, so dx_l/dt = Σ_j w_j p_j x_j. Δ is one number a token.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Outcome
from mamba_theorems.theorems.proofs.proof import Bound, Cited, Identity, Induction, Limit, Proof
from mamba_theorems.theorems.proofs.written import Along, Named, product, total
from mamba_theorems.theorems.statement import Hypothesis, predicate
from mamba_theorems.theorems.token_dynamics.system import (
    COMPARISON,
    CONTINUATION,
    OF_FIRST,
    PAPER,
    after,
    cited_comparison,
    j,
    l,
    softplus_increases,
    step,
    t,
    time,
)

lam, q0, delta = sp.symbols("lambda q_0 delta", positive=True)
speed = sp.Symbol("v", real=True)
HALF = sp.Rational(1, 2)


def _bilinear() -> Identity:
    """xᵀS(cy + z) = c xᵀSy + xᵀSz in D coordinates."""
    i, k, dim = sp.symbols("i k D", integer=True, positive=True)
    x, y, z, s = (sp.Function(n, real=True) for n in ("x", "y", "z", "S"))
    c = sp.Symbol("c", real=True)

    def form(right: sp.Expr) -> sp.Expr:
        return sp.Sum(x(i) * sp.Sum(s(i, k) * right, (k, 1, dim)), (i, 1, dim))

    return Identity(
        name="the form is linear in its right argument",
        lhs=form(c * y(k) + z(k)),
        rhs=c * form(y(k)) + form(z(k)),
    )


def _quadratic_form(transposed: sp.Expr, closed: sp.Expr, name: str, sequence: str = "h") -> Induction:
    """q_l′ = Σ_{j≤l} w_j p_j (x_jᵀSx_l + x_lᵀSx_j), added up token by token; `transposed` is x_jᵀSx_l."""
    w, p = sp.Function("w", positive=True), sp.Function("p", real=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)
    return Induction(
        name=name,
        sequence=sequence,
        because="product rule: q_l′ = (x_l′)ᵀSx_l + x_lᵀSx_l′ with x_l′ = Σ_j w_j p_j x_j",
        index=l,
        next=lambda h, m: h + product(w(m + 1), p(m + 1), total(transposed.subs(n, m + 1), p(m + 1))),
        closed=closed,
    )


def symmetric_form() -> Induction:
    """S symmetric: q_l′ = 2Σ_j w_j p_j²."""
    w, p = sp.Function("w", positive=True), sp.Function("p", real=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)
    return _quadratic_form(p(n), 2 * sp.Sum(w(j) * p(j) ** 2, (j, 1, l)), "S symmetric: q_l′ = 2Σ_j w_j p_j²")


def _antisymmetric_form() -> Induction:
    p, n = sp.Function("p", real=True), sp.Symbol("n", integer=True, nonnegative=True)
    return _quadratic_form(-p(n), sp.S.Zero, "S antisymmetric: q_l′ = 0, and q_l = 0", sequence="skew")


def own_term() -> Bound:
    """q_l′ ≥ 2Δ_l q_l²: the term j = l, where w_l = Δ_l and p_l = q_l."""
    rest, q = sp.Symbol("rest", nonnegative=True), sp.Symbol("q", real=True)
    claim = sp.Ge(2 * (rest + step * q**2), 2 * step * q**2, evaluate=False)
    return Bound(name="q_l′ ≥ 2Δ_l q_l²", because="the other terms w_j p_j² are not negative", claim=claim).but_not(
        "three times", claim=sp.Ge(2 * (rest + step * q**2), 3 * step * q**2)
    )


def _inverse_flow() -> Identity:
    q, g = sp.Function("q", real=True, nonzero=True)(time), sp.Function("g", positive=True)(time)
    return Identity(name="how 1/q_l moves", lhs=Along(1 / q, {q: g}), rhs=-g / q**2)


def _negative_definite() -> tuple[Bound, Bound, Bound]:
    """S ≺ 0: −1/q_l grows at least as 2δ, and |x_l|² ≤ |q_l|/λ."""
    q, norm = sp.symbols("Q X", positive=True)
    grown = sp.Ge(1 / q, 1 / q0 + 2 * delta * t)
    bounded = sp.Ge(q, lam * norm**2)
    x, weight = sp.symbols("x S", real=True)
    small = (sp.Le(lam * x**2, q0), sp.Ge(weight, 0))
    return (
        Bound(
            name="|q_l| falls, so |x_l|² ≤ |q_l(0)|/λ and the step stays above δ",
            because="S_Δ·x_l ≥ −‖S_Δ‖|x_l|; δ = softplus(−‖S_Δ‖√(|q_l(0)|/λ))",
            claim=sp.Ge(weight * x, -weight * sp.sqrt(q0 / lam)),
            given=small,
        ).but_not("x unbounded", given=small[1:]),
        Bound(name="|q_l| ≤ 1/(1/|q_l(0)| + 2δt)", claim=sp.Le(q, 1 / (1 / q0 + 2 * delta * t)), given=(grown,)),
        Bound(
            name="S ≺ 0: |x_l|² ≤ 1/(λ(1/|q_l(0)| + 2δt))",
            claim=sp.Le(norm**2, 1 / (lam * (1 / q0 + 2 * delta * t))),
            given=(sp.Le(q, 1 / (1 / q0 + 2 * delta * t)), bounded),
        ).but_not("a form that is not definite", given=(sp.Le(q, 1 / (1 / q0 + 2 * delta * t)),)),
    )


def _along_a_line() -> tuple[Identity, Identity]:
    """The first token keeps its direction: x_1 = c x_1(0) with c′ = q_1(0)Δ_1c³, for any S."""
    c = sp.Function("c", positive=True)(time)
    q = sp.Symbol("q", real=True)
    return (
        Identity(
            name="the first token's form on its line",
            because="x_1′ = q_1Δ_1x_1 with q_1 = c²q_1(0), whatever S is",
            lhs=Along(c * speed, {c: q * step * c**3}),
            rhs=(c**2 * q) * step * (c * speed),
        ),
        Identity(
            name="c^{−2} grows linearly where q_1(0) < 0",
            because="c ≤ 1 keeps Δ_1 ≥ δ, so c^{−2} ≥ 1 + 2|q_1(0)|δt and x_1 → 0",
            lhs=Along(c**-2, {c: -q0 * step * c**3}),
            rhs=2 * q0 * step,
        ),
    )


def _kernel() -> Identity:
    """A token in ker S does not move: p_j = x_jᵀ(Sx_l) = 0 for every j; here in the plane."""
    x, y, b, c = sp.symbols("x y b c", real=True)
    s = sp.Matrix([[b**2, b * c], [b * c, c**2]])
    token = sp.Matrix([-c, b])
    return Identity(
        name="semidefinite S: a token of its kernel is frozen",
        because="x_lᵀSx_j = (Sx_l)ᵀx_j = 0 for every j; here S = (b, c)(b, c)ᵀ and x_l = (−c, b)",
        lhs=Named("(-c, b) (b, c)^T (b, c) (x, y)^T", (token.T * s * sp.Matrix([x, y]))[0]),
        rhs=sp.S.Zero,
    )


def _symmetric() -> Proof:
    q = sp.Symbol("Q", positive=True)
    return Proof(
        steps=(
            _bilinear(),
            symmetric_form(),
            own_term(),
            _inverse_flow(),
            softplus_increases(),
            cited_comparison(
                "integrate −1/q_l for S ≺ 0",
                sp.Ge(1 / q, 1 / q0 + 2 * delta * t),
                {q0: sp.S.One, delta: sp.S.One, t: sp.S.One, q: sp.Rational(1, 3)},
            ),
            *_negative_definite(),
            Cited(name="continuation", statement="a bounded solution exists for all time", source=CONTINUATION),
            _unbounded(),
            _kernel(),
        )
    )


def _on_its_line() -> Proof:
    return Proof(steps=(_antisymmetric_form(), softplus_increases(), *_along_a_line()))


def _unbounded() -> Bound:
    """1/q ≤ 1/q_0 − 2δt and q > 0 leave no t ≥ 1/(2δq_0)."""
    q = sp.Symbol("q", positive=True)
    held = sp.Le(1 / q, 1 / q0 - 2 * delta * t)
    claim = sp.Lt(t, 1 / (2 * delta * q0))
    return (
        Bound(
            name="q_l(0) > 0: token l is bounded at most until t = 1/(2δ q_l(0))",
            because="while |x_l| ≤ M, Δ_l ≥ δ = softplus(−‖S_Δ‖M) and (1/q_l)′ ≤ −2δ; so every ball is left",
            claim=claim,
            given=(held,),
        )
        .but_not("a quarter earlier", claim=sp.Lt(t, 3 / (8 * delta * q0)))
        .but_not("without the derivative", given=())
    )


# ------------------------------------------------------------------------- a positive eigenvalue is not enough

SADDLE = sp.diag(1, -1)
SADDLE_START = sp.Matrix([HALF, 1])


def _saddle_converges() -> Proof:
    form = (SADDLE_START.T * SADDLE * SADDLE_START)[0]
    return Proof(
        steps=(
            Identity(
                name="q_1(0) = −3/4 at S = diag(1, −1), x_1 = (1/2, 1)",
                lhs=Named("(1/2, 1) diag(1, -1) (1/2, 1)^T", form),
                rhs=-sp.Rational(3, 4),
            ),
            *_along_a_line(),
            softplus_increases(),
            Limit(
                name="so x_1 → 0 although S has the eigenvalue 1",
                because="c² ≤ 1/(1 + 2|q_1(0)|δt), δ > 0 the least step on the segment from x_1(0) to 0",
                expression=1 / (1 - 2 * form * delta * _late),
                variable=_late,
            ),
        )
    )


_late = sp.Symbol("t", positive=True)


# ------------------------------------------------------------------------------------- S that is not symmetric


def _damped() -> tuple[Bound, Bound]:
    """y = |x_l|² has y′ ≤ −2λδy² + 2cy/(1 + t) if older tokens are O(t^{−1/2})."""
    y, c, own, cross = sp.symbols("y c Q w", nonnegative=True)
    damping = (sp.Ge(own, lam * y), sp.Le(cross, c * y / (1 + t)), sp.Ge(step, delta))
    claim = sp.Le(-2 * own * step * y + 2 * cross, -2 * lam * delta * y**2 + 2 * c * y / (1 + t))
    fall = (2 * lam * delta / _z**2 - 2 * _c / (_z * (1 + t))) * _z**2
    return (
        Bound(
            name="a token is damped by itself and driven by the others at rate c/(1 + t)",
            because="x_lᵀx_l′ = q_lΔ_l|x_l|² + Σ_{j<l} w_j p_j x_jᵀx_l; Q = −q_l ≥ λy, |p_j x_jᵀx_l| ≤ ‖S‖|x_j|²y",
            claim=claim,
            given=damping,
        ).but_not("the step may vanish", given=damping[:2]),
        Bound(
            name="z = 1/y has z′ ≥ 2λδ − 2cz/(1 + t)",
            because="z′ = −y′z²",
            claim=sp.Ge(fall, 2 * lam * delta - 2 * _c * _z / (1 + t)),
        ).but_not("half the drive", claim=sp.Ge(fall, 2 * lam * delta - _c * _z / (1 + t))),
    )


def _integrated() -> tuple[Identity, Identity, Bound, Bound]:
    """That gives y ≤ 1/(m(1 + t))."""
    z = sp.Function("z", positive=True)(time)
    z0, rate, power, least, grown = sp.symbols("z_0 rho c m G", positive=True)
    level = 2 * rate / (2 * power + 1)
    claim = sp.Ge(z0 + level * (grown - 1), sp.Min(z0, level) * grown)
    return (
        Identity(
            name="integrating factor (1 + t)^{2c}",
            because="at z′ = 2ρ − 2cz/(1 + t), ρ = λδ",
            lhs=Along((1 + time) ** (2 * power) * z, {z: 2 * rate - 2 * power * z / (1 + time)}),
            rhs=2 * rate * (1 + time) ** (2 * power),
            given=(sp.Gt(1 + time, 0),),
        ),
        Identity(
            name="its integral is 2ρ(G − 1)/(2c + 1), G = (1 + t)^{2c+1}",
            lhs=sp.Derivative(level * ((1 + time) ** (2 * power + 1) - 1), time),
            rhs=2 * rate * (1 + time) ** (2 * power),
            given=(sp.Gt(1 + time, 0),),
        ),
        Bound(
            name="(1 + t)^{2c}z ≥ m(1 + t)^{2c+1}, m = min(z_0, 2ρ/(2c + 1))",
            because="G ≥ 1",
            claim=claim,
            given=(sp.Ge(grown, 1),),
        )
        .but_not("m = z_0", claim=claim.subs(sp.Min(z0, level), z0))
        .but_not("G below 1", given=()),
        Bound(
            name="|x_l|² ≤ 1/(m(1 + t))",
            claim=sp.Le(1 / _z, 1 / (least * (1 + t))),
            given=(sp.Ge(_z, least * (1 + t)),),
        ),
    )


_z, _c = sp.symbols("z c", positive=True)


def _second_token() -> tuple[Identity, Identity, Bound]:
    """x_2 = n w with n′ = −αn, w′ = β(k·w)v, v = x_1(0), k = Sv: w is explicit and bounded."""
    n, w, kw = (sp.Function(name, real=True)(time) for name in ("n", "w", "h"))
    alpha, beta, form, v = sp.symbols("alpha beta q v", real=True)
    start = sp.Symbol("h_0", positive=True)
    flow = {n: -alpha * n, w: beta * kw * v, kw: beta * form * kw}
    factor = sp.Symbol("e", nonnegative=True)
    drift = (1 - factor) * start
    return (
        Identity(
            name="the second token splits into a damping and a linear flow",
            because="x_2′ = q_2Δ_2x_2 + w_1(x_2ᵀSx_1)x_1, x_1 = cv: α = −q_2Δ_2, β = w_1c², h = k·w, one coordinate",
            lhs=Along(n * w, flow),
            rhs=-alpha * (n * w) + beta * (n * kw) * v,
        ),
        Identity(
            name="along the flow w − (h/q)v does not change",
            because="h = k·w has h′ = β(k·v)h and k·v = vᵀSv = q < 0",
            lhs=Along(w - kw / _nonzero * v, {**flow, kw: beta * _nonzero * kw}),
            rhs=sp.S.Zero,
        ),
        Bound(
            name="so w stays within |h(0)v/q| of its start",
            because="h = e h(0) with e = exp(q∫β) ∈ [0, 1]: the token is bounded, hence Δ_2 ≥ δ > 0",
            claim=sp.And(sp.Ge(drift, 0), sp.Le(drift, start)),
            given=(sp.Le(factor, 1),),
        ).but_not("q > 0: e may exceed 1", given=()),
    )


_nonzero = sp.Symbol("q", negative=True)


def _nonsymmetric() -> Proof:
    return Proof(
        steps=(
            *_along_a_line(),
            softplus_increases(),
            *_second_token(),
            *_damped(),
            *_integrated(),
        )
    )


# ------------------------------------------------------------------------------------------------- statements

begun, now, form, rise, step_now = sp.symbols("X_0 X_t q_0 dq_0 Delta_0", real=True)
"""|x_l|² at the start and at t; q_l, its derivative and the step Δ_l at the start."""
definite, kernel = predicate("S<0"), predicate("Sx=0")
largest, least, seen, moving = sp.symbols("lambda delta delta_t speed", real=True)
"""λ with −xᵀSx ≥ λ|x|² (0 unless S ≺ 0), softplus(−‖S_Δ‖√(|q_l(0)|/λ)), the least Δ_l up to t, and |dx_l/dt|² at 0."""
SYMMETRIC_FORM = sp.And(
    sp.Ge(rise, 2 * step_now * form**2),
    sp.Implies(definite, sp.Le(now * largest * (1 + 2 * least * after * sp.Abs(form)), sp.Abs(form))),
    sp.Implies(sp.Gt(form, 0), sp.Lt(2 * seen * form * after, 1)),
    sp.Implies(kernel, sp.Eq(moving, 0)),
)
toward = sp.Symbol("w", real=True)
"""S_Δ·x_1(0)."""
ON_SEGMENT = softplus(sp.Min(0, toward))
"""The least step on the way from x_1(0) to 0."""
LINE = sp.And(
    sp.Implies(sp.Lt(form, 0), sp.Le(now * (1 + 2 * sp.Abs(form) * ON_SEGMENT * after), begun)),
    sp.Equivalent(sp.Eq(form, 0), sp.Eq(moving, 0)),
)
top = sp.Symbol("e_max", real=True)
"""The largest eigenvalue of S."""
SADDLE_FALLS = sp.And(
    sp.Gt(top, 0),
    sp.Le(now * (1 + sp.Rational(3, 2) * ON_SEGMENT * after), sp.Rational(5, 4)),
)
room, driven, pairing, first, first_form = sp.symbols("lambda c p X_1 q_1", real=True)
"""λ with −xᵀSx ≥ λ|x|²; c = ‖S‖ΣC_j sup Δ_j; x_2(0)ᵀSx_1(0), |x_1(0)| and q_1(0)."""
SECOND = predicate("l=2")
DAMPED = sp.And(
    sp.Le(now * (1 + after) * sp.Min(1 / begun, 2 * room * seen / (2 * driven + 1)), 1),
    sp.Implies(SECOND, sp.Le(sp.sqrt(now), sp.sqrt(begun) + sp.Abs(pairing) * first / sp.Abs(first_form))),
)
DEFINITE = Hypothesis(
    "λ > 0", "the symmetric part of S is negative definite", sp.Gt(room, 0), r"-x^\top Sx\ge\lambda|x|^2,\ \lambda>0"
)
radius, smallest = sp.symbols("epsilon X_min", real=True)
"""How small a token is to become, and how small it is met on the way to t = 10^8."""
TO_ZERO = sp.Gt(radius - smallest, 0)

CLAIMS = (
    Claim(
        id="dynamics.nd-symmetric",
        paper=PAPER,
        form=Form.EXTENSION,
        title="symmetric S: the sign of x_lᵀSx_l decides",
        statement=r"q_l=x_l^\top Sx_l,\ \dot q_l\ge2\Delta_lq_l^2:\quad "
        r"S\preceq-\lambda\Rightarrow\lambda|x_l|^2\le\frac1{|q_l(0)|^{-1}+2\delta t},\ "
        r"\delta=\mathrm{softplus}(-\|S_\Delta\|\sqrt{|q_l(0)|/\lambda});\quad "
        r"q_l(0)>0\Rightarrow2q_l(0)\,t\min_{[0,t]}\Delta_l<1,\text{ so }x_l\text{ is unbounded};\quad "
        r"x_l\in\ker S\Rightarrow x_l\text{ frozen}",
        hypotheses=(
            Hypothesis("S symmetric", "S = S_CᵀS_B is symmetric", predicate("symmetric"), r"S=S_C^\top S_B=S^\top"),
        ),
        expected=Outcome.DERIVED,
        formula=SYMMETRIC_FORM,
        cites=(COMPARISON, CONTINUATION),
        proof=_symmetric,
    ),
    Claim(
        id="dynamics.nd-first-token",
        paper=PAPER,
        form=Form.EXTENSION,
        title="any S: the first token stays on its line, sinks if x_1ᵀSx_1 < 0, and is frozen if it is 0",
        statement=r"q=x_1(0)^\top Sx_1(0):\quad q<0\Rightarrow|x_1|^2\le\frac{|x_1(0)|^2}{1+2|q|\delta t},\ "
        r"\delta=\mathrm{softplus}(\min(0,S_\Delta\cdot x_1(0)));\quad "
        r"q=0\iff x_1\text{ constant},\text{ as for }S^\top=-S",
        hypotheses=(OF_FIRST,),
        expected=Outcome.DERIVED,
        formula=LINE,
        proof=_on_its_line,
    ),
    Claim(
        id="dynamics.nd-positive-eigenvalue",
        paper="Vo, Pham, Tong & Nguyen (ICLR 2025), the observation in two dimensions, restated:"
        " with a positive eigenvalue of S all tokens diverge",
        form=Form.RESTATED,
        title="under our reading of it, a positive eigenvalue of S is not enough",
        statement=r"\text{our reading: }\lambda_{\max}(S)>0\Rightarrow|x_l(t)|\to\infty\text{ for every }x_l(0)\ne0.\ "
        r"\text{It fails here:}\quad |x_1(t)|^2\le\frac{5/4}{1+\frac32\delta t},\ "
        r"\delta=\mathrm{softplus}(\min(0,S_\Delta\cdot x_1(0)))",
        hypotheses=(
            OF_FIRST,
            Hypothesis("S", "S = diag(1, −1)", predicate("S"), r"S=\operatorname{diag}(1,-1)"),
            Hypothesis("x(0)", "x_1 starts at (1/2, 1)", predicate("x(0)"), r"x_1(0)=(\tfrac12,1)"),
        ),
        depends_on=("dynamics.nd-first-token",),
        expected=Outcome.DERIVED,
        formula=SADDLE_FALLS,
        proof=_saddle_converges,
    ),
    Claim(
        id="dynamics.nd-nonsymmetric",
        paper=PAPER,
        form=Form.EXTENSION,
        title="S with negative definite symmetric part: tokens 1 and 2 tend to 0, and every token of bounded steps",
        statement=r"|x_l|^2\le\frac1{m(1+t)},\ m=\min\bigl(|x_l(0)|^{-2},\tfrac{2\lambda\delta}{2c+1}\bigr),\ "
        r"\delta=\min_{[0,t]}\Delta_l,\ c=\|S\|\sum_{j<l}C_j\sup\Delta_j,\ |x_j|^2\le C_j/(1+t);\quad "
        r"|x_2(t)|\le|x_2(0)|+\frac{|x_2(0)^\top Sx_1(0)||x_1(0)|}{|q_1(0)|},"
        r"\text{ so }\Delta_1,\Delta_2\text{ keep a floor}",
        hypotheses=(DEFINITE,),
        depends_on=("dynamics.nd-first-token",),
        expected=Outcome.DERIVED,
        formula=DAMPED,
        proof=_nonsymmetric,
    ),
    Claim(
        id="dynamics.nd-conjecture",
        paper=PAPER,
        form=Form.EXTENSION,
        title="conjecture: then every token tends to 0, bounded steps or not",
        statement=r"-x^\top Sx\ge\lambda|x|^2,\ \lambda>0\ \Rightarrow\ x_l\to0\text{ for every }l",
        hypotheses=(DEFINITE,),
        expected=Outcome.TESTED,
        formula=TO_ZERO,
    ),
)
