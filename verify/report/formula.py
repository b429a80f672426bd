"""Formulas for a page and for a PDF: LaTeX → MathML (latex2mathml) → typst, so that both show one reading.

A command that is not understood is an error, never a gap on the page.
"""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from functools import cache

from mamba_theorems.verify.extras import needs

MATHML = "http://www.w3.org/1998/Math/MathML"
VARIANTS = ("bold", "double-struck", "script", "fraktur")
ELSEWHERE = {
    **{f"MATHEMATICAL DOUBLE-STRUCK CAPITAL {x}": f"DOUBLE-STRUCK CAPITAL {x}" for x in "CHNPQRZ"},
    **{f"MATHEMATICAL SCRIPT CAPITAL {x}": f"SCRIPT CAPITAL {x}" for x in "BEFHILMR"},
}
"""Letters that Unicode had before its mathematical alphabets."""


class FormulaError(ValueError):
    """A formula holds a command that cannot be shown."""


@cache
def mathml(latex: str, *, display: bool = False) -> str:
    """The formula as MathML Core. Raises FormulaError for a command that is not known."""
    ET.register_namespace("", MATHML)
    return ET.tostring(tree(latex, display=display), encoding="unicode")


def tree(latex: str, *, display: bool = False) -> ET.Element:
    """The formula as a MathML tree. Raises FormulaError."""
    with needs("report", "a formula on a page"):
        from latex2mathml.converter import convert  # noqa: PLC0415 - an optional extra
    source = _spelled(latex)
    try:
        root = ET.fromstring(convert(source, display="block" if display else "inline"))
    except (ET.ParseError, ValueError, IndexError, KeyError, AttributeError) as reason:
        raise FormulaError(f"cannot read the formula {latex!r}: {reason}") from reason
    for node in root.iter():
        if "\\" in (node.text or ""):
            raise FormulaError(f"the formula {latex!r} holds the unknown command {node.text!r}")
        _to_alphabet(node)
    return root


def _spelled(latex: str) -> str:
    """The same formula in the commands that latex2mathml knows."""
    source = re.sub(r"\\(arg|Pr)(?![A-Za-z])", r"\\operatorname{\1}", latex)
    source = re.sub(r"\\mathrm\{([A-Za-z]{2,})\}", r"\\operatorname{\1}", source)
    source = re.sub(r"\\[bB]igg?[lr]?(?=\\(\||[lr](ceil|floor)))", "", source)
    return re.sub(r"\\text\{[^{}]*\}", lambda text: text[0].replace("\\ ", " "), source)


def _to_alphabet(node: ET.Element) -> None:
    """Replace mathvariant, which MathML Core lacks, by Unicode's mathematical letters."""
    variant = node.attrib.get("mathvariant")
    if variant in VARIANTS:
        del node.attrib["mathvariant"]
        node.text = "".join(_letter(variant.upper(), char) for char in node.text or "")


def _letter(alphabet: str, char: str) -> str:
    kind = "DIGIT" if char.isdigit() else "CAPITAL" if char.isupper() else "SMALL"
    name = f"MATHEMATICAL {alphabet} {kind} {unicodedata.name(char).split()[-1]}"
    try:
        return unicodedata.lookup(ELSEWHERE.get(name, name))
    except KeyError:
        return char


# --- typst ---------------------------------------------------------------------------------------------------------

ACCENTS = {"¯": "overline", "^": "hat", "ˆ": "hat", "~": "tilde", "˜": "tilde", "˙": "dot", "→": "arrow"}
LIMITS = frozenset("∑∏⋃⋂⨁")
LIMIT_NAMES = frozenset(("lim", "max", "min", "sup", "inf", "Pr"))
INTEGRALS = frozenset("∫∬∮")
BARS = frozenset("|‖∥")


@cache
def typst(latex: str) -> str:
    """The formula in typst's math mode, without the dollars. Raises FormulaError."""
    return _typst(tree(latex, display=True))


def _typst(node: ET.Element, *, small: bool = False) -> str:
    """A node in typst; `small` says that it stands in a script, where limits stand beside their sign."""
    tag = node.tag.rpartition("}")[2]
    parts = list(node)
    if tag in ("mi", "mn", "mo", "mtext", "mspace"):
        return _leaf(tag, node)
    if tag in ("math", "mrow", "semantics", "mpadded", "menclose", "mtd"):
        return f"lr({_joined(parts, small)})" if _grows(node, parts) else _joined(parts, small)
    if tag == "mstyle":
        return f"inline({_joined(parts, small)})" if node.get("displaystyle") == "false" else _joined(parts, small)
    if tag in _SCRIPTS:
        return _scripts(tag, parts, small)
    if tag == "mfrac":
        return f"frac({_typst(parts[0], small=small)}, {_typst(parts[1], small=small)})"
    if tag == "msqrt":
        return f"sqrt({_joined(parts, small)})"
    if tag == "mroot":
        return f"root({_typst(parts[1], small=True)}, {_typst(parts[0], small=small)})"
    if tag == "mtable":
        return _table(parts, small)
    raise FormulaError(f"the formula's MathML element <{tag}> has no typst form here")


TALL = ("mfrac", "munder", "munderover", "mtable")
UNBROKEN = 60
"""Brackets may grow around a formula of so many characters; a line end cannot break such brackets."""


def _grows(node: ET.Element, parts: list[ET.Element]) -> bool:
    """Whether a row is a pair of brackets around something tall."""
    if len(parts) < 2 or parts[0].get("form") != "prefix" or parts[-1].get("form") != "postfix":
        return False
    return len("".join(node.itertext())) <= UNBROKEN and any(n.tag.endswith(TALL) for n in node.iter())


def _joined(parts: list[ET.Element], small: bool) -> str:
    """The parts one after the other, without a space beside quoted text: typst would show the space."""
    text = ""
    for part in parts:
        more = _typst(part, small=small)
        tight = not text or text.endswith('"') or more.startswith('"')
        text += more if tight else f" {more}"
    return text


_SCRIPTS = {"msub": "b", "msup": "t", "msubsup": "bt", "munder": "b", "mover": "t", "munderover": "bt"}
"""Where an element's scripts stand: at the bottom, at the top."""


def _scripts(tag: str, parts: list[ET.Element], small: bool) -> str:
    base, *scripts = parts
    symbol = (scripts[0].text or "").strip()
    if tag == "mover" and symbol in ACCENTS:
        return f"{ACCENTS[symbol]}({_typst(base, small=small)})"
    text = _typst(base, small=small) or '""'
    limits = tag.startswith("munder") and base.text not in INTEGRALS
    if not small and (limits or (base.text or "") in LIMITS | LIMIT_NAMES):
        text = f"limits({text})"
    named = zip(_SCRIPTS[tag], scripts, strict=True)
    return f"attach({text}, {', '.join(f'{place}: {_typst(script, small=True)}' for place, script in named)})"


def _table(rows: list[ET.Element], small: bool) -> str:
    """Rows of a table, as lines that line up at the left."""
    cells = "; ".join(", ".join(_typst(cell, small=small) for cell in row) for row in rows)
    return f"mat(delim: #none, align: #left, {cells})"


def _leaf(tag: str, node: ET.Element) -> str:
    text = node.text or ""
    if tag == "mspace":
        width = re.fullmatch(r"(-?[\d.]+)em", node.get("width", "0em"))
        return f"#h({width[1]}em)" if width else ""
    if tag == "mtext":
        return f'"{_quoted(text)}"'
    if tag == "mn":
        return text if text.isascii() else _symbols(text)
    if len(text) > 1 and text.isalpha():
        return f'op("{text}")'
    if node.get("mathvariant") == "normal":
        return f"upright({_symbols(text)})"
    if "minsize" in node.attrib:
        return f"stretch({_symbols(text)}, size: #{node.get('minsize')})"
    return _symbols(text)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\u00a0", " ")


def _symbols(text: str) -> str:
    """Characters one by one; ASCII punctuation is escaped, for it is typst's syntax."""
    return " ".join(_symbol(char) for char in text if not char.isspace())


def _symbol(char: str) -> str:
    escaped = f"\\{char}" if char.isascii() and not char.isalnum() else char
    return f'class("normal", {escaped})' if char in BARS else escaped


# --- a statement's clauses ------------------------------------------------------------------------------------------

_BREAK = re.compile(r"\\qq?uad(?![A-Za-z])|;\\ ")
_OPENED = re.compile(r"\\left(?![a-z])|\\begin")


def clauses(latex: str) -> list[str]:
    """A statement cut where its author left a wide space or a semicolon, outside braces: a line each.

    A statement that uses \\left or environments is left whole.
    """
    if _OPENED.search(latex):
        return [latex]
    found, start, depth = [], 0, 0
    for match in re.finditer(rf"\\[{{}}]|[{{}}]|{_BREAK.pattern}", latex):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0 and _BREAK.fullmatch(match[0]):
            found.append(latex[start : match.start()])
            start = match.end()
    found.append(latex[start:])
    return [part for text in found if (part := text.strip().removesuffix("\\").rstrip(",; "))]


WORDS = 40
"""Characters of text from which the words of a formula are set as words, between which a line may end."""


def runs(latex: str) -> list[tuple[bool, str]]:
    """A formula as formulas and the long texts between them, each with whether it is a formula: no box of words."""
    if _OPENED.search(latex):
        return [(True, latex)]
    found, start, depth = [], 0, 0
    for match in re.finditer(rf"\\text\{{([^{{}}$]{{{WORDS},}})\}}|\\[{{}}]|[{{}}]", latex):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0 and match[1]:
            found += [(True, latex[start : match.start()]), (False, match[1].replace("\\ ", " "))]
            start = match.end()
    found.append((True, latex[start:]))
    return [(is_formula, part) for is_formula, part in found if part.strip()]
