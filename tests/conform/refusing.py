"""Kernels that refuse: those of FAULTS crash, or refuse and do not say what; those of CORRECT say it, or declare it.

Each is by operation and by what it does, an otherwise correct kernel with a check before it.
"""

from functools import wraps

import torch
from reference import MAKERS

SCAN, SSD, CONV, STEP = MAKERS
BY_OPERATION = {operation: maker() for operation, maker in MAKERS.items()}


def refusing(operation, check, **declared):
    """The correct kernel behind a check, which is given its first argument, the signal and the options in use."""
    kernel = BY_OPERATION[operation]

    @wraps(kernel)
    def checked(*given, **options):
        signal = given[1] if operation == STEP else given[0]
        check(signal, {name for name, m in options.items() if m is not None and m is not False}, options)
        return kernel(*given, **options)

    if declared:
        checked.conformance = declared
    return checked


def bare(condition):
    assert not condition


def reshaped(condition):
    """numpy's, or torch's, about a shape."""
    if condition:
        raise ValueError("cannot reshape array of size 15 into shape (2,8)")


def stray(condition):
    if condition:
        raise RuntimeError("unsupported value encountered in kernel launch")


def said(words, kind=ValueError):
    def raises(condition):
        if condition:
            raise kind(words)

    return raises


class Backward(torch.autograd.Function):
    """The identity; going back through it raises."""

    @staticmethod
    def forward(ctx, x, raises):
        ctx.raises = raises
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        ctx.raises(True)
        return gradient, None


def no_way_back(operation, raises, when=lambda uses, signal: True):
    kernel = BY_OPERATION[operation]

    @wraps(kernel)
    def one_way(*given, **options):
        at = 1 if operation == STEP else 0
        uses = {name for name, m in options.items() if m is not None and m is not False}
        if torch.is_grad_enabled() and given[at].requires_grad and when(uses, given[at]):
            given = (*given[:at], Backward.apply(given[at], raises), *given[at + 1 :])
        return kernel(*given, **options)

    return one_way


def whole_chunks(signal, uses, options):
    assert signal.shape[-1] % 64 == 0


def no_gate_beside_bias(signal, uses, options):
    z, delta_bias = options.get("z"), options.get("delta_bias")
    assert z is None or delta_bias is None


def together(raises, *names):
    return lambda signal, uses, options: raises(set(names) <= uses)


def at(raises, condition):
    return lambda signal, uses, options: raises(condition(signal, uses, options))


FAULTS = {
    SCAN: {
        "a bare assert on z with delta_bias": refusing(SCAN, together(bare, "z", "delta_bias")),
        "a stray reshape at length 65": refusing(SCAN, at(reshaped, lambda m, *_: m.shape[2] == 65)),
        "a stray word of refusal for D with seq_idx": refusing(SCAN, together(stray, "D", "seq_idx")),
        "an assert on a batch with seq_idx": refusing(
            SCAN, at(bare, lambda m, uses, _: "seq_idx" in uses and len(m) > 1)
        ),
        "a wordless refusal to go back": no_way_back(SCAN, said("", NotImplementedError)),
        "a wordless refusal to go back with z": no_way_back(SCAN, bare, lambda uses, m: "z" in uses),
        "an assert on an odd length": refusing(SCAN, at(bare, lambda m, *_: m.shape[2] % 2)),
        "one of two named": refusing(SCAN, together(said("z is not supported here"), "z", "initial_state")),
        "the wrong option named": refusing(SCAN, together(said("D is not supported"), "z", "initial_state")),
        "an assert on half precision with z": refusing(
            SCAN, at(bare, lambda m, uses, _: "z" in uses and m.dtype == torch.float16)
        ),
        "an assert on strides": refusing(SCAN, at(bare, lambda m, *_: not m.is_contiguous())),
        "an assert on padding": refusing(
            SCAN, at(bare, lambda m, uses, o: "seq_idx" in uses and bool((o["seq_idx"] < 0).any()))
        ),
        "a crash where gradients are asked for": refusing(
            SCAN, at(said("index 3 is out of bounds", IndexError), lambda m, *_: m.requires_grad)
        ),
        "an assert on single tokens": refusing(SCAN, at(bare, lambda m, *_: m.shape[2] == 1)),
    },
    SSD: {
        "a bare assert on D, z and dt_limit": refusing(SSD, together(bare, "D", "z", "dt_limit")),
        "a helper without z": refusing(
            SSD, together(said("_fwd() got an unexpected keyword argument 'z'", TypeError), "z", "initial_states")
        ),
        "Python's unsupported operand": refusing(
            SSD, together(said("unsupported operand type(s) for +: 'NoneType' and 'Tensor'", TypeError), "D", "z")
        ),
        "an assert on chunks beyond the length": refusing(
            SSD, at(bare, lambda m, uses, o: o.get("chunk_size", 0) > m.shape[1])
        ),
    },
    CONV: {
        "a bare assert on bias with seq_idx": refusing(CONV, together(bare, "bias", "seq_idx")),
        "an assert on fewer tokens than taps": refusing(CONV, at(bare, lambda m, *_: m.shape[2] < 4)),
        "a torch list of other lengths": refusing(
            CONV, at(said("expected sequence of length 16 at dim 1 (got 5)"), lambda m, *_: m.shape[2] == 17)
        ),
    },
    STEP: {
        "a bare assert on z with slots": refusing(STEP, together(bare, "z", "state_batch_indices")),
        "a stray broadcast of 17 rows": refusing(
            STEP,
            at(said("operands could not be broadcast together with shapes (17,) (16,)"), lambda m, *_: len(m) == 17),
        ),
        "a crash going back": no_way_back(STEP, said("list index out of range", IndexError)),
    },
}

SEEN = {
    "a bare assert on z with delta_bias": "pair.z.delta_bias",
    "a stray reshape at length 65": "length.65",
    "a stray word of refusal for D with seq_idx": "pair.D.seq_idx",
    "an assert on a batch with seq_idx": "option.seq_idx",
    "a wordless refusal to go back": "plain",
    "a wordless refusal to go back with z": "option.z",
    "an assert on an odd length": "plain",
    "one of two named": "pair.z.initial_state",
    "the wrong option named": "all",
    "an assert on half precision with z": "option.z.float16",
    "an assert on strides": "strides.u.transposed",
    "an assert on padding": "padding.right",
    "a crash where gradients are asked for": "plain",
    "an assert on single tokens": "pieces.all",
    "a bare assert on D, z and dt_limit": "dtype.float64.all",
    "a helper without z": "all",
    "Python's unsupported operand": "pair.D.z",
    "an assert on chunks beyond the length": "state.length-7",
    "a bare assert on bias with seq_idx": "pair.bias.seq_idx",
    "an assert on fewer tokens than taps": "short.2.both",
    "a torch list of other lengths": "length.17",
    "a bare assert on z with slots": "slots.heads.batch-2",
    "a stray broadcast of 17 rows": "batch.17",
    "a crash going back": "state.gradient.all",
}
"""By fault: a row that sees it."""

CORRECT = {
    SCAN: {
        "z with an initial state, in words": refusing(
            SCAN, together(said("the gate z is not supported with an initial state"), "z", "initial_state")
        ),
        "declared": refusing(
            SCAN, together(bare, "z", "initial_state"), not_together=[["z", "initial_state"]], dtypes=["float32"]
        ),
        "one row of packed sequences, declared": refusing(
            SCAN,
            at(bare, lambda m, uses, _: "seq_idx" in uses and len(m) > 1),
            not_together=[["seq_idx", {"batch": [1]}]],
        ),
        "one row of packed sequences, in words": refusing(
            SCAN, at(said("packed sequences need a batch of 1"), lambda m, uses, _: "seq_idx" in uses and len(m) > 1)
        ),
        "an option refused without a word": refusing(SCAN, together(bare, "seq_idx")),
        "no way back, in words": no_way_back(SCAN, said("the backward pass is not implemented", NotImplementedError)),
        "no way back through z, declared": refusing(
            SCAN,
            at(bare, lambda m, uses, _: "z" in uses and m.requires_grad),
            not_together=[["z", "gradient"]],
            dtypes=["float32"],
        ),
        "contiguous inputs alone": refusing(
            SCAN, at(said("u must be contiguous"), lambda m, *_: not m.is_contiguous())
        ),
        "at most 64 steps": refusing(SCAN, at(said("L > 64 is not supported"), lambda m, *_: m.shape[2] > 64)),
        "multiples of 64, asserted": refusing(SCAN, whole_chunks),
        "multiples of 64, in words without a name": refusing(
            SCAN, at(said("must be a multiple of 64"), lambda m, *_: m.shape[2] % 64)
        ),
        "z without a bias, asserted": refusing(SCAN, no_gate_beside_bias),
        "softplus always": refusing(
            SCAN,
            at(
                said("softplus is always applied", NotImplementedError), lambda m, uses, _: "delta_softplus" not in uses
            ),
        ),
        "no padding, in words": refusing(
            SCAN,
            at(
                said("padding is not supported"),
                lambda m, uses, o: "seq_idx" in uses and bool((o["seq_idx"] < 0).any()),
            ),
        ),
    },
    SSD: {
        "chunks no longer than the sequence": refusing(
            SSD,
            at(
                said("chunk_size must be at most seqlen"),
                lambda m, uses, o: o.get("chunk_size", 0) > m.shape[1],
            ),
        ),
    },
    CONV: {
        "seq_idx without states": refusing(
            CONV,
            at(
                said("seq_idx does not support initial_states or return_final_states", AssertionError),
                lambda m, uses, _: "seq_idx" in uses and bool(uses & {"initial_states", "return_final_states"}),
            ),
        ),
    },
    STEP: {
        "no gate beside slots": refusing(
            STEP, together(said("z with state_batch_indices: not yet", NotImplementedError), "z", "state_batch_indices")
        ),
    },
}
