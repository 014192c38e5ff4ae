"""What tests of several rooms share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

from gounmal.moderator import Scored
from gounmal.schema import LABELS, Label, Mode

# A machine that is busy with something else is no reason for a test to fail.
settings.register_profile("gounmal", deadline=None)
settings.load_profile("gounmal")

WORDS = {"바보": Label.INSULT, "젠장": Label.PROFANITY, "오랑캐": Label.HATE_ORIGIN}


class FakeScorer:
    """A `Scorer` that knows three words and finds them in plain sight only."""

    tag = "fake:1"
    span_threshold = 0.5

    def __init__(self):
        self.thresholds = {mode: dict.fromkeys(LABELS, 0.5) for mode in Mode}
        self.calls = []

    def score(self, texts):
        self.calls.append([text.original for text in texts])
        return [self._one(text.original) for text in texts]

    def _one(self, text):
        evidence = np.zeros((len(text), len(LABELS)), np.float32)
        for word, label in WORDS.items():
            start = text.find(word)
            if start >= 0:
                evidence[start : start + len(word), LABELS.index(label)] = 1
        scores = np.full(len(LABELS), 0.01, np.float32)
        return Scored(np.maximum(scores, evidence.max(0, initial=0)), evidence)


@pytest.fixture
def fake_scorer():
    return FakeScorer()
