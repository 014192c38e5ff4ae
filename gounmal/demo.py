"""A made-up live-commerce broadcast, to see a full report without having any chat.

Every line is written by hand for this project. The abusive ones are there because finding them is
what this project is for; so are the harmless ones that look like them.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from gounmal.files.writers import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2026, 11, 20, 20, 0, 0)  # noqa: DTZ001  (a file's times are of the wall clock)
MINUTES = 75
VIEWERS = 400
TROLLS = 6

GREETINGS = (
    "안녕하세요",
    "방금 왔어요",
    "오늘도 출석",
    "하이요~",
    "언니 안녕",
    "기다렸어요ㅎㅎ",
    "입장!",
)
LAUGHTER = ("ㅋㅋㅋㅋ", "ㅋㅋ", "ㅎㅎㅎ", "ㅠㅠ", "대박ㅋㅋㅋ", "👍", "❤️❤️", "오오", "헐", "ㄱㅅ")
QUESTIONS = (
    "{item} 얼마예요?",
    "{item} 재고 있나요",
    "배송 언제 와요?",
    "{size} 사이즈 남았어요?",
    "{colour} 색은 품절인가요",
    "교환 되나요",
    "장애인 할인 되나요",
    "할머니 선물로 괜찮을까요",
    "{item} 세탁기 돌려도 돼요?",
    "쿠폰 중복 되나요?",
)
PRAISE = (
    "{item} 진짜 예뻐요",
    "지난번에 산 {item} 존맛이었어요",
    "이 가격이면 개이득",
    "{colour} 대박 잘 어울려요",
    "언니 미쳤다 너무 예뻐",
    "재구매합니다",
)
HARMLESS = (
    "시발역 근처 매장에도 있나요",
    "18개월 아기가 입어도 될까요",
    "새끼손가락 반지 사이즈 있어요?",
    "우리집 강아지 새끼 낳았어요 옷 살게요",
    "배고파 죽겠는데 {item} 보니까 더 배고파요",
    "병신년에 산 코트 이제 버려야겠어요",
    "지랄탄 같은 향은 아니죠?",
    "미친듯이 예쁘네요 {colour}",
)
COMPLAINTS = (
    "배송 너무 늦어요 2주째예요",
    "지난번 {item} 불량이었는데 환불 안 해주네요",
    "가격 올랐네요 실망이에요",
    "화질이 왜 이래요",
    "소리가 안 들려요",
)
ABUSE = (
    "시발 왜 이렇게 비싸",
    "시1발 또 품절이야",
    "씨@발 장난하냐",
    "ㅅㅂ 배송 언제 와",
    "tlqkf 렉 걸려",
    "씨이발 진짜",
    "ㅅㅣㅂㅏㄹ 서버 터짐",
    "병신같은 방송이네",
    "븅신아 사이즈도 모르냐",
    "병.신 진행자",
    "ㅂㅅ 같은 {item}",
    "개새끼들 사기치네",
    "개 새 끼 야 환불해",
    "지랄하네 그게 무슨 할인이야",
    "존나 비싸네 꺼져",
    "닥쳐 미친년아",
    "못생긴 게 옷을 판다고",
    "틀딱들은 좀 나가라",
    "한남들 또 시작이네",
)
ITEMS = ("코트", "니트", "원피스", "가방", "목도리", "한우 세트", "귤", "운동화")
COLOURS = ("베이지", "검정", "아이보리", "카키", "와인")
SIZES = ("S", "M", "L", "55", "66", "free")

BURSTS = {
    0: (3, 0.0),
    1: (2, 0.0),
    20: (5, 0.01),
    21: (3, 0.01),
    41: (6, 0.12),
    42: (4, 0.1),
    60: (5, 0.0),
}
"""Minute → how many times as many messages as usual, and the share of them that is abuse: the
opening, a price, something sold out, a raffle."""

TROLLING = 0.6
"""Share of the abuse that comes from the trolls."""

_KINDS = (GREETINGS, LAUGHTER, QUESTIONS, PRAISE, HARMLESS, COMPLAINTS)
_WEIGHTS = (10, 34, 28, 16, 5, 4)


def write_demo(path: Path, *, seed: int = 0) -> int:
    """Write the broadcast as CSV with the columns id, time, user, channel and text.

    Args:
        path: the file to write.
        seed: the same seed gives the same file.

    Returns:
        The number of rows.
    """
    rows = sorted(_rows(Random(seed)), key=lambda row: row[0])  # noqa: S311  (no secret)
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("id", "time", "user", "channel", "text"))
    for i, (when, user, line) in enumerate(rows, start=1):
        table.writerow((i, when.isoformat(sep=" "), user, "demo", line))
    with replacing(path) as file:
        file.write(text.getvalue().encode())
    return len(rows)


def _rows(random: Random) -> Iterator[tuple[datetime, str, str]]:
    """Messages as (time, user, text), in no order within a minute."""
    viewers = [f"viewer{number:03}" for number in range(VIEWERS)]
    trolls = random.sample(viewers, TROLLS)
    for minute in range(MINUTES):
        pace, anger = BURSTS.get(minute, (1, 0.012))
        for _ in range(random.randint(14, 26) * pace):
            when = START + timedelta(minutes=minute, seconds=random.randrange(60))
            if random.random() < anger:
                user = random.choice(trolls if random.random() < TROLLING else viewers)
                yield when, user, _filled(random, ABUSE)
            else:
                kind = random.choices(_KINDS, _WEIGHTS)[0]
                yield when, random.choice(viewers), _filled(random, kind)


def _filled(random: Random, templates: tuple[str, ...]) -> str:
    return random.choice(templates).format(
        item=random.choice(ITEMS), colour=random.choice(COLOURS), size=random.choice(SIZES)
    )
