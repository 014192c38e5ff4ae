"""What the model saw of the messages, counted for drift: its scores, and characters new to it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from gounmal.report.items import Signals
from gounmal.schema import LABELS
from gounmal.text.normalize import normalize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

BINS = 20
"""Of a score's histogram, from 0 to 1."""


class SignalCounts:
    """Histograms of the scores, and how many characters training did not have."""

    def __init__(self) -> None:
        self._scores = np.zeros(len(LABELS) * BINS, np.int64)
        self.characters = 0
        self.unknown: int | None = None

    def add_scores(self, scores: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        """Count scores.

        Args:
            scores: float64[n, labels], of each Decision.
            counts: int64[n], how many rows have it.
        """
        bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
        places = (bins + np.arange(len(LABELS)) * BINS).ravel()
        np.add.at(self._scores, places, np.repeat(counts, len(LABELS)))

    def signals(self) -> Signals:
        """What was counted."""
        rows = self._scores.reshape(len(LABELS), BINS).tolist()
        scores = {label.value: row for label, row in zip(LABELS, rows, strict=True)}
        return Signals(scores, self.characters, self.unknown)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, for `merge_dict`."""
        scores = self._scores.tolist()
        return {"scores": scores, "characters": self.characters, "unknown": self.unknown}

    def merge_dict(self, content: Mapping[str, Any]) -> None:
        """Add what another one's `to_dict` said."""
        self._scores += np.array(content["scores"], np.int64)
        self.characters += content["characters"]
        if content["unknown"] is not None:
            self.unknown = (self.unknown or 0) + content["unknown"]


class Characters:
    """Which characters did training have? Each is looked up once, with others that are new.

    Args:
        encoder: of the model; None where it has none, as a made-up scorer.
    """

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._fresh = np.ones(sys.maxunicode + 1, bool)
        self._unknown = np.zeros(sys.maxunicode + 1, bool)

    def count(self, texts: Sequence[str], times: NDArray[np.int64], counts: SignalCounts) -> None:
        """Count the characters of texts that occurred so often.

        Args:
            texts: each once.
            times: int64[len(texts)], how often each occurred.
            counts: what to add to.
        """
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        counts.characters += int(lengths @ times)
        if self._encoder is None:
            return
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        self._look_up(np.unique(codes[self._fresh.take(codes)]))
        places = np.flatnonzero(self._unknown.take(codes))
        of_text = np.searchsorted(np.cumsum(lengths), places, side="right")
        counts.unknown = (counts.unknown or 0) + int(times[of_text].sum())

    def _look_up(self, fresh: NDArray[np.uint32]) -> None:
        """Learn of characters that have not been seen which of them training did not have."""
        if len(fresh):
            known = were_in_training(self._encoder, list(map(chr, fresh.tolist())))
            self._unknown[fresh] = ~np.array(known)
            self._fresh[fresh] = False


def were_in_training(encoder: Any, characters: Sequence[str]) -> list[bool]:
    """Does an encoder know these characters, whichever form normalisation gives them?"""
    texts = [normalize(character) for character in characters]
    encoded = encoder.encode(texts)
    ends = np.cumsum(encoded.lengths).tolist()
    starts = [end - length for end, length in zip(ends, encoded.lengths.tolist(), strict=True)]
    if encoded.ids.ndim == 2:  # n-grams: the first family is the character itself
        sizes = [len(text.canonical.text) for text in texts]
        both = zip(starts, sizes, strict=True)
        return [bool(encoded.ids[start : start + size, 0].all()) for start, size in both]
    model = encoder.tokenizer.model
    unknown = encoder.tokenizer.token_to_id(getattr(model, "unk_token", None) or "")
    places = zip(starts, ends, strict=True)
    return [unknown is None or unknown not in encoded.ids[start:end] for start, end in places]
