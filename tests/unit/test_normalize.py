"""The views: what they fold, what they leave alone, where their characters came from."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.text.normalize import Normalized, canonical, normalize
from gounmal.text.views import View

KOREAN = st.text(
    alphabet="가나다시씨발병신새끼아이ㅅㅂㅣㅏㄹㅋㅠㅡ 1802.~@!?aklqtf人口一家🐶♥　Ａ"
    "\u200b\u1109\u1175\u11ab\u0301"
)
ANY_TEXT = st.one_of(st.text(), KOREAN, st.text(st.characters(categories=["Cs", "Cc", "Lo", "Mn"])))


def check_offsets(original: str, view: View) -> None:
    assert len(view.text) == len(view.starts) == len(view.ends)
    assert all(0 <= s < e <= len(original) for s, e in zip(view.starts, view.ends, strict=True))
    assert list(view.starts) == sorted(view.starts)
    assert list(view.ends) == sorted(view.ends)


@given(ANY_TEXT)
def test_any_string_has_views_with_good_offsets(text):
    normalized = normalize(text)

    for view in normalized.views:
        check_offsets(text, view)
        view.text.encode()
    assert normalized.canonical.text == normalized.canonical.text.strip()


@given(ANY_TEXT)
def test_the_canonical_view_is_its_own_canonical_view(text):
    once = canonical(text).text

    assert canonical(once).text == once


@pytest.mark.parametrize("plane", [0, 1, 2, 3, 14, 15])
def test_every_character_folds_to_something_stable(plane):
    for code in range(plane * 0x10000, (plane + 1) * 0x10000, 1 if plane == 0 else 7):
        once = canonical(f"가{chr(code)}나").text
        assert canonical(once).text == once, hex(code)


@given(KOREAN)
def test_spans_of_all_characters_cover_what_is_visible(text):
    view = canonical(text)
    if view.text:
        start, end = view.original_span(0, len(view.text))
        assert not canonical(text[:start]).text
        assert not canonical(text[end:]).text


@given(KOREAN)
def test_decomposed_text_has_the_same_canonical_view(text):
    composed = unicodedata.normalize("NFC", text)

    assert canonical(unicodedata.normalize("NFD", composed)).text == canonical(composed).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ＳＨＩＰ　１０", "ship 10"),
        ("배송  \n\t 언제", "배송 언제"),
        ("  앞뒤  ", "앞뒤"),
        ("ㅋㅋㅋㅋㅋㅋㅋ", "ㅋㅋㅋ"),
        ("ᄏᄏ", "ㅋㅋ"),
        ("ﾡﾵ", "ㄱㅅ"),
        ("㉠㈎㉮", "ㄱ가가"),
        ("①⑴ⓐ", "1(1)a"),
        ("10000원", "10000원"),
        ("씨\u200b발\ufe0f", "씨발"),
        ("\u202e뒤집기\u202c", "뒤집기"),
        ("쌔\u00ad끼", "쌔끼"),
        ("1\ufe0f\u20e3등", "1등"),
        ("👍🏽", "👍"),
        ("시\u3164발", "시 발"),
        ("Café", "café"),
        ("Cafe\u0301", "café"),
        ("시̶발̶", "시발"),
        ("\ud800", "\ufffd"),
        ("\0", ""),
        ("", ""),
    ],
)
def test_canonical(text, expected):
    assert canonical(text).text == expected


def test_offsets_of_decomposed_text():
    view = canonical(unicodedata.normalize("NFD", "각하"))

    assert (view.text, view.starts, view.ends) == ("각하", (0, 3), (3, 5))


def test_offsets_of_collapsed_repeats():
    assert canonical("ㅋㅋㅋㅋㅋ네").ends == (1, 2, 5, 6)


def test_offsets_of_an_invisible_character_belong_to_the_one_before():
    assert canonical("씨\u200b발").ends == (2, 3)


def test_offsets_of_a_character_that_becomes_several():
    view = canonical("㎏당")

    assert (view.text, view.starts, view.ends) == ("kg당", (0, 0, 1), (1, 1, 2))


@pytest.mark.parametrize("text", ["", " ", "\u200b", "\u3164", "\0\t", "\u0301"])
def test_nothing_to_see(text):
    assert not normalize(text).visible


@pytest.mark.parametrize("text", ["ㅋ", ".", "🐶", "a", "0", "\ud800"])
def test_something_to_see(text):
    assert normalize(text).visible


def test_find_gives_original_spans_in_any_view():
    normalized = normalize("아 병 신 같은 병신")

    assert sorted(normalized.find("병신")) == [(2, 5), (9, 11)]


def test_find_gives_each_span_once():
    normalized = normalize("병신 ㅅㅣ발")
    assert normalized.skeleton is not None

    assert list(normalized.find("병신")) == [(0, 2)]


def test_find_nothing_gives_nothing():
    assert list(normalize("가나다").find("")) == []


@pytest.mark.parametrize(
    "unit",
    [
        "ㅅㅣ",
        "가 ",
        "씨.",
        "tlqkf",
        "가아",
        "\u0301",
        "가~~",
        "♥ ",
        "\ud800",
        "ㅏㄱ",
        "人",
        "sibal",
    ],
)
def test_a_long_text_takes_time_in_proportion(unit):
    text = unit * (100_000 // len(unit))
    started = time.perf_counter()

    normalize(text)

    # Measured: 0.1 s to 0.4 s. Quadratic time would be minutes.
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("plane", range(4))
def test_no_character_makes_a_text_many_times_as_long(plane):
    for code in range(plane << 16, (plane + 1) << 16):
        assert len(canonical(chr(code)).text) <= 4


def test_views_are_canonical_first():
    normalized = normalize("씨1발")

    assert [view.text for view in normalized.views] == ["씨1발", "씨발"]


def test_no_skeleton_where_it_says_the_same():
    assert normalize("배송 언제 오나요?") == Normalized(
        "배송 언제 오나요?", View.identity("배송 언제 오나요?"), None
    )
