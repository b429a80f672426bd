"""What no weights can do: recall without H2, fewer than κ states without a gate, one state for three keys.

Extensions to Section 4.3 of the paper, which claims tightness from experiments only.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.mqar.task import H1
from mamba_theorems.theorems.proofs.proof import Bound, Cited, Identity, Induction, InductionOn, Proof, Step, invariant
from mamba_theorems.theorems.proofs.written import Named
from mamba_theorems.theorems.statement import Hypothesis, predicate

N = sp.Symbol("N", integer=True, positive=True)
k, r, m = sp.symbols("k r m", integer=True, nonnegative=True)
kappa = sp.Symbol("kappa", integer=True, positive=True)

ALL, DISTINCT, GATED, SHARED = map(predicate, ("all", "distinct", "gated", "shared"))
ALL_ANSWERED = Hypothesis(
    "all assignments",
    "whatever two values the κ keys hold, any of them is answered as the first query, after d_conv − 1 fixed fillers",
    ALL,
)
DISTINCT_ANSWERED = Hypothesis(
    "distinct assignments",
    "however κ distinct values are assigned, any key is answered as the first query, after d_conv − 1 fixed fillers",
    DISTINCT,
)
NO_GATE = Hypothesis(
    "no gate", "logits at query q are W_o h C(q) + T(q): T is arbitrary, and nothing multiplies the readout",
    sp.Not(GATED),
)  # fmt: skip
SHARED_DECAY = Hypothesis(
    "shared decay",
    "what the query's own step keeps of the state is the same for all channels, up to a factor that no query changes"
    " (a shared Δ is not enough where A differs by channel; else mqar.n1-delta-gate)",
    SHARED,
)
ONE_STATE = Hypothesis("N = 1", "one state", sp.Eq(N, 1), "N=1")

# --- H2 -----------------------------------------------------------------------------------------------------------

PADDING = sp.S.Zero
CONTEXT = ("a1", "u1", "a2", "u2", "k", "v1")
TAIL = ("f1", "f2", "f3", "u1", "a2", "u2", "k", "v2", "f1", "f2", "f3", "k")


d_conv = sp.Symbol("d_conv", integer=True, positive=True)
decay = sp.Symbol("lambda", positive=True)
sequence, answer, other_answer = sp.symbols("s v_s v_t", integer=True, nonnegative=True)
unlike = sp.Symbol("h", nonnegative=True)
"""How far a sequence and its swap differ as sums of windows: Σ |coefficient|, each window weighted with its decay."""
POSITIONS, SAME_WINDOW = predicate("positions"), predicate("same window")
DECAY_ONE = Hypothesis("decay 1", "the state forgets nothing", sp.Eq(decay, 1), "\\bar\\Lambda=1")
NO_POSITION = Hypothesis("no positions", "no position is among the inputs", sp.Not(POSITIONS))


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
    tokens = CONTEXT + TAIL
    pairs = [(_same_state(tokens, width), _same_query(tokens, width)) for width in range(1, 5)]
    return Proof(steps=(*(step for pair in pairs for step in pair), _labels_differ()))


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
        Bound(
            name="but the sum is Σ λ_q τ_q for every assignment",
            claim=sp.Not(sp.And(sp.Gt(constant, 0), sp.Lt(constant, 0))),
        ).but_not("a tie", claim=sp.Not(sp.And(sp.Ge(constant, 0), sp.Le(constant, 0)))),
    )
    return Proof(steps=steps)


# --- N = 1 --------------------------------------------------------------------------------------------------------

reads = sp.symbols("c_1 c_2 c_3", real=True)


def _answered(c: sp.Expr, swing: sp.Expr, offset: sp.Expr, sign: int) -> sp.Basic:
    """A query reads sign·(c·(z_v − z_w) + offset) > 0: v is answered where it is held (+), w where that is (−)."""
    return sp.Gt(sign * (c * swing + offset), 0)


def _two_keys(first: int, second: int) -> list[sp.Basic]:
    """What two keys that hold v and w ask of c, before and after the two values are swapped, of any states."""
    held, swapped_ = sp.symbols(f"D_{first}{second} E_{first}{second}", real=True)
    one, other = sp.symbols(f"b_{first}{second} b_{second}{first}", real=True)
    c, l = reads[first - 1], reads[second - 1]
    return [
        _answered(c, held, one, 1),
        _answered(l, held, other, -1),
        _answered(c, swapped_, one, -1),
        _answered(l, swapped_, other, 1),
    ]


def _opposite(first: int, second: int) -> Bound:
    """Two right answers before and after a swap: c has opposite signs at the two keys."""
    rows = _two_keys(first, second)
    opposite = sp.Lt(reads[first - 1] * reads[second - 1], 0)
    return Bound(
        name=f"keys {first} and {second} are read with opposite signs",
        because="D = z_v − z_w for z = W h, E the same after the swap: c(D − E) > 0 at one key and < 0 at the other",
        claim=sp.Implies(sp.And(*rows), opposite),
    ).but_not("before the swap only", claim=sp.Implies(sp.And(*rows[:2]), opposite))


PAIRS = ((1, 2), (1, 3), (2, 3))
NOT_ALL_ANSWERED = sp.Not(sp.And(*(row for pair in PAIRS for row in _two_keys(*pair))))


def _one_state_is_too_few() -> Proof:
    pairs = tuple(_opposite(*pair) for pair in PAIRS)
    return Proof(
        steps=(
            *pairs,
            Bound(
                name="of three numbers two have the same sign",
                because="any three of the κ keys, which hold three of the values",
                claim=NOT_ALL_ANSWERED,
                given=tuple(pair.claim for pair in pairs),
            ).but_not("two keys only", claim=sp.Not(sp.And(*_two_keys(1, 2))), given=(pairs[0].claim,)),
        )
    )


CLAIMS = (
    Claim(
        id="mqar.h2-necessary",
        paper="Section 4.3, eq. (46)",
        form=Form.EXTENSION,
        title="without H2 no one-layer block with decay 1 and d_conv ≤ 4 recalls",
        statement=r"\text{there is one sequence of eq. (46) that keeps H1, and whose swap } v_1\leftrightarrow v_2"
        r"\text{ has another answer, but for } d_{conv}=1,\dots,4\text{ the same windows, in another order, and the "
        r"same window at the query: any write, read, gate and skip that see the window give both the same logits}",
        hypotheses=(DECAY_ONE, NO_POSITION),
        expected=Outcome.FORMAL,
        formula=sp.And(H1.meaning, sp.Eq(unlike, 0), SAME_WINDOW, sp.Ne(answer, other_answer)),
        every=(d_conv, decay, POSITIONS),
        some=(sequence,),
        uniform=True,
        proof=_rewriting_defeats,
        formal=Formal(
            (
                "mqar.Rewriting.h2_necessary",
                "mqar.Rewriting.rewritten_sequences",
                "mqar.Rewriting.swapped_windows",
                "mqar.Rewriting.h2_necessary_mamba",
                "mqar.Rewriting.h2_necessary_delta_t",
                "mqar.Rewriting.h2_necessary_s4d",
                "mqar.Rewriting.h2_necessary_mamba2",
                "mqar.Rewriting.h2_necessary_official",
            ),
            refused=(
                Weakened("five taps", "swapped_windows taps : (taps <= 4)%N", "swapped_windows taps : (taps <= 5)%N"),
                Weakened("a decay", "(fun _ _ _ => 1) (fun t", "(fun _ _ _ => 1 + 1) (fun t"),
                Weakened(
                    "no copied surroundings",
                    "value_ u1; key_ a2; value_ u2; key_ k; value_ w;",
                    "value_ f1; value_ f2; value_ f3; key_ k; value_ w;",
                ),
                Weakened(
                    "the same answer twice",
                    "x =1 y -> ~ (largest x v1 /\\ largest y v2)",
                    "x =1 y -> ~ (largest x v1 /\\ largest y v1)",
                ),
                Weakened("H2 kept", "~~ H2 (context v1) (tail v2)", "H2 (context v1) (tail v2)"),
                Weakened("decays of S4D not 1", "e (s4d_A W c n)) ->", "1) ->"),
            ),
        ),
    ),
    Claim(
        id="mqar.n-lower-bound",
        paper="Theorem 2 (its tightness)",
        form=Form.EXTENSION,
        title="without a gate, and with one decay for all channels at the query, recall needs N ≥ κ,"
        " for any d, decay, write and precision",
        statement=r"N\ge\kappa,\quad N \text{ counted over all heads}",
        hypotheses=(ALL_ANSWERED, NO_GATE, SHARED_DECAY),
        expected=Outcome.FORMAL,
        formula=sp.Ge(N, kappa),
        proof=_as_many_states_as_keys,
        formal=Formal(
            (
                "mqar.LowerBounds.n_lower_bound",
                "mqar.LowerBounds.n_lower_bound_mamba",
                "mqar.LowerBounds.n_lower_bound_delta_t",
                "mqar.LowerBounds.n_lower_bound_mamba2",
                "mqar.LowerBounds.n_lower_bound_mamba2_shared",
            ),
            refused=(
                Weakened("one value instead of two", "(v w : 'I_V) : v != w ->", "(v w : 'I_V) : v = w ->"),
                Weakened(
                    "only assignments of one value",
                    "forall a, (forall q, a q = v \\/ a q = w)",
                    "forall a, ((forall q, a q = v) \\/ (forall q, a q = w))",
                ),
                Weakened("N > κ", "v w -> (kappa <= #|states|)%N", "v w -> (kappa < #|states|)%N"),
                Weakened("decays not shared", "shared_decay code filler W ->", "True ->"),
                Weakened(
                    "fillers one too few",
                    "(m2_d_conv W <= (size filler).+1)%N ->\n  (forall c",
                    "(m2_d_conv W <= (size filler).+2)%N ->\n  (forall c",
                ),
                Weakened("N of one head", "(kappa <= heads * m2_d_state W)%N.", "(kappa <= m2_d_state W)%N."),
            ),
        ),
    ),
    Claim(
        id="mqar.n1-impossible",
        paper="Theorem 2 (its tightness)",
        form=Form.EXTENSION,
        title="without a gate, and with one decay for all channels at the query, N = 1 does not recall three keys,"
        " not even distinct values",
        statement=r"\kappa\le2",
        hypotheses=(ONE_STATE, DISTINCT_ANSWERED, NO_GATE, SHARED_DECAY),
        expected=Outcome.FORMAL,
        formula=sp.Le(kappa, 2),
        proof=_one_state_is_too_few,
        formal=Formal(
            (
                "mqar.OneState.n1_impossible",
                "mqar.OneState.n1_impossible_mamba",
                "mqar.OneState.n1_impossible_delta_t",
                "mqar.OneState.n1_impossible_mamba2",
            ),
            refused=(
                Weakened("two states", "#|states| = 1%N", "#|states| = 2%N"),
                Weakened(
                    "κ ≤ 1",
                    "distinct_values_answered logit -> (kappa <= 2)%N.\nProof.",
                    "distinct_values_answered logit -> (kappa <= 1)%N.\nProof.",
                ),
                Weakened(
                    "fewer values than keys", "(kappa <= V)%N ->\n  without_gate", "(V <= kappa)%N ->\n  without_gate"
                ),
                Weakened(
                    "no right answers", "forall a, injective a -> answered logit a", "forall a, injective a -> True"
                ),
                Weakened("decays not shared", "shared_decay code filler W ->", "True ->"),
                Weakened("any number of heads", "head_of W c = 0%N", "head_of W c < c.+2"),
            ),
        ),
    ),
)
