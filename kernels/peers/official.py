"""The public reference functions of mamba_ssm and causal_conv1d, by the names of the suite's operations.

Both packages import their CUDA extensions first, which a machine without a GPU lacks: empty modules stand in for them
while the reference functions, which are plain torch, are imported. Either package installs without a compiler:
`MAMBA_SKIP_CUDA_BUILD=TRUE CAUSAL_CONV1D_SKIP_CUDA_BUILD=TRUE pip install --no-deps --no-build-isolation`.
"""

import importlib
import sys
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from torch import Tensor

COMPILED = ("selective_scan_cuda", "causal_conv1d_cuda")


@cache
def _reference(package: str, module: str) -> ModuleType:
    """A module of theirs, without what the package's own __init__ imports. Raises ImportError where it is not there."""
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    bare = ModuleType(package)
    bare.__path__, bare.__spec__ = list(spec.submodule_search_locations or ()), spec
    for name in COMPILED:
        sys.modules.setdefault(name, ModuleType(name))
    known = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == package}
    sys.modules[package] = bare
    try:
        return importlib.import_module(f"{package}.{module}")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        sys.modules.update(known)
        for name in COMPILED:
            if not hasattr(sys.modules[name], "__file__"):
                del sys.modules[name]


def selective_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None, z: Tensor | None = None,
    delta_bias: Tensor | None = None, delta_softplus: bool = False, return_last_state: bool = False,
) -> Any:  # fmt: skip
    """mamba_ssm's selective_scan_ref."""
    return _reference("mamba_ssm", "ops.selective_scan_interface").selective_scan_ref(
        u, delta, A, B, C, D, z, delta_bias, delta_softplus, return_last_state
    )


def ssd_chunk_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int = 64, D: Tensor | None = None,
    z: Tensor | None = None, dt_bias: Tensor | None = None, dt_softplus: bool = False,
) -> Any:  # fmt: skip
    """mamba_ssm's ssd_chunk_scan_combined_ref."""
    return _reference("mamba_ssm", "ops.triton.ssd_combined").ssd_chunk_scan_combined_ref(
        x, dt, A, B, C, chunk_size, D, z, dt_bias, dt_softplus
    )


def ssd_minimal(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int = 64,
    initial_states: Tensor | None = None, return_final_states: bool = False,
) -> Any:  # fmt: skip
    """mamba_ssm's ssd_minimal_discrete, which takes x·Δ, Δ·A, and B and C of each head."""
    B, C = (M.repeat_interleave(x.shape[2] // M.shape[2], 2) for M in (B, C))
    initial = None if initial_states is None else initial_states[:, None]
    y, last = _reference("mamba_ssm", "modules.ssd_minimal").ssd_minimal_discrete(
        x * dt[..., None], dt * A, B, C, chunk_size, initial
    )
    return (y, last) if return_final_states else y


ssd_minimal.conformance = {"dtypes": ["float32", "float64"]}  # type: ignore[attr-defined] # its decays are as its inputs


def selective_state_update(
    state: Tensor, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None = None,
    z: Tensor | None = None, dt_bias: Tensor | None = None, dt_softplus: bool = False,
) -> Tensor:  # fmt: skip
    """mamba_ssm's selective_state_update_ref."""
    return _reference("mamba_ssm", "ops.triton.selective_state_update").selective_state_update_ref(
        state, x, dt, A, B, C, D, z, dt_bias, dt_softplus
    )


def causal_conv1d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, initial_states: Tensor | None = None,
    return_final_states: bool = False, activation: str | None = None, seq_idx: Tensor | None = None,
) -> Any:  # fmt: skip
    """causal_conv1d's causal_conv1d_ref."""
    return _reference("causal_conv1d", "causal_conv1d_interface").causal_conv1d_ref(
        x, weight, bias, initial_states, return_final_states, None, activation, seq_idx
    )
