"""Where in a line: spans judged on lines of which it is known to the character.

Harmless lines of a held-out split get one of our own abusive expressions, plain or disguised. Which
expressions stand where is drawn by a fixed seed, so that every scorer sees the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from gounmal.evaluation.metrics import Counts, span_counts
from gounmal.policy import Policy, decide, limits_of
from gounmal.schema import Message
from gounmal.text.normalize import normalize
from train.augment import insert, obfuscate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gounmal.moderator import Scorer
    from gounmal.schema import Label
    from train.data import Dataset

HOST_LENGTH = 40
CASES = 600
DISGUISED = 0.5
STEPS = tuple(step / 20 for step in range(2, 19))
"""Span thresholds tried: 0.1 to 0.9."""


@dataclass(frozen=True, slots=True)
class Case:
    """A line, and where its one abusive expression stands, in code points."""

    text: str
    start: int
    end: int


def cases(
    dataset: Dataset,
    split: str,
    expressions: Sequence[tuple[str, tuple[Label, ...]]],
    *,
    seed: int = 0,
) -> list[Case]:
    """Make the lines; none without expressions or harmless lines to put them into."""
    hosts = [
        dataset.texts[row]
        for row in dataset.rows(split).tolist()
        if len(dataset.texts[row]) <= HOST_LENGTH and (dataset.targets[row] == 0).all()
    ]
    rng = Random(seed)  # noqa: S311  (not for secrets)
    out: list[Case] = []
    while hosts and expressions and len(out) < CASES:
        text, (start, end) = insert(rng.choice(hosts), rng.choice(expressions)[0], rng)
        if rng.random() < DISGUISED:
            disguised = obfuscate(text, rng, where=range(start, end))
            span = disguised.span(start, end)
            if span is None:
                continue
            text, (start, end) = disguised.text, span
        out.append(Case(text, start, end))
    return out


@dataclass(frozen=True, slots=True)
class SpanResult:
    """Characters inside spans; a line that is not flagged at all has none."""

    threshold: float
    lines: int
    flagged: int
    characters: Counts


class Spans:
    """Lines scored once, for deciding at many span thresholds."""

    def __init__(self, scorer: Scorer, made: Sequence[Case]) -> None:
        self.scorer = scorer
        self.made = made
        self.normalized = [normalize(case.text) for case in made]
        self.scored = scorer.score(self.normalized)

    def at(self, threshold: float) -> SpanResult:
        """What `balanced` finds if a character needs this much evidence."""
        policy = Policy()
        limits = limits_of(policy, self.scorer.thresholds)
        decisions = [
            decide(
                Message(case.text),
                normalized,
                scored.scores,
                scored.evidence,
                limits=limits,
                span_threshold=threshold,
                policy=policy,
                model=self.scorer.tag,
            )
            for case, normalized, scored in zip(
                self.made, self.normalized, self.scored, strict=True
            )
        ]
        characters = span_counts(
            [len(case.text) for case in self.made],
            [[(span.start, span.end) for span in d.spans] for d in decisions],
            [[(case.start, case.end)] for case in self.made],
        )
        return SpanResult(threshold, len(decisions), sum(d.flagged for d in decisions), characters)

    def best(self) -> SpanResult:
        """At the threshold with the highest F1 on characters."""
        return max((self.at(step) for step in STEPS), key=lambda r: r.characters.f1)
