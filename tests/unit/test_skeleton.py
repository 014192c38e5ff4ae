"""Each disguise that the skeleton undoes, and honest text beside it that it must leave alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.text import hangul
from gounmal.text.normalize import canonical, normalize
from gounmal.text.skeleton import composed, unspaced, unstretched, without_fillers
from gounmal.text.standins import (
    emoji_read,
    hanja_read,
    numbers_read,
    romanised_read,
    shapes_read,
    turned_upright,
    typed_in_hangul,
)
from gounmal.text.views import View


def step(function, text: str) -> str:
    return function(View.identity(text)).text


def read(text: str) -> str:
    return normalize(text).views[-1].text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("시1발", "시발"),
        ("씨@발", "씨발"),
        ("병~신", "병신"),
        ("씨.발", "씨발"),
        ("야이씨.발놈아", "야이씨발놈아"),
        ("ㅅ#ㅂ", "ㅅㅂ"),
        ("개♥새끼", "개새끼"),
        ("병😀신", "병신"),
        ("씨ㆍ발", "씨발"),
        ("병ㅋㅋ신", "병신"),
        ("씨ㅡㅡ발", "씨발"),
        ("시 1 발", "시발"),
        ("나도 ♤ ♥ 갈래", "나도 갈래"),
        ("나도 ≥ㅅ≤ 갈래", "나도 갈래"),
        ("하。지。마", "하지마"),
    ],
)
def test_fillers(text, expected):
    assert step(without_fillers, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "오후3시에",
        "네...감사해요",
        "그래?나도",
        "개○○들",
        "제품2개요",
        "안녕~반가워",
        "역시!발송",
        "다시.발견",
        "블랙/화이트",
        "옵션a로",
        "시x",
        "다시 1 발",
        "3000원",
    ],
)
def test_no_fillers(text):
    assert step(without_fillers, text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("병 신", "병신"),
        ("병 신아", "병신아"),
        ("시 발놈아", "시발놈아"),
        ("ㅅ ㅂ", "ㅅㅂ"),
        ("이 개 새 끼 야", "이개새끼야"),
        ("병 ㅅ", "병ㅅ"),
    ],
)
def test_spacing(text, expected):
    assert step(unspaced, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "다시 발견",
        "병 신고",
        "시 발표",
        "네 ㅠㅠ",
        "ㅋ ㅋ",
        "더 큰 옷이요",
        "개 새로",
        "상추 씨 발아가 잘 돼요",
        "살구 씨 발아",
        "존 나이키",
    ],
)
def test_spacing_of_words_stays(text):
    assert step(unspaced, text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ㅅㅣㅂㅏㄹ", "시발"),
        ("씨ㅂㅏㄹ", "씨발"),
        ("ㅅㅣ발", "시발"),
        ("씨바ㄹ", "씨발"),
        ("벼ㅇ신", "병신"),
        ("ㅂㅕㅇㅅㅣㄴ", "병신"),
        ("ㅈㅓㅣ발", "제발"),
        ("ㅈㅗㅏ", "좌"),
        ("ㅅㅅㅣ발", "씨발"),
        ("ㅂㅏㄴㅏㄴㅏ", "바나나"),
        ("ㅇㅓㅂㅅㄷㅏ", "없다"),
        ("시ㅣㅣ발", "시발"),
        ("씨바ㄹㄴㅕㄴ", "씨발년"),
        ("ㅅㅣㅂㅏㄹㅋㅋ", "시발ㅋㅋ"),
    ],
)
def test_jamo(text, expected):
    assert step(composed, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "ㅂ신",
        "ㅅㅂ",
        "ㅋㅋㅠㅠ",
        "네ㅠㅠ",
        "ㅇㅠㅠ",
        "ㅡㅅㅡ",
        "ㅇㅅㅇ",
        "아ㅋㅋ",
        "이거ㅇㅋ",
        "ㄱㅅㄱㅅ",
        "ㅋㅗㅋ",
    ],
)
def test_jamo_that_spell_nothing_stay(text):
    assert step(composed, text) == text


@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=6))
def test_compose_leaves_no_gaps(word):
    spelled = "".join("".join(hangul.split(s)) for s in word)
    pieces = hangul.compose(spelled)

    assert pieces[0][1] == 0
    assert all(before[2] == after[1] for before, after in pairwise(pieces))
    assert pieces[-1][2] == len(spelled)


@pytest.mark.parametrize("word", ["병신", "개새끼", "안녕하세요", "좋아", "배송", "괜찮아", "원해"])
def test_compose_restores_common_words(word):
    spelled = "".join("".join(hangul.split(s)) for s in word)

    assert "".join(piece[0] for piece in hangul.compose(spelled)) == word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("시이이발", "시발"),
        ("병시인", "병신"),
        ("병시이인아", "병신아"),
        ("개애새애끼이", "개새끼"),
        ("조온나", "존나"),
        ("미이친", "미친"),
    ],
)
def test_stretching(text, expected):
    assert step(unstretched, text) == expected


@pytest.mark.parametrize(
    "text", ["아이", "우유", "병원", "오이", "좋아요", "이야기", "시작", "가게에"]
)
def test_nothing_stretched(text):
    assert step(unstretched, text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tlqkf", "시발"),
        ("Tlqkf", "씨발"),
        ("TLQKF", "시발"),
        ("rotoRl", "개새끼"),
        ("qudtls아", "병신아"),
        ("dkssudgktpdy", "안녕하세요"),
        ("whw같네", "좆같네"),
        ("wlfkfzzz", "지랄ㅋㅋㅋ"),
        ("ｔｌｑｋｆ", "시발"),
    ],
)
def test_keyboard(text, expected):
    assert typed_in_hangul(canonical(text), text).text.removesuffix("zzz") == expected.removesuffix(
        "ㅋㅋㅋ"
    )


@pytest.mark.parametrize(
    "text",
    ["good", "sale", "with", "girl", "fuck", "free", "xl", "nike", "sorry", "thank you", "cm"],
)
def test_english_is_not_typed_hangul(text):
    assert typed_in_hangul(canonical(text), text).text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("🐶새끼", "개새끼"),
        ("🐷야", "돼지야"),
        ("맘🐛", "맘충"),
        ("이🐶새끼", "이개새끼"),
        ("🐶같네", "개같네"),
    ],
)
def test_emoji(text, expected):
    assert step(emoji_read, text) == expected


def test_emoji_on_their_own_stay():
    assert step(emoji_read, "우리 🐶 귀엽죠") == "우리 🐶 귀엽죠"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18놈아", "시팔놈아"),
        ("씹8", "씹팔"),
        ("시8놈", "시팔놈"),
        ("10새끼", "십새끼"),
        ("2새끼", "이새끼"),
        ("1베충", "일베충"),
    ],
)
def test_numbers(text, expected):
    assert step(numbers_read, text) == expected


@pytest.mark.parametrize(
    "text", ["18개월", "18년", "다시8개", "118놈", "3시8분", "시8번", "2개", "18k"]
)
def test_honest_numbers(text):
    assert step(numbers_read, text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("人ㅣ발", "ㅅㅣ발"),
        ("ㄴr쁜", "ㄴㅏ쁜"),
        ("ㅅl발", "ㅅㅣ발"),
        ("ㅅ1발", "ㅅㅣ발"),
        ("ㅅ!발", "ㅅㅣ발"),
        ("口친놈", "미친놈"),
        ("甘신", "빙신"),
        ("ㅇ凸늘", "ㅇㅗ늘"),
        ("ㄱ一냥", "ㄱㅡ냥"),
        ("ㅅH끼", "ㅅH끼"),
        ("ㅅh끼", "ㅅㅐ끼"),
        ("7h새끼", "개새끼"),
        ("ユ냥", "그냥"),
        ("dㅏl", "ㄷㅏㄹ"),
        ("ㅂㅓl", "ㅂㅓㅣ"),
    ],
)
def test_shapes(text, expected):
    assert step(shapes_read, text) == expected


@pytest.mark.parametrize(
    "text", ["ㅋㅋ1번", "ㅂ1신", "ㅅ1ㅂ", "ㅇㅇ ok", "ㅊㅋhappy", "7kg", "xl로"]
)
def test_shapes_that_are_what_they_are(text):
    assert step(shapes_read, text) == text


def test_hanja():
    assert step(hanja_read, "한男들 뭔家") == "한남들 뭔가"
    assert step(hanja_read, "人生") == "人生"


def test_turned():
    assert step(turned_upright, "했음 ㅓㄱ는") == "했음 나는"
    assert step(turned_upright, "ㅓㅇㅓㅁ존") == "아마존"
    assert step(turned_upright, "ㄱㅓㄱ") == "ㄱㅓㄱ"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssibal", "시발"),
        ("sibal nom", "시발놈"),
        ("byungsin", "병신"),
        ("byeongsin아", "병신아"),
        ("gaesaekki", "개새끼"),
        ("mi친놈", "미친놈"),
        ("jot같네", "좃같네"),
        ("michinnyeon", "미친년"),
        ("c발", "씨발"),
        ("z랄", "지랄"),
        ("노dap", "노답"),
    ],
)
def test_romanised(text, expected):
    assert step(romanised_read, text) == expected


@pytest.mark.parametrize(
    "text", ["good이에요", "sale은", "vip고객", "xl로", "t셔츠", "bj님", "so good", "jot down"]
)
def test_english_is_not_romanised(text):
    assert step(romanised_read, text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ㅅ1발 새1끼", "시발 새끼"),
        ("Ｔｌｑｋｆ 놈", "씨발 놈"),
        ("ㅂ ㅕ ㅇ ㅅ ㅣ ㄴ", "병신"),
        ("씨이~~발", "씨발"),
        ("ㅅㅣ이이발", "시발"),
        ("병\u200b시인", "병신"),
        ("🐶 새끼", "🐶 새끼"),
        ("개𝙨aekki", "개새끼"),
    ],
)
def test_disguises_on_top_of_each_other(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "word", "span"),
    [
        ("야 ㅅㅣㅂㅏㄹ놈", "시발", (2, 7)),
        ("이 병 신아", "병신", (2, 5)),
        ("아 tlqkf 뭐", "시발", (2, 7)),
        ("씨@@발", "씨발", (0, 4)),
        ("ㅋㅋ 병시이인", "병신", (3, 7)),
        ("🐶새끼", "개새끼", (0, 3)),
        ("ㅎㅎ ssibal ㅋ", "시발", (3, 9)),
    ],
)
def test_found_in_disguise_at_its_place(text, word, span):
    assert list(normalize(text).find(word)) == [span]
