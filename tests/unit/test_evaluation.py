"""Evaluation of a user's own labelled lines: what is measured, and the page that says it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET
from zlib import crc32

import numpy as np
import orjson
import pytest
from click.testing import CliRunner

from gounmal.cli import main
from gounmal.evaluation import trial
from gounmal.evaluation.labelled import Labelled
from gounmal.evaluation.measure import MOST_SLICES, confusion, known_truth, length_slice, slices
from gounmal.evaluation.metrics import flags, reliability
from gounmal.evaluation.page import render, write
from gounmal.evaluation.trial import evaluate_file, judge
from gounmal.moderator import Moderator, Scored
from gounmal.policy import Policy
from gounmal.scan.judge import PASS_CHARACTERS, PASS_MESSAGES
from gounmal.schema import LABELS, Label, Mode
from train.data import load
from train.evaluate import evaluate

SMOKE = Path(__file__).parents[1] / "data" / "smoke"
TEXTS = ["안녕하세요", "이 바보야", "젠장 또야", "중국 바보 축제 어디예요", "몰래 하는 욕", "?"]
HELD = [[], [Label.INSULT], [Label.PROFANITY], [], [Label.INSULT], None]


def labelled(texts, truth, any_truth, **given):
    n = len(texts)
    defaults = {"kinds": [""] * n, "channels": [None] * n, "numbers": list(range(1, n + 1))}
    return Labelled(
        texts, np.asarray(truth), np.asarray(any_truth), **{**defaults, "rows": n, **given}
    )


@pytest.fixture
def lines():
    truth = [[np.nan if held is None else float(x in held) for x in LABELS] for held in HELD]
    any_truth = [np.nan if held is None else float(bool(held)) for held in HELD]
    return labelled(TEXTS, truth, any_truth, kinds=["a", "a", "b", "b", "", ""], rows=7)


@pytest.fixture
def measured(lines, fake_scorer):
    return evaluate_file(lines, Moderator(fake_scorer), source="<b>mine</b>.csv")


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


def test_what_is_taken_for_what(measured):
    assert set(measured.confusion) == {"profanity", "insult", "none"}
    assert measured.confusion["insult"]["insult"] == 1
    assert measured.confusion["insult"]["none"] == 1
    assert measured.confusion["none"] == {**dict.fromkeys(LABELS, 0), "insult": 1, "none": 1}


def test_a_line_with_two_labels_counts_for_both():
    truth = np.zeros((1, len(LABELS)))
    truth[0, :2] = 1
    found = confusion(truth, np.ones(1), truth == 1)
    assert found["profanity"]["insult"] == found["insult"]["profanity"] == 1
    assert found["insult"]["none"] == 0


def test_slices_by_length_kind_and_identity(measured):
    assert {name: c.n for name, c in measured.slices["kind"].items()} == {"a": 2, "b": 2}
    assert {name: c.fp for name, c in measured.slices["identity"].items()} == {"중국": 1}
    assert {name: c.n for name, c in measured.slices["length"].items()} == {"1–8": 4, "9–18": 1}


def test_slices_are_in_order_and_not_too_many():
    lengths = [[length_slice("가" * n)] for n in (60, 8, 9, 18, 19, 54, 1)]
    nothing = np.zeros(len(lengths), np.bool_)
    assert list(slices(lengths, nothing, nothing)) == ["1–8", "9–18", "19–54", "55–4000"]
    names = [[f"k{i}"] for i in range(3 * MOST_SLICES)] + [["zz"], ["zz"]]
    yes = np.ones(len(names), np.bool_)
    found = slices(names, yes, yes)
    assert len(found) == MOST_SLICES
    assert found["zz"].tp == 2


def test_worst_errors_are_masked_and_say_where_they_are(measured):
    alarm, missed = measured.errors
    assert (alarm.row, alarm.missed, alarm.label) == (4, False, Label.INSULT)
    assert alarm.masked == "중국 ** 축제 어디예요"
    assert (missed.row, missed.missed, missed.label) == (5, True, Label.INSULT)
    assert missed.masked == "몰* 하* 욕"


def test_worst_errors_come_worst_first_and_once(fake_scorer):
    words = ("바보 하나", "바보 둘", "바보 둘", "젠장", "좋아요")
    lines = labelled(words, np.zeros((5, len(LABELS))), np.zeros(5))
    scores = np.zeros((5, len(LABELS)), np.float32)
    scores[:, 1] = 0.6, 0.9, 0.9, 0.7, 0.1
    findings = trial.Findings(scores, {Mode.BALANCED: scores > 0.5})
    found = trial.worst(lines, Moderator(fake_scorer), findings)
    assert [error.row for error in found] == [2, 4, 1]
    assert [error.score for error in found] == pytest.approx([0.9, 0.7, 0.6])


def test_a_policy_counts_but_not_its_mode(lines, fake_scorer):
    fake_scorer.thresholds = {
        Mode.LENIENT: dict.fromkeys(LABELS, 1.1),
        Mode.BALANCED: dict.fromkeys(LABELS, 0.5),
        Mode.STRICT: dict.fromkeys(LABELS, 0.005),
    }
    policy = Policy.parse(
        {
            "mode": "strict",
            "blocklist": ["몰래"],
            "allowlist": ["젠장"],
            "channels": {"quiet": {"blocklist": ["안녕"]}},
        }
    )
    lines = replace(lines, channels=["quiet", "loud", None, None, 5, None])
    found = judge(lines, Moderator(fake_scorer, policy)).flagged
    flagged = {mode: f.any(axis=1).tolist() for mode, f in found.items()}
    assert flagged[Mode.BALANCED] == [True, True, False, True, True, False]
    assert flagged[Mode.LENIENT] == [True, False, False, False, True, False]
    assert all(flagged[Mode.STRICT])


def test_no_call_is_large_and_all_are_reported(fake_scorer):
    texts = [f"{i} 바보" for i in range(700)] + ["가" * 4_000] * 20
    lines = labelled(texts, np.zeros((720, len(LABELS))), np.zeros(720))
    seen = []
    findings = judge(lines, Moderator(fake_scorer), on_progress=lambda *at: seen.append(at))
    assert max(len(call) for call in fake_scorer.calls) <= PASS_MESSAGES
    assert max(sum(map(len, call)) for call in fake_scorer.calls) <= PASS_CHARACTERS
    assert seen[-1] == (720, 1.0)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert findings.flagged[Mode.BALANCED].any(axis=1).tolist() == [True] * 700 + [False] * 20


class Dice:
    """A scorer that says anything, but always the same of a text."""

    tag = "dice:1"
    span_threshold = 0.5
    thresholds = {mode: dict.fromkeys(LABELS, 0.3 + 0.2 * i) for i, mode in enumerate(Mode)}  # noqa: RUF012  (read only)

    def scores(self, text):
        return np.random.default_rng(crc32(text.encode())).random(len(LABELS), np.float32)

    def score(self, texts):
        return [
            Scored(self.scores(t.original), np.zeros((len(t.original), len(LABELS)))) for t in texts
        ]


def test_the_card_has_the_same_numbers():
    dataset, dice = load(SMOKE, check=False), Dice()
    rows = dataset.rows("dev")
    texts = [dataset.texts[i] for i in rows.tolist()]
    lines = labelled(texts, dataset.targets[rows], np.full(len(texts), np.nan))
    ours = evaluate_file(lines, Moderator(dice), source="dev")
    card = evaluate(
        lambda texts: np.stack([dice.scores(text) for text in texts]),
        dataset,
        thresholds=dice.thresholds,
    )
    known = {result.label.value: result.to_dict() for result in card.labels if result.n}
    assert sum(result["positives"] > 0 for result in known.values()) > 3
    assert orjson.dumps(ours.to_dict()["labels"]) == orjson.dumps(known)


def test_decisions_are_what_flags_says(lines, fake_scorer):
    findings = judge(lines, Moderator(fake_scorer))
    for mode, found in findings.flagged.items():
        expected = flags(findings.scores, fake_scorer.thresholds[mode])
        np.testing.assert_array_equal(found, expected)


def test_json_holds_no_text(measured):
    content = orjson.dumps(measured.to_dict()).decode()
    assert json.loads(content)["any"]["balanced"]["tp"] == 2
    assert json.loads(content)["confusion"]["none"]["insult"] == 1
    assert not any(word in content for word in ("바보", "젠장", "축제"))


@pytest.mark.parametrize(("language", "heading"), [("ko", "모델 평가"), ("en", "Evaluation")])
def test_page_is_whole_escaped_and_fetches_nothing(measured, language, heading):
    page = render(measured, language=language)
    assert f'<html lang="{language}">' in page
    assert heading in page
    assert "&lt;b&gt;mine" in page
    assert "<script" not in page
    assert not re.search(r"https?:|@import|url\(|\ssrc=|\shref=", page)
    plots = page.split('<svg viewBox="')[1:]
    assert len(plots) == len(measured.labels)
    assert "중국 ** 축제" in page
    assert "바보" not in page
    for plot in plots:
        drawn = ET.fromstring('<svg viewBox="' + plot.split("</svg>")[0] + "</svg>")  # noqa: S314  (ours)
        assert drawn.findall(".//circle/title")


def test_a_ratio_of_nothing_is_a_dash(measured):
    page = render(measured, language="en")
    [row] = re.findall(r"<th scope=\"rowgroup\"[^>]*>hate: age</th>.*?</tr>", page, re.DOTALL)
    assert row.count('<td class="n">–</td>') == 3


def test_files_are_whole_or_not_there(measured, tmp_path):
    written = write(measured, tmp_path / "new", language="en")
    assert [path.name for path in written] == ["evaluation.json", "evaluation.html"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in written
    )


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
    def moderator(_model=None, *, policy=None):
        return Moderator(fake_scorer, Policy.load(policy) if policy else None)

    monkeypatch.setattr(Moderator, "load", moderator)
    path, rules, out = (tmp_path / name for name in ("mine.csv", "rules.yaml", "out"))
    path.write_text("text,labels\n안녕,-\n이 바보야,insult\n?,what\n", encoding="utf-8")
    rules.write_text("blocklist: [안녕]\n", encoding="utf-8")
    run = CliRunner().invoke
    result = run(main, ["evaluate", str(path), "--output", str(out)])
    assert result.exit_code == 0, result.output
    assert "2 of 3 rows judged by fake:1, 1 left out (labels)" in result.stdout
    assert "hate/appearance" in result.stdout
    assert str(out / "evaluation.html") in result.stdout
    written = json.loads((out / "evaluation.json").read_bytes())
    assert written["labels"]["insult"]["modes"]["balanced"]["f1"] == 1
    assert written["policy"] is None
    assert "mine.csv" in (out / "evaluation.html").read_text(encoding="utf-8")

    stricter = run(main, ["evaluate", str(path), "--output", str(out), "--policy", str(rules)])
    assert stricter.exit_code == 0, stricter.output
    written = json.loads((out / "evaluation.json").read_bytes())
    assert written["policy"] == "rules.yaml"
    assert written["any"]["balanced"]["fp"] == 1

    refused = run(main, ["evaluate", str(path), "--labels", "nope"])
    assert refused.exit_code == 2
    assert "no column 'nope'" in refused.stderr
