"""Checks of the two refinements: on the dynamics, exactly on rationals, and put on a block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from constructions.token_dynamics.integrate import integrate
from constructions.token_dynamics.refinements import PositiveForm, positive_form, softsort
from constructions.token_dynamics.system import TokenSystem, quadratic_forms
from verify.check import Examination, Finding, Property, Run, Score
from verify.checks.token_dynamics.law import FLIPPED, TRUE, Instances, Law, finding, slow, worst
from verify.evidence import Kind

COUNT, WIDTH, TOKENS = 100, 3, 3
MARKS = np.arange(0.5, 10.5, 0.5)
FRACTIONS = st.fractions(-4, 4, max_denominator=9)
Form = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class FormCase:
    """Upper entries, s and a token, as text of fractions."""

    upper: list[list[str]]
    s: list[str]
    token: list[str]


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


def _diverges(law: Law, run: Run) -> Finding:
    """Random P and s: every token leaves the ball it starts in; with N = 1 a token of ker P stays."""
    rng = np.random.default_rng([run.seed, 13])
    upper, s = rng.normal(size=(COUNT, WIDTH, WIDTH)), rng.uniform(0.3, 2, (COUNT, WIDTH))
    S_B, S_C = (np.stack(m) for m in zip(*(positive_form(u, w) for u, w in zip(upper, s, strict=True)), strict=True))
    system = TokenSystem(S_B, S_C, rng.normal(size=(COUNT, WIDTH)) / 2, rng.uniform(0, 2, COUNT))
    start = rng.normal(size=(COUNT, TOKENS, WIDTH))
    path = integrate(law.run(system), start, MARKS)
    q = np.stack([quadratic_forms(system.form, x) for x in (start, *path.tokens)])
    row, token = np.array([[1.0, 2.0]]), np.array([[[-2.0, 1.0], [1.0, 1.0]]])
    thin = TokenSystem(row[None], row[None], np.array([[0.5, 0.1]]), np.array([1.0]))
    frozen = np.abs(thin.velocity(token)[0, 0]).max()
    ratios = {
        "q_l at the start over q_l at the end": worst(q[0], q[-1]),
        "fall of q_l": worst(-np.diff(q, axis=0) / q[:-1], 16 * path.error.max() + 1e-9),
        "movement of a token in ker P": float(frozen) / np.finfo(float).eps,
    }
    return finding(ratios, "no token converges", {"instances": COUNT, "width": WIDTH})


def _on_a_block(scale: float, run: Run) -> Finding:
    """PositiveForm on an x_proj weight: B and C rows give a positive definite form for random parameters."""
    torch.manual_seed(run.seed)
    least = []
    for _ in range(20):
        form = PositiveForm(WIDTH + 2, WIDTH + 2, torch.float64)
        torch.nn.init.normal_(form.upper)
        torch.nn.init.normal_(form.log_s)
        weight = form(torch.randn(1 + 2 * (WIDTH + 2), WIDTH + 2, dtype=torch.float64))
        B, C = (w.detach().numpy() for w in weight[1:].split(WIDTH + 2))
        S = C.T @ (B - scale * C)
        least.append(float(np.linalg.eigvalsh((S + S.T) / 2).min()))
    holds = min(least) > 0 and bool(np.allclose(S, S.T))
    return Finding(holds, "the block's S_CᵀS_B is positive definite", {"blocks": 20}, {"least eigenvalue": min(least)})


# ----------------------------------------------------------------------------------------------- reordering

Sort = Callable[[torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True)
class SortCase:
    """Scores, and a temperature."""

    scores: list[float]
    tau: float


@st.composite
def sort_cases(draw: st.DrawFn, _: Sort, __: Run) -> SortCase:
    """2 to 8 distinct scores."""
    scores = draw(st.lists(st.integers(-50, 50), min_size=2, max_size=8, unique=True))
    return SortCase([float(s) / 8 for s in scores], draw(st.floats(0.01, 0.5)))


def _near_permutation(sort: Sort, case: SortCase, _: Run) -> Score:
    """Largest entry of |softsort − permutation| over (L − 1)e^{−γ/τ} plus the rounding of a softmax row."""
    scores = torch.tensor(case.scores, dtype=torch.float64)
    soft = sort(scores, case.tau)
    hard = torch.eye(len(scores), dtype=torch.float64)[scores.argsort()]
    gap = float(scores.sort().values.diff().min())
    rounding = 4 * len(scores) * np.finfo(float).eps
    bound = (len(scores) - 1) * np.exp(-gap / case.tau) + rounding
    return Score(float((soft - hard).abs().max() / bound), "error/bound")


@dataclass(frozen=True)
class Arrangement:
    """How tokens are put in order before they run."""

    arrange: Callable[[np.ndarray], np.ndarray]
    law: Law = TRUE


def _by_importance(start: np.ndarray) -> np.ndarray:
    """Ascending size through a sharp SoftSort on the score −Δ, which is linear in the steps of slow tokens."""
    order = softsort(torch.from_numpy(np.abs(start)), 1e-3)
    return (order @ torch.from_numpy(start)[..., None])[..., 0].numpy()


def _keeps_its_order(subject: Arrangement, run: Run) -> Finding:
    """a = 0, mu > 0: sorted tokens stay sorted to the end, quotients of neighbours rising: the last one leads."""
    found = slow(run)
    found = Instances(found.mu, found.S_delta, 0 * found.decay, subject.arrange(found.start))
    path = found.follow(subject.law, np.arange(2.0, 62.0, 4.0))
    logs = np.log(np.concatenate([np.abs(found.start)[None], path.norms]))
    quotients = np.diff(logs, axis=-1)
    falling = -np.diff(quotients, axis=0)
    ratios = {
        "fall of a neighbour's quotient": worst(falling, 4 * path.error[..., None] + 1e-12),
        "tokens out of order": float(np.max(quotients[0] < -1e-6)) * 2,
        "the last token leads": worst(logs[-1].max(-1), logs[-1][:, -1]) if np.all(logs[-1] > 0) else np.inf,
    }
    return finding(ratios, "an ascending order is kept and the last token leads")


CHECKS = (
    Property(
        claim="dynamics.exclude-convergent",
        name="the form is positive, in rationals",
        subject=positive_form,
        mutants={"P without its diagonal": _without_unit, "one s negative": _one_negative, "not triangular": _full},
        cases=form_cases,
        score=_positive,
        case_type=FormCase,
    ),
    Examination(
        claim="dynamics.exclude-convergent",
        name="no token converges",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={"the form's sign flipped": FLIPPED},
        look=_diverges,
    ),
    Examination(
        claim="dynamics.exclude-convergent",
        name="on a block's x_proj",
        kind=Kind.TESTED,
        subject=0.0,
        mutants={"twice C taken off B": 2.0},
        look=_on_a_block,
    ),
    Property(
        claim="dynamics.reorder",
        name="SoftSort is near the permutation",
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
        name="the last token leads for ever",
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
