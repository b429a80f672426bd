"""Decision procedures: each answers TRUE, FALSE or UNKNOWN and names itself.

TRUE needs a symbolic or certified reason; FALSE needs a point at which balls separate; anything else is UNKNOWN.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import reduce
from itertools import permutations

import sympy as sp
import z3
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from mamba_theorems.theorems.proofs.enclose import COMPARE, NotEnclosed, holds, sign
from mamba_theorems.theorems.proofs.written import carried_out

POINTS = 12
DRAWS = 4000
Z3_MILLISECONDS = 10_000


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


def _draw(symbol: sp.Symbol, rng: random.Random) -> Fraction:
    if symbol.is_integer:
        return Fraction(rng.randint(1 if symbol.is_positive else 0 if symbol.is_nonnegative else -4, 6))
    value = Fraction(rng.randint(1, 400), 128)
    if symbol.is_positive or symbol.is_nonnegative:
        return value
    return -value if symbol.is_negative or rng.random() < 0.5 else value


def sample_points(symbols: Sequence[sp.Symbol], given: Sequence[sp.Basic], seed: int = 0) -> Iterator[dict]:
    """Exact rational points that satisfy `given`, at most POINTS of them, from a fixed sequence."""
    rng, found = random.Random(seed), 0
    for _ in range(DRAWS):
        point = {s: _draw(s, rng) for s in symbols}
        try:
            inside = all(holds(g, point) for g in given)
        except NotEnclosed:
            return
        if inside:
            yield point
            found += 1
        if found == POINTS:
            return


def counterpoint(relation: sp.Basic, given: Sequence[sp.Basic]) -> str | None:
    """A point where balls show `relation` false, as text; None if none was met."""
    for point in sample_points(_symbols(relation, *given), given):
        try:
            if holds(relation, point) is False:
                return ", ".join(f"{k}={v}" for k, v in point.items()) or "as it stands"
        except NotEnclosed:
            return None
    return None


def _symbols(*expressions: sp.Basic) -> list[sp.Symbol]:
    free = set().union(*(e.free_symbols for e in expressions))
    return sorted(free, key=str)


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
        last, rest = e.function.subs(index, high), e.func(e.function, (index, low, high - 1))
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


def resolve_deltas(expression: sp.Expr, given: Sequence[sp.Basic]) -> sp.Expr:
    """Evaluate sums over Kronecker deltas; keep the branch whose range conditions are among `given`."""
    evaluated = expression.doit()
    known = {sp.simplify(g) for g in given} | set(given) | {g.reversed for g in given if isinstance(g, Relational)}

    def assume(condition: sp.Basic) -> sp.Basic:
        return condition.xreplace({part: sp.true for part in condition.atoms(Relational) if part in known})

    return evaluated.replace(
        lambda e: isinstance(e, sp.Piecewise), lambda e: sp.Piecewise(*[(v, assume(c)) for v, c in e.args])
    )


_SIMPLIFIERS: tuple[tuple[str, Callable[[sp.Expr], sp.Expr]], ...] = (
    ("expansion", sp.expand),
    ("rational normal form", lambda d: sp.cancel(sp.together(d))),
    ("splitting the last term", lambda d: linear_sums(peel(linear_sums(peel(d))))),
    ("simplification", sp.simplify),
    ("exponential rewriting", lambda d: sp.simplify(sp.expand(d.rewrite(sp.exp)))),
    ("logarithm expansion", lambda d: sp.simplify(sp.expand_log(sp.expand(d), force=False))),
    ("trigonometric simplification", lambda d: sp.trigsimp(sp.expand(d))),
    ("evaluation", lambda d: sp.simplify(d.doit())),
)


def identity(lhs: sp.Expr, rhs: sp.Expr, given: Sequence[sp.Basic] = ()) -> Verdict:
    """Whether lhs = rhs on the declared symbols: refuted at an exact point, or reduced to 0 by sympy."""
    difference = carried_out(sp.sympify(lhs)) - carried_out(sp.sympify(rhs))
    if difference == 0:
        return proved("sympy: carried out")
    point = counterpoint(sp.Eq(difference, 0, evaluate=False), given)
    if point is not None:
        return refuted("Arb at an exact point", point)
    for name, simplify in (*_SIMPLIFIERS, ("Kronecker delta sums", lambda d: resolve_deltas(d, given))):
        try:
            if sp.simplify(simplify(difference)) == 0:
                return proved(f"sympy: {name}")
        except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError):
            continue
    return unknown("sympy", f"difference not reduced: {sp.sstr(difference)[:120]}")


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
        if n < 0:
            self.facts.append(base != 0)
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
        if e not in self.atoms:
            whole = bool(e.is_integer)
            variable = z3.Int(f"v{len(self.atoms)}") if whole else z3.Real(f"v{len(self.atoms)}")
            self.atoms[e] = z3.ToReal(variable) if whole else variable
            self.abstracted |= not isinstance(e, sp.Symbol)
            self._surely(e, self.atoms[e])
        return self.atoms[e]

    def _surely(self, e: sp.Basic, v: z3.ArithRef) -> None:
        known = ((e.is_positive, v > 0), (e.is_nonnegative, v >= 0), (e.is_negative, v < 0), (e.is_nonpositive, v <= 0))
        self.facts.extend([fact for holds_of_e, fact in known if holds_of_e][:1])
        if isinstance(e, sp.Pow) and e.exp == sp.S.Half:
            self.facts.append(v * v == self.real(e.base))

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
        if not isinstance(e, Relational):
            raise NotEnclosed(f"z3 cannot read {e}")
        return COMPARE[type(e)](self.real(e.lhs), self.real(e.rhs))


def entails(given: Sequence[sp.Basic], goal: sp.Basic) -> Verdict:
    """Whether `given` implies `goal`, by z3; with transcendental parts abstracted, FALSE is never said."""
    reader = _ToZ3()
    try:
        premises, conclusion = [reader.boolean(g) for g in given], reader.boolean(goal)
    except (NotEnclosed, KeyError, z3.Z3Exception) as reason:
        return unknown("z3", str(reason))
    solver = z3.Solver()
    solver.set("timeout", Z3_MILLISECONDS)
    solver.add(*premises, *reader.monotone(), *reader.facts)
    if solver.check() == z3.unsat:
        return unknown("z3", "the hypotheses contradict each other: nothing is shown")
    solver.add(z3.Not(conclusion))
    answer = solver.check()
    if answer == z3.unsat:
        return proved("z3 over the reals" + (", transcendental parts abstracted" if reader.abstracted else ""))
    if answer == z3.sat and not reader.abstracted:
        return refuted("z3 model", str(solver.model())[:120])
    return unknown("z3", "no proof found")


def derivative_chain(f: sp.Expr, x: sp.Symbol, start: sp.Expr, given: Sequence[sp.Basic], depth: int = 6) -> Verdict:
    """f ≥ 0 on x ≥ start: f, f′, …, f⁽ᵏ⁻¹⁾ ≥ 0 at start, and f⁽ᵏ⁾ ≥ 0 on all of it by z3.

    Needs f smooth there: no kinks, and every denominator, root and logarithm of a quantity shown positive.
    """
    if not _smooth(f, x, start, given):
        return unknown("derivative chain", "not shown to be smooth")
    current = f
    for order in range(depth + 1):
        if entails([*given, sp.Ge(x, start)], sp.Ge(current, 0)).truth is Truth.TRUE:
            return proved(f"derivative chain of length {order}, closed by z3" if order else "z3 over the reals")
        at_start = sp.simplify(current.subs(x, start))
        if at_start != 0 and not _nonnegative(at_start, given):
            return unknown("derivative chain", f"derivative {order} has no decided sign at {x} = {start}")
        current = sp.simplify(sp.diff(current, x))
    return unknown("derivative chain", f"not closed after {depth} derivatives")


KINKS = (sp.Abs, sp.Max, sp.Min, sp.Piecewise, sp.floor, sp.ceiling, sp.sign, sp.Heaviside, sp.KroneckerDelta)


def _smooth(f: sp.Expr, x: sp.Symbol, start: sp.Expr, given: Sequence[sp.Basic]) -> bool:
    """Whether f has no kink, pole or branch point in x ≥ start."""
    moving = [e for e in sp.preorder_traversal(f) if isinstance(e, sp.Basic) and e.has(x)]
    if any(isinstance(e, KINKS) for e in moving):
        return False
    powers = [e.base for e in moving if isinstance(e, sp.Pow) and not (e.exp.is_Integer and e.exp >= 0)]
    inside = [e.args[0] for e in moving if isinstance(e, sp.log)] + [base for base in powers if base.has(x)]
    return all(entails([*given, sp.Ge(x, start)], sp.Gt(e, 0)).truth is Truth.TRUE for e in set(inside))


def _nonnegative(e: sp.Expr, given: Sequence[sp.Basic]) -> bool:
    if e.free_symbols:
        return entails(list(given), sp.Ge(e, 0)).truth is Truth.TRUE
    try:
        return sign(e) in (0, 1)
    except NotEnclosed:
        return False


def inequality(relation: sp.Basic, given: Sequence[sp.Basic] = ()) -> Verdict:
    """A relation under `given`: Arb for constants; else refuted at a point, or z3, or a derivative chain."""
    relation, given = carried_out(relation), [carried_out(g) for g in given]
    if relation in (sp.true, sp.false):
        return (proved if relation is sp.true else refuted)("sympy")
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
        for start in starts:
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
    """The limit from above by sympy (Gruntz); a different decided value refutes."""
    try:
        found = sp.limit(expression, variable, point)
    except (NotImplementedError, ValueError, TypeError, sp.PoleError) as reason:
        return unknown("sympy limit", str(reason)[:120])
    if found.has(sp.Limit):
        return unknown("sympy limit", "left unevaluated")
    if found == value or (found - value).is_zero or (found.is_finite and sp.simplify(found - value) == 0):
        return proved("sympy limit (Gruntz)")
    if found.is_infinite or value.is_infinite:
        return refuted("sympy limit", f"the limit is {found}")
    verdict = identity(found, value)
    return verdict if verdict.truth is not Truth.FALSE else refuted("sympy limit", f"the limit is {found}")
