"""Triton: the interpreter checks indexing, masks and formulas at ragged sizes; compiling for a GPU needs none.

On integers every backend must agree bit for bit, gradients included: a wrong index, mask or sign has nowhere to hide.
On reals interpreted float64 keeps the running-error bound and its gradients are the finite differences. The
interpreter says nothing about a GPU's rounding; the tests marked gpu do.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scan_strategies import OPTIONAL, ScanCase, in_integers, scan_cases
from test_blocks import assert_is
from test_ssd import ssd_arguments

from mamba_theorems.kernels import blocks, ops, semantics
from mamba_theorems.kernels.arguments import S6, SSD
from mamba_theorems.kernels.bounds.running_error import CUDA, selective_scan_bound
from mamba_theorems.kernels.bounds.ssd import ssd_bound
from mamba_theorems.kernels.gpu import backend as triton_ops

interpreter = pytest.mark.skipif(not triton_ops.interpreted(), reason="a GPU is here: the real kernels run")
tiny = settings(max_examples=6)
float64 = (torch.float64,)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Several blocks and chunks, the last of each ragged, at sizes that the interpreter can bear."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BLOCK_T": 4, "SSD_CHUNK": 16, "CONV_BLOCK_T": 4, "CONV_BLOCK_D": 2}.items():
            if triton_ops.interpreted():
                patch.setattr(triton_ops, name, value)
        yield


def differentiable(arguments):
    return {
        k: v.clone().requires_grad_()
        for k, v in arguments.items()
        if isinstance(v, torch.Tensor) and v.is_floating_point()
    }


def results_and_gradients(operation, arguments, backend, **options):
    """Every result, and the gradient of their sum with integer weights with respect to every float argument."""
    inputs = differentiable(arguments)
    results = operation(**(arguments | inputs), **options, backend=backend)
    results = results if isinstance(results, tuple) else (results,)
    weights = [(torch.arange(r.numel(), dtype=r.dtype) % 5 - 2).reshape(r.shape) for r in results]
    loss = sum((r * w).sum() for r, w in zip(results, weights, strict=True))
    return [*results, *torch.autograd.grad(loss, list(inputs.values()))]


def assert_equal_in_integers(operation, arguments, **options):
    exact = in_integers(arguments)
    both = [results_and_gradients(operation, exact, backend, **options) for backend in ("triton", "cpu")]
    for theirs, ours in zip(*both, strict=True):
        assert torch.equal(theirs, ours)


def assert_gradients(operation, arguments, **options):
    inputs = differentiable(arguments)
    fixed = {k: v for k, v in arguments.items() if k not in inputs} | options

    def run(*values):
        return operation(**dict(zip(inputs, values, strict=True)), **fixed, backend="triton")

    assert torch.autograd.gradcheck(run, tuple(inputs.values()), fast_mode=True)


BLOCKS = {
    name: getattr(triton_ops, name) for name in ("BLOCK_T", "SSD_CHUNK", "SSD_BLOCK_P", "CONV_BLOCK_T", "CONV_BLOCK_D")
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_as_they_ship_are_powers_of_two_as_triton_s_ranges_must_be(name):
    assert BLOCKS[name].bit_count() == 1


SMALL_S6 = ScanCase(1, 4, 5, 2, 2, torch.float64, 3, frozenset(OPTIONAL), "contiguous")
EVERY_S6_OPTION = ScanCase(2, 6, 9, 3, 2, torch.float64, 3, frozenset(OPTIONAL), "time-major")


@interpreter
@given(scan_cases(max_length=11, max_channels=5, max_state=3, dtypes=float64, constants=True))
@example(EVERY_S6_OPTION)
@tiny
def test_s6_forward_and_backward_index_every_element_once(case):
    assert_equal_in_integers(ops.selective_scan, case.arguments, return_last_state=True)


@interpreter
@given(scan_cases(max_length=11, max_channels=5, max_state=3, dtypes=float64, constants=True))
@example(EVERY_S6_OPTION)
@tiny
def test_interpreted_s6_stays_within_the_error_bound(case):
    y, last = ops.selective_scan(**case.arguments, return_last_state=True, backend="triton")
    limits = selective_scan_bound(S6(**case.arguments), associative=True)
    assert limits.ratio(y) <= 1
    assert limits.last_state.ratio(last) <= 1


@interpreter
def test_interpreted_s6_gradients_are_the_finite_differences():
    assert_gradients(ops.selective_scan, SMALL_S6.arguments, return_last_state=True)


def every_ssd_option(length=35, batch=2):
    """Ragged chunks of two groups of two heads."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "x": (batch, length, 4, 3),
        "dt": (batch, length, 4),
        "A": (4,),
        "B": (batch, length, 2, 3),
        "C": (batch, length, 2, 3),
    }
    shapes |= {"D": (4, 3), "z": (batch, length, 4, 3), "dt_bias": (4,), "initial_states": (batch, 4, 3, 3)}
    arguments = {k: torch.randn(*s, generator=generator, dtype=torch.float64) for k, s in shapes.items()}
    seq_idx = torch.arange(length).div(10, rounding_mode="floor").expand(batch, -1)
    return arguments | {"A": -arguments["A"].abs(), "seq_idx": seq_idx, "dt_softplus": True, "chunk_size": 16}


@interpreter
@given(ssd_arguments(dtypes=float64, max_length=35, max_heads=2))
@example(every_ssd_option())
@tiny
def test_ssd_forward_and_backward_index_every_element_once(arguments):
    assert_equal_in_integers(ops.ssd_chunk_scan, arguments, return_final_states=True)


@interpreter
@given(ssd_arguments(dtypes=float64, max_length=35, max_heads=2))
@example(every_ssd_option())
@tiny
def test_interpreted_ssd_stays_within_the_error_bound(arguments):
    y, last = ops.ssd_chunk_scan(**arguments, return_final_states=True, backend="triton")
    length = arguments["x"].shape[1]
    limits = ssd_bound(SSD(**(arguments | {"chunk_size": max(16, min(triton_ops.SSD_CHUNK, length))})))
    assert limits.ratio(y) <= 1
    assert limits.last_state.ratio(last) <= 1


@interpreter
def test_interpreted_ssd_gradients_are_the_finite_differences():
    assert_gradients(ops.ssd_chunk_scan, every_ssd_option(17, batch=1), return_final_states=True)


@interpreter
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 4), st.booleans(), st.sampled_from([None, "silu"]))
@example(2, 8, 1, False, "silu")
@tiny
def test_convolution_forward_and_backward_index_every_element_once(dim, length, width, packed, activation):
    shapes = {"x": (2, dim, length), "weight": (dim, width), "initial_states": (2, dim, width - 1)}
    arguments = {name: torch.empty(shape, dtype=torch.float64) for name, shape in shapes.items()}
    arguments["z"] = torch.empty(dim, dtype=torch.float64)
    if packed:
        arguments["seq_idx"] = torch.arange(length).div(2, rounding_mode="floor").expand(2, -1)

    def convolution(weight, z, **options):
        """Before the activation every value is a multiple of 1024, where SiLU and its derivative are exact."""
        return ops.causal_conv1d(weight=1024 * weight, bias=1024 * z, **options)

    assert_equal_in_integers(convolution, arguments, activation=activation)


def every_conv_option():
    """Two packed sequences of three channels."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"x": (1, 3, 6), "weight": (3, 4), "bias": (3,), "initial_states": (1, 3, 3)}
    arguments = {k: torch.randn(*s, generator=generator, dtype=torch.float64) for k, s in shapes.items()}
    return arguments | {"seq_idx": torch.arange(6).div(3, rounding_mode="floor")[None], "activation": "silu"}


@interpreter
def test_interpreted_convolution_gradients_are_the_finite_differences():
    assert_gradients(ops.causal_conv1d, every_conv_option())


@interpreter
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (ops.selective_scan, SMALL_S6.arguments),
        (ops.ssd_chunk_scan, every_ssd_option(17, batch=1)),
        (ops.causal_conv1d, every_conv_option()),
    ],
    ids=["s6", "ssd", "convolution"],
)
def test_second_derivatives_are_refused_instead_of_wrong(operation, arguments):
    inputs = differentiable(arguments)
    y = operation(**(arguments | inputs), backend="triton")
    first = torch.autograd.grad((y**2).sum(), list(inputs.values()), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        sum(g.sum() for g in first).backward()


@interpreter
@pytest.mark.parametrize("name", ["Mamba", "Mamba2"])
def test_a_block_runs_on_triton_alone(name):
    torch.manual_seed(0)
    options = {"headdim": 2} if name == "Mamba2" else {}
    block = getattr(blocks, name)(2, 2, 2, **options, backend="triton", dtype=torch.float64)
    assert_is(block, getattr(semantics, name.lower()), torch.randn(1, 5, 2, dtype=torch.float64))


def test_kernels_compile_for_a_gpu_that_is_not_there(tmp_path):
    """For sm_90, float32 and float64, down to machine code; no product in TF32, and TF32 would be noticed."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    environment |= {"PYTHONPATH": str(Path.cwd()), "TRITON_CACHE_DIR": str(tmp_path)}
    script = Path(__file__).with_name("triton_compile.py")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------ on a GPU


def on_gpu(arguments):
    return {k: v.cuda() if isinstance(v, torch.Tensor) else v for k, v in arguments.items()}


@pytest.mark.gpu
@given(scan_cases(dtypes=(torch.float32, torch.float64)))
@settings(max_examples=50)
def test_s6_on_a_gpu_stays_within_the_error_bound(case):
    y = ops.selective_scan(**on_gpu(case.arguments), backend="triton")
    assert selective_scan_bound(S6(**case.arguments), elementary=CUDA, associative=True).ratio(y) <= 1


@pytest.mark.gpu
@given(ssd_arguments())
@settings(max_examples=50)
def test_ssd_on_a_gpu_stays_within_the_error_bound(arguments):
    y = ops.ssd_chunk_scan(**on_gpu(arguments), backend="triton")
    limits = ssd_bound(SSD(**(arguments | {"chunk_size": triton_ops.SSD_CHUNK})), elementary=CUDA)
    assert limits.ratio(y) <= 1
