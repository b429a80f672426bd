"""Which mutants of the three rooms do the checks reject? Mutants by cosmic-ray, a random sample of places.

python tests/mutation.py --sample 200 --seed 1    # grows tests/mutants.json
python tests/mutation.py --again                  # survivors without a reason, against the tests as they are now

Each mutant is written into a scratch copy of the project. It is rejected where a test of its module fails, a claim of
its family is not as expected in the quick tier, or a wrong step of it is proved; the first that fails ends it. Where
mathematics rejects nothing, because what a step says is another truth, the record of what steps say tells the
difference; these are counted apart. Libraries are imported once: every mutant runs in a fork that has not yet imported
anything of ours.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOMS = ("theorems", "constructions", "kernels")
ROOT = Path(__file__).parents[1]
SURVIVES = "-"
RESTATED = "another statement in"
RECORD = ROOT / "tests" / "mutants.json"
DRAWS_OR_MEASURES = {"kernels/bench.py", "kernels/peers", "constructions/token_dynamics/pictures.py"}
STEERING = {"strict", "evaluate", "frozen", "real", "positive", "nonnegative", "integer", "nonzero", "cache"}
ARITHMETIC = {"Add_Sub", "Sub_Add", "Mul_Div", "Mul_Add", "Div_Mul", "Pow_Mul", "FloorDiv_Mul", "Mod_FloorDiv"}
LIBRARIES = [
    "torch",
    "numpy",
    "scipy",
    "sympy",
    "numba",
    "z3",
    "flint",
    "hypothesis",
    "pytest",
    "transformers",
    "jaxtyping",
    "beartype",
    "networkx",
]
FAMILIES = {
    "foundations": ("foundations",),
    "haar": ("haar",),
    "sensitivity": ("sensitivity",),
    "mqar": ("mqar",),
    "token_dynamics": ("dynamics",),
    "induction_heads": ("induction",),
}
SHARED = {  # what tests a module that belongs to no family: test files, then prefixes of claims
    "theorems/proofs/calculus.py": (("calculus", "proof"), ("haar", "sensitivity", "dynamics")),
    "theorems/registry.py": (("foundations", "rooms"), ("foundations",)),
    "theorems/": (("proof", "calculus", "rooms"), ("foundations", "sensitivity", "haar")),
    "constructions/tasks.py": (("tasks", "mqar"), ("mqar",)),
    "constructions/export.py": (("export",), ("mqar",)),
    "constructions/compiler/blocks.py": (("haar", "constructions"), ("haar",)),
    "constructions/": (("constructions", "mqar", "export"), ("mqar", "induction")),
    "kernels/gpu/": (("conform_ours", "triton"), ()),
    "kernels/chunked/": (("conform_ours", "ssd", "gradients", "backends", "blocks"), ("foundations",)),
    "kernels/blocks/interop.py": (("interop",), ()),
    "kernels/": (
        ("conform_ours", "semantics", "scan", "backends", "gradients", "ssd", "blocks", "interop", "constructions"),
        ("foundations", "haar", "mqar"),
    ),
}


@dataclass(frozen=True)
class Mutant:
    """One change at one place: cosmic-ray's operator and its occurrence in the file."""

    path: str
    line: int
    operator: str
    occurrence: int

    def source(self) -> str | None:
        """The file's text with the change."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        return mutate_code((ROOT / self.path).read_text(), get_operator(self.operator)(), self.occurrence)


def modules() -> list[str]:
    """All files of the three rooms, but for those that only draw or measure."""
    found = (str(p.relative_to(ROOT)) for room in ROOMS for p in (ROOT / room).rglob("*.py"))
    return sorted(path for path in found if not path.startswith(tuple(DRAWS_OR_MEASURES)))


def mutants_of(path: str) -> Iterator[Mutant]:
    """Every mutant of a file that can matter and does not fail at once.

    Left out: annotations, which nothing evaluates; guards such as `strict=True`; the assumptions of symbols, without
    which a proof only says more; mutants that we wrote ourselves; and operators that sympy, numpy and floats do not
    have (x ^ y, x >> y), which would be rejected by raising.
    """
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    text = (ROOT / path).read_text()
    skipped, tree = annotations(text) + guards(text), get_ast(text)
    for name in operator_names():
        if not sensible(name):
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in ast_nodes(tree):
            for (line, column), _ in operator.mutation_positions(node):
                if not any(start <= (line, column) < stop for start, stop in skipped):
                    yield Mutant(path, line, name, occurrence)
                occurrence += 1


def annotations(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where a module's annotations begin and end: (line, column) pairs."""
    nodes = [n.annotation for n in ast.walk(ast.parse(text)) if isinstance(n, ast.arg | ast.AnnAssign) and n.annotation]
    nodes += [n.returns for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef) and n.returns]
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes]


def guards(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where values stand that steer sympy or protect a program, and change no result: strict=True, evaluate=False."""
    calls = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call)]
    nodes = [k.value for call in calls for k in call.keywords if k.arg in STEERING]
    ours = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "but_not"]
    nodes += [k.value for call in ours for k in call.keywords]
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes]


def sensible(name: str) -> bool:
    """Whether an operator of cosmic-ray makes programs that run; those that replace variables need names."""
    if "BinaryOperator" in name:
        return name.partition("Operator_")[2] in ARITHMETIC
    return not any(word in name for word in ("Variable", "_Invert", "USub_Not", "UAdd_Not", "ExceptionReplacer"))


def sample(size: int, seed: int, only: str) -> list[Mutant]:
    """Places drawn at random, and at each place one of its mutants: an operator with many variants counts once."""
    places: dict[tuple[str, int, str], list[Mutant]] = {}
    for path in modules():
        if only in path:
            for mutant in mutants_of(path):
                kind = mutant.operator.split("_")[0]
                places.setdefault((path, mutant.line, kind), []).append(mutant)
    draw = random.Random(seed)
    return [draw.choice(places[place]) for place in draw.sample(sorted(places), min(size, len(places)))]


def judges(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Test files and claim prefixes that judge a module, the nearest first."""
    family = Path(path).parts[1].removesuffix(".py")
    if family in FAMILIES and not path.startswith("kernels"):
        return (family, "certificates_networks", "certificates") if path.startswith("constructions") else (
            family,
        ), FAMILIES[family]
    return next(found for prefix, found in SHARED.items() if path.startswith(prefix))


def verdict(path: str) -> str:
    """In a fork, in the scratch copy: what rejects the module's mutant, or nothing."""
    import pytest

    files, prefixes = judges(path)
    for name in files:
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", f"tests/test_{name}.py"])
        if code:
            return f"tests/test_{name}.py"
    found = (claim for judge in (unexpected, tolerant, restated) for claim in judge(prefixes))
    return next(found, "")


def unexpected(prefixes: tuple[str, ...]) -> Iterator[str]:
    """Claims with one of the prefixes whose own evidence, theorems in Rocq apart, gives another outcome than before."""
    claims = import_module("mamba_theorems.theorems.registry").claims()
    gather, outcome_of = (
        import_module("mamba_theorems.verify.engine.gather").gather,
        import_module("mamba_theorems.verify.evidence").outcome_of,
    )
    run = import_module("mamba_theorems.verify.settings").Run()
    for name, claim in claims.items():
        if name.startswith(prefixes):
            known = [claims[d].expected for d in claim.depends_on]
            if outcome_of(gather(name, run).evidence, known) != outcome_of(recorded(name), known):
                yield name


def recorded(claim: str) -> list:
    """A claim's evidence in the last recorded run, without its theorems in Rocq, which no mutant of Python changes."""
    evidence = import_module("mamba_theorems.verify.evidence")
    holds = {word: truth for truth, word in evidence.VERDICTS.items()}
    claims = import_module("mamba_theorems.verify.report.paper_map").recorded()["canonical"]["claims"]
    pieces = next(c["evidence"] for c in claims if c["id"] == claim)
    return [
        evidence.Evidence(evidence.Kind(piece["kind"]), piece["check"], holds[piece["verdict"]], "")
        for piece in pieces
        if piece["check"] != evidence.THEOREM
    ]


def tolerant(prefixes: tuple[str, ...]) -> Iterator[str]:
    """Claims with one of the prefixes that have a step of which a wrong variant is proved."""
    reject = import_module("mamba_theorems.verify.engine.derivations").reject_step_mutants
    for name in import_module("mamba_theorems.theorems.registry").claims():
        if name.startswith(prefixes) and not all(mutant.rejected for mutant in reject(name)):
            yield f"a wrong step of {name}"


def restated(prefixes: tuple[str, ...]) -> Iterator[str]:
    """Claims that say something else than the record, or whose steps do: still true perhaps, but not what was read."""
    record = import_module("mamba_theorems.verify.report.paper_map").recorded()["canonical"]["claims"]
    data, claims = (
        import_module("mamba_theorems.verify.record"),
        import_module("mamba_theorems.theorems.registry").claims(),
    )
    steps_of = import_module("mamba_theorems.verify.engine.derivations").steps_of
    for claim in record:
        name = claim["id"]
        if name.startswith(prefixes):
            now = data.said_of(claims[name], claim["family"]) | {"steps": data.stated(steps_of(name))}
            if any(claim[key] != value for key, value in now.items()):
                yield f"{RESTATED} {name}"


def examine(mutant: Mutant, scratch: Path, limit: float) -> dict[str, str]:
    """Run the judges of its file on a mutant, in a fork of this process."""
    target = scratch / mutant.path
    target.write_text(mutant.source() or "")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _judge(mutant.path, scratch, writer)
    os.close(writer)
    found = _wait(child, reader, limit)
    shutil.copy(ROOT / mutant.path, target)
    return {"rejected_by": found}


def _judge(path: str, scratch: Path, writer: int) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (24 << 30, 24 << 30))
    os.chdir(scratch)
    sys.dont_write_bytecode = True
    sys.path[0] = str(scratch)
    try:
        with open(scratch / "judge.log", "w") as log, redirect_stdout(log), redirect_stderr(log):
            found = verdict(path)
    except BaseException as error:
        found = f"{type(error).__name__}: {error}"[:200]
    os.write(writer, (found or SURVIVES).encode())
    os._exit(0)


def _wait(child: int, reader: int, limit: float) -> str:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            found = os.read(reader, 1000).decode() or "the process died"
            return "" if found == SURVIVES else found
        time.sleep(0.2)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return f"not done after {limit:.0f} s"


def scratch_copy() -> Path:
    """The tracked files as they are, with the compiled kernels."""
    scratch = Path(tempfile.mkdtemp(prefix="mutation-"))
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, scratch / name, follow_symlinks=False)
    return scratch


def run(chosen: Iterable[Mutant], limit: float) -> None:
    """Examine the mutants one after another; the record grows after each, and is gone on with."""
    scratch, found = scratch_copy(), record()
    for mutant in chosen:
        text = mutant.source()
        if text in (None, (ROOT / mutant.path).read_text()) or _key(entry(mutant)) in map(_key, found):
            continue
        found.append(entry(mutant) | examine(mutant, scratch, limit))
        print(f"{len(found):4} {mutant.path}:{mutant.line} {found[-1]['rejected_by'] or 'survives'}", flush=True)
        RECORD.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(scratch)


def record() -> list[dict[str, str]]:
    """What became of each mutant so far: path, operator, change, rejected_by.

    A survivor also has the `reason` why it changes nothing that is claimed, or how its line was `rewritten` since.
    """
    try:
        return json.loads(RECORD.read_text()) if RECORD.exists() else []
    except ValueError as reason:
        raise SystemExit(f"{RECORD} is no whole JSON text ({reason}): take it again from the repository") from reason


def entry(mutant: Mutant) -> dict[str, str]:
    """What the record says of a mutant: lines move, so it has the changed line itself, before and after."""
    before, after = (ROOT / mutant.path).read_text().splitlines(), (mutant.source() or "").splitlines()
    pairs = [(a.strip(), b.strip()) for a, b in zip(before, after, strict=False) if a != b]
    change = " -> ".join(pairs[0]) if pairs else "lines removed"
    return {"path": mutant.path, "operator": mutant.operator, "change": change}


def _key(known: dict[str, str]) -> tuple[str, str, str]:
    return known["path"], known["operator"], known["change"]


def again() -> list[Mutant]:
    """Survivors without a reason, taken out of the record to be examined anew."""
    found = record()
    open_cases = {_key(m) for m in found if not m["rejected_by"] and not m.keys() & {"reason", "rewritten"}}
    kinds = {key[:2] for key in open_cases}
    RECORD.write_text(json.dumps([m for m in found if _key(m) not in open_cases], indent=1, ensure_ascii=False) + "\n")
    return [
        m
        for path in sorted({k[0] for k in open_cases})
        for m in mutants_of(path)
        if (path, m.operator) in kinds and _key(entry(m)) in open_cases
    ]


def main() -> None:
    """Examine a sample, or the open survivors again, and say how many are rejected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="how many places")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only files whose path contains this")
    parser.add_argument("--limit", type=float, default=900, help="seconds a mutant may take (default: 900)")
    parser.add_argument("--again", action="store_true", help="examine survivors without a reason again")
    args = parser.parse_args()
    if args.sample < 0 or args.seed < 0 or args.limit <= 0:
        parser.error("--sample and --seed are at least 0, --limit is more than 0")
    os.environ.setdefault("TRITON_INTERPRET", "1")
    if find_spec("cosmic_ray") is None:
        command = f"{sys.executable} -m pip install -c constraints.txt '.[mutation]'"
        raise SystemExit(f"tests/mutation.py needs cosmic-ray, which is not installed: {command}")
    for library in LIBRARIES:
        import_module(library)
    run([*(again() if args.again else ()), *sample(args.sample, args.seed, args.only)], args.limit)
    found = record()
    rejected, equivalent = sum(bool(m["rejected_by"]) for m in found), sum("reason" in m for m in found)
    restated = sum(m["rejected_by"].startswith(RESTATED) for m in found)
    print(f"{rejected} of {len(found)} rejected, {restated} of them only as another statement than the record's")
    print(f"{equivalent} others change nothing that is claimed")


if __name__ == "__main__":
    main()
