"""Why a target cannot hold a mixer: every reason, before anything is compiled."""

from collections.abc import Iterator
from dataclasses import replace

import sympy

from mamba_theorems.constructions.compiler.channels import LinearMap
from mamba_theorems.constructions.compiler.description import Layout, MixerDescription, Reason
from mamba_theorems.constructions.compiler.exact import PREIMAGES
from mamba_theorems.constructions.compiler.s4d import no_s4d
from mamba_theorems.constructions.compiler.targets import COMPILED_TARGETS, require_target


def validate(description: MixerDescription, target: str, layout: Layout | None = None) -> list[Reason]:
    """Every reason why `target` cannot hold the description; empty where it can. ValueError for an unknown target."""
    require_target(target, COMPILED_TARGETS)
    layout = layout or Layout()
    if "mamba2" in target:
        return _no_mamba2(description, target, layout)
    reasons = _no_mixer(description)
    if target in ("paper", "paper_s4d"):
        reasons += no_s4d(description) if target == "paper_s4d" else ()
        return [*reasons, *_gate_is_no_embedding(description)]
    if target == "official" and description.position:
        reasons.append(Reason("position", "the official block sees tokens only; let a first layer count them"))
    return [*reasons, *_not_silu(description), *_unofficial(description, layout)]


def require_valid(description: MixerDescription, target: str, layout: Layout | None = None) -> None:
    """Raises ValueError, with every reason, where `target` cannot hold the description."""
    reasons = validate(description, target, layout)
    if reasons:
        raise ValueError(f"The {target} target cannot hold this mixer: {'; '.join(map(str, reasons))}.")


def _no_mixer(description: MixerDescription) -> list[Reason]:
    return [*_mismatched_spaces(description), *_bad_taps(description), *_bad_dynamics(description)]


def _gate_is_no_embedding(description: MixerDescription) -> list[Reason]:
    """The paper's gate is σ(linear(x)) of the embedding: with the identity it can only give back what is there."""
    gate, embedding = description.gate, description.embedding.coefficients
    if description.level != 1:
        return [Reason("level", "the paper's block multiplies y by nothing where it has no gate; leave it at 1")]
    if gate is None or all(embedding.get(place) == value for place, value in gate.coefficients.items()):
        return []
    return [
        Reason("gate", "a token's gate differs from its embedding; give the tokens that are asked the same in both")
    ]


def _mismatched_spaces(description: MixerDescription) -> Iterator[Reason]:
    expected = {
        "embedding": (description.tokens, description.inner),
        "B": (description.inner, description.state),
        "C": (description.inner, description.state),
        "readout": (description.inner, description.tokens),
    }
    for name, spaces in expected.items():
        found: LinearMap = getattr(description, name)
        if (found.source, found.target) != spaces:
            yield Reason(name, "it maps between other spaces than the description's")


def _bad_taps(description: MixerDescription) -> Iterator[Reason]:
    inner = set(description.inner)
    for channel in sorted((set(description.taps) | set(description.bias)) - inner):
        yield Reason("taps", f"{channel} is no inner channel")
    for channel in sorted(inner - set(description.taps)):
        yield Reason("taps", f"{channel} has none")
    if len({len(taps) for taps in description.taps.values()}) > 1:
        yield Reason("taps", "the channels have different numbers of taps; pad the shorter with zeros in front")


def _bad_dynamics(description: MixerDescription) -> Iterator[Reason]:
    if description.activation not in PREIMAGES:
        yield Reason("activation", f"{description.activation!r} is neither {' nor '.join(PREIMAGES)}")
    if not sympy.sympify(description.step) > 0:
        yield Reason("step", f"{description.step} is not positive")
    if not sympy.sympify(description.decay_rate) >= 0:
        yield Reason("decay_rate", f"{description.decay_rate} is negative: the state would grow")


def _not_silu(description: MixerDescription) -> Iterator[Reason]:
    if description.activation != "silu":
        yield Reason("activation", f"the official block has SiLU, not {description.activation}")


def _unofficial(description: MixerDescription, layout: Layout) -> Iterator[Reason]:
    sizes, inner, taps = layout.sizes(description), len(description.inner), description.d_conv
    if description.position and description.gate is not None:
        yield Reason("gate", "a language model that counts takes none; drop the gate or the positions")
    if inner > sizes["d_inner"]:
        yield Reason("inner", f"{inner} channels exceed d_inner = {sizes['d_inner']}; raise expand")
    if taps > layout.d_conv:
        yield Reason("taps", f"{taps} exceed d_conv = {layout.d_conv}; raise d_conv")
    if description.num_patterns > sizes["dt_rank"]:
        why = f"{description.num_patterns} patterns exceed dt_rank = {sizes['dt_rank']}; raise dt_rank"
        yield Reason("delta", why)


def _no_mamba2(description: MixerDescription, target: str, layout: Layout) -> list[Reason]:
    if target == "paper_mamba2":
        found = [*_no_mixer(description), *_gate_is_no_embedding(description)]
    else:
        leveled = replace(description, level=1)
        found = [*_no_mixer(description), *_gate_is_no_embedding(leveled), *_not_silu(description)]
    found += _no_streams(description)
    if target != "paper_mamba2" and not found and len(description.read) > layout.d_inner(description):
        found.append(Reason("inner", "the value channels exceed d_inner; raise expand"))
    return found


def _no_streams(description: MixerDescription) -> Iterator[Reason]:
    """x, B and C leave one convolution, with no linear map after it; the step sees the current token alone."""
    for name in ("B", "C"):
        coefficients = getattr(description, name).coefficients
        targets = [target for target, _ in coefficients]
        if set(coefficients.values()) != {1} or sorted(targets) != sorted(description.state):
            yield Reason(name, "Mamba-2 has no linear map after its convolution; select one channel a state")
    if description.gate is not None or description.position:
        yield Reason("mixer", "gates and positions compile to Mamba-1 only")
    if description.delta is not None:
        why = "Mamba-2's step sees the current token alone, so its factors commute and N >= keys is needed again"
        yield Reason("delta", f"{why} (mqar.n-lower-bound); use Mamba-1, whose step follows its convolution")
