"""The paper's Mamba block on the channels that a sequence wakes, on the real kernels; the others are 0 at all times.

A channel sleeps where its bias is ≤ 0 and no window of the sequence lifts it above 0: ReLU gives 0, the scan of 0 is 0.
Whether a channel sleeps is decided for every channel and window, in exact integers. Tests hold the logits to the whole
block's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from mamba_theorems.constructions.compiler.exact import FIELD_OF_DTYPE, ExactTensor, rounded
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import Batch
from mamba_theorems.kernels import ops

CHANNEL_STEPS = 2**24
"""Channels times positions times sequences of one chunk."""
SEQUENCES = 32
ASLEEP = -1
DENSE = 1 / 16
"""From this share of entries on a matrix is multiplied as a dense one."""
BUSY = 64
"""Entries a token from which on the embedding is read by channels, not by tokens."""


def entries_of(tensor: ExactTensor, dtype: torch.dtype) -> sparse.csr_array:
    """A matrix by its entries, rounded once; its fill must be 0, and ranges are left to the caller."""
    if tensor.fill != 0 or len(tensor.shape) != 2:
        raise ValueError("Only matrices that are 0 elsewhere are read here: use the dense weights.")
    places = np.array(list(tensor.entries), dtype=np.int64).reshape(-1, 2)
    values = rounded(list(tensor.entries.values()), FIELD_OF_DTYPE[dtype])
    return sparse.csr_array((values, (places[:, 0], places[:, 1])), shape=tensor.shape)


def _below(matrix: sparse.csr_array) -> sparse.csr_array:
    """The matrix with one more row, of zeros: row −1 is what a padding token or a sleeping channel has."""
    return sparse.csr_array(sparse.vstack([matrix, sparse.csr_array((1, matrix.shape[1]), dtype=matrix.dtype)]))


@dataclass(frozen=True)
class Awake:
    """Which channel stands in each slot, (sequences, slots), ASLEEP where none does; a slot's kind is one for all."""

    slots: np.ndarray
    kinds: np.ndarray


class ActiveBlock:
    """A construction for the paper's block; `logits` at asked positions only."""

    def __init__(self, built: Construction, dtype: torch.dtype) -> None:
        weights, self.dtype = built.weights, dtype
        if built.target != "paper":
            raise ValueError(f"Only the paper's block is run by its active channels, not {built.target}.")
        self.embedding = _below(entries_of(weights["embedding.weight"], dtype))
        self.taps, self.bias = (weights[f"mixer.conv.{n}"].torch(dtype).numpy() for n in ("weight", "bias"))
        self.position = np.zeros_like(self.bias)
        if "position.weight" in weights:
            self.position = weights["position.weight"].torch(dtype).numpy()
        busy = self.embedding.nnz > BUSY * self.embedding.shape[0]
        self.columns = _below(sparse.csr_array(self.embedding[:-1].T.tocsr())) if busy else None
        self.B, self.C = (self._columns(entries_of(weights[f"mixer.{n}.weight"], dtype)) for n in ("B", "C"))
        self.head = _below(entries_of(weights["head.weight"], dtype).T.tocsr())
        self.rate = weights["mixer.A"].torch(dtype)[0, 0]
        self.step = weights["mixer.delta.bias"].torch(dtype)[0]
        self.gated = "mixer.gate.weight" in weights
        self._steps(built, dtype)
        self._kinds()
        self.length = 0

    @staticmethod
    def _columns(matrix: sparse.csr_array) -> np.ndarray:
        """Dense, with a column of zeros for sleeping channels."""
        return np.hstack([matrix.toarray(), np.zeros((matrix.shape[0], 1), dtype=matrix.dtype)])

    def _steps(self, built: Construction, dtype: torch.dtype) -> None:
        """`patterns` (ranks, channels that feed a step), `feeds` their number in it, `follows` a channel's rank."""
        description = built.described
        delta, inner = description.delta, description.inner
        self.patterns, self.feeds = None, np.full(len(inner) + 1, 0)
        self.follows = np.zeros(len(inner) + 1, dtype=np.int64)
        if delta is None:
            return
        matrix = entries_of(delta.patterns.tensor(), dtype).tocsc()
        sources = np.flatnonzero(np.diff(matrix.indptr))
        self.feeds[sources] = np.arange(1, len(sources) + 1)
        rest = np.zeros((1 + matrix.shape[0], 1 + len(sources)), dtype=matrix.dtype)
        rest[1:, 1:] = matrix[:, sources].toarray()
        self.patterns = torch.from_numpy(rest)
        rank = delta.patterns.target.position
        self.follows[[inner.position(c) for c in delta.follows]] = [1 + rank(p) for p in delta.follows.values()]

    def _kinds(self) -> None:
        """Channels of one kind have the same taps, bias, position and use: sequences may differ in which they wake."""
        read = np.diff(self.head.indptr)[:-1] > 0
        fed = self.feeds[:-1] > 0
        rows = np.column_stack([self.taps, self.bias, self.position, read, fed])
        kinds, self.kind = np.unique(rows, axis=0, return_inverse=True)
        k = self.taps.shape[1]
        self.kind_taps, self.kind_bias, self.kind_position = kinds[:, :k], kinds[:, k], kinds[:, k + 1]
        self.kind_read, self.kind_fed = kinds[:, k + 2] > 0, kinds[:, k + 3] > 0
        self.kind = self.kind.ravel()

    def _highest(self, length: int) -> np.ndarray:
        """The bias, and the most that positions add to it from the second token on."""
        if not self.position.any():
            return self.bias
        width, t = self.taps.shape[1], np.arange(2, length + 1)
        seen = np.stack([np.maximum(t - lag, 0) for lag in range(width)])
        return self.bias + (self.position[:, None] * (self.taps[:, ::-1] @ seen)).max(axis=1)

    def _needs(self, length: int) -> None:
        """`always`: channels that need no token; `rows[lag]`: what each token gives the channels that need that lag.

        A channel needs a lag where its bias and all that the other lags can give stay ≤ 0 together; of several, the
        one at which fewest tokens can wake it. `first`: whether a channel let sleep may wake at the first token, where
        positions are not yet seen: `logits` asks that nothing is written or read there.
        """
        self.length, self.highest = length, self._highest(length)
        given = self.embedding[:-1].astype(np.float64).tocoo()
        width = self.taps.shape[1]
        most = np.zeros((width, len(self.bias)))
        for lag in range(width):
            np.maximum.at(most[lag], given.col, given.data * self.taps[given.col, width - 1 - lag])
        others = self.highest + most.sum(0) - most
        wakes = [
            given.data * self.taps[given.col, width - 1 - lag] + others[lag, given.col] > 0 for lag in range(width)
        ]
        tokens_of = np.array([np.bincount(given.col[mine], minlength=len(self.bias)) for mine in wakes])
        needs = np.where(others <= 0, tokens_of, len(self.embedding.indptr)).argmin(axis=0)
        needs[(others > 0).all(axis=0)] = ASLEEP
        first = self.bias + self.taps[:, -1] * self.position + most[0] > 0
        first &= self.position != 0
        used = self.kind_read[self.kind] | self.kind_fed[self.kind]
        self.always = np.flatnonzero((self.highest > 0) | (first & used) | (needs == ASLEEP))
        needs[self.always] = ASLEEP
        self.first = bool((first & (needs != ASLEEP)).any())
        self.rows = {}
        for lag in np.unique(needs[needs != ASLEEP]).tolist():
            mine = wakes[lag] & (needs[given.col] == lag)
            chosen = (given.data[mine], (given.row[mine], given.col[mine]))
            self.rows[lag] = _below(sparse.csr_array(chosen, shape=given.shape))
        order = np.argsort(given.row * len(self.bias) + given.col)
        self.places = (given.row * len(self.bias) + given.col)[order]
        self.entries = given.data[order]

    # --------------------------------------------------------------------------- which channels are awake

    def awake(self, tokens: np.ndarray) -> Awake:
        """The channels that some window of each sequence lifts above 0, and those that need no window."""
        if self.length != tokens.shape[1]:
            self._needs(tokens.shape[1])
        found = self._woken(tokens)
        parts, kinds = [], []
        for kind in np.unique(self.kind[np.unique(np.concatenate(found))]):
            mine = [channels[self.kind[channels] == kind] for channels in found]
            width = max(map(len, mine))
            part = np.full((len(tokens), width), ASLEEP)
            for row, channels in zip(part, mine, strict=True):
                row[: len(channels)] = channels
            parts.append(part)
            kinds.append(np.full(width, kind))
        return Awake(np.hstack(parts), np.concatenate(kinds))

    def _woken(self, tokens: np.ndarray) -> list[np.ndarray]:
        count, length = tokens.shape
        size, width = len(self.bias), self.taps.shape[1]
        seen = [np.pad(tokens, ((0, 0), (lag, 0)), constant_values=ASLEEP)[:, :length].ravel() for lag in range(width)]
        pairs = []
        for lag, rows in self.rows.items():
            found = rows[seen[lag]].tocoo()
            total = self.highest[found.col] + found.data * self.taps[found.col, width - 1 - lag]
            for other in set(range(width)) - {lag}:
                if self.taps[:, width - 1 - other].any():
                    given = self._given(seen[other][found.row], found.col)
                    total = total + given * self.taps[found.col, width - 1 - other]
            above = total > 0
            pairs.append(np.unique(found.row[above] // length * size + found.col[above]))
        woken = np.unique(np.concatenate(pairs))
        owners = np.split(woken % size, np.searchsorted(woken // size, np.arange(1, count)))
        return [np.union1d(channels, self.always) for channels in owners]

    def _given(self, tokens: np.ndarray, channels: np.ndarray) -> np.ndarray:
        """The embedding's entries at (token, channel), 0 for a padding token."""
        wanted = tokens * len(self.bias) + channels
        at = np.minimum(np.searchsorted(self.places, wanted), len(self.places) - 1)
        return np.where((self.places[at] == wanted) & (tokens != ASLEEP), self.entries[at], 0.0)

    # --------------------------------------------------------------------------------------------- the block

    def logits(self, tokens: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """(number of True in asked, vocab_size) at the asked positions, in their order."""
        awake = self.awake(tokens)
        kinds = awake.kinds
        x = self._inputs(tokens, awake.slots)
        x += torch.from_numpy(self.kind_position[kinds])[:, None] * torch.arange(1, x.shape[-1] + 1, dtype=self.dtype)
        taps, bias = (torch.from_numpy(np.ascontiguousarray(part[kinds])) for part in (self.kind_taps, self.kind_bias))
        x_hat = torch.relu(ops.causal_conv1d(x, taps, bias))
        B, C = (self._mapped(matrix, awake.slots, x_hat) for matrix in (self.B, self.C))
        read = self.kind_read[kinds]
        u, slots = x_hat[:, read].contiguous(), awake.slots[:, read]
        if self.first and (u[..., 0].any() or asked[:, 0].any()):
            raise ValueError("A sequence here writes or asks at its first token: run the whole block.")
        rate = torch.full((u.shape[1], B.shape[1]), float(self.rate), dtype=self.dtype)
        y = ops.selective_scan(u, self._delta(x_hat, awake, slots), rate, B, C)
        if self.gated:
            y = y * torch.relu(x[:, read])
        return np.concatenate([self._read(*part) for part in zip(y.numpy(), slots, asked, strict=True)])

    def _inputs(self, tokens: np.ndarray, slots: np.ndarray) -> torch.Tensor:
        """The embedding of each slot's channel, (sequences, slots, length)."""
        count, length = tokens.shape
        if self.columns is not None:
            parts = [self.columns[mine].toarray()[:, row] for mine, row in zip(slots, tokens, strict=True)]
            return torch.from_numpy(np.stack(parts))
        where = np.full((count, len(self.bias) + 1), ASLEEP)
        np.put_along_axis(where, slots, np.arange(slots.shape[1])[None, :], axis=1)
        where[:, -1] = ASLEEP
        seen = self.embedding[tokens.ravel()].tocoo()
        slot = where[seen.row // length, seen.col]
        kept = slot != ASLEEP
        x = np.zeros((count, slots.shape[1], length), dtype=seen.dtype)
        x[seen.row[kept] // length, slot[kept], seen.row[kept] % length] = seen.data[kept]
        return torch.from_numpy(x)

    @staticmethod
    def _mapped(matrix: np.ndarray, slots: np.ndarray, x_hat: torch.Tensor) -> torch.Tensor:
        """matrix · x̂ of the awake channels, (sequences, rows, length)."""
        columns = np.flatnonzero((matrix[:, slots] != 0).any(axis=(0, 1)))
        chosen = torch.from_numpy(np.ascontiguousarray(matrix[:, slots[:, columns]].transpose(1, 0, 2)))
        return torch.bmm(chosen, x_hat[:, columns].contiguous())

    def _delta(self, x_hat: torch.Tensor, awake: Awake, slots: np.ndarray) -> torch.Tensor:
        constant = torch.full((len(slots), slots.shape[1], x_hat.shape[-1]), float(self.step), dtype=self.dtype)
        if self.patterns is None:
            return constant
        fed = self.kind_fed[awake.kinds]
        chosen = self.patterns[:, self.feeds[awake.slots[:, fed]]].transpose(0, 1).contiguous()
        sums = torch.bmm(chosen, x_hat[:, fed].contiguous())
        return constant + sums[np.arange(len(slots))[:, None], self.follows[slots]]

    def _read(self, y: np.ndarray, slots: np.ndarray, asked: np.ndarray) -> np.ndarray:
        head = self.head[slots]
        if head.nnz > DENSE * head.shape[0] * head.shape[1]:
            return y[:, asked].T @ head.toarray()
        return np.asarray((head.T @ y[:, asked]).T)

    def chunks(self, batch: Batch) -> Iterator[slice]:
        """Parts of a batch that fit the memory."""
        widest = max(1, len(self.awake(batch.tokens[: min(4, len(batch.tokens))]).kinds))
        size = int(np.clip(CHANNEL_STEPS // (widest * batch.tokens.shape[1]), 1, SEQUENCES))
        for start in range(0, len(batch.tokens), size):
            yield slice(start, start + size)

    def right(self, batch: Batch) -> np.ndarray:
        """(sequences,) whether a sequence is answered wholly; a tie is no answer."""
        found = []
        for part in self.chunks(batch):
            asked, targets = batch.queries[part], batch.targets[part]
            scores = self.logits(batch.tokens[part], asked)
            answers = targets[asked]
            own = scores[np.arange(len(answers)), answers]
            scores[np.arange(len(answers)), answers] = -np.inf
            wrong = np.zeros(asked.shape, dtype=bool)
            wrong[asked] = ~(own > scores.max(axis=1))
            found.append(~wrong.any(axis=1))
        return np.concatenate(found)
