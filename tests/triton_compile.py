"""Compile every Triton kernel for a GPU that need not be there. Run as a script, without TRITON_INTERPRET."""

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from mamba_theorems.kernels.gpu import conv as triton_conv
from mamba_theorems.kernels.gpu import s6 as triton_s6
from mamba_theorems.kernels.gpu import s6_backward as triton_s6_backward
from mamba_theorems.kernels.gpu import ssd as triton_ssd

INTEGERS = {"length", "d_inner", "ngroups", "d_state", "dim", "nheads", "headdim"}
POINTERS = {"fresh": "*i8", "stretch": "*i32"}
S6 = dict.fromkeys(("HAS_D", "HAS_Z", "HAS_BIAS", "HAS_FRESH", "SOFTPLUS"), True) | {
    "BLOCK_D": 2,
    "BLOCK_T": 128,
    "BLOCK_N": 4,
}
CONV = {"WIDTH": 4, "HAS_BIAS": True, "PACKED": True, "SILU": True, "BLOCK_D": 8, "BLOCK_T": 128}
SSD = {"Q": 16, "BLOCK_P": 16, "BLOCK_N": 16}
KERNELS = (
    (triton_s6.s6_forward, S6 | {"HAS_INITIAL": True, "SAVE": True}),
    (triton_s6_backward.s6_backward, S6),
    (triton_conv.conv_forward, CONV),
    (triton_conv.conv_backward, CONV),
    (triton_ssd.ssd_forward, SSD | {"SAVE": True}),
    (triton_ssd.ssd_backward, SSD),
)


def ptx(kernel, dtype, constants, capability=90):
    """The kernel's assembly; raises where the compiler or the assembler refuses it."""
    kinds = {
        name: "constexpr" if name in constants else "i32" if name in INTEGERS else POINTERS.get(name, "*" + dtype)
        for name in kernel.arg_names
    }
    options = {"num_warps": 4, "enable_fp_fusion": triton_s6.FP_FUSION}
    source = ASTSource(kernel, kinds, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    assert compiled.asm["cubin"]
    return compiled.asm["ptx"]


@triton.jit
def careless_product(a, b, c):
    """The trap: a float32 product with Triton's default precision."""
    i = tl.arange(0, 16)
    at = i[:, None] * 16 + i[None, :]
    tl.store(c + at, tl.dot(tl.load(a + at), tl.load(b + at)))


if __name__ == "__main__":
    for kernel, constants in KERNELS:
        for dtype in ("fp32", "fp64"):
            text = ptx(kernel, dtype, constants)
            assert "tf32" not in text, f"{kernel.__name__} multiplies in TF32"
            assert dtype == "fp64" or ".ftz" not in text, (
                f"{kernel.__name__} flushes subnormals, which the error bounds do not allow for"
            )
            assert "bf16" not in text, f"{kernel.__name__} multiplies in bfloat16"
            print(kernel.__name__, dtype, len(text))
    assert "tf32" in ptx(careless_product, "fp32", {}), "this check would not notice TF32"
