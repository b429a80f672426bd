"""Theorem 2, step 2 of the paper (Appendix D.3): values in few channels, one-hot keys (N = κ).

Printed: sign codes shifted by β to pass the ReLU, and a head bias that is to cancel the shift. The bias lacks a factor.
Amended twice, and extended: the integer code (v, 1) needs two channels for any |V|.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import relu
from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.mqar.task import (
    H1,
    H2,
    RECALLED,
    Branch,
    M,
    delta,
    dot,
    integer_square,
    last_readout,
    signs,
)
from mamba_theorems.theorems.proofs.proof import Bound, Cases, Identity, InductionOn, Proof, Specialise, invariant
from mamba_theorems.theorems.proofs.written import Named
from mamba_theorems.theorems.statement import Hypothesis, predicate

a0, a1, tap1, s = sp.symbols("a_0 a_1 c_1 s", positive=True)
sum_u, sum_v, root_p = sp.symbols("sigma_u sigma_v sqrt_p", real=True)
coordinates = sp.Symbol("p", integer=True, nonnegative=True)
g_uv, g_uw, g_vw, norm = (sp.Function(name, real=True)(coordinates) for name in ("g_uv", "g_uw", "g_vw", "g_uu"))
"""⟨m_u, m_v⟩, … over p coordinates."""
V, v, w, u = sp.symbols("V v w u", integer=True, positive=True)

NUMBERS = {
    "key": sp.Integer(10),
    "shift": sp.Integer(2),
    "taps": (sp.Integer(1), sp.Integer(10)),
    "bias": sp.Integer(3),
}
"""The paper's: k = 10, β = 2, c_0 = 1, c_1 = 10, b = 3; so a_0 = 7, a_1 = 97, s = 17."""


# --- the printed construction ---------------------------------------------------------------------------------------


def shifted_codes(columns: dict[str, str]) -> tuple[Branch, Branch]:
    """x and the shared B = C of the printed block for one key "k" and values with the given sign columns."""
    shift, silent = NUMBERS["shift"], (sp.S.Zero,)
    width = len(next(iter(columns.values())))
    codes = {name: tuple(m + shift for m in signs(pattern)) for name, pattern in columns.items()}
    x = Branch(codes | {"k": (sp.S.Zero,) * width}, NUMBERS["taps"], NUMBERS["bias"])
    address = Branch(dict.fromkeys(columns, silent) | {"k": (NUMBERS["key"],)}, NUMBERS["taps"], NUMBERS["bias"])
    return x, address


def printed_margin(columns: dict[str, str], correct: str, rival: str) -> sp.Expr:
    """logit(correct) − logit(rival) at the end of `k correct k`, with the printed bias b_o = −(c_0k − b) s W_o 1."""
    x, address = shifted_codes(columns)
    y = last_readout(x, address, address, ("k", correct, "k"))
    (old, new), key, bias, shift = NUMBERS["taps"], NUMBERS["key"], NUMBERS["bias"], NUMBERS["shift"]
    offset = (old * key - bias) * (new * shift - bias)

    def logit(value: str) -> sp.Expr:
        code = signs(columns[value])
        return dot(code, y) - offset * sum(code)

    return sp.expand(logit(correct) - logit(rival))


ORTHOGONAL = {"u": "+-", "v": "++"}


def _bias_lacks_a_factor() -> Proof:
    a0_, a1_, c1_, s_ = 7, 97, 10, 17
    margin = a0_ * (a1_ * c1_ * (1 - g_uv) + s_ * (a1_ - 1) * (sum_u - sum_v))
    at = {g_uv: dot(signs("+-"), signs("++")), sum_u: sum(signs("+-")), sum_v: sum(signs("++"))}
    return Proof(
        steps=(
            Identity(
                name="the two columns are orthogonal: ε = 0",
                lhs=Named("<m_u, m_v>", dot(signs(ORTHOGONAL["u"]), signs(ORTHOGONAL["v"]))),
                rhs=sp.S.Zero,
            ),
            Identity(
                name="the block run on k u k, against a₀(a₁c₁(1 − g) + s(a₁ − 1)(σ_u − σ_v))",
                because="the shift is read out a₀a₁ times, the printed bias takes it off a₀ times",
                lhs=Named("margin of the block run on k u k", printed_margin(ORTHOGONAL, "u", "v")),
                rhs=sp.expand(margin.subs(at)),
            ),
            Bound(name="the rival wins", claim=sp.Lt(printed_margin(ORTHOGONAL, "u", "v"), 0, evaluate=False)).but_not(
                "query u and v exchanged", claim=sp.Lt(printed_margin(ORTHOGONAL, "v", "u"), 0)
            ),
        )
    )


# --- amended --------------------------------------------------------------------------------------------------------

DISTINCT = sp.Lt(g_uv, norm)
FAVOURS_CURRENT = sp.Gt(a1, a0)
NEIGHBOUR = sp.Ge(g_uw - g_vw, g_uv - norm)
BALANCED_MARGIN = a0 * tap1 * (a1 * (norm - g_uv) + a0 * (g_uw - g_vw))
BALANCED = sp.And(sp.Ge(BALANCED_MARGIN, a0 * tap1 * (a1 - a0) * (norm - g_uv)), sp.Gt(BALANCED_MARGIN, 0))
BIASED_MARGIN = a0 * (tap1 * (a1 * (norm - g_uv) + a0 * (g_uw - g_vw)) + a0 * s * (sum_u - sum_v))


key, shift, tap0, bias, p = sp.symbols("k beta c_0 b p", positive=True)
closeness, nearest = sp.symbols("g g_max", real=True)
"""⟨m_u, m_{v(q)}⟩ for a rival u; the largest |⟨m_u, m_v⟩| of two different columns."""
BALANCED_COLUMNS, BIASED, ISOLATED, TWICE = map(predicate, ("balanced", "biased", "isolated", "i = q"))


def _in_weights(e: sp.Expr) -> sp.Expr:
    """a₀, a₁ and s in terms of k, c_0, c_1, β and b."""
    return e.subs({a0: tap0 * key - bias, a1: tap1 * key - bias, s: tap1 * shift - bias, root_p: sp.sqrt(p)})


CODE_PASSES = Hypothesis(
    "c_1(β − 1/√p) ≥ b", "a value's code passes the bias", tap1 * (shift - 1 / sp.sqrt(p)) >= bias,
    r"c_1(\beta-1/\sqrt p)\ge b",
)  # fmt: skip
CODE_STOPPED = Hypothesis(
    "c_0(β + 1/√p) ≤ b", "the previous value's code does not", tap0 * (shift + 1 / sp.sqrt(p)) <= bias,
    r"c_0(\beta+1/\sqrt p)\le b",
)  # fmt: skip
KEY_PASSES = Hypothesis("b < c_0k", "the previous key passes the bias", bias < tap0 * key, "b<c_0k")
COLUMNS_DIFFER = Hypothesis("columns differ", "no two columns are the same", closeness < 1, r"\langle m_u,m_v\rangle<1")
SHIFT_TAKEN_OFF = Hypothesis(
    "balanced or biased",
    "the columns sum to 0, or the head's bias is −a₀a₁s W_o 1",
    sp.Or(BALANCED_COLUMNS, BIASED),
)
BIAS_FITS = Hypothesis(
    "c_1(a_1 − a_0) > a_0s√p",
    "with the bias and a key right before the query: c_1(a_1 − a_0) > a_0s√p",
    sp.Or(sp.Not(BIASED), ISOLATED, _in_weights(tap1 * (a1 - a0)) > _in_weights(a0 * s * root_p)),
)
NOT_TWICE = Hypothesis(
    "i ≠ q with the bias", "with the bias q does not stand right before its query", sp.Or(sp.Not(BIASED), sp.Not(TWICE))
)
WITHOUT_BIAS = sp.Ge(M, _in_weights(a0 * tap1 * (a1 - a0)) * (1 - closeness))
ISOLATED_MARGIN = sp.Eq(M, _in_weights(a0 * a1 * tap1) * (1 - closeness), evaluate=False)
SIGN_CODES = sp.And(sp.Implies(sp.Not(BIASED), WITHOUT_BIAS), sp.Implies(ISOLATED, ISOLATED_MARGIN), RECALLED)
ORTHOGONAL_COLUMNS = Hypothesis(
    "orthogonal", "sign columns ±1/√p, orthogonal: ε = 0", sp.Eq(nearest, 0), r"\langle m_u,m_v\rangle=0\ (u\ne v)"
)
factor = sp.Symbol("f", positive=True)
PRINTED_BIAS = Hypothesis("printed bias", "the head's bias is −f a₀s W_o 1 with f = 1", sp.Eq(factor, 1), "f=1")


def _passes_relu() -> Bound:
    """β > 1/√p, not −1/√p, keeps a shifted sign code positive; the previous value must not pass."""
    m, shift, bias, old = sp.symbols("m beta b c_0", real=True)
    inverse_root = sp.Symbol("1/sqrt_p", positive=True)
    code = sp.Eq(relu(tap1 * (m + shift) - bias), tap1 * m + (tap1 * shift - bias), evaluate=False)
    silent = sp.Eq(relu(old * (m + shift) - bias), 0, evaluate=False)
    bounds = (sp.Le(m, inverse_root), sp.Ge(m, -inverse_root))
    fits = (sp.Ge(tap1 * (shift - inverse_root), bias), sp.Ge(old, 0), sp.Le(old * (shift + inverse_root), bias))
    return Bound(
        name="a value's code passes the ReLU, the previous value's does not",
        claim=sp.And(code, silent),
        given=(*bounds, *fits),
    ).but_not("β > −1/√p", given=(*bounds, sp.Gt(shift, -inverse_root), *fits[1:]))


def _coordinate() -> Cases:
    """(a₁u_r + a₀w_r)(u_r − v_r) ≥ (a₁ − a₀)u_r(u_r − v_r) for signs: the neighbour costs at most a₀(1 − ⟨u, v⟩)."""
    x, y, z = sp.symbols("u_r v_r w_r", integer=True)
    return Cases(
        name="coordinate by coordinate, the neighbour costs at most a₀/a₁ of the margin",
        claim=sp.Ge(a0 * z * (x - y), -a0 * x * (x - y)),
        over=dict.fromkeys((x, y, z), (-1, 1)),
    ).but_not("half of that", claim=sp.Ge(a0 * z * (x - y), -a0 * x * (x - y) / 2))


def _codes() -> InductionOn:
    """The coordinates added up: ⟨u, w⟩ − ⟨v, w⟩ ≥ ⟨u, v⟩ − ⟨u, u⟩, in units of 1/p."""
    x, y, z = signs = [sp.Function(name, real=True)(coordinates) for name in ("u", "v", "w")]
    terms = {g_uw: x * z, g_vw: y * z, g_uv: x * y, norm: x * x}
    return invariant(
        name="⟨m_u, m_w⟩ − ⟨m_v, m_w⟩ ≥ ⟨m_u, m_v⟩ − ⟨m_u, m_u⟩",
        because="for sign codes no ε is needed; one coordinate after the other",
        conclusion=NEIGHBOUR,
        index=coordinates,
        initial=dict.fromkeys(terms, 0),
        following={g: g + term for g, term in terms.items()},
        given=tuple(sp.Or(sp.Eq(sign, 1), sp.Eq(sign, -1)) for sign in signs),
        wrong={"codes that are no signs": {"given": ()}},
    )


def _johnson_lindenstrauss() -> Bound:
    """The paper's route, for any unit codes with |⟨m_i, m_j⟩| ≤ ε."""
    eps = sp.Symbol("epsilon", positive=True)
    near = [sp.Le(sp.Abs(g), eps) for g in (g_uv, g_uw, g_vw)]
    return Bound(
        name="any unit codes: ε < a₁/(a₁ + 2a₀) is enough",
        claim=sp.Gt(BALANCED_MARGIN, 0),
        given=(*near, sp.Eq(norm, 1), sp.Lt(eps * (a1 + 2 * a0), a1)),
    ).but_not("a₁/(a₁ + a₀)", given=(*near, sp.Eq(norm, 1), sp.Lt(eps * (a1 + a0), a1)))


def _biased() -> Cases:
    """With the bias −a₀a₁s W_o 1: every assignment if c₁(a₁ − a₀) > a₀s√p (a coordinate where u_r < v_r decides)."""
    x, y, z = sp.symbols("u_r v_r w_r", integer=True)
    term = (tap1 * (a1 * x + a0 * z) + a0 * s * root_p) * (x - y)
    least = 2 * (tap1 * (a1 - a0) - a0 * s * root_p)
    positive = (sp.Ge(root_p, 1), sp.Gt(tap1 * (a1 - a0), a0 * s * root_p))
    return Cases(
        name="with the corrected bias a differing coordinate adds at least 2(c₁(a₁ − a₀) − a₀s√p) > 0",
        because="least at u_r = −1, v_r = w_r = 1; for one matrix the condition is not necessary",
        claim=sp.And(sp.Ge(term, least), sp.Gt(least, 0)),
        over={x: (-1, 1), y: (-1, 1), z: (-1, 1)},
        given=(sp.Ne(x, y),),
        under=positive,
    ).but_not("condition dropped", under=positive[:1])


def _log_values() -> Bound:
    """The smallest shift, s = c₁/√p, makes the codes 0 and 2c₁/√p: then a₁ > 2a₀ is enough, for every p."""
    return Bound(
        name="smallest shift: a₁ > 2a₀ answers every assignment with p = ⌈log₂|V|⌉ distinct columns",
        claim=sp.Gt(tap1 * (a1 - a0), a0 * (tap1 / root_p) * root_p),
        given=(sp.Gt(a1, 2 * a0), sp.Ge(root_p, 1)),
    ).but_not("a₁ > a₀", given=(FAVOURS_CURRENT, sp.Ge(root_p, 1)))


def _margins() -> tuple[Identity, Identity]:
    """From the readout y = a₀(a₁(c₁m_u + s1) + a₀(c₁m_w + s1)), w the value of the key before the query."""

    def logit(own: sp.Expr, other: sp.Expr, total: sp.Expr) -> sp.Expr:
        return a0 * (a1 * (tap1 * own + s * total) + a0 * (tap1 * other + s * total))

    difference = logit(norm, g_uw, sum_u) - logit(g_uv, g_vw, sum_v)
    return (
        Identity(
            name="balanced columns, no bias: the margin",
            lhs=difference.subs({sum_u: 0, sum_v: 0}),
            rhs=BALANCED_MARGIN,
        ),
        Identity(
            name="bias −a₀a₁s W_o 1: the margin",
            because="the factor a₁ = c₁k − b is the one that the printed bias lacks",
            lhs=difference - a0 * a1 * s * (sum_u - sum_v),
            rhs=BIASED_MARGIN,
        ),
    )  # fmt: skip


def _codes_recall() -> Proof:
    balanced, biased = _margins()
    return Proof(
        hypotheses=(DISTINCT, FAVOURS_CURRENT, *_codes().definitions, *_codes().assumes),
        steps=(
            _passes_relu(),
            biased,
            Bound(
                name="isolated query with the corrected bias: right iff ⟨m_u, m_v⟩ < 1",
                claim=sp.And(
                    sp.Implies(DISTINCT, sp.Gt(a0 * a1 * tap1 * (norm - g_uv), 0)),
                    sp.Implies(sp.Ge(g_uv, norm), sp.Le(a0 * a1 * tap1 * (norm - g_uv), 0)),
                ),
            ),
            _biased(),
            _log_values(),
            _johnson_lindenstrauss(),
            balanced,
            _coordinate(),
            _codes(),
            Bound(
                name="balanced columns recall every assignment, adjacent queries included",
                claim=BALANCED,
                given=(DISTINCT, FAVOURS_CURRENT, NEIGHBOUR),
            )
            .but_not("a₁ > a₀ dropped", given=(DISTINCT, NEIGHBOUR))
            .but_not("columns may coincide", given=(FAVOURS_CURRENT, NEIGHBOUR)),
        ),
    )


# --- Extension H ----------------------------------------------------------------------------------------------------

CODE_MARGIN = (2 * v * v - v**2) - (2 * w * v - w**2)
CODE = sp.Ge(CODE_MARGIN, 1)


def _separate_channels() -> Cases:
    """B reads [previous is key j], C reads [current is key j], x = (u, 1) at values: no neighbour is seen."""
    previous, current, is_value, value = sp.symbols("P_j C_j value u", integer=True, nonnegative=True)
    return Cases(
        name="B sees the previous key only, C the current one",
        because="taps (1, 0) and (0, 1) on two families of key channels: d = 2κ + 2",
        claim=sp.And(
            sp.Eq(Named("ReLU(1 P_j + 0 C_j)", relu(1 * previous + 0 * current)), previous, evaluate=False),
            sp.Eq(Named("ReLU(0 P_j + 1 C_j)", relu(0 * previous + 1 * current)), current, evaluate=False),
            sp.Eq(
                Named("ReLU(v u) P_j", relu(value * is_value) * previous), value * is_value * previous, evaluate=False
            ),
        ),
        over={previous: (0, 1), current: (0, 1), is_value: (0, 1)},
        given=(sp.Le(current + is_value, 1),),
    )


def _value_codes_recall() -> Proof:
    x = sp.Symbol("x", integer=True)
    square = integer_square(x)
    return Proof(
        hypotheses=(sp.Ne(v - w, 0),),
        steps=(
            _separate_channels(),
            Identity(
                name="the query's column holds the code (v, 1) of its value alone",
                because="n_{q,u} = δ(u, v) under H1 and H2, whatever the other columns hold",
                lhs=sp.Sum(delta(u, v) * (2 * w * u - w**2), (u, 1, V)),
                rhs=2 * w * v - w**2,
                given=(sp.Ge(V, v),),
            ),
            Identity(name="margin = (v − w)²", lhs=CODE_MARGIN, rhs=(v - w) ** 2),
            square,
            Bound(
                name="the price: logits up to |V|² beside a margin of 1, so 2 log₂|V| bits",
                claim=sp.And(sp.Le(2 * w * v - w**2, V**2), sp.Ge(2 * w * v - w**2, -(V**2))),
                given=(sp.Le(v, V), sp.Le(w, V)),
            ).but_not("|V|²/2", claim=sp.Le(2 * w * v - w**2, V**2 / 2)),
            Specialise(name="for the integer v − w", of=square, at={x: v - w}),
            Bound(name="two value channels recall any |V|", claim=CODE, given=(sp.Ge((v - w) ** 2, 1),)),
        ),
    )


_ASKED = "H1 ctx -> H2 ctx tail -> asks ctx tail t q v ->\n  gram u v < 1 ->"
SIGN_CODES_FORMAL = Formal(
    ("mqar.Signs.thm2_step2_amended",),
    refused=(
        Weakened("without H1", _ASKED, _ASKED.replace("H1 ctx", "true")),
        Weakened("without H2", _ASKED, _ASKED.replace("H2 ctx tail", "true")),
        Weakened("columns may coincide", "  gram u v < 1 ->", "  gram u v <= 1 ->"),
        Weakened("the printed bias", "total w = 0) \\/ f = a1 ->", "total w = 0) \\/ f = 1 ->"),
        Weakened(
            "any bias beside a neighbour",
            "isolated x t \\/ a0 * s * root < tap1 * (a1 - a0)) ->",
            "isolated x t \\/ 0 < tap1 * (a1 - a0)) ->",
        ),
        Weakened("q before its query, with the bias", "(f = a1 -> prev x t != key_ q) ->", "(f = a1 -> true) ->"),
        Weakened(
            "a larger margin",
            "a0 * tap1 * (a1 - a0) * (1 - gram u v) <= M,",
            "a0 * tap1 * a1 * (1 - gram u v) <= M,",
        ),
        Weakened(
            "a code may not pass",
            "code_passes : bias <= tap1 * (shift - root^-1).",
            "code_passes : bias <= tap1 * (shift + root^-1).",
        ),
    ),
)
_GIVEN = "asks ctx tail t q v -> u != v ->\n  let M := value_logit s t v"
VALUE_CODE_FORMAL = Formal(
    ("mqar.Values.value_code",),
    refused=(
        Weakened("without H1", f"H1 ctx -> H2 ctx tail -> {_GIVEN}", f"true -> H2 ctx tail -> {_GIVEN}"),
        Weakened("without H2", f"H1 ctx -> H2 ctx tail -> {_GIVEN}", f"H1 ctx -> true -> {_GIVEN}"),
        Weakened("the value as its own rival", _GIVEN, _GIVEN.replace("u != v", "true")),
        Weakened(
            "margin 2",
            "value_logit s t u in\n  M = (v%:R - u%:R) ^+ 2 /\\ 1 <= M.",
            "value_logit s t u in\n  M = (v%:R - u%:R) ^+ 2 /\\ 2%:R <= M.",
        ),
        Weakened(
            "one channel",
            "@codes_logit R e p kappa V kappa 2 one_hot one_hot",
            "@codes_logit R e p kappa V kappa 1 one_hot one_hot",
        ),
    ),
)

CLAIMS = (
    Claim(
        id="mqar.thm2-step2",
        paper="Theorem 2, step 2 (Appendix D.3)",
        form=Form.PRINTED,
        title="d = κ + O(log|V|) by Johnson-Lindenstrauss values, with the printed bias",
        statement=r"\arg\max_u\text{logit}_u=v(q),\quad b_o=-f\,(c_0k-b)\,W_o\,s",
        hypotheses=(H1, H2, ORTHOGONAL_COLUMNS, PRINTED_BIAS),
        formula=RECALLED,
        expected=Outcome.REFUTED,
        disproof=_bias_lacks_a_factor,
        erratum=Erratum(
            printed="With β = 2, k = 10, c_0 = 1, c_1 = 10, b = 3 and head bias −(c_0k − b) W_o"
            " s the block recalls; β > −1/√p.",
            instance="<network> (orthogonal, over √2), on <sequence> (L = 3, pairs: <num_kv_pairs>): the margin of v1 "
            "over <rival> is 7(970 − 1632√2) < 0.",
            reading="any sign matrix that Lemma 4 allows, here with ε = 0",
            instead="mqar.thm2-step2-amended: bias −(c_1k − b)(c_0k − b) W_o s, or columns that sum to 0; and β > 1/√p",
            survives="d = κ + O(log|V|); sharper, p = ⌈log₂|V|⌉ distinct columns are enough and no ε is needed",
            case={
                "network": "Theorem 2, step 2, k = 10, β = 2, c_0 = 1, c_1 = 10, b = 3, bias × 1, columns +- ++",
                "sequence": "k v1 k",
                "num_kv_pairs": 1,
                "rival": "v2",
            },
        ),
        formal=Formal(
            ("mqar.PrintedBias.thm2_step2_refuted", "mqar.PrintedBias.thm2_step2_two_signs"),
            refused=(
                Weakened(
                    "the corrected bias",
                    "(fun v => - ((tap0 * k - b) * (tap1 * shift - b) * total v)).",
                    "(fun v => - ((tap0 * k - b) * (tap1 * k - b) * (tap1 * shift - b) * total v)).",
                ),
                Weakened(
                    "columns that all sum to 0",
                    "pose columns v r := (r < 2)%N || (v == 1%N).",
                    "pose columns v r := if v == 1%N then odd r else (r < 2)%N.",
                ),
                Weakened("a shift of 1", "Notation shift := (2%:R : R).", "Notation shift := (1%:R : R)."),
                Weakened(
                    "the values exchanged",
                    "/\\ logit ord0 < logit ord_max.",
                    "/\\ logit ord_max < logit ord0.",
                ),
            ),
        ),
    ),
    Claim(
        id="mqar.thm2-step2-amended",
        paper="Theorem 2, step 2 (Appendix D.3)",
        form=Form.AMENDED,
        title="sign codes for values: balanced columns, or the corrected bias",
        statement=r"\text{logit}_{v(q)}-\text{logit}_u>0;\quad\text{no bias: }\ge"
        r" a_0c_1(a_1-a_0)(1-\langle m_u,m_{v(q)}\rangle);"
        r"\quad\text{isolated queries: }=a_0a_1c_1(1-\langle m_u,m_{v(q)}\rangle)",
        hypotheses=(
            H1,
            H2,
            COLUMNS_DIFFER,
            KEY_PASSES,
            CODE_PASSES,
            CODE_STOPPED,
            SHIFT_TAKEN_OFF,
            BIAS_FITS,
            NOT_TWICE,
        ),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=SIGN_CODES,
        proof=_codes_recall,
        formal=SIGN_CODES_FORMAL,
    ),
    Claim(
        id="mqar.value-code",
        paper="Theorem 2, step 2",
        form=Form.EXTENSION,
        title="log|V| is unnecessary: N = κ, d = 2κ + 2 for every |V|, with 2 log₂|V| bits",
        statement=r"\text{code }(v,1),\ \text{head }(2w,-w^2):\ \text{logit}_v-\text{logit}_w=(v-w)^2\ge1",
        hypotheses=(H1, H2),
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        formula=sp.And(sp.Eq(M, (v - w) ** 2, evaluate=False), sp.Ge(M, 1)),
        proof=_value_codes_recall,
        formal=VALUE_CODE_FORMAL,
    ),
)  # fmt: skip
