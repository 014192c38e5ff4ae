"""All sources → one table of distinct texts with merged targets, groups and splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gounmal.schema import LABELS
from train import readers, splits
from train.sources import locate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from train.example import Example
    from train.sources import Located

HERE = Path(__file__).parent
WRITTEN = (HERE / "negatives", HERE / "positives")
"""Folders of our own hand-written lines."""

CACHE = Path("runs") / "sources"


@dataclass(frozen=True, slots=True)
class Dataset:
    """`n` distinct texts and, row by row, what is known of them; see `Example` for the meaning.

    `examples` are the `m` labels as the sources gave them, before texts were merged:
    `examples[j]` is about row `row[j]`. Evaluation uses those, training the merged targets.
    """

    texts: list[str]
    targets: NDArray[np.float32]
    """float32[n, n_labels], NaN where unknown."""
    weights: NDArray[np.float32]
    """float32[n, n_labels], 0 where unknown."""
    any_of: NDArray[np.bool_]
    """bool[n, n_labels], all False where there is no such statement."""
    any_value: NDArray[np.float32]
    """float32[n], NaN where there is no such statement."""
    any_weight: NDArray[np.float32]
    """float32[n]."""
    source: list[str]
    """Of each row: the source that was read first."""
    group: NDArray[np.int64]
    """int64[n]: near-duplicates have the same number."""
    split: NDArray[np.int8]
    """int8[n]: index into `splits.SPLITS`."""
    examples: list[Example]
    row: NDArray[np.int64]
    located: list[Located]

    def rows(self, split: str) -> NDArray[np.int64]:
        """Row numbers of a split: `train`, `dev` or `test`."""
        return np.flatnonzero(self.split == splits.SPLITS.index(split))

    def part(self, split: str) -> Dataset:
        """The texts of one split alone, numbered anew."""
        rows = self.rows(split)
        number = np.full(len(self.texts), -1)
        number[rows] = np.arange(len(rows))
        kept = np.flatnonzero(number[self.row] >= 0)
        return replace(
            self,
            texts=[self.texts[i] for i in rows.tolist()],
            targets=self.targets[rows],
            weights=self.weights[rows],
            any_of=self.any_of[rows],
            any_value=self.any_value[rows],
            any_weight=self.any_weight[rows],
            source=[self.source[i] for i in rows.tolist()],
            group=self.group[rows],
            split=self.split[rows],
            examples=[self.examples[j] for j in kept.tolist()],
            row=number[self.row[kept]],
        )

    def examples_of(self, split: str, *sources: str) -> list[Example]:
        """Labels of a split as these sources gave them (a folder covers its parts)."""
        inside = self.split[self.row] == splits.SPLITS.index(split)
        return [
            self.examples[j]
            for j in np.flatnonzero(inside).tolist()
            if self.examples[j].source in sources
            or self.examples[j].source.partition("/")[0] in sources
        ]


def load(data: Path | None, *, check: bool = True, cache: Path = CACHE) -> Dataset:
    """Read every labelled source and our own lines; see `train.sources.locate` for the arguments.

    Deterministic: the same files give the same rows in the same order, and the same splits.

    Raises:
        SourceError: a source is missing, unreachable or not as declared.
    """
    located = locate(data, cache=cache, check=check)
    examples: list[Example] = []
    for found in located:
        reader = readers.LABELLED.get(f"{found.source.folder}/{found.file.name}")
        if reader:
            examples.extend(reader(found.path))
    for folder in WRITTEN:
        for path in sorted(folder.glob("*.tsv")):
            examples.extend(readers.written(path))
    return build(examples, located)


def build(examples: Sequence[Example], located: Sequence[Located] = ()) -> Dataset:
    """Merge equal texts, group near-duplicates, split."""
    examples = _without_repeats(examples)
    index: dict[str, int] = {}
    row = np.asarray([index.setdefault(" ".join(e.text.split()), len(index)) for e in examples])
    keys = [splits.key(text) for text in index]
    groups = splits.group(keys, _pairs(examples, row))
    split = splits.assign(groups, keys)
    held = np.isin(groups, groups[row[[e.held for e in examples]]])
    split[held] = splits.SPLITS.index("dev")
    targets, weights = _merge(examples, row, len(index))
    any_of, any_value, any_weight = _strongest(examples, row, ~np.isnan(targets))
    first = dict(zip(row[::-1].tolist(), (e.source for e in reversed(examples)), strict=True))
    return Dataset(
        texts=list(index),
        targets=targets,
        weights=weights,
        any_of=any_of,
        any_value=any_value,
        any_weight=any_weight,
        source=[first[i] for i in range(len(index))],
        group=groups,
        split=split,
        examples=list(examples),
        row=row.astype(np.int64),
        located=list(located),
    )


def unlabelled(
    data: Path | None, *, check: bool = True, cache: Path = CACHE
) -> Iterator[readers.Unlabelled]:
    """Texts without labels, with stars where they are reviews; repeats and short ones included."""
    for found in locate(data, cache=cache, check=check):
        reader = readers.UNLABELLED.get(f"{found.source.folder}/{found.file.name}")
        if reader:
            yield from (one for one in reader(found.path) if one[0])


def _without_repeats(examples: Sequence[Example]) -> list[Example]:
    """Drop what `malicious` has copied from other sources: those say more about the same text."""
    others = {splits.key(e.text) for e in examples if e.source != "malicious"}
    return [e for e in examples if e.source != "malicious" or splits.key(e.text) not in others]


def _pairs(examples: Sequence[Example], row: NDArray[np.int64]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    return [
        (first.setdefault(example.pair, int(i)), int(i))
        for example, i in zip(examples, row, strict=True)
        if example.pair
    ]


def _merge(
    examples: Sequence[Example], row: NDArray[np.int64], n: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets and weights, float32[n, n_labels] each.

    Where sources disagree on a text: for each label the weighted mean, with the mean weight.
    """
    values = np.asarray([e.targets for e in examples], np.float32)
    weights = np.asarray([e.weights for e in examples], np.float32)
    total, summed, votes = (np.zeros((n, len(LABELS)), np.float32) for _ in range(3))
    np.add.at(total, row, weights)
    np.add.at(summed, row, weights * np.nan_to_num(values))
    np.add.at(votes, row, (weights > 0).astype(np.float32))
    known = votes > 0
    targets = np.divide(summed, total, out=np.full_like(total, np.nan), where=known)
    return targets, np.divide(total, votes, out=np.zeros_like(total), where=known)


def _strongest(
    examples: Sequence[Example], row: NDArray[np.int64], known: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """The any-of statement of each row with the most weight: labels, value and weight.

    None where every label in it is known: a source that tells the labels apart knows better.
    """
    any_of = np.zeros_like(known)
    value = np.full(len(known), np.nan, np.float32)
    weight = np.zeros(len(known), np.float32)
    for example, i in zip(examples, row.tolist(), strict=True):
        if example.any_of and example.any_weight > weight[i]:
            listed = np.isin(LABELS, example.any_of)
            if not known[i][listed].all():
                any_of[i], value[i], weight[i] = listed, example.any_value, example.any_weight
    return any_of, value, weight
