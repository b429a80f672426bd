"""Induction heads: Lemma 3 of the paper (Mamba-Δ^⊤), printed and amended. Section 4.4, Appendix D.5, eq. (109)–(110).

Task: y_t = x_{j+1}, j the last earlier position with x_j = x_t, blank if none. Column q of the state holds what
followed q; R is what its older writes amount to, relative to the latest one.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
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
from mamba_theorems.theorems.statement import Hypothesis, predicate

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


# --------------------------------------------------------------------------------------------- the statements

margin, kept, column, own, rest, blank = sp.symbols("margin kept column own rest blank", real=True)
"""Of the logits at one position: the answer's lead over the best other one; the answer's, all other tokens' together,
blank's; own and rest together. `kept`: the least factor by which a column that is not erased is kept there."""
repeated = predicate("repeated")
"""The token stood in the sequence before."""
REPEATED = Hypothesis("repeated", "the token stood in the sequence before", repeated)
SHARPNESS = Hypothesis("w ≥ 0", "w is not negative", sp.Ge(w, 0), r"w\ge0")
e_w = sp.exp(-w)
SHARP = Hypothesis("w ≥ ln(2L)", "w is at least ln(2L)", sp.Ge(w, sp.log(2 * length)), r"w\ge\ln(2L)")
SOLVED = sp.And(sp.Gt(margin, 0), sp.Eq(kept, 1, evaluate=False))
"""Right, and (109)–(110)."""
ARGMAX = sp.And(sp.Equivalent(repeated, sp.Gt(margin, 0)), sp.Equivalent(repeated, sp.Gt(column, 0)))
ANSWERED = sp.And(
    sp.Eq(blank, HALF, evaluate=False),
    sp.Equivalent(sp.Not(repeated), sp.Eq(own + rest, 0, evaluate=False)),
    sp.Equivalent(
        repeated,
        sp.And(sp.Ge(own, sp.exp(-(length - 2) * e_w)), sp.Gt(own, sp.exp(-HALF)), sp.Lt(rest, e_w * own)),
    ),
)

# --------------------------------------------------------------------------------------------- Lemma 3, amended

gap = sp.Symbol("g", integer=True, nonnegative=True)
"""Steps between the latest write and the query: L − 2 at most."""


def _keep_and_erase() -> tuple[Identity, Identity]:
    """Argument w(2[·] − 1): erase ε = σ(−w), keep κ = σ(w) = 1 − ε, ε/κ = e^{−w}."""
    return (
        Identity(name="κ + ε = 1", lhs=decay_of(w) + decay_of(-w), rhs=sp.S.One),
        Identity(name="ε/κ = e^{−w}", lhs=decay_of(w) / decay_of(-w), rhs=e_w),
    )


def _older_is_small() -> InductionOn:
    """R < ε/κ is kept by R′ = ε·κ^g·(1 + R)."""
    number = sp.Symbol("i", integer=True, nonnegative=True)
    older, power = sp.Function("R", nonnegative=True)(number), sp.Function("k", positive=True)(number)
    whole, kept_at_most = sp.Eq(keep + erase, 1), sp.Le(power, 1)
    return invariant(
        name="older writes amount to less than e^{−w} of the latest",
        because="a new write of q erases the column once: R′ = ε κ^g (1 + R), and ε(1 + ε/κ) = ε/κ",
        conclusion=sp.Lt(older, erase / keep),
        index=number,
        initial={older: 0},
        following={older: erase * power * (1 + older)},
        given=(whole, kept_at_most),
        wrong={
            "factors that do not add up to 1": {"given": (kept_at_most,)},
            "a bound of ε": {"conclusion": sp.Lt(older, erase)},
        },
    )


def _kept_in_one_step() -> tuple[Bound, Bound, Specialise]:
    """κ = 1/(1 + e^{−w}) ≥ e^{−e^{−w}}."""
    u = sp.Symbol("u", nonnegative=True)
    tangent = Bound(name="(1 + u)e^{−u} ≤ 1", claim=sp.Le((1 + u) * sp.exp(-u), 1)).but_not(
        "(1 + u)e^{−u/2}", claim=sp.Le((1 + u) * sp.exp(-u / 2), 1)
    )
    kept = Bound(name="1/(1 + u) ≥ e^{−u}", claim=sp.Ge(1 / (1 + u), sp.exp(-u)), given=(tangent.claim,))
    return tangent, kept, Specialise(name="κ ≥ e^{−e^{−w}}", of=kept, at={u: e_w})


def _kept_since() -> tuple[InductionOn, Induction]:
    """κ^g ≥ (e^{−e^{−w}})^g."""
    least = sp.Symbol("delta", positive=True)
    power, bound = (sp.Function(name, positive=True)(gap) for name in "PE")
    powers = invariant(
        name="the latest write keeps at least that, step by step",
        because="nothing erases column q between its latest write and the query of q",
        conclusion=sp.Ge(power, bound),
        index=gap,
        initial={power: 1, bound: 1},
        following={power: power * keep, bound: bound * least},
        given=(sp.Ge(keep, least),),
        wrong={"a step that keeps less": {"given": ()}},
    )
    exponential = Induction(
        name="which is e^{−g e^{−w}} after g steps",
        index=gap,
        initial=sp.S.One,
        next=lambda held, _: held * sp.exp(-e_w),
        closed=sp.exp(-gap * e_w),
        sequence="D",
    )
    return powers, exponential


def _wide_enough() -> tuple[Bound, Bound]:
    """g ≤ L − 2 and e^{−w} ≤ 1/(2L)."""
    beyond, u = sp.Symbol("v", nonnegative=True), sp.Symbol("u", positive=True)
    room, wide = sp.Le(gap, length - 2), sp.Le(u, 1 / (2 * length))
    claim = sp.And(sp.Ge(sp.exp(-gap * u), sp.exp(-(length - 2) * u)), sp.Gt(sp.exp(-(length - 2) * u), sp.exp(-HALF)))
    return (
        Bound(
            name="w ≥ ln(2L): e^{−w} ≤ 1/(2L)",
            because="w = ln(2L) + v",
            claim=sp.Le(sp.exp(-(sp.log(2 * length) + beyond)), 1 / (2 * length)),
        ).but_not("1/(3L)", claim=sp.Le(sp.exp(-(sp.log(2 * length) + beyond)), 1 / (3 * length))),
        Bound(
            name="what is left of the latest write is above e^{−1/2}, and so above the blank logit ½",
            because="u = e^{−w}",
            claim=claim,
            given=(room, wide),
        ).but_not("w too small", given=(room,)),
    )


def _amended() -> Proof:
    """`own` holds the latest write, P of it left, and what older writes of the same token add; `rest` is older."""
    u, left, ratio = sp.Symbol("u", positive=True), sp.Symbol("P", positive=True), sp.Symbol("R", nonnegative=True)
    holds_latest, holds_older = sp.Ge(own, left), sp.Le(rest, ratio * left)
    bound = sp.exp(-(length - 2) * u)
    enough, light = sp.And(sp.Ge(left, bound), sp.Gt(bound, sp.exp(-HALF))), sp.Lt(ratio, u)
    conclusion = sp.And(sp.Ge(own, bound), sp.Gt(own, sp.exp(-HALF)), sp.Lt(rest, u * own))
    return Proof(
        hypotheses=(holds_latest, holds_older, enough, light),
        steps=(
            _decay_is_sigmoid(),
            *_keep_and_erase(),
            _older_is_small(),
            *_kept_in_one_step(),
            *_kept_since(),
            *_wide_enough(),
            Bound(
                name="the answer is exact, blank included",
                because="u = e^{−w}; before the first write of q all logits are 0 < ½, so blank wins, and never again",
                claim=conclusion,
                given=(holds_latest, holds_older, enough, light),
            ).but_not("older writes not erased", given=(holds_latest, holds_older, enough)),
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
        formula=SOLVED,
        expected=Outcome.REFUTED,
        disproof=_printed_fails,
        formal=Formal(
            ("real.InductionHeads.lem3_printed_fails",),
            refused=(
                Weakened(
                    "at a repeated token",
                    "let s := [:: x] in\n  ~ leads V (@printed_logit R e p V w s 0) (target s 0)",
                    "let s := [:: x; x] in\n  ~ leads V (@printed_logit R e p V w s 1) (target s 1)",
                ),
                Weakened(
                    "a blank of ½",
                    "~ leads V (@printed_logit R e p V w s 0)",
                    "~ leads V (@logit_of R e p V (lemma3_printed (F := F) V w) 2%:R^-1 s 0)",
                ),
                Weakened("all kept", "/\\ keeps e p 0 != 1 :> R", "/\\ keeps e p 0 = 1 :> R"),
            ),
        ),
        erratum=Erratum(
            printed="One Mamba-Δ^⊤ layer with d = 2|V|, N = |V|, Λ = −1 and Δ = softplus(w[I|0]x̂) solves the task.",
            instance="|V| = <num_tokens>, w = <w>, the sequence <tokens> (L = 1): the answer is blank, every "
            "logit is 0, "
            "and blank has none.",
            reading="blank is an answer, as the task defines it; softplus(0) = ln 2, so columns that are not erased are"
            " halved and (109)–(110), which leave them alone, do not hold",
            instead="induction.lem3-amended: argument w(2[I|0]x̂ − 1), w ≥ ln(2L), and a constant logit ½ for blank",
            survives="the sizes; in real arithmetic the argmax over tokens is right at every repeated token, for every"
            " w ≥ 0 (induction.lem3-argmax)",
            case={"num_tokens": 2, "w": "3", "tokens": [0]},
            further="So at every token that occurs first. In float32 0 1 … 1 0 fails first at L = 152, in float64 at L "
            "= 1077: the column of 0 is halved at every step.",
        ),
    ),
    Claim(
        id="induction.lem3-argmax",
        paper=LEMMA,
        form=Form.AMENDED,
        title="the printed weights: right at every repeated token, in real arithmetic",
        statement=r"\text{in real arithmetic}\quad\text{right logit}>\text{every other and }0"
        r"\iff x_t\text{ is repeated}\iff\text{its column}>0",
        hypotheses=(SHARPNESS,),
        formula=ARGMAX,
        expected=Outcome.FORMAL,
        proof=_printed_argmax,
        formal=Formal(
            ("real.InductionHeads.lem3_argmax_real",),
            refused=(
                Weakened("w negative", "lem3_argmax_real w s t : 0 <= w ->", "lem3_argmax_real w s t : w <= 0 ->"),
                Weakened(
                    "at every token", "(repeated s t <-> leads V logit (target s t))", "leads V logit (target s t)"
                ),
                Weakened("a column that is 0", r"0 < \sum_(u < V) logit u)", r"0 <= \sum_(u < V) logit u)"),
            ),
        ),
    ),
    Claim(
        id="induction.lem3-amended",
        paper=LEMMA,
        form=Form.AMENDED,
        title="Mamba-Δ^⊤ with Δ = softplus(w(2[I|0]x̂ − 1)) is an induction head, blank included",
        statement=r"\Lambda=-1,\ d=2|V|,\ N=|V|:\quad\text{blank}=\tfrac12;\quad "
        r"x_t\text{ repeated}\iff\text{right}\ge e^{-(L-2)e^{-w}}"
        r"\text{ and right}>e^{-1/2}\text{ and others}<e^{-w}\,\text{right};\quad"
        r"\text{not repeated}\iff\text{all tokens}=0",
        hypotheses=(SHARP,),
        formula=ANSWERED,
        expected=Outcome.FORMAL,
        proof=_amended,
        formal=Formal(
            ("real.InductionHeads.lem3_amended",),
            refused=(
                Weakened("w ≥ ln L", "ln (2%:R * L%:R) <= w", "ln (L%:R) <= w"),
                Weakened("a blank of 1", "[/\\ logit s t V = 2%:R^-1,", "[/\\ logit s t V = 1,"),
                Weakened("others below e^{−2w}", "& rest s t < u * own s t]].", "& rest s t < u * u * own s t]]."),
                Weakened(
                    "above e^{−1/4}",
                    "expR (- 2%:R^-1) < own s t & rest s t < u * own s t]].",
                    "expR (- 4%:R^-1) < own s t & rest s t < u * own s t]].",
                ),
            ),
        ),
    ),
)
