"""The report as JUnit XML, for continuous integration: a suite for each family, a case for each piece of evidence.

Each claim adds one case, `outcome`, that fails where the outcome is not the expected one.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from mamba_theorems.verify.evidence import LINK, Report
from mamba_theorems.verify.report.book import Book, ClaimEntry, EvidenceEntry

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def dumps(report: Report) -> str:
    """The whole document."""
    root = ET.Element("testsuites", name="verify", time=f"{report.seconds:.3f}")
    book = Book(report)
    for family, _, members in book.families:
        _suite(root, family, members)
    for suite in root[:1]:
        suite.insert(0, _properties(book))
    if report.mutants:
        _controls(root, report)
    for attribute in ("tests", "failures", "skipped"):
        root.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _properties(book: Book) -> ET.Element:
    """What the headline counts apart: the paper's own claims, ours, foundations, other papers'."""
    properties = ET.Element("properties")
    for name, value in (("headline", book.headline), *book.counts, ("digest", book.digest)):
        ET.SubElement(properties, "property", name=_clean(name), value=_clean(value))
    return properties


def _suite(root: ET.Element, family: str, members: Sequence[ClaimEntry]) -> None:
    suite = ET.SubElement(root, "testsuite", name=family, time=f"{sum(c.seconds for c in members):.3f}")
    for entry in members:
        case = _case(suite, entry.claim.id, "outcome", entry.seconds)
        if entry.surprise:
            _fail(case, entry.surprise)
        if entry.link:
            ET.SubElement(case, "system-out").text = _clean(f"{LINK}: {entry.link}")
        for piece in entry.pieces:
            _evidence(suite, entry.claim.id, piece)
    _count(suite)


def _evidence(suite: ET.Element, claim: str, piece: EvidenceEntry) -> None:
    case = _case(suite, claim, f"{piece.check} ({piece.kind})")
    if piece.verdict == "skipped":
        ET.SubElement(case, "skipped", message=_clean(piece.summary))
    elif piece.fails:
        _fail(case, piece.summary or "undecided", piece.replay)
    if piece.replay:
        ET.SubElement(case, "system-out").text = _clean(f"replay: {piece.replay}")


def _controls(root: ET.Element, report: Report) -> None:
    suite = ET.SubElement(root, "testsuite", name="controls")
    for claim, mutant in report.mutants:
        case = _case(suite, claim, f"{mutant.check} rejects: {mutant.mutant}")
        if not mutant.rejected:
            _fail(case, f"the mutant survived ({mutant.how})")
    _count(suite)


def _case(suite: ET.Element, claim: str, name: str, seconds: float | None = None) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=claim, name=_clean(name))
    if seconds is not None:
        case.set("time", f"{seconds:.3f}")
    return case


def _fail(case: ET.Element, message: str, text: str = "") -> None:
    ET.SubElement(case, "failure", message=_clean(message)).text = _clean(text)


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
