"""What the network is shown: the labelled texts, and what is made from them and around them.

- disguised copies of labelled texts, abusive and harmless alike: odd spelling is no evidence;
- abusive expressions put into harmless lines, plain and disguised: the only lines of which it is
  known to the character where the abuse is;
- harmless look-alikes of our own put into other lines, which keep their labels: a look-alike says
  nothing for abuse, and nothing against it;
- unlabelled texts, for a teacher to speak of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from gounmal.schema import LABELS, Label
from gounmal.text.normalize import normalize
from train.augment import insert, obfuscate, scramble
from train.fit import Supervision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.data import Dataset

WRITTEN_SOURCES = frozenset({"negatives", "positives"})
"""Of our own hand-written lines."""

INSERTED_WEIGHT = 0.25
"""How much it counts that a line with an inserted expression is abusive."""

HOST_LENGTH = 40
"""Longest line that an expression or a look-alike is put into."""

DECOY_LENGTH = 16
"""Longest of our own harmless lines that is put into another line."""


@dataclass(frozen=True, slots=True)
class MixtureConfig:
    """How much of each there is."""

    disguised_share: float = 0.35
    """Of labelled texts, so many get a disguised copy."""
    own_disguised_share: float = 0.5
    """The same of our own hand-written lines."""
    scrambled_share: float = 0.3
    """Of disguised copies, so many are disguised all over, the others here and there."""
    inserted: int = 10_000
    decoys: int = 12_000
    decoys_in_harmless: float = 0.7
    """Of the lines that a look-alike is put into, so many are harmless, the others any."""
    repeats: int = 1
    """How often our own hand-written lines are shown in an epoch."""


@dataclass
class Mixture:
    """Texts under construction, with what is known of each."""

    texts: list[str] = field(default_factory=list)
    origin: list[int] = field(default_factory=list)
    """Row of the dataset that a text has its labels from; -1 for none."""
    labels: dict[int, tuple[Label, ...]] = field(default_factory=dict)
    """Of inserted expressions, by text."""
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Code points of inserted expressions, by text."""
    decoys: list[int] = field(default_factory=list)
    """The texts that a look-alike was put into."""

    def add(self, text: str, origin: int = -1) -> int:
        """Append a text; its number."""
        self.texts.append(text)
        self.origin.append(origin)
        return len(self.texts) - 1

    def supervision(self, dataset: Dataset, teacher: NDArray[np.float32] | None) -> Supervision:
        """What is known of every text: float32[n, labels] and the rest."""
        n, labels = len(self.texts), len(LABELS)
        origin = np.array(self.origin)
        real = np.flatnonzero(origin >= 0)
        known = Supervision(
            targets=np.full((n, labels), np.nan, np.float32),
            weights=np.zeros((n, labels), np.float32),
            any_of=np.zeros((n, labels), np.bool_),
            any_value=np.zeros(n, np.float32),
            any_weight=np.zeros(n, np.float32),
            teacher=teacher,
        )
        for name in ("targets", "weights", "any_of", "any_value", "any_weight"):
            getattr(known, name)[real] = getattr(dataset, name)[origin[real]]
        for row, found in self.labels.items():
            # As with our own lines: abusive, but which label a word has is the sources' to say.
            columns = [LABELS.index(label) for label in found]
            known.any_of[row, columns] = True
            known.any_value[row] = 1
            known.any_weight[row] = INSERTED_WEIGHT
            if row in self.spans:
                known.spans[row] = (tokens_of(self.texts[row], *self.spans[row]), columns[:1])
        return known


def mix(
    dataset: Dataset,
    *,
    expressions: Sequence[tuple[str, tuple[Label, ...]]],
    unlabelled: Sequence[str],
    config: MixtureConfig,
    seed: int,
) -> Mixture:
    """Put together what one training run is shown. Deterministic for a seed."""
    rng = Random(seed)  # noqa: S311  (not for secrets)
    mixture = Mixture()
    rows = dataset.rows("train").tolist()
    for row in rows:
        text = dataset.texts[row]
        own = dataset.source[row] in WRITTEN_SOURCES
        for _ in range(config.repeats if own else 1):
            mixture.add(text, row)
            if rng.random() < (config.own_disguised_share if own else config.disguised_share):
                mixture.add(disguise(text, rng, config), row)
    hosts = [row for row in rows if len(dataset.texts[row]) <= HOST_LENGTH]
    calm = [row for row in hosts if bool((dataset.targets[row] == 0).all())]
    for _ in range(config.inserted if expressions and calm else 0):
        _insert(mixture, dataset.texts[rng.choice(calm)], *rng.choice(expressions), rng)
    written = [dataset.texts[row] for row in calm if dataset.source[row] == "negatives"]
    decoys = [text for text in written if len(text) <= DECOY_LENGTH]
    for _ in range(config.decoys if decoys else 0):
        host = rng.choice(calm if rng.random() < config.decoys_in_harmless else hosts)
        text = insert(dataset.texts[host], rng.choice(decoys), rng)[0]
        mixture.decoys.append(mixture.add(text, host))
    for text in unlabelled:
        mixture.add(text)
    return mixture


def disguise(text: str, rng: Random, config: MixtureConfig) -> str:
    """One disguised copy."""
    if rng.random() < config.scrambled_share:
        return scramble(text, rng, strength=rng.choice(("easy", "normal", "hard"))).text
    return obfuscate(text, rng).text


def _insert(
    mixture: Mixture, host: str, expression: str, labels: tuple[Label, ...], rng: Random
) -> None:
    text, (start, end) = insert(host, expression, rng)
    if rng.random() < 0.1:
        text, (start, end) = expression, (0, len(expression))
    if rng.random() < 0.6:
        disguised = obfuscate(text, rng, where=range(start, end))
        span = disguised.span(start, end)
        if span is None:
            return
        text, (start, end) = disguised.text, span
    row = mixture.add(text)
    mixture.labels[row] = labels
    mixture.spans[row] = (start, end)


def tokens_of(text: str, start: int, end: int) -> NDArray[np.int64]:
    """Which tokens of a text, in any of its views, stand for code points `[start, end)`."""
    normalized = normalize(text)
    tokens, first = [], 0
    for view in normalized.views:
        tokens += [
            first + i
            for i, (s, e) in enumerate(zip(view.starts, view.ends, strict=True))
            if s < end and e > start
        ]
        first += len(view.text) + 1
    return np.array(tokens, np.int64)
