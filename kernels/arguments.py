"""The arguments of an operation as one record, checked once and then handed to a backend.

A record's fields are the parameters of the operation of its name in `kernels.ops`, with their shapes and defaults. An
argument that does not fit raises one clear sentence: what it is, and what it should be.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from mamba_theorems.kernels import confined
from mamba_theorems.kernels.dtypes import DTYPES

DTYPE_NAMED = {name: getattr(torch, name) for name in DTYPES}
FLOATS = (torch.float16, torch.bfloat16, *DTYPE_NAMED.values())
_FLOAT_NAMES = ", ".join(str(dtype).removeprefix("torch.") for dtype in FLOATS)
NO_LIMIT = (0.0, float("inf"))
Axis = tuple[str, int | None]  # of size None: any size ≥ 1
Axes = Sequence[Axis]


class Arguments:
    """What all records have: their operation, its main signal, and the call as the field writes it."""

    operation: ClassVar[str]
    signal: ClassVar[str]  # the argument whose device and dtype the result has
    positional: ClassVar[int]  # so many arguments are given by place, the others by name where they are no default

    @property
    def like(self) -> Tensor:
        """The main signal."""
        return getattr(self, self.signal)

    @property
    def tensors(self) -> list[Tensor]:
        """Every tensor that was given."""
        return [value for value in vars(self).values() if isinstance(value, Tensor)]

    @cached_property
    def dtype(self) -> torch.dtype:
        """The dtype of the accumulation: float64 where any argument is, else float32."""
        return torch.float64 if torch.float64 in [t.dtype for t in self.tensors] else torch.float32

    @property
    def needs_gradients(self) -> bool:
        """Whether somebody will differentiate the result."""
        given = (value for value in vars(self).values() if isinstance(value, Tensor))
        return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)

    @property
    def return_last_state(self) -> bool:
        """Whether the last state is asked for beside y."""
        return False

    @property
    def starts(self) -> Tensor | None:
        """Where a packed sequence begins after another, (batch, L) bool."""
        return sequence_starts(getattr(self, "seq_idx", None))

    def check(self) -> None:
        """Raise TypeError or ValueError that names the argument."""
        raise NotImplementedError

    def call(self, function: Callable[..., Any]) -> Any:
        """The result of a function with the field's signature, which need not know an option that is not used."""
        values = [(field, getattr(self, field.name)) for field in fields(self)]  # type: ignore[arg-type]
        by_place, others = values[: self.positional], values[self.positional :]
        by_name = {f.name: value for f, value in others if isinstance(value, Tensor) or value != f.default}
        return function(*(value for _, value in by_place), **by_name)

    def result(self, y: Tensor, last: Tensor) -> Any:
        """y in the signal's dtype and on its device; with the last state where that was asked for."""
        y = y.to(self.like.device, self.like.dtype)
        return (y, last.to(self.like.device)) if self.return_last_state else y

    def _check(self, name: str, *alternatives: Axes) -> None:
        """Check a tensor; None passes where it is the default, which a class keeps as an attribute."""
        value = getattr(self, name)
        if value is not None or not hasattr(type(self), name):
            check_tensor(name, value, *alternatives, like=getattr(self, self.signal))


@dataclass(frozen=True, eq=False)
class S6(Arguments):
    """Of `kernels.ops.selective_scan`."""

    operation, signal, positional = "selective_scan", "u", 10

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None = None
    z: Tensor | None = None
    delta_bias: Tensor | None = None
    delta_softplus: bool = False
    return_last_state: bool = False
    initial_state: Tensor | None = None
    seq_idx: Tensor | None = None

    def check(self) -> None:
        """Raise TypeError or ValueError that names the argument."""
        self._check("u", [("batch", None), ("d_inner", None), ("L", None)])
        batch, d_inner, length = zip(("batch", "d_inner", "L"), self.u.shape, strict=True)
        self._check("delta", [batch, d_inner, length])
        self._check("A", [d_inner, ("d_state", None)])
        d_state, groups = ("d_state", self.A.shape[1]), ("groups", None)
        for name, value in (("B", self.B), ("C", self.C)):
            self._check(name, [batch, d_state, length], [batch, groups, d_state, length], [d_inner, d_state])
            if value.ndim == 4:
                check_group_count(name, value.shape[1], self.u.shape[1], "d_inner")
        self._check("D", [d_inner])
        self._check("z", [batch, d_inner, length])
        self._check("delta_bias", [d_inner])
        self._check("initial_state", [batch, d_inner, d_state])
        check_seq_idx(self.seq_idx, self.u.shape[0], self.u.shape[2], self.u.device)

    @property
    def matrices(self) -> list[Tensor]:
        """B and C as (batch, groups, N, L): constants (d_inner, N) make every channel a group of its own."""
        shape = (self.u.shape[0], -1, -1, self.u.shape[2])
        return [
            M[None, :, :, None].expand(shape) if M.ndim == 2 else M if M.ndim == 4 else M[:, None]
            for M in (self.B, self.C)
        ]


@dataclass(frozen=True, eq=False)
class DeltaT(Arguments):
    """Of `kernels.ops.selective_scan_delta_t`."""

    operation, signal, positional = "selective_scan_delta_t", "u", 8

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None = None
    z: Tensor | None = None
    return_last_state: bool = False
    initial_state: Tensor | None = None
    seq_idx: Tensor | None = None

    def check(self) -> None:
        """Raise TypeError or ValueError that names the argument."""
        state = (self.initial_state, self.seq_idx)
        S6(self.u, self.u, self.A, self.B, self.C, self.D, self.z, None, False, False, *state).check()
        axes = [("batch", self.u.shape[0]), ("d_state", self.A.shape[1]), ("L", self.u.shape[2])]
        for name in ("delta", "B", "C"):
            self._check(name, axes)


@dataclass(frozen=True, eq=False)
class SSD(Arguments):
    """Of `kernels.ops.ssd_chunk_scan`."""

    operation, signal, positional = "ssd_chunk_scan", "x", 6

    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    chunk_size: int = 64
    D: Tensor | None = None
    z: Tensor | None = None
    dt_bias: Tensor | None = None
    initial_states: Tensor | None = None
    seq_idx: Tensor | None = None
    dt_softplus: bool = False
    dt_limit: tuple[float, float] = NO_LIMIT
    return_final_states: bool = False

    def check(self) -> None:
        """Raise TypeError or ValueError that names the argument."""
        names = ("batch", "L", "nheads", "headdim")
        self._check("x", [(name, None) for name in names])
        batch, length, nheads, headdim = zip(names, self.x.shape, strict=True)
        self._check("dt", [batch, length, nheads])
        self._check("A", [nheads])
        self._check("B", [batch, length, ("groups", None), ("d_state", None)])
        groups, d_state = ("groups", self.B.shape[2]), ("d_state", self.B.shape[3])
        self._check("C", [batch, length, groups, d_state])
        check_group_count("B", self.B.shape[2], self.x.shape[2], "nheads")
        self._check("D", [nheads], [nheads, headdim])
        self._check("z", [batch, length, nheads, headdim])
        self._check("dt_bias", [nheads])
        self._check("initial_states", [batch, nheads, headdim, d_state])
        check_sizes(chunk_size=self.chunk_size)
        check_dt_limit(self.dt_limit)
        check_seq_idx(self.seq_idx, self.x.shape[0], self.x.shape[1], self.x.device)

    @property
    def return_last_state(self) -> bool:
        """`return_final_states`, by the name that the other scans have for it."""
        return self.return_final_states

    @property
    def skip(self) -> Tensor | None:
        """D as (nheads, headdim), or (nheads, 1) where a head's channels share it."""
        return self.D if self.D is None or self.D.ndim == 2 else self.D[:, None]


@dataclass(frozen=True, eq=False)
class Convolution(Arguments):
    """Of `kernels.ops.causal_conv1d`, whose final states need no backend."""

    operation, signal, positional = "causal_conv1d", "x", 5

    x: Tensor
    weight: Tensor
    bias: Tensor | None = None
    seq_idx: Tensor | None = None
    activation: str | None = None
    initial_states: Tensor | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """Those that the accumulation's dtype depends on: the tokens before the first are as wide as the others."""
        return [value for value in (self.x, self.weight, self.bias) if value is not None]

    def check(self) -> None:
        """Raise TypeError or ValueError that names the argument."""
        self._check("x", [("batch", None), ("dim", None), ("L", None)])
        batch, dim, length = self.x.shape
        self._check("weight", [("dim", dim), ("width", None)])
        self._check("bias", [("dim", dim)])
        self._check("initial_states", [("batch", batch), ("dim", dim), ("width - 1", self.weight.shape[1] - 1)])
        if self.activation not in (None, "silu", "swish"):
            raise ValueError(f"activation must be None, 'silu' or 'swish', not {self.activation!r}.")
        check_seq_idx(self.seq_idx, batch, length, self.x.device)


@dataclass(frozen=True, eq=False)
class StateUpdate(Arguments):
    """Of `kernels.ops.selective_state_update`; `state` is advanced in place."""

    operation, signal, positional = "selective_state_update", "x", 10

    state: Tensor
    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor | None = None
    z: Tensor | None = None
    dt_bias: Tensor | None = None
    dt_softplus: bool = False

    def check(self) -> None:
        """Raise TypeError or ValueError that names the argument."""
        self._check("x", [("batch", None), ("dim", None)], [("batch", None), ("nheads", None), ("dim", None)])
        batch, *channels = self.x.shape
        axes: list[Axis] = [("batch", batch), *((f"axis {i}", n) for i, n in enumerate(channels, 1))]
        self._check("state", [*axes, ("d_state", None)])
        d_state, groups = ("d_state", self.state.shape[-1]), [("groups", None)] * (self.x.ndim - 2)
        self._check("dt", axes)
        self._check("A", [*axes[1:], d_state])
        for name in ("B", "C"):
            self._check(name, [axes[0], *groups, d_state])
        self._check("D", axes[1:])
        self._check("z", axes)
        self._check("dt_bias", axes[1:])


RECORDS: tuple[type[Arguments], ...] = (S6, DeltaT, SSD, Convolution, StateUpdate)


# --- what several backends make of them ------------------------------------------------------------------------------


def sequence_starts(seq_idx: Tensor | None) -> Tensor | None:
    """Where a packed sequence begins after another, (batch, L) bool."""
    return None if seq_idx is None else functional.pad(seq_idx[:, 1:] != seq_idx[:, :-1], (1, 0))


def time_steps(s: S6 | SSD | StateUpdate) -> Tensor:
    """Δ = clamp(softplus(dt + dt_bias)), in the dtype of the accumulation; SSD's alone is clamped."""
    if isinstance(s, S6):
        dt, softplus = s.delta, s.delta_softplus
        bias = None if s.delta_bias is None else s.delta_bias[:, None]
    else:
        dt, bias, softplus = s.dt, s.dt_bias, s.dt_softplus
    step = dt.to(s.dtype)
    step = step if bias is None else step + bias.to(step.dtype)
    step = confined.softplus(step) if softplus else step
    if not isinstance(s, SSD) or (softplus and tuple(s.dt_limit) == NO_LIMIT):  # a softplus is in (0, ∞)
        return step
    return step.clamp(*s.dt_limit)


# --- checks of one argument ------------------------------------------------------------------------------------------


def check_tensor(name: str, tensor: Tensor, *alternatives: Axes, like: Tensor) -> None:
    """Raise unless `tensor` is a float tensor on `like`'s device with one of the named shapes.

    Raises TypeError for what is no float tensor, ValueError for a wrong shape or device.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, not {type(tensor).__name__}.")
    if tensor.dtype not in FLOATS:
        raise TypeError(f"{name} must be a float tensor ({_FLOAT_NAMES}), not {tensor.dtype}.")
    if tensor.device != like.device:
        raise ValueError(f"{name} is on {tensor.device}, but the first argument is on {like.device}; move one of them.")
    if not any(_fits(tensor.shape, axes) for axes in alternatives):
        axes = next((axes for axes in alternatives if len(axes) == tensor.ndim), None)
        if axes is not None and 0 in tensor.shape:
            found = describe([(axis, size) for (axis, _), size in zip(axes, tensor.shape, strict=True)])
            raise ValueError(f"{name} is empty: {found}; every size must be at least 1.")
        expected = " or ".join(describe(axes) for axes in alternatives)
        raise ValueError(f"{name} must have shape {expected}, not {tuple(tensor.shape)}.")


def _fits(shape: Sequence[int], axes: Axes) -> bool:
    return len(shape) == len(axes) and all(map(_agree, shape, axes))


def _agree(size: int, axis: Axis) -> bool:
    return size >= 1 if axis[1] is None else size == axis[1]


def describe(axes: Axes) -> str:
    """`(batch, d_inner, L) = (2, 8, any)`."""
    names = ", ".join(name for name, _ in axes)
    sizes = ", ".join("any" if size is None else str(size) for _, size in axes)
    return f"({names}) = ({sizes})"


def check_seq_idx(seq_idx: Tensor | None, batch: int, length: int, device: torch.device) -> None:
    """Raise unless seq_idx is an integer tensor (batch, L) on the device of the others."""
    if seq_idx is None:
        return
    needed = f"seq_idx must be an int32 or int64 tensor of shape (batch, L) = ({batch}, {length})"
    if not isinstance(seq_idx, Tensor):
        raise TypeError(f"{needed}, not a {type(seq_idx).__name__}.")
    if seq_idx.dtype not in (torch.int32, torch.int64) or tuple(seq_idx.shape) != (batch, length):
        raise ValueError(f"{needed}, not {seq_idx.dtype} of shape {tuple(seq_idx.shape)}.")
    if seq_idx.device != device:
        raise ValueError(f"seq_idx is on {seq_idx.device}, but the first argument is on {device}; move one of them.")


def check_rows(indices: Any, state: Tensor, x: Tensor) -> None:
    """Raise unless state_batch_indices are different rows of `state`, or −1, as many as x has; a GPU's are not read."""
    needed = f"state_batch_indices must be an int32 or int64 tensor of shape (batch) = ({x.shape[0]})"
    if not isinstance(indices, Tensor):
        raise TypeError(f"{needed}, not a {type(indices).__name__}.")
    if indices.dtype not in (torch.int32, torch.int64) or tuple(indices.shape) != (x.shape[0],):
        raise ValueError(f"{needed}, not {indices.dtype} of shape {tuple(indices.shape)}.")
    if indices.device.type == "cpu" and not torch.compiler.is_compiling():
        found = indices.tolist()
        rows, last = [row for row in found if row != -1], state.shape[0] - 1
        if len(set(rows)) < len(rows) or not all(0 <= row <= last for row in rows):
            raise ValueError(f"state_batch_indices must be different rows of 0 … {last}, or -1, not {found}.")


def check_dt_limit(dt_limit: Any) -> None:
    """Raise ValueError unless it is a pair (least, largest)."""
    if not isinstance(dt_limit, tuple | list) or len(dt_limit) != 2 or not dt_limit[0] <= dt_limit[1]:
        raise ValueError(f"dt_limit must be a pair (least, largest) with least ≤ largest, not {dt_limit}.")


def check_group_count(name: str, groups: int, channels: int, channel_name: str) -> None:
    """Raise ValueError unless the channels split evenly into groups."""
    if channels % groups:
        raise ValueError(f"{name} has {groups} groups, which do not divide {channel_name} = {channels}.")


def check_sizes(**sizes: int) -> None:
    """Raise ValueError for a size below 1: `d_state must be at least 1, not -3.`"""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, not {size}.")
