"""Proposition 1: time from a constant input, what a decay λ > 0 costs, and steps on a clock that decays.

The clock τ(r) = (1 − e^{−λr})/λ is the state of a channel with constant input; at λ = 0 it is time itself.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form, Outcome
from mamba_theorems.theorems.haar.heaviside import CLOSED, EXP_DECREASES, LI_LEAST, LI_NEGATIVE, right_tail
from mamba_theorems.theorems.haar.pointwise import KAPPA, LINEAR, RAMP, REFLECTION, STEEP, W
from mamba_theorems.theorems.proofs.calculus import Grows, Integrated
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Conjunction,
    Identity,
    InductionOn,
    Proof,
    Rewritten,
    Specialise,
    Step,
)
from mamba_theorems.theorems.proofs.written import ForAll, Named, put_in
from mamba_theorems.theorems.statement import Hypothesis

lam, step, time, x, u, R, that = sp.symbols("lambda Delta_0 t x u R that", positive=True)
r, v, y = sp.symbols("r v y", real=True)
n, m = sp.symbols("n m", integer=True, nonnegative=True)


def clock(at: sp.Expr) -> sp.Expr:
    """τ(r) = (1 − e^{−λr})/λ."""
    return (1 - sp.exp(-lam * at)) / lam


def _time() -> Proof:
    """At λ = 0 nothing is forgotten: the integral of a constant, and n equal terms."""
    continuous = Identity(
        name="the continuous state without decay is Δ₀t",
        lhs=held(decay, pace, moment),
        rhs=pace * moment,
        given=(STILL.meaning,),
    ).but_not("with a decay", given=())
    discrete = Identity(
        name="so is the discrete one",
        lhs=added(decay, pace),
        rhs=pace * tokens,
        given=(STILL.meaning,),
    ).but_not("with a decay", given=())
    together = Conjunction(name="time", of=(continuous, discrete))
    return Proof(hypotheses=(STILL.meaning,), steps=(continuous, discrete, together))


z = sp.Symbol("z", positive=True)
"""λΔ₀t in continuous time, λΔ₀ in discrete."""
FADED = sp.exp(-z)


def _exponential() -> tuple[Step, ...]:
    """1 − e^{−z} < z, and z − (1 − e^{−z}) < z²/2."""
    mean = Bound(
        name="1 − e^{−z} ≤ z(1 + e^{−z})/2", claim=sp.Le(1 - FADED, z * (1 + FADED) / 2, evaluate=False)
    ).but_not("z(1 + e^{−z})/3", claim=sp.Le(1 - FADED, z * (1 + FADED) / 3, evaluate=False))
    square = Bound(name="e^{−z}(1 + z + z²/2) ≤ 1", claim=sp.Le(FADED * (1 + z + z**2 / 2), 1)).but_not(
        "z² for z²/2", claim=sp.Le(FADED * (1 + z + z**2), 1)
    )
    return (
        mean,
        Bound(name="1 − e^{−z} < z", claim=sp.Lt(1 - FADED, z), given=(mean.relation,)),
        square,
        Bound(
            name="z − (1 − e^{−z}) < z²/2",
            because="(1 + z²/2 − z)(1 + z²/2 + z) = 1 + z⁴/4",
            claim=sp.Lt(z - (1 - FADED), z**2 / 2),
            given=(square.relation,),
        ).but_not("z²/3", claim=sp.Lt(z - (1 - FADED), z**2 / 3)),
    )


def _at(value: sp.Expr, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The bounds of e^{−z} there."""
    return tuple(Specialise(name=f"{of.name} at z = {value}", of=of, at={z: value}) for of in steps)


def _continuous(exponential: tuple[Step, ...]) -> tuple[Step, ...]:
    """λΔ₀(t − h/Δ₀) = z − (1 − e^{−z}) at z = λΔ₀t."""
    value = (1 - sp.exp(-lam * step * time)) / lam
    closed = Integrated(
        name="the continuous state",
        integrand=step * sp.exp(-lam * step * (time - v)),
        variable=v,
        high=time,
        antiderivative=sp.exp(-lam * step * (time - v)) / lam,
        value=value,
    )
    passed = _at(lam * step * time, exponential)
    _, less, _, hardly = passed
    late, quadratic = time - value / step, lam * step * time**2
    behind = Bound(name="its value is behind", claim=sp.Gt(late, 0), given=(less.relation,))
    little = Bound(name="by less than λΔ₀t²/2", claim=sp.Lt(late, quadratic / 2), given=(hardly.relation,)).but_not(
        "λΔ₀t²/3", claim=sp.Lt(late, quadratic / 3)
    )
    return (
        closed,
        *passed,
        behind,
        little,
        Rewritten(name="the continuous state is behind", claim=sp.Gt(BEHIND_TIME, 0), of=behind, by=(closed,)),
        Rewritten(name="by little", claim=sp.Lt(BEHIND_TIME, quadratic / 2), of=little, by=(closed,)),
    )


Said = Callable[[sp.Expr, sp.Expr], sp.Basic]


def _discrete(exponential: tuple[Step, ...]) -> tuple[Step, ...]:
    """With σ_n = h_n/Δ₀: n + 1 − σ_{n+1} = (n − σ_n) + (1 − e^{−z})σ_n at z = λΔ₀."""
    state, following = sp.symbols("h h_1", real=True)
    loss, kept = _at(lam * step, exponential[:2]), sp.exp(-lam * step)
    here, first, second = added(lam, step), sp.Integer(2), tokens + 1
    at_two, later = (put_in(here, {tokens: at}) for at in (first, second))
    two = Identity(name="the first two tokens", lhs=at_two, rhs=step * (1 + kept))
    recurrence = Identity(name="Euler's recurrence", lhs=later, rhs=kept * here + step).but_not(
        "without a write", rhs=kept * here
    )

    def by_induction(name: str, says: Said, wrong: Said, *known: sp.Basic) -> tuple[Step, ...]:
        """`says` is a relation between the number of tokens and the state; `wrong` is one that two tokens break."""
        given = (loss[-1].relation, sp.Eq(following, kept * state + step), SECOND.meaning, says(tokens, state))
        start = Bound(
            name=f"{name}: two tokens",
            claim=says(first, state),
            given=(loss[-1].relation, sp.Eq(state, step * (1 + kept))),
        ).but_not("sharper", claim=wrong(first, state))
        onward = Bound(name=f"{name}: from n to n + 1", claim=says(second, following), given=(*given, *known))
        return (
            start,
            onward,
            InductionOn(
                name=name,
                conclusion=says(tokens, here),
                index=tokens,
                start=first,
                base=Specialise(name="of the sum for two tokens", of=start, at={state: at_two}),
                step=Specialise(name="of the sum", of=onward, at={state: here, following: later}),
            ),
        )

    def behind_by(least: int) -> Said:
        return lambda n, h: sp.Gt(n - h / step, least, evaluate=False)

    def little(parts: int) -> Said:
        return lambda n, h: sp.Lt(n - h / step, lam * step * n * (n - 1) / parts, evaluate=False)

    behind = by_induction("the discrete state is behind", behind_by(0), behind_by(1))
    near = by_induction("by less than λΔ₀n(n − 1)/2", little(2), little(3), behind_by(0)(tokens, state))
    return (*loss, two, recurrence, *behind, *near)


def _with_decay() -> Proof:
    """Both states, from two bounds of e^{−z}."""
    exponential = _exponential()
    continuous, discrete = _continuous(exponential), _discrete(exponential)
    parts = (*continuous[-2:], *(step for step in discrete if isinstance(step, InductionOn)))
    return Proof(
        hypotheses=(SECOND.meaning,),
        steps=(*exponential, *continuous, *discrete, Conjunction(name="time, nearly", of=parts)),
    )


def _slopes() -> tuple[Step, ...]:
    """How fast the clock runs: at least e^{−λt̂} before t̂, at least e^{−λ} on [t̂, 1]."""
    above = Bound(name="e^{λx} − 1 ≥ λx", claim=sp.Ge(sp.exp(lam * x) - 1, lam * x))
    before = Identity(
        name="clock before t̂",
        lhs=clock(that) - clock(that - x),
        rhs=sp.exp(-lam * that) * (sp.exp(lam * x) - 1) / lam,
    )
    slow = sp.exp(-lam * that) * (sp.exp(lam * x) - 1) / lam
    after = Identity(
        name="clock after t̂",
        lhs=clock(that + x) - clock(that),
        rhs=sp.exp(-lam * (that + x)) * (sp.exp(lam * x) - 1) / lam,
    )
    late = sp.exp(-lam * (that + x)) * (sp.exp(lam * x) - 1) / lam
    split = Identity(name="the decay to the end splits", lhs=sp.exp(-lam * (1 - R)), rhs=sp.exp(-lam) * sp.exp(lam * R))
    grows = Bound(name="e^{λR} ≥ 1", claim=sp.Ge(sp.exp(lam * R), 1))
    end = Bound(
        name="e^{−λr} ≥ e^{−λ} up to r = 1",
        because="r = 1 − R",
        claim=sp.Ge(sp.exp(-lam * (1 - R)), sp.exp(-lam)),
        given=(split.relation, grows.relation),
    )
    return (
        above,
        before,
        Bound(
            name="τ(t̂) − τ(t̂ − x) ≥ e^{−λt̂}x", claim=sp.Ge(slow, sp.exp(-lam * that) * x), given=(above.relation,)
        ).but_not("e^{−λt̂} dropped", claim=sp.Ge(slow, x)),
        after,
        split,
        grows,
        end,
        Bound(
            name="τ(t̂ + x) − τ(t̂) ≥ e^{−λ}x",
            claim=sp.Ge(late, sp.exp(-lam) * x),
            given=(above.relation, sp.Ge(sp.exp(-lam * (that + x)), sp.exp(-lam))),
        ).but_not("beyond r = 1", given=(above.relation,)),
    )


def _clock_left() -> tuple[Step, ...]:
    """∫_{t̂−u}^1 Δ ≥ We^{−λt̂}u²/2."""
    gate = softplus(W * (clock(that) - clock(r)))
    at_u = gate.subs(r, that - u)
    rate = W * sp.exp(-lam * that)
    ramp = sp.Ge(at_u, W * (clock(that) - clock(that - u)))
    ahead = sp.Integral(gate, (r, that, that + R))
    beyond = Grows(name="the part after t̂ is ≥ 0", larger=ahead, smaller=sp.S.Zero, variable=R)
    runs = sp.Ge(clock(that) - clock(that - u), sp.exp(-lam * that) * u)
    slope = Bound(name="the gate lies above its ramp", claim=sp.Ge(at_u, rate * u), given=(ramp, runs))
    tail = Grows(
        name="left tail on the clock: exponent ≥ We^{−λt̂}u²/2",
        larger=sp.Integral(gate, (r, that - u, that + R)),
        smaller=rate * u**2 / 2,
        variable=u,
        given=(beyond.relation, ForAll(u, slope.relation)),
    ).but_not("We^{−λt̂}u² for We^{−λt̂}u²/2", smaller=rate * u**2)
    ramp_there = Specialise(name="ramp at the clock's distance", of=RAMP, at={y: W * (clock(that) - clock(that - u))})
    return ramp_there, beyond, slope, tail


def _clock_right() -> tuple[Step, ...]:
    """∫_{t̂+x}^1 Δ ≤ π²e^λ/(12W)."""
    near = sp.Symbol("d", real=True)
    gap = sp.Symbol("g", nonnegative=True)
    compare = Grows(name="softplus increases", larger=softplus(near + gap), smaller=softplus(near), variable=gap)
    return (
        compare,
        CLOSED,
        LI_NEGATIVE,
        LI_LEAST,
        *right_tail(),
        Specialise(
            name="right tail at the slower rate We^{−λ}",
            because="on [t̂, 1] Δ = softplus(−W(τ(r) − τ(t̂))) ≤ softplus(−We^{−λ}(r − t̂))",
            of=right_tail()[-1],
            at={W: W * sp.exp(-lam)},
        ),
        Identity(
            name="its value",
            lhs=Named("kappa/(W e^{-lambda}), kappa = pi^2/12", KAPPA / (W * sp.exp(-lam))),
            rhs=sp.pi**2 * sp.exp(lam) / (12 * W),
        ),
    )


def _steps_on_the_clock() -> Proof:
    return Proof(
        steps=(
            REFLECTION,
            RAMP,
            *_slopes(),
            *_clock_left(),
            *_clock_right(),
            EXP_DECREASES,
            LINEAR,
        )
    )


# --- the statements ---------------------------------------------------------------------------------------------------

threshold, start, decay, pace, moment = sp.symbols("that s lambda Delta_0 t", real=True)
"""t̂, the s of eq. (8), and λ, Δ₀ and t of any sign."""
tokens = sp.Symbol("n", integer=True, nonnegative=True)


def held(rate: sp.Expr, delta: sp.Expr, until: sp.Expr) -> sp.Integral:
    """h(t) = ∫_0^t Δ₀ e^{−λΔ₀(t − v)} dv: the continuous state with constant input 1 and B = 1."""
    return sp.Integral(delta * sp.exp(-rate * delta * (until - v)), (v, 0, until))


def added(rate: sp.Expr, delta: sp.Expr) -> sp.Sum:
    """h_n = Σ_{i≤n} Δ₀ e^{−λΔ₀(n − i)}: the same of the Euler recurrence."""
    i = sp.Symbol("i", integer=True)
    return sp.Sum(delta * sp.exp(-rate * delta * (tokens - i)), (i, 1, tokens))


def clock_integral(low: sp.Expr) -> sp.Integral:
    """∫_low^1 softplus(−W(τ(r) − τ(t̂))) dr."""
    return sp.Integral(softplus(-W * (clock(v) - clock(threshold))), (v, low, 1))


KERNEL = sp.exp(-clock_integral(start))
BEHIND = Hypothesis("t̂ ≤ 1", "the threshold does not lie behind the reading time", sp.Le(threshold, 1), r"\hat t\le1")
STILL = Hypothesis("λ = 0", "no decay, which the official block does not allow", sp.Eq(decay, 0), r"\lambda=0")
FADES = Hypothesis("λ > 0", "the state decays", sp.Gt(lam, 0, evaluate=False), r"\lambda>0")
PASSED = Hypothesis("t > 0", "some time has passed", sp.Gt(time, 0, evaluate=False), "t>0")
STEPS_ON = Hypothesis("Δ₀ > 0", "time goes on", sp.Gt(step, 0, evaluate=False), r"\Delta_0>0")
SECOND = Hypothesis("n ≥ 2", "the first token has no older one", sp.Ge(tokens, 2), r"n\ge2")
ON_THE_CLOCK = sp.And(
    sp.Implies(
        sp.Lt(start, threshold),
        sp.Lt(KERNEL, sp.exp(-W * sp.exp(-lam * threshold) * (threshold - start) ** 2 / 2)),
    ),
    sp.Implies(sp.Ge(start, threshold), sp.Lt(1 - KERNEL, KAPPA * sp.exp(lam) / W)),
)
EXACT_TIME = sp.And(
    sp.Eq(held(decay, pace, moment), pace * moment, evaluate=False),
    sp.Eq(added(decay, pace), pace * tokens, evaluate=False),
)
BEHIND_TIME = time - held(lam, step, time) / step
BEHIND_STEPS = tokens - added(lam, step) / step
NEARLY_TIME = sp.And(
    sp.Gt(BEHIND_TIME, 0),
    sp.Lt(BEHIND_TIME, lam * step * time**2 / 2),
    sp.Gt(BEHIND_STEPS, 0),
    sp.Lt(BEHIND_STEPS, lam * step * tokens * (tokens - 1) / 2),
)

CLAIMS = (
    Claim(
        id="haar.prop1",
        paper="Proposition 1 (Section 3.1)",
        form=Form.PRINTED,
        title="without decay an S6 layer recovers time from a constant input",
        statement=r"h(t)=\int_0^t\Delta_0e^{-\lambda\Delta_0(t-v)}dv=\Delta_0t,\qquad "
        r"h_n=\sum_{i\le n}\Delta_0e^{-\lambda\Delta_0(n-i)}=\Delta_0n",
        hypotheses=(STILL,),
        formula=EXACT_TIME,
        proof=_time,
    ),
    Claim(
        id="haar.prop1-amended",
        paper="Proposition 1 (Section 3.1)",
        form=Form.AMENDED,
        title="with a decay λ > 0, time is recovered up to λΔ₀t²/2",
        statement=r"0<t-\tfrac{h(t)}{\Delta_0}<\tfrac{\lambda\Delta_0t^2}{2},\qquad "
        r"0<n-\tfrac{h_n}{\Delta_0}<\tfrac{\lambda\Delta_0n(n-1)}{2}\ (\text{Euler}),\qquad "
        r"h(t)=\int_0^t\Delta_0e^{-\lambda\Delta_0(t-v)}dv,\ h_n=\sum_{i\le n}\Delta_0e^{-\lambda\Delta_0(n-i)}",
        hypotheses=(FADES, STEPS_ON, PASSED, SECOND),
        formula=NEARLY_TIME,
        proof=_with_decay,
    ),
    Claim(
        id="haar.clock",
        paper="Theorem 1 with Proposition 1",
        form=Form.EXTENSION,
        title="the state of Proposition 1 serves as the clock, at any λ",
        statement=r"\tfrac gB=e^{-\int_s^1\mathrm{softplus}(-W(\tau(r)-\tau(\hat t)))dr},"
        r"\ \tau(r)=\tfrac{1-e^{-\lambda r}}{\lambda}:"
        r"\quad \tfrac gB<e^{-We^{-\lambda\hat t}(\hat t-s)^2/2}\ (s<\hat t),\quad "
        r"1-\tfrac gB<\tfrac{\pi^2e^{\lambda}}{12W}\ (s\ge\hat t)",
        hypotheses=(STEEP, FADES, BEHIND),
        formula=ON_THE_CLOCK,
        expected=Outcome.DERIVED,
        proof=_steps_on_the_clock,
    ),
)
