"""The review queue as a CSV file for a moderator, and what comes of it when it is back.

Of each line the file has the text as it was sent, since nobody can judge what is masked; who sent
it is left out. Filled in, it is also a labelled file for `gounmal evaluate`.
"""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from gounmal.errors import InvalidInput
from gounmal.evaluation.labelled import NO, YES
from gounmal.files.reader import inspect
from gounmal.report.items import Estimate, KindVerdicts, Verdicts
from gounmal.report.queues import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gounmal.report.items import ReviewLine
    from gounmal.report.summary import Summary

COLUMNS = ("kind", "file", "row", "offset", "action", "found", "score", "threshold", "text")
VERDICT = "abusive"
"""The column to fill in: 1 or 0, also yes and no, o and x; empty for what cannot be told."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_Z = 1.959963984540054
"""Of the normal distribution: 95 % lie between -z and z."""


def review_csv(queue: Sequence[tuple[ReviewLine, str]]) -> bytes:
    """The file, with a byte order mark since it will be opened in a spreadsheet.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer, lineterminator="\r\n")
    table.writerow((*COLUMNS, VERDICT))
    for line, text in queue:
        offset = "" if line.offset_s is None else f"{line.offset_s:g}"
        scores = f"{line.score:.4f}", f"{line.threshold:.4f}"
        judged = line.action, line.label, *scores
        cells = (" ".join(line.kinds), line.file, line.row, offset, *judged, text, "")
        table.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return buffer.getvalue().encode("utf-8-sig")


def read_verdicts(path: Path) -> dict[tuple[str, int], tuple[float, bool]]:
    """What a moderator filled in: (file, row) → its score, and whether it is abusive.

    Raises:
        InvalidInput: it is not such a file, or a verdict is not understood.
        OSError: it cannot be read.
    """
    found = inspect(path)
    missing = {"file", "row", "score", VERDICT}.difference(found.columns)
    if missing:
        raise InvalidInput(f"{path}: no column {min(missing)!r}: expected a review.csv")
    verdicts = {}
    for chunk in found.chunks():
        for number, record in enumerate(chunk.records(), chunk.start + 2):
            said = str(record.get(VERDICT) or "").strip().casefold().removesuffix(".0")
            if not said:
                continue
            if said not in YES | NO:
                raise InvalidInput(f"{path}: line {number}: {VERDICT}: expected 1, 0 or nothing")
            try:
                place = _plain(record["file"]), int(float(record["row"]))
                verdicts[place] = float(record["score"]), said in YES
            except (TypeError, ValueError) as error:
                raise InvalidInput(f"{path}: line {number}: row, score: no numbers") from error
    return verdicts


def judged(summary: Summary, verdicts: Mapping[tuple[str, int], tuple[float, bool]]) -> Verdicts:
    """What the verdicts say of a report.

    Raises:
        InvalidInput: none of them is on a line of this report.
    """
    known: list[tuple[ReviewLine, bool | None]] = []
    for line in summary.review:
        score, abusive = verdicts.get((line.file, line.row), (math.nan, False))
        of_this_scan = math.isclose(score, line.score, abs_tol=6e-5)
        known.append((line, abusive if of_this_scan else None))
    if verdicts and all(abusive is None for _, abusive in known):
        raise InvalidInput("the verdicts are on no line of this report: they are of another scan")
    return Verdicts(
        lines=len(known),
        judged=sum(abusive is not None for _, abusive in known),
        kinds={kind.value: _of_kind(kind, known) for kind in Kind},
        precision=_estimate(Kind.FLAGGED, known),
        missed=_estimate(Kind.UNFLAGGED, known),
    )


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `hits` of `rows` are known.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
    """
    share, spread = hits / rows, _Z**2 / rows
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _of_kind(kind: Kind, known: Sequence[tuple[ReviewLine, bool | None]]) -> KindVerdicts:
    own = [abusive for line, abusive in known if kind.value in line.kinds]
    told = [abusive for abusive in own if abusive is not None]
    return KindVerdicts(len(own), len(told), sum(told))


def _estimate(kind: Kind, known: Sequence[tuple[ReviewLine, bool | None]]) -> Estimate | None:
    """The share of abusive rows, from a random sample of which each row counts."""
    told = [(line.drawn, a) for line, a in known if kind.value in line.kinds and a is not None]
    rows, hits = sum(n for n, _ in told), sum(n for n, abusive in told if abusive)
    return Estimate(hits / rows, *wilson(hits, rows), rows) if rows else None


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _plain(cell: Any) -> str:
    text = str(cell or "")
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text
