"""The report says what the summary says, on one page that needs nothing else."""

import os
import re
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gounmal.files.records import Problem
from gounmal.report.items import (
    Bucket,
    Expression,
    Line,
    Offender,
    Peak,
    ReviewLine,
    Timeline,
    Variant,
)
from gounmal.report.markdown import code, escaped, markdown
from gounmal.report.phrases import duration, offset, partly_masked
from gounmal.report.queues import DRAWN, REVIEWS, SAMPLES, SHOWN_CHARACTERS, Kind
from gounmal.report.render import coarser, render
from gounmal.report.summary import Summary
from gounmal.report.words import ENGLISH, LANGUAGES
from gounmal.schema import Action, Label

DATA = Path(__file__).parents[1] / "data" / "report"
UPDATE = "GOUNMAL_UPDATE_GOLDEN"


@pytest.fixture
def summary():
    return Summary.load(DATA / "summary.json")


@pytest.fixture
def empty(summary):
    return replace(
        summary,
        **dict.fromkeys(("rows", "judged", "flagged", "invalid", "untimed"), 0),
        **{name: [] for name in ("expressions", "offenders", "samples", "review")},
        problems={},
        timeline=None,
        comparison=None,
        verdicts=None,
        actions=dict.fromkeys(Action, 0),
        labels=dict.fromkeys(Label, 0),
    )


@pytest.mark.parametrize("form", [render, markdown])
@pytest.mark.parametrize("language", LANGUAGES)
def test_golden(summary, language, form):
    """After a wanted change: GOUNMAL_UPDATE_GOLDEN=1 pytest tests/unit/test_report.py."""
    page = form(summary, language=language)
    golden = DATA / f"report.{language}.{'html' if form is render else 'md'}"
    if os.environ.get(UPDATE):
        golden.write_text(page, encoding="utf-8")
    assert page == golden.read_text(encoding="utf-8")


def test_summary_json_comes_back_as_it_went(summary, tmp_path):
    path = tmp_path / "summary.json"
    path.write_bytes(summary.to_json())
    assert Summary.load(path) == summary
    assert path.read_bytes() == (DATA / "summary.json").read_bytes()


class Outline(HTMLParser):
    """What a page refers to, and whether its elements are closed."""

    VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.references, self.tags, self.text = [], [], [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name == "aria-labelledby":
                self.references.append(value)
            assert name not in {"src", "href", "srcset", "action", "xlink:href"}
            assert not name.startswith("on")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def outline(page):
    parser = Outline()
    parser.feed(page)
    parser.close()
    return parser


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_and_alone(summary, empty, language):
    for content in (summary, empty):
        page = render(content, language=language)
        found = outline(page)
        assert found.open == []
        assert len(found.ids) == len(set(found.ids))
        assert set(found.references) <= set(found.ids)
        assert not found.tags & {"script", "link", "img", "iframe", "object", "base"}
        assert "http" not in page.replace("http-equiv", "")
        assert not re.search(r"url\(|@import", page)
        assert f'<html lang="{language}">' in page


def test_text_of_the_chat_is_never_markup(summary):
    evil = "<script>alert(1)</script>"
    line = replace(summary.samples[0], masked=evil)
    expression = Expression(evil, "insult", 1, [Variant(evil, 1)])
    page = render(
        replace(
            summary,
            title=evil,
            source=evil,
            samples=[line],
            review=[replace(summary.review[0], masked=evil, kinds=[kind]) for kind in Kind],
            expressions=[expression],
            timeline=replace(summary.timeline, peaks=[Peak(0.0, 1, 1, [line])]),
            comparison=replace(summary.comparison, title=evil, source=evil, model=evil),
        )
    )
    assert evil not in page
    assert evil in "".join(outline(page).text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("이 **야", "`이 **야`"),
        ("a`b", "``a`b``"),
        ("`<b>`", "`` `<b>` ``"),
        ("첫\n```둘", "````첫 ```둘````"),
        ("", "` `"),
    ],
)
def test_text_of_the_chat_is_never_markdown(text, shown):
    assert code(text) == shown


def test_titles_are_never_markdown():
    assert escaped("<b>\n# *밤* [방송](x)") == r"\<b\> \# \*밤\* \[방송\]\(x\)"


def test_everything_counted_is_shown(summary):
    text = " ".join("".join(outline(render(summary, language="en")).text).split())
    counts = [count for action, count in summary.actions.items() if action != Action.ALLOW]
    for count in (summary.rows, summary.flagged, summary.invalid, *counts):
        assert f"{count:,}" in text
    for expression in summary.expressions:
        assert partly_masked(expression.key) in text
        assert all(variant.text.strip() in text for variant in expression.variants)
    for offender in summary.offenders:
        assert offender.pseudonym in text
    review = [line for line in summary.review if line.kinds != [Kind.FLAGGED]]
    for line in (*summary.samples, *review):
        assert " ".join(line.masked.split()) in text
    for line in (line for peak in summary.timeline.peaks for line in peak.lines):
        assert " ".join(line.masked.split()) in text
    for change in summary.comparison.changes:
        assert f"{change.before:,}" in text or not (change.before or change.now)
    assert f"sample of {summary.verdicts.precision.rows} rows" in text
    assert f"left out here: {summary.untimed}" in text


def test_markdown_says_what_the_page_says(summary):
    text = markdown(summary, language="en")
    for line in (*summary.samples, *summary.timeline.peaks[0].lines):
        assert code(line.masked) in text
    for expression in summary.expressions:
        assert all(f"{code(v.text)} {v.count:,}" in text for v in expression.variants)
    for offender in summary.offenders:
        assert offender.pseudonym in text
    for title in (ENGLISH.compared, ENGLISH.drift, ENGLISH.verdicts, ENGLISH.problems):
        assert f"# {title}" in text
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(widths) <= {3, 4, 5}


def test_the_language_is_that_of_the_summary_unless_told_otherwise(summary):
    english = replace(summary, language="en")
    assert render(english) == render(summary, language="en")
    assert markdown(english, language="ko") == markdown(replace(summary, language="ko"))


def test_counts_that_may_be_low_say_so(summary):
    exact = render(summary, language="en")
    low = render(replace(summary, expressions_error=1_234), language="en")
    assert ENGLISH.exact in exact
    assert "at most 1,234" in low
    assert "at most 1,234" not in exact


def test_a_report_of_a_million_lines_is_small(summary):
    buckets = [Bucket(60.0 * i, 350, 12) for i in range(2_880)]
    long = "가" * SHOWN_CHARACTERS
    line = Line(1_000_000, 1.0, long, "hold", "insult", 0.9, 0.5)
    peaks = [Peak(60.0 * i, 350, 12, [line] * 8) for i in range(5)]
    timeline = Timeline("datetime", "2026-11-20T20:00:00", 172_800, 60, buckets, peaks)
    waiting = ReviewLine(1_000_000, 1.0, long, "hold", "insult", 0.9, 0.5, "", [*Kind], 1)
    word = "욕" * 30
    page = render(
        replace(
            summary,
            timeline=timeline,
            expressions=[Expression(word, "insult", 9_999, [Variant(word, 999)] * 12)] * 30,
            offenders=[Offender("0123456789", 999, 1.0, 2.0)] * 20,
            samples=[line] * 3 * SAMPLES,
            review=[waiting] * (3 * REVIEWS + 2 * DRAWN),
        )
    )
    assert len(page.encode()) < 2_000_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0:00:00"), (59.9, "0:00:59"), (3_723, "1:02:03"), (360_000, "100:00:00")],
)
def test_offset(seconds, text):
    assert offset(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (90, "90 s"), (150, "2 min"), (3_600, "1 h"), (3_720, "1 h 2 min")],
)
def test_duration(seconds, text):
    assert duration(seconds, words=ENGLISH) == text


@pytest.mark.parametrize(("expression", "text"), [("시발", "시*"), ("x", "*"), ("abc", "a**")])
def test_partly_masked(expression, text):
    assert partly_masked(expression) == text


def test_coarser_keeps_sums_and_fills_gaps():
    buckets = [Bucket(0.0, 1, 1), Bucket(60.0, 2, 0), Bucket(600.0, 4, 2)]
    timeline = Timeline("offset", "0", 600, 60, buckets, [])
    fine, coarse = coarser(timeline, 100), coarser(timeline, 4)
    assert [b.messages for b in fine] == [1, 2, *[0] * 8, 4]
    assert [(b.offset_s, b.messages, b.flagged) for b in coarse] == [
        *((0.0, 3, 1), (180.0, 0, 0), (360.0, 0, 0), (540.0, 4, 2)),
    ]


def test_every_language_has_every_word():
    for words in LANGUAGES.values():
        assert set(words.labels_by_name) == set(Label)
        assert set(words.actions_by_name) == set(Action)
        assert set(words.problems_by_name) == set(Problem)
        assert set(words.queues_by_name) == set(Kind)
        assert set(words.notes_by_queue) == set(Kind) - {Kind.FLAGGED}
        assert all(getattr(words, field.name) for field in fields(words))
    for field in fields(ENGLISH):
        places = {str(getattr(words, field.name)).count("{}") for words in LANGUAGES.values()}
        assert len(places) == 1, field.name
