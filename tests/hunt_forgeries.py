"""Hunt for certificates that the stand-alone checker accepts and that are false of the network that they lay out.

`python tests/hunt_forgeries.py --count 20000 --seed 1` changes one to three weights of honest certificates of every
claim and target, by powers of two up to 2^±70 (2^±560 in float64), odd mantissas and signs, alone, together or against
each other, goes on as far as the checker accepts, and runs what it accepts. What it finds is pinned in test_hunted.py.
Exit code 1 if there is anything.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from forged_networks import KINDS, WAYS, honest, network
from forging import accepted, numbers_of, points

import check_certificate as alone

Weights = dict[str, float]
FARTHEST = {"float32": 70, "float64": 560}
SPREADS = (0.001, 0.014, 0.06, 0.17, 0.43, 1)


@dataclass(frozen=True)
class Found:
    """A certificate that is accepted, and the ways of evaluation in which it is false."""

    claim: str
    target: str
    weights: Weights
    wrong: list[str]


def scalars(text: str) -> Weights:
    """The weights of a certificate that are single numbers."""
    return {k: float.fromhex(w) for k, w in json.loads(text)["weights"].items() if isinstance(w, str)}


@cache
def parsed(text: str) -> dict:
    """The fields of a certificate."""
    return json.loads(text)


def with_weights(text: str, weights: Weights) -> dict:
    """A certificate's fields with other weights, nothing else recomputed."""
    certificate = parsed(text)
    return certificate | {"weights": certificate["weights"] | {name: w.hex() for name, w in weights.items()}}


def names_in(expression: list | str | int) -> set[str]:
    """The names, and the operations, of an expression."""
    if isinstance(expression, list):
        return set().union(*(names_in(part) for part in expression))
    return {expression} if isinstance(expression, str) else set()


@cache
def of_honest(text: str) -> tuple[dict, list[tuple[str, list, set[str]]]]:
    """The values of an honest certificate's names; its requirements (without a name) and steps, with names in them."""
    certificate = parsed(text)
    known = points(numbers_of(certificate))
    lines = [("", x, names_in(x)) for _, x in certificate["requires"]]
    for step, expression, _ in certificate["steps"]:
        known[step] = alone.value(expression, known, certificate["dtype"])
        lines.append((step, expression, names_in(expression)))
    return known, lines


def closes(text: str, weights: Weights) -> bool:
    """Whether all but digests and stated enclosures holds with other weights; what these do not touch is not redone."""
    certificate = with_weights(text, weights)
    dtype, names, (honestly, lines) = certificate["dtype"], numbers_of(certificate), of_honest(text)
    try:
        known, touched = honestly | points(names), set(weights)
        for step, expression, inside in lines:
            if touched & inside:
                found = alone.value(expression, known, dtype)
                if not step and found[0] < 0:
                    return False
                known[step] = found
                touched.add(step)
        if any(known[n][0] <= 0 if relation == "> 0" else known[n][1] > 0 for n, relation in certificate["closing"]):
            return False
        for layout in certificate["tensors"].values():
            alone.tensor_digest(layout, dict(names), dtype)
    except (ValueError, OverflowError):
        return False
    return True


def drawn(rng: np.random.Generator, weights: Weights, farthest: int) -> dict[str, float]:
    """By how many powers of two some weights change; broken ones give other mantissas."""
    names = rng.permutation([name for name in weights if weights[name]])[: rng.integers(1, 4)]
    spread = rng.choice(SPREADS) * farthest
    powers = rng.uniform(-spread, spread, len(names))
    if len(names) > 1 and rng.random() < 0.6:  # together or against each other
        powers[1:] = powers[0] * rng.choice([-2, -1, 1, 2, -0.5], len(names) - 1)
    if rng.random() < 0.5 and spread >= 1:
        powers = np.round(powers)
    return dict(zip(names.tolist(), np.clip(powers, -farthest, farthest).tolist(), strict=True))


def changed(weights: Weights, powers: dict[str, float], signs: dict[str, int], by: float, dtype: str) -> Weights:
    """The weights times 2^(by power), as floats of the dtype."""
    with np.errstate(over="ignore"):
        return {k: float(np.dtype(dtype).type(weights[k] * signs[k] * 2.0 ** (by * p))) for k, p in powers.items()}


def pushed(text: str, powers: dict[str, float], signs: dict[str, int], dtype: str) -> Weights:
    """The farthest change in this direction that the steps still close."""
    weights, most = scalars(text), FARTHEST[dtype] / max(1e-9, *map(abs, powers.values()))
    low, high = 1.0, most
    for _ in range(6):
        middle = (low * high) ** 0.5 if low * 4 < high else (low + high) / 2
        there = closes(text, changed(weights, powers, signs, middle, dtype))
        low, high = (middle, high) if there else (low, middle)
    return changed(weights, powers, signs, low, dtype)


def hunt(rng: np.random.Generator, kinds=KINDS, dtype: str = "float32", ways: int = 2) -> Iterator[Found | None]:
    """Certificates that are accepted, one after the other; None for one that is refused."""
    while True:
        claim, target = kinds[rng.integers(len(kinds))]
        text = honest(claim, target, dtype)
        weights = scalars(text)
        powers = drawn(rng, weights, FARTHEST[dtype])
        signs = {name: -1 if rng.random() < 0.05 else 1 for name in powers}
        change = changed(weights, powers, signs, 1, dtype)
        if not closes(text, change):
            yield None
            continue
        if rng.random() < 0.5:
            change = pushed(text, powers, signs, dtype)
        chosen = (WAYS[0], *rng.choice(WAYS[1:], ways - 1, replace=False).tolist())
        wrong = network(claim, target).wrong(with_weights(text, change), chosen)
        if wrong and not accepted(text, {}, change):
            raise RuntimeError(f"The checker refuses {claim} ({target}) with {change}, whose steps close.")
        yield Found(claim, target, change, wrong)


def main() -> int:
    """Print what is found, and counts; 1 if a certificate is false."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000, help="how many accepted certificates are run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dtype", choices=FARTHEST, default="float32")
    parser.add_argument("--only", default="", help="kinds whose claim and target contain this")
    args = parser.parse_args()
    torch.set_num_threads(1)
    alone.exp_of = lru_cache(2**16)(alone.exp_of)  # a change leaves most of them as they were
    kinds = tuple(kind for kind in KINDS if args.only in "_".join(kind))
    run, false, refused = Counter(), Counter(), 0
    for found in hunt(np.random.default_rng(args.seed), kinds, args.dtype):
        if found is None:
            refused += 1
            continue
        run[found.claim, found.target] += 1
        if found.wrong:
            false[found.claim, found.target] += 1
            print(f"FALSE {found.claim} {found.target} {found.weights} {found.wrong}", flush=True)
        if run.total() % 1000 == 0:
            print(f"{run.total()} accepted, {false.total()} false", flush=True)
        if run.total() == args.count:
            break
    for kind in kinds:
        print(*kind, f"accepted {run[kind]}, false {false[kind]}")
    print(f"seed {args.seed}: {refused} refused, {run.total()} accepted, {false.total()} false")
    return int(bool(false))


if __name__ == "__main__":
    sys.exit(main())
