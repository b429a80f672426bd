"""What mkdocs builds beside docs/: pages that lie elsewhere in the repository, and every file that a page links to.

In the repository a page links to its neighbours by path, `../glossary.md`. In the site the root of the repository is
the root of docs/, and the links are rewritten to that.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
BESIDE = (
    "glossary.md",
    "paper_map.md",
    "recall_sizes.md",
    "fuzz_costs.md",
    "known_kernels/conformance.md",
    "theorems/formal/README.md",
    "verify/conform/SPECIFICATION.md",
)
"""Pages that lie outside docs/, by their path from the root."""
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?![a-z]+:|#)(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages beside docs/, and the files that any page links to, which the site holds as they are."""
    linked: set[str] = set()
    for path in ROOT.glob("docs/**/*.md"):
        linked |= {place(match["target"], path.parent) for match in LINK.finditer(path.read_text(encoding="utf-8"))}
    for name in BESIDE:
        text = (ROOT / name).read_text(encoding="utf-8")
        linked |= {place(match["target"], (ROOT / name).parent) for match in LINK.finditer(text)}
        files.append(File.generated(config, name, content=text))
    for name in sorted(linked - {file.src_uri for file in files}):
        if (ROOT / name).is_file():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """The page with links as the site has them; a link to a folder is left as its text."""
    here = page.file.src_uri
    folder = (ROOT / here if here in BESIDE else ROOT / "docs" / here).parent
    known = {file.src_uri for file in files}

    def rewritten(match: re.Match[str]) -> str:
        target = place(match["target"], folder)
        if (ROOT / target).is_dir():
            return match["text"]
        if target not in known:
            return match[0]
        return f"[{match['text']}]({os.path.relpath(target, PurePosixPath(here).parent)}{match['anchor'] or ''})"

    return LINK.sub(rewritten, markdown)


def place(link: str, folder: Path) -> str:
    """Where a link leads, from the root of the repository; from docs/ where it leads there."""
    path = Path(os.path.normpath(folder / link))
    for root in (ROOT / "docs", ROOT):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return link
