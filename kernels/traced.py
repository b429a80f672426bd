"""The operations as operators of torch.library, so that torch.compile sees through a block with fullgraph=True.

Each operator has its record's fields and the backend's name as arguments, shapes for tracing, and gradients: its
backward pass runs the operation again and differentiates that, on whatever backend. Only torch.compile uses them.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mamba_theorems.kernels import backends
from mamba_theorems.kernels.arguments import RECORDS, S6, SSD, Arguments, DeltaT, StateUpdate

NAMESPACE = "mamba_theorems"
_KINDS = {
    Tensor: "Tensor",
    Tensor | None: "Tensor?",
    bool: "bool",
    int: "int",
    str | None: "str?",
    tuple[float, float]: "float[]",
}
_FIELDS = {record.operation: tuple(f.name for f in fields(record)) for record in RECORDS}  # type: ignore[arg-type]


def run(arguments: Arguments, backend: str) -> Any:
    """`kernels.backends.run`; while torch.compile traces, by the operator."""
    if not torch.compiler.is_compiling():
        return backends.run(arguments, backend)
    values = [getattr(arguments, name) for name in _FIELDS[arguments.operation]]
    if isinstance(arguments, StateUpdate):
        values[0] = arguments.state.clone()  # what is changed in place cannot be differentiated
    y, last = getattr(torch.ops.mamba_theorems, arguments.operation)(*values, backend)
    if isinstance(arguments, StateUpdate):
        arguments.state.copy_(last)
        return y
    return (y, last) if arguments.return_last_state else y


def _results(s: Arguments, backend: str) -> tuple[Tensor, ...]:
    """y and, where there is one, the last state."""
    if isinstance(s, StateUpdate):
        s = replace(s, state=s.state.clone())
        return backends.run(s, backend), s.state
    result = backends.run(s, backend)
    return result if isinstance(result, tuple) else (result,)


def _forward(record: type[Arguments], *values: Any) -> tuple[Tensor, Tensor]:
    *arguments, backend = values
    s = record(*arguments)
    with torch.no_grad():
        y, *last = _results(s, backend)
    return y.contiguous(), last[0].contiguous() if last else s.like.new_empty(0)


def _shapes(record: type[Arguments], *values: Any) -> tuple[Tensor, Tensor]:
    """Empty results of the right shape and dtype. Raises TypeError or ValueError that names what does not fit."""
    s = record(*values[:-1])
    s.check()
    y = s.like.new_empty(s.like.shape)
    if isinstance(s, StateUpdate):
        return y, s.state.new_empty(s.state.shape)
    if isinstance(s, S6 | DeltaT) and s.return_last_state:
        return y, s.u.new_empty(s.u.shape[0], *s.A.shape, dtype=s.dtype)
    if isinstance(s, SSD) and s.return_last_state:
        return y, s.x.new_empty(s.x.shape[0], *s.x.shape[2:], s.B.shape[-1], dtype=s.dtype)
    return y, y.new_empty(0)


def _gradients(
    record: type[Arguments], y_bar: Tensor, last_bar: Tensor, needed: Sequence[bool], *values: Any
) -> list[Tensor]:
    """Those that are needed, in the order of the arguments."""
    *arguments, backend = values
    with torch.enable_grad():
        inputs = [v.detach().requires_grad_() if n else v for v, n in zip(arguments, needed, strict=True)]
        results = _results(record(*inputs), backend)
        wanted = [v for v, n in zip(inputs, needed, strict=True) if n]
        bars = [bar.to(r.dtype) for r, bar in zip(results, (y_bar, last_bar), strict=False)]
        outputs, given = zip(*((r, bar) for r, bar in zip(results, bars, strict=True) if r.requires_grad), strict=True)
        found = torch.autograd.grad(outputs, wanted, given, materialize_grads=True)
    return [bar.contiguous() for bar in found]


def _gradient_shapes(_: Tensor, __: Tensor, needed: Sequence[bool], *values: Any) -> list[Tensor]:
    return [v.new_empty(v.shape) for v, n in zip(values, needed, strict=False) if n]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.places = [i for i, value in enumerate(inputs) if isinstance(value, Tensor)]
    ctx.others = [None if isinstance(value, Tensor) else value for value in inputs]
    ctx.save_for_backward(*(inputs[i] for i in ctx.places))


def _backward(operation: str, ctx: Any, y_bar: Tensor, last_bar: Tensor) -> tuple[Tensor | None, ...]:
    values, needed = list(ctx.others), list(ctx.needs_input_grad)
    for i, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
        values[i] = tensor
    found = iter(getattr(torch.ops.mamba_theorems, f"{operation}_backward")(y_bar, last_bar, needed[:-1], *values))
    return tuple(next(found) if n else None for n in needed)


def _define(name: str, signature: str, implementation: Callable[..., Any], shapes: Callable[..., Any]) -> None:
    qualified = f"{NAMESPACE}::{name}"
    torch.library.define(qualified, signature)
    torch.library.impl(qualified, "default")(implementation)
    torch.library.register_fake(qualified, shapes)


for _record in RECORDS:
    _arguments = ", ".join(f"{_KINDS[f.type]} {f.name}" for f in fields(_record))  # type: ignore[arg-type,index]
    _name = _record.operation
    _define(
        _name, f"({_arguments}, str backend) -> (Tensor, Tensor)", partial(_forward, _record), partial(_shapes, _record)
    )
    _bars = f"(Tensor y_bar, Tensor last_bar, bool[] needed, {_arguments}, str backend) -> Tensor[]"
    _define(f"{_name}_backward", _bars, partial(_gradients, _record), _gradient_shapes)
    torch.library.register_autograd(f"{NAMESPACE}::{_name}", partial(_backward, _name), setup_context=_remember)
