from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import InvalidPolicy
from gounmal.policy import Policy, decide, exempt, limits_of
from gounmal.schema import LABELS, Action, Label, Message, Mode, Reason, Source
from gounmal.text.normalize import normalize

THRESHOLDS = {
    Mode.LENIENT: dict.fromkeys(LABELS, 0.9),
    Mode.BALANCED: dict.fromkeys(LABELS, 0.5),
    Mode.STRICT: dict.fromkeys(LABELS, 0.2),
}


def judge(text, scores=None, *, policy=None, evidence=None, channel=None):
    """Decide on a text with these scores; labels not named score 0."""
    policy = (policy or Policy()).for_channel(channel)
    vector = np.array([(scores or {}).get(label, 0) for label in LABELS], np.float32)
    if evidence is None:
        evidence = np.zeros((len(text), len(LABELS)), np.float32)
    return decide(
        Message(text, id="7", channel=channel),
        normalize(text),
        vector,
        evidence,
        limits=limits_of(policy, THRESHOLDS),
        span_threshold=0.5,
        policy=policy,
        model="test:1",
    )


def evidence_at(text, label, start, end):
    evidence = np.zeros((len(text), len(LABELS)), np.float32)
    evidence[start:end, LABELS.index(label)] = 0.9
    return evidence


def test_clean_line_is_allowed():
    decision = judge("안녕하세요")
    assert decision.action is Action.ALLOW
    assert not decision.flagged
    assert decision.reason is Reason.CLEAN
    assert decision.masked == "안녕하세요"
    assert decision.id == "7"


@pytest.mark.parametrize(("mode", "flagged"), [("lenient", False), ("balanced", True)])
def test_mode_chooses_the_thresholds(mode, flagged):
    policy = Policy.parse({"mode": mode})
    assert judge("바보", {Label.INSULT: 0.7}, policy=policy).flagged is flagged


def test_own_threshold_replaces_that_of_the_mode():
    policy = Policy.parse({"thresholds": {"insult": 0.8}})
    assert not judge("바보", {Label.INSULT: 0.7}, policy=policy).flagged
    assert judge("바보", {Label.PROFANITY: 0.7}, policy=policy).flagged


def test_score_at_the_threshold_is_flagged():
    assert judge("바보", {Label.INSULT: 0.5}).labels == (Label.INSULT,)


def test_most_severe_action_counts():
    both = {Label.PROFANITY: 0.9, Label.HATE_AGE: 0.9}
    assert judge("어쩌고", {Label.PROFANITY: 0.9}).action is Action.MASK
    assert judge("어쩌고", both).action is Action.BLOCK


def test_kind_of_hate_brings_hate_along():
    decision = judge("어쩌고", {Label.HATE_AGE: 0.9})
    assert decision.labels == (Label.HATE, Label.HATE_AGE)
    assert decision.scores[Label.HATE] == pytest.approx(0.9)


def test_kind_follows_its_parent_unless_named():
    policy = Policy.parse({"actions": {"hate": "hold", "hate/politics": "allow"}})
    assert judge("어쩌고", {Label.HATE_AGE: 0.9}, policy=policy).action is Action.HOLD
    assert policy.action(Label.HATE_POLITICS) is Action.ALLOW


def test_a_kind_of_hate_with_an_action_of_its_own_speaks_for_hate():
    policy = Policy.parse({"actions": {"hate": "block", "hate/politics": "hold"}})
    politics = judge("어쩌고", {Label.HATE: 0.9, Label.HATE_POLITICS: 0.9}, policy=policy)
    assert (politics.action, politics.labels) == (Action.HOLD, (Label.HATE, Label.HATE_POLITICS))
    assert judge("어쩌고", {Label.HATE: 0.9}, policy=policy).action is Action.BLOCK
    both = {Label.HATE_AGE: 0.9, Label.HATE_POLITICS: 0.9}
    assert judge("어쩌고", both, policy=policy).action is Action.BLOCK


def test_a_blocklisted_label_is_not_softened_by_what_the_model_finds():
    entry = {"text": "멍청이", "label": "hate"}
    policy = Policy.parse({"actions": {"hate/politics": "hold"}, "blocklist": [entry]})
    assert judge("멍청이", {Label.HATE_POLITICS: 0.9}, policy=policy).action is Action.BLOCK


def test_overlapping_spans_of_one_label_are_one():
    policy = Policy.parse({"blocklist": ["시발", "발놈"]})
    evidence = evidence_at("야 시발놈아", Label.PROFANITY, 4, 6)
    decision = judge("야 시발놈아", {Label.PROFANITY: 0.9}, policy=policy, evidence=evidence)
    [span] = decision.spans
    assert (span.start, span.end, span.source) == (2, 6, Source.BLOCKLIST)
    assert decision.masked == "야 ****"


def test_span_covers_the_evidence_and_masks_it():
    text = "야 이 바보 야"
    decision = judge(text, {Label.INSULT: 0.9}, evidence=evidence_at(text, Label.INSULT, 3, 6))
    assert [(s.start, s.end, s.label) for s in decision.spans] == [(4, 6, Label.INSULT)]
    assert decision.masked == "야 이 ** 야"


def test_flagged_line_without_strong_evidence_points_at_the_word_with_most():
    text = "정말 바보 같다"
    evidence = evidence_at(text, Label.INSULT, 3, 4) / 3
    decision = judge(text, {Label.INSULT: 0.9}, evidence=evidence)
    assert [(s.start, s.end) for s in decision.spans] == [(3, 5)]


@pytest.mark.parametrize("text", ["멍청이", "멍.청.이", "멍\u200b청이"])
def test_blocklist_sees_through_disguise(text):
    policy = Policy.parse({"blocklist": [{"text": "멍청이", "label": "insult"}]})
    decision = judge(text, policy=policy)
    assert decision.reason is Reason.BLOCKLIST
    assert decision.labels == (Label.INSULT,)
    assert {s.source for s in decision.spans} == {Source.BLOCKLIST}
    assert (decision.spans[0].start, decision.spans[0].end) == (0, len(text))


def test_allowlisted_expression_is_not_shown_to_the_model():
    policy = Policy.parse({"allowlist": ["시발점"]})
    shown = exempt(normalize("여기가 시발점 이다"), policy)
    assert shown == "여기가     이다"
    assert exempt(normalize("시발역"), policy) == "시발역"


def test_channel_rules_replace_and_add():
    policy = Policy.parse(
        {
            "blocklist": ["사과"],
            "channels": {"kids": {"mode": "strict", "blocklist": ["배"]}},
        }
    )
    assert policy.for_channel("kids").mode is Mode.STRICT
    assert policy.for_channel("other").mode is Mode.BALANCED
    assert [judge(t, policy=policy, channel="kids").flagged for t in ("사과", "배")] == [True, True]
    assert [judge(t, policy=policy).flagged for t in ("사과", "배")] == [True, False]


@pytest.mark.parametrize("text", ["", "  \n", "\u200b\u200d"])
def test_nothing_to_judge_has_a_reason_of_its_own(text):
    decision = judge(text)
    assert decision.reason is Reason.EMPTY
    assert not decision.flagged


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"mod": "strict"}, "mod"),
        ({"mode": "harsh"}, "mode"),
        ({"actions": {"profanty": "mask"}}, "actions"),
        ({"thresholds": {"insult": 1.5}}, "thresholds.insult"),
        ({"blocklist": [""]}, "blocklist.0"),
        ({"blocklist": ["\u200b\u200d"]}, "no visible character"),
        ({"allowlist": ["\u3164"]}, "no visible character"),
        ({"channels": {"kids": {"channels": {}}}}, "channels.kids.channels"),
        ([], "the file"),
    ],
)
def test_what_is_not_in_the_vocabulary_is_refused_by_name(content, named):
    with pytest.raises(InvalidPolicy, match=named):
        Policy.parse(content)


def test_file_errors_name_the_file(tmp_path):
    with pytest.raises(InvalidPolicy, match="none"):
        Policy.load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("mode: [", encoding="utf-8")
    with pytest.raises(InvalidPolicy, match="bad"):
        Policy.load(tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("blocklist: [가]\nblocklist: [나]\n", encoding="utf-8")
    with pytest.raises(InvalidPolicy, match="'blocklist' is there twice"):
        Policy.load(tmp_path / "bad.yaml")


def test_shipped_policy_file_says_the_defaults():
    from pathlib import Path

    shipped = Policy.load(Path(__file__).parents[2] / "policy.yaml")
    assert shipped == Policy()


@given(
    text=st.text(max_size=30) | st.text("가나 ", max_size=9),
    scores=st.lists(st.floats(0, 1), min_size=9, max_size=9),
    mode=st.sampled_from(Mode),
    seed=st.integers(0, 2**32 - 1),
)
def test_decide_is_total_and_consistent(text, scores, mode, seed):
    evidence = np.random.default_rng(seed).random((len(text), len(LABELS)), np.float32)
    policy = Policy.parse({"mode": mode.value, "blocklist": ["가", "가나"]})
    decision = judge(text, dict(zip(LABELS, scores, strict=True)), policy=policy, evidence=evidence)
    assert decision.flagged == bool(decision.labels)
    assert (decision.action is Action.ALLOW) == (not decision.flagged)
    assert len(decision.masked) == len(text)
    assert all(0 <= s.start < s.end <= len(text) for s in decision.spans)
    assert {s.label for s in decision.spans} <= set(decision.labels)
    for label in decision.labels:
        assert label.parent is None or label.parent in decision.labels
    for label in decision.labels:
        own = [s for s in decision.spans if s.label is label]
        assert all(a.end <= b.start for a, b in pairwise(own))
    starred = {i for s in decision.spans for i in range(s.start, s.end)}
    assert all(
        a == b
        for i, (a, b) in enumerate(zip(text, decision.masked, strict=True))
        if i not in starred
    )
