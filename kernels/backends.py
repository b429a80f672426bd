"""Which implementation runs an operation: named, chosen by device, or forced.

A backend is one folder, whose `backend.py` has one object BACKEND, and one line of the list below. Someone else's
functions are run under every block and every claim by `with using_backend({"selective_scan": their_function}):`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from torch import Tensor

from mamba_theorems.kernels.arguments import RECORDS, S6, SSD, Arguments, Convolution, DeltaT, StateUpdate
from mamba_theorems.kernels.padding import unpadded


class _Place(NamedTuple):
    """The folder of a backend, and the devices whose tensors it takes."""

    folder: str
    devices: tuple[str, ...]


_SHIPPED = {
    "reference": _Place("reference", ("cpu", "cuda")),
    "cpu": _Place("cpu", ("cpu",)),
    "torch": _Place("chunked", ("cpu", "cuda")),
    "triton": _Place("gpu", ("cuda",)),
}
"""Every backend that ships, by name."""

AUTO, DEFINITION = "auto", "reference"
OPERATIONS = tuple(record.operation for record in RECORDS)
Function = Callable[..., Any]


class Backend:
    """One implementation: of these methods, each from its record to its result, those that it offers."""

    selective_scan: Callable[[S6], Any]
    selective_scan_delta_t: Callable[[DeltaT], Any]
    ssd_chunk_scan: Callable[[SSD], Any]
    causal_conv1d: Callable[[Convolution], Tensor]
    selective_state_update: Callable[[StateUpdate], Tensor]
    differentiable = True

    def offers(self, operation: str) -> bool:
        """Whether it has a kernel for the operation."""
        return hasattr(self, operation)

    @property
    def operations(self) -> list[str]:
        """What it offers."""
        return [operation for operation in OPERATIONS if self.offers(operation)]


class Foreign(Backend):
    """Functions with the field's signature, by operation."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        for operation, function in functions.items():
            setattr(self, operation, partial(_call, function))


def _call(function: Function, arguments: Arguments) -> Any:
    return arguments.call(function)


_REGISTERED: dict[str, Backend] = {}
_FORCED: ContextVar[Backend | None] = ContextVar("backend", default=None)


def register_backend(name: str, functions: Mapping[str, Function]) -> None:
    """Make `functions` (operation name → function with the field's signature) available as `backend=name`.

    Raises ValueError for an operation that does not exist.
    """
    unknown = set(functions) - set(OPERATIONS)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is no operation; choose from {', '.join(OPERATIONS)}.")
    _REGISTERED[name] = Foreign(functions)


@contextmanager
def using_backend(backend: str | Mapping[str, Function] | Backend) -> Iterator[None]:
    """Run every call that leaves the choice open (`backend="auto"`) on `backend`: by name, by operation, or itself.

    Operations that `backend` does not have stay with the automatic choice.
    """
    if isinstance(backend, str):
        backend = load(backend)
    token = _FORCED.set(backend if isinstance(backend, Backend) else Foreign(backend))
    try:
        yield
    finally:
        _FORCED.reset(token)


def load(name: str) -> Backend:
    """The backend of a name; ValueError where there is none."""
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name not in _SHIPPED:
        raise ValueError(f"There is no backend {name!r}; choose from {', '.join(backend_names())}.")
    return import_module(f"{__package__}.{_SHIPPED[name].folder}.backend").BACKEND


def backend_names() -> list[str]:
    """Every name that `backend=` takes."""
    return [AUTO, *_SHIPPED, *_REGISTERED]


def choices(operation: str, device_type: str) -> list[str]:
    """What checks and fuzzing run an operation on: "auto", then each backend that ships and is not its choice."""
    others = [name for name, place in _SHIPPED.items() if device_type in place.devices]
    return [AUTO, *(name for name in others if name != _compiled(device_type) and load(name).offers(operation))]


def run(arguments: Arguments, backend: str) -> Any:
    """Check the arguments, and run their operation. Raises TypeError or ValueError that names what does not fit.

    Raises RuntimeError where a gradient is wanted and the backend gives none.
    """
    arguments.check()
    operation = arguments.operation
    chosen = _chosen(operation, backend, arguments.like.device.type)
    wanted = arguments.needs_gradients
    if wanted and not chosen.differentiable:
        raise RuntimeError(
            f"The backend 'reference' gives no gradients of {operation}: call it under torch.no_grad(), or choose "
            "another backend."
        )
    function = getattr(chosen, operation)
    result = function(arguments) if isinstance(chosen, Foreign) else unpadded(arguments, function)
    if wanted and not any(tensor.requires_grad for tensor in (result if isinstance(result, tuple) else (result,))):
        raise RuntimeError(f"This {operation} gives no gradients, and one is wanted: call it under torch.no_grad().")
    return result


def find(operation: str, backend: str, device_type: str) -> Callable[[Any], Any]:
    """What runs `operation`, from its record; ValueError where the backend does not offer it."""
    return getattr(_chosen(operation, backend, device_type), operation)


def _chosen(operation: str, backend: str, device_type: str) -> Backend:
    if backend == AUTO:
        return _automatic(operation, device_type)
    chosen = load(backend)
    if not chosen.offers(operation):
        raise ValueError(f"The backend {backend!r} has no {operation}; it has {', '.join(chosen.operations)}.")
    return chosen


def _automatic(operation: str, device_type: str) -> Backend:
    forced = _FORCED.get()
    chosen = forced if forced and forced.offers(operation) else load(_compiled(device_type))
    if not chosen.offers(operation):
        raise ValueError(f"{operation} has no kernel for {device_type}; move its tensors to the CPU.")
    return chosen


def _compiled(device_type: str) -> str:
    return "cpu" if device_type == "cpu" else "triton"
