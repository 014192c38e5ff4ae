"""A FileEvaluation → one HTML file: no scripts, nothing to fetch."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from gounmal import charts
from gounmal.schema import Mode

if TYPE_CHECKING:
    from gounmal.evaluation import FileEvaluation

WIDTH = 320


def render(found: FileEvaluation, *, title: str) -> str:
    """The page as HTML; wrongly judged lines are in it, masked.

    Args:
        found: what to say; the same always gives the same page.
        title: what was evaluated on.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        number=lambda value: f"{value:,}",
        score=lambda value: "–" if value != value else f"{value:.3f}",  # noqa: PLR0124  (NaN)
    )
    template = environment.from_string(
        files("gounmal").joinpath("evaluation.html").read_text(encoding="utf-8")
    )
    return template.render(
        e=found,
        title=title,
        modes=list(Mode),
        balanced=Mode.BALANCED,
        plots={
            label: charts.reliability(
                [(b.score, b.share) for b in bins], name=f"Calibration of {label}", width=WIDTH
            )
            for label, bins in found.bins.items()
        },
    )
