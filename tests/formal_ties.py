"""Both sides run: what Python computes in exact rationals as a goal that Rocq decides by computing its own definition.

`decided` takes many goals and starts coqc once. A goal that must fail stands beside them, so that the run can fail.
"""

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
import torch

from mamba_theorems.constructions import tasks
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.induction_heads import lemma3, lemma3_printed, plain_s6
from mamba_theorems.constructions.induction_heads.plain import REACH
from mamba_theorems.constructions.mqar import builders
from mamba_theorems.constructions.mqar.theorem2 import theorem2_step1
from mamba_theorems.kernels import semantics
from mamba_theorems.kernels.fields import RATIONAL, SYMPY, Field
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
        end = "reflexivity. Qed." if self.holds else "tryif reflexivity then fail else idtac. Abort."
        return f"Goal {self.term} = {self.value}. Proof. vm_compute. {end}"


def decided(built: Built, goals: Iterable[Goal], before: str = "") -> str:
    """Have one coqc decide all goals: the name of the first that is not as it must be, and Rocq's words; else empty."""
    goals = list(goals)
    head = [
        "From Coq Require Import NArith QArith List.",
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

    def __init__(self, rng: Random, options: Options) -> None:
        self.rng, self.options = rng, options

    def array(self, *shape: int) -> np.ndarray:
        entries = [Fraction(self.rng.randint(-4, 4), self.rng.randint(1, 3)) for _ in range(int(np.prod(shape)))]
        found = np.empty(len(entries), dtype=object)
        found[:] = entries
        return found.reshape(shape)

    def size(self) -> int:
        return self.rng.randint(1, 3)

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


def block_goals(name: str, options: Options, rng: Random, *, perturbed: bool) -> Iterable[Goal]:
    """A block on random weights and inputs; `perturbed` adds a goal that must fail: one output a seventh off."""
    equation, draw = BLOCKS[name]
    drawing = Drawing(rng, options)
    weights, into, out, term = draw(drawing)
    x = drawing.array(rng.randint(3, 5), into)
    y = equation(SURROGATES, weights, x)
    computed = f"table {out} {len(x)} ({term} [{'; '.join(map(vector, x))}])"
    yield Goal(f"{name}, {options}", computed, listed(y))
    if perturbed:
        wrong = y.copy()
        wrong[rng.randrange(len(x)), rng.randrange(out)] += Fraction(1, 7)
        yield Goal(f"{name}, {options}, one output a seventh off", computed, listed(wrong), holds=False)


OPTIONS = [Options(*options) for options in product((1, 2, 3, 4), (False, True), (False, True))]


def blocks_differ(
    built: Built, rng: Random, names: Iterable[str] = BLOCKS, options: Sequence[Options] = OPTIONS
) -> str:
    """Every block with every option on both sides: the first that is not the same, with Rocq's words; else empty."""
    goals = [
        goal
        for name in names
        for option in options
        for goal in block_goals(name, option, rng, perturbed=option in (options[0], options[-1]))
    ]
    assert sum(not goal.holds for goal in goals) >= 2
    return decided(built, goals, "From Mamba Require Import Semantics Rational.")


# --- the task --------------------------------------------------------------------------------------------------------

KEYS, VALUES = 2, 2
SMALL, LARGE = {1: 4, 2: 3}, {1: 5, 2: 4}
"""All sequences over these and filler: so many pairs, and a tail of up to so many tokens; by day, and at night."""
VOCABULARY = tasks.Vocabulary(KEYS + VALUES + 1, range(KEYS), range(KEYS, KEYS + VALUES), filler=KEYS + VALUES)
Hypotheses = Callable[[np.ndarray, int], list[np.ndarray]]


def ordinal(i: int, n: int) -> str:
    """A key or a value: i below n."""
    return f"@Ordinal {n} {i} isT"


TASK = f"""
From mathcomp Require Import all_ssreflect.
From Mamba Require Import Task.
Definition keys : seq 'I_{KEYS} := [:: {"; ".join(ordinal(i, KEYS) for i in range(KEYS))}].
Definition values : seq 'I_{VALUES} := [:: {"; ".join(ordinal(i, VALUES) for i in range(VALUES))}].
Definition tokens : seq (token {KEYS} {VALUES}) := map key_ keys ++ map value_ values ++ [:: None].
Fixpoint tails n := if n is m.+1 then flatten [seq [seq x :: s | s <- tails m] | x <- tokens] else [:: [::]].
Definition answers ctx tail := flatten (flatten [seq [seq [seq asks ctx tail t q v | v <- values] | q <- keys]
  | t <- iota (size (pairs ctx)) (size tail)]).
Definition bits ctx tail := [:: H1 ctx; H2 ctx tail; H3 ctx tail; H4 ctx tail]
  ++ (if H1 ctx then answers ctx tail else [::]).
Definition facts ctx n :=
  foldl (fun a (b : bool) => if b then N.succ_double a else N.double a) 1%num (flatten (map (bits ctx) (tails n))).
"""
"""H1-H4 of a sequence, and where they hold the answers at every place of the tail, bit by bit after a leading 1."""


def hypotheses(tokens: np.ndarray, pairs: int) -> list[np.ndarray]:
    """Python's H1-H4, where they are broken."""
    return [
        tasks.broken_h1(tokens, pairs),
        tasks.broken_h2(tokens, VOCABULARY, pairs),
        tasks.broken_h3(tokens, VOCABULARY),
        tasks.broken_h4(tokens, VOCABULARY, pairs),
    ]


def task_goals(sizes: Mapping[int, int], broken: Hypotheses = hypotheses) -> Iterable[Goal]:
    """H1-H4 and the answers on every sequence; one number for a context and a length of the tail."""
    for pairs, longest in sizes.items():
        for context in product(product(VOCABULARY.keys, VOCABULARY.values), repeat=pairs):
            written = "; ".join(f"({ordinal(k, KEYS)}, {ordinal(v - KEYS, VALUES)})" for k, v in context)
            for length in range(longest + 1):
                tails = np.array(list(product(range(VOCABULARY.size), repeat=length)), dtype=np.int64)
                stored = np.tile(np.array(context, dtype=np.int64).ravel(), (len(tails), 1))
                bits = _bits(np.concatenate([stored, tails.reshape(len(tails), length)], axis=1), pairs, broken)
                value = hex(int("1" + "".join(map(str, bits.astype(int).ravel())), 2))
                yield Goal(f"context {context}, tails of {length}", f"facts [:: {written}] {length}", f"{value}%num")


def hypotheses_differ(built: Built, sizes: Mapping[int, int]) -> str:
    """H1-H4 and the answers on every sequence on both sides: the first context that is not the same; else empty."""
    return decided(built, task_goals(sizes), TASK)


def _bits(tokens: np.ndarray, pairs: int, broken: Hypotheses) -> np.ndarray:
    """A row a sequence: whether H1-H4 hold, and under H1 whether v is the answer to q at t, for all t, q, v."""
    holds = np.stack([~mask.any(axis=1) for mask in broken(tokens, pairs)], axis=1)
    if tasks.broken_h1(tokens, pairs).any():  # the context's, and so all sequences' or none's
        return holds
    targets, tail = tasks.answers(tokens, VOCABULARY, pairs)[:, 2 * pairs :], tokens[:, 2 * pairs :]
    asked = tail[:, :, None, None] == np.array(VOCABULARY.keys)[:, None]
    answers = asked & (targets[:, :, None, None] == np.array(VOCABULARY.values))
    return np.concatenate([holds, answers.reshape(len(tokens), -1)], axis=1)


# --- the weights of constructions ------------------------------------------------------------------------------------

WEIGHTS = """
From mathcomp Require Import all_ssreflect.
From Mamba Require Import Semantics Task Constructions Rational.
Definition row_of n (f : nat -> Q) := List.map f (List.seq 0 n).
Definition rows_of m n (f : nat -> nat -> Q) := List.map (fun i => row_of n (f i)) (List.seq 0 m).
"""
Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Tied:
    """A network on both sides, at one size: Python's weights, and the terms that Constructions.v gives for the same.

    A weight of `terms` has the shape of Python's of that name, a vector or a matrix; `code` is a token's embedding.
    """

    name: str
    tokens: Sequence[str]
    weights: Weights
    code: str
    terms: Mapping[str, str]

    def goals(self) -> Iterable[Goal]:
        """A goal a weight, and the same with one entry changed, which must fail."""
        for name, term in self.terms.items():
            weight = self.weights[name]
            sizes = " ".join(map(str, weight.shape))
            rows = f"rows_of {sizes} {term}" if weight.ndim == 2 else f"row_of {sizes} {term}"
            yield Goal(f"{self.name}: {name}", rows, listed(weight))
            wrong = weight.copy()
            wrong[(-1,) * weight.ndim] += 1
            yield Goal(f"{self.name}: {name} with its last entry one more", rows, listed(wrong), holds=False)
        width = self.weights["embedding.weight"].shape[1]
        for token, expected in zip(self.tokens, self.weights["embedding.weight"], strict=False):
            yield Goal(f"{self.name}: token {token}", f"row_of {width} ({self.code} {token})", listed(expected))


def tokens_of(v: tasks.Vocabulary) -> list[str]:
    """Keys, values and filler as Rocq writes them, in the order of Python's ids."""
    kappa, values = len(v.keys), len(v.values)
    keys = [f"(Some (inl ({ordinal(i, kappa)})))" for i in range(kappa)]
    return [*keys, *(f"(Some (inr ({ordinal(i, values)})))" for i in range(values)), "None"]


def exact(construction: Construction) -> dict[str, np.ndarray]:
    """A construction's weights, with the biases that it leaves out as 0."""
    found = construction.to(RATIONAL)
    for name in [name for name in found if name.endswith(".weight") and found[name].ndim == 2]:
        found.setdefault(name.replace(".weight", ".bias"), np.zeros(len(found[name]), dtype=int))
    return found


def mamba(W: str, head: str) -> dict[str, str]:
    """The weights of the paper's Mamba block, and of the head behind it."""
    maps = {"mixer.conv": f"(conv {W})", "mixer.delta": f"(to_delta {W})", "mixer.B": f"(to_B {W})"}
    maps |= {"mixer.C": f"(to_C {W})", "head": head}
    return _affine(maps) | {"mixer.A": f"(A {W})"}


def _affine(maps: Mapping[str, str]) -> dict[str, str]:
    parts = {"weight": "weight", "bias": "bias"}
    return {f"{name}.{part}": f"({field} {term})" for name, term in maps.items() for part, field in parts.items()}


def _one_convolution(v: tasks.Vocabulary) -> Tied:
    """Theorem 2, step 1: k = 2, v = 1, taps 1 and 2, bias 1, Δ = 1."""
    kappa, values = len(v.keys), len(v.values)
    code, head = "(one_hot_code (F := rat) 1)", f"(@shared_head rat {kappa} (one_hot_code (F := rat) 1) (fun _ => 0))"
    return Tied(
        "mqar.thm2-step1",
        tokens_of(v),
        _aligned(exact(theorem2_step1(v, "paper")), kappa),
        f"@shared_embedding rat {kappa} {values} (2 # 1) {code}",
        mamba(f"(@shared_convolution rat {kappa} {values} 1 (2 # 1) 1 1)", head),
    )


def _time_gated(v: tasks.Vocabulary) -> Tied:
    """Extension E with one-hot codes, for as many pairs as keys."""
    kappa, values = len(v.keys), len(v.values)
    return Tied(
        "mqar.robust",
        tokens_of(v),
        _aligned(exact(builders.robust(v, "paper", num_kv_pairs=kappa)), kappa),
        f"@timed_embedding rat {kappa} {values} {kappa}",
        mamba(f"(@time_gated rat {kappa} {values} 1)", f"(@timed_head rat {kappa})")
        | {"position.weight": f"(@timed_place rat {kappa})"},
    )


def _gated_blocks(v: tasks.Vocabulary) -> Tied:
    """Theorem 4 with one-hot values: Python's S4D is a Mamba block whose last channel is 1 and gives B = C = 1."""
    kappa, values = len(v.keys), len(v.values)
    whole = exact(builders.build("mqar.thm4", num_kv_pairs=kappa, vocab_size=kappa + values))
    d, unit = kappa * values, np.eye(kappa * values + 1, dtype=int)[-1]
    assert not whole["mixer.conv.weight"][d].any()
    assert whole["mixer.conv.bias"][d] == 1
    assert all((whole[f"mixer.{name}.weight"] == unit).all() for name in "BC")
    assert not whole["head.weight"][:, d].any()
    own = {name: whole[f"mixer.conv.{name}"][:d] for name in ("weight", "bias")}
    W = f"(@gated_blocks rat {kappa} {values} (10 # 1) (10 # 1) 1)"
    weights = {
        "embedding.weight": whole["embedding.weight"][:, :d],
        "mixer.conv.weight": own["weight"], "mixer.conv.bias": own["bias"],
        "mixer.A": whole["mixer.A"][:d], "mixer.B": np.ones((d, 1), dtype=int), "mixer.C": np.ones((d, 1), dtype=int),
        "mixer.gate.weight": whole["mixer.gate.weight"][:d, :d], "mixer.gate.bias": whole["mixer.gate.bias"][:d],
        "head.weight": whole["head.weight"][:, :d], "head.bias": whole["head.bias"],
    }  # fmt: skip
    gate = f"(match s4d_gate {W} with Some G => G | None => @constant rat (fun _ => 2 # 1) end)"
    head = f"(@blocks_head rat {values} (one_hot_code (F := rat) 1) (fun _ => 0))"
    return Tied(
        "mqar.thm4",
        tokens_of(v),
        _aligned(weights, kappa),
        f"@blocks_embedding rat {kappa} {values} {values} (10 # 1) (one_hot_code (F := rat) 1)",
        _affine({"mixer.conv": f"(s4d_conv {W})", "mixer.gate": gate, "head": head})
        | {f"mixer.{name}": f"(s4d_{name} {W})" for name in "ABC"},
    )


@dataclass(frozen=True)
class Codes:
    """Recall by codes: a claim, N and the width of a value's code in terms of κ and |V|, and Rocq's codes."""

    claim: str
    states: Callable[[int, int], int]
    width: Callable[[int, int], int]
    write: str
    read: str
    value: str
    head: str

    def sizes(self, v: tasks.Vocabulary) -> tuple[int, int, int, int]:
        """κ, |V|, N, width."""
        kappa, values = len(v.keys), len(v.values)
        return kappa, values, self.states(kappa, values), self.width(kappa, values)

    def construction(self, v: tasks.Vocabulary, target: str) -> dict[str, np.ndarray]:
        """Python's weights."""
        kappa, values = len(v.keys), len(v.values)
        return exact(builders.build(self.claim, target, num_kv_pairs=kappa, vocab_size=kappa + values))

    def mamba(self, v: tasks.Vocabulary) -> Tied:
        """In the paper's Mamba block."""
        kappa, values, n, width = self.sizes(v)
        codes = " ".join(code.format(kappa=kappa) for code in (self.write, self.read, self.value))
        head = f"(@codes_head rat {n} {self.head})"
        return Tied(
            self.claim,
            tokens_of(v),
            _aligned(self.construction(v, "paper"), kappa),
            f"@codes_embedding rat {kappa} {values} {n} {codes}",
            mamba(f"(@codes_mamba rat {n} {width} 1)", head),
        )

    def mamba2(self, v: tasks.Vocabulary) -> Tied:
        """In the paper's Mamba-2 block, one head, over one-hot tokens."""
        kappa, values, n, width = self.sizes(v)
        write, read, value = (code.format(kappa=kappa) for code in (self.write, self.read, self.value))
        W = f"(@codes_mamba2 rat {kappa} {values} {n} {width} {write} {read} {value} 1)"
        maps = {f"mixer.{name}": f"(m2_{name} {W})" for name in ("x", "B", "C", "delta")}
        maps |= {f"mixer.{name}_conv": f"({name}_conv {W})" for name in "xBC"}
        return Tied(
            f"{self.claim}, Mamba-2",
            tokens_of(v),
            _aligned(self.construction(v, "paper_mamba2"), kappa),
            f"@one_hot_token rat {kappa} {values}",
            _affine(maps | {"head": f"(@codes_head2 rat {self.head})"}) | {"mixer.A": f"(m2_A {W})"},
        )


UNIT = "(one_hot_code (F := rat) 1)"
CODES = (
    Codes("mqar.thm3-step1", lambda k, _: k, lambda _, v: v, UNIT, UNIT, UNIT, UNIT),
    Codes("mqar.value-code", lambda k, _: k, lambda *_: 2, UNIT, UNIT, "(integer_code rat)", "(integer_head rat)"),
    Codes(
        "mqar.n2-distinct",
        lambda k, v: 2,
        lambda k, v: v,
        "(moment_write rat {kappa})",
        "(moment_read rat)",
        UNIT,
        UNIT,
    ),
)


def _aligned(weights: Weights, kappa: int) -> dict[str, np.ndarray]:
    """Python's head has a row a token, Rocq's a row a value: the keys' rows are 0 and are left out."""
    assert not weights["head.weight"][:kappa].any()
    found = {name: w[kappa:] if name.startswith("head.") else w for name, w in weights.items()}
    width = weights["embedding.weight"].shape[1]
    return found | {"embedding.weight": np.vstack([weights["embedding.weight"], np.zeros((1, width), dtype=int)])}


def _heads(name: str, built: Construction, W: str, head: str) -> Tied:
    """An induction head over so many tokens; class V of the head is blank, and no token."""
    weights, values = exact(built), built.hyperparameters["d_state"]
    tokens = [f"{i}%nat" for i in range(values)]
    return Tied(
        name, tokens, weights, f"@head_embedding rat {values}", mamba(W, f"(@induction_head rat {values} {head})")
    )


def _lemma3(v: tasks.Vocabulary) -> Tied:
    """Lemma 3 amended at w = 7: a head of scale 1, and ½ for blank."""
    n = len(v.values)
    return _heads("induction.lem3-amended", lemma3(n, 7), f"(@lemma3_amended rat {n} (7 # 1))", "1 (1 # 2)")


def _lemma3_printed(v: tasks.Vocabulary) -> Tied:
    """Lemma 3 as printed, at w = 7: no row for blank."""
    n = len(v.values)
    return _heads("induction.lem3", lemma3_printed(n, 7), f"(@lemma3_printed rat {n} (7 # 1))", "1 0")


def _plain(v: tasks.Vocabulary) -> Tied:
    """Extension F: decay rate 18/25, a head that lifts blank to a normal number of float32."""
    n, scale = len(v.values), 2**32
    head = f"({scale} # 1) (1 # {2 ** (REACH[torch.float32] - 32)})"
    return _heads("induction.plain-s6", plain_s6(n), f"(@plain_s6 rat {n} 1 (18 # 25))", head)


def _selective(v: tasks.Vocabulary) -> Tied:
    """Extension I: the step of a query, the gain of B; Λ is a logarithm, on both sides replaced by -5/7."""
    kappa, values = len(v.keys), len(v.values)
    built = builders.theorem4_without_gate(v, "paper", num_kv_pairs=kappa)
    (rate,) = set(built.to(SYMPY)["mixer.A"].ravel())
    assert rate < 0
    ones = np.ones((kappa * values + 2 * kappa + 1, 1), dtype=int)
    weights = exact(replace(built, weights={n: w for n, w in built.weights.items() if n != "mixer.A"}))
    shrink, gain = (weights[f"mixer.{name}.weight"].max() for name in ("delta", "B"))
    W = f"(@selective rat {kappa} {values} {number(shrink)} {number(gain)} {number(Fraction(-5, 7))})"
    return Tied(
        "mqar.n1-delta-gate",
        tokens_of(v)[:-1],
        _aligned(weights | {"mixer.A": ones * Fraction(-5, 7)}, kappa),
        f"@selective_embedding rat {kappa} {values}",
        mamba(W, f"(@selective_head rat {kappa} {values})"),
    )


TIES: Mapping[str, Sequence[Callable[[tasks.Vocabulary], Tied]]] = {
    "shared_convolution": (_one_convolution,),
    "gated_blocks": (_gated_blocks,),
    "time_gated": (_time_gated,),
    "codes_mamba": [codes.mamba for codes in CODES],
    "codes_mamba2": [codes.mamba2 for codes in CODES],
    "lemma3_amended": (_lemma3,),
    "lemma3_printed": (_lemma3_printed,),
    "plain_s6": (_plain,),
    "selective": (_selective,),
}
"""One line a construction: the definition of Constructions.v that gives the block's weights, and the same in Python."""
SIZES = ((2, 2), (2, 3), (3, 2))
"""Keys and values of the networks that are compared."""


def weights_differ(built: Built, names: Iterable[str] = TIES) -> str:
    """The weights of constructions on both sides: the first that is not the same; else empty."""
    vocabularies = [tasks.Vocabulary.paper(keys, values) for keys, values in SIZES]
    return decided(
        built, [g for name in names for tied in TIES[name] for v in vocabularies for g in tied(v).goals()], WEIGHTS
    )
