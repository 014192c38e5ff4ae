import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.model.encoder import (
    N_FEATURES,
    SEPARATOR,
    Vocabulary,
    hash_features,
    keep,
    sequence,
    slots,
)
from gounmal.text.normalize import normalize

LINES = ["시발점에서 만나요", "ㅋㅋㅋ", "", "abc 12", "씹알", "人ㅣ발", "a" * 50]


def features(text):
    """The hashed n-grams of one text, as a set."""
    return set(hash_features([text])[0].ravel().tolist()) - {0}


def vocabulary_of(*texts, size=1000):
    keys, counts = np.unique(hash_features(texts)[0], return_counts=True)
    return keep(keys, counts, size)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6), st.data())
def test_a_message_is_encoded_alike_in_any_company(texts, data):
    i = data.draw(st.integers(0, len(texts) - 1))
    keys, lengths = hash_features(texts)
    start = int(lengths[:i].sum())
    alone, _ = hash_features([texts[i]])
    assert lengths.tolist() == [len(t) for t in texts]
    assert keys.shape == (lengths.sum(), N_FEATURES)
    np.testing.assert_array_equal(keys[start : start + len(texts[i])], alone)


@pytest.mark.parametrize(
    ("plain", "evasive"), [("씨발", "씹알"), ("시발", "시이발"), ("씨발", "쒸뱔"), ("병신", "뼝씬")]
)
def test_what_sounds_alike_shares_ngrams(plain, evasive):
    unrelated = features("커피")
    assert len(features(plain) & features(evasive)) >= 2
    assert not features(plain) & unrelated


def test_order_matters():
    assert features("가나") != features("나가")


def test_vocabulary_finds_what_it_kept_and_nothing_else():
    vocabulary = vocabulary_of(*LINES)
    known = vocabulary.lookup(vocabulary.keys)
    np.testing.assert_array_equal(known, np.arange(1, len(vocabulary) + 1))
    assert vocabulary.lookup(hash_features(["전혀다른"])[0])[:, 2:].max() == 0
    assert vocabulary.lookup(np.zeros(1, np.uint32))[0] == 0


def test_keep_prefers_the_frequent_ones():
    keys = np.array([5, 6, 5 + (1 << 20), 9], np.uint32)  # the first and the third share a slot
    kept = keep(keys, np.array([1, 4, 3, 2]), 3)
    assert kept.keys.tolist() == [6, 5 + (1 << 20), 9]
    assert len(np.unique(slots(kept.keys))) == len(kept)


def test_skeleton_follows_a_separator():
    text = normalize("시1발")
    assert sequence(text) == f"시1발{SEPARATOR}시발"


def test_padding_is_zero_and_masked():
    vocabulary = vocabulary_of(*LINES)
    encoded = vocabulary.encode([normalize(text) for text in LINES])
    ids, mask = encoded.padded(np.array([1, 0, 2]))
    assert ids.shape == (3, encoded.lengths[0], N_FEATURES)
    assert mask[..., 0].sum(axis=1).tolist() == encoded.lengths[[1, 0, 2]].tolist()
    assert not ids[mask[..., 0] == 0].any()
    np.testing.assert_array_equal(ids[1], encoded.ids[: encoded.lengths[0]])


@pytest.mark.parametrize("text", ["시1발 뭐", "ＡＢ\u200b가", "가나다", "ㅋㅋㅋㅋㅋㅋ"])
def test_token_values_land_on_their_characters(text):
    vocabulary = vocabulary_of("가")
    normalized = normalize(text)
    tokens = np.zeros((len(sequence(normalized)), 1), np.float32)
    for i, character in enumerate(normalized.canonical.text):
        tokens[i] = ord(character)
    out = vocabulary.project(normalized, tokens)
    assert out.shape == (len(text), 1)
    view = normalized.canonical
    for character, start, end in zip(view.text, view.starts, view.ends, strict=True):
        assert (out[start:end] == ord(character)).all()


def test_skeleton_evidence_reaches_the_original():
    vocabulary = Vocabulary(np.array([1], np.uint32))
    normalized = normalize("시1발")
    tokens = np.zeros((len(sequence(normalized)), 1), np.float32)
    tokens[-1] = 1  # 발 of the skeleton
    assert vocabulary.project(normalized, tokens)[:, 0].tolist() == [0, 0, 1]
