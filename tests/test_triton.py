"""Triton: the interpreter checks indexing and masks at ragged sizes; compiling for a GPU needs none."""

import subprocess
import sys
from textwrap import dedent

import pytest
import torch
from hypothesis import given, settings
from scan_strategies import scan_cases

from kernels import ops, triton_ops

pytestmark = pytest.mark.skipif(not triton_ops.interpreted(), reason="runs without the interpreter on a GPU")
tiny = settings(max_examples=8, deadline=None)


@given(scan_cases(max_length=11, max_channels=5, max_state=3, dtypes=(torch.float32,)))
@tiny
def test_s6_forward_indexes_every_element_once(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triton_ops, "BLOCK_T", 4)
        y, last = ops.selective_scan(**case.arguments, return_last_state=True, backend="triton")
    expected, expected_last = ops.selective_scan(**case.arguments, return_last_state=True, backend="cpu")
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-4)  # a wrong index errs by O(1)
    torch.testing.assert_close(last, expected_last, rtol=1e-4, atol=1e-4)


COMPILE = dedent(
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    from kernels import triton_s6

    def compiled(kernel, dtype, integers, **constants):
        kind = {name: "*" + dtype for name in kernel.arg_names} | {"fresh": "*i8"}
        kind |= dict.fromkeys(integers, "i32") | dict.fromkeys(constants, "constexpr")
        source = ASTSource(kernel, kind, constexprs=constants)
        options = {"num_warps": 4, "enable_fp_fusion": triton_s6.FP_FUSION}
        return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)

    flags = dict.fromkeys(("HAS_D", "HAS_Z", "HAS_BIAS", "HAS_INITIAL", "HAS_FRESH", "SAVE", "SOFTPLUS"), True)
    sizes = ("length", "d_inner", "ngroups", "d_state")
    for dtype in ("fp32", "fp64"):
        binary = compiled(triton_s6.s6_forward, dtype, sizes, **flags, BLOCK_D=2, BLOCK_T=256, BLOCK_N=16)
        assert "cubin" in binary.asm and "tf32" not in binary.asm["ptx"]
    """
)


def test_kernels_compile_for_a_gpu_that_is_not_there(tmp_path):
    script = tmp_path / "compile_kernels.py"
    script.write_text(COMPILE)
    environment = {"PYTHONPATH": ".", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
