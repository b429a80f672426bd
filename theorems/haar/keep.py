"""Corollary 2, KEEP n-TH (y_t = x_n): printed, amended, and out of reach for S4D. With one state: `one_state`.

Positions are integers, z = e^{−w/2}; the gates are softplus of a line in time that crosses 0 half-way between tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from mamba_theorems.theorems.claim import Claim, Erratum, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.haar.pointwise import RAMP, REFLECTION
from mamba_theorems.theorems.proofs.proof import Bound, Enclosed, Farkas, Identity, Induction, Proof
from mamba_theorems.theorems.proofs.written import Named, total
from mamba_theorems.theorems.statement import Hypothesis, predicate

w, z, S, X, D, a = sp.symbols("w z S X D a", positive=True)
y = sp.Symbol("y", real=True)
d = sp.Symbol("d", integer=True)
m = sp.Symbol("m", integer=True, nonnegative=True)
n, t, lag, V = sp.symbols("n t delta V", integer=True, positive=True)
before, rest, error = sp.symbols("b P e", nonnegative=True)
HALF = sp.S.Half


def _printed_sign() -> Proof:
    """H(s − n) − H(s − (n − 1)) is minus an indicator, whichever value H(0) has."""

    def weakly(e: sp.Expr) -> sp.Expr:
        return sp.Piecewise((1, sp.Ge(e, 0)), (0, True))

    def strictly(e: sp.Expr) -> sp.Expr:
        return sp.Piecewise((1, sp.Gt(e, 0)), (0, True))

    def only(e: sp.Expr) -> sp.Expr:
        return sp.Piecewise((1, sp.Eq(e, 0)), (0, True))

    conventions = (("H(0) = 1", weakly), ("H(0) = 0", strictly))
    return Proof(
        steps=(
            Bound(
                name="with H(s) = 1[s ≥ 0] the printed kernel is −1[s = n − 1]",
                because="d = s − n, any integer",
                claim=sp.Eq(weakly(d) - weakly(d + 1), -only(d + 1), evaluate=False),
            ).but_not("+1[s = n − 1]", claim=sp.Eq(weakly(d) - weakly(d + 1), only(d + 1), evaluate=False)),
            Bound(
                name="with H(s) = 1[s > 0] it is −1[s = n]",
                claim=sp.Eq(strictly(d) - strictly(d + 1), -only(d), evaluate=False),
            ),
            Bound(
                name="exact instance: n = 2, inputs 1, 1, 1, 1: the output is not 1",
                because="it is −1 under either convention",
                claim=sp.And(*(sp.Ne(Named(f"y with {name}", _output(step)), 1) for name, step in conventions)),
            ).but_not("it is not −1", claim=sp.And(*(sp.Ne(_output(step), -1) for _, step in conventions))),
        )
    )


def _output(step: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
    """Σ_{s=1}^4 (H(s − 2) − H(s − 1))·1."""
    return sp.Add(*(step(sp.Integer(s) - 2) - step(sp.Integer(s) - 1) for s in range(1, 5)))


GATE_CLOSES = Bound(name="softplus(−y) ≤ e^{−y}", claim=sp.Le(sp.log(1 + a), a))
GEOMETRIC = Induction(
    name="geometric sum",
    sequence="s",
    index=m,
    next=lambda total, k: total + z ** (2 * k),
    closed=(1 - z ** (2 * m)) / (1 - z**2),
    given=(sp.Lt(z, 1),),
)
SQUARE = Induction(
    name="half-integers add up to a square",
    sequence="q",
    because="Σ_{i<m} w(i + ½) = w m²/2, the exponent of a token m places before the threshold",
    index=m,
    next=lambda total, k: total + w * (k + HALF),
    closed=w * m**2 / 2,
)
SQUARE_ABOVE = Bound(name="m² ≥ m, so e^{−wm²/2} ≤ z^m", claim=sp.Ge(m**2, m)).but_not("2m", claim=sp.Ge(m**2, 2 * m))
SMALL = Enclosed(name="z = e^{−w/2} < 0.136 for w ≥ 4", claim=sp.Lt(sp.exp(-2), sp.Rational(136, 1000), evaluate=False))


def _two_channels() -> Proof:
    """The errors of the two kernels, summed over all positions, in units of the largest |x|."""
    parts = z / (1 - z), z + z / (1 - z**2), z / (1 - z**2) ** 2
    small = sp.Lt(z, sp.Rational(136, 1000))
    return Proof(
        steps=(
            REFLECTION,
            RAMP,
            GATE_CLOSES,
            SQUARE,
            SQUARE_ABOVE,
            GEOMETRIC,
            SMALL,
            Bound(
                name="s < n: Σ_m z^m = z/(1 − z)",
                because="both kernels lie in [0, z^m], m = n − s ≥ 1; partial sums stay below the limit",
                claim=sp.Le((z - z**3) / (1 - z), z / (1 - z)),
                given=(small,),
            ),
            Bound(
                name="one step alone: at most 9z/4 over all positions, so a wavelet 9z",
                because="s < c: z/(1 − z); s ≥ c: Σ_i z^{2i+1}/(1 − z²); a wavelet has weights 1, −2, 1",
                claim=sp.Le(z / (1 - z) + z / (1 - z**2) ** 2, 9 * z / 4),
                given=(small,),
            ).but_not("2z", claim=sp.Le(z / (1 - z) + z / (1 - z**2) ** 2, 2 * z)),
            Identity(
                name="all errors together",
                because="s < n: z/(1 − z); s = n: z from the second, z/(1 − z²) from the first; s > n: z/(1 − z²)²",
                lhs=total(*parts),
                rhs=z * (1 + 1 / (1 - z) + 1 / (1 - z**2) + 1 / (1 - z**2) ** 2),
                given=(sp.Lt(z, 1),),
            ),
        )
    )


def _s4d_cannot() -> Proof:
    """Four margins at times t and t + δ, over both orders of two values u, v, add up to 0."""
    rows = sp.Matrix(
        # φ: uu uv vv vu | ψ: uu uv vv vu | ρ ρ'     (row x_n = u: logits u and v of the pieces), −margin < 0
        [
            [-1, 1, 0, 0, 0, 0, 1, -1, -1, 0],
            [0, 0, -1, 1, 1, -1, 0, 0, 1, 0],
            [0, 0, 1, -1, -1, 1, 0, 0, 0, -1],
            [1, -1, 0, 0, 0, 0, -1, 1, 0, 1],
        ]
    )
    both = Farkas(
        name="not both orders at both times",
        because="φ, ψ: logits u, v of a token at lags t − n and t + δ − n; ρ, ρ′: logit u − logit v of all the rest",
        rows=rows,
        bounds=sp.zeros(4, 1),
        multipliers=sp.ones(4, 1),
        strict=frozenset(range(4)),
    )
    first, second = sp.symbols("e_t e_u", nonnegative=True)
    share = sp.Ge(first + second, (V * (V - 1) / 2) / V**2)
    mean = sp.Ge((first + second) / 2, (1 - 1 / V) / 4)
    return Proof(
        steps=(
            Bound(
                name="both partners exist: 1 ≤ n − δ and n + δ ≤ t + δ",
                because="at time t the token at lag t + δ − n is x_{n−δ}; at t + δ the one at lag t − n is x_{n+δ}",
                claim=sp.And(sp.Ge(n - lag, 1), sp.Le(n + lag, t + lag)),
                given=(sp.Le(lag, n - 1), sp.Ge(t, n)),
            ).but_not("δ = n", claim=sp.Ge(n - lag, 1), given=(sp.Le(lag, n), sp.Ge(t, n))),
            Bound(
                name="for t < n the token is not there yet",
                because="the answer at t does not depend on x_n, so it is wrong with probability 1 − 1/|V| or more",
                claim=sp.Ge((first + second) / 2, (1 - 1 / V) / 4),
                given=(sp.Ge(first, 1 - 1 / V),),
            ),
            both,
            Identity(
                name="each of the |V|(|V| − 1)/2 pairs costs 1/|V|² at one of the times",
                because="given the rest, at least one of two equally likely orders is wrong there",
                lhs=(V * (V - 1) / 2) / V**2,
                rhs=(1 - 1 / V) / 2,
            ),
            Bound(name="the mean error is at least ¼(1 − 1/|V|)", claim=mean, given=(share,)).but_not(
                "½(1 − 1/|V|)", claim=sp.Ge(first + second, 1 - 1 / V)
            ),
            Enclosed(
                name="|V| = 128: accuracy at most 0.752",
                claim=sp.Lt(1 - (1 - sp.Rational(1, 128)) / 4, sp.Rational(752, 1000), evaluate=False),
            ),
        )
    )


# --- the statements ---------------------------------------------------------------------------------------------------

r = sp.Symbol("r", integer=True, positive=True)
answer, kept, asked = sp.symbols("y y_kept x_n", real=True)
"""What an instance has: an answer y_t, the same of the construction amended, and the token that is asked for."""
largest = sp.Symbol("X", real=True)
"""max |x_s|."""
slope = sp.Symbol("w", positive=True)
SHRINKS = sp.exp(-slope / 2)
"""z."""
SEEN = Hypothesis("t ≥ n", "token n has been read", sp.Ge(t, n), r"t\ge n")
CLOSES = Hypothesis("w > 0", "the gate closes with time", sp.Gt(slope, 0, evaluate=False), "w>0")
TWO_CHANNELS = SHRINKS * (1 + 1 / (1 - SHRINKS) + 1 / (1 - SHRINKS**2) + 1 / (1 - SHRINKS**2) ** 2)
"""The distance in L¹ of both kernels' difference from the indicator of n; 4e^{−w/2} as w grows."""

first_error, second_error = sp.symbols("e_t e_u", nonnegative=True)
"""Shares of all sequences on which the answers at t and at t + δ are wrong; a tie is wrong."""
INVARIANT = Hypothesis("LTI", "the mixer between embedding and head is linear and time-invariant", predicate("LTI"))
UNIFORM = Hypothesis("uniform", "tokens are independent and uniform", predicate("uniform"))
TIES = Hypothesis("ties", "a tie counts as an error", predicate("ties"))
LATER = Hypothesis("δ ≥ 1", "the two readout times differ", sp.Ge(lag, 1, evaluate=False), r"\delta\ge1")
NEAR = Hypothesis("δ < n", "the readout times are less than n apart", sp.Lt(lag, n), r"\delta<n")

CLAIMS = (
    Claim(
        id="haar.cor2",
        paper="Corollary 2 (Section 3.2)",
        form=Form.PRINTED,
        title="a difference of two Heavisides, as printed, keeps x_n",
        statement=r"y_t=\sum_{s\le t}\bigl(H(s-n)-H(s-(n-1))\bigr)x_s=x_n",
        hypotheses=(SEEN,),
        formula=sp.Eq(answer, asked, evaluate=False),
        expected=Outcome.REFUTED,
        disproof=_printed_sign,
        erratum=Erratum(
            printed="KEEP n-TH is the difference of the Heaviside at n and the one at n − 1, two states of one S6.",
            instance="The single token <x>, n = <n>, t = <t>, H(0) = <H(0)>: the printed difference gives 0, "
            "and x_1 is "
            "1.",
            reading="H(s) = 1[s ≥ 0] or 1[s > 0], ideal Heavisides; the sign is reversed in both",
            instead="haar.cor2-amended: the Heaviside at n less the one at n + 1 (H(0) = 1), in two channels: Δ is"
            " one per channel and shared by its states",
            survives="that S6 with time as input solves KEEP n-TH; one state is even enough: haar.keep-nth-one-state",
            case={"x": [1], "n": 1, "t": 1, "H(0)": 1},
            further="With H(0) = 0 it gives −1; for n = 2 and the input 1, 1, 1, … it gives −1 at every t ≥ n.",
        ),
        formal=Formal(
            ("haar.KeepPrinted.cor2_refuted", "haar.KeepPrinted.cor2_reads"),
            refused=(
                Weakened(
                    "the sign reversed",
                    "(heaviside at0 s n - heaviside at0 s n.-1)",
                    "(heaviside at0 s n.-1 - heaviside at0 s n)",
                ),
                Weakened(
                    "less the one at n + 1",
                    "(heaviside at0 s n - heaviside at0 s n.-1)",
                    "(heaviside at0 s n - heaviside at0 s n.+1)",
                ),
                Weakened("−x_n with H(0) = 1 too", "t = - x (if at0 then n.-1 else n).", "t = - x n."),
            ),
        ),
    ),
    Claim(
        id="haar.cor2-amended",
        paper="Corollary 2 (Section 3.2)",
        form=Form.AMENDED,
        title="two channels keep x_n up to about 4e^{−w/2}, for all t",
        statement=r"\Bigl|\sum_{s\le t}\bigl(g_n(s;t)-g_{n+1}(s;t)\bigr)x_s-x_n\Bigr|\le "
        r"z\Bigl(1+\frac1{1-z}+\frac1{1-z^2}+\frac1{(1-z^2)^2}\Bigr)\max_{s\le t}|x_s|,\quad z=e^{-w/2},\ "
        r"g_c(s;t)=e^{-\sum_{r=s}^t\Delta_c(r)},\ \Delta_c(r)=\mathrm{softplus}(-w(r-c+\tfrac12))",
        hypotheses=(SEEN, CLOSES),
        formula=sp.Le(sp.Abs(answer - asked), largest * TWO_CHANNELS),
        expected=Outcome.DERIVED,
        proof=_two_channels,
    ),
    Claim(
        id="haar.keep-nth-s4d-impossible",
        paper="Table 1, Table A.1 (Section 3.2)",
        form=Form.EXTENSION,
        title="no time-invariant mixer keeps x_n: mean error at least ¼(1 − 1/|V|)",
        statement=r"\tfrac12\bigl(\Pr[\hat y_t\ne x_n]+\Pr[\hat y_{t+\delta}\ne x_n]\bigr)"
        r"\ge\tfrac14\bigl(1-\tfrac1{|V|}\bigr)"
        r"\quad\text{(embedding, any mixer that is LTI, linear head; positional terms may be added to the logits)}",
        hypotheses=(INVARIANT, UNIFORM, TIES, LATER, NEAR),
        formula=sp.Ge((first_error + second_error) / 2, (1 - 1 / V) / 4),
        expected=Outcome.FORMAL,
        proof=_s4d_cannot,
        formal=Formal(
            (
                "haar.KeepNth.keep_nth_lti_impossible",
                "haar.KeepNth.keep_nth_mixer_impossible",
                "haar.KeepNthS4d.keep_nth_s4d_impossible",
            ),
            refused=(
                Weakened(
                    "½(1 − 1/|V|)", "(t + delta < T)%N ->\n  4%:R^-1 * (1", "(t + delta < T)%N ->\n  2%:R^-1 * (1"
                ),
                Weakened("δ = 0", "delta :\n  (0 < V)%N -> (0 < delta)%N", "delta :\n  (0 < V)%N -> (0 <= delta)%N"),
                Weakened(
                    "δ = n + 1",
                    "(delta <= n)%N -> (t + delta < T)%N ->\n  4",
                    "(delta <= n.+1)%N -> (t + delta < T)%N ->\n  4",
                ),
                Weakened("a tie is right", "(logit x u < logit x (x n))]", "(logit x u <= logit x (x n))]"),
                Weakened(
                    "a mixer that sees time",
                    "phi (t - i) (x i) u + position t u.",
                    "phi (t + i) (x i) u + position t u.",
                ),
            ),
        ),
    ),
)
