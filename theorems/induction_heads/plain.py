"""Induction heads: what plain S6 with a constant decay can do (extension F), and where floats stop it.

ρ = e^{−λΔ}; column q of the state holds what followed q, a write g steps ago weighing ρ^g.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.induction_heads.lemma3 import HALF, halvings, n, outweighs, rho, underflows
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cited,
    Enclosed,
    Identity,
    Induction,
    InductionOn,
    Limit,
    Proof,
    invariant,
)
from mamba_theorems.theorems.proofs.written import product

unit = sp.Symbol("u", positive=True)
DIGITS = (24, 53)


def _leaky_count() -> Induction:
    return Induction(
        name="one token repeated: its older writes weigh ρ + … + ρ^n",
        because="q^{n+1} v q: each step decays the column by ρ and adds ρ at the next",
        index=n,
        next=lambda h, _: rho * (1 + h),
        closed=rho * (1 - rho**n) / (1 - rho),
        given=(sp.Lt(rho, 1),),
    )


def _dominates() -> Bound:
    """Any sequence's R is at most the repeated token's: R′ ≤ ρ(1 + R) in any case, as ρ^gap ≤ ρ."""
    mine, worst, power = sp.symbols("R S p", nonnegative=True)
    given = (sp.Le(mine, worst), sp.Le(power, rho))
    claim = sp.Le(power * (1 + mine), rho * (1 + worst))
    return Bound(
        name="no sequence does worse than one token repeated",
        because="R′ = ρ^g(1 + R) with g ≥ 1 steps between writes of the column; the right token's older writes help",
        claim=claim,
        given=given,
    ).but_not("ρ^g may exceed ρ", given=given[:1])


def _too_heavy() -> tuple[Identity, Bound]:
    """ρ > ½: ρ/(1 − ρ) > 1, so some n has ρ + … + ρ^n ≥ 1: n ≥ ln(2 − 1/ρ)/ln ρ."""
    left = sp.Symbol("y", nonnegative=True)
    heavy = sp.Gt(rho, HALF)
    total = rho * (1 - left) - (1 - rho)
    late = sp.Le(left, sp.Rational(21, 10) - 1 / rho)
    return (
        Identity(
            name="ρ + … + ρ^n − 1, times 1 − ρ",
            because="y = ρ^n",
            lhs=(rho * (1 - left) / (1 - rho) - 1) * (1 - rho),
            rhs=total,
            given=(sp.Ne(rho, 1),),
        ),
        Bound(
            name="ρ > ½ fails once ρ^n ≤ 2 − 1/ρ",
            because="2 − 1/ρ > 0 exactly when ρ > ½; q^{n+1} v q is then answered by q, or ties",
            claim=sp.And(sp.Ge(total, 0), sp.Gt(2 - 1 / rho, 0)),
            given=(heavy, sp.Le(left, 2 - 1 / rho)),
        ).but_not("before that n", claim=sp.Ge(total, 0), given=(heavy, late)),
    )


def _threshold() -> tuple[Limit, Bound]:
    product = sp.Symbol("x", real=True)
    h = sp.Symbol("h", nonnegative=True)
    return (
        Limit(
            name="ρ = e^{−λΔ} is ½ at λΔ = ln 2",
            because="continuous, and falling as λΔ grows",
            expression=sp.exp(-product),
            variable=product,
            point=sp.log(2),
            value=HALF,
        ),
        Bound(
            name="e^{−λΔ} ≤ ½ for λΔ ≥ ln 2", because="λΔ = ln 2 + h: 2e^h ≥ 2", claim=sp.Ge(2 * sp.exp(h), 2)
        ).but_not("2.1", claim=sp.Ge(2 * sp.exp(h), sp.Rational(21, 10))),
    )


def _blank() -> Bound:
    kept, theta, floor = sp.symbols("rho_g theta rho_L", positive=True)
    claim = sp.Gt(kept, theta)
    given = (sp.Gt(floor, theta), sp.Ge(kept, floor))
    return Bound(
        name="blank: a constant logit θ below ρ^L",
        because="a column's latest write keeps ρ^g, g ≤ L − 2; a column never written is 0 < θ",
        claim=claim,
        given=given,
    ).but_not("θ above ρ^L", given=given[1:])


def _plain() -> Proof:
    x, count = sp.Symbol("x", nonnegative=True), sp.Symbol("n", positive=True)
    return Proof(
        steps=(
            _leaky_count(),
            _dominates(),
            *_threshold(),
            outweighs(),
            *_too_heavy(),
            Limit(
                name="that n exists: ρ^n → 0",
                because="ρ = e^{−(1+x)c} for some c > 0; here c = 1",
                expression=sp.exp(-(1 + x) * count),
                variable=count,
            ),
            _blank(),
        )
    )


# ----------------------------------------------------------------------------- where floats stop plain S6


def _half_ties(digits: int) -> tuple[Enclosed, Enclosed]:
    """ρ = ½: the repeated token holds 2 − 2^{−(k−2)}; at k = p + 2 it needs p + 1 bits and rounds to 2, a tie."""
    spacing = sp.Pow(2, 1 - digits, evaluate=False)

    def missing(repeats: int) -> sp.Expr:
        return sp.Pow(HALF, repeats - 2, evaluate=False)

    def tie(repeats: int) -> sp.Basic:
        return sp.Le(product(2, missing(repeats)), spacing, evaluate=False)

    def fits(repeats: int) -> sp.Basic:
        return sp.Ge(missing(repeats), spacing, evaluate=False)

    return (
        Enclosed(
            name=f"p = {digits}: at k = {digits + 2} the sum is half a spacing below 2 and rounds to 2 (even)",
            because="2 − 2^{−(k−2)} after k − 1 writes; halved once it equals the latest write, 1",
            claim=tie(digits + 2),
        ).but_not("one write earlier", claim=tie(digits + 1)),
        Enclosed(name=f"p = {digits}: at k = {digits + 1} it is a float below 2", claim=fits(digits + 1)).but_not(
            "one write later", claim=fits(digits + 2)
        ),
    )


def _rounded_sum() -> tuple[Bound, Bound, Bound]:
    """In floats: X = fl(ρ̂S) ≤ 1 − 2u is kept by S = fl(X + 1), for any length, if ρ̂ ≤ ½ − u."""
    x, total, product = sp.symbols("X S Y", nonnegative=True)
    small = sp.Le(unit, sp.Rational(1, 8))
    given = (sp.Le(total, 2 - 2 * unit), sp.Le(rho, HALF - unit), small)
    kept, fits = sp.Le(rho * total, 1 - 2 * unit), sp.Le(x + 1, 2 - 2 * unit)
    decayed = sp.Le(product / 2, HALF - unit)
    return (
        Bound(
            name="X + 1 ≤ 2 − 2u, a float, so S = fl(X + 1) ≤ 2 − 2u",
            because="rounding is monotone and leaves floats alone; u = 2^{−p}, spacing 2u in [1, 2), u in [½, 1)",
            claim=fits,
            given=(sp.Le(x, 1 - 2 * unit),),
        ).but_not("X ≤ 1 − u", given=(sp.Le(x, 1 - unit),)),
        Bound(
            name="ρ̂S ≤ 1 − 2u, a float, so X′ ≤ 1 − 2u < 1",
            because="fused or not: fl(ρ̂S + 1) ≤ 2 − 2u as well",
            claim=kept,
            given=given,
        ).but_not("ρ̂ = ½", given=(given[0], sp.Le(rho, HALF), small)),
        Bound(
            name="λΔ ≥ ln 2 + 2^{−22} leaves ρ̂ ≤ ½ − 2^{−24} in float32",
            because="Y = e^{−4u} ≤ 1 − 4u + 8u², u = 2^{−24}: room for an ulp and a half of exp below ½",
            claim=decayed,
            given=(sp.Le(product, 1 - 4 * unit + 8 * unit**2), small),
        ).but_not("only ln 2 + u", given=(sp.Le(product, 1 - unit), small)),
    )


def _underflow_error() -> tuple[InductionOn, Bound, Bound]:
    """In units of the least subnormal: M′ = round(ρM), |M − x| ≤ e ≤ 1, so the last M ≥ 1 lies within one step."""
    exact, whole, following, carried = sp.symbols("x M M_1 tau", nonnegative=True)
    within = (sp.Le(sp.Abs(whole - exact), 1 + carried), sp.Le(rho, HALF))
    alive = (sp.Ge(following, 1), sp.Le(following, rho * whole + HALF), sp.Ge(whole, 2))
    index = sp.Symbol("i", integer=True, nonnegative=True)
    error = sp.Function("e", nonnegative=True)(index)
    return (
        invariant(
            name="rounding to whole subnormals is off by at most 1 (and what the normal range brings, τ)",
            because="e′ ≤ ρe + ½; τ < 2^{−16}: 126 relative errors 2^{−24} of 2^{23} units, contracted by ρ^{23}",
            conclusion=sp.Le(error, 1 + carried),
            index=index,
            initial={error: carried},
            following={error: rho * error + HALF},
            given=(sp.Le(rho, HALF),),
            wrong={"ρ = 0.6": {"given": (sp.Le(rho, sp.Rational(3, 5)),)}},
        ),
        Bound(
            name="the last write that is not 0 came from M ≥ 2, so x ≥ 1 − τ a step earlier",
            because="round(ρ·1) = 0 for ρ ≤ ½ (a tie goes to even)",
            claim=sp.Ge(exact, 1 - carried),
            given=(*within, *alive),
        ).but_not("M = 1 survives", given=(*within, *alive[:2])),
        Bound(
            name="and one step later it is 0, so x ≤ 1 + τ: the largest gap is within 1 of 149 ln 2/(λΔ)",
            because="x_g = ρ^g 2^{149} = 1 at g = 149 ln 2/(λΔ); float64: 1074; flushed to zero: 126 and 1022",
            claim=sp.Le(exact, 1 + carried),
            given=(within[0], sp.Eq(whole, 0)),
        ),
    )


def _all_inputs_gap() -> Bound:
    """Latest and older stay apart while x_g(1 − r) exceeds both errors; r = ρ/(1 − ρ)."""
    x, ahead, behind, drift = sp.symbols("x A B f", nonnegative=True)
    error = HALF / (1 - rho) + drift * x
    given = (
        sp.Lt(rho, HALF),
        sp.Ge(ahead, x - error),
        sp.Le(behind, x * rho / (1 - rho) + error),
        sp.Gt(x * (1 - 2 * rho - 2 * drift * (1 - rho)), 1),
    )
    claim = sp.Gt(ahead, behind)
    return Bound(
        name="for every input: exact while 2^{149}ρ^g(1 − 2ρ − 2f(1 − ρ)) > 1",
        because="q^k before v: its ratio tends to ρ/(1 − ρ). Errors: ½/(1 − ρ) below the normal range, f = 2gu above",
        claim=claim,
        given=given,
    ).but_not("as if the write were alone", given=(*given[:3], sp.Gt(x, 1)))


def _limits() -> Proof:
    return Proof(
        steps=(
            *(step for digits in DIGITS for step in _half_ties(digits)),
            *_rounded_sum(),
            halvings(),
            *underflows(150, 149, "float32, ρ = ½"),
            *_underflow_error(),
            _all_inputs_gap(),
            Cited(
                name="rounding",
                statement="monotone, exact on floats, to nearest, ties to even",
                source="IEEE 754-2019",
            ),
        )
    )


CLAIMS = (
    Claim(
        id="induction.plain-s6",
        paper="Extension F",
        form=Form.EXTENSION,
        title="plain S6 is an induction head exactly when λΔ ≥ ln 2",
        statement=r"\text{exact on every sequence}\iff e^{-\lambda\Delta}\le\tfrac12;\quad"
        r"\text{else }q^{n+1}vq\text{ fails from }\rho^n\le2-1/\rho",
        hypotheses=(r"\Delta\text{ constant}", r"\text{real arithmetic}", r"0<\theta<\rho^{L}\text{ the blank logit}"),
        proof=_plain,
    ),
    Claim(
        id="induction.plain-s6-limits",
        paper="Extension F",
        form=Form.EXTENSION,
        title="how far plain S6 reaches in floats",
        statement=r"\rho=\tfrac12:\ q^kvq\text{ fails first at }k=p+2;\quad\hat\rho\le\tfrac12-u:\text{ no }k;\quad"
        r"|\text{gap}-149\ln2/(\lambda\Delta)|\le1;\quad\text{all inputs: }2^{149}\rho^g(1-2\rho-4gu)>1",
        hypotheses=(r"u=2^{-p},\ p=24\ (53);\ 149\ (1074;\ 126,\,1022\text{ without subnormals})",),
        depends_on=("induction.plain-s6",),
        proof=_limits,
    ),
)
