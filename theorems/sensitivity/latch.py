"""What freezing time buys: hold the value at the last flag. One S6 state does it; no LTI mixer of any size does.

S6, N = 1, λ = 1, Euler: a flag makes Δ = D, elsewhere Δ = ε, B = 1/D. Values v and noise u lie in [−1, 1].
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import Bound, Enclosed, Identity, InductionOn, Proof, Specialise, invariant
from mamba_theorems.theorems.statement import Hypothesis

value = sp.Symbol("v", real=True)
D, eps, decay, step_decay = sp.symbols("D epsilon e_D e_epsilon", positive=True)
y, m = sp.Symbol("y", nonnegative=True), sp.Symbol("m", integer=True, nonnegative=True)
noise, h, at_flag = (sp.Function(name, real=True)(m) for name in ("u", "h", "g"))
flag = sp.Symbol("l", integer=True, nonnegative=True)
before = at_flag.subs(m, flag)
"""g(l) is the state after l steps of any kind; h(m) the one m steps after a flag that met the state g(l).

e_D = e^{−D} and e_ε = e^{−ε}."""

WORST = sp.Rational(8, 5)
"""The state never reaches it; the least such number is e/(e − 1) = 1.58…"""
SMALL = (sp.Le(eps, 1), sp.Le(decay, sp.Rational(3, 8)), sp.Ge(D, 1))
UNIT = (sp.Le(sp.Abs(value), 1), sp.Le(sp.Abs(noise), 1))
BELOW, ABOVE = sp.Ge(step_decay, 1 - eps), sp.Le(step_decay, 1 - eps + eps**2 / 2 - eps**3 / 6 + eps**4 / 24)
BOUNDED = sp.Lt(sp.Abs(before), WORST)
HELD = sp.Lt(sp.Abs(h - value), WORST * decay + m * eps * (1 + 1 / D))

state, largest, missed = sp.symbols("h_t x_max e_max", real=True)
"""What an exact run shows: the state m steps after the last flag, the largest |value|, and the largest error of an LTI
mixer over the four inputs."""
HOLDS = sp.Lt(sp.Abs(state - value), WORST * sp.exp(-D) + m * eps * (1 + 1 / D))
MISSES = sp.Ge(missed, sp.Rational(1, 2))
BOX = (
    Hypothesis("|v| ≤ 1", "values and noise lie in [−1, 1]", sp.Le(largest, 1), r"|v|,|u|\le1"),
    Hypothesis("D ≥ 1", "a flag's step is at least 1", sp.Ge(D, 1), r"D\ge1"),
    Hypothesis("ε ≤ 1", "another step is at most 1", sp.Le(eps, 1), r"0<\varepsilon\le1"),
)


def after_flag(state: sp.Expr) -> sp.Expr:
    """e^{−D}h + D·(v/D)."""
    return decay * state + value


def after_noise(state: sp.Expr) -> sp.Expr:
    """e^{−ε}h + ε·u/D."""
    return step_decay * state + eps * noise / D


def _expansion() -> tuple[Bound | Specialise | Enclosed, ...]:
    below = Bound(name="1 − y ≤ e^{−y}", claim=sp.Ge(sp.exp(-y), 1 - y))
    above = Bound(
        name="e^{−y} ≤ 1 − y + y²/2 − y³/6 + y⁴/24",
        claim=sp.Le(sp.exp(-y), 1 - y + y**2 / 2 - y**3 / 6 + y**4 / 24),
    ).but_not("without the last term", claim=sp.Le(sp.exp(-y), 1 - y + y**2 / 2 - y**3 / 6))
    least = Enclosed(name="1/e < 3/8", claim=sp.Lt(sp.exp(-1), sp.Rational(3, 8), evaluate=False))
    return (
        below,
        above,
        Specialise(name="below, at ε", of=below, at={y: eps}),
        Specialise(name="above, at ε", of=above, at={y: eps}),
        least,
        Bound(
            name="e^{−D} ≤ 3/8",
            claim=sp.Le(sp.exp(-D), sp.Rational(3, 8)),
            given=(least.claim, sp.Ge(D, 1)),
        ).but_not("D may be smaller", given=(least.claim,)),
    )


def _bounded() -> InductionOn:
    quiet, flagged = (sp.Eq(at_flag.subs(m, m + 1), after(at_flag)) for after in (after_noise, after_flag))
    either = (*SMALL, *UNIT, BELOW, ABOVE)
    conclusion = sp.Lt(sp.Abs(at_flag), WORST)
    return InductionOn(
        name="the state stays within 8/5",
        base=Bound(
            name="from 0",
            claim=conclusion.subs(m, 0),
            given=(sp.Eq(at_flag.subs(m, 0), 0, evaluate=False),),
        ),
        step=Bound(
            name="any step keeps |h| < 8/5",
            claim=conclusion.subs(m, m + 1),
            given=(conclusion, sp.Or(quiet, flagged), *either),
        ).but_not("without e^{−D} ≤ 3/8", given=(conclusion, flagged, SMALL[0], *UNIT)),
        conclusion=conclusion,
        index=m,
    )


def _held() -> InductionOn:
    return invariant(
        name="m steps after a flag the state is v up to (8/5)e^{−D} + mε(1 + 1/D)",
        conclusion=HELD,
        index=m,
        initial={h: after_flag(before)},
        at_start=(BOUNDED,),
        following={h: after_noise(h)},
        given=(*SMALL, *UNIT, BELOW, sp.Le(step_decay, 1)),
        wrong={
            "the loss ε of one step left out": {
                "conclusion": sp.Lt(sp.Abs(h - value), WORST * decay + m * eps / D),
            }
        },
    )


def _superposition() -> tuple[Identity, Bound]:
    """Two flags at t1 < t2, contents a or a′ and b or nothing: four outputs of an LTI map with any embeddings."""
    kernel, noise_at = sp.Function("k", real=True), sp.Function("e", real=True)
    t1, t2, r, length = sp.symbols("t_1 t_2 r t", integer=True, positive=True)
    a, a2, b = sp.symbols("e(a) e(a') e(b)", real=True)

    def output(one: sp.Expr, two: sp.Expr) -> sp.Expr:
        written = noise_at(r) + one * sp.KroneckerDelta(r, t1) + two * sp.KroneckerDelta(r, t2)
        return sp.Sum(kernel(length - r) * written, (r, 1, length))

    none = sp.S.Zero
    defect = Identity(
        name="an LTI mixer between any embedding and an affine head superposes",
        because="k is the kernel Σ_n C_n Λ̄^{t−r} B_n, e the embedded tokens; a convolution, its non-linearity and the "
        "gate change nothing once the windows of t1, t2 and t are disjoint",
        lhs=output(a, b) - output(a2, b),
        rhs=output(a, none) - output(a2, none),
    )
    e1, e2, e3, e4 = errors = sp.symbols("e_1 e_2 e_3 e_4", real=True)
    total = sp.Eq((1 + e1) - (1 + e2) - (1 + e3) + (-1 + e4), 0, evaluate=False)
    half = sp.Rational(1, 2)
    misses = Bound(
        name="so one of four outputs misses its target by at least 1/2",
        because="a = 1, a′ = −1, b = 1: the targets are 1, 1, 1, −1",
        claim=sp.Or(*(sp.Ge(sp.Abs(e), half) for e in errors)),
        given=(total,),
    ).but_not("by more than 1/2", claim=sp.Or(*(sp.Gt(sp.Abs(e), half) for e in errors)))
    return defect, misses


def proof() -> Proof:
    """Both halves: S6 holds, LTI cannot."""
    bounded = _bounded()
    at_flag_too = Specialise(name="before the flag too", of=bounded, at={m: flag})
    held = _held()
    return Proof(
        hypotheses=(*bounded.assumes, sp.Le(step_decay, 1)),
        steps=(*_superposition(), *_expansion(), bounded, at_flag_too, held),
    )


CLAIMS = (
    Claim(
        id="sensitivity.latch",
        paper="Section 3.2, beyond it",
        form=Form.EXTENSION,
        title="one S6 state holds the last flagged value; no LTI mixer of any size does",
        statement=r"\text{S6, N=1, m steps after the last flag:}\ "
        r"|h_t-v|<\tfrac85e^{-D}+m\varepsilon(1+1/D);\quad "
        r"\text{every LTI mixer errs by}\ \ge\tfrac12\ \text{on one of four inputs}",
        hypotheses=BOX,
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.And(HOLDS, MISSES),
        proof=proof,
        formal=Formal(
            ("real.Latch.latch_holds_real", "sensitivity.Latch.mixer_misses", "sensitivity.Latch.lti_misses"),
            refused=(
                Weakened("ε above 1", "0 < eps -> eps <= 1 -> (forall t, `", "0 < eps -> (forall t, `"),
                Weakened("values not bounded", "(forall t, `|x t| <= 1) ->\n", "\n"),
                Weakened(
                    "flags since", "flag tau -> (forall r, (tau < r <= tau + m)%N -> ~~ flag r) ->", "flag tau ->"
                ),
                Weakened("without the value's own decay", "m%:R * eps * (1 + D^-1).", "m%:R * eps / D."),
            ),
        ),
    ),
)
