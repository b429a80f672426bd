"""Lemma 4 of the paper (Appendix D.3): sign matrices whose columns are nearly orthogonal (Johnson-Lindenstrauss).

The printed inequality includes i = j, where the product is 1. Amended: i ≠ j, with explicit constants.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cases,
    Identity,
    Induction,
    InductionOn,
    Proof,
    Specialise,
    invariant,
)
from mamba_theorems.theorems.proofs.written import product, total
from mamba_theorems.theorems.statement import Hypothesis

p, d = sp.symbols("p d", integer=True, positive=True)
eps = sp.Symbol("epsilon", positive=True)
r, n = sp.symbols("r n", integer=True, nonnegative=True)
x, s = sp.symbols("x s", nonnegative=True)

EXCESS = p * eps**2 / 2 - 2 * sp.log(d)
LARGE_ENOUGH = sp.Ge(EXCESS, 0)
FEW_BAD_PAIRS = sp.Lt(d * (d - 1), sp.exp(p * eps**2 / 2))

matrix = sp.Symbol("M", integer=True, nonnegative=True)
"""A sign matrix ±1/√p with p rows and d columns, as a binary number."""
nearest, doubled, column_sum, with_own = sp.symbols("g g_2 sigma_2 g_0", nonnegative=True)
"""The largest |⟨Me_i, Me_j⟩|, i ≠ j; that of M stacked on −M, and its largest |column sum|; the first with i = j."""
BELOW_ONE = Hypothesis("ε < 1", "ε < 1", sp.Lt(eps, 1), r"\varepsilon<1")
ENOUGH_ROWS = Hypothesis(
    "pε² ≥ 4 log d", "pε² ≥ 4 log d", sp.Ge(p * eps**2, 4 * sp.log(d)), r"p\varepsilon^2\ge4\log d"
)


def _own_product() -> Proof:
    sign_of = sp.Function("f", integer=True)
    return Proof(
        steps=(
            Identity(
                name="a sign column has norm 1",
                because="this is i = j; already for d = p = 1 and M = [1]",
                lhs=sp.Sum((sp.S.NegativeOne ** sign_of(r) / sp.sqrt(p)) ** 2, (r, 1, p)),
                rhs=sp.S.One,
            ),
            Bound(
                name="the printed inequality fails at i = j",
                claim=sp.Not(sp.Le(sp.Abs(sp.S.One), eps)),
                given=(sp.Lt(eps, 1),),
            ).but_not("ε < 1 dropped", given=()),
        )
    )


def _moment() -> tuple[Cases, Induction]:
    """The mean of e^{s·sum} over all sign patterns is cosh(s)^p."""
    a, b = sp.symbols("m_a m_b", integer=True)
    product = Cases(
        name="the product of two independent signs is a sign, + for half of the pairs",
        claim=sp.Eq((a * b) ** 2, 1, evaluate=False),
        over={a: (-1, 1), b: (-1, 1)},
    )
    moment = Induction(
        name="mean of e^{s·(sum of p signs)} over all patterns",
        sequence="mean",
        because="one more sign: half of the patterns go up, half go down",
        index=n,
        initial=sp.S.One,
        next=lambda h, _: (sp.exp(s) * h + sp.exp(-s) * h) / 2,
        closed=sp.cosh(s) ** n,
    )
    return product, moment


def _cosh() -> Bound:
    """cosh x ≤ e^{x²/2}, as log cosh x ≤ x²/2."""
    return Bound(
        name="x²/2 − log cosh x has a nonnegative derivative, x − tanh x",
        because="its own derivative is tanh² x; both vanish at 0",
        claim=sp.Ge(x * sp.cosh(x) - sp.sinh(x), 0),
    ).but_not("x/2 for x", claim=sp.Ge(x * sp.cosh(x) / 2, sp.sinh(x)))


def _derivative() -> Identity:
    return Identity(
        name="that is the derivative, times cosh x",
        lhs=sp.diff(x**2 / 2 - sp.log(sp.cosh(x)), x) * sp.cosh(x),
        rhs=x * sp.cosh(x) - sp.sinh(x),
    )


def _powers() -> InductionOn:
    low, high = sp.symbols("low high", nonnegative=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)
    a, b = (sp.Function(name, nonnegative=True)(n) for name in ("a", "b"))
    return invariant(
        name="cosh(ε)^p ≤ e^{pε²/2}",
        because="powers a, b of low and high keep their order; the sum of p signs times ε, s = ε",
        conclusion=sp.Le(a, b),
        index=n,
        initial={a: 1, b: 1},
        following={a: a * low, b: b * high},
        given=(sp.Le(low, high),),
    )


def _markov() -> Bound:
    """The indicator of u ≥ 0 lies below e^u; the two branches are u ≥ 0 (tangent) and u < 0 (e^u > 0)."""
    u = sp.Symbol("u", real=True)
    indicator = sp.Piecewise((1, sp.Ge(u, 0)), (0, True))
    return Bound(
        name="1[u ≥ 0] ≤ e^u, for u = ε(sum − pε)",
        claim=sp.Ge(sp.exp(u), indicator),
        given=(sp.Or(sp.Lt(u, 0), sp.Ge(sp.exp(u), 1 + u)),),
    )


def _union() -> tuple[Bound, Specialise, Bound]:
    """d(d−1)/2 pairs, two tails each."""
    u = sp.Symbol("u", real=True)
    tangent = Bound(name="e^u ≥ 1 + u for u ≥ 0", claim=sp.Ge(sp.exp(u), 1 + u), given=(sp.Ge(u, 0),))
    enough = Specialise(name="e^{pε²/2} ≥ d²", of=tangent, at={u: EXCESS})
    union = Bound(
        name="union bound: less than one bad pair is expected, so some matrix has none",
        because="d(d−1)/2 pairs, two tails of mass at most e^{−pε²/2} ≤ d^{−2} each",
        claim=FEW_BAD_PAIRS,
        given=(LARGE_ENOUGH, enough.relation),
    ).but_not("without the tangent", given=(LARGE_ENOUGH,))
    return tangent, enough, union


def _balanced() -> Identity:
    one, other = sp.Function("m"), sp.Function("l")
    doubled = total(sp.Sum(one(r) * other(r), (r, 1, p)), sp.Sum(product(-one(r), -other(r)), (r, 1, p)))
    return Identity(
        name="balanced columns: stacking M on −M doubles p and keeps every product",
        because="so p even and p ≥ 8 log d / ε² is enough for column sums 0",
        lhs=doubled / (2 * p),
        rhs=sp.Sum(one(r) * other(r), (r, 1, p)) / p,
    )


def _nearly_orthogonal() -> Proof:
    tail = Identity(
        name="one tail has mass at most e^{−pε²/2}",
        lhs=product(sp.exp(p * eps**2 / 2), sp.exp(-eps * (p * eps))),
        rhs=sp.exp(-p * eps**2 / 2),
    )
    head = (*_moment(), _derivative(), _cosh(), _powers(), _markov(), tail, _balanced())
    return Proof(hypotheses=(LARGE_ENOUGH,), steps=(*head, *_union()))


CLAIMS = (
    Claim(
        id="mqar.lem4",
        paper="Lemma 4 (Appendix D.3)",
        form=Form.PRINTED,
        title="sign matrices with nearly orthogonal columns, as printed",
        statement=r"\text{for all } d, \varepsilon\text{ there are } p, M\in\{\pm1/\sqrt p\}^{p\times d}:\ "
        r"|\langle Me_i,Me_j\rangle|\le\varepsilon\ \text{for all } i,j",
        hypotheses=(BELOW_ONE,),
        formula=sp.Le(with_own, eps),
        every=(d, eps),
        some=(p, matrix),
        expected=Outcome.REFUTED,
        disproof=_own_product,
        formal=Formal(
            ("mqar.Lemma4.lem4_refuted", "mqar.Lemma4.lem4_fails"),
            refused=(
                Weakened("ε = 1", "(0 < d)%N -> eps < 1 -> ~", "(0 < d)%N -> eps <= 1 -> ~"),
                Weakened("i ≠ j", "& forall i j, `|product_of", "& forall i j, i != j -> `|product_of"),
                Weakened("no rows", "[/\\ (0 < p)%N, sign_matrix M &", "[/\\ (0 <= p)%N, sign_matrix M &"),
                Weakened("entries ±1/p", "M r i ^+ 2 = p%:R^-1.", "M r i = p%:R^-1."),
            ),
        ),
        erratum=Erratum(
            printed="There is M with entries ±1/√p such that |⟨Me_i, Me_j⟩| ≤ ε for all i, j, p = O(log d / ε²).",
            instance="p = <p>, d = <d>, M = [1] (its free signs are <signs>), ε = <epsilon>, i = j = 1: the "
            "product is 1 "
            "> ε.",
            reading="'for all i, j' includes i = j",
            instead="mqar.lem4-amended: for all i ≠ j, strictly, once p ε² ≥ 4 log d",
            survives="everything: the proofs use the lemma for i ≠ j only",
            case={"p": 1, "d": 1, "signs": 0, "epsilon": "9/10"},
            further="It is 1 for every sign matrix.",
        ),
    ),
    Claim(
        id="mqar.lem4-amended",
        paper="Lemma 4 (Appendix D.3)",
        form=Form.AMENDED,
        title="sign matrices with nearly orthogonal, or balanced, columns exist",
        statement=r"\exists M\in\{\pm1/\sqrt p\}^{p\times d}:\ |\langle Me_i,Me_j\rangle|<\varepsilon\ (i\ne j);"
        r"\quad M \text{ stacked on } -M \text{ has the same products and column sums } 0",
        hypotheses=(ENOUGH_ROWS,),
        formula=sp.And(sp.Lt(nearest, eps), sp.Eq(doubled, nearest), sp.Eq(column_sum, 0)),
        every=(p, d, eps),
        some=(matrix,),
        expected=Outcome.FORMAL,
        proof=_nearly_orthogonal,
        formal=Formal(
            ("real.NearlyOrthogonal.lem4_amended",),
            refused=(
                Weakened(
                    "i = j too", "forall i j, i != j -> `|product_of (scaled S)", "forall i j, `|product_of (scaled S)"
                ),
                Weakened(
                    "half as many rows",
                    "0 < eps -> 4%:R * ln d%:R <= p%:R * eps ^+ 2 ->\n  exists S ",
                    "0 < eps -> 2%:R * ln d%:R <= p%:R * eps ^+ 2 ->\n  exists S ",
                ),
                Weakened("entries ±1/p", ":= (Num.sqrt p%:R)^-1 *: S.", ":= p%:R^-1 *: S."),
                Weakened(
                    "the products doubled",
                    "product_of (scaled (stacked S)) i j = product_of (scaled S) i j &",
                    "product_of (scaled (stacked S)) i j = product_of (scaled S) i j *+ 2 &",
                ),
            ),
        ),
    ),
)
