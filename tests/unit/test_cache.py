"""The exact-match cache, and what a key depends on."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.config import Settings
from gounmal.errors import InvalidConfiguration
from gounmal.moderator import Moderator
from gounmal.online.cache import MAX_LENGTH, Cache, Keys
from gounmal.policy import Policy
from gounmal.schema import LABELS, Message, Mode

POLICY = {"channels": {"kids": {"mode": "strict"}}}


@pytest.fixture
def moderator(fake_scorer):
    return Moderator(fake_scorer, Policy.parse(POLICY))


@given(st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=60))
def test_it_keeps_what_was_used_last(size, steps):
    [decision] = Moderator(NoScores()).moderate([""])
    cache, model = Cache(size), OrderedDict()
    for put, number in steps:
        key = (str(number), None, None)
        if put:
            cache.put(key, decision)
            model[key] = decision
            model.move_to_end(key)
            while len(model) > size:
                model.popitem(last=False)
        else:
            assert cache.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
        assert len(cache) == len(model) <= size


class NoScores:
    """A scorer for texts in which nothing is visible."""

    tag = "none:1"
    span_threshold = 0.5

    def __init__(self):
        self.thresholds = {mode: dict.fromkeys(LABELS, 0.5) for mode in Mode}

    def score(self, texts):
        assert not texts
        return []


def test_no_id_is_kept(moderator):
    cache, keys = Cache(1), Keys(moderator)
    message = Message("이 바보야", id="7")
    [decision] = moderator.moderate([message])
    cache.put(keys.of(message), decision)
    kept = cache.get(keys.of(Message("이 바보야", id="8")))
    assert kept.id is None
    assert kept.with_id("7") == decision


def test_long_texts_are_not_kept(moderator):
    cache, keys = Cache(2), Keys(moderator)
    for length, kept in ((MAX_LENGTH, 1), (MAX_LENGTH + 1, 1)):
        message = Message("가" * length)
        cache.put(keys.of(message), moderator.moderate([message])[0])
        assert len(cache) == kept


def test_a_key_depends_on_all_that_an_outcome_depends_on_and_on_nothing_else(moderator):
    keys = Keys(moderator)
    one = keys.of(Message("안녕", id="1"))
    assert one == keys.of(Message("안녕", id="2", channel="else"))
    assert one != keys.of(Message("안녕 "))
    assert one != keys.of(Message("안녕", channel="kids"))
    moderator.policy = Policy.parse(POLICY)
    assert one != keys.of(Message("안녕", id="1"))


def test_another_model_has_keys_of_its_own(moderator):
    keys = Keys(moderator)
    one = keys.of(Message("안녕"))
    moderator.scorer = NoScores()
    assert one != keys.of(Message("안녕"))


def test_its_size_and_the_deadline_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GOUNMAL_CACHE", "7")
    monkeypatch.setenv("GOUNMAL_DEADLINE_MS", "250")
    settings = Settings.read(tmp_path)
    assert (settings.cache, settings.deadline) == (7, 0.25)
    monkeypatch.setenv("GOUNMAL_CACHE", "0")
    monkeypatch.setenv("GOUNMAL_DEADLINE_MS", "0")
    settings = Settings.read(tmp_path)
    assert (settings.cache, settings.deadline) == (0, None)
    for wrong in ("many", "-1", "1.5"):
        monkeypatch.setenv("GOUNMAL_CACHE", wrong)
        with pytest.raises(InvalidConfiguration, match="GOUNMAL_CACHE"):
            Settings.read(tmp_path)
