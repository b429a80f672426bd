"""Which implementation runs an operation: registered by name, chosen by device, or forced.

A backend is a set of functions with the signatures of `kernels.ops` (less `backend`). Someone else's kernel is run
under every block and every claim by `with using_backend({"selective_scan": their_function}):`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

Function = Callable[..., Any]
OPERATIONS = (
    "selective_scan",
    "selective_scan_delta_t",
    "ssd_chunk_scan",
    "causal_conv1d",
    "selective_state_update",
)
_MODULES = {
    "reference": "mamba_theorems.kernels.reference",
    "cpu": "mamba_theorems.kernels.cpu.backend",
    "torch": "mamba_theorems.kernels.ssd",
    "triton": "mamba_theorems.kernels.gpu.backend",
}
_REGISTERED: dict[str, dict[str, Function]] = {}
_FORCED: ContextVar[Mapping[str, Function] | str | None] = ContextVar("backend", default=None)


def register_backend(name: str, functions: Mapping[str, Function]) -> None:
    """Make `functions` (operation name → function with the field's signature) available as `backend=name`.

    Raises ValueError for an operation that does not exist.
    """
    unknown = set(functions) - set(OPERATIONS)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is no operation; choose from {', '.join(OPERATIONS)}.")
    _REGISTERED[name] = dict(functions)


@contextmanager
def using_backend(backend: str | Mapping[str, Function]) -> Iterator[None]:
    """Run every call that leaves the choice open (`backend="auto"`) on `backend`: a name, or functions by operation.

    Operations that `backend` does not have stay with the automatic choice.
    """
    functions = backend if isinstance(backend, str) else dict(backend)
    if isinstance(functions, str):
        available_functions(functions)
    token = _FORCED.set(functions)
    try:
        yield
    finally:
        _FORCED.reset(token)


def available_functions(backend: str) -> Mapping[str, Function]:
    """The functions of a backend by operation name; ValueError where there is no such backend."""
    if backend in _REGISTERED:
        return _REGISTERED[backend]
    if backend not in _MODULES:
        raise ValueError(f"There is no backend {backend!r}; choose from {', '.join(backend_names())}.")
    module = import_module(_MODULES[backend])
    return {name: getattr(module, name) for name in OPERATIONS if hasattr(module, name)}


def backend_names() -> list[str]:
    """Every name that `backend=` takes."""
    return ["auto", *_MODULES, *_REGISTERED]


def find(operation: str, backend: str, device_type: str) -> Function:
    """The function that runs `operation`; ValueError where the forced backend does not have it."""
    if backend == "auto":
        return _automatic(operation, device_type)
    functions = available_functions(backend)
    if operation not in functions:
        raise ValueError(f"The backend {backend!r} has no {operation}; it has {', '.join(functions)}.")
    return functions[operation]


def _automatic(operation: str, device_type: str) -> Function:
    forced = _FORCED.get()
    if forced is not None:
        functions = available_functions(forced) if isinstance(forced, str) else forced
        if operation in functions:
            return functions[operation]
    name = "cpu" if device_type == "cpu" else "triton"
    functions = available_functions(name)
    if operation not in functions:
        raise ValueError(f"{operation} has no kernel for {device_type}; move its tensors to the CPU.")
    return functions[operation]
