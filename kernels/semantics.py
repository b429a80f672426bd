"""The definition of every block: the equations, once, over any number field.

S4D, S6 (Mamba), SSD (Mamba-2), the paper's simplified blocks ([P] Table 2, eq. 14; Δ^⊤: section 5) and the official
blocks (state-spaces/mamba). Arrays are time-major, (..., L, d), with any leading batch dimensions; weights carry their
usual names. The fast paths in `kernels.cpu` and `kernels.gpu` are held to this text.

Each block tells its field's `note` what it computes on its way, by name: input, u, delta, decay, B, C, state, y, gate.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from mamba_theorems.kernels.fields import Field

Array = np.ndarray
Weights = Mapping[str, np.ndarray]
Equation = TypeVar("Equation", bound=Callable[..., Any])
Discretization = Callable[[Field, Array, Array], tuple[Array, Array]]
RMS_NORM_EPS = Fraction(1, 100_000)


def _equation(function: Equation) -> Equation:
    """Run the equation inside its field's arithmetic (Arb's working precision)."""

    @wraps(function)
    def run(f: Field, *args: Any, **kwargs: Any) -> Any:
        with f.arithmetic():
            return function(f, *args, **kwargs)

    return cast(Equation, run)


# ----------------------------------------------------------------------------------------- pointwise

ACTIVATIONS: dict[str, Callable[[Field, Array], Array]] = {
    "identity": lambda f, x: x,
    "relu": lambda f, x: f.relu(x),
    "silu": lambda f, x: x * f.sigmoid(x),
    "softplus": lambda f, x: f.softplus(x),
}


@_equation
def silu(f: Field, x: Array) -> Array:
    """x·σ(x), elementwise."""
    return ACTIVATIONS["silu"](f, x)


def _noted(f: Field, name: str, value: Array) -> Array:
    """The value, of which the field was told."""
    f.note(name, value)
    return value


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Affine map of the last axis; weight (out, in) and bias (out), as in torch."""
    y = x @ weight.T
    return y if bias is None else y + bias


def _linear(weights: Weights, name: str, x: Array) -> Array:
    return linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


@_equation
def rms_norm(f: Field, x: Array, weight: Array, eps: Any = RMS_NORM_EPS) -> Array:
    """x / √(mean(x²) + eps) · weight over the last axis; x (..., d), weight (d)."""
    mean_square = (x * x).sum(-1, keepdims=True) / f.number(x.shape[-1])
    return x / f.sqrt(mean_square + f.number(eps)) * weight


@_equation
def causal_conv1d(f: Field, x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Depthwise causal convolution: y_t = Σ_i weight[:, i] · x_{t−k+1+i} + bias; the last tap is the current token.

    x (..., L, d), weight (d, k), bias (d); tokens before the first are 0.
    """
    length, k = x.shape[-2], weight.shape[-1]
    nothing = np.zeros((*x.shape[:-2], k - 1, x.shape[-1]), dtype=x.dtype)
    padded = np.concatenate([nothing, x], axis=-2)
    y = sum(weight[:, i] * padded[..., i : i + length, :] for i in range(k))
    return y if bias is None else y + bias


# ------------------------------------------------------------------------------------ discretisations
# Each gives (Λ̄, b̄) with h_t = Λ̄ h_{t−1} + b̄ B x_t; delta (..., L, d, 1) and A (d, N) broadcast.


def euler(f: Field, delta: Array, A: Array) -> tuple[Array, Array]:
    """Mamba's: e^{ΔA} for the state, Euler for the input."""
    return f.exp(delta * A), delta


def zoh(f: Field, delta: Array, A: Array) -> tuple[Array, Array]:
    """Zero-order hold: e^{ΔA} and (e^{ΔA} − 1)/A; Δ where A = 0."""
    decay = f.exp(delta * A)
    still = (A == 0).astype(bool)
    gain = (decay - 1) / np.where(still, f.number(1), A)
    return decay, np.where(still, delta, gain)


def bilinear(f: Field, delta: Array, A: Array) -> tuple[Array, Array]:
    """Tustin's: (1 + ΔA/2)/(1 − ΔA/2) and Δ/(1 − ΔA/2)."""
    half = delta * A / f.number(2)
    return (1 + half) / (1 - half), delta / (1 - half)


# ---------------------------------------------------------------------------------------- the scans


@_equation
def recurrence(f: Field, decay: Array, write: Array, initial_state: Array | None = None) -> Array:
    """All states of h_t = Λ̄_t ⊙ h_{t−1} + w_t: (..., L, d, N), as decay and write; initial_state (..., d, N)."""
    h = initial_state
    history = []
    for decay_t, write_t in zip(np.moveaxis(decay, -3, 0), np.moveaxis(write, -3, 0), strict=True):
        h = write_t if h is None else decay_t * h + write_t
        history.append(h)
    states = np.stack(history, axis=-3)
    f.note("decay", decay)
    f.note("state", states)
    return states


@_equation
def state_history(
    f: Field,
    u: Array,
    delta: Array,
    A: Array,
    B: Array,
    initial_state: Array | None = None,
    discretization: Discretization = euler,
) -> Array:
    """Every state h_1 … h_L of the S6 recurrence, (..., L, d, N); arguments as in `selective_scan`."""
    f.note("u", u)
    f.note("delta", delta)
    f.note("B", B)
    decay, gain = discretization(f, delta[..., None], A)
    return recurrence(f, decay, gain * u[..., None] * B[..., None, :], initial_state)


@_equation
def selective_scan(
    f: Field,
    u: Array,
    delta: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array | None = None,
    z: Array | None = None,
    initial_state: Array | None = None,
    discretization: Discretization = euler,
) -> Array:
    """S6: h_t = e^{Δ_t A} h_{t−1} + Δ_t B_t u_t, y_t = C_t·h_t + D u_t, times SiLU(z_t) where there is a gate.

    u, delta, z (..., L, d); A (d, N); B, C (..., L, N); D (d); initial_state (..., d, N); y (..., L, d).
    Source: Gu & Dao 2023, Algorithm 2; [P] section 2.
    """
    h = state_history(f, u, delta, A, B, initial_state, discretization)
    f.note("C", C)
    y = (h * C[..., None, :]).sum(-1)
    y = y if D is None else y + D * u
    f.note("y", y)
    return y if z is None else y * _noted(f, "gate", silu(f, z))


@_equation
def selective_scan_delta_t(f: Field, u: Array, delta: Array, A: Array, B: Array, C: Array) -> Array:
    """The paper's Δ^⊤: h_t = e^{A ⊙ (1⊗Δ_t)} h_{t−1} + u_t ⊗ B_t; Δ (..., L, N) runs along the state, not on the input.

    u (..., L, d); A (d, N); B, C (..., L, N); y (..., L, d). Source: [P] Lemma 3.
    """
    f.note("C", C)
    return _noted(f, "y", (state_history_delta_t(f, u, delta, A, B) * C[..., None, :]).sum(-1))


@_equation
def state_history_delta_t(
    f: Field, u: Array, delta: Array, A: Array, B: Array, initial_state: Array | None = None
) -> Array:
    """Every state of the Δ^⊤ recurrence, (..., L, d, N); arguments as in `selective_scan_delta_t`."""
    f.note("u", u)
    f.note("delta", delta)
    f.note("B", B)
    return recurrence(f, f.exp(delta[..., None, :] * A), u[..., None] * B[..., None, :], initial_state)


@_equation
def ssd(
    f: Field,
    x: Array,
    dt: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array | None = None,
    initial_state: Array | None = None,
) -> Array:
    """SSD (Mamba-2): one scalar decay per head, h_t = e^{Δ_t A} h_{t−1} + Δ_t x_t ⊗ B_t, y_t = h_t C_t + D x_t.

    x (..., L, nheads, headdim); dt (..., L, nheads); A (nheads); D (nheads) or (nheads·headdim); B, C
    (..., L, ngroups, N); initial_state (..., nheads, headdim, N); y as x. Source: Dao & Gu 2024, section 7.
    """
    f.note("C", C)
    y = ssd_readout(ssd_states(f, x, dt, A, B, initial_state), C)
    return _noted(f, "y", y if D is None else y + D.reshape(x.shape[-2], -1) * x)


@_equation
def ssd_states(f: Field, x: Array, dt: Array, A: Array, B: Array, initial_state: Array | None = None) -> Array:
    """Every state of SSD, heads first: (..., nheads, L, headdim, N); arguments as in `ssd`."""
    f.note("u", x)
    f.note("delta", dt)
    f.note("B", B)
    decay = _heads_first(f.exp(dt * A)[..., None])[..., None]
    write = _heads_first(dt[..., None] * x)[..., None] * _by_head(B, x.shape[-2])
    return recurrence(f, decay, write, initial_state)


def ssd_readout(h: Array, C: Array) -> Array:
    """y_t = h_t C_t, (..., L, nheads, headdim), of states as `ssd_states` gives them; C (..., L, ngroups, N)."""
    return np.moveaxis((h * _by_head(C, h.shape[-4])).sum(-1), -3, -2)


def _by_head(M: Array, nheads: int) -> Array:
    """B or C (..., L, ngroups, N) as (..., nheads, L, 1, N): a group's heads share it."""
    return _heads_first(np.repeat(M, nheads // M.shape[-2], axis=-2))[..., None, :]


def _heads_first(x: Array) -> Array:
    """(..., L, nheads, ·) as (..., nheads, L, ·): a head is one more batch dimension of the recurrence."""
    return np.moveaxis(x, -2, -3)


# ---------------------------------------------------------------------------------- the paper's blocks


def _gated(f: Field, weights: Weights, x: Array, y: Array, activation: str) -> Array:
    """σ(linear(x)) ⊙ y where the block has a gate."""
    if "gate.weight" not in weights:
        return y
    return y * _noted(f, "gate", ACTIVATIONS[activation](f, _linear(weights, "gate", x)))


def _convolved(f: Field, weights: Weights, name: str, x: Array, activation: str) -> Array:
    y = causal_conv1d(f, x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))
    return ACTIVATIONS[activation](f, y)


@_equation
def paper_mamba(
    f: Field,
    weights: Weights,
    x: Array,
    *,
    activation: str = "relu",
    delta_activation: str = "softplus",
    discretization: Discretization = euler,
) -> Array:
    """The paper's Mamba block: x̂ = σ(conv(x)); Δ, B, C linear in x̂; S6; optional gate. x, y (..., L, d).

    Weights: conv.weight (d, k), conv.bias (d); delta.weight (d, d), delta.bias (d); B.weight, C.weight (N, d) and
    biases (N); A = Λ ≤ 0 (d, N); gate.weight (d, d). Biases and gate optional. Source: [P] Table 2, eq. 14.
    """
    x_hat = _convolved(f, weights, "conv", _noted(f, "input", x), activation)
    delta = ACTIVATIONS[delta_activation](f, _linear(weights, "delta", x_hat))
    B, C = _linear(weights, "B", x_hat), _linear(weights, "C", x_hat)
    y = selective_scan(f, x_hat, delta, weights["A"], B, C, discretization=discretization)
    return _gated(f, weights, x, y, activation)


@_equation
def paper_s4d(
    f: Field, weights: Weights, x: Array, *, activation: str = "relu", discretization: Discretization = euler
) -> Array:
    """The paper's block with an S4D mixer: Δ = 1; B, C constant, (N) or (d, N) where channels differ. x, y (..., L, d).

    Weights: conv.*, A (d, N), B, C, gate.* as in `paper_mamba`. Source: [P] Table 2.
    """
    x_hat = _convolved(f, weights, "conv", _noted(f, "input", x), activation)
    one = f.array(np.ones((*x_hat.shape, 1), dtype=int))
    decay, gain = discretization(f, one, weights["A"])
    h = _constant_states(f, weights, x_hat, one[..., 0], decay, gain * x_hat[..., None] * weights["B"])
    return _gated(f, weights, x, _noted(f, "y", (h * weights["C"]).sum(-1)), activation)


def _constant_states(f: Field, weights: Weights, u: Array, delta: Array, decay: Array, write: Array) -> Array:
    """Every state of an S4D mixer, whose Δ, B and C are the same at each position."""
    f.note("u", u)
    f.note("delta", delta)
    for name in ("B", "C"):
        f.note(name, np.broadcast_to(weights[name], write.shape))
    return recurrence(f, decay, write)


@_equation
def paper_mamba_delta_t(
    f: Field, weights: Weights, x: Array, *, activation: str = "relu", delta_activation: str = "softplus"
) -> Array:
    """The paper's Mamba-Δ^⊤: as `paper_mamba`, with delta.weight (N, d) and Δ along the state. Source: [P] Lemma 3."""
    x_hat = _convolved(f, weights, "conv", _noted(f, "input", x), activation)
    delta = ACTIVATIONS[delta_activation](f, _linear(weights, "delta", x_hat))
    B, C = _linear(weights, "B", x_hat), _linear(weights, "C", x_hat)
    return _gated(f, weights, x, selective_scan_delta_t(f, x_hat, delta, weights["A"], B, C), activation)


@_equation
def paper_mamba2(
    f: Field, weights: Weights, x: Array, *, activation: str = "relu", delta_activation: str = "softplus"
) -> Array:
    """The paper's Mamba-2 block: x, B, C each with its own linear map, convolution and σ; Δ linear in x, one a head.

    Weights: x.weight (d, d_model), B.weight, C.weight (N, d_model), {x,B,C}_conv.weight (·, k), delta.weight
    (nheads, d_model), A (nheads), gate.weight (d, d_model); biases and gate optional. Source: [P] Table 2.
    """
    values, B, C = (
        _convolved(f, weights, f"{name}_conv", _linear(weights, name, x), activation) for name in ("x", "B", "C")
    )
    f.note("input", x)
    dt = ACTIVATIONS[delta_activation](f, _linear(weights, "delta", x))
    heads = values.reshape(*values.shape[:-1], dt.shape[-1], -1)
    y = ssd(f, heads, dt, weights["A"], B[..., None, :], C[..., None, :])
    return _gated(f, weights, x, y.reshape(values.shape), activation)


# --------------------------------------------------------------------------------- the official blocks


def _official_input(f: Field, weights: Weights, u: Array) -> tuple[Array, Array]:
    """x and the gate's z, (..., L, d_inner): in_proj, convolution and SiLU."""
    x, z = np.split(_linear(weights, "in_proj", _noted(f, "input", u)), 2, axis=-1)
    return silu(f, causal_conv1d(f, x, weights["conv1d.weight"][:, 0], weights.get("conv1d.bias"))), z


def _selection(weights: Weights, x: Array) -> list[Array]:
    """Δ before its activation, B and C."""
    dt_rank, n = weights["dt_proj.weight"].shape[1], weights["A_log"].shape[1]
    dt, B, C = np.split(_linear(weights, "x_proj", x), [dt_rank, dt_rank + n], axis=-1)
    return [_linear(weights, "dt_proj", dt), B, C]


@_equation
def mamba(f: Field, weights: Weights, u: Array) -> Array:
    """The official Mamba-1 block; u, y (..., L, d_model).

    Weights: in_proj.weight (2·d_inner, d_model); conv1d.weight (d_inner, 1, d_conv), conv1d.bias; x_proj.weight
    (dt_rank + 2N, d_inner); dt_proj.weight (d_inner, dt_rank), dt_proj.bias; A_log (d_inner, N); D (d_inner);
    out_proj.weight (d_model, d_inner). Source: state-spaces/mamba, mamba_simple.py.
    """
    x, z = _official_input(f, weights, u)
    delta, B, C = _selection(weights, x)
    y = selective_scan(f, x, f.softplus(delta), -f.exp(weights["A_log"]), B, C, weights["D"], z)
    return _linear(weights, "out_proj", y)


@_equation
def mamba_delta_t(f: Field, weights: Weights, u: Array) -> Array:
    """The block of `mamba` with the paper's Δ^⊤: dt_proj.weight (N, dt_rank), dt_proj.bias (N). Source: [P] Lemma 3."""
    x, z = _official_input(f, weights, u)
    delta, B, C = _selection(weights, x)
    y = selective_scan_delta_t(f, x, f.softplus(delta), -f.exp(weights["A_log"]), B, C) + weights["D"] * x
    return _linear(weights, "out_proj", y * _noted(f, "gate", silu(f, z)))


@_equation
def mamba_s4d(f: Field, weights: Weights, u: Array, *, discretization: Discretization = zoh) -> Array:
    """The block of `mamba` with an S4D mixer: Δ = e^log_dt (d_inner), B and C (d_inner, N) constant.

    Source: Gu et al. 2022, S4D; [P] Table 2.
    """
    x, z = _official_input(f, weights, u)
    delta = f.exp(weights["log_dt"])
    decay, gain = discretization(f, delta[:, None], -f.exp(weights["A_log"]))
    write = x[..., None] * (gain * weights["B"])
    h = _constant_states(f, weights, x, np.broadcast_to(delta, x.shape), np.broadcast_to(decay, write.shape), write)
    y = _noted(f, "y", (h * weights["C"]).sum(-1) + weights["D"] * x)
    return _linear(weights, "out_proj", y * _noted(f, "gate", silu(f, z)))


@_equation
def mamba2(
    f: Field,
    weights: Weights,
    u: Array,
    *,
    ngroups: int = 1,
    eps: Any = RMS_NORM_EPS,
    norm_before_gate: bool = False,
    dt_limit: tuple[Any, Any] | None = None,
) -> Array:
    """The official Mamba-2 block; u, y (..., L, d_model).

    Weights: in_proj.weight (2·d_inner + 2·ngroups·N + nheads, d_model), its rows in the order z, x, B, C, dt;
    conv1d.* over x, B, C together; dt_bias, A_log (nheads); D (nheads) or (d_inner); norm.weight (d_inner) or none;
    out_proj.weight. The norm, group by group, comes after the gate, or before it; Δ is clamped to dt_limit.
    Source: state-spaces/mamba, mamba2.py.
    """
    d_inner, nheads = weights["out_proj.weight"].shape[1], weights["A_log"].shape[0]
    conv_dim = weights["conv1d.weight"].shape[0]
    z, xBC, dt = np.split(_linear(weights, "in_proj", _noted(f, "input", u)), [d_inner, d_inner + conv_dim], axis=-1)
    xBC = silu(f, causal_conv1d(f, xBC, weights["conv1d.weight"][:, 0], weights.get("conv1d.bias")))
    x, B, C = np.split(xBC, [d_inner, (d_inner + conv_dim) // 2], axis=-1)
    x = x.reshape(*x.shape[:-1], nheads, -1)
    B, C = (m.reshape(*m.shape[:-1], ngroups, -1) for m in (B, C))
    step = f.softplus(dt + weights["dt_bias"])
    step = step if dt_limit is None else _clamped(f, step, *dt_limit)
    y = ssd(f, x, step, -f.exp(weights["A_log"]), B, C, weights["D"]).reshape(z.shape)
    gate = _noted(f, "gate", silu(f, z))
    y = y if norm_before_gate else y * gate
    if "norm.weight" in weights:
        by_group = rms_norm(f, y.reshape(*y.shape[:-1], ngroups, -1), f.number(1), eps)
        y = by_group.reshape(y.shape) * weights["norm.weight"]
    return _linear(weights, "out_proj", y * gate if norm_before_gate else y)


def _clamped(f: Field, x: Array, least: Any, largest: Any) -> Array:
    """min(max(x, least), largest), by the field's relu."""
    raised = f.relu(x - f.number(least)) + f.number(least)
    return raised - f.relu(raised - f.number(largest))


@_equation
def language_model(
    f: Field, weights: Weights, tokens: Array, *, eps: Any = RMS_NORM_EPS, **mixer_options: Any
) -> Array:
    """Logits (..., L, vocab_size) of int tokens (..., L): embedding, pre-norm residual mixers, final norm, head.

    Weights: backbone.embedding.weight, backbone.layers.{i}.norm.weight, backbone.layers.{i}.mixer.* (Mamba-1, or
    Mamba-2 where there is a dt_bias), backbone.norm_f.weight, lm_head.weight (the embedding where it is missing).
    """
    x = weights["backbone.embedding.weight"][tokens]
    for i in range(number_of_layers(weights)):
        layer = f"backbone.layers.{i}"
        mixer = sub_weights(weights, f"{layer}.mixer")
        block = mamba2 if "dt_bias" in mixer else mamba
        x = x + block(f, mixer, rms_norm(f, x, weights[f"{layer}.norm.weight"], eps), **mixer_options)
    head = weights.get("lm_head.weight", weights["backbone.embedding.weight"])
    return linear(rms_norm(f, x, weights["backbone.norm_f.weight"], eps), head)


def sub_weights(weights: Weights, prefix: str) -> dict[str, Array]:
    """The entries below `prefix.`, with that prefix taken off."""
    return {name.removeprefix(f"{prefix}."): w for name, w in weights.items() if name.startswith(f"{prefix}.")}


def number_of_layers(weights: Weights) -> int:
    """How many backbone.layers.{i} there are."""
    return len({name.split(".")[2] for name in weights if name.startswith("backbone.layers.")})
