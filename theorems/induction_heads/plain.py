"""Induction heads: what plain S6 with a constant decay can do (extension F), and where floats stop it.

ρ = e^{−λΔ}; column q of the state holds what followed q, a write g steps ago weighing ρ^g.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.induction_heads.lemma3 import HALF, n, rho
from mamba_theorems.theorems.proofs.calculus import Grows
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cited,
    Enclosed,
    Induction,
    InductionOn,
    Limit,
    Proof,
    invariant,
)
from mamba_theorems.theorems.proofs.written import product
from mamba_theorems.theorems.statement import Hypothesis, predicate

unit = sp.Symbol("u", positive=True)
DIGITS = (24, 53)


# ------------------------------------------------------------------------------------------------ the statements

count = sp.Symbol("n", integer=True, nonnegative=True)
"""Lengths up to n + 3: at most n writes are older than the latest one."""
theta = sp.Symbol("theta", real=True)
num_tokens = sp.Symbol("V", integer=True, positive=True)
right = predicate("right")
"""Every position of every sequence of at most n + 3 tokens is answered; of the limits: q^k v q is."""
DECAYS = Hypothesis("λΔ > 0", "the state decays", sp.Lt(rho, 1), r"\rho=e^{-\lambda\Delta}<1")
TWO_TOKENS = Hypothesis("|V| ≥ 2", "at least two tokens", sp.Ge(num_tokens, 2), r"|V|\ge2")
ABOVE_ZERO = Hypothesis("θ > 0", "the blank logit is above an empty column", sp.Gt(theta, 0), r"\theta>0")
BELOW_EVERY_WRITE = Hypothesis(
    "θ < ρ^(n+1)", "the blank logit is below every write", sp.Lt(theta, rho ** (count + 1)), r"\theta<\rho^{n+1}"
)
THRESHOLD = sp.And(sp.Equivalent(right, sp.Gt(rho ** (count + 1), 2 * rho - 1)), sp.Implies(sp.Le(rho, HALF), right))

digits, least, repeats, steps = sp.symbols("p s k g", integer=True, nonnegative=True)
"""Floats of p bits, the least one 2^{−s}; q is repeated k times; g steps lie between a write and its query."""
alone, reach = sp.symbols("alone reach", integer=True)
"""The last gap at which a lone write is not 0, and at which every input is answered."""
roundoff = 2**-digits
HALVES = Hypothesis("ρ ≤ ½", "each step at least halves", sp.Le(rho, HALF), r"\hat\rho\le\tfrac12")
HALF_IS_NORMAL = Hypothesis("s ≥ p", "1/2 is a normal number", sp.Ge(least, digits), r"s\ge p")
LIMITS = sp.And(
    sp.Implies(sp.Eq(rho, HALF), sp.Equivalent(right, sp.Lt(repeats, digits + 2))),
    sp.Implies(sp.Le(rho, HALF - roundoff), right),
    sp.Lt(sp.Abs(alone * sp.log(1 / rho) - least * sp.log(2)), sp.log(1 / rho) + 2 * (least - digits + 1) * roundoff),
    sp.Implies(sp.Gt(2**least * rho**steps * (1 - 2 * rho - 4 * steps * roundoff), 1), sp.Ge(reach, steps)),
)


# ------------------------------------------------------------------------------------------------ real arithmetic


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


def _weighs_less() -> tuple[Bound, Bound, Limit]:
    """ρ + … + ρ^n < 1 exactly if ρ^{n+1} > 2ρ − 1: for every n if ρ ≤ ½, and only up to some n else."""
    power, x, times = sp.symbols("y x m", positive=True)
    lighter, above = sp.Lt(rho * (1 - power) / (1 - rho), 1), sp.Gt(rho * power, 2 * rho - 1)
    below_one = sp.Lt(rho, 1)
    return (
        Bound(
            name="they weigh less than 1 exactly if ρ^{n+1} > 2ρ − 1",
            because="y = ρ^n; at most n writes are older, since L ≤ n + 3",
            claim=sp.Equivalent(lighter, above),
            given=(below_one,),
        ).but_not("ρ^n", claim=sp.Equivalent(lighter, sp.Gt(power, 2 * rho - 1))),
        Bound(name="for every n if ρ ≤ ½", claim=above, given=(sp.Le(rho, HALF),)).but_not(
            "ρ ≤ 0.6", given=(sp.Le(rho, sp.Rational(3, 5)),)
        ),
        Limit(
            name="if ρ > ½ only while ρ^{n+1} > 2ρ − 1 > 0, which ends: ρ^m → 0",
            because="ρ = e^{−xc} for some c > 0; here c = 1",
            expression=sp.exp(-x * times),
            variable=times,
        ),
    )


def _threshold() -> Bound:
    h = sp.Symbol("h", nonnegative=True)
    return Bound(
        name="ρ = e^{−λΔ} ≤ ½ for λΔ ≥ ln 2", because="λΔ = ln 2 + h: 2e^h ≥ 2", claim=sp.Ge(2 * sp.exp(h), 2)
    ).but_not("2.1", claim=sp.Ge(2 * sp.exp(h), sp.Rational(21, 10)))


def _blank() -> Bound:
    kept, floor = sp.symbols("rho_g rho_L", positive=True)
    claim = sp.And(sp.Gt(kept, theta), sp.Gt(theta, 0))
    given = (sp.Gt(floor, theta), sp.Ge(kept, floor), sp.Gt(theta, 0))
    return Bound(
        name="blank: a constant logit θ, 0 < θ < ρ^{n+1}",
        because="a column's latest write keeps ρ^g, g ≤ L − 2 ≤ n + 1; a column never written is 0 < θ",
        claim=claim,
        given=given,
    ).but_not("θ above ρ^{n+1}", given=given[1:])


def _plain() -> Proof:
    return Proof(steps=(_leaky_count(), _dominates(), *_weighs_less(), _threshold(), _blank()))


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


def _normal_range() -> Grows:
    """|ln(1 + δ)| ≤ 2u for |δ| ≤ u ≤ ½."""
    u = sp.Symbol("u", nonnegative=True)
    return Grows(
        name="a rounding in the normal range moves ln h by at most 2u",
        because="−ln(1 − u) is the larger side; at most s − p + 1 steps are normal, as each at least halves",
        larger=2 * u,
        smaller=-sp.log(1 - u),
        variable=u,
        until=HALF,
    ).but_not("u alone", larger=u)


def _underflow_error() -> tuple[InductionOn, Bound, Bound, Bound]:
    """In units of the least subnormal: M′ = round(ρM), |M − x| < 1, so the last M ≥ 1 lies within one step of x = 1."""
    number = sp.Symbol("i", integer=True, nonnegative=True)
    error, ratio = sp.Function("e", nonnegative=True)(number), sp.Symbol("rho", positive=True)
    exact, whole, following = sp.symbols("x M M_1", nonnegative=True)
    near = sp.Lt(sp.Abs(whole - exact), 1)
    alive = (sp.Ge(following, 1), sp.Le(following, rho * whole + HALF), sp.Ge(whole, 2))
    decay, last, moved, share = sp.symbols("lambda a D tau", real=True)
    top = least * sp.log(2)
    before, after = sp.Lt((last - 1) * decay, top + moved), sp.Gt((last + 1) * decay, top + moved)
    within = (before, after, sp.Le(sp.Abs(moved), 2 * share))
    return (
        invariant(
            name="rounding to whole subnormals is off by less than 1",
            because="from the first subnormal on, which is exact: e′ ≤ ρe + ½",
            conclusion=sp.Lt(error, 1),
            index=number,
            initial={error: 0},
            following={error: ratio * error + HALF},
            given=(sp.Le(ratio, HALF),),
            wrong={"ρ = 0.6": {"given": (sp.Le(ratio, sp.Rational(3, 5)),)}},
        ),
        Bound(
            name="the last write that is not 0 came from M ≥ 2, so x > 1 a step earlier",
            because="round(ρ·1) = 0 for ρ ≤ ½ (a tie goes to even)",
            claim=sp.Gt(exact, 1),
            given=(near, sp.Le(rho, HALF), *alive),
        ).but_not("M = 1 survives", given=(near, sp.Le(rho, HALF), *alive[:2])),
        Bound(name="and a step later it is 0, so x < 1", claim=sp.Lt(exact, 1), given=(near, sp.Eq(whole, 0))),
        Bound(
            name="so |gap λΔ − s ln 2| < λΔ + 2(s − p + 1)u",
            because="x = 2^s ρ^g e^D: ln x = s ln 2 − gλΔ + D, D all roundings in the normal range, τ = (s − p + 1)u",
            claim=sp.Lt(sp.Abs(last * decay - top), decay + 2 * share),
            given=within,
        ).but_not("without the normal range", claim=sp.Lt(sp.Abs(last * decay - top), decay), given=within),
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
        name="for every input: exact while 2^s ρ^g(1 − 2ρ − 2f(1 − ρ)) > 1",
        because="q^k before v: its ratio tends to ρ/(1 − ρ). Errors: ½/(1 − ρ) below the normal range, f = 2gu above",
        claim=claim,
        given=given,
    ).but_not("as if the write were alone", given=(*given[:3], sp.Gt(x, 1)))


def _limits() -> Proof:
    return Proof(
        steps=(
            *(step for digits in DIGITS for step in _half_ties(digits)),
            *_rounded_sum(),
            _normal_range(),
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
        title="plain S6 with constant Δ is an induction head on every sequence of every length exactly when λΔ ≥ ln 2",
        statement=r"\text{every sequence of at most }n+3\text{ tokens is answered}\iff\rho^{n+1}>2\rho-1"
        r"\ (\iff\rho+\dots+\rho^n<1);\quad\text{so for every }n\iff\rho=e^{-\lambda\Delta}\le\tfrac12",
        hypotheses=(DECAYS, TWO_TOKENS, ABOVE_ZERO, BELOW_EVERY_WRITE),
        formula=THRESHOLD,
        expected=Outcome.FORMAL,
        proof=_plain,
        formal=Formal(
            ("induction_heads.PlainS6.plain_s6_threshold", "real.PlainS6.plain_s6_every_length"),
            refused=(
                Weakened("one token", "plain_s6_threshold n : (1 < V)%N ->", "plain_s6_threshold n : (0 < V)%N ->"),
                Weakened("a blank logit of 0", "(1 < V)%N -> 0 < theta ->", "(1 < V)%N -> 0 <= theta ->"),
                Weakened("one token more", "(size s <= n + 3)%N -> (t", "(size s <= n + 4)%N -> (t"),
                Weakened("ρ up to 3/5", "(rho <= 2%:R^-1 -> right n)", "(rho <= 3%:R / 5%:R -> right n)"),
                Weakened(
                    "ρ^n",
                    "(right n <-> 2%:R * rho - 1 < rho ^+ n.+1)",
                    "(right n <-> 2%:R * rho - 1 < rho ^+ n)",
                ),
            ),
        ),
    ),
    Claim(
        id="induction.plain-s6-limits",
        paper="Extension F",
        form=Form.EXTENSION,
        title="how far plain S6 reaches in floats of p bits, the least one 2^−s",
        statement=r"\hat\rho=\tfrac12:\ q^kvq\text{ is answered}\iff k<p+2;\quad"
        r"\hat\rho\le\tfrac12-2^{-p}:\text{ for every }k;\quad"
        r"|\text{gap}\,\lambda\Delta-s\ln2|<\lambda\Delta+2(s-p+1)2^{-p};\quad"
        r"\text{every input at gap }g\text{ if }2^s\hat\rho^g(1-2\hat\rho-4g\,2^{-p})>1",
        hypotheses=(HALVES, HALF_IS_NORMAL),
        formula=LIMITS,
        expected=Outcome.DERIVED,
        proof=_limits,
    ),
)
