import json
from xml.etree import ElementTree as ET

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from gounmal.cli import main
from gounmal.evaluation import evaluate_file, known_truth
from gounmal.evaluation_page import render
from gounmal.labelled import Labelled
from gounmal.metrics import reliability
from gounmal.moderator import Moderator
from gounmal.schema import LABELS, Label, Mode

TEXTS = ["안녕하세요", "이 바보야", "젠장 또야", "중국 바보 축제 어디예요", "몰래 하는 욕", "?"]
HELD = [[], [Label.INSULT], [Label.PROFANITY], [], [Label.INSULT], None]


@pytest.fixture
def lines():
    truth = np.asarray(
        [[np.nan if held is None else float(label in held) for label in LABELS] for held in HELD]
    )
    any_truth = np.asarray([np.nan if held is None else float(bool(held)) for held in HELD])
    return Labelled(TEXTS, truth, any_truth, ["a", "a", "b", "b", "", ""], list(range(1, 7)), 7)


@pytest.fixture
def measured(lines, fake_scorer):
    return evaluate_file(lines, fake_scorer)


def test_any_label_is_counted_where_it_is_known(measured):
    counts = measured.overall[Mode.BALANCED]
    assert (counts.tp, counts.fp, counts.fn, counts.tn) == (2, 1, 1, 1)
    assert measured.judged == 6
    assert measured.rows == 7


def test_labels_are_judged_each_on_its_own(measured):
    results = {result.label: result for result in measured.labels}
    insult = results[Label.INSULT].modes[Mode.STRICT]
    assert (insult.tp, insult.fp, insult.fn, insult.tn) == (1, 1, 1, 2)
    assert results[Label.PROFANITY].average_precision == 1
    assert results[Label.PROFANITY].n == 5


def test_slices_by_length_kind_and_identity(measured):
    assert {name: c.n for name, c in measured.slices["kind"].items()} == {"a": 2, "b": 2}
    assert measured.slices["identity"]["with an identity term"].fp == 1
    assert sum(c.n for c in measured.slices["length"].values()) == 5


def test_worst_errors_are_masked_and_say_where_they_are(measured):
    alarm, missed = measured.errors
    assert (alarm.row, alarm.missed, alarm.label) == (4, False, Label.INSULT)
    assert alarm.masked == "중국 ** 축제 어디예요"
    assert (missed.row, missed.missed, missed.label) == (5, True, Label.INSULT)
    assert "*" in missed.masked


def test_json_holds_no_text(measured):
    content = orjson.dumps(measured.to_dict()).decode()
    assert json.loads(content)["any"]["balanced"]["tp"] == 2
    assert not any(word in content for word in ("바보", "젠장", "축제"))


def test_page_is_whole_and_escaped(measured):
    page = render(measured, title="<b>file</b>.csv")
    assert "&lt;b&gt;file" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    plots = page.split('<svg viewBox="')[1:]
    assert len(plots) == len(measured.labels)
    assert "중국 ** 축제" in page
    for plot in plots:
        ET.fromstring('<svg viewBox="' + plot.split("</svg>")[0] + "</svg>")  # noqa: S314  (ours)


def test_reliability_bins_hold_everything_once():
    scores = np.asarray([0.0, 0.05, 0.95, 1.0])
    low, high = reliability([0, 1, 1, 1], scores)
    assert (low.score, low.share, low.n) == (0.025, 0.5, 2)
    assert (high.score, high.share, high.n) == (0.975, 1.0, 2)
    assert reliability([], []) == []


def test_doubtful_targets_are_left_out():
    sure, truth = known_truth(np.asarray([[0.0], [0.2], [0.5], [np.nan], [0.8], [1.0]]), 0)
    assert sure.tolist() == [True, True, False, False, True, True]
    assert truth.tolist() == [False, False, True, True]


def test_command_prints_and_writes(tmp_path, monkeypatch, fake_scorer):
    monkeypatch.setattr(Moderator, "load", lambda _model=None: Moderator(fake_scorer))
    path = tmp_path / "mine.csv"
    path.write_text("text,labels\n안녕,-\n이 바보야,insult\n?,what\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["evaluate", str(path), "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "2 of 3 rows judged by fake:1, 1 left out (labels)" in result.stdout
    assert "hate/appearance" in result.stdout
    written = json.loads((tmp_path / "out" / "evaluation.json").read_bytes())
    assert written["labels"]["insult"]["modes"]["balanced"]["f1"] == 1
    assert "mine.csv" in (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")
    refused = CliRunner().invoke(main, ["evaluate", str(path), "--labels", "nope"])
    assert refused.exit_code == 2
    assert "no column 'nope'" in refused.stderr
