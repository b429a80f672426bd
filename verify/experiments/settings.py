"""The settings of one training: task, network, protocol and seed, by the field's names."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from mamba_theorems.verify.experiments.protocols import PROTOCOLS, TrainingProtocol
from mamba_theorems.verify.fuzz.cells import seed_of

TASKS = {
    "mqar": "[P] eq. 46 with H1 and H2: κ keys, V values, queries and noise in the tail",
    "mqar-once": "κ pairs, noise, every key once; tested on every assignment of values to keys",
    "zoology": "Zoology's recall, filler 0",
    "zoology-random": "Zoology's recall, random filler",
    "keep": "KEEP n-TH: y_t = x_n for t ≥ n",
    "induction": "induction heads: what followed the last occurrence of this token, or blank",
    "copying": "selective copying: num_kv_pairs content tokens among noise, in order",
}
MIXERS = {
    "mamba": "official Mamba-1 block",
    "mamba-one-decay": "the same with one Δ and one A for all channels, as extension C assumes",
    "mamba2": "official Mamba-2 block, one head; without its gate also without its norm",
    "s4d": "the Mamba-1 block with S4D",
    "mamba-delta-t": "the Mamba-1 block with [P]'s Δ^⊤",
    "attention": "softmax attention, one head",
    "lstm": "an LSTM with as many parameters as the Mamba-1 block",
    "hybrid": "Mamba-1 and attention in turn",
    "construction": "the network of mqar.thm2-step1 in the official language model",
}
STARTS = ("random", "exact", "noise")
NETWORK = {"d_model", "n_layer", "pe", "tie"}
BLOCK = {"d_state", "d_conv", "expand"}
READ_BY_TASK = {
    "mqar": {"input_seq_len", "num_kv_pairs"},
    "mqar-once": {"num_kv_pairs", "distinct_values", "d_conv"},
    "zoology": {"input_seq_len", "num_kv_pairs"},
    "zoology-random": {"input_seq_len", "num_kv_pairs"},
    "keep": {"input_seq_len", "n"},
    "induction": {"input_seq_len"},
    "copying": {"input_seq_len", "num_kv_pairs"},
}
READ_BY_MIXER = dict.fromkeys(MIXERS, NETWORK | BLOCK | {"gate"}) | {
    "attention": NETWORK,
    "lstm": NETWORK | BLOCK,
    "hybrid": NETWORK | BLOCK,
    "construction": {"start", "noise"},
}
READ_BY_ALL = {"task", "mixer", "vocab_size", "protocol", "steps", "batch_size", "lr", "seed"}


@dataclass(frozen=True)
class Training:
    """One training. `vocab_size` counts values (KEEP, induction: tokens); [P]'s keys come on top of them.

    `steps` and `batch_size` are the protocol's where they are 0, `examples` of the test set too. `gate` is SiLU(z);
    `pe` a learned vector a position, added to the embedding. `start` "noise" adds `noise` times each weight's root mean
    square. Raises ValueError for what cannot be.
    """

    task: str
    mixer: str
    vocab_size: int
    input_seq_len: int = 0
    num_kv_pairs: int = 1
    n: int = 1
    distinct_values: bool = False
    d_model: int = 16
    d_state: int = 16
    n_layer: int = 1
    d_conv: int = 4
    expand: int = 2
    gate: bool = True
    pe: bool = False
    tie: bool = False
    start: str = "random"
    noise: float = 0.0
    protocol: str = "own"
    steps: int = 0
    batch_size: int = 0
    lr: float = 1e-2
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("task", TASKS), ("mixer", MIXERS), ("start", STARTS), ("protocol", PROTOCOLS)):
            if getattr(self, name) not in known:
                raise ValueError(f"there is no {name} {getattr(self, name)!r}: use one of {', '.join(known)}")
        for name in ("vocab_size", "num_kv_pairs", "n", "d_model", "d_state", "n_layer", "d_conv", "expand"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be at least 1")
        for name in ("steps", "batch_size", "seed", "input_seq_len"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)} must not be negative")
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise = {self.noise} must be a number that is not negative")
        if not self.input_seq_len and self.task != "mqar-once" and not self.described.shapes:
            raise ValueError("input_seq_len is missing: give the length of the sequences")
        if self.described.shapes and not self.task.startswith("zoology"):
            raise ValueError(f"protocol {self.protocol!r} is of the tasks 'zoology' and 'zoology-random'")
        if not 0 < self.lr < float("inf"):
            raise ValueError(f"lr = {self.lr} must be positive")
        if self.mixer == "construction" and self.task != "mqar":
            raise ValueError(f"mixer = 'construction' answers the task 'mqar', not {self.task!r}")
        if unread := self._unread():
            where = f"task {self.task!r}, mixer {self.mixer!r}, start {self.start!r}, protocol {self.protocol!r}"
            raise ValueError(f"{unread[0]} = {getattr(self, unread[0])!r} does nothing with {where}: leave it out")

    def _unread(self) -> list[str]:
        """Settings that are given and that nothing reads: a record must not say what did not happen."""
        of_task = READ_BY_TASK[self.task] - ({"input_seq_len", "num_kv_pairs"} if self.described.shapes else set())
        of_mixer = READ_BY_MIXER[self.mixer] - (set() if self.start == "noise" else {"noise"})
        read = READ_BY_ALL | of_task | of_mixer
        return [f.name for f in fields(self) if f.name not in read and getattr(self, f.name) != f.default]

    @property
    def described(self) -> TrainingProtocol:
        """The protocol."""
        return PROTOCOLS[self.protocol]

    def seed_for(self, part: str) -> int:
        """A seed from the settings alone: of the weights, a batch, the test set."""
        return seed_of(part, *self.plain.items())

    def length(self, steps_per_epoch: int) -> int:
        """The number of steps, at most."""
        return self.steps or self.described.epochs * steps_per_epoch or self.described.steps

    @property
    def plain(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self)
