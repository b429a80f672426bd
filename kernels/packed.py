"""Which tokens of a batch belong together, and which are padding: attention_mask and cu_seqlens as a seq_idx."""

import torch
from torch import Tensor

from mamba_theorems.kernels.arguments import check_seq_idx


def with_padding(seq_idx: Tensor | None, attention_mask: Tensor | None, batch: int, length: int) -> Tensor | None:
    """seq_idx (batch, L), −1 where attention_mask (batch, L) is 0; None where there is neither.

    Raises TypeError or ValueError for a mask that is no (batch, L) tensor.
    """
    if attention_mask is None:
        return seq_idx
    if not isinstance(attention_mask, Tensor):
        raise TypeError(f"attention_mask must be a torch.Tensor, not {type(attention_mask).__name__}.")
    if tuple(attention_mask.shape) != (batch, length):
        shape = tuple(attention_mask.shape)
        raise ValueError(f"attention_mask must have shape (batch, L) = ({batch}, {length}), not {shape}.")
    own = torch.zeros_like(attention_mask, dtype=torch.int64) if seq_idx is None else seq_idx
    return own.masked_fill(attention_mask == 0, -1)


class Packed:
    """Sequences one after another in a batch of 1, by their bounds cu_seqlens = (0, …, L); some may be empty.

    The field gives seq_idx beside the bounds, and both must tell the same sequences. Raises TypeError or ValueError for
    bounds that are none of L tokens, or for another seq_idx.
    """

    def __init__(self, cu_seqlens: Tensor, batch: int, length: int, seq_idx: Tensor | None = None) -> None:
        if not isinstance(cu_seqlens, Tensor):
            raise TypeError(f"cu_seqlens must be a torch.Tensor, not {type(cu_seqlens).__name__}.")
        if cu_seqlens.dtype not in (torch.int32, torch.int64) or cu_seqlens.ndim != 1 or cu_seqlens.numel() < 2:
            raise ValueError("cu_seqlens must be an int32 or int64 tensor of shape (number of sequences + 1).")
        if batch != 1:
            raise ValueError(f"cu_seqlens cuts a batch of 1 into sequences, not a batch of {batch}.")
        bounds = cu_seqlens.long()
        if not torch.compiler.is_compiling() and (
            bounds[0] != 0 or bounds[-1] != length or bool((bounds.diff() < 0).any())
        ):
            raise ValueError(f"cu_seqlens must rise from 0 to L = {length}, not {bounds.tolist()}.")
        self.bounds, self.length = bounds, length
        if seq_idx is not None:
            self._agree(seq_idx)

    def _agree(self, seq_idx: Tensor) -> None:
        check_seq_idx(seq_idx, 1, self.length, self.bounds.device)
        if seq_idx.device.type == "cpu" and not torch.compiler.is_compiling():
            same = torch.equal(seq_idx.diff() != 0, self.seq_idx.diff() != 0)
            if not same or bool((seq_idx < 0).any()):
                raise ValueError("seq_idx and cu_seqlens tell different sequences: leave one of them out.")

    @property
    def seq_idx(self) -> Tensor:
        """(1, L): the number of each token's sequence."""
        place = torch.arange(self.length, device=self.bounds.device)
        return (torch.searchsorted(self.bounds, place, right=True) - 1)[None]

    @property
    def rows(self) -> tuple[Tensor, Tensor]:
        """The place of each token in a batch with one row a sequence, (number, longest), and where there is one."""
        lengths = self.bounds.diff()
        place = torch.arange(int(lengths.max()), device=self.bounds.device)
        real = place < lengths[:, None]
        return torch.where(real, self.bounds[:-1, None] + place, 0), real

    @property
    def with_tokens(self) -> Tensor:
        """The numbers of the sequences that are not empty."""
        return self.bounds.diff().nonzero()[:, 0]
