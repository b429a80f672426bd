"""Gradients of the operations: finite differences in float64, and the future that a loss does not depend on."""

import pytest
import torch
from hypothesis import given, settings
from scan_strategies import OPTIONAL, ScanCase, delta_t_arguments, in_integers, scan_cases

from mamba_theorems.kernels import blocks, ops

quick = settings(max_examples=12)
RAGGED = ScanCase(2, 18, 67, 2, 2, torch.float64, 7, frozenset(OPTIONAL), "time-major")


def differentiable(arguments):
    return {
        name: value.detach().clone().requires_grad_()
        for name, value in arguments.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }


def scan_of(case, arguments=None):
    arguments = arguments or case.arguments
    inputs = differentiable(arguments)
    fixed = {k: v for k, v in arguments.items() if k not in inputs}

    def run(*values):
        return ops.selective_scan(
            **dict(zip(inputs, values, strict=True)), **fixed, return_last_state=True, backend="cpu"
        )

    return run, tuple(inputs.values())


@given(scan_cases(dtypes=(torch.float64,), max_length=7, max_channels=4, max_state=3))
@quick
def test_scan_gradients_are_the_finite_differences(case):
    run, inputs = scan_of(case)
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@given(scan_cases(dtypes=(torch.float64,), max_length=5, max_channels=4, max_state=3, constants=True))
@quick
def test_gradients_of_constant_matrices_are_the_finite_differences(case):
    run, inputs = scan_of(case)
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@given(scan_cases(dtypes=(torch.float64,), max_length=5, max_channels=20, max_state=3))
@quick
def test_delta_t_gradients_are_the_finite_differences(case):
    arguments = delta_t_arguments(case)
    inputs = differentiable(arguments)
    fixed = {k: v for k, v in arguments.items() if k not in inputs}

    def run(*values):
        return ops.selective_scan_delta_t(**dict(zip(inputs, values, strict=True)), **fixed, return_last_state=True)

    assert torch.autograd.gradcheck(run, tuple(inputs.values()), fast_mode=True)


def test_scan_gradients_across_tiles_blocks_and_groups():
    run, inputs = scan_of(RAGGED)
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("threads", [1, 2])
def test_scan_gradients_do_not_depend_on_the_number_of_threads(threads):
    """In integers: partial sums of B's and C's gradients are a matter of threads, and must not matter."""
    run, inputs = scan_of(RAGGED, in_integers(RAGGED.arguments))
    gradients = []
    for count in (1, threads):
        torch.set_num_threads(count)
        gradients.append(torch.autograd.grad(run(*inputs)[0].sum(), inputs))
    for one, many in zip(*gradients, strict=True):
        assert torch.equal(one, many)


def test_second_derivatives_are_refused_instead_of_wrong():
    run, inputs = scan_of(ScanCase(1, 3, 8, 2, 1, torch.float64, 0, frozenset(), "contiguous"))
    first = torch.autograd.grad((run(*inputs)[0] ** 2).sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        sum(g.sum() for g in first).backward()


def test_no_gradient_flows_back_from_another_sequence():
    _, inputs = scan_of(ScanCase(1, 3, 8, 2, 1, torch.float64, 0, frozenset(), "contiguous"))
    seq_idx = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1]])
    u, delta, A, B, C = inputs
    y = ops.selective_scan(u, delta, A, B, C, seq_idx=seq_idx)
    (u_bar,) = torch.autograd.grad(y[..., 3:].sum(), u)
    assert not u_bar[..., :3].any()
    assert u_bar[..., 3:].all()


def test_every_parameter_of_a_language_model_is_trained():
    model = blocks.MambaLM(7, 8, 2, dtype=torch.float64)
    model(torch.randint(0, 7, (2, 9))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
