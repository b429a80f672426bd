"""The files by which this is cited say what pyproject.toml says."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from mamba_theorems import verify
from mamba_theorems.verify.report import citation

PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
CFF = yaml.safe_load(Path("CITATION.cff").read_text(encoding="utf-8"))
ZENODO, CODEMETA = (json.loads(Path(p).read_text(encoding="utf-8")) for p in (".zenodo.json", "codemeta.json"))


def test_every_file_names_the_same_version():
    versions = {PROJECT["version"], CFF["version"], ZENODO["version"], CODEMETA["version"], verify.__version__}
    assert len(versions) == 1


def test_every_file_has_the_same_name_description_licence_and_keywords():
    assert PROJECT["name"] == CFF["title"] == ZENODO["title"] == CODEMETA["name"]
    assert PROJECT["description"] == CFF["abstract"] == ZENODO["description"] == CODEMETA["description"]
    assert PROJECT["license"] == CFF["license"] == ZENODO["license"] == CODEMETA["license"].rsplit("/", 1)[1]
    assert CFF["keywords"] == ZENODO["keywords"] == CODEMETA["keywords"]
    assert CODEMETA["runtimePlatform"] == f"Python {PROJECT['requires-python']}"


def test_every_file_has_the_same_authors():
    names = [author["name"] for author in CFF["authors"]]
    assert names == [a["name"] for a in ZENODO["creators"]] == [a["name"] for a in CODEMETA["author"]]
    assert names == citation.AUTHORS == [a["name"] for a in PROJECT["authors"]]


@pytest.mark.parametrize("part", ["2506.11891", "Understanding Input Selectivity in Mamba", "25693"])
def test_the_paper_is_referenced(part):
    assert part in str(CFF["references"][0])
    assert part in citation.PAPER


def test_the_sentence_to_cite_names_version_and_digest():
    assert f"mamba-theorems {verify.__version__}, results 0123456789abcdef" in citation.text("0123456789abcdef" * 4)
