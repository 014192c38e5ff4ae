"""Whom the student listens to."""

from __future__ import annotations

import numpy as np
import pytest

from gounmal.schema import LABELS, Label
from train.data import build
from train.example import Example, harmless, known
from train.mixture import Mixture
from train.teachers import heard, written


@pytest.fixture(scope="module")
def dataset():
    rude = known((Label.PROFANITY, 1.0, 1.0))
    theirs = [Example(f"{word} 또 늦었네", "a", *rude) for word in "가나다"]
    return build([*theirs, harmless("시발점 3호", "negatives", 1.0)])


def test_ours_is_what_we_wrote_its_copies_and_what_it_was_put_into(dataset):
    own = dataset.source.index("negatives")
    mixture = Mixture(
        texts=["theirs", "ours", "a copy of ours", "with a look-alike", "inserted", "unlabelled"],
        origin=[0, own, own, 0, -1, -1],
        labels={4: (Label.PROFANITY,)},
        decoys=[3],
    )

    assert written(dataset, mixture).tolist() == [False, True, True, True, True, False]


def test_of_what_we_wrote_only_those_speak_who_were_shown_it():
    voices = [np.full((2, len(LABELS)), value, np.float32) for value in (1, 2, 6)]
    ours = np.array([False, True])

    said = heard(voices, ours, (True, True, False))

    assert said[:, 0].tolist() == [3, 1.5]
