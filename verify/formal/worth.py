"""What a claim's theorems are worth: the word FORMAL, a refutation that is a theorem, or nothing, with the reason."""

from __future__ import annotations

import hashlib

from mamba_theorems.theorems.claim import Claim, Kind, Outcome
from mamba_theorems.verify.evidence import THEOREM, Evidence
from mamba_theorems.verify.formal.kept import Known


def evidence(claim: Claim, known: Known) -> tuple[Evidence, ...]:
    """The piece of evidence that a claim's theorems are; none where there are none, or where they leave something out.

    Of a claim that is expected REFUTED the theorems say the negation.
    """
    if claim.formal is None:
        return ()
    kind = Kind.REFUTED if claim.expected is Outcome.REFUTED else Kind.FORMAL
    names = claim.formal.theorems
    if reasons := [f"{name}: {reason}" for name in names if (reason := known.reason(name))]:
        return (Evidence(kind, THEOREM, None, reasons[0]),)
    if claim.formal.leaves_out or known.found is None:
        return ()
    found = [known.found.theorems[name] for name in names]
    axioms = sorted({axiom for theorem in found for axiom in theorem.axioms})
    facts: dict[str, str | int] = {
        "theorems": ", ".join(names),
        "axioms": ", ".join(axioms) or "none",
        "statement": hashlib.sha256("".join(theorem.digest for theorem in found).encode()).hexdigest()[:16],
    }
    return (Evidence(kind, THEOREM, True, known.how, facts),)
