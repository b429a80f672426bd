"""What is our own of the S6 scan: its bits, its error bound, Δ along the state, elementary functions and messages.

That the scan is right, forwards and backwards, the suite's rows say (test_conform_ours.py).
"""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_strategies import ScanCase, delta_t_arguments, scan_cases

from mamba_theorems.kernels import accuracy, backends, ops
from mamba_theorems.kernels.arguments import S6, DeltaT
from mamba_theorems.kernels.bounds.running_error import (
    ELEMENTARY_ULPS,
    selective_scan_bound,
    selective_scan_delta_t_bound,
)
from mamba_theorems.kernels.cpu import simd

quick = settings(max_examples=15)
unchecked_scan = inspect.unwrap(ops.selective_scan)


BACKENDS = backends.choices("selective_scan", "cpu")


def scan(case_or_arguments, backend="cpu", **changes):
    arguments = getattr(case_or_arguments, "arguments", case_or_arguments)
    return ops.selective_scan(**(arguments | changes), backend=backend)


def bound(arguments):
    return selective_scan_bound(S6(**arguments))


def packed_free(present=("D", "z", "delta_bias", "initial_state"), **options):
    return scan_cases(present=present, **options)


def test_error_bound_is_never_looser_than_fifty_times_the_worst_error():
    ratios = []
    for seed in range(40):
        case = ScanCase(2, 16, 1 + 3 * seed, 1 + seed % 16, 1, torch.float32, seed, frozenset({"D", "z"}), "contiguous")
        ratios.append(bound(case.arguments).ratio(scan(case)))
    assert 1 / 50 <= max(ratios) <= 1


@given(scan_cases())
@quick
def test_a_layout_changes_no_bit(case):
    packed = {k: v.contiguous() if isinstance(v, torch.Tensor) else v for k, v in case.arguments.items()}
    assert torch.equal(scan(case), scan(packed))


@given(scan_cases(), st.integers(1, 149))
@quick
def test_the_future_changes_no_bit_of_the_past(case, cut):
    cut = min(cut, case.length)
    prefix = {
        k: v[..., :cut] if k in {"u", "delta", "B", "C", "z", "seq_idx"} else v for k, v in case.arguments.items()
    }
    assert torch.equal(scan(case)[..., :cut], scan(prefix))


@given(packed_free(), st.integers(1, 149))
@quick
def test_a_state_carries_the_past_bit_by_bit(case, cut):
    if case.length == 1:
        return
    cut = min(cut, case.length - 1)
    time = {"u", "delta", "B", "C", "z"}
    head = {k: v[..., :cut] if k in time else v for k, v in case.arguments.items()}
    tail = {k: v[..., cut:] if k in time else v for k, v in case.arguments.items()}
    y_head, state = scan(head, return_last_state=True)
    y_tail, last = scan(tail, initial_state=state, return_last_state=True)
    whole, whole_last = scan(case, return_last_state=True)
    assert torch.equal(torch.cat([y_head, y_tail], -1), whole)
    assert torch.equal(last, whole_last)


@given(scan_cases())
@quick
def test_delta_along_the_state_stays_within_its_error_bound(case):
    arguments = delta_t_arguments(case)
    limits = selective_scan_delta_t_bound(DeltaT(**arguments))
    for backend in backends.choices("selective_scan_delta_t", "cpu"):
        y, last = ops.selective_scan_delta_t(**arguments, return_last_state=True, backend=backend)
        assert limits.ratio(y) <= 1
        assert limits.last_state.ratio(last) <= 1


def test_the_bound_of_delta_along_the_state_is_tight_and_rejects_what_is_wrong():
    ratios = []
    for seed in range(20):
        case = ScanCase(2, 8, 1 + 3 * seed, 1 + seed % 8, 1, torch.float32, seed, frozenset({"D", "z"}), "contiguous")
        arguments = delta_t_arguments(case)
        ratios.append(selective_scan_delta_t_bound(DeltaT(**arguments)).ratio(ops.selective_scan_delta_t(**arguments)))
        doubled = arguments | {"B": arguments["B"] * arguments["delta"]}  # Δ on the input, as in S6
        assert selective_scan_delta_t_bound(DeltaT(**arguments)).ratio(ops.selective_scan_delta_t(**doubled)) > 1
    assert 1 / 50 <= max(ratios) <= 1


# ----------------------------------------------------------------------------------------- mutants


def _shifted(arguments):
    return arguments | {"B": arguments["B"].roll(1, -1)}


def _held(arguments):
    """B by channel, times (e^ΔA − 1)/ΔA: what zero-order hold would write."""
    delta = torch.nn.functional.softplus(arguments["delta"] + arguments["delta_bias"][:, None])
    exponent = delta[:, :, None] * arguments["A"][..., None]
    return arguments["B"][:, None] * torch.expm1(exponent) / exponent


def _without_softplus_tail(arguments):
    """Δ as log(1 + e^x) in float32: 17 % off at −15, 0 below −16.64."""
    raw = arguments["delta"] + arguments["delta_bias"][:, None] - 14
    naive = torch.log(1 + torch.exp(raw))
    return arguments | {"delta": naive, "delta_softplus": False, "delta_bias": None}


MUTANTS = {
    "B and C swapped": lambda a: a | {"B": a["C"], "C": a["B"]},
    "D forgotten": lambda a: a | {"D": None},
    "gate forgotten": lambda a: a | {"z": None},
    "x and z swapped": lambda a: a | {"u": a["z"], "z": a["u"]},
    "softplus forgotten": lambda a: a | {"delta_softplus": False},
    "bias forgotten": lambda a: a | {"delta_bias": None},
    "B one token late": _shifted,
    "A one bit off": lambda a: a | {"A": a["A"] * (1 + 2.0**-16)},
    "Δ in bfloat16": lambda a: a | {"delta": a["delta"].bfloat16().float()},
    "zero-order hold for Euler": lambda a: a | {"B": _held(a)},
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_error_bound_rejects_a_wrong_scan(name):
    present = frozenset({"D", "z", "delta_bias"})
    arguments = ScanCase(1, 8, 20, 3, 1, torch.float32, 5, present, "contiguous").arguments
    arguments["B"] = arguments["B"][:, 0]
    assert bound(arguments).ratio(scan(arguments)) <= 1
    assert bound(arguments).ratio(scan(MUTANTS[name](arguments))) > 1


def test_the_error_bound_rejects_a_naive_softplus():
    present = frozenset({"D", "z", "delta_bias"})
    arguments = ScanCase(1, 8, 20, 3, 1, torch.float32, 5, present, "contiguous").arguments
    small = arguments | {"delta": arguments["delta"] - 14, "D": None}
    del small["D"]
    wrong = _without_softplus_tail(arguments) | {"D": None}
    assert bound(small).ratio(scan(small)) <= 1
    assert bound(small).ratio(scan(wrong)) > 1


# ------------------------------------------------------------------------------- elementary functions

_POINTS = {np.float32: (-104.0, 88.7), np.float64: (-745.0, 709.7)}


def _compiled(function):
    from numba import njit

    @njit
    def evaluate(x, out):
        for i in range(0, x.size, simd.LANES):
            simd.store(out, i, function(simd.load(x, i)))

    return evaluate


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("function", "exact", "ulps"),
    [
        (simd.exp, np.exp, 1),
        (simd.softplus, lambda x: np.logaddexp(np.longdouble(0), x), ELEMENTARY_ULPS),
        (simd.sigmoid, lambda x: 1 / (1 + np.exp(-x)), ELEMENTARY_ULPS),
    ],
)
def test_elementary_functions_keep_their_accuracy_into_the_subnormals(dtype, function, exact, ulps):
    low, high = _POINTS[dtype]
    x = np.linspace(low, high, 1 << 17).astype(dtype)
    out = np.empty_like(x)
    _compiled(function)(x, out)
    true = exact(x.astype(np.longdouble))
    assert np.max(np.abs(out - true) / np.spacing(true.astype(dtype))) <= ulps


@pytest.mark.parametrize(("name", "ulps"), [("exp", 1), ("softplus", ELEMENTARY_ULPS), ("sigmoid", ELEMENTARY_ULPS)])
def test_every_61st_float32_is_within_the_accuracy_that_the_bounds_assume(name, ulps):
    """Every single one: `python -m kernels.accuracy`."""
    assert 0.49 < accuracy.worst_error(name, stride=61) <= ulps  # half an ulp is what rounding alone costs


def test_another_function_is_not_within_it(monkeypatch):
    monkeypatch.setitem(accuracy.FUNCTIONS, "sigmoid", (simd.sigmoid, accuracy._softplus))
    assert accuracy.worst_error("sigmoid", stride=6101) > ELEMENTARY_ULPS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_of_nothing_is_one_and_nan_stays_nan(dtype):
    tiny = np.finfo(dtype).eps / 4
    x = np.array([0, -0.0, tiny, -tiny, np.nan, np.inf, -np.inf, 1e4, -1e4] + [0] * 7, dtype=dtype)
    out = np.empty_like(x)
    _compiled(simd.exp)(x, out)
    assert list(out[:4]) == [1, 1, 1, 1]
    assert np.isnan(out[4])
    assert list(out[5:9]) == [np.inf, 0, np.inf, 0]


# -------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta": torch.ones(2, 4, 6)}, r"delta must have shape \(batch, d_inner, L\) = \(2, 4, 5\), not \(2, 4, 6\)"),
        ({"A": torch.ones(5, 3)}, r"A must have shape \(d_inner, d_state\) = \(4, any\)"),
        ({"B": torch.ones(2, 5, 3)}, r"B must have shape .* or .*groups"),
        ({"C": torch.ones(2, 3, 3, 5)}, "C has 3 groups, which do not divide d_inner = 4"),
        ({"D": torch.ones(3)}, "D must have shape"),
        ({"u": torch.ones(2, 4, 5, dtype=torch.int64)}, "u must be a float tensor"),
        ({"u": torch.ones(2, 4, 0)}, r"u is empty: \(batch, d_inner, L\) = \(2, 4, 0\); every size must be at least 1"),
        ({"u": torch.ones(0, 4, 5)}, r"u is empty: \(batch, d_inner, L\) = \(0, 4, 5\); every size must be at least 1"),
        ({"u": [1.0]}, "u must be a torch.Tensor, not list"),
        ({"z": torch.ones(2, 4, 5, device="meta")}, "z is on meta, but the first argument is on cpu"),
        ({"seq_idx": torch.ones(2, 5)}, "seq_idx must be an int32 or int64 tensor of shape"),
        ({"seq_idx": [[0] * 5] * 2}, r"seq_idx must be an int32 or int64 tensor of shape .* = \(2, 5\), not a list"),
        ({"seq_idx": torch.ones(2, 5, dtype=torch.int32, device="meta")}, "seq_idx is on meta, but the first argument"),
        ({"backend": "cuda"}, "There is no backend 'cuda'; choose from auto, reference, cpu, torch, triton"),
        ({"backend": "triton"}, "needs CUDA tensors"),
    ],
)
def test_bad_arguments_are_named(change, message, monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    arguments = {
        "u": torch.ones(2, 4, 5),
        "delta": torch.ones(2, 4, 5),
        "A": -torch.ones(4, 3),
        "B": torch.ones(2, 3, 5),
        "C": torch.ones(2, 3, 5),
    }
    with pytest.raises((TypeError, ValueError), match=message):
        unchecked_scan(**(arguments | change))
