"""llama.cpp's scan on a CPU: ggml_ssm_scan and ggml_ssm_conv of the library that the package xllamacpp ships.

ggml's axes are written from the fastest, so that a contiguous tensor is read as it lies. Its scan applies softplus to Δ
always, and takes float32 only; D, z and the bias are added around it, as llama.cpp's graphs do. No gradients.
"""

import ctypes
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FLOAT32, INT32 = 0, 26
Pointer = ctypes.c_void_p


class _InitParams(ctypes.Structure):
    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", Pointer), ("no_alloc", ctypes.c_bool))


def _library() -> ctypes.CDLL:
    spec = find_spec("xllamacpp")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'xllamacpp'", name="xllamacpp")
    library = ctypes.CDLL(str(next(Path(spec.origin).parent.glob("xllamacpp.*.so"))))
    library.ggml_init.argtypes, library.ggml_init.restype = (_InitParams,), Pointer
    for name, count in (("new_graph", 1), ("get_data", 1), ("ssm_scan", 8), ("ssm_conv", 3)):
        function = getattr(library, f"ggml_{name}")
        function.argtypes, function.restype = (Pointer,) * count, Pointer
    library.ggml_ssm_scan.argtypes = (Pointer,) * 8 + (ctypes.c_int64,)
    library.ggml_new_tensor_4d.argtypes = (Pointer, ctypes.c_int, *(ctypes.c_int64,) * 4)
    library.ggml_new_tensor_4d.restype = Pointer
    library.ggml_nelements.argtypes, library.ggml_nelements.restype = (Pointer,), ctypes.c_int64
    library.ggml_build_forward_expand.argtypes = (Pointer, Pointer)
    library.ggml_free.argtypes = (Pointer,)
    library.ggml_graph_compute_with_ctx.argtypes = (Pointer, Pointer, ctypes.c_int)
    library.ggml_cpu_init()
    return library


_GGML = _library()


def _computed(operation: str, *inputs: Tensor, more: tuple[int, ...] = ()) -> Tensor:
    """The result of one ggml operation, flat; the inputs' shapes are ggml's, from the slowest axis."""
    if any(m.requires_grad for m in inputs) and torch.is_grad_enabled():
        raise NotImplementedError("ggml's scan has no gradients")
    size = sum(m.numel() for m in inputs)
    context = _GGML.ggml_init(_InitParams(64 * size + (1 << 22), None, False))
    try:
        theirs = [_tensor(context, m) for m in inputs]
        result = getattr(_GGML, f"ggml_{operation}")(context, *theirs, *more)
        graph = _GGML.ggml_new_graph(context)
        _GGML.ggml_build_forward_expand(graph, result)
        if _GGML.ggml_graph_compute_with_ctx(context, graph, torch.get_num_threads()):
            raise RuntimeError(f"ggml_{operation} failed")
        found = torch.empty(_GGML.ggml_nelements(result), dtype=torch.float32)
        ctypes.memmove(found.data_ptr(), _GGML.ggml_get_data(result), found.nbytes)
        return found
    finally:
        _GGML.ggml_free(context)


def _tensor(context: Any, m: Tensor) -> Any:
    if m.dtype not in (torch.float32, torch.int32):
        raise NotImplementedError("ggml's scan takes float32")
    sizes = [*reversed(m.shape), *[1] * (4 - m.ndim)]
    made = _GGML.ggml_new_tensor_4d(context, FLOAT32 if m.dtype == torch.float32 else INT32, *sizes)
    m = m.detach().contiguous()
    ctypes.memmove(_GGML.ggml_get_data(made), m.data_ptr(), m.nbytes)
    return made


def _scanned(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, state: Tensor | None, softplus: bool
) -> tuple[Tensor, Tensor]:
    """x (batch, L, heads, headdim), dt (batch, L, heads), A (heads, d_state or 1), B, C (batch, L, groups, d_state)."""
    if not softplus:
        raise NotImplementedError("ggml's scan applies softplus to the time step always")
    batch, _, heads, headdim = x.shape
    shape = (batch, heads, headdim, B.shape[-1])
    state = torch.zeros(shape) if state is None else state
    ids = torch.arange(batch, dtype=torch.int32)
    found = _computed("ssm_scan", state, x, dt, A, B, C, ids, more=(1,))  # of states, the last one
    return found[: x.numel()].reshape(x.shape), found[x.numel() :].reshape(shape)


def _around(y: Tensor, x: Tensor, D: Tensor | None, z: Tensor | None) -> Tensor:
    """D·x and the gate, which llama.cpp's graphs add to the scan's result, as they do."""
    y = y if D is None else y + D * x
    return y if z is None else y * functional.silu(z)


def ssd_chunk_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, *, D: Tensor | None = None, z: Tensor | None = None,
    dt_bias: Tensor | None = None, initial_states: Tensor | None = None, dt_softplus: bool = False,
    return_final_states: bool = False,
) -> Any:  # fmt: skip
    """ggml_ssm_scan with one rate a head."""
    step = dt if dt_bias is None else dt + dt_bias
    y, last = _scanned(x, step, A[:, None], B, C, initial_states, dt_softplus)
    y = _around(y, x, D if D is None or D.ndim == 2 else D[:, None], z)
    return (y, last) if return_final_states else y


def selective_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None, z: Tensor | None = None,
    delta_bias: Tensor | None = None, delta_softplus: bool = False, return_last_state: bool = False,
    *, initial_state: Tensor | None = None,
) -> Any:  # fmt: skip
    """ggml_ssm_scan with a head a channel, and a rate a state."""
    if B.ndim == 2 or C.ndim == 2:
        raise NotImplementedError("ggml's scan takes no constant B or C")
    B, C = ((M[:, None] if M.ndim == 3 else M).permute(0, 3, 1, 2) for M in (B, C))
    step = delta if delta_bias is None else delta + delta_bias[:, None]
    start = None if initial_state is None else initial_state[:, :, None]
    y, last = _scanned(u.mT[..., None], step.mT, A, B, C, start, delta_softplus)
    y, last = _around(y[..., 0].mT, u, None if D is None else D[:, None], z), last[:, :, 0]
    return (y, last) if return_last_state else y


def causal_conv1d(x: Tensor, weight: Tensor, *, initial_states: Tensor | None = None) -> Tensor:
    """ggml_ssm_conv, which takes the tokens before x with x."""
    past, (batch, dim, length) = weight.shape[1] - 1, x.shape
    before = x.new_zeros(batch, dim, past) if initial_states is None else initial_states
    found = _computed("ssm_conv", torch.cat([before, x], -1), weight)
    return found.reshape(batch, length, dim).mT


def selective_state_update(
    state: Tensor, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None,
    z: Tensor | None = None, dt_bias: Tensor | None = None, dt_softplus: bool = False,
) -> Tensor:  # fmt: skip
    """ggml_ssm_scan of one token, for states without heads."""
    if state.ndim == 4:
        raise NotImplementedError("one rate a head: ggml's scan takes no (heads, headdim, d_state) of them")
    step = dt if dt_bias is None else dt + dt_bias
    B, C = B[:, None, None], C[:, None, None]
    y, last = _scanned(x[:, None, :, None], step[:, None], A, B, C, state[:, :, None], dt_softplus)
    state.copy_(last[:, :, 0])
    return _around(y[:, 0, :, 0], x, D, z)
