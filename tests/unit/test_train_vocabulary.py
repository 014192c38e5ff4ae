"""Which n-grams the network knows."""

from __future__ import annotations

import numpy as np

from gounmal.model.encoder import hash_features, sequence
from gounmal.text.normalize import normalize
from train.vocabulary import build_vocabulary, telling

CHATTER = [f"오늘 날씨 {word} 좋네요" for word in ("참", "정말", "꽤", "무척")] * 30
RARE = ["시발점 어디", "시발점 맞나요", "시발점까지 걸어서"]
ABUSE = ["야 이 시발아", "시발 뭐야", "시발 진짜"] * 4


def keys(text):
    found = hash_features([sequence(normalize(text))])[0]
    return set(found[found != 0].tolist())


def test_a_rare_but_telling_ngram_beats_a_frequent_one_that_says_nothing():
    texts = [*CHATTER, *ABUSE, *RARE]
    truth = np.zeros((len(texts), 1), np.float32)
    truth[len(CHATTER) : len(CHATTER) + len(ABUSE)] = 1
    truth[: len(CHATTER)] = np.nan  # nobody has said anything of the chatter
    chosen = set(build_vocabulary(texts, truth, size=260, min_count=3).keys.tolist())
    whole = set(build_vocabulary(texts, truth, size=10_000, min_count=3).keys.tolist())

    last = hash_features([sequence(normalize("시발점"))])[0][-1, 2]  # the three characters
    assert len(chosen) == 260 < len(whole)
    assert int(last) in chosen
    assert keys(CHATTER[0]) & whole > keys(CHATTER[0]) & chosen


def test_what_is_seen_too_seldom_is_not_kept():
    truth = np.zeros((4, 1), np.float32)
    vocabulary = build_vocabulary(["가나", "가나", "가나", "다라"], truth, size=100, min_count=3)

    assert keys("가나") & set(vocabulary.keys.tolist())
    assert not keys("다라") - keys("가나") & set(vocabulary.keys.tolist())


def test_g_squared_of_a_worked_example():
    yes, no = np.array([[10.0], [5.0]]), np.array([[0.0], [15.0]])
    share = 16 / 32  # of all: 15 + 1 of 30 + 2

    expected = [
        2 * (10 * np.log(1 / share)),
        2 * (5 * np.log(0.25 / share) + 15 * np.log(0.75 / (1 - share))),
    ]
    np.testing.assert_allclose(telling(yes, no), expected)


def test_a_question_that_nobody_answers_tells_nothing():
    assert telling(np.zeros((3, 2)), np.zeros((3, 2))).tolist() == [0, 0, 0]
