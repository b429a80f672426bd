"""A mixer told by channel, for a reader: what each weight does between named coordinates, before any layout."""

from collections import defaultdict

import sympy

from mamba_theorems.constructions.compiler.channels import Channel, LinearMap
from mamba_theorems.constructions.compiler.description import MixerDescription
from mamba_theorems.kernels.fields import Exact


def explain_mixer(description: MixerDescription) -> list[str]:
    """One line a weight: embedding, positions, convolution, B, C, step and decay, what adds to it, gate, readout."""
    return [
        f"embedding  {_linear(description.embedding)}",
        *(f"position   {channel} += {_term(value, 't')}" for channel, value in description.position.items()),
        *(f"conv       {line}" for line in _convolution(description)),
        f"B          {_linear(description.B)}",
        f"C          {_linear(description.C)}",
        f"state      step {description.step}, decay rate {description.decay_rate}",
        *(f"step       {line}" for line in _steps(description)),
        *([f"gate       {description.level} at every token"] if description.level != 1 else []),
        f"readout    {_linear(description.readout)}",
    ]


def _steps(description: MixerDescription) -> list[str]:
    if description.delta is None:
        return []
    followers: dict[str, list[str]] = defaultdict(list)
    for channel, pattern in description.delta.follows.items():
        followers[str(pattern)].append(str(channel))
    words = [f"{' '.join(channels)} += {pattern}" for pattern, channels in followers.items()]
    return [_linear(description.delta.patterns), *words]


def _linear(matrix: LinearMap) -> str:
    sums: dict[Channel, list[str]] = defaultdict(list)
    for (target, source), coefficient in matrix.coefficients.items():
        sums[target].append(_term(coefficient, str(source)))
    return ", ".join(f"{target} = {' + '.join(terms)}" for target, terms in sums.items())


def _convolution(description: MixerDescription) -> list[str]:
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for channel in description.inner:
        taps = ", ".join(map(_written, description.taps[channel]))
        alike[taps, _written(description.bias.get(channel, 0))].append(str(channel))
    return [
        f"{' '.join(channels)}: {description.activation}, taps ({taps}), the current token's last, bias {bias}"
        for (taps, bias), channels in alike.items()
    ]


def _term(coefficient: Exact, name: str) -> str:
    return name if coefficient == 1 else f"{_written(coefficient)} {name}"


def _written(number: Exact) -> str:
    """An exact number as a reader takes it in: rationals as they are, closed forms to six digits."""
    number = sympy.sympify(number)
    return str(number) if number.is_Rational else f"{sympy.N(number, 6)}…"
