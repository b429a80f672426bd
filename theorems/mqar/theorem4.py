"""Theorem 4 of the paper (Appendix D.5): an S4D mixer with N = 1; the convolution stores, the gate selects.

Step 1 holds as printed under H1 and H2. Step 2 (sign codes for values) fails: the shift β is read out with the code.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import relu
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Outcome
from mamba_theorems.theorems.mqar.task import H1, H2, delta, dot, signs
from mamba_theorems.theorems.proofs.proof import Bound, Cases, Identity, Induction, Proof
from mamba_theorems.theorems.proofs.written import Named

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
        under=(sp.Le(tap0 * value + tap1 * key, tap0 * key), sp.Le((tap0 + tap1) * value, tap0 * key)),
    )
    return step.but_not("a previous value may pass", under=step.under[1:])


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
    conditions = sp.And(sp.Le(tap0 * value + tap1 * key, tap0 * key), sp.Le((tap0 + tap1) * value, tap0 * key))
    return Cases(
        name="k = 10, v = 1, c_0 = 10, c_1 = 1 satisfy the conditions",
        claim=conditions,
        over={symbol: (number,) for symbol, number in numbers.items()},
    )


def _gated_recall() -> Proof:
    return Proof(
        steps=(
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

COMPARABLE = {"u": "++--", "w": "+++-"}


def _logit(product: sp.Expr, total: sp.Expr) -> sp.Expr:
    """Σ over block q of k m_w·(c_1(m_u + β1) + c_1 k r_q 1)."""
    return key * tap1 * (product + (shift + key * repeats) * total)


def _shift_is_read() -> Proof:
    own, rival = signs(COMPARABLE["u"]), signs(COMPARABLE["w"])
    unit = (sp.Rational(1, 2),) * 4
    margin = dot(own, own) - dot(own, rival) + shift * (sum(own) - sum(rival))
    products = sp.Max(*(sp.Abs(dot(x, y)) for x, y in ((own, rival), (own, unit), (rival, unit))))
    return Proof(
        steps=(
            Identity(
                name="the two codes and the extra vector 1/√p: products of at most ε = ½, p = 4",
                lhs=Named("largest product of two of m_u, m_w, 1/sqrt(p)", products),
                rhs=sp.Rational(1, 2),
            ),
            Identity(
                name="but ⟨m_w, 1⟩ is √p times as large",
                lhs=Named("<m_w, 1>", sum(rival)),
                rhs=2 * Named("<m_w, 1/sqrt(p)>", dot(rival, unit)),
            ),
            Identity(
                name="margin / (k c_1) on k u k",
                lhs=Named("margin/(k c_1)", margin),
                rhs=sp.Rational(1, 2) - shift,
            ),
            Bound(
                name="negative for every shift that keeps the codes positive",
                because="β > 1/√p = ½ is what makes m + β1 pass the ReLU",
                claim=sp.Lt(margin, 0),
                given=(sp.Gt(shift, sp.Rational(1, 2)),),
            ).but_not("no shift", given=(sp.Ge(shift, 0),)),
        )
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
        statement=r"\text{logit}_{v(q)}-\text{logit}_u=k\,c_1v",
        hypotheses=(
            H1,
            H2,
            r"\Lambda=0,\ b=c_0k,\ c_0v+c_1k\le c_0k,\ (c_0+c_1)v\le c_0k",
        ),
        depends_on=("foundations.unrolled",),
        formula=MARGIN,
        proof=_gated_recall,
    ),
    Claim(
        id="mqar.thm4-jl",
        paper="Theorem 4, step 2 (Appendix D.5)",
        form=Form.PRINTED,
        title="d = κ·O(log|V|) with the vector 1 added to the Johnson-Lindenstrauss set",
        statement=r"\arg\max_u\text{logit}_u=v(q),\quad (Me_i)^\top\mathbf 1\le\varepsilon",
        hypotheses=(H1, H2, r"|\langle m_i,m_j\rangle|\le\varepsilon,\ "
                    r"|\langle m_i,\mathbf 1/\sqrt p\rangle|\le\varepsilon"),
        expected=Outcome.REFUTED,
        disproof=_shift_is_read,
        erratum=Erratum(
            printed="One more vector in Lemma 4 makes (Me_i)ᵀ1 ≤ ε, so the shift β1 does no harm.",
            instance="κ = 1, |V| = 2, p = 4, codes u = (+,+,−,−)/2 and w = (+,+,+,−)/2, the sequence k u k (L = 3): all"
            " products, with 1/√p too, are at most ε = ½; (m_w)ᵀ1 = 1; the margin is (½ − β) k"
            " c_1 < 0 for every β > 1/√p.",
            reading="the vector of Lemma 4 has entries ±1/√p; rotating it to 1/√p would destroy those of M",
            instead="mqar.thm4-jl-amended: head bias −k c_1 β Σ_r (Me_i)_r, or columns that sum to 0",
            survives="d = κ·O(log|V|); p = ⌈log₂|V|⌉ distinct columns are enough with the bias",
        ),
    ),
    Claim(
        id="mqar.thm4-jl-amended",
        paper="Theorem 4, step 2 (Appendix D.5)",
        form=Form.AMENDED,
        title="sign codes behind a gate: balanced columns, or a head bias",
        statement=r"\text{logit}_u-\text{logit}_w=k\,c_1(1-\langle m_u,m_w\rangle)>0",
        hypotheses=(
            H1,
            H2,
            r"\beta>1/\sqrt p;\ \text{columns of sum 0, or bias } -kc_1\beta\sum_r(Me_i)_r \text{"
            r" and no key after itself}",
        ),
        depends_on=("mqar.thm4",),
        formula=CODE_MARGIN,
        proof=_codes_recall,
    ),
)  # fmt: skip
