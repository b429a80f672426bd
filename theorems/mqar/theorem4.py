"""Theorem 4 of the paper (Appendix D.5): an S4D mixer with N = 1; the convolution stores, the gate selects.

Step 1 holds as printed under H1 and H2. In step 2 (sign codes for values) one printed step is false: the shift β is
read out with the code, √p times as much as it says. The conclusion stands for small ε.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import relu
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.mqar.task import H1, H2, RECALLED, M, delta, dot, signs
from mamba_theorems.theorems.proofs.proof import Bound, Cases, Identity, Induction, Proof
from mamba_theorems.theorems.proofs.written import Named
from mamba_theorems.theorems.statement import Hypothesis, predicate

key, value, tap0, tap1 = sp.symbols("k v c_0 c_1", positive=True)
kappa, q = sp.symbols("kappa q", integer=True, positive=True)
j, s, t = sp.symbols("j s t", integer=True, nonnegative=True)
g, sum_u, sum_w, shift = sp.symbols("g sigma_u sigma_w beta", real=True)
repeats = sp.Symbol("r_q", integer=True, nonnegative=True)

MARGIN = sp.Eq(
    key * tap1 * (value * 1 + key * repeats) - key * tap1 * (value * 0 + key * repeats), key * tap1 * value,
    evaluate=False,
)  # fmt: skip
CODE_MARGIN = sp.Gt(key * tap1 * (1 - g), 0)
STOPPED = sp.Le(tap0 * value + tap1 * key, tap0 * key)
TAPS_FIT = Hypothesis("c_0v + c_1k ≤ c_0k", "a value and the key behind it do not pass", STOPPED, r"c_0v+c_1k\le c_0k")

p, eps = sp.symbols("p epsilon", positive=True)
BALANCED, BIASED = map(predicate, ("balanced", "biased"))
COLUMNS_DIFFER = Hypothesis("columns differ", "no two columns are the same", g < 1, r"\langle m_u,m_w\rangle<1")
ABOVE = Hypothesis("β > 1/√p", "the shift makes every code positive", shift > 1 / sp.sqrt(p), r"\beta>1/\sqrt p")
CODES_STOPPED = Hypothesis(
    "c_0(β + 1/√p) + c_1k ≤ c_0k",
    "a code and the key behind it do not pass",
    tap0 * (shift + 1 / sp.sqrt(p)) + tap1 * key <= tap0 * key,
    r"c_0(\beta+1/\sqrt p)+c_1k\le c_0k",
)
NOT_REPEATED = Hypothesis("r_q = 0", "the query's key never stood directly behind itself", sp.Eq(repeats, 0), "r_q=0")
SHIFT_TAKEN_OFF = Hypothesis(
    "balanced or biased",
    "the columns sum to 0, or the head's bias is −k c_1 β Σ_r (Me_i)_r and the query's key never stood behind itself",
    sp.Or(BALANCED, sp.And(BIASED, NOT_REPEATED.meaning)),
)
SMALL = Hypothesis(
    "ε(1 + 2β√p) < 1",
    "ε is the largest of |⟨m_i, m_j⟩|, i ≠ j, and |⟨m_i, 1/√p⟩|: ε(1 + 2β√p) < 1",
    eps * (1 + 2 * shift * sp.sqrt(p)) < 1,
    r"\varepsilon(1+2\beta\sqrt p)<1,\ "
    r"\varepsilon=\max(|\langle m_i,m_j\rangle|,|\langle m_i,\mathbf1/\sqrt p\rangle|)",
)
LEAST = key * tap1 * (1 - eps - 2 * shift * sp.sqrt(p) * eps)
nearest, extra, column_sum = sp.symbols("g_max h sigma", nonnegative=True)
"""The largest |⟨m_i, m_j⟩| of two columns, of |⟨m_i, 1/√p⟩|, and of |Σ_r (m_i)_r|."""
NEARLY_ORTHOGONAL = Hypothesis(
    "codes", "|⟨m_i, m_j⟩| ≤ ε for two columns", sp.Le(nearest, eps), r"|\langle m_i,m_j\rangle|\le\varepsilon"
)
TO_THE_EXTRA_VECTOR = Hypothesis(
    "extra vector", "|⟨m_i, 1/√p⟩| ≤ ε", sp.Le(extra, eps), r"|\langle m_i,\mathbf 1/\sqrt p\rangle|\le\varepsilon"
)


TWO_VALUES = sp.Le((tap0 + tap1) * value, tap0 * key)


def _and() -> Cases:
    """ReLU(c_0·previous + c_1·current − c_0k) at block j, coordinate u: previous is key j AND current is value u."""
    previous_key, current_key, previous_value, current_value = bits = sp.symbols(
        "P_j C_j P_u C_u", integer=True, nonnegative=True
    )
    window = tap0 * (key * previous_key + value * previous_value) + tap1 * (key * current_key + value * current_value)
    step = Cases(
        name="the convolution stores (key j, value u), and a whole block where key j follows itself",
        because="b = c_0k; the second term is the same for every u, so it is harmless",
        claim=sp.Eq(
            relu(window - tap0 * key),
            tap1 * value * previous_key * current_value + tap1 * key * previous_key * current_key,
            evaluate=False,
        ),
        over=dict.fromkeys(bits, (0, 1)),
        given=(sp.Le(previous_key + previous_value, 1), sp.Le(current_key + current_value, 1)),
        under=(STOPPED, TWO_VALUES),
    )
    return step.but_not("a previous value may pass", under=step.under[1:])


def _two_values() -> Bound:
    """That condition covers two values in a row: k > v and c_1v < c_1k ≤ c_0(k − v)."""
    return Bound(name="two values in a row do not pass either", claim=TWO_VALUES, given=(STOPPED,)).but_not(
        "without the condition", given=()
    )


def _sum(width: str = "w") -> Induction:
    stored = sp.Function(width)
    return Induction(
        name="S4D with decay 1, B = C = 1 adds up: N = 1",
        index=t,
        next=lambda h, n: h + stored(n + 1),
        closed=sp.Sum(stored(s), (s, 1, t)),
    )


def _gate() -> Identity:
    """The gate ReLU(k [block = q]) keeps block q alone; the head adds the blocks."""
    count, repeat = sp.Function("n"), sp.Function("r")
    return Identity(
        name="the gate selects block q",
        lhs=sp.Sum(key * delta(j, q) * tap1 * (value * count(j) + key * repeat(j)), (j, 1, kappa)),
        rhs=key * tap1 * (value * count(q) + key * repeat(q)),
        given=(sp.Ge(kappa, q),),
    )


def _paper_numbers() -> Cases:
    numbers = {key: 10, value: 1, tap0: 10, tap1: 1}
    return Cases(
        name="k = 10, v = 1, c_0 = 10, c_1 = 1 satisfy the condition",
        claim=STOPPED,
        over={symbol: (number,) for symbol, number in numbers.items()},
    )


def _gated_recall() -> Proof:
    return Proof(
        steps=(
            _two_values(),
            _and(),
            _paper_numbers(),
            _sum(),
            _gate(),
            Identity(
                name="margin k c_1 v = 10 = k, with the paper's numbers",
                because="H1 and H2: n_{q,v(q)} = 1, n_{q,u} = 0; r_q, how often q followed itself, cancels",
                lhs=MARGIN.lhs,
                rhs=MARGIN.rhs,
            ),
        )
    )


# --- step 2 ---------------------------------------------------------------------------------------------------------


def _logit(product: sp.Expr, total: sp.Expr) -> sp.Expr:
    """Σ over block q of k m_w·(c_1(m_u + β1) + c_1 k r_q 1)."""
    return key * tap1 * (product + (shift + key * repeats) * total)


def _sum_is_longer() -> Proof:
    """The column (+, +, −)/√3: its product with 1/√3 is ⅓, its sum √3 times that."""
    column, unit = signs("++-"), (1 / sp.sqrt(3),) * 3
    product, total = Named("<m, 1/sqrt(p)>", dot(column, unit)), Named("<m, 1>", sum(column))
    return Proof(
        steps=(
            Identity(name="p = 3, one column: ε = ⅓", lhs=product, rhs=sp.Rational(1, 3)),
            Identity(name="⟨m, 1⟩ is √p times as large", lhs=total, rhs=sp.sqrt(3) * product),
            Bound(name="more than ε", claim=sp.Gt(total, sp.Rational(1, 3), evaluate=False)).but_not(
                "more than √3 ε", claim=sp.Gt(sum(column), sp.sqrt(3) / 3, evaluate=False)
            ),
        )
    )


def _small_products() -> Proof:
    """The printed weights, no bias: the shift costs 2β√p ε at most."""
    low, high = sp.Le(sp.Abs(g), eps), [sp.Le(sp.Abs(total), sp.sqrt(p) * eps) for total in (sum_u, sum_w)]
    difference = (_logit(sp.S.One, sum_u) - _logit(g, sum_w)).subs(repeats, 0)
    room = SMALL.meaning
    return Proof(
        hypotheses=(low, *high, room, sp.Gt(shift, 0)),
        steps=(
            _stores_codes(),
            _sum("x"),
            _gate(),
            Bound(
                name="positive where ε(1 + 2β√p) < 1",
                because="with β just above 1/√p that is every ε < ⅓",
                claim=sp.And(sp.Ge(difference, LEAST), sp.Gt(difference, 0)),
                given=(low, *high, room, sp.Gt(shift, 0)),
            ).but_not("any ε < 1", given=(low, *high, sp.Lt(eps, 1), sp.Gt(shift, 0))),
        ),
    )


def _amended_margins() -> tuple[Identity, Identity]:
    difference = _logit(sp.S.One, sum_u) - _logit(g, sum_w)
    bias = key * tap1 * shift
    return (
        Identity(
            name="head bias −k c_1 β Σ_r (Me_i)_r: the margin, where the query's key never followed itself",
            lhs=(difference - bias * (sum_u - sum_w)).subs(repeats, 0),
            rhs=key * tap1 * (1 - g),
        ).but_not("the query's key followed itself", lhs=(difference - bias * (sum_u - sum_w)).subs(repeats, 1)),
        Identity(
            name="balanced columns, no bias: the margin",
            lhs=difference.subs({sum_u: 0, sum_w: 0}),
            rhs=key * tap1 * (1 - g),
        ),
    )


def _stores_codes() -> Bound:
    """ReLU(c_0·previous + c_1·current − c_0k) on block j with codes m + β1: stored iff the previous token is key j."""
    m, other, root = sp.symbols("m m_o 1/sqrt_p", real=True)
    sizes = (sp.Le(sp.Abs(m), root), sp.Le(sp.Abs(other), root), sp.Gt(shift, root))
    fits = (
        sp.Le(tap0 * (shift + root) + tap1 * key, tap0 * key),
        sp.Le((tap0 + tap1) * (shift + root), tap0 * key),
    )
    b = tap0 * key
    return Bound(
        name="codes are stored behind their key only",
        claim=sp.And(
            sp.Eq(relu(tap0 * key + tap1 * (m + shift) - b), tap1 * (m + shift), evaluate=False),
            sp.Eq(relu(tap1 * (m + shift) - b), 0, evaluate=False),
            sp.Eq(relu(tap0 * (other + shift) + tap1 * (m + shift) - b), 0, evaluate=False),
            sp.Eq(relu(tap0 * (other + shift) + tap1 * key - b), 0, evaluate=False),
        ),
        given=(*sizes, *fits),
    ).but_not("β > −1/√p", given=(*sizes[:2], sp.Gt(shift, -root), *fits))


def _codes_recall() -> Proof:
    return Proof(
        hypotheses=(sp.Lt(g, 1),),
        steps=(
            _stores_codes(),
            _sum("x"),
            _gate(),
            *_amended_margins(),
            Bound(name="distinct columns recall", claim=CODE_MARGIN, given=(sp.Lt(g, 1),)).but_not(
                "equal columns", given=(sp.Le(g, 1),)
            ),
        ),
    )


CLAIMS = (
    Claim(
        id="mqar.thm4",
        paper="Theorem 4, step 1 (Appendix D.5)",
        form=Form.AMENDED,
        title="one gated S4D layer recalls with N = 1, d = κ|V|",
        statement=r"\Lambda=0,\ b=c_0k:\quad\text{logit}_{v(q)}-\text{logit}_u=k\,c_1v",
        hypotheses=(H1, H2, TAPS_FIT),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.Eq(M, key * tap1 * value, evaluate=False),
        proof=_gated_recall,
        formal=Formal(
            ("mqar.Theorem4.thm4",),
            refused=(
                Weakened(
                    "a value may pass with the key behind it",
                    "Hypothesis taps_fit : tap0 * value + tap1 * key <= tap0 * key.",
                    "Hypothesis taps_fit : tap1 * value + tap1 * key <= tap0 * key.",
                ),
                Weakened(
                    "the other tap in the margin",
                    "= key * tap1 * value /",
                    "= key * tap0 * value /",
                ),
                Weakened(
                    "H2 of the context alone",
                    "Theorem thm4 ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in\n"
                    "  H1 ctx -> H2 ctx tail ->",
                    "Theorem thm4 ctx tail t q (v u : 'I_V) : let s := sequence ctx tail in\n"
                    "  H1 ctx -> H2 ctx [::] ->",
                ),
                Weakened(
                    "a head of 2",
                    "(one_hot_code (F := F) value) (one_hot_code (F := F) 1) (fun=> 0)).",
                    "(one_hot_code (F := F) value) (one_hot_code (F := F) 2) (fun=> 0)).",
                ),
            ),
        ),
    ),
    Claim(
        id="mqar.thm4-jl",
        paper="Theorem 4, step 2 (Appendix D.5)",
        form=Form.PRINTED,
        title="the step of Theorem 4 that adds the vector 1 to the Johnson-Lindenstrauss set",
        statement=r"|(Me_i)^\top\mathbf 1|\le\varepsilon",
        hypotheses=(NEARLY_ORTHOGONAL, TO_THE_EXTRA_VECTOR),
        formula=sp.Le(column_sum, eps),
        expected=Outcome.REFUTED,
        disproof=_sum_is_longer,
        erratum=Erratum(
            printed="One more vector in Lemma 4 makes (Me_i)ᵀ1 ≤ ε, so the shift β1 does no harm.",
            instance="p = 3, the one column m = <columns> over √3, ε = <epsilon>: ⟨m, 1/√3⟩ = ⅓ = ε, and mᵀ1 = 1/√3 "
            "> ε.",
            reading="the vector of Lemma 4 is ±1/√p; flipping rows of M makes it 1/√p, and entries stay ±1/√p",
            instead="(Me_i)ᵀ1 ≤ √p ε",
            survives="the conclusion, with the printed weights: mqar.thm4-jl-small-epsilon",
            case={"columns": ["++-"], "epsilon": "1/3"},
            further="In general (Me_i)ᵀ1 = √p⟨Me_i, 1/√p⟩.",
        ),
        formal=Formal(
            ("mqar.Theorem4.thm4_jl_refuted", "mqar.Theorem4.thm4_jl_three", "mqar.Theorem4.thm4_jl_instead"),
            refused=(
                Weakened(
                    "the product with the vector 1/√p in place of the sum",
                    r"  forall v : 'I_V, `|\sum_(r < p) m v r| <= eps.",
                    "  forall v : 'I_V, `|dot p (m v) (fun=> root^-1)| <= eps.",
                ),
                Weakened("a balanced column", "(_ r : nat) := (r < 3)%N", "(_ r : nat) := (r < 2)%N"),
                Weakened(
                    "an ε of ¼ for that column",
                    "have := printed 4%N 1%N 2%:R 2%:R^-1 column",
                    "have := printed 4%N 1%N 2%:R 4%:R^-1 column",
                ),
                Weakened(
                    "the sum is at most ε",
                    r"`|\sum_(r < p) m v r| <= root * eps.",
                    r"`|\sum_(r < p) m v r| <= eps.",
                ),
            ),
        ),
    ),
    Claim(
        id="mqar.thm4-jl-small-epsilon",
        paper="Theorem 4, step 2 (Appendix D.5)",
        form=Form.AMENDED,
        title="the printed weights recall for ε < ⅓, with β just above 1/√p",
        statement=r"\text{logit}_{v(q)}-\text{logit}_u\ge k\,c_1(1-\varepsilon-2\beta\sqrt p\,\varepsilon)>0",
        hypotheses=(H1, H2, ABOVE, CODES_STOPPED, NOT_REPEATED, SMALL),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.And(sp.Ge(M, LEAST), RECALLED),
        proof=_small_products,
        formal=Formal(
            ("mqar.Theorem4.thm4_jl_small_epsilon",),
            refused=(
                Weakened("any ε below 1", "eps * (1 + 2%:R * shift * root) < 1 ->", "eps < 1 ->"),
                Weakened(
                    "the shift costs half as much",
                    "(1 - eps - 2%:R * shift * root * eps) <= logit (fun=> 0) s t v - logit (fun=> 0) s t u /",
                    "(1 - eps - shift * root * eps) <= logit (fun=> 0) s t v - logit (fun=> 0) s t u /",
                ),
                Weakened(
                    "the query's key stood once behind itself",
                    "asks ctx tail t q v -> repeats s t q = 0%N -> u != v ->",
                    "asks ctx tail t q v -> repeats s t q = 1%N -> u != v ->",
                ),
                Weakened(
                    "a shift above −1/√p",
                    "Hypothesis shift_above : root^-1 < shift.",
                    "Hypothesis shift_above : - root^-1 < shift.",
                ),
            ),
        ),
    ),
    Claim(
        id="mqar.thm4-jl-amended",
        paper="Theorem 4, step 2 (Appendix D.5)",
        form=Form.AMENDED,
        title="sign codes behind a gate: balanced columns, or a head bias",
        statement=r"\text{logit}_u-\text{logit}_w=k\,c_1(1-\langle m_u,m_w\rangle)>0,\quad u=v(q)",
        hypotheses=(H1, H2, COLUMNS_DIFFER, ABOVE, CODES_STOPPED, SHIFT_TAKEN_OFF),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.And(sp.Eq(M, key * tap1 * (1 - g), evaluate=False), RECALLED),
        proof=_codes_recall,
        formal=Formal(
            ("mqar.Theorem4.thm4_jl_amended",),
            refused=(
                Weakened(
                    "the columns' differences are not asked for",
                    "(forall v u : 'I_V, v != u -> exists r : 'I_p, columns v r != columns u r) ->",
                    "(forall v u : 'I_V, v != u -> exists r : 'I_p, columns v r == columns u r) ->",
                ),
                Weakened(
                    "a bias that lacks the tap",
                    r"b v = - (key * tap1 * shift * \sum_(r < p) m v r)",
                    r"b v = - (key * shift * \sum_(r < p) m v r)",
                ),
                Weakened(
                    "with the bias the query's key may stand behind itself",
                    r"(biased b /\ repeats s t q = 0%N)",
                    r"(biased b /\ repeats s t q = 1%N)",
                ),
                Weakened(
                    "a code and a key behind it may pass",
                    "Hypothesis codes_stopped : tap0 * (shift + root^-1) + tap1 * key <= tap0 * key.",
                    "Hypothesis codes_stopped : tap0 * shift + tap1 * key <= tap0 * key.",
                ),
                Weakened(
                    "a shift above −1/√p",
                    "Hypothesis shift_above : root^-1 < shift.",
                    "Hypothesis shift_above : - root^-1 < shift.",
                ),
            ),
        ),
    ),
)
