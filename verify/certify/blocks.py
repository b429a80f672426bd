"""The paper's block, the official ones and the language models around them, as layouts and steps that arguments share.

A block is given by the entries of its projections and its convolution; everything else is constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mamba_theorems.verify.certify.layout import Many, Part, TensorLayout, diagonal, stacked, tensor
from mamba_theorems.verify.certify.term import Expression, Term, the

Layouts = dict[str, TensorLayout]
Filled = tuple[Expression, Many]
"""What fills a tensor or its rows, and what is added."""
D_CONV = 4


# ------------------------------------------------------------------------------------------- the paper's block


@dataclass(frozen=True)
class PaperLayout:
    """Entries of the paper's block, of the embedding before it and of the head behind it.

    `classes` counts the rows of embedding and head. `delta` and `step_size` are the weight and the bias of Delta, which
    has `steps` entries, as many as channels if None. The parts of the convolution's bias are 0 if None.
    """

    classes: Expression
    d_model: Term
    embedding: Many
    conv: Many
    B: Many
    C: Many
    head: Many
    d_state: Expression = 1
    d_conv: int = 2
    conv_bias: tuple[Part, ...] | None = None
    steps: Expression | None = None
    delta: Many = ()
    step_size: Expression = the.step_size
    A: Expression = 0

    def tensors(self) -> Layouts:
        """Every tensor that any such network has."""
        d, n, steps = self.d_model, self.d_state, self.d_model if self.steps is None else self.steps
        return {
            "embedding.weight": tensor((self.classes, d), 0, *self.embedding),
            "mixer.conv.weight": tensor((d, self.d_conv), 0, *self.conv),
            "mixer.conv.bias": stacked((d,), *(self.conv_bias or ((d, 0, ()),))),
            "mixer.delta.weight": tensor((steps, d), 0, *self.delta),
            "mixer.delta.bias": tensor((steps,), self.step_size),
            "mixer.B.weight": tensor((n, d), 0, *self.B),
            "mixer.C.weight": tensor((n, d), 0, *self.C),
            "mixer.A": tensor((d, n), self.A),
            "head.weight": tensor((self.classes, d), 0, *self.head),
        }


# ------------------------------------------------------------------------------------------ the official blocks


ONE_STATE = Term(1)


@dataclass(frozen=True)
class MixerLayout:
    """Entries at their places in x's rows of in_proj, in conv1d.weight and out_proj.weight, and in B and C.

    In Mamba-1, B and C are rows (d_state) of x_proj; in Mamba-2 they are rows of in_proj, with convolutions of their
    own. Only Mamba-1 has biases of the convolution (in parts, 0 if None) and steps that x_proj reads: `steps` are dt's
    rows of x_proj.
    """

    d_model: Expression
    d_inner: Term
    out_proj: Many
    x: Many = ()
    conv: Many = ()
    B: Many = ()
    C: Many = ()
    d_state: Term = ONE_STATE
    B_conv: Many = ()
    C_conv: Many = ()
    gate: Filled = (the.gate, ())
    conv_bias: tuple[Part, ...] | None = None
    dt_rank: Expression = the.dt_rank
    steps: Many = ()
    dt_proj: Filled = (0, ())
    step_bias: Expression = the.step_bias
    A_log: Expression = the.A_log


def mamba1(prefix: str, m: MixerLayout) -> Layouts:
    """The official Mamba-1 block's tensors."""
    d, n = m.d_inner, m.d_state
    layouts = {
        "in_proj.weight": stacked((2 * d, m.d_model), (d, 0, m.x), (d, *m.gate)),
        "conv1d.weight": tensor((d, 1, D_CONV), 0, *m.conv),
        "conv1d.bias": stacked((d,), *(m.conv_bias or ((unbiased(d), 0, ()),))),
        "x_proj.weight": stacked((m.dt_rank + 2 * n, d), (m.dt_rank, 0, m.steps), (n, 0, m.B), (n, 0, m.C)),
        "dt_proj.weight": tensor((d, m.dt_rank), m.dt_proj[0], *m.dt_proj[1]),
        "dt_proj.bias": tensor((d,), m.step_bias),
        "A_log": tensor((d, n), m.A_log),
        "D": tensor((d,)),
        "out_proj.weight": tensor((m.d_model, d), 0, *m.out_proj),
    }
    return named(prefix, layouts)


def unbiased(d_inner: Term, *biased: Expression) -> Term:
    """The number of channels behind those that have a bias."""
    return d_inner - sum(biased)


def mamba2(prefix: str, m: MixerLayout) -> Layouts:
    """The official Mamba-2 block's tensors, one head."""
    d, n = m.d_inner, m.d_state
    convolved = d + 2 * n
    rows = ((d, *m.gate), (d, 0, m.x), (n, 0, m.B), (n, 0, m.C), (1, 0, ()))
    layouts = {
        "in_proj.weight": stacked((d + convolved + 1, m.d_model), *rows),
        "conv1d.weight": stacked((convolved, 1, D_CONV), (d, 0, m.conv), (n, 0, m.B_conv), (n, 0, m.C_conv)),
        "conv1d.bias": tensor((convolved,)),
        "dt_bias": tensor((1,), m.step_bias),
        "A_log": tensor((1,), m.A_log),
        "D": tensor((1,)),
        "norm.weight": tensor((d,), 1),
        "out_proj.weight": tensor((m.d_model, d), 0, *m.out_proj),
    }
    return named(prefix, layouts)


def named(prefix: str, layouts: Mapping[str, TensorLayout]) -> Layouts:
    """Layouts under a module's name."""
    return {f"{prefix}{name}": layout for name, layout in layouts.items()}


LAYER = "backbone.layers.0."


def official(target: str, m: MixerLayout) -> Layouts:
    """The mixer of a target: a Mamba-1 or Mamba-2 block, alone or in the layer of a language model."""
    prefix = f"{LAYER}mixer." if is_model(target) else "mixer."
    return mamba2(prefix, m) if is_second(target) else mamba1(prefix, m)


def is_model(target: str) -> bool:
    """Whether a target is a whole language model."""
    return "language_model" in target


def is_second(target: str) -> bool:
    """Whether a target's block is a Mamba-2 block."""
    return "mamba2" in target


def around(target: str, mixer: Layouts, embedding: TensorLayout, head: TensorLayout) -> Layouts:
    """A mixer with what a target has around it: embedding and head, in a language model two norms too."""
    if not is_model(target):
        return {"embedding.weight": embedding, **mixer, "head.weight": head}
    _, d_model = embedding.shape
    return {
        "backbone.embedding.weight": embedding,
        f"{LAYER}norm.weight": tensor((d_model,), the.norm_weight),
        **mixer,
        "backbone.norm_f.weight": tensor((d_model,), 1),
        "lm_head.weight": head,
    }


def around_one_hots(target: str, mixer: Layouts, tokens: Term, answers: Term, count: Expression) -> Layouts:
    """A mixer after a one-hot embedding; the head copies `count` answers in a language model, else every token."""
    identity = tensor((tokens, tokens), 0, diagonal(0, 0, tokens, tokens))
    copied = tensor((tokens, tokens), 0, diagonal(answers, answers, tokens, count))
    return around(target, mixer, identity, copied if is_model(target) else identity)
