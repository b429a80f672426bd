"""Figures of the appendix, as vector graphics that read in black and white, each computed by its own command.

A family's module lists its FIGURES; what they plot comes from the same functions that the family's checks run. Those
of trainings come from the records of what was observed.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mamba_theorems.theorems.claim import FAMILIES
from mamba_theorems.verify.extras import needs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

STYLE: dict[Any, Any] = {
    "figure.figsize": (5.6, 3.4),
    "font.size": 9,
    "axes.grid": True,
    "axes.titlesize": 9,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "figure.constrained_layout.use": True,
}
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 2)), (0, (3, 1)), (0, (1, 1)))
GREYS = ("#000000", "#333333", "#555555", "#000000", "#666666", "#222222", "#777777", "#444444", "#111111")


@dataclass(frozen=True)
class Figure:
    """A figure: its words, the claims that it is about, and the function that computes and draws it."""

    name: str
    title: str
    caption: str
    claims: tuple[str, ...]
    draw: Callable[[], Canvas]

    @property
    def command(self) -> str:
        """The command line that draws the figure again."""
        return f"python -m verify figure {self.name} -o DIR"


@dataclass(frozen=True)
class Drawn:
    """A figure as vector graphics: SVG for the page and the PDF, PDF for LaTeX."""

    name: str
    title: str
    caption: str
    command: str
    svg: str
    pdf: bytes


@cache
def figures() -> dict[str, Figure]:
    """Every figure by name. Raises ValueError for two of one name, or for a record that cannot be used."""
    found: dict[str, Figure] = {}
    for family in (*FAMILIES, "observed"):
        if find_spec(f"mamba_theorems.verify.report.figures.{family}") is None:
            continue
        for figure in import_module(f"mamba_theorems.verify.report.figures.{family}").FIGURES:
            if figure.name in found:
                raise ValueError(f"two figures are called {figure.name}")
            found[figure.name] = figure
    return found


def ready() -> None:
    """Raises MissingExtra where matplotlib is missing."""
    with needs("figures", "a figure"):
        import matplotlib  # noqa: F401, PLC0415


def draw(figure: Figure) -> Drawn:
    """Compute and draw one figure; two calls give the same bytes. Raises MissingExtra."""
    ready()
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    with mpl.rc_context({**STYLE, "axes.prop_cycle": _monochrome(), "svg.hashsalt": figure.name}):
        canvas = figure.draw()
        svg, pdf = io.StringIO(), io.BytesIO()
        canvas.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        canvas.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    inline = svg.getvalue()
    inline = inline[inline.index("<svg") :]
    return Drawn(
        figure.name, figure.title, figure.caption, figure.command, _own_ids(inline, figure.name), pdf.getvalue()
    )


def draw_all(claims: Sequence[str]) -> list[Drawn]:
    """Every figure about one of the claims."""
    return [draw(figure) for figure in figures().values() if set(figure.claims) & set(claims)]


def _monochrome() -> Any:
    from cycler import cycler  # noqa: PLC0415

    return cycler(linestyle=LINES) + cycler(color=GREYS)


def _own_ids(svg: str, name: str) -> str:
    """The drawing with ids that carry its name, so that several drawings can stand on one page."""
    for before, after in (('id="', f'id="{name}-'), ('"#', f'"#{name}-'), ("url(#", f"url(#{name}-")):
        svg = svg.replace(before, after)
    return svg


def new_canvas(**labels: str) -> tuple[Canvas, Any]:
    """A canvas and its axes, with labels and scales."""
    from matplotlib.figure import Figure as MatplotlibFigure  # noqa: PLC0415

    canvas = MatplotlibFigure()
    axes = canvas.subplots()
    axes.set(**labels)
    return canvas, axes


def new_panels(heights: Sequence[float], **labels: str) -> tuple[Canvas, Any]:
    """A canvas and its axes one below the other over one x axis, of these heights, with labels and scales."""
    from matplotlib.figure import Figure as MatplotlibFigure  # noqa: PLC0415

    canvas = MatplotlibFigure()
    panels = canvas.subplots(len(heights), 1, sharex=True, height_ratios=list(heights))
    for axes in panels:
        axes.set(**labels)
    return canvas, panels
