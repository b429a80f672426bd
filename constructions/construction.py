"""A network with explicit weights, ready to run: on any number field, or as a torch module on real kernels.

Beside the weights it carries what they are claimed to compute, in closed form, so that a run can be compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Protocol

import numpy as np
import sympy
import torch
from torch import nn

from mamba_theorems.constructions.compiler import counting
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.constructions.compiler.exact import Index
from mamba_theorems.constructions.compiler.explain import explain_mixer
from mamba_theorems.constructions.compiler.mamba1 import Weights, a_log
from mamba_theorems.constructions.compiler.modules import empty_module
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import Exact, Field

BLOCKS: dict[str, Callable[..., np.ndarray]] = {
    "paper": semantics.paper_mamba,
    "official": semantics.mamba,
    "paper_mamba2": semantics.paper_mamba2,
    "official_mamba2": semantics.mamba2,
}


class ClosedForm(Protocol):
    """What a construction's mixer is claimed to read out."""

    @property
    def margins(self) -> dict[str, Exact]:
        """The claimed margins, by case."""

    def readout(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """The mixer's readout over the vocabulary, (length, vocab_size), for one sequence."""


@dataclass(frozen=True)
class Construction:
    """Exact weights for one claim and target, by name; `hyperparameters` are the block's sizes.

    Targets "paper" and "official": embedding.weight, mixer.*, head.weight. "language_model": the state-spaces names.
    """

    claim: str
    target: str
    vocabulary: Vocabulary
    description: MixerDescription
    weights: Weights
    hyperparameters: dict[str, int]
    closed_form: ClosedForm

    @property
    def is_language_model(self) -> bool:
        """Whether the mixer stands in a whole language model."""
        return self.target.endswith("language_model")

    @property
    def margins(self) -> dict[str, Exact]:
        """The mixer's margins in closed form, before a language model's final norm divides them."""
        return self.closed_form.margins

    def to(self, f: Field) -> dict[str, np.ndarray]:
        """Every weight in a number field."""
        return {name: weight.to(f) for name, weight in self.weights.items()}

    def with_entries(self, name: str, entries: Mapping[Index, Exact]) -> "Construction":
        """This network with entries of one weight overwritten: how a mutant is made. KeyError for an unknown name."""
        return replace(self, weights=self.weights | {name: self.weights[name].with_entries(entries)})

    def run(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """Logits (..., length, vocab_size) of tokens (..., length), by the definition of the block over the field."""
        weights = self.to(f)
        if self.is_language_model:
            return semantics.language_model(f, weights, tokens)
        x, mixer = weights["embedding.weight"][tokens], semantics.sub_weights(weights, "mixer")
        if "position.weight" in weights:
            with f.arithmetic():
                x = x + f.array(np.arange(1, x.shape[-2] + 1))[:, None] * weights["position.weight"]
        options: dict[str, Any] = {}
        if self.target.startswith("paper"):
            options = {"activation": self.description.activation, "delta_activation": "identity"}
        y = BLOCKS[self.target](f, mixer, x, **options)
        with f.arithmetic():
            return semantics.linear(y, weights["head.weight"])

    def expected_logits(self, f: Field, tokens: np.ndarray) -> np.ndarray:
        """The claimed logits (length, vocab_size) of one sequence, from the closed form; no decay.

        A language model adds the token itself (residual), divides by the root mean square and reads the answers.
        """
        y = self.closed_form.readout(f, tokens)
        if not self.is_language_model:
            return y
        identity = f.array(np.eye(self.vocabulary.size, dtype=int))
        if self.description.position:
            with f.arithmetic():
                return self._beside_the_anchor(f, y + identity[tokens])
        with f.arithmetic():
            x = semantics.rms_norm(f, y + identity[tokens], identity.sum(0))
            return semantics.linear(x, self.weights["lm_head.weight"].to(f))

    def _beside_the_anchor(self, f: Field, x: np.ndarray) -> np.ndarray:
        """The answers of the residual x (length, vocab_size) after a norm over x, the count and the anchor."""
        count = f.array(np.arange(1, len(x) + 1))[:, None]
        anchor, d_model = counting.anchor(self.vocabulary.size), self.hyperparameters["d_model"]
        squares = (x * x).sum(-1, keepdims=True) + count * count + f.number(anchor**2)
        rms = f.sqrt(squares / f.number(d_model) + f.number(semantics.RMS_NORM_EPS))
        answers = set(self.description.answers)
        is_answer = f.array(np.array([int(token in answers) for token in self.description.tokens]))
        return x * is_answer * f.number(counting.ANCHOR) / rms

    def decay_loss_bound(self, length: int) -> sympy.Expr:
        """How much of a stored write is lost over `length` steps in real arithmetic, at most: L step |A|, relative.

        0 in the paper's block, whose A may be 0; floats round each of these decays to exactly 1.
        """
        rate = self.description.decay_rate if self.target.startswith("paper") else sympy.exp(a_log(self.description))
        return sympy.Integer(length) * sympy.sympify(self.description.step) * sympy.sympify(rate)

    def state_dict(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Every weight as a tensor, rounded once. Raises ValueError for a dtype other than float32 and float64."""
        return {name: weight.torch(dtype) for name, weight in self.weights.items()}

    def module(self, dtype: torch.dtype, backend: str = "auto", device: str | torch.device = "cpu") -> nn.Module:
        """A torch module with these weights: tokens (batch, length) -> logits (batch, length, vocab_size).

        `backend` is one of `kernels.backends.backend_names()`. Raises ValueError for another dtype than `state_dict`.
        """
        weights = self.state_dict(dtype)
        module = empty_module(
            self.target,
            self.hyperparameters,
            self.description.activation,
            dtype,
            backend,
            gate="mixer.gate.weight" in weights,
            positions="position.weight" in weights,
        )
        module.load_state_dict(weights, strict=True)
        return module.requires_grad_(False).eval().to(device)

    def _repr_html_(self) -> str:
        """The weights by channel, for a notebook."""
        sizes = ", ".join(f"{name} = {size}" for name, size in self.hyperparameters.items())
        lines = escape("\n".join(explain_mixer(self.description)))
        head = f"<code>{escape(self.claim)}</code> in the target <code>{self.target}</code>: {sizes}"
        return f"<p>{head}</p><pre>{lines}</pre>"
