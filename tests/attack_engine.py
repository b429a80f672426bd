"""An attack on the proof engine: random steps and proofs, and whatever is proved is looked at where it can be seen.

What a step says is evaluated by mpmath at random points that satisfy its premises, by code that shares nothing with the
engine. Run `python tests/attack_engine.py --minutes 10` for new seeds.
"""

from __future__ import annotations

import argparse
import random
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction

import mpmath as mp
import sympy as sp

from mamba_theorems.theorems.proofs.calculus import Grows, Integrated
from mamba_theorems.theorems.proofs.decide import Truth
from mamba_theorems.theorems.proofs.proof import (
    Bound,
    Cases,
    Chained,
    Enclosed,
    Identity,
    Induction,
    Limit,
    Proof,
    Specialise,
    Step,
    Termwise,
    invariant,
)
from mamba_theorems.theorems.proofs.written import ForAll, put_in

x, y = sp.symbols("x y", real=True)
p, q = sp.Symbol("p", positive=True), sp.Symbol("q", nonnegative=True)
n, k = sp.symbols("n k", integer=True, nonnegative=True)
m = sp.Symbol("m", integer=True)
LETTERS = (x, y, p, q, n, m)
FUNCTIONS = {"f": lambda t: mp.sin(3 * t) + mp.mpf(t) / 5, "g": lambda t: mp.cos(t) - mp.mpf(t) ** 2 / 7}
f, g = (sp.Function(name, real=True) for name in FUNCTIONS)
kept = {"evaluate": False}


def clear() -> mp.mpf:
    """Differences below it are not told from 0."""
    return mp.mpf(10) ** (-mp.mp.dps // 2)


class NoValueError(ValueError):
    """The expression has no real value at the point."""


class UnreadError(ValueError):
    """The expression has a part that is not evaluated here."""


# --- the independent evaluation ------------------------------------------------------------------------------------


def value(e: sp.Basic, at: dict) -> mp.mpf:
    """The real value of an expression at a point."""
    if e in at:
        return mp.mpf(at[e].numerator) / at[e].denominator if isinstance(at[e], Fraction) else mp.mpf(at[e])
    if e.is_Rational:
        return mp.mpf(int(e.p)) / int(e.q)
    name = e.func.__name__
    if name in ("Sum", "Product"):
        return _series(e, at)
    if name == "Piecewise":
        return next(value(v, at) for v, c in e.args if truth(c, at))
    args = [value(a, at) for a in e.args]
    if name == "Pow":
        return _power(*args)
    if name == "log":
        if args[0] <= 0:
            raise NoValueError
        return mp.log(args[0])
    table: dict[str, Callable] = {
        "Add": lambda *a: mp.fsum(a), "Mul": lambda *a: mp.fprod(a), "exp": mp.exp, "sin": mp.sin, "cos": mp.cos,
        "tan": mp.tan, "Abs": abs, "Max": max, "Min": min, "floor": mp.floor, "sign": mp.sign, "tanh": mp.tanh,
        "atan": mp.atan, "Pi": lambda: mp.pi, "Exp1": lambda: mp.e, "cosh": mp.cosh, "sinh": mp.sinh, **FUNCTIONS,
    }  # fmt: skip
    if name not in table:
        raise NoValueError if e.has(sp.zoo, sp.nan, sp.oo) else UnreadError
    return table[name](*args)


def _power(base: mp.mpf, exponent: mp.mpf) -> mp.mpf:
    whole = exponent == int(exponent)
    if (base == 0 and exponent < 0) or (base < 0 and not whole):
        raise NoValueError
    return mp.power(base, int(exponent) if whole else exponent)


def _series(e: sp.Basic, at: dict) -> mp.mpf:
    ((index, low, high),) = e.limits
    low, high = int(value(low, at)), int(value(high, at))
    if high < low - 1:
        raise NoValueError
    terms = [value(e.function, at | {index: Fraction(i)}) for i in range(low, high + 1)]
    return mp.fsum(terms) if isinstance(e, sp.Sum) else mp.fprod(terms)


def truth(r: sp.Basic, at: dict) -> bool | None:
    """Whether a relation holds at a point; None where the sides are too close to tell."""
    if r in (sp.true, sp.false):
        return r == sp.true
    name = r.func.__name__
    if name in ("And", "Or"):
        parts = [truth(a, at) for a in r.args]
        absorbing = name == "Or"
        return absorbing if absorbing in parts else None if None in parts else not absorbing
    if name == "Not":
        inner = truth(r.args[0], at)
        return None if inner is None else not inner
    if name == "Implies":
        return truth(sp.Or(sp.Not(r.args[0]), r.args[1], **kept), at)
    if name == "Contains":
        return any(abs(value(r.args[0] - v, at)) < clear() for v in r.args[1])
    if isinstance(r, ForAll):
        return all(truth(r.instance, at | {r.bound_symbols[0]: Fraction(v)}) for v in range(6))
    left, right = value(r.lhs, at), value(r.rhs, at)
    difference = left - right
    close = abs(difference) < clear() * max(1, abs(left), abs(right))
    if name in ("Equality", "Unequality"):
        return close == (name == "Equality")
    weak = name in ("GreaterThan", "LessThan")
    if close:
        return True if weak else None
    return (
        (difference > 0) == name.endswith("GreaterThan") if weak else (difference > 0) == (name == "StrictGreaterThan")
    )


def points(rng: random.Random, symbols: set, count: int = 60) -> Iterator[dict]:
    """Random points, near and far, on the border of every declaration."""
    for _ in range(count):
        yield {s: _number(rng, s) for s in symbols}


def _number(rng: random.Random, s: sp.Symbol) -> Fraction:
    if s.is_integer:
        return Fraction(rng.randint(1 if s.is_positive else 0 if s.is_nonnegative else -5, 7))
    v = Fraction(rng.choice([0, 1, 2, 3])) if rng.random() < 0.3 else Fraction(rng.randint(0, 900), 97)
    v = Fraction(1, 10**6) if s.is_positive and v == 0 else v
    return v if s.is_nonnegative or rng.random() < 0.5 else -v


def counterexample(rng: random.Random, relation: sp.Basic, given: tuple, tries: int = 60) -> dict | None:
    """A point where the premises hold and the relation is false, or has no value."""
    symbols = set().union(*(e.free_symbols for e in (relation, *given)))
    for at in points(rng, symbols, tries):
        try:
            if not all(truth(c, at) for c in given):
                continue
        except (NoValueError, StopIteration, OverflowError, ValueError, ZeroDivisionError):
            continue
        try:
            if truth(relation, at) is False:
                return at
        except (NoValueError, StopIteration):
            return at
        except (OverflowError, ValueError, ZeroDivisionError):
            continue
    return None


# --- random statements ---------------------------------------------------------------------------------------------


def expression(rng: random.Random, depth: int, letters: tuple = LETTERS) -> sp.Expr:
    """A random expression, some of it written as it would not stay."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice([*letters, *letters, sp.Rational(rng.randint(-6, 6), rng.randint(1, 4))])
    a, b = (expression(rng, depth - 1, letters) for _ in range(2))
    made = (
        lambda: a + b, lambda: a + b, lambda: a * b, lambda: a * b, lambda: a - b, lambda: sp.Mul(a, 1 / b, **kept),
        lambda: a**2, lambda: sp.Pow(a, -1), lambda: sp.sqrt(a), lambda: sp.Pow(sp.sqrt(a), 2, **kept),
        lambda: sp.exp(a / 4), lambda: sp.log(a), lambda: sp.Abs(a), lambda: sp.Max(a, b), lambda: sp.Min(a, b),
        lambda: sp.sin(a),
        lambda: sp.cos(a), lambda: sp.Piecewise((a, x > 0), (b, True)), lambda: f(rng.choice((n, n + 1, x))),
        lambda: sp.Sum(a * rng.choice((k, 1, f(k))), (k, rng.choice((0, 1)), rng.choice((n, m, 3)))),
        lambda: sp.exp(sp.log(a, **kept), **kept), lambda: sp.sqrt(a**2), lambda: sp.Pow(a, b), lambda: sp.sign(a),
    )  # fmt: skip
    return rng.choice(made)()


REWRITINGS: tuple[Callable[[sp.Expr], sp.Expr], ...] = (
    sp.expand, sp.simplify, sp.cancel, sp.factor, sp.together, lambda e: sp.expand_log(e, force=True),
    lambda e: sp.powdenest(e, force=True), lambda e: sp.powsimp(e, force=True), lambda e: sp.logcombine(e, force=True),
    lambda e: e.doit(), lambda e: sp.posify(e)[0].xreplace({}), lambda e: e.subs(sp.sqrt(x**2), x), sp.trigsimp,
    lambda e: e + 0, lambda e: e.replace(sp.Abs, lambda a: a), lambda e: e.replace(sp.sign, lambda a: sp.S.One),
)  # fmt: skip


def rewritten(rng: random.Random, e: sp.Expr) -> sp.Expr:
    """What a careless hand would write for it."""
    done = rng.choice(REWRITINGS)(e)
    back = {s: t for s in done.free_symbols for t in LETTERS if s.name.lstrip("_") == t.name}
    return done.subs(back)


def relation(rng: random.Random, depth: int, letters: tuple = LETTERS) -> sp.Basic:
    """A random relation, often close to a true one."""
    a, b = expression(rng, depth, letters), expression(rng, depth, letters)
    made = (
        lambda: sp.Ge(a**2 + b**2, 2 * a * b, **kept), lambda: sp.Ge(a**2, 0, **kept),
        lambda: sp.Ge(sp.exp(a), 1 + a, **kept),
        lambda: sp.Ge(a, b, **kept), lambda: sp.Gt(a, b, **kept), lambda: sp.Ge(a + sp.Abs(b), a, **kept),
        lambda: sp.Eq(a, rewritten(rng, a), **kept), lambda: sp.Ne(a, b, **kept),
        lambda: sp.Or(sp.Ge(a, b), sp.Lt(a, b)),
        lambda: sp.Implies(sp.Gt(a, 0), sp.Gt(a + 1, 0)), lambda: sp.Implies(sp.Ge(a, b), sp.Ge(a**2, b**2)),
        lambda: sp.Le(sp.Min(a, b), a, **kept), lambda: sp.Gt(1 + a**2, 0, **kept), lambda: sp.Ge(a * b, 0, **kept),
        lambda: sp.Ge(a, 0, **kept), lambda: sp.Lt(a, rng.randint(-2, 5), **kept),
    )  # fmt: skip
    return rng.choice(made)()


def premises(rng: random.Random, letters: tuple = LETTERS) -> tuple[sp.Basic, ...]:
    """A few random premises."""
    return tuple(relation(rng, 1, letters) for _ in range(rng.choice((0, 0, 1, 1, 2))))


# --- random steps --------------------------------------------------------------------------------------------------


def random_step(rng: random.Random) -> Step:
    """A step of any kind."""
    return rng.choice(
        (_bound, _bound, _identity, _identity, _grows, _cases, _enclosed, _termwise, _induction, _invariant)
    )(rng)


def _bound(rng: random.Random) -> Step:
    return Bound(name="bound", claim=relation(rng, 2), given=premises(rng))


def _identity(rng: random.Random) -> Step:
    e = expression(rng, 3)
    return Identity(name="identity", lhs=e, rhs=rewritten(rng, e), given=premises(rng))


def _grows(rng: random.Random) -> Step:
    letters = (x, x, rng.choice((p, q)))
    given = tuple(ForAll(x, r) if rng.random() < 0.5 else r for r in premises(rng, letters))
    larger = expression(rng, 2, letters) + rng.randint(0, 2) * x**2
    return Grows(
        name="grows",
        larger=larger,
        smaller=expression(rng, 1, letters),
        variable=x,
        start=sp.Integer(rng.randint(-1, 1)),
        given=given,
    )


def _cases(rng: random.Random) -> Step:
    values = tuple(rng.sample((0, 1, 2, 3), rng.randint(1, 3)))
    return Cases(name="cases", claim=relation(rng, 1, (n, x)), over={n: values}, given=premises(rng, (n, x)))


def _enclosed(rng: random.Random) -> Step:
    low = rng.randint(-2, 2)
    claim = relation(rng, 2, (x, x, y))
    return Enclosed(name="box", claim=claim, over={s: (low, low + rng.randint(0, 2)) for s in (x, y)}, boxes=40)


def _termwise(rng: random.Random) -> Step:
    limits = (k, rng.choice((0, 1, -2, m)), rng.choice((n, m, 3, -4)))
    lower, upper = expression(rng, 1, (k, k, x)), expression(rng, 1, (k, k, x))
    return Termwise(name="termwise", lower=sp.Sum(lower, limits), upper=sp.Sum(lower + upper**2, limits))


def _induction(rng: random.Random) -> Step:
    closed = expression(rng, 2, (n, n, x, p))
    drift = rng.choice((0, 0, 0, 1, n * (n - 1) * (n - 2)))
    rise = sp.simplify(closed.subs(n, n + 1) - closed) + drift
    start = rng.choice((0, 0, 1, -2))
    return Induction(
        name="induction",
        index=n,
        start=start,
        initial=closed.subs(n, start),
        next=lambda h, t: h + rise.subs(n, t),
        closed=closed,
    )


def _invariant(rng: random.Random) -> Step:
    h = sp.Function("h", real=True)(n)
    factor, added = rng.randint(1, 3), expression(rng, 1, (n, x))
    claim = rng.choice((sp.Ge(h, n), sp.Ge(h, 0), sp.Gt(h, expression(rng, 1, (n,))), sp.Ge(h**2 + n, 0)))
    return invariant(
        "invariant", claim, n, {h: rng.randint(0, 2)}, {h: factor * h + added}, given=premises(rng, (n, x))
    )


def wrongly_true(rng: random.Random, step: Step) -> dict | None:
    """A counterexample to a step that is proved."""
    if isinstance(step, Induction):
        return _sequence_fails(rng, step)
    if step.within:
        return _invariant_fails(rng, step)
    return counterexample(rng, step.relation, step.assumes)


def _sequence_fails(rng: random.Random, step: Induction) -> dict | None:
    for at in points(rng, {x, y, p, q, m}, 8):
        h = step.initial
        for i in range(step.start, step.start + 6):
            if i >= 0:
                try:
                    reached = sp.Eq(h, step.closed.subs(n, i), evaluate=False)
                    if all(truth(c, at | {n: Fraction(i)}) for c in step.assumes) and truth(reached, at) is False:
                        return at | {n: i}
                except (NoValueError, ValueError, OverflowError, ZeroDivisionError):
                    break
            h = step.next(h, sp.Integer(i))
    return None


def _invariant_fails(rng: random.Random, step: Step) -> dict | None:
    h = sp.Function("h", real=True)
    start, following = step.within
    for at in points(rng, {x, y, p, q, m}, 12):
        current = start.rhs
        for i in range(6):
            held = tuple(c for c in step.assumes if not (c.has(h)))
            try:
                if not all(truth(c, at | {n: Fraction(i)}) for c in held):
                    break
                if truth(put_in(step.relation, {h(n): current, n: i}), at) is False:
                    return at | {n: i}
                current = put_in(following.rhs, {h(n): current, n: i})
            except (NoValueError, ValueError, OverflowError, ZeroDivisionError, StopIteration):
                break
    return None


# --- random proofs -------------------------------------------------------------------------------------------------


def random_proof(rng: random.Random) -> tuple[Proof, sp.Basic]:
    """Steps that use each other's relations, instances among them, and a formula that the last one states."""
    steps: list[Step] = [rng.choice((_bound, _cases, _identity, _bound))(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.6:
        s = rng.choice(LETTERS)
        steps.append(Specialise(name="instance", of=rng.choice(steps), at={s: expression(rng, 2)}))
    known = tuple(step.relation for step in steps)
    used = tuple(rng.sample(known, rng.randint(1, len(known))))
    last = rng.choice(
        (
            lambda: Bound(name="last", claim=relation(rng, 1), given=used),
            lambda: Bound(name="last", claim=sp.Or(used[0], relation(rng, 1), **kept), given=used),
            lambda: Chained(
                name="last",
                links=tuple(r for r in used if isinstance(r, sp.Le | sp.Eq | sp.Lt)) or (sp.Le(x, x, **kept),),
            ),
            lambda: Grows(
                name="last", larger=expression(rng, 1, (x,)) + x**2, smaller=sp.S.Zero, variable=x, given=used
            ),
        )
    )()
    return Proof(steps=(*steps, last), hypotheses=premises(rng)), last.relation


def limits_and_integrals(rng: random.Random) -> Step:
    """A limit or an integral whose value is worked out without care."""
    e = expression(rng, 2, (x, x, p))
    if rng.random() < 0.4:
        point = rng.choice((sp.S.Zero, sp.S.One, sp.oo))
        return Limit(name="limit", expression=e, variable=x, point=point, value=sp.limit(e, x, point))
    low, high = sp.Integer(rng.randint(-2, 1)), sp.Integer(rng.randint(-1, 2))
    value_ = e.subs(x, high) - e.subs(x, low)
    return Integrated(
        name="integral", integrand=sp.diff(e, x), variable=x, low=low, high=high, antiderivative=e, value=value_
    )


def integral_fails(rng: random.Random, step: Integrated) -> dict | None:
    """The integral by quadrature, cut into pieces."""
    ends = [step.low + (step.high - step.low) * sp.Rational(i, 7) for i in range(8)]
    for at in points(rng, {p, y, q, n, m}, 3):

        def integrand(t: mp.mpf, at: dict = at) -> mp.mpf:
            return value(step.integrand, at | {x: t})

        try:
            found = mp.quad(integrand, [mp.mpf(int(e.p)) / int(e.q) for e in ends])
            if abs(found - value(step.value, at)) > mp.mpf(10) ** -3 * (1 + abs(found)):
                return at
        except NoValueError:
            return at
        except (ValueError, OverflowError, ZeroDivisionError, StopIteration):
            continue
    return None


def limit_fails(rng: random.Random, step: Limit) -> dict | None:
    """The values just above the point, or far out."""
    if not step.value.is_finite:
        return None
    for at in points(rng, {p, y, q, n, m}, 4):
        try:
            with mp.workdps(1000):  # what cancels near the point has digits left
                first, last = (_off(step, at, e) for e in (20, 400))
            if last > mp.mpf(10) ** -2 and last >= first / 2:
                return at
        except (ValueError, OverflowError, ZeroDivisionError, StopIteration):
            continue
    return None


def _off(step: Limit, at: dict, e: int) -> mp.mpf:
    """How far the value is from the limit, 2^-e from the point or 2^e out; infinitely where there is no value."""
    near = Fraction(2) ** e if step.point == sp.oo else Fraction(int(step.point)) + Fraction(2) ** -e
    try:
        return abs(value(step.expression - step.value, at | {x: near}))
    except NoValueError:
        return mp.inf


def attack(seed: int) -> str | None:
    """One random step or proof; a description if it is proved and false."""
    rng = random.Random(seed)
    mp.mp.dps = 50
    try:
        kind = rng.random()
        if kind < 0.6:
            step = random_step(rng)
            bad = step.decide().truth is Truth.TRUE and wrongly_true(rng, step)
            return f"{step} at {bad}" if bad else None
        if kind < 0.75:
            step = limits_and_integrals(rng)
            fails = integral_fails if isinstance(step, Integrated) else limit_fails
            bad = step.decide().truth is Truth.TRUE and fails(rng, step)
            return f"{step} at {bad}" if bad else None
        proof, formula = random_proof(rng)
        bad = proof.check(formula).truth is Truth.TRUE and counterexample(rng, formula, proof.hypotheses)
        return f"{proof} at {bad}" if bad else None
    except BuildError:
        return None


BuildError = (
    TypeError,
    NotImplementedError,
    sp.PoleError,
    RecursionError,
    AttributeError,
    ArithmeticError,
    LookupError,
    StopIteration,
    ValueError,
)
"""What sympy raises while a senseless expression is built or worked on."""


PATIENCE = 60
"""Seconds for one attack; sympy may take for ever over a senseless expression."""


class TooLong(BaseException):
    """An attack that takes longer."""


def _too_long(*_: object) -> None:
    raise TooLong


def main() -> None:
    """Attack until the time is up; print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    end, seed, found, long = time.monotonic() + 60 * options.minutes, options.seed * 1_000_000, 0, 0
    first = seed
    signal.signal(signal.SIGALRM, _too_long)
    while time.monotonic() < end:
        signal.alarm(PATIENCE)
        try:
            bad = attack(seed)
        except TooLong:
            long, bad = long + 1, None
        finally:
            signal.alarm(0)
        if bad:
            found += 1
            print(f"seed {seed}: {bad}", flush=True)
        seed += 1
    print(f"{seed - first} attacks, {found} false statements proved, {long} left undecided after {PATIENCE} s")


if __name__ == "__main__":
    main()
