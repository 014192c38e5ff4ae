"""The stages of the core of one checkout, timed when asked: `measure` runs one of these for each.

    PYTHONPATH=CHECKOUT python stages.py ARTIFACT LINES

Reads `stage size` lines, answers each with the seconds of processor time that all lines took once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gounmal.model.classifier import Classifier, groups
from gounmal.moderator import Moderator
from gounmal.schema import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SORTED_FROM = 512
"""Batches of so many are what a scan makes, and it sorts them by length."""


class Recorder:
    """Takes the place of a session, and keeps what it was asked."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.asked: list[dict[str, Any]] = []

    def run(self, names: Any, feeds: dict[str, Any]) -> Any:
        """As the session's."""
        self.asked.append(feeds)
        return self._session.run(names, feeds)


def stages(
    moderator: Moderator, lines: Sequence[str], size: int
) -> dict[str, tuple[Callable[[Any], object], Sequence[Any]]]:
    """Of each stage: what to call, and with what, one after the other."""
    classifier: Any = moderator.scorer
    session, recorder = classifier.session, Recorder(classifier.session)
    texts = sorted(lines, key=len) if size >= SORTED_FROM else lines
    batches = [texts[i : i + size] for i in range(0, len(texts), size)]
    prepared = [_prepared(moderator, batch) for batch in batches]
    classifier.session = recorder
    scored = [moderator.score(batch) for batch in prepared]
    classifier.session = session
    return {
        "normalise": (lambda batch: _prepared(moderator, batch), batches),
        "encode": (lambda batch: _encoded(classifier, batch), prepared),
        "engine": (lambda feeds: session.run(None, feeds), recorder.asked),
        "decide": (_decider(moderator), list(zip(prepared, scored, strict=True))),
        "whole": (moderator.moderate, batches),
    }


def _prepared(moderator: Moderator, batch: Sequence[str]) -> list[Any]:
    return [moderator.prepare(Message(text)) for text in batch]


def _encoded(classifier: Classifier, batch: Sequence[Any]) -> list[Any]:
    encoded = classifier.encoder.encode([one.visible for one in batch])
    return [encoded.padded(rows) for rows in groups(encoded.lengths)]


def _decider(moderator: Moderator) -> Callable[[Any], object]:
    many = getattr(moderator, "decide_many", None)
    if many is not None:
        return lambda both: many(*both)
    return lambda both: [moderator.decide(p, s) for p, s in zip(*both, strict=True)]


def main() -> None:
    moderator = Moderator(Classifier.load(Path(sys.argv[1])))
    lines = Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    made: dict[int, Any] = {}
    for line in sys.stdin:
        stage, number = line.split()
        size = int(number)
        if size not in made:
            made[size] = stages(moderator, lines, size)
        do, items = made[size][stage]
        begun = time.process_time()
        for item in items:
            do(item)
        print(time.process_time() - begun, flush=True)


if __name__ == "__main__":
    main()
