"""The README.md of an exported model: what it computes and how that is known, how to load it, where it fails.

Everything comes from the claim, its network, the last recorded run, and from trying the model before it is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from mamba_theorems.constructions import export
from mamba_theorems.constructions.compiler.tensors import complete
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.builders import KNOW_PAIRS
from mamba_theorems.constructions.tasks import IGNORED, Vocabulary, broken_h1, broken_h2, broken_h3, broken_h4
from mamba_theorems.theorems.claim import Claim
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.glossary import WORDS
from mamba_theorems.verify.report import citation, paper_map

SEQUENCES, SEED, AT_ONCE, WORK = 100, 0, 2**22, 2**36
"""How many sequences are tried of each kind, from which seed; how many logits a batch holds, and how many numbers the
states of one kind's sequences take over time: large models are tried on fewer, and the card says on how many."""
LONGEST_PROMPT = 64
LOAD = {
    "transformers": (
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        'model, tokens = AutoModelForCausalLM.from_pretrained("."), AutoTokenizer.from_pretrained(".")',
        'print(tokens.decode(model(**tokens("{prompt}", return_tensors="pt")).logits[0, -1].argmax()))',
    ),
    "mamba_ssm": (
        "import json, torch; from mamba_ssm.models.mixer_seq_simple import MambaLMHeadModel",
        'words, m = json.load(open("labels.json"))["words"], MambaLMHeadModel.from_pretrained(".", device="cuda")',
        'print(words[m(torch.tensor([[words.index(w) for w in "{prompt}".split()]]).cuda()).logits[0, -1].argmax()])',
    ),
    "safetensors": (
        "import torch; from mamba_theorems.constructions.export import load",
        'model, words = load(".")',
        'print(words[model(torch.tensor([[words.index(w) for w in "{prompt}".split()]]))[0, -1].argmax()])',
    ),
}
"""How each target is loaded, in the model's folder, and answers a prompt."""
FORMATS = {
    "k": "pairs of a key and a value, then fillers f and keys in any order; its value is answered at each of these",
    "t": "any tokens; at each, the token that followed it when it last occurred is answered, or blank",
    "c": "contents among noise n, then as many markers m: at each marker the next content is answered, in order",
}
"""What a prompt is, by the letter of its first kind of word."""


@dataclass(frozen=True)
class Trial:
    """One kind of sequence, tried: queries answered and asked, where every hypothesis holds (`kept`) and elsewhere.

    `failure` is a prompt that is answered wrongly, with the right and the given answer; "" where none is short enough.
    """

    name: str
    kept: tuple[int, int]
    other: tuple[int, int]
    failure: str


@dataclass(frozen=True)
class ModelCard:
    """A language model of a claim, at the sizes at which it was asked for."""

    construction: Construction
    target: str
    vocab_size: int
    input_seq_len: int
    num_kv_pairs: int

    @property
    def claim(self) -> Claim:
        """The claim."""
        return claims()[self.construction.claim]

    @cached_property
    def words(self) -> list[str]:
        """The tokens as they are written, by id."""
        return export.words(self.construction)

    @property
    def needed(self) -> dict[str, str]:
        """The claim's hypotheses on sequences, H1 to H4, in words; a first layer that counts needs no H4."""
        counts = self.construction.claim in KNOW_PAIRS
        found = {getattr(h, "name", ""): getattr(h, "words", "") for h in self.claim.hypotheses}
        return {name: words for name, words in found.items() if name in BROKEN and not (counts and name == "H4")}

    @property
    def sequences(self) -> int:
        """How many sequences are tried of each kind."""
        sizes = complete(self.construction.hyperparameters)
        return min(SEQUENCES, max(1, WORK // (self.input_seq_len * sizes["d_inner"] * sizes["d_state"])))

    @cached_property
    def drawn(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The sequences that are tried, and what is to be answered."""
        sizes = (self.vocab_size, self.input_seq_len, self.num_kv_pairs)
        return {name: draw(self.sequences, SEED) for name, draw in export.trials(self.claim.id, *sizes).items()}

    @cached_property
    def trials(self) -> list[Trial]:
        """The model on its sequences, on our kernels in float32."""
        module = self.construction.module(torch.float32)
        return [self._tried(name, module, tokens, targets) for name, (tokens, targets) in self.drawn.items()]

    def _tried(self, name: str, module: torch.nn.Module, tokens: np.ndarray, targets: np.ndarray) -> Trial:
        got = _answers(module, tokens, len(self.words))
        asked, right = targets != IGNORED, got == targets
        kept = self._keeps(tokens)[:, None]
        held, elsewhere = ((int((asked & where & right).sum()), int((asked & where).sum())) for where in (kept, ~kept))
        wrong = [(t, row) for row, t in np.argwhere(asked & ~right) if t < LONGEST_PROMPT]
        failure = ""
        if wrong:
            t, row = min(wrong)
            prompt = " ".join(self.words[token] for token in tokens[row, : t + 1])
            failure = f"`{prompt}` asks for {self.words[targets[row, t]]} and is answered {self.words[got[row, t]]}"
        return Trial(name, held, elsewhere, failure)

    def _keeps(self, tokens: np.ndarray) -> np.ndarray:
        """Which sequences keep every hypothesis on sequences that the claim has."""
        found = np.ones(len(tokens), dtype=bool)
        for name in self.needed:
            found &= ~BROKEN[name](tokens, Vocabulary.zoology(self.vocab_size), self.num_kv_pairs).any(-1)
        return found

    @cached_property
    def prompt(self) -> tuple[str, str]:
        """The shortest sequence that keeps the hypotheses, up to its first query, and the answer."""
        tokens, targets = next(iter(self.drawn.values()))
        kept = np.flatnonzero(self._keeps(tokens) & (targets != IGNORED).any(-1))
        first = (targets[kept] != IGNORED).argmax(-1)
        row, t = kept[first.argmin()], int(first.min())
        if self.claim.id.startswith("induction"):
            t = int(np.flatnonzero(targets[row] < self.vocab_size - 1)[0])
        return " ".join(self.words[token] for token in tokens[row, : t + 1]), self.words[targets[row, t]]

    @property
    def known(self) -> tuple[str, str]:
        """The claim's word of evidence in the last recorded run, and that run's digest."""
        record = paper_map.recorded()
        (outcome,) = (c["outcome"] for c in record["canonical"]["claims"] if c["id"] == self.claim.id)
        return outcome, record["digest"]

    # ------------------------------------------------------------------------------------------------ the text

    def text(self) -> str:
        """README.md."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        sizes = self.construction.hyperparameters
        outcome, digest = self.known
        prompt, answer = self.prompt
        library = {"safetensors": "mamba_theorems"}.get(self.target, self.target)
        yield from ("---", "license: mit", f"library_name: {library}", "pipeline_tag: text-generation")
        yield from ("tags: [mamba, state-space-model, mechanistic-interpretability, associative-recall]", "---", "")
        yield f"# {self.claim.id}: {self.claim.title}"
        yield ""
        layer = "Mamba-2" if export.is_mamba2(self.construction) else "Mamba-1"
        yield (
            f"A language model of {sizes['n_layer']} {layer} layer{'s' * (sizes['n_layer'] > 1)} whose weights were "
            f"written down, not trained: {FORMATS[self.words[1][0]]}. Sizes: "
            f"{', '.join(f'{name} = {size}' for name, size in sizes.items())}; float32."
        )
        yield from ("", "## What is known of it", "")
        yield f"- Claim: `{self.claim.id}`, {self.claim.form}: {self.claim.paper}."
        yield f"- Statement: $${self.claim.statement}$$"
        yield f"- Evidence: **{outcome}**: {WORDS[outcome].meaning}."
        yield "- The word is the claim's. What these weights do in float32 was tried: see the table below."
        yield from (f"- Hypothesis {words}" for words in self.needed.values())
        yield (
            "- Hypotheses on the weights hold by construction." if self.claim.hypotheses else "- It has no hypotheses."
        )
        yield from ("", "## Prompts", "")
        yield f"Words are separated by blanks: {FORMATS[self.words[1][0]]}. {self._alphabet()}"
        yield from ("", f"    {prompt}", "", f"is answered by `{answer}`, the largest logit at the last token.")
        yield from ("", "## Load it, in this folder", "", "```python")
        yield from (line.replace("{prompt}", prompt) for line in LOAD[self.target])
        yield from ("```", "")
        yield "`labels.json` names every token and every row of every weight, and says what each channel is for."
        yield from ("", "## What it answers, and where it fails", "")
        number, pairs = self.sequences, f"num_kv_pairs = {self.num_kv_pairs}, " if self._has_pairs else ""
        yield f"Tried when it was exported: {number} sequence{'s' * (number > 1)} of each kind, seed {SEED},"
        yield f"L = {self.input_seq_len}, {pairs}float32 on a CPU."
        yield from ("", "| sequences | hypotheses hold: answered | elsewhere: answered |", "|---|---|---|")
        yield from (f"| {trial.name} | {_share(trial.kept)} | {_share(trial.other)} |" for trial in self.trials)
        yield ""
        failures = [trial.failure for trial in self.trials if trial.failure]
        yield f"It fails, for instance: {failures[0]}." if failures else "No wrong answer was found in a short prompt."
        yield "Outside of its hypotheses nothing is claimed. It knows no language, and it was made to be looked into."
        yield from ("", "## Cite", "", citation.text(digest))
        yield from ("", "## Licence", "", "MIT")

    @property
    def _has_pairs(self) -> bool:
        return not self.claim.id.startswith("induction")

    def _alphabet(self) -> str:
        """Which words there are."""
        kinds: dict[str, list[str]] = {}
        for word in self.words:
            kinds.setdefault(word if word.startswith("<") or not word[-1].isdigit() else word[0], []).append(word)
        pad = self.words[export.special_ids(self.construction)["pad_token_id"]]
        other = f" The tokenizer reads any other word as {pad}." if self.target == "transformers" else ""
        told = (found[0] if len(found) == 1 else f"{found[0]} … {found[-1]}" for found in kinds.values())
        return f"There are {', '.join(told)}, with the ids 0 … {len(self.words) - 1} in this order.{other}"


BROKEN: dict[str, Any] = {
    "H1": lambda tokens, vocabulary, pairs: broken_h1(tokens, pairs),
    "H2": broken_h2,
    "H3": lambda tokens, vocabulary, pairs: broken_h3(tokens, vocabulary),
    "H4": broken_h4,
}
"""Where a hypothesis does not hold, (batch, length), of tokens, vocabulary and number of pairs."""


def _answers(module: torch.nn.Module, tokens: np.ndarray, classes: int) -> np.ndarray:
    """The largest logit at every position, (batch, length)."""
    size = max(1, AT_ONCE // (tokens.shape[1] * classes))
    parts = [torch.from_numpy(tokens[i : i + size]) for i in range(0, len(tokens), size)]
    with torch.no_grad():
        return np.concatenate([module(part).argmax(-1).numpy() for part in parts])


def _share(counts: tuple[int, int]) -> str:
    right, asked = counts
    return f"{right} of {asked} ({100 * right / asked:.1f} %)" if asked else "none was drawn"
