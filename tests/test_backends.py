"""Interchangeable backends: registered, forced, and someone else's kernel under every block."""

import inspect
import subprocess
import sys

import pytest
import torch

from mamba_theorems import kernels
from mamba_theorems.kernels import backends, blocks, ops


def test_a_foreign_scan_runs_under_every_block():
    calls = []

    def counted(*args, **kwargs):
        calls.append(kwargs)
        return ops.selective_scan(*args, **kwargs, backend="cpu")

    model = blocks.MambaLM(7, 8, 3)
    tokens = torch.randint(0, 7, (1, 4))
    with torch.no_grad():
        expected = model(tokens)
        with backends.using_backend({"selective_scan": counted}):
            assert torch.equal(model(tokens), expected)
        model(tokens)
    assert len(calls) == 3


def test_a_registered_backend_is_chosen_by_name():
    backends.register_backend("wrong", {"selective_scan": lambda u, *args, **kwargs: torch.zeros_like(u)})
    block = blocks.PaperMamba(4, 2, backend="auto")
    with torch.no_grad(), backends.using_backend("wrong"):
        assert not block(torch.randn(1, 3, 4)).any()


def test_unknown_operations_and_backends_are_named():
    with pytest.raises(ValueError, match="scan is no operation; choose from selective_scan"):
        backends.register_backend("x", {"scan": print})
    with pytest.raises(ValueError, match="no backend 'y'"), backends.using_backend("y"):
        pass
    backends.register_backend("scan only", {"selective_scan": print})
    with pytest.raises(ValueError, match="has no causal_conv1d; it has selective_scan"):
        inspect.unwrap(ops.causal_conv1d)(torch.ones(1, 1, 1), torch.ones(1, 1), backend="scan only")


def test_what_has_no_triton_kernel_says_so():
    """The paper's Δ^⊤ runs on a CPU only."""
    with pytest.raises(ValueError, match="selective_scan_delta_t has no kernel for cuda; move its tensors to the CPU"):
        backends.find("selective_scan_delta_t", "auto", "cuda")
    with pytest.raises(
        ValueError, match="'triton' has no selective_scan_delta_t; it has selective_scan, ssd_chunk_scan"
    ):
        backends.find("selective_scan_delta_t", "triton", "cuda")


def test_the_package_offers_its_names_and_loads_torch_only_for_them():
    program = (
        "import sys, kernels; assert 'torch' not in sys.modules; kernels.selective_scan; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
    assert kernels.Mamba is blocks.Mamba
    assert all(hasattr(kernels, name) for name in kernels.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Mamba3'"):
        _ = kernels.Mamba3


def test_a_compiled_scan_leaves_torchs_threads_alone():
    """Numba and torch share OpenMP: numba's first parallel call used to reset torch's number of threads."""
    program = (
        "import torch; from mamba_theorems import kernels; torch.set_num_threads(1);"
        "x = torch.ones(4, 64, 64); m = torch.ones(4, 32, 64);"
        "kernels.selective_scan(x, x, -torch.ones(64, 32), m, m); assert torch.get_num_threads() == 1"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_exponential_for_all_states_that_decay_alike_changes_no_bit(dtype):
    """The same scan beside a state that decays otherwise and that nothing reads: results and gradients, bit by bit."""
    generator = torch.Generator().manual_seed(0)
    seqlen, d_state, d_inner = 70, 3, 18

    def drawn(*shape):
        return torch.randn(shape, generator=generator, dtype=dtype)

    u, delta, B, C, h = (drawn(2, n, seqlen) for n in (d_inner, d_inner, d_state, d_state, d_inner))
    rates, h = -drawn(d_inner, 1).exp(), h[..., :d_state]
    more = [torch.cat([m, 0 * m[:, :1]], 1) for m in (B, C)]
    alike = rates.expand(-1, d_state), B, C, h
    unlike = torch.cat([rates.expand(-1, d_state), 2 * rates], 1), *more, torch.cat([h, 0 * h[..., :1]], 2)
    seq_idx = (torch.arange(seqlen) > 40).long().expand(2, -1)
    found = []
    for A, B_, C_, start in (alike, unlike):
        inputs = [m.clone().requires_grad_() for m in (u, delta, A, B_, C_, start)]
        options = {"initial_state": inputs[5], "seq_idx": seq_idx, "return_last_state": True, "delta_softplus": True}
        y, last = ops.selective_scan(*inputs[:5], **options, backend="cpu")
        gradients = torch.autograd.grad((y * u).sum(), inputs)
        states = [g.narrow(i, 0, d_state) for g, i in zip(gradients[2:], (1, 1, 1, 2), strict=True)]
        found.append([y, last[..., :d_state], *gradients[:2], *states])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_a_gradient_compiles_nothing_that_set_up_has_compiled():
    program = (
        "import torch; from numba.core import event; from mamba_theorems.kernels.cpu import backend\n"
        "with event.install_recorder('numba:compile') as seen: backend.warm_up()\n"
        "assert not seen.buffer, [e.data['dispatcher'].py_func.__name__ for _, e in seen.buffer]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_compiled_loop_is_compiled_anew_when_what_it_inlines_has_changed():
    """The sources' checksum is part of its signature, and so of numba's key."""
    from mamba_theorems.kernels.cpu import s6 as cpu
    from mamba_theorems.kernels.cpu import s6_backward as cpu_backward
    from mamba_theorems.kernels.cpu import simd
    from mamba_theorems.kernels.cpu import ssd as cpu_ssd

    for loop in (cpu.forward, cpu_backward.backward, cpu_ssd.forward):
        assert inspect.signature(loop.py_func).parameters["sources"].default == simd.SOURCES
    kernels.ssd_chunk_scan(*(torch.ones(1, 1, 1, 1)[(..., *i)] for i in ([], [0], [0, 0, 0], [], [])))
    assert str(simd.SOURCES) in str(cpu_ssd.forward.signatures[0])
