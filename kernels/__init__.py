"""The blocks and their scans: what runs. `kernels.selective_scan` and the like; torch is loaded on first use.

The equations are in `kernels.semantics`, over any number field of `kernels.fields`; the operations in `kernels.ops`,
on interchangeable backends; the torch modules in `kernels.blocks`. This room knows of no theorem.
"""

from importlib import import_module
from typing import Any

if __name__ == "kernels":
    from mamba_theorems.checkout import hand_over

    hand_over(__name__)


_HOME = {
    "mamba_theorems.kernels.ops": (
        "causal_conv1d",
        "selective_scan",
        "selective_scan_delta_t",
        "selective_state_update",
        "ssd_chunk_scan",
    ),
    "mamba_theorems.kernels.backends": ("register_backend", "using_backend"),
    "mamba_theorems.kernels.blocks": (
        "Mamba",
        "Mamba2",
        "MambaDeltaT",
        "MambaLM",
        "MambaS4D",
        "PaperMamba",
        "PaperMamba2",
        "PaperMambaDeltaT",
        "PaperS4D",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)  # noqa: PLE0605  # the names are listed once, above


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'kernels' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
