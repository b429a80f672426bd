"""Checks of the two refinements: on the dynamics, exactly on rationals, and put on a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated

import numpy as np
import torch
from hypothesis import strategies as st

from mamba_theorems.constructions.token_dynamics.bounded import UNIT
from mamba_theorems.constructions.token_dynamics.refinements import PositiveForm, positive_form, softsort
from mamba_theorems.constructions.token_dynamics.system import TokenSystem, quadratic_forms
from mamba_theorems.theorems.claim import Kind
from mamba_theorems.verify.checks.case import Ratio, Real, Several
from mamba_theorems.verify.checks.check import Examination, Finding, Property, Score
from mamba_theorems.verify.checks.scoring import ELEMENTARY
from mamba_theorems.verify.checks.token_dynamics.law import (
    FLIPPED,
    FORM_SIGN,
    FORMULA,
    TRUE,
    Law,
    decided_only,
    finding,
    instances,
    slow,
    tested,
    to_the_end,
    unreached,
    worst_reached,
)
from mamba_theorems.verify.checks.token_dynamics.many_dimensions import STAND_IN, exact, forms_between
from mamba_theorems.verify.settings import Run

WIDTH, TOKENS = 3, 3
FRACTIONS = st.fractions(-4, 4, max_denominator=9)
Form = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class FormCase:
    """Upper entries, s and a token, as text of fractions."""

    upper: Annotated[list[list[str]], Several(Several(Ratio(-99, 99), 1, 8), 1, 8)]
    s: Annotated[list[str], Several(Ratio(0, 99, open=True), 1, 8)]
    token: Annotated[list[str], Several(Ratio(-99, 99), 1, 8)]

    def together(self) -> str:
        """One size, and a token that is not 0."""
        d = len(self.s)
        if len(self.upper) != d or len(self.token) != d or any(len(row) != d for row in self.upper):
            return f'"upper" is {d} × {d} and "token" has {d} values, as "s" has'
        return "" if any(map(Fraction, self.token)) else '"token" is not 0 in every coordinate'


@st.composite
def form_cases(draw: st.DrawFn, _: Form, __: Run) -> FormCase:
    """Up to 4 channels, all states."""
    d = draw(st.integers(1, 4))
    row = st.lists(FRACTIONS.map(str), min_size=d, max_size=d)
    positive = st.fractions(Fraction(1, 9), 4, max_denominator=9).map(str)
    token = draw(row.filter(lambda entries: any(Fraction(e) for e in entries)))
    return FormCase(
        draw(st.lists(row, min_size=d, max_size=d)), draw(st.lists(positive, min_size=d, max_size=d)), token
    )


def _positive(form: Form, case: FormCase, _: Run) -> Score:
    """xᵀSx in rationals, S = S_CᵀS_B; −1 where S is not symmetric."""
    upper, s, x = (np.vectorize(Fraction, otypes=[object])(np.array(part)) for part in (case.upper, case.s, case.token))
    S_B, S_C = form(upper, s)
    S = S_C.T @ S_B
    return Score(float(x @ S @ x) if np.all(S == S.T) else -1.0)


def _without_unit(upper: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    P = positive_form(upper, s)[1]
    hollow = P - np.eye(len(P), dtype=int)
    return s[:, None] * hollow, hollow


def _one_negative(upper: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    S_B, P = positive_form(upper, s)
    return np.concatenate([S_B[:-1], -S_B[-1:]]), P


def _full(upper: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S_B = diag(s)U with U not triangular, S_C triangular."""
    return s[:, None] * upper, positive_form(upper, s)[1]


@dataclass(frozen=True)
class Thin:
    """With fewer states than channels: the form's rows, exact, and a token of its kernel."""

    row: tuple[int, int] = (1, 2)
    kernel: tuple[int, int] = (-2, 1)


def _diverges(law: Law, run: Run) -> Finding:
    """Random P and s: every token's form only rises, and surely ends above its start."""
    count, rng = instances(run), np.random.default_rng([run.seed, 13])
    upper, s = rng.normal(size=(count, WIDTH, WIDTH)), rng.uniform(0.3, 2, (count, WIDTH))
    S_B, S_C = (np.stack(m) for m in zip(*(positive_form(u, w) for u, w in zip(upper, s, strict=True)), strict=True))
    system = TokenSystem(S_B, S_C, rng.normal(size=(count, WIDTH)) / 2, rng.uniform(0, 2, count))
    start = rng.normal(size=(count, TOKENS, WIDTH))
    path = law.follow(system, start, *to_the_end(law, system, start, until=4.0, reach=1.0))
    low, high = forms_between(system.form, path)
    begin = quadratic_forms(system.form, start)[None]
    ratios = {
        "q_l at a mark over q_l at the next": worst_reached(
            np.concatenate([begin, high[:-1]]) * (1 + FORMULA), np.maximum(low, 0)
        ),
    }
    none = {"systems not followed": int(np.sum(~np.isfinite(path.error[-1]).all((-2, -1))))}
    return finding(ratios, "no token converges", {"instances": count, "width": WIDTH}, none)


def _frozen(thin: Thin, _: Run) -> Finding:
    """N = 1 < D = 2: a token of ker P has velocity 0, in fractions."""
    row = np.array([thin.row], dtype=object) * Fraction(1)
    token = np.array([thin.kernel, (1, 1)], dtype=object) * Fraction(1)
    system = TokenSystem(row, row, np.array([Fraction(1, 2), Fraction(1, 10)]), np.array(Fraction(1), dtype=object))
    moving = sum(v != 0 for v in system.velocity(token, STAND_IN)[0])
    none = {"coordinates that move": moving}
    return finding({}, "a token of ker P is frozen", {"channels": 2, "states": 1}, none)


def _on_a_block(scale: int, run: Run) -> Finding:
    """PositiveForm on an x_proj weight: B and C rows give a positive definite form for random parameters, in fractions.

    The rows are the block's floats. S_CᵀS_B need not be symmetric to the last bit; xᵀSx is that of its symmetric part.
    """
    torch.manual_seed(run.seed)
    least = Fraction(1)
    for _ in range(20):
        form = PositiveForm(WIDTH + 2, WIDTH + 2, torch.float64)
        torch.nn.init.normal_(form.upper)
        torch.nn.init.normal_(form.log_s)
        weight = form(torch.randn(1 + 2 * (WIDTH + 2), WIDTH + 2, dtype=torch.float64))
        B, C = (exact(w.detach().numpy()) for w in weight[1:].split(WIDTH + 2))
        S = C.T @ (B - scale * C)
        least = min(least, _least_pivot(S + S.T))
    summary = "the block's S_CᵀS_B is positive definite"
    return Finding(bool(least > 0), summary, {"blocks": 20}, {"least pivot": float(least)})


def _least_pivot(matrix: np.ndarray) -> Fraction:
    """The least pivot of Gaussian elimination, or the first that is not positive: positive definite iff > 0."""
    rest, pivots = matrix.copy(), []
    while len(rest):
        pivots.append(rest[0, 0])
        if pivots[-1] <= 0:
            return pivots[-1]
        rest = rest[1:, 1:] - np.outer(rest[1:, 0], rest[0, 1:]) / pivots[-1]
    return min(pivots)


# ----------------------------------------------------------------------------------------------- reordering

Sort = Callable[[torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True)
class SortCase:
    """Scores, and a temperature."""

    scores: Annotated[list[float], Several(Real(-99, 99), 2, 32)]
    tau: Annotated[float, Real(0.01, 0.5)]

    def together(self) -> str:
        """The bound counts on exact gaps."""
        exact = all(8 * score == round(8 * score) for score in self.scores)
        return "" if exact and len(set(self.scores)) == len(self.scores) else '"scores" are different multiples of 1/8'


@st.composite
def sort_cases(draw: st.DrawFn, _: Sort, __: Run) -> SortCase:
    """2 to 8 distinct scores."""
    scores = draw(st.lists(st.integers(-50, 50), min_size=2, max_size=8, unique=True))
    return SortCase([float(s) / 8 for s in scores], draw(st.floats(0.01, 0.5)))


def _near_permutation(sort: Sort, case: SortCase, _: Run) -> Score:
    """Largest entry of |softsort − permutation| over (L − 1)e^{−γ/τ} plus the rounding of a softmax row.

    Scores are eighths, so their gaps are exact; a gap over τ is off by 2 units, which moves e^{−v} by 2ve^{−v} < 1; an
    exponential, L sums and a quotient follow; e^{−γ/τ} itself is off by as much.
    """
    scores = torch.tensor(case.scores, dtype=torch.float64)
    soft = sort(scores, case.tau)
    hard = torch.eye(len(scores), dtype=torch.float64)[scores.argsort()]
    gap = float(scores.sort().values.diff().min())
    rounding = 2 * (len(scores) + ELEMENTARY + 3) * UNIT
    bound = (len(scores) - 1) * np.exp(-gap / case.tau) + rounding
    return Score(float((soft - hard).abs().max() / bound), "error/bound")


@dataclass(frozen=True)
class Arrangement:
    """How tokens are put in order before they run."""

    arrange: Callable[[np.ndarray], np.ndarray]
    law: Law = TRUE


def _by_importance(start: np.ndarray) -> np.ndarray:
    """Ascending size through SoftSort on the score −Δ, which is linear in the steps of slow tokens.

    τ is a 40th of the least gap between scores, over which (L − 1)e^{−γ/τ} < u: the permutation, to the last bit.
    """
    sizes = torch.from_numpy(np.abs(start))
    gaps = sizes.sort(dim=-1).values.diff(dim=-1).min(dim=-1).values
    order = softsort(sizes, gaps[:, None, None] / 40)
    return (order @ torch.from_numpy(start)[..., None])[..., 0].numpy()


def _keeps_its_order(subject: Arrangement, run: Run) -> Finding:
    """a = 0, mu > 0: sorted tokens stay sorted to t = 10^8, quotients of neighbours rising: the last one leads."""
    found = slow(run)
    found = replace(found, decay=0 * found.decay, start=subject.arrange(found.start))
    sure, path, undecided = decided_only(found.follow(subject.law))
    size = np.abs(found.start[sure])[None]
    low, high = (np.concatenate([size, bound]) for bound in path.sizes)
    least, most = low[..., 1:] / high[..., :-1], high[..., 1:] / low[..., :-1]
    ratios = {
        "a token over the next": worst_reached(high[..., :-1], low[..., 1:]),
        "a neighbours' quotient over the one at the next mark": worst_reached(least[:-1], most[1:]),
        "10^8/t": unreached(path),
    }
    summary = "an ascending order is kept and the last token leads"
    seen = finding(ratios, summary, {"instances": len(found.mu)})
    return replace(seen, measured={**seen.measured, **undecided})


CHECKS = (
    Property(
        claim="dynamics.exclude-convergent",
        name="form-is-positive-in-rationals",
        subject=positive_form,
        mutants={"P without its diagonal": _without_unit, "one s negative": _one_negative, "not triangular": _full},
        cases=form_cases,
        score=_positive,
        case_type=FormCase,
    ),
    tested("dynamics.exclude-convergent", "no-token-converges", _diverges, FORM_SIGN),
    Examination(
        claim="dynamics.exclude-convergent",
        name="form-is-positive-on-x-proj",
        kind=Kind.TESTED,
        subject=0,
        mutants={"twice C taken off B": 2},
        look=_on_a_block,
    ),
    Examination(
        claim="dynamics.exclude-convergent",
        name="fewer-states-than-channels",
        kind=Kind.TESTED,
        subject=Thin(),
        mutants={"a token off the kernel": Thin(kernel=(-2, 2)), "another form": Thin(row=(1, 3))},
        look=_frozen,
    ),
    Property(
        claim="dynamics.reorder",
        name="softsort-is-near-the-permutation",
        subject=softsort,
        mutants={
            "descending": lambda scores, tau: softsort(scores, tau).flip(-2),
            "three times the temperature": lambda scores, tau: softsort(scores, 3 * tau),
        },
        cases=sort_cases,
        score=_near_permutation,
        case_type=SortCase,
    ),
    Examination(
        claim="dynamics.reorder",
        name="last-token-leads-for-ever",
        kind=Kind.TESTED,
        subject=Arrangement(_by_importance),
        mutants={
            "reordering undone": Arrangement(lambda start: start),
            "most important first": Arrangement(lambda start: _by_importance(start)[:, ::-1]),
            "mu's sign flipped": Arrangement(_by_importance, FLIPPED),
        },
        look=_keeps_its_order,
    ),
)
