"""What every block takes beside its input: packed sequences, padding, the state of an earlier part, a cache."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mamba_theorems.kernels.arguments import check_tensor
from mamba_theorems.kernels.packed import Packed, with_padding

ELSEWHERE = {
    "use_fast_path": "backend= chooses what runs",
    "use_mem_eff_path": "backend= chooses what runs",
    "d_ssm": "every channel goes through the SSM, and d_inner= is their number",
    "process_group": "a block runs on one device",
    "sequence_parallel": "a block runs on one device",
    "seqlen": "its input has shape (batch, L, d_model)",
    "max_seqlen": "cu_seqlens tells it",
    "position_ids": "its mixers know no positions",
    "num_last_tokens": "cut the logits",
}
"""Arguments of the official blocks that ours lack, and what to do instead."""


class State(NamedTuple):
    """What a block remembers: its last inputs (batch, channels, ·), as many as its taps, and the SSM's state."""

    conv: Tensor
    ssm: Tensor


def own(state: State) -> State:
    """The state; a copy where gradients may be wanted: what is changed in place later could not be differentiated."""
    return State(*(m.clone() for m in state)) if torch.is_grad_enabled() else state


class Block(nn.Module):
    """(batch, L, d_model) → (batch, L, d_model); subclasses say how, in `run`."""

    d_model: int
    layer_idx: int | None = None

    def forward(
        self,
        hidden_states: Float[Tensor, "batch length d_model"],
        seq_idx: Int[Tensor, "batch length"] | None = None,
        state: State | None = None,
        return_last_state: bool = False,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Int[Tensor, " bounds"] | None = None,
        inference_params: Any = None,
        **unknown: Any,
    ) -> Any:
        """The block's output; with return_last_state also the State after the last token.

        Where seq_idx changes, convolution and state start afresh; `state` continues an earlier sequence. Where seq_idx
        is negative, or attention_mask 0, there is padding: its output is 0, and it changes no state. cu_seqlens
        (0, …, L) cuts a batch of 1 into sequences, each with its own state, beside seq_idx or instead of it.
        inference_params is mamba_ssm's cache, with key_value_memory_dict and seqlen_offset; it needs layer_idx. Raises
        TypeError or ValueError that names what does not fit.
        """
        self.refuse(unknown)
        batch, length = self.check(hidden_states)
        if cu_seqlens is not None:
            if attention_mask is not None:
                raise ValueError("cu_seqlens tells the sequences: leave attention_mask out.")
            packed = Packed(cu_seqlens, batch, length, seq_idx)
            if state is not None or return_last_state or inference_params is not None:
                return self._by_rows(packed, hidden_states, state, return_last_state, inference_params)
            seq_idx = packed.seq_idx
        seq_idx = with_padding(seq_idx, attention_mask, batch, length)
        if inference_params is not None:
            return self._cached(hidden_states, seq_idx, return_last_state, inference_params)
        if seq_idx is None:
            return self.run(hidden_states, None, state, return_last_state)
        if not isinstance(seq_idx, Tensor) or tuple(seq_idx.shape) != (batch, length):
            found = tuple(seq_idx.shape) if isinstance(seq_idx, Tensor) else type(seq_idx).__name__
            raise ValueError(f"seq_idx must be a tensor of shape (batch, L) = ({batch}, {length}), not {found}.")
        real = (seq_idx >= 0)[..., None]
        result = self.run(torch.where(real, hidden_states, 0), seq_idx, state, return_last_state)
        if return_last_state:
            return torch.where(real, result[0], 0), result[1]
        return torch.where(real, result, 0)

    def run(self, x: Tensor, seq_idx: Tensor | None, state: State | None, return_last_state: bool) -> Any:
        """The block on arguments that fit; with return_last_state also the State."""
        raise NotImplementedError

    def step(self, hidden_states: Float[Tensor, "batch length d_model"], conv_state: Tensor, ssm_state: Tensor) -> Any:
        """Decode one token or several: their outputs, and the two states, advanced in place."""
        before = own(State(conv_state, ssm_state))
        out, last = self.forward(hidden_states, state=before, return_last_state=True)
        conv_state.copy_(last.conv)
        ssm_state.copy_(last.ssm)
        return out, conv_state, ssm_state

    def check(self, hidden_states: Tensor) -> tuple[int, int]:
        """Batch and L. Raises TypeError or ValueError where the input has another shape than (batch, L, d_model)."""
        axes = [("batch", None), ("L", None), ("d_model", self.d_model)]
        check_tensor("hidden_states", hidden_states, axes, like=next(self.parameters()))
        return hidden_states.shape[0], hidden_states.shape[1]

    def refuse(self, unknown: dict[str, Any]) -> None:
        """Raise TypeError for an argument that the block does not have."""
        name = type(self).__name__
        for argument in unknown:
            if argument in ELSEWHERE:
                raise TypeError(f"{name} takes no {argument} yet: {ELSEWHERE[argument]}.")
            raise TypeError(f"{name} has no argument {argument!r}.")

    def _cached(self, x: Tensor, seq_idx: Tensor | None, return_last_state: bool, inference_params: Any) -> Any:
        """From the cache where tokens were seen before, else from nothing; the State is left in the cache."""
        cache, layer = inference_params.key_value_memory_dict, self.layer_idx
        if layer is None:
            raise ValueError(f"{type(self).__name__} needs layer_idx= to find its state in inference_params.")
        state = own(State(*cache[layer])) if inference_params.seqlen_offset > 0 else None
        out, last = self.forward(x, seq_idx, state, True)
        kept = cache.get(layer)
        if kept is not None and all(a.shape == b.shape for a, b in zip(kept, last, strict=True)):
            for old, new in zip(kept, last, strict=True):  # in place, for whoever holds the cache
                old.copy_(new)
        else:
            cache[layer] = last
        return (out, last) if return_last_state else out

    def _by_rows(
        self, packed: Packed, x: Tensor, state: State | None, return_last_state: bool, inference_params: Any
    ) -> Any:
        """Packed sequences as the rows of a batch, so that each has its own state."""
        at, real = packed.rows
        options = {"attention_mask": real, "inference_params": inference_params}
        result = self.forward(x[0, at], None, state, return_last_state, **options)
        y, *last = result if return_last_state else (result,)
        return (y[real][None], *last) if last else y[real][None]
