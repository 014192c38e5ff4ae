"""Does every caller get its own answer? Many connections at once, good and bad input mixed.

    python benchmarks/online/soak.py --url http://127.0.0.1:3000 --requests 10000

Each request carries a text of its own, and its answer is compared with what the core says of that
text in this process. Prints one JSON object; exits with 1 if any answer was wrong, lost or a 5xx.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp

from gounmal import Moderator

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES = (
    "안녕하세요 {}번 손님",
    "이 바보 멍청이 {}",
    "배송 {}일 걸리나요?",
    "ㅋㅋㅋㅋㅋ {}",
    "{} 꺼져 진짜 짜증나네",
    "재입고 언제 돼요?? {}",
    "시발점에서 {}미터, 새끼손가락만 한 크기예요",
    "사장님 {} 너무 비싸요 그래도 살게요 배송은 꼼꼼하게 부탁드려요 지난번엔 박스가 터져서 왔어요",
)
TOLERANCE = 2e-4
"""Scores are rounded to four digits, and another batch may round the last one otherwise."""

Exchange = tuple[str, Any, int, Any]
"""Door, body, expected status, expected content."""


def exchanges(count: int, moderator: Moderator) -> Iterator[Exchange]:
    """Requests with their answers: single lines mostly, every tenth at fault, some lists."""
    for i in range(count):
        text = LINES[i % len(LINES)].format(i)
        if i % 10 == 3:
            yield "/moderate", {"text": i}, 400, "text"
        elif i % 10 == 7 and i % 100 < 50:
            yield "/moderate_many", {"texts": [text, i]}, 400, "texts[1]"
        elif i % 50 == 9:
            texts = [f"{text} {k}" for k in range(8)]
            expected = [d.to_dict() for d in moderator.moderate(texts)]
            yield "/moderate_many", {"texts": texts}, 200, expected
        else:
            [decision] = moderator.moderate([text])
            yield (
                "/moderate",
                {"text": text, "id": str(i)},
                200,
                {
                    **decision.to_dict(),
                    "id": str(i),
                },
            )


def same(got: Any, expected: Any) -> bool:
    """Is this the expected content, up to the rounding of scores?"""
    if isinstance(expected, float):
        return isinstance(got, (int, float)) and abs(got - expected) <= TOLERANCE
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(same(got[key], value) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(map(same, got, expected))
    return bool(got == expected)


async def drive(url: str, work: Iterator[Exchange], connections: int) -> Counter[str]:
    """Send all of the work over this many connections, each waiting for its answers."""
    tally: Counter[str] = Counter()

    async def connection(session: aiohttp.ClientSession) -> None:
        for door, body, status, expected in work:
            tally["requests"] += 1
            try:
                async with session.post(url + door, json=body) as response:
                    content = await response.json()
            except (aiohttp.ClientError, TimeoutError, ValueError):
                tally["lost"] += 1
                continue
            if response.status != status:
                tally[f"status {response.status}"] += 1
                tally["wrong"] += 1
            elif not same(content if status == 200 else content["error"]["field"], expected):
                tally["wrong"] += 1

    connector = aiohttp.TCPConnector(limit=connections)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(connection(session) for _ in range(connections)))
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--model", help="what the server serves (artifact folder or tag)")
    options = parser.parse_args()
    # All of it beforehand: the server alone should be at work while the clock runs.
    work = list(exchanges(options.requests, Moderator.load(options.model)))
    start = time.perf_counter()
    tally = asyncio.run(drive(options.url, iter(work), options.connections))
    seconds = time.perf_counter() - start
    result = {"wrong": 0, "lost": 0, **tally, "seconds": round(seconds, 2)}
    result["per_second"] = round(tally["requests"] / seconds)
    print(json.dumps(result))
    return 1 if result["wrong"] or result["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
