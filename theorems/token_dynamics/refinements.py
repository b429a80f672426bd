"""Token dynamics: the two refinements, excluding convergence and reordering tokens, and what they do to the flow.

S_C = P, S_B = diag(s)P, P unit upper triangular, s > 0; SoftSort (Prillo & Eisenschlos 2020) orders by a score.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Outcome
from mamba_theorems.theorems.proofs.proof import Bound, Identity, Induction, InductionOn, Proof, invariant
from mamba_theorems.theorems.proofs.written import Along, Named, product, total
from mamba_theorems.theorems.statement import Hypothesis, predicate
from mamba_theorems.theorems.token_dynamics.many_dimensions import own_term
from mamba_theorems.theorems.token_dynamics.system import (
    PAPER,
    RISES,
    a,
    damping,
    following,
    gain,
    loss,
    rate,
    scalar_flow,
    size,
    step,
    time,
)

s = sp.Function("s", real=True)
i = sp.Symbol("i", integer=True, positive=True)
count = sp.Symbol("n", integer=True, nonnegative=True)


def _sum_of_squares() -> Induction:
    """xᵀSx = Σ_i s_i (Px)_i²: row by row, (Px)_i s_i (Px)_i."""
    image = sp.Function("y", real=True)
    return Induction(
        name="x_lᵀSx_l = Σ_i s_i (Px_l)_i²",
        because="S = S_CᵀS_B = Pᵀdiag(s)P is symmetric; y = Px_l, one state after the other",
        index=count,
        next=lambda h, m: h + image(m + 1) * (s(m + 1) * image(m + 1)),
        closed=sp.Sum(s(i) * image(i) ** 2, (i, 1, count)),
    )


def _symmetric() -> Induction:
    """x_lᵀSx_j − x_jᵀSx_l, row by row: (Px_l)_i s_i (Px_j)_i either way round."""
    one, other = sp.Function("y", real=True), sp.Function("z", real=True)
    return Induction(
        name="S = S_CᵀS_B is symmetric",
        sequence="skew",
        because="x_lᵀSx_j − x_jᵀSx_l with y = Px_l, z = Px_j, one state after the other: for any number of states",
        index=count,
        next=lambda h, m: total(
            h, product(one(m + 1), s(m + 1), other(m + 1)), product(-1, other(m + 1), s(m + 1), one(m + 1))
        ),
        closed=sp.S.Zero,
    )


def _last_row() -> tuple[Identity, Identity]:
    """P of n + 1 states is [P', c; 0, 1]: its last row picks the last coordinate, the others are P'x' + c·x_{n+1}."""
    x, P = sp.Function("x", real=True), sp.Function("P", real=True)
    k = sp.Symbol("k", integer=True, positive=True)
    return (
        Identity(
            name="the last row of Px is the last coordinate",
            because="P_{n+1,i} = 0 for i ≤ n and 1 for i = n + 1",
            lhs=sp.Sum(sp.KroneckerDelta(count + 1, i) * x(i), (i, 1, count + 1)),
            rhs=x(count + 1),
        ),
        Identity(
            name="the rows above, of n states more than the coordinate beyond",
            because="so a last coordinate 0 leaves Px of the n states before it",
            lhs=sp.Sum(P(k, i) * x(i), (i, 1, count + 1)),
            rhs=sp.Sum(P(k, i) * x(i), (i, 1, count)) + P(k, count + 1) * x(count + 1),
        ),
    )


def _positive() -> InductionOn:
    """q of n + 1 states is a sum of squares, with s_{n+1}x_{n+1}² the last; at x_{n+1} = 0 it is that of n states."""
    n = sp.Symbol("n", integer=True, nonnegative=True)
    weight, last = sp.Function("s", positive=True), sp.Function("x", real=True)
    q, some = sp.Function("q", real=True)(n), sp.Function("some", integer=True, nonnegative=True)(n)
    nonzero = sp.Piecewise((1, sp.Ne(last(n), 0)), (0, True))
    return invariant(
        name="x_lᵀSx_l > 0 for x_l ≠ 0, for any number of states",
        because="q = Σ_{i≤n} s_i (Px)_i², and `some` counts the coordinates of Px that are not 0",
        conclusion=sp.And(sp.Ge(q, 0), sp.Implies(sp.Gt(some, 0), sp.Gt(q, 0))),
        index=n,
        initial={q: 0, some: 0},
        following={q: q + weight(n) * last(n) ** 2, some: some + nonzero},
        wrong={
            "a token 0": {"conclusion": sp.And(sp.Ge(q, 0), sp.Gt(q, 0), evaluate=False)},
            "a weight s that may be negative": {
                "following": {q: q + sp.Function("w", real=True)(n) * last(n) ** 2, some: some + nonzero}
            },
        },
    )


def _fewer_states() -> tuple[Bound, Identity]:
    """A token of ker P has p_j = 0 for every j; N = 1 < D = 2: P = (1, b) has the kernel (−b, 1)."""
    pairing, most, image = sp.Symbol("p_j", real=True), sp.Symbol("C", positive=True), sp.Symbol("Y", nonnegative=True)
    given = (sp.Le(sp.Abs(pairing), most * image), sp.Eq(image, 0))
    b, c, d = sp.symbols("b c d", real=True)
    weight = sp.Symbol("s_1", positive=True)
    row, token, other = sp.Matrix([[1, b]]), sp.Matrix([[-b, 1]]), sp.Matrix([c, d])
    return (
        Bound(
            name="a token of ker P is frozen",
            because="p_j = Σ_i s_i (Px_l)_i (Px_j)_i, so |p_j| ≤ C·Y with Y = max_i |(Px_l)_i| = 0",
            claim=sp.Eq(pairing, 0),
            given=given,
        ).but_not("a token off the kernel", given=given[:1]),
        Identity(
            name="with fewer states than channels there is one",
            because="N = 1, D = 2: xᵀS = 0 at x = (−b, 1), against every token (c, d)",
            lhs=Named(
                "(-b, 1) P^T diag(s_1) P (c, d)^T, P = (1, b)", (token * row.T * sp.diag(weight) * row * other)[0]
            ),
            rhs=sp.S.Zero,
        ),
    )


def _exclude() -> Proof:
    return Proof(
        steps=(
            _sum_of_squares(),
            _symmetric(),
            *_last_row(),
            _positive(),
            own_term(),
            *_fewer_states(),
        )
    )


# ----------------------------------------------------------------------------------------------- reordering


def _soft_permutation() -> tuple[Bound, Induction, Bound]:
    """A row of SoftSort: 1 at the token of that rank against L − 1 others of at most e^{−γ/τ} each."""
    others, tokens, far = sp.symbols("R L e", positive=True)
    weight = sp.Function("w", positive=True)
    spread = sp.Le(others, (tokens - 1) * far)
    claim = sp.Le(1 - 1 / (1 + others), (tokens - 1) * far)
    return (
        Bound(
            name="the weight of rank i itself is below 1",
            because="row i is softmax_j(−|score_(i) − score_j|/τ): the weight 1 of rank i itself, over 1 + R",
            claim=sp.Lt(1 / (1 + others), 1, evaluate=False),
        ),
        Induction(
            name="R adds up the others",
            index=count,
            next=lambda h, m: h + weight(m + 1),
            closed=sp.Sum(weight(i), (i, 1, count)),
        ),
        Bound(
            name="SoftSort misses the permutation by at most (L − 1)e^{−γ/τ} a row",
            because="γ is the least gap between scores, e = e^{−γ/τ}; R ≤ (L − 1)e; 1 − 1/(1 + R) ≤ R",
            claim=claim,
            given=(spread, sp.Ge(tokens, 1)),
        ).but_not("half as much", claim=sp.Le(1 - 1 / (1 + others), (tokens - 1) * far / 2), given=(spread,)),
    )


def _neighbours() -> tuple[Identity, Bound]:
    """(ln(|x_l|/|x_{l−1}|))′ = μ(x_l²Δ_l − (1 − e^{−aΔ_l})g_{l−1}); at a = 0 it has the sign of μ."""
    mu = sp.Symbol("mu", real=True)
    e = sp.exp(-a * step)
    later, older = (sp.Function(name, positive=True)(time) for name in ("x_l", "x_m"))
    flow = {later: mu * later * following(gain, later, step), older: mu * older * gain}
    one = sp.Symbol("Delta_l", positive=True)
    return (
        Identity(
            name="how the quotient of neighbours moves",
            because="m = l − 1; g_l = e^{−aΔ_l}g_m + x_l²Δ_l",
            lhs=Along(sp.log(later / older), flow),
            rhs=mu * (later**2 * step - (1 - e) * gain),
        ),
        Bound(
            name="a = 0: it has the sign of μ",
            because="the factor of g_{l−1} is 1 − e^0 = 0",
            claim=sp.Gt(mu * (mu * size**2 * one), 0),
            given=(sp.Ne(mu, 0),),
        ).but_not("with decay", claim=sp.Gt(mu * (mu * (size**2 * one - (1 - sp.exp(-a * one)) * gain)), 0)),
    )


def _with_decay() -> Bound:
    """a > 0: still so while a g_{l−1} ≤ x_l²."""
    lost, mu = sp.Symbol("f", nonnegative=True), sp.Symbol("mu", positive=True)
    given = (sp.Le(lost, a * step), sp.Le(a * gain, size**2))
    claim = sp.Ge(mu * (size**2 * step - lost * gain), 0)
    return Bound(
        name="a > 0, μ > 0: it does not fall while a g_{l−1} ≤ x_l²",
        because="f = 1 − e^{−aΔ_l} ≤ aΔ_l; in the slow case g_{l−1} → 0, so from some time on",
        claim=claim,
        given=given,
    ).but_not("whatever the older tokens do", given=given[:1])


def _order_is_kept() -> tuple[Bound, InductionOn]:
    """Ascending sizes stay ascending: the quotient of neighbours starts ≥ 1 and does not fall."""
    ratio, first, gained = sp.symbols("R R_0 G", positive=True)
    grown = sp.Eq(ratio, first * gained)
    position = sp.Symbol("l", integer=True, nonnegative=True)
    size, quotient = (sp.Function(name, positive=True)(position) for name in ("X", "R"))
    smallest = sp.Symbol("X_1", positive=True)
    return (
        Bound(
            name="the quotient of neighbours stays at least 1",
            because="G = exp of the integral of a derivative that is ≥ 0",
            claim=sp.Ge(ratio, 1),
            given=(grown, sp.Ge(first, 1), sp.Ge(gained, 1)),
        )
        .but_not("descending at the start", given=(grown, sp.Ge(gained, 1)))
        .but_not("μ < 0", given=(grown, sp.Ge(first, 1), sp.Le(gained, 1))),
        invariant(
            name="an ascending order is kept, and the last token stays in the lead",
            because="from neighbours to any two tokens: X(l) is the l-th size from the first on",
            conclusion=sp.Ge(size, smallest),
            index=position,
            initial={size: smallest},
            following={size: size * quotient},
            given=(sp.Ge(quotient, 1),),
        ),
    )


def _reorder() -> Proof:
    return Proof(
        steps=(
            *_soft_permutation(),
            scalar_flow(1),
            *_neighbours(),
            loss(),
            _with_decay(),
            *_order_is_kept(),
        )
    )


# ------------------------------------------------------------------------------------------------- statements

states, channels, least, form, moving = sp.symbols("N D s_min q speed", real=True)
"""Sizes, the least weight s, x_lᵀSx_l and |dx_l/dt|."""
SYMMETRIC, TRIANGULAR, ZERO, KERNEL = map(predicate, ("symmetric", "P", "x=0", "Px=0"))
EXCLUDED = sp.And(
    SYMMETRIC,
    sp.Implies(sp.And(sp.Eq(states, channels), sp.Not(ZERO)), sp.Not(KERNEL)),
    sp.Equivalent(sp.Gt(form, 0), sp.Not(KERNEL)),
    sp.Equivalent(sp.Eq(moving, 0), KERNEL),
)
missed, tokens, gap, tau = sp.symbols("miss L gamma tau", real=True)
"""The largest entry of |SoftSort − permutation|, the number of scores, their least gap, the temperature."""
later, earlier, pull, earlier_pull, drive = sp.symbols("x_l x_m v_l v_m Delta_l", real=True)
"""Token l and the one before it, their derivatives, and the step of l."""
SORTED, STAYS = predicate("ascending at 0"), predicate("ascending at t")
REORDERED = sp.And(
    sp.Le(missed, (tokens - 1) * sp.exp(-gap / tau)),
    sp.Eq(pull / later - earlier_pull / earlier, rate * later**2 * drive),
    sp.Implies(SORTED, STAYS),
)

CLAIMS = (
    Claim(
        id="dynamics.exclude-convergent",
        paper=PAPER,
        form=Form.EXTENSION,
        title="S_C = P, S_B = diag(s)P: no token converges where there are as many states as channels",
        statement=r"S=P^\top\operatorname{diag}(s)P\text{ symmetric},\ x_l^\top Sx_l>0\iff Px_l\ne0:\quad "
        r"d_{state}=d,\ x_l(0)\ne0\Rightarrow x_l\text{ unbounded (dynamics.nd-symmetric)};\quad "
        r"Px_l=0\iff x_l\text{ frozen}",
        hypotheses=(
            Hypothesis("s > 0", "every weight s is positive", sp.Gt(least, 0), "s>0"),
            Hypothesis("P", "P is unit upper triangular", TRIANGULAR, r"P\text{ unit upper triangular}"),
        ),
        depends_on=("dynamics.nd-symmetric",),
        expected=Outcome.DERIVED,
        formula=EXCLUDED,
        proof=_exclude,
    ),
    Claim(
        id="dynamics.reorder",
        paper=PAPER,
        form=Form.EXTENSION,
        title="sorted by importance and without decay (a = 0), the last token leads for ever",
        statement=r"\|\text{row}_i(\mathrm{SoftSort}_\tau)-e_{\pi(i)}\|_\infty\le(L-1)e^{-\gamma/\tau};\quad "
        r"\tfrac{d}{dt}\ln\tfrac{|x_l|}{|x_{l-1}|}=\mu x_l^2\Delta_l:\ "
        r"|x_1|\le\dots\le|x_L|\text{ at }0\Rightarrow\text{at every }t",
        hypotheses=(RISES, Hypothesis("a = 0", "nothing decays", sp.Eq(damping, 0), "a=0")),
        depends_on=("dynamics.1d-monotone",),
        expected=Outcome.DERIVED,
        formula=REORDERED,
        proof=_reorder,
    ),
)
