from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train import splits

SYLLABLES = [chr(c) for c in range(ord("가"), ord("가") + 4000, 7)]


def sentences(n, *, length=30, seed=0):
    rng = Random(seed)  # noqa: S311  (not for secrets)
    return ["".join(rng.choices(SYLLABLES, k=length)) for _ in range(n)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("안녕 하세요!!", "안녕하세요"),
        ("ABC 마켓", "abc마켓"),
        ("좋아아아요ㅋㅋㅋㅋ", "좋아요ㅋㅋ"),
        ("１２번 방송", "번방송"),
    ],
)
def test_key_folds_what_copies_differ_in(one, other):
    assert splits.key(one) == splits.key(other)


def test_key_of_a_text_without_letters_is_the_text():
    assert splits.key(" 1004 ") == "1004"
    assert splits.key("!!") != splits.key("??")


def test_near_duplicates_share_a_group_and_strangers_do_not():
    base = sentences(300)
    rng = Random(1)  # noqa: S311  (not for secrets)
    edited = []
    for text in base:
        at = rng.randrange(len(text))
        edited.append(text[:at] + rng.choice(SYLLABLES) + text[at + 1 :])
    groups = splits.group(base + edited)
    same = groups[: len(base)] == groups[len(base) :]
    assert same.mean() > 0.97
    assert len(np.unique(groups[: len(base)])) == len(base)


def test_short_and_empty_keys_group_by_equality_only():
    groups = splits.group(["가", "나", "가", "", "가나다"])
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 4


def test_texts_that_belong_together_share_a_group():
    groups = splits.group(sentences(4), [(0, 3)])
    assert groups[0] == groups[3]
    assert len(set(groups.tolist())) == 3


def test_nothing_is_grouped_of_nothing():
    assert splits.group([]).shape == (0,)
    assert splits.assign(np.zeros(0, np.int64), []).shape == (0,)


def test_shares_are_as_declared():
    keys = sentences(6000, length=8)
    split = splits.assign(np.arange(len(keys)), keys)
    shares = np.bincount(split, minlength=3) / len(keys)
    assert shares == pytest.approx(splits.SHARES, abs=0.02)


def test_a_group_stays_where_it_is_when_others_come():
    keys = sentences(200, length=8)
    before = splits.assign(np.arange(100), keys[:100])
    after = splits.assign(np.arange(200), keys)
    assert np.array_equal(before, after[:100])


@given(st.lists(st.text(max_size=12), max_size=20), st.randoms(use_true_random=False))
def test_order_of_texts_does_not_matter(texts, rng):
    order = list(range(len(texts)))
    rng.shuffle(order)
    keys = [splits.key(text) for text in texts]
    mixed = [keys[i] for i in order]
    split = splits.assign(splits.group(keys), keys)
    again = splits.assign(splits.group(mixed), mixed)
    assert [split[i] for i in order] == again.tolist()
