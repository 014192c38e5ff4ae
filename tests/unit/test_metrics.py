import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from gounmal.evaluation.metrics import (
    Counts,
    average_precision,
    best_f1,
    expected_calibration_error,
    flags,
    recall_at,
    span_counts,
)
from gounmal.policy import Policy, decide
from gounmal.schema import LABELS, Message
from gounmal.text.normalize import normalize

shares = st.floats(0, 1, width=32)


def test_counts_and_ratios():
    counts = Counts.of([1, 1, 1, 0, 0], [1, 0, 1, 1, 0])
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (2, 1, 1, 1)
    assert counts.n == 5
    assert counts.precision == counts.recall == counts.f1 == pytest.approx(2 / 3)
    assert counts.accuracy == pytest.approx(0.6)
    assert counts.false_positive_rate == pytest.approx(0.5)


def test_ratios_of_nothing_are_zero():
    counts = Counts.of([], [])
    assert counts.precision == counts.recall == counts.f1 == counts.accuracy == 0
    assert counts.false_positive_rate == 0


@given(st.lists(st.tuples(st.booleans(), shares), min_size=1, max_size=30))
def test_average_precision_is_that_of_scikit_learn(pairs):
    truth, scores = (np.asarray(column) for column in zip(*pairs, strict=True))
    found = average_precision(truth, scores)
    if not truth.any():
        assert math.isnan(found)
    else:
        assert found == pytest.approx(average_precision_score(truth, scores))


@given(st.lists(st.tuples(st.booleans(), shares), min_size=1, max_size=30))
def test_best_f1_is_reached_at_its_threshold_and_nowhere_beaten(pairs):
    truth, scores = (np.asarray(column) for column in zip(*pairs, strict=True))
    found, threshold = best_f1(truth, scores)
    if not truth.any():
        assert math.isnan(found)
        return
    assert Counts.of(truth, scores >= threshold).f1 == pytest.approx(found)
    assert all(Counts.of(truth, scores >= t).f1 <= found + 1e-9 for t in scores)


def test_calibration_error_of_the_honest_and_of_the_boaster():
    scores = np.repeat([0.1, 0.9], 500)
    honest = np.concatenate([np.arange(500) < 50, np.arange(500) < 450])
    assert expected_calibration_error(honest, scores) == pytest.approx(0, abs=1e-9)
    assert expected_calibration_error(~honest, scores) == pytest.approx(0.8)
    assert expected_calibration_error([True, True], [1.0, 1.0]) == 0
    assert math.isnan(expected_calibration_error([], []))


@given(
    st.lists(shares, min_size=len(LABELS), max_size=len(LABELS)),
    st.lists(shares, min_size=len(LABELS), max_size=len(LABELS)),
)
def test_flags_are_the_labels_that_the_policy_finds(scores, limits):
    thresholds = dict(zip(LABELS, limits, strict=True))
    values = np.asarray(scores, np.float32)
    decision = decide(
        Message("가나다"),
        normalize("가나다"),
        values,
        np.zeros((3, len(LABELS)), np.float32),
        limits=limits,
        span_threshold=0.5,
        policy=Policy(),
        model="m:1",
    )
    (found,) = flags(values[None], thresholds)
    assert {label for label, yes in zip(LABELS, found, strict=True) if yes} == set(decision.labels)


def test_spans_are_counted_by_character():
    counts = span_counts([5, 4], [[(0, 2), (1, 3)], []], [[(2, 4)], [(0, 1)]])
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (1, 2, 2, 4)
    with pytest.raises(ValueError, match="zip"):
        span_counts([1], [], [])


@given(
    st.lists(st.tuples(st.booleans(), shares), min_size=1, max_size=30),
    st.sampled_from([0.0, 0.1, 0.34, 1.0]),
)
def test_recall_at_a_rate_is_the_best_that_keeps_to_it(pairs, rate):
    truth, scores = (np.asarray(column) for column in zip(*pairs, strict=True))
    found = recall_at(truth, scores, rate)
    if not truth.any():
        assert math.isnan(found)
        return
    limits = [*scores, 2.0]
    tried = (Counts.of(truth, scores >= limit) for limit in limits)
    kept = [counts.recall for counts in tried if counts.false_positive_rate <= rate + 1e-9]
    assert found == pytest.approx(max(kept))
