"""The lower bound that the paper lacks: no sum of N exponentials is closer to a step than order N^{−1/2}.

Compress the kernel f(t + τ) on [0, ½]² to φ_k(t) = 2cos((2k − 1)πt), k ≤ K: a K × K matrix of rank ≤ N for a sum of N
exponentials, diagonal with entries ±1/((2k − 1)π) for the step ρ = 1_[0,½).
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.proofs.calculus import Integrated
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cited,
    Identity,
    Induction,
    Limit,
    Proof,
    Specialise,
    Step,
    invariant,
)
from mamba_theorems.theorems.statement import Hypothesis, predicate

k, d, N, K, n = sp.symbols("k d N K n", integer=True, positive=True)
t, tau, s, v = sp.symbols("t tau s v", real=True)
q, p, J = sp.symbols("q p J", positive=True)
error, frobenius, tail = sp.symbols("E F T", nonnegative=True)
"""E = ‖ρ − e‖², F = squared Frobenius norm of the compressed difference, T = Σ_{k>N} 1/(2k − 1)²."""

HALF = sp.S.Half


def frequency(index: sp.Expr) -> sp.Expr:
    """(2k − 1)π."""
    return (2 * index - 1) * sp.pi


def mode(index: sp.Expr, at: sp.Expr) -> sp.Expr:
    """φ_k(t) = 2cos((2k − 1)πt)."""
    return 2 * sp.cos(frequency(index) * at)


def _orthonormal() -> tuple[Step, ...]:
    """∫_0^½ φ_k² = 1 and ∫_0^½ φ_k φ_{k+d} = 0."""
    low, high = 2 * sp.pi * d, 2 * sp.pi * (2 * k + d - 1)
    return (
        Integrated(
            name="φ_k has norm 1",
            integrand=mode(k, v) ** 2,
            variable=v,
            high=HALF,
            antiderivative=2 * v + sp.sin(2 * frequency(k) * v) / frequency(k),
            value=sp.S.One,
        ).but_not(
            "√3 cos for 2 cos",
            integrand=3 * sp.cos(frequency(k) * v) ** 2,
            antiderivative=3 * v / 2 + 3 * sp.sin(2 * frequency(k) * v) / (4 * frequency(k)),
        ),
        Integrated(
            name="φ_k and φ_{k+d} are orthogonal",
            integrand=mode(k, v) * mode(k + d, v),
            variable=v,
            high=HALF,
            antiderivative=2 * sp.sin(low * v) / low + 2 * sp.sin(high * v) / high,
            value=sp.S.Zero,
        ).but_not(
            "frequencies kπ for (2k − 1)π",
            integrand=4 * sp.cos(k * sp.pi * v) * sp.cos((k + 1) * sp.pi * v),
            antiderivative=2 * sp.sin(sp.pi * v) / sp.pi + 2 * sp.sin((2 * k + 1) * sp.pi * v) / ((2 * k + 1) * sp.pi),
        ),
    )


EIGEN = Integrated(
    name="the step's kernel maps φ_k to ±φ_k/((2k − 1)π)",
    because="ρ(t + τ) = 1 for τ < ½ − t, so (Γφ)(t) = ∫_0^{½−t} φ",
    integrand=mode(k, tau),
    variable=tau,
    high=HALF - t,
    antiderivative=2 * sp.sin(frequency(k) * tau) / frequency(k),
    value=(-1) ** (k + 1) * mode(k, t) / frequency(k),
).but_not("without the alternating sign", value=mode(k, t) / frequency(k))


def _rank() -> tuple[Step, ...]:
    """A sum of N exponentials has a kernel of rank ≤ N."""
    rate = sp.Symbol("a", complex=True)
    return (
        Identity(
            name="an exponential's kernel separates",
            because="so M(e) = Σ_n c_n P_n Q_nᵀ; for C e^{As} b: C e^{At} times e^{Aτ} b, N columns and N rows",
            lhs=sp.exp(rate * (t + tau)),
            rhs=sp.exp(rate * t) * sp.exp(rate * tau),
        ),
        Cited(
            name="semigroup",
            statement="e^{A(t+τ)} = e^{At} e^{Aτ} for every square A (Jordan blocks included)",
            source="matrix exponential",
        ),
        Cited(name="rank", statement="rank(PQ) ≤ N for P (K × N), Q (N × K)", source="rank of a product"),
    )


def _area() -> tuple[Step, ...]:
    """The level set t + τ = s in [0, ½]² has length min(s, 1 − s) ≤ ½ (in t)."""
    inside = (sp.Ge(s, 0), sp.Le(s, 1))
    length = sp.Min(HALF, s) - sp.Max(0, s - HALF)
    return (
        Bound(
            name="length of t + τ = s in the square",
            because="Fubini: ∫∫ |f(t + τ)|² = ∫_0^1 |f(s)|² min(s, 1 − s) ds",
            claim=sp.Eq(length, sp.Min(s, 1 - s), evaluate=False),
            given=inside,
        ).but_not("s for min(s, 1 − s)", claim=sp.Eq(length, s, evaluate=False)),
        Bound(name="it is at most ½", claim=sp.Le(sp.Min(s, 1 - s), HALF), given=inside).but_not(
            "at most 0.49", claim=sp.Le(sp.Min(s, 1 - s), sp.Rational(49, 100))
        ),
    )


def _tail_sum() -> tuple[Step, ...]:
    """Σ_{k=N+1}^K 1/(2k − 1)² ≥ ½(1/(2N + 1) − 1/(2K + 1)), by telescoping from K = N."""
    m = sp.Symbol("m", integer=True, nonnegative=True)

    def telescoped(last: sp.Expr) -> sp.Expr:
        return (1 / (2 * N + 1) - 1 / (2 * last + 1)) / 2

    here, so_far = N + m, sp.Function("T", nonnegative=True)(m)
    return (
        invariant(
            name="the tail telescopes",
            because="1/(2K + 1)² ≥ ½(1/(2K + 1) − 1/(2K + 3)); T(m) the sum up to K = N + m",
            conclusion=sp.Ge(so_far, telescoped(here)),
            index=m,
            initial={so_far: 0},
            following={so_far: so_far + 1 / (2 * here + 1) ** 2},
            wrong={"the term 1/(2K + 2)²": {"following": {so_far: so_far + 1 / (2 * here + 2) ** 2}}},
        ),
        Bound(
            name="the first term alone makes it strict",
            because="T = 1/(2N + 1)² + the tail from N + 1 on",
            claim=sp.Gt(1 / (2 * N + 1) ** 2 + 1 / (2 * (2 * N + 3)), 1 / (2 * (2 * N + 1))),
        ),
        Limit(name="all modes", expression=telescoped(K), variable=K, value=1 / (2 * (2 * N + 1))),
    )


def _diagonal_eckart_young() -> tuple[Step, ...]:
    """For the diagonal M(ρ) the Eckart–Young bound by hand: Σ σ_k²π_k ≥ Σ_{k>N} σ_k².

    π_k = Π_kk for the projection Π onto the kernel of M(e): ‖M(ρ) − M(e)‖_F² ≥ ‖(M(ρ) − M(e))Π‖_F² = Σ σ_k²π_k,
    with 0 ≤ π_k ≤ 1 and Σπ_k = dim ker M(e) ≥ K − N.
    """
    mode_k, mode_n, kept, lost = sp.symbols("sigma_k sigma_N P Q", nonnegative=True)
    share = sp.Symbol("pi_k", nonnegative=True)
    early, late = sp.symbols("S_early S_late", nonnegative=True)
    small = (sp.Le(mode_k, mode_n), sp.Le(share, 1))
    enough = (sp.Ge(early, mode_n**2 * kept), sp.Le(late, mode_n**2 * lost), sp.Ge(kept, lost))
    return (
        Bound(
            name="k ≤ N: σ_k²π_k ≥ σ_N²π_k",
            claim=sp.Ge(mode_k**2 * share, mode_n**2 * share),
            given=(sp.Ge(mode_k, mode_n),),
        ),
        Bound(
            name="k > N: σ_k²(1 − π_k) ≤ σ_N²(1 − π_k)",
            claim=sp.Le(mode_k**2 * (1 - share), mode_n**2 * (1 - share)),
            given=small,
        ).but_not("π_k beyond 1", given=small[:1]),
        Bound(
            name="so Σ_{k≤N} σ_k²π_k ≥ Σ_{k>N} σ_k²(1 − π_k)",
            because="P = Σ_{k≤N}π_k, Q = Σ_{k>N}(1 − π_k), and P − Q = Σπ_k − (K − N) ≥ 0",
            claim=sp.Ge(early, late),
            given=enough,
        ).but_not("rank above N", given=enough[:2]),
    )


BESSEL = Cited(
    name="Bessel",
    because="the φ_k φ_l are orthonormal on the square, where ‖f(t + τ)‖² ≤ ½‖f‖²",
    statement="F = ‖M(ρ − e)‖_F² < ½‖ρ − e‖² = ½E, as min(s, 1 − s) < ½ almost everywhere and e is not ρ",
    source="Bessel's inequality",
    states=sp.Lt(frobenius, error / 2),
    about=(frobenius, error),
    instances=({frobenius: sp.Rational(15, 256), error: sp.Rational(1, 8)},),  # f = 1 on [7/16, 9/16]
)
ECKART_YOUNG = Cited(
    name="Eckart–Young",
    because="M(ρ) has singular values 1/((2k − 1)π), M(e) has rank ≤ N; K → ∞",
    statement="F ≥ Σ_{k>N} 1/((2k − 1)π)² = T/π²",
    source="Eckart–Young theorem (Frobenius norm)",
    states=sp.Ge(frobenius, tail / sp.pi**2),
    about=(frobenius, tail),
    instances=({frobenius: sp.Rational(1, 8), tail: sp.pi**2 / 8},),  # N = 0: M(ρ) itself
)
TAIL = Cited(
    name="monotone limit",
    because="the partial sums exceed the telescoped ones for every K",
    statement="T ≥ 1/(2(2N + 1))",
    source="limits preserve inequalities",
    states=sp.Ge(tail, 1 / (2 * (2 * N + 1))),
    about=(tail, N),
    instances=({N: 10, tail: sp.pi**2 / 8 - sum(sp.Rational(1, (2 * i - 1) ** 2) for i in range(1, 11))},),
)


modes, least = sp.symbols("G b", nonnegative=True)
"""T/π², and what it is bounded by."""


def _chain() -> Bound:
    """How the three facts combine."""
    bessel, rank, low = sp.Lt(frobenius, error / 2), sp.Ge(frobenius, modes), sp.Ge(modes, least)
    claim = sp.Gt(error, 2 * least)
    return (
        Bound(name="Bessel, rank and tail together", claim=claim, given=(bessel, rank, low))
        .but_not("Bessel without ½", given=(sp.Lt(frobenius, error), rank, low))
        .but_not("rank dropped", given=(bessel, low))
        .but_not("tail dropped", given=(bessel, rank))
        .but_not("2.1 for 2", claim=sp.Gt(error, sp.Rational(21, 10) * least))
    )


def lower_bound_steps() -> tuple[Step, ...]:
    """All steps up to ‖ρ − e‖² > 1/(π²(2N + 1))."""
    chain, half = _chain(), 1 / (2 * (2 * N + 1) * sp.pi**2)
    over = Bound(name="the tail over π²", claim=sp.Ge(tail / sp.pi**2, half), given=(TAIL.states,))
    return (
        *_orthonormal(),
        EIGEN,
        *_rank(),
        *_area(),
        *_tail_sum(),
        BESSEL,
        *_diagonal_eckart_young(),
        ECKART_YOUNG,
        TAIL,
        over,
        chain,
        Specialise(
            name="the squared error exceeds 1/(π²(2N + 1))",
            of=chain,
            at={modes: tail / sp.pi**2, least: half},
        ),
    )


def _lower_bound() -> Proof:
    return Proof(steps=lower_bound_steps())


# --- any jump positions, and the discrete kernel --------------------------------------------------------------------


def _windows() -> tuple[Step, ...]:
    """A window of half-width q around a jump is [0, 1] rescaled; windows add up.

    b stands for the bound of the centred step: 1/(π²(2N + 1)), or with N + 1 for N, 1/(π²(2N + 3)).
    """
    window, rest, scaled = sp.symbols("E_w E_r E_1", nonnegative=True)
    b, rate = sp.Symbol("b", positive=True), sp.Symbol("a", complex=True)
    centred, whole = sp.Gt(scaled, b), sp.Eq(window, 2 * q * scaled, evaluate=False)
    jump = sp.Eq(window, 2 * q * J**2 * scaled, evaluate=False)
    plateau = sp.Gt(window, 2 * J**2 * q * b)
    return (
        Identity(
            name="exponentials stay exponentials when the window is rescaled",
            lhs=sp.exp(rate * (p - q + 2 * q * v)),
            rhs=sp.exp(rate * (p - q)) * sp.exp(2 * q * rate * v),
        ),
        Identity(
            name="squared norms scale with the window's length",
            because="s = p − q + 2qv, ds = 2q dv",
            lhs=sp.Derivative(p - q + 2 * q * v, v),
            rhs=2 * q,
        ),
        Bound(
            name="the window [p − q, p + q] lies in [0, 1] for q = min(p, 1 − p)",
            claim=sp.And(sp.Ge(p - sp.Min(p, 1 - p), 0), sp.Le(p + sp.Min(p, 1 - p), 1)),
            given=(sp.Le(p, 1),),
        ),
        Bound(name="one jump at p: E > 2qb", claim=sp.Gt(window, 2 * q * b), given=(whole, centred)).but_not(
            "a window of length q", given=(sp.Eq(window, q * scaled, evaluate=False), centred)
        ),
        Identity(
            name="one more exponential",
            because="in the window f = c + Jρ, and c = c·e^{0·s}: N + 1 exponentials approximate Jρ",
            lhs=sp.Subs(1 / (sp.pi**2 * (2 * N + 1)), N, N + 1),
            rhs=1 / (sp.pi**2 * (2 * N + 3)),
        ),
        Bound(name="a jump J on a plateau: E > 2J²qb", claim=plateau, given=(jump, centred)),
        Bound(name="disjoint windows add up", claim=sp.Gt(window + rest, 2 * J**2 * q * b + rest), given=(plateau,)),
    )


def _discrete() -> tuple[Step, ...]:
    """H v = ±v/(2 sin(θ/2)) for H_ab = 1[a + b < n], v_a = cos((a + ½)θ), θ = (2k − 1)π/(2n + 1)."""
    theta, m = sp.Symbol("theta", positive=True), sp.Symbol("m", integer=True, nonnegative=True)
    row = sp.Symbol("a", integer=True, nonnegative=True)
    angle = (2 * k - 1) * sp.pi / (2 * n + 1)
    return (
        Induction(
            name="cosines add up to a sine",
            sequence="s",
            because="row a of H v is Σ_{b<n−a} cos((b + ½)θ) = sin((n − a)θ)/(2 sin(θ/2))",
            index=m,
            next=lambda total, i: total + sp.cos((i + HALF) * theta),
            closed=sp.sin(m * theta) / (2 * sp.sin(theta / 2)),
            given=(sp.Gt(sp.sin(theta / 2), 0),),
        ),
        Identity(
            name="(n − a)θ is π(2k − 1)/2 less v_a's angle",
            lhs=(n - row) * angle,
            rhs=(2 * k - 1) * sp.pi / 2 - (row + HALF) * angle,
        ),
        Identity(name="so the sine is ±v_a", lhs=sp.sin((2 * k - 1) * sp.pi / 2 - v), rhs=(-1) ** (k + 1) * sp.cos(v)),
        Cited(
            name="n different eigenvalues of a symmetric matrix",
            because="(2k − 1)π/(2(2n + 1)), k = 1…n, lie in (0, π/2), where the sine is injective",
            statement="the singular values of H are 1/(2 sin((2k − 1)π/(2(2n + 1)))), all > 0, so rank H = n",
            source="spectral theorem",
        ),
    )


def _any_jumps() -> Proof:
    return Proof(steps=(*_windows(), *_discrete()))


# --- the statements ---------------------------------------------------------------------------------------------------

squared, singular = sp.symbols("E sigma", nonnegative=True)
order, size, which = sp.symbols("R n k", integer=True, positive=True)
alone, beside = sp.symbols("Q_0 Q_1", nonnegative=True)
"""Σ 2J_i²q_i over the jumps beside which f is 0 on one side, and over the others; R = rank of [1[a + b < n]]."""


def left_out(modes: sp.Expr) -> sp.Expr:
    """(2/π²) Σ_{k>modes} 1/(2k − 1)²."""
    i = sp.Symbol("i", integer=True, positive=True)
    return 2 / sp.pi**2 * (sp.pi**2 / 8 - sp.Sum(1 / (2 * i - 1) ** 2, (i, 1, modes)))


LTI = Hypothesis("LTI", "e(s) = C e^{As} b with one matrix A: exponentials, Jordan blocks included", predicate("LTI"))
COUNTED = Hypothesis(
    "counted", "N counts all states, over all channels; a complex state that is read through Re is two",
    predicate("counted"),
)  # fmt: skip
DISJOINT = Hypothesis(
    "windows", "the windows t_i ± q_i are disjoint, lie in [0, 1], and hold no other jump", predicate("windows")
)

CLAIMS = (
    Claim(
        id="haar.s4d-lower-bound",
        paper="Corollary 1 (Section 3.1)",
        form=Form.EXTENSION,
        title="no N exponentials come closer to a step than 1/(π√(2N+1))",
        statement=r"\|\mathbf 1_{[0,1/2)}-e\|_{L^2[0,1]}^2>\frac{2}{\pi^2}\sum_{k>N}\frac1{(2k-1)^2}"
        r">\frac{1}{\pi^2(2N+1)}",
        hypotheses=(LTI, COUNTED),
        formula=sp.And(sp.Gt(squared, left_out(N)), sp.Gt(left_out(N), 1 / (sp.pi**2 * (2 * N + 1)))),
        expected=Outcome.DERIVED,
        proof=_lower_bound,
        formal=Formal(
            ("real.HankelSingular.states_far_on_samples", "real.HankelSingular.step_far_from_states"),
            leaves_out="the integral and the strict sign; proved is the bound for the mean square over 2n samples of"
            " [0, 1], every n and every kernel C A^s B of N states, with the sum up to n",
            refused=(
                Weakened(
                    "N − 1 modes left out",
                    "(\\sum_(k < n | (N <= k)%N) k.*2.+1%:R ^- 2)\n    <=",
                    "(\\sum_(k < n | (N.-1 <= k)%N) k.*2.+1%:R ^- 2)\n    <=",
                ),
                Weakened("twice the bound", "  2%:R / pi ^+ 2 * (\\sum", "  4%:R / pi ^+ 2 * (\\sum"),
                Weakened(
                    "the mean over n samples",
                    "(\\sum_(t < n.*2) (step R n t - kernel_of A B C t) ^+ 2) / n.*2%:R.",
                    "(\\sum_(t < n) (step R n t - kernel_of A B C t) ^+ 2) / n%:R.",
                ),
                Weakened(
                    "singular values half as large",
                    "R := (2%:R * sin (angle k))^-1.",
                    "R := (4%:R * sin (angle k))^-1.",
                ),
            ),
        ),
    ),
    Claim(
        id="haar.s4d-lower-bound-jumps",
        paper="Corollary 1 (Section 3.1)",
        form=Form.EXTENSION,
        title="the same for jumps anywhere, and for sequences: a delay of n needs N ≥ n",
        statement=r"\|f-e\|^2>Q_0T_N+Q_1T_{N+1},\quad T_N=\frac2{\pi^2}\sum_{k>N}\frac1{(2k-1)^2},\quad "
        r"Q_c=\sum_{c_i=c}2J_i^2q_i,\ c_i=0\text{ if }f=0\text{ on one side in the window of jump }i,\text{ else }1;"
        r"\qquad H=[\mathbf 1[a+b<n]]_{a,b<n}:\ "
        r"\sigma_k(H)=\frac1{2\sin\frac{(2k-1)\pi}{2(2n+1)}},\ \mathrm{rank}\,H=n",
        hypotheses=(LTI, COUNTED, DISJOINT),
        depends_on=("haar.s4d-lower-bound",),
        formula=sp.And(
            sp.Gt(squared, alone * left_out(N) + beside * left_out(N + 1)),
            sp.Eq(singular, 1 / (2 * sp.sin((2 * which - 1) * sp.pi / (2 * (2 * size + 1)))), evaluate=False),
            sp.Eq(order, size, evaluate=False),
        ),
        expected=Outcome.DERIVED,
        proof=_any_jumps,
        formal=Formal(
            ("haar.Hankel.step_needs_states", "haar.Hankel.step_rank", "real.HankelSingular.step_singular_values"),
            leaves_out="the bound in L²; proved are H's singular values, rank H = n, and N ≥ n for a kernel that is"
            " 1[s < n] for s ≤ 2n − 2",
            refused=(
                Weakened(
                    "n < N", "kernel_of A B C s = step n s) -> (n <= N)%N", "kernel_of A B C s = step n s) -> (n < N)%N"
                ),
                Weakened("fewer times", "(s <= n.*2 - 2)%N ->", "(s <= n - 2)%N ->"),
                Weakened(
                    "a step of n − 1", "step (n s : nat) : F := (s < n)%N%:R", "step (n s : nat) : F := (s < n.-1)%N%:R"
                ),
            ),
        ),
    ),
)
