"""Decision procedures: each answers TRUE, FALSE or UNKNOWN and names itself.

TRUE needs a symbolic or certified reason; FALSE needs a point at which balls separate; anything else is UNKNOWN.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import reduce
from itertools import combinations, islice, permutations

import sympy as sp
import z3
from flint import arb
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from mamba_theorems.theorems.proofs.domain import Undefined, conditions, declared, premises, real, vague, valued
from mamba_theorems.theorems.proofs.enclose import COMPARE, NOISE, NotEnclosed, enclose, holds, sign
from mamba_theorems.theorems.proofs.written import ForAll, carried_out, put_in

POINTS = 12
DRAWS = 2000
Z3_EFFORT, OBLIGATION_EFFORT = 4_000_000, 400_000
"""z3's own units of work, of which a quiet core does some 400,000 a second: a busy one must not change a verdict."""
Z3_MILLISECONDS = 120_000
"""A limit on what does not count as work."""


class Truth(Enum):
    """Three values; UNKNOWN is never read as FALSE."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """What a procedure found, and by which method."""

    truth: Truth
    method: str
    detail: str = ""


def proved(method: str, detail: str = "") -> Verdict:
    """TRUE, by `method`."""
    return Verdict(Truth.TRUE, method, detail)


def refuted(method: str, detail: str = "") -> Verdict:
    """FALSE, by `method`."""
    return Verdict(Truth.FALSE, method, detail)


def unknown(method: str, detail: str = "") -> Verdict:
    """Undecided."""
    return Verdict(Truth.UNKNOWN, method, detail)


def in_turn(parts: Iterable[tuple[str, Verdict]]) -> Verdict:
    """TRUE if every part is, by all their methods; else what the first other part says. A part has a label."""
    methods = []
    for label, verdict in parts:
        methods.append(f"{label}: {verdict.method}")
        if verdict.truth is not Truth.TRUE:
            return Verdict(verdict.truth, methods[-1], verdict.detail)
    return proved("; ".join(methods))


# --- points: refute early ---------------------------------------------------------------------------------------


AT_A_POINT = (64, 256)
"""Bits of precision at a drawn point: the next one may separate what these leave open."""
EDGES = (0, 1, 2, 50, Fraction(1, 2**20))


def _draw(symbol: sp.Symbol, rng: random.Random) -> Fraction:
    """A rational that is what the symbol is declared to be; NotEnclosed if none is met."""
    for _ in range(DRAWS):
        value = _number(symbol, rng)
        if all(getattr(sp.Rational(value), f"is_{fact}") == said for fact, said in symbol._assumptions_orig.items()):
            return value
    raise NotEnclosed(f"no rational is what {symbol} is declared to be")


def _number(symbol: sp.Symbol, rng: random.Random) -> Fraction:
    if symbol.is_integer:
        return Fraction(rng.randint(1 if symbol.is_positive else 0 if symbol.is_nonnegative else -4, 6))
    value = Fraction(rng.choice(EDGES)) if rng.random() < 1 / 8 else Fraction(rng.randint(1, 400), 128)
    return value if symbol.is_nonnegative or (not symbol.is_nonpositive and rng.random() < 0.5) else -value


def sample_points(symbols: Sequence[sp.Symbol], given: Sequence[sp.Basic], seed: int = 0) -> Iterator[dict]:
    """Exact rational points that satisfy `given`, at most POINTS of them, from a fixed sequence.

    Undefined functions have pseudo-random values there.
    """
    rng, found = random.Random(seed), 0
    for _ in range(DRAWS):
        try:
            point = {s: _draw(s, rng) for s in symbols} | {NOISE: 1}
            inside = all(holds(g, point, AT_A_POINT) for g in given)
        except NotEnclosed:
            return
        if inside:
            yield point
            found += 1
        if found == POINTS:
            return


def _at_points(relation: sp.Basic, given: Sequence[sp.Basic]) -> tuple[sp.Basic, list[sp.Basic]]:
    """The relation and what is left of `given`, its equations solved; facts for all values are left out."""
    goal, *flat = _flat((relation, *(g for g in given if not isinstance(g, ForAll))))
    solved, rest = _solve(flat)
    return put_in(goal, solved), rest


def counterpoint(relation: sp.Basic, given: Sequence[sp.Basic]) -> str | None:
    """A point where balls show `relation` false, as text; None if none was met.

    A premise for all values is not seen to hold at a point, so nothing is refuted under one.
    """
    if any(isinstance(g, ForAll) for g in given):
        return None
    goal, rest = _at_points(relation, given)
    for point in sample_points(_symbols(goal, *rest), rest):
        try:
            if holds(goal, point, AT_A_POINT) is False:
                return _shown(point)
        except NotEnclosed:
            return None
    return None


def _shown(point: Mapping[sp.Basic, object]) -> str:
    return ", ".join(f"{k}={v}" for k, v in point.items() if k != NOISE) or "as it stands"


def _symbols(*expressions: sp.Basic) -> list[sp.Symbol]:
    free = set().union(*(e.free_symbols for e in expressions))
    return sorted(free, key=str)


# --- what a verdict TRUE rests on -----------------------------------------------------------------------------------


def founded(verdict: Verdict, relation: sp.Basic, given: Sequence[sp.Basic], at: Mapping | None = None) -> Verdict:
    """The verdict, but UNKNOWN for TRUE where a side may have no value or no point is known to satisfy `given`.

    `at` is such a point if the step declares one.
    """
    if verdict.truth is not Truth.TRUE:
        return verdict
    reason = without_value(relation, given)
    if reason:
        return unknown("domain", reason)
    if given and not satisfiable(given, at):
        return unknown("premises", "no point is known that satisfies them")
    return verdict


def without_value(relation: sp.Basic, given: Sequence[sp.Basic]) -> str:
    """Why a side is not shown to have a value wherever `given` holds; empty if it has."""
    known = list(premises(given))
    spoken_of = {part for g in known if not _is_arrow(g) for part in valued(g) if vague(part)}
    try:
        needed = conditions(relation, having=spoken_of)
    except Undefined as reason:
        return str(reason)
    lacking = (c for c in needed if c not in known and not _follows([], c) and not _follows(known, c))
    missing = next(lacking, None)
    return "" if missing is None else f"{missing} is not shown"


def _is_arrow(relation: sp.Basic) -> bool:
    return not isinstance(relation, Relational | sp.And)


def satisfiable(given: Sequence[sp.Basic], at: Mapping | None = None) -> bool:
    """Whether a point is known at which all of `given` holds: a declared one, a drawn one, or one that z3 finds.

    A declared point gives values to symbols, and to functions (by their classes) what makes a value of an argument.
    """
    given = [*premises(given), *(instance for g in given if isinstance(g, ForAll) for instance in _instances(g))]
    if at is not None:
        return _is_declared(given, at)
    given = _flat(given)
    if not any(g.atoms(AppliedUndef) for g in given) and _model_satisfies(given):
        return True
    solved, rest = _solve(given)
    return any(_is_at(given, solved, point) for point in islice(sample_points(_symbols(*rest), rest), POINTS))


def _is_declared(given: Sequence[sp.Basic], at: Mapping) -> bool:
    """Whether a declared point satisfies the premises."""
    values = {symbol: value for symbol, value in at.items() if isinstance(symbol, sp.Basic)}
    for function, of in at.items():
        if function not in values:
            given = [g.replace(function, of) for g in given]
    return _is_at(given, {}, values)


def _flat(given: Sequence[sp.Basic]) -> list[sp.Basic]:
    """Values of undefined functions as symbols of their own, at arguments that differ; not of those in a sum."""
    inside = {f.func for g in given for e in g.atoms(sp.Sum, sp.Product, sp.Integral) for f in e.atoms(AppliedUndef)}
    values = sorted({f for g in given for f in g.atoms(AppliedUndef) if f.func not in inside}, key=str)
    stand_ins = {f: sp.Dummy(f.func.__name__, **_assumptions(f)) for f in values}
    apart = [
        sp.Or(*(sp.Ne(a, b) for a, b in zip(f.args, g.args, strict=True)))
        for f, g in combinations(values, 2)
        if f.func == g.func and len(f.args) == len(g.args)
    ]
    return [g.xreplace(stand_ins) for g in (*given, *apart) if g != sp.true]


def _assumptions(f: AppliedUndef) -> dict[str, bool]:
    """What a function's values are declared to be."""
    kinds = ("real", "integer", "positive", "nonnegative", "negative", "nonpositive")
    return {kind: True for kind in kinds if getattr(f, f"is_{kind}")}


def _instances(fact: ForAll) -> Iterator[sp.Basic]:
    """A fact for all values at some of them."""
    (variable,) = fact.bound_symbols
    for value in map(sp.Rational, (-2, -1, 0, Fraction(1, 2), 1, 2, 3)):
        if all(getattr(value, f"is_{kind}") == said for kind, said in variable._assumptions_orig.items()):
            yield put_in(fact.instance, {variable: value})


def _model_satisfies(given: Sequence[sp.Basic]) -> bool:
    """Whether z3 has a model; with transcendental parts, one that balls confirm."""
    reader = _ToZ3()
    try:
        solver = reader.solver([reader.boolean(g) for g in given])
    except (NotEnclosed, KeyError, z3.Z3Exception):
        return False
    if solver.check() != z3.sat:
        return False
    return not reader.abstracted or _is_at(given, {}, reader.point(solver.model()) or {})


def _solve(given: Sequence[sp.Basic]) -> tuple[dict[sp.Basic, sp.Expr], list[sp.Basic]]:
    """Equations among the premises solved one by one for a symbol or a value of an undefined function, and the rest."""
    solved: dict[sp.Basic, sp.Expr] = {}
    rest = [part for g in given for part in sp.And.make_args(g)]
    for equation in [part for part in rest if isinstance(part, sp.Eq)]:
        difference = put_in(equation.lhs - equation.rhs, solved)
        for unknown_ in sorted(difference.free_symbols | difference.atoms(AppliedUndef), key=str):
            value = _isolated(difference, unknown_)
            if value is not None:
                solved = {k: put_in(v, {unknown_: value}) for k, v in solved.items()} | {unknown_: value}
                rest.remove(equation)
                break
    facts = [fact for k, v in solved.items() for fact in _declared_of(k, v)]
    return solved, [*(put_in(part, solved) for part in rest), *facts]


def _isolated(difference: sp.Expr, part: sp.Basic) -> sp.Expr | None:
    """The value of `part` that makes a difference 0, if it is linear in it or in its exponential."""
    for wrap, inverse in ((lambda e: e, lambda e: e), (sp.exp, sp.log)):
        stand_in = sp.Dummy()
        polynomial = sp.expand(difference).xreplace({wrap(part): stand_in})
        slope = sp.diff(polynomial, stand_in)
        if slope != 0 and not slope.has(stand_in, part) and not polynomial.has(part):
            return inverse(sp.cancel(-polynomial.xreplace({stand_in: sp.S.Zero}) / slope))
    return None


def _declared_of(symbol: sp.Basic, value: sp.Expr) -> list[sp.Basic]:
    """That a value exists, and is what a symbol is declared to be."""
    exists = sp.Ge(sp.Pow(value, 2, evaluate=False), 0, evaluate=False)
    try:
        facts = declared(symbol, value, ignoring=("commutative", "real", "complex", "finite"))
        facts = [fact for fact in facts if fact != sp.true]
        return [exists, *(fact if fact == sp.false else fact.func(*fact.args, evaluate=False) for fact in facts)]
    except Undefined:
        return [sp.false]


def _is_at(given: Sequence[sp.Basic], solved: Mapping, point: Mapping) -> bool:
    """Whether every premise holds at a point, after what was solved for is put in."""
    values = {k: sp.sympify(v) for k, v in point.items() if k != NOISE}
    at = {k: put_in(v, values) for k, v in solved.items()} | values
    known = all(_holds_exactly(f) for k, v in at.items() for f in _declared_of(k, v))
    return known and all(_holds_exactly(put_in(g, at)) for g in given)


def _holds_exactly(relation: sp.Basic) -> bool:
    """At a point: by sympy for an equation, else by balls."""
    try:
        if isinstance(relation, sp.And):
            return all(map(_holds_exactly, relation.args))
        if isinstance(relation, sp.Eq) and sp.simplify(_added_up(relation.lhs - relation.rhs)) == 0:
            return True
        return holds(relation, {NOISE: 1}) is True
    except NotEnclosed:
        return False


def _added_up(e: sp.Expr) -> sp.Expr:
    """Sums and products carried out."""
    return e.replace(lambda part: isinstance(part, sp.Sum | sp.Product), lambda part: part.doit())


# --- identities ---------------------------------------------------------------------------------------------------


def peel(expression: sp.Expr) -> sp.Expr:
    """Split the last term off each Sum and Product whose upper end is `something + 1` (Karr's convention)."""

    def split(e: sp.Expr) -> sp.Expr:
        if len(e.limits) != 1:
            return e
        index, low, high = e.limits[0]
        if sp.expand(high - low) == -1:
            return sp.S.Zero if isinstance(e, sp.Sum) else sp.S.One
        constant = sp.expand(high).as_coeff_Add()[0]
        if not (constant.is_Integer and constant >= 1):
            return e
        last, rest = put_in(e.function, {index: high}), e.func(e.function, (index, low, high - 1))
        return rest + last if isinstance(e, sp.Sum) else rest * last

    return expression.replace(lambda e: isinstance(e, sp.Sum | sp.Product), split)


def linear_sums(expression: sp.Expr) -> sp.Expr:
    """Expand sums over their terms and pull factors free of the index out."""

    def pull(e: sp.Sum) -> sp.Expr:
        if len(e.limits) != 1:
            return e
        index = e.limits[0][0]
        total = sp.S.Zero
        for term in sp.Add.make_args(sp.expand(e.function)):
            free, bound = term.as_independent(index, as_Add=False)
            total += free * sp.Sum(bound, e.limits[0])
        return total

    return sp.expand(expression.replace(lambda e: isinstance(e, sp.Sum), pull))


def split_as_written(expression: sp.Expr) -> sp.Expr:
    """The last terms split off from the outside in, factors free of the index pulled out, and nothing expanded.

    What is no sum or product of its parts is opaque.
    """
    opaque: dict[sp.Basic, sp.Dummy] = {}

    def hide(e: sp.Basic) -> sp.Basic:
        if isinstance(e, sp.Add | sp.Mul) or (e.is_Pow and e.exp.is_Integer):
            return e.func(*map(hide, e.args))
        return e if e.is_Atom else opaque.setdefault(e, sp.Dummy())

    return sp.cancel(sp.together(hide(_apart(expression))))


def _apart(e: sp.Basic) -> sp.Basic:
    if not e.has(sp.Sum, sp.Product):
        return e
    if not isinstance(e, sp.Sum | sp.Product) or len(e.limits) != 1:
        return e.func(*map(_apart, e.args))
    index, low, high = e.limits[0]
    if sp.expand(high - low) == -1:
        return sp.S.Zero if isinstance(e, sp.Sum) else sp.S.One
    constant = sp.expand(high).as_coeff_Add()[0]
    if constant.is_Integer and constant >= 1:
        rest, last = _apart(e.func(e.function, (index, low, high - 1))), _apart(put_in(e.function, {index: high}))
        return rest + last if isinstance(e, sp.Sum) else rest * last
    function = _apart(e.function)
    free, bound = function.as_independent(index, as_Add=False) if isinstance(e, sp.Sum) else (sp.S.One, function)
    return free * e.func(bound, e.limits[0])


def resolve_deltas(expression: sp.Expr, given: Sequence[sp.Basic]) -> sp.Expr:
    """Evaluate sums over Kronecker deltas; keep the branch whose range conditions are among `given`."""
    evaluated = expression.doit()
    known = {sp.simplify(g) for g in given} | set(given) | {g.reversed for g in given if isinstance(g, Relational)}

    def assume(condition: sp.Basic) -> sp.Basic:
        return condition.xreplace({part: sp.true for part in condition.atoms(Relational) if part in known})

    return evaluated.replace(
        lambda e: isinstance(e, sp.Piecewise), lambda e: sp.Piecewise(*[(v, assume(c)) for v, c in e.args])
    )


WAVES = (sp.sin, sp.cos, sp.tan, sp.cot, sp.sinh, sp.cosh, sp.tanh, sp.coth)


def as_exponentials(expression: sp.Expr) -> sp.Expr:
    """Trigonometric and hyperbolic functions, and powers of positive bases, in terms of exp; 0^n is no exponential."""
    powers = expression.replace(
        lambda e: isinstance(e, sp.Pow) and e.base.is_positive and not e.exp.is_number,
        lambda e: sp.exp(e.exp * sp.log(e.base)),
    )
    return powers.rewrite(WAVES, sp.exp)


_SIMPLIFIERS: tuple[tuple[str, Callable[[sp.Expr], sp.Expr]], ...] = (
    ("expansion", sp.expand),
    ("rational normal form", lambda d: sp.cancel(sp.together(d))),
    ("splitting the last term", lambda d: linear_sums(peel(linear_sums(peel(d))))),
    ("simplification", sp.simplify),
    ("exponential rewriting", lambda d: sp.simplify(sp.expand(as_exponentials(d)))),
    ("logarithm expansion", lambda d: sp.simplify(sp.expand_log(sp.expand(d), force=False))),
    ("trigonometric simplification", lambda d: sp.trigsimp(sp.expand(d))),
    ("evaluation", lambda d: sp.simplify(d.doit())),
)


def identity(lhs: sp.Expr, rhs: sp.Expr, given: Sequence[sp.Basic] = (), at: Mapping | None = None) -> Verdict:
    """Whether lhs = rhs on the declared symbols: refuted at an exact point, or reduced to 0 by sympy."""
    return founded(_reduced(lhs, rhs, given), sp.Eq(lhs, rhs, evaluate=False), given, at)


STRUCTURAL = ("expansion", "rational normal form", "splitting the last term")
"""Rules that only rearrange sums and products; whatever else sympy knows must be seen to be right at a point."""


NARROW = 2.0**-32
"""A ball's radius that tells a difference from most others."""


def _seen_at_a_point(difference: sp.Expr, given: Sequence[sp.Basic]) -> bool:
    """Whether narrow balls around 0 hold the difference at a point that satisfies `given`."""
    parts = difference.as_real_imag() if difference.has(sp.I) else (difference,)
    goal, rest = _at_points(sp.And(*(sp.Eq(part, 0, evaluate=False) for part in parts), evaluate=False), given)
    try:
        point = next(sample_points(_symbols(goal, *rest), rest), None)
        balls = () if point is None else [enclose(part.lhs, point, AT_A_POINT[-1]) for part in sp.And.make_args(goal)]
        return bool(balls) and all(ball.contains(0) and ball.rad() < NARROW for ball in balls)
    except NotEnclosed:
        return False


def _reduced(lhs: sp.Expr, rhs: sp.Expr, given: Sequence[sp.Basic]) -> Verdict:
    said = _values(given)
    left, right = (put_in(carried_out(sp.sympify(side)), said) for side in (lhs, rhs))
    difference = left - right
    if difference == 0:
        return proved("sympy: carried out")
    point = counterpoint(sp.Eq(difference, 0, evaluate=False), given)
    if point is not None:
        return refuted("Arb at an exact point", point)
    if difference.has(sp.Sum, sp.Product) and split_as_written(difference) == 0:
        return proved("sympy: splitting the last term")
    for name, simplify in (*_SIMPLIFIERS, ("Kronecker delta sums", lambda d: resolve_deltas(d, given))):
        try:
            simpler = simplify(difference)
            if simpler == 0 and name in STRUCTURAL:
                return proved(f"sympy: {name}")
            if sp.simplify(simpler) == 0:
                seen = _seen_at_a_point(difference, given)
                return proved(f"sympy: {name}") if seen else unknown("sympy", f"{name} gives 0, but no ball does")
        except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError):
            continue
    return unknown("sympy", f"difference not reduced: {sp.sstr(difference)[:120]}")


def _values(given: Sequence[sp.Basic]) -> dict[sp.Basic, sp.Expr]:
    """The rational numbers that premises say symbols are; an equation that would have to be solved gives none."""
    parts = [part for g in given for part in sp.And.make_args(g)]
    return {e.lhs: e.rhs for e in parts if isinstance(e, sp.Eq) and e.lhs.is_Symbol and e.rhs.is_Rational}


# --- inequalities -------------------------------------------------------------------------------------------------


class _ToZ3:
    """sympy to z3 over the reals and integers; a transcendental part becomes a fresh real, with what is sure of it."""

    def __init__(self) -> None:
        self.atoms: dict[sp.Basic, z3.ArithRef] = {}
        self.facts: list[z3.BoolRef] = []
        self.abstracted = False

    def real(self, e: sp.Basic) -> z3.ArithRef:
        if e.is_Rational:
            return z3.RealVal(f"{e.p}/{e.q}")
        if isinstance(e, sp.Add):
            return z3.Sum([self.real(a) for a in e.args])
        if isinstance(e, sp.Mul):
            return z3.Product([self.real(a) for a in e.args])
        if isinstance(e, sp.Pow) and e.exp.is_Integer:
            return self._power(e)
        if isinstance(e, sp.Max | sp.Min):
            return self._extreme(e)
        if isinstance(e, sp.Abs):
            inner = self.real(e.args[0])
            return z3.If(inner >= 0, inner, -inner)
        if isinstance(e, sp.Piecewise) and e.args[-1].cond is sp.true:
            return self._branches(e)
        return self._atom(e)

    def _power(self, e: sp.Pow) -> z3.ArithRef:
        base, n = self.real(e.base), int(e.exp)
        power = z3.Product([base] * abs(n))
        return power if n > 0 else 1 / power

    def _extreme(self, e: sp.Basic) -> z3.ArithRef:
        ahead = operator.ge if isinstance(e, sp.Max) else operator.le
        return reduce(lambda best, other: z3.If(ahead(best, other), best, other), map(self.real, e.args))

    def _branches(self, e: sp.Piecewise) -> z3.ArithRef:
        *cases, (last, _) = e.args
        result = self.real(last)
        for value, condition in reversed(cases):
            result = z3.If(self.boolean(condition), self.real(value), result)
        return result

    def _atom(self, e: sp.Basic) -> z3.ArithRef:
        if e.is_finite is False or (e.is_number and not e.is_real):
            raise NotEnclosed(f"{e} is no real number")
        if e not in self.atoms:
            whole = bool(e.is_integer)
            variable = z3.Int(f"v{len(self.atoms)}") if whole else z3.Real(f"v{len(self.atoms)}")
            self.atoms[e] = z3.ToReal(variable) if whole else variable
            self.abstracted |= not isinstance(e, sp.Symbol)
            self._surely(e, self.atoms[e])
        return self.atoms[e]

    def _surely(self, e: sp.Basic, v: z3.ArithRef) -> None:
        known = ((e.is_positive, v > 0), (e.is_nonnegative, v >= 0), (e.is_negative, v < 0), (e.is_nonpositive, v <= 0))
        self.facts.extend([fact for holds_of_e, fact in (*known, (e.is_nonzero, v != 0)) if holds_of_e][:1])
        if isinstance(e, sp.Pow) and e.exp.is_Rational and e.exp.q == 2:
            root = z3.And(v >= 0, v * v == self.real(e.base ** (2 * e.exp)))
            inside = self.real(e.base)
            self.facts.append(z3.Implies(inside >= 0 if e.exp.is_positive else inside > 0, root))

    def solver(self, formulas: Iterable[z3.BoolRef], effort: int | None = None) -> z3.Solver:
        """A solver with formulas that were read, and what is sure of their parts."""
        solver = z3.Solver()
        solver.set("rlimit", Z3_EFFORT if effort is None else effort)
        solver.set("timeout", Z3_MILLISECONDS)
        solver.add(*formulas, *self.monotone(), *self.facts)
        return solver

    def point(self, model: z3.ModelRef) -> dict[sp.Basic, sp.Rational] | None:
        """The symbols' values in a model, if all are rational."""
        values = {e: model.eval(v, model_completion=True) for e, v in self.atoms.items() if e.is_Symbol}
        if not all(isinstance(v, z3.RatNumRef | z3.IntNumRef) for v in values.values()):
            return None
        return {e: sp.Rational(str(v)) for e, v in values.items()}

    def monotone(self) -> list[z3.BoolRef]:
        """e^a ≤ e^b iff a ≤ b, e^a ≤ 1 iff a ≤ 0, and e^a > 0, for every exponential read so far."""
        powers = [(self.real(e.args[0]), v) for e, v in list(self.atoms.items()) if isinstance(e, sp.exp)]
        pairs = [(a <= b) == (v <= w) for (a, v), (b, w) in permutations([*powers, (z3.RealVal(0), z3.RealVal(1))], 2)]
        return [*pairs, *(v > 0 for _, v in powers)]

    def boolean(self, e: sp.Basic) -> z3.BoolRef:
        if e in (sp.true, sp.false):
            return z3.BoolVal(e is sp.true)
        if isinstance(e, sp.And | sp.Or | sp.Not | sp.Implies):
            build = {sp.And: z3.And, sp.Or: z3.Or, sp.Not: z3.Not, sp.Implies: z3.Implies}[type(e)]
            return build(*[self.boolean(a) for a in e.args])
        if isinstance(e, sp.Equivalent):
            first, *others = [self.boolean(a) for a in e.args]
            return z3.And(*(first == other for other in others))
        if isinstance(e, sp.Contains) and isinstance(e.args[1], sp.FiniteSet):
            return z3.Or(*(self.real(e.args[0]) == self.real(value) for value in e.args[1]))
        if not isinstance(e, Relational):
            raise NotEnclosed(f"z3 cannot read {e}")
        return COMPARE[type(e)](self.real(e.lhs), self.real(e.rhs))


def _follows(given: Sequence[sp.Basic], goal: sp.Basic) -> bool:
    """Whether z3 shows `goal` from `given`; that `given` can hold is asked elsewhere."""
    reader = _ToZ3()
    try:
        formulas = [*map(reader.boolean, given), z3.Not(reader.boolean(goal))]
        solver = reader.solver(formulas, OBLIGATION_EFFORT)
    except (NotEnclosed, KeyError, z3.Z3Exception):
        return False
    return solver.check() == z3.unsat


def entails(given: Sequence[sp.Basic], goal: sp.Basic) -> Verdict:
    """Whether `given` implies `goal`, by z3; FALSE only at a rational model that balls confirm."""
    reader, known = _ToZ3(), list(premises(given))
    try:
        assumed, conclusion = [reader.boolean(g) for g in known], reader.boolean(goal)
        solver = reader.solver(assumed)
    except (NotEnclosed, KeyError, z3.Z3Exception) as reason:
        return unknown("z3", str(reason))
    if solver.check() == z3.unsat:
        return unknown("z3", "the hypotheses contradict each other: nothing is shown")
    solver.add(z3.Not(conclusion))
    answer = solver.check()
    if answer == z3.unsat:
        return proved("z3 over the reals" + (", transcendental parts abstracted" if reader.abstracted else ""))
    point = reader.point(solver.model()) if answer == z3.sat and not reader.abstracted else None
    if point is not None and not any(isinstance(g, ForAll) for g in given) and _refutes(point, known, goal):
        return refuted("z3 model", _shown(point))
    return unknown("z3", "no proof found")


def _refutes(point: Mapping[sp.Basic, sp.Rational], given: Sequence[sp.Basic], goal: sp.Basic) -> bool:
    """Whether a point is what its symbols are declared to be, satisfies `given`, and makes `goal` false."""
    declared = all(
        getattr(v, f"is_{fact}") == said for s, v in point.items() for fact, said in s._assumptions_orig.items()
    )
    try:
        return declared and all(holds(g, point) for g in given) and holds(goal, point) is False
    except NotEnclosed:
        return False


def derivative_chain(f: sp.Expr, x: sp.Symbol, start: sp.Expr, given: Sequence[sp.Basic], depth: int = 6) -> Verdict:
    """f ≥ 0 on x ≥ start: f, f′, …, f⁽ᵏ⁻¹⁾ ≥ 0 at start, and f⁽ᵏ⁾ ≥ 0 on all of it by z3.

    Needs f smooth there: no kinks, and every denominator, root and logarithm of a quantity shown positive. The start
    belongs to it, and so does every real number in between where x is declared positive or an integer.
    """
    f, x = closed(f, x, start)
    if not smooth(f, x, [*given, sp.Ge(x, start)]):
        return unknown("derivative chain", "not shown to be smooth")
    current = f
    for order in range(depth + 1):
        if entails([*given, sp.Ge(x, start)], sp.Ge(current, 0)).truth is Truth.TRUE:
            return proved(f"derivative chain of length {order}, closed by z3" if order else "z3 over the reals")
        at_start = sp.simplify(put_in(current, {x: start}))
        if at_start != 0 and not _nonnegative(at_start, given):
            return unknown("derivative chain", f"derivative {order} has no decided sign at {x} = {start}")
        current = sp.simplify(sp.diff(current, x))
    return unknown("derivative chain", f"not closed after {depth} derivatives")


def closed(f: sp.Expr, x: sp.Symbol, start: sp.Expr) -> tuple[sp.Expr, sp.Symbol]:
    """f with a real variable for x, declared to be what every real number from `start` on is."""
    sign_of = {"positive": True} if start.is_positive else {"nonnegative": True} if start.is_nonnegative else {}
    variable = sp.Dummy(x.name, real=True, **sign_of)
    return put_in(f, {x: variable}), variable


KINKS = (sp.Abs, sp.Max, sp.Min, sp.Piecewise, sp.floor, sp.ceiling, sp.sign, sp.Heaviside, sp.KroneckerDelta)
SMOOTH = (
    sp.Add, sp.Mul, sp.Pow, sp.exp, sp.log, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.atan, sp.asinh, sp.erf,
    sp.erfc, sp.Symbol,
)  # fmt: skip


def smooth(f: sp.Expr, x: sp.Symbol, domain: Sequence[sp.Basic]) -> bool:
    """Whether f has no kink, pole or branch point along x in a domain."""
    moving = [e for e in sp.preorder_traversal(f) if isinstance(e, sp.Basic) and e.has(x)]
    if not all(isinstance(e, SMOOTH) for e in moving):
        return False
    powers = [e.base for e in moving if isinstance(e, sp.Pow) and not (e.exp.is_Integer and e.exp >= 0)]
    inside = {*powers, *(e.args[0] for e in moving if isinstance(e, sp.log))}
    return all(e.is_positive or entails(domain, sp.Gt(e, 0)).truth is Truth.TRUE for e in inside)


def _nonnegative(e: sp.Expr, given: Sequence[sp.Basic]) -> bool:
    if e.free_symbols:
        return entails(list(given), sp.Ge(e, 0)).truth is Truth.TRUE
    try:
        return sign(e) in (0, 1)
    except NotEnclosed:
        return False


def inequality(relation: sp.Basic, given: Sequence[sp.Basic] = (), at: Mapping | None = None) -> Verdict:
    """A relation under `given`: Arb for constants; else refuted at a point, or z3, or a derivative chain."""
    said, given = [carried_out(g) for g in given], [g for g in map(carried_out, given) if g != sp.true]
    if not real(relation, *said):
        return unknown("order", "a part is not declared real")
    return founded(_compared(carried_out(relation), given), relation, given, at)


def _compared(relation: sp.Basic, given: Sequence[sp.Basic]) -> Verdict:
    if relation in (sp.true, sp.false):
        return (proved if relation == sp.true else refuted)("sympy")
    if not relation.free_symbols and not relation.atoms(AppliedUndef):
        return constant(relation)
    point = counterpoint(relation, given)
    if point is not None:
        return refuted("Arb at an exact point", point)
    verdict = entails(given, relation)
    if verdict.truth is not Truth.UNKNOWN or not isinstance(relation, sp.Le | sp.Lt | sp.Ge | sp.Gt):
        return verdict
    return _chain(relation, given) or verdict


def _chain(relation: Relational, given: Sequence[sp.Basic]) -> Verdict | None:
    """The derivative chain in each symbol that has a known least value, for the non-strict relation."""
    if isinstance(relation, sp.Lt | sp.Gt):
        return None
    f = relation.gts - relation.lts
    for x in _symbols(relation):
        starts = [g.lts for g in given if isinstance(g, sp.Ge | sp.Gt | sp.Le | sp.Lt) and g.gts == x]
        starts += [sp.S.Zero] if x.is_nonnegative else []
        for start in (s for s in starts if not s.has(x)):
            rest = [g for g in given if not g.has(x)]
            verdict = derivative_chain(f, x, start, rest)
            if verdict.truth is Truth.TRUE:
                return verdict
    return None


def constant(relation: sp.Basic) -> Verdict:
    """A relation between constants, by balls of growing precision."""
    try:
        truth = holds(relation)
    except NotEnclosed as reason:
        return unknown("Arb", str(reason))
    if truth is None:
        return unknown("Arb", "the balls overlap at every precision tried")
    return (proved if truth else refuted)("Arb ball")


def limit(expression: sp.Expr, variable: sp.Symbol, point: sp.Expr, value: sp.Expr) -> Verdict:
    """The limit from above by sympy (Gruntz); a different decided value refutes.

    TRUE also needs balls near the point, at drawn values of the other symbols, that come closer to a finite value, and
    that what does not depend on the variable has a value wherever the other symbols are what they are declared to be.
    """
    expression = carried_out(expression)
    try:
        if not _reaches(variable, point):
            return unknown("limit", f"{variable} does not come near {point} from above")
        verdict = _gruntz(expression, variable, point, value)
        if verdict.truth is Truth.TRUE and not _approaches(expression, variable, point, value):
            return unknown("limit", "near the point the values are not seen to exist and come closer")
        if verdict.truth is Truth.TRUE:
            others = (c for c in conditions(expression, value) if variable not in c.free_symbols)
            missing = next((c for c in others if not _follows([], c)), None)
            if missing is not None:
                return unknown("domain", f"{missing} is not shown")
    except (NotImplementedError, ValueError, TypeError, sp.PoleError) as reason:
        return unknown("sympy limit", str(reason)[:120])
    return verdict


def _gruntz(expression: sp.Expr, variable: sp.Symbol, point: sp.Expr, value: sp.Expr) -> Verdict:
    found = sp.limit(expression, variable, point)
    if found.has(sp.Limit, sp.AccumBounds, sp.nan, sp.zoo):
        return unknown("sympy limit", "no value found")
    if found == value or (found - value).is_zero or (found.is_finite and sp.simplify(found - value) == 0):
        return proved("sympy limit (Gruntz)")
    if found.is_infinite or value.is_infinite:
        return refuted("sympy limit", f"the limit is {found}")
    verdict = identity(found, value)
    return verdict if verdict.truth is not Truth.FALSE else refuted("sympy limit", f"the limit is {found}")


def _reaches(variable: sp.Symbol, point: sp.Expr) -> bool:
    """Whether the variable's declaration allows all values just above the point, or all large ones."""
    if point == sp.oo:
        return not variable.is_nonpositive
    above = point.is_nonnegative if variable.is_nonnegative else True
    below = point.is_negative if variable.is_nonpositive else True
    return bool(point.is_finite and above and below and not variable.is_integer)


NEAR, FAR = (4, 20, 60), (4, 7, 10)
"""Powers of 2: how near to a point, or how far out, a limit is looked at."""


def _approaches(expression: sp.Expr, variable: sp.Symbol, point: sp.Expr, value: sp.Expr) -> bool:
    """Whether balls show a distance that shrinks, at one drawn point or more, and nowhere one that does not."""
    others = sorted((expression.free_symbols | point.free_symbols | value.free_symbols) - {variable}, key=str)
    seen = [_distances(expression, variable, point, value, at) for at in sample_points(others, ())]
    return any(seen) and False not in seen


def _distances(e: sp.Expr, variable: sp.Symbol, point: sp.Expr, value: sp.Expr, at: Mapping) -> bool | None:
    out = point == sp.oo
    steps = [sp.Integer(2) ** n for n in FAR] if out else [point + sp.Integer(2) ** -n for n in NEAR]
    watched = e if value.is_infinite else e - value
    try:
        balls = [abs(enclose(watched, {**at, variable: enclose(s, at, 4096)}, 4096)) for s in steps]
    except NotEnclosed:
        return None
    if not balls[-1].is_finite():
        return False
    if value.is_infinite:
        return bool(balls[-1] > balls[0])
    return bool(balls[-1] < balls[0] or balls[-1] < arb(2) ** -20)
