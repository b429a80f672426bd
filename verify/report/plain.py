"""Formulas in LaTeX as lines of text in Unicode, for a terminal."""

from __future__ import annotations

import re

from mamba_theorems.theorems.claim import HALVES
from mamba_theorems.theorems.readable import GREEK, RAISED
from mamba_theorems.verify.report.formula import clauses

SIGNS = {
    **{rf"\{name}": letter for name, letter in GREEK.items()},
    r"\varepsilon": "ε", r"\varphi": "φ", r"\top": "⊤", r"\infty": "∞", r"\partial": "∂", r"\ell": "ℓ",
    r"\sum": "Σ", r"\prod": "Π", r"\int": "∫", r"\langle": "⟨", r"\rangle": "⟩", r"\lceil": "⌈", r"\rceil": "⌉",
    r"\lfloor": "⌊", r"\rfloor": "⌋", r"\|": "‖", r"\{": "{", r"\}": "}", r"\cdot": "·", r"\times": "×", r"\circ": "∘",
    r"\pm": "±", r"\ldots": "…", r"\dots": "…", r"\cdots": "⋯", r"\exists": "∃ ", r"\forall": "∀ ", r"\emptyset": "∅",
    r"\ ": " ", r"\,": " ", r"\;": " ", r"\:": " ", r"\quad": "  ", r"\qquad": "  ", r"\!": "", "~": " ",
    r"\colon": ":", r"\setminus": "∖", r"\cup": "∪", r"\cap": "∩", r"\%": "%", r"\&": "&", r"\_": "_", r"\#": "#",
}  # fmt: skip
RELATIONS = {
    r"\le": "≤", r"\leq": "≤", r"\ge": "≥", r"\geq": "≥", r"\ne": "≠", r"\neq": "≠", r"\in": "∈", r"\notin": "∉",
    r"\to": "→", r"\Rightarrow": "⇒", r"\Leftrightarrow": "⇔", r"\iff": "⇔", r"\leftrightarrow": "↔", r"\sim": "~",
    r"\preceq": "⪯", r"\prec": "≺", r"\succ": "≻", r"\approx": "≈", r"\equiv": "≡", r"\subset": "⊂", r"\mapsto": "↦",
    r"\mid": "|", "=": "=", "<": "<", ">": ">",
}  # fmt: skip
NAMES = "min max ln log exp sin cos tan sup inf lim arg ker det tr Pr dim gcd sgn".split()  # noqa: SIM905 - a list of words
ACCENTS = {r"\hat": "\u0302", r"\bar": "\u0304", r"\tilde": "\u0303", r"\dot": "\u0307", r"\ddot": "\u0308",
           r"\overline": "\u0304", r"\widehat": "\u0302"}  # fmt: skip
SILENT = re.compile(r"\\(?:left|right|(?:[bB]ig{1,2})[lrm]?|displaystyle|textstyle|limits|nolimits)$")
UPRIGHT = (r"\text", r"\mathrm", r"\operatorname", r"\textrm")
FONTS = (r"\mathbf", r"\mathbb", r"\mathcal", r"\boldsymbol", r"\mathit", r"\mathsf")
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)
SCRIPTS = r"[\u0300-\u036f]?(?:_\w|_\{[^{}]*\}|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ⁿᵀ]+)*"
ABOVE = re.compile(r"[^ +−=<>≤≥/]+|\([^()]*\)")
BELOW = re.compile(rf"(?:\d+|\w{SCRIPTS}|∂\w{SCRIPTS}|\|\w\||√\w|\([^()]*\))")
"""What needs no brackets in a fraction: above it a product, below it one thing."""
SMALL = set("0123456789+-−()n")


def plain(latex: str) -> list[str]:
    """A formula as lines of text: one for each of its clauses."""
    return [_tidy(_Reader(clause).all()) for clause in clauses(latex)]


def _tidy(text: str) -> str:
    text = re.sub(r" +", " ", text).strip()
    return re.sub(r" ([,;:.)\]⟩])", r"\1", text)


class _Reader:
    """Reads LaTeX token by token; in a script (`tight`) no spaces stand around signs."""

    def __init__(self, latex: str) -> None:
        self.tokens, self.at = TOKEN.findall(latex), 0

    def all(self) -> str:
        """Everything."""
        return self._until("", tight=False)

    def _next(self) -> str:
        token = self.tokens[self.at] if self.at < len(self.tokens) else ""
        self.at += 1
        return token

    def _until(self, end: str, tight: bool) -> str:
        text = ""
        while self.at < len(self.tokens):
            token = self._next()
            if token == end:
                break
            text += self._one(token, text, tight)
        return text

    def _argument(self, tight: bool) -> str:
        """The next group, or the next thing alone."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        token = self._next()
        return self._until("}", tight) if token == "{" else self._one(token, "", tight)

    def _words(self) -> str:
        """A group as it stands."""
        if self._next() != "{":
            return ""
        depth, start = 1, self.at
        while depth and self.at < len(self.tokens):
            depth += {"{": 1, "}": -1}.get(self._next(), 0)
        return "".join(self.tokens[start : self.at - 1]).replace("~", " ").replace("\\", "")

    def _one(self, token: str, before: str, tight: bool) -> str:  # noqa: PLR0912 - a dispatch, a branch a command
        if token in RELATIONS:
            return RELATIONS[token] if tight else f" {RELATIONS[token]} "
        if token in "+-":
            sign = {"-": "−"}.get(token, token)
            ends = before.rstrip()
            binary = not tight and ends and ends[-1] not in "(,[{|=<>≤≥≠:;⟨‖→⇒⇔∈"
            return f" {sign} " if binary else sign
        if token == "{":
            return self._until("}", tight)
        if token in ("^", "_"):
            return self._script(token)
        if token in (r"\frac", r"\tfrac", r"\dfrac"):
            above, below = self._argument(tight), self._argument(tight)
            whole = f"{_bracketed(above, ABOVE)}/{_bracketed(below)}"
            return HALVES.get(whole, whole)
        if token == r"\sqrt":
            return f"√{_bracketed(self._argument(tight))}"
        if token in ACCENTS:
            under = self._argument(tight=True)
            return under[:1] + ACCENTS[token] + under[1:]
        if token in UPRIGHT:
            words = self._words()
            return f" {words}" if before[-1:].isalnum() and words[:1].isalpha() and " " in words else words
        if token in FONTS:
            return self._argument(tight)
        if token[1:] in NAMES and token.startswith("\\"):
            apart = " " if before[-1:].isalnum() else ""
            follows = "".join(self.tokens[self.at :]).lstrip()[:1]
            return f"{apart}{token[1:]}{' ' if follows.isalnum() or follows == chr(92) else ''}"
        if token.startswith("\\") and SILENT.fullmatch(token):
            if self.tokens[self.at : self.at + 1] == ["."]:
                self.at += 1
            return ""
        if token == ",":
            return ","
        if token == "'":
            return "′"
        if token.isspace():
            return "" if tight else " " * (before[-1:] in (":", ",", ";"))
        return SIGNS.get(token, token)

    def _script(self, mark: str) -> str:
        text = _tidy(self._argument(tight=True))
        if mark == "^" and text == "⊤":
            return "ᵀ"
        if mark == "^" and text and set(text) <= SMALL:
            return text.replace("−", "-").translate(RAISED)
        return f"{mark}{text}" if len(text.replace("\u0302", "")) == 1 else f"{mark}{{{text}}}"


def _bracketed(text: str, alone: re.Pattern[str] = BELOW) -> str:
    text = _tidy(text)
    return text if alone.fullmatch(text) else f"({text})"
