"""Recall with fewer states than keys: two states for distinct values (D), time-gated writes (E), selective Δ (I).

Extensions to Section 4.3 of the paper; what they cannot beat is in `lower_bounds`.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import relu, silu_step
from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.mqar.task import H1, H2, H3, H4, RECALLED, M, delta, integer_square
from mamba_theorems.theorems.proofs.proof import Bound, Identity, Induction, Proof, Specialise
from mamba_theorems.theorems.proofs.written import Named
from mamba_theorems.theorems.statement import Hypothesis, predicate

q, l, K, kappa = sp.symbols("q l K kappa", integer=True, positive=True)
j, t, s, n = sp.symbols("j t s n", integer=True, nonnegative=True)
x = sp.Symbol("x", integer=True)
rho = sp.Symbol("rho", positive=True)

# --- Extension D: the moment curve ----------------------------------------------------------------------------------

MOMENT = {"B": (l, l**2), "C": (2 * q, sp.S.NegativeOne)}
NONNEGATIVE = {"B": (l, K**2 - l**2), "C": (2 * q, sp.S.One)}


def score(codes: dict[str, tuple[sp.Expr, sp.Expr]]) -> sp.Expr:
    """C(q)·B(l)."""
    (b1, b2), (c1, c2) = codes["B"], codes["C"]
    return c1 * b1 + c2 * b2


OWN = score(MOMENT).subs(l, q)
TWO_STATES = sp.And(sp.Ge(OWN - score(MOMENT), 1), sp.Ge(OWN - 0, 1))


home = sp.Symbol("l", integer=True, nonnegative=True)
"""The key that the rival value is stored under; 0 where none stores it."""
DISTINCT_MARGIN = sp.Eq(
    M, (q - home) ** 2 + sp.Piecewise((K**2, sp.Eq(home, 0)), (0, True)), evaluate=False
)  # fmt: skip


def _distinct_values() -> Identity:
    """Under H3 a value is stored under one key: its logit is that key's score."""
    scores, holder = sp.Function("score"), sp.Symbol("k_v", integer=True, positive=True)
    return Identity(
        name="a stored value's logit is the score of the one key that holds it; any other value's is 0",
        because="H3: n_{j,v} = δ(j, k_v) over every key of the vocabulary, tail writes included",
        lhs=sp.Sum(scores(j) * delta(j, holder), (j, 1, K)),
        rhs=scores(holder),
        given=(sp.Ge(K, holder),),
    )


def _two_states() -> Proof:
    square = integer_square(x)
    shifted = score(NONNEGATIVE)
    return Proof(
        hypotheses=(sp.Ne(q - l, 0),),
        steps=(
            Identity(name="score = q² − (q − l)²", lhs=score(MOMENT), rhs=q**2 - (q - l) ** 2),
            Identity(
                name="nonnegative form: the same plus K²",
                because="for ReLU blocks and Mamba-2, whose B and C are ≥ −0.2785",
                lhs=Named("C(q) B(l)", shifted),
                rhs=score(MOMENT) + K**2,
            ),
            Bound(
                name="its entries are nonnegative",
                claim=sp.And(*(sp.Ge(e, 0) for e in (*NONNEGATIVE["B"], *NONNEGATIVE["C"]))),
                given=(sp.Le(l, K),),
            ),
            _distinct_values(),
            square,
            Specialise(name="for the integer q − l", of=square, at={x: q - l}),
            Bound(
                name="scores are at most 2K², so the relative gap is at least 1/(2K²): 2 log₂K + 1 bits",
                claim=sp.And(sp.Le(shifted, 2 * K**2), sp.Ge(shifted, 0)),
                given=(sp.Le(l, K), sp.Le(q, K)),
            ).but_not("K²", claim=sp.Le(shifted, K**2)),
            Bound(
                name="margin at least 1 over stored and over absent values",
                because="keys of the vocabulary that are absent store nothing; indices start at 1",
                claim=TWO_STATES,
                given=(sp.Ge((q - l) ** 2, 1),),
            ).but_not("coinciding keys", given=()),
        ),
    )


# --- Extension E: time-gated writes ---------------------------------------------------------------------------------

place, pairs = sp.symbols("s_k kappa", positive=True)
WHOLE = sp.Or(sp.Le(place, 2 * pairs), sp.Ge(place, 2 * pairs + 1))
"""Positions and κ are integers; of that only this is used, and real arithmetic decides the rest."""


def time_gate(is_key: sp.Expr, at: sp.Expr, num_pairs: sp.Expr = pairs) -> sp.Expr:
    """ReLU(2κ·1[key] − s + 1) − ReLU(2κ·1[key] − s), s the key's position."""
    return relu(2 * num_pairs * is_key - at + 1) - relu(2 * num_pairs * is_key - at)


GATE = sp.Eq(
    time_gate(sp.S.One, place), sp.Piecewise((1, sp.Le(place, 2 * pairs)), (0, True)), evaluate=False
)  # fmt: skip


stored = sp.Symbol("n", integer=True, positive=True)
KNOWN = Hypothesis("κ known", "the context has κ pairs, the number in the weights", sp.Eq(stored, kappa), r"n=\kappa")


def _frozen_state() -> Induction:
    """From position 2κ on nothing is written: the state stays what the context made it."""
    held, tail = sp.Symbol("H", real=True), sp.Function("w")
    return Induction(
        name="after the context the state does not change, whatever follows a query",
        because="keys of the tail stand at 2κ + 1 or later",
        index=n,
        initial=held,
        next=lambda h, step: h + time_gate(sp.S.One, 2 * kappa + 1 + step, kappa) * tail(step),
        closed=held,
    )


def _leak() -> tuple[Bound | Specialise, ...]:
    """The SiLU form (SiLU(wx) − SiLU(w(x−1)))/w of the same step, at integers x: off by at most 1/(1 + e^w)."""
    w, y, u = sp.Symbol("w", positive=True), sp.Symbol("y", positive=True), sp.Symbol("u", real=True)
    grown = sp.Symbol("e^{w(y-1)}", positive=True)
    tangent = Bound(name="e^u ≥ 1 + u for u ≥ 0", claim=sp.Ge(sp.exp(u), 1 + u), given=(sp.Ge(u, 0),))
    growth = Bound(
        name="y(1 + e^w) ≤ 1 + e^{wy} for y ≥ 1, w ≥ 2",
        because="so f(y) = y/(1 + e^{wy}) is largest at y = 1 among y ≥ 1; the leak at x is f(x−1) − f(x)",
        claim=sp.Le(y * (1 + sp.exp(w)), 1 + sp.exp(w) * grown),
        given=(sp.Ge(y, 1), sp.Ge(w, 2), sp.Ge(sp.exp(w), 1 + w), sp.Ge(grown, 1 + w * (y - 1))),
    )
    lower, upper, top = sp.symbols("f_x f_y f_1", nonnegative=True)
    difference = Bound(
        name="a difference of two numbers in [0, f(1)] is at most f(1) = 1/(1 + e^w)",
        claim=sp.Le(sp.Abs(lower - upper), top),
        given=(sp.Le(lower, top), sp.Le(upper, top)),
    )
    instances = (
        Specialise(name="at u = w", of=tangent, at={u: w}),
        Specialise(name="at u = w(y − 1)", of=tangent, at={u: w * (y - 1)}),
    )
    return (
        tangent,
        *instances,
        growth.but_not("2 for 1", claim=sp.Le(y * (2 + sp.exp(w)), 1 + sp.exp(w) * grown)),
        difference,
    )


def _silu_step() -> Identity:
    """What the SiLU form misses is f(x−1) − f(x), f(y) = y/(1 + e^{wy})."""
    y, w = sp.Symbol("y", real=True), sp.Symbol("w", positive=True)

    def f(e: sp.Expr) -> sp.Expr:
        return e / (1 + sp.exp(w * e))

    return Identity(
        name="SiLU step − 1 = f(x − 1) − f(x)",
        because="and for x ≤ 0 the leak is that of 1 − x ≥ 1, by SiLU(a) − SiLU(−a) = a",
        lhs=silu_step(y - 1, w) - 1,
        rhs=f(y - 1) - f(y),
    )


def _closing_step() -> tuple[Bound, ...]:
    """The gate in a language model: Δ = softplus(w − 2w ReLU(s − 2κ)), w = 256, closes all writes at once."""
    y, after = sp.Symbol("e^u", nonnegative=True), sp.Ge(place, 2 * pairs + 1)
    vanishing = Bound(name="softplus(u) = log(1 + e^u) ≤ e^u", claim=sp.Le(sp.log(1 + y), y))
    closed = Bound(
        name="after the context the step's argument is at most −w: it writes at most e^−w",
        claim=sp.Le(1 - 2 * relu(place - 2 * pairs), -1),
        because="divided by w; a first layer that counts gives s, and softplus(u) ≤ e^u",
        given=(after,),
    )
    opened = Bound(
        name="in the context the argument is w: every pair is written alike",
        claim=sp.Eq(1 - 2 * relu(place - 2 * pairs), 1, evaluate=False),
        because="divided by w",
        given=(sp.Le(place, 2 * pairs),),
    )
    return (
        vanishing.but_not("e^u / 2", claim=sp.Le(sp.log(1 + y), y / 2)),
        closed.but_not("from 2κ on", given=(sp.Ge(place, 2 * pairs),)),
        opened.but_not("up to 2κ + 1", given=(sp.Le(place, 2 * pairs + 1),)),
    )


def _robust() -> Proof:
    count = sp.Function("n")
    return Proof(
        hypotheses=(WHOLE,),
        steps=(
            _frozen_state(),
            Identity(
                name="a query reads the context's pairs alone, at any time and as often as it is asked",
                because="so H2 is not needed, and H3 concerns the context only; with the codes of mqar.n2-distinct too",
                lhs=sp.Sum((count(j) + 0) * delta(j, q), (j, 1, kappa)),
                rhs=count(q),
                given=(sp.Ge(kappa, q),),
            ),
            _silu_step(),
            *_leak(),
            *_closing_step(),
            Bound(
                name="a token that is no key opens nothing",
                claim=sp.Eq(time_gate(sp.S.Zero, place), 0, evaluate=False),
                given=(sp.Ge(place, 1),),
            ).but_not("position 0", given=()),
            Bound(
                name="for a key the gate is exactly 1 in the context and 0 after it",
                because="keys of the context stand at 1, 3, …, 2κ − 1: any threshold in (2κ − 1, 2κ + 1) does",
                claim=GATE,
                given=(WHOLE,),
            )
            .but_not("a threshold of 2κ − 1", claim=sp.Eq(time_gate(sp.S.One, place + 1), GATE.rhs, evaluate=False))
            .but_not("between two positions", given=()),
        ),
    )


# --- Extension I: selective Δ ---------------------------------------------------------------------------------------

SELECTS = sp.Lt(rho * (kappa - 1), 1)
SHRINKS = Hypothesis("ρ(κ − 1) < 1", "ρ(κ − 1) < 1", SELECTS, r"\rho(\kappa-1)<1")
length, weight = sp.symbols("L Q_q", integer=True, positive=True)
STORED, REST = sp.Integer(2) ** 40, sp.Integer(2) ** -60
"""What a write leaves in the state, and a step at rest beside one that shrinks."""
asked, rivals, fellows = sp.symbols("Q n_u n_v", integer=True, nonnegative=True)
DELTA_MARGIN = rho ** (asked - 1) * (1 + rho * (fellows - rivals))
DELTA_GATE = sp.Gt(DELTA_MARGIN, 0)
DELTA_LAW = sp.Lt(
    sp.Abs(M / (STORED * rho ** (asked - weight)) - (1 + rho**weight * (fellows - rivals))),
    (length - 2) * REST * sp.log(1 / rho) * (1 + rho**weight * fellows),
)
TAIL_WRITES = Hypothesis(
    "no write in the tail",
    "the tail stores nothing: no value directly follows a key there (more than H2; what is stored late weighs more)",
    predicate("tail stores nothing"),
)


def _exponents() -> Induction:
    """How many factors ρ a block has: each query costs every block one, but the one just asked pays a step later."""
    query, own = sp.Function("x"), sp.Function("K_b")
    return Induction(
        name="block b carries ρ to the power (queries so far) − [b is asked now]",
        because="at a query every block but its own shrinks; at the next step the block asked before shrinks",
        index=t,
        next=lambda e, step: e + (query(step + 1) - own(step + 1)) + own(step),
        closed=sp.Sum(query(s), (s, 1, t)) - own(t) + own(0),
    )


def _without_filler() -> Identity:
    """k1 v1 k2 v2 k1 with the context's keys taken for queries, as their windows allow: both values get ρ."""
    tokens = ("k1", "v1", "k2", "v2", "k1")

    def power(block: str, written: int) -> int:
        shrinks = [
            (tokens[i][0] == "k" and tokens[i] != block) + (i > 0 and tokens[i - 1] == block)
            for i in range(written + 1, len(tokens))
        ]
        return sum(shrinks)

    return Identity(
        name="why H4: if a context's key may look like a query, k1 v1 k2 v2 k1 ties at every ρ",
        lhs=Named("weight left of k1 v1", rho ** power("k1", 1)),
        rhs=Named("weight left of k2 v2", rho ** power("k2", 3)),
    )


def _delta_gate() -> Proof:
    base = sp.Symbol("rho_Q", positive=True)
    return Proof(
        hypotheses=(SELECTS, sp.Le(rivals, kappa - 1)),
        steps=(
            _exponents(),
            _without_filler(),
            Identity(
                name="own block ρ^{Q−1}, the others ρ^Q: n_v of them hold v(q), n_u the rival",
                lhs=rho ** (asked - 1) * 1 + rho**asked * (fellows - rivals),
                rhs=DELTA_MARGIN,
            ),
            Bound(
                name="positive factor times positive factor",
                claim=sp.Gt(base * (1 + rho * (fellows - rivals)), 0),
                given=(SELECTS, sp.Le(rivals, kappa - 1)),
            ).but_not("ρ(κ − 1) ≤ 1", given=(sp.Le(rho * (kappa - 1), 1), sp.Le(rivals, kappa - 1))),
            Bound(
                name="one state recalls every assignment",
                because="ρ(κ − 1) < 1 is necessary too: all other keys may hold one value",
                claim=DELTA_GATE,
                given=(SELECTS, sp.Le(rivals, kappa - 1)),
            ),
        ),
    )


_GIVEN = "H1 ctx -> H2 ctx tail -> H3 ctx tail -> asks ctx tail t q v -> u != v ->"
TWO_STATES_FORMAL = Formal(
    ("mqar.TwoStates.n2_distinct",),
    refused=(
        Weakened("without H1", _GIVEN, _GIVEN.replace("H1 ctx", "true")),
        Weakened("without H2", _GIVEN, _GIVEN.replace("H2 ctx tail", "true")),
        Weakened("without H3", _GIVEN, _GIVEN.replace("H3 ctx tail", "true")),
        Weakened("margin 2", "  /\\ 1 <= M.", "  /\\ 2%:R <= M."),
        Weakened("no K² for an absent value", "else kappa%:R ^+ 2 + q.+1%:R ^+ 2)", "else q.+1%:R ^+ 2)"),
        Weakened(
            "the read code for both",
            "@codes_logit2 R e p kappa V 2 V (@moment_write F kappa) (@moment_read F)",
            "@codes_logit2 R e p kappa V 2 V (@moment_read F) (@moment_read F)",
        ),
    ),
)

CLAIMS = (
    Claim(
        id="mqar.n1-delta-gate",
        paper="Theorems 2 and 4",
        form=Form.EXTENSION,
        title="selective Δ replaces the gate: N = 1, d = κ|V| + 2κ, ungated S6, with range ρ^Q",
        statement=r"\text{logit}_{v(q)}-\text{logit}_u>0,\quad"
        r"\Bigl|\frac{\text{logit}_{v(q)}-\text{logit}_u}{2^{40}\rho^{Q-Q_q}}-(1+\rho^{Q_q}(n_{v(q)}-n_u))\Bigr|"
        r"<(L-2)\,2^{-60}\ln\tfrac1\rho\,(1+\rho^{Q_q}n_{v(q)}),\quad n \text{ other keys hold a value, }"
        r" Q \text{ queries so far, } Q_q \text{ this one: each counts once, or three times right behind itself}",
        hypotheses=(H1, H4, TAIL_WRITES, SHRINKS),
        depends_on=("foundations.unrolled",),
        expected=Outcome.DERIVED,
        formula=sp.And(DELTA_LAW, RECALLED),
        proof=_delta_gate,
        formal=Formal(
            (
                "mqar.DeltaGate.n1_delta_gate_law",
                "mqar.DeltaGate.n1_delta_gate_recall",
                "mqar.DeltaGateBoundary.n1_delta_gate_boundary",
                "mqar.DeltaGateBoundary.near_half",
            ),
            leaves_out="recall where ρ(κ − 1) < 1 ≤ ρ^(1 − 2(κ − 1)2^−60)(κ − 1): false for κ = 3 and ρ = ½ − 2^−61",
            refused=(
                Weakened(
                    "nothing lost of the query's own pair",
                    "< lost * (1 + rho ^+ w * (others v)%:R).",
                    "< lost * (rho ^+ w * (others v)%:R).",
                ),
                Weakened("one step less at rest", "lost : R := t.-1%:R * (lam", "lost : R := t.-2%:R * (lam"),
                Weakened("H4 of the context alone", "(h4 : H4 ctx tail)", "(h4 : H4 ctx [::])"),
                Weakened(
                    "a tail that may write",
                    "(no_write : tail_stores_nothing tail)",
                    "(no_write : tail_stores_nothing (take 1 tail))",
                ),
                Weakened(
                    "nothing to spare for what decays at rest",
                    "rho * kappa.-1%:R * e (lam / shrink * (2 * kappa.-1)%:R) < 1 -> u != v ->",
                    "rho * kappa.-1%:R < 1 -> u != v -> ",
                ),
            ),
        ),
    ),
    Claim(
        id="mqar.n2-distinct",
        paper="Theorem 3",
        form=Form.EXTENSION,
        title="distinct values need only N = 2, for any κ, with 2 log₂K + 1 bits",
        statement=r"B(l)=(l,K^2-l^2),\ C(q)=(2q,1),\ 1\le q,l\le K:\ \text{logit}_{v(q)}-\text{logit}_u=(q-l)^2"
        r"\text{ for a value stored under } l,\ K^2+q^2 \text{ for any other};\ \ge1",
        hypotheses=(H1, H2, H3),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.And(DISTINCT_MARGIN, sp.Ge(M, 1)),
        proof=_two_states,
        formal=TWO_STATES_FORMAL,
    ),
    Claim(
        id="mqar.robust",
        paper="Section 4.3, eq. (46)",
        form=Form.EXTENSION,
        title="with positions and κ known, time-gated writes recall without H2",
        statement=r"\text{writes times }\mathrm{ReLU}(2\kappa[key]-s+1)-\mathrm{ReLU}(2\kappa[key]-s):\quad"
        r"\text{logit}_{v(q)}-\text{logit}_u=1 \text{ at every query, whatever the tail holds}",
        hypotheses=(H1, KNOWN),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.Eq(M, 1),
        proof=_robust,
        formal=Formal(
            ("mqar.Robust.robust",),
            refused=(
                Weakened("keys may be stored twice", "H1 ctx -> size ctx = n ->", "H1 (behead ctx) -> size ctx = n ->"),
                Weakened("fewer pairs than the weights know", "-> size ctx = n ->", "-> (size ctx <= n)%N ->"),
                Weakened("a margin of 2", "logit s t v - logit s t u = 1.", "logit s t v - logit s t u = 2%:R."),
                Weakened(
                    "writes that close one token later",
                    "(tok s r == key_ j) && (t <= 2 * n)%N else true.",
                    "(tok s r == key_ j) && (t <= (2 * n).+1)%N else true.",
                ),
            ),
        ),
    ),
)
