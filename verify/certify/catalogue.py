"""Every certificate that can be made: the subjects by claim and target, and the frozen set that the report quotes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mamba_theorems.verify.certify.argument import canonical
from mamba_theorems.verify.certify.certificate import Subject, check, make
from mamba_theorems.verify.certify.enclose import Undecided
from mamba_theorems.verify.certify.haar import keep
from mamba_theorems.verify.certify.haar import mamba1 as haar
from mamba_theorems.verify.certify.haar import mamba2 as haar_mamba2
from mamba_theorems.verify.certify.induction_heads import lemma3 as induction
from mamba_theorems.verify.certify.induction_heads import plain as plain_s6
from mamba_theorems.verify.certify.mqar import codes as recall_codes
from mamba_theorems.verify.certify.mqar import products as recall_products
from mamba_theorems.verify.certify.mqar import robust as recall_timed
from mamba_theorems.verify.certify.mqar import robust_model as recall_counted
from mamba_theorems.verify.certify.mqar import selective as recall_selective
from mamba_theorems.verify.certify.mqar import theorem2 as recall

FOLDER = Path("certificates")
RECALL = (recall, recall_codes, recall_products, recall_timed, recall_selective, recall_counted)
FAMILIES = (*RECALL, keep, haar, haar_mamba2, induction, plain_s6)


def subjects() -> dict[str, tuple[str, ...]]:
    """The targets of every claim that can be certified."""
    found: dict[str, tuple[str, ...]] = {}
    for family in FAMILIES:
        for claim, targets in family.TARGETS.items():
            found[claim] = (*found.get(claim, ()), *targets)
    return found


def subject(claim: str, target: str) -> Subject:
    """The subject of a claim and a target. Raises ValueError for an unknown one."""
    for family in FAMILIES:
        if target in family.TARGETS.get(claim, ()):
            return family.subject(claim, target)
    known = "; ".join(f"{name} for {', '.join(targets)}" for name, targets in subjects().items())
    raise ValueError(f"There is no certificate of {claim} for {target}: choose one of {known}.")


@dataclass(frozen=True)
class Entry:
    """One certificate of the frozen set."""

    claim: str
    target: str
    dtype: str
    sizes: dict[str, int]

    @property
    def name(self) -> str:
        """Its file name."""
        sizes = "_".join(str(size) for size in self.sizes.values())
        return f"{self.claim}_{self.target}_{self.dtype}_{sizes}.json"

    def make(self) -> dict[str, Any]:
        """The certificate. Raises Undecided or ValueError."""
        return make(subject(self.claim, self.target), self.sizes, self.dtype)


def frozen() -> Iterator[Entry]:
    """The frozen set."""
    for family in FAMILIES:
        for claim, target, dtype, sizes in family.FROZEN:
            yield Entry(claim, target, dtype, sizes)


def text(certificate: dict[str, Any]) -> str:
    """The file's content."""
    return canonical(certificate)


def recheck(content: str) -> dict[str, Any]:
    """The certificate of a file, compared with what this code base ships and encloses. Raises Refused."""
    return check(content, subject)


def longest(entry: Entry, name: str = "input_seq_len") -> int:
    """The largest value of one size that the argument covers and at which it closes; 0 where it never does.

    Doubles and bisects: every step that depends on a length is monotone in it. Raises ValueError for impossible sizes.
    """
    subject(entry.claim, entry.target).sizes(entry.sizes)
    if name not in entry.sizes:
        raise ValueError(f"{entry.claim} has no size {name}.")

    def closes(size: int) -> bool:
        try:
            replace(entry, sizes={**entry.sizes, name: size}).make()
        except (Undecided, ValueError):
            return False
        return True

    low, high = (entry.sizes[name], 2 * entry.sizes[name]) if closes(entry.sizes[name]) else (0, entry.sizes[name])
    while low and closes(high):
        low, high = high, 2 * high
    while low and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if closes(middle) else (low, middle)
    return low
