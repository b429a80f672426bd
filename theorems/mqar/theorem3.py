"""Theorem 3 of the paper (Appendix D.4): Mamba-2, where x, B and C have convolutions of their own.

Step 1 (one-hot) is exact with margin 1. Step 2, N = O(log κ), fails for all inputs: cross terms, and the block's ReLU.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import identity, relu
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.mqar.task import (
    H1,
    H2,
    RECALLED,
    Branch,
    M,
    delta,
    dot,
    last_readout,
    signs,
)
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
from mamba_theorems.theorems.proofs.written import Named
from mamba_theorems.theorems.statement import Hypothesis, predicate

kappa, q, w = sp.symbols("kappa q w", integer=True, positive=True)
j, s, t = sp.symbols("j s t", integer=True, nonnegative=True)
ZERO, ONE = sp.S.Zero, sp.S.One

# --- step 1 ---------------------------------------------------------------------------------------------------------

value_of = sp.Function("v", integer=True, positive=True)
ONE_HOT_MARGIN = sp.Eq(
    sp.Sum(delta(j, q) * (delta(value_of(j), value_of(q)) - delta(value_of(j), w)), (j, 1, kappa)),
    1 - delta(value_of(q), w),
    evaluate=False,
)


def _branches() -> Cases:
    """x = [current is value], B = [previous is key j], C = [current is key j]; each branch sees one tap only."""
    previous, current, is_value = sp.symbols("P_j C_j U", integer=True, nonnegative=True)
    return Cases(
        name="each branch passes one token's bit",
        claim=sp.And(
            sp.Eq(Named("ReLU(1 P_j + 0 C_j)", relu(1 * previous + 0 * current)), previous, evaluate=False),
            sp.Eq(Named("ReLU(0 P_j + 1 C_j)", relu(0 * previous + 1 * current)), current, evaluate=False),
            sp.Eq(Named("ReLU(U) P_j", relu(is_value) * previous), is_value * previous, evaluate=False),
        ),
        over={previous: (0, 1), current: (0, 1), is_value: (0, 1)},
        given=(sp.Le(current + is_value, 1),),
    ).but_not("one convolution for B and C", claim=sp.Eq(relu(previous + current), previous, evaluate=False))


def _one_hot() -> Proof:
    writes = sp.Function("w")
    count = sp.Function("n")
    return Proof(
        steps=(
            _branches(),
            Induction(
                name="the state counts the writes",
                index=t,
                next=lambda h, n: h + writes(n + 1),
                closed=sp.Sum(writes(s), (s, 1, t)),
            ),
            Identity(
                name="the query reads its own column, whatever stands before it",
                lhs=sp.Sum(delta(j, q) * count(j), (j, 1, kappa)),
                rhs=count(q),
                given=(sp.Ge(kappa, q),),
            ),
            Identity(
                name="margin 1, adjacency included",
                because="H1 and H2: n_{j,u} = δ(v(j), u); the right side is 1 for every rival w ≠ v(q)",
                lhs=ONE_HOT_MARGIN.lhs,
                rhs=ONE_HOT_MARGIN.rhs,
                given=(sp.Ge(kappa, q),),
            ),
        ),
        hypotheses=(sp.Ge(kappa, q),),
    )


# --- step 2, printed ------------------------------------------------------------------------------------------------


def sign_key_margin(keys: dict[str, str], context: tuple[tuple[str, str], ...], query: str, rectified: bool) -> sp.Expr:
    """logit(u) − logit(v) at `query` after the context's pairs (values "u", "v"), keys with the given sign columns.

    x is one-hot; `rectified` passes B and C through ReLU, as the block of Table 2 does.
    """
    through = relu if rectified else identity
    codes = {key: signs(pattern) for key, pattern in keys.items()}
    silent = (ZERO,) * len(next(iter(codes.values())))
    addresses = codes | {"u": silent, "v": silent}
    x = Branch(dict.fromkeys(keys, (ZERO, ZERO)) | {"u": (ONE, ZERO), "v": (ZERO, ONE)})
    tokens = (*(token for pair in context for token in pair), query)
    y = last_readout(x, Branch(addresses, (ONE, ZERO), ZERO, through), Branch(addresses, activation=through), tokens)
    return y[0] - y[1]


N, constant = sp.symbols("N C", integer=True, positive=True)
RECALLS = predicate("recalls")
"""Whether some network with N states and no gate, its decay at the query shared, recalls all assignments of κ keys."""
FEW_STATES = sp.And(RECALLS, sp.Le(N, constant * sp.log(kappa) / sp.log(2)))

AT_LEAST_TWO = Hypothesis("κ ≥ 2", "at least two keys", sp.Ge(kappa, 2), r"\kappa\ge2")
nearest = sp.Symbol("g", nonnegative=True)
"""The largest |⟨k_a, k_b⟩| of two keys."""
ORTHOGONAL_KEYS = Hypothesis("orthogonal", "orthogonal keys: ε = 0", sp.Eq(nearest, 0), r"\langle m_i,m_j\rangle=0")
RECTIFIED = Hypothesis("ReLU", "x, B and C pass the ReLU of Table 2", predicate("rectified"))
CLIPPED = {"a": "++++", "q": "++--", "c": "+-+-"}
CLIPPED_CONTEXT = (("a", "u"), ("q", "v"), ("c", "u"))


def _largest_product(columns: dict[str, str]) -> sp.Expr:
    vectors = [signs(pattern) for pattern in columns.values()]
    return sp.Max(*(sp.Abs(dot(x, y)) for i, x in enumerate(vectors) for y in vectors[:i]))


def _too_few_states() -> Proof:
    """At κ = 32^C keys C log₂κ = 5C² states are fewer than κ, which mqar.n-lower-bound forbids."""
    u, keys = sp.Symbol("u", nonnegative=True), sp.Integer(32) ** constant
    series = Bound(name="e^u ≥ 1 + u + u²/2 for u ≥ 0", claim=sp.Ge(sp.exp(u), 1 + u + u**2 / 2))
    at = Specialise(name="for 32^C = e^{5C log 2}", of=series, at={u: 5 * constant * sp.log(2)})
    log2 = Bound(name="log 2 > 2/3", claim=sp.Gt(sp.log(2), sp.Rational(2, 3), evaluate=False)).but_not(
        "log 2 > 3/4", claim=sp.Gt(sp.log(2), sp.Rational(3, 4), evaluate=False)
    )
    more = Bound(
        name="32^C > 5C²",
        claim=sp.Gt(keys, 5 * constant**2),
        given=(sp.Ge(keys, 1 + 5 * constant * sp.log(2) + (5 * constant * sp.log(2)) ** 2 / 2), log2.relation),
    )
    return Proof(
        steps=(
            series,
            at,
            log2,
            more.but_not("6C²", claim=sp.Gt(keys, 6 * constant**2)),
            Bound(
                name="whatever C is, κ = 32^C keys need more than C log₂κ states",
                because="N ≥ κ for every network without a gate whose decay at the query is shared: mqar.n-lower-bound",
                claim=sp.Not(sp.And(sp.Ge(N, keys), sp.Le(N, 5 * constant**2))),
                given=(more.relation,),
            ).but_not("without the growth of 32^C", given=()),
        )
    )


def _clipped() -> Proof:
    linear = -sign_key_margin(CLIPPED, CLIPPED_CONTEXT, "q", rectified=False)
    clipped = -sign_key_margin(CLIPPED, CLIPPED_CONTEXT, "q", rectified=True)
    return Proof(
        steps=(
            Identity(
                name="three orthogonal keys: ε = 0", lhs=Named("max |<k_a, k_b>|", _largest_product(CLIPPED)), rhs=ZERO
            ),
            Identity(name="without ReLU the margin is 1", lhs=Named("margin without ReLU", linear), rhs=ONE),
            Identity(
                name="with ReLU it is ½ − (½ + ¼)",
                because="ReLU leaves products |P_q ∩ P_a|/N of the sets of + signs",
                lhs=Named("margin with ReLU", clipped),
                rhs=-sp.Rational(1, 4),
            ),
            Bound(name="the other value wins", claim=sp.Lt(Named("margin with ReLU", clipped), 0)).but_not(
                "without ReLU", claim=sp.Lt(linear, 0)
            ),
        )
    )


# --- amended --------------------------------------------------------------------------------------------------------

eps, total = sp.Symbol("epsilon", nonnegative=True), sp.Symbol("total", real=True)
others = sp.Symbol("n", integer=True, nonnegative=True)
writes_u, writes_v = (sp.Function(name, nonnegative=True)(others) for name in ("m_u", "m_v"))
cross = sp.Function("cross", real=True)(others)
"""Sums over n other keys: how often u and v are stored there, and their cross terms."""
FEW_WRITES = sp.Lt(eps * (writes_u + writes_v), 1)
added = sp.Symbol("x", real=True)
of_u, of_v = sp.symbols("n_u n_v", integer=True, nonnegative=True)
"""Measured: what the cross terms add to the margin, and how often other keys store u and v(q)."""
least, sums, largest_sum = sp.symbols("mu G G_max", real=True)
"""The least margin over all assignments at an isolated query of q; Σ_{a≠q}|g_{qa}|; the largest of these sums."""
SIGN_KEYS = sp.And(
    sp.Eq(M, 1 + added, evaluate=False),
    sp.Ge(M, 1 - eps * (of_u + of_v)),
    RECALLED,
    sp.Eq(least, 1 - sums, evaluate=False),
    sp.Implies(sp.Lt(largest_sum, 1), sp.Ge(N, kappa)),
)
FEW = Hypothesis(
    "ε(m_u + m_v) < 1",
    "ε = max |g_{qa}|, and m_u, m_v other writes of u and of v(q): ε(m_u + m_v) < 1",
    sp.Lt(eps * (of_u + of_v), 1),
    r"\varepsilon(m_u+m_{v(q)})<1,\ \varepsilon=\max_{a\ne q}|g_{qa}|",
)
SMALL_CROSS = sp.Le(sp.Abs(cross), eps * (writes_u + writes_v))
RIGHT = sp.Gt(1 + cross, 0)


def _exact_condition() -> Identity:
    """The margin is n_{q,u} − n_{q,v} plus the other keys' cross terms."""
    gram, count, rival = sp.Function("g"), sp.Function("n_u"), sp.Function("n_v")
    product = delta(j, q) + (1 - delta(j, q)) * gram(j)
    return Identity(
        name="margin = (n_{q,u} − n_{q,v}) + Σ_{a≠q} g_{qa}(n_{a,u} − n_{a,v})",
        lhs=sp.Sum(product * (count(j) - rival(j)), (j, 1, kappa)),
        rhs=(count(q) - rival(q)) + sp.Sum(gram(j) * (count(j) - rival(j)), (j, 1, kappa))
        - gram(q) * (count(q) - rival(q)),
        given=(sp.Ge(kappa, q),),
    )  # fmt: skip


def _cross_is_small() -> InductionOn:
    """|Σ g_a(x_a − y_a)| ≤ ε Σ (x_a + y_a), one key at a time; x_a, y_a count how often key a stores u and v."""
    g, x, y = (sp.Function(name, real=True)(others) for name in ("g", "x", "y"))
    small, counts = sp.Le(sp.Abs(g), eps), (sp.Ge(x, 0), sp.Ge(y, 0))
    terms = {cross: g * (x - y), writes_u: x, writes_v: y}
    return invariant(
        name="cross terms are at most ε(m_u + m_v)",
        because="m_u, m_v: how often u, v are stored under the first n other keys, noise after queries included",
        conclusion=SMALL_CROSS,
        index=others,
        initial=dict.fromkeys(terms, 0),
        following={part: part + term for part, term in terms.items()},
        given=(small, *counts),
        wrong={"counts may be negative": {"given": (small,)}},
    )


def _worst_assignment() -> Cases:
    """Each other key may hold u, v or neither: the margin loses at most |g|, and that is attained."""
    g, sign = sp.Symbol("g_a", real=True), sp.Symbol("x", integer=True)
    return Cases(
        name="all assignments: another key costs at most |g_{qa}|",
        because="attained by v where g > 0 and u where g < 0, so right for all iff Σ_{a≠q}|g_{qa}| < 1",
        claim=sp.And(sp.Ge(g * sign, -sp.Abs(g)), sp.Or(sp.Eq(-g, -sp.Abs(g)), sp.Eq(g, -sp.Abs(g)))),
        over={sign: (-1, 0, 1)},
    ).but_not("half of it", claim=sp.Ge(g * sign, -sp.Abs(g) / 2))


def _dominance() -> tuple[InductionOn, Bound]:
    """Strict diagonal dominance: G x = 0 with |x_a| ≤ X = |x_q| > 0 is impossible, so N ≥ rank G = κ."""
    size, top, largest = sp.symbols("S X x_q", real=True)
    n = sp.Symbol("n", integer=True, nonnegative=True)
    x, g, part, mass = (sp.Function(name, real=True)(n) for name in ("x", "g", "total", "S"))
    sums = invariant(
        name="|Σ_{a≠q} g_{qa}x_a| ≤ X Σ_{a≠q}|g_{qa}|",
        conclusion=sp.Le(sp.Abs(part), mass * top),
        index=n,
        initial={part: 0, mass: 0},
        following={part: part + g * x, mass: mass + sp.Abs(g)},
        given=(sp.Le(sp.Abs(x), top), sp.Ge(top, 0)),
        wrong={"x unbounded": {"given": (sp.Ge(top, 0),)}},
    )
    closing = Bound(
        name="Σ_{a≠q}|g_{qa}| < 1 for all q makes the Gram matrix regular: N ≥ κ",
        because="g_{qq} = 1: x_q + Σ_{a≠q} g_{qa}x_a = 0 cannot hold where |x_q| is largest",
        claim=sp.Not(sp.And(sp.Eq(largest + total, 0), sp.Eq(sp.Abs(largest), top), sp.Gt(top, 0))),
        given=(sp.Le(sp.Abs(total), size * top), sp.Lt(size, 1), sp.Ge(size, 0)),
    )
    return sums, closing.but_not("Σ ≤ 1", given=(closing.given[0], sp.Le(size, 1), sp.Ge(size, 0)))


def _condition() -> Proof:
    return Proof(
        hypotheses=(FEW_WRITES, *_cross_is_small().definitions, *_cross_is_small().assumes),
        steps=(
            _exact_condition(),
            _worst_assignment(),
            *_dominance(),
            _cross_is_small(),
            Bound(
                name="recall where ε(m_u + m_v) < 1",
                because="for distinct values and no other writes m_u + m_v ≤ 1: every ε < 1 does",
                claim=RIGHT,
                given=(SMALL_CROSS, FEW_WRITES),
            ).but_not("≤ 1", given=(SMALL_CROSS, sp.Le(eps * (writes_u + writes_v), 1))),
        ),
    )


_GIVEN = "H1 ctx -> H2 ctx tail -> asks ctx tail t q v -> u != v -> logit s"
ONE_HOT_FORMAL = Formal(
    ("mqar.OneHot.thm3_step1",),
    refused=(
        Weakened("without H1", _GIVEN, _GIVEN.replace("H1 ctx", "true")),
        Weakened("without H2", _GIVEN, _GIVEN.replace("H2 ctx tail", "true")),
        Weakened("the value as its own rival", _GIVEN, _GIVEN.replace("u != v", "true")),
        Weakened("margin 2", "-> logit s t v - logit s t u = 1.", "-> logit s t v - logit s t u = 2%:R."),
        Weakened(
            "values by the number 2",
            "@codes_logit2 R e p kappa V kappa V one_hot one_hot one_hot one_hot",
            "@codes_logit2 R e p kappa V kappa V one_hot one_hot (@one_hot_code (over e (@relu R) p) 2%:R) one_hot",
        ),
        Weakened("a step of 2", "(step1 : p step_bias = 1)", "(step1 : p step_bias = 2%:R)"),
    ),
)

CLAIMS = (
    Claim(
        id="mqar.thm3-step1",
        paper="Theorem 3, step 1 (Appendix D.4)",
        form=Form.AMENDED,
        title="one Mamba-2 layer recalls with N = κ and one-hot codes, margin 1",
        statement=r"\text{logit}_{v(q)}-\text{logit}_w=1\ (w\ne v(q))",
        hypotheses=(H1, H2),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.Eq(M, 1),
        proof=_one_hot,
        formal=ONE_HOT_FORMAL,
    ),
    Claim(
        id="mqar.thm3",
        paper="Theorem 3, step 2 (Appendix D.4)",
        form=Form.PRINTED,
        title="N = O(log κ) states recall κ keys",
        statement=r"\text{for some } C \text{ and every } \kappa\ge2 \text{ a network with } N\le C\log_2\kappa"
        r"\text{ answers all assignments of eq. (46)}",
        hypotheses=(AT_LEAST_TWO,),
        depends_on=("mqar.n-lower-bound",),
        formula=FEW_STATES,
        every=(constant, kappa),
        some=(N,),
        expected=Outcome.REFUTED,
        disproof=_too_few_states,
        formal=Formal(
            (
                "mqar.Theorem3.thm3_refuted",
                "mqar.Theorem3.thm3_refuted_mamba2",
                "mqar.Theorem3.thm3_refuted_heads",
            ),
            refused=(
                Weakened(
                    "N ≤ κ",
                    "few_states (C kappa N : nat) : bool := 2 ^ N <= kappa ^ C",
                    "few_states (C kappa N : nat) : bool := N <= kappa",
                ),
                Weakened("fewer keys", "many_keys (C : nat) : nat := 32 ^ C", "many_keys (C : nat) : nat := 2 ^ C"),
                Weakened("one value", "[/\\ 2 <= V,", "[/\\ 1 <= V,"),
                Weakened(
                    "nothing answered",
                    "without_gate logit states & forall a, answered logit a",
                    "without_gate logit states & forall a, answered logit a -> answered logit a",
                ),
                Weakened(
                    "one head's states",
                    "head_of W c < heads) ->\n  ~ few_states C kappa (heads * m2_d_state W)",
                    "head_of W c < heads) ->\n  ~ few_states C kappa (m2_d_state W)",
                ),
            ),
        ),
        erratum=Erratum(
            printed="Mamba-2 solves the task with N = O(log κ), keys being columns of a sign matrix.",
            instance="C = <C>, κ = <kappa>: C log₂κ = 1, and N = <N> state does not recall them, since "
            "mqar.n-lower-bound asks for κ.",
            reading="all inputs of eq. (46) under H1 and H2, values may coincide; no gate, as in the theorem",
            instead="mqar.n-lower-bound: N ≥ κ, whatever the weights; mqar.thm3-amended for the printed weights",
            survives="step 1; and where values are distinct and nothing else is stored, every ε"
            " < 1 and so N = O(log κ)",
            case={"C": 1, "kappa": 2, "N": 1},
            further="Every C has its κ = 32^C: C log₂κ = 5C² < 32^C states. With the printed weights, N = 4 and κ = 5, "
            "keys ++++, −+++, +−++, ++−+, +++− (times ½): on q u a v b v c v d v q the margin of u over v is 1 "
            "− 4·½ = −1.",
        ),
    ),
    Claim(
        id="mqar.thm3-relu-clip",
        paper="Theorem 3, step 2 with Table 2's block",
        form=Form.PRINTED,
        title="the same in the block of Table 2, whose ReLU clips ±1/√p",
        statement=r"B=\sigma(\mathrm{conv}(\cdot)),\ C=\sigma(\mathrm{conv}(\cdot)),\ \sigma="
        r"\mathrm{ReLU}:\ \text{orthogonal"
        r" keys recall}",
        hypotheses=(H1, H2, ORTHOGONAL_KEYS, RECTIFIED),
        formula=RECALLED,
        expected=Outcome.REFUTED,
        disproof=_clipped,
        erratum=Erratum(
            printed="Keys with entries ±1/√p pass through the block that Table 2 defines.",
            instance="<network> (orthogonal, times ½), on <sequence> (L = 7, pairs: <num_kv_pairs>): the margin of v2 "
            "over <rival> is ½ − (½ + ¼) = −¼.",
            reading="x, B and C pass the same non-linearity, as in Table 2",
            instead="codes ≥ 0: mqar.thm3-step1 (one-hot) and mqar.n2-distinct (K² − k²)",
            survives="the statement for linear B and C where mqar.thm3-amended holds",
            case={
                "network": "Theorem 3, step 2, keys ++++ ++-- +-+-, ReLU",
                "sequence": "k1 v1 k2 v2 k3 v1 k2",
                "num_kv_pairs": 3,
                "rival": "v1",
            },
            further="Without ReLU it is 1. On k1 v1 k2 v2 k2 (L = 5) v1 and v2 tie: ½ − ½.",
        ),
        formal=Formal(
            (
                "mqar.ClippedKeys.thm3_relu_clip_refuted",
                "mqar.ClippedKeys.clipped_margin",
                "mqar.ClippedKeys.linear_margin",
            ),
            refused=(
                Weakened("without ReLU", "~ orthogonal_keys_recall (@relu R).", "~ orthogonal_keys_recall (@id R)."),
                Weakened(
                    "a third key that holds the value", "[:: (a, u); (q, v); (c, u)].", "[:: (a, u); (q, v); (c, v)]."
                ),
                Weakened("a margin of −½", "= - 4%:R^-1.", "= - 2%:R^-1."),
                Weakened("keys that are not orthogonal", "else ~~ odd n.", "else (n < 1)%N."),
            ),
        ),
    ),
    Claim(
        id="mqar.thm3-amended",
        paper="Theorem 3, step 2 (Appendix D.4)",
        form=Form.AMENDED,
        title="when sign keys recall: exact condition, sufficient condition, all inputs",
        statement=r"\text{linear } B, C:\ \text{logit}_{v(q)}-\text{logit}_u="
        r"1+\sum_{a\ne q}g_{qa}(n_{a,v(q)}-n_{a,u})\ge1-\varepsilon(m_u+m_{v(q)})>0;"
        r"\quad\text{least over all assignments: }1-\sum_{a\ne q}|g_{qa}|;"
        r"\quad\sum_{a\ne q}|g_{qa}|<1\text{ for all } q\ \Rightarrow\ N\ge\kappa",
        hypotheses=(H1, H2, FEW),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=SIGN_KEYS,
        proof=_condition,
        formal=Formal(
            (
                "mqar.Theorem3Amended.thm3_margin",
                "mqar.Theorem3Amended.thm3_sufficient",
                "mqar.Theorem3Amended.thm3_least",
                "mqar.Theorem3Amended.thm3_states",
            ),
            refused=(
                Weakened(
                    "the query's own key counted twice",
                    r"1 + \sum_(a < kappa | a != q) g q a * ((writes",
                    r"1 + \sum_(a < kappa) g q a * ((writes",
                ),
                Weakened(
                    "writes of the rival alone",
                    "  1 - eps * (others u + others v) <= logit s t v - logit s t u /",
                    "  1 - eps * others u <= logit s t v - logit s t u /",
                ),
                Weakened(
                    "the query's own key among those that cost",
                    r"let least := 1 - \sum_(j < kappa | j != q)",
                    r"let least := 1 - \sum_(j < kappa)",
                ),
                Weakened(
                    "sums of products that reach 1",
                    "`|g q a| < 1) -> (kappa <= N)%N.",
                    "`|g q a| <= 1) -> (kappa <= N)%N.",
                ),
                Weakened(
                    "B and C pass ReLU",
                    "Notation logit := (@logit R e id p",
                    "Notation logit := (@logit R e (@relu R) p",
                ),
            ),
        ),
    ),
)
