"""The report beside the one before: what changed, and how far the model's view moved."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import InvalidInput
from gounmal.model.classifier import Classifier
from gounmal.report.compare import compare, distance
from gounmal.report.items import Signals
from gounmal.report.phrases import changed
from gounmal.report.publish import load_previous
from gounmal.report.signals import BINS, Characters, SignalCounts
from gounmal.report.summary import Summary
from gounmal.report.words import ENGLISH
from gounmal.schema import LABELS

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parents[1] / "data" / "report"
HISTOGRAM = st.lists(st.integers(0, 1_000), min_size=5, max_size=5)


@pytest.fixture
def now():
    return replace(Summary.load(DATA / "summary.json"), comparison=None, verdicts=None)


@pytest.fixture
def before(now):
    return replace(
        now,
        title="지난주",
        rows=300,
        judged=299,
        flagged=10,
        labels=dict.fromkeys(now.labels, 0) | {"insult": 10},
        expressions=[replace(now.expressions[0], count=4)],
        offenders=now.offenders[:1],
        signals=Signals({label: [299] + [0] * 19 for label in now.labels}, 4_000, 2),
    )


def test_every_figure_is_compared(before, now):
    found = compare(before, now)
    changes = {change.figure: change for change in found.changes}
    assert (changes["rows"].before, changes["rows"].now) == (300, now.rows)
    flagged = changes["flagged"]
    assert (flagged.before, flagged.now) == (10, now.flagged)
    assert flagged.before_share == pytest.approx(10 / 299)
    assert flagged.now_share == pytest.approx(now.flagged / now.judged)
    assert {f"labels/{label}" for label in now.labels} <= set(changes)
    assert changed(changes["rows"], words=ENGLISH) == f"{(now.rows - 300) / 300:+.1%}"
    points = 100 * (now.flagged / now.judged - 10 / 299)
    assert changed(flagged, words=ENGLISH) == f"{points:+.2f} points"
    assert found.expressions == {now.expressions[0].key: 4}
    assert found.offenders == [now.offenders[0].pseudonym]
    assert found.same_judge
    for name in ("model", "mode", "policy"):
        assert not compare(replace(before, **{name: "other"}), now).same_judge


def test_the_same_has_not_moved(now):
    found = compare(now, now)
    assert all(change.before == change.now for change in found.changes)
    assert set(found.drift.scores.values()) == {0.0}
    assert found.drift.unknown_before == found.drift.unknown_now
    assert {changed(change, words=ENGLISH) for change in found.changes} <= {
        *("+0.0%", "±0", "±0 points"),
    }


def test_a_summary_without_signals_can_still_be_compared(before, now):
    drift = compare(replace(before, signals=None), now).drift
    assert set(drift.scores.values()) == {None}
    assert drift.unknown_before is None


@given(HISTOGRAM, HISTOGRAM)
def test_distance_is_a_metric_between_zero_and_one(one, other):
    found = distance(one, other)
    if not sum(one) or not sum(other):
        assert found is None
        return
    assert 0 <= found <= 1
    assert found == distance(other, one)
    assert distance(one, [2 * n for n in one]) == 0


def test_distance_of_known_histograms():
    assert distance([1, 0], [0, 1]) == 1
    assert distance([1, 1], [1, 0]) == pytest.approx(0.311278**0.5, abs=1e-5)
    assert distance([1], [1, 2]) is None


def test_scores_fall_into_bins_by_label():
    counts, others = SignalCounts(), SignalCounts()
    scores = [[0.0] * len(LABELS), [1.0] + [0.51] * (len(LABELS) - 1)]
    counts.add_scores(np.array(scores), np.array([3, 2]))
    others.merge_dict(json.loads(json.dumps(counts.to_dict())))
    others.merge_dict(counts.to_dict())
    found = others.signals().scores
    assert found["profanity"] == [6] + [0] * (BINS - 2) + [4]
    assert (found["insult"][0], found["insult"][10]) == (6, 4)
    assert {sum(histogram) for histogram in found.values()} == {10}


def test_characters_that_training_did_not_have():
    counts = SignalCounts()
    characters = Characters(Classifier.load(ROOT / "models" / "gounmal-ko").encoder)
    characters.count(["안녕하세요 ㅋㅋ", " hello 123!"], np.array([2, 2]), counts)
    assert (counts.characters, counts.unknown) == (38, 0)
    characters.count(["안", "ቀ안ቀ녕"], np.array([0, 5]), counts)
    assert (counts.characters, counts.unknown) == (58, 10)
    # As wide as Hangul: normalised before the model sees it.
    characters.count(["ＡＢＣ"], np.array([1]), counts)
    assert counts.unknown == 10


def test_what_cannot_tell_says_nothing():
    counts = SignalCounts()
    Characters(None).count(["글"], np.array([1]), counts)
    assert counts.unknown is None
    assert counts.signals().unknown_share is None


def test_the_report_before_is_found_and_not_the_same(now, tmp_path):
    folder = tmp_path / "before"
    folder.mkdir()
    (folder / "summary.json").write_bytes(now.to_json())
    for location in (folder, folder / "summary.json"):
        assert load_previous(str(location), str(tmp_path / "out")) == now
    with pytest.raises(InvalidInput, match="compared with itself"):
        load_previous(str(folder), f"{folder}/../before/")
    with pytest.raises(InvalidInput, match=r"no summary.json of a scan there"):
        load_previous(str(tmp_path), str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "not a summary.json"),
        ("{", "not a summary.json"),
        ('{"version": 1}', "not a summary.json"),
        ('{"version": 99}', "of version 99: scan again"),
    ],
)
def test_what_is_no_summary_is_refused(tmp_path, content, says):
    path = tmp_path / "summary.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=says):
        Summary.load(path)


def test_a_summary_of_an_older_version_is_read(now, tmp_path):
    content = json.loads(now.to_json())
    for name in ("signals", "comparison", "verdicts", "language", "policy"):
        del content[name]
    for entry in content["review"]:
        del entry["kinds"], entry["drawn"]
    for peak in content["timeline"]["peaks"]:
        del peak["lines"]
    content["later"] = "a key of a version to come"
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    found = Summary.load(path)
    assert (found.rows, found.signals, found.language) == (now.rows, None, "ko")
