"""Triton: the interpreter checks indexing and masks at ragged sizes; compiling for a GPU needs none.

Interpreted float64 agrees with the CPU backend to rounding, so a wrong index, mask or formula shows as an O(1) error.
The interpreter says nothing about a GPU's rounding; the tests marked gpu do.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_strategies import OPTIONAL, ScanCase, scan_cases
from test_ssd import ssd_arguments

from kernels import blocks, ops, triton_ops
from kernels.error_bounds import CUDA, selective_scan_bound
from kernels.ssd_bounds import ssd_bound

interpreter = pytest.mark.skipif(not triton_ops.interpreted(), reason="a GPU is here: the real kernels run")
tiny = settings(max_examples=6, deadline=None)
float64 = (torch.float64,)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks():
    """Several blocks and chunks, the last of each ragged, at sizes that the interpreter can bear."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BLOCK_T": 4, "SSD_CHUNK": 16, "CONV_BLOCK_T": 4, "CONV_BLOCK_D": 2}.items():
            if triton_ops.interpreted():
                patch.setattr(triton_ops, name, value)
        yield


def results_and_gradients(operation, arguments, backend, **options):
    """Every result, and the gradient of their weighted sum with respect to every float argument."""
    inputs = {
        k: v.clone().requires_grad_()
        for k, v in arguments.items()
        if isinstance(v, torch.Tensor) and v.is_floating_point()
    }
    results = operation(**(arguments | inputs), **options, backend=backend)
    results = results if isinstance(results, tuple) else (results,)
    weights = [torch.linspace(-1, 2, r.numel(), dtype=r.dtype).reshape(r.shape) for r in results]
    loss = sum((r * w).sum() for r, w in zip(results, weights, strict=True))
    return [*results, *torch.autograd.grad(loss, list(inputs.values()))]


def agree(operation, arguments, **options):
    both = [results_and_gradients(operation, arguments, backend, **options) for backend in ("triton", "cpu")]
    for triton_result, cpu_result in zip(*both, strict=True):
        scale = float(cpu_result.detach().abs().max() + 1) if cpu_result.numel() else 1.0
        torch.testing.assert_close(triton_result, cpu_result, rtol=0, atol=1e4 * torch.finfo(torch.float64).eps * scale)


@interpreter
@given(scan_cases(max_length=11, max_channels=5, max_state=3, dtypes=float64, constants=True))
@tiny
def test_s6_forward_and_backward_index_every_element_once(case):
    agree(ops.selective_scan, case.arguments, return_last_state=True)


@interpreter
def test_s6_with_every_option_over_ragged_blocks():
    case = ScanCase(2, 6, 9, 3, 2, torch.float64, 3, frozenset(OPTIONAL), "time-major")
    agree(ops.selective_scan, case.arguments, return_last_state=True)


@interpreter
@given(ssd_arguments(dtypes=float64, max_length=35, max_heads=2))
@tiny
def test_ssd_forward_and_backward_index_every_element_once(arguments):
    agree(ops.ssd_chunk_scan, arguments, return_final_states=True)


@interpreter
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 4), st.booleans(), st.sampled_from([None, "silu"]))
@tiny
def test_convolution_forward_and_backward_index_every_element_once(dim, length, width, packed, activation):
    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64)

    arguments = {"x": normal(2, dim, length), "weight": normal(dim, width), "bias": normal(dim)}
    arguments["initial_states"] = normal(2, dim, width - 1)
    if packed:
        arguments["seq_idx"] = torch.arange(length).div(2, rounding_mode="floor").expand(2, -1)
    agree(ops.causal_conv1d, arguments, activation=activation)


@interpreter
@pytest.mark.parametrize("name", ["Mamba", "Mamba2"])
def test_a_block_runs_on_triton_alone(name):
    torch.manual_seed(0)
    options = {"headdim": 2} if name == "Mamba2" else {}
    block = getattr(blocks, name)(2, 2, 2, **options, backend="triton", dtype=torch.float64)
    x = torch.randn(1, 5, 2, dtype=torch.float64)
    with torch.no_grad():
        y = block(x)
        for module in block.modules():
            if hasattr(module, "backend"):
                module.backend = "cpu"
        torch.testing.assert_close(y, block(x), rtol=0, atol=1e-12)


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
@settings(max_examples=50, deadline=None)
def test_s6_on_a_gpu_stays_within_the_error_bound(case):
    y = ops.selective_scan(**on_gpu(case.arguments), backend="triton")
    assert selective_scan_bound(**case.arguments, elementary=CUDA, associative=True).ratio(y) <= 1


@pytest.mark.gpu
@given(ssd_arguments())
@settings(max_examples=50, deadline=None)
def test_ssd_on_a_gpu_stays_within_the_error_bound(arguments):
    y = ops.ssd_chunk_scan(**on_gpu(arguments), backend="triton")
    limits = ssd_bound(**(arguments | {"chunk_size": triton_ops.SSD_CHUNK}), elementary=CUDA)
    assert limits.ratio(y) <= 1
