"""Lines as long as those of live chat, made of our own: what engines are measured on.

    python -m benchmarks.engine.sample

Writes lines.txt beside this file, the same one every time. Real live chat (121 channels, a million
messages) has a median of 7 characters, 90 % under 18 and 99 % under 54; between these points the
logarithm of the length is taken as linear. Lines longer than our own are several of them in a row.
One in `ONE_ABUSIVE_IN` is abusive, as no more of live chat is.
"""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random
from statistics import quantiles

import numpy as np

from gounmal.demo import GREETINGS, LAUGHTER, PRAISE, QUESTIONS

HERE = Path(__file__).parent
LINES = HERE / "lines.txt"
WRITTEN = HERE.parents[1] / "train"
COUNT = 1_024
ONE_ABUSIVE_IN = 40
SHARES = (0.0, 0.5, 0.9, 0.99, 1.0)
LENGTHS = (1, 7, 17, 53, 120)
"""Length of the shortest, the median, … up to the longest line, in characters."""


def main() -> None:
    random = Random(0)  # noqa: S311  (not for secrets)
    made = lines(random)
    LINES.write_text("".join(f"{line}\n" for line in made), encoding="utf-8")
    lengths = sorted(map(len, made))
    cuts = quantiles(lengths, n=100, method="inclusive")
    print(f"{len(made):,} lines, {len(set(made)):,} of them different; characters: ", end="")
    print(f"median {cuts[49]:g}, 90 % {cuts[89]:g}, 99 % {cuts[98]:g}, longest {lengths[-1]}")


def lines(random: Random) -> list[str]:
    """`COUNT` lines in random order."""
    at = (np.arange(COUNT) + 0.5) / COUNT
    wanted = np.exp(np.interp(at, SHARES, np.log(LENGTHS))).round().astype(int).tolist()
    random.shuffle(wanted)
    harmless = [*pool("negatives"), *_filled(random)]
    abusive = pool("positives")
    return [
        _of_length(length, harmless if i % ONE_ABUSIVE_IN else abusive, harmless, random)
        for i, length in enumerate(wanted)
    ]


def pool(folder: str) -> list[str]:
    """Our own lines of one folder of the training program."""
    found = []
    for path in sorted((WRITTEN / folder).glob("*.tsv")):
        if path.stem != "lexicon":
            with path.open(encoding="utf-8", newline="") as file:
                table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                found += [row["text"] for row in table]
    return found


def _filled(random: Random) -> list[str]:
    """What the made-up broadcast's viewers say."""
    items = ("니트", "코트", "가방", "원피스")
    templates = (*GREETINGS, *LAUGHTER, *QUESTIONS, *PRAISE)
    return [t.format(item=random.choice(items), size="M", colour="검정") for t in templates]


def _of_length(length: int, first: list[str], then: list[str], random: Random) -> str:
    """A line of this length, or as near to it as comes by chance."""
    fitting = [line for line in first if len(line) == length]
    if fitting:
        return random.choice(fitting)
    best = ""
    for _ in range(50):
        line = random.choice(first)
        while len(line) < length - 1:
            line += " " + random.choice(then)
        if abs(len(line) - length) < abs(len(best) - length):
            best = line
    return best


if __name__ == "__main__":
    main()
