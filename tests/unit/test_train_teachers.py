"""Whom the student listens to."""

from __future__ import annotations

import numpy as np
import pytest

from gounmal.schema import LABELS, Label
from train.data import build
from train.example import Example, harmless, known
from train.mixture import Mixture
from train.teachers import ALL_SEE, heard, parts_of

COUNT = 3


@pytest.fixture(scope="module")
def dataset():
    rude = known((Label.PROFANITY, 1.0, 1.0))
    examples = [
        Example(f"{word} 또 늦었네 {i}", "a", *rude) for i, word in enumerate("가나다라마바")
    ]
    examples += [Example(f"가 또 늦었네 {i}!", "a", *rude) for i in range(10, 20)]
    return build([*examples, harmless("시발점 3호", "negatives", 1.0)])


@pytest.fixture
def voices():
    """Each teacher says its own number of every text, and a hundred times the text's."""
    rows = np.tile(100 * np.arange(6, dtype=np.float32)[:, None], (1, len(LABELS)))
    return [rows + part for part in range(COUNT)]


def test_near_duplicates_are_kept_from_the_same_teacher_and_our_own_from_none(dataset):
    parts = parts_of(dataset, COUNT)

    assert set(parts_of(dataset, 0).tolist()) == {ALL_SEE}
    own = [source == "negatives" for source in dataset.source]
    assert (parts == ALL_SEE).tolist() == own
    for group in set(dataset.group.tolist()):
        assert len(set(parts[dataset.group == group].tolist())) == 1


def test_of_a_text_speaks_who_was_not_shown_it(voices):
    mixture = Mixture(texts=["a", "b", "c"], origin=[0, 1, 2])

    said = heard(mixture, np.array([2, 0, 1]), [v[:3] for v in voices], honest=False)

    np.testing.assert_array_equal(said[:, 0], [2, 100, 201])


def test_of_what_all_or_none_were_shown_they_speak_together(voices):
    mixture = Mixture(texts=["own", "unlabelled"], origin=[0, -1])

    said = heard(mixture, np.array([ALL_SEE]), [v[:2] for v in voices], honest=True)

    np.testing.assert_array_equal(said[:, 0], [1, 101])


def test_of_a_copy_is_said_what_is_said_of_the_honest_line(voices):
    mixture = Mixture(texts=["a", "ㅏ", "b", "b 시발점"], origin=[5, 5, 0, 0])

    parts, spoken = np.array([1, -1, -1, -1, -1, 2]), [v[:4] for v in voices]

    said = [heard(mixture, parts, spoken, honest=honest)[:, 0].tolist() for honest in (True, False)]

    assert said == [[2, 2, 201, 201], [2, 102, 201, 301]]
