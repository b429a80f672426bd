"""Induction heads: Lemma 3 of the paper (Mamba-Δ^⊤), printed and amended. Section 4.4, Appendix D.5, eq. (109)–(110).

Task: y_t = x_{j+1}, j the last earlier position with x_j = x_t, blank if none. Column q of the state holds what
followed q; R is what its older writes amount to, relative to the latest one.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Outcome
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Enclosed,
    Identity,
    Induction,
    InductionOn,
    Limit,
    Proof,
    Specialise,
    invariant,
)
from mamba_theorems.theorems.proofs.written import product

w, v = sp.symbols("w v", real=True)
rho, erase, keep, latest = sp.symbols("rho epsilon kappa P", positive=True)
writes = sp.Symbol("R", nonnegative=True)
length = sp.Symbol("L", integer=True, positive=True)
n = sp.Symbol("n", integer=True, nonnegative=True)
HALF = sp.S.Half


def decay_of(argument: sp.Expr) -> sp.Expr:
    """e^{−softplus(argument)}."""
    return sp.exp(-softplus(argument))


def _decay_is_sigmoid() -> Identity:
    return Identity(
        name="a column is kept by e^{−softplus(v)} = 1/(1 + e^v)",
        because="Λ = −1: the factor is σ(−v)",
        lhs=sp.exp(-softplus(v), evaluate=False),
        rhs=1 / (1 + sp.exp(v)),
    )


# --------------------------------------------------------------------------------------------- Lemma 3, printed


def _half() -> Limit:
    return Limit(
        name="at argument 0 every column is halved",
        because="the columns that are not erased get Δ = softplus(0) = ln 2; the factor is continuous",
        expression=decay_of(v),
        variable=v,
        point=sp.S.Zero,
        value=HALF,
    )


def _first_position() -> Bound:
    """h_1 = x̂_1 B_1ᵀ with B_1 = [I|0]x̂_1 = 0, for no token stands before the first: each term of y_1 is 0."""
    previous, current, code = sp.symbols("p x c", real=True)
    nothing = sp.Eq(current * previous * code, 0, evaluate=False)
    return Bound(
        name="at t = 1 every logit is 0",
        because="B_1 is the previous token's one-hot, p = 0; the head has a row for each token and none for blank",
        claim=nothing,
        given=(sp.Eq(previous, 0),),
    ).but_not("a token before the first", given=(sp.Eq(previous, 1),))


def halvings() -> Induction:
    """A column that is written once and then halved at every step."""
    return Induction(
        name="0 1 … 1 0: column 0 holds 2^{−n} after n steps",
        because="written once, at t = 2, and never erased: 1 is the previous token from then on",
        index=n,
        initial=sp.S.One,
        next=lambda h, _: h * HALF,
        closed=2 ** (-n),
    )


def underflows(steps: int, exponent: int, name: str) -> tuple[Enclosed, Enclosed]:
    """2^{−steps} is the middle of 0 and the least subnormal 2^{−exponent}; one step less is representable."""
    tiny = sp.Pow(2, -exponent, evaluate=False)
    held, before = (sp.Pow(HALF, n, evaluate=False) for n in (steps, steps - 1))
    rounds_to_zero = sp.Le(held, product(tiny, HALF), evaluate=False)
    remains = sp.Ge(before, tiny, evaluate=False)
    earlier = sp.Le(before, product(tiny, HALF), evaluate=False)
    later = sp.Ge(held, tiny, evaluate=False)
    return (
        Enclosed(
            name=f"{name}: after {steps} halvings it rounds to 0 (to even), L = {steps + 2}",
            because=f"the least subnormal is 2^−{exponent}",
            claim=rounds_to_zero,
        ).but_not("one step earlier", claim=earlier),
        Enclosed(name=f"{name}: after {steps - 1} it is still representable", claim=remains).but_not(
            "one step later", claim=later
        ),
    )


def _printed_fails() -> Proof:
    return Proof(
        steps=(
            _first_position(),
            _decay_is_sigmoid(),
            _half(),
            halvings(),
            *underflows(150, 149, "float32"),
            *underflows(1075, 1074, "float64"),
        )
    )


def outweighs() -> InductionOn:
    """R < 1 is kept by R′ = ρ(1 + R), ρ ≤ ½: every step between two writes costs at least one half."""
    number = sp.Symbol("i", integer=True, nonnegative=True)
    older, factor = (sp.Function(name, nonnegative=True)(number) for name in ("R", "rho"))
    return invariant(
        name="all older writes together weigh less than the latest",
        because="R′ = (factor of the write's step)·(factors ≤ 1 of the steps between)·(1 + R) ≤ ½(1 + R)",
        conclusion=sp.Lt(older, 1),
        index=number,
        initial={older: 0},
        following={older: factor * (1 + older)},
        given=(sp.Le(factor, HALF),),
        wrong={
            "a factor of 0.6": {"given": (sp.Le(factor, sp.Rational(3, 5)),)},
            "older writes that weigh as much": {"initial": {older: 1}},
        },
    )


def _erase_at_most_half() -> Bound:
    x = sp.Symbol("w", nonnegative=True)
    return Bound(
        name="w ≥ 0: the erase factor σ(−w) is at most ½", because="1 + e^w ≥ 2", claim=sp.Ge(1 + sp.exp(x), 2)
    ).but_not("w may be negative", claim=sp.Ge(1 + sp.exp(w), 2))


def _printed_argmax() -> Proof:
    ahead = sp.Gt(latest * (1 - writes), 0)
    return Proof(
        steps=(
            _decay_is_sigmoid(),
            _half(),
            _erase_at_most_half(),
            outweighs(),
            Bound(
                name="the right logit is ahead, and a column is 0 only before its first write",
                because="after the latest write column q only halves: P > 0 times 1 against R",
                claim=sp.And(ahead, sp.Gt(latest, 0)),
                given=(sp.Lt(writes, 1),),
            ).but_not("R may be 1", claim=ahead, given=(sp.Le(writes, 1),)),
        )
    )


# --------------------------------------------------------------------------------------------- Lemma 3, amended

AMENDED = sp.And(sp.Gt(latest, HALF), sp.Lt(writes, latest))
"""The latest write beats the blank logit ½, and all older writes of its column."""

e_w = sp.exp(-w)
between = sp.Symbol("n", integer=True, nonnegative=True)
"""Steps between the latest write and the query: L − 2 at most."""
WIDE = sp.Le(length * e_w, HALF)


def _keep_and_erase() -> tuple[Identity, Identity, Bound]:
    """Argument w(2[·] − 1): erase ε = σ(−w), keep κ = σ(w) = 1 − ε, ε/κ = e^{−w}, ε < e^{−w}."""
    y = sp.Symbol("y", positive=True)
    return (
        Identity(name="κ + ε = 1", lhs=decay_of(w) + decay_of(-w), rhs=sp.S.One),
        Identity(name="ε/κ = e^{−w}", lhs=decay_of(w) / decay_of(-w), rhs=e_w),
        Bound(name="ε < e^{−w}", because="1/(1 + e^w) < 1/e^w, y = e^w", claim=sp.Lt(1 / (1 + y), 1 / y)).but_not(
            "half of it", claim=sp.Lt(1 / (1 + y), 1 / (2 * y))
        ),
    )


def _older_is_small() -> InductionOn:
    """R ≤ ε/κ is kept by R′ = ε·κ^g·(1 + R)."""
    number = sp.Symbol("i", integer=True, nonnegative=True)
    older, power = sp.Function("R", nonnegative=True)(number), sp.Function("k", positive=True)(number)
    whole, kept = sp.Eq(keep + erase, 1), sp.Le(power, 1)
    return invariant(
        name="older writes amount to at most e^{−w} of the latest",
        because="a new write of q erases the column once: R′ = ε κ^g (1 + R), and ε(1 + ε/κ) = ε/κ",
        conclusion=sp.Le(older, erase / keep),
        index=number,
        initial={older: 0},
        following={older: erase * power * (1 + older)},
        given=(whole, kept),
        wrong={
            "factors that do not add up to 1": {"given": (kept,)},
            "a bound of ε": {"conclusion": sp.Le(older, erase)},
        },
    )


def _bernoulli() -> tuple[InductionOn, Specialise]:
    """κ^n ≥ 1 − nε, for the latest write n = L − 2."""
    count = sp.Symbol("m", integer=True, nonnegative=True)
    power = sp.Function("P", positive=True)
    kept = sp.Ge(power(count), 1 - count * erase)
    powers = invariant(
        name="the latest write keeps at least 1 − nε after n steps",
        because="κ = 1 − ε; nothing erases column q between its latest write and the query of q",
        conclusion=kept,
        index=count,
        initial={power(count): 1},
        following={power(count): power(count) * (1 - erase)},
        given=(sp.Le(erase, 1),),
        wrong={"1 − nε kept": {"conclusion": sp.Ge(power(count), 1 - (count - 1) * erase)}},
    )
    return powers, Specialise(
        name="at most L − 2 steps lie between the write and the query", of=powers, at={count: between}
    )


def _amended() -> Proof:
    powers, at_query = _bernoulli()
    kept = sp.Ge(latest, 1 - between * erase)
    small, vanishing = sp.Lt(erase, e_w), sp.Lt(e_w, 1)
    below, ahead = sp.Le(writes, e_w * latest), sp.Gt(latest, HALF)
    room = sp.Ge(length, between + 2)
    return Proof(
        hypotheses=(WIDE, small, below, room),
        steps=(
            _decay_is_sigmoid(),
            *_keep_and_erase(),
            _older_is_small(),
            powers,
            at_query,
            Bound(
                name="the latest write beats the blank logit ½",
                because="L e^{−w} ≤ ½",
                claim=ahead,
                given=(kept, small, WIDE, room),
            ).but_not("w too small", given=(kept, small, room)),
            Bound(name="e^{−w} < 1", claim=vanishing, given=(WIDE, room)),
            Bound(
                name="the answer is exact, blank included",
                because="before the first write of q all logits are 0 < ½, so blank wins; afterwards its row loses",
                claim=AMENDED,
                given=(ahead, below, vanishing),
            ).but_not("older writes not erased", given=(ahead, vanishing)),
        ),
    )


LEMMA = "Lemma 3 (Appendix D.5)"
CLAIMS = (
    Claim(
        id="induction.lem3",
        paper=LEMMA,
        form=Form.PRINTED,
        title="Mamba-Δ^⊤ with Δ = softplus(w[I|0]x̂) is an induction head",
        statement=r"\arg\max_v(W_oh_tC_t)_v=y_t\ \text{for every }t,\ "
        r"\text{the columns not erased being kept (109)–(110)}",
        expected=Outcome.REFUTED,
        disproof=_printed_fails,
        erratum=Erratum(
            printed="One Mamba-Δ^⊤ layer with d = 2|V|, N = |V|, Λ = −1 and Δ = softplus(w[I|0]x̂) solves the task.",
            instance="L = 1, any token: every logit is 0 and blank is not among them. In float32 0 1 … 1 0 fails first"
            " at L = 152, in float64 at L = 1077: the column of 0 is halved at every step.",
            reading="blank is an answer, as the task defines it; softplus(0) = ln 2, so columns that are not erased are"
            " halved and (109)–(110), which leave them alone, do not hold",
            instead="induction.lem3-amended: argument w(2[I|0]x̂ − 1), w ≥ ln(2L), and a constant logit ½ for blank",
            survives="the sizes; in real arithmetic the argmax over tokens is right at every repeated token, for every"
            " w ≥ 0 (induction.lem3-argmax)",
        ),
    ),
    Claim(
        id="induction.lem3-argmax",
        paper=LEMMA,
        form=Form.AMENDED,
        title="the printed weights: right at every repeated token, in real arithmetic",
        statement=r"w\ge0:\quad\text{latest}-\text{older}>0,\quad "
        r"h_t[\cdot,q]=0\iff q\text{ has not been followed yet}",
        hypotheses=(r"w\ge0", r"\text{real arithmetic}"),
        proof=_printed_argmax,
    ),
    Claim(
        id="induction.lem3-amended",
        paper=LEMMA,
        form=Form.AMENDED,
        title="Mamba-Δ^⊤ with Δ = softplus(w(2[I|0]x̂ − 1)) is an induction head, blank included",
        statement=r"\text{latest}\ge1-Le^{-w}>\tfrac12,\quad\text{older}\le e^{-w}\,\text{latest},\quad "
        r"\text{blank}=\tfrac12",
        hypotheses=(r"w\ge\ln(2L)", r"\Lambda=-1,\ d=2|V|,\ N=|V|"),
        formula=AMENDED,
        proof=_amended,
    ),
)
