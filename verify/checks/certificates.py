"""CERTIFIED evidence: the worst case over all inputs of stated sizes, of the shipped weights, exact and as floats.

A check makes the certificate anew; its mutants are networks whose worst case is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import NotLaidOut
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.formal import how_known
from mamba_theorems.verify.checks.check import Check, Examination, Finding
from mamba_theorems.verify.settings import Run, Tier


def look(request: Request, run: Run) -> Finding:
    """Make the certificate: it holds, or an inequality is shown to fail, or nothing is decided."""
    facts: dict[str, str | int] = {"target": request.target, "dtype": request.dtype, **request.sizes}
    try:
        certificate = request.make()
    except (Disproved, NotLaidOut) as reason:
        return Finding(False, str(reason), facts)
    except Undecided as reason:
        return Finding(None, f"undecided: {reason}", facts)
    ends = {f"least {name}": float(certificate["enclosures"][name][0]) for name, _ in certificate["closing"]}
    facts |= {"argument": how_known(certificate), "certificate": certificate["hash"][:16]}
    return Finding(True, "", facts, ends)


def _check(request: Request, tier: Tier) -> Examination:
    mutants = catalogue.family_of(request.claim, request.target).mutants(request.target)
    length = request.sizes.get("input_seq_len", "large")
    size = "" if tier is Tier.QUICK else f"-{length}"
    return Examination(
        claim=request.claim,
        name=f"certificate-{request.target.replace('_', '-')}-{request.dtype}{size}",
        kind=Kind.CERTIFIED,
        subject=request,
        mutants={name: replace(request, changes=changes) for name, changes in mutants.items()},
        look=look,
        tier=tier,
    )


QUICK_VOCABULARY = 256


def _checks() -> Iterator[Check]:
    """The first request of each claim, target and dtype in the quick tier, the last in the full one."""
    requests: dict[tuple[str, str, str], list[Request]] = {}
    for request in catalogue.frozen():
        requests.setdefault((request.claim, request.target, request.dtype), []).append(request)
    for first, *others in requests.values():
        yield _check(first, Tier.QUICK if first.sizes.get("vocab_size", 0) <= QUICK_VOCABULARY else Tier.FULL)
        yield from (_check(request, Tier.FULL) for request in others[-1:])


CHECKS: tuple[Check, ...] = tuple(_checks())
