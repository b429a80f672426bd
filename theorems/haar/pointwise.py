"""Theorem 1 at a point: an S6 function tends to a Heaviside step, in closed form and with its rates.

g(s)/B = exp(−D(s)), D(s) = ∫_s^1 softplus(−W(r − t̂)) dr. With L(y) = −Li₂(−e^{−y}), W·D(s) = L(W(s − t̂)) − L(W(1 − t̂)).
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Formal, Weakened
from mamba_theorems.theorems.proofs.calculus import Grows, Integrated
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Conjunction,
    Discharged,
    Identity,
    Proof,
    Rewritten,
    Specialise,
    Step,
)
from mamba_theorems.theorems.proofs.written import ForAll, put_in
from mamba_theorems.theorems.statement import Hypothesis

W = sp.Symbol("W", positive=True)
v, s, y, that = sp.symbols("v s y that", real=True)
"""A point of the integral, the s of eq. (8), a number, and the threshold t̂."""
a = sp.Symbol("a", positive=True)
EXPONENT = sp.Symbol("E", nonnegative=True)
KAPPA = sp.pi**2 / 12


def dilog(z: sp.Expr) -> sp.Expr:
    """Li₂(z). Only where z is a number may it have a closed form: sympy's search for one takes a second."""
    return sp.polylog(2, z, evaluate=bool(z.is_number))


def gate_integral(low: sp.Expr) -> sp.Integral:
    """∫_low^1 softplus(−W(r − t̂)) dr."""
    return sp.Integral(softplus(-W * (v - that)), (v, low, 1))


def closed_form(low: sp.Expr) -> sp.Expr:
    """The same in closed form."""
    return (dilog(-sp.exp(-W * (1 - that))) - dilog(-sp.exp(-W * (low - that)))) / W


KERNEL = sp.exp(-gate_integral(s))
"""g(s)/B of eq. (8) for λ = 1, read at t = 1."""


def before(exponent: sp.Expr) -> sp.Basic:
    """Left of t̂, g/B = e^{−exponent} lies below a Gaussian."""
    return sp.Implies(sp.Lt(s, that), sp.Lt(sp.exp(-exponent), sp.exp(-W * (s - that) ** 2 / 2)))


def after(exponent: sp.Expr) -> sp.Basic:
    """From t̂ on, 1 − g/B lies below π²/(12W)."""
    return sp.Implies(sp.Ge(s, that), sp.Lt(1 - sp.exp(-exponent), KAPPA / W))


STEEP = Hypothesis("W > 0", "the gate closes with time", sp.Gt(W, 0, evaluate=False), "W>0")
WITHIN = Hypothesis("t̂ ≤ 1", "the threshold does not lie behind the reading time", sp.Le(that, 1), r"\hat t\le1")

# --- what is known of softplus and of Li₂ -------------------------------------------------------------------------

REFLECTION = Identity(name="softplus reflects", lhs=softplus(y), rhs=y + softplus(-y))
RAMP = Bound(name="softplus lies above its ramp", claim=sp.Ge(softplus(y), y), given=(REFLECTION.relation,))
LINEAR = Bound(name="1 − e^{−a} ≤ a", claim=sp.Le(1 - sp.exp(-EXPONENT), EXPONENT))
AHEAD = sp.Ge(y, 0)


def above_the_ramp() -> tuple[Step, ...]:
    """softplus(y) ≥ y + e^{−y}/2 for y ≥ 0."""
    half = Grows(name="ln(1 + a) ≥ a/2 up to a = 1", larger=sp.log(1 + a), smaller=a / 2, variable=a, until=sp.S.One)
    small = Bound(name="e^{−y} ≤ 1", claim=sp.Le(sp.exp(-y), 1), given=(AHEAD,))
    there = Specialise(name="at a = e^{−y}", of=half, at={a: sp.exp(-y)})
    beyond = Bound(
        name="and y more on both sides",
        claim=sp.Ge(y + softplus(-y), y + sp.exp(-y) / 2),
        given=(there.relation,),
    )
    ramp = Rewritten(
        name="softplus lies above its ramp by e^{−y}/2",
        claim=sp.Ge(softplus(y), y + sp.exp(-y) / 2),
        of=beyond,
        by=(REFLECTION,),
    )
    return half, small, there, beyond, REFLECTION, ramp


LEAST = Grows(
    name="Li₂(−e^{−y}) ≥ −π²/12",
    because="it increases in y from Li₂(−1) = −π²/12",
    larger=dilog(-sp.exp(-y)),
    smaller=-KAPPA,
    variable=y,
).but_not("−π²/13 for −π²/12", smaller=-(sp.pi**2) / 13)


def dilogarithm() -> tuple[Step, ...]:
    """Li₂(−a) ≤ −ln(1 + a) < 0; −Li₂(−e^y) ≥ y²/2 + π²/12 + (1 − e^{−y})/2."""
    slope = Bound(name="(1 + a)ln(1 + a) ≥ a", claim=sp.Ge((1 + a) * sp.log(1 + a), a))
    ramp = above_the_ramp()
    return (
        slope,
        Grows(
            name="−Li₂(−a) ≥ ln(1 + a)",
            larger=-dilog(-a),
            smaller=sp.log(1 + a),
            variable=a,
            given=(ForAll(a, slope.relation),),
        ),
        LEAST,
        *ramp,
        Grows(
            name="−Li₂(−e^y) ≥ y²/2 + π²/12 + (1 − e^{−y})/2",
            because="equal at 0, and the slopes are softplus(y) and y + e^{−y}/2",
            larger=-dilog(-sp.exp(y)),
            smaller=y**2 / 2 + KAPPA + (1 - sp.exp(-y)) / 2,
            variable=y,
            given=(ForAll(y, ramp[-1].relation, AHEAD),),
        ).but_not("y² for y²/2", smaller=y**2 + KAPPA),
    )


# --- the kernel -------------------------------------------------------------------------------------------------------

CLOSED = Integrated(
    name="the exponent in closed form",
    because="Li₂(−e^{−W(v − t̂)})/W is an antiderivative of softplus(−W(v − t̂))",
    integrand=softplus(-W * (v - that)),
    variable=v,
    low=s,
    high=sp.S.One,
    antiderivative=dilog(-sp.exp(-W * (v - that))) / W,
    value=closed_form(s),
).but_not(
    "Li₂(+e^{−W(v − t̂)})",
    antiderivative=dilog(sp.exp(-W * (v - that))) / W,
    value=(dilog(sp.exp(-W * (1 - that))) - dilog(sp.exp(-W * (s - that)))) / W,
)


END, HERE = W * (1 - that), W * (s - that)
P, Q, h, D = sp.symbols("P Q h D", real=True)
"""Li₂ at the end, Li₂ at s, h = W(s − t̂), and the exponent D(s) = (P − Q)/W."""
IN_PLACE = {P: dilog(-sp.exp(-END)), Q: dilog(-sp.exp(-HERE)), h: HERE}


def ends() -> tuple[Step, ...]:
    """What the end takes away: at most π²/12, and more than nothing."""
    _, above, *_ = dilogarithm()
    return (
        Bound(name="t̂ lies ahead of the end", claim=sp.Ge(END, 0), given=(WITHIN.meaning,)),
        Specialise(name="the end takes at most π²/12", of=LEAST, at={y: END}),
        Specialise(name="and more than 0", of=above, at={a: sp.exp(-END)}),
    )


def left_tail() -> tuple[Step, ...]:
    """D(s) > W(t̂ − s)²/2 for s < t̂."""
    *_, square = dilogarithm()
    there = Specialise(name="left of t̂", of=square, at={y: -HERE})
    least = sp.Implies(sp.Ge(-h, 0), sp.Ge(-Q, h**2 / 2 + KAPPA + (1 - sp.exp(h)) / 2))
    tail = Bound(
        name="the exponent exceeds h²/(2W)",
        claim=sp.Implies(sp.Lt(h, 0), sp.Gt((P - Q) / W, h**2 / (2 * W))),
        given=(sp.Ge(P, -KAPPA), least),
    ).but_not("h²/W", claim=sp.Implies(sp.Lt(h, 0), sp.Gt((P - Q) / W, h**2 / W)))
    return (
        there,
        Discharged(name="for s ≤ t̂", of=there, conditions=(sp.Ge(-HERE, 0),)),
        tail,
        Specialise(name="left of t̂ the exponent exceeds W(t̂ − s)²/2", of=tail, at=IN_PLACE),
    )


def right_tail() -> tuple[Step, ...]:
    """D(s) < π²/(12W) for s ≥ t̂."""
    there = Specialise(name="right of t̂", of=LEAST, at={y: HERE})
    tail = Bound(
        name="the exponent stays below π²/(12W)",
        claim=sp.Implies(sp.Ge(h, 0), sp.Lt((P - Q) / W, KAPPA / W)),
        given=(sp.Ge(-P, sp.log(1 + a)), sp.Implies(sp.Ge(h, 0), sp.Ge(Q, -KAPPA))),
    ).but_not("π²/(13W)", claim=sp.Implies(sp.Ge(h, 0), sp.Lt((P - Q) / W, sp.pi**2 / (13 * W))))
    return (
        there,
        Discharged(name="for s ≥ t̂", of=there, conditions=(sp.Ge(HERE, 0),)),
        tail,
        Specialise(name="right of t̂ it stays below π²/(12W)", of=tail, at={**IN_PLACE, a: sp.exp(-END)}),
    )


def kernel() -> tuple[Step, ...]:
    """From the exponent D to g/B = e^{−D}."""
    *_, left = left_tail()
    *_, right = right_tail()
    integrals = [
        Rewritten(
            name=f"{step.name}, as an integral",
            of=step,
            by=(CLOSED,),
            claim=put_in(step.relation, {closed_form(s): gate_integral(s)}),
        )
        for step in (left, right)
    ]
    linear = Specialise(name="1 − e^{−D} ≤ D", of=LINEAR, at={EXPONENT: sp.Max(gate_integral(s), 0)})
    below = Bound(
        name="so g/B lies below the Gaussian",
        claim=before(D),
        given=(sp.Implies(sp.Lt(HERE, 0), sp.Gt(D, W * (s - that) ** 2 / 2)),),
    )
    near = Bound(
        name="and 1 − g/B below π²/(12W)",
        claim=after(D),
        given=(sp.Implies(sp.Ge(HERE, 0), sp.Lt(D, KAPPA / W)), sp.Le(1 - sp.exp(-sp.Max(D, 0)), sp.Max(D, 0))),
    )
    return (
        CLOSED,
        *integrals,
        LINEAR,
        linear,
        below,
        near,
        Specialise(name="left of t̂", of=below, at={D: gate_integral(s)}),
        Specialise(name="right of t̂", of=near, at={D: gate_integral(s)}),
    )


def _pointwise() -> Proof:
    last = kernel()
    everywhere = Conjunction(name="everywhere", of=(*last[-2:], CLOSED))
    steps = (*dilogarithm(), *ends(), *left_tail(), *right_tail(), *last, everywhere)
    return Proof(steps=steps, hypotheses=(WITHIN.meaning,))


CLAIMS = (
    Claim(
        id="haar.thm1-pointwise",
        paper="Theorem 1 (Section 3.1)",
        form=Form.AMENDED,
        title="an S6 function tends to a Heaviside step at every point, with rates and in closed form",
        statement=r"\tfrac gB=e^{-\int_s^1\mathrm{softplus}(-W(r-\hat t))dr}:\quad "
        r"\tfrac{g}{B}<e^{-W(\hat t-s)^2/2}\ (s<\hat t),\quad 1-\tfrac{g}{B}<\tfrac{\pi^2}{12W}\ (s\ge\hat t),\quad "
        r"\int_s^1\Delta=\tfrac1W\bigl[\mathrm{Li}_2(-e^{-W(1-\hat t)})-\mathrm{Li}_2(-e^{-W(s-\hat t)})\bigr]",
        hypotheses=(STEEP, WITHIN),
        formula=sp.And(
            before(gate_integral(s)), after(gate_integral(s)), sp.Eq(gate_integral(s), closed_form(s), evaluate=False)
        ),
        proof=_pointwise,
        formal=Formal(
            ("real.HaarStep.left_tail", "real.HaarStep.right_tail"),
            leaves_out="π²/12 for the 1 in 1 − g/B ≤ 1/W, and the exponent's closed form by Li₂",
            refused=(
                Weakened(
                    "twice the exponent",
                    "s6_function W t s < exp (- (W * (t - s) ^ 2 / 2)).",
                    "s6_function W t s < exp (- (W * (t - s) ^ 2)).",
                ),
                Weakened(
                    "the left tail right of t̂ too",
                    "Theorem left_tail W t s : 0 < W -> s < t <= 1 ->",
                    "Theorem left_tail W t s : 0 < W -> t <= 1 ->",
                ),
                Weakened(
                    "1/(2W) on the right", "1 - s6_function W t s <= 1 / W.", "1 - s6_function W t s <= 1 / (2 * W)."
                ),
                Weakened(
                    "a gate that opens",
                    "R := softplus (- W * (r - threshold)).",
                    "R := softplus (W * (r - threshold)).",
                ),
            ),
        ),
    ),
)
