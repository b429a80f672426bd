"""Theorems that cover the arithmetic of an argument: their hypotheses are the argument's own inequalities.

Steps and inequalities, without roundings, are written as Rocq definitions; the theorem's file must hold that very text.
So a theorem is named only while the argument demands all that the theorem needs.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from mamba_theorems.verify.certify.argument import POSITIVE, Argument, Proven
from mamba_theorems.verify.certify.functions import relu
from mamba_theorems.verify.certify.term import Term, equal, term, within
from mamba_theorems.verify.formal import kept
from mamba_theorems.verify.formal.audit import Theorem
from mamba_theorems.verify.formal.sources import Sources, code

WIDTH = 118
CLOSED = "Definition closed : bool"
"""All inequalities: a file has one such definition, and its theorems suppose it."""
INDICES = {"i", "j"}
HARD = "\N{NO-BREAK SPACE}"
"""A space at which no line ends."""
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
ROUNDINGS = {"round", "near", "snap"}
"""Operations that give their last argument, but for what floats add."""


def proved(argument: Argument, theorem: Proven | None) -> Argument:
    """The argument with its theorem. Raises ValueError where the theorem's file states other inequalities."""
    if theorem is None:
        return argument
    module, _, name = theorem.theorem.rpartition(".")
    sources = Sources()
    if theorem.theorem not in sources.theorems:
        raise ValueError(f"theorems/formal has no theorem {theorem.theorem}: name another, or prove it.")
    said = code(sources.texts[module])
    if (text := hypotheses(argument, theorem.floats)) not in said or said.count(CLOSED) > 1:
        raise ValueError(
            f"{module} states other inequalities than the argument for {argument.claim} ({argument.target}): "
            f"prove {name} from these, or name no theorem.\n{text}"
        )
    return replace(argument, formal=theorem)


def how_known(certificate: Mapping[str, Any]) -> str:
    """What of a certificate's argument is a theorem, if one of that name was proved here or is recorded; else read."""
    formal = certificate["formal"]
    if formal["theorem"] not in _theorems():
        return "read"
    return f"FORMAL ({formal['theorem']}) but for {formal['leaves']}, which was read"


@cache
def _theorems() -> Mapping[str, Theorem]:
    found = kept.told()
    return found.theorems if found else {}


def hypotheses(argument: Argument, floats: Iterable[str] = ()) -> str:
    """Steps and inequalities of an argument in exact numbers, as Rocq definitions; `closed` is all inequalities.

    Left out are requirements on sizes, which theorems have for all sizes, and the closing inequalities `floats`. Raises
    ValueError where the argument does not close with these, and for a step that is no single number.
    """
    steps, relations = {step.name: term(step.expression) for step in argument.steps}, dict(argument.closing)
    for name in floats:
        if relations.pop(name, "") != POSITIVE:
            raise ValueError(f"{argument.claim} ({argument.target}) does not show {name} > 0: name no theorem.")
    weights = weights_of(argument)
    required = [term(x) for _, x in argument.requires if weights & set(_names(term(x)))]
    used = set().union(*(_behind(Term(name), steps) for name in relations))
    defined = [f"Definition {name} : R := {_stated(x)}." for name, x in steps.items() if name in used]
    closed = [_required(x) for x in required]
    closed += [f"0 < {name}" if relation == POSITIVE else f"{name} <= 0" for name, relation in relations.items()]
    return "\n".join(map(_folded, [*defined, f"{CLOSED} := {_all(closed)}."]))


def weights_of(argument: Argument) -> set[str]:
    """The names of weights: they are numbers of a tensor and no sizes, which say how many there are and where."""
    numbers: set[str] = set()
    sizes = set(INDICES)
    for layout in argument.tensors.values():
        sizes.update(*(_names(term(axis)) for axis in layout.shape))
        for size, fill, entries in layout.parts:
            numbers.update(_names(term(fill)), *(_names(term(e.number)) for e in entries))
            places = [x for e in entries for x in (e.rows, e.columns, e.place, e.times, e.stride)]
            sizes.update(_names(term(size)), *(_names(term(x)) for x in places))
    return numbers - sizes


def _names(x: Term) -> Iterator[str]:
    """Every name in a term."""
    if x.name:
        yield x.name
    for argument in x.arguments:
        yield from _names(argument)


def _behind(x: Term, steps: dict[str, Term]) -> set[str]:
    """Every name that a term's value depends on, by way of steps."""
    found: set[str] = set()
    open_ = set(_names(x))
    while open_:
        found |= open_
        open_ = {name for step in open_ & set(steps) for name in _names(steps[step])} - found
    return found


# --- terms as Rocq reads them ----------------------------------------------------------------------------------------


def _stated(x: Term) -> str:
    """The exact value of a term, in Rocq. Raises ValueError where it has none."""
    text = _exact(x)
    return text[1:-1] if text.startswith("(") else text


def _required(x: Term) -> str:
    """What it says that a term is at least 0; `term.equal` says equations so."""
    if x.head == "sub" and x.arguments[1].head == "abs":
        (difference,) = x.arguments[1].arguments
        left, right = difference.arguments if difference.head == "sub" else (difference, Term(0))
        if x == equal(left, right):
            return f"{_exact(left)} == {_exact(right)}"
    return f"0 <= {_stated(x)}"


def _exact(x: Term) -> str:
    """A term's exact value, in brackets unless it is one word."""
    if not x.arguments:
        return _number(x.head) if isinstance(x.head, int) else x.head
    *_, last = x.arguments
    if x.head in ROUNDINGS:
        return _exact(last)
    if x.head == "abs":
        return f"`|{_stated(last)}|"
    if x.head == "exp":
        return f"(exponential {_exact(last)})"
    if x == relu(of := _halved(x)):
        return f"(relu {_exact(of)})"
    if x.head not in SIGNS:
        raise ValueError(f"{x.json()} is no single number: state the step otherwise, or name no theorem.")
    left, right = x.arguments
    if x.head == "add" and (_is_error(right) or left == Term(0)):
        return _exact(left if _is_error(right) else right)
    return f"({_exact(left)} {SIGNS[str(x.head)]} {_exact(right)})"


def _halved(x: Term) -> Term:
    """y, if x is (y + ...) / 2."""
    numerator = x.arguments[0]
    return numerator.arguments[0] if numerator.arguments else numerator


def _is_error(x: Term) -> bool:
    """Whether a term is [-y, y] for y in units of `functions.slack`, what roundings add to a sum: exactly none."""
    y = x.arguments[0] if x.arguments else x
    return x == within(y) and y.head == "mul" and _exact(y.arguments[1]) == "`|1 - 1|"


def _number(n: int) -> str:
    return f"(- {-n}%:R)" if n < 0 else str(n) if n < 2 else f"{n}%:R"


def _all(inequalities: list[str]) -> str:
    *most, last = (inequality.replace(" ", HARD) for inequality in inequalities)
    return f"[&& {', '.join(most)} & {last}]" if most else last


def _folded(definition: str) -> str:
    lines = textwrap.fill(definition, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return lines.replace(HARD, " ")
