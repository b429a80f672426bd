"""The arguments for associative recall: [P] Theorem 2, step 1, in three targets, for all inputs of a size.

Under H1 and H2 a query q finds in its column of the state the one write (q, v(q)), and a key i before it adds its own
one write or none. So at most five scalars meet at a query, and nothing grows with the number of pairs; the steps below
enclose them, exact and as floats, at any age up to the length.
"""

import numpy as np

from mamba_theorems.constructions import mqar
from mamba_theorems.verify.certify import ranges
from mamba_theorems.verify.certify.argument import FLOATS, NOT_POSITIVE, Argument, Proven, Scalar, positive
from mamba_theorems.verify.certify.blocks import MixerLayout, PaperLayout, around_one_hots, is_model, official
from mamba_theorems.verify.certify.family import Frozen, Mutants
from mamba_theorems.verify.certify.functions import exp, relu, rounded, silu, snap, total
from mamba_theorems.verify.certify.layout import TensorLayout, diagonal, every
from mamba_theorems.verify.certify.mqar import recall
from mamba_theorems.verify.certify.mqar.recall import ANSWERS, FIRST, K, V
from mamba_theorems.verify.certify.steps import common_factor, dynamics, gated, token_input
from mamba_theorems.verify.certify.term import Expression, Term, hull, the

TARGETS = ("paper", "official", "language_model")

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

VALUES = the.num_values


def _mixer() -> MixerLayout:
    """Inner channels: keys, values."""
    keys = (diagonal(0, 0, V, K),)
    return MixerLayout(
        d_model=V,
        d_inner=V,
        d_state=K,
        x=(diagonal(0, FIRST, V, K, the.key), diagonal(K, ANSWERS, V, VALUES, the.value_weight)),
        conv=(every(2, 4, K, the.tap_previous), every(3, 4, K + VALUES, the.tap_current)),
        B=keys,
        C=keys,
        out_proj=(diagonal(ANSWERS, K, V, VALUES),),
    )


def _paper() -> PaperLayout:
    d = K + VALUES
    keys = (diagonal(0, 0, d, K),)
    return PaperLayout(
        classes=V,
        d_model=d,
        d_state=K,
        embedding=(diagonal(FIRST, 0, d, K, the.key), diagonal(ANSWERS, K, d, VALUES, the.value_weight)),
        conv=(every(0, 2, d, the.tap_previous), every(1, 2, d, the.tap_current)),
        conv_bias=((d, the.bias, ()),),
        B=keys,
        C=keys,
        head=(diagonal(ANSWERS, K, d, VALUES),),
    )


def _tensors(target: str) -> dict[str, TensorLayout]:
    if target == "paper":
        return _paper().tensors()
    return around_one_hots(target, official(target, _mixer()), V, ANSWERS, VALUES)


# --------------------------------------------------------------------------------------------------- steps

READ = ("right", "wrong", "repeated")


def _silu_codes() -> tuple[Scalar, ...]:
    codes = ("previous", "current", "after_itself", "value")
    return (
        Scalar("key_input", rounded(the.key * the.input), "in_proj of a key: one nonzero term"),
        Scalar("value_input", rounded(the.value_weight * the.input), "in_proj of a value"),
        Scalar("conv_previous", rounded(the.tap_previous * the.key_input), "a key's channel, one token late"),
        Scalar("conv_current", rounded(the.tap_current * the.key_input), "a key's channel at the key"),
        Scalar(
            "conv_after_itself", rounded(the.conv_previous + the.conv_current), "a key's channel at a key after itself"
        ),
        Scalar("conv_value", rounded(the.tap_current * the.value_input), "a value's channel at the value"),
        *(Scalar(code, silu(Term(f"conv_{code}")), "SiLU") for code in codes),
        *dynamics(),
    )


def _relu_codes() -> tuple[Scalar, ...]:
    late_key, key = rounded(the.tap_previous * the.key), rounded(the.tap_current * the.key)
    late_value, value = rounded(the.tap_previous * the.value_weight), rounded(the.tap_current * the.value_weight)
    convolutions = {
        "previous": rounded(late_key + the.bias),
        "current": rounded(key + the.bias),
        "after_itself": total(late_key, key, the.bias),
        "value": rounded(value + the.bias),
    }
    return (
        Scalar("silent", the.bias, "a channel that sees none of its tokens, before ReLU"),
        Scalar("leak", rounded(late_value + the.bias), "a value's channel late, before ReLU"),
        *(Scalar(code, relu(x), "ReLU(conv)") for code, x in convolutions.items()),
        Scalar("kept", snap(exp(0)), "exp(Delta A) with A = 0"),
    )


def _scan(*behind: Expression) -> tuple[Scalar, ...]:
    """The write and its readouts; `behind` are the factors from there to a logit."""
    write = rounded(rounded(the.step_size * the.value) * the.previous)
    codes = hull(the.previous, the.current, the.after_itself)
    path = (the.step_size, the.value, the.previous, codes, the.kept, *behind)
    return (
        Scalar("write", write, "Delta u B, in the column of the key before"),
        Scalar("stored", rounded(the.write * the.kept), "the one write, at any age"),
        Scalar("path", ranges.in_any_order(*path), "all products on the way from the codes to the logits"),
        Scalar("read_right", rounded(the.stored * the.current), "C_t[q] S[v(q), q]"),
        Scalar("read_wrong", rounded(the.stored * the.previous), "C_t[i] S[v(i), i]"),
        Scalar("read_repeated", rounded(the.stored * the.after_itself), "C_t[q] S[v(q), q] where i = q"),
    )


def _gated_logits(suffix: str) -> tuple[Scalar, ...]:
    because = "y SiLU(z); out_proj copies it"
    return tuple(Scalar(f"{name}{suffix}", rounded(Term(f"read_{name}") * the.gated), because) for name in READ)


def _normed_logits() -> tuple[Scalar, ...]:
    mixed = {name: Term(f"{name}_mixed") for name in READ}
    return (
        Scalar("scale", common_factor(the.most_stream), "1 / rms"),
        *(Scalar(f"{name}_score", rounded(x * the.scale), "the logit, a normal number") for name, x in mixed.items()),
        *(Scalar(name, rounded(x), "the logit divided by the position's common factor") for name, x in mixed.items()),
    )


def _steps(target: str) -> tuple[Scalar, ...]:
    margin = Scalar("margin", the.right - the.wrong, "after a key that stores another value: the worst case")
    if target == "paper":
        logits = (Scalar(name, Term(f"read_{name}"), "the head copies the readout") for name in READ)
        return (*ranges.paper(_paper()), *_relu_codes(), *_scan(), *logits, margin)
    read = 2 * (the.right_mixed + the.repeated_mixed) if is_model(target) else 2 * (the.right + the.repeated)
    codes = (*token_input(target, V), *ranges.block(target, _mixer(), abs(the.input)), *_silu_codes(), *gated())
    behind = ranges.behind(target, _mixer(), read)
    if not is_model(target):
        return (*codes, *_scan(the.gated), *_gated_logits(""), *behind, margin)
    return (*codes, *_scan(the.gated), *_gated_logits("_mixed"), *behind, *_normed_logits(), margin)


def _argument(target: str) -> Argument:
    """The argument for Theorem 2, step 1 in one target."""
    silent = (("silent", NOT_POSITIVE), ("leak", NOT_POSITIVE)) if target == "paper" else ()
    beside = {"paper": (), "official": GATED, "language_model": (*GATED, *RESIDUAL)}
    return Argument(
        claim=mqar.CLAIM,
        target=target,
        statement=recall.HYPOTHESES + recall.CONCLUSION,
        words=(FLOATS, *ranges.WORDS, *REDUCTION, *beside[target]),
        requires=recall.REQUIRES,
        tensors=_tensors(target),
        steps=_steps(target),
        closing=(*silent, *positive(*READ, "margin")),
    )


# ---------------------------------------------------------------------------------------------- the family


def _frozen(target: str) -> Frozen:
    """The sizes that the report quotes."""
    for sizes in ((64, 64, 8), (256, 256, 32), (1024, 512, 64), (1024, 4096, 64)):
        yield "float32", recall.at(*sizes)
    if is_model(target):
        yield "float64", recall.at(1024, 4096, 64)


def _mutants(target: str) -> Mutants:
    if target == "paper":
        return {
            "conv taps swapped": {"conv.weight": _taps_swapped},
            "ReLU threshold broken": {"conv.bias": np.zeros_like},
        }
    return {
        "conv taps swapped": {"conv1d.weight": _taps_swapped},
        "gate negated": {"in_proj.weight": _gate_negated},
    }


def _taps_swapped(weight: np.ndarray) -> np.ndarray:
    """The last two taps of every channel that looks back; the others' last tap is theirs, as the layout wants it."""
    flat = weight.reshape(weight.shape[0], -1)
    looks_back = flat[:, -2] != 0
    before, now = flat[looks_back][0, -2:]
    flat[looks_back, -2:] = now, before
    flat[~looks_back & (flat[:, -1] != 0), -1] = before
    return weight


def _gate_negated(weight: np.ndarray) -> np.ndarray:
    half = weight.shape[0] // 2
    weight[half:] *= -1
    return weight


FORMAL = {
    "paper": Proven(
        "certified.OneHotKeys.one_hot_keys",
        "what floats add: that certified.OneHotKeys.one_hot_keys_rounded speaks of every evaluation in them",
    )
}
FAMILIES = (
    recall.family(mqar.CLAIM, TARGETS, _argument, shapes=("dt_rank",), frozen=_frozen, mutants=_mutants, formal=FORMAL),
)
