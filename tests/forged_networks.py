"""The networks that certificates lay out, run on admissible inputs, random and adversarial: does what is stated hold?

One `Network` is one claim in one target at a small size. Each is run in its dtype on our kernels, and again in float64,
with subnormal numbers flushed to 0, in chunks, and with the products of a step of the recurrence in other orders.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial

import numpy as np
import torch
from forging import loaded, numbers_of
from torch import Tensor, nn
from torch.nn import functional

from mamba_theorems.constructions import mqar
from mamba_theorems.constructions.haar import full_basis, keep_nth, mamba1_haar, mamba2_haar
from mamba_theorems.constructions.haar.heavisides import Steps
from mamba_theorems.constructions.induction_heads import answers as answers_of_heads
from mamba_theorems.constructions.induction_heads import lemma3, lone_write, plain_s6, repeated
from mamba_theorems.constructions.mqar.codes import one_hot_codes, two_state_codes
from mamba_theorems.constructions.tasks import Vocabulary, answers
from mamba_theorems.kernels.backends import using_backend
from mamba_theorems.verify.certify.argument import canonical
from mamba_theorems.verify.certify.catalogue import Request, subjects
from mamba_theorems.verify.certify.mqar.selective import SELECTIVE, SEQUENTIAL

Judge = Callable[[np.ndarray, dict], bool]
"""Whether the outputs, given with the certificate, are what it states."""
Run = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class Network:
    """A module without weights of its own, its inputs, and what its outputs should be."""

    module: nn.Module
    inputs: Tensor
    judge: Judge
    run: Run = lambda module, inputs: module(inputs)

    def wrong(self, certificate: dict, ways: tuple[str, ...]) -> list[str]:
        """Of the ways of evaluation, those in which a certificate is false of the network that it lays out."""
        return [way for way in ways if not self._holds(certificate, way)]

    def _holds(self, certificate: dict, way: str) -> bool:
        dtype = torch.float64 if way == "float64" else getattr(torch, certificate["dtype"])
        module = loaded(self.module.to(dtype), certificate, dtype)
        inputs = self.inputs.to(dtype) if self.inputs.is_floating_point() else self.inputs
        with torch.no_grad(), evaluated(way):
            return self.judge(self.run(module, inputs).double().numpy(), certificate)


# ------------------------------------------------------------------------------------------- ways of evaluation

WAYS = ("kernels", "float64", "flushed", "in chunks", "B first", "B last", "C B first")


@contextmanager
def evaluated(way: str) -> Iterator[None]:
    """One way of evaluation, for a while."""
    torch.set_flush_denormal(way in ("flushed", "B first", "C B first"))
    orders = {"B first": _step_B, "B last": _x_B}
    try:
        if way in ("in chunks", "C B first"):
            with using_backend("torch"):
                yield
        elif way in orders:
            scans = {name: partial(scan, orders[way]) for name, scan in SCANS.items()}
            with using_backend(scans):
                yield
        else:
            yield
    finally:
        torch.set_flush_denormal(False)


def _step_B(step: Tensor, x: Tensor, B: Tensor) -> Tensor:
    return step * B * x


def _x_B(step: Tensor, x: Tensor, B: Tensor) -> Tensor:
    return step * (x * B)


def _selective_scan(write: Callable, u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, *_):
    """S6 step by step, with `write` as the product of Delta, u and B."""
    step = delta if delta_bias is None else delta + delta_bias[:, None]
    step = functional.softplus(step, threshold=80) if delta_softplus else step
    h, ys = torch.zeros(*u.shape[:2], A.shape[1], dtype=u.dtype), []
    B, C = (m if m.ndim == 3 else m[:, 0] for m in (B, C))
    for t in range(u.shape[-1]):
        now = step[..., t, None]
        h = torch.exp(now * A) * h + write(now, u[..., t, None], B[:, None, :, t])
        ys.append((h * C[:, None, :, t]).sum(-1))
    y = torch.stack(ys, -1)
    y = y if D is None else y + D[:, None] * u
    return y if z is None else y * functional.silu(z)


def _ssd_chunk_scan(write: Callable, x, dt, A, B, C, chunk_size=64, D=None, *_, **options):
    """SSD step by step, with `write` as the product of Delta, x and B."""
    bias = options.get("dt_bias")
    step = dt if bias is None else dt + bias
    step = functional.softplus(step, threshold=80) if options.get("dt_softplus") else step
    heads = x.shape[2] // B.shape[2]
    B, C = (m.repeat_interleave(heads, 2) for m in (B, C))
    h, ys = torch.zeros(x.shape[0], *x.shape[2:], B.shape[-1], dtype=x.dtype), []
    for t in range(x.shape[1]):
        now = step[:, t, :, None, None]
        h = torch.exp(now * A[:, None, None]) * h + write(now, x[:, t, ..., None], B[:, t, :, None])
        ys.append((h * C[:, t, :, None]).sum(-1))
    y = torch.stack(ys, 1)
    return y if D is None else y + (D[:, None] if D.ndim == 1 else D) * x


SCANS = {"selective_scan": _selective_scan, "ssd_chunk_scan": _ssd_chunk_scan}

# ---------------------------------------------------------------------------------------------------- recall


def shown(targets: np.ndarray, count: int | None = None) -> Judge:
    """Whether the target is the one largest of `count` logits, where there is one; other positions may be anything."""

    def judge(logits: np.ndarray, _: dict) -> bool:
        asked, right = logits[targets >= 0, :count], targets[targets >= 0][:, None]
        answer = np.take_along_axis(asked, right, -1)[:, 0]
        np.put_along_axis(asked, right, -np.inf, -1)
        return bool((answer > asked.max(-1)).all())

    return judge


def recalled(tokens: np.ndarray, vocabulary: Vocabulary, pairs: int) -> Judge:
    """Whether every query is answered."""
    return shown(answers(tokens, vocabulary, pairs))


def sequences(vocabulary: Vocabulary, pairs: int, length: int, *, distinct: bool) -> np.ndarray:
    """Of H1 and H2, and H3 where `distinct`: every key asked, alone or behind any token that stores nothing."""
    rng, rows = np.random.default_rng(0), []
    keys, values = np.array(vocabulary.keys), np.array(vocabulary.values)
    for row in range(8):
        stored = rng.permutation(keys)[:pairs] if row else keys[-pairs:]
        shown = rng.permutation(values)[:pairs] if row else values[-pairs:]
        if not distinct and row % 4 == 3:  # all keys but one have one value
            shown = np.where(np.arange(pairs) == row % pairs, values[0], values[-1])
        tail = rng.permutation(stored)[np.arange(length - 2 * pairs) % pairs]
        if row % 2:  # queries apart, between values (none behind a key) or fillers
            apart = values[rng.integers(len(values), size=len(tail))]
            tail = np.where(np.arange(len(tail)) < len(tail) - 2 * pairs, apart, tail)
        rows.append(np.concatenate([np.stack([stored, shown], 1).reshape(-1), tail]))
    return np.array(rows)


def _recall(claim: str, target: str, n: dict) -> Network:
    network = mqar.build(claim, target, num_kv_pairs=n["num_kv_pairs"], vocab_size=n["vocab_size"])
    distinct = claim == "mqar.n2-distinct"
    tokens = sequences(network.vocabulary, n["num_kv_pairs"], n["input_seq_len"], distinct=distinct)
    judge = recalled(tokens, network.vocabulary, n["num_kv_pairs"])
    return Network(network.module(torch.float32), torch.from_numpy(tokens), judge)


def _robust(claim: str, target: str, n: dict) -> Network:
    end = n["first_key"] + n["num_keys"]
    keys, values = range(n["first_key"], end), range(end, end + n["num_values"])
    vocabulary = Vocabulary(n["vocab_size"], keys, values, filler=0 if n["first_key"] else None)
    two, pairs = target.startswith("two_state"), n["num_kv_pairs"]
    choose = two_state_codes if two else one_hot_codes
    network = mqar.robust(vocabulary, target.removeprefix("two_state_"), num_kv_pairs=pairs, choose=choose)
    tokens = whatever_the_tail(vocabulary, pairs, n["input_seq_len"], distinct=two)
    return Network(network.module(torch.float32), torch.from_numpy(tokens), recalled(tokens, vocabulary, pairs))


def whatever_the_tail(vocabulary: Vocabulary, pairs: int, length: int, *, distinct: bool) -> np.ndarray:
    """Distinct keys, neighbours or not, over distinct values or a few; each row's tail ends with all keys asked.

    Before that: any tokens; stored keys before other keys' values, behind and before themselves; keys that store
    nothing before stored values; values alone; from the first tail position on.
    """
    rng, rows, size = np.random.default_rng(0), [], length - 2 * pairs
    for neighbours in (False, True):
        first = rng.integers(len(vocabulary.keys) - pairs + 1)
        of_all = rng.permutation(vocabulary.keys)
        keys = rng.permutation(vocabulary.keys[first : first + pairs]) if neighbours else of_all[:pairs]
        values = rng.permutation(vocabulary.values)[:pairs] if distinct else rng.choice(vocabulary.values[:2], pairs)
        context = np.stack([keys, values], 1).reshape(-1)
        for tail in (
            rng.integers(vocabulary.size, size=length),
            np.stack([np.tile(keys, 3), rng.choice(values, 3 * pairs)], 1).reshape(-1),
            np.stack([keys, np.roll(values, 1), keys, keys], 1).reshape(-1),
            np.stack([of_all, rng.choice(values, len(of_all))], 1).reshape(-1),
            np.concatenate([np.full(2 * pairs, values[-1]), np.sort(keys)]),
        ):
            before = np.resize(tail, max(size - pairs, 0))
            rows.append(np.concatenate([context, before, rng.permutation(keys)[:size]]))
    return np.array(rows)


def _selective(claim: str, target: str, n: dict) -> Network:
    vocabulary = Vocabulary(n["vocab_size"], range(8), range(8, n["vocab_size"] - 1), filler=n["vocab_size"] - 1)
    network = mqar.theorem4_without_gate(
        vocabulary, target.removeprefix(SEQUENTIAL), num_kv_pairs=8, positions=False, widest=False
    )
    tokens, at, right = by_shrinking(n["num_queries"], vocabulary, n["input_seq_len"])
    targets = np.full_like(tokens, -100)
    np.put_along_axis(targets, at, right, 1)
    return Network(network.module(torch.float32), torch.from_numpy(tokens), shown(targets))


def by_shrinking(
    queries: int, vocabulary: Vocabulary, length: int, count: int = 8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of H1 and H4, eight pairs: tokens, where the queries are, and their answers.

    The last key asked is alone with its value, or values are random; keys are asked in turn, or two of them; one
    directly after the other, or with fillers between as far as there is room.
    """
    rng, rows, places, found = np.random.default_rng(0), [], [], []
    for row in range(count):
        keys, order = rng.permutation(8), rng.permutation(8)
        asked = order[np.arange(queries) % (2 if row % 4 == 3 and queries > 8 else 8)]
        values = rng.integers(8, vocabulary.size - 1, 8) if row % 4 == 2 else np.where(np.arange(8) == asked[-1], 8, 9)
        at = 17 + np.arange(queries) * (2 if row < count // 2 and queries <= 23 else 1)
        at = at + (length - 1 - at[-1]) * (row % 2)  # as late as can be
        tokens = np.full(length, vocabulary.filler)
        tokens[:16], tokens[at] = np.stack([keys, values[keys]], 1).ravel(), asked
        rows.append(tokens)
        places.append(at)
        found.append(values[asked])
    return np.array(rows), np.array(places), np.array(found)


# ------------------------------------------------------------------------------------------- induction heads


def _heads(claim: str, target: str, n: dict) -> Network:
    count, length = n["num_tokens"], n["input_seq_len"]
    network = lemma3(count, n["w"]) if claim == "induction.lem3-amended" else plain_s6(count, target)
    gap = min(n.get("gap", length), length - 2)
    tokens = np.random.default_rng(0).integers(0, [[2]] * 4 + [[count]] * 4, size=(8, length))
    for row, hard in enumerate((lone_write(gap), repeated(max(length - gap - 1, 1), gap), lone_write(1))):
        tokens[row] = np.resize(np.concatenate([hard, [count - 1] * (length - len(hard))]), length)
    targets = np.where(_gaps(tokens) <= n.get("gap", length), answers_of_heads(tokens, count), -100)
    return Network(network.module(torch.float32), torch.from_numpy(tokens), shown(targets))


def _gaps(tokens: np.ndarray) -> np.ndarray:
    """How long ago each token's last write was; 0 where there is none."""
    found = np.zeros_like(tokens)
    for row, line in enumerate(tokens):
        last: dict[int, int] = {}
        for t, token in enumerate(line.tolist()):
            if t:
                last[int(line[t - 1])] = t
            found[row, t] = t - last.get(token, t)
    return found


# ----------------------------------------------------------------------------------------------------- haar


def signals(length: int) -> np.ndarray:
    """Random ones, down to the smallest that floats hold, and some of one size, one step or next to nothing."""
    signal = np.random.default_rng(0).uniform(-1, 1, (48, length)).astype(np.float32)
    signal[24:] *= np.exp2(-6 * np.arange(24, dtype=np.float32))[:, None]
    signal[0], signal[1], signal[2] = 1, [(-1) ** s for s in range(length)], np.eye(length)[3] * 1e-20
    return signal


def _transform(claim: str, target: str, n: dict) -> Network:
    length = n["length"]
    basis, signal = full_basis(length), signals(length)
    first = target == "official"
    network = mamba1_haar(length, basis) if first else mamba2_haar(length, basis, bits=24)
    modules = nn.Module()
    modules.layers = nn.ModuleList([layer.module(torch.float32) for layer in network.layers])
    waves = np.stack([w.values(length) for w in basis]).astype(float)
    wanted, size = signal.astype(float) @ waves.T, np.abs(signal.astype(float)) @ np.abs(waves).T

    def run(module: nn.Module, u: Tensor) -> Tensor:
        *before, last = [module] if first else module.layers
        for layer in before:
            u = u + layer(u)
        return last(u)[:, length:, 0]

    def judge(found: np.ndarray, certificate: dict) -> bool:
        bound = 2.0 ** -certificate["sizes"]["bits"] * size + 2.0 ** (-100 if first else -80)
        return bool((np.abs(found - wanted) <= bound).all())

    return Network(modules.layers[0] if first else modules, torch.from_numpy(network.inputs(signal)), judge, run)


def _keep(claim: str, target: str, n: dict) -> Network:
    network = keep_nth(n["n"], n["vocab_size"])
    tokens = np.random.default_rng(0).integers(n["vocab_size"], size=(16, n["input_seq_len"]))
    tokens[0], tokens[1], tokens[1, n["n"] - 1] = 3, 2, 7
    targets = np.where(np.arange(1, tokens.shape[1] + 1) >= n["n"], tokens[:, n["n"] - 1, None], -100)
    inputs = torch.from_numpy(network.inputs(tokens)).float()
    return Network(network.block.module(torch.float32), inputs, shown(targets, n["vocab_size"]))


@dataclass(frozen=True)
class Wavelet:
    """The continuous case: no floats, but the distance of a function to a wavelet, in balls."""

    def wrong(self, certificate: dict, ways: tuple[str, ...]) -> list[str]:
        """The one way, if the distance is surely not below what is stated."""
        n, names = certificate["sizes"], {k: Fraction(w) for k, w in numbers_of(certificate).items()}
        k = n["cells"] - 1
        at = [names["half"] * (2 * k + i) for i in range(3)]
        scale = Fraction(float(np.sqrt(n["cells"])))
        given = dict(zip(at, (names["first"], names["second"], names["last"]), strict=True))
        wanted = dict(zip(at, (scale, -2 * scale, scale), strict=True))
        error = Steps(given, names["W"], wanted).squared_error(1e-6)
        return ["exactly"] if error * n["inverse_epsilon"] ** 2 > 1 else []


# ------------------------------------------------------------------------------------------- every claim and target

SIZES = {
    "haar.keep-nth-one-state": {"n": 5, "vocab_size": 8, "input_seq_len": 32},
    "haar.thm1-amended": {"level": 2, "inverse_epsilon": 10},
    "induction.lem3-amended": {"num_tokens": 8, "input_seq_len": 64, "w": 16},
    "induction.plain-s6": {"num_tokens": 32, "input_seq_len": 112, "gap": 110},
    SELECTIVE: {"vocab_size": 65, "input_seq_len": 64, "num_kv_pairs": 8},
}
RECALL = {"vocab_size": 64, "input_seq_len": 64, "num_kv_pairs": 8}
BITS = {"official": 12, "official_mamba2": 6}
BUILD = {
    "haar.keep-nth-one-state": _keep,
    "haar.official-block": _transform,
    "induction.lem3-amended": _heads,
    "induction.plain-s6": _heads,
    "mqar.robust": _robust,
    SELECTIVE: _selective,
}
KINDS = tuple((claim, target) for claim, targets in subjects().items() for target in targets)


@cache
def honest(claim: str, target: str, dtype: str = "float32") -> str:
    """A certificate of the shipped weights, at a small size."""
    sizes = {"length": 16, "bits": BITS[target]} if claim == "haar.official-block" else SIZES.get(claim, RECALL)
    return canonical(Request(claim, target, dtype, sizes).make())


def network(claim: str, target: str, text: str = "") -> Network | Wavelet:
    """The network of a claim and a target, at the sizes of a certificate, by default the honest one's."""
    return _of_sizes(claim, target, json.dumps(json.loads(text or honest(claim, target))["sizes"]))


@cache
def _of_sizes(claim: str, target: str, sizes: str) -> Network | Wavelet:
    if claim == "haar.thm1-amended":
        return Wavelet()
    return BUILD.get(claim, _recall)(claim, target, json.loads(sizes))
