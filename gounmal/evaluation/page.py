"""A FileEvaluation → one HTML file: no scripts, nothing to fetch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from gounmal.evaluation.measure import NONE
from gounmal.evaluation.words import LANGUAGES
from gounmal.files.writers import replacing
from gounmal.report import charts, page
from gounmal.report.words import LANGUAGES as REPORT
from gounmal.schema import Mode

if TYPE_CHECKING:
    from pathlib import Path

    from gounmal.evaluation.measure import FileEvaluation

WIDTH = 240


def write(found: FileEvaluation, folder: Path, *, language: str) -> tuple[Path, ...]:
    """Write evaluation.json and evaluation.html; each is replaced when it is complete.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "evaluation.json": orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2) + b"\n",
        "evaluation.html": render(found, language=language).encode(),
    }
    for name, content in contents.items():
        with replacing(folder / name) as file:
            file.write(content)
    return tuple(folder / name for name in contents)


def render(found: FileEvaluation, *, language: str = "ko") -> str:
    """The page as HTML; wrongly judged lines are in it, masked.

    Args:
        found: what to say; the same always gives the same page.
        language: of the words around it, `ko` or `en`.
    """
    words, names = LANGUAGES[language], REPORT[language]
    template = page.template(
        "evaluation/evaluation.html",
        score=lambda value: "–" if value != value else f"{value:.3f}",  # noqa: PLR0124  (NaN)
    )
    return template.render(
        e=found,
        t=words,
        title=found.source,
        language=language,
        names={**names.labels_by_name, NONE: words.none},
        problems=names.problems_by_name,
        modes=list(Mode),
        balanced=Mode.BALANCED,
        plots={
            label: charts.reliability(
                [(b.score, b.share, b.n) for b in bins],
                name=f"{words.calibration}: {names.labels_by_name[label]}",
                width=WIDTH,
            )
            for label, bins in found.bins.items()
        },
    )
