"""Shares flagged of lines that all should be, or all should not be.

Harmless lines stand for live chat, of which there is no public labelled collection: short clean
lines of the chat and utterance sources, and our own look-alikes. The hand-written tests (evasions,
look-alikes) are never trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gounmal.schema import LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.benchmarks import Judged
    from train.data import Dataset
    from train.example import Example

TESTS = Path(__file__).parents[1] / "tests" / "data"
SHORT = 40
"""Longest of the lines that stand for live chat, in characters."""

CHAT = ("chatbot", "3i4k")


@dataclass(frozen=True, slots=True)
class Probe:
    """How many of some lines were flagged.

    Attributes:
        name: which lines.
        harmful: should they be flagged?
    """

    name: str
    harmful: bool
    n: int
    flagged: int

    @property
    def share(self) -> float:
        """Recall of harmful lines, false-positive rate of harmless ones; 0 without lines."""
        return self.flagged / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """Lines that are all harmful or all harmless."""

    name: str
    harmful: bool
    texts: Sequence[str]

    def ask(self, judged: Judged) -> Probe:
        """Count how many of them have any label."""
        rows = [judged.index[text] for text in self.texts]
        count = int(judged.flagged[rows].any(axis=1).sum()) if rows else 0
        return Probe(self.name, self.harmful, len(rows), count)


def questions(dataset: Dataset, split: str, tests: Path = TESTS) -> list[Question]:
    """Everything that is probed: lines of a split, and the hand-written tests of a folder."""
    out = [
        Question("short clean chat", harmful=False, texts=chat_like(dataset, split)),
        Question("own harmless lines", harmful=False, texts=own_harmless(dataset, split)),
        Question(
            "identity terms (KoSBi, safe)",
            harmful=False,
            texts=[e.text for e in dataset.examples_of(split, "safety") if not e.any_of],
        ),
    ]
    for file, harmful in (("evasions.tsv", True), ("harmless.tsv", False)):
        kinds: dict[str, list[str]] = {}
        for text, kind in _lines(tests / file):
            kinds.setdefault(kind, []).append(text)
        stem = Path(file).stem
        everything = [text for texts in kinds.values() for text in texts]
        out.append(Question(f"hand-written {stem}", harmful=harmful, texts=everything))
        for kind, texts in sorted(kinds.items()):
            out.append(Question(f"hand-written {stem}: {kind}", harmful=harmful, texts=texts))
    return out


def chat_like(dataset: Dataset, split: str) -> list[str]:
    """Short clean lines of the chat sources; no loose words, which mean nothing by themselves."""
    lines = (e.text for e in dataset.examples_of(split, *CHAT) if e.source in CHAT)
    return sorted({text for text in lines if len(text) <= SHORT})


def own_harmless(dataset: Dataset, split: str) -> list[str]:
    """Our own hand-written harmless lines that fell into this split."""
    return sorted({e.text for e in dataset.examples_of(split, "negatives") if _harmless(e)})


def _harmless(example: Example) -> bool:
    return example.targets == (0.0,) * len(LABELS)


def _lines(path: Path) -> list[tuple[str, str]]:
    """Text and kind of each line `text⇥labels⇥kind` after the header, if the file is there."""
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return [(row[0], row[2] if len(row) > 2 else "other") for row in rows if row[0].strip()]
