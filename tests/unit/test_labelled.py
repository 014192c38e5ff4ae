import json
import math

import pytest

from gounmal.errors import InvalidInput
from gounmal.evaluation.labelled import read_labelled
from gounmal.files.columns import Role
from gounmal.files.reader import inspect
from gounmal.schema import LABELS, Label


@pytest.fixture
def read(tmp_path):
    def read(content, name="a.csv", **options):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return read_labelled(inspect(path, names={Role.TEXT: "text"}), **options)

    return read


def held(lines, row):
    return {label for label, value in zip(LABELS, lines.truth[row], strict=True) if value == 1}


def test_names_in_one_column(read):
    lines = read(
        'text,labels,kind\na,-,plain\nb,"profanity, INSULT",\nc,hate/age,x\nd,,\ne,rude,\n'
    )
    assert lines.texts == ["a", "b", "c", "d"]
    assert [held(lines, row) for row in range(4)] == [
        set(),
        {Label.PROFANITY, Label.INSULT},
        {Label.HATE, Label.HATE_AGE},
        set(),
    ]
    assert lines.any_truth.tolist() == [0, 1, 1, 0]
    assert lines.kinds == ["plain", "", "x", ""]
    assert lines.numbers == [1, 2, 3, 4]
    assert lines.rows == 5
    assert lines.skipped == {"labels": 1}


def test_a_column_for_each_label_and_blanks_are_unknown(read):
    lines = read("text,profanity,insult,hate_age\na,1,,0\nb,0,0,yes\nc,,,\nd,0,maybe,0\n")
    assert lines.texts == ["a", "b"]
    known = dict(zip(LABELS, lines.truth[0], strict=True))
    assert known[Label.PROFANITY] == 1
    assert known[Label.HATE_AGE] == 0
    assert math.isnan(known[Label.INSULT])
    assert math.isnan(known[Label.HATE])
    assert held(lines, 1) == {Label.HATE, Label.HATE_AGE}
    assert lines.any_truth.tolist() == [1, 1]
    assert lines.skipped == {"labels": 2}


def test_any_is_unknown_while_a_label_might_hold(read):
    lines = read("text,profanity,insult,hate\na,0,0,\nb,0,0,0\n")
    assert math.isnan(lines.any_truth[0])
    assert lines.any_truth[1] == 0


def test_abusive_or_not_is_enough(read):
    lines = read("text,abusive\na,1\nb,0\nc,\n")
    assert lines.any_truth.tolist() == [1, 0]
    assert not held(lines, 0)
    assert math.isnan(lines.truth[0, 0])
    assert lines.truth[1].tolist() == [0] * len(LABELS)


def test_json_lists_are_understood(read):
    rows = [{"text": "a", "labels": ["insult"]}, {"text": "b", "labels": None}, {"text": 3}]
    lines = read("\n".join(map(json.dumps, rows)), "a.jsonl")
    assert held(lines, 0) == {Label.INSULT}
    assert lines.any_truth.tolist() == [1, 0]
    assert lines.skipped == {"type": 1}


def test_columns_can_be_named(read):
    content = "text,labels,truth,group\na,profanity,insult,g\n"
    lines = read(content, labels="truth", kind="group")
    assert held(lines, 0) == {Label.INSULT}
    assert lines.kinds == ["g"]
    with pytest.raises(InvalidInput, match="no column 'nope'"):
        read(content, labels="nope")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("text,n\na,1\n", "no column with labels"),
        ("text,labels\na,rude\n", "no row with text and labels .labels: 1"),
        ("text,labels\n", "no row with text and labels .no rows"),
    ],
)
def test_useless_files_are_refused_with_the_reason(read, content, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        read(content)
