"""Zoology's large sizes, for constructions whose state is small: the paper's block on the real kernels, sparsely.

The weights are those of the compiled block; products with its all-zero and identity matrices are left out, and the
head is applied where a query stands. Everything else (convolution, scan, gate) runs as in the block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse

from constructions.construction import Construction
from constructions.exact import FIELD_OF_DTYPE, ExactTensor
from constructions.tasks import Batch, Vocabulary, zoology_mqar
from kernels import ops
from verify.check import Check, Examination, Finding, Run, Sizes, Tier
from verify.checks.mqar.targets import ByClaim, head_negated, taps_swapped
from verify.checks.recall import DTYPES, keep
from verify.evidence import Kind

CHANNEL_STEPS = 2**26
"""Channels times positions times sequences of one chunk."""


@dataclass(frozen=True)
class Large:
    """A claim, its sizes with a number of sequences each, and the dtypes that its table entry claims there."""

    claim: str
    sizes: tuple[tuple[Sizes, int], ...]
    dtypes: tuple[str, ...] = ("float32", "float64")
    tamper: object = keep


def entries_of(tensor: ExactTensor, dtype: torch.dtype) -> sparse.csr_array:
    """A matrix by its entries, rounded once; its fill must be 0."""
    if tensor.fill != 0 or len(tensor.shape) != 2:
        raise ValueError("Only matrices that are 0 elsewhere are read here: use the dense weights.")
    places = np.array(list(tensor.entries), dtype=np.int64).reshape(-1, 2)
    values = FIELD_OF_DTYPE[dtype].array(np.array(list(tensor.entries.values()), dtype=object))
    return sparse.csr_array((values, (places[:, 0], places[:, 1])), shape=tensor.shape)


class SparseBlock:
    """The paper's Mamba block of a construction with a constant step, its matrices sparse."""

    def __init__(self, built: Construction, dtype: torch.dtype) -> None:
        weights = built.weights
        self.embedding = torch.from_numpy(entries_of(weights["embedding.weight"], dtype).toarray())
        self.taps, self.bias, self.A = (weights[f"mixer.{n}"].torch(dtype) for n in ("conv.weight", "conv.bias", "A"))
        self.B, self.C = (self._matrix(weights[f"mixer.{n}.weight"], dtype) for n in ("B", "C"))
        self.head = entries_of(weights["head.weight"], dtype)
        self.gated = "mixer.gate.weight" in weights

    @staticmethod
    def _matrix(tensor: ExactTensor, dtype: torch.dtype) -> torch.Tensor:
        return torch.from_numpy(entries_of(tensor, dtype).toarray())

    def logits(self, tokens: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """(number of True in asked, vocab_size) at the asked positions, in their order."""
        x = self.embedding[torch.from_numpy(tokens)]
        x_hat = torch.relu(ops.causal_conv1d(x.transpose(1, 2), self.taps, self.bias))
        B, C = (torch.einsum("bdl,nd->bnl", x_hat, matrix).contiguous() for matrix in (self.B, self.C))
        y = ops.selective_scan(x_hat.contiguous(), torch.ones_like(x_hat), self.A, B, C).transpose(1, 2)
        at = torch.from_numpy(asked)
        y = y[at] * torch.relu(x[at]) if self.gated else y[at]
        return np.asarray((self.head @ y.numpy().T).T)


def _right(block: SparseBlock, batch: Batch) -> int:
    """How many sequences are answered wholly."""
    width, length = block.embedding.shape[1], batch.tokens.shape[1]
    chunk, right = max(1, CHANNEL_STEPS // (width * length)), 0
    for start in range(0, len(batch.tokens), chunk):
        part = slice(start, start + chunk)
        asked, targets = batch.queries[part], batch.targets[part]
        wrong = np.zeros(asked.shape, dtype=bool)
        wrong[asked] = block.logits(batch.tokens[part], asked).argmax(-1) != targets[asked]
        right += int((~wrong.any(axis=1)).sum())
    return right


def _look(subject: Large, run: Run) -> Finding:
    """100 % at every size and dtype."""
    facts: dict[str, str | int] = {"examples": 0, "target": "paper block, sparse"}
    wanted = subject.sizes if run.shrink else ((SMALLEST, 4),)
    for sizes, count in wanted:
        vocabulary = Vocabulary.zoology(sizes.vocab_size)
        built = subject.tamper(ByClaim(subject.claim)("paper", vocabulary))  # type: ignore[operator]
        batch = zoology_mqar(sizes.vocab_size, count, sizes.input_seq_len, run.seed,
                             num_kv_pairs=sizes.num_kv_pairs, random_non_queries=False)  # fmt: skip
        for dtype in subject.dtypes:
            right = _right(SparseBlock(built, DTYPES[dtype]), batch)
            where = f"(|V|, L, κ) = ({sizes.vocab_size}, {sizes.input_seq_len}, {sizes.num_kv_pairs}), {dtype}"
            facts["examples"] = int(facts["examples"]) + count
            facts[where] = f"{right} of {count}"
            if right < count:
                return Finding(False, f"{right} of {count} at {where}", facts)
    return Finding(True, "", facts)


SMALLEST = Sizes(64, 64, 8)
MIDDLE, LARGE, HUGE = Sizes(512, 256, 64), Sizes(1024, 512, 128), Sizes(8192, 512, 64)
SUBJECTS = (
    Large("mqar.n2-distinct", ((MIDDLE, 1000), (LARGE, 1000))),
    Large("mqar.n2-distinct", ((HUGE, 100),), ("float64",)),
    Large("mqar.thm4-jl-amended", ((MIDDLE, 200),)),
    Large("mqar.thm4", ((MIDDLE, 20),), ("float32",)),
)


def _check(subject: Large) -> Examination:
    sizes = "-".join(str(size.vocab_size) for size, _ in subject.sizes)
    return Examination(
        claim=subject.claim,
        name=f"zoology-sparse-{sizes}",
        kind=Kind.TESTED,
        subject=subject,
        mutants={
            "taps swapped": replace(subject, tamper=taps_swapped),
            "head negated": replace(subject, tamper=head_negated),
        },
        tier=Tier.FULL,
        look=_look,
    )


CHECKS: tuple[Check, ...] = tuple(map(_check, SUBJECTS))
