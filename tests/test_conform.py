"""The conformance suite: every planted fault is found and named, no correct kernel is blamed, what is said is true."""

import json
import os
import re
import runpy
import subprocess
import sys
from functools import wraps
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

HERE = Path(__file__).parent / "conform"
sys.path.insert(0, str(HERE))
import controls  # noqa: E402
import reference  # noqa: E402
import refusing  # noqa: E402
from planted import PLANTED  # noqa: E402

from mamba_theorems.kernels import blocks as our_blocks  # noqa: E402
from mamba_theorems.kernels.bounds.running_error import HOST  # noqa: E402
from mamba_theorems.verify.commands import main as cli  # noqa: E402
from mamba_theorems.verify.conform import blocks, kinds, known, scorecard, suite  # noqa: E402
from mamba_theorems.verify.conform.kernel import Kernel, KernelLimits, parameters_of  # noqa: E402
from mamba_theorems.verify.conform.kernels import kernels_of  # noqa: E402
from mamba_theorems.verify.conform.operations import OPERATIONS, SCAN, Draws, right  # noqa: E402
from mamba_theorems.verify.conform.oracle import Precision, numbered  # noqa: E402
from mamba_theorems.verify.conform.row import SuiteRow  # noqa: E402
from mamba_theorems.verify.conform.rows import rows_of  # noqa: E402
from mamba_theorems.verify.conform.spread import spread  # noqa: E402
from mamba_theorems.verify.conform.suite import Conformance  # noqa: E402

CASES = [(operation, broken) for operation, faults in PLANTED.items() for broken in faults]


def result_of(function, operation, **how):
    subject = suite.subject_of("theirs:kernel", function, OPERATIONS[operation], "cpu")
    return suite.examine(subject, rows_of(operation), **how)


# --- planted faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "broken"), CASES, ids=[f"{o}-{b}" for o, b in CASES])
def test_a_planted_fault_fails_and_is_named_by_its_kind(operation, broken):
    reference.CACHE.clear()
    result = result_of(reference.MAKERS[operation](broken), operation, stop_early=True)
    assert result.failures, f"not found among {len(result.findings)} findings"
    failure = result.failures[0].failure
    assert failure.kind is getattr(kinds, PLANTED[operation][broken]), f"{result.failures[0].row.id}: {failure}"
    assert failure.kind.words in scorecard.text([result])


def test_at_least_forty_faults_are_planted():
    assert len(CASES) >= 80
    assert len({kind for faults in PLANTED.values() for kind in faults.values()}) >= 25


REFUSING = [(operation, fault) for operation, faults in refusing.FAULTS.items() for fault in faults]
CORRECT = [(operation, control) for operation, kernels in refusing.CORRECT.items() for control in kernels]


@pytest.mark.parametrize(("operation", "fault"), REFUSING, ids=[fault for _, fault in REFUSING])
def test_what_is_refused_without_a_word_that_names_it_fails(operation, fault):
    subject = suite.subject_of("theirs:kernel", refusing.FAULTS[operation][fault], OPERATIONS[operation], "cpu")
    row = next(row for row in rows_of(operation) if row.id == refusing.SEEN[fault])
    told = [f for f in suite.hold(subject, row) if f.verdict is Conformance.FAILS]
    assert len(told) == 1
    assert "declare it" in told[0].reason or "raises" in told[0].reason


@pytest.mark.parametrize(("operation", "control"), CORRECT, ids=[control for _, control in CORRECT])
def test_what_is_refused_in_words_or_declared_is_not_blamed_and_is_listed(operation, control):
    subject = suite.subject_of("theirs:kernel", refusing.CORRECT[operation][control], OPERATIONS[operation], "cpu")
    some = ("plain", "option.", "all", "pair.z", "padding.right", "strides.u.", "length.6", "short.2", "state.gradient")
    rows = [row for row in rows_of(operation) if row.id.startswith((*some, "state.length-7", "pieces.all"))]
    rows = [row for row in rows if not row.dtype and not row.id.endswith("wide")]
    result = suite.examine(subject, rows, draws=False)
    assert not result.failures, blamed(result)
    assert result.exercised
    assert result.not_offered


class Broken(our_blocks.Mamba2):
    """Our block, whose step or norm does one thing wrong."""

    wrong = ""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        if self.wrong == "eps of the norm":
            self.norm.eps = 1e-3
        if self.wrong == "norm over all groups":
            self.norm.group_size = self.d_inner

    def forward(self, hidden_states, seq_idx=None, state=None, return_last_state=False, **options):
        if self.wrong == "mask ignored":
            options.pop("attention_mask", None)
        if self.wrong == "padding zeroed, not skipped" and "attention_mask" in options:
            hidden_states = hidden_states * options.pop("attention_mask")[..., None]
        if self.wrong == "bounds ignored":
            seq_idx = options.pop("cu_seqlens", None) and None
        return super().forward(hidden_states, seq_idx, state, return_last_state, **options)

    def step(self, hidden_states, conv_state, ssm_state):
        kept = self.dt_limit, self.dt_bias, conv_state.clone()
        if self.wrong == "no clamp in step":
            self.dt_limit = (0.0, float("inf"))
        if self.wrong == "no bias in step":
            self.dt_bias = torch.nn.Parameter(torch.zeros_like(self.dt_bias))
        found = super().step(hidden_states, conv_state, ssm_state)
        self.dt_limit, self.dt_bias = kept[:2]
        if self.wrong == "convolution state not carried":
            conv_state.copy_(kept[2])
        return found


@pytest.mark.parametrize(
    ("wrong", "kind", "where"),
    [
        ("eps of the norm", kinds.NORM, "norm"),
        ("norm over all groups", kinds.NORM, "option.n"),
        ("no clamp in step", kinds.LIMIT, "limit"),
        ("no bias in step", kinds.PIECES, "steps"),
        ("convolution state not carried", kinds.PIECES, "prefill"),
        ("mask ignored", kinds.ATTENTION_MASK, "mask"),
        ("padding zeroed, not skipped", kinds.ATTENTION_MASK, "mask.right.cache"),
        ("bounds ignored", kinds.VARLEN, "varlen"),
    ],
)
def test_a_fault_in_a_block_fails_and_is_named(wrong, kind, where):
    broken = type("Wrong", (Broken,), {"wrong": wrong})
    subject = blocks.subject_of_block("theirs:Block", broken, "cpu")
    found = blocks.examine_block(subject, tuple(row for row in blocks.rows() if where in row.id))
    assert kind in [f.failure.kind for f in found.failures], [str(f.reason) for f in found.findings]


# --- controls --------------------------------------------------------------------------------------------------------


CONTROLS = [
    (controls.mamba_ssm, "selective_scan", ["seq_idx", "initial_state", "the precision of float64"]),
    (controls.float32_only, "selective_scan", ["float64", "bfloat16", "float16"]),
    (controls.no_initial_states, "selective_scan", ["initial_state", "return_last_state"]),
    (controls.multiples_of_64, "selective_scan", ["length other than multiples of 64"]),
    (
        controls.multiples_of_64_declared,
        "selective_scan",
        ["length other than multiples of 64", "float64 (declared)"],
    ),
    (controls.no_gate, "selective_scan", ["z"]),
    (controls.by_name_alone, "selective_scan", ["z", "delta_bias"]),
    (controls.forward_only, "selective_scan", ["gradient"]),
    (controls.refuses_gradients, "selective_scan", ["refused by NotImplementedError: this kernel has no backward"]),
    (
        controls.through_numpy,
        "selective_scan",
        ["refused by RuntimeError: Can't call numpy() on Tensor that requires grad"],
    ),
    (controls.bounds_alone, "causal_conv1d", ["seq_idx (not in its signature)"]),
    (controls.no_gradient_of_states, "ssd_chunk_scan", ["gradient through the last state (declared)"]),
    (controls.chunked, "ssd_chunk_scan", ["z", "dt_limit", "seq_idx", "NaN and inf"]),
    (controls.widths_2_to_4, "causal_conv1d", ["refused by RuntimeError: causal_conv1d only supports width"]),
    (controls.selective_state_update, "selective_state_update", []),
]
"""Each with its operation and with what must be listed as not offered."""


def blamed(result):
    return "\n".join(f"{f.row.id} {f.dtype}: {f.reason}" for f in result.failures)


@pytest.mark.parametrize(("control", "operation", "lists"), CONTROLS, ids=[c[0].__name__ for c in CONTROLS])
def test_a_correct_kernel_is_not_blamed_and_what_it_does_not_offer_is_listed(control, operation, lists):
    subject = suite.subject_of("theirs:kernel", control, OPERATIONS[operation], "cpu")
    rows = [row for row in rows_of(operation) if not row.id.startswith(("pair.", "strides.", "d_", "packed.i"))]
    result = suite.examine(subject, rows, draws=False)
    assert not result.failures, blamed(result)
    assert result.exercised
    for words in lists:
        assert any(told.startswith(words) for told in result.not_offered), (words, result.not_offered)


def test_whether_taps_skip_padding_within_a_sequence_or_count_its_places_is_not_compared():
    subject = suite.subject_of("theirs:kernel", controls.places_counted, OPERATIONS["causal_conv1d"], "cpu")
    rows = [row for row in rows_of("causal_conv1d") if row.id.startswith("padding.") and not row.id.endswith(".state")]
    result = suite.examine(subject, rows, draws=False)
    assert not result.failures, blamed(result)
    assert len(rows) == 6
    assert result.calls >= len(rows)


def test_a_gradient_through_differences_of_running_sums_is_within_its_bound():
    """What cancels in the sums of a whole chunk leaves its rounding."""
    subject = suite.subject_of("theirs:kernel", controls.chunked, OPERATIONS["ssd_chunk_scan"], "cpu")
    for batch in range(1, 5):
        sizes = {"batch": batch, "length": 64, "chunk_size": 64, "nheads": 8, "headdim": 1, "groups": 4}
        told = list(suite.hold(subject, SuiteRow(f"running-sums.{batch}", uses=("groups",), sizes=sizes)))
        assert [f.verdict for f in told] == [Conformance.CONFORMS] * 2, told


@pytest.mark.slow
@pytest.mark.parametrize(("control", "operation", "lists"), CONTROLS, ids=[c[0].__name__ for c in CONTROLS])
def test_a_correct_kernel_conforms_in_every_row(control, operation, lists):
    result = result_of(control, operation)
    assert not result.failures, blamed(result)


def test_a_kernel_that_refuses_everything_is_told_nothing():
    def nothing(*args, **options):
        raise NotImplementedError("later")

    result = result_of(nothing, "selective_scan")
    assert not result.exercised
    assert scorecard.verdict(result) is Conformance.NOT_EXERCISED
    assert result.calls == 0


# --- the oracle ------------------------------------------------------------------------------------------------------


def test_the_oracle_is_the_minimal_inputs_of_the_specification():
    q, nan = torch.tensor([[0, 0, 1, 1]]), float("nan")
    one = torch.ones(1, 1, 4, dtype=torch.float64)
    u = torch.tensor([[[1.0, nan, 1.0, 1.0]]], dtype=torch.float64)
    arguments = {"u": u, "delta": one, "A": torch.zeros(1, 1), "B": one, "C": one, "seq_idx": q}
    precision = Precision(torch.float64, suite_elementary())
    y, bound = right(SCAN, arguments, precision).outputs["y"]
    assert torch.equal(y.nan_to_num(-1), torch.tensor([[[1.0, -1.0, 1.0, 2.0]]], dtype=torch.float64))
    assert bound[0, 0, 3] < 1e-13
    conv = OPERATIONS["causal_conv1d"]
    found = right(conv, {"x": u, "weight": torch.ones(1, 2), "seq_idx": q}, precision).outputs
    assert found["y"][0].nan_to_num(-1).tolist() == [[[1, -1, 1, 2]]]
    assert found["final_states"][0].tolist() == [[[1]]]
    padded = torch.tensor([[0, 0, -1, -1]])
    assert numbered(padded).tolist() == [[0, 0, -1, -1]]
    assert numbered(torch.tensor([[0, 1, 1, 0]])).tolist() == [[0, 1, 1, 2]]


def suite_elementary():
    from mamba_theorems.kernels.bounds.running_error import HOST

    return HOST


def test_the_oracle_gradients_are_the_dual_numbers():
    import numpy as np

    from mamba_theorems.kernels import semantics
    from mamba_theorems.kernels.duals import dual, perturbed, tangents
    from mamba_theorems.kernels.fields import FLOAT64

    n = Draws(3)
    arguments = SCAN.draw(n, {"batch": 1, "d_inner": 2, "d_state": 2, "length": 5, "groups": 1}, frozenset({"D", "z"}))
    weight = n.normal(1, 2, 5)
    found = right(SCAN, arguments, Precision(torch.float64, suite_elementary()), {"y": weight})
    names = ("u", "delta", "A", "B", "C", "D", "z")
    for name in names:
        value, bound = found.gradients[name]
        for index in np.ndindex(*value.shape):
            f = dual(FLOAT64)
            time_major = {k: perturbed_at(k, arguments[k], name, index, f, perturbed) for k in names}
            y = semantics.selective_scan(f, **time_major)
            slope = float((tangents(y) * weight[0].T.numpy()).sum())
            assert abs(slope - float(value[index])) <= 2 * float(bound[index])


def perturbed_at(name, value, moved, index, f, perturbed):
    from mamba_theorems.kernels.fields import FLOAT64

    value = value.numpy()
    array = perturbed(FLOAT64, value, index) if name == moved else f.array(value)
    return array[0].T if array.ndim == 3 else array


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_row_has_its_own_id_and_is_reproducible(operation):
    rows = rows_of(operation)
    assert len({row.id for row in rows}) == len(rows) > 90
    assert [row.seed for row in rows] == [row.seed for row in rows_of(operation)]


# --- limits ----------------------------------------------------------------------------------------------------------


def test_declared_limits_narrow_sizes():
    limits = KernelLimits.of({"sizes": {"length": {"multiple": 64}, "width": [2, 3, 4], "batch": {"max": 1}}})
    assert limits.fitted({"length": 65, "width": 5, "batch": 3, "dim": 7}) == {
        "length": 128,
        "width": 4,
        "batch": 1,
        "dim": 7,
    }
    assert limits.fits({"length": 65}) == "length = 65"
    with pytest.raises(ValueError, match="conformance declares lenght: declare dtypes"):
        KernelLimits.of({"lenght": 3})


def test_an_option_under_another_name_is_found():
    def theirs(u, delta, A, B, C, *, h0=None, return_final_states=False):
        return None

    kernel = Kernel("theirs:kernel", theirs)
    assert kernel.name_of("initial_state") == "h0"
    assert kernel.name_of("return_last_state") == "return_final_states"
    assert kernel.lacks("z") == "z (not in its signature)"


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """A folder with kernels of somebody else, in which the command runs."""
    (tmp_path / "mykernels.py").write_text(
        f"import sys\nsys.path.insert(0, {str(HERE)!r})\n"
        "import reference\n"
        "causal_conv1d = reference.convolution()\n"
        "selective_state_update = reference.update('D ignored')\n"
        "half = reference.scan('half the gradient of B')\n"
        "def nothing(*args, **options): raise NotImplementedError('later')\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("mykernels", None)


def test_the_command_tells_verdicts_and_exit_codes(theirs, capsys):
    assert cli.main(["conform", "causal_conv1d=mykernels:causal_conv1d", "--row", "option."]) == cli.Exit.EXPECTED
    printed = capsys.readouterr().out
    assert "CONFORMS: " in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert cli.main(["conform", "mykernels", "--row", "option.D", "-o", "out"]) == cli.Exit.UNEXPECTED
    printed = capsys.readouterr().out
    assert "FAILS option.D in float32, forward" in printed
    assert "looks like: D ignored or wrong: D ignored" in printed
    assert cli.main(["conform", "mykernels:nothing"]) == cli.Exit.NOTHING
    assert "was never called by a row" in capsys.readouterr().err


def test_json_markdown_and_page_hold_every_cell(theirs, capsys):
    words = ["conform", "mykernels:selective_state_update", "--row", "option.D"]
    assert cli.main([*words, "--output-format", "json"]) == cli.Exit.UNEXPECTED
    document = json.loads(capsys.readouterr().out)
    (kernel,) = document["kernels"]
    assert kernel["verdict"] == "FAILS"
    assert {"option": "D", "direction": "forward", "dtype": "float32", "verdict": "FAILS"} in kernel["cells"]
    failed = next(row for row in kernel["rows"] if row["verdict"] == "FAILS")
    assert {"output", "index", "got", "want", "bound", "kind", "reports", "model"} <= set(failed)
    for form, ending in (("markdown", "md"), ("html", "html")):
        assert cli.main([*words, "--output-format", form, "-o", "out"]) == cli.Exit.UNEXPECTED
        assert "FAILS" in (theirs / "out" / f"conformance.{ending}").read_text()


@pytest.mark.parametrize(
    ("word", "row", "says"),
    [
        ("mykernels:selective_state_update", "option.D", "y is wrong at 6 entries"),
        ("mykernels:half", "plain", "gradient of B is wrong at 126 entries"),
    ],
)
def test_a_failure_is_replayed_without_our_code(theirs, word, row, says):
    assert cli.main(["conform", word, "--row", row, "-o", "out"]) == cli.Exit.UNEXPECTED
    (script,) = (theirs / "out" / "failures").glob("*.py")
    assert "mamba_theorems" not in script.read_text()
    blocked = "import sys; sys.modules['mamba_theorems'] = None; import runpy; runpy.run_path(sys.argv[1])"
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", blocked, str(script)], cwd=theirs, env=known, capture_output=True, text=True, check=False
    )
    assert says in done.stdout, done.stdout + done.stderr


def test_a_replay_goes_where_its_row_conforms_again(theirs, monkeypatch):
    words = ["conform", "mykernels:selective_state_update", "--row", "option.D", "-o", "out"]
    failures = theirs / "out" / "failures"
    assert cli.main(words) == cli.Exit.UNEXPECTED
    assert len(list(failures.iterdir())) == 2
    monkeypatch.setattr(sys.modules["mykernels"], "selective_state_update", reference.update())
    assert cli.main(words) == cli.Exit.EXPECTED
    assert not list(failures.iterdir())


WRONG_BLOCK = """
from mamba_theorems.kernels.blocks import {kind}

class Block({kind}):
    wrong = {{"{part}": 1.25}}

    def forward(self, *args, **options):
        result = super().forward(*args, **options)
        y, *more = result if isinstance(result, tuple) else (result,)
        value, slope = self.wrong.get("value", 1), self.wrong.get("slope", 1)
        y = value * (slope * y - (slope - 1) * y.detach())
        return (y, *more) if more else y

    def step(self, *args):
        y, *states = super().step(*args)
        return self.wrong.get("step", 1) * y, *states
"""


@pytest.mark.parametrize(
    ("kind", "part", "row", "output"),
    [
        ("Mamba", "value", "plain", "y"),
        ("Mamba2", "step", "steps", "y"),
        ("MambaS4D", "step", "prefill", "later"),
        ("MambaDeltaT", "slope", "gradient", "slope"),
    ],
)
def test_a_block_s_failure_is_replayed_without_our_suite(theirs, capsys, kind, part, row, output):
    (theirs / "myblocks.py").write_text(WRONG_BLOCK.format(kind=kind, part=part))
    sys.modules.pop("myblocks", None)
    assert cli.main(["conform", "myblocks:Block", "--row", row, "-o", "out"]) == cli.Exit.UNEXPECTED
    script = sorted((theirs / "out" / "failures").glob("*.py"))[0]
    assert "mamba_theorems" not in script.read_text()
    capsys.readouterr()
    runpy.run_path(str(script))
    assert f"{output} is wrong at" in capsys.readouterr().out
    sys.modules["myblocks"].Block.wrong = {}
    runpy.run_path(str(script))
    assert f"{output} is right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("nowhere:f", "'nowhere' cannot be imported"),
        ("scan=mykernels:half", "there is no operation 'scan'"),
        ("math", "'math' has no function named selective_scan"),
    ],
)
def test_a_kernel_that_is_not_there_is_told(theirs, capsys, word, says):
    assert cli.main(["conform", word]) == cli.Exit.USAGE
    assert says in capsys.readouterr().err


def test_a_class_is_a_block():
    (examined,) = kernels_of("mamba_theorems.kernels.blocks:Mamba2")
    assert examined.operation == blocks.BLOCK


# --- the plugin ------------------------------------------------------------------------------------------------------

PLUGIN = ["-p", "mamba_theorems.verify.conform.plugin", "-p", "no:cacheprovider", "-q", "-rxXs", "--rootdir=."]


def ran(folder, *words):
    """What pytest prints in a folder, and its exit code."""
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGIN, *words],
        cwd=folder, env=os.environ | {"PYTHONPATH": root}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_under_pytest_a_row_is_a_test_and_an_xfail_file_is_held_to(theirs):
    words = ["--ssm-kernel=mykernels:selective_state_update", "-k", "option.D or option.z"]
    code, printed = ran(theirs, *words)
    assert code == 1
    assert "selective_state_update/option.D" in printed
    assert "looks like: D ignored or wrong: D ignored" in printed
    lines = [
        f"selective_state_update/option.D{at} D is on our list, https://example.org/1"
        for at in ("", ".float64", ".bfloat16", ".float16")
    ]
    (theirs / "xfail.txt").write_text("# known\n" + "\n".join(lines) + "\n")
    code, printed = ran(theirs, *words, "--ssm-xfail=xfail.txt")
    assert code == 0, printed
    assert "https://example.org/1" in printed
    (theirs / "xfail.txt").write_text("selective_state_update/option.z it does not\n")
    code, printed = ran(
        theirs, "--ssm-kernel=mykernels:selective_state_update", "-k", "option.z", "--ssm-xfail=xfail.txt"
    )
    assert code == 1
    assert "XPASS(strict)" in printed
    (theirs / "xfail.txt").write_text("selective_state_update/nothing no such row\n")
    code, printed = ran(theirs, *words, "--ssm-xfail=xfail.txt")
    assert code == 4
    assert "names no row of the suite: selective_state_update/nothing" in printed


# --- bounds of blocks ------------------------------------------------------------------------------------------------


class Zeros(our_blocks.Mamba2):
    """A block that gives nothing."""

    def forward(self, *args, **options):
        return super().forward(*args, **options) * 0

    def step(self, *args):
        y, *states = super().step(*args)
        return y * 0, *states


def test_no_row_of_a_block_is_content_with_zeros():
    subject = blocks.subject_of_block("theirs:Block", Zeros, "cpu")
    found = blocks.examine_block(subject, tuple(blocks.rows()))
    assert not [f.row.id for f in found.findings if f.verdict is Conformance.CONFORMS]
    assert len(found.failures) > len(found.findings) / 2


@settings(max_examples=100)
@given(st.lists(st.tuples(*[st.floats(-4, 4, width=32)] * 2), min_size=1, max_size=12), st.permutations(range(12)))
def test_a_spread_holds_every_order_of_a_sum_and_what_is_made_of_it(pairs, order):
    field = spread(torch.float32, HOST)
    x, y = (np.array(column) for column in zip(*pairs, strict=True))
    term = field.array(x) * field.array(y)
    bounded = field.softplus(sum(term[1:], term[0])) / (field.exp(field.array(x)[0]) + field.array(y)[0] * 0)
    terms = [np.float32(a) * np.float32(b) for a, b in pairs]
    total = np.float32(0)
    for i in (i for i in order if i < len(pairs)):
        total = np.float32(total + terms[i])
    got = functional.softplus(torch.tensor(total)) / torch.tensor(x[0], dtype=torch.float32).exp()
    assert abs(float(got) - bounded.value) <= bounded.error


# --- signatures ------------------------------------------------------------------------------------------------------


def test_a_function_that_wraps_another_has_its_own_parameters_unless_it_hands_all_on():
    def inner(decay, write):
        return decay, write

    @wraps(inner)
    def scan(u, delta, z=None):
        return inner(u, delta), z

    @wraps(scan)
    def handing_on(*args, **options):
        return scan(*args, **options)

    assert parameters_of(scan) == parameters_of(handing_on) == {"u", "delta", "z"}


def test_a_block_s_parameters_end_where_torch_s_begin():
    class Base(torch.nn.Module):
        def __init__(self, d_state=16, **unknown):
            super().__init__()

    class Block(Base):
        def __init__(self, d_model, **options):
            super().__init__(**options)

    assert {"d_model", "d_state"} <= parameters_of(Block)
    assert "headdim" not in parameters_of(Block)


# --- other people's scans --------------------------------------------------------------------------------------------

KNOWN = Path(__file__).parent.parent / "known_kernels"
TABLE = (KNOWN / "conformance.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## (\w+): `([\w.:]+)`\n\n\*\*(\w+)\*\*(.*?)(?=^## |\Z)", TABLE, re.M | re.S)
LISTED = {f"{operation}={path}": (word, told) for operation, path, word, told in SECTIONS}


def measured():
    """Every kernel that is known, with the version in which the table has it."""
    for package in known.KNOWN:
        yield from (pytest.param(package, word, id=word.rpartition("=")[2]) for word in package.words)


@pytest.mark.parametrize(("package", "word"), list(measured()))
def test_the_table_of_other_people_s_kernels_is_what_the_suite_says_of_them(package, word):
    """Each failure that is listed is there and of its kind; what conforms does so where all options are in use."""
    assert f"| {package.name} | {package.version or '–'} |" in TABLE or not package.version
    if not package.version:
        pytest.skip(f"{package.name} is not installed")
    (examined,) = kernels_of(word)
    verdict, told = LISTED[f"{examined.operation}={examined.path}"]
    failures = re.findall(r"^- FAILS (\S+) in (\w+), (\w+).*\n- (\w[\w ]*).*\n- looks like: (.*)", told, re.M)
    assert (verdict == "FAILS") == bool(failures)
    rows = {row.id: row for row in examined.rows}
    for name, dtype, direction, output, kind in failures:
        if name.startswith("random"):
            continue
        found = [f for f in examined.hold(rows[name], "cpu", "quick") if f.verdict is Conformance.FAILS]
        assert [(f.dtype, f.direction) for f in found] == [(dtype, direction)]
        assert str(found[0].reason).startswith(output.strip())
        assert kind.startswith(str(found[0].failure.kind))
    if verdict == "CONFORMS":
        for name in ("plain", "all", "option.D", "pieces.all"):
            held = examined.hold(rows[name], "cpu", "quick") if name in rows else ()
            assert not [f.reason for f in held if f.verdict is Conformance.FAILS]


@pytest.mark.parametrize("script", sorted((KNOWN / "faults").glob("*.py")), ids=lambda path: path.stem)
def test_a_fault_of_others_is_reproduced_in_ten_lines_with_the_right_value(script):
    lines = script.read_text(encoding="utf-8").rpartition('"""')[2].split("\n")
    assert len([line for line in lines if line]) <= 10
    try:
        told = runpy.run_path(str(script))
    except ModuleNotFoundError as reason:
        pytest.skip(f"{reason.name} is not installed")
    got, right = (torch.tensor(told[name]) for name in ("got", "right"))
    assert got.shape == right.shape
    assert not torch.allclose(got, right, rtol=1e-4, equal_nan=True)
