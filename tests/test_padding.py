"""Padding changes nothing but its own place, where our output is 0; blocks with masks, bounds and mamba_ssm's cache.

That padding changes no state on any backend the suite's rows "padding" say.
"""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_blocks import BLOCKS, PAPER_BLOCKS
from test_confined import IN_TIME, TIME, assert_same, integers, run

from mamba_theorems.kernels import blocks, ops

ALL = [*((operation, "cpu") for operation in TIME), ("selective_scan_delta_t", "reference")]
MASKS = ([0, 0, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0, 0, 0], [0, 1, 0, 0, 1, 1, 1, 0, 1], [0] * 9)
quick = settings(max_examples=12)


def only(operation, arguments, real):
    """The tokens alone, without their padding."""
    return {
        k: v.movedim(TIME[operation], 0)[real].movedim(0, TIME[operation]) if k in IN_TIME else v
        for k, v in arguments.items()
    }


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("operation", "backend"), ALL)
def test_padding_changes_nothing_but_its_own_place(operation, backend, mask, packed):
    """Outputs and last states are those of the tokens alone; in padding the output is 0, be what is there NaN."""
    real = torch.tensor(mask, dtype=torch.bool)
    arguments = integers(operation)
    own = (torch.arange(9) // 4 if packed else torch.zeros(9, dtype=torch.long)).expand(2, -1)
    y, last = run(operation, arguments, backend, seq_idx=own.masked_fill(~real, -1))
    for name in IN_TIME & set(arguments):
        arguments[name].movedim(TIME[operation], 0)[~real] = torch.nan
    again = run(operation, arguments, backend, seq_idx=own.masked_fill(~real, -1))
    assert_same(again, (y, last))
    y = y.movedim(TIME[operation], 0)
    assert not y[~real].any()
    if not real.any():
        start = arguments.get("initial_state", arguments.get("initial_states"))
        assert_same(last, start)
        return
    expected, after = run(operation, only(operation, arguments, real), backend, seq_idx=own[:, real])
    assert_same(y[real], expected.movedim(TIME[operation], 0))
    assert_same(last, after)


def test_the_reported_instance_of_mamba2():
    """Three tokens and two zeros of padding: the last state is the third token's."""
    torch.manual_seed(0)
    block, x = blocks.Mamba2(4, 3, 3, headdim=2, dtype=torch.float64), torch.randn(1, 3, 4, dtype=torch.float64)
    padded = torch.cat([x, torch.zeros(1, 2, 4, dtype=torch.float64)], 1)
    with torch.no_grad():
        _, expected = block(x, return_last_state=True)
        y, last = block(padded, torch.tensor([[0, 0, 0, -1, -1]]), return_last_state=True)
    assert not y[:, 3:].any()
    for mine, theirs in zip(last, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


MAKE = {
    **{name: make for name, (make, _) in BLOCKS.items()},
    **{n: (lambda m=m, **o: m(4, 3, **o)) for n, (m, _) in PAPER_BLOCKS.items()},
}


@pytest.mark.parametrize("name", MAKE)
@given(
    mask=st.lists(st.lists(st.integers(0, 1), min_size=6, max_size=6), min_size=2, max_size=2), seed=st.integers(0, 99)
)
@example(mask=[[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], seed=0)
@quick
def test_an_attention_mask_leaves_the_tokens_alone(name, mask, seed):
    """Left, right and inside; outputs, states, and what comes after them."""
    torch.manual_seed(seed)
    block, x = MAKE[name](dtype=torch.float64), torch.randn(2, 6, 4, dtype=torch.float64)
    mask, tail = torch.tensor(mask), torch.randn(2, 2, 4, dtype=torch.float64)
    spoiled = torch.where(mask[..., None] == 0, torch.nan, x)
    with torch.no_grad():
        y, last = block(spoiled, attention_mask=mask, return_last_state=True)
        after = block(tail, state=last)
        for row in range(2):
            real = mask[row] == 1
            assert not y[row][~real].any()
            whole = block(torch.cat([x[row][real], tail[row]])[None])[0]
            torch.testing.assert_close(torch.cat([y[row][real], after[row]]), whole)


@pytest.mark.parametrize("name", MAKE)
def test_a_masked_nan_reaches_no_gradient(name):
    torch.manual_seed(0)
    block, x = MAKE[name](dtype=torch.float64), torch.randn(2, 6, 4, dtype=torch.float64)
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    found = []
    for padding in (0.0, torch.nan):
        own = torch.where(mask[..., None] == 0, padding, x).requires_grad_()
        loss = block(own, attention_mask=mask).square().sum()
        found.append(torch.autograd.grad(loss, [own, *block.parameters()]))
    for clean, bad in zip(*found, strict=True):
        torch.testing.assert_close(bad, clean)
        assert torch.isfinite(bad).all()


def test_a_language_model_takes_a_mask():
    torch.manual_seed(0)
    model = blocks.MambaLM(7, 4, 2, d_state=3, dtype=torch.float64)
    tokens, mask = torch.randint(0, 7, (2, 6)), torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    with torch.no_grad():
        logits = model(tokens, attention_mask=mask)
        for row in range(2):
            real = mask[row] == 1
            torch.testing.assert_close(logits[row][real], model(tokens[row][real][None])[0])


# ------------------------------------------------------------------------- sequences by their bounds


@pytest.mark.parametrize("name", MAKE)
def test_cu_seqlens_cuts_into_sequences_with_states_of_their_own(name):
    torch.manual_seed(0)
    block, x = MAKE[name](dtype=torch.float64), torch.randn(1, 9, 4, dtype=torch.float64)
    bounds = torch.tensor([0, 2, 3, 9], dtype=torch.int32)
    with torch.no_grad():
        y, last = block(x, cu_seqlens=bounds, return_last_state=True)
        torch.testing.assert_close(block(x, cu_seqlens=bounds), y)
        for i, (start, stop) in enumerate(((0, 2), (2, 3), (3, 9))):
            alone, state = block(x[:, start:stop], return_last_state=True)
            torch.testing.assert_close(y[:, start:stop], alone)
            for mine, theirs in zip(last, state, strict=True):
                torch.testing.assert_close(mine[[i]], theirs)


@pytest.mark.parametrize("backend", ["reference", "cpu", "torch", "triton"])
def test_ssd_gives_the_last_state_of_each_sequence(backend):
    arguments = {k: v[:1] if k in IN_TIME else v for k, v in integers("ssd_chunk_scan").items()}
    del arguments["initial_states"]
    bounds = torch.tensor([0, 2, 3, 9])
    options = {"cu_seqlens": bounds, "backend": backend}
    y, states = ops.ssd_chunk_scan(**arguments, **options, return_varlen_states=True)
    assert_same(ops.ssd_chunk_scan(**arguments, **options), y)
    for i, (start, stop) in enumerate(((0, 2), (2, 3), (3, 9))):
        part = {k: v[:, start:stop] if k in IN_TIME else v for k, v in arguments.items()}
        assert_same((y[:, start:stop], states[[i]]), run("ssd_chunk_scan", part, backend))


def test_bounds_beside_seq_idx_with_empty_sequences_and_other_states():
    arguments = {k: v[:1] if k in IN_TIME else v for k, v in integers("ssd_chunk_scan").items()}
    arguments["initial_states"] = arguments["initial_states"][:1]
    bounds, seq_idx = torch.tensor([0, 0, 2, 2, 9, 9]), torch.tensor([[1, 1, 3, 3, 3, 3, 3, 3, 3]])
    options = {"seq_idx": seq_idx, "cu_seqlens": bounds, "return_final_states": True}
    y, last, states = ops.ssd_chunk_scan(**arguments, **options, return_varlen_states=True)
    plain = ops.ssd_chunk_scan(**arguments, seq_idx=seq_idx, return_final_states=True)
    assert_same(plain, (y, last))
    assert not states[[0, 2, 4]].any()
    part = {k: v[:, :2] if k in IN_TIME else v for k, v in arguments.items()}
    assert_same(states[[1]], run("ssd_chunk_scan", part, "cpu")[1])
    assert torch.equal(states[[3]], last)
    with pytest.raises(ValueError, match="seq_idx and cu_seqlens tell different sequences"):
        ops.ssd_chunk_scan(**arguments, cu_seqlens=bounds, seq_idx=torch.zeros_like(seq_idx))


@pytest.mark.parametrize(
    ("bounds", "batch", "message"),
    [
        (torch.tensor([0, 3]), 1, r"cu_seqlens must rise from 0 to L = 4, not \[0, 3\]"),
        (torch.tensor([0, 3, 2, 4]), 1, "cu_seqlens must rise"),
        (torch.tensor([0.0, 4.0]), 1, "cu_seqlens must be an int32 or int64 tensor"),
        (torch.tensor([0, 4]), 2, "cu_seqlens cuts a batch of 1"),
        ([0, 4], 1, "cu_seqlens must be a torch.Tensor, not list"),
    ],
)
def test_bounds_that_are_none_are_refused(bounds, batch, message):
    with pytest.raises((TypeError, ValueError), match=message):
        blocks.Mamba(2)(torch.ones(batch, 4, 2), cu_seqlens=bounds)


def test_a_mask_that_is_none_is_refused():
    block, x = blocks.Mamba(2), torch.ones(1, 4, 2)
    with pytest.raises(ValueError, match=r"attention_mask must have shape \(batch, L\) = \(1, 4\), not \(1, 3\)"):
        block(x, attention_mask=torch.ones(1, 3))
    with pytest.raises(TypeError, match=r"attention_mask must be a torch\.Tensor, not list"):
        block(x, attention_mask=[1, 1, 1, 0])
    with pytest.raises(ValueError, match="leave attention_mask out"):
        block(x, cu_seqlens=torch.tensor([0, 4]), attention_mask=torch.ones(1, 4))


# ------------------------------------------------------------------------------------ mamba_ssm's cache


def cache():
    return SimpleNamespace(
        key_value_memory_dict={}, seqlen_offset=0, max_seqlen=9, max_batch_size=2, batch_size_offset=0
    )


@pytest.mark.parametrize("name", MAKE)
def test_inference_params_hold_the_state_of_each_layer(name):
    """As mamba_ssm's generation does: a prompt, then one token or several."""
    torch.manual_seed(0)
    block, x, params = MAKE[name](layer_idx=3, dtype=torch.float64), torch.randn(2, 9, 4, dtype=torch.float64), cache()
    outputs = []
    with torch.no_grad():
        for start, stop in ((0, 4), (4, 5), (5, 8), (8, 9)):
            params.seqlen_offset = start
            outputs.append(block(x[:, start:stop], inference_params=params))
        torch.testing.assert_close(torch.cat(outputs, 1), block(x))
    assert list(params.key_value_memory_dict) == [3]


def test_a_language_model_generates_with_inference_params():
    torch.manual_seed(0)
    model, tokens, params = (
        blocks.MambaLM(7, 4, 2, d_state=3, dtype=torch.float64),
        torch.randint(0, 7, (2, 6)),
        cache(),
    )
    with torch.no_grad():
        head = model(tokens[:, :4], inference_params=params)
        params.seqlen_offset = 4
        tail = model(tokens[:, 4:], inference_params=params)
        torch.testing.assert_close(torch.cat([head, tail], 1), model(tokens))
    assert sorted(params.key_value_memory_dict) == [0, 1]


def test_a_cache_needs_to_know_the_layer():
    with pytest.raises(ValueError, match="Mamba needs layer_idx= to find its state in inference_params"):
        blocks.Mamba(2)(torch.ones(1, 4, 2), inference_params=cache())
