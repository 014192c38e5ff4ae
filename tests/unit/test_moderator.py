"""The core: what it takes, and that no model is asked where there is nothing to judge."""

from __future__ import annotations

import numpy as np
import pytest

from gounmal import Action, Moderator, Policy, Reason
from gounmal.errors import InvalidMessage
from gounmal.moderator import Scored, Scores
from gounmal.schema import LABELS, Mode


class SevereScorer:
    """Finds everything in everything, most of all in nothing."""

    tag = "severe:1"
    thresholds = {mode: dict.fromkeys(LABELS, 0.5) for mode in Mode}  # noqa: RUF012  (never changed)
    span_threshold = 0.5

    def score(self, texts):
        ones = np.ones(len(LABELS), np.float32)
        return [Scored(ones, np.ones((len(t.original), len(LABELS)), np.float32)) for t in texts]


@pytest.mark.parametrize("text", ["", " \n", "\0", "\u200b\u200d", "\ufe0f"])
def test_an_empty_text_is_allowed_with_a_reason_of_its_own(text):
    [decision] = Moderator(SevereScorer()).moderate([text])
    assert (decision.action, decision.reason) == (Action.ALLOW, Reason.EMPTY)
    assert (decision.flagged, decision.labels, decision.spans) == (False, (), ())
    assert set(decision.scores.values()) == {0.0}
    assert decision.masked == text


def test_a_text_that_is_allowlisted_as_a_whole_is_clean():
    policy = Policy.parse({"allowlist": ["시발역"]})
    [decision] = Moderator(SevereScorer(), policy).moderate(["시발역"])
    assert (decision.action, decision.reason) == (Action.ALLOW, Reason.CLEAN)


def test_neighbours_keep_their_places():
    decisions = Moderator(SevereScorer()).moderate(["", "가", "\0", "나"])
    assert [d.flagged for d in decisions] == [False, True, False, True]
    assert [d.masked for d in decisions] == ["", "*", "\0", "*"]


def test_one_text_is_no_list_of_characters():
    with pytest.raises(InvalidMessage, match="expected a list of texts or messages, got one text"):
        Moderator(SevereScorer()).moderate("병신")


def test_many_scores_are_a_sequence_from_both_ends():
    values = np.arange(3 * len(LABELS), dtype=np.float32).reshape(3, -1)
    scores = Scores(values, lambda place: np.full((1, len(LABELS)), place))
    assert [one.scores[0] for one in scores] == [0, 9, 18]
    assert (scores[-1].scores[0], scores[-1].evidence[0, 0]) == (18, 2)
    assert [one.evidence[0, 0] for one in scores[1:]] == [1, 2]
    with pytest.raises(IndexError):
        scores[3]
