"""The codes of the recall constructions as entries of weights, and the tensors of six targets that hold them.

A code gives key i or value i a number in some channels; in the paper's blocks numbers are what ReLU passes, in the
official ones their SiLU preimages. B has the codes of the previous key, C those of the current, x the value's.
"""

from dataclasses import dataclass
from typing import Literal

from mamba_theorems.verify.certify.blocks import MixerLayout, PaperLayout, around_one_hots, is_second, official
from mamba_theorems.verify.certify.layout import Entries, Many, TensorLayout, diagonal, every, tensor
from mamba_theorems.verify.certify.mqar.recall import ANSWERS, FIRST, K, V
from mamba_theorems.verify.certify.term import Expression, Term, bit, square, term, the

Activation = Literal["relu", "silu"]
DIGIT = bit(the.columns[the.i], the.width - 1 - the.j)
"""The j-th digit, from the left, of value i's column."""


@dataclass(frozen=True)
class CodeLayout:
    """Token i < tokens has `number` in `channel`, for every j < columns."""

    tokens: Expression
    columns: Expression
    channel: Expression
    number: Expression

    def at(self, place: Term, per_row: Expression) -> Entries:
        """The entries of a matrix that hold the code."""
        return Entries(self.tokens, self.columns, place, self.number, in_a_row=per_row)


Code = tuple[CodeLayout, ...]


def rows(code: Code, row: Expression, column: Expression, width: Term) -> Many:
    """A code in a matrix whose rows are channels, from `row` and `column` on."""
    return tuple(part.at((row + term(part.channel)) * width + (column + the.i), part.tokens) for part in code)


def columns(code: Code, row: Expression, column: Expression, width: Term) -> Many:
    """A code in a matrix whose rows are tokens, from `row` and `column` on."""
    return tuple(part.at((row + the.i) * width + (column + term(part.channel)), part.columns) for part in code)


@dataclass(frozen=True)
class TokenMatrix:
    """A matrix of channels by tokens (in_proj), or of tokens by channels (an embedding), `width` wide."""

    channels_first: bool
    width: Expression

    def place(self, channel: Term, token: Term) -> Term:
        """Where a channel of a token stands."""
        row, column = (channel, token) if self.channels_first else (token, channel)
        return row * self.width + column

    @property
    def next_channel(self) -> Expression:
        """The distance to the next channel of a token."""
        return self.width if self.channels_first else 1


@dataclass(frozen=True)
class CodesLayout:
    """The codes of a construction; B and C have d_state channels, x has `width`."""

    d_state: Term
    width: Term
    write: Code
    read: Code
    value: Code
    head: Code

    @property
    def convolved(self) -> Many:
        """The convolution of the official Mamba-1 block: B's channels look back one token, C's and x's do not."""
        n = self.d_state
        return every(2, 4, n, 1), every(4 * n + 3, 4, n + self.width, 1)


def _keys(channel: Expression, number: Expression) -> CodeLayout:
    return CodeLayout(K, 1, channel, number)


def _values(channel: Expression, number: Expression) -> CodeLayout:
    return CodeLayout(the.num_values, 1, channel, number)


def one_hot_writes(unit: Term) -> Code:
    """Key i writes the i-th unit vector, in units of a weight."""
    return (_keys(the.i, unit),)


KEYS = one_hot_writes(the.key)
ONE_HOT = CodesLayout(K, the.num_values, KEYS, KEYS, (_values(the.i, the.value),), (_values(the.i, the.head),))


def signs(activation: Activation) -> CodesLayout:
    """Value i by the digits of columns_i, {0, 2}; the head by ±1."""
    value = CodeLayout(the.num_values, the.width, the.j, the.value * DIGIT)
    head = CodeLayout(the.num_values, the.width, the.j, the.head * (2 * DIGIT - 1))
    return CodesLayout(K, the.width, KEYS, KEYS, (value,), (head,))


def integers(activation: Activation) -> CodesLayout:
    """Value i by (i + 1, 1), the head by (2 (i + 1), -(i + 1)^2)."""
    v = the.i + 1
    first = the.value * v if activation == "relu" else the.value0[the.i]
    head = (_values(0, the.head * (2 * v)), _values(1, the.head * -square(v)))
    return CodesLayout(K, Term(2), KEYS, KEYS, (_values(0, first), _values(1, the.value)), head)


def moment_writes(unit: Term) -> Code:
    """Key i writes (i + 1, K^2 - (i + 1)^2), K = num_keys, in units of a weight."""
    k = the.i + 1
    return _keys(0, unit * k), _keys(1, unit * (square(K) - square(k)))


def moments(activation: Activation) -> CodesLayout:
    """Key i writes the codes of moment_writes and reads (2 (i + 1), 1); values are one-hot."""
    read = (_keys(0, the.key * (2 * (the.i + 1))), _keys(1, the.key))
    return CodesLayout(Term(2), the.num_values, moment_writes(the.key), read, ONE_HOT.value, ONE_HOT.head)


# ------------------------------------------------------------------------------------------- targets


def tensors(codes: CodesLayout, target: str) -> dict[str, TensorLayout]:
    """The tensors of a target that holds the codes."""
    if target == "paper":
        return _paper(codes)
    if target == "paper_mamba2":
        return _paper_mamba2(codes)
    return around_one_hots(target, official(target, mixer_of(codes, target)), V, ANSWERS, the.num_values)


def mixer_of(codes: CodesLayout, target: str) -> MixerLayout:
    """The official block of a target that holds the codes."""
    return _second(codes) if is_second(target) else _first(codes)


def _first(codes: CodesLayout) -> MixerLayout:
    n, d_inner = codes.d_state, the.expand * V
    stored = (*rows(codes.write, 0, FIRST, V), *rows(codes.read, n, FIRST, V), *rows(codes.value, 2 * n, ANSWERS, V))
    return MixerLayout(
        d_model=V,
        d_inner=d_inner,
        d_state=n,
        x=stored,
        conv=codes.convolved,
        B=(diagonal(0, 0, d_inner, n),),
        C=(diagonal(0, n, d_inner, n),),
        out_proj=columns(codes.head, ANSWERS, 2 * n, d_inner),
    )


def _second(codes: CodesLayout) -> MixerLayout:
    n, d_inner = codes.d_state, the.expand * V
    return MixerLayout(
        d_model=V,
        d_inner=d_inner,
        d_state=n,
        x=rows(codes.value, 0, ANSWERS, V),
        conv=(every(3, 4, codes.width, 1),),
        B=rows(codes.write, 0, FIRST, V),
        C=rows(codes.read, 0, FIRST, V),
        out_proj=columns(codes.head, ANSWERS, 0, d_inner),
        B_conv=(every(2, 4, n, 1),),
        C_conv=(every(3, 4, n, 1),),
    )


def _paper(codes: CodesLayout) -> dict[str, TensorLayout]:
    n, m = codes.d_state, codes.width
    d = 2 * n + m
    stored = (*columns(codes.write, FIRST, 0, d), *columns(codes.read, FIRST, n, d))
    return PaperLayout(
        classes=V,
        d_model=d,
        d_state=n,
        embedding=(*stored, *columns(codes.value, ANSWERS, 2 * n, d)),
        conv=(every(0, 2, n, 1), every(2 * n + 1, 2, n + m, 1)),
        B=(diagonal(0, 0, d, n),),
        C=(diagonal(0, n, d, n),),
        head=columns(codes.head, ANSWERS, 2 * n, d),
    ).tensors()


def _paper_mamba2(codes: CodesLayout) -> dict[str, TensorLayout]:
    n, m = codes.d_state, codes.width
    streams = {"x": (m, codes.value, ANSWERS, 1), "B": (n, codes.write, FIRST, 0), "C": (n, codes.read, FIRST, 1)}
    layouts = {"embedding.weight": tensor((V, V), 0, diagonal(0, 0, V, V))}
    for name, (count, code, column, tap) in streams.items():
        layouts |= {
            f"mixer.{name}.weight": tensor((count, V), 0, *rows(code, 0, column, V)),
            f"mixer.{name}_conv.weight": tensor((count, 2), 0, every(tap, 2, count, 1)),
            f"mixer.{name}_conv.bias": tensor((count,)),
        }
    return layouts | {
        "mixer.delta.weight": tensor((1, V)),
        "mixer.delta.bias": tensor((1,), the.step_size),
        "mixer.A": tensor((1,)),
        "head.weight": tensor((V, m), 0, *columns(codes.head, ANSWERS, 0, m)),
    }
