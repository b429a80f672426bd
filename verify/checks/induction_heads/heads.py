"""Networks under test: exact weights on the real kernels, what may be done to them, and how answers are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from mamba_theorems.constructions.compiler.exact import ExactTensor
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.induction_heads import (
    answers,
)
from mamba_theorems.kernels.arguments import DTYPE_NAMED
from mamba_theorems.verify.settings import Run

NUMPY: dict[str, type[np.floating]] = {"float32": np.float32, "float64": np.float64}
Builder = Callable[[int, torch.dtype], Construction]


@dataclass(frozen=True)
class TestedHead:
    """A network by its number of tokens and dtype, and what is done to its weights."""

    build: Builder
    tamper: Callable[[Construction], Construction] = lambda head: head

    def network(self, num_tokens: int, dtype: torch.dtype) -> Construction:
        """The network with its exact weights."""
        return self.tamper(self.build(num_tokens, dtype))

    def logits(self, tokens: np.ndarray, num_tokens: int, dtype: str, run: Run) -> np.ndarray:
        """Logits on the real kernels, (batch, L, num_tokens + 1), for tokens (batch, L)."""
        module = _module(self, num_tokens, dtype, run.device)
        return module(torch.from_numpy(tokens).to(run.device)).cpu().numpy()


@lru_cache(maxsize=64)
def _module(head: TestedHead, num_tokens: int, dtype: str, device: str) -> torch.nn.Module:
    return head.network(num_tokens, DTYPE_NAMED[dtype]).module(DTYPE_NAMED[dtype], device=device)


def margins(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Right logit minus the best other one; NaN logits stay NaN."""
    right = np.take_along_axis(logits, targets[..., None], -1)[..., 0]
    others = logits.copy()
    np.put_along_axis(others, targets[..., None], -np.inf, -1)
    return right - others.max(-1)


def answered(head: TestedHead, rows: list[np.ndarray], dtype: str, run: Run, num_tokens: int = 2) -> list[bool]:
    """Whether each sequence's last token is answered; shorter ones are padded behind, which changes nothing."""
    longest = max(map(len, rows))
    tokens = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])
    found = margins(head.logits(tokens, num_tokens, dtype, run), answers(tokens, num_tokens))
    return [bool(found[i, len(row) - 1] > 0) for i, row in enumerate(rows)]


# -------------------------------------------------------------------------------------------------- mutants


def swap(name: str, change: Callable[[ExactTensor], ExactTensor]) -> Callable[[Construction], Construction]:
    """One weight, found by the end of its name, changed."""

    def tamper(head: Construction) -> Construction:
        (full,) = [n for n in head.weights if n.endswith(name)]
        return head.with_weight(full, change(head.weights[full]))

    return tamper


def negated(tensor: ExactTensor) -> ExactTensor:
    """Every entry with its sign flipped."""
    return replace(tensor, fill=-tensor.fill, entries={i: -v for i, v in tensor.entries.items()})


def still(tensor: ExactTensor) -> ExactTensor:
    """No decay at all: A = 0."""
    return ExactTensor(tensor.shape, 0)


def still_logarithm(tensor: ExactTensor) -> ExactTensor:
    """No decay to speak of: A_log = −40."""
    return ExactTensor(tensor.shape, -40)


def taps_moved(tensor: ExactTensor) -> ExactTensor:
    """The previous token's tap on the current one."""
    entries = {(*i[:-1], tensor.shape[-1] - 1): v for i, v in tensor.entries.items()}
    return replace(tensor, entries=entries)


def none(tensor: ExactTensor) -> ExactTensor:
    """A tensor of zeros."""
    return ExactTensor(tensor.shape, 0)
