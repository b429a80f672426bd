"""A network with exact weights, ready to run: on any number field, or as a torch module on real kernels.

Where its mixer was described over tokens it also carries what it is claimed to compute, so that a run can be compared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Protocol

import numpy as np
import sympy
import torch
from torch import nn

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.blocks import Mamba1Description, Mamba2Description
from mamba_theorems.constructions.compiler.compile import compile_weights, hyperparameters
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index
from mamba_theorems.constructions.compiler.explain import explain_mixer
from mamba_theorems.constructions.compiler.mamba1 import a_log
from mamba_theorems.constructions.compiler.modules import empty_module
from mamba_theorems.constructions.compiler.naming import Naming, names_of, row_names
from mamba_theorems.constructions.compiler.targets import TARGETS
from mamba_theorems.constructions.compiler.tensors import Weights
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import Exact, Field


class ClosedForm(Protocol):
    """What a construction's mixer is claimed to read out."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens and the parts they play."""

    @property
    def margins(self) -> dict[str, Exact]:
        """The claimed margins, by case."""

    def readout(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """The mixer's readout over the vocabulary, (length, vocab_size), for one sequence."""


@dataclass(frozen=True)
class Construction:
    """Exact weights for one claim and target, by name; `hyperparameters` are the block's sizes.

    A block alone has its own names and maps (..., L, d_model) to the same. Between an embedding and a head it is
    mixer.*, beside embedding.weight, head.* and position.weight; a language model has the state-spaces names. `labels`
    tell the weights by channel where there is no `description` that does; `activation` is that of the paper's blocks;
    `naming` says what every row is called.
    """

    claim: str
    target: str
    hyperparameters: dict[str, int]
    weights: Weights
    labels: tuple[str, ...] = ()
    activation: str = "relu"
    description: MixerDescription | None = None
    closed_form: ClosedForm | None = None
    naming: Naming | None = None

    @property
    def is_language_model(self) -> bool:
        """Whether the mixer stands in a whole language model."""
        return TARGETS[self.target].is_language_model

    @property
    def told(self) -> list[str]:
        """What each weight does between named channels, for a reader."""
        return list(self.labels) if self.description is None else explain_mixer(self.description)

    @property
    def named(self) -> Naming:
        """What every row is called. Raises ValueError where nobody says."""
        if self.naming is None:
            raise ValueError(f"The channels of {self.claim} have no names: give the construction a naming.")
        return self.naming

    def rows(self) -> dict[str, list[list[str]]]:
        """The name of every row of every weight, axis by axis."""
        return row_names(self.named, self.target, self.weights)

    def to(self, f: Field) -> dict[str, np.ndarray]:
        """Every weight in a number field."""
        return {name: weight.to(f) for name, weight in self.weights.items()}

    def with_weight(self, name: str, weight: ExactTensor) -> "Construction":
        """This network with another weight in the place of one: how a mutant is made."""
        return replace(self, weights=self.weights | {name: weight})

    def with_entries(self, name: str, entries: Mapping[Index, Exact]) -> "Construction":
        """This network with entries of one weight overwritten. KeyError for an unknown name."""
        return self.with_weight(name, self.weights[name].with_entries(entries))

    def run(self, f: Field, inputs: np.ndarray) -> np.ndarray:
        """Logits (..., L, classes) of tokens (..., L), or a block's outputs, by the definition over the field."""
        weights = self.to(f)
        if self.is_language_model:
            return semantics.language_model(f, weights, inputs)
        if "embedding.weight" not in weights:
            return self._block(f, weights, inputs)
        x, mixer = weights["embedding.weight"][inputs], semantics.sub_weights(weights, "mixer")
        if "position.weight" in weights:
            with f.arithmetic():
                x = x + f.array(np.arange(1, x.shape[-2] + 1))[:, None] * weights["position.weight"]
        y = self._block(f, mixer, x)
        with f.arithmetic():
            return semantics.linear(y, weights["head.weight"], weights.get("head.bias"))

    def _block(self, f: Field, weights: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        options: dict[str, Any] = {}
        target = TARGETS[self.target]
        if target.is_the_papers:
            options["activation"] = self.activation
        if target.delta_activation is not None:
            options["delta_activation"] = target.delta_activation
        if "ngroups" in self.hyperparameters:
            options["ngroups"] = self.hyperparameters["ngroups"]
        return target.equation(f, weights, x, **options)

    def state_dict(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Every weight as a tensor, rounded once. Raises ValueError for a dtype other than float32 and float64."""
        return {name: weight.torch(dtype) for name, weight in self.weights.items()}

    def module(self, dtype: torch.dtype, backend: str = "auto", device: str | torch.device = "cpu") -> nn.Module:
        """A torch module with these weights: tokens (batch, length) -> logits (batch, length, classes), or the block.

        `backend` is one of `kernels.backends.backend_names()`. Raises ValueError for another dtype than `state_dict`.
        """
        state, target = self.state_dict(dtype), TARGETS[self.target]
        module = empty_module(target, self.hyperparameters, self.weights, self.activation, dtype, backend)
        module.load_state_dict(state, strict=True)
        return module.requires_grad_(False).eval().to(device)

    def _repr_html_(self) -> str:
        """The weights by channel, for a notebook."""
        sizes = ", ".join(f"{name} = {size}" for name, size in self.hyperparameters.items())
        lines = escape("\n".join(self.told))
        head = f"<code>{escape(self.claim)}</code> in the target <code>{self.target}</code>: {sizes}"
        return f"<p>{head}</p><pre>{lines}</pre>"

    # ------------------------------------------------------------------------------------ what it is claimed to compute

    @property
    def described(self) -> MixerDescription:
        """The mixer over tokens that was compiled. Raises ValueError where there was none."""
        if self.description is None:
            raise ValueError(f"The weights of {self.claim} were not compiled from a mixer over tokens: look at those.")
        return self.description

    @property
    def claimed(self) -> ClosedForm:
        """The closed form. Raises ValueError where none is known."""
        if self.closed_form is None:
            raise ValueError(f"No closed form is known of the network of {self.claim}: run the network instead.")
        return self.closed_form

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens of the closed form."""
        return self.claimed.vocabulary

    @property
    def margins(self) -> dict[str, Exact]:
        """The mixer's margins in closed form, before a language model's final norm divides them."""
        return self.claimed.margins

    def expected_logits(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """The claimed logits (length, vocab_size) of one sequence, from the closed form; no decay.

        A language model adds the token itself (residual), divides by the root mean square and reads the answers.
        """
        y = self.claimed.readout(f, tokens)
        if not self.is_language_model:
            return y
        identity = f.array(np.eye(self.vocabulary.size, dtype=int))
        with f.arithmetic():
            if self.described.position:
                return self._beside_the_anchor(f, y + identity[tokens])
            x = semantics.rms_norm(f, y + identity[tokens], identity.sum(0))
            return semantics.linear(x, self.weights["lm_head.weight"].to(f))

    def _beside_the_anchor(self, f: Field, x: np.ndarray) -> np.ndarray:
        """The answers of the residual x (length, vocab_size) after a norm over x, the count and the anchor."""
        count = f.array(np.arange(1, len(x) + 1))[:, None]
        anchor, d_model = counting.anchor(self.vocabulary.size), self.hyperparameters["d_model"]
        squares = (x * x).sum(-1, keepdims=True) + count * count + f.number(anchor**2)
        rms = f.sqrt(squares / f.number(d_model) + f.number(semantics.RMS_NORM_EPS))
        answers = set(self.described.answers)
        is_answer = f.array(np.array([int(token in answers) for token in self.described.tokens]))
        return x * is_answer * f.number(counting.ANCHOR) / rms

    def decay_loss_bound(self, length: int) -> sympy.Expr:
        """How much of a stored write is lost over `length` steps in real arithmetic, at most: L step |A|, relative.

        0 in the paper's block, whose A may be 0; floats round each of these decays to exactly 1.
        """
        description = self.described
        rate = description.decay_rate if self.target.startswith("paper") else sympy.exp(a_log(description))
        return sympy.Integer(length) * sympy.sympify(description.step) * sympy.sympify(rate)


def compiled(
    claim: str, target: str, description: MixerDescription, form: ClosedForm, layout: Layout | None = None
) -> Construction:
    """A described mixer compiled for a target, by default with the least `expand` whose d_inner holds the channels.

    Mamba-2 carries B and C beside them. Raises ValueError where the target cannot hold the mixer.
    """
    width = len(description.read if "mamba2" in target else description.inner)
    layout = layout or Layout(expand=-(-width // description.stream_width))
    weights = compile_weights(description, target, layout)
    sizes = hyperparameters(description, target, layout)
    return Construction(
        claim,
        target,
        sizes,
        weights,
        activation=description.activation,
        description=description,
        closed_form=form,
        naming=names_of(description, target, layout.sizes(description) | sizes),
    )


def alone(claim: str, block: Mamba1Description | Mamba2Description, labels: Iterable[str] = ()) -> Construction:
    """An official block without embedding and head."""
    names = Naming(block.space, (block.names,), block.space)
    return Construction(claim, block.target, block.sizes, block.weights(), tuple(labels), naming=names)
