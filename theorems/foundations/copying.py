"""Selective copying (Gu & Dao 2023, §4.1.1): M content tokens among noise, then M markers; answer them in order.

Layer 1 counts content tokens and markers. Layer 2 writes content l at address l and reads address i at marker i: the
address n − M·[marker] turns into M codes by trapezoids, and B = C. State N = M; the values are one-hot.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import relu
from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cited,
    Identity,
    Induction,
    InductionOn,
    Proof,
    Specialise,
    invariant,
)
from mamba_theorems.theorems.statement import Hypothesis, predicate

t, s = sp.symbols("t s", integer=True, nonnegative=True)
address = sp.Symbol("d", real=True)
err, share = sp.symbols("e x", positive=True)
"""e: how far a code is from one-hot; x = Me."""

LARGEST_SHARE = sp.Rational(1, 8)
OWN = (1 - err) * ((1 - err) ** 2 - (share - err) * err)
CROSS = (1 + err) * (share - err) * (2 * (1 + err) + share)
LEAST_MARGIN = sp.Rational(5, 8)
MARGIN = sp.Gt(OWN - CROSS, LEAST_MARGIN)
CODES = (sp.Le(share, LARGEST_SHARE), sp.Le(err, share))


def trapezoid(d: sp.Expr) -> sp.Expr:
    """1 for |d| ≤ 1/4, 0 for |d| ≥ 3/4, linear between."""
    half = sp.Rational(1, 2)
    return relu(2 * d + 3 * half) - relu(2 * d + half) - relu(2 * d - half) + relu(2 * d - 3 * half)


def _count() -> Induction:
    token = sp.Function("w", integer=True, nonnegative=True)
    return Induction(
        name="layer 1 counts: n_t = content tokens and markers up to t",
        because="decay 1, Δ = 1; after all M contents the i-th marker has n = M + i, so its address is n − M = i",
        index=t,
        next=lambda n, k: n + token(k + 1),
        closed=sp.Sum(token(s), (s, 1, t)),
    )


def _codes() -> tuple[Bound, ...]:
    quarter = sp.Rational(1, 4)
    own = sp.Eq(trapezoid(address), 1, evaluate=False)
    other = sp.Eq(trapezoid(address), 0, evaluate=False)
    near = (sp.Le(address, quarter), sp.Ge(address, -quarter))
    return (
        Bound(name="the code of the own address is 1, with room 1/4", claim=own, given=near).but_not(
            "room 1/3", given=(sp.Le(sp.Abs(address), sp.Rational(1, 3)),)
        ),
        Bound(name="and of every other 0", claim=other, given=(sp.Ge(sp.Abs(address), 3 * quarter),)).but_not(
            "from 2/3 on", given=(sp.Ge(sp.Abs(address), sp.Rational(2, 3)),)
        ),
    )


def _sharpness() -> tuple[Bound, Specialise, Bound]:
    """|SiLU(wy)/w − ReLU(y)| = |y|/(1 + e^{w|y|}) ≤ 1/w."""
    u, w = sp.Symbol("u", nonnegative=True), sp.Symbol("w", positive=True)
    y = sp.Symbol("y", nonnegative=True)
    tangent = Bound(name="1 + u ≤ e^u", claim=sp.Ge(sp.exp(u), 1 + u))
    there = Specialise(name="at u = wy", of=tangent, at={u: w * y})
    small = sp.Le(y / (1 + sp.exp(w * y)), 1 / w)
    return (
        tangent,
        there,
        Bound(
            name="SiLU(w·)/w is within 1/w of ReLU, so each code within 4/w: w ≥ 32M makes x ≤ 1/8",
            claim=small,
            given=(there.relation,),
        )
        .but_not("without the tangent", given=())
        .but_not("1/(4w)", claim=sp.Le(small.lhs, 1 / (4 * w))),
    )


def _no_smaller_state() -> tuple[Bound, InductionOn, Bound, Cited]:
    """S_il = C(marker i)·B(l): right on all 2^M contents makes S strictly diagonally dominant, so N ≥ rank S = M."""
    entry, own = sp.symbols("S_il S_ii", real=True)
    top = sp.Symbol("X", nonnegative=True)
    seen = sp.Symbol("l", integer=True, nonnegative=True)
    score, part, x = (sp.Function(name, real=True)(seen) for name in ("S", "T", "x"))
    mass = sp.Function("mass", nonnegative=True)(seen)
    within = sp.Le(sp.Abs(part), mass * top)
    signs = Bound(
        name="some content makes the other l contribute −|S_il| to marker i",
        because="two values, ε_l = ±1; over all l ≠ i at once: S_ii − Σ|S_il| > 0 is needed",
        claim=sp.Or(sp.Eq(entry, -sp.Abs(entry), evaluate=False), sp.Eq(-entry, -sp.Abs(entry), evaluate=False)),
    )
    sums = invariant(
        name="|Σ_{l≠i} S_il x_l| ≤ Σ|S_il|·max|x_l|",
        because="S(l), x(l) the entries beside i one by one, T(l) and mass(l) the sums over the first l",
        conclusion=within,
        index=seen,
        initial={part: 0, mass: 0},
        following={part: part + score * x, mass: mass + sp.Abs(score)},
        given=(sp.Le(sp.Abs(x), top),),
    )
    kernel = (within, sp.Gt(own, mass), sp.Or(sp.Eq(own * top + part, 0), sp.Eq(-own * top + part, 0)))
    regular = Bound(
        name="so S x = 0 only for x = 0",
        because="take i with |x_i| = X the largest",
        claim=sp.Eq(top, 0, evaluate=False),
        given=kernel,
    ).but_not("dominance not strict", given=(within, sp.Ge(own, mass), kernel[2]))
    rank = Cited(name="rank S ≤ N", statement="S = C B has rank at most its inner size N", source="rank of a product")
    return signs, sums, regular, rank


def proof() -> Proof:
    """The margin of the construction, and that no additive state smaller than M does it."""
    whole, e = sp.symbols("m_other e", positive=True)
    return Proof(
        hypotheses=CODES,
        steps=(
            _count(),
            *_codes(),
            *_sharpness(),
            Identity(
                name="own and cross scores: M − 1 other addresses, amplitudes 1 ± e",
                because="⟨C_i, B_i⟩ ≥ (1−e)² − (M−1)e², |⟨C_i, B_l⟩| ≤ 2e(1+e) + (M−2)e², with M e = x",
                lhs=(1 - e) * ((1 - e) ** 2 - whole * e**2) - (1 + e) * whole * (2 * e * (1 + e) + (whole + 1) * e**2),
                rhs=(OWN - CROSS).subs({err: e, share: (whole + 1) * e}),
            ),
            *_no_smaller_state(),
            Bound(name="the margin at every marker is above 5/8", claim=MARGIN, given=CODES)
            .but_not("codes twice as blunt", given=(sp.Le(share, 3 * LARGEST_SHARE), CODES[1]))
            .but_not("above 0.9", claim=sp.Gt(OWN - CROSS, sp.Rational(9, 10))),
        ),
    )


margin = sp.Symbol("margin", real=True)
"""Least lead of the right content's logit over every other one, before the final norm, over all sequences of a size."""
built = predicate("built")
"""The network is the two-layer one, with N = M and w ≥ 32M."""
num_states, num_contents = sp.symbols("N M", integer=True, positive=True)
TASK = Hypothesis(
    "task", "exactly M content tokens, in any places among noise, then M markers; contents may coincide",
    predicate("task"),
)  # fmt: skip
ADDITIVE = Hypothesis("additive", "contents are added into one state and read linearly", predicate("additive"))
COPIES = sp.And(
    sp.Implies(built, sp.Gt(margin, LEAST_MARGIN)), sp.Implies(sp.Gt(margin, 0), sp.Ge(num_states, num_contents))
)

CLAIMS = (
    Claim(
        id="foundations.selective-copying",
        paper="Gu & Dao (2023), §4.1.1",
        form=Form.EXTENSION,
        title="two official layers with N = M copy M tokens; no additive state smaller than M does",
        statement=r"\text{layer 1 counts, layer 2 writes content}\ l\ \text{at address}\ l\ \text{and reads}\ i\ "
        r"\text{at marker}\ i:\ \text{margin}>\tfrac58\ \text{for}\ w\ge32M,\ N=M;\quad "
        r"\text{margin}>0\ \text{on all contents}\Rightarrow N\ge M",
        hypotheses=(TASK, ADDITIVE),
        depends_on=("foundations.unrolled", "foundations.silu-pair"),
        formula=COPIES,
        expected=Outcome.DERIVED,
        proof=proof,
        formal=Formal(
            ("foundations.Copying.copying_needs_states",),
            leaves_out="the network of two layers and its margin above 5/8; proved is N ≥ M for additive states",
            refused=(
                Weakened("M < N", "marker_logit x i (x i)) -> (M <= N)%N.", "marker_logit x i (x i)) -> (M < N)%N."),
                Weakened("one value", "copying_needs_states : (1 < V)%N ->", "copying_needs_states : (0 < V)%N ->"),
                Weakened(
                    "ties",
                    "marker_logit x i u < marker_logit x i (x i)",
                    "marker_logit x i u <= marker_logit x i (x i)",
                ),
            ),
        ),
    ),
)
