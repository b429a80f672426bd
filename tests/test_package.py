"""What is installed, what it runs beside, and where Python may start: a script without a guard, stdin, a checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = "from setuptools import build_meta; build_meta.build_{kind}({folder!r})"
NOT_BUILT_FROM = ("build", "__pycache__", "*.egg-info", ".*")


def said(command: list[str], folder: Path, stdin: str | None = None, **environment: str) -> str:
    """What a command prints; the test fails, with its errors, where the command does."""
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, input=stdin, env=known | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(source: str, folder: Path = ROOT, **environment: str) -> str:
    return said([sys.executable, "-c", source], folder, **environment).strip()


def built(kind: str, source: Path, folder: Path) -> Path:
    """The wheel or sdist of a source tree."""
    python(BUILD.format(kind=kind, folder=str(folder)), source)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "project"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=shutil.ignore_patterns(*NOT_BUILT_FROM))
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return built("wheel", source, tmp_path_factory.mktemp("wheel"))


def shipped() -> set[str]:
    """What the wheel has to hold: every module of the rooms, and what the README promises."""
    rooms = ("theorems", "constructions", "kernels", "verify")
    found = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    found += (ROOT / "verify" / "report" / "templates").iterdir()
    found.append(ROOT / "verify" / "conform" / "SPECIFICATION.md")
    found += (ROOT / "verify" / "experiments" / "plans").glob("*.toml")
    found += [file for folder in ("certificates", "notebooks", "observed") for file in (ROOT / folder).iterdir()]
    found += [ROOT / "recorded.json", ROOT / "check_certificate.py"]
    formal = ROOT / "theorems" / "formal"
    found += [formal / "_CoqProject", *formal.rglob("*.v"), *formal.glob("*.json"), *formal.glob("*.md")]
    names = {path.relative_to(ROOT).as_posix() for path in found} | {"__init__.py", "checkout.py", "py.typed"}
    return {f"mamba_theorems/{name}" for name in names}


def test_the_wheel_holds_the_rooms_and_what_the_readme_promises_and_nothing_else(wheel):
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == shipped()


@pytest.mark.slow
def test_a_source_archive_builds_the_same_wheel(source, wheel, tmp_path):
    (tmp_path / "sdist").mkdir()
    archive = built("sdist", source, tmp_path / "sdist")
    shutil.unpack_archive(archive, tmp_path)
    (tmp_path / "wheel").mkdir()
    again = built("wheel", tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path / "wheel")
    assert sorted(ZipFile(again).namelist()) == sorted(ZipFile(wheel).namelist())


# --- where Python may start ------------------------------------------------------------------------------------------

WORK = """
from mamba_theorems.verify.workers import Pool
print("ran")
{guard}print(Pool(1, threads=1).submit(abs, -7).result())
"""


@pytest.mark.parametrize("how", ["file", "guarded", "stdin", "no file"])
def test_workers_need_no_guard_and_do_not_run_the_callers_script(how, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WORK.format(guard="if __name__ == '__main__': " if how == "guarded" else ""), encoding="utf-8")
    command, stdin = [sys.executable, str(script)], None
    if how == "stdin":
        command, stdin = [sys.executable, "-"], script.read_text(encoding="utf-8")
    if how == "no file":
        command = [sys.executable, "-c", f"exec({script.read_text(encoding='utf-8')!r}, {{'__name__': '__main__'}})"]
    assert said(command, tmp_path, stdin, PYTHONPATH=str(ROOT)).split() == ["ran", "7"]


def test_a_run_in_a_plain_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from mamba_theorems import verify\nprint(verify.run(['foundations.euler-gap']).as_expected)")
    assert said([sys.executable, str(script)], tmp_path, PYTHONPATH=str(ROOT)).split() == ["True"]


def test_workers_run_the_callers_own_copy_of_the_program(tmp_path):
    """Another copy on the path, as an installed one beside a checkout, does not run in its place."""
    (tmp_path / "mamba_theorems").mkdir()
    (tmp_path / "mamba_theorems" / "__init__.py").touch()
    where = "__import__('mamba_theorems').__file__"
    asked = f"import verify.workers; print({where}, verify.workers.Pool(1, threads=1).submit(eval, {where!r}).result())"
    found = python(asked, PYTHONPATH=str(tmp_path))
    assert found.split() == [str(ROOT / "mamba_theorems" / "__init__.py")] * 2


def test_a_room_of_a_checkout_is_one_module_under_both_names():
    python(
        "import verify.report.graph, mamba_theorems.verify.report.graph as other, mamba_theorems.verify\n"
        "import mamba_theorems.kernels.ops, kernels.ops\n"
        "assert verify is mamba_theorems.verify and verify.report.graph is other\n"
        "assert kernels.ops is mamba_theorems.kernels.ops and kernels.ops.__spec__.name == kernels.ops.__name__"
    )


@pytest.fixture
def others(tmp_path):
    """A folder with another's package `kernels`."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("get_kernel = True", encoding="utf-8")
    return str(tmp_path)


@pytest.mark.parametrize("first", ["", "import verify", "import mamba_theorems.kernels"])
def test_the_package_kernels_of_others_is_found_in_a_checkout(first, others):
    asked = f"{first}\nimport kernels, mamba_theorems.kernels as ours\nassert kernels.get_kernel\nours.selective_scan"
    python(asked, PYTHONPATH=others)


@pytest.mark.parametrize("module", ["verify", "mamba_theorems.verify", "kernels.bench", "verify.fuzz.cost"])
def test_the_modules_of_a_checkout_run_by_their_names(module, others):
    assert "usage" in said([sys.executable, "-m", module, "--help"], ROOT, PYTHONPATH=others)


# --- installed, beside transformers and Hugging Face's kernels -------------------------------------------------------

PAIR = ("kernels==0.17.2", "transformers==5.22.2")
"""Each version of transformers takes few versions of kernels: two that fit."""
BESIDE = """
import kernels, mamba_theorems.kernels, mamba_theorems.verify
from transformers.utils import is_kernels_available
from transformers.integrations import hub_kernels
assert is_kernels_available() and hub_kernels.LayerRepository is kernels.LayerRepository
assert kernels.get_kernel and kernels is not mamba_theorems.kernels
print(mamba_theorems.kernels.selective_scan.__module__)
"""


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of programs of an environment with the wheel, kernels and transformers, and nothing of this one."""
    folder = tmp_path_factory.mktemp("environment")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.partition("==")[0] not in {p.partition("==")[0] for p in PAIR}]
    (folder / "constraints.txt").write_text("\n".join([*kept, *PAIR]), encoding="utf-8")
    said([sys.executable, "-m", "venv", "env"], folder)
    install = ["env/bin/python", "-m", "pip", "install", "--quiet", "-c", "constraints.txt"]
    said([*install, "torch"], folder)
    said([*install, str(wheel), *PAIR], folder)
    return folder / "env" / "bin"


@pytest.mark.slow
def test_everything_runs_from_an_empty_folder_once_installed(installed, tmp_path):
    program, interpreter = str(installed / "mamba-theorems"), str(installed / "python")
    assert "mqar.thm2-step1" in said([program, "list"], tmp_path)
    assert "every outcome is the expected one" in said([program, "mqar.value-code"], tmp_path)
    where = said([interpreter, "-c", "from mamba_theorems.verify.files import SHIPPED; print(SHIPPED)"], tmp_path)
    certificates = sorted(map(str, Path(where.strip(), "certificates").glob("*.json")))
    number = len(certificates)
    for check in ([program, "check"], [interpreter, "-m", "mamba_theorems.check_certificate", *certificates]):
        *lines, total = said(check, tmp_path).splitlines()
        assert len(lines) == number > 100
        assert all(line.startswith("yes: ") for line in lines)
        assert total == f"{number} of {number} certificates hold"


@pytest.mark.slow
def test_transformers_finds_its_own_kernels_installed_and_in_a_checkout(installed, tmp_path):
    interpreter = str(installed / "python")
    for folder, room in ((tmp_path, ""), (ROOT, "import verify.__main__")):
        assert said([interpreter, "-c", f"{room}\n{BESIDE}"], folder).split() == ["mamba_theorems.kernels.ops"]
    assert "mqar.thm2-step1" in said([interpreter, "-m", "verify", "list"], ROOT)
