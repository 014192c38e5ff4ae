"""Labelled lines before a moderator: judged at every mode, then measured."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gounmal.evaluation.measure import (
    FileEvaluation,
    WorstError,
    confusion,
    identity_slices,
    known_truth,
    label_results,
    length_slice,
    slices,
)
from gounmal.evaluation.metrics import Counts, reliability
from gounmal.policy import ruled
from gounmal.scan.judge import passes
from gounmal.schema import LABELS, Message, Mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gounmal.evaluation.labelled import Labelled
    from gounmal.moderator import Moderator, Prepared
    from gounmal.schema import Decision

WORST = 20
"""Errors of each sort that are shown."""

_REST_OF_A_WORD = re.compile(r"(?<=\S)\S")


@dataclass(frozen=True, slots=True)
class Findings:
    """What was said of each line."""

    scores: NDArray[np.float32]
    """float32[n, n_labels]"""
    flagged: dict[Mode, NDArray[np.bool_]]
    """bool[n, n_labels] each."""


def evaluate_file(
    lines: Labelled,
    moderator: Moderator,
    *,
    source: str,
    policy: str | None = None,
    on_progress: Callable[[int, float], None] = lambda _rows, _done: None,
) -> FileEvaluation:
    """Judge a model, and the policy that it is used with, on labelled lines.

    Args:
        lines: with what is true of them.
        moderator: judges. Its policy's mode does not count, the rest of it does.
        source: the file's name.
        policy: the policy's, if there is one.
        on_progress: called now and then with the rows so far and how much is done, 0 to 1.

    Raises:
        ScoringFailed: the engine failed.
    """
    findings = judge(lines, moderator, on_progress=on_progress)
    known = np.flatnonzero(~np.isnan(lines.any_truth))
    truth = lines.any_truth[known] == 1
    found = {mode: np.asarray(f[known].any(axis=1)) for mode, f in findings.flagged.items()}
    balanced = found[Mode.BALANCED]
    texts = [lines.texts[i] for i in known.tolist()]
    results = [r for r in label_results(findings.scores, lines.truth, findings.flagged) if r.n]
    bins = {}
    for label in (result.label for result in results):
        sure, y = known_truth(lines.truth, LABELS.index(label))
        bins[label] = reliability(y, findings.scores[sure, LABELS.index(label)])
    kinds = [[lines.kinds[i]] if lines.kinds[i] else [] for i in known.tolist()]
    return FileEvaluation(
        source=source,
        model=moderator.scorer.tag,
        policy=policy,
        rows=lines.rows,
        judged=len(lines.texts),
        skipped=lines.skipped,
        labels=results,
        overall={mode: Counts.of(truth, yes) for mode, yes in found.items()},
        confusion=confusion(lines.truth, lines.any_truth, findings.flagged[Mode.BALANCED]),
        bins=bins,
        slices={
            "length": slices(([length_slice(text)] for text in texts), truth, balanced),
            "kind": slices(kinds, truth, balanced),
            "identity": slices(map(identity_slices, texts), truth, balanced),
        },
        errors=worst(lines, moderator, findings),
    )


def judge(
    lines: Labelled,
    moderator: Moderator,
    *,
    on_progress: Callable[[int, float], None] = lambda _rows, _done: None,
) -> Findings:
    """Every line at every mode, the lines of alike length together.

    Raises:
        ScoringFailed: the engine failed.
    """
    shape = (len(lines.texts), len(LABELS))
    findings = Findings(
        np.zeros(shape, np.float32), {mode: np.zeros(shape, np.bool_) for mode in Mode}
    )
    done = 0
    order = sorted(range(len(lines.texts)), key=lambda row: len(lines.texts[row]))
    for chosen in passes(len(lines.texts[row]) for row in order):
        rows = order[chosen]
        prepared = [_prepared(lines, moderator, row) for row in rows]
        scored = moderator.score(prepared)
        for row, p, s in zip(rows, prepared, scored, strict=True):
            findings.scores[row] = s.scores
            for mode in Mode:
                at_mode = replace(p, policy=replace(p.policy, mode=mode))
                for label in moderator.decide(at_mode, s).labels:
                    findings.flagged[mode][row, LABELS.index(label)] = True
        done += len(rows)
        on_progress(done, done / len(lines.texts))
    return findings


def worst(lines: Labelled, moderator: Moderator, findings: Findings) -> list[WorstError]:
    """At balanced: harmless lines flagged with the highest scores, abusive missed with the lowest.

    A line in the file more than once is shown once.
    """
    flagged = findings.flagged[Mode.BALANCED]
    found = np.asarray(flagged.any(axis=1))
    # Which label it is about: the likeliest of those that were flagged, or that should have been.
    alarms = np.where(flagged, findings.scores, -1.0)
    misses = np.where(lines.truth == 1, findings.scores, -1.0)
    misses[(misses < 0).all(axis=1)] = findings.scores[(misses < 0).all(axis=1)]
    false = np.flatnonzero((lines.any_truth == 0) & found)
    missed = np.flatnonzero((lines.any_truth == 1) & ~found)
    worst_first = (
        *_distinct(lines, false[np.argsort(-alarms[false].max(axis=1), kind="stable")]),
        *_distinct(lines, missed[np.argsort(misses[missed].max(axis=1), kind="stable")]),
    )
    out = []
    for row in worst_first:
        column = int((alarms if found[row] else misses)[row].argmax())
        score = round(float(findings.scores[row, column]), 4)
        # What was missed has no spans to hide it by: of each word its first character is shown.
        masked = (
            _decision(lines, moderator, row).masked
            if found[row]
            else _REST_OF_A_WORD.sub("*", lines.texts[row])
        )
        out.append(WorstError(lines.numbers[row], not found[row], LABELS[column], score, masked))
    return out


def _distinct(lines: Labelled, rows: NDArray[np.int64]) -> list[int]:
    first: dict[str, int] = {}
    for row in rows.tolist():
        first.setdefault(lines.texts[row], row)
        if len(first) == WORST:
            break
    return list(first.values())


def _decision(lines: Labelled, moderator: Moderator, row: int) -> Decision:
    prepared = _prepared(lines, moderator, row)
    [scored] = moderator.score([prepared])
    policy = replace(prepared.policy, mode=Mode.BALANCED)
    return moderator.decide(replace(prepared, policy=policy), scored)


def _prepared(lines: Labelled, moderator: Moderator, row: int) -> Prepared:
    channel = ruled(lines.channels[row], moderator.policy.channels)
    return moderator.prepare(Message(lines.texts[row], channel=channel))
