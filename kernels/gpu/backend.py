"""The backend "triton": torch tensors in and out of the Triton kernels. Fixed configurations, no autotuning.

The paper's Δ^⊤, `selective_scan_delta_t`, has no kernel here: it runs on a CPU only, and says so of a CUDA tensor.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from mamba_theorems.kernels.arguments import S6, SSD, Convolution, StateUpdate
from mamba_theorems.kernels.backends import Backend
from mamba_theorems.kernels.chunked.scan import in_chunks
from mamba_theorems.kernels.cpu.backend import BACKEND as COMPILED
from mamba_theorems.kernels.gpu import conv as triton_conv
from mamba_theorems.kernels.gpu import s6 as triton_s6
from mamba_theorems.kernels.gpu import s6_backward as triton_s6_backward
from mamba_theorems.kernels.gpu import ssd as triton_ssd

BLOCK_D, BLOCK_T, NUM_WARPS = 2, 256, 4
CONV_BLOCK_D, CONV_BLOCK_T = 8, 128
SSD_CHUNK, SSD_BLOCK_P = 64, 32
OPTIONS = {"num_warps": NUM_WARPS, "enable_fp_fusion": triton_s6.FP_FUSION}


class Triton(Backend):
    """Fused scans and convolution with gradients, a step in whole-tensor operations; no Δ^⊤."""

    def selective_scan(self, s: S6) -> Any:
        """One launch."""
        require_device(s.u)
        B, C = s.matrices
        groups = max(B.shape[1], C.shape[1])
        B, C = (_spread(M, groups) for M in (B, C))
        starts = s.starts
        fresh = None if starts is None else starts.to(torch.int8)
        tensors = _wide(s.dtype, s.u, s.delta, s.A, B, C, s.D, s.z, s.delta_bias, s.initial_state)
        return s.result(*_TritonScan.apply(s.delta_softplus, fresh, *tensors))

    def ssd_chunk_scan(self, s: SSD) -> Any:
        """Chunks of SSD_CHUNK steps, whatever chunk_size asks for."""
        require_device(s.x)
        return in_chunks(s, _chunk_scan)

    def causal_conv1d(self, s: Convolution) -> Tensor:
        """Fused with SiLU. Raises ValueError for more taps than the kernel takes."""
        require_device(s.x)
        past, starts = s.weight.shape[1] - 1, s.starts
        if past >= 16:
            raise ValueError(f"weight has {past + 1} taps; the Triton convolution takes at most 16.")
        before = s.x.new_zeros(*s.x.shape[:2], past) if s.initial_states is None else s.initial_states
        tokens = torch.cat([before.to(s.dtype), s.x.to(s.dtype)], dim=-1)
        stretch = None if starts is None else functional.pad(starts.cumsum(-1), (past, 0)).to(torch.int32)
        y = _TritonConvolution.apply(tokens, *_wide(s.dtype, s.weight, s.bias), stretch, s.activation is not None)
        return y.to(s.x.dtype)

    def selective_state_update(self, s: StateUpdate) -> Tensor:
        """As on a CPU, in operations that every device has."""
        return COMPILED.selective_state_update(s)


def interpreted() -> bool:
    """Whether Triton runs its slow interpreter, which checks indexing and masks on a CPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def require_device(tensor: Tensor) -> None:
    """Raise ValueError where Triton cannot run on the tensor's device."""
    if tensor.device.type != "cuda" and not interpreted():
        raise ValueError(
            f'backend="triton" needs CUDA tensors, not {tensor.device}; use backend="cpu", '
            "or set TRITON_INTERPRET=1 before importing to check indexing."
        )


def _contiguous(tensor: Tensor | None, like: Tensor) -> Tensor:
    """Contiguous; a stand-in that is never read where there is no tensor."""
    return like.new_empty(1) if tensor is None else tensor.detach().contiguous()


def _wide(dtype: torch.dtype, *tensors: Tensor | None) -> list[Tensor | None]:
    return [None if t is None else t.to(dtype) for t in tensors]


# --------------------------------------------------------------------------------------------- S6


def _spread(M: Tensor, groups: int) -> Tensor:
    """B or C with as many groups: a constant matrix made every channel a group."""
    return M.expand(-1, groups, -1, -1) if M.shape[1] == 1 else M.repeat_interleave(groups // M.shape[1], dim=1)


class _Launch(NamedTuple):
    """What the forward and the backward kernel of S6 share."""

    grid: tuple[int, int, int]
    sizes: tuple[int, int, int, int]
    flags: dict[str, Any]


def _launch(softplus: bool, fresh: Tensor | None, tensors: Sequence[Tensor | None]) -> _Launch:
    u, _, A, B, _, D, z, bias, _ = tensors
    assert u is not None
    assert A is not None
    assert B is not None
    batch, d_inner, length = u.shape
    groups, d_state = B.shape[1], A.shape[1]
    flags = {
        "HAS_D": D is not None,
        "HAS_Z": z is not None,
        "HAS_BIAS": bias is not None,
        "HAS_FRESH": fresh is not None,
        "SOFTPLUS": softplus,
        "BLOCK_D": BLOCK_D,
        "BLOCK_T": min(BLOCK_T, triton.next_power_of_2(length)),
        "BLOCK_N": triton.next_power_of_2(d_state),
    }
    grid = (triton.cdiv(d_inner // groups, BLOCK_D), groups, batch)
    return _Launch(grid, (length, d_inner, groups, d_state), flags)


class _TritonScan(torch.autograd.Function):
    """y and the last state; everything in one dtype, B and C with groups."""

    @staticmethod
    def forward(ctx: Any, softplus: bool, fresh: Tensor | None, *tensors: Tensor | None) -> tuple[Tensor, Tensor]:
        u, A, z, initial = tensors[0], tensors[2], tensors[6], tensors[8]
        assert u is not None
        assert A is not None
        launch, save = _launch(softplus, fresh, tensors), any(ctx.needs_input_grad)
        inputs = [_contiguous(t, u) for t in tensors]
        y, last = torch.empty_like(inputs[0]), u.new_empty(u.shape[0], *A.shape)
        chunks = triton.cdiv(u.shape[2], launch.flags["BLOCK_T"])
        checkpoints = u.new_empty((*u.shape[:2], chunks, A.shape[1]) if save else 1)
        ungated = torch.empty_like(y) if save and z is not None else y
        buffers = (y, last, checkpoints, ungated)
        kernel = triton_s6.s6_forward[launch.grid]
        options = launch.flags | OPTIONS | {"HAS_INITIAL": initial is not None, "SAVE": save}
        kernel(*inputs, inputs[0] if fresh is None else fresh, *buffers, *launch.sizes, **options)
        ctx.save_for_backward(checkpoints, ungated, fresh, *tensors)
        ctx.softplus = softplus
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_bar: Tensor, last_bar: Tensor) -> tuple[Tensor | None, ...]:
        checkpoints, ungated, fresh, *tensors = ctx.saved_tensors
        u, _, A = tensors[:3]
        launch, batch = _launch(ctx.softplus, fresh, tensors), u.shape[0]
        inputs = [_contiguous(t, u) for t in tensors[:8]]
        saved = (inputs[0] if fresh is None else fresh, checkpoints, ungated, y_bar.contiguous(), last_bar.contiguous())
        u_bar, delta_bar, z_bar = (torch.empty_like(inputs[0]) for _ in range(3))
        B_bar, C_bar = torch.zeros_like(inputs[3]), torch.zeros_like(inputs[3])
        A_bar, initial_bar = u.new_empty(batch, *A.shape), u.new_empty(batch, *A.shape)
        D_bar, bias_bar = u.new_empty(batch, A.shape[0]), u.new_empty(batch, A.shape[0])
        results = (u_bar, delta_bar, A_bar, B_bar, C_bar, D_bar, z_bar, bias_bar, initial_bar)
        kernel = triton_s6_backward.s6_backward[launch.grid]
        kernel(*inputs, *saved, *results, *launch.sizes, **launch.flags, **OPTIONS)
        sums = {2: A_bar.sum(0), 5: D_bar.sum(0), 7: bias_bar.sum(0)}
        gradients = [sums.get(i, g) for i, g in enumerate(results)]
        return None, None, *(None if t is None else g for t, g in zip(tensors, gradients, strict=True))


# -------------------------------------------------------------------------------------------- SSD


def _chunk_scan(
    x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, initial_state: Tensor, chunk_size: int
) -> tuple[Tensor, Tensor]:
    return _TritonChunkScan.apply(x, log_decay, B, C, initial_state)


def _ssd_launch(x: Tensor, B: Tensor) -> _Launch:
    batch, length, nheads, headdim = x.shape
    groups, d_state = B.shape[2:]
    block_p = max(16, min(SSD_BLOCK_P, triton.next_power_of_2(headdim)))  # tl.dot takes no less than 16
    flags = {
        "Q": max(16, min(SSD_CHUNK, triton.next_power_of_2(length))),
        "BLOCK_P": block_p,
        "BLOCK_N": max(16, triton.next_power_of_2(d_state)),
    }
    grid = (triton.cdiv(headdim, block_p), nheads, batch)
    return _Launch(grid, (length, nheads, headdim, groups), flags | {"d_state": d_state})


class _TritonChunkScan(torch.autograd.Function):
    """`kernels.chunked.ssd.chunk_scan`, in Triton."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor, initial_state: Tensor
    ) -> tuple[Tensor, Tensor]:
        launch, save = _ssd_launch(x, B), any(ctx.needs_input_grad)
        inputs = [t.detach().contiguous() for t in (x, log_decay, B, C, initial_state)]
        y, last = torch.empty_like(inputs[0]), torch.empty_like(inputs[4])
        chunks = triton.cdiv(x.shape[1], launch.flags["Q"])
        batch, nheads, headdim, d_state = initial_state.shape
        checkpoints = x.new_empty((batch, nheads, chunks, headdim, d_state) if save else 1)
        kernel = triton_ssd.ssd_forward[launch.grid]
        kernel(*inputs, y, last, checkpoints, *launch.sizes, SAVE=save, **launch.flags, **OPTIONS)
        ctx.save_for_backward(checkpoints, *inputs[:4])
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_bar: Tensor, last_bar: Tensor) -> tuple[Tensor, ...]:
        checkpoints, *inputs = ctx.saved_tensors
        launch = _ssd_launch(inputs[0], inputs[2])
        results = (torch.empty_like(inputs[0]), *(torch.zeros_like(t) for t in inputs[1:]), torch.empty_like(last_bar))
        bars = (y_bar.contiguous(), last_bar.contiguous())
        kernel = triton_ssd.ssd_backward[launch.grid]
        kernel(
            *inputs, checkpoints, *bars, *(r.contiguous() for r in results), *launch.sizes, **launch.flags, **OPTIONS
        )
        return results


# ------------------------------------------------------------------------------------ convolution


class _TritonConvolution(torch.autograd.Function):
    """The convolution of tokens that are padded in front, optionally with SiLU."""

    @staticmethod
    def forward(
        ctx: Any, tokens: Tensor, weight: Tensor, bias: Tensor | None, stretch: Tensor | None, silu: bool
    ) -> Tensor:
        inputs = [_contiguous(t, tokens) for t in (tokens, weight, bias)]
        inputs.append(inputs[0] if stretch is None else stretch.contiguous())
        batch, dim, padded = tokens.shape
        length = padded - weight.shape[1] + 1
        flags = {"WIDTH": weight.shape[1], "HAS_BIAS": bias is not None, "PACKED": stretch is not None, "SILU": silu}
        flags |= {"BLOCK_D": CONV_BLOCK_D, "BLOCK_T": min(CONV_BLOCK_T, triton.next_power_of_2(length))}
        y = tokens.new_empty(batch, dim, length)
        grid = (triton.cdiv(length, flags["BLOCK_T"]), triton.cdiv(dim, CONV_BLOCK_D), batch)
        triton_conv.conv_forward[grid](*inputs, y, length, dim, **flags, **OPTIONS)
        ctx.save_for_backward(*inputs)
        ctx.flags = flags
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, y_bar: Tensor) -> tuple[Tensor | None, ...]:
        inputs = ctx.saved_tensors
        batch, dim, length = y_bar.shape
        tokens_bar = torch.zeros_like(inputs[0])
        weight_bar, bias_bar = y_bar.new_empty(batch, *inputs[1].shape), y_bar.new_empty(batch, dim)
        grid = (triton.cdiv(dim, CONV_BLOCK_D), batch)
        results = (tokens_bar, weight_bar, bias_bar)
        triton_conv.conv_backward[grid](*inputs, y_bar.contiguous(), *results, length, dim, **ctx.flags, **OPTIONS)
        return tokens_bar, weight_bar.sum(0), bias_bar.sum(0) if ctx.flags["HAS_BIAS"] else None, None, None


BACKEND = Triton()
