"""Corollary 1: how fast S6 and S4D approximate piecewise-constant functions, printed, amended, and exactly.

Haar coefficients of a step at any position, the exact error of a truncated Haar series, Fourier's upper bound, and
the shortcut that makes all rates for S6 moot: m jumps need m + 1 Heavisides.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Erratum, Form, Outcome
from mamba_theorems.theorems.haar.pointwise import KAPPA, W
from mamba_theorems.theorems.haar.separation import N, lower_bound_steps
from mamba_theorems.theorems.proofs.calculus import Integrated
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cases,
    Cited,
    Enclosed,
    Identity,
    Induction,
    Limit,
    Proof,
    Step,
    invariant,
)
from mamba_theorems.theorems.proofs.written import Named, product
from mamba_theorems.theorems.statement import Hypothesis, predicate

m, J, k = sp.symbols("m J k", integer=True, positive=True)
x, y, t = sp.symbols("x y t", real=True)
C, total, norm = sp.symbols("C S rho", positive=True)
UNIT = (sp.Ge(x, 0), sp.Le(x, 1))
HALF = sp.S.Half


# --- extension A -----------------------------------------------------------------------------------------------------


VANISHES = Limit(
    name="the error Σ|jump| ‖g/B − H‖ tends to 0",
    because="triangle inequality; ‖g/B − H‖² ≤ ½√(π/W) + (π²/12W)² by haar.thm1-amended; S = |c_0| + Σ|J_i|",
    expression=total * sp.sqrt(sp.sqrt(sp.pi / W) / 2 + KAPPA**2 / W**2),
    variable=W,
)


def _exact_jumps() -> Proof:
    level = sp.Function("c", real=True)
    i = sp.Symbol("i", integer=True, nonnegative=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)

    def next_level(f: sp.Expr, at: sp.Symbol) -> sp.Expr:
        return f + level(at + 1) - level(at)

    sums = Induction(
        name="the n-th level is the first plus all jumps",
        because="between t_n and t_{n+1} f is c_0 H(s) + Σ_{i≤n} (c_i − c_{i−1}) H(s − t_i)",
        index=n,
        initial=level(0),
        next=next_level,
        closed=level(0) + sp.Sum(level(i) - level(i - 1), (i, 1, n)),
    )
    return Proof(
        steps=(
            sums,
            Induction(name="which telescopes to c_n", index=n, initial=level(0), next=next_level, closed=level(n)),
            VANISHES,
        )
    )


def _s6_clause() -> Proof:
    """With N ≥ m + 1 the error is as small as we like; below, a constant is enough."""
    gap = sp.Symbol("g", nonnegative=True)
    above_one = Bound(name="e^g ≥ 1 + g", claim=sp.Ge(sp.exp(gap), 1 + gap))
    few = (sp.Le(x, m), sp.Ge(x, 0))
    squared = sp.Rational(887, 1000) * x + sp.Rational(677, 1000) * x**4
    return Proof(
        steps=(
            Enclosed(name="½√π < 0.887", claim=sp.Lt(sp.sqrt(sp.pi) / 2, sp.Rational(887, 1000), evaluate=False)),
            Enclosed(name="(π²/12)² < 0.677", claim=sp.Lt(KAPPA**2, sp.Rational(677, 1000), evaluate=False)),
            Bound(
                name="W = (5/2)(S/η)⁴ is enough for an error η ≤ S",
                because="r = W^{−1/2} ≤ 1: squared norm ≤ 0.887r + 0.677r⁴ ≤ √(5/2)·r = η²/S²",
                claim=sp.Le(squared, sp.Rational(158, 100) * x),
                given=UNIT,
            )
            .but_not("W = 2(S/η)⁴", claim=sp.Le(squared, sp.Rational(141, 100) * x))
            .but_not("W below 1", given=UNIT[:1]),
            Enclosed(
                name="√(5/2) > 1.58", claim=sp.Gt(sp.sqrt(sp.Rational(5, 2)), sp.Rational(158, 100), evaluate=False)
            ),
            above_one,
            Bound(name="N ≤ m: 1/3 − N/(3m) ≥ 0", claim=sp.Ge(sp.Rational(1, 3) - x / (3 * m), 0), given=few).but_not(
                "for N ≤ 2m", given=(sp.Le(x, 2 * m), few[1])
            ),
            Bound(
                name="so 0 is close enough: ‖f‖ < S",
                because="2^{1/3 − N/(3m)} = e^g with g ≥ 0",
                claim=sp.Ge(norm * sp.exp(gap), norm),
                given=(above_one.relation,),
            ),
        )
    )


def _s4d_clause_fails() -> Proof:
    """The proved lower bound beats C/N for N > 3π²C²."""
    root = sp.Symbol("c", positive=True)
    enough = (sp.Gt(N, 3 * root), sp.Ge(N, 1))
    instance = sp.Integer(30)
    return Proof(
        steps=(
            *lower_bound_steps(),
            Bound(
                name="for every C the bound exceeds (C/N)² once N > 3c, c = π²C²",
                because="c(2N + 1) ≤ 3cN < N²",
                claim=sp.Lt(root * (2 * N + 1), N**2),
                given=enough,
            ).but_not("once N > c", given=(sp.Gt(N, root), enough[1])),
            Bound(
                name="exact instance: C = 1, N = 30",
                claim=sp.Gt(1 / (sp.pi**2 * (2 * instance + 1)), 1 / instance**2, evaluate=False),
            ).but_not("N = 19", claim=sp.Gt(1 / (sp.pi**2 * 39), sp.Rational(1, 19**2))),
        )
    )


# --- amended ---------------------------------------------------------------------------------------------------------


def _coefficient() -> tuple[Step, ...]:
    """⟨1_[0,p), ψ_{j,k}⟩ = 2^{−j/2}·dist(2^j p, ℤ): y is the position of p inside its dyadic cell."""
    a = sp.Symbol("a", positive=True)
    return (
        Integrated(
            name="up to the middle of the cell", integrand=sp.S.One, variable=t, high=y, antiderivative=t, value=y
        ),
        Identity(
            name="past the middle the second half takes away",
            because="½ − (y − ½) = 1 − y, so the integral is min(y, 1 − y); full cells give 0",
            lhs=sp.Integral(1, (t, 0, HALF)) - sp.Integral(1, (t, HALF, y)),
            rhs=1 - y,
        ),
        Identity(name="scaling: 2^{j/2} ds = 2^{−j/2} dy", lhs=product(sp.sqrt(a), 1 / a), rhs=1 / sp.sqrt(a)),
    )


def _levels() -> tuple[Step, ...]:
    """2^{−J}x(1 − x), x the fractional part of 2^J p, is the squared error after levels 0 … J − 1 and the constant."""
    coefficient = sp.Min(x, 1 - x)
    following = sp.Piecewise((2 * x, x < HALF), (2 * x - 1, True))
    step = Bound(
        name="one more level takes min(x, 1 − x)² off, and doubles 2^J p",
        because="times 2^J: x(1 − x) − min(x, 1 − x)² = x′(1 − x′)/2, x′ the fractional part of 2x",
        claim=sp.Eq(x * (1 - x) - coefficient**2, following * (1 - following) / 2, evaluate=False),
        given=UNIT,
    ).but_not(
        "coefficient min(x, 1 − x)/√2",
        claim=sp.Eq(x * (1 - x) - coefficient**2 / 2, following * (1 - following) / 2, evaluate=False),
    )
    base = Identity(
        name="the constant leaves p(1 − p)",
        because="the mean of 1_[0,p) is p",
        lhs=sp.integrate((1 - x) ** 2, (t, 0, x)) + sp.integrate(x**2, (t, x, 1)),
        rhs=x * (1 - x),
    )
    return (
        base,
        step,
        Bound(name="at most 2^{−J}/4", claim=sp.Le(x * (1 - x), sp.Rational(1, 4)), given=UNIT),
        Cases(
            name="p = 1/3: the fractional part is 1/3 or 2/3, so (2/9)2^{−J}",
            claim=sp.Eq(x * (1 - x), sp.Rational(2, 9), evaluate=False),
            over={x: (sp.Rational(1, 3), sp.Rational(2, 3))},
        ),
        Identity(
            name="three functions a level and jump: N = 3mJ gives 2^{−J/2} = 2^{−N/(6m)}",
            lhs=2 ** (-Named("N", 3 * m * J) / (6 * m)),
            rhs=2 ** (-J / sp.S(2)),
        ),
    )


def _fourier() -> tuple[Step, ...]:
    """c_0 and the odd frequencies ±1, ±3, …, ±(2M − 1): N = 2M + 1 exponentials, squared error ≤ 1/(π²(N − 1))."""
    M, last = sp.symbols("M K", integer=True, positive=True)

    def above(end: sp.Expr) -> sp.Expr:
        return (1 / (2 * M) - 1 / (2 * end)) / 2

    i = sp.Symbol("i", integer=True, nonnegative=True)
    here, so_far = M + i, sp.Function("T", nonnegative=True)(i)
    return (
        Integrated(
            name="Fourier coefficient of a step",
            integrand=sp.exp(-2 * sp.pi * sp.I * k * t),
            variable=t,
            high=HALF,
            antiderivative=sp.exp(-2 * sp.pi * sp.I * k * t) / (-2 * sp.pi * sp.I * k),
            value=(1 - (-1) ** k) / (2 * sp.pi * sp.I * k),
        ),
        invariant(
            name="Σ_{k>M} 1/(2k − 1)² ≤ 1/(4M)",
            because="1/(2K + 1)² ≤ ½(1/(2K) − 1/(2K + 2)), telescoping from K = M; T(i) the sum up to K = M + i",
            conclusion=sp.Le(so_far, above(here)),
            index=i,
            initial={so_far: 0},
            following={so_far: so_far + 1 / (2 * here + 1) ** 2},
            wrong={"the term 1/(2K)²": {"following": {so_far: so_far + 1 / (2 * here) ** 2}}},
        ),
        Limit(name="all frequencies", expression=above(last), variable=last, value=1 / (4 * M)),
        Identity(
            name="Parseval: two coefficients 1/(π(2k − 1)) for each k > M",
            lhs=2 / sp.pi**2 / (4 * M),
            rhs=1 / (sp.pi**2 * (Named("N_Fourier", 2 * M + 1) - 1)),
        ),
        Identity(
            name="within a factor (2N + 1)/(N − 1) of the lower bound",
            lhs=1 / (sp.pi**2 * (N - 1)) / sp.UnevaluatedExpr(1 / (sp.pi**2 * (2 * N + 1))),
            rhs=(2 * N + 1) / (N - 1),
            given=(sp.Gt(N, 1),),
        ),
    )


def _amended() -> Proof:
    parseval = Cited(
        name="Parseval",
        statement="the squared error of a truncated orthonormal series is the sum of the squares left out",
        source="Parseval's identity",
    )
    return Proof(steps=(*_coefficient(), *_levels(), *_fourier(), parseval))


# --- the statements ---------------------------------------------------------------------------------------------------

count = sp.Symbol("N", integer=True, nonnegative=True)
jumps = sp.Symbol("m", integer=True, positive=True)
distance, size, constant = sp.symbols("E S C", positive=True)
"""The L² error of N functions; S = |c_0| + Σ|J_i|; a constant."""
place, part = sp.symbols("p x", real=True)
"""Where the step 1_[0,p) ends, and the fractional part of 2^J p."""
level, pairs = sp.Symbol("J", integer=True, nonnegative=True), sp.Symbol("M", integer=True, positive=True)
coefficients, projected, fourier = sp.symbols("c_J E_J E_M", nonnegative=True)
PIECEWISE = Hypothesis("PC", "f is piecewise constant on [0, 1] with m ≥ 1 jumps", predicate("PC"))
IN_UNIT = Hypothesis("0 ≤ p ≤ 1", "the step ends in [0, 1]", sp.And(sp.Ge(place, 0), sp.Le(place, 1)), r"0\le p\le1")
EXACT_RATES = sp.And(
    sp.Eq(coefficients, 2 ** (-level / sp.S(2)) * sp.Min(part, 1 - part), evaluate=False),
    sp.Eq(projected, part * (1 - part) / 2**level, evaluate=False),
    sp.Lt(fourier, 1 / (2 * sp.pi**2 * pairs)),
)

CLAIMS = (
    Claim(
        id="haar.cor1-s6",
        paper="Corollary 1 (Section 3.1), S6",
        form=Form.PRINTED,
        title="S6 approximates m jumps with L² error O(2^{−N/(3m)}): true, and moot, for N > m reaches any error",
        statement=r"\|f-e_N\|_{L^2}<2^{1/3}S\,2^{-N/(3m)},\quad S=|c_0|+\sum_{i\le m}|J_i|,\ "
        r"e_N=0\ (N\le m),\ e_N=c_0g_0+\sum_{i\le m}J_ig_i\ (N>m),\ W=\bigl\lceil\tfrac52\,2^{4N/(3m)}\bigr\rceil",
        hypotheses=(PIECEWISE,),
        depends_on=("haar.exact-jumps",),
        formula=sp.Lt(distance, size * 2 ** ((jumps - count) / (3 * jumps))),
        expected=Outcome.DERIVED,
        proof=_s6_clause,
        erratum=Erratum(
            printed="The rate O(2^{−N/(3m)}) is derived by truncating the Haar series.",
            instance="f = 1_[0,1/3): J levels leave the L² error √(2/9)·2^{−J/2} exactly; with three functions a level"
            " and jump, N = 3mJ, that is 2^{−N/(6m)}.",
            reading="the norm, not its square; the series also lacks the scaling function, and (26) needs a full basis",
            instead="haar.exact-jumps: m + 1 functions reach any error, so the printed rate, and every other, holds",
            survives="the statement, with the constant 2^{1/3}S; its argument does not give it, and no rate in N is"
            " left to state: up to m functions nothing is gained over 0 by the proof, from m + 1 on everything",
        ),
    ),
    Claim(
        id="haar.cor1-s4d",
        paper="Corollary 1 (Section 3.1), S4D",
        form=Form.PRINTED,
        title="S4D approximates a jump with L² error O(1/N)",
        statement=r"f=\mathbf1_{[0,1/2)}:\ \exists C\ \forall N:\ \inf\|f-e_N\|_{L^2}\le C/N",
        formula=sp.Le(distance, constant / count),
        every=(count,),
        some=(constant,),
        uniform=True,
        depends_on=("haar.s4d-lower-bound",),
        expected=Outcome.REFUTED,
        disproof=_s4d_clause_fails,
        erratum=Erratum(
            printed="S4D approximates functions with jumps at the rate O(N^{−1}).",
            instance="f = 1_[0,1/2), C = <C>, N = <N>: no <N> exponentials come as near to f as C/N.",
            reading="the rate as a statement about the L² norm, as for the S6 clause",
            instead="haar.s4d-lower-bound with haar.cor1-amended: the norm is Θ(N^{−1/2})",
            survives="the rate for the squared norm, and the separation, which the lower bound makes a theorem",
            case={"C": 1, "N": 20},
            further="Every C has its N: ‖f − e‖ > 1/(π√(2N + 1)) for any N exponentials, which exceeds C/N for every N "
            "> 3π²C².",
        ),
    ),
    Claim(
        id="haar.cor1-amended",
        paper="Corollary 1 (Section 3.1)",
        form=Form.AMENDED,
        title="exact Haar error of a step, and Fourier's upper bound for S4D",
        statement=r"x=\{2^Jp\}:\quad \sum_k|\langle\mathbf1_{[0,p)},\psi_{J,k}\rangle|=2^{-J/2}\min(x,1-x),\quad "
        r"\|\mathbf1_{[0,p)}-P_J\mathbf1_{[0,p)}\|^2=2^{-J}x(1-x)\ (P_J:\text{ the constant and levels }0,\ldots,J-1);"
        r"\qquad\|\mathbf1_{[0,1/2)}-F_M\|^2<\tfrac1{2\pi^2M},\ "
        r"F_M=\sum_{k\in\{0,\pm1,\pm3,\ldots,\pm(2M-1)\}}\hat f_ke^{2\pi iks},\ N=2M+1\text{ exponentials}",
        hypotheses=(IN_UNIT,),
        formula=EXACT_RATES,
        expected=Outcome.DERIVED,
        proof=_amended,
    ),
    Claim(
        id="haar.exact-jumps",
        paper="Corollary 1 (Section 3.1)",
        form=Form.EXTENSION,
        title="m jumps need only m + 1 S6 functions, for any error",
        statement=r"f=c_0H+\sum_{i\le m}J_iH(\cdot-t_i):\quad "
        r"\Bigl\|f-c_0g_0-\sum_{i\le m}J_ig_i\Bigr\|_{L^2[0,1]}"
        r"<S\,\Bigl(\tfrac12\sqrt{\tfrac\pi W}+\bigl(\tfrac{\pi^2}{12W}\bigr)^2\Bigr)^{1/2}\ \to0,\quad "
        r"S=|c_0|+\sum_{i\le m}|J_i|,\ g_i(s)=e^{-\int_s^1\mathrm{softplus}(-W(r-t_i))\,dr},\ W>0",
        hypotheses=(PIECEWISE,),
        depends_on=("haar.thm1-pointwise",),
        formula=sp.Lt(distance, size * sp.sqrt(sp.sqrt(sp.pi / W) / 2 + KAPPA**2 / W**2)),
        expected=Outcome.DERIVED,
        proof=_exact_jumps,
    ),
)
