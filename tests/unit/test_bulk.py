"""What is told of many texts at a glance, against what is told of each by itself."""

from __future__ import annotations

import csv

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gounmal.demo import write_demo
from gounmal.text.bulk import normalize_all, plain
from gounmal.text.normalize import normalize

# Few of each kind, so that what is suspicious side by side comes side by side.
MIXED = "가나시씨발병신새끼개년놈아에이바빠ㅋㅎㅠㅜㅡㅅㅂㄱㅏㅣ8012abz  .!?~-:@ᄏＡ🐶\n"
HANGUL = "가나라시씨발새끼개아에이까창녀ㅋㅠㅡㅅㅂㅏ 8  ."


@settings(max_examples=400)
@given(
    st.lists(
        st.one_of(
            st.text(MIXED, max_size=12),
            st.text(HANGUL, max_size=12),
            st.text(max_size=8),
        ),
        max_size=30,
    )
)
@example(["", "", "아", ""])
@example(["무지개새 기", "개", "새끼", "개새 끼"])
@example(["ㅋ" * 4, "1" * 9, "병신아아아"])
@example(["\ud800", "가", "\n"])
def test_many_texts_have_the_views_that_each_has_alone(texts):
    assert normalize_all(texts) == [normalize(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "안녕하세요",
        "네! 감사합니다 ㅋㅋ",
        "이거 3개 주세요~",
        "ㅠㅠ",
        "ㄱㅅ",
        "다시 봐도 예쁘네요",
        "아 네",
        "ok 굿",
        "",
    ],
)
def test_what_is_plain(text):
    assert plain(["시1발", text, "ㅅ ㅂ"]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "text",
    ["ㅋㅋㅋㅋ", "ABC", " 네", "네 ", "네  네", "tlqkf", "시8", "18놈", "ㅅㅂㅡ", "씨 발"],
)
def test_what_needs_a_look(text):
    assert plain(["네", text, "네"]).tolist() == [True, False, True]


def test_most_chat_is_plain(tmp_path):
    path = tmp_path / "chat.csv"
    write_demo(path)
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    assert plain(texts).mean() > 0.75
