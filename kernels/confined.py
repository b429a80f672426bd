"""Products whose gradients stay where they belong, in torch operations, with derivatives of every order.

A cotangent of 0 says that the loss does not see a value: it contributes 0, be what it meets NaN or infinite. So a NaN
in a token that the loss masks reaches no weight, and a NaN of one sequence none of another's gradients. The compiled
and the Triton backward passes keep the same rule.
"""

# mypy: disable-error-code="override"
# (a Function's forward has the arguments that it needs)
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional


def times(cotangent: Tensor, factor: Tensor) -> Tensor:
    """cotangent·factor, and 0 where the cotangent is 0 and the factor is not finite."""
    return _summed(cotangent, factor, torch.broadcast_shapes(cotangent.shape, factor.shape))


def _summed(cotangent: Tensor, factor: Tensor, shape: Sequence[int]) -> Tensor:
    """The same, summed over what was broadcast. Where the sums or all factors are finite there was nothing to mask."""
    found = cotangent * factor
    summed = found.sum_to_size(shape)
    eager = found.device.type == "cpu" and not torch.compiler.is_compiling()  # a GPU or a graph is not read back
    if eager and is_finite(min(factor, summed, key=Tensor.numel)):
        return summed
    return found.masked_fill((cotangent == 0) & ~torch.isfinite(factor), 0).sum_to_size(shape)


def is_finite(*tensors: Tensor) -> bool:
    """Whether no entry is NaN or infinite; a sum that overflows counts as an entry."""
    return all(bool(torch.isfinite(tensor.detach().sum())) for tensor in tensors)


class _Product(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, bar: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        a_needed, b_needed = ctx.needs_input_grad
        return _towards(a, bar, b) if a_needed else None, _towards(b, bar, a) if b_needed else None


class _MultiplyAdd(Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.addcmul(y, a, b)

    @staticmethod
    def backward(ctx: Any, bar: Tensor) -> tuple[Tensor | None, ...]:
        a, b = ctx.saved_tensors
        _, a_needed, b_needed = ctx.needs_input_grad
        return bar, _towards(a, bar, b) if a_needed else None, _towards(b, bar, a) if b_needed else None


class _Select(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(mask)
        bits = torch.int32 if x.dtype == torch.float32 else torch.int64
        return (x.view(bits) & -mask.to(bits)).view(x.dtype)

    @staticmethod
    def backward(ctx: Any, bar: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return select(mask, bar), None


class _SiLU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return functional.silu(x)

    @staticmethod
    def backward(ctx: Any, bar: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        if not torch.is_grad_enabled() and bar.device.type == "cpu" and bar.dtype == x.dtype:
            found = torch.ops.aten.silu_backward(bar, x)  # in one pass, and differentiable no further
            if is_finite(found):
                return found
        slope = torch.sigmoid(x)
        return times(bar, slope * (1 + x * (1 - slope)))


class _Softplus(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.logaddexp(x, torch.zeros_like(x))

    @staticmethod
    def backward(ctx: Any, bar: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return times(bar, torch.sigmoid(x))


def _towards(one: Tensor, bar: Tensor, other: Tensor) -> Tensor:
    """The gradient of one factor, summed over what was broadcast."""
    return _summed(bar, other, one.shape).to(one.dtype)


def product(a: Tensor, b: Tensor) -> Tensor:
    """a·b, broadcast."""
    return _Product.apply(a, b)


def multiply_add(y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """y + a·b for y of the result's shape."""
    return _MultiplyAdd.apply(y, a, b)


def select(mask: Tensor, x: Tensor) -> Tensor:
    """x in float32 or float64 where the mask is true, else 0: by its bits, in a third of the time of torch.where."""
    return _Select.apply(x, mask)


def silu(x: Tensor) -> Tensor:
    """x·σ(x)."""
    return _SiLU.apply(x)


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), accurate in relative terms at every x; torch's own turns linear at 20."""
    return _Softplus.apply(x)
