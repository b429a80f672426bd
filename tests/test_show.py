"""Networks on a sequence: what is shown is the blocks' own run, every channel has a name, ties are seen."""

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest
import torch

from mamba_theorems import verify
from mamba_theorems.constructions import SHOWN as SHOWN_FAMILIES
from mamba_theorems.constructions import examples
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.mqar.scenes import BESIDE, TIE
from mamba_theorems.kernels.blocks import MambaLM
from mamba_theorems.kernels.fields import FLOAT64, RATIONAL
from mamba_theorems.theorems.registry import claims
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.evidence import ClaimReport, Report
from mamba_theorems.verify.report.html import page as report_page
from mamba_theorems.verify.report.watch import Watched
from mamba_theorems.verify.report.watch.drawing import svg
from mamba_theorems.verify.report.watch.page import TOGETHER
from mamba_theorems.verify.report.watch.text import text
from mamba_theorems.verify.settings import Run

SHOWN = [(claim, target) for claim, example in examples().items() for target in example.targets]
EVERY = pytest.mark.parametrize(("claim", "target"), SHOWN)


def module_and_states(network: Construction, given: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """What the torch module gives for one sequence in float64, and the last state of each of its layers, (d, N)."""
    module = network.module(torch.float64)
    options = {"return_last_state": True}
    if isinstance(module, MambaLM):
        out, states = module(torch.from_numpy(given)[None], **options)
    elif hasattr(module, "embedding"):
        x = module.embedding(torch.from_numpy(given)[None])
        out, state = module.mixer(x if module.position is None else module.position(x), **options)
        out, states = module.head(out), [state]
    else:
        out, state = module(torch.from_numpy(given.astype(float))[None], **options)
        states = [state]
    return out[0].numpy(), [state.ssm[0].flatten(0, -2).numpy() for state in states]


def close(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal to rounding: one part in 10^9 of the largest."""
    expected = np.array(expected, dtype=float)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@EVERY
def test_a_trace_is_the_block_s_own_run_and_the_kernels_end_in_its_states(claim, target):
    scene = examples()[claim].at(target=target)
    trace = scene.trace()
    assert (trace.result == scene.run(RATIONAL if trace.exact else FLOAT64)).all()
    if isinstance(scene.network, Construction):
        out, states = module_and_states(scene.network, scene.given)
        close(scene.outputs(out), trace.result)
    else:
        states, u = [], scene.network.inputs(scene.given).astype(float)
        for layer in scene.network.layers:
            y, found = module_and_states(layer, u)
            u, states = u + y, [*states, *found]
        close(scene.outputs(scene.network.read(y)), trace.result)
    for layer, last in zip(trace.layers, states, strict=True):
        close(last, layer.states[-1])
        assert len(layer.state) == last.size


def test_every_claim_that_tells_its_weights_shows_its_network():
    families = (import_module(f"mamba_theorems.constructions.{family}") for family in SHOWN_FAMILIES)
    modules = (import_module(found.name) for f in families for found in iter_modules(f.__path__, f"{f.__name__}."))
    told = {claim for module in modules for claim in getattr(module, "TOLD", ())}
    assert len(told) > 15
    assert told <= set(examples())


@EVERY
def test_every_row_of_every_weight_has_a_name_and_every_channel_says_what_it_is_for(claim, target):
    network = examples()[claim].at(target=target).network
    for part in (network,) if isinstance(network, Construction) else network.layers:
        assert {name: tuple(map(len, rows)) for name, rows in part.rows().items()} == {
            name: weight.shape for name, weight in part.weights.items()
        }
        assert all(purpose for _, space in part.named.spaces for purpose in space.told.values())


@EVERY
def test_an_example_comes_out_as_its_claim_says_and_fits_80_columns(claim, target):
    watched = Watched(examples()[claim].at(target=target).trace())
    assert all(len(line) <= 80 for line in text([watched]).splitlines())
    right = [a.margin > 0 for a in watched.answers] + ["WRONG" not in verdict for _, verdict in watched.numbers]
    fails = claims()[claim].expected.name == "REFUTED" or target == "constant_step" or claim == "induction.lem3-argmax"
    assert right
    assert all(right) is not fails
    ET.fromstring(svg([watched]))


def test_theorem_2_ties_where_a_query_is_stored_and_theorem_4_only_reads_its_own_key():
    known = examples()
    verdicts = {
        sequence: [Watched(known[c].at(sequence, t).trace()).answers[-1].tied for c, t in BESIDE]
        for sequence in (TIE, TOGETHER)
    }
    assert verdicts == {TIE: [("v1", "v2")] * 3, TOGETHER: [(), ("v1", "v2"), ()]}
    shown = text([Watched(known["mqar.thm2-step1"].at(TIE).trace())])
    bars = re.findall(r"^ = (v[12]) (█+) 3$", shown, re.M)
    assert [value for value, _ in bars] == ["v1", "v2"]
    assert bars[0][1] == bars[1][1]
    assert "H2 does not hold at step 5 (k)" in shown
    assert "= tie" in svg([Watched(known["mqar.thm2-step1"].at(TIE).trace())])


def test_python_shows_the_same_and_has_the_numbers():
    shown = verify.show("mqar.thm2-step1", TIE)
    assert str(shown) == text([Watched(shown.trace)])
    assert shown._repr_html_().startswith("<svg")
    assert shown.trace.layers[0].state["value[0]"].tolist() == [0, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="No network is shown"):
        verify.show("mqar.thm9")


def test_a_changed_weight_changes_what_is_shown():
    scene = examples()["mqar.thm2-step1"].at(TIE)
    assert isinstance(scene.network, Construction)
    broken = replace(scene, network=scene.network.with_entries("mixer.A", {(range(3), range(1)): -1}))
    assert not broken.trace().exact
    assert (np.diff(np.array(broken.trace().layers[0].states[:, 1, 0], dtype=float))[1:3] < 0).any()


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_shows_a_claim_alone(capsys):
    assert cli.main(["show", "mqar.thm2-step1"]) == cli.Exit.EXPECTED
    assert "k1 asks for v1" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["svg", "html"])
def test_a_drawing_stands_by_itself(form, tmp_path):
    words = ["show", "mqar.thm2-step1", "--tokens", TIE, "--beside", "--output-format", form, "-o", str(tmp_path)]
    assert cli.main(words) == cli.Exit.EXPECTED
    content = (tmp_path / f"show.{form}").read_text()
    assert not re.findall(r"(?:src|href)=\"(?!#)|url\((?!#)|@import", content)
    assert content.count("= tie") == 3
    ids = re.findall(r' id="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", content)) <= set(ids)


def test_the_page_has_an_example_of_each_network_and_the_three_blocks_side_by_side():
    chosen = {claim: claims()[claim] for claim in ("mqar.thm2-step1", "mqar.thm3-step1", "mqar.thm4", "mqar.lem4")}
    found = [ClaimReport(claim, "mqar", claim.expected, ()) for claim in chosen.values()]
    page = report_page(Report(tuple(found), Run(), 0.0))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    shown = ["watch-tie", "watch-neighbour", "watch-mqar-thm2-step1", "watch-mqar-thm3-step1", "watch-mqar-thm4"]
    assert [name for name in ids if name in shown] == shown
    assert page.count('<svg class="net"') == 9
    assert not re.search(r'(src|href)="(?!#)', page)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_slider_goes_through_the_steps_and_nothing_overflows(tmp_path):
    words = ["show", "mqar.thm2-step1", "--tokens", TIE, "--beside", "--output-format", "html", "-o", str(tmp_path)]
    assert cli.main(words) == cli.Exit.EXPECTED
    probe = """<script>
        const at = () => Number(document.querySelector(".now").getAttribute("x"));
        const told = () => document.querySelector(".steps-of output").textContent;
        const slider = document.querySelector("input");
        const last = [at(), told()];
        slider.value = 2; slider.dispatchEvent(new Event("input"));
        const second = [at(), told()];
        document.querySelector("button[value='1']").click();
        document.body.dataset.found = JSON.stringify({last, second, third: [at(), told()],
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth});
        </script>"""
    page = tmp_path / "show.html"
    page.write_text(page.read_text().replace("</body>", f"{probe}</body>"))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--dump-dom"]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, check=False, timeout=120)
    found = json.loads(html.unescape(re.search(r'data-found="([^"]*)"', done.stdout)[1]))
    assert found["overflow"] <= 0
    assert found["second"][0] < found["third"][0] < found["last"][0]
    assert "step 2 of 5: v1" in found["second"][1]
    assert "step 3 of 5: k" in found["third"][1]
    assert found["last"][1].count("TIE of v1 and v2") == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "name a claim whose network is to be shown"),
        (["mqar.thm4s"], "did you mean 'mqar.thm4'?"),
        (["haar.thm1"], "no network is shown for 'haar.thm1'"),
        (["mqar.thm2-step1", "--tokens", "k1 v1 x9"], "there is no token 'x9': use k1 … k1, v1 … v2"),
        (["mqar.thm2-step1", "--tokens", "k1 v1 k0"], "there is no token 'k0'"),
        (["mqar.thm2-step1", "--tokens", "v1 k1"], "starts with its pairs of a key and a value"),
        (["mqar.thm2-step1", "--tokens", "k1 v1 k1", "--num-kv-pairs", "2"], "starts with 2 pairs"),
        (["mqar.thm2-step1", "--tokens", ""], "0 tokens are none to show"),
        (["mqar.thm2-step1", "--tokens", "k1 v1 " * 30], "60 tokens are none to show"),
        (["mqar.thm2-step1", "--tokens", "k1 v1 k99"], "99 keys or values are too many"),
        (["mqar.thm2-step1", "--target", "paper_s4d"], "mqar.thm2-step1 has no target 'paper_s4d'"),
        (["mqar.thm3-amended", "--tokens", "k1 v1 k4"], "has k1 … k3"),
        (["induction.plain-s6", "--tokens", "a 1"], "there is no token '1': use the letters"),
        (["haar.official-block", "--tokens", "1 2 3"], "needs a power of two"),
        (["haar.official-block", "--tokens", "1 x"], "'x' is no number"),
        (["haar.official-block", "--tokens", "1e400 1"], "'1e400' is no number"),
        (["sensitivity.latch", "--tokens", "0.5! nan"], "'nan' is no number"),
        (["mqar.thm2-step1", "--tokens", "k0 v1"], "there is no token 'k0': use k1"),
        (["mqar.thm2-step1", "--vocab-size", "5"], "--vocab-size goes with --weights"),
        (["foundations.selective-copying", "--tokens", "c1 n m m"], "as many markers"),
        (["mqar.thm2-step1", "--weights", "nowhere.safetensors"], "cannot read nowhere.safetensors"),
    ],
)
def test_what_cannot_be_shown_gets_one_sentence(words, says, capsys):
    assert cli.main(["show", *words]) == cli.Exit.USAGE
    printed = capsys.readouterr().err.strip()
    assert says in printed
    assert len(printed.splitlines()) == 1


# ------------------------------------------------------------------------------------------ another's weights


def test_another_s_weights_of_the_same_shape_are_shown_and_others_are_refused(tmp_path, capsys):
    safetensors = pytest.importorskip("safetensors.torch")
    network = examples()["mqar.thm2-step1"].at(TIE).network
    assert isinstance(network, Construction)
    draw = torch.Generator().manual_seed(0)
    state = {name: torch.randn(w.shape, generator=draw) for name, w in network.state_dict(torch.float32).items()}
    safetensors.save_file(state, tmp_path / "trained.safetensors")
    words = ["show", "mqar.thm2-step1", "--tokens", TIE, "--weights", str(tmp_path / "trained.safetensors")]
    assert cli.main(words) == cli.Exit.EXPECTED
    assert "weights of trained.safetensors" in " ".join(capsys.readouterr().out.split())
    scene = examples()["mqar.thm2-step1"].at(TIE).with_weights({name: w.numpy() for name, w in state.items()})
    module = network.module(torch.float64)
    module.load_state_dict(state)
    close(module(torch.from_numpy(scene.given)[None])[0].numpy(), scene.trace().result)

    for name, weight, says in (
        ("mixer.A", torch.zeros(3, 2), "its mixer.A has shape (3, 2), not (3, 1)"),
        ("mixer.A", torch.full((3, 1), torch.nan), "its mixer.A is not finite"),
        ("embedding.weight", torch.tensor(1.0), "its embedding.weight has shape (), not (3, 3)"),
    ):
        safetensors.save_file(state | {name: weight}, tmp_path / "other.safetensors")
        assert cli.main([*words[:-1], str(tmp_path / "other.safetensors")]) == cli.Exit.USAGE
        assert says in capsys.readouterr().err
