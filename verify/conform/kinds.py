"""The kinds of fault that people report of SSM kernels, each with public reports: what a failure is named by.

The numbers are facts to test against (repository#number); no text or code of theirs is used.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault: its words, and public reports of it."""

    words: str
    reports: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.words} ({', '.join(self.reports)})" if self.reports else self.words


def _kind(words: str, *reports: str) -> FaultKind:
    return FaultKind(words, reports)


MASK = _kind("exp of a positive difference before the mask", "state-spaces/mamba#352", "state-spaces/mamba#354")
RAGGED = _kind("wrong in the ragged end of a chunk", "state-spaces/mamba#368")
GRADIENT = _kind("wrong gradient", "state-spaces/mamba#368")
LOST = _kind("gradient lost without a word", "state-spaces/mamba#296", "state-spaces/mamba#431")
LAST = _kind("wrong last state", "state-spaces/mamba#371", "state-spaces/mamba#500", "state-spaces/mamba#641")
OFFSETS = _kind("offsets beyond 2^31", "state-spaces/mamba#884", "state-spaces/mamba#1015", "state-spaces/mamba#1036")
PIECES = _kind(
    "forward, steps and chunks disagree",
    "state-spaces/mamba#536", "state-spaces/mamba#739", "fla#90",
    "transformers#46084", "vllm#43301",
)  # fmt: skip
SKIP = _kind("D ignored or wrong")
WIDE_SKIP = _kind("D per head and channel", "state-spaces/mamba#888", "state-spaces/mamba#932")
GATE = _kind("z ignored or wrong")
INITIAL = _kind(
    "initial state dropped or wrong",
    "vllm#22034", "TileOPs#1557", "TensorRT-LLM#6334",
)  # fmt: skip
PACKED = _kind(
    "packed sequences leak",
    "vllm#23279", "state-spaces/mamba#383", "state-spaces/mamba#783", "SkyRL#2056",
)  # fmt: skip
AGAIN = _kind("an index that returns (0, 1, 0) joins two sequences", "state-spaces/mamba#783")
VARLEN = _kind("cu_seqlens ignored or wrong", "state-spaces/mamba#180", "state-spaces/mamba#244", "transformers#46588")
VARLEN_STATE = _kind("wrong state of a sequence among several", "sglang#31833", "sglang#37836")
EMPTY = _kind("an empty sequence among several", "state-spaces/mamba#920", "FlashKDA#32")
PADDING = _kind("padding changes the state", "state-spaces/mamba#792", "transformers#32677")
ATTENTION_MASK = _kind(
    "attention mask ignored or wrong",
    "state-spaces/mamba#66", "transformers#31540", "transformers#32677", "transformers#41790", "transformers#48256",
)  # fmt: skip
SLOTS = _kind("state_batch_indices ignored or wrong", "causal-conv1d#29", "vllm#9189", "TensorRT-LLM#13151")
PADDING_SLOT = _kind("a padding slot changes a state", "vllm#9189", "TensorRT-LLM#13151")
GROUPS = _kind("groups repeated instead of interleaved", "llama.cpp#15625", "transformers#38320")
NORM = _kind("gated norm wrong", "state-spaces/mamba#910", "llama.cpp#15507")
BIAS = _kind("bias of the time step ignored or wrong", "mamba.py#25")
LIMIT = _kind("limits of the time step ignored or wrong", "state-spaces/mamba#448", "transformers#35154")
SOFTPLUS = _kind("softplus wrong", "tt-metal#9910")
SHORT = _kind("convolution of fewer tokens than taps", "vllm#56196")
CONV_STATE = _kind("wrong final state of the convolution", "vllm#56196")
CONV_BIAS = _kind("bias of the convolution ignored or wrong")
ACTIVATION = _kind("activation ignored or wrong")
TAPS = _kind("taps in the wrong order")
HALF = _kind("A rounded to half precision", "state-spaces/mamba#923", "mlx-lm#1028")
OVERFLOW = _kind("half precision overflows", "candle#2280")
PRECISION = _kind("rounded to a lower precision", "state-spaces/mamba#923")
BITS = _kind(
    "not the same bits twice",
    "state-spaces/mamba#137", "state-spaces/mamba#493", "state-spaces/mamba#573", "state-spaces/mamba#827",
)  # fmt: skip
STRIDES = _kind("strides ignored", "state-spaces/mamba#775", "state-spaces/mamba#834")
COMPILE = _kind("wrong under torch.compile", "state-spaces/mamba#651", "pytorch#128061")
ZEROS = _kind("zeros instead of a result", "KernelBench#165")
STALE = _kind("memory that this call did not write", "KernelBench#82")
CHANGED = _kind("an input is changed in place", "KernelBench#82")
FORM = _kind("wrong dtype, shape or device")
LEAK = _kind("NaN or inf leaks")
LOST_NAN = _kind("NaN or inf vanishes")
CONSTANT = _kind("constant B or C wrong", "state-spaces/mamba#371")
STEP = _kind("state not advanced by the step")
CRASH = _kind("raises where it must not")
REFUSAL = _kind("refused without a word that names what")
VALUES = _kind("wrong values")
LARGE = _kind("wrong at large or boundary sizes")
