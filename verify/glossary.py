"""The glossary: evidence words, sources, hypotheses, extensions, terms and letters, each with its meaning.

`explain`, the page, the PDF, the LaTeX version and glossary.md show it; what a claim uses is found in its own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from mamba_theorems.theorems.claim import FAMILIES, Claim
from mamba_theorems.theorems.mqar import task
from mamba_theorems.theorems.registry import claims


@dataclass(frozen=True)
class Gloss:
    """An entry: a name, its meaning, and its LaTeX where it is a letter.

    `families` are those in which a letter has this meaning; `spelt` are the patterns that find the entry in a text.
    """

    name: str
    meaning: str
    latex: str = ""
    families: tuple[str, ...] = FAMILIES
    spelt: tuple[str, ...] = ()

    @property
    def scope(self) -> str:
        """The families of a letter that has its meaning in some families; one family has a section of its own."""
        return ", ".join(self.families) if 1 < len(self.families) < len(FAMILIES) else ""

    @property
    def anchor(self) -> str:
        """What links to the entry name; a letter has one for each of its meanings."""
        where = () if self.families == FAMILIES else self.families
        return "-".join(("word", *re.findall(r"[\w\[\]&^⊤.]+", self.name), *where))


@dataclass(frozen=True)
class EvidenceWord(Gloss):
    """A word of evidence: its sign in black and white, its style on a terminal, its colours in graph and page."""

    mark: str = ""
    style: str = ""
    fill: str = ""
    ink: tuple[str, str] = ("", "")


EVIDENCE = (
    EvidenceWord("FORMAL",
                 "the statement, over the block's own recurrence and over sequences (or functions) of every size, is "
                 "a theorem that Rocq's kernel accepted; axioms shown; definitions compared with Python's by running "
                 "both",
                 mark="★", style="bold blue", fill="#bfe0e6", ink=("#0b5563", "#7fd3e3")),
    EvidenceWord("PROVED",
                 "a sympy derivation that composes: the last step is the claim's formula, the formula speaks of the "
                 "real objects, every premise is a hypothesis or an earlier step, every step is used, no step is "
                 "prose; cited facts only where the claim names them",
                 mark="■", style="bold green", fill="#cfe8d5", ink=("#1c6b34", "#7fd098")),
    EvidenceWord("DERIVED",
                 "every step is decided for all sizes, but a reader has to see that together they give the statement; "
                 "the report says what the reader must see",
                 mark="□", style="bold yellow", fill="#e9efc9", ink=("#5f6b12", "#c3cf6e")),
    EvidenceWord("CERTIFIED",
                 "a rigorous enclosure for stated sizes and all inputs of those sizes, of the weights actually "
                 "shipped; says whether its argument is FORMAL, but for what floats add, or was read",
                 mark="◆", style="green", fill="#d7e6f5", ink=("#1d5c8f", "#8cc4f0")),
    EvidenceWord("TESTED", "property-based runs on a named kernel, device and dtype: number of examples, worst margin",
                 mark="●", style="cyan", fill="#e6eef0", ink=("#40606a", "#a8c8d2")),
    EvidenceWord("OBSERVED",
                 "trained networks under a printed protocol with printed seeds; never raises an outcome",
                 mark="○", style="dim", fill="#efe9f5", ink=("#5b4a77", "#b9a8d6")),
    EvidenceWord("REFUTED",
                 "an exact or enclosed counterexample to the statement as printed, replayable; for an existence "
                 "statement, a proof that none exists",
                 mark="✗", style="bold magenta", fill="#f6d5e3", ink=("#a01550", "#f49abd")),
    EvidenceWord("UNKNOWN", "nothing decides, or something contradicts",
                 mark="?", style="bold red", fill="#fbe3b5", ink=("#8a5a00", "#f0c060")),
    EvidenceWord("SKIPPED", "not run, with the reason; counted in the headline"),
)  # fmt: skip
WORDS: Mapping[str, EvidenceWord] = {word.name: word for word in EVIDENCE}
"""Every verdict word: there is no other list of them, and no other place for their marks and colours."""

_PLACE = r"^(?:Eq\.|§|Theorems? \d|Lemma|Corollary|Proposition|Remark|Section|Table)"
SOURCES = (
    Gloss("[P]", "the paper: N. Huang et al.: Understanding Input Selectivity in Mamba. ICML 2025; arXiv 2506.11891.",
          spelt=(r"\[P\]", _PLACE)),
    Gloss("Gu et al. (2022), S4", "A. Gu, K. Goel, C. Ré: Efficiently Modeling Long Sequences with Structured State "
          "Spaces. ICLR 2022; arXiv 2111.00396."),
    Gloss("Gu & Dao (2023)", "A. Gu, T. Dao: Mamba: Linear-Time Sequence Modeling with Selective State Spaces. arXiv "
          "2312.00752."),
    Gloss("Dao & Gu (2024)", "T. Dao, A. Gu: Transformers are SSMs (Mamba-2). ICML 2024; arXiv 2405.21060."),
    Gloss("Zoology", "S. Arora et al.: Zoology: Measuring and Improving Recall in Efficient Language Models. arXiv "
          "2312.04927; its generator of multi-query associative recall is the field's."),
    Gloss("Vo, Pham, Tong & Nguyen (ICLR 2025)", "Demystifying the Token Dynamics of Deep Selective State Space "
          "Models. arXiv 2410.03292; known to us by its abstract and by restatements."),
)  # fmt: skip

_HYPOTHESES = (task.H1, task.H2, task.H3, task.H4)
_EXTENSIONS = {
    "A": ("haar.exact-jumps",),
    "B": ("haar.s4d-lower-bound", "haar.s4d-lower-bound-jumps"),
    "C": ("mqar.n-lower-bound",),
    "D": ("mqar.n2-distinct",),
    "E": ("mqar.robust",),
    "F": ("induction.plain-s6", "induction.plain-s6-limits"),
    "G": ("haar.keep-nth-s4d-impossible",),
    "H": ("mqar.value-code",),
    "I": ("mqar.n1-delta-gate",),
}
"""What goes beyond the paper and is cited by a letter: the claims that state it, the main one first."""

TERMS = (
    Gloss("restated", "a statement of another paper, known to us by restatement; counted apart, and never an "
          "erratum of anybody"),
    Gloss("paper's block", "embedding, convolution with σ, mixer, head, and a gate where a claim says so: [P] Table 2, "
          "eq. (14)", spelt=("[Pp]aper's block", "block of Table 2")),
    Gloss("official block", "the block of state-spaces/mamba, Mamba-1 or Mamba-2, with its projections, SiLU and norm",
          spelt=("[Oo]fficial (?:Mamba-[12] )?(?:blocks?|layers?|Euler block)",)),
    Gloss("S4D", "the mixer whose Δ, B and C are constant: a sum of exponentials of the past"),
    Gloss("S6", "Mamba's mixer: Δ, B and C depend on the input"),
    Gloss("Mamba-2", "one decay for all channels of a head; x, B and C each have their own convolution"),
    Gloss("Mamba-Δ^⊤", "[P]'s variant whose Δ runs along the states instead of the channels", spelt=("Mamba-Δ",)),
    Gloss("ZOH", "zero-order hold: Λ̄ = e^{−λΔ} and B̄ = B(1 − e^{−λΔ})/λ"),
    Gloss("Euler", "Mamba's discretisation: Λ̄ = e^{−λΔ} and B̄ = ΔB"),
    Gloss("LTI", "linear and time-invariant: the output is one fixed convolution of the input",
          spelt=("LTI", "time-invariant")),
    Gloss("PE", "positional encoding: the position is a coordinate of the input"),
    Gloss("KEEP n-TH", "the task of [P] Section 3.2: answer the n-th token at every later position"),
    Gloss("Johnson-Lindenstrauss", "the lemma by which few sign coordinates hold many nearly orthogonal codes"),
    Gloss("isolated", "a query whose preceding token is no key; any other query is adjacent",
          spelt=("isolated", "adjacen(?:t|cy)")),
    Gloss("blank", "the answer of an induction head to a token that has not occurred before"),
)  # fmt: skip

_COMMANDS = {
    "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "θ": "theta", "κ": "kappa", "λ": "lambda", "μ": "mu",
    "π": "pi", "ρ": "rho", "σ": "sigma", "φ": "varphi", "ψ": "psi", "τ": "tau", "Δ": "Delta", "Λ": "Lambda",
}  # fmt: skip
_GREEK = {f"\\{command}": letter for letter, command in _COMMANDS.items()}


MEANINGS = r"""
[everywhere] L: the length of a sequence (T in [P]); in masked attention the mask of decays · N: the state size
    (d_state); for sums of exponentials their total number · O: order of growth
[foundations haar sensitivity mqar induction_heads] Δ: the step: softplus of a linear function of the input in S6, 1
    in S4D · h: the state, h_0 = 0 · w: a weight or a slope: of a SiLU step, of Δ around a threshold; in recall
    another value
[foundations haar sensitivity mqar] B: what writes an input into the state: constant in S4D, linear in the input in S6
[foundations haar mqar induction_heads] C: what reads the state: constant in S4D, linear in the input in S6
[foundations haar sensitivity induction_heads] y: the output of the mixer, or the right answer · λ: the rate of decay,
    λ = −A ≥ 0: a state keeps e^{−λΔ} in a step
[foundations sensitivity mqar induction_heads] Λ: the state matrix's diagonal, Λ = −λ; Λ̄_t is what a state keeps in
    step t
[haar mqar induction_heads] V: the set of values, |V| its size
[mqar induction_heads] d: the width, the number of channels (d_model) · W_o: the weights of the head · q: the token
    that asks: the key of a query
[sensitivity induction_heads] x as \hat x: x̂, the mixer's input: embedding, convolution, σ
[foundations haar] x: the input; in bounds for one step x = λΔ · a_r: what a head keeps in step r
[foundations] A: the state matrix's diagonal, A = −λ · M: the number of content tokens to copy · P: the length to
    which the FFT pads · S: S6 as a map of sequences; S_{il} = C_i·B_l is what marker i reads of content l · a: a
    factor by which the scan keeps the state · b: a term that the scan adds to the state · g: the gate, g = σ(z) · k:
    the kernel of the convolution · z: the linear function of the input whose softplus is Δ · σ: the logistic
    function; with an index, the sum of Δ so far
[haar] A: the state matrix of a linear system, e(s) = C e^{As} b · D: at least every |x_s − x_n| read, x_0 = 0, as
    their largest · X: at least every |x_s| read · F: F_M, the part of a Fourier series up to the M-th
    odd frequency · H: the Heaviside function, H(s) = 1[s ≥ 0] · J: the size of a jump; a number of levels of the Haar
    basis · M: the number of odd frequencies of a Fourier series, N = 2M + 1 · P: P_J, the projection on the first J
    levels of the Haar basis · Q: Q_c, twice the jumps squared times the half-widths of their windows · S: |c_0| +
    Σ|J_i|, the size of a function; in KEEP n-TH softplus(w/2) · T: T_N, what the modes beyond N leave · W: the slope
    of Δ at a threshold, W = |w| · e: a sum of N exponentials; otherwise Euler's number · f: the function that is
    approximated · g: a basis function of S6, g(s;t) = B exp(−λ∫Δ): [P] eq. (8) · m: the number of jumps · δ: the
    distance between two readout times · ε: the error that is allowed · σ_k: the k-th singular value · τ: the clock,
    the state that a constant input makes · ψ: a Haar wavelet, ψ_{j,k}(s) = 2^{j/2}ψ(2^j s − k)
[sensitivity] C: the constant of [P] eq. (45) · D: the step at a flagged token · G: the write of a window of the
    convolution · K: how an input moves its own step, in the write and in the decay: [P] eq. (11) · M: a bound for the
    size of the inputs · P: the channels of a head (headdim) · S: the sum of the steps after j · W_Q: the weights of
    the queries of attention · W_K: the weights of the keys of attention · W_V: the weights of the values of attention
    · c: a bound for λΣΔ; c̃ a constant that [P] leaves open · q: the norm of W_QᵀW_K · δ: the least step on the
    inputs that are allowed · ε: the step at a token without a flag
[mqar] κ: num_kv_pairs, the number of key-value pairs and of keys · A: the state matrix's diagonal, a row a channel, A
    = −λ · K: the largest key · M: a matrix of entries ±1/√p
    whose columns are codes · Q: the number of queries so far · T: what the logits add that the state does not hold ·
    a_0: what the convolution leaves of the preceding key, c_0k − b · a_1: what the convolution leaves of the current
    key, c_1k − b · b: the bias of the convolution; b_o is the head's · c as \hat c: ĉ, what the convolution leaves of
    the current value, c_1v − b · c_0: the convolution's weight for the preceding token · c_1: the convolution's
    weight for the current token · g: g_{qa}, the product of the codes of two keys · d_conv: the number of tokens that
    the convolution sees · k: the weight of a one-hot key; with an index the key of a pair · m: a column of M, the
    code of a value or key; a number of stored writes in a sum ε(m_u + m_v) · n: n_{a,u}, how often key a and value u
    are stored as a pair · p: the number of coordinates of a code · s: c_1β − b, the shift of a coded value behind the
    convolution; with positions, the position · v: the weight of a one-hot value; v(q) the value of key q · β: the
    shift by which sign codes pass the ReLU · ε: a bound for the product of two codes · ρ: the factor by which a
    query's step shrinks the blocks of other keys · σ: the non-linearity after the convolution
[induction_heads] I: the identity matrix; [I|0] picks the previous token · g: the gap between two occurrences · p: the
    bits of a float's significand · s: 2^{−s} is the least float · θ: the logit of blank · ρ: e^{−λΔ}, what the state
    keeps in a step
[token_dynamics] C: a bound for a token, |x_j|² ≤ C_j/(1 + t) · K: 1/(2|μ| ln 2) · P: a unit upper triangular matrix
    that parametrises S_C and S_B · S: S_CᵀS_B, the form by which tokens act on each other · S_B: the weights of B,
    B(x) = S_B x · S_C: the weights of C, C(x) = S_C x · S_Δ: the weights of the step, Δ(x) = softplus(S_Δ x) · T:
    T^*, the end of the solution; T_l the end of token l alone with those before it · a: the rate of decay between
    tokens · d_state: the state size · g: the positive factor in x_l′ = μ x_l g_l · q: q_l = x_lᵀSx_l · u: |S_Δ||x_1|;
    under an integral its variable · x: x_l, token l, a function of time · Δ: Δ_l, the step of token l · γ: the gap
    between two scores of importance · δ: a lower bound for the steps · κ: μ/S_Δ² · λ: a lower bound for −xᵀSx/|x|²;
    λ_max the largest eigenvalue · μ: S_C S_B in one dimension · π: the permutation that sorts by importance · τ: the
    temperature of SoftSort
"""
"""By families: each letter, in LaTeX after `as` where its name does not spell it, and its meaning after a colon."""


def _letters() -> Iterator[Gloss]:
    """Every letter, with its meaning in some families."""
    for families, entries in re.findall(r"^\[([a-z_ ]+)\]((?:.*\n)(?: .*\n)*)", MEANINGS, re.MULTILINE):
        scope = FAMILIES if families == "everywhere" else tuple(families.split())
        for entry in " ".join(entries.split()).split(" · "):
            spelt, meaning = entry.split(": ", 1)
            name, _, latex = spelt.partition(" as ")
            yield Gloss(name, meaning, latex or _latex(name), scope, (name,))


def _latex(name: str) -> str:
    commands = re.sub("|".join(_COMMANDS), lambda letter: f"\\{_COMMANDS[letter[0]]} ", name)
    return re.sub(r"_([a-z]{2,})", r"_{\\mathrm{\1}}", commands).strip()


LETTERS = tuple(_letters())


@cache
def glossary() -> dict[str, tuple[Gloss, ...]]:
    """Every entry, by the title of its section."""
    hypotheses = (h.words.split(": ", 1) for h in _HYPOTHESES)
    own = {family: tuple(g for g in LETTERS if g.families == (family,)) for family in FAMILIES}
    return {
        "Words of evidence": EVIDENCE,
        "Sources": SOURCES,
        "Hypotheses of recall": tuple(Gloss(name, meaning) for name, meaning in hypotheses),
        "Extensions of the paper": tuple(_extension(letter, ids) for letter, ids in _EXTENSIONS.items()),
        "Terms": TERMS,
        "Letters": tuple(g for g in LETTERS if len(g.families) > 1),
        **{f"Letters in {family}": letters for family, letters in own.items()},
    }


def _extension(letter: str, ids: tuple[str, ...]) -> Gloss:
    meaning = f"{claims()[ids[0]].title} ({', '.join(ids)})"
    return Gloss(f"Extension {letter}", meaning, spelt=(f"[Ee]xtension {letter}", *map(re.escape, ids)))


def used(claim: Claim, family: str, words: Iterable[str] = ()) -> list[Gloss]:
    """The entries that a claim of `family` uses in its text or in further `words`, letters last."""
    stated = (claim.title, claim.statement, *claim.assumed)
    erratum = claim.erratum.texts.values() if claim.erratum else ()
    text = "\n".join((claim.id, claim.paper, *stated, *erratum, *words))
    letters = {g.name: g for g in LETTERS if family in g.families}
    seen = {name for part in stated for name in symbols(part, letters)}
    return [
        *(g for part in glossary().values() for g in part if not g.latex and _occurs(g, text)),
        *(g for name, g in letters.items() if name in seen),
    ]


def _occurs(gloss: Gloss, text: str) -> bool:
    patterns = gloss.spelt or (re.escape(gloss.name),)
    return any(re.search(rf"(?<![\w.-]){pattern}(?![\w-])", text, re.MULTILINE) for pattern in patterns)


def is_formula(text: str) -> bool:
    """Whether a statement or hypothesis is written in LaTeX rather than in words."""
    return re.search(r"\\[A-Za-z,;{]", text) is not None


_NO_LETTER = re.compile(r"S4D|L²|\^T|'s\b|(?<!\w)a(?= )")
_NO_VARIABLE = re.compile(r"\[key\]|\\math(?:bb|cal|bf) ?\w|L\^2|\\,d\w|\\t?frac\{?d\}?\{d\w\}")


def symbols(text: str, known: Iterable[str] = ()) -> Iterator[str]:
    """The letters of a formula or of plain text; one with an index is found with it where `known` holds the two."""
    spelt = _spelt(text) if is_formula(text) else _words(text)
    for base, index in re.findall(r"([A-Za-z]+(?!\d)|[Α-ω])\W?(?:_\{?([A-Za-z]+|[Α-ω]|\d))?", spelt):
        both = f"{base}_{index}"
        yield from (both,) if both in known else (base, *re.findall("[Α-ω]", index))


def _spelt(latex: str) -> str:
    """A formula in Unicode, its words left whole and its letters apart."""
    parts = re.split(r"\\(?:text|mathrm|operatorname)\{([^{}]*)\}", latex)
    parts[::2] = map(_letters_apart, parts[::2])
    parts[1::2] = map(_words, parts[1::2])
    return "".join(parts)


def _words(text: str) -> str:
    return _NO_LETTER.sub(" ", text)


def _letters_apart(formula: str) -> str:
    plain = re.sub(r"\\[A-Za-z]+", lambda command: f" {_GREEK.get(command[0], '')} ", _NO_VARIABLE.sub(" ", formula))
    apart = re.sub(r"_\{[a-z]{3,}\}|[A-Za-z]", lambda found: f" {found[0]} " if len(found[0]) == 1 else found[0], plain)
    return re.sub(r" *_ *(\{?) *", r"_\1", apart)
