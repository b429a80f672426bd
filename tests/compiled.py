"""torch.compile(fullgraph=True) of every operation and block, forwards and backwards. Run as a script.

By itself: the tests check shapes in every call, which torch.compile does not see through. What is traced is compared
with what is not; `--inductor` also compiles one block to machine code.
"""

import sys

import torch

from mamba_theorems.kernels import blocks, ops

torch.manual_seed(0)
DOUBLE = {"dtype": torch.float64}
BLOCKS = {
    "Mamba": lambda: blocks.Mamba(4, 3, 3, **DOUBLE),
    "MambaS4D": lambda: blocks.MambaS4D(4, 3, 3, **DOUBLE),
    "MambaDeltaT": lambda: blocks.MambaDeltaT(4, 3, 3, **DOUBLE),
    "Mamba2": lambda: blocks.Mamba2(4, 3, 3, headdim=2, ngroups=2, dt_limit=(0.01, 0.5), **DOUBLE),
    "PaperMamba": lambda: blocks.PaperMamba(4, 3, gate=True, **DOUBLE),
    "PaperMamba2": lambda: blocks.PaperMamba2(4, 3, **DOUBLE),
    "PaperMambaDeltaT": lambda: blocks.PaperMambaDeltaT(4, 3, **DOUBLE),
    "PaperS4D": lambda: blocks.PaperS4D(4, 3, **DOUBLE),
}


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def operations():
    """Each operation with every option, and whether it has gradients there."""
    s6 = (normal(2, 4, 5), normal(2, 4, 5), -normal(4, 3).abs(), normal(2, 3, 5), normal(2, 3, 5), normal(4))
    ssd = (normal(2, 5, 4, 3), normal(2, 5, 4), -normal(4).abs(), normal(2, 5, 2, 3), normal(2, 5, 2, 3), 4, normal(4))
    delta_t = (s6[0], normal(2, 3, 5).abs(), *s6[2:])
    step = (normal(2, 4), normal(2, 4), s6[2], normal(2, 3), normal(2, 3), normal(4), normal(2, 4), normal(4), True)
    start, seq_idx = normal(2, 4, 3), torch.tensor([[0, 0, 1, 1, -1]] * 2)
    for backend in ("cpu", "reference"):
        o = {"backend": backend, "seq_idx": seq_idx}
        yield (
            "S6",
            ops.selective_scan,
            s6,
            o | {"delta_softplus": True, "return_last_state": True, "initial_state": start},
        )
        yield "delta_t", ops.selective_scan_delta_t, delta_t, o | {"return_last_state": True, "z": normal(2, 4, 5)}
        yield (
            "SSD",
            ops.ssd_chunk_scan,
            ssd,
            o | {"dt_softplus": True, "return_final_states": True, "dt_limit": (0.1, 0.9)},
        )
        conv = (normal(2, 4, 5), normal(4, 3), normal(4))
        yield "conv", ops.causal_conv1d, conv, o | {"activation": "silu", "initial_states": normal(2, 4, 2)}

        def update(state, *arguments, backend):
            state = state * 1
            return ops.selective_state_update(state, *arguments, backend=backend), state

        yield "step", update, (start, *step), {"backend": backend}
    yield "SSD in chunks", ops.ssd_chunk_scan, ssd, {"dt_softplus": True, "backend": "torch"}


def results(function, tensors, arguments, options, wanted):
    """Everything that comes out, and every gradient of its squares."""
    inputs = [t.detach().clone().requires_grad_(wanted) if isinstance(t, torch.Tensor) else t for t in arguments]
    out = function(*inputs, **options)
    out = out if isinstance(out, tuple) else (out,)
    if not wanted:
        return list(out)
    leaves = [t for t in (*inputs, *tensors) if isinstance(t, torch.Tensor)]
    return [*out, *torch.autograd.grad(sum(m.square().sum() for m in out), leaves)]


def compare(name, function, tensors, arguments, options, wanted=True, backend="aot_eager"):
    torch.compiler.reset()
    compiled = torch.compile(function, fullgraph=True, backend=backend)
    both = [results(f, tensors, arguments, options, wanted) for f in (function, compiled)]
    for mine, theirs in zip(*both, strict=True):
        torch.testing.assert_close(mine, theirs)
    print("ok", name, flush=True)


def decoded(block):
    def step(x, conv, ssm):
        conv, ssm = conv * 1, ssm * 1
        y, *_ = block.step(x, conv, ssm)
        return y, conv, ssm

    return step


if __name__ == "__main__":
    for name, function, arguments, options in operations():
        gradients = options["backend"] != "reference"
        compare(f"{name} on {options['backend']}", function, [], arguments, options, gradients)
    for name, make in BLOCKS.items():
        block, x = make(), normal(2, 5, 4)
        parameters = list(block.parameters())
        compare(name, block, parameters, (x,), {})
        mask = torch.tensor([[0, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
        compare(f"{name}, masked", block, parameters, (x,), {"attention_mask": mask, "return_last_state": False})
        compare(f"{name}, a step", decoded(block), parameters, (x[:, :1], *block.allocate_inference_cache(2)), {})
    model = blocks.MambaLM(7, 4, 2, d_state=3, **DOUBLE)
    tokens = torch.randint(0, 7, (2, 5))
    compare("MambaLM", lambda **o: model(tokens, **o), list(model.parameters()), (), {})
    if "--inductor" in sys.argv:
        block = BLOCKS["Mamba2"]()
        compare("Mamba2 by inductor", block, list(block.parameters()), (normal(2, 5, 4),), {}, backend="inductor")
