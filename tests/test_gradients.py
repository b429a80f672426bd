"""Gradients that no row of the suite asks for: of Δ along the state, of a language model; second ones are refused."""

import pytest
import torch
from hypothesis import given, settings
from scan_strategies import ScanCase, delta_t_arguments, scan_cases

from mamba_theorems.kernels import blocks, ops

quick = settings(max_examples=12)


def differentiable(arguments):
    return {
        name: value.detach().clone().requires_grad_()
        for name, value in arguments.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }


@given(scan_cases(dtypes=(torch.float64,), max_length=5, max_channels=20, max_state=3))
@quick
def test_delta_t_gradients_are_the_finite_differences(case):
    arguments = delta_t_arguments(case)
    inputs = differentiable(arguments)
    fixed = {k: v for k, v in arguments.items() if k not in inputs}

    def run(*values):
        return ops.selective_scan_delta_t(**dict(zip(inputs, values, strict=True)), **fixed, return_last_state=True)

    assert torch.autograd.gradcheck(run, tuple(inputs.values()), fast_mode=True)


def test_second_derivatives_are_refused_instead_of_wrong():
    case = ScanCase(1, 3, 8, 2, 1, torch.float64, 0, frozenset(), "contiguous")
    inputs = differentiable(case.arguments)
    y = ops.selective_scan(**(case.arguments | inputs), backend="cpu")
    first = torch.autograd.grad((y**2).sum(), list(inputs.values()), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        sum(g.sum() for g in first).backward()


def test_every_parameter_of_a_language_model_is_trained():
    model = blocks.MambaLM(7, 8, 2, dtype=torch.float64)
    model(torch.randint(0, 7, (2, 9))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
