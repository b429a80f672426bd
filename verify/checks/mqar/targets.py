"""Every recall construction on real kernels: its targets, its hypotheses, Zoology's sequences.

[P] Theorems 2-4 and our extensions; a check's mutants drop the hypotheses and break the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import assume
from hypothesis import strategies as st

from mamba_theorems.constructions import mqar as build_mqar
from mamba_theorems.constructions.construction import Construction
from mamba_theorems.constructions.tasks import Vocabulary
from mamba_theorems.verify.checks.check import Check, Examination, Property
from mamba_theorems.verify.checks.mqar.recall import Recall, RecallCase, recall_cases, recall_score
from mamba_theorems.verify.checks.mqar.zoology import Zoology, recall_on_zoology
from mamba_theorems.verify.checks.scoring import EVERY_DTYPE
from mamba_theorems.verify.settings import Run, Sizes, Tier


@dataclass(frozen=True)
class ByClaim:
    """Builds a claim's construction for `num_kv_pairs` pairs, or as many as there are keys."""

    claim: str
    num_kv_pairs: int | None = None

    def __call__(self, target: str, vocabulary: Vocabulary) -> Construction:
        """The claim's network."""
        pairs = self.num_kv_pairs or len(vocabulary.keys)
        return build_mqar.build(
            self.claim, target, num_kv_pairs=pairs, vocab_size=vocabulary.size, vocabulary=vocabulary
        )


# --- mutants ---------------------------------------------------------------------------------------------------------


def taps_swapped(construction: Construction) -> Construction:
    """Every convolution takes the current token for the previous one, and the previous for the current."""
    changed = {
        name: replace(weight, entries={(*i[:-1], _swapped(last_tap(i), weight.shape[-1])): v for i, v in entries})
        for name, weight in construction.weights.items()
        for entries in [weight.entries.items()]
        if "conv" in name and name.endswith(".weight")
    }
    return replace(construction, weights=construction.weights | changed)


def _swapped(tap: int, width: int) -> int:
    return {width - 1: width - 2, width - 2: width - 1}.get(tap, tap)


def head_negated(construction: Construction) -> Construction:
    """The readout has the other sign."""
    name = "lm_head.weight" if construction.is_language_model else "head.weight"
    weight = construction.weights[name]
    negative = replace(weight, entries={i: -v for i, v in weight.entries.items()})
    return replace(construction, weights=construction.weights | {name: negative})


def last_tap(index: tuple[int | range, ...]) -> int:
    """The tap that an entry of a convolution's weight is for."""
    tap = index[-1]
    return tap.start if isinstance(tap, range) else tap


# --- cases -----------------------------------------------------------------------------------------------------------


def _one_against_all(
    keys: list[int], own: int, other: int, between: list[int], dtype: str, num_values: int
) -> RecallCase:
    """The first key holds a value of its own, all others one and the same; the first key is asked."""
    tokens = [token for i, key in enumerate(keys) for token in (key, own if i == 0 else other)]
    return RecallCase(len(keys), num_values, [*tokens, *between, keys[0]], dtype)


@st.composite
def plain_cases(draw: st.DrawFn, subject: Recall, run: Run) -> RecallCase:
    """H1 and H2, or where the subject rewrites keys a sequence in which noise outweighs what was stored."""
    case = draw(recall_cases(subject, run))
    if not subject.rewrites_keys:
        return case
    key, value = case.tokens[0], case.tokens[1]
    noise = case.num_keys + (value - case.num_keys + 1) % case.num_values
    times = 3 if _claim_of(subject) in WITHOUT_H2 else len(case.tokens) + 1
    return replace(case, tokens=[*case.tokens, *[key, noise] * times, key])


WITHOUT_H2 = ("mqar.robust", "mqar.n1-delta-gate")
"""Claims that do not need H2: their sequences rewrite keys, and their checks must reject a dropped H1."""


def _claim_of(subject: Recall) -> str:
    return getattr(subject.build, "claim", "")


@st.composite
def distinct_cases(draw: st.DrawFn, subject: Recall, run: Run) -> RecallCase:
    """H1, H2 and H3: the values of all stored writes are distinct (unless the subject repeats its values)."""
    num_keys = draw(st.integers(1, 8))
    num_values = 2 * num_keys + draw(st.integers(2, 4))
    values = draw(st.permutations(range(num_keys, num_keys + num_values)))
    keys = draw(st.permutations(range(num_keys)))
    if subject.rewrites_keys:
        assume(num_keys >= 3)
        return _one_against_all(keys, values[0], values[1], [], draw(st.sampled_from(run.dtypes)), num_values)
    fresh = iter(values)
    tokens = [token for key in keys for token in (key, next(fresh))]
    closed: set[int] = set()
    for step in draw(st.lists(st.integers(-3, num_keys - 1), min_size=1, max_size=12)):
        if step >= 0 and step not in closed:
            tokens.append(step)
        elif step < 0:
            if tokens[-1] < num_keys and len(closed) < num_keys:
                closed.add(tokens[-1])
                tokens.append(next(fresh))
            tokens += [draw(st.sampled_from(values))] * (-step - 1) if tokens[-1] >= num_keys else []
    assume(any(token < num_keys for token in tokens[2 * num_keys :]))
    return RecallCase(num_keys, num_values, tokens, draw(st.sampled_from(run.dtypes)))


@dataclass(frozen=True)
class FillerCase(RecallCase):
    """A sequence over keys, values and a filler, the last token of the vocabulary."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Keys, values, filler."""
        first, last = self.num_keys, self.num_keys + self.num_values
        return Vocabulary(last + 1, range(first), range(first, last), filler=last)


@st.composite
def filler_cases(draw: st.DrawFn, subject: Recall, run: Run) -> FillerCase:
    """H1 and H4: a filler, or another key, stands before every query (unless the subject drops H4); values coincide."""
    num_keys, num_values = draw(st.integers(3 if subject.rewrites_keys else 2, 5)), draw(st.integers(2, 4))
    filler = num_keys + num_values
    if subject.rewrites_keys:
        keys, dtype = draw(st.permutations(range(num_keys))), draw(st.sampled_from(run.dtypes))
        case = _one_against_all(keys, num_keys, num_keys + 1, [], dtype, num_values)
        return FillerCase(case.num_keys, case.num_values, case.tokens, case.dtype)
    values = st.integers(num_keys, filler - 1)
    tokens = [token for key in draw(st.permutations(range(num_keys))) for token in (key, draw(values))]
    tokens.append(filler)
    for key in draw(st.lists(st.integers(0, num_keys - 1), min_size=1, max_size=6)):
        tokens += [filler] * draw(st.integers(0 if tokens[-1] != key else 1, 3)) + [key]
    return FillerCase(num_keys, num_values, tokens, draw(st.sampled_from(run.dtypes)))


# --- properties ------------------------------------------------------------------------------------------------------


def on(target: str) -> str:
    """The name of a check of recall on a target."""
    return f"recall-{target.replace('_', '-')}"


def recall_property(
    claim: str, name: str, subject: Recall, *, cases: object = plain_cases, drops: str = "H2"
) -> Property:
    """A claim's network on a kernel, over cases that keep its hypotheses; mutants break it or drop one (`drops`)."""
    dropped = {
        "H1": {"H1 dropped: keys repeat": replace(subject, repeats_keys=True)},
        "H2": {"H2 dropped: keys are rewritten": replace(subject, rewrites_keys=True)},
        "H3": {"H3 dropped: values repeat": replace(subject, rewrites_keys=True)},
        "H4": {"H4 dropped: a query right after the context": replace(subject, rewrites_keys=True)},
    }[drops]
    return Property(
        claim=claim,
        name=name,
        subject=subject,
        mutants={
            "taps swapped": replace(subject, tamper=taps_swapped),
            "head negated": replace(subject, tamper=head_negated),
            **dropped,
        },
        cases=cases,  # type: ignore[arg-type]
        score=recall_score,
        case_type=FillerCase if cases is filler_cases else RecallCase,
        examples=12,
        facts={"target": subject.target, "dtypes": EVERY_DTYPE},
    )


PLAIN = ("mqar.thm2-step2-amended", "mqar.value-code", "mqar.thm3-step1", "mqar.thm4", "mqar.thm4-jl-amended")
TARGETS_OF = {
    "mqar.thm2-step2-amended": ("paper", "language_model"),
    "mqar.value-code": ("paper", "mamba2_language_model"),
    "mqar.thm3-step1": ("paper_mamba2", "official_mamba2"),
    "mqar.thm4": ("paper", "official"),
    "mqar.thm4-jl-amended": ("paper", "language_model"),
    "mqar.n2-distinct": ("paper_mamba2", "language_model"),
}


def _plain() -> tuple[Property, ...]:
    return tuple(
        recall_property(claim, on(target), Recall(ByClaim(claim), target))
        for claim in PLAIN
        for target in TARGETS_OF[claim]
    )


def _special() -> tuple[Property, ...]:
    two_states = (
        recall_property("mqar.n2-distinct", on(target), Recall(ByClaim("mqar.n2-distinct"), target),
                  cases=distinct_cases, drops="H3")
        for target in TARGETS_OF["mqar.n2-distinct"]
    )  # fmt: skip
    robust_keys = Recall(ByClaim("mqar.robust"), "paper", rewrites_keys=True)
    return (
        *two_states,
        *(
            recall_property("mqar.n1-delta-gate", on(target), Recall(ByClaim("mqar.n1-delta-gate"), target),
                            cases=filler_cases, drops="H4")
            for target in ("paper", "official")
        ),
        recall_property("mqar.robust", on("paper"), robust_keys, drops="H1"),
    )  # fmt: skip


# --- Zoology ---------------------------------------------------------------------------------------------------------

SMALL = (Sizes(64, 64, 8), 1000)
MIDDLE = (Sizes(512, 256, 64), 100)
LARGE = (Sizes(1024, 512, 128), 100)


def zoology_check(
    claim: str,
    name: str,
    subject: Zoology,
    tier: Tier = Tier.QUICK,
    mutants: dict[str, Zoology] | None = None,
) -> Examination:
    """A claim's network on whole batches of sequences; two mutants break its weights, beside those given."""
    broken = {"taps swapped": subject.tampered(taps_swapped), "head negated": subject.tampered(head_negated)}
    return recall_on_zoology(claim, name, subject, tier, broken | (mutants or {}))


WIDE = ("mqar.thm2-step2-amended", "mqar.value-code", "mqar.thm3-step1")
"""Claims whose language model is run at larger sizes too; `large` runs every claim there, in the paper's block."""


def _zoology_checks() -> tuple[Examination, ...]:
    language_models = {
        "mqar.thm2-step2-amended": "mamba2_language_model",
        "mqar.value-code": "mamba2_language_model",
        "mqar.thm3-step1": "mamba2_language_model",
        "mqar.n2-distinct": "language_model",
        "mqar.thm4": "language_model",
        "mqar.thm4-jl-amended": "language_model",
    }
    found = []
    for claim, target in language_models.items():
        subject = Zoology(Recall(ByClaim(claim), target), (SMALL,))
        random = {"filler is random": replace(subject, random_non_queries=True)}
        found.append(zoology_check(claim, "recall-zoology", subject, mutants=random))
        if claim in WIDE:
            sizes = (MIDDLE, LARGE)
            found.append(zoology_check(claim, "recall-zoology-large", replace(subject, sizes=sizes), Tier.FULL, random))
    return tuple(found)


CHECKS: tuple[Check, ...] = (*_plain(), *_special(), *_zoology_checks())
