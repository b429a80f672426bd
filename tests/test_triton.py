"""Triton beside the suite's rows: second derivatives, whole blocks, and compiling for a GPU, which needs none.

The interpreter runs the rows about indices and masks (test_conform_ours.py) and says nothing about a GPU's rounding;
the tests marked gpu do.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from scan_strategies import OPTIONAL, ScanCase, scan_cases
from test_blocks import assert_is
from test_ssd import ssd_arguments

from mamba_theorems.kernels import blocks, ops, semantics
from mamba_theorems.kernels.arguments import S6, SSD
from mamba_theorems.kernels.bounds.running_error import CUDA, selective_scan_bound
from mamba_theorems.kernels.bounds.ssd import ssd_bound
from mamba_theorems.kernels.gpu import backend as triton_ops

interpreter = pytest.mark.skipif(not triton_ops.interpreted(), reason="a GPU is here: the real kernels run")


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


BLOCKS = {
    name: getattr(triton_ops, name) for name in ("BLOCK_T", "SSD_CHUNK", "SSD_BLOCK_P", "CONV_BLOCK_T", "CONV_BLOCK_D")
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_as_they_ship_are_powers_of_two_as_triton_s_ranges_must_be(name):
    assert BLOCKS[name].bit_count() == 1


SMALL_S6 = ScanCase(1, 4, 5, 2, 2, torch.float64, 3, frozenset(OPTIONAL), "contiguous")


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


def every_conv_option():
    """Two packed sequences of three channels."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"x": (1, 3, 6), "weight": (3, 4), "bias": (3,), "initial_states": (1, 3, 3)}
    arguments = {k: torch.randn(*s, generator=generator, dtype=torch.float64) for k, s in shapes.items()}
    return arguments | {"seq_idx": torch.arange(6).div(3, rounding_mode="floor")[None], "activation": "silu"}


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
