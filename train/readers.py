"""Each source's own file format → examples in our taxonomy.

A reader is tolerant: a row that it cannot make sense of is skipped, never guessed. Which of our
labels a source's label says something about, and how far to trust it, is decided here.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import TYPE_CHECKING, TextIO

import zstandard

from gounmal.schema import LABELS, Label
from train.example import HATE, HATE_KINDS, Example, harmless, known, some_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROFANITY, INSULT = Label.PROFANITY, Label.INSULT
VULGAR = (PROFANITY, INSULT)
HOSTILE = (INSULT, Label.HATE)
ABUSE = (PROFANITY, INSULT, Label.HATE)
CLEAN_WEIGHT = 0.5
"""Of texts that nobody labelled, from collections that are clean on the whole."""

NOBODY_WEIGHT = 0.25
"""How much it counts that one of our own curses at nobody is no insult."""

SWEARING = re.compile(
    "새끼|[씨시]발|존나|좆|병신|지랄|썅|쌍누|닥쳐|염병|호로|싸가지|쳐먹|죽여|꼬라|무뇌|대가리|이것들아"
    "|놈|(미친|나쁜|돌은|파는|하는|딸|그|저) ?년|년(아|들|이다|처럼)|쓰레기(야|새끼| 맞)"
    "|젠장|개 ?같|개자식|극혐|멍청|꼰대|못생|저능|미친"
)
"""Lines of the presumed clean collections with one of these are left out: some are film scripts."""

FRAGMENT = "0"
KMHAS_KINDS = {
    "0": Label.HATE_ORIGIN,
    "1": Label.HATE_APPEARANCE,
    "2": Label.HATE_POLITICS,
    "4": Label.HATE_AGE,
    "5": Label.HATE_GENDER,
    "6": Label.HATE_ORIGIN,  # "race", which the taxonomy counts with origin
    "7": Label.HATE_RELIGION,
}


def kodoli(path: Path) -> Iterator[Example]:
    """Abusive vocabulary is `profanity`; intent is `insult`: LIKELY is half a one, trusted less.

    A text with no hostile intent at all (NOT) attacks no group either.
    """
    intent = {"OFFEN": (1.0, 1.0), "LIKELY": (0.5, 0.3), "NOT": (0.0, 1.0)}
    for row in _csv(path):
        abuse, text = row.get("abuse"), row.get("sentences")
        if abuse not in {"ABS", "NON"} or row.get("offensiveness") not in intent or not text:
            continue
        offence = row["offensiveness"]
        facts = [(PROFANITY, float(abuse == "ABS"), 1.0), (INSULT, *intent[offence])]
        if offence == "NOT":
            facts += [(label, 0.0, 0.5) for label in HATE]
        yield Example(text.strip(), "kodoli", *known(*facts))


def curse(path: Path) -> Iterator[Example]:
    """`text|label`, split at the last bar: 1 says some of profanity and insult, 0 neither."""
    clean = known((PROFANITY, 0.0, 1.0), (INSULT, 0.0, 1.0))
    for line in _lines(path):
        text, _, label = line.rpartition("|")
        if text.strip() and label.strip() == "0":
            yield Example(text.strip(), "curse", *clean)
        elif text.strip() and label.strip() == "1":
            yield some_of(VULGAR, text.strip(), "curse", 1.0, 1.0)


def kmhas(path: Path) -> Iterator[Example]:
    """Complete as to profanity and the kinds of hate; of insults it knows only where none is."""
    for line in _lines(path):
        text, _, label = line.rpartition("\t")
        codes = {code.strip() for code in label.split(",")}
        if not text.strip() or not codes <= {*KMHAS_KINDS, "3", "8"}:
            continue
        kinds = {KMHAS_KINDS[code] for code in codes if code in KMHAS_KINDS}
        facts = [(PROFANITY, float("3" in codes), 1.0), (Label.HATE, float(bool(kinds)), 1.0)]
        facts += [(kind, float(kind in kinds), 1.0) for kind in HATE_KINDS]
        if "8" in codes:
            facts.append((INSULT, 0.0, 1.0))
        yield Example(text.strip(), "kmhas", *known(*facts))


def beep(path: Path) -> Iterator[Example]:
    """`hate` is broad ("offensive" is rude or sarcastic) and its annotators agree little."""
    for row in _tsv(path):
        text, bias, hate = row.get("comments"), row.get("bias"), row.get("hate")
        if not text or hate not in {"none", "offensive", "hate"}:
            continue
        if hate == "none":
            facts = [(label, 0.0, 0.7) for label in (INSULT, *HATE)]
            yield Example(text.strip(), "beep", *known(*facts))
            continue
        gender = {"gender": 1.0, "none": 0.0}.get(bias or "")
        facts = [] if gender is None else [(Label.HATE_GENDER, gender, 0.7)]
        value = 1.0 if hate == "hate" else 0.7
        yield Example(text.strip(), "beep", *known(*facts), HOSTILE, value, 0.7)


def malicious(path: Path) -> Iterator[Example]:
    """0 is malicious, 1 is fine; some labels carry a stray quote."""
    for line in _lines(path):
        text, _, label = line.rpartition("\t")
        text, label = text.strip().strip('"').strip(), label.strip().strip('"')
        if text and label == "1":
            yield harmless(text, "malicious", 0.5)
        elif text and label == "0":
            yield some_of(ABUSE, text, "malicious", 1.0, 0.5)


def kotox(path: Path) -> Iterator[Example]:
    """Pairs, plain (`kotox/plain`) and obfuscated (`kotox/<level>`); the file name says the level.

    Files `<level>_val.csv` are for development only.
    """
    level, _, part = path.stem.partition("_")
    for row in _csv(path):
        neutral, toxic = row.get("neutral") or "", row.get("toxic") or ""
        pair = f"kotox {neutral} {toxic}"
        for column, source in (("", "kotox/plain"), ("_obfuscated_texts", f"kotox/{level}")):
            if text := (row.get("neutral" + column) or "").strip():
                yield harmless(text, source, 1.0, pair=pair, held=part == "val")
            if text := (row.get("toxic" + column) or "").strip():
                yield some_of(ABUSE, text, source, 1.0, 1.0, pair=pair, held=part == "val")


def kda(path: Path) -> Iterator[Example]:
    """Machine-written: a neutral line, and a rewrite that is toxic without saying so."""
    for row in _csv(path):
        neutral, implicit = (row.get("neutral") or "").strip(), (row.get("implicit") or "").strip()
        if neutral and implicit:
            pair = f"kda {neutral}"
            yield harmless(neutral, "kda", CLEAN_WEIGHT, pair=pair)
            yield some_of(HOSTILE, implicit, "kda", 0.8, 0.3, pair=pair)


def kosbi(path: Path) -> Iterator[Example]:
    """Machine-written sentences about social groups, each with its context: safe or unsafe."""
    for row in json.loads(path.read_text(encoding="utf-8")):
        pair = f"kosbi {row.get('context')}"
        for part in ("context", "sentence"):
            text, label = (row.get(part) or "").strip(), row.get(f"{part}_label")
            if text and label == "safe":
                yield harmless(text, "safety", CLEAN_WEIGHT, pair=pair)
            elif text and label == "unsafe":
                yield some_of(HOSTILE, text, "safety", 0.7, 0.3, pair=pair)


def chatbot(path: Path) -> Iterator[Example]:
    """Questions of users and answers of a bot, taken as harmless."""
    for row in _csv(path):
        for column in ("Q", "A"):
            text = (row.get(column) or "").strip()
            if text and not SWEARING.search(text):
                yield harmless(text, "chatbot", CLEAN_WEIGHT)


def utterances(path: Path) -> Iterator[Example]:
    """3i4k: `class⇥text`, taken as harmless; class 0 are words and pieces of sentences."""
    for line in _lines(path):
        kind, _, text = line.partition("\t")
        if text.strip() and not SWEARING.search(text):
            source = "3i4k/fragment" if kind.strip() == FRAGMENT else "3i4k"
            yield harmless(text.strip(), source, CLEAN_WEIGHT)


def written(path: Path) -> Iterator[Example]:
    """Our own lines: `text⇥labels⇥…`, labels comma separated, none or `-` for a harmless line.

    An abusive line says only that one of its labels holds: which word is whose label, each source
    sees its own way, and lines that we wrote must not overrule those that many people judged. But
    a curse at nobody, with the one label `profanity`, is no insult. The folder names the source.
    """
    for line in _lines(path):
        text, *rest = (part.strip() for part in line.split("\t"))
        names = {n.strip() for n in (rest[0] if rest else "").split(",")} - {"", "-"}
        if not text or line.startswith("#") or not names <= set(LABELS):
            continue
        if names:
            labels = tuple(label for label in LABELS if label in names)
            facts = [(INSULT, 0.0, NOBODY_WEIGHT)] if labels == (PROFANITY,) else []
            yield Example(text, path.parent.name, *known(*facts), labels, 1.0, 1.0)
        else:
            yield harmless(text, path.parent.name, 1.0)


Unlabelled = tuple[str, float]
"""A text of which no source says whether it abuses, and its stars: 1 for a good review, 0 for a bad
one, NaN for what lies between or is no review."""

GOOD, BAD = 9, 4
"""Of ten stars, so many and more, or so many and fewer."""


def first_column(path: Path) -> Iterator[Unlabelled]:
    """Text lines, unlabelled."""
    for line in _lines(path):
        yield line.partition("\t")[0].strip(), math.nan


def second_column(path: Path) -> Iterator[Unlabelled]:
    """`id⇥text⇥…`, unlabelled."""
    for line in _lines(path):
        yield line.partition("\t")[2].partition("\t")[0].strip(), math.nan


def reviews(path: Path) -> Iterator[Unlabelled]:
    """NSMC: `text⇥rating` (zstd), 1 to 10, or the source's own `id⇥text⇥label`, 0 or 1."""
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        compressed = magic == b"\x28\xb5\x2f\xfd"
        stream = zstandard.ZstdDecompressor().stream_reader(raw) if compressed else raw
        with io.TextIOWrapper(stream, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.rstrip("\r\n").split("\t")
                whole = len(fields) == 3
                yield fields[1 if whole else 0].strip(), _stars(fields[-1], whole=whole)


def _stars(rating: str, *, whole: bool) -> float:
    """`whole`: it is 0 or 1 already."""
    if not rating.strip().isdigit():
        return math.nan
    value = int(rating)
    if whole:
        return float(value > 0)
    return 1.0 if value >= GOOD else 0.0 if value <= BAD else math.nan


LABELLED: dict[str, Callable[[Path], Iterator[Example]]] = {
    "kodoli/kodoli.csv": kodoli,
    "curse/dataset.txt": curse,
    "kmhas/kmhas_test.txt": kmhas,
    "beep/train.tsv": beep,
    "malicious/Dataset.csv": malicious,
    **{f"kotox/{n}_{p}.csv": kotox for n in ("easy", "normal", "hard") for p in ("train", "val")},
    "kda/kda_ko.csv": kda,
    "safety/kosbi_valid.json": kosbi,
    "safety/kosbi_test.json": kosbi,
    "chatbot/ChatbotData.csv": chatbot,
    "3i4k/fci.txt": utterances,
}

UNLABELLED: dict[str, Callable[[Path], Iterator[Unlabelled]]] = {
    "beep/unlabeled_comments_5.txt": first_column,
    "kote/val.tsv": second_column,
    "kote/test.tsv": second_column,
    "nsmc/reviews.tsv.zst": reviews,
}


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _lines(path: Path) -> Iterator[str]:
    """Lines by newline only: some texts contain other characters that Python takes for one."""
    with _open(path) as stream:
        for line in stream:
            yield line.rstrip("\r\n")


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with _open(path) as stream:
        yield from csv.DictReader(stream)


def _tsv(path: Path) -> Iterator[dict[str, str]]:
    with _open(path) as stream:
        yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
