"""The codes of the recall constructions as entries of weights, and the tensors of six targets that hold them.

A code gives key i or value i a number in some channels; in the paper's blocks numbers are what ReLU passes, in the
official ones their SiLU preimages. B has the codes of the previous key, C those of the current, x the value's.
"""

from dataclasses import dataclass
from typing import Literal

from mamba_theorems.verify.certify.argument import (
    Entries,
    Expression,
    TensorLayout,
    add,
    bit,
    diagonal,
    entry,
    every,
    mul,
    sub,
    tensor,
)
from mamba_theorems.verify.certify.blocks import LAYER, Mixer, alone, language_model, mamba1, mamba2

Activation = Literal["relu", "silu"]
V, FIRST = "vocab_size", "first_key"
ANSWERS = add(FIRST, "num_keys")


@dataclass(frozen=True)
class Code:
    """Token i < tokens has `number` in `channel`, for every j < columns."""

    tokens: Expression
    columns: Expression
    channel: Expression
    number: Expression

    def channels_by_tokens(self, row: Expression, column: Expression, width: Expression) -> Entries:
        """In a matrix whose rows are channels, from `row` and `column` on."""
        place = add(mul(add(row, self.channel), width), add(column, "i"))
        return Entries(self.tokens, self.columns, place, self.number)

    def tokens_by_channels(self, row: Expression, column: Expression, width: Expression) -> Entries:
        """In a matrix whose rows are tokens."""
        place = add(mul(add(row, "i"), width), add(column, self.channel))
        return Entries(self.tokens, self.columns, place, self.number)


@dataclass(frozen=True)
class Codes:
    """The codes of a construction, and how many channels B, C and x have."""

    d_state: Expression
    width: Expression
    write: tuple[Code, ...]
    read: tuple[Code, ...]
    value: tuple[Code, ...]
    head: tuple[Code, ...]


def _keys(channel: Expression, number: Expression) -> Code:
    return Code("num_keys", 1, channel, number)


def _values(channel: Expression, number: Expression) -> Code:
    return Code("num_values", 1, channel, number)


def one_hot_writes(unit: str) -> tuple[Code, ...]:
    """Key i writes the i-th unit vector, in units of a weight."""
    return (_keys("i", unit),)


ONE_HOT_KEYS = one_hot_writes("key")
ONE_HOT = Codes("num_keys", "num_values", ONE_HOT_KEYS, ONE_HOT_KEYS, (_values("i", "value"),), (_values("i", "head"),))


def signs(activation: Activation) -> Codes:
    """Value i by the digits of columns_i, {0, 2}; the head by ±1."""
    digit = bit(entry("columns", "i"), sub(sub("width", 1), "j"))
    value = Code("num_values", "width", "j", mul("value", digit))
    head = Code("num_values", "width", "j", mul("head", sub(mul(2, digit), 1)))
    return Codes("num_keys", "width", ONE_HOT_KEYS, ONE_HOT_KEYS, (value,), (head,))


def integers(activation: Activation) -> Codes:
    """Value i by (i + 1, 1), the head by (2 (i + 1), -(i + 1)^2)."""
    v = add("i", 1)
    first = mul("value", v) if activation == "relu" else entry("value0", "i")
    head = (_values(0, mul("head", mul(2, v))), _values(1, mul("head", sub(0, mul(v, v)))))
    return Codes("num_keys", 2, ONE_HOT_KEYS, ONE_HOT_KEYS, (_values(0, first), _values(1, "value")), head)


def moment_writes(unit: str) -> tuple[Code, ...]:
    """Key i writes (i + 1, K^2 - (i + 1)^2), K = num_keys, in units of a weight."""
    k, whole = add("i", 1), mul("num_keys", "num_keys")
    return _keys(0, mul(unit, k)), _keys(1, mul(unit, sub(whole, mul(k, k))))


def moments(activation: Activation) -> Codes:
    """Key i writes those codes and reads (2 (i + 1), 1); values one-hot."""
    read = (_keys(0, mul("key", mul(2, add("i", 1)))), _keys(1, "key"))
    return Codes(2, "num_values", moment_writes("key"), read, ONE_HOT.value, ONE_HOT.head)


# ------------------------------------------------------------------------------------------- targets


def tensors(codes: Codes, target: str) -> dict[str, TensorLayout]:
    """Of a target that holds the codes."""
    if target == "paper":
        return _paper(codes)
    if target == "paper_mamba2":
        return _paper_mamba2(codes)
    whole = target.endswith("language_model")
    prefix = f"{LAYER}mixer." if whole else "mixer."
    mixer = mamba2(prefix, _second(codes)) if "mamba2" in target else mamba1(prefix, _first(codes))
    return language_model(mixer, V, ANSWERS, "num_values") if whole else alone(mixer, V)


def _rows(part: tuple[Code, ...], row: Expression, column: Expression) -> tuple[Entries, ...]:
    return tuple(code.channels_by_tokens(row, column, V) for code in part)


def _first(codes: Codes) -> Mixer:
    n, d_inner = codes.d_state, mul("expand", V)
    late, now = every(2, 4, n, 1), every(add(mul(4, n), 3), 4, add(n, codes.width), 1)
    values = mul(2, n)
    return Mixer(
        d_model=V,
        d_inner=d_inner,
        d_state=n,
        x=(*_rows(codes.write, 0, FIRST), *_rows(codes.read, n, FIRST), *_rows(codes.value, values, ANSWERS)),
        conv=(late, now),
        B=(diagonal(0, 0, d_inner, n),),
        C=(diagonal(0, n, d_inner, n),),
        out_proj=tuple(code.tokens_by_channels(ANSWERS, values, d_inner) for code in codes.head),
    )


def _second(codes: Codes) -> Mixer:
    n, d_inner = codes.d_state, mul("expand", V)
    return Mixer(
        d_model=V,
        d_inner=d_inner,
        d_state=n,
        x=_rows(codes.value, 0, ANSWERS),
        conv=(every(3, 4, codes.width, 1),),
        B=_rows(codes.write, 0, FIRST),
        C=_rows(codes.read, 0, FIRST),
        out_proj=tuple(code.tokens_by_channels(ANSWERS, 0, d_inner) for code in codes.head),
        B_conv=(every(2, 4, n, 1),),
        C_conv=(every(3, 4, n, 1),),
    )


def _paper(codes: Codes) -> dict[str, TensorLayout]:
    n, m = codes.d_state, codes.width
    d = add(mul(2, n), m)

    def rows(part: tuple[Code, ...], row: Expression, column: Expression) -> tuple[Entries, ...]:
        return tuple(code.tokens_by_channels(row, column, d) for code in part)

    values = mul(2, n)
    return {
        "embedding.weight": tensor(
            (V, d), 0, *rows(codes.write, FIRST, 0), *rows(codes.read, FIRST, n), *rows(codes.value, ANSWERS, values)
        ),
        "mixer.conv.weight": tensor((d, 2), 0, every(0, 2, n, 1), every(add(mul(2, n), 1), 2, add(n, m), 1)),
        "mixer.conv.bias": tensor((d,)),
        "mixer.delta.weight": tensor((d, d)),
        "mixer.delta.bias": tensor((d,), "step_size"),
        "mixer.B.weight": tensor((n, d), 0, diagonal(0, 0, d, n)),
        "mixer.C.weight": tensor((n, d), 0, diagonal(0, n, d, n)),
        "mixer.A": tensor((d, n)),
        "head.weight": tensor((V, d), 0, *rows(codes.head, ANSWERS, values)),
    }


def _paper_mamba2(codes: Codes) -> dict[str, TensorLayout]:
    n, m = codes.d_state, codes.width
    streams = {"x": (m, codes.value, ANSWERS, 1), "B": (n, codes.write, FIRST, 0), "C": (n, codes.read, FIRST, 1)}
    layouts = {"embedding.weight": tensor((V, V), 0, diagonal(0, 0, V, V))}
    for name, (count, part, column, tap) in streams.items():
        layouts |= {
            f"mixer.{name}.weight": tensor((count, V), 0, *_rows(part, 0, column)),
            f"mixer.{name}_conv.weight": tensor((count, 2), 0, every(tap, 2, count, 1)),
            f"mixer.{name}_conv.bias": tensor((count,)),
        }
    return layouts | {
        "mixer.delta.weight": tensor((1, V)),
        "mixer.delta.bias": tensor((1,), "step_size"),
        "mixer.A": tensor((1,)),
        "head.weight": tensor((V, m), 0, *(code.tokens_by_channels(ANSWERS, 0, m) for code in codes.head)),
    }
