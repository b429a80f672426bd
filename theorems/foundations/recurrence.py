"""One recurrence, many forms: the unrolled sum, the scan, the convolution and its FFT.

Section 2 of the paper and Appendix A; Gu & Dao (2023).
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Conjunction,
    Enclosed,
    Identity,
    Induction,
    Proof,
)
from mamba_theorems.theorems.proofs.written import product
from mamba_theorems.theorems.statement import Hypothesis, predicate

n, j, r = sp.symbols("n j r", integer=True, nonnegative=True)
a, b = sp.Function("a", real=True), sp.Function("b", real=True)
i, m = sp.symbols("i m", integer=True, nonnegative=True)
c, start = sp.Symbol("a", positive=True), sp.Symbol("h_i", real=True)

# --- the sum ------------------------------------------------------------------------------------------------------


def unrolled_sum(length: sp.Expr) -> sp.Expr:
    """Σ_{j=1}^{length} (Π_{r=j+1}^{length} a_r) b_j, the state after `length` steps from 0."""
    return sp.Sum(sp.Product(a(r), (r, j + 1, length)) * b(j), (j, 1, length))


UNROLLED = Induction(
    name="the recurrence unrolls",
    because="peel the newest write off the sum and the newest decay off each product",
    index=n,
    next=lambda h, t: a(t + 1) * h + b(t + 1),
    closed=unrolled_sum(n),
)
FROM_ZERO = Hypothesis("h_0 = 0", "the state starts at 0", UNROLLED.definitions[0], "h_0=0")
RECURRENCE = Hypothesis("recurrence", "every step decays and writes", UNROLLED.definitions[1], r"h_t=a_th_{t-1}+b_t")


def unrolled() -> Proof:
    """h_t = a_t h_{t−1} + b_t from h_0 = 0, by induction."""
    return Proof(hypotheses=UNROLLED.definitions, steps=(UNROLLED,))


# --- the scan -----------------------------------------------------------------------------------------------------

a1, a2, a3, b1, b2, b3 = sp.symbols("a1 a2 a3 b1 b2 b3", real=True)


def then(first: tuple[sp.Expr, sp.Expr], second: tuple[sp.Expr, sp.Expr]) -> tuple[sp.Expr, sp.Expr]:
    """(a1, b1) ∘ (a2, b2) = (a1 a2, a2 b1 + b2), as it is written."""
    return product(first[0], second[0]), second[0] * first[1] + second[1]


ONE, TWO, THREE = (a1, b1), (a2, b2), (a3, b3)
LEFT, RIGHT = then(then(ONE, TWO), THREE), then(ONE, then(TWO, THREE))
BLOCK = Induction(
    name="a block of m steps acts as (Π a, its own state): any bracketing, any chunks",
    index=m,
    initial=start,
    next=lambda h, t: a(i + t + 1) * h + b(i + t + 1),
    closed=sp.Product(a(r), (r, i + 1, i + m)) * start
    + sp.Sum(sp.Product(a(r), (r, j + 1, i + m)) * b(j), (j, i + 1, i + m)),
    sequence="g",
)
"""g_m: the state m steps after h_i."""
FROM_STATE = Hypothesis("g_0 = h_i", "the block starts from any state", BLOCK.definitions[0], "g_0=h_i")
ONWARD = Hypothesis(
    "recurrence from i on", "every step decays and writes", BLOCK.definitions[1], r"g_m=a_{i+m}g_{m-1}+b_{i+m}"
)
SCAN = sp.And(sp.Eq(LEFT[1], RIGHT[1], evaluate=False), BLOCK.relation)


def scan_associative() -> Proof:
    """(a1, b1) ∘ (a2, b2) is associative, and m steps act as (Π a, their own state)."""
    composed = Identity(
        name="states compose", because="decays multiply, which is associative", lhs=LEFT[1], rhs=RIGHT[1]
    ).but_not("operands swapped", lhs=then(THREE, then(ONE, TWO))[1])
    both = Conjunction(name="the scan", of=(composed, BLOCK))
    return Proof(hypotheses=BLOCK.definitions, steps=(composed, BLOCK, both))


# --- convolution --------------------------------------------------------------------------------------------------


def _powers() -> Induction:
    return Induction(
        name="a constant decay unrolls to powers",
        sequence="h_c",
        index=n,
        next=lambda h, t: c * h + b(t + 1),
        closed=sp.Sum(c ** (n - j) * b(j), (j, 1, n)),
    )


def _kernel() -> Induction:
    """Σ_n C_n (Σ_j a_n^{t−j} B_n x_j) = Σ_j k(t−j) x_j, one state after the other."""
    C, B, decay, x = (sp.Function(name, real=True) for name in "CBax")
    t, state = sp.Symbol("t", integer=True, positive=True), sp.Symbol("s", integer=True, positive=True)
    return Induction(
        name="N states add up to one kernel k(i) = Σ_n C_n a_n^i B_n",
        sequence="y",
        index=m,
        next=lambda y, k: y + sp.Sum(C(k + 1) * B(k + 1) * decay(k + 1, t - j) * x(j), (j, 1, t)),
        because="a(n, i) stands for a_n^i",
        closed=sp.Sum(sp.Sum(C(state) * B(state) * decay(state, t - j), (state, 1, m)) * x(j), (j, 1, t)),
    )


def _no_wrap() -> Bound:
    """Lags i and inputs j below L, read at t < L: i + j ≡ t (mod P) only if i + j = t, once P ≥ 2L − 1."""
    lag, at, read, turns = sp.symbols("i j t q", integer=True)
    length, period = sp.symbols("L P", integer=True, positive=True)
    inside = [f for s in (lag, at, read) for f in (sp.Ge(s, 0), sp.Le(s, length - 1))]
    wraps = sp.Eq(lag + at - read, turns * period, evaluate=False)
    claim = sp.Eq(lag + at, read, evaluate=False)
    return Bound(
        name="padded to P ≥ 2L − 1 nothing wraps around",
        claim=claim,
        given=(*inside, wraps, sp.Ge(period, 2 * length - 1)),
    ).but_not("P = 2L − 2", given=(*inside, wraps, sp.Eq(period, 2 * length - 2)))


def _wraps() -> Bound:
    """For L ≤ P ≤ 2L − 2 lag L−1 and input L−1 land on an output t = 2L − 2 − P that they do not belong to."""
    length, period = sp.symbols("L P", integer=True, positive=True)
    read = sp.Symbol("t", integer=True)
    lands = sp.Eq(read, 2 * length - 2 - period)
    return Bound(
        name="padded to less, the last lag of the last input lands on t = 2L − 2 − P",
        claim=sp.And(sp.Ge(read, 0), sp.Le(read, length - 2), sp.Eq(2 * (length - 1) - read, period, evaluate=False)),
        given=(lands, sp.Ge(period, length), sp.Le(period, 2 * length - 2)),
    ).but_not("at P = 2L − 1 too", claim=sp.Ge(read, 0), given=(lands, sp.Le(period, 2 * length - 1)))


decay, gain, fed = (sp.Function(name, real=True) for name in ("a", "k", "x"))
state, lag = sp.symbols("s j", integer=True, positive=True)
num_states, last, length, period = sp.symbols("N t L P", integer=True, positive=True)
output = sp.Symbol("y", real=True)
"""y_t of the S4D recurrence with N states, decays a_s and gains k_s = C_s B̄_s, over the inputs x_1 … x_t."""
fits = predicate("fits")
"""The FFT of period P gives the first L values of the convolution, for all kernels and inputs of length L."""
CONVOLUTION = sp.Eq(
    output,
    sp.Sum(sp.Sum(gain(state) * decay(state) ** (last - lag), (state, 1, num_states)) * fed(lag), (lag, 1, last)),
    evaluate=False,
)
LTI = sp.And(CONVOLUTION, sp.Equivalent(fits, sp.Ge(period, 2 * length - 1)))


def lti_convolution() -> Proof:
    """S4D: the recurrence is a convolution, and the FFT computes it."""
    z, period = sp.Symbol("z", real=True), sp.Symbol("P", integer=True, nonnegative=True)
    return Proof(
        steps=(
            _powers(),
            _kernel(),
            Induction(
                name="(z − 1) Σ_{k<P} z^k = z^P − 1",
                sequence="s",
                because="so Σ_k ω^{k(i+j−t)} over a P-th root of unity ω is P where P divides i+j−t and 0 elsewhere:"
                " the inverse DFT of a product of DFTs is the circular convolution; the identity holds in every ring",
                index=period,
                next=lambda s, k: s + (z - 1) * z**k,
                closed=z**period - 1,
            ),
            _no_wrap(),
            _wraps(),
        )
    )


fed_once = sp.Symbol("x", real=True)
single, double, held, held_double, delayed = sp.symbols("single double held held_double delayed", real=True)
"""Last outputs of S6 (N = 1, A = −1, B = C = 1, Δ = softplus(x)): of x, of 2x, of x behind zeros (delayed); of (x, x)
and (2x, 2x) where Δ is in the decay only (held)."""
FED = Hypothesis("x ≠ 0", "the input is not 0", sp.Ne(fed_once, 0), r"x\ne0")
NOT_LINEAR = sp.And(sp.Gt(double, 2 * single), sp.Lt(held_double, 2 * held), sp.Eq(delayed, single, evaluate=False))


def s6_not_lti() -> Proof:
    """Doubling the input does not double the output, even where Δ does not multiply the input."""
    x, positive = sp.Symbol("x", real=True), sp.Symbol("x", positive=True)

    def two_steps(first: sp.Expr, second: sp.Expr) -> sp.Expr:
        return sp.exp(-softplus(second)) * first + second

    defect = two_steps(2 * x, 2 * x) - 2 * two_steps(x, x)
    excess, too_much = 2 * x * (softplus(2 * x) - softplus(x)), 2 * sp.log(3) * (sp.log(10) - sp.log(4))
    v, w = sp.symbols("Delta_2 Delta_1", positive=True)
    return Proof(
        steps=(
            Identity(
                name="L = 1, write Δx: twice x gives 2x(softplus(2x) − softplus(x)) too much",
                lhs=softplus(2 * x) * 2 * x - 2 * (softplus(x) * x),
                rhs=excess,
            ),
            Bound(
                name="which is > 0 at every x > 0",
                because="Δ_1 = softplus(x), Δ_2 = softplus(2x)",
                claim=sp.Gt(2 * positive * (v - w), 0),
                given=(
                    sp.Eq(sp.exp(v), 1 + sp.exp(2 * positive), evaluate=False),
                    sp.Eq(sp.exp(w), 1 + sp.exp(positive), evaluate=False),
                ),
            ),
            Identity(
                name="which at x = ln 3 is 2 ln 3 (ln 10 − ln 4)",
                lhs=sp.Subs(excess, x, sp.log(3)),
                rhs=too_much,
            ),
            Enclosed(name="that is more than 2", claim=sp.Gt(too_much, 2, evaluate=False)),
            Identity(
                name="L = 2, only the decay selective: at x = (ln 3, ln 3) the defect is 2 ln 3 (1/10 − 1/4)",
                lhs=sp.Subs(defect, x, sp.log(3)),
                rhs=2 * sp.log(3) * (sp.Rational(1, 10) - sp.Rational(1, 4)),
            ),
            Induction(
                name="it does commute with a delay: zeros before the input leave the state at 0",
                because="time-invariant but not linear; with Δ frozen, linear but not time-invariant",
                index=m,
                next=lambda h, k: a(k) * h,
                closed=sp.S.Zero * m,
            ),
        )
    )


CLAIMS = (
    Claim(
        id="foundations.unrolled",
        paper="Eq. (2)–(3)",
        form=Form.PRINTED,
        title="the recurrence is its unrolled sum",
        statement=r"h_n=\sum_{j=1}^{n}\Bigl(\prod_{r=j+1}^{n}a_r\Bigr)b_j,\quad a_t=\bar\Lambda_t",
        hypotheses=(FROM_ZERO, RECURRENCE),
        formula=UNROLLED.relation,
        proof=unrolled,
        expected=Outcome.FORMAL,
        formal=Formal(
            ("foundations.Recurrence.unrolled",),
            refused=(
                Weakened(
                    "a write meets its own decay too",
                    r"h t c n = \sum_(0 <= i < t.+1) (\prod_(i.+1 <= r < t.+1)",
                    r"h t c n = \sum_(0 <= i < t.+1) (\prod_(i <= r < t.+1)",
                ),
                Weakened(
                    "the last decay left out",
                    r"(\prod_(i.+1 <= r < t.+1) decay r c n) * write",
                    r"(\prod_(i.+1 <= r < t) decay r c n) * write",
                ),
                Weakened(
                    "the first write left out",
                    r"h t c n = \sum_(0 <= i < t.+1) (\prod",
                    r"h t c n = \sum_(1 <= i < t.+1) (\prod",
                ),
            ),
        ),
    ),
    Claim(
        id="foundations.scan-associative",
        paper="Gu & Dao (2023), §3.3",
        form=Form.PRINTED,
        title="the scan operator is associative",
        statement=r"(a_1,b_1)\circ(a_2,b_2)=(a_1a_2,\,a_2b_1+b_2)\ \text{is associative};\ "
        r"g_m=\Bigl(\prod_{r=i+1}^{i+m}a_r\Bigr)h_i+\sum_{j=i+1}^{i+m}\Bigl(\prod_{r=j+1}^{i+m}a_r\Bigr)b_j",
        hypotheses=(FROM_STATE, ONWARD),
        formula=SCAN,
        proof=scan_associative,
        expected=Outcome.FORMAL,
        formal=Formal(
            ("foundations.Recurrence.scan_associative", "foundations.Recurrence.block_of_steps"),
            refused=(
                Weakened("operands swapped", "(y.1 * x.1, y.1 * x.2 + y.2)", "(y.1 * x.1, x.1 * x.2 + y.2)"),
                Weakened(
                    "the block's start one step late",
                    "= a (i + m.+1)%N * g m + b (i + m.+1)%N) ->",
                    "= a (i + m)%N * g m + b (i + m.+1)%N) ->",
                ),
                Weakened(
                    "the start decays once less",
                    r"g m = (\prod_(i.+1 <= r < (i + m).+1) a r) * start",
                    r"g m = (\prod_(i.+1 <= r < i + m) a r) * start",
                ),
            ),
        ),
    ),
    Claim(
        id="foundations.lti-convolution",
        paper="Gu et al. (2022), S4; §2",
        form=Form.PRINTED,
        title="S4D: recurrence = convolution = FFT zero-padded to at least 2L − 1",
        statement=r"y_t=\sum_{j\le t}k_{t-j}x_j,\ k_i=\sum_nC_n\bar\Lambda_n^i\bar B_n;\quad "
        r"y=\mathcal F_P^{-1}(\mathcal F_Pk\cdot\mathcal F_Px)\ \text{on}\ 0\le t<L"
        r"\ \text{for all}\ k,x\ \text{iff}\ P\ge2L-1",
        formula=LTI,
        depends_on=("foundations.unrolled",),
        expected=Outcome.FORMAL,
        proof=lti_convolution,
        formal=Formal(
            ("foundations.Convolution.s4d_is_convolution", "foundations.Convolution.transform_convolves"),
            refused=(
                Weakened("padded to 2L − 2", "(2 * L - 1 <= P)%N.\nProof", "(2 * L - 2 <= P)%N.\nProof"),
                Weakened("padded to 2L", "(2 * L - 1 <= P)%N.\nProof", "(2 * L <= P)%N.\nProof"),
                Weakened(
                    "one step late", "e (s4d_A W c n) ^+ i * s4d_B W c n.", "e (s4d_A W c n) ^+ i.+1 * s4d_B W c n."
                ),
                Weakened(
                    "the newest input left out",
                    r":= \sum_(0 <= j < t.+1) k (t - j)%N * x j.",
                    r":= \sum_(0 <= j < t) k (t - j)%N * x j.",
                ),
            ),
        ),
    ),
    Claim(
        id="foundations.s6-not-lti",
        paper="§2",
        form=Form.PRINTED,
        title="S6 is not linear time-invariant: it is not linear",
        statement=r"N=1,\ A=-1,\ \Delta=\text{softplus}(x):\quad S(2x)>2S(x);\quad "
        r"\text{with Δ in the decay only}\ S(2x,2x)<2S(x,x);\quad\text{zeros before the input change nothing}",
        hypotheses=(FED,),
        formula=NOT_LINEAR,
        expected=Outcome.FORMAL,
        proof=s6_not_lti,
        formal=Formal(
            ("foundations.NotLinear.s6_not_lti",),
            refused=(
                Weakened("x = 0 too", "x : x != 0 ->", "x : x <= 0 ->"),
                Weakened("softplus constant", "p : x y / x < y}", "p : x y / x <= y}"),
                Weakened(
                    "decays that grow with the step",
                    "(step inputs) (fun _ _ => -1) (fun _ _ => 1)\n",
                    "(step inputs) (fun _ _ => 1) (fun _ _ => 1)\n",
                ),
                Weakened("noise before the input", "forall m, last_of_s6 (nseq m 0", "forall m, last_of_s6 (nseq m x"),
            ),
        ),
    ),
)
