"""The obfuscation generator: every rule, its inverse where there is one, and the spans it keeps."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.text.normalize import normalize
from gounmal.text.views import View
from train.augment import RULES, SPREADING, STRENGTHS, WEIGHTS, insert, obfuscate, scramble

LINE = "오늘 방송 개새끼 진짜 2번 ok"
EXPRESSION = range(6, 9)

RECOVERED = {
    "jamo": "개새끼야",
    "loose tail": "병신",
    "nfd": "개새끼",
    "spacing": "병신",
    "symbols": "병신",
    "digits": "개새끼",
    "invisible": "개새끼",
    "stretching": "병신새끼",
    "keyboard": "개새끼",
    "vowel glyphs": "개새끼",
    "lead glyphs": "시발",
    "boxes": "자라나다",
    "hanja": "남자들",
    "turned": "나라",
    "full width": "xyz",
    "stand-ins": "개새끼",
}
"""Kind → a line that the skeleton must give back whatever the rule did to it."""

NOT_RECOVERED = {
    "choseong", "partial choseong", "masks", "laughter", "ornaments", "no spacing", "lead sound",
    "vowel sound", "tail sound", "extra tail", "liaison", "swap", "romanised",
}  # fmt: skip
"""Kinds that lose something, or that the skeleton leaves to the model."""


def rng(seed: int) -> Random:
    return Random(seed)  # noqa: S311  (reproducible noise, not a secret)


def test_every_kind_is_recovered_or_known_not_to_be():
    assert set(RECOVERED) | NOT_RECOVERED == set(RULES)
    assert not set(RECOVERED) & NOT_RECOVERED


@pytest.mark.parametrize("kind", RECOVERED)
def test_the_skeleton_undoes_the_rule(kind):
    text = RECOVERED[kind]
    for seed in range(60):
        disguised = obfuscate(text, rng(seed), kinds=[kind], n_rules=(1, 1))
        assert disguised.text != text or kind == "stand-ins"
        assert normalize(disguised.text).views[-1].text == text, disguised.text


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_is_deterministic(kind):
    first, second = (obfuscate(LINE, rng(5), kinds=[kind], n_rules=(1, 1)) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_touches_nothing_outside_its_range(kind):
    for seed in range(20):
        view = RULES[kind](View.identity(LINE), rng(seed), EXPRESSION, 1.0)

        assert view.text.startswith(LINE[: EXPRESSION.start])
        assert view.text.endswith(LINE[EXPRESSION.stop :])


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize(
    "text", ["", " ", "abc", "ㅋㅋㅋ", "🐶", "\ud800", "가", "ㅏ", "괞", "이이"]
)
def test_a_rule_takes_any_text(kind, text):
    view = RULES[kind](View.identity(text), rng(0), range(len(text)), 0.5)

    assert len(view.text) == len(view.starts) == len(view.ends)


@given(st.text(alphabet="가나시발병신새끼 ㅋㅠ1ab.", max_size=20), st.integers(0, 1000))
def test_offsets_stay_in_order_and_in_range(text, seed):
    disguised = obfuscate(text, rng(seed), n_rules=(1, 4), share=0.6)

    view = disguised.view
    assert len(view.text) == len(view.starts) == len(view.ends)
    assert all(0 <= s < e <= len(text) for s, e in zip(view.starts, view.ends, strict=True))
    assert list(view.starts) == sorted(view.starts)
    assert list(view.ends) == sorted(view.ends)


@pytest.mark.parametrize("kind", set(RULES) - {"ornaments", "no spacing", "swap"})
def test_a_span_is_followed_through_a_rule(kind):
    for seed in range(10):
        disguised = obfuscate(LINE, rng(seed), kinds=[kind], n_rules=(1, 1), where=EXPRESSION)
        span = disguised.span(EXPRESSION.start, EXPRESSION.stop)

        assert span is not None
        assert disguised.text[: span[0]] == LINE[: EXPRESSION.start]
        assert disguised.text[span[1] :] == LINE[EXPRESSION.stop :]


def test_a_span_that_is_gone():
    disguised = obfuscate("가 나", rng(0), kinds=["no spacing"], n_rules=(1, 1))

    assert disguised.text == "가나"
    assert disguised.span(1, 2) is None
    assert disguised.span(2, 3) == (1, 2)


def test_kinds_that_changed_nothing_are_left_out():
    disguised = obfuscate("abc", rng(0), kinds=["jamo", "full width"], n_rules=(2, 2))

    assert disguised.kinds == ("full width",)
    assert disguised.text == "ａｂｃ"


def test_no_more_rules_than_there_are():
    assert len(obfuscate(LINE, rng(0), kinds=["jamo"], n_rules=(4, 4)).kinds) == 1


@pytest.mark.parametrize("strength", STRENGTHS)
def test_strengths_differ_in_how_many_rules_they_apply(strength):
    kinds = [scramble(LINE, rng(seed), strength=strength).kinds for seed in range(40)]

    assert max(map(len, kinds)) == STRENGTHS[strength][0]
    assert {kind for used in kinds for kind in used} <= set(SPREADING)


def test_weights_name_kinds():
    assert set(WEIGHTS) <= set(RULES)


@given(st.text(alphabet="가나다 ㅋ?", max_size=12), st.integers(0, 100))
def test_an_inserted_expression_is_where_it_is_said_to_be(text, seed):
    line, (start, end) = insert(text, "시발 놈", rng(seed))

    assert line[start:end] == "시발 놈"
    assert sorted((line[:start] + line[end:]).replace(" ", "")) == sorted(text.replace(" ", ""))


def test_insertions_vary():
    lines = {insert("오늘 진짜 예쁘네요", "씨발", rng(seed))[0] for seed in range(30)}

    assert {
        "씨발 오늘 진짜 예쁘네요",
        "오늘 씨발 진짜 예쁘네요",
        "오늘 진짜 예쁘네요 씨발",
    } <= lines
