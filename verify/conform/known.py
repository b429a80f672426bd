"""The kernels of others that are measured: which package each is of, how it is reached, and what is not and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

PEERS = "kernels.peers"


@dataclass(frozen=True)
class KnownPackage:
    """A package on the index, its kernels as words of the command, and how to install it."""

    name: str
    words: tuple[str, ...]
    install: str
    notes: str = ""

    @property
    def version(self) -> str:
        """The installed one; "" where there is none."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return ""


def _of(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{PEERS}{module}:{name}" for name in names)


def _ssd(module: str, *names: str) -> tuple[str, ...]:
    return tuple(f"ssd_chunk_scan={PEERS}.{module}:{name}" for name in names)


WITHOUT_CUDA = "{}_SKIP_CUDA_BUILD=TRUE pip install --no-deps --no-build-isolation {}"
KNOWN = (
    KnownPackage(
        "transformers",
        _of(
            ".hf",
            "selective_scan",
            "ssd_chunk_scan",
            "causal_conv1d",
            "selective_state_update",
            "TransformersMamba",
            "TransformersMamba2",
        ),
        "pip install transformers",
        "what runs without the CUDA kernels; seq_idx, and z of the Mamba-2 scan, are passed over in silence",
    ),
    KnownPackage("mambapy", _of("", "mambapy_scan"), "pip install mambapy", "its scan of decays and writes"),
    KnownPackage(
        "accelerated-scan",
        _of("", "accelerated_scan"),
        "pip install accelerated-scan",
        "its reference, a scan of decays and writes; the warp kernel needs a GPU",
    ),
    KnownPackage(
        "mamba-ssm",
        (*_of(".official", "selective_scan"), *_ssd("official", "ssd_chunk_scan", "ssd_minimal"),
         *_of(".official", "selective_state_update")),
        WITHOUT_CUDA.format("MAMBA", "mamba-ssm"),
        "its reference functions, in plain torch; the CUDA and Triton kernels need a GPU",
    ),
    KnownPackage(
        "causal-conv1d",
        _of(".official", "causal_conv1d"),
        WITHOUT_CUDA.format("CAUSAL_CONV1D", "causal-conv1d"),
        "causal_conv1d_ref; the CUDA kernels need a GPU",
    ),
    KnownPackage(
        "fla-core",
        (*_of(".gla", "selective_scan", "ssd_chunk_scan"), *_ssd("gla", "ssd_recurrent")),
        "pip install --no-deps fla-core einops",
        "naive_recurrent_gla as S6, naive_chunk_simple_gla and naive_recurrent_simple_gla as SSD; chunk_… and fused_… "
        "are Triton kernels and need a GPU",
    ),
    KnownPackage(
        "xllamacpp",
        _of(".ggml", "selective_scan", "ssd_chunk_scan", "causal_conv1d", "selective_state_update"),
        "pip install --no-deps xllamacpp",
        "llama.cpp's ggml_ssm_scan and ggml_ssm_conv on a CPU, by ctypes",
    ),
)  # fmt: skip
UNREACHED = {
    "llama-cpp-python": "ships sources only; the same library is measured as xllamacpp builds it",
    "torchmamba": "no such package is on the index",
}
"""Not measured, and why."""


def words_of_installed() -> list[str]:
    """The words of every known kernel whose package is here."""
    return [word for package in KNOWN if package.version for word in package.words]


def preface() -> Iterator[str]:
    """What was measured in which version, what was not, and why; in Markdown."""
    yield "| package | version | what is measured |\n|---|---|---|"
    for package in KNOWN:
        measured = package.notes if package.version else f"not here: {package.install}"
        yield f"| {package.name} | {package.version or '–'} | {measured} |"
    for name, reason in UNREACHED.items():
        yield f"| {name} | – | not reached: {reason} |"
