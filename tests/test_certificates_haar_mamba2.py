"""The certificate of the Haar transform in two Mamba-2 blocks: it encloses their numbers, and no mutant gets one."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from mamba_theorems.constructions.haar import full_basis, mamba2_haar
from mamba_theorems.verify.certify import catalogue
from mamba_theorems.verify.certify.catalogue import Request
from mamba_theorems.verify.certify.certificate import NotLaidOut, make
from mamba_theorems.verify.certify.enclose import Disproved, Undecided
from mamba_theorems.verify.certify.haar import mamba2

CLAIM, TARGET = mamba2.BLOCK, mamba2.TARGET
BITS = {"float32": 10, "float64": 39}
DTYPES = pytest.mark.parametrize("dtype", list(BITS))
LENGTH = 32


def network(dtype: str, length: int = LENGTH):
    return mamba2_haar(length, full_basis(length), bits=mamba2.BITS[dtype])


def bounds(dtype: str, length: int = LENGTH) -> dict[str, tuple[float, float]]:
    certificate = Request(CLAIM, TARGET, dtype, {"length": length, "bits": BITS[dtype]}).make()
    return {name: tuple(map(float, map(Fraction, ends))) for name, ends in certificate["enclosures"].items()}


@DTYPES
def test_coefficients_on_the_kernels_are_within_the_certified_share_of_the_signal(dtype):
    worst, stray = (bounds(dtype)[name][1] for name in ("worst", "stray"))
    signal = np.random.default_rng(0).uniform(-1, 1, (64, LENGTH)).astype(dtype)
    signal[0], signal[1], signal[2] = 1, [(-1) ** s for s in range(LENGTH)], np.eye(LENGTH)[3] * 1e-20
    net = network(dtype)
    found = net.on_kernels(signal, getattr(torch, dtype)).astype(np.longdouble)
    waves = np.stack([w.values(LENGTH) for w in net.basis]).astype(np.longdouble)
    error = np.abs(found - signal.astype(np.longdouble) @ waves.T)
    assert (error <= worst * (np.abs(signal) @ np.abs(waves).T) + stray).all()
    assert error.max() > 0


@DTYPES
@pytest.mark.parametrize("off", [0.0, 1.0])
def test_steps_and_codes_of_the_kernels_are_within_the_enclosures(dtype, off):
    """As they are, and with every square mean of the first norm an ulp or two off: what the model allows, happens."""
    found, net, kind = bounds(dtype), network(dtype), getattr(torch, dtype)
    first, second = (layer.module(kind) for layer in net.layers)
    u = torch.from_numpy(net.inputs(np.ones((1, LENGTH), dtype)))
    factor = 1 + off * torch.finfo(kind).eps
    u = u + first(u) * factor
    t, places = np.arange(2 * LENGTH)[:, None], np.arange(2 * LENGTH + 1)
    steps = u[0, :, 3:].double().numpy()
    assert found["high"][0] <= steps[t >= places].min() <= steps[t >= places].max() <= found["high"][1]
    assert np.abs(steps[t < places]).max() <= found["low"][1]
    rows = second.in_proj.weight[64 : 64 + 4 * LENGTH]
    codes = torch.nn.functional.silu(u[0] @ rows.T).double().numpy()
    on = np.abs(codes) > 1
    assert set(on.sum(0)) == {0, 1} | {2**k for k in range(6)}
    assert found["code"][0] <= codes[on].min() <= codes[on].max() <= found["code"][1]
    assert np.abs(codes[~on]).max() <= found["stray_code"][1]


@DTYPES
def test_more_bits_than_rounding_leaves_are_undecided(dtype):
    with pytest.raises(Undecided) as caught:
        Request(CLAIM, TARGET, dtype, {"length": 128, "bits": BITS[dtype] + 1}).make()
    assert not isinstance(caught.value, Disproved)


def changed(change: dict, dtype: str = "float32"):
    """Make the certificate of a network some of whose weights are changed."""
    honest = catalogue.subject(CLAIM, TARGET)

    def tensors(sizes, dtype):
        found = dict(honest.tensors(sizes, dtype))
        for name, tamper in change.items():
            found[name] = tamper(found[name].copy())
        return found

    return make(replace(honest, tensors=tensors), {"length": LENGTH, "bits": BITS[dtype]}, dtype)


def scaled(factor: float):
    return lambda weight: weight * np.float32(factor)


def only(number: float, other: float):
    """One number in place of another."""
    return lambda weight: np.where(weight == number, np.float32(other), weight)


MUTANTS = {
    "a gate a little wide": {f"layers.{i}.in_proj.weight": only(128, 129) for i in (0, 1)},
    "no threshold": {"layers.1.in_proj.weight": only(-128, 0)},
    "a threshold beyond the step": {"layers.1.in_proj.weight": only(-128, -512)},
    "a light constant in the first norm": {"layers.0.in_proj.weight": only(2.0**40, 2.0**12)},
    "a light constant in the second norm": {"layers.1.in_proj.weight": only(2.0**52, 2.0**20)},
    "an open step for the constant": {"layers.1.dt_bias": only(-200, 128)},
    "a hinge bent too late": {"layers.0.conv1d.bias": lambda b: b - 128 * (b != 0)},
    "a state that forgets": {"layers.1.A_log": lambda a: a + 60},
    "a state that forgets a little": {"layers.1.A_log": lambda a: a + 45, "layers.0.A_log": lambda a: a + 45},
    "the previous token": {"layers.1.conv1d.weight": lambda w: np.roll(w, 1, axis=-1)},
    "steps of twice their height": {"layers.0.out_proj.weight": scaled(2)},
    "one wavelet's second half moved": {"layers.1.in_proj.weight": lambda w: np.roll(w, 1, axis=1)},
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_network_whose_worst_case_is_wrong_gets_no_certificate(name):
    with pytest.raises((Undecided, NotLaidOut)):
        changed(MUTANTS[name])


def test_a_readout_with_the_wrong_sign_or_size_is_disproved():
    for factor in (-1, 0.5):
        with pytest.raises(Disproved, match="margin"):
            changed({"layers.1.out_proj.weight": scaled(factor)})


def test_a_heavier_constant_that_still_fits_is_certified():
    """The mutants are refused for what they do, not for being others."""
    assert (
        changed({"layers.0.in_proj.weight": only(2.0**40, 2.0**42), "layers.0.out_proj.weight": scaled(4)})["weights"][
            "large"
        ]
        == (2.0**42).hex()
    )
