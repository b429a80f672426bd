"""Ranges: what no number of a network exceeds, operation by operation, and where a product stays a normal number.

The bounds follow from the layouts of a block's tensors alone, so that they hold of every channel, read or unread, at
every position. A step that rounds a bound exists only where the bound is below the largest float.
"""

from collections.abc import Iterable
from functools import reduce

from mamba_theorems.verify.certify.argument import Scalar
from mamba_theorems.verify.certify.blocks import D_CONV, MixerLayout, PaperLayout, is_model, is_second
from mamba_theorems.verify.certify.functions import exp, near, rounded, sqrt
from mamba_theorems.verify.certify.layout import Entries, Many, Part
from mamba_theorems.verify.certify.steps import LENGTH
from mamba_theorems.verify.certify.term import Expression, Term, hull, over, square, term, the

WORDS = (
    "Ranges: 'most_x', 'most_u', ... bound all entries of what in_proj, the convolution, ... give, in size, at all "
    "positions, and every partial sum and product on the way: a row's entries times the largest input, twice for what "
    "is rounded; |SiLU(x)| <= |x|, softplus(x) <= |x| + 1. None is below 1, so that the product of several bounds "
    "each of their partial products, in any order: what an operation gives where nothing is read is finite too. 'path' "
    "says that what an answer is made of, from its codes on, is a normal number, as is every partial product, in any "
    "order: nothing of it underflows.",
)


def in_any_order(*factors: Expression) -> Term:
    """A product, and all its partial products whatever their order: each is a normal number, and none is too large."""
    return near(reduce(lambda x, y: x * y, (hull(1, abs(term(factor))) for factor in factors)), len(factors))


def finite(x: Expression) -> Term:
    """At least 1, and twice x: as large as any partial sum of what is at most x, however it is rounded."""
    return rounded(1 + 2 * term(x))


def mentions(x: Term, name: str) -> bool:
    """Whether a name stands in a term."""
    return x.name == name or any(mentions(argument, name) for argument in x.arguments)


def size_of(entries: Entries) -> Term:
    """The size of the largest of some entries."""
    size = abs(term(entries.number))
    size = over(the.j, entries.columns, size) if mentions(size, "j") else size
    return over(the.i, entries.rows, size) if mentions(size, "i") else size


def largest(many: Many, *fills: Expression) -> Term:
    """The size of the largest entry of a tensor, an upper end."""
    return hull(0, *(abs(term(fill)) for fill in fills), *(size_of(entries) for entries in many))


def largest_part(parts: Iterable[Part]) -> Term:
    """The size of the largest entry of a tensor in parts, an upper end."""
    return hull(0, *(largest(many, fill) for _, fill, many in parts))


def gain(many: Many) -> Term:
    """What a row's sizes add up to, at most."""
    return sum((term(entries.per_row) * size_of(entries) for entries in many), Term(0))


def _scan(d_state: Expression, rate: Expression) -> tuple[Scalar, ...]:
    """The recurrence and the readout, from bounds of Delta, u, B and C."""
    return (
        Scalar("most_exponent", finite(LENGTH * the.most_delta * rate), "Delta |A|, over the whole sequence"),
        Scalar("growth", near(1, the.ulps + 4) ** LENGTH, "of what a decay of at most 1 keeps, by roundings"),
        Scalar("most_state", finite(LENGTH * the.growth * (the.most_delta * the.most_u * the.most_B)), "of a state"),
        Scalar("most_readout", finite(the.most_state * (the.most_C * d_state)), "in any order of its products"),
    )


def _gate(m: MixerLayout, inputs: Term) -> tuple[Scalar, ...]:
    fill, many = m.gate
    return (
        Scalar("most_z", finite(largest(many, fill) * inputs), "of the gate's input"),
        Scalar("most_gated", finite(the.most_readout * the.most_z), "of the readout times SiLU(z)"),
    )


def block(
    target: str, m: MixerLayout, inputs: Term, *, also: Expression = 0, delta: Term | None = None
) -> tuple[Scalar, ...]:
    """Of an official block up to the gate, if its input's sizes add up to at most `inputs`.

    `also` bounds what x's rows read beside; `delta` bounds Delta where an argument knows more of it than the sizes of
    what x_proj reads.
    """
    scan = _mamba2(m, inputs) if is_second(target) else _mamba1(m, inputs, also, delta)
    return (*scan, *_gate(m, inputs))


def _mamba1(m: MixerLayout, inputs: Term, also: Expression, delta: Term | None) -> tuple[Scalar, ...]:
    bias = largest_part(m.conv_bias or ())
    fill, many = m.dt_proj
    step = (gain(many) + term(m.dt_rank) * abs(term(fill))) * the.most_dt + abs(term(m.step_bias))
    step = step if delta is None else delta
    return (
        Scalar("most_x", finite(largest(m.x) * inputs + also), "of in_proj's x"),
        Scalar("most_u", finite(D_CONV * largest(m.conv) * the.most_x + bias), "of the convolution, and of its SiLU"),
        Scalar("most_dt", finite(gain(m.steps) * the.most_u), "of x_proj's dt"),
        Scalar("most_delta", finite(step), "of Delta and its argument"),
        Scalar("most_B", finite(gain(m.B) * the.most_u), "of B"),
        Scalar("most_C", finite(gain(m.C) * the.most_u), "of C"),
        *_scan(m.d_state, exp(m.A_log)),
    )


def _mamba2(m: MixerLayout, inputs: Term) -> tuple[Scalar, ...]:
    def convolved(many: Many, conv: Many) -> Term:
        return finite(D_CONV * largest(conv) * finite(largest(many) * inputs))

    return (
        Scalar("most_u", convolved(m.x, m.conv), "of x, before and behind the convolution and its SiLU"),
        Scalar("most_B", convolved(m.B, m.B_conv), "of B"),
        Scalar("most_C", convolved(m.C, m.C_conv), "of C"),
        Scalar("most_delta", finite(abs(term(m.step_bias))), "of Delta and its argument"),
        *_scan(m.d_state, exp(m.A_log)),
    )


def renamed(prefix: str, steps: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """The steps of one of several blocks, their names behind a prefix."""
    own = {step.name for step in steps}

    def of(x: Term) -> Term:
        if x.arguments:
            return Term(x.head, tuple(of(argument) for argument in x.arguments))
        return Term(f"{prefix}{x.head}") if x.head in own else x

    return tuple(Scalar(f"{prefix}{step.name}", of(term(step.expression)), step.because) for step in steps)


def behind(target: str, m: MixerLayout, shown: Term, head: Expression = 1) -> tuple[Scalar, ...]:
    """Of a target behind the gate, at the positions that matter, where out_proj reads channels of at most `shown`.

    `head` is what a row's sizes of the head add up to. A norm gives no entry beyond the root of their number.
    """
    width, rows = sqrt(term(m.d_inner)), sqrt(term(m.d_model))
    norm = (
        Scalar("most_squared", finite(m.d_inner * square(shown)), "of the squares that the block's norm adds up"),
        Scalar("most_normed", finite(width), "behind it"),
    )
    residual = (
        Scalar("most_stream", finite(1 + the.most_out), "of the residual stream"),
        Scalar("most_added", finite(m.d_model * square(the.most_stream)), "of the squares that the last norm adds up"),
        Scalar("most_shown", finite(rows), "behind it"),
    )
    second, whole = is_second(target), is_model(target)
    return (
        *(norm if second else ()),
        Scalar("most_out", finite(gain(m.out_proj) * (the.most_normed if second else shown)), "of out_proj"),
        *(residual if whole else ()),
        Scalar("most_logit", finite(head * (the.most_shown if whole else the.most_out)), "of a logit"),
    )


def paper(p: PaperLayout) -> tuple[Scalar, ...]:
    """Of the paper's block behind its embedding."""
    bias = largest_part(p.conv_bias or ())
    return (
        Scalar("most_x", finite(largest(p.embedding)), "of the embedding"),
        Scalar("most_u", finite(p.d_conv * largest(p.conv) * the.most_x + bias), "of the convolution"),
        Scalar("most_delta", finite(gain(p.delta) * the.most_u + abs(term(p.step_size))), "of Delta"),
        Scalar("most_B", finite(gain(p.B) * the.most_u), "of B"),
        Scalar("most_C", finite(gain(p.C) * the.most_u), "of C"),
        *_scan(p.d_state, abs(term(p.A))),
        Scalar("most_logit", finite(gain(p.head) * the.most_readout), "of the logits"),
    )
