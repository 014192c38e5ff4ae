"""What a summary counts, and that counting it takes no more memory for a longer file."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.files.columns import Role
from gounmal.files.outcomes import Outcomes
from gounmal.files.reader import Chunk
from gounmal.files.records import Problem, Record
from gounmal.moderator import Moderator
from gounmal.policy import Policy
from gounmal.report import findings, queues, tally
from gounmal.report.findings import Expressions, Offenders, pseudonym
from gounmal.report.moments import Moments
from gounmal.report.queues import Seen
from gounmal.report.sketch import Frequent, Smallest
from gounmal.report.tally import Tally
from gounmal.report.timeline import Times
from gounmal.schema import LABELS, Action, Decision, Label, Mode, Reason, Source, Span

STREAM = st.lists(st.integers(0, 30), max_size=300)


@given(STREAM, st.integers(1, 10))
def test_frequent_counts_are_never_too_high_nor_too_low_by_more_than_it_says(stream, capacity):
    sketch = Frequent(capacity)
    for key in stream:
        sketch.add(key)
    exact = Counter(stream)
    assert len(sketch.counts) < 2 * capacity
    assert sketch.error <= len(stream) / capacity
    for key, count in exact.items():
        assert count - sketch.error <= sketch.counts[key] <= count


@given(st.lists(STREAM, max_size=6), st.integers(1, 10))
def test_merged_frequent_counts_keep_the_same_bounds(streams, capacity):
    merged = Frequent(capacity)
    for stream in streams:
        part = Frequent(capacity)
        for key in stream:
            part.add(key)
        merged.merge_dict(part.to_dict(), int)
    exact = Counter(key for stream in streams for key in stream)
    assert len(merged.counts) < 2 * capacity
    assert merged.error <= exact.total() / capacity
    for key, count in exact.items():
        assert count - merged.error <= merged.counts[key] <= count


@given(STREAM)
def test_frequent_is_exact_while_it_has_room(stream):
    sketch = Frequent(31)
    for key in stream:
        sketch.add(key)
    assert (sketch.error, sketch.counts) == (0, Counter(stream))
    assert sketch.top(3) == sorted(Counter(stream).items(), key=lambda i: (-i[1], str(i[0])))[:3]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5))), st.integers(1, 5))
def test_smallest_keeps_the_smallest_distinct_in_any_order(ranks, size):
    kept = Smallest(size)
    for rank in ranks:
        kept.add(rank, rank)
    assert kept.values() == sorted(set(ranks))[:size]


def decision(text, *spans, scores=None, reason=Reason.MODEL):
    spans = tuple(Span(s, e, label, Source.MODEL) for s, e, label in spans)
    labels = tuple(dict.fromkeys(span.label for span in spans))
    return Decision(
        action=Action.HOLD if spans else Action.ALLOW,
        flagged=bool(spans),
        labels=labels,
        scores={label: 0.9 if label in labels else 0.1 for label in Label} | (scores or {}),
        spans=spans,
        masked=text,
        reason=reason,
        model="fake:1",
        mode=Mode.BALANCED,
    )


P, I = Label.PROFANITY, Label.INSULT  # noqa: E741


def test_spellings_of_one_expression_share_a_line():
    expressions = Expressions()
    decomposed = "\u1107\u1161\u1107\u1169"
    for text, count in (("바보", 5), (decomposed, 2), ("젠장", 6)):
        expressions.add(text, decision(text, (0, len(text), I)), count)
    first, second = expressions.top()
    assert (first.count, first.label) == (7, "insult")
    assert [(v.text, v.count) for v in first.variants] == [("바보", 5), (decomposed, 2)]
    assert (second.count, [v.text for v in second.variants]) == (6, ["젠장"])


def test_an_expression_counts_once_however_many_labels_it_has():
    expressions = Expressions()
    text = "야 이 바보야 젠장"
    expressions.add(text, decision(text, (2, 7, I), (4, 6, P), (8, 10, I)), 3)
    assert [(e.key, e.label, e.count) for e in expressions.top()] == [
        *(("바보", "profanity", 3), ("젠장", "insult", 3)),
    ]


def test_a_sentence_is_no_expression():
    expressions = Expressions()
    text = "가나다라 " * 10
    expressions.add(text, decision(text, (0, len(text), I)), 1)
    assert expressions.top() == []


def test_offenders_are_those_who_did_it_again():
    offenders, times = Offenders(), Times()
    for user, when in (("kim", 70), ("lee", 80), ("kim", 10), ("kim", None), (7, 90), ("7", 95)):
        if when is not None:
            times.add(when, flagged=True)
        offenders.add(user, when)
    assert [
        (o.pseudonym, o.count, o.first_s, o.last_s) for o in offenders.top(times, key=b"key")
    ] == [
        (pseudonym("kim", b"key"), 3, 10, 70),
        (pseudonym("7", b"key"), 2, 90, 95),
    ]


def test_pseudonyms_need_the_key():
    assert pseudonym("kim", b"a") != pseudonym("kim", b"b")
    assert pseudonym("kim", b"a") == pseudonym("kim", b"a")
    assert "kim" not in pseudonym("kim", b"a")
    assert pseudonym("k\udcffim", b"a")


def test_users_are_bounded(monkeypatch):
    monkeypatch.setattr(findings, "USERS", 10)
    offenders = Offenders()
    for number in range(1_000):
        offenders.add(f"once{number}", 1.0)
        offenders.add("often", 2.0)
    assert len(offenders._times) <= 41
    [often] = offenders.top(counted_times(), key=b"key")
    assert 1_000 - offenders.counts.error <= often.count <= 1_000


def counted_times():
    times = Times()
    times.add(0, flagged=True)
    return times


@pytest.fixture
def counted(fake_scorer):
    """Make a Tally of rows, each (text, outcome, user, time, channel)."""

    def count(rows, policy=None):
        roles = {role: role.value for role in Role}
        counting = Tally(roles, Moderator(fake_scorer, policy))
        for start in range(0, len(rows), 3):
            part = rows[start : start + 3]
            records = [
                Record({"text": t, "user": u, "time": w, "channel": c}, None, 1)
                for t, _, u, w, c in part
            ]
            chunk = Chunk(start, [None] * len(part), 1.0, records)
            counting.add(chunk, outcomes_of([outcome for _, outcome, *_ in part]))
        names = ("gounmal", "title", "source", "format", "encoding", "model", "mode")
        return counting.counts.summary(key=b"key", files=["a"], **dict.fromkeys(names, ""))

    return count


def outcomes_of(rows):
    """What became of rows, which share an outcome where it is the same object."""
    distinct = list({id(outcome): outcome for outcome in rows}.values())
    judged = [isinstance(outcome, Decision) for outcome in distinct]
    return Outcomes(
        places=np.array([next(i for i, o in enumerate(distinct) if o is row) for row in rows]),
        texts=[o.masked if known else None for o, known in zip(distinct, judged, strict=True)],
        scores=np.array(
            [
                list(o.scores.values()) if known else [np.nan] * len(LABELS)
                for o, known in zip(distinct, judged, strict=True)
            ]
        ),
        empty=np.zeros(len(distinct), bool),
        found={i: o for i, o in enumerate(distinct) if not judged[i] or o.flagged},
        harmless=distinct.__getitem__,
    )


def test_everything_is_counted(counted):
    bad, good = decision("바보", (0, 2, I)), decision("좋아", reason=Reason.CLEAN)
    summary = counted(
        [
            ("바보", bad, "kim", 1, None),
            ("좋아", good, "kim", 2, None),
            ("바보", bad, "kim", 65, None),
            ("바보", bad, "", 66, None),
            (None, Problem.MISSING, "lee", "?", None),
            ("바보", bad, None, 70, None),
        ]
    )
    assert (summary.rows, summary.judged, summary.flagged, summary.invalid) == (6, 5, 4, 1)
    assert summary.flagged_share == 0.8
    assert summary.problems == {"missing": 1}
    assert summary.actions == {"allow": 1, "mask": 0, "hold": 4, "block": 0}
    assert summary.labels["insult"] == 4
    assert summary.untimed == 1
    assert [(b.messages, b.flagged) for b in summary.timeline.buckets] == [(2, 1), (3, 3)]
    assert [(o.count, o.first_s, o.last_s) for o in summary.offenders] == [(2, 1, 65)]
    [sample] = summary.samples
    assert (sample.row, sample.offset_s, sample.masked, sample.label) == (1, 1, "바보", "insult")


def test_lines_near_the_threshold_are_for_review_on_both_sides(counted):
    def scored(text, value):
        spans = [(0, 1, I)] if value >= 0.5 else []
        return (text, decision(text, *spans, scores={I: value}), "u", 0, None)

    summary = counted([scored(str(v), v) for v in (0.05, 0.37, 0.42, 0.49, 0.52, 0.59, 0.63, 0.9)])
    near = [line for line in summary.review if "near" in line.kinds]
    assert [line.masked for line in near] == ["0.49", "0.52", "0.42", "0.59"]
    assert {line.threshold for line in near} == {0.5}


def test_near_is_told_by_odds_since_thresholds_differ(counted):
    policy = Policy.parse({"thresholds": {"insult": 0.05}})
    texts = (("없음", 0.001), ("조금", 0.04), ("더", 0.06))
    rows = [
        (t, decision(t, scores=dict.fromkeys(Label, 0.0) | {I: s}), "u", 0, None) for t, s in texts
    ]
    near = [line.masked for line in counted(rows, policy).review if "near" in line.kinds]
    assert near == ["더", "조금"]


def test_review_goes_by_the_rules_of_the_channel(counted):
    policy = Policy.parse({"channels": {"quiet": {"thresholds": {"insult": 0.2}}}})
    low = decision("낮음", scores={I: 0.15})
    high = decision("높음", scores={I: 0.45})
    summary = counted([("낮음", low, "u", 0, "quiet"), ("높음", high, "u", 0, "loud")], policy)
    assert {(line.masked, line.threshold) for line in summary.review} == {
        ("낮음", 0.2),
        ("높음", 0.5),
    }


def test_what_only_the_blocklist_found_is_for_review(counted):
    def listed(text, score):
        return replace(
            decision(text),
            spans=(Span(0, 1, I, Source.MODEL), Span(0, 2, P, Source.BLOCKLIST)),
            flagged=True,
            labels=(P,),
            action=Action.MASK,
            reason=Reason.BLOCKLIST,
            scores=dict.fromkeys(Label, score),
        )

    summary = counted([(t, listed(t, s), "u", 0, None) for t, s in (("품절", 0.45), ("매진", 0.9))])
    kinds = {line.masked: line.kinds for line in summary.review}
    assert kinds == {"품절": ["disagreement", "flagged"], "매진": ["flagged"]}
    assert [line.label for line in summary.samples] == ["profanity", "profanity"]


def test_random_samples_are_of_rows_and_each_text_is_shown_once(counted, monkeypatch):
    good, bad = decision("좋아", reason=Reason.CLEAN), decision("바보", (0, 2, I))
    rows = [("좋아", good, f"u{i}", i, None) for i in range(7)]
    rows += [("바보", bad, "kim", 5, None)] * 3 + [("바보", bad, "kim", 6, None)]
    summary = counted(rows)
    found = {line.masked: (line.kinds, line.drawn, line.row) for line in summary.review}
    assert found == {"좋아": (["unflagged"], 7, 1), "바보": (["flagged"], 2, 8)}
    monkeypatch.setattr(tally, "DRAWN", 5)
    monkeypatch.setattr(queues, "DRAWN", 5)
    assert {line.masked: line.drawn for line in counted(rows).review} == {"좋아": 5, "바보": 2}


def test_peaks_come_with_what_was_said(counted):
    good, bad = decision("좋아", reason=Reason.CLEAN), decision("바보", (0, 2, I))
    rows = [("좋아", good, f"u{i}", i, None) for i in range(0, 600, 7)]
    rows += [("바보", bad, f"u{i}", i, None) for i in (*range(130, 150), 400)]
    first, second = counted(rows).timeline.peaks
    assert (first.offset_s, first.flagged, second.flagged) == (120, 20, 1)
    assert Counter(line.masked for line in first.lines) == {"바보": 5, "좋아": 3}
    assert all(120 <= line.offset_s < 180 for line in first.lines)
    assert first.lines == sorted(first.lines, key=lambda line: line.offset_s)
    assert [line.masked for line in second.lines if line.action == "hold"] == ["바보"]


CELLS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 10**6), st.booleans()), unique_by=lambda c: c[1]
)


@given(st.lists(CELLS, max_size=4), st.integers(0, 3))
def test_moments_merge_whatever_the_width_of_their_buckets(parts, doublings):
    """Counted in one piece in wide buckets, or in parts in narrow ones and merged."""
    whole, merged = Moments(60 << doublings), Moments(60 << doublings)
    for number, part in enumerate(parts):
        own = Moments(60)
        for cell, rank, flagged in part:
            seen = Seen(rank, cell * 60.0, str(rank), "hold", "insult", 0.9, 0.5, 0.4, "", number)
            own.add(cell, rank, seen, flagged=flagged)
            whole.add(cell >> doublings, rank, seen, flagged=flagged)
        merged.merge_dict(json.loads(json.dumps(own.to_dict())), file=number, rows=0)
    cells = range(41)
    places = [[line.place for line in found.lines(c)] for found in (whole, merged) for c in cells]
    if len({rank for part in parts for _, rank, _ in part}) == sum(map(len, parts)):
        assert places[: len(cells)] == places[len(cells) :]
    assert all(len(lines) <= 8 for lines in places)


def test_lists_are_as_long_as_a_report_can_use(counted):
    rows = []
    for i in range(2_000):
        word = f"욕{chr(0xAC00 + i % 500)}"
        score = {I: 0.5 + (i % 97) / 1_000}
        rows.append((f"{word} {i}", decision(word, (0, 2, I), scores=score), f"u{i % 99}", i, None))
    summary = counted(rows)
    assert len(summary.expressions) == findings.SHOWN_EXPRESSIONS
    assert len(summary.offenders) == findings.SHOWN_USERS
    assert len(summary.samples) == queues.SAMPLES
    kinds = Counter(kind for line in summary.review for kind in line.kinds)
    assert kinds == {"near": queues.REVIEWS, "flagged": queues.DRAWN}
    assert sum(line.drawn for line in summary.review) == queues.DRAWN
    assert summary.expressions_error == 0
