"""KEEP n-TH with one state (Corollary 2, sharpened): the sums over all inputs, under ZOH and under Euler.

z = e^{−w/2}. Each bound is an induction along the recurrence of its sum: up to n, at n, and from n on.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from mamba_theorems.theorems.activations import softplus
from mamba_theorems.theorems.claim import Claim, Form
from mamba_theorems.theorems.proofs.calculus import Grows
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Conjunction,
    Discharged,
    Identity,
    InductionOn,
    Proof,
    Specialise,
    Step,
)
from mamba_theorems.theorems.proofs.written import ForAll, put_in
from mamba_theorems.theorems.statement import Hypothesis

slope = sp.Symbol("w", positive=True)
n, t = sp.symbols("n t", integer=True, positive=True)
now = sp.Symbol("tau", integer=True, nonnegative=True)
"""A time up to t."""
s, r = sp.symbols("s r", integer=True)
x = sp.Function("x", real=True)
"""The inputs x(1), x(2), …"""
largest, spread = sp.symbols("X D", real=True)
"""At least max |x_s|; at least max |x_s − x_n| with x_0 = 0; both over s ≤ t."""
HALF = sp.S.Half


def gate(place: sp.Expr, at: sp.Expr) -> sp.Expr:
    """softplus(−w(at − place − ½)): the gate closes between `place` and `place` + 1."""
    return softplus(slope * (place + HALF - at))


def decay(place: sp.Expr, at: sp.Expr) -> sp.Expr:
    """e^{−Δ} there."""
    return sp.exp(-gate(place, at))


def memory(place: sp.Expr, since: sp.Expr, until: sp.Expr) -> sp.Expr:
    """e^{−Σ_{r=since}^{until} Δ_r}."""
    return sp.exp(-sp.Sum(gate(place, r), (r, since, until)))


def zoh_state(until: sp.Expr) -> sp.Sum:
    """Σ_{s≤until} (1 − e^{−Δ_s}) e^{−Σ_{r>s}Δ_r} x_s."""
    return sp.Sum((1 - decay(n, s)) * memory(n, s + 1, until) * x(s), (s, 1, until))


def euler_state(until: sp.Expr) -> sp.Sum:
    """Σ_{s≤until} Δ_s e^{−Σ_{r>s}Δ_r} x_s."""
    return sp.Sum(gate(n, s) * memory(n, s + 1, until) * x(s), (s, 1, until))


# --- the statement ----------------------------------------------------------------------------------------------------

SHRINKS, GAIN = sp.exp(-slope / 2), gate(n, n)
"""z, and Euler's S = softplus(w/2)."""
READ = sp.And(sp.Ge(s, 1), sp.Le(s, t))
SEEN = Hypothesis("t ≥ n", "token n has been read", sp.Ge(t, n), r"t\ge n")
CLOSES = Hypothesis("w > 0", "the gate closes with time", sp.Gt(slope, 0, evaluate=False), "w>0")
LARGEST = Hypothesis(
    "|x| ≤ X", "no input read exceeds X", ForAll(s, sp.Le(sp.Abs(x(s)), largest), READ), r"|x_s|\le X\ (1\le s\le t)"
)
SPREAD = Hypothesis(
    "|x − x_n| ≤ D",
    "no input read is farther than D from x_n",
    ForAll(s, sp.Le(sp.Abs(x(s) - x(n)), spread), READ),
    r"|x_s-x_n|\le D\ (1\le s\le t)",
)
EMPTY = Hypothesis(
    "|x_n| ≤ D", "nor is the initial state 0", sp.Le(sp.Abs(x(n)), spread), r"|x_0-x_n|\le D,\ x_0=h_0=0"
)


def zoh_kept(h: sp.Expr, asked: sp.Expr, z: sp.Expr) -> sp.Basic:
    """How near the state under ZOH is to x_n."""
    return sp.Le(sp.Abs(h - asked), spread * z * (1 + 1 / (1 - z**2)), evaluate=False)


def before(z: sp.Expr) -> sp.Expr:
    """Σ_{m≥1} (2m + 1)z^m."""
    return z * (3 - z) / (1 - z) ** 2


def euler_kept(h: sp.Expr, asked: sp.Expr, z: sp.Expr, gain: sp.Expr) -> sp.Basic:
    """The same under Euler, read with 1/S."""
    error = before(z) + (1 + 1 / gain) * z / (1 - z**2)
    return sp.Le(sp.Abs(h / gain - asked), largest * error, evaluate=False)


KEPT_ZOH = zoh_kept(zoh_state(t), x(n), SHRINKS)
KEPT_EULER = euler_kept(euler_state(t), x(n), SHRINKS, GAIN)
KEEPS = sp.And(KEPT_ZOH, KEPT_EULER, evaluate=False)

# --- one step of a state ----------------------------------------------------------------------------------------------

h, h1, fed, asked = sp.symbols("h h_1 x_1 x_n", real=True)
"""h_τ, h_{τ+1}, x_{τ+1} and x_n."""
z, Y, Q, S = sp.symbols("z Y Q S", positive=True)
"""The gate at τ + 1 is softplus(y), Y = e^y; Q = e^{−w(τ−n)} = z^{2(τ−n)}; S = softplus(w/2)."""
U, U1, T, T1 = sp.symbols("U U_1 T T_1", real=True)
"""Bounds at τ and at τ + 1, before and after n."""
G, G1 = sp.symbols("G G_1", real=True)
"""1 + z² + … + z^{2(τ−n−1)}, and the same a step later."""
SMALL = sp.Lt(z, 1)
AHEAD = slope * (n + HALF - (now + 1))


def passed(time: sp.Expr) -> sp.Expr:
    """z^{2(τ−n)}."""
    return sp.exp(-slope * (time - n))


def geometric(time: sp.Expr) -> sp.Expr:
    """(1 − z^{2(τ−n)})/(1 − z²)."""
    return (1 - passed(time)) / (1 - SHRINKS**2)


HERE = {
    fed: x(now + 1), asked: x(n), z: SHRINKS, Y: sp.exp(AHEAD), Q: passed(now), G: geometric(now),
    G1: geometric(now + 1), S: GAIN,
}  # fmt: skip
AT_N = {asked: x(n), z: SHRINKS, Y: sp.exp(slope / 2), S: GAIN}
LETS, LATER = sp.Eq(Y, z * Q, evaluate=False), sp.Eq(G1, G + Q, evaluate=False)
PARTIAL = sp.Lt(G, 1 / (1 - z**2), evaluate=False)
NOTHING_READ = {s: 1, x: lambda _: sp.S.Zero, largest: 0, spread: 0, n: 1, t: 1}
BELOW = Bound(
    name="below the whole series",
    claim=sp.Lt(geometric(t), 1 / (1 - SHRINKS**2), evaluate=False),
).but_not("by 1", claim=sp.Lt(geometric(t), 1 / (1 - SHRINKS**2) - 1, evaluate=False))
BELOW_ONE = Bound(name="z < 1", claim=sp.Lt(SHRINKS, 1, evaluate=False))


def until(time: sp.Expr, bound: sp.Basic) -> sp.Basic:
    """A bound at times up to t."""
    return sp.Implies(sp.Le(time, t, evaluate=False), bound, evaluate=False)


def of_every_input(name: str, hypothesis: Hypothesis, *places: sp.Expr) -> tuple[Step, ...]:
    """What a hypothesis says of every input, at places."""
    fact = sp.Implies(READ, hypothesis.meaning.fact, evaluate=False)
    each = Bound(name=name, claim=fact, given=(hypothesis.meaning,), witness=NOTHING_READ)
    return each, *(Specialise(name=f"{name}: x_{place}", of=each, at={s: place}) for place in places)


def identity(name: str, equation: sp.Basic, at: Mapping[sp.Symbol, sp.Expr]) -> Identity:
    """An equation between letters, of what they stand for."""
    there = put_in(equation, at)
    return Identity(name=name, lhs=there.lhs, rhs=there.rhs)


POWERS = (
    identity("e^{−w(τ+½−n)} = z e^{−w(τ−n)}", LETS, HERE),
    identity("a partial sum of z^{2i} and the next", LATER, HERE),
)


def carried(name: str, early: sp.Basic, late: sp.Basic, steps: tuple[Step, Step, Step, Step], state: dict) -> tuple:
    """Two inductions: `early` from 0 on, `late` from n on. `steps` are the base and the step of each."""
    first, onward, at_n, after = steps
    nothing = {h: state[h].subs(now, 0)}
    here = HERE | state
    arriving = AT_N | {h: put_in(state[h], {now: n - 1}), h1: put_in(state[h1], {now: n - 1})}
    first_at = AT_N | nothing
    up_to = InductionOn(
        name=f"{name}: up to n",
        conclusion=put_in(early, here),
        index=now,
        base=Specialise(name="at 0", of=first, at=used(first, first_at)),
        step=Specialise(name="from τ to τ + 1", of=onward, at=used(onward, here)),
    )
    reached = Specialise(name=f"{name}: at n − 1", of=up_to, at={now: n - 1})
    on = InductionOn(
        name=f"{name}: from n on",
        conclusion=put_in(late, here),
        index=now,
        start=n,
        base=Specialise(name="at n", of=at_n, at=used(at_n, arriving)),
        step=Specialise(name="from τ to τ + 1", of=after, at=used(after, here)),
    )
    return up_to, reached, on, Specialise(name=f"{name}: at t", of=on, at={now: t})


def used(step: Step, at: Mapping[sp.Symbol, sp.Expr]) -> dict[sp.Symbol, sp.Expr]:
    """Of what letters stand for, those that a step has."""
    letters = set().union(*(part.free_symbols for part in (step.relation, *step.assumes)))
    return {letter: value for letter, value in at.items() if letter in letters}


# --- ZOH --------------------------------------------------------------------------------------------------------------


def zoh() -> tuple[Step, ...]:
    """|h − x_n| ≤ D up to n; a factor z at n; then at most (1 − e^{−Δ})D is added at each step."""
    moves = sp.Eq(h1, h / (1 + Y) + (1 - 1 / (1 + Y)) * fed, evaluate=False)
    state = {h: zoh_state(now), h1: zoh_state(now + 1)}
    recurrence = identity("ZOH: the sum follows the recurrence", moves, HERE | state)
    at_n = Specialise(name="ZOH: at n", of=recurrence, at={now: n - 1})
    inputs = of_every_input("no input is far from x_n", SPREAD, now + 1)
    said = sp.Implies(
        sp.And(sp.Ge(now + 1, 1, evaluate=False), sp.Le(now + 1, t)), sp.Le(sp.Abs(fed - asked), spread), evaluate=False
    )
    zero = Identity(name="ZOH: the sum is 0 at first", lhs=zoh_state(sp.S.Zero), rhs=sp.S.Zero)

    def within(time: sp.Expr, value: sp.Expr, times: sp.Expr = sp.S.One) -> sp.Basic:
        return until(time, sp.Le(sp.Abs(value - asked), spread * times, evaluate=False))

    def late(time: sp.Expr, value: sp.Expr, added: sp.Expr) -> sp.Basic:
        return within(time, value, z + z * added)

    first = Bound(
        name="ZOH: 0 is near x_n",
        claim=within(sp.S.Zero, h),
        given=(sp.Le(sp.Abs(asked), spread), sp.Eq(h, 0)),
    )
    mixes = Bound(
        name="ZOH: a mean of what is near is near", claim=within(now + 1, h1), given=(within(now, h), moves, said)
    ).but_not("nearer", claim=within(now + 1, h1, HALF))
    arrives = Bound(
        name="ZOH: at n only z of the error is left",
        claim=within(n, h1, z),
        given=(within(n - 1, h), moves.subs(fed, asked), sp.Eq(Y * z, 1)),
    ).but_not("half of it", claim=within(n, h1, z / 2))
    after = Bound(
        name="ZOH: after n the gate adds at most zQD",
        claim=late(now + 1, h1, G1),
        given=(late(now, h, G), moves, said, LETS, LATER),
    ).but_not("nothing", claim=late(now + 1, h1, G))
    runs = carried("ZOH", within(now, h), late(now, h, G), (first, mixes, arrives, after), state)
    end = Bound(
        name="ZOH: in all", claim=zoh_kept(h, asked, z), given=(late(t, h, G), sp.Le(sp.Abs(asked), spread), PARTIAL)
    )
    there = {**HERE, h: zoh_state(t), G: geometric(t)}
    return (
        recurrence, at_n, *inputs, zero, first, mixes, arrives, after, *runs, end,
        Specialise(name="ZOH keeps x_n", of=end, at=used(end, there)),
    )  # fmt: skip


# --- Euler ------------------------------------------------------------------------------------------------------------


def gates() -> tuple[Step, ...]:
    """Before n a step keeps at most z, and its gate is at most 2(n − τ) − 1 times S; after n the gate is below Y."""
    gap = sp.Symbol("v", real=True)
    half, apart = slope / 2, slope * gap
    folds = Identity(name="softplus reflects", lhs=softplus(half), rhs=half + softplus(-half))
    ramp = Bound(name="S ≥ w/2", claim=sp.Ge(softplus(half), half), given=(folds.relation,))
    convex = Grows(
        name="softplus(wv) ≤ 2v softplus(w/2) for v ≥ ½",
        larger=2 * gap * softplus(half),
        smaller=softplus(apart),
        variable=gap,
        start=HALF,
        given=(ramp.relation,),
    ).but_not("v for 2v", larger=gap * softplus(half))
    there = Specialise(name="at τ + 1", of=convex, at={gap: n - now - HALF})
    gentle = Bound(name="softplus(y) ≤ e^y", claim=sp.Le(sp.log(1 + Y), Y))
    flips = Identity(
        name="1/(1 + e^y) = e^{−y}/(1 + e^{−y})",
        lhs=1 / (1 + sp.exp(AHEAD)),
        rhs=sp.exp(-AHEAD) / (1 + sp.exp(-AHEAD)),
    )
    far = sp.Le(now + 1, n, evaluate=False)
    smaller = Bound(
        name="e^{−w(n−τ−½)} ≤ z before n",
        claim=sp.Implies(far, sp.Le(sp.exp(-AHEAD), SHRINKS), evaluate=False),
    )
    keeps_little = Bound(
        name="before n a step keeps at most z",
        claim=sp.Implies(far, sp.Le(1 / (1 + sp.exp(AHEAD)), SHRINKS), evaluate=False),
        given=(flips.relation, smaller.relation),
    )
    return (
        folds,
        ramp,
        convex,
        there,
        Discharged(name="before n", of=there, conditions=there.assumes[-1:]),
        gentle,
        Specialise(name="softplus(y) ≤ e^y at τ + 1", of=gentle, at={Y: sp.exp(AHEAD)}),
        flips,
        smaller,
        keeps_little,
    )


def euler() -> tuple[Step, ...]:
    """|h| stays below XS(Σ_{i≥0} (2(n − τ + i) + 1)z^i) before n; at n x_n is written; then gates are added up."""
    moves = sp.Eq(h1, h / (1 + Y) + sp.log(1 + Y) * fed, evaluate=False)
    state = {h: euler_state(now), h1: euler_state(now + 1)}
    recurrence = identity("Euler: the sum follows the recurrence", moves, HERE | state)
    at_n = Specialise(name="Euler: at n", of=recurrence, at={now: n - 1})
    inputs = of_every_input("no input exceeds X", LARGEST, now + 1, n)
    said, own = (
        sp.Implies(
            sp.And(sp.Ge(place, 1, evaluate=False), sp.Le(place, t, evaluate=False), evaluate=False),
            sp.Le(sp.Abs(value), largest),
            evaluate=False,
        )
        for place, value in ((now + 1, fed), (n, asked))
    )
    zero = Identity(name="Euler: the sum is 0 at first", lhs=euler_state(sp.S.Zero), rhs=sp.S.Zero)
    opens = gates()
    less = sp.Implies(sp.Le(now + 1, n, evaluate=False), sp.Le(1 / (1 + Y), z), evaluate=False)
    wide = put_in(opens[4].relation, {GAIN: S, sp.exp(AHEAD): Y})
    narrow = sp.Le(sp.log(1 + Y), Y)

    def early_bound(time: sp.Expr) -> sp.Expr:
        return largest * S * ((2 * (n - time) + 1) / (1 - z) + 2 * z / (1 - z) ** 2)

    def late_bound(added: sp.Expr) -> sp.Expr:
        return largest * (S * before(z) + (S + 1) * z * added)

    def early(time: sp.Expr, value: sp.Expr, bound: sp.Expr) -> sp.Basic:
        return sp.Implies(sp.Lt(time, n, evaluate=False), sp.Le(sp.Abs(value), bound, evaluate=False), evaluate=False)

    def late(time: sp.Expr, value: sp.Expr, bound: sp.Expr) -> sp.Basic:
        return until(time, sp.Le(sp.Abs(value - S * asked), bound, evaluate=False))

    odd = 2 * (n - now) - 1
    growth = Identity(
        name="Euler: the bound before n", lhs=early_bound(now + 1), rhs=z * early_bound(now) + odd * S * largest,
        given=(SMALL,),
    )  # fmt: skip
    added = Bound(
        name="Euler: the bound after n",
        claim=sp.Eq(late_bound(G1), late_bound(G) + (S + 1) * Y * largest, evaluate=False),
        given=(LETS, LATER, SMALL),
    )
    bounds = tuple(Specialise(name=f"{of.name}, in place", of=of, at=used(of, HERE)) for of in (growth, added))
    here = {U: early_bound(now), U1: early_bound(now + 1), T: late_bound(G), T1: late_bound(G1)}
    state |= {letter: put_in(bound, HERE) for letter, bound in here.items()}
    first = Bound(
        name="Euler: 0 is small",
        claim=early(sp.S.Zero, h, early_bound(sp.S.Zero)),
        given=(sp.Eq(h, 0), own, SEEN.meaning, SMALL),
    )
    mixes = Bound(
        name="Euler: before n the state stays small",
        claim=early(now + 1, h1, U1),
        given=(
            early(now, h, U), moves, said, less, wide, SEEN.meaning,
            sp.Eq(U1, z * U + odd * S * largest, evaluate=False),
        ),
    ).but_not("half of it", claim=early(now + 1, h1, U1 / 2))  # fmt: skip
    arrives = Bound(
        name="Euler: at n only z of it is left",
        claim=late(n, h1, late_bound(sp.S.Zero)),
        given=(
            early(n - 1, h, early_bound(n - 1)),
            sp.Eq(h1, h / (1 + Y) + S * asked, evaluate=False),
            sp.Eq(Y * z, 1),
            SMALL,
        ),
    )
    after = Bound(
        name="Euler: after n x_n loses at most zQ, and the gate adds at most zQX",
        claim=late(now + 1, h1, T1),
        given=(
            late(now, h, T), moves, said, own, SEEN.meaning, narrow,
            sp.Eq(T1, T + (S + 1) * Y * largest, evaluate=False),
        ),
    ).but_not("nothing", claim=late(now + 1, h1, T))  # fmt: skip
    runs = carried(
        "Euler", early(now, h, early_bound(now)), late(now, h, late_bound(G)), (first, mixes, arrives, after), state
    )
    end = Bound(
        name="Euler: in all",
        claim=euler_kept(h, asked, z, S),
        given=(late(t, h, late_bound(G)), own, SEEN.meaning, PARTIAL, SMALL),
    )
    there = {**HERE, h: euler_state(t), G: geometric(t)}
    return (
        *opens, growth, added, *bounds, recurrence, at_n, *inputs, zero, first, mixes, arrives, after, *runs, end,
        Specialise(name="Euler keeps x_n", of=end, at=used(end, there)),
    )  # fmt: skip


def keeps() -> Proof:
    """Both."""
    by_zoh, by_euler = zoh(), euler()
    return Proof(
        hypotheses=(SEEN.meaning, LARGEST.meaning, SPREAD.meaning, EMPTY.meaning),
        witness=NOTHING_READ,
        steps=(
            *POWERS, BELOW, BELOW_ONE, *by_zoh, *by_euler,
            Conjunction(name="one state keeps x_n", of=(by_zoh[-1], by_euler[-1])),
        ),
    )  # fmt: skip


CLAIMS = (
    Claim(
        id="haar.keep-nth-one-state",
        paper="Corollary 2 (Section 3.2)",
        form=Form.EXTENSION,
        title="one state is enough for KEEP n-TH, under ZOH and under Euler",
        statement=r"\Delta_r=\mathrm{softplus}(-w(r-n-\tfrac12)),\ \lambda=1,\ z=e^{-w/2}:\quad "
        r"\text{ZOH: }h_t=\sum_{s\le t}(1-e^{-\Delta_s})e^{-\sum_{s<r\le t}\Delta_r}x_s,\ "
        r"|h_t-x_n|\le z\Bigl(1+\frac1{1-z^2}\Bigr)D,\quad "
        r"\text{Euler: }h_t=\sum_{s\le t}\Delta_se^{-\sum_{s<r\le t}\Delta_r}x_s,\ "
        r"\Bigl|\frac{h_t}S-x_n\Bigr|\le\Bigl(\frac{z(3-z)}{(1-z)^2}"
        r"+\Bigl(1+\frac1S\Bigr)\frac z{1-z^2}\Bigr)X,\ S=\mathrm{softplus}(\tfrac w2)",
        hypotheses=(SEEN, CLOSES, LARGEST, SPREAD, EMPTY),
        formula=KEEPS,
        proof=keeps,
    ),
)
