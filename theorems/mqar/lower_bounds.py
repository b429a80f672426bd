"""What no weights can do: recall without H2, fewer than κ states without a gate, one state for three keys.

Extensions to Section 4.3 of the paper, which claims tightness from experiments only.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.mqar.task import KEYS_DISTINCT
from mamba_theorems.theorems.proofs.proof import Bound, Cited, Identity, Induction, InductionOn, Proof, Step, invariant
from mamba_theorems.theorems.proofs.written import Named

N = sp.Symbol("N", integer=True, positive=True)
k, r, m = sp.symbols("k r m", integer=True, nonnegative=True)

# --- H2 -----------------------------------------------------------------------------------------------------------

PADDING = sp.S.Zero
CONTEXT = ("a1", "u1", "a2", "u2", "k", "v1")
TAIL = ("f1", "f2", "f3", "u1", "a2", "u2", "k", "v2", "f1", "f2", "f3", "k")
SHORT_CONTEXT, SHORT_TAIL = ("k", "v1"), ("f1", "k", "v2", "f1", "k")


def swapped(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The sequence with v1 and v2 exchanged."""
    return tuple({"v1": "v2", "v2": "v1"}.get(t, t) for t in tokens)


def windows(tokens: tuple[str, ...], d_conv: int) -> list[tuple[sp.Basic, ...]]:
    """What a convolution of `d_conv` taps sees at each position; nothing stands before the first token."""
    symbols = [PADDING] * (d_conv - 1) + [sp.Symbol(t, real=True) for t in tokens]
    return [tuple(symbols[t : t + d_conv]) for t in range(len(tokens))]


def state(tokens: tuple[str, ...], d_conv: int, decay: sp.Expr = sp.S.One) -> sp.Expr:
    """One entry of the last state: any function of each window, summed with decay 1."""
    write = sp.Function("write")
    seen = windows(tokens, d_conv)
    return sp.Add(*(decay ** (len(seen) - 1 - t) * write(*window) for t, window in enumerate(seen)))


def _named_state(tokens: tuple[str, ...], d_conv: int) -> Named:
    return Named(f"h_{d_conv}({' '.join(tokens)})", state(tokens, d_conv))


def _same_state(tokens: tuple[str, ...], d_conv: int) -> Identity:
    return (
        Identity(
            name=f"d_conv = {d_conv}: both orders of v1, v2 write the same sum",
            because=f"the same windows in another order, {' '.join(tokens)}",
            lhs=_named_state(tokens, d_conv),
            rhs=_named_state(swapped(tokens), d_conv),
        )
        .but_not(
            "with decay",
            lhs=state(tokens, d_conv, sp.Rational(1, 2)),
            rhs=state(swapped(tokens), d_conv, sp.Rational(1, 2)),
        )
        .but_not(
            "a window that is longer than the copied surroundings",
            lhs=state(tokens, d_conv + 4),
            rhs=state(swapped(tokens), d_conv + 4),
        )
    )


def _same_query(tokens: tuple[str, ...], d_conv: int) -> Identity:
    """The query's own window, hence its C, gate and skip, does not tell the two apart either."""
    output = sp.Function("logit")
    last, other = windows(tokens, d_conv)[-1], windows(swapped(tokens), d_conv)[-1]
    return Identity(
        name=f"d_conv = {d_conv}: the query's output is one function of the same state and window",
        lhs=output(_named_state(tokens, d_conv), *last),
        rhs=output(_named_state(swapped(tokens), d_conv), *other),
    )


def _labels_differ() -> Bound:
    first, second = sp.symbols("logit_v1 logit_v2", real=True)
    return Bound(
        name="the same logits cannot answer v1 in one and v2 in the other",
        claim=sp.Not(sp.And(sp.Gt(first, second), sp.Gt(second, first))),
    ).but_not("one of the two only", claim=sp.Not(sp.And(sp.Gt(first, second), sp.Ge(first, second))))


def _rewriting_defeats() -> Proof:
    short, long = SHORT_CONTEXT + SHORT_TAIL, CONTEXT + TAIL
    steps = [step for d_conv in (1, 2) for step in (_same_state(short, d_conv), _same_query(short, d_conv))]
    steps += [step for d_conv in (3, 4) for step in (_same_state(long, d_conv), _same_query(long, d_conv))]
    return Proof(steps=(*steps, _labels_differ()))


# --- Extension C: N ≥ κ -------------------------------------------------------------------------------------------


def _affine() -> Induction:
    """The logit difference of two values at a query, as a function of g = hᵀω ∈ R^N."""
    omega, C, h = sp.Function("omega"), sp.Function("C"), sp.Function("h")
    return Induction(
        name="ωᵀ h C = g·C: only g = hᵀω ∈ R^N matters",
        sequence="y",
        because="one more channel; ω = W_v − W_w, and what does not come from the state goes into τ",
        index=m,
        next=lambda total, n: total + omega(n + 1) * sp.Sum(h(n + 1, r) * C(r), (r, 1, N)),
        closed=sp.Sum(C(r) * sp.Sum(omega(k) * h(k, r), (k, 1, m)), (r, 1, N)),
    )


def _combination() -> Induction:
    """Σ_q λ_q (C(q)·g + τ_q), one key at a time."""
    weight, C, g, tau = (sp.Function(name) for name in ("lambda", "C", "g", "tau"))
    return Induction(
        name="Σ λ_q (C(q)·g + τ_q) = g·(Σ λ_q C(q)) + Σ λ_q τ_q",
        sequence="combined",
        index=m,
        next=lambda total, n: total + weight(n + 1) * (sp.Sum(C(n + 1, r) * g(r), (r, 1, N)) + tau(n + 1)),
        closed=sp.Sum(g(r) * sp.Sum(weight(k) * C(k, r), (k, 1, m)), (r, 1, N)) + sp.Sum(weight(k) * tau(k), (k, 1, m)),
    )


def _positive_sum(name: str, sign: int) -> InductionOn:
    """If key q is answered by v where sign·λ_q > 0 and by w where it is < 0, then sign·Σ λ_q f_q > 0.

    Of the first n keys some λ_q ≠ 0, which `some` counts.
    """
    n = sp.Symbol("n", integer=True, nonnegative=True)
    total, weight, f = (sp.Function(letter, real=True)(n) for letter in ("total", "lambda", "f"))
    some = sp.Function("some", nonnegative=True, integer=True)(n)
    answered = sp.And(
        sp.Implies(sp.Gt(sign * weight, 0), sp.Gt(f, 0)),
        sp.Implies(sp.Lt(sign * weight, 0), sp.Lt(f, 0)),
    )
    return invariant(
        name=name,
        because="a key with λ ≠ 0 adds a positive term, one with λ = 0 nothing",
        conclusion=sp.And(sp.Ge(sign * total, 0), sp.Implies(sp.Gt(some, 0), sp.Gt(sign * total, 0))),
        index=n,
        initial={total: 0, some: 0},
        following={total: total + weight * f, some: some + sp.Piecewise((1, sp.Ne(weight, 0)), (0, True))},
        given=(answered,),
        wrong={"keys answered wrongly": {"given": ()}},
    )


def _two_keys_one_state() -> Bound:
    """κ = 2, N = 1 with nothing assumed about C, τ or the four states: no way, by real arithmetic."""
    c1, c2, t1, t2 = sp.symbols("C_1 C_2 tau_1 tau_2", real=True)
    states = sp.symbols("g_vv g_vw g_wv g_ww", real=True)
    answers = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    rows = [
        sp.Gt(s * (c * g + t), 0)
        for g, signs in zip(states, answers, strict=True)
        for s, c, t in zip(signs, (c1, c2), (t1, t2), strict=True)
    ]
    return Bound(name="smallest case, κ = 2 and N = 1", claim=sp.Not(sp.And(*rows))).but_not(
        "only three of the four assignments", claim=sp.Not(sp.And(*rows[:6]))
    )


def _pascal() -> Identity:
    """Cells of n + 1 hyperplanes: those of n, and one more for each cell in which the new one is cut by the others."""
    return Identity(
        name="cells: binom(n+1, i) = binom(n, i) + binom(n, i−1)",
        because="so N states answer at most Σ_{i≤N} binom(κ, i) of the 2^κ assignments, all of them only if N ≥ κ",
        lhs=sp.binomial(m + 1, k),
        rhs=sp.binomial(m, k) + sp.binomial(m, k - 1),
    )


def _as_many_states_as_keys() -> Proof:
    constant = sp.Symbol("tau_lambda", real=True)
    steps: tuple[Step, ...] = (
        _affine(),
        Cited(
            name="a dependence",
            statement="κ > N vectors C(1), …, C(κ) of R^N have λ ≠ 0 with Σ λ_q C(q) = 0",
            source="linear algebra",
        ),
        _combination(),
        _positive_sum("the assignment v where λ_q > 0: the sum is positive", 1),
        _positive_sum("the opposite assignment: the sum is negative", -1),
        _two_keys_one_state(),
        _pascal(),
        Bound(
            name="but the sum is Σ λ_q τ_q for every assignment",
            claim=sp.Not(sp.And(sp.Gt(constant, 0), sp.Lt(constant, 0))),
        ).but_not("a tie", claim=sp.Not(sp.And(sp.Ge(constant, 0), sp.Le(constant, 0)))),
    )
    return Proof(steps=steps)


# --- N = 1 --------------------------------------------------------------------------------------------------------

gammas = sp.symbols("Gamma_1 Gamma_2 Gamma_3", real=True)
reads = sp.symbols("c_1 c_2 c_3", real=True)
EXTREME = tuple(
    sp.Gt(c * (own - other), 0)
    for i, (c, own) in enumerate(zip(reads, gammas, strict=True))
    for j, other in enumerate(gammas)
    if i != j
)
NOT_ALL_EXTREME = sp.Not(sp.And(*EXTREME))


def _swap() -> Identity:
    """The margin of v over w at q where q holds v and l holds w, plus the other way round where they are swapped."""
    phi, omega = sp.Function("phi"), sp.Symbol("omega", real=True)
    q, other, v, w = sp.symbols("q l v w", real=True)
    c, bias, rest = sp.symbols("c b rest", real=True)
    first = c * omega * (phi(v, q) + phi(w, other) + rest) + bias
    second = -(c * omega * (phi(w, q) + phi(v, other) + rest) + bias)

    def swing(key: sp.Symbol) -> sp.Expr:
        return omega * (phi(v, key) - phi(w, key))

    return Identity(
        name="swapping two values leaves c(q)(Γ(q) − Γ(l))",
        because="Γ(k) = ωᵀ(φ(v, k) − φ(w, k)); a product of vectors, written for one coordinate",
        lhs=first + second,
        rhs=c * (swing(q) - swing(other)),
    ).but_not("the other pairs change too", lhs=first.subs(rest, 2 * rest) + second)


def _one_state_is_too_few() -> Proof:
    return Proof(
        steps=(
            _swap(),
            Bound(
                name="two right answers: both margins are positive, so is their sum",
                claim=sp.Gt(sp.Symbol("m_1", positive=True) + sp.Symbol("m_2", positive=True), 0, evaluate=False),
            ).but_not("one may be 0", claim=sp.Gt(sp.Symbol("m_1", nonnegative=True), 0)),
            Bound(
                name="of three reals one is neither the largest nor the smallest",
                because="c(q) > 0 makes Γ(q) the largest, c(q) < 0 the smallest, for each of three keys",
                claim=NOT_ALL_EXTREME,
            ).but_not("two keys only", claim=sp.Not(sp.And(EXTREME[0], EXTREME[2]))),
        )
    )


CLAIMS = (
    Claim(
        id="mqar.h2-necessary",
        paper="Section 4.3, eq. (46)",
        form=Form.EXTENSION,
        title="without H2 no one-layer block with decay 1 and d_conv ≤ 4 recalls",
        statement=r"\text{decay } 1,\ \text{no positions, any write, read and gate that are functions of } d_{conv}\le4"
        r"\ \text{tokens}\ \Rightarrow\ \text{some sequence of eq. (46) is answered wrongly}",
        hypotheses=(
            KEYS_DISTINCT,
            "decay 1, no position among the inputs; write, readout, gate and skip: any functions of the window",
        ),
        proof=_rewriting_defeats,
    ),
    Claim(
        id="mqar.n-lower-bound",
        paper="Theorem 2 (its tightness)",
        form=Form.EXTENSION,
        title="without a gate recall needs N ≥ κ, for any d, decay, write and precision",
        statement=r"\text{all } 2^\kappa \text{ assignments of two values answered}\ \Rightarrow\ "
        r"C(1),\dots,C(\kappa)\in\mathbb R^N \text{ independent}\ \Rightarrow\ N\ge\kappa\ (HN\ge\kappa \text{ for } H "
        r"\text{ heads})",
        hypotheses=(
            r"logits at query q: W_o h C(q) + T(q), T arbitrary; h any function of the context",
            "each of the κ keys may be the first query, after d_conv − 1 fixed fillers; no gate",
            "the decay at the query does not differ between channels (else mqar.n1-delta-gate)",
        ),
        proof=_as_many_states_as_keys,
    ),
    Claim(
        id="mqar.n1-impossible",
        paper="Theorem 2 (its tightness)",
        form=Form.EXTENSION,
        title="N = 1 is impossible for κ ≥ 3 without a gate, even for distinct values",
        statement=r"h=\textstyle\sum_l\varphi(v_l,k_l),\ \text{logit}_v(q)=c(q)\,W_v h+b_v(q)\ \text{cannot answer all "
        r"assignments of distinct values to } \kappa\ge3 \text{ keys}",
        hypotheses=("the state is a sum over the pairs (any feature φ, which may depend on the place); no gate",),
        formula=NOT_ALL_EXTREME,
        proof=_one_state_is_too_few,
    ),
)
