"""From eq. (8) to the recurrence that runs: what the printed parameters give there, and what does compute Haar.

The Euler recurrence has Δ on the input too; the construction for the official blocks uses no decay at all, and takes
its wavelets from differences of SiLUs of time.
"""

from __future__ import annotations

import sympy as sp

from mamba_theorems.theorems.activations import silu, silu_step, softplus
from mamba_theorems.theorems.claim import Claim, Form, Formal, Outcome, Weakened
from mamba_theorems.theorems.haar.pointwise import KAPPA, STEEP, WITHIN, W, closed_form, that, v
from mamba_theorems.theorems.proofs.calculus import Grows, Integrated
from mamba_theorems.theorems.proofs.proof import Bound, Cases, Identity, Induction, Limit, Proof, Step, invariant
from mamba_theorems.theorems.proofs.written import ForAll, Named
from mamba_theorems.theorems.statement import Hypothesis, predicate

w, lam, delta, u, x = sp.symbols("w lambda Delta u x", positive=True)
s, r, t, y, a, b = sp.symbols("s r t y a b", real=True)
m, n = sp.symbols("m n", integer=True, nonnegative=True)
i, j = sp.symbols("i j", integer=True, nonnegative=True)


# --- the mismatch between eq. (8) and the recurrence ------------------------------------------------------------------


def _mismatch() -> Proof:
    gate = sp.Function("Delta", positive=True)
    kernel = sp.exp(-lam * sp.Integral(gate(r), (r, s, t)))
    later = sp.Symbol("A", nonnegative=True)
    return Proof(
        steps=(
            Identity(
                name="the Euler kernel is the derivative of eq. (8)",
                because="Δ(s)e^{−λ∫_s^tΔ} = λ^{−1} ∂_s e^{−λ∫_s^tΔ}",
                lhs=gate(s) * kernel,
                rhs=sp.Derivative(kernel, s) / lam,
            ),
            Integrated(
                name="so its mass over [a, b] is what eq. (8) gains there",
                integrand=gate(s) * kernel,
                variable=s,
                low=a,
                high=b,
                antiderivative=kernel / lam,
                value=(kernel.subs(s, b) - kernel.subs(s, a)) / lam,
            ),
            Identity(
                name="discretely: ZOH's weight is eq. (8)'s difference",
                because="A = Σ_{r>s}Δ_r; λ = 1",
                lhs=sp.exp(-later) * (1 - sp.exp(-delta)),
                rhs=sp.exp(-later) - sp.exp(-(later + delta)),
            ),
            Bound(
                name="and Euler's lies above it",
                claim=sp.Ge(delta * sp.exp(-later), sp.exp(-later) * (1 - sp.exp(-delta))),
                given=(sp.Ge(delta, 1 - sp.exp(-delta)),),
            ),
            Bound(name="1 − e^{−Δ} ≤ Δ", claim=sp.Ge(delta, 1 - sp.exp(-delta))),
            Limit(
                name="with the printed parameters the mass right of t̂ + x tends to 0",
                because="by haar.thm1-amended it is at most π²/(12W); a Heaviside has mass 1 − t̂ − x there",
                expression=KAPPA / W,
                variable=W,
            ),
            Limit(
                name="and so does the mass left of t̂ − u",
                because="it is at most e^{−Wu²/2}: the mass 1/λ gathers at t̂, a delta",
                expression=sp.exp(-W * u**2 / 2),
                variable=W,
            ),
        )
    )


# --- every weight vector is reachable ---------------------------------------------------------------------------------


def _any_weights() -> Proof:
    grown = sp.Symbol("E", positive=True)
    weight, so_far = sp.symbols("w_s Q", positive=True)
    target = sp.Symbol("c", real=True)
    back = sp.Symbol("k", integer=True, nonnegative=True)
    kept, w_s = (sp.Function(name, positive=True)(back) for name in ("P", "w"))
    least = sp.Function("Q", real=True)(back)
    conditioning = invariant(
        name="conditioning: e^{−ΣΔ} ≥ 1 − Σw",
        because="k steps back from the end P = e^{−ΣΔ} and Q = 1 − Σw; Δ_s = w_s/P, and e^{−a} ≥ 1 − a",
        conclusion=sp.Ge(kept, least),
        index=back,
        initial={kept: 1, least: 1},
        following={kept: kept * sp.exp(-w_s / kept), least: least - w_s},
        given=(sp.Ge(sp.exp(-w_s / kept), 1 - w_s / kept),),
        wrong={"½w_s": {"following": {kept: kept * sp.exp(-w_s / kept), least: least - w_s / 2}}},
    )
    return Proof(
        steps=(
            Identity(
                name="solving backwards gives weight w_s",
                because="Δ_s = w_s E with E = e^{Σ_{r>s}Δ_r} known already; the weight is Δ_s/E",
                lhs=Named("Delta_s", weight * grown) / grown,
                rhs=weight,
            ),
            Bound(name="every Δ_s is positive", claim=sp.Gt(weight * grown, 0, evaluate=False)),
            Bound(
                name="two channels: every number is a difference of positive ones",
                claim=sp.And(
                    sp.Eq((sp.Max(target, 0) + 1) - (sp.Max(-target, 0) + 1), target, evaluate=False),
                    sp.Gt(sp.Max(target, 0) + 1, 0),
                    sp.Gt(sp.Max(-target, 0) + 1, 0),
                ),
            ).but_not(
                "without + 1: weights may vanish",
                claim=sp.And(sp.Gt(sp.Max(target, 0), 0), sp.Gt(sp.Max(-target, 0), 0)),
            ),
            Bound(name="e^{−a} ≥ 1 − a", claim=sp.Ge(sp.exp(-u), 1 - u)),
            conditioning,
            Bound(
                name="with Σw ≤ ½ (C rescales): w_s ≤ Δ_s < 2w_s",
                because="1 ≤ E ≤ 1/(1 − Σw) ≤ 2: relative changes of Δ move log-weights by at most ΣΔ ≤ ln 2",
                claim=sp.And(sp.Ge(weight * grown, weight), sp.Lt(weight * grown, 2 * weight)),
                given=(sp.Ge(1 / grown, 1 - so_far), sp.Le(so_far + weight, sp.S.Half), sp.Ge(grown, 1)),
            ).but_not(
                "Σw ≤ 0.6",
                claim=sp.Le(weight * grown, 2 * weight),
                given=(sp.Ge(1 / grown, 1 - so_far), sp.Le(so_far, sp.Rational(6, 10)), sp.Ge(grown, 1)),
            ),
            Identity(
                name="log-derivative of a weight",
                because="log w_s = log Δ_s − Σ_{r>s}Δ_r",
                lhs=sp.Derivative(sp.log(u) - x, x) * x,
                rhs=-x,
            ),
        )
    )


# --- Haar in the official block ---------------------------------------------------------------------------------------


def loss(at: sp.Expr) -> sp.Expr:
    """φ(m) = m/(1 + e^{wm})."""
    return at / (1 + sp.exp(w * at))


def _step_error() -> tuple[Step, ...]:
    """1[t ≥ a] on integers, up to |φ(m + 1) − φ(m)| ≤ φ(1) = 1/(1 + e^w) for w ≥ 2."""
    at_x = sp.Symbol("x", positive=True)
    rising = sp.Ge(w * sp.exp(w * at_x), w * sp.exp(w))
    first = sp.Symbol("f_1", positive=True)
    phi, psi = sp.symbols("f g", nonnegative=True)
    return (
        Identity(name="at and after a: 1 less φ(m + 1) − φ(m)", lhs=silu_step(m, w), rhs=1 - (loss(m + 1) - loss(m))),
        Identity(name="before a: φ(m + 1) − φ(m)", lhs=silu_step(-1 - m, w), rhs=loss(m + 1) - loss(m)),
        Identity(name="at a itself the error is 1/(1 + e^w)", lhs=1 - silu_step(sp.S.Zero, w), rhs=1 / (1 + sp.exp(w))),
        Bound(
            name="e^w(w − 1) ≥ 1 for w ≥ 2",
            claim=sp.Ge(sp.exp(w) * (w - 1), 1),
            given=(sp.Ge(w, 2), sp.Ge(sp.exp(w), 1 + w)),
        ).but_not("w ≥ 1", given=(sp.Ge(w, 1), sp.Ge(sp.exp(w), 1 + w))),
        Bound(name="e^w ≥ 1 + w", claim=sp.Ge(sp.exp(w), 1 + w)),
        Grows(
            name="w e^{wx} increases from x = 1",
            larger=w * sp.exp(w * at_x),
            smaller=w * sp.exp(w),
            variable=at_x,
            start=sp.S.One,
        ),
        Grows(
            name="φ(x) ≤ φ(1) for x ≥ 1",
            because="1 + e^{wx} ≥ x(1 + e^w)",
            larger=1 + sp.exp(w * at_x),
            smaller=at_x * (1 + sp.exp(w)),
            variable=at_x,
            start=sp.S.One,
            given=(ForAll(at_x, rising, sp.Ge(at_x, 1)), sp.Ge(sp.exp(w) * (w - 1), 1)),
        ).but_not("for small w", given=(ForAll(at_x, rising, sp.Ge(at_x, 1)),)),
        Bound(
            name="so the error is at most φ(1) everywhere",
            claim=sp.Le(sp.Abs(phi - psi), first),
            given=(sp.Le(phi, first), sp.Le(psi, first)),
        ),
    )


def _wavelet() -> tuple[Step, ...]:
    """Steps make wavelets and one-hot codes on the integers."""
    at, first, middle, last, d = sp.symbols("t a b c d", integer=True)

    def step(threshold: sp.Expr) -> sp.Expr:
        return sp.Piecewise((1, sp.Ge(at, threshold)), (0, True))

    wavelet = sp.Piecewise(
        (0, sp.Lt(at, first)), (1, sp.Lt(at, middle)), (-1, sp.Lt(at, last)), (0, True)
    )  # fmt: skip
    ordered = (sp.Lt(first, middle), sp.Lt(middle, last))
    made = step(first) - 2 * step(middle) + step(last)
    return (
        Bound(
            name="three steps make an unnormalised wavelet", claim=sp.Eq(made, wavelet, evaluate=False), given=ordered
        ).but_not("−step(c)", claim=sp.Eq(made - 2 * step(last), wavelet, evaluate=False)),
        Bound(
            name="two steps make a one-hot code of time",
            because="d = t − a",
            claim=sp.Eq(
                sp.Piecewise((1, sp.Ge(d, 0)), (0, True)) - sp.Piecewise((1, sp.Ge(d, 1)), (0, True)),
                sp.Piecewise((1, sp.Eq(d, 0)), (0, True)),
                evaluate=False,
            ),
        ),
    )


def _official() -> Proof:
    psi, signal = sp.Function("psi", real=True), sp.Function("x", real=True)
    kept = sp.Symbol("c", nonnegative=True)
    width, where = sp.symbols("a k", nonnegative=True)
    return Proof(
        steps=(
            *_step_error(),
            *_wavelet(),
            Identity(name="two channels carry a signed signal", lhs=silu(y) - silu(-y), rhs=y),
            Induction(
                name="without decay the state is the coefficient",
                because="B_t = ψ(t), constant Δ, C one-hot at the reading time",
                index=n,
                next=lambda h, at: h + delta * psi(at + 1) * signal(at + 1),
                closed=delta * sp.Sum(psi(i) * signal(i), (i, 1, n)),
            ),
            Bound(
                name="a decay A < 0 costs at most LΔ|A| of each term",
                because="c = LΔ|A|",
                claim=sp.Le(1 - sp.exp(-kept), kept),
            ).but_not("half of it", claim=sp.Le(1 - sp.exp(-kept), kept / 2)),
            Bound(
                name="a coefficient is read at most 3L/2 steps after the start of its wavelet",
                because="the k-th of width a = 2^l starts at ka, read at L + L/a + k; 3L/2 · 128e^{−60} = 192Le^{−60}",
                claim=sp.Le(length + length / width + where - where * width, 3 * length / 2),
                given=(sp.Ge(width, 2),),
            ).but_not("5L/4", claim=sp.Le(length + length / width + where - where * width, 5 * length / 4)),
            Bound(
                name="a wavelet of inexact steps is off by at most 4/(1 + e^w)",
                claim=sp.Le(sp.Abs(a - 2 * b + s), 4 * x),
                given=tuple(c for e in (a, b, s) for c in (sp.Le(e, x), sp.Ge(e, -x))),
            ).but_not("3/(1 + e^w)", claim=sp.Le(sp.Abs(a - 2 * b + s), 3 * x)),
            Cases(
                name="Mamba-2: codes 1[first half], 1[second half] in two groups differ by the wavelet",
                because="B of Mamba-2 is SiLU of a linear map, ≥ −0.2785: the sign is taken after the state",
                claim=sp.Eq(sp.Max(y, 0) - sp.Max(-y, 0), y, evaluate=False),
                over={y: (-1, 0, 1)},
            ),
        )
    )


# --- Remark 1 ---------------------------------------------------------------------------------------------------------


def _remark() -> Proof:
    decay, write, c = sp.Function("a", real=True), sp.Function("v", real=True), sp.Symbol("c", real=True)
    gate = sp.Function("Delta", positive=True)
    mixed = sp.Sum(sp.Product(decay(j), (j, i + 1, n)) * write(i), (i, 1, n))
    return Proof(
        steps=(
            Induction(
                name="a head with a scalar decay is one S6 channel",
                because="all N states of a head share Λ̄ = a_t I; v_t = B̄_t x_t, N = 1",
                index=n,
                next=lambda h, at: decay(at + 1) * h + write(at + 1),
                closed=mixed,
            ),
            Induction(
                name="N states: the readout factors as (Π a_r)(C_t·B_s)",
                sequence="y",
                because="each state with its own write c·v, the same decay",
                index=n,
                next=lambda h, at: decay(at + 1) * h + c * write(at + 1),
                closed=c * mixed,
            ),
            Induction(
                name="with N = 1 its kernel is eq. (8), so each Δ takes one head",
                sequence="P",
                because="Π_r e^{−λΔ_r} = e^{−λΣ_rΔ_r}; m + 1 Heavisides need m + 1 heads",
                index=n,
                initial=sp.S.One,
                next=lambda kept, at: kept * sp.exp(-lam * gate(at + 1)),
                closed=sp.exp(-lam * sp.Sum(gate(i), (i, 1, n))),
            ),
        )
    )


# --- the statements ---------------------------------------------------------------------------------------------------

rate = sp.Symbol("lambda", real=True)
any_gate = sp.Function("Delta", real=True)
FROM_S = sp.exp(-rate * sp.Integral(any_gate(r), (r, s, t)))
"""Eq. (8) with B = 1."""
PRINTED = softplus(-W * (v - that)) * sp.exp(-closed_form(v))
"""The Euler kernel Δ(s)e^{−∫_s^1 Δ} of the printed parameters, λ = 1, its exponent in closed form."""
DELTA = sp.And(
    sp.Eq(rate * any_gate(s) * FROM_S, sp.Derivative(FROM_S, s), evaluate=False),
    sp.Lt(sp.Integral(PRINTED, (v, that, 1)), KAPPA / W),
    sp.Implies(sp.Lt(s, that), sp.Lt(sp.Integral(PRINTED, (v, 0, s)), sp.exp(-W * (that - s) ** 2 / 2))),
)
weight_at, step_at, sum_of_weights = sp.symbols("w_s Delta_s Omega", real=True)
answer, functional = sp.symbols("y f", real=True)
"""What the recurrence reads out, and the functional Σ w_s x_s that it is asked for."""
POSITIVE = Hypothesis("w > 0", "all weights are positive", predicate("w > 0"), "w>0")
LIGHT = Hypothesis(
    "Σw ≤ ½", "the weights add up to at most ½; C rescales", sp.Le(sum_of_weights, sp.S.Half), r"\sum w\le\tfrac12"
)
read, coefficient, magnitude = sp.symbols("c psi_x X", real=True)
"""What a block reads for ⟨ψ_n, x⟩, the coefficient itself, and Σ|x_s|."""
length = sp.Symbol("L", integer=True, positive=True)
TIMED = Hypothesis("time", "time is an input coordinate (PE)", predicate("time"))
head, channel, unrolled = sp.symbols("y_head y_S6 y_sum", real=True)
ONE_DECAY = Hypothesis("one decay", "all states of a head share one decay a_t", predicate("one decay"))
OWN_STEP = Hypothesis("own Δ", "each Δ has a head of its own", predicate("own step"))

CLAIMS = (
    Claim(
        id="haar.euler-mismatch",
        paper="Eq. (8) against eq. (3)",
        form=Form.EXTENSION,
        title="in the Euler recurrence the printed parameters give a delta, not a Heaviside",
        statement=r"\lambda\Delta(s)e^{-\lambda\int_s^t\Delta}=\partial_s\,e^{-\lambda\int_s^t\Delta};\qquad "
        r"\lambda=1,\ \Delta(r)=\mathrm{softplus}(-W(r-\hat t)),\ t=1:\quad "
        r"\int_{\hat t}^1\Delta e^{-\int_s^1\Delta}ds<\frac{\pi^2}{12W},\quad "
        r"\int_0^s\Delta e^{-\int_v^1\Delta}dv<e^{-W(\hat t-s)^2/2}\ (s<\hat t)",
        hypotheses=(STEEP, WITHIN),
        depends_on=("haar.thm1-pointwise",),
        formula=DELTA,
        expected=Outcome.DERIVED,
        proof=_mismatch,
    ),
    Claim(
        id="haar.any-weights",
        paper="Eq. (3), (8)",
        form=Form.EXTENSION,
        title="free Δ reach every positive weight vector with one state, and well-conditioned",
        statement=r"\Delta_s=w_se^{\sum_{r>s}\Delta_r}:\quad \sum_s\Delta_se^{-\sum_{r>s}\Delta_r}x_s=\sum_sw_sx_s,"
        r"\qquad w_s\le\Delta_s<2w_s\quad\text{(Euler, }\lambda=1\text{, one readout time)}",
        hypotheses=(POSITIVE, LIGHT),
        formula=sp.And(
            sp.Eq(answer, functional, evaluate=False),
            sp.Ge(step_at, weight_at),
            sp.Lt(step_at, 2 * weight_at),
        ),
        expected=Outcome.FORMAL,
        proof=_any_weights,
        formal=Formal(
            (
                "haar.AnyWeights.any_weights_equal",
                "haar.AnyWeights.any_weights_steps",
                "haar.AnyWeights.steps_exist",
                "real.OneState.any_weights_real",
            ),
            refused=(
                Weakened("Σw ≤ 1", "w i <= 2%:R^-1.", "w i <= 1."),
                Weakened(
                    "w ≥ 0", "positive : forall i, (i < L)%N -> 0 < w i.", "positive : forall i, (i < L)%N -> 0 <= w i."
                ),
                Weakened("Δ < w", "w i <= delta i < 2%:R * w i.", "w i <= delta i < w i."),
                Weakened(
                    "a step sees itself",
                    "later (delta : nat -> R) (i : nat) : R := \\sum_(i.+1 <=",
                    "later (delta : nat -> R) (i : nat) : R := \\sum_(i <=",
                ),
                Weakened(
                    "a growing state",
                    "(fun _ _ => -1) (fun _ _ => 1) (fun _ _ => 1) L.-1 0%N.",
                    "(fun _ _ => 1) (fun _ _ => 1) (fun _ _ => 1) L.-1 0%N.",
                ),
            ),
        ),
    ),
    Claim(
        id="haar.official-block",
        paper="Theorem 1 (Section 3.1)",
        form=Form.EXTENSION,
        title="the official Mamba-1 block reads out every Haar coefficient of a sequence",
        statement=r"|c_n-\langle\psi_n,x\rangle|\le192\,L\,e^{-60}\sum_s|x_s|,\quad "
        r"c_n\text{ the block's output at position }L+n,\ \psi_n\text{ the wavelets }\pm1\text{ of length }L=2^J",
        hypotheses=(TIMED,),
        formula=sp.Le(sp.Abs(read - coefficient), 192 * length * sp.exp(-60, evaluate=False) * magnitude),
        expected=Outcome.DERIVED,
        proof=_official,
    ),
    Claim(
        id="haar.remark1",
        paper="Remark 1",
        form=Form.PRINTED,
        title="the statements on the mixer hold for Mamba-2's scalar decay",
        statement=r"y_t=\sum_{s\le t}\Bigl(\prod_{r=s+1}^ta_r\Bigr)(C_t\cdot B_s)\,\Delta_sx_s\ "
        r"\text{per head, as in one S6 channel with the same }\Delta",
        hypotheses=(ONE_DECAY, OWN_STEP),
        depends_on=("haar.thm1-amended", "haar.exact-jumps", "haar.keep-nth-one-state"),
        formula=sp.And(sp.Eq(head, channel, evaluate=False), sp.Eq(head, unrolled, evaluate=False)),
        expected=Outcome.DERIVED,
        proof=_remark,
    ),
)
