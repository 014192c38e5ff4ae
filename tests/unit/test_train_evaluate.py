import json
from pathlib import Path

import numpy as np
import orjson
import pytest

from gounmal.moderator import Scored
from gounmal.schema import LABELS, Label, Mode
from train import benchmarks, tables
from train.data import build, load
from train.evaluate import any_truth, evaluate, scored
from train.example import Example, harmless, known, some_of
from train.spans import Case, Spans, cases

SMOKE = Path(__file__).parents[1] / "data" / "smoke"
HALF = {mode: dict.fromkeys(LABELS, 0.5) for mode in Mode}


@pytest.fixture(scope="module")
def dataset():
    return load(SMOKE, check=False)


@pytest.fixture(scope="module")
def oracle(dataset):
    """A scorer that has read the answers; of texts that it does not know it says nothing."""
    truth = np.nan_to_num(dataset.targets, nan=0.0)
    truth = np.maximum(truth, dataset.any_of * np.nan_to_num(dataset.any_value)[:, None])
    by_text = dict(zip(dataset.texts, truth, strict=True))
    nothing = np.zeros(len(LABELS))
    return lambda texts: np.asarray(
        [by_text.get(" ".join(text.split()), nothing) for text in texts], np.float32
    )


def test_oracle_is_perfect(dataset, oracle):
    found = evaluate(oracle, dataset, thresholds=HALF, split="train")
    for result in found.labels:
        assert result.positives
        assert result.average_precision == 1
        assert all(counts.f1 == 1 for counts in result.modes.values())
    named = {(m.benchmark, m.metric): m.value for m in found.benchmarks}
    assert {name for name, _ in named} >= {"KODOLI profanity", "K-MHaS all labels"}
    # Any label counts there, and the source itself says nothing of insults.
    named = {key: value for key, value in named.items() if key[0] != "K-MHaS any label"}
    assert named == dict.fromkeys(named, 1)


def always(value):
    return lambda texts: np.full((len(texts), len(LABELS)), value, np.float32)


def test_silence_is_measured_as_such(dataset):
    found = evaluate(always(0), dataset, thresholds=HALF)
    assert all(r.modes[Mode.BALANCED].recall == 0 for r in found.labels)
    assert all(probe.flagged == 0 for probe in found.probes[Mode.STRICT])
    named = {(m.benchmark, m.metric): m for m in found.benchmarks}
    kodoli = named["KODOLI profanity", "accuracy"]
    assert kodoli.value == pytest.approx(1 - kodoli.positives / kodoli.n)


def test_an_alarm_on_everything_flags_every_harmless_line(dataset):
    found = evaluate(always(1), dataset, thresholds=HALF)
    assert all(probe.share == 1 for probe in found.probes[Mode.BALANCED] if probe.n)
    harmful = {probe.name: probe.harmful for probe in found.probes[Mode.BALANCED]}
    assert harmful["hand-written evasions"]
    assert not harmful["hand-written harmless"]


def test_modes_are_judged_at_their_own_thresholds(dataset, oracle):
    limits = {**HALF, Mode.LENIENT: dict.fromkeys(LABELS, 1.1)}
    result = evaluate(oracle, dataset, thresholds=limits).labels[0]
    assert result.modes[Mode.LENIENT].tp == 0
    assert result.modes[Mode.STRICT].recall == 1


def test_result_is_json_and_tables(dataset, oracle):
    found = evaluate(oracle, dataset, thresholds=HALF, split="test").to_dict()
    assert json.loads(orjson.dumps(found))["split"] == "test"
    text = tables.markdown(found)
    for label in LABELS:
        assert f"| {label} |" in text
    assert "| KODOLI profanity | F1 |" in text


def test_scores_come_back_in_order():
    texts = ["가" * (i % 97) for i in range(3000)]
    lengths = scored(lambda t: np.asarray([[len(s)] * len(LABELS) for s in t], np.float32), texts)
    assert lengths[:, 0].tolist() == [len(text) for text in texts]


def test_any_truth_is_unknown_where_a_label_might_hold():
    one = known((Label.PROFANITY, 1.0, 1.0))
    clean = known((Label.PROFANITY, 0.0, 1.0), (Label.INSULT, 0.0, 1.0))
    examples = [
        Example("한 가지가 맞음", "a", *one),
        Example("나머지를 모름", "a", *clean),
        harmless("아무것도 아님", "a", 1.0),
        some_of((Label.INSULT, Label.HATE), "무엇인가 맞음", "a", 1.0, 1.0),
        some_of((Label.INSULT, Label.HATE), "아마 그럴지도", "a", 0.7, 1.0),
    ]
    truth = any_truth(build(examples), np.arange(5))
    assert truth.tolist() == pytest.approx([1, np.nan, 0, 1, np.nan], nan_ok=True)


def test_tasks_without_positives_are_left_out(dataset):
    empty = [t for t in benchmarks.tasks(dataset, "dev") if not t.truth.any()]
    assert not empty


class Pointer:
    """A scorer that flags everything and points at one stretch of each line."""

    tag = "pointer:1"
    thresholds = HALF
    span_threshold = 0.5

    def __init__(self, made, *, off=0):
        self.where = {c.text: (c.start + off, c.end + off) for c in made}

    def score(self, texts):
        out = []
        for text in texts:
            evidence = np.full((len(text.original), len(LABELS)), 0.3, np.float32)
            start, end = self.where[text.original]
            evidence[start:end, 0] = 0.85
            out.append(Scored(np.asarray([1.0] + [0.0] * 8, np.float32), evidence))
        return out


def test_spans_are_judged_to_the_character():
    made = [Case("abc def ghi", 4, 7), Case("xy zw", 0, 2)]
    right = Spans(Pointer(made), made).best()
    assert right.characters.f1 == 1
    assert 0.3 < right.threshold <= 0.85
    assert right.flagged == right.lines == 2
    wrong = Spans(Pointer(made, off=1), made).at(0.5).characters
    assert (wrong.tp, wrong.fp, wrong.fn) == (3, 0, 2)  # spans never end in a space


def test_cases_mark_what_was_put_in(dataset):
    made = cases(dataset, "dev", [("썩을놈", (Label.INSULT,))])
    assert made == cases(dataset, "dev", [("썩을놈", (Label.INSULT,))])
    plain = [case for case in made if case.text[case.start : case.end] == "썩을놈"]
    assert len(made) > len(plain) > len(made) / 4
    assert all(0 <= case.start < case.end <= len(case.text) for case in made)
    assert not cases(dataset, "dev", [])
