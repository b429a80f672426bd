"""Lemma 2: what a summable Δ keeps of an input. Its printed lower bound fails; the limit itself is exact.

K_j = w′(x_j) + h_{j−1} Λ̄′(x_j) with w = BΔx; the printed bound drops the second term, which can cancel the first.
Then the criterion: which inputs a state remembers for ever.
"""

from __future__ import annotations

from functools import partial

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cited,
    Conjunction,
    Enclosed,
    Identity,
    Induction,
    Limit,
    Proof,
    Specialise,
    Step,
)
from mamba_theorems.theorems.sensitivity.recurrence import (
    AT_START,
    LAMBDA,
    S6_PRODUCT,
    S6_SIZE,
    Decay,
    K,
    Write,
    before,
    by_product,
    clock,
    lam,
    s6,
    sensitivity,
    size_is,
    x,
)
from mamba_theorems.theorems.statement import Hypothesis, predicate

y = sp.Symbol("y", nonnegative=True)
n = sp.Symbol("n", integer=True, nonnegative=True)
S = sp.Symbol("S", real=True)
"""At least Σ_{r>j} Δ(r) over any number of steps: the value of the series, if it converges."""

SERIES = Hypothesis(
    "S",
    "S is at least what the steps after j add up to, as the value of their series is",
    sp.Ge(S, clock(), evaluate=False),
    r"S\ge\sum_{r=j+1}^t\Delta_r",
)
SIZE, LIMIT = sp.Abs(sensitivity(s6)), sp.Abs(K) * sp.exp(-lam * S)
OWN, CROSS = sp.Derivative(Write(x), x), before * sp.Derivative(Decay(x), x)
ABOVE = sp.Ge(SIZE, LIMIT, evaluate=False)
NEAR = sp.Le(SIZE - LIMIT, SIZE * lam * (S - clock()), evaluate=False)
PRINTED = sp.Ge(SIZE, sp.exp(-lam * S) * sp.Abs(OWN), evaluate=False)
OPPOSED = sp.Implies(sp.Ge(OWN * CROSS, 0), PRINTED)
AMENDED = sp.And(ABOVE, NEAR, OPPOSED, evaluate=False)


AT_SUM = {**AT_START, S: 0}


def _squeeze() -> tuple[Step, ...]:
    """0 ≤ |K|e^{−λΣ} − |K|e^{−λS} ≤ |K|e^{−λΣ}λ(S − Σ): the sensitivity converges as fast as Σ does."""
    rest, known = lam * (S - clock()), (LAMBDA.meaning, SERIES.meaning)
    left = Bound(name="λ(S − Σ) ≥ 0", claim=sp.Ge(rest, 0, evaluate=False), given=known)
    tangent = Bound(name="e^{−y} ≥ 1 − y", claim=sp.Ge(sp.exp(-y), 1 - y)).but_not(
        "1 − y/2", claim=sp.Ge(sp.exp(-y), 1 - y / 2)
    )
    at = Specialise(name="at y = |λ(S − Σ)|", of=tangent, at={y: sp.Abs(rest)})
    split = Identity(name="e^{−λS} = e^{−λΣ}e^{−λ(S−Σ)}", lhs=sp.exp(-lam * S), rhs=S6_PRODUCT * sp.exp(-rest))
    shrinks = Bound(
        name="e^{−λΣ} − e^{−λS} ≤ e^{−λΣ}λ(S − Σ)",
        claim=sp.Le(S6_PRODUCT - sp.exp(-lam * S), S6_PRODUCT * rest, evaluate=False),
        given=(split.relation, at.relation, left.relation),
        witness=AT_SUM,
    )
    above = Bound(
        name="the sensitivity never falls below |K_j| e^{−λS}", claim=ABOVE, given=(S6_SIZE, *known), witness=AT_SUM
    ).but_not("S not an upper bound", given=(S6_SIZE, LAMBDA.meaning))
    return (left, tangent, at, split, shrinks, above)


def amended() -> Proof:
    """The limit, exactly; and when the printed lower bound holds."""
    size = size_is(s6, S6_PRODUCT, "S6")
    squeeze = _squeeze()
    *_, shrinks, above = squeeze
    near = Bound(
        name="and comes as near as Σ comes to S", claim=NEAR, given=(S6_SIZE, shrinks.relation), witness=AT_SUM
    )
    opposed = Bound(
        name="when the printed bound holds",
        because="h_{j−1} ∂Λ̄_j/∂x = −λ Δ′(x_j) e^{−λΔ_j} h_{j−1}; the condition is (BΔx)′ Δ′ h_{j−1} ≤ 0",
        claim=OPPOSED,
        given=(S6_SIZE, LAMBDA.meaning, SERIES.meaning),
        witness=AT_SUM,
    ).but_not("no condition on the sign", claim=PRINTED)
    parts = (above, near, opposed)
    return Proof(
        hypotheses=(LAMBDA.meaning, SERIES.meaning),
        steps=(*size, *squeeze, near, opposed, Conjunction(name="Lemma 2, amended", of=parts)),
    )


# --- the counterexample -------------------------------------------------------------------------------------------

BETA = (2 - sp.log(3)) / sp.log(3) ** 2
FIRST = sp.log(3)
BRACKET = (sp.Rational(15735771, 10**7), sp.Rational(15735772, 10**7))
"""Between these lies the x_1 of the second instance (B = 1)."""


_softplus = partial(softplus, evaluate=False)


def tail_input(r: sp.Expr | int) -> sp.Expr:
    """x_{2+r} = ln(e^{2^{−r}} − 1), whose Δ is 2^{−r}."""
    return sp.log(sp.exp(sp.Rational(1, 2) ** r) - 1)


def linear_gain(z: sp.Expr) -> sp.Expr:
    """B(x) = 1 + βx."""
    return 1 + BETA * z


def write(z: sp.Expr, gain_of: sp.Expr) -> sp.Expr:
    """B(x)Δ(x)x."""
    return gain_of * _softplus(z) * z


def sensitivity_at_zero(gain_of: sp.Expr, state: sp.Expr | int) -> sp.Expr:
    """K_2 at x_2 = 0, from the definition: d/dx [B(x)Δ(x)x + e^{−Δ(x)} h_1], to be evaluated."""
    return sp.Subs(sp.Derivative(write(x, gain_of) + sp.exp(-_softplus(x)) * state, x), x, 0)


def _tail() -> tuple[Step, ...]:
    positive = sp.Symbol("y", positive=True)
    return (
        Identity(name="softplus(ln(e^y − 1)) = y", lhs=_softplus(sp.log(sp.exp(positive) - 1)), rhs=positive),
        Induction(
            name="the later steps add up to 1 − 2^{−n}",
            index=n,
            next=lambda s, r: s + sp.Rational(1, 2) ** (r + 1),
            closed=1 - sp.Rational(1, 2) ** n,
        ),
        Limit(name="in all to 1", expression=1 - sp.Rational(1, 2) ** y, variable=y, value=sp.S.One),
    )


def _constant_gain() -> tuple[Step, ...]:
    """B = 1: x_1 = a with a·softplus(a) = 4 ln 2 cancels too; a is enclosed."""
    a = sp.Symbol("a", positive=True)
    state = a * _softplus(a)
    low, high = BRACKET
    return (
        Enclosed(name="B = 1: below the root", claim=sp.Lt(state.subs(a, low), 4 * sp.log(2), evaluate=False)),
        Enclosed(name="B = 1: above the root", claim=sp.Gt(state.subs(a, high), 4 * sp.log(2), evaluate=False)),
        Enclosed(
            name="B = 1: only one root in [1, 2]", claim=sp.Gt(sp.diff(state, a), 0, evaluate=False), over={a: (1, 2)}
        ),
        Cited(name="a root lies between", statement="continuity", source="intermediate value theorem"),
        Identity(
            name="B = 1: K_2 vanishes with a·softplus(a) − 4 ln 2",
            lhs=sensitivity_at_zero(sp.S.One, state),
            rhs=(4 * sp.log(2) - state) / 4,
        ),
    )


def disproof() -> Proof:
    """λ = 1, Δ = softplus, B = 1 + βx: the sensitivity to x_2 is 0 at every later time."""
    here = sensitivity_at_zero(linear_gain(x), 4 * sp.log(2))
    return Proof(
        steps=(
            *_tail(),
            Identity(name="Δ_1 = 2 ln 2", lhs=_softplus(FIRST), rhs=2 * sp.log(2)),
            Identity(name="h_1 = 4 ln 2", lhs=write(FIRST, linear_gain(FIRST)), rhs=4 * sp.log(2)),
            Identity(name="∂(BΔx)/∂x = ln 2 at x_2 = 0", lhs=sensitivity_at_zero(linear_gain(x), 0), rhs=sp.log(2)),
            Identity(name="K_2 = 0", lhs=here, rhs=sp.S.Zero),
            by_product(s6),
            Identity(
                name="c = λΣ_{r≥1}Δ = 3 ln 2 + 1, and the right side is ln 2/(8e)",
                lhs=sp.exp(-(_softplus(FIRST) + _softplus(sp.S.Zero) + 1), evaluate=False) * sp.log(2),
                rhs=sp.log(2) / (8 * sp.E),
            ),
            *_constant_gain(),
            Bound(name="no c helps: e^{−c} ln 2 > 0", claim=sp.Gt(sp.exp(-y) * sp.log(2), 0, evaluate=False)),
            Enclosed(
                name="0 ≥ ln 2/(8e) is false: it is 0.0318…",
                claim=sp.Gt(sp.log(2) / (8 * sp.E), sp.Rational(318, 10**4), evaluate=False),
            ),
        )
    )


# --- the criterion ------------------------------------------------------------------------------------------------

gain, rate, total = sp.symbols("K lambda s", nonnegative=True)
NOW = gain * sp.exp(-rate * total)
"""|K_j| e^{−λs}, s = ΣΔ so far."""
REMEMBERED, SUMMABLE, POSITIVE = map(predicate, ("remembered", "summable", "nonnegative"))
now = sp.Symbol("K_j", real=True)
CRITERION = sp.Equivalent(REMEMBERED, sp.And(sp.Ne(now, 0), sp.Or(sp.Eq(lam, 0), SUMMABLE)))


def _forgotten() -> tuple[Step, ...]:
    """Σ = ∞ and λ > 0: |K|e^{−λs} ≤ |K|/(1 + λs), below any ε once s is large."""
    bound, room = sp.Symbol("epsilon", positive=True), rate * total
    tangent = Bound(name="e^{−y}(1 + y) ≤ 1", claim=sp.Le(sp.exp(-y) * (1 + y), 1)).but_not(
        "1 + 2y", claim=sp.Le(sp.exp(-y) * (1 + 2 * y), 1)
    )
    there = Specialise(name="at y = λs", of=tangent, at={y: room})
    known = there.relation
    return (
        tangent,
        there,
        Bound(
            name="Σ = ∞ and λ > 0: below every ε once λs ≥ |K|/ε",
            claim=sp.Lt(NOW, bound),
            given=(known, sp.Ge(room * bound, gain)),
        )
        .but_not("s not large", given=(known,))
        .but_not("λs ≥ |K|/(2ε)… with ε halved", claim=sp.Lt(NOW, bound / 4)),
        Bound(
            name="a limit ≥ ε > 0 bounds λΣΔ by |K|/ε, so Δ → 0: the converse of Lemma 2",
            because="the terms of a convergent series tend to 0",
            claim=sp.Le(room * bound, gain),
            given=(sp.Ge(NOW, bound), known),
        ),
    )


def criterion() -> Proof:
    """The limit exists, and is > 0 iff K ≠ 0 and (λ = 0 or Σ Δ < ∞)."""
    nonzero, some = sp.symbols("K lambda", positive=True)
    step, upper = sp.symbols("Delta_r S_all", nonnegative=True)
    return Proof(
        steps=(
            *size_is(s6, S6_PRODUCT, "S6"),
            Bound(
                name="the sensitivity never grows",
                because="so its limit exists",
                claim=sp.Le(NOW * sp.exp(-rate * step), NOW),
            ).but_not("strictly", claim=sp.Lt(NOW * sp.exp(-rate * step), NOW)),
            Cited(
                name="either ΣΔ is finite, or its partial sums pass every bound",
                statement="a monotone sequence of reals converges or is unbounded",
                source=MONOTONE,
            ),
            Bound(
                name="⇐: ΣΔ ≤ S keeps at least |K|e^{−λS}, which is > 0",
                claim=sp.Ge(nonzero * sp.exp(-some * total), nonzero * sp.exp(-some * upper)),
                given=(sp.Le(total, upper),),
            ).but_not("Σ not bounded", given=()),
            Identity(name="⇐: λ = 0 keeps |K|", lhs=sp.Subs(NOW, rate, 0), rhs=gain),
            Identity(name="⇒: K = 0 is never felt", lhs=sp.Subs(NOW, gain, 0), rhs=sp.S.Zero),
            *_forgotten(),
            Limit(
                name="Δ → 0 is not enough: with Δ = ln(1 + 1/r) the sensitivity (m+1)^{−λ} still tends to 0",
                expression=sp.exp(-some * sp.log(y + 1)),
                variable=y,
            ),
        )
    )


MONOTONE = "monotone convergence"
c = sp.Symbol("c", real=True)
CEILING = Hypothesis(
    "c", "λΣΔ never exceeds c", sp.Le(lam * clock(), c, evaluate=False), r"\lambda\sum_{r>j}\Delta_r\le c"
)
LEMMA2 = sp.Ge(SIZE, sp.exp(-c) * sp.Abs(OWN), evaluate=False)

CLAIMS = (
    Claim(
        id="sensitivity.lem2",
        paper="Lemma 2",
        form=Form.PRINTED,
        title="a summable Δ keeps at least e^{−c} of the input's own write",
        statement=r"\lambda\sum\Delta(x_r)\to\ \le c\ \Rightarrow\ "
        r"\lim_t|\partial h_t/\partial x_j|\ge e^{-c}\,|\partial(B\Delta x)/\partial x_j|",
        hypotheses=(CEILING,),
        depends_on=("sensitivity.eq11",),
        expected=Outcome.REFUTED,
        formula=LEMMA2,
        disproof=disproof,
        erratum=Erratum(
            printed="If λΣΔ(x_r) converges to at most c, then lim |∂h_t/∂x_j| ≥ e^{−c} |∂(BΔx)/∂x_j|;"
            " to remember, Mamba must necessarily push λΔ to 0.",
            instance="λ = 1, Δ = softplus, B(x) = <B>, x_1 = <x_1>, x_2 = <x_2>, then m = <m> tokens x_{2+r} = "
            "ln(e^{2^{−r}} − 1), c = <c>: h_1 = 4 ln 2 and K_2 = ln 2 − h_1/4 = 0, so the left side is 0, and "
            "the right side is ln 2/e.",
            reading="x_j moves Δ_j, hence Λ̄_j, hence what is kept of h_{j−1}, as eq. (11) itself says",
            instead="sensitivity.lem2-amended: the limit is |K_j| e^{−λΣ_{r>j}Δ_r}, with equality; the printed bound"
            " holds when (BΔx)′Δ′h_{j−1} ≤ 0, in particular for the first token",
            survives="a summable λΔ keeps every input with K_j ≠ 0; that Δ must tend to 0 is the converse, and true"
            " (sensitivity.criterion)",
            case={"B": "1 + (2 - log(3))/log(3)**2*x", "x_1": "log(3)", "x_2": "0", "m": 4, "c": "1"},
            further="The left side is 0 at every t ≥ 2; if the sum starts with the first token, c = 3 ln 2 + 1 and the "
            "right side is ln 2/(8e) = 0.0319. With B = 1 the same happens at x_1 = 1.57357716…, the root of "
            "a·softplus(a) = 4 ln 2.",
        ),
        formal=Formal(
            ("real.Lemma2Printed.lem2_refuted", "real.Lemma2Printed.lem2_instance"),
            refused=(
                Weakened(
                    "the first token only",
                    "forall lambda b beta c u j, 0 <= lambda ->\n",
                    "forall lambda b beta c u j, j = 0%N -> 0 <= lambda ->\n",
                ),
                Weakened("x_1 = ln 2", "match r with 0 => ln 3%:R", "match r with 0 => ln 2%:R"),
                Weakened("another slope of B", "(2%:R - ln 3%:R) / ln 3%:R ^+ 2.", "(1 - ln 3%:R) / ln 3%:R ^+ 2."),
                Weakened("steps that do not shrink", "(expR (2%:R^-1 ^+ m.+1) - 1) end.", "(expR 2%:R^-1 - 1) end."),
                Weakened(
                    "with the term through the decay",
                    "`|'D_1 (own_write b beta) (u j)|.",
                    "`|'D_1 (state_of 1 b beta u j j) (u j)|.",
                ),
            ),
        ),
    ),
    Claim(
        id="sensitivity.lem2-amended",
        paper="Lemma 2",
        form=Form.AMENDED,
        title="a summable Δ keeps |K_j| e^{−λS}, and the limit is no more",
        statement=r"0\le|\partial h_t/\partial x_j|-|K_j|e^{-\lambda S}"
        r"\le|\partial h_t/\partial x_j|\,\lambda\Bigl(S-\sum_{r=j+1}^t\Delta_r\Bigr);\quad "
        r"w'h_{j-1}\bar\Lambda_j'\ge0\Rightarrow|\partial h_t/\partial x_j|\ge e^{-\lambda S}|w'|,\ w=B\Delta x",
        hypotheses=(LAMBDA, SERIES),
        depends_on=("sensitivity.eq11",),
        formula=AMENDED,
        proof=amended,
        expected=Outcome.FORMAL,
        formal=Formal(
            ("real.Lemma2.lem2_amended",),
            refused=(
                Weakened("no condition on the sign", "0 <= dw * (before * dLambda) -> expR", "expR"),
                Weakened("S not an upper bound", "clock t <= S ->", "S <= clock t ->"),
                Weakened("λ negative", "Hypothesis lambda_ge0 : 0 <= lambda.", "Hypothesis lambda_ge0 : lambda <= 0."),
                Weakened(
                    "twice as near",
                    "<= sensitivity t * (lambda * (S - clock t))",
                    "<= sensitivity t * (lambda * (S - clock t) / 2%:R)",
                ),
            ),
        ),
    ),
    Claim(
        id="sensitivity.criterion",
        paper="Lemma 2, both directions",
        form=Form.EXTENSION,
        title="which inputs a state never forgets (the state h, not the output y)",
        statement=r"\lim_t|\partial h_t/\partial x_j|>0\iff K_j\ne0\ \text{and}\ "
        r"(\lambda=0\ \text{or}\ \sum_{r>j}\Delta(x_r)<\infty)",
        hypotheses=(
            LAMBDA,
            Hypothesis("Δ ≥ 0", "no step is negative", POSITIVE, r"\Delta_r\ge0"),
        ),
        depends_on=("sensitivity.eq11", "sensitivity.lem1-amended"),
        expected=Outcome.FORMAL,
        formula=CRITERION,
        cites=(MONOTONE,),
        proof=criterion,
        formal=Formal(
            ("real.Lemma2.criterion",),
            refused=(
                Weakened("K = 0 too", "K != 0 /\\ (lambda", "(lambda"),
                Weakened("λ = 0 left out", "(lambda = 0 \\/ cvg (series", "(cvg (series"),
                Weakened("negative steps too", "(forall r, (j < r)%N -> 0 <= Delta r) ->", ""),
                Weakened(
                    "Δ → 0 is enough",
                    "cvg (series (fun r => Delta (r + j.+1)%N))",
                    "(fun r => Delta (r + j.+1)%N) --> (0 : R)",
                ),
            ),
        ),
    ),
)
