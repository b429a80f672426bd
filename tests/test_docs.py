"""The pages that people read: no dead link, examples that run, every command told; and they build."""

import re
import tomllib
from pathlib import Path

import pytest

from mamba_theorems.verify import record as data
from mamba_theorems.verify.commands import main as cli
from mamba_theorems.verify.commands import table
from mamba_theorems.verify.conform.known import KNOWN
from mamba_theorems.verify.report import paper_map
from mamba_theorems.verify.version import __version__

PAGES = [
    Path("README.md"),
    Path("glossary.md"),
    Path("paper_map.md"),
    Path("theorems/formal/README.md"),
    Path("verify/conform/SPECIFICATION.md"),
    Path("known_kernels/conformance.md"),
    *sorted(Path("docs").rglob("*.md")),
]
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?\)")
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_link_of_a_page_is_dead(page):
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = page.parent / target if target else page
        assert path.exists(), f"{page} links to {target}, which is not there"
        assert not anchor or anchor in anchors(path), f"{page} links to {target}#{anchor}, which is no heading"


def test_the_readme_fits_two_screens():
    lines = Path("README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 100
    assert max(map(len, lines)) <= 120


def test_the_pages_build_without_a_warning_and_with_the_api(tmp_path):
    pytest.importorskip("mkdocstrings_handlers.python")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config("mkdocs.yml", site_dir=str(tmp_path)))  # strict: a warning, as of a dead link, is an error
    api = (tmp_path / "api" / "constructions" / "index.html").read_text(encoding="utf-8")
    for name in ("constructions.build", "constructions.construction.Construction", "constructions.tasks.zoology_mqar"):
        assert f'id="mamba_theorems.{name}"' in api
    assert (tmp_path / "glossary" / "index.html").exists()
    pages = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")]
    assert not any(re.search(r'(src|href)="(https?:)?//(?!hypofuzz|www.mkdocs)[^"]*\.(js|css)', page) for page in pages)


@pytest.mark.parametrize("page", [p for p in PAGES if EXAMPLE.search(p.read_text(encoding="utf-8"))], ids=str)
def test_the_examples_of_a_page_run_and_print_what_they_say(page, tmp_path, monkeypatch, capsys):
    """In their order, in one Python, after the exports that the README has before them. A ```py block does not run."""
    pytest.importorskip("transformers")
    text = page.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    if page == Path("README.md"):
        for command in re.findall(r"^    python -m verify (export .*)$", text, re.MULTILINE):
            assert cli.main(command.split()) == cli.Exit.EXPECTED
    names: dict = {}
    for example in EXAMPLE.findall(text):
        exec(compile(example, str(page), "exec"), names)
        printed = capsys.readouterr().out
        for line in re.findall(r"^print\(.*\)  # (tensor.*|[A-Z]+)$", example, re.MULTILINE):
            assert line in printed


def test_the_readme_s_citation_is_bibtex_with_version_and_digests(capsys):
    text = Path("README.md").read_text(encoding="utf-8")
    (claim,) = re.findall(r"^    python -m verify cite (\S+)", text, re.MULTILINE)
    assert cli.main(["cite", claim]) == cli.Exit.EXPECTED
    printed = capsys.readouterr().out
    record = paper_map.recorded()
    part = next(c for c in record["canonical"]["claims"] if c["id"] == claim)
    for word in (claim, f"version = {{{__version__}}}", part["outcome"], record["digest"], data.digest(part)):
        assert word in printed
    assert printed.isascii()
    assert printed.count("{") == printed.count("}")
    assert len(re.findall(r"^@\w+\{[^,\s]+,$", printed, re.MULTILINE)) == 2
    assert cli.main(["cite", claim, "--output-format", "text"]) == cli.Exit.EXPECTED
    assert record["digest"][:16] in capsys.readouterr().out


def test_every_command_and_option_name_of_the_pages_is_one():
    told = Path("docs/commands.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in told for name in table.TABLE)
    for page in PAGES:
        for command in re.findall(r"^    python -m verify (.*?)(?: {2,}#.*)?$", page.read_text(encoding="utf-8"), re.M):
            words = [word.strip("'") for word in command.split() if not word.startswith("…")]
            name = words[0] if words[0] in table.TABLE else "verify"
            known = table.Parser(table.TABLE[name]).spelled
            assert all(word.partition("=")[0] in known for word in words if word.startswith("-")), command


def test_what_a_page_or_a_message_says_to_install_is_on_an_index_or_here():
    """A package of pyproject.toml, a known kernel, an extra, or a path; this program itself is on no index."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for lines in extras.values() for line in lines)]
    packages = {re.split(r"[\[<>=; ]", line)[0].lower() for line in wanted}
    packages |= {known.name for known in KNOWN} | {"einops"}  # which one of them requires
    rooms = ("verify", "constructions", "kernels", "theorems", "tests")
    for path in [*PAGES, *(p for room in rooms for p in Path(room).rglob("*.py"))]:
        for told in re.findall(r"pip install ([^`\n#)]*)", path.read_text(encoding="utf-8")):
            for word in told.replace("-c constraints.txt", "").split():
                name = word.strip("'\".,;:")
                extra = re.fullmatch(r"\[(\w+)\]", name)
                assert (
                    name.lower() in packages
                    or (extra and extra[1] in extras)
                    or name == ""
                    or name.startswith(("PATH/", "/", "-", "{", "[{"))
                    or not re.match(r"[\w\[]", name)
                ), f"{path} says pip install {word}"
                if name.lower() in packages or extra:
                    break  # what follows is prose
