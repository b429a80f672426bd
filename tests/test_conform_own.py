"""What our own kernels must not lose: each part, taken out of a copy of the rooms, fails `verify conform` there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("kernels", "constructions", "theorems", "verify", "mamba_theorems", "certificates")
FILES = ("check_certificate.py", "pyproject.toml")
OPS, BLOCKS = "mamba_theorems.kernels.ops:", "mamba_theorems.kernels.blocks:"

TAKEN_OUT = {
    "the clamp in Mamba2.step": (
        "kernels/blocks/mamba2.py", {".clamp(*self.dt_limit)": ""}, f"{BLOCKS}Mamba2", "option.dt_limit.steps",
    ),
    "the carried convolution state": (
        "kernels/blocks/mamba2.py", {"        conv_state.copy_(conv)\n": ""}, f"{BLOCKS}Mamba2", "steps",
    ),
    "the gate's part of D's gradient": (
        "kernels/cpu/s6_backward.py",
        {
            "delta, y_bar, skip, out, g, sums):": "delta, y_bar, skip, out, g, sums, ungated):",
            "D_bar + times(y, x)": "D_bar + times(load(ungated, i), x)",
            "m, u, raw, delta, y_bar, skip, out, g, sums)": "m, u, raw, delta, y_bar, skip, out, g, sums, ungated)",
            "        if s.z.size:\n": "        ungated = y_bar.copy()\n        if s.z.size:\n",
        },
        f"{OPS}selective_scan",
        "pair.D.z",
    ),
    "a packed boundary at a tile's first step": (
        "kernels/cpu/s6.py", {"if s.fresh.size and s.fresh": "if s.fresh.size and t and s.fresh"},
        f"{OPS}selective_scan", "packed.tile",
    ),
    "a packed boundary at a tile's first step of SSD": (
        "kernels/cpu/ssd.py", {"if s.fresh[at.batch, start + t]": "if t and s.fresh[at.batch, start + t]"},
        f"{OPS}ssd_chunk_scan", "packed",
    ),
    "S4D's hold": (
        "kernels/blocks/mamba.py",
        {"torch.where(still, 1, torch.expm1(exponent) / torch.where(still, 1, exponent))": "torch.ones_like(exponent)"},
        f"{BLOCKS}MambaS4D", "plain",
    ),
    "group order": (
        "kernels/cpu/backend.py",
        {"repeat_interleave(x.shape[1] // M.shape[1], dim=1)": "repeat(1, x.shape[1] // M.shape[1], 1)"},
        f"{OPS}selective_state_update", "option.groups",
    ),
    "eps of the gated norm": ("kernels/blocks/mamba2.py", {" + self.eps)": ")"}, f"{BLOCKS}Mamba2", "norm.small"),
}  # fmt: skip
"""Where, what stands there and what instead, the kernel that loses it, and rows that see it."""


def copied(tmp_path: Path) -> Path:
    """The rooms, with what is compiled."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, symlinks=True)
    for file in FILES:
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


@pytest.mark.parametrize("part", TAKEN_OUT)
def test_a_part_that_is_taken_out_fails_the_suite(part, tmp_path):
    file, changes, path, row = TAKEN_OUT[part]
    where = copied(tmp_path) / file
    text = where.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    where.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "verify", "conform", path, "--row", row, "-o", "out", "--output-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    (found,) = json.loads(next((tmp_path / "out").glob("*.json")).read_text(encoding="utf-8"))["kernels"]
    assert {held["id"] for held in found["rows"] if held["verdict"] == "FAILS"}
    assert not [held for held in found["rows"] if "raises" in held.get("reason", "")]
