"""Both sides run: what Python computes in exact rationals as a goal that Rocq decides by computing its own definition.

`decided` takes many goals and starts coqc once. A goal that must fail stands beside them, so that the run can fail.
"""

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np

from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import RATIONAL, Field
from mamba_theorems.verify.formal import rocq
from mamba_theorems.verify.formal.rocq import Built


@dataclass(frozen=True)
class Goal:
    """An equation between a term of Rocq and what Python found; `holds` is whether it must be true."""

    name: str
    term: str
    value: str
    holds: bool = True

    @property
    def line(self) -> str:
        """The goal and its decision by computation, in one line."""
        end = "reflexivity. Qed." if self.holds else "Fail reflexivity. Abort."
        return f"Goal {self.term} = {self.value}. Proof. vm_compute. {end}"


def decided(built: Built, goals: Iterable[Goal], before: str = "") -> str:
    """Have one coqc decide all goals: the name of the first that is not as it must be, and Rocq's words; else empty."""
    goals = list(goals)
    head = [
        "From Coq Require Import QArith List.",
        *before.splitlines(),
        "Import ListNotations.",
        "Open Scope Q_scope.",
    ]
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "Decided.v")
        file.write_text("\n".join([*head, *(goal.line for goal in goals)]) + "\n", encoding="utf-8")
        failed, said = rocq.coqc(file, built.folder, 300)
    if not failed:
        return ""
    where = re.search(r'Decided.v", line (\d+)', said)
    number = int(where[1]) - len(head) - 1 if where else -1
    return f"{goals[number].name if number >= 0 else 'before the goals'}: {' '.join(said.split())[-400:]}"


# --- numbers as Rocq reads them --------------------------------------------------------------------------------------


def number(x) -> str:
    """A rational in Q; Rocq's values are in lowest terms, as Python's."""
    x = Fraction(int(x.p), int(x.q)) if hasattr(x, "p") else Fraction(x)
    return f"({x.numerator} # {x.denominator})" if x >= 0 else f"((-{-x.numerator}) # {x.denominator})"


def listed(array) -> str:
    """A nested list."""
    return f"[{'; '.join(listed(x) if isinstance(x, np.ndarray) else number(x) for x in array)}]"


def vector(array) -> str:
    """A function of an index, 0 beyond the list."""
    return f"(vec_of {listed(array)})"


def matrix(array) -> str:
    """A function of two indices."""
    return f"(mat_of {listed(array)})"


def affine(weights: Mapping[str, np.ndarray], name: str) -> str:
    """A weight with its bias; a bias that is missing is 0."""
    weight = weights[f"{name}.weight"]
    bias = weights.get(f"{name}.bias", np.zeros(len(weight), dtype=int))
    return f"(@Affine rat {matrix(weight)} {vector(bias)})"


def gate(weights: Mapping[str, np.ndarray]) -> str:
    """The optional gate."""
    return f"(Some {affine(weights, 'gate')})" if "gate.weight" in weights else "None"


# --- the blocks ------------------------------------------------------------------------------------------------------


def _each(function: Callable[[Fraction], Fraction]) -> Callable:
    return np.frompyfunc(function, 1, 1)


SURROGATES: Field = replace(
    RATIONAL,
    exp=_each(lambda x: 1 + x + x * x / 2),
    softplus=_each(lambda x: 1 + x * x / 3),
    sigmoid=_each(lambda x: Fraction(x >= 0)),
)
"""The field of Rational.v: polynomials for exp and softplus, ReLU for SiLU."""


@dataclass(frozen=True)
class Options:
    """What a block may have: how many taps, a gate, biases."""

    taps: int
    gate: bool
    bias: bool

    def __str__(self) -> str:
        return f"{self.taps} taps, {'a' if self.gate else 'no'} gate, {'' if self.bias else 'no '}biases"


class Drawing:
    """Random weights and inputs, rationals of small denominators."""

    def __init__(self, random: Random, options: Options) -> None:
        self.random, self.options = random, options

    def array(self, *shape: int) -> np.ndarray:
        entries = [Fraction(self.random.randint(-4, 4), self.random.randint(1, 3)) for _ in range(int(np.prod(shape)))]
        found = np.empty(len(entries), dtype=object)
        found[:] = entries
        return found.reshape(shape)

    def size(self) -> int:
        return self.random.randint(1, 3)

    def maps(self, **shapes: tuple[int, int]) -> dict[str, np.ndarray]:
        """An affine map for each name, with its bias where there are biases."""
        found = {f"{name}.weight": self.array(*shape) for name, shape in shapes.items()}
        if self.options.bias:
            found |= {f"{name}.bias": self.array(shape[0]) for name, shape in shapes.items()}
        return found

    def gate(self, out: int, into: int) -> dict[str, np.ndarray]:
        return self.maps(gate=(out, into)) if self.options.gate else {}


def _paper(name: str, along_the_state: bool) -> Callable[[Drawing], tuple]:
    def draw(d: Drawing) -> tuple:
        width, n = d.size(), d.size()
        w = d.maps(
            conv=(width, d.options.taps), delta=(n if along_the_state else width, width), B=(n, width), C=(n, width)
        )
        w |= {"A": d.array(width, n)} | d.gate(width, width)
        parts = " ".join(affine(w, part) for part in ("conv", "delta", "B", "C"))
        term = f"{name} (@MambaWeights rat {width} {n} {d.options.taps} {parts} {matrix(w['A'])} {gate(w)})"
        return w, width, width, term

    return draw


def _s4d(d: Drawing) -> tuple:
    width, n = d.size(), d.size()
    w = d.maps(conv=(width, d.options.taps)) | {name: d.array(width, n) for name in "ABC"} | d.gate(width, width)
    parts = " ".join([affine(w, "conv"), *(matrix(w[name]) for name in "ABC"), gate(w)])
    return w, width, width, f"paper_s4d (@S4dWeights rat {width} {n} {d.options.taps} {parts})"


def _mamba2(d: Drawing) -> tuple:
    d_model, heads, headdim, n = d.size(), d.size(), d.size(), d.size()
    width, taps = heads * headdim, d.options.taps
    w = d.maps(
        x=(width, d_model), B=(n, d_model), C=(n, d_model), delta=(heads, d_model),
        x_conv=(width, taps), B_conv=(n, taps), C_conv=(n, taps),
    )  # fmt: skip
    w |= {"A": d.array(heads)} | d.gate(width, d_model)
    parts = " ".join(affine(w, name) for name in ("x", "B", "C", "x_conv", "B_conv", "C_conv", "delta"))
    sizes = f"{d_model} {width} {headdim} {n} {taps}"
    return w, d_model, width, f"paper_mamba2 (@Mamba2Weights rat {sizes} {parts} {vector(w['A'])} {gate(w)})"


def _official(d: Drawing) -> tuple:
    """state-spaces' layout: in_proj and x_proj hold several maps, Δ is a product of two, A = −exp(A_log)."""
    d_model, width, n, rank, taps = d.size(), d.size(), d.size(), d.size(), d.options.taps
    w = {
        "in_proj.weight": d.array(2 * width, d_model), "conv1d.weight": d.array(width, 1, taps),
        "x_proj.weight": d.array(rank + 2 * n, width), "dt_proj.weight": d.array(width, rank),
        "A_log": d.array(width, n), "D": d.array(width), "out_proj.weight": d.array(d_model, width),
    }  # fmt: skip
    if d.options.bias:
        w |= {"conv1d.bias": d.array(width), "dt_proj.bias": d.array(width)}
    dt, B, C = np.split(w["x_proj.weight"], [rank, rank + n])
    own = {
        "x.weight": w["in_proj.weight"][:width], "z.weight": w["in_proj.weight"][width:],
        "conv.weight": w["conv1d.weight"][:, 0], "delta.weight": w["dt_proj.weight"] @ dt,
        "B.weight": B, "C.weight": C, "out.weight": w["out_proj.weight"],
    }  # fmt: skip
    own |= {"conv.bias": w["conv1d.bias"], "delta.bias": w["dt_proj.bias"]} if d.options.bias else {}
    parts = [affine(own, name) for name in ("x", "z", "conv", "delta", "B", "C")]
    parts += [matrix(-SURROGATES.exp(w["A_log"])), vector(w["D"]), affine(own, "out")]
    return w, d_model, d_model, f"official_mamba (@OfficialWeights rat {d_model} {width} {n} {taps} {' '.join(parts)})"


BLOCKS = {
    "paper_mamba": (semantics.paper_mamba, _paper("paper_mamba", along_the_state=False)),
    "paper_mamba_delta_t": (semantics.paper_mamba_delta_t, _paper("paper_mamba_delta_t", along_the_state=True)),
    "paper_s4d": (semantics.paper_s4d, _s4d),
    "paper_mamba2": (semantics.paper_mamba2, _mamba2),
    "official_mamba": (semantics.mamba, _official),
}
"""Python's block, and how its weights are drawn and written for Rocq: weights, widths in and out, the term."""


def block_goals(name: str, options: Options, random: Random, *, perturbed: bool) -> Iterable[Goal]:
    """A block on random weights and inputs; `perturbed` adds a goal that must fail: one output a seventh off."""
    equation, draw = BLOCKS[name]
    drawing = Drawing(random, options)
    weights, into, out, term = draw(drawing)
    x = drawing.array(random.randint(3, 5), into)
    y = equation(SURROGATES, weights, x)
    computed = f"table {out} {len(x)} ({term} [{'; '.join(map(vector, x))}])"
    yield Goal(f"{name}, {options}", computed, listed(y))
    if perturbed:
        wrong = y.copy()
        wrong[random.randrange(len(x)), random.randrange(out)] += Fraction(1, 7)
        yield Goal(f"{name}, {options}, one output a seventh off", computed, listed(wrong), holds=False)
