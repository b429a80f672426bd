"""Theorem 1 for a wavelet: a selective kernel tends to a Heaviside step, in L² but never uniformly.

g(s) = B exp(−∫_s^1 softplus(−W(r − t̂)) dr), three of them for a wavelet; distances from t̂ are u to the left, x to the
right, R = 1 − t̂, and e = g/B − H = p − q with p to the left of t̂ and q to the right.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.haar.pointwise import EXPONENT, KAPPA, W, dilog, s, v
from mamba_theorems.theorems.proofs.calculus import Grows, Integrated
from mamba_theorems.theorems.proofs.proof import Bound, Cases, Cited, Enclosed, Identity, Limit, Proof, Specialise, Step
from mamba_theorems.theorems.statement import Hypothesis

u, x, R = sp.symbols("u x R", positive=True)


def exponent(low: sp.Expr, high: sp.Expr) -> sp.Integral:
    """∫ softplus(−W v) dv, v the distance from the threshold."""
    return sp.Integral(softplus(-W * v), (v, low, high))


def closed_exponent(low: sp.Expr) -> sp.Expr:
    """[Li₂(−e^{−WR}) − Li₂(−e^{−W·low})]/W."""
    return (dilog(-sp.exp(-W * R)) - dilog(-sp.exp(-W * low))) / W


CLOSED = Integrated(
    name="the exponent in closed form",
    because="Li₂(−e^{−Wv})/W is an antiderivative of softplus(−Wv)",
    integrand=softplus(-W * v),
    variable=v,
    low=s,
    high=R,
    antiderivative=dilog(-sp.exp(-W * v)) / W,
    value=closed_exponent(s),
).but_not(
    "Li₂(+e^{−Wv})", antiderivative=dilog(sp.exp(-W * v)) / W, value=(dilog(sp.exp(-W * R)) - dilog(sp.exp(-W * s))) / W
)
EXP_DECREASES = Grows(
    name="e^{−a} decreases",
    larger=sp.exp(-sp.Symbol("b", nonnegative=True)),
    smaller=sp.exp(-EXPONENT),
    variable=EXPONENT,
    start=sp.Symbol("b", nonnegative=True),
)


LI_NEGATIVE = Grows(name="Li₂(−a) ≤ 0", larger=-dilog(-u), smaller=sp.S.Zero, variable=u)
LI_LEAST = Grows(
    name="Li₂(−e^{−Wx}) ≥ −π²/12",
    because="it increases in x from Li₂(−1) = −π²/12",
    larger=dilog(-sp.exp(-W * x)),
    smaller=-KAPPA,
    variable=x,
).but_not("−π²/13 for −π²/12", smaller=-(sp.pi**2) / 13)


def right_tail() -> tuple[Step, ...]:
    """∫_x^R softplus(−Wv) dv ≤ π²/(12W) for x > 0: so 1 − g/B ≤ π²/(12W) to the right of t̂."""
    far = Specialise(name="Li₂ at the end is ≤ 0", of=LI_NEGATIVE, at={u: sp.exp(-W * R)})
    known = (sp.Ge(-dilog(-sp.exp(-W * R)), 0), LI_LEAST.relation)
    tail = Bound(
        name="right tail: exponent ≤ π²/(12W)", claim=sp.Le(closed_exponent(x), KAPPA / W), given=known
    ).but_not("π²/(13W)", claim=sp.Le(closed_exponent(x), sp.pi**2 / (13 * W)))
    return far, tail


def gaussian() -> tuple[Step, ...]:
    """∫_0^∞ e^{−Wv²} dv = ½√(π/W)."""
    value = sp.sqrt(sp.pi / W) / 2 * sp.erf(sp.sqrt(W) * x)
    return (
        Integrated(
            name="Gaussian integral",
            integrand=sp.exp(-W * v**2),
            variable=v,
            high=x,
            antiderivative=sp.sqrt(sp.pi / W) / 2 * sp.erf(sp.sqrt(W) * v),
            value=value,
        ),
        Limit(name="over the half-line", expression=value, variable=x, value=sp.sqrt(sp.pi / W) / 2),
    )


p1, p2, p3, q1, q2, q3 = sp.symbols("p_1 p_2 p_3 q_1 q_2 q_3", nonnegative=True)


def cross_terms() -> tuple[Step, ...]:
    """What (e₁ − 2e₂ + e₃)² has beside its squares, region by region between the breakpoints."""
    e1, e2, e3 = sp.symbols("e_1 e_2 e_3", real=True)
    cross = -4 * e1 * e2 - 4 * e2 * e3 + 2 * e1 * e3
    regions = {
        "left of all": ({e1: p1, e2: p2, e3: p3}, 2 * p1 * p3),
        "first to second": ({e1: -q1, e2: p2, e3: p3}, 4 * q1 * p2),
        "second to third": ({e1: -q1, e2: -q2, e3: p3}, 4 * q2 * p3),
        "right of all": ({e1: -q1, e2: -q2, e3: -q3}, 2 * q1 * q3),
    }
    bounds = [
        Bound(name=f"cross terms {where}", claim=sp.Le(cross.subs(signs), bound, evaluate=False)).but_not(
            "half of it", claim=sp.Le(cross.subs(signs), bound / 2)
        )
        for where, (signs, bound) in regions.items()
    ]
    squares = Identity(
        name="the square of the error",
        lhs=(e1 - 2 * e2 + e3) ** 2,
        rhs=e1**2 + 4 * e2**2 + e3**2 + cross,
    )
    return squares, *bounds


delta, r = sp.symbols("delta r", positive=True)
overlap = sp.Symbol("O", nonnegative=True)
j = sp.Symbol("j", integer=True, nonnegative=True)
eps = sp.Symbol("epsilon", positive=True)


def sufficient_w(level: sp.Expr, error: sp.Expr) -> sp.Expr:
    """W(ε, j) = 32·4^j/min(1, ε)⁴: then the L² error is at most ε."""
    return 32 * 4**level / sp.Min(1, error) ** 4


def squared_error(root_pi: sp.Expr, root_2pi: sp.Expr, kappa: sp.Expr) -> sp.Expr:
    """Bound on 2^{−j}‖g₁ − 2g₂ + g₃ − ψ‖², with r = W^{−1/2} and overlap = e^{−Wδ²/2}, δ = 2^{−j}.

    Six squares ½√(π/W) + κ²/W², the overlap of the outer two, and the cross terms of right with left tails.
    """
    squares = 6 * (root_pi * r / 2 + kappa**2 * r**4)
    return squares + overlap * root_pi * r + 8 * kappa * r**2 * root_2pi * r / 2 + 2 * kappa**2 * r**4


def constants() -> tuple[Step, ...]:
    """Rational bounds on the constants that occur."""
    q = sp.Rational
    return (
        Enclosed(name="√π < 1.773", claim=sp.Lt(sp.sqrt(sp.pi), q(1773, 1000), evaluate=False)),
        Enclosed(name="√(2π) < 2.507", claim=sp.Lt(sp.sqrt(2 * sp.pi), q(2507, 1000), evaluate=False)),
        Enclosed(name="π²/12 < 0.823", claim=sp.Lt(KAPPA, q(823, 1000), evaluate=False)),
        Enclosed(name="√32 > 5.656", claim=sp.Gt(sp.sqrt(32), q(5656, 1000), evaluate=False)),
        Enclosed(name="e^{−16} < 10^{−6}", claim=sp.Lt(sp.exp(-16), q(1, 10**6), evaluate=False)),
    )


def choice_of_w() -> tuple[Step, ...]:
    """W = 32·4^j/η⁴ with η = min(1, ε): r = η²2^{−j}/√32 ≤ 1/√32, and 2^j times the bound is at most η² ≤ ε²."""
    root_pi, root_2pi, kappa, root32, m = sp.symbols("s_1 s_2 kappa s_32 m", positive=True)
    bound = squared_error(root_pi, root_2pi, kappa)
    limits = ((root_pi, 1773), (root_2pi, 2507), (kappa, 823))
    within = (
        *(sp.Lt(a, sp.Rational(b, 1000)) for a, b in limits),
        sp.Lt(overlap, sp.Rational(1, 10**6)),
        sp.Gt(root32, sp.Rational(5656, 1000)),
    )
    large = sp.Le(r * root32, 1)
    enough = (
        Bound(
            name="the bound is at most √32·r = η²/2^j",
            because="the names stand for √π, √(2π), π²/12, √32",
            claim=sp.Le(bound, root32 * r),
            given=(*within, large),
        )
        .but_not("W = 24·4^j/η⁴", claim=sp.Le(bound.subs(root_pi, 1773 / sp.S(1000)), sp.Rational(49, 10) * r))
        .but_not("W of any size", given=within)
    )
    return (
        *constants(),
        Identity(
            name="W^{−1/2} at the chosen W",
            lhs=1 / sp.sqrt(sufficient_w(j, eps)),
            rhs=sp.Min(1, eps) ** 2 / (2**j * sp.sqrt(32)),
        ),
        Bound(
            name="an error of min(1, ε) is one of at most ε, and at most 1",
            claim=sp.And(sp.Le(sp.Min(1, eps), eps), sp.Le(sp.Min(1, eps), 1)),
        ).but_not("max for min", claim=sp.Le(sp.Max(1, eps), eps)),
        Bound(
            name="the outer steps hardly overlap: e^{−16/η⁴} ≤ e^{−16}",
            because="Wδ²/2 = 16/η⁴ = 16m with m ≥ 1",
            claim=sp.Le(sp.exp(-16 * m), sp.exp(-16)),
            given=(sp.Ge(m, 1),),
        ),
        enough,
    )


OVERLAP = Bound(
    name="the outer two together: u² + (u + δ)² ≥ 2u² + δ²",
    because="so ∫p₁p₃ ≤ e^{−Wδ²/2}∫_0^∞ e^{−Wu²} du = e^{−Wδ²/2}·½√(π/W)",
    claim=sp.Ge(u**2 + (u + delta) ** 2, 2 * u**2 + delta**2),
).but_not("2δ² for δ²", claim=sp.Ge(u**2 + (u + delta) ** 2, 2 * u**2 + 2 * delta**2))
INTEGRATE = Cited(
    name="integrate the pointwise bounds",
    because="p ≤ e^{−Wu²/2}, q ≤ π²/(12W): ∫p² ≤ ½√(π/W), ∫p ≤ ½√(2π/W), and q lives on an interval of length ≤ 1",
    statement="f ≤ g pointwise implies ∫f ≤ ∫g",
    source="monotonicity of the integral",
)


def _amended() -> Proof:
    return Proof(steps=(*gaussian(), *cross_terms(), OVERLAP, INTEGRATE, *choice_of_w()))


a = sp.Symbol("a", positive=True)
value = sp.Symbol("c", real=True)


def _no_uniform_limit() -> Proof:
    """At the middle breakpoint ψ jumps from a to −a, a = 2^{j/2}, and a continuous function has one value there."""
    side, at_zero = sp.symbols("psi H_0", real=True)
    worst = sp.Max(sp.Abs(a - value), sp.Abs(-a - value))
    printed_gap = 2 - sp.exp(-W * delta**2 / 2) - 2 * KAPPA / W
    return Proof(
        steps=(
            CLOSED,
            Bound(
                name="a continuous function misses one side of the jump by at least a",
                because="g is differentiable by the closed form, so g₁ + g₃ − 2g₂ is continuous: c is its value there",
                claim=sp.Ge(worst, a),
            ).but_not("by more than a", claim=sp.Gt(worst, a)),
            Cases(name="the zero function attains it", claim=sp.Le(sp.Abs(side), a), over={side: (a, -a, 0)}),
            Bound(
                name="exact instance: j = k = 0 and ε = ½ fail for every choice of three functions",
                claim=sp.Gt(worst.subs(a, 1), sp.Rational(1, 2)),
            ).but_not("ε = 1", claim=sp.Gt(worst.subs(a, 1), 1)),
            Limit(
                name="the printed construction misses by more than 2a − o(1)",
                because="left of the middle breakpoint ψ = a; at it g₁ + g₃ − 2g₂ ≤ a(1 + e^{−Wδ²/2} − 2 + π²/(6W))",
                expression=a * printed_gap,
                variable=W,
                value=2 * a,
            ),
            Cases(
                name="(18) is H(0) at the left endpoint, where ψ of (17) is 1: so H(0) must be 1",
                claim=sp.Eq(
                    sp.Heaviside(s, at_zero) - 2 * sp.Heaviside(s - sp.S.Half, at_zero) + sp.Heaviside(s - 1, at_zero),
                    at_zero,
                    evaluate=False,
                ),
                over={s: (0,)},
            ),
        )
    )


# --- the statements ---------------------------------------------------------------------------------------------------

k = sp.Symbol("k", integer=True, nonnegative=True)
SUP, L2 = sp.symbols("E_sup E_2", nonnegative=True)
"""Distances of ψ_{j,k} from g₁ + g₃ − 2g₂ on [0, 1], as an instance has them: the supremum, and the L² norm."""


ENOUGH = Hypothesis(
    "W", "W is at least W(ε, j)", sp.Ge(W, sufficient_w(j, eps)), r"W\ge32\cdot4^j\min(1,\varepsilon)^{-4}"
)

CLAIMS = (
    Claim(
        id="haar.thm1",
        paper="Theorem 1 (Section 3.1)",
        form=Form.PRINTED,
        title="three S6 functions approximate a Haar wavelet uniformly",
        statement=r"\forall\varepsilon>0\ \forall j,k\ \exists W:\ "
        r"\sup_{s\in[0,1]}|\psi_{j,k}(s)-(g_1+g_3-2g_2)(s)|<\varepsilon,\quad "
        r"g_i(s)=2^{j/2}e^{-\int_s^1\mathrm{softplus}(-W(r-\hat t_i))\,dr}",
        formula=sp.Lt(SUP, eps),
        every=(eps, j, k),
        some=(W,),
        expected=Outcome.REFUTED,
        disproof=_no_uniform_limit,
        erratum=Erratum(
            printed="For every ε three S6 functions satisfy |ψ_{j,k}(s) − (g₁ + g₃ − 2g₂)(s)| < ε for all s in [0, 1].",
            instance="j = <j>, k = <k>, ε = <epsilon>: every g is continuous while ψ jumps by 2 at s = ½, so whatever "
            "the three functions are the error is at least 1 on one side; the printed ones with W = <W> miss ψ "
            "by more than 1 there.",
            reading="the supremum norm on [0, 1], as printed; (18) further needs H(s) = 1[s ≥ 0]",
            instead="haar.thm1-amended: L² error below ε with |w| = 32·4^j/ε⁴, and haar.thm1-pointwise: convergence"
            " at every point, with its rate",
            survives="the construction itself, three functions, and what later results use: the L² statement",
            case={"j": 0, "k": 0, "epsilon": "1/2", "W": 10},
            further="The infimum over continuous functions is exactly 2^{j/2}, attained by 0, and the printed "
            "functions' supremum tends to 2·2^{j/2} as w → −∞.",
        ),
        formal=Formal(
            ("real.HaarUniform.thm1_refuted", "real.HaarUniform.thm1_fails"),
            refused=(
                Weakened(
                    "left of the jump only",
                    "forall s, 0 <= s <= 1 -> Rabs",
                    "forall s, 0 <= s <= 1 -> s < threshold j k (1/2) -> Rabs",
                ),
                Weakened(
                    "ε up to 2·2^{j/2}",
                    "(k < 2 ^ j)%nat -> eps <= sqrt (2 ^ j) ->",
                    "(k < 2 ^ j)%nat -> eps <= 2 * sqrt (2 ^ j) ->",
                ),
                Weakened(
                    "wavelets beyond 1 too", "eps : (k < 2 ^ j)%nat -> eps <= sqrt", "eps : (0 <= k)%nat -> eps <= sqrt"
                ),
                Weakened(
                    "some ε",
                    "(forall eps j k, 0 < eps -> (k < 2 ^ j)%nat -> exists W,",
                    "(exists eps, forall j k, 0 < eps -> (k < 2 ^ j)%nat -> exists W,",
                ),
            ),
        ),
    ),
    Claim(
        id="haar.thm1-amended",
        paper="Theorem 1 (Section 3.1)",
        form=Form.AMENDED,
        title="three S6 functions approximate a Haar wavelet in L², with explicit W",
        statement=r"\|\psi_{j,k}-(g_1-2g_2+g_3)\|_{L^2[0,1]}<\varepsilon,\quad "
        r"g_i(s)=2^{j/2}e^{-\int_s^1\mathrm{softplus}(-W(r-\hat t_i))\,dr}",
        hypotheses=(ENOUGH,),
        depends_on=("haar.thm1-pointwise",),
        formula=sp.Lt(L2, eps),
        expected=Outcome.FORMAL,
        proof=_amended,
        formal=Formal(
            ("real.HaarWavelet.thm1_amended",),
            refused=(
                Weakened("half the W", "0 < eps -> 32 * 4 ^ j / Rmin", "0 < eps -> 16 * 4 ^ j / Rmin"),
                Weakened("2^j for 4^j", "0 < eps -> 32 * 4 ^ j / Rmin", "0 < eps -> 32 * 2 ^ j / Rmin"),
                Weakened("ε² for ε⁴", "Rmin 1 eps ^ 4 <= W ->", "Rmin 1 eps ^ 2 <= W ->"),
                Weakened("the middle function once", "g 0 - 2 * g (1/2) + g 1.", "g 0 - g (1/2) + g 1."),
                Weakened("not normalised", "sqrt (2 ^ j) * haar", "2 ^ j * haar"),
            ),
        ),
    ),
)
