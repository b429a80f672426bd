"""Checks in R^3: symmetric forms, forms with a negative definite symmetric part, and the conjecture about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from constructions.token_dynamics.integrate import Trajectory, integrate
from constructions.token_dynamics.system import TokenSystem, quadratic_forms
from verify.check import Examination, Finding, Run
from verify.checks.token_dynamics.law import FLIPPED, LAST_TIME, SLOWER, TRUE, Law, finding, worst
from verify.evidence import Kind

WIDTH, TOKENS, COUNT = 3, 3, 60
TOLERANCES = (1e-8, 1e-6)
LONG = np.arange(2.0, 66.0, 4.0)
SHORT = np.arange(0.5, 10.5, 0.5)


@dataclass(frozen=True)
class Forms:
    """Systems in R^3 with their starts: S (n, 3, 3), S_Δ (n, 3), a (n), start (n, L, 3)."""

    S: np.ndarray
    S_delta: np.ndarray
    decay: np.ndarray
    start: np.ndarray

    @property
    def system(self) -> TokenSystem:
        """All of them as one batch."""
        return TokenSystem.of_form(self.S, self.S_delta, self.decay)

    def follow(self, law: Law, marks: np.ndarray) -> Trajectory:
        """Run them under a law."""
        return integrate(law.run(self.system), self.start, marks, TOLERANCES)

    @property
    def room(self) -> np.ndarray:
        """λ: the least of −xᵀSx/|x|², (n)."""
        return -np.linalg.eigvalsh(self.S + np.swapaxes(self.S, -1, -2))[:, -1] / 2


def draw(run: Run, eigenvalues: tuple[float, float], twist: float = 0.0, salt: int = 0, count: int = COUNT) -> Forms:
    """Random S = Q diag(e) Qᵀ + twist·(antisymmetric), e in a range; S_Δ of length up to 1.5; |x| about 1."""
    rng = np.random.default_rng([run.seed, salt, 11])
    Q = np.linalg.qr(rng.normal(size=(count, WIDTH, WIDTH)))[0]
    S = Q @ (rng.uniform(*eigenvalues, (count, WIDTH, 1)) * np.swapaxes(Q, -1, -2))
    turn = rng.normal(size=S.shape)
    S = S + twist * (turn - np.swapaxes(turn, -1, -2))
    return Forms(S, rng.normal(size=(count, WIDTH)) / 2, rng.uniform(0, 2, count), rng.normal(size=(count, TOKENS, 3)))


def least_step(found: Forms, reach: np.ndarray) -> np.ndarray:
    """softplus(−‖S_Δ‖·reach), the least step of a token of at most that length; reach (n, L)."""
    return np.logaddexp(0, -np.linalg.norm(found.S_delta, axis=-1)[:, None] * reach)


def _negative_definite(law: Law, run: Run) -> Finding:
    found = draw(run, (-2.0, -0.3))
    path, q0 = found.follow(law, LONG), -quadratic_forms(found.S, found.start)
    least = least_step(found, np.sqrt(q0 / found.room[:, None]))
    bound = 1 / (1 / q0 + 2 * least * path.time[..., None]) / found.room[:, None]
    ratios = {
        "|x|²/bound": worst(path.norms**2 * (1 - 4 * path.error[..., None]), bound),
        "10^8/t": LAST_TIME / float(path.time[-1].min()),
    }
    return finding(ratios, "S ≺ 0: |x_l|² below its bound up to t = 10^8", {"instances": COUNT, "width": WIDTH})


def _indefinite(law: Law, run: Run) -> Finding:
    """q_l never falls, and a token of positive form grows; a first token of negative form sinks, alone, to t = 10^8."""
    found = draw(run, (-2.0, 2.0), salt=1)
    q = quadratic_forms(found.S, found.start)
    path = found.follow(law, SHORT)
    forms = np.stack([q, *(quadratic_forms(found.S, x) for x in path.tokens)])
    sizes = np.einsum("nde,nde->n", found.S, found.S) ** 0.5 * path.norms.max((0, 2)) ** 2
    sinking = q[:, 0] < 0
    alone = Forms(found.S[sinking], found.S_delta[sinking], found.decay[sinking], found.start[sinking, :1])
    first, size = alone.follow(law, LONG), np.linalg.norm(alone.start[:, 0], axis=-1)
    least = least_step(alone, size[:, None])[:, 0]
    bound = size**2 / (1 + 2 * np.abs(q[sinking, 0]) * least * first.time)
    ratios = {
        "fall of q_l": worst(-np.diff(forms, axis=0), (8 * path.error.max(0) * sizes)[:, None]),
        "q_1(0) < 0: |x_1|²/bound": worst(first.norms[..., 0] ** 2 * (1 - 8 * first.error), bound),
        "q_l(0) > 0: q_l at the start over the end": worst(np.where(q > 0, q, 0), np.where(q > 0, forms[-1], 1)),
        "10^8/t": LAST_TIME / float(first.time[-1].min()),
    }
    return finding(ratios, "q_l rises; positive tokens grow; a negative first token sinks", {"instances": COUNT})


def _antisymmetric(law: Law, run: Run) -> Finding:
    found = draw(run, (0.0, 0.0), twist=1.0, salt=2)
    path = found.follow(law, SHORT)
    moved = np.linalg.norm(path.tokens[..., 0, :] - found.start[:, 0], axis=-1)
    return finding({"movement of x_1": worst(moved, 1e-9)}, "S antisymmetric: token 1 stays", {"instances": COUNT})


# ------------------------------------------------------------------------------------- S that is not symmetric


def _nonsymmetric(law: Law, run: Run) -> Finding:
    """|x_l|² ≤ 1/(m_l(1 + t)), with C_l = 1/m_l fed into the next token; steps are constant, ln 2."""
    found = draw(run, (-2.0, -0.3), twist=1.0, salt=3)
    found = Forms(found.S, 0 * found.S_delta, found.decay, found.start)
    path = found.follow(law, LONG)
    norm = np.linalg.norm(found.S, ord=2, axis=(-2, -1))
    bounds, older = [], np.zeros(COUNT)
    for token in range(TOKENS):
        c = norm * older * np.log(2)
        size = np.linalg.norm(found.start[:, token], axis=-1)
        m = np.minimum(size**-2.0, 2 * found.room * np.log(2) / (2 * c + 1))
        bounds.append(1 / (m * (1 + path.time)))
        older = older + 1 / m
    ratios = {
        "|x_l|²/bound": worst(path.norms**2 * (1 - 4 * path.error[..., None]), np.stack(bounds, axis=-1)),
        "10^8/t": LAST_TIME / float(path.time[-1].min()),
    }
    return finding(ratios, "negative definite symmetric part: |x_l|² ≤ 1/(m(1 + t))", {"instances": COUNT})


def _conjecture(law: Law, run: Run) -> Finding:
    """From t = 10^4 to the end, t|x_l|² grows by less than √(t_end/10^4): every token tends to 0."""
    found = draw(run, (-2.0, -0.05), twist=3.0, salt=4)
    path = found.follow(law, LONG)
    begin = np.argmax(path.time > 1e4, axis=0)
    rows = np.arange(COUNT)
    fallen = path.norms[-1] / path.norms[begin, rows]
    stretch = (path.time[begin, rows] / path.time[-1]) ** 0.25
    ratios = {
        "fall of |x_l| over t^(−1/4)": worst(fallen, stretch[:, None]),
        "10^8/t": LAST_TIME / float(path.time[-1].min()),
    }
    return finding(ratios, "every token tends to 0", {"instances": COUNT, "tokens": TOKENS, "width": WIDTH})


SIGN = {"the form's sign flipped": FLIPPED}
CHECKS = (
    Examination(
        claim="dynamics.nd-symmetric",
        name="S ≺ 0, to t = 10^8",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={**SIGN, "half the step": SLOWER},
        look=_negative_definite,
    ),
    Examination(
        claim="dynamics.nd-symmetric",
        name="indefinite S",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants=SIGN,
        look=_indefinite,
    ),
    Examination(
        claim="dynamics.nd-symmetric",
        name="antisymmetric S",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants={
            "a symmetric part": Law(lambda s: TokenSystem(s.S_B + 0.01 * np.eye(WIDTH), s.S_C, s.S_delta, s.decay))
        },
        look=_antisymmetric,
    ),
    Examination(
        claim="dynamics.nd-nonsymmetric",
        name="constant steps, to t = 10^8",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants=SIGN,
        look=_nonsymmetric,
    ),
    Examination(
        claim="dynamics.nd-conjecture",
        name="random systems, to t = 10^8",
        kind=Kind.TESTED,
        subject=TRUE,
        mutants=SIGN,
        look=_conjecture,
    ),
)
