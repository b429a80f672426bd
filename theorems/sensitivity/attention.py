"""Eq. (45): how causal softmax attention forgets, its constant for j < t, and its failure at the query itself.

y_t = W_V Σ_{r≤t} p_r x_r, p_r = e^{s_r}/Z, s_r = x_tᵀQx_r, Q = W_Qᵀ W_K. One component g = uᵀW_V x (‖u‖ = 1), one
direction z (‖z‖ = 1): |g| ≤ WM, |g′| ≤ W, |s_r| ≤ qM², |s_r′| ≤ qM, with W = ‖W_V‖, q = ‖Q‖, M = sup‖x‖.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cited,
    Enclosed,
    Identity,
    InductionOn,
    Limit,
    Proof,
    Step,
    invariant,
)
from mamba_theorems.theorems.statement import Hypothesis, predicate

z = sp.Symbol("z", real=True)
W, M, q = sp.symbols("W M q", nonnegative=True)
t, least = sp.symbols("t m", positive=True)
weight, top = sp.symbols("p E", positive=True)
slope, value, mean = sp.symbols("s' g ybar", real=True)
change = sp.Symbol("g'", real=True)
"""p the weight of token j, m the least e^{s_r}, E = e^{M²q}."""

CAUCHY = "Cauchy–Schwarz"
DERIVATIVE = weight * (change + slope * (value - mean))
CONSTANT = top * W * (1 + 2 * M**2 * q)
FADES = sp.Le(sp.Abs(DERIVATIVE) * t * least, CONSTANT)
SIZE = sp.Symbol("size", nonnegative=True)
"""|uᵀ ∂y_t/∂x_j z| of an exact run, or the Jacobian's norm."""
EQ45 = sp.Le(SIZE * t * least, sp.exp(M**2 * q) * W * (1 + 2 * M**2 * q), evaluate=False)
EARLIER, OWN = predicate("j<t"), predicate("j=t")
"""Which token moves: an earlier one, or the query itself."""
C = sp.Symbol("C", positive=True)
PRINTED = sp.Le(SIZE * t * least, C, evaluate=False)
"""(45) as printed, SIZE·t·m being the largest that was met at lengths up to t: some C for all lengths."""
QUERY_CONSTANT = 3 * sp.E
"""C = e^{M²q}‖W_V‖(1 + 2M²q) at M = q = ‖W_V‖ = 1."""


def _softmax() -> Identity:
    """Differentiate along z when only token j moves."""
    others, rest = sp.Symbol("A", real=True), sp.Symbol("Z_0", positive=True)
    s, g = sp.Function("s", real=True)(z), sp.Function("g", real=True)(z)
    output = (others + sp.exp(s) * g) / (rest + sp.exp(s))
    share = sp.exp(s) / (rest + sp.exp(s))
    right = share * (sp.Derivative(g, z) + sp.Derivative(s, z) * (g - output))
    return Identity(name="∂y/∂x_j = p_j (g′ + s_j′ (g − y))", lhs=sp.Derivative(output, z), rhs=right).but_not(
        "without − y", rhs=share * (sp.Derivative(g, z) + sp.Derivative(s, z) * g)
    )


def _sums() -> tuple[InductionOn, InductionOn]:
    """Z ≥ t·m and |Σ e^{s_r} g_r| ≤ WM·Z, both by induction over the tokens."""
    steps = sp.Symbol("n", integer=True, nonnegative=True)
    Z, e = sp.Function("Z", nonnegative=True)(steps), sp.Function("e", positive=True)(steps)
    N, v = (sp.Function(name, real=True)(steps) for name in ("N", "g"))
    size = invariant(
        name="Z ≥ t·min e^{s_r}",
        conclusion=sp.Ge(Z, steps * least),
        index=steps,
        initial={Z: 0},
        following={Z: Z + e},
        given=(sp.Ge(e, least),),
    )
    mean_within = invariant(
        name="|y| ≤ WM",
        conclusion=sp.Le(sp.Abs(N), W * M * Z),
        index=steps,
        initial={Z: 0, N: 0},
        following={Z: Z + e, N: N + e * v},
        given=(sp.Le(sp.Abs(v), W * M),),
    )
    return size, mean_within


def _own_term() -> InductionOn:
    """At j = t every score moves: |Σ e^{s_r} s_r′ (g_r − y)| ≤ 2M²qW·Z, so that term is at most 2M²qW."""
    steps = sp.Symbol("n", integer=True, nonnegative=True)
    Z, e = sp.Function("Z", nonnegative=True)(steps), sp.Function("e", positive=True)(steps)
    total, term = (sp.Function(name, real=True)(steps) for name in ("T", "d"))
    most = 2 * M**2 * q * W
    return invariant(
        name="at j = t one term more, at most 2M²q‖W_V‖: bounded, not O(1/t)",
        because="d_r = s_r′(g_r − y); ∂y/∂x_t adds Σ p_r d_r to the term of (45)",
        conclusion=sp.Le(sp.Abs(total), most * Z),
        index=steps,
        initial={Z: 0, total: 0},
        following={Z: Z + e, total: total + e * term},
        given=(sp.Le(sp.Abs(term), most),),
    )


SLOPES = (
    sp.Le(sp.Abs(change), W),
    sp.Le(sp.Abs(slope), q * M),
    sp.Le(sp.Abs(value), W * M),
    sp.Le(sp.Abs(mean), W * M),
)
SHARE = sp.Le(weight * t * least, top)


def _pieces() -> tuple[Bound, ...]:
    both = sp.Le(sp.Abs(change + slope * (value - mean)), W * (1 + 2 * M**2 * q))
    spread = sp.Le(sp.Abs(value - mean), 2 * W * M)
    product = sp.Le(sp.Abs(slope * (value - mean)), 2 * q * M * W * M)
    score, Z = sp.Symbol("s_j", real=True), sp.Symbol("Z", positive=True)
    return (
        Bound(
            name="p_j ≤ e^{M²q}/(t·min e^{s_r})",
            because="p_j = e^{s_j}/Z",
            claim=sp.Le(sp.exp(score) / Z * t * least, sp.exp(M**2 * q)),
            given=(sp.Ge(Z, t * least), sp.Le(score, M**2 * q)),
        ),
        Bound(name="|g − y| ≤ 2WM", claim=spread, given=SLOPES[2:]),
        Bound(
            name="|s′(g − y)| ≤ 2M²qW",
            claim=sp.Le(sp.Abs(slope) * sp.Abs(value - mean), 2 * q * M * W * M),
            given=(SLOPES[1], spread),
        ),
        Bound(name="|g′ + s′(g − y)| ≤ W(1 + 2M²q)", claim=both, given=(SLOPES[0], product)).but_not(
            "W(1 + M²q)", claim=sp.Le(both.lhs, W * (1 + M**2 * q)), given=SLOPES
        ),
    )


def bound() -> Proof:
    """(45) for j < t, with C = e^{M²q}‖W_V‖(1 + 2M²q)."""
    first, spread, product, both = _pieces()
    absolute = Bound(
        name="|s′(g − y)| is the product of the absolute values",
        claim=sp.Le(sp.Abs(slope * (value - mean)), 2 * q * M * W * M),
        given=(product.claim,),
    )
    return Proof(
        hypotheses=(*SLOPES, SHARE),
        steps=(
            Cited(
                name="operator norms",
                statement="|uᵀAv| ≤ ‖A‖‖u‖‖v‖: |g| ≤ WM, |g′| ≤ W, |s_r| ≤ qM², |s_r′| ≤ qM",
                source=CAUCHY,
            ),
            _softmax(),
            *_sums(),
            first,
            spread,
            product,
            absolute,
            both,
            _own_term(),
            Bound(name="(45)", claim=FADES, given=(SHARE, both.claim)).but_not(
                "without the share", given=(both.claim,)
            ),
        ),
    )


# --- the query's own token ----------------------------------------------------------------------------------------


def query_output(pairs: sp.Expr) -> sp.Expr:
    """y_t at x_t = z in one dimension, W_V = 1, Q = q: `pairs` tokens +1, as many −1, then the query."""
    plus, minus, own = sp.exp(q * z), sp.exp(-q * z), sp.exp(q * z**2)
    return (pairs * plus - pairs * minus + z * own) / (pairs * plus + pairs * minus + own)


def query_disproof() -> Proof:
    """t = 2k+1, x_t = 0: all scores are 0, and ∂y_t/∂x_t = (2kq+1)/t does not fall with t."""
    k = sp.Symbol("k", integer=True, positive=True)
    constant = sp.Symbol("C", positive=True)
    real_k = sp.Symbol("k", positive=True)
    at_zero = sp.Subs(sp.Derivative(query_output(k), z), z, 0)
    steps: tuple[Step, ...] = (
        Identity(name="∂y_t/∂x_t at x_t = 0", lhs=at_zero, rhs=(2 * k * q + 1) / (2 * k + 1)),
        Limit(name="it tends to q", expression=(2 * real_k * q + 1) / (2 * real_k + 1), variable=real_k, value=q),
        Limit(
            name="the printed right side tends to 0",
            because="min e^{s_r} = 1",
            expression=constant / (2 * real_k + 1),
            variable=real_k,
        ),
        Bound(
            name="q = 1: any constant C fails once t > C",
            claim=sp.Gt(1, constant / (2 * k + 1)),
            given=(sp.Gt(2 * k + 1, constant),),
        ),
        Enclosed(
            name="q = 1, t = 9: 1 > 3e/9, the constant of j < t",
            claim=sp.Gt(sp.S.One, QUERY_CONSTANT / 9, evaluate=False),
        ),
    )
    return Proof(steps=steps)


CLAIMS = (
    Claim(
        id="sensitivity.attention",
        paper="Eq. (45), j < t",
        form=Form.AMENDED,
        title="causal attention forgets an earlier token like 1/t, with its constant",
        statement=r"\|\partial y_t/\partial x_j\|\le\frac Ct\bigl(\min_r e^{x_t^\top W_Q^\top W_Kx_r}\bigr)^{-1},"
        r"\quad C=e^{M^2q}\|W_V\|(1+2M^2q),\ M=\max\|x\|,\ q=\|W_Q^\top W_K\|",
        hypotheses=(Hypothesis("j < t", "x_j is not the query's own token", EARLIER, "j<t"),),
        expected=Outcome.DERIVED,
        formula=EQ45,
        cites=(CAUCHY,),
        proof=bound,
    ),
    Claim(
        id="sensitivity.attention-query",
        paper="Eq. (45), j = t",
        form=Form.PRINTED,
        title="the same for every token, the query's own included",
        statement=r"|\partial y_t/\partial x_j|\le\frac Ct\bigl(\min_r e^{x_t^\top W_Q^\top W_Kx_r}\bigr)^{-1}"
        r"\ (j\le t),\ \text{some}\ C\ \text{for all}\ t",
        expected=Outcome.REFUTED,
        formula=PRINTED,
        every=(q, OWN),
        some=(C,),
        disproof=query_disproof,
        erratum=Erratum(
            printed="|∂y_t/∂x_j| ≤ (C/t)(min_r e^{…})^{−1} for every j ≤ t.",
            instance="One dimension, W_V = 1, q = <q>, C = <C>, the tokens +1, −1, 0 (t = 2C + 1 = 3), the query's own "
            "token moved (<own>): all scores are 0 and ∂y_t/∂x_t = (q(t − 1) + 1)/t = 1, while the right side "
            "is C/t = 1/3.",
            reading="x_j for j = t, the token that is also the query: every score moves with it",
            instead="sensitivity.attention for j < t; at j = t one term more, W_V Cov(x) W_Kᵀ W_Q, at most 2M²q‖W_V‖",
            survives="the O(1/t) decay for every earlier token",
            case={"q": "1", "own": True, "C": 1},
            further="Every C has its length t = 2C + 1; with the C of j < t it fails from t = 9 on (1 > 3e/9).",
        ),
        formal=Formal(
            ("real.AttentionQuery.eq45_refuted", "real.AttentionQuery.query_felt"),
            refused=(
                Weakened("earlier tokens only", "t j m, (j <= t)%N ->", "t j m, (j < t)%N ->"),
                Weakened(
                    "a C for each length",
                    "forall q v M : R, exists C : R, forall (x : nat -> R) t j m, ",
                    "forall (q v M : R) t, exists C : R, forall (x : nat -> R) j m, ",
                ),
                Weakened("no 1/t", "(x j)| * t.+1%:R * m <= C.", "(x j)| * m <= C."),
                Weakened("tokens that do not alternate", "then (-1) ^+ r else 0.", "then 1 else 0."),
            ),
        ),
    ),
)
