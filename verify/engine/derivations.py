"""Evidence from the derivations in `theorems`: no kernel, no torch, so these run in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import sympy as sp
from sympy.core.function import AppliedUndef

from mamba_theorems.theorems.claim import Claim, Kind
from mamba_theorems.theorems.proofs.decide import Truth, proved, unknown
from mamba_theorems.theorems.proofs.proof import Proof, ProofResult, StepResult
from mamba_theorems.theorems.proofs.steps import Given
from mamba_theorems.theorems.proofs.written import Named, latex
from mamba_theorems.theorems.readable import readable
from mamba_theorems.theorems.registry import claims
from mamba_theorems.theorems.statement import Hypothesis
from mamba_theorems.verify.evidence import COMMA, LINK, Evidence, Line, MutantResult, Steps


@dataclass(frozen=True)
class Derivation:
    """What became of a claim's proof and disproof, whichever it has: evidence, every step, and the seconds it took."""

    evidence: tuple[Evidence, ...]
    steps: Steps
    seconds: float


def derive(claim: Claim) -> Derivation:
    """Check the claim's proof and disproof."""
    start = time.perf_counter()
    proofs = [(kind, name, proof()) for kind, name, proof in _proofs(claim)]
    assumed = tuple(h.meaning for h in claim.hypotheses if isinstance(h, Hypothesis))
    results = [
        (kind, name, proof, proof.check(_formula(claim, kind), assumed, claim.cites)) for kind, name, proof in proofs
    ]
    evidence = tuple(_evidence(kind, name, result) for kind, name, _, result in results)
    steps = {name: lines_of(result.steps, proof) for _, name, proof, result in results}
    return Derivation(evidence, steps, time.perf_counter() - start)


def steps_of(claim_id: str) -> Steps:
    """Every step as it is written, undecided."""
    proofs = [(name, proof()) for _, name, proof in _proofs(claims()[claim_id])]
    undecided = unknown("not decided")
    return {name: lines_of((StepResult(s, undecided) for s in proof.steps), proof) for name, proof in proofs}


def reject_step_mutants(claim_id: str) -> tuple[MutantResult, ...]:
    """Decide every mutant of every step; one that is still proved was not rejected."""
    found = []
    for _, name, proof in _proofs(claims()[claim_id]):
        for mutant_name, step in proof().mutants():
            verdict = step.decide()
            found.append(MutantResult(name, mutant_name, verdict.truth is not Truth.TRUE, verdict.method))
    return tuple(found)


def _proofs(claim: Claim) -> list[tuple[Kind, str, Callable[[], Proof]]]:
    found = []
    if claim.proof is not None:
        found.append((Kind.PROVED, "derivation", claim.proof))
    if claim.disproof is not None:
        found.append((Kind.REFUTED, "disproof", claim.disproof))
    return found


def _formula(claim: Claim, kind: Kind) -> object:
    return claim.formula if kind is Kind.PROVED else None


def _evidence(kind: Kind, name: str, result: ProofResult) -> Evidence:
    holds = {Truth.TRUE: True, Truth.FALSE: False, Truth.UNKNOWN: None}[result.truth]
    facts: dict[str, str | int] = {"steps": len(result.steps)}
    if result.cited:
        facts["cited"] = "; ".join(result.cited)
    if kind is Kind.PROVED and result.link:
        kind, facts[LINK] = Kind.DERIVED, result.link
    return Evidence(kind, name, holds, result.reason, facts)


def lines_of(results: Iterable[StepResult], proof: Proof) -> tuple[Line, ...]:
    """Every step and then its parts, which are true where the step is.

    A line declares each letter that is new in it or changes there.
    """
    letters: dict[str, sp.Basic] = {}
    lines = []
    for outer, outer_beyond in zip(results, proof.assumptions(), strict=True):
        for result, beyond in ((outer, outer_beyond), *_parts(outer)):
            assumed = (*beyond, *result.step.within)
            said = [part for part in (result.step.relation, *assumed) if part is not None]
            used: dict[str, sp.Basic] = {str(s): s for part in said for s in free(part)}
            used |= {f"{f.func}()": f.func(sp.Symbol("t")) for part in said for f in part.atoms(AppliedUndef)}
            new = [s for name, s in sorted(used.items()) if letters.get(name) != s]
            lines.append(_line(result, (*(fact for s in new for fact in _declared(s, letters)), *assumed)))
            letters |= used
    return tuple(lines)


def _parts(result: StepResult) -> Iterator[tuple[StepResult, Given]]:
    verdict = proved("with it") if result.verdict.truth is Truth.TRUE else unknown("not decided alone")
    for role, part in result.step.parts.items():
        found = StepResult(replace(part, name=f"{role}: {part.name}"), verdict)
        yield found, part.assumes
        yield from _parts(found)


def free(part: sp.Basic) -> set[sp.Symbol]:
    """The symbols that a relation is about."""
    return part.atoms(sp.Symbol) & part.free_symbols


def _declared(symbol: sp.Basic, letters: Mapping[str, sp.Basic]) -> Given:
    """What a symbol is declared to be: a sign, an integer, complex; real only where the letter was another's.

    Of a function only the sign of its values.
    """
    if symbol.is_integer and symbol.is_Symbol:
        numbers = sp.Naturals if symbol.is_positive else sp.Naturals0 if symbol.is_nonnegative else sp.Integers
        return (sp.Contains(symbol, numbers, evaluate=False),)
    signs = (("positive", sp.Gt), ("negative", sp.Lt), ("nonnegative", sp.Ge), ("nonpositive", sp.Le))
    for sign, relation in signs:
        if getattr(symbol, f"is_{sign}"):
            letter = symbol if symbol.is_Symbol else sp.Symbol(symbol.func.__name__)
            return (relation(letter, 0, evaluate=False),)
    known = not symbol.is_Symbol or (symbol.is_real and str(symbol) not in letters)
    return () if known else (sp.Contains(symbol, sp.Reals if symbol.is_real else sp.Complexes, evaluate=False),)


def _line(result: StepResult, assumed: Given) -> Line:
    step, verdict, words = result.step, result.verdict, getattr(result.step, "statement", "")
    relation = "" if step.relation in (None, sp.true, sp.false) else str(step.relation)
    formula = latex(step.relation) if relation and words in ("", relation) else ""
    return Line(
        name=step.name,
        kind=step.kind,
        truth=verdict.truth.value,
        method=verdict.method,
        statement=f"{words} ({relation})" if words and relation and words != relation else words or relation,
        because=step.because,
        latex=formula,
        given=", ".join(map(_words, assumed)),
        given_latex=COMMA.join(map(latex, assumed)),
        where=_values(part for part in (step.relation, *assumed) if part is not None),
        plain=_plain(words if words != relation else "", step.relation if relation else None, assumed),
    )


LONG = 1200
"""Characters from which a formula is cut in the terminal; the page and the PDF set it whole."""


def _plain(words: str, relation: sp.Basic | None, assumed: Given) -> str:
    """What a step states, what it assumes, and what its names stand for, as lines of text."""
    parts = [words] if words else []
    shown = [part for part in (relation, *assumed) if part is not None]
    parts += [_cut(readable(relation))] if relation is not None else []
    given = ", ".join(_cut(readable(condition)) for condition in assumed)
    named = {(str(n), readable(n.args[1])) for part in shown for n in part.atoms(Named)}
    where = ", ".join(f"{name} = {_cut(value)}" for name, value in sorted(named))
    return "\n".join([*parts, *([f"given {given}"] if given else []), *([f"where {where}"] if where else [])])


def _cut(text: str) -> str:
    return text if len(text) <= LONG else f"{text[: LONG // 2]} … {text[-LONG // 4 :]}"


def _values(shown: Iterable[sp.Basic]) -> str:
    """What every name stands for: a `Named` quantity shows its label alone."""
    return ", ".join(sorted({f"{named} = {named.args[1]}" for part in shown for named in part.atoms(Named)}))


def _words(condition: sp.Basic) -> str:
    if isinstance(condition, sp.Contains):
        return f"{condition.args[0]} in {condition.args[1]}"
    return str(condition)
