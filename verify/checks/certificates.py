"""CERTIFIED evidence: the worst case over all inputs of stated sizes, of the shipped weights, exact and as floats.

A check makes the certificate anew; its mutants are networks whose worst case is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.certificate import NotLaidOut, Subject, make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
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
from mamba_theorems.verify.certify.tensors import Shipped, Sparse
from mamba_theorems.verify.checks.check import Check, Examination, Finding
from mamba_theorems.verify.settings import Run, Tier

Tamper = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Certified:
    """A subject at some sizes; `changes` alter weights by the end of their name."""

    claim: str
    target: str
    dtype: str
    sizes: Mapping[str, int]
    changes: Mapping[str, Tamper] | None = None

    def subject(self) -> Subject:
        """The subject, its tensors changed."""
        honest = catalogue.subject(self.claim, self.target)

        def tensors(sizes: Mapping[str, int], dtype: str) -> dict[str, Shipped]:
            return {name: self._changed(name, w) for name, w in honest.tensors(sizes, dtype).items()}

        return replace(honest, tensors=tensors)

    def _changed(self, name: str, weight: Shipped) -> Shipped:
        for ending, change in (self.changes or {}).items():
            if name.endswith(ending):
                if isinstance(weight, Sparse):
                    return _changed_sparse(weight, change)
                return change(weight.copy())
        return weight


def _changed_sparse(weight: Sparse, change: Tamper) -> Sparse:
    """The change of what differs from the fill; the first entry one more where nothing does."""
    if len(weight.places):
        return replace(weight, numbers=change(weight.numbers.copy()))
    return replace(weight, places=np.zeros(1, int), numbers=np.array([weight.fill + 1]))


def look(certified: Certified, run: Run) -> Finding:
    """Make the certificate: it holds, or an inequality is shown to fail, or nothing is decided."""
    facts: dict[str, str | int] = {"target": certified.target, "dtype": certified.dtype, **certified.sizes}
    try:
        certificate = make(certified.subject(), certified.sizes, certified.dtype)
    except (Disproved, NotLaidOut) as reason:
        return Finding(False, str(reason), facts)
    except Undecided as reason:
        return Finding(None, f"undecided: {reason}", facts)
    ends = {f"least {name}": float(certificate["enclosures"][name][0]) for name, _ in certificate["closing"]}
    return Finding(True, "", {**facts, "certificate": certificate["hash"][:16]}, ends)


def _taps_swapped(weight: np.ndarray) -> np.ndarray:
    """The last two taps of every channel that looks back; the others' last tap is theirs, as the layout wants it."""
    flat = weight.reshape(weight.shape[0], -1)
    looks_back = flat[:, -2] != 0
    before, now = flat[looks_back][0, -2:]
    flat[looks_back, -2:] = now, before
    flat[~looks_back & (flat[:, -1] != 0), -1] = before
    return weight


def _gate_negated(weight: np.ndarray) -> np.ndarray:
    half = weight.shape[0] // 2
    weight[half:] *= -1
    return weight


def _gate_doubled(weight: np.ndarray) -> np.ndarray:
    half = weight.shape[0] // 2
    weight[half:] *= 2
    return weight


def _middle_halved(gains: np.ndarray) -> np.ndarray:
    gains[1] /= 2
    return gains


def _blank_raised(head: np.ndarray) -> np.ndarray:
    head[-1] *= 2.0 ** (100 if head.dtype == np.float32 else 300)
    return head


def _one_more(weight: np.ndarray) -> np.ndarray:
    """The last entry, one more: no layout has it."""
    weight.reshape(-1)[-1] += 1
    return weight


CODES: dict[str, dict[str, Tamper]] = {
    "readout negated": {"mixer.out_proj.weight": np.negative},
    "one entry of D": {"mixer.D": _one_more},
    "one entry of x_proj, or of Mamba-2's norm": {"mixer.x_proj.weight": _one_more, "mixer.norm.weight": _one_more},
}
PAPER_CODES: dict[str, dict[str, Tamper]] = {
    "readout negated": {"head.weight": np.negative},
    "one entry of the convolution": {"conv.weight": _one_more, "mixer.x_conv.weight": _one_more},
    "a step that depends on a token": {"delta.weight": _one_more},
}
COUNTED: dict[str, dict[str, Tamper]] = {
    "readout negated": {"layers.1.mixer.out_proj.weight": np.negative},
    "one entry of D": {"mixer.D": _one_more},
    "one entry of x_proj": {"mixer.x_proj.weight": _one_more},
}
RECALL: dict[str, dict[str, Tamper]] = {
    "conv taps swapped": {"conv1d.weight": _taps_swapped},
    "gate negated": {"in_proj.weight": _gate_negated},
}
MUTANTS: dict[tuple[str, str], dict[str, dict[str, Tamper]]] = {
    (recall.CLAIM, "paper"): {
        "conv taps swapped": {"conv.weight": _taps_swapped},
        "ReLU threshold broken": {"conv.bias": np.zeros_like},
    },
    (recall.CLAIM, "official"): RECALL,
    (recall.CLAIM, "language_model"): RECALL,
    (induction.CLAIM, "paper"): {
        "blank outweighs the writes": {"head.bias": lambda bias: bias * 3},
        "blank below 0": {"head.bias": np.negative},
    },
    (keep.CLAIM, "official"): {"readout negated": {"out_proj.weight": np.negative}},
    (haar.BLOCK, "official"): {
        "gate doubled": {"in_proj.weight": _gate_doubled},
        "step halved": {"dt_proj.bias": lambda bias: bias / 2},
        "signs of the signal's halves": {"out_proj.weight": np.negative},
    },
    (haar.BLOCK, haar_mamba2.TARGET): {
        "readout negated": {"layers.1.out_proj.weight": np.negative},
        "step halved": {"layers.1.dt_bias": lambda bias: bias / 2},
        "one entry of D": {"layers.0.D": _one_more},
    },
    (haar.WAVELET, "mixer"): {
        "W a 16th": {"W": lambda w: w / 16},
        "middle step halved": {"B": _middle_halved},
    },
    **{
        (claim, target): CODES if "official" in target or "model" in target else PAPER_CODES
        for family in (recall_codes, recall_products, recall_timed, recall_selective)
        for claim, targets in family.TARGETS.items()
        for target in targets
    },
    **{(claim, target): COUNTED for claim, targets in recall_counted.TARGETS.items() for target in targets},
    **{
        (plain_s6.CLAIM, target): {
            "decay slower than 1/2": {"mixer.A": lambda A: A * 0.9, "A_log": lambda A: A - 0.1},
            "blank outweighs the writes": {"head.bias": _blank_raised, "lm_head.weight": _blank_raised},
        }
        for target in plain_s6.TARGETS[plain_s6.CLAIM]
    },
}
"""What turns the worst case round; what merely widens an enclosure leaves it undecided, which rejects nothing."""


def _check(entry: catalogue.Entry, tier: Tier) -> Examination:
    certified = Certified(entry.claim, entry.target, entry.dtype, entry.sizes)
    size = (
        "" if tier is Tier.QUICK else f"-{entry.sizes['input_seq_len']}" if "input_seq_len" in entry.sizes else "-large"
    )
    return Examination(
        claim=entry.claim,
        name=f"certificate-{entry.target.replace('_', '-')}-{entry.dtype}{size}",
        kind=Kind.CERTIFIED,
        subject=certified,
        mutants={name: replace(certified, changes=c) for name, c in MUTANTS[entry.claim, entry.target].items()},
        look=look,
        tier=tier,
    )


QUICK_VOCABULARY = 256


def _checks() -> Iterator[Check]:
    """The first entry of each claim, target and dtype in the quick tier, the last in the full one."""
    entries: dict[tuple[str, str, str], list[catalogue.Entry]] = {}
    for entry in catalogue.frozen():
        entries.setdefault((entry.claim, entry.target, entry.dtype), []).append(entry)
    for first, *others in entries.values():
        yield _check(first, Tier.QUICK if first.sizes.get("vocab_size", 0) <= QUICK_VOCABULARY else Tier.FULL)
        yield from (_check(entry, Tier.FULL) for entry in others[-1:])


CHECKS: tuple[Check, ...] = tuple(_checks())
