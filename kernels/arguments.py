"""Argument checks: one clear sentence that names the argument, what it is and what it should be."""

from collections.abc import Sequence

import torch
from torch import Tensor

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
Axes = Sequence[tuple[str, int | None]]  # an axis of size None may have any size ≥ 1


def check_tensor(name: str, tensor: Tensor, *alternatives: Axes, like: Tensor) -> None:
    """Raise unless `tensor` is a float tensor on `like`'s device with one of the named shapes.

    Raises TypeError for what is no float tensor, ValueError for a wrong shape or device.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, not {type(tensor).__name__}.")
    if tensor.dtype not in FLOATS:
        raise TypeError(f"{name} must be a float tensor (float16, bfloat16, float32, float64), not {tensor.dtype}.")
    if tensor.device != like.device:
        raise ValueError(f"{name} is on {tensor.device}, but the first argument is on {like.device}; move one of them.")
    if not any(_fits(tensor, axes) for axes in alternatives):
        expected = " or ".join(describe(axes) for axes in alternatives)
        raise ValueError(f"{name} must have shape {expected}, not {tuple(tensor.shape)}.")


def _fits(tensor: Tensor, axes: Axes) -> bool:
    sizes = zip(tensor.shape, axes, strict=False)
    return tensor.ndim == len(axes) and all(n >= 1 if size is None else n == size for n, (_, size) in sizes)


def describe(axes: Axes) -> str:
    """`(batch, d_inner, L) = (2, 8, any)`."""
    names = ", ".join(name for name, _ in axes)
    sizes = ", ".join("any" if size is None else str(size) for _, size in axes)
    return f"({names}) = ({sizes})"


def check_no_nan(name: str, tensor: Tensor) -> None:
    """Raise ValueError where a CPU tensor holds a NaN; on a GPU nothing is read back."""
    if tensor.device.type == "cpu" and torch.isnan(tensor.sum()) and torch.isnan(tensor).any():
        first = tuple(torch.isnan(tensor).nonzero()[0].tolist())
        raise ValueError(f"{name} holds a NaN, first at index {first}; every later state would be NaN.")


def check_seq_idx(seq_idx: Tensor | None, batch: int, length: int) -> None:
    """Raise unless seq_idx is an integer tensor (batch, L)."""
    if seq_idx is None:
        return
    if seq_idx.dtype not in (torch.int32, torch.int64) or tuple(seq_idx.shape) != (batch, length):
        raise ValueError(
            f"seq_idx must be an int32 or int64 tensor of shape (batch, L) = ({batch}, {length}), "
            f"not {seq_idx.dtype} of shape {tuple(seq_idx.shape)}."
        )


def check_group_count(name: str, groups: int, channels: int, channel_name: str) -> None:
    """Raise ValueError unless the channels split evenly into groups."""
    if channels % groups:
        raise ValueError(f"{name} has {groups} groups, which do not divide {channel_name} = {channels}.")


def check_sizes(**sizes: int) -> None:
    """Raise ValueError for a size below 1: `d_state must be at least 1, not -3.`"""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, not {size}.")


def compute_dtype(*tensors: Tensor | None) -> torch.dtype:
    """The dtype of the accumulation: float64 where any argument is, else float32."""
    wide = any(t is not None and t.dtype == torch.float64 for t in tensors)
    return torch.float64 if wide else torch.float32
