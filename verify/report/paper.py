"""The paper at a glance: what it numbers, in its order, each with what became of it and of what stands in its place.

A row is made of recorded claims as data, so that the record shows it without building a claim.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ITEMS = (
    "Theorem 1", "Proposition 1", "Corollary 1", "Corollary 2", "Eq. (11)", "Lemma 1", "Lemma 2", "Eq. (45)",
    "Theorem 2, step 1", "Theorem 2, step 2", "Theorem 3, step 1", "Theorem 3, step 2",
    "Theorem 4, step 1", "Theorem 4, step 2", "Lemma 3", "Lemma 4", "Eq. (3)", "Eq. (8)", "Eq. (12)", "Eq. (46)",
    *(f"Remark {i}" for i in range(1, 8)), "Table 1", "Table 2", "Table A.1", "Fig. 1", "Fig. 2", "Fig. 3",
)  # fmt: skip
"""What the paper numbers, as far as this project knows it: results in the order of its sections, appendices last; then
equations that claims are about, remarks, tables and figures."""
PLACES = {
    "Theorem 2 (its tightness)": ("Theorem 2, step 1",),
    "Theorems 2 and 4": ("Theorem 2, step 1", "Theorem 4, step 1"),
    "Theorem 3": ("Theorem 3, step 2",),
    "Section 3.2, condition (12)": ("Eq. (12)",),
    "Section 3.2, beyond it": ("Lemma 2",),
    "Extension F": ("Lemma 3",),
}
"""Where references stand that name no item, or only a part of one."""
OF_THE_PAPER = ("haar", "sensitivity", "mqar", "induction_heads")
PARTS = {
    "printed": "Printed", "instance": "Fails at", "reading": "Reading", "instead": "Instead", "survives": "Survives",
    "further": "Also",
}  # fmt: skip
"""The parts of an erratum, and what they are called."""
NOTHING = "no claim covers it"
AMENDED = "stated with the hypotheses that it needs"
UNTOUCHED = "no claim is about it as printed"


@dataclass(frozen=True)
class Covering:
    """A claim in a row: its id, outcome and title."""

    id: str
    outcome: str
    title: str

    def __str__(self) -> str:
        return f"{self.outcome} {self.id}: {self.title}"


@dataclass(frozen=True)
class PaperRow:
    """One thing that the paper numbers, or one of several statements under one number.

    `printed` is the statement as it is printed (None where no claim is of its printed form), `words` what it says,
    `instead` what is true in its place, in words, with the claims `amended`; `beyond` goes further.
    """

    item: str
    printed: Covering | None
    words: str
    instead: str
    amended: tuple[Covering, ...]
    beyond: tuple[Covering, ...]

    @property
    def outcome(self) -> str:
        """The word for the printed statement; where there is none, for what stands in its place; else empty."""
        known = self.printed or next(iter(self.amended), None)
        return known.outcome if known else ""


def rows(recorded: Iterable[Mapping[str, Any]], *, whole: bool) -> list[PaperRow]:
    """The table, of claims as the record has them; of a `whole` run also what no claim covers."""
    own = [claim for claim in recorded if claim["family"] in OF_THE_PAPER and claim["form"] != "restated"]
    about = {item: [claim for claim in own if item in places(claim["paper"])] for item in ITEMS}
    return [row for item, members in about.items() if members or whole for row in _rows(item, members)]


def places(reference: str) -> tuple[str, ...]:
    """The items that a claim's reference to the paper names."""
    bare = re.sub(r" \((?:Section|Appendix)[^)]*\)", "", reference)
    if bare in PLACES:
        return PLACES[bare]
    spelled = bare.replace("eq.", "Eq.").replace("Eq. (3), (8)", "Eq. (8)")
    return tuple(item for item in ITEMS if re.search(rf"(?<![\w.]){re.escape(item)}(?![\w.]\w)", spelled))


def _rows(item: str, about: list[Mapping[str, Any]]) -> Iterator[PaperRow]:
    """A row a printed statement; what is amended and what goes beyond stand in the first."""
    of = {form: [c for c in about if c["form"] == form] for form in ("printed", "amended", "extension")}
    amended, beyond = (tuple(map(_named, of[form])) for form in ("amended", "extension"))
    if not of["printed"]:
        words = AMENDED if amended else UNTOUCHED if beyond else NOTHING
        yield PaperRow(item, None, words, "", amended, beyond)
    for i, claim in enumerate(of["printed"]):
        words, instead = claim["title"], ""
        if erratum := claim["erratum"]:
            fails = claim["outcome"] == "REFUTED"
            words = erratum["printed"] if fails else words
            instead = erratum["instead"] if fails else f"its printed argument does not give it. {erratum['instead']}"
        yield PaperRow(item, _named(claim), words, instead, () if i else amended, () if i else beyond)


def _named(claim: Mapping[str, Any]) -> Covering:
    return Covering(claim["id"], claim["outcome"], claim["title"])


def counted(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """How many claims there are, each group apart: a line each."""
    total = sum(n for of in counts.values() for n in of.values())
    groups = (f"  {group}: {', '.join(f'{n} {word}' for word, n in of.items())}" for group, of in counts.items())
    return [f"{total} claim{'s' * (total != 1)}", *groups]


def terminal(found: Iterable[PaperRow]) -> Iterator[tuple[str, str]]:
    """The table as pairs for two columns."""
    last = ""
    for row in found:
        head = row.item if row.item != last else ""
        last = row.item
        yield head, f"{row.outcome}  {row.words}".strip()
        if row.instead:
            yield "  instead", row.instead
        for name, claims in (("  true", row.amended), ("  beyond", row.beyond)):
            yield from ((name, str(claim)) for claim in claims)


def errata(recorded: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The printed statements that fail, a section each: where, under which reading, what is true, what stands."""
    found = []
    for claim in recorded:
        if claim["outcome"] == "REFUTED" and (erratum := claim["erratum"]):
            lines = [("text", f"{f'{said}:':<10}{erratum[part]}") for part, said in PARTS.items() if erratum[part]]
            replay = shlex.quote(f"statement:{erratum['case']}")
            lines.append(("code", f"replay: python -m verify {claim['id']} --replay {replay}"))
            found.append((f"Erratum: {claim['paper']} — {claim['id']}", lines))
    return found
