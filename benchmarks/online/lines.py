"""An endless chat of the length and repetitiveness of a real one, from the committed sample.

A million lines of live chat have a median of 7 characters, 99 % under 54, and an exact-match cache
of 10,000 entries answers 42 % of them. `benchmarks/engine/lines.txt` has these lengths. Here each
line of it, drawn at random, is either said again as it is, or replaced by words of the sample in
another order that nobody has said before; short lines are what people repeat.
"""

from __future__ import annotations

from random import Random

from benchmarks.engine.sample import LINES

REPEATED_BELOW = 3.6
"""A line of up to so many characters is always a repetition; a longer one in this share / length.

Chosen so that about half of the chat repeats something.
"""


def chat(count: int, *, seed: int = 0, power: float = 1) -> list[str]:
    """The first lines of the chat; the same ones for the same seed.

    Args:
        count: how many.
        seed: of what is drawn.
        power: of the share in which longer lines repeat something: the higher, the fewer do.
    """
    random = Random(seed)  # noqa: S311  (not for secrets)
    sample = LINES.read_text(encoding="utf-8").splitlines()
    words = [word for line in sample for word in line.split()]
    said = set(sample)
    lines = []
    for _ in range(count):
        line = random.choice(sample)
        if random.random() > (REPEATED_BELOW / len(line)) ** power:
            line = _fresh(len(line), words, said, random)
        lines.append(line)
    return lines


def _fresh(length: int, words: list[str], said: set[str], random: Random) -> str:
    """A line of this length that has not been said before."""
    while True:
        line = ""
        while len(line) < length:
            line = f"{line} {random.choice(words)}" if line else random.choice(words)
        line = line[:length].rstrip()
        line += random.choice("ㅋㅎㅠ~!.") * (length - len(line))
        if line not in said:
            said.add(line)
            return line


def repeats(lines: list[str]) -> float:
    """The share of lines that are not the first of their kind."""
    return 1 - len(set(lines)) / len(lines)
