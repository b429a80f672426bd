"""Proofs as lists of small named steps; the last step must state the claim.

It may use the proof's own hypotheses and the relations of earlier steps that rest on nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from mamba_theorems.theorems.proofs.decide import Truth, Verdict, satisfiable
from mamba_theorems.theorems.proofs.induction import Induction, InductionOn, Termwise, invariant
from mamba_theorems.theorems.proofs.steps import (
    Bound,
    Cases,
    Chained,
    Cited,
    Conjunction,
    Discharged,
    Enclosed,
    Farkas,
    Given,
    Identity,
    Limit,
    Rewritten,
    Specialise,
    Step,
)
from mamba_theorems.theorems.proofs.written import ForAll, key, names

__all__ = [
    "Bound",
    "Cases",
    "Chained",
    "Cited",
    "Conjunction",
    "Discharged",
    "Enclosed",
    "Farkas",
    "Identity",
    "Induction",
    "InductionOn",
    "Limit",
    "Proof",
    "ProofResult",
    "Rewritten",
    "Specialise",
    "Step",
    "StepResult",
    "Termwise",
    "invariant",
]


@dataclass(frozen=True)
class StepResult:
    """A step and its verdict."""

    step: Step
    verdict: Verdict


@dataclass(frozen=True)
class ProofResult:
    """All verdicts of a proof, and what they amount to.

    `link` is the first thing that a reader has to see to get from the steps to the claim; empty if the proof composes.
    """

    truth: Truth
    steps: tuple[StepResult, ...]
    reason: str = ""
    link: str = ""

    @property
    def cited(self) -> tuple[str, ...]:
        """Sources the proof leans on."""
        return tuple(r.step.source for r in self.steps if isinstance(r.step, Cited))


@dataclass(frozen=True)
class Proof:
    """Steps in order, under `hypotheses` (relations that the claim assumes) that some point satisfies together.

    `witness` is such a point, where none is drawn.
    """

    steps: tuple[Step, ...]
    hypotheses: Given = ()
    witness: Mapping[Any, Any] | None = None

    def check(self, formula: sp.Basic | None = None, hypotheses: Given = (), cites: Sequence[str] = ()) -> ProofResult:
        """Decide every step, and see whether they compose.

        `formula` and `hypotheses` are the claim's, and `cites` the sources that it names: they bear on the link alone.
        """
        results = tuple(StepResult(step, step.decide()) for step in self.steps)
        link = self.link(formula, hypotheses, cites)
        truths = {r.verdict.truth for r in results}
        if all(isinstance(s, Cited) for s in self.steps):
            return ProofResult(Truth.UNKNOWN, results, "nothing but citations", link)
        if Truth.FALSE in truths or Truth.UNKNOWN in truths:
            worst = Truth.FALSE if Truth.FALSE in truths else Truth.UNKNOWN
            bad = next(r for r in results if r.verdict.truth is worst)
            reason = f"step '{bad.step.name}': {bad.verdict.method} {bad.verdict.detail}"
            return ProofResult(worst, results, reason, link)
        gap = self.stray() or self.ambiguity(formula) or self.unfounded(formula) or self.contradiction()
        return ProofResult(Truth.UNKNOWN if gap else Truth.TRUE, results, gap, link)

    def contradiction(self) -> str:
        """That no point is known at which the hypotheses hold together; empty if one is."""
        known = not self.hypotheses or satisfiable(self.hypotheses, self.witness)
        return "" if known else "no point is known that satisfies the hypotheses"

    def unfounded(self, formula: sp.Basic | None) -> str:
        """The premise under which alone the last step states the claim, and which nothing establishes; or empty."""
        if formula is None or not _states(self.steps[-1], formula):
            return ""
        *_, missing = self.assumptions(self.hypotheses)
        return f"the last step assumes {missing[0]}, which nothing establishes" if missing else ""

    def stray(self) -> str:
        """The step that is made from one that does not stand before it; empty if there is none."""
        for i, step in enumerate(self.steps):
            if any(earlier not in self.steps[:i] for part in _nested(step) for earlier in part.of_steps):
                return f"'{step.name}' is made from a step that does not stand before it"
        return ""

    def ambiguity(self, formula: sp.Basic | None = None) -> str:
        """The name that stands for two quantities, or the sequence that two recurrences define; empty if none does."""
        said = [g for step in self.steps for part in _nested(step) for g in _said(part)]
        quantities: dict[str, sp.Basic] = {}
        for name, value in names(*said, *self.hypotheses, *(() if formula is None else (formula,))):
            if quantities.setdefault(name, value) != value:
                return f"the name {name} stands for two quantities"
        return self._redefinition()

    def _redefinition(self) -> str:
        """The step that defines a sequence of which something else says what it is; empty if there is none.

        Hypotheses may speak of a sequence if they define it alike.
        """
        defined: dict[str, Given] = {}
        told = [*self.hypotheses, *(s.relation for s in self.steps if isinstance(s, Cited) and s.relation is not None)]
        spoken, own = functions(*told), set(map(key, self.hypotheses))
        for step in self.steps:
            for name, definition in _definitions(step):
                foreign = name in spoken and not own.issuperset(definition)
                if defined.setdefault(name, definition) != definition or foreign:
                    return f"'{step.name}' defines {name}, which is something else already"
        return ""

    def assumptions(self, hypotheses: Given = ()) -> Iterator[Given]:
        """For each step, what it assumes beyond `hypotheses` and the relations of the steps before it."""
        known = _Known(hypotheses)
        for step in self.steps:
            yield tuple(g for g in step.assumes if not known.established(g))
            known.add(step)

    def slice(self) -> tuple[Step, ...]:
        """The last step, and those that it rests on: as a premise, or as what a step is made from."""
        used = {len(self.steps) - 1}
        for i in reversed(range(len(self.steps))):
            if i in used:
                used |= set(self._sources(i))
        return tuple(self.steps[i] for i in sorted(used))

    def _sources(self, i: int) -> Iterator[int]:
        """The earlier steps that step i uses."""
        wanted = {key(part) for g in self.steps[i].assumes for part in (g, *_parts(g))}
        made_from = [earlier for part in _nested(self.steps[i]) for earlier in part.of_steps]
        spoken = functions(*_said(self.steps[i]))
        for j, step in enumerate(self.steps[:i]):
            states = step.relation is not None and not wanted.isdisjoint(
                map(key, (step.relation, *_parts(step.relation)))
            )
            if states or step in made_from or not spoken.isdisjoint(name for name, _ in _definitions(step)):
                yield j

    def unused(self) -> tuple[Step, ...]:
        """The steps that the last one does not rest on."""
        used = self.slice()
        return tuple(step for step in self.steps if step not in used)

    def link(self, formula: sp.Basic | None, hypotheses: Given = (), cites: Sequence[str] = ()) -> str:
        """The first thing that a reader has to see to get from the steps to the claim; empty if the proof composes."""
        steps = (self._statement_link(formula), *self._premise_links(), *self._unused_links())
        claim = (*self._definition_links(formula, hypotheses), *self._claim_links(hypotheses, cites))
        return next((text for text in (*steps, *claim) if text), "")

    def _statement_link(self, formula: sp.Basic | None) -> str:
        if formula is None:
            return "the claim has no formula"
        return (
            ""
            if _states(self.steps[-1], formula)
            else f"the last step '{self.steps[-1].name}' does not state the claim"
        )

    def _premise_links(self) -> Iterator[str]:
        """What is left of the last step's premises: those of a step that it is made from are among them, if needed."""
        *_, missing = self.assumptions(self.hypotheses)
        yield from (f"the premise {g} of '{self.steps[-1].name}' is established by nothing" for g in missing)

    def _unused_links(self) -> Iterator[str]:
        yield from (f"the step '{step.name}' is not used by the last one" for step in self.unused())

    def _definition_links(self, formula: sp.Basic | None, hypotheses: Given) -> Iterator[str]:
        own = set(map(key, hypotheses))
        spoken = functions(*hypotheses, *(() if formula is None else (formula,)))
        for name, definition in (d for step in self.steps for d in _definitions(step)):
            if name in spoken and not own.issuperset(definition):
                yield f"the claim speaks of {name}, which only the proof defines"

    def _claim_links(self, hypotheses: Given, cites: Sequence[str]) -> Iterator[str]:
        own = set(map(key, hypotheses))
        yield from (f"the proof assumes {g}, which the claim does not" for g in self.hypotheses if key(g) not in own)
        for step in self.steps:
            if isinstance(step, Cited) and step.about:
                yield f"only words say what {step.about[0]} of the cited '{step.name}' is"
            if isinstance(step, Cited) and step.source not in cites:
                yield f"the step '{step.name}' cites {step.source}, which the claim does not name"
            if step.relation is None:
                yield f"the step '{step.name}' states no relation"

    def mutants(self) -> Iterator[tuple[str, Step]]:
        """Every mutant of every step, as (description, step)."""
        for step in self.steps:
            for name, mutant in step.mutants():
                yield f"{step.name}: {name}", mutant


class _Known:
    """What relations rest on: for each, the premises that no earlier step establishes."""

    def __init__(self, hypotheses: Given) -> None:
        parts = [part for g in hypotheses for part in (g, *_conjuncts(g))]
        self.hypotheses = set(map(key, parts))
        self.rests: dict[sp.Basic, frozenset[sp.Basic]] = {h: frozenset((h,)) for h in self.hypotheses}
        for part in parts:
            if isinstance(part, ForAll):  # at its variable, in its domain
                self.rests.setdefault(key(part.fact), frozenset(map(key, (part, *part.domain))))

    def add(self, step: Step) -> None:
        """Its relation, and each part of a conjunction, rests on the leaves of its premises."""
        if step.relation is None:
            return
        leaves = frozenset().union(*map(self.leaves, step.assumes))
        for part in (step.relation, *_conjuncts(step.relation)):
            known = self.rests.get(key(part))
            if known is None or leaves < known:
                self.rests[key(part)] = leaves

    def leaves(self, premise: sp.Basic) -> frozenset[sp.Basic]:
        """The premises that a premise comes down to."""
        found = self.rests.get(key(premise))
        if found is not None:
            return found
        if isinstance(premise, ForAll):
            return self._for_all(premise)
        if isinstance(premise, sp.And):
            return frozenset().union(*map(self.leaves, premise.args))
        return frozenset((key(premise),))

    def _for_all(self, premise: ForAll) -> frozenset[sp.Basic]:
        """A fact that rests on nothing about the variable but the domain holds for all of its values there."""
        domain = set(map(key, premise.domain))
        leaves = frozenset(leaf for leaf in self.leaves(premise.fact) if leaf not in domain)
        (variable,) = premise.bound_symbols
        bound = any(variable in leaf.free_symbols for leaf in leaves)
        return frozenset((key(premise),)) if bound else leaves

    def established(self, premise: sp.Basic) -> bool:
        """Whether nothing but hypotheses is left of it."""
        return self.leaves(premise) <= self.hypotheses


def _nested(step: Step) -> Iterator[Step]:
    """A step, and the steps it consists of."""
    yield step
    for part in step.parts.values():
        yield from _nested(part)


def _definitions(step: Step) -> Iterator[tuple[str, Given]]:
    """The sequences that a step or a part of it defines, each with its equations."""
    for part in _nested(step):
        equations = part.definitions if isinstance(part, Induction | InductionOn) else ()
        for name in dict.fromkeys(map(_defined, equations)):
            yield name, tuple(sorted((key(e) for e in equations if _defined(e) == name), key=str))


def _defined(equation: sp.Basic) -> str:
    """The name of the sequence that an equation defines."""
    head = equation.fact if isinstance(equation, ForAll) else equation
    return head.lhs.func.__name__


def functions(*expressions: sp.Basic) -> set[str]:
    """The names of the undefined functions that expressions speak of."""
    return {f.func.__name__ for e in expressions for f in e.atoms(AppliedUndef)}


def _said(step: Step) -> Given:
    """Every relation that a step speaks of."""
    stated = () if step.relation is None else (step.relation,)
    return (*stated, *step.assumes, *step.within)


def _conjuncts(relation: sp.Basic) -> tuple[sp.Basic, ...]:
    """The parts of a conjunction."""
    return relation.args if isinstance(relation, sp.And) else ()


def _parts(relation: sp.Basic) -> tuple[sp.Basic, ...]:
    """The parts of a conjunction, and the fact of one for all values."""
    return (relation.fact,) if isinstance(relation, ForAll) else _conjuncts(relation)


def _states(step: Step, formula: sp.Basic) -> bool:
    return step.relation is not None and key(step.relation) == key(formula)
