"""The arguments for associative recall: [P] Theorem 2, step 1, in three targets, for all inputs of a size.

Under H1 and H2 a query q finds in its column of the state the one write (q, v(q)), and a key i before it adds its own
one write or none. So at most five scalars meet at a query, and nothing grows with the number of pairs; the steps below
enclose them, exact and as floats, at any age up to the length.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from math import ceil

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.certify.argument import (
    FLOATS,
    NOT_POSITIVE,
    POSITIVE,
    Argument,
    Expression,
    Step,
    TensorLayout,
    add,
    diagonal,
    every,
    exp,
    mul,
    product,
    relu,
    rounded,
    silu,
    snap,
    sub,
    tensor,
    total,
)
from mamba_theorems.verify.certify.blocks import (
    LAYER,
    Mixer,
    alone,
    common_factor,
    dynamics,
    gated,
    language_model,
    mamba1,
    normed_input,
    one_hot_input,
)
from mamba_theorems.verify.certify.certificate import Subject, Tensors
from mamba_theorems.verify.certify.tensors import shipped

CLAIM = mqar.CLAIM
TARGETS = {CLAIM: ("paper", "official", "language_model")}

STATEMENT = (
    "For every sequence k_1 v_1 ... k_p v_p | tail with p = num_kv_pairs pairs, of at most input_seq_len tokens of the "
    "vocabulary, with distinct keys k_1 ... k_p (H1), in whose tail no key occurs again once a value has directly "
    "followed it there (H2): at every tail position that holds one of k_1 ... k_p, the logit of that key's value is "
    "larger than every other logit, both in exact arithmetic on these weights and in every floating-point evaluation "
    "described below."
)
REDUCTION = (
    "Keys are the tokens first_key ... first_key + num_keys - 1, values the num_values tokens after them. Channel c of "
    "the mixer belongs to token first_key + c; any other channel is 0 at all times.",
    "Convolution: after a token i and at a token j only the channels of i and j are not 0. A key's channel is "
    "'previous' one token late, 'current' at the key, 'repeated' at a key directly after itself. A value's channel is "
    "'value' at the value and 0 one token late; at a value directly after itself it may be more, but writes nothing.",
    "Writes: the readout reads the value channels alone. Their rows of the state change at values only, where B_t is 0 "
    "unless a key stood directly before; then the row of the value gains 'write' in the column of that key. So row v, "
    "column k of the state is a sum over the places where v directly follows k, each kept by a factor within 'kept'.",
    "Counts: let q at position t be queried, n(k, v) the number of places before t where v directly follows k. In the "
    "first 2p tokens a value follows q once, v(q), by H1; in the tail none follows before t, by H2. So n(q, v) is 1 "
    "for v = v(q) and else 0, and its one write has an age below input_seq_len. Let i be the token before q. If it is "
    "a key, then H2 at position t - 1 gives likewise n(i, v) = 1 for v = v(i) if i is one of the k_1 ... k_p, and "
    "otherwise 0; no other token before q contributes to C_t.",
    "Worst cases: logit v is C_t[q] S[v, q] + C_t[i] S[v, i], times the gate where there is one. If i is no key, or"
    " a key that stores nothing, the right logit is at least 'right' and all others are 0. If v(i) differs from "
    "v(q), the right one is at least 'right', that of v(i) at most 'wrong', all others 0. If v(i) = v(q), the right"
    " one is at least 'right', since what is added is not negative and rounding is monotone. If i = q, the right "
    "one is at least 'repeated', all others "
    "0. This is every case, for every number of pairs, order of the pairs and assignment of values.",
)
GATED = (
    "Step size: x_proj gives 0 for dt, so softplus sees the bias alone. D is 0. The gate's input is the same weight "
    "times the one entry of the token's embedding.",
)
RESIDUAL = (
    "Residual and norms: at a query the residual is the key's own one-hot, 0 at all values, and the head reads values "
    "only. The final norm multiplies all logits of a position by one positive factor, rounding each; 'right', 'wrong' "
    "and 'repeated' bound the rounded logits, divided by that factor, which is 'scale'.",
)


# ------------------------------------------------------------------------------------------------- layouts


def _mixer() -> Mixer:
    """Inner channels: keys, values. Sizes: num_keys, num_values, first_key; weights: key, value_weight, tap_*."""
    v, n, first = "vocab_size", "num_keys", "first_key"
    keys = (diagonal(0, 0, v, n),)
    return Mixer(
        d_model=v,
        d_inner=v,
        d_state=n,
        x=(diagonal(0, first, v, n, "key"), diagonal(n, add(first, n), v, "num_values", "value_weight")),
        conv=(every(2, 4, n, "tap_previous"), every(3, 4, add(n, "num_values"), "tap_current")),
        B=keys,
        C=keys,
        out_proj=(diagonal(add(first, n), n, v, "num_values"),),
    )


def _official_tensors() -> dict[str, TensorLayout]:
    return alone(mamba1("mixer.", _mixer()), "vocab_size")


def _language_model_tensors() -> dict[str, TensorLayout]:
    answers = add("first_key", "num_keys")
    return language_model(mamba1(f"{LAYER}mixer.", _mixer()), "vocab_size", answers, "num_values")


def _paper_tensors() -> dict[str, TensorLayout]:
    v, n, m, first = "vocab_size", "num_keys", "num_values", "first_key"
    d = add(n, m)
    keys = diagonal(0, 0, d, n)
    return {
        "embedding.weight": tensor(
            (v, d), 0, diagonal(first, 0, d, n, "key"), diagonal(add(first, n), n, d, m, "value_weight")
        ),
        "mixer.conv.weight": tensor((d, 2), 0, every(0, 2, d, "tap_previous"), every(1, 2, d, "tap_current")),
        "mixer.conv.bias": tensor((d,), "bias"),
        "mixer.delta.weight": tensor((d, d)),
        "mixer.delta.bias": tensor((d,), "step_size"),
        "mixer.B.weight": tensor((n, d), 0, keys),
        "mixer.C.weight": tensor((n, d), 0, keys),
        "mixer.A": tensor((d, n)),
        "head.weight": tensor((v, d), 0, diagonal(add(first, n), n, d, m)),
    }


# --------------------------------------------------------------------------------------------------- steps


def _silu_codes() -> tuple[Step, ...]:
    return (
        Step("key_input", product("key", "input"), "in_proj of a key: one nonzero term"),
        Step("value_input", product("value_weight", "input"), "in_proj of a value"),
        Step("conv_previous", product("tap_previous", "key_input"), "a key's channel, one token late"),
        Step("conv_current", product("tap_current", "key_input"), "a key's channel at the key"),
        Step("conv_after_itself", total("conv_previous", "conv_current"), "a key's channel at a key after itself"),
        Step("conv_value", product("tap_current", "value_input"), "a value's channel at the value"),
        *(Step(code, silu(f"conv_{code}"), "SiLU") for code in ("previous", "current", "after_itself", "value")),
        *dynamics(),
    )


def _relu_codes() -> tuple[Step, ...]:
    def channel(tap: str, weight: str) -> Expression:
        return product(tap, weight)

    convolutions = {
        "previous": channel("tap_previous", "key"),
        "current": channel("tap_current", "key"),
        "after_itself": total(channel("tap_previous", "key"), channel("tap_current", "key")),
        "value": channel("tap_current", "value_weight"),
        "value_again": total(channel("tap_previous", "value_weight"), channel("tap_current", "value_weight")),
    }
    return (
        Step("silent", "bias", "a channel that sees none of its tokens, before ReLU"),
        Step("leak", total(channel("tap_previous", "value_weight"), "bias"), "a value's channel late, before ReLU"),
        *(Step(code, relu(total(x, "bias")), "ReLU(conv)") for code, x in convolutions.items()),
        Step("kept", snap(exp(0)), "exp(Delta A) with A = 0"),
    )


def _scan(largest_value: str) -> tuple[Step, ...]:
    codes = add(add("previous", "current"), add("after_itself", largest_value))
    return (
        Step("write", product(product("step_size", "value"), "previous"), "Delta u B, in the column of the key before"),
        Step("stored", rounded(mul("write", "kept")), "the one write, at any age"),
        Step("codes", codes, "no entry of the convolution's output is larger"),
        Step(
            "largest_state",
            rounded(mul(mul("input_seq_len", "kept"), mul("step_size", mul("codes", "codes")))),
            "finite",
        ),
        Step("largest_readout", rounded(mul(mul(4, "codes"), "largest_state")), "finite"),
        Step("read_right", product("stored", "current"), "C_t[q] S[v(q), q]"),
        Step("read_wrong", product("stored", "previous"), "C_t[i] S[v(i), i]"),
        Step("read_repeated", product("stored", "after_itself"), "C_t[q] S[v(q), q] where i = q"),
    )


def _gated_logits(suffix: str) -> tuple[Step, ...]:
    return (
        *gated(),
        *(
            Step(f"{name}{suffix}", product(f"read_{name}", "gated"), "y SiLU(z); out_proj copies it")
            for name in ("right", "wrong", "repeated")
        ),
    )


def _normed_logits() -> tuple[Step, ...]:
    return (
        Step("largest", total(total(1, "right_mixed"), "repeated_mixed"), "no entry of the residual stream is larger"),
        Step("scale", common_factor("largest"), "1 / rms"),
        *(
            Step(f"{name}_score", product(f"{name}_mixed", "scale"), "the logit, a normal number")
            for name in ("right", "wrong", "repeated")
        ),
        *(
            Step(name, rounded(f"{name}_mixed"), "the logit divided by the position's common factor")
            for name in ("right", "wrong", "repeated")
        ),
    )


MARGINS = (Step("margin", sub("right", "wrong"), "after a key that stores another value: the worst case"),)
POSITIVE_ENDS = tuple((name, POSITIVE) for name in ("right", "wrong", "repeated", "margin"))
REQUIRES = (
    ("at least one pair", sub("num_kv_pairs", 1)),
    ("enough keys", sub("num_keys", "num_kv_pairs")),
    ("at least one value", sub("num_values", 1)),
    ("all keys and values are tokens", sub("vocab_size", add("first_key", add("num_keys", "num_values")))),
    ("room for a query", sub("input_seq_len", add(mul(2, "num_kv_pairs"), 1))),
    ("elementary functions good to at least one ulp are what floats give", sub("ulps", 1)),
)


def _argument(target: str) -> Argument:
    """The argument for Theorem 2, step 1 in one target."""
    ideal = one_hot_input()
    direct = tuple(Step(name, f"read_{name}", "the head copies the readout") for name in ("right", "wrong", "repeated"))
    parts = {
        "paper": (_paper_tensors(), (*_relu_codes(), *_scan("value_again"), *direct), ()),
        "official": (_official_tensors(), (*ideal, *_silu_codes(), *_scan("value"), *_gated_logits("")), GATED),
        "language_model": (
            _language_model_tensors(),
            (*normed_input("vocab_size"), *_silu_codes(), *_scan("value"), *_gated_logits("_mixed"), *_normed_logits()),
            (*GATED, *RESIDUAL),
        ),
    }
    tensors, steps, words = parts[target]
    silent = (("silent", NOT_POSITIVE), ("leak", NOT_POSITIVE)) if target == "paper" else ()
    return Argument(
        claim=CLAIM,
        target=target,
        statement=STATEMENT,
        words=(FLOATS, *REDUCTION, *words),
        requires=REQUIRES,
        tensors=tensors,
        steps=(*steps, *MARGINS),
        closing=(*silent, *POSITIVE_ENDS),
    )


# ----------------------------------------------------------------------------------------- the subject


def _vocabulary(target: str, sizes: Mapping[str, int]) -> Vocabulary:
    if target.endswith("language_model"):
        return Vocabulary.zoology(sizes["vocab_size"])
    return Vocabulary.paper(sizes["num_kv_pairs"], sizes["vocab_size"] - sizes["num_kv_pairs"])


def recall_sizes(target: str, chosen: Mapping[str, int]) -> dict[str, int]:
    """vocab_size, num_kv_pairs, input_seq_len, and what follows from them. Raises ValueError for impossible sizes."""
    names = ("vocab_size", "num_kv_pairs", "input_seq_len")
    missing = [name for name in names if name not in chosen]
    if missing:
        raise ValueError(f"Recall needs the sizes {', '.join(names)}: give {', '.join(missing)}.")
    vocab_size, num_kv_pairs, length = (chosen[name] for name in names)
    if not 1 <= num_kv_pairs < vocab_size or length <= 2 * num_kv_pairs:
        raise ValueError("Recall needs 1 <= num_kv_pairs < vocab_size and input_seq_len > 2 num_kv_pairs: change them.")
    vocabulary = _vocabulary(target, chosen)
    if num_kv_pairs > len(vocabulary.keys):
        raise ValueError(f"num_kv_pairs={num_kv_pairs} exceeds the {len(vocabulary.keys)} keys: enlarge vocab_size.")
    sizes = dict(zip(names, (vocab_size, num_kv_pairs, length), strict=True))
    sizes |= {"first_key": vocabulary.keys[0], "num_keys": len(vocabulary.keys), "num_values": len(vocabulary.values)}
    return sizes


def _sizes(target: str, chosen: Mapping[str, int]) -> dict[str, int]:
    sizes = recall_sizes(target, chosen)
    return sizes if target == "paper" else sizes | {"dt_rank": ceil(sizes["vocab_size"] / 16)}


@cache
def _tensors(target: str, vocabulary: Vocabulary, dtype: str) -> Tensors:
    return shipped(mqar.theorem2_step1(vocabulary, target).weights, dtype)


def subject(claim: str, target: str) -> Subject:
    """Theorem 2, step 1 in a target. Raises KeyError for an unknown one."""
    return Subject(
        argument=_argument(target),
        sizes=lambda chosen: _sizes(target, chosen),
        tensors=lambda sizes, dtype: _shipped(target, sizes, dtype),
    )


def _shipped(target: str, sizes: Mapping[str, int], dtype: str) -> Tensors:
    return _tensors(target, _vocabulary(target, sizes), dtype)


def _frozen() -> Iterator[tuple[str, str, str, dict[str, int]]]:
    """The sizes that the report quotes: (claim, target, dtype, sizes)."""
    for target in TARGETS[CLAIM]:
        for vocab_size, length, pairs in ((64, 64, 8), (256, 256, 32), (1024, 512, 64), (1024, 4096, 64)):
            yield CLAIM, target, "float32", _chosen(vocab_size, length, pairs)
    yield CLAIM, "language_model", "float64", _chosen(1024, 4096, 64)


def _chosen(vocab_size: int, length: int, pairs: int) -> dict[str, int]:
    return {"vocab_size": vocab_size, "input_seq_len": length, "num_kv_pairs": pairs}


FROZEN = tuple(_frozen())
