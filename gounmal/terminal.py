"""What the command line shows to a person: progress, tables, a Decision in colour."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from gounmal.schema import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gounmal.evaluation.measure import FileEvaluation
    from gounmal.evaluation.metrics import Counts
    from gounmal.files.sources import Place
    from gounmal.model.store import StoredModel
    from gounmal.report.summary import Summary
    from gounmal.scan.scan import Scanned
    from gounmal.schema import Decision

_COLOURS = {"allow": "green", "mask": "yellow", "hold": "magenta", "block": "red"}


@contextmanager
def progress() -> Iterator[Callable[[int, float], None]]:
    """A progress bar on stderr: rows, rate, time left. Silent where stderr is no terminal."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.fields[rows]:>12,} rows"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=1.0, rows=0, rate="")
        first: list[tuple[float, int]] = []

        def update(rows: int, done: float) -> None:
            now = time.monotonic()
            # Counted from the first news: the model was loaded, an earlier call's rows were there.
            first.append((now, rows))
            since, before = first[0]
            del first[1:]
            rate = f"{(rows - before) / (now - since):,.0f} rows/s" if now > since else ""
            bar.update(task, completed=done, rows=rows, rate=rate)

        yield update


def print_scanned(scanned: Scanned) -> None:
    """What a scan found, in a few lines, and where its files are."""
    summary = scanned.summary
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_row(f"{summary.rows:,}", "rows")
    table.add_row(f"{summary.flagged:,}", f"flagged ({summary.flagged_share:.2%} of those judged)")
    for action, count in summary.actions.items():
        table.add_row(f"{count:,}", Text(action, _COLOURS[action]))
    if summary.invalid:
        kinds = ", ".join(f"{name} {count:,}" for name, count in summary.problems.items())
        table.add_row(f"{summary.invalid:,}", f"not judged ({kinds})")
    console = _plain_console()
    console.print(table)
    for failed in summary.failed:
        console.print(Text(f"not done: {failed.file} ({failed.part}): {failed.reason}", "red"))
    for path in (scanned.decisions, scanned.summary_json, *scanned.reports, scanned.review):
        console.print(Text(str(path)))


def print_report(summary: Summary, written: Sequence[Place]) -> None:
    """What the verdicts say, if there are any, and where the files are."""
    console = _plain_console()
    if (verdicts := summary.verdicts) is not None:
        console.print(f"{verdicts.judged:,} of {verdicts.lines:,} lines for review have a verdict")
        for name, found in (("precision", verdicts.precision), ("miss rate", verdicts.missed)):
            if found is not None:
                interval = f"{found.low:.1%} to {found.high:.1%}"
                console.print(f"{name} {found.share:.1%} ({interval}, {found.rows:,} rows)")
    for path in written:
        console.print(Text(str(path)))


def print_evaluation(found: FileEvaluation, written: Sequence[Path] = ()) -> None:
    """Each label, a row each: all about `balanced`, and F1 at the other modes; and the files."""
    head = ("rows", "true", "AP", "ECE", "P", "R", "F1", "lenient", "strict")
    columns = (Column(name, justify="right") for name in head)
    table = Table(Column("label", no_wrap=True), *columns, box=None, pad_edge=False)
    for result in found.labels:
        ranking = _ratio(result.average_precision), _ratio(result.calibration_error)
        row = (f"{result.n:,}", f"{result.positives:,}", *ranking, *_ratios(result.modes))
        table.add_row(result.label, *row)
    every = found.overall[Mode.BALANCED]
    counts = f"{every.n:,}", f"{every.tp + every.fn:,}"
    table.add_row("any", *counts, "", "", *_ratios(found.overall))
    console = _plain_console()
    console.print(table)
    left_out = "".join(f", {count:,} left out ({why})" for why, count in found.skipped.items())
    console.print(f"{found.judged:,} of {found.rows:,} rows judged by {found.model}{left_out}")
    for path in written:
        console.print(Text(str(path)))


def _ratios(modes: Mapping[Mode, Counts]) -> list[str]:
    balanced = modes[Mode.BALANCED]
    others = (modes[mode].f1 for mode in (Mode.LENIENT, Mode.STRICT))
    return [_ratio(r) for r in (balanced.precision, balanced.recall, balanced.f1, *others)]


def _ratio(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def print_models(models: Sequence[StoredModel]) -> None:
    """What the store holds, a row each."""
    table = Table("tag", "created", "size", "labels", box=None, pad_edge=False)
    for model in models:
        labels = " ".join(f"{name}={value}" for name, value in sorted(model.labels.items()))
        created = f"{model.created:%Y-%m-%d %H:%M}"
        table.add_row(model.tag, created, f"{model.size_bytes / 1e6:.1f} MB", labels)
    console = _plain_console()
    if models:
        console.print(table)
    else:
        console.print("the store is empty: `gounmal models import FOLDER` puts a model into it")


def print_decision(decision: Decision) -> None:
    """A Decision for the eye: what to do, what the audience would see, and why."""
    action = decision.action.value
    line = Text.assemble((f"{action:<6}", f"bold {_COLOURS[action]}"), decision.masked)
    why = [f"{label.value} {decision.scores[label]:.2f}" for label in decision.labels]
    line.append(f"  {' · '.join([decision.reason.value, *why])}", "dim")
    _plain_console().print(line)


def _plain_console() -> Console:
    """Standard output, without Rich's own ideas about what numbers and brackets mean."""
    return Console(highlight=False, markup=False, soft_wrap=True)
