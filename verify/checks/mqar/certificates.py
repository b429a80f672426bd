"""Margins for all inputs of stated sizes, from the weights as they ship."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.family import Changes
from mamba_theorems.verify.certify.mqar.codes import RECALLS
from mamba_theorems.verify.checks.certificates import look
from mamba_theorems.verify.checks.check import Check, Examination, Finding
from mamba_theorems.verify.checks.mqar.linear_programs import Keys, too_few_states
from mamba_theorems.verify.settings import Run, Tier

# --- margins ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sized:
    """A claim's certificates at (keys, values), in targets and dtypes; `changes` alter weights by their name's end."""

    claim: str
    sizes: tuple[tuple[int, int], ...]
    targets: tuple[str, ...] = ("paper", "official")
    changes: Changes = field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float32", "float64")


LENGTH = 4096


def _certify(subject: Sized, run: Run) -> Finding:
    """Every size, target and dtype has a certificate."""
    sizes = subject.sizes if run.shrink else subject.sizes[:1]
    facts: dict[str, str | int] = {"sequences": f"at most {LENGTH} tokens, or 4 κ"}
    for (keys, values), target, dtype in product(sizes, subject.targets, subject.dtypes):
        where = f"κ = {keys}, |V| = {values}, {target}, {dtype}"
        chosen = {"vocab_size": keys + values, "input_seq_len": max(LENGTH, 4 * keys), "num_kv_pairs": keys}
        found = look(Request(subject.claim, target, dtype, chosen, subject.changes), run)
        if not found.holds:
            return Finding(found.holds, f"{where}: {found.summary}", facts)
        facts[where] = f"certificate {found.facts['certificate']}, argument {found.facts['argument']}"
    return Finding(True, "", facts)


def _certificate(subject: Sized, tier: Tier) -> Examination:
    return Examination(
        claim=subject.claim,
        name="margin-for-all-inputs" if tier is Tier.QUICK else "margin-for-all-inputs-large",
        kind=Kind.CERTIFIED,
        subject=subject,
        mutants={"readout negated": replace(subject, changes=NEGATED)},
        tier=tier,
        look=_certify,
    )


NEGATED: Changes = {"mixer.out_proj.weight": np.negative, "head.weight": np.negative}
SMALL = ((8, 64), (64, 256))
LARGE = ((128, 1024), (128, 8192))
CERTIFIED = tuple(Sized(claim, SMALL) for claim in RECALLS)
MANY = (
    Sized("mqar.value-code", LARGE, dtypes=("float64",)),
    Sized("mqar.thm3-step1", LARGE),
    Sized("mqar.thm2-step2-amended", LARGE, dtypes=("float32",)),
    Sized("mqar.n2-distinct", LARGE),
)
ALL_KEYS = Sized("mqar.n2-distinct", ((511, 512), (4095, 4096)), dtypes=("float64",))


# --- linear programs -------------------------------------------------------------------------------------------------


CHECKS: tuple[Check, ...] = (
    *(_certificate(subject, Tier.QUICK) for subject in CERTIFIED),
    *(_certificate(subject, Tier.FULL) for subject in MANY),
    replace(_certificate(ALL_KEYS, Tier.FULL), name="margin-for-all-keys-of-zoology"),
    Examination(
        claim="mqar.n-lower-bound",
        name="infeasible-linear-programs",
        kind=Kind.CERTIFIED,
        subject=Keys(),
        mutants={"N = κ": Keys(spare=1)},
        look=too_few_states,
    ),
)
