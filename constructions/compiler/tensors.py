"""The tensors of every block by name, each with its shape in the block's sizes; a block is filled from this list alone.

Sources: [P] Table 2 and eq. (14); state-spaces/mamba. `kernels.semantics` says what each tensor does.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from mamba_theorems.constructions.compiler.channels import LinearMap
from mamba_theorems.constructions.compiler.exact import ExactTensor, Index, block, stack_rows
from mamba_theorems.kernels.fields import Exact

Weights = dict[str, ExactTensor]
Table = Mapping[str, tuple[str | Mapping[str, str], *tuple[str, ...]]]
"""Names to shapes in sizes; a first axis that stacks parts gives each part's name and size."""
Given: TypeAlias = Exact | ExactTensor | LinearMap | Mapping[Index, Exact]

SELECTIVE = {"dt": "dt_rank", "B": "d_state", "C": "d_state"}
CONVOLVED = {"x": "d_inner", "B": "codes", "C": "codes"}

MAMBA: Table = {
    "in_proj.weight": ({"x": "d_inner", "z": "d_inner"}, "d_model"),
    "conv1d.weight": ("d_inner", "one", "d_conv"),
    "conv1d.bias": ("d_inner",),
    "x_proj.weight": (SELECTIVE, "d_inner"),
    "dt_proj.weight": ("d_inner", "dt_rank"),
    "dt_proj.bias": ("d_inner",),
    "A_log": ("d_inner", "d_state"),
    "D": ("d_inner",),
    "out_proj.weight": ("d_model", "d_inner"),
}
MAMBA2: Table = {
    "in_proj.weight": ({"z": "d_inner", **CONVOLVED, "dt": "nheads"}, "d_model"),
    "conv1d.weight": (CONVOLVED, "one", "d_conv"),
    "conv1d.bias": (CONVOLVED,),
    "dt_bias": ("nheads",),
    "A_log": ("nheads",),
    "D": ("nheads",),
    "norm.weight": ("d_inner",),
    "out_proj.weight": ("d_model", "d_inner"),
}
PAPER: Table = {
    "conv.weight": ("d_model", "d_conv"),
    "conv.bias": ("d_model",),
    "delta.weight": ("d_model", "d_model"),
    "delta.bias": ("d_model",),
    "B.weight": ("d_state", "d_model"),
    "C.weight": ("d_state", "d_model"),
    "A": ("d_model", "d_state"),
    "gate.weight": ("d_model", "d_model"),
}
PAPER_S4D: Table = {
    "conv.weight": ("d_model", "d_conv"),
    "conv.bias": ("d_model",),
    "A": ("d_model", "d_state"),
    "B": ("d_model", "d_state"),
    "C": ("d_model", "d_state"),
    "gate.weight": ("d_model", "d_model"),
}
PAPER_DELTA_T: Table = {**PAPER, "delta.weight": ("d_state", "d_model"), "delta.bias": ("d_state",)}
PAPER_MAMBA2: Table = {
    "x.weight": ("d_inner", "d_model"),
    "x_conv.weight": ("d_inner", "d_conv"),
    "x_conv.bias": ("d_inner",),
    "B.weight": ("d_state", "d_model"),
    "B_conv.weight": ("d_state", "d_conv"),
    "B_conv.bias": ("d_state",),
    "C.weight": ("d_state", "d_model"),
    "C_conv.weight": ("d_state", "d_conv"),
    "C_conv.bias": ("d_state",),
    "delta.weight": ("nheads", "d_model"),
    "delta.bias": ("nheads",),
    "A": ("nheads",),
}
OPTIONAL = ("gate.weight",)
USUAL = {"norm.weight": 1}
"""What a tensor holds where nothing is given; all others hold 0."""


def complete(sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes with those that follow from them: d_inner = d, nheads, headdim, ngroups, codes."""
    full = {"one": 1, "nheads": 1, "ngroups": 1, "d_inner": sizes.get("expand", 1) * sizes["d_model"], **sizes}
    d_inner, codes = full["d_inner"], full["ngroups"] * full["d_state"]
    return full | {"d": d_inner, "headdim": d_inner // full["nheads"], "codes": codes}


def fill(table: Table, sizes: Mapping[str, int], given: Mapping[str, Given]) -> Weights:
    """A block's tensors: what is given by name, or by `name.part` where parts are stacked; USUAL or 0 elsewhere.

    A number fills its place; entries, a map or a tensor stand at its origin. Raises ValueError for a name that the
    block does not have, and for a tensor that is larger than its place.
    """
    full, left, weights = complete(sizes), dict(given), {}
    for name, (rows, *others) in table.items():
        if name in OPTIONAL and name not in left:
            continue
        parts = {f"{name}.{part}": size for part, size in rows.items()} if isinstance(rows, Mapping) else {name: rows}
        shapes = {part: tuple(full[axis] for axis in (size, *others)) for part, size in parts.items()}
        placed = [_placed(left.pop(part, USUAL.get(part, 0)), shape) for part, shape in shapes.items()]
        weights[name] = stack_rows(placed) if len(placed) > 1 else placed[0]
    if left:
        raise ValueError(f"This block has no {', '.join(left)}: choose among {', '.join(table)} and their parts.")
    return weights


def _placed(value: Given, shape: tuple[int, ...]) -> ExactTensor:
    if isinstance(value, Mapping):
        return ExactTensor(shape, 0, value)
    tensor = value.tensor() if isinstance(value, LinearMap) else value
    if not isinstance(tensor, ExactTensor):
        return block(shape, tensor)
    if any(size > place for size, place in zip(tensor.shape, shape, strict=True)):
        raise ValueError(f"A tensor of shape {tensor.shape} does not fit {shape}: enlarge the block.")
    return tensor.padded(shape)


# ------------------------------------------------------------------------------------ what stands around a block


def inside(prefix: str, weights: Weights) -> Weights:
    """The weights below `prefix.`."""
    return {f"{prefix}.{name}": weight for name, weight in weights.items()}


def one_layer(embedding: ExactTensor, mixer: Weights, head: ExactTensor) -> Weights:
    """A block between an embedding and a head, with no norm and no residual ([P] Table 2)."""
    return {"embedding.weight": embedding, **inside("mixer", mixer), "head.weight": head}


def language_model(
    embedding: ExactTensor, layers: Sequence[tuple[ExactTensor, Weights]], norm_f: ExactTensor, head: ExactTensor
) -> Weights:
    """Pre-norm residual layers, each by its norm and its mixer, with the names of state-spaces; the head is untied."""
    weights = {"backbone.embedding.weight": embedding}
    for i, (norm, mixer) in enumerate(layers):
        weights |= inside(f"backbone.layers.{i}", {"norm.weight": norm, **inside("mixer", mixer)})
    return weights | {"backbone.norm_f.weight": norm_f, "lm_head.weight": head}
