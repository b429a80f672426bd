"""Theorem 2, step 1 of the paper (Section 4.3, Appendix D.3): one Mamba layer, one-hot keys and values.

n_{j,u} counts the stored (key j, value u) pairs; i is the key that stands right before the query q, if any.
"""

from __future__ import annotations

import itertools

import sympy as sp

from mamba_theorems.theorems.activations import relu
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.mqar.task import H1, H2, RECALLED, M, delta
from mamba_theorems.theorems.proofs.proof import Bound, Cases, Identity, Induction, Proof
from mamba_theorems.theorems.proofs.written import Named
from mamba_theorems.theorems.statement import Hypothesis

a0, a1, c = sp.symbols("a_0 a_1 c", positive=True)
key, value, tap0, tap1, bias = sp.symbols("k v c_0 c_1 b", positive=True)
kappa, q, i, u = sp.symbols("kappa q i u", integer=True, positive=True)
j, s, t = sp.symbols("j s t", integer=True, nonnegative=True)
same, rival, twice = sp.symbols("s_i r_i t_i", integer=True, nonnegative=True)
"""Whether i holds v(q); whether it holds the rival; whether it is q itself. All are 0 where no key stands before q."""

WEIGHTS = {key: 2, value: 1, tap0: 1, tap1: 2, bias: 1}
"""The paper's numbers: keys 2, values 1, taps (1, 2), bias 1."""


def margin() -> sp.Expr:
    """Correct logit minus a rival's: a₀ĉ(a₁ + a₀(s − r)), for a preceding key other than q."""
    return a0 * c * (a1 + a0 * (same - rival))


RIVALRY = (sp.Le(same + rival, 1), sp.Gt(a1, a0))


def _in_weights(e: sp.Expr) -> sp.Expr:
    """The expression in terms of k, v, c_0, c_1 and b."""
    return e.subs({a0: tap0 * key - bias, a1: tap1 * key - bias, c: tap1 * value - bias})


ANY_NEIGHBOUR = margin() + a0 * c * bias * twice
LEAST = sp.And(sp.Ge(ANY_NEIGHBOUR, a0 * c * (a1 - a0)), sp.Gt(ANY_NEIGHBOUR, 0))
CLOSED_FORM = sp.Eq(M, _in_weights(ANY_NEIGHBOUR), evaluate=False)
RECALL = sp.And(CLOSED_FORM, sp.Ge(M, _in_weights(a0 * c * (a1 - a0))), RECALLED)

VALUES_STOPPED = Hypothesis("c_0v ≤ b", "the previous value does not pass the bias", tap0 * value <= bias, r"c_0v\le b")
KEYS_PASS = Hypothesis("b < c_0k", "the previous key passes the bias", bias < tap0 * key, "b<c_0k")
VALUES_PASS = Hypothesis("b < c_1v", "the current value passes the bias", bias < tap1 * value, "b<c_1v")


def _window_bits() -> tuple[sp.Symbol, ...]:
    """Whether the previous / current token is key j, and whether it is value u."""
    return sp.symbols("P_j C_j P_u C_u", integer=True, nonnegative=True)


def _write() -> Cases:
    """x̂_u B_j for one window, at any pair of coordinates (u, j): written only for (key j, value u)."""
    previous_key, current_key, previous_value, current_value = bits = _window_bits()
    x_key = relu(tap0 * key * previous_key + tap1 * key * current_key - bias)
    x_value = relu(tap0 * value * previous_value + tap1 * value * current_value - bias)
    stored = (tap0 * key - bias) * (tap1 * value - bias) * previous_key * current_value
    one_hot = (sp.Le(previous_key + previous_value, 1), sp.Le(current_key + current_value, 1))
    fits = (sp.Gt(tap0 * key, bias), sp.Gt(tap1 * value, bias), sp.Le(tap0 * value, bias))
    return Cases(
        name="a window writes iff it is (key, value)",
        because="a generic pair of coordinates sees only these bits; taps of the paper satisfy the conditions",
        claim=sp.Eq(x_value * x_key, stored, evaluate=False),
        over=dict.fromkeys(bits, (0, 1)),
        given=one_hot,
        under=fits,
    ).but_not("threshold b too small for c_0 v", under=fits[:2])


def _read() -> Cases:
    """C_j = x̂_j at a query: a₁ at its own coordinate, a₀ at the preceding key's, a₀ + c₁k where they coincide."""
    previous_key, current_key, *_ = _window_bits()
    low, high = tap0 * key - bias, tap1 * key - bias
    both = low + tap1 * key
    read = low * previous_key * (1 - current_key) + high * current_key * (1 - previous_key)
    return Cases(
        name="the query reads its own column, and its neighbour's",
        claim=sp.Eq(
            relu(tap0 * key * previous_key + tap1 * key * current_key - bias),
            read + both * previous_key * current_key,
            evaluate=False,
        ),
        over={previous_key: (0, 1), current_key: (0, 1)},
        under=(sp.Gt(tap0 * key, bias), sp.Gt(tap1 * key, bias)),
    )


def _logit() -> tuple[Identity, Identity]:
    """Σ_j h_{u,j} C_j with the Kronecker sums done, for a neighbour i ≠ q and for i = q."""
    count = sp.Function("n")
    inside = (sp.Ge(kappa, q), sp.Ge(kappa, i))
    neighbours = Identity(
        name="logit in closed form",
        lhs=sp.Sum(a0 * c * count(j) * (a1 * delta(j, q) + a0 * delta(j, i)), (j, 1, kappa)),
        rhs=a0 * c * (a1 * count(q) + a0 * count(i)),
        given=inside,
    )
    twice = Identity(
        name="logit when the neighbour is the query's own key",
        lhs=sp.Sum(a0 * c * count(j) * (a0 + tap1 * key) * delta(j, q), (j, 1, kappa)),
        rhs=a0 * c * (a0 + tap1 * key) * count(q),
        given=inside[:1],
    )
    return neighbours, twice


def _unrewritten() -> Bound:
    """Until q is rewritten (a query of q followed by a value), n_{q,u} is what the context stored."""
    n, n0, w, w_u, burnt = sp.symbols("n n_0 w w_u burnt", integer=True, nonnegative=True)
    bits = tuple(sp.Le(x, 1) for x in (w, w_u, burnt))
    held = sp.Eq((1 - burnt) * (n - n0), 0, evaluate=False)
    return Bound(
        name="H2: no rewrite before the query keeps the count",
        because="w_u = [window is (q, u)] ≤ w = [window is (q, value)]; burnt′ = max(burnt, w)",
        claim=sp.Eq((1 - sp.Max(burnt, w)) * (n + w_u - n0), 0, evaluate=False),
        given=(*bits, sp.Le(w_u, w), held),
    ).but_not("H2 dropped", given=(*bits, held))


def _recall_everywhere() -> Proof:
    stored = sp.Function("w")
    neighbours, own = _logit()
    value_of = sp.Function("v", integer=True, positive=True)
    return Proof(
        hypotheses=RIVALRY,
        steps=(
            _write(),
            Induction(
                name="the state counts the writes",
                index=t,
                next=lambda h, n: h + a0 * c * stored(n + 1),
                closed=a0 * c * sp.Sum(stored(s), (s, 1, t)),
            ),
            _read(),
            neighbours,
            own,
            Identity(
                name="H1: the context stores each key once",
                because="distinct keys may be numbered by the pair that holds them",
                lhs=sp.Sum(delta(j, q) * delta(value_of(j), u), (j, 1, kappa)),
                rhs=delta(value_of(q), u),
                given=(sp.Ge(kappa, q),),
            ),
            _unrewritten(),
            Identity(
                name="margin in closed form",
                because="n_{q,v(q)} = 1, n_{q,rival} = 0, n_{i,v(q)} = s, n_{i,rival} = r; none before: s = r = 0",
                lhs=a0 * c * (a1 * 1 + a0 * same) - a0 * c * (a1 * 0 + a0 * rival),
                rhs=margin(),
            ),
            Identity(
                name="margin where the query's own key stands before it: b more",
                lhs=_in_weights(a0 * c * (a0 + tap1 * key)),
                rhs=_in_weights(ANY_NEIGHBOUR.subs({same: 1, rival: 0, twice: 1})),
            ),
            Cases(
                name="the paper's weights give margins 3, 4 and 2",
                claim=sp.Eq(_in_weights(margin()), 3 + same - rival, evaluate=False),
                over={**{symbol: (number,) for symbol, number in WEIGHTS.items()}, same: (0, 1), rival: (0, 1)},
                given=(sp.Le(same + rival, 1),),
            ),
            Bound(
                name="c_0v ≤ b < c_1v favours the current token: a₁ > a₀",
                claim=_in_weights(a1) > _in_weights(a0),
                given=(VALUES_STOPPED.meaning, VALUES_PASS.meaning),
            ),
            Bound(name="recall is exact", claim=LEAST, given=RIVALRY)
            .but_not("a sign in the margin", claim=LEAST.subs(a1, -a1))
            .but_not("taps that do not favour the current token", given=RIVALRY[:1]),
        ),
    )


REWRITTEN = ("k", "v1", "k", "v2", "k")
"""The smallest sequence on which Theorem 2 without H2 does not recall: κ = 1, |V| = 2, L = 5."""


def _rewritten_ties() -> Proof:
    """At the last token of REWRITTEN, both values were stored once."""
    windows = list(itertools.pairwise(REWRITTEN))
    counts = {v: sum(window == ("k", v) for window in windows) for v in ("v1", "v2")}
    other, correct = (a0 * c * a1 * counts[v] for v in ("v1", "v2"))
    return Proof(
        steps=(
            _write(),
            _logit()[0],
            Identity(
                name="both values get the same logit at the last query",
                lhs=Named("logit of v2", correct),
                rhs=Named("logit of v1", other),
            ),
        )
    )


FORMAL = Formal(
    ("mqar.Theorem2.thm2_step1",),
    refused=(
        Weakened("without H1", "H1 ctx -> H2 ctx tail -> asks", "true -> H2 ctx tail -> asks"),
        Weakened("without H2", "H1 ctx -> H2 ctx tail -> asks", "H1 ctx -> true -> asks"),
        Weakened("values need not be stopped", "tap0 * value <= bias.", "tap0 * value <= tap1 * value."),
        Weakened("keys need not pass", "bias < tap0 * key.", "bias < tap1 * key."),
        Weakened(
            "the query's own key before it adds nothing",
            "(beside ctx s t u)%:R) + bias * (prev s t == key_ q)%:R),",
            "(beside ctx s t u)%:R)),",
        ),
        Weakened("a larger margin", "      a0 * c * (a1 - a0) <= M,", "      a0 * c * a1 <= M,"),
    ),
)
FORMAL_PRINTED = Formal(
    ("mqar.Theorem2.thm2_step1_printed", "mqar.Theorem2.thm2_step1_printed_wrong"),
    refused=(
        Weakened("H2 kept", "H1 ctx -> asks ctx tail t q v", "H1 ctx -> H2 ctx tail -> asks ctx tail t q v"),
        Weakened("one value", "(0 < kappa)%N -> (1 < V)%N ->", "(0 < kappa)%N -> (0 < V)%N ->"),
        Weakened(
            "the query not asked again",
            "Notation once := [:: key_ k; value_ v2; key_ k].",
            "Notation once := [:: key_ k; value_ v2].",
        ),
        Weakened(
            "the rewrite not repeated",
            "Notation twice := [:: key_ k; value_ v2; key_ k; value_ v2; key_ k].",
            "Notation twice := [:: key_ k; value_ v2; key_ k; value_ v1; key_ k].",
        ),
    ),
)

CLAIMS = (
    Claim(
        id="mqar.thm2-step1",
        paper="Theorem 2, step 1 (Appendix D.3)",
        form=Form.AMENDED,
        title="one Mamba layer recalls with N = κ, d = κ + |V|",
        statement=r"\Lambda=0,\ \Delta=1:\quad\text{logit}_{v(q)}-\text{logit}_{u}=a_0\hat c\,"
        r"\bigl(a_1+a_0([v(i)=v(q)]-[v(i)=u])+b[i=q]\bigr)\ge a_0\hat c\,(a_1-a_0)>0,\quad"
        r" a_0=c_0k-b,\ a_1=c_1k-b,\ \hat c=c_1v-b",
        hypotheses=(H1, H2, VALUES_STOPPED, KEYS_PASS, VALUES_PASS),
        expected=Outcome.FORMAL,
        depends_on=("foundations.unrolled",),
        formula=RECALL,
        proof=_recall_everywhere,
        formal=FORMAL,
    ),
    Claim(
        id="mqar.thm2-step1-printed",
        paper="Theorem 2, step 1 (Appendix D.3)",
        form=Form.PRINTED,
        title="the same without hypothesis H2",
        statement=r"\arg\max_u \text{logit}_u = v(q)\ \text{at every query of eq. (46)}",
        hypotheses=(H1,),
        formula=RECALLED,
        expected=Outcome.REFUTED,
        disproof=_rewritten_ties,
        formal=FORMAL_PRINTED,
        erratum=Erratum(
            printed="A one-layer Mamba with N = κ and d = κ + |V| solves the task of eq. (46).",
            instance="<network>, on <sequence> (L = 5, pairs: <num_kv_pairs>): the window (query k, noise v2) "
            "is stored "
            "as a second pair, v1 and <rival> have the same logit, and no strict argmax exists.",
            reading="noise may follow a query and the key may be queried again, as eq. (46) allows",
            instead="mqar.thm2-step1: exact whenever no key is queried again after a query that a value follows (H2)",
            survives="the sizes N = κ and d = κ + |V|, and the weights, unchanged",
            case={
                "network": "Theorem 2, k = 2, v = 1, c_0 = 1, c_1 = 2, b = 1",
                "sequence": "k v1 k v2 k",
                "num_kv_pairs": 1,
                "rival": "v2",
            },
            further="κ = 1 and |V| = 2 are enough; with k v2 appended the wrong one wins.",
        ),
    ),
)
