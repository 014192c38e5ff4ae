"""Texts judged in bulk: what is in the columns is what each message alone gets."""

from dataclasses import asdict

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gounmal.files.outcomes import COLUMNS, decided, flat
from gounmal.files.reader import Chunk
from gounmal.files.records import Problem, Record
from gounmal.moderator import Moderator
from gounmal.policy import Policy
from gounmal.scan.judge import Judge
from gounmal.scan.memory import Memory
from gounmal.schema import LABELS, Decision, Message, Reason
from gounmal.screening import Screened, harmless_decision, screen

POLICY = Policy.parse(
    {
        "blocklist": ["품절"],
        "allowlist": ["바보상자"],
        "channels": {
            "loud": {"mode": "strict", "blocklist": ["안녕"], "allowlist": ["젠장"]},
            "calm": {"thresholds": {"insult": 1.0, "profanity": 0.005}},
        },
    }
)
CHANNELS = st.sampled_from([None, "loud", "calm", "other"])
TEXTS = st.text(
    st.sampled_from("바보상자젠장품절안녕 오랑캐1\u200b~"), max_size=9
) | st.sampled_from(
    ["", " ", "바보", "바보상자", "젠장", "품절", "안녕하세요", "오랑캐 바보", "바 보 상 자 바보"]
)
MESSAGES = st.lists(st.tuples(TEXTS, CHANNELS), min_size=1, max_size=9)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it has no state
@given(MESSAGES)
def test_columns_hold_what_each_message_alone_gets(fake_scorer, messages):
    moderator = Moderator(fake_scorer, POLICY)
    texts, channels = map(list, zip(*messages, strict=True))
    policies = [POLICY.for_channel(channel) for channel in channels]
    screened = screen(moderator, texts, policies)
    alone = [moderator.moderate([Message(text, channel=c)])[0] for text, c in messages]
    for i, decision in enumerate(alone):
        assert screened.scores[i].tolist() == list(decision.scores.values())
        assert screened.empty[i] == (decision.reason is Reason.EMPTY)
        assert (i in screened.found) == decision.flagged
        harmless = harmless_decision(moderator, texts[i], screened, i, policies[i])
        assert screened.found.get(i, harmless) == decision


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it has no state
@given(MESSAGES, st.data())
def test_the_columns_of_a_file_hold_what_was_decided_of_each_row(fake_scorer, messages, data):
    problems = [data.draw(st.sampled_from([None, None, Problem.LENGTH])) for _ in messages]
    rows = [Record({"text": text, "channel": channel}, None, 1) for text, channel in messages]
    judge = Judge(Moderator(fake_scorer, POLICY), text="text", channel="channel")
    outcomes = judge(Chunk(0, problems, 1.0, rows))
    columns = [column.to_pylist() for column in decided(outcomes)]
    assert list(zip(*columns, strict=True)) == [as_read(outcome) for outcome in outcomes]
    distinct = [outcomes.distinct[place] for place in outcomes.places]
    assert distinct == list(outcomes)
    judged = [isinstance(outcome, Decision) for outcome in outcomes]
    assert outcomes.judged[outcomes.places].tolist() == judged
    flags = [isinstance(outcome, Decision) and outcome.flagged for outcome in outcomes]
    assert outcomes.flagged[outcomes.places].tolist() == flags
    places = outcomes.places.tolist()
    assert outcomes.first.tolist() == [places.index(i) for i in range(len(outcomes.distinct))]
    assert outcomes.counts.tolist() == [places.count(i) for i in range(len(outcomes.distinct))]


def as_read(outcome):
    """The decision columns of a row, as they come back from Parquet."""
    row = dict(zip(COLUMNS, flat(outcome), strict=True))
    if isinstance(outcome, Decision):
        row |= {"labels": list(row["labels"]), "spans": list(map(asdict, row["spans"]))}
        row |= {n: float(np.float32(row[n])) for n in row if n.startswith("score_")}
    return tuple(row.values())


def test_what_is_asked_for_again_is_what_was_found_last():
    memory, seen = Memory(3), {}
    for turn, keys in enumerate(("ab", "c", "a", "de", "cf", "abcdefgh", "h", "")):
        unknown = recalled(memory, keys, seen)
        fresh = Screened.blank(len(unknown))
        fresh.scores[:] = turn
        fresh.empty[:] = turn % 2
        fresh.found.update({i: (key, turn) for i, key in enumerate(unknown) if key in "aceg"})
        memory.remember(unknown, fresh)
        seen |= dict.fromkeys(unknown, turn)
        assert len(memory) <= 3
    assert [key for key in "abcdefgh" if key not in recalled(memory, "abcdefgh", seen)] == [*"dgh"]


def recalled(memory, keys, seen):
    """The keys that a memory does not know; what it says of the others is as when last seen."""
    into = Screened.blank(len(keys))
    unknown = memory.recall(dict(enumerate(keys)), into)
    for place, key in enumerate(keys):
        known = place not in unknown
        assert np.isnan(into.scores[place]).all() != known
        if known:
            assert set(into.scores[place]) == {seen[key]}
            assert into.empty[place] == seen[key] % 2
        assert into.found.get(place) == ((key, seen[key]) if known and key in "aceg" else None)
    return [keys[place] for place in unknown]


def test_a_text_that_comes_again_is_remembered_for_longer():
    memory = Memory(2)
    for key in "aba":
        unknown = memory.recall({0: key}, Screened.blank(1))
        memory.remember([key for _ in unknown], Screened.blank(len(unknown)))
    memory.remember(["c"], Screened.blank(1))
    assert memory.recall(dict(enumerate("abc")), Screened.blank(3)) == [1]


def test_no_engine_is_asked_about_nothing(fake_scorer):
    judge = Judge(Moderator(fake_scorer), text="text")
    rows = [Record({"text": None}, None, 0)] * 3
    outcomes = judge(Chunk(0, [Problem.MISSING] * 3, 1.0, rows))
    assert list(outcomes) == [Problem.MISSING] * 3
    assert fake_scorer.calls == []
    assert [column.null_count for column in decided(outcomes)][: len(LABELS)] == [3] * len(LABELS)
