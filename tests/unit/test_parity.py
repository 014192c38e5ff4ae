"""What is done for a batch at once is what would be done for each message alone."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.files.records import text_problem, text_problems
from gounmal.model.classifier import Classifier
from gounmal.model.encoder import (
    CHAR_ORDERS,
    FOLDED_ORDERS,
    JAMO_ORDERS,
    VOWEL_ORDERS,
    Encoded,
    hash_features,
)
from gounmal.moderator import Moderator, Scored
from gounmal.policy import SCORE_DIGITS, Policy, decide, limits_of, shown, shown_alone
from gounmal.schema import LABELS, Label, Message, Mode
from gounmal.text.hangul import LEADS, TAILS, VOWELS

ROOT = Path(__file__).parents[2]
FOLDS = (
    "ㄱㄲㅋ ㄷㄸㅌ ㅂㅃㅍ ㅅㅆ ㅈㅉㅊ ㄴㄵㄶ ㄹㄺㄻㄼㄽㄾㄿㅀ "
    "ㅏㅑㅘ ㅓㅕㅝ ㅗㅛ ㅜㅠㅡ ㅐㅔㅒㅖㅙㅚㅞ ㅣㅟㅢ"
)
TEXT = st.text(
    st.sampled_from("시발새끼바보젠장안녕 ㅋㅅㅂㅏ1@~.aB😀\u200b\u1109\x02"), max_size=20
)


def lines_of(name):
    with (ROOT / "tests" / "data" / name).open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def one_by_one(moderator, messages):
    """Each message alone, through all of `policy.decide`, with the scores that the batch gave."""
    prepared = [moderator.prepare(message) for message in messages]
    scored = moderator.score(prepared)
    fast = moderator.decide_many(prepared, scored)
    slow = [
        decide(
            p.message,
            p.normalized,
            s.scores,
            s.evidence,
            limits=limits_of(p.policy, moderator.scorer.thresholds),
            span_threshold=moderator.scorer.span_threshold,
            policy=p.policy,
            model=moderator.scorer.tag,
        )
        for p, s in zip(prepared, scored, strict=True)
    ]
    return fast, slow


class Guesser:
    """A `Scorer` of whatever scores and evidence a test draws."""

    tag = "guess:1"
    span_threshold = 0.5

    def __init__(self, scores):
        self.scores = scores
        limits = zip(Mode, (0.9, 0.5, 0.25), strict=True)
        self.thresholds = {mode: dict.fromkeys(LABELS, limit) for mode, limit in limits}

    def score(self, texts):
        rng = np.random.default_rng(0)
        return [
            Scored(row, rng.random((len(text.original), len(LABELS)), np.float32))
            for text, row in zip(texts, self.scores, strict=False)
        ]


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load(ROOT / "models" / "gounmal-ko")


@pytest.mark.parametrize("mode", Mode)
def test_our_lines_get_the_same_decisions(classifier, mode):
    policy = Policy.parse(
        {
            "mode": mode.value,
            "blocklist": ["배송", {"text": "품절", "label": "insult"}],
            "allowlist": ["시발점"],
            "channels": {"kids": {"mode": "strict", "thresholds": {"insult": 0.05}}},
        }
    )
    texts = [*lines_of("evasions.tsv"), *lines_of("harmless.tsv"), "", " \u200b"]
    messages = [
        Message(text, id=str(i), channel="kids" if i % 5 == 0 else None)
        for i, text in enumerate(texts)
    ]
    for rules in (policy, Policy(mode=mode)):
        fast, slow = one_by_one(Moderator(classifier, rules), messages)
        assert fast == slow
        assert {one.flagged for one in fast} == {True, False}
        assert any(one.spans for one in fast)


@given(st.lists(TEXT, min_size=1, max_size=5), st.sampled_from(Mode), st.data())
def test_any_line_with_any_scores_gets_the_same_decision(texts, mode, data):
    limits = [0.25, 0.5, 0.9, 0.24995, 0.49994998, 0.03125, 0.0]
    score = st.one_of(st.sampled_from(limits), st.floats(0, 1, width=32))
    vector = st.lists(score, min_size=len(LABELS), max_size=len(LABELS))
    scores = [np.array(data.draw(vector), np.float32) for _ in texts]
    policy = Policy.parse({"mode": mode.value, "blocklist": ["바보"], "allowlist": ["안녕"]})
    fast, slow = one_by_one(Moderator(Guesser(scores), policy), [Message(text) for text in texts])
    assert fast == slow


@given(st.lists(st.floats(0, 1, width=32), min_size=len(LABELS), max_size=len(LABELS)))
def test_scores_are_rounded_as_python_rounds(scores):
    expected = [round(float(np.float32(score)), SCORE_DIGITS) for score in scores]
    hate = LABELS.index(Label.HATE)
    expected[hate] = max(expected[hate:])
    assert shown(np.array([scores], np.float32))[0].tolist() == expected
    assert shown_alone(np.array(scores, np.float32)) == expected


def test_every_rounding_tie_goes_to_the_even_digit():
    # Of all float32 in 0 to 1, these alone lie halfway between two numbers of four digits.
    ties = np.arange(1, 32, 2) / 32
    given_back = shown(np.repeat(ties[:, None], len(LABELS), 1).astype(np.float32))
    assert given_back[:, 0].tolist() == [round(tie, SCORE_DIGITS) for tie in ties.tolist()]


def test_evidence_is_worked_out_for_what_was_flagged_only(classifier):
    moderator = Moderator(classifier)
    prepared = [
        moderator.prepare(Message(text)) for text in ("안녕하세요 반가워요", "야 이 씨발놈아")
    ]
    asked = []

    def watched(number, scored):
        def evidence():
            asked.append(number)
            return scored.evidence

        return Scored(scored.scores, evidence)

    scored = [watched(i, one) for i, one in enumerate(moderator.score(prepared))]
    decisions = moderator.decide_many(prepared, scored)
    assert [one.flagged for one in decisions] == [False, True]
    assert asked == [1]


@given(st.lists(TEXT | st.sampled_from(["\ud800", "가" * 4_000, "가" * 4_001, None, 7])))
def test_a_column_has_the_problems_of_its_values(values):
    assert text_problems(values) == [text_problem(value) for value in values]


# The encoder, as its description says it --------------------------------------------------------


def jamo_of(character):
    code = ord(character) - 0xAC00
    if not 0 <= code < 11172:
        return [character] * (character != "\0")
    lead, tail = LEADS[code // 588], TAILS[code % 28]
    return [*lead.replace("ㅇ", ""), VOWELS[code // 28 % 21], *tail]


def folded(jamo):
    return next((group[0] for group in FOLDS.split() if jamo in group), jamo)


def gram(units, order):
    base = 0x9E3779B97F4A7C15
    backwards = reversed(units[-order:])
    return sum(ord(unit) * pow(base, i + 1, 2**64) for i, unit in enumerate(backwards)) % 2**64


def key(value, family):
    salted = (value + (family + 1) * 0xD1B54A32D192ED03) % 2**64
    return ((salted ^ salted >> 32) * 0xFF51AFD7ED558CCD % 2**64) >> 32


def features_of(text):
    """One n-gram after the other, in Python's own integers."""
    rows = []
    chars, jamo = ["\x02"] * 3, ["\x02", "\0"] * 3
    for character in text:
        chars.append(character)
        parts = ["\x02", "\0"] if character == "\x02" else jamo_of(character)
        has_coda = len(character) and 0xAC00 <= ord(character) <= 0xD7A3 and parts[-1] not in VOWELS
        jamo += [min(part, "\uffff") for part in parts]
        before = jamo[:-1] if has_coda else jamo
        row = [key(gram(chars, n), i) for i, n in enumerate(CHAR_ORDERS)]
        row += [key(gram(jamo, n), 4 + i) for i, n in enumerate(JAMO_ORDERS)]
        row += [key(gram(before, n), 4 + i) * has_coda for i, n in enumerate(VOWEL_ORDERS)]
        soft = [folded(one) for one in jamo]
        row += [key(gram(soft, n), 11 + i) for i, n in enumerate(FOLDED_ORDERS)]
        rows.append(row)
    return rows


@given(st.text(max_size=12) | TEXT)
def test_ngrams_are_what_they_are_said_to_be(text):
    text = text.encode("utf-32-le", "replace").decode("utf-32-le")
    keys, _ = hash_features([text])
    assert keys.tolist() == features_of(text)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.data())
def test_padding_puts_each_message_into_its_row(lengths, data):
    rows = data.draw(st.permutations(range(len(lengths))))
    ids = np.arange(1, sum(lengths) + 1, dtype=np.int32)[:, None]
    encoded = Encoded(ids, np.array(lengths))
    if not len(ids):
        return
    padded, mask = encoded.padded(np.array(rows))
    starts = np.cumsum([0, *lengths])
    for row, values, inside in zip(rows, padded[..., 0], mask[..., 0], strict=True):
        own = ids[starts[row] : starts[row + 1], 0].tolist()
        assert values.tolist() == own + [0] * (padded.shape[1] - len(own))
        assert inside.tolist() == [1.0] * len(own) + [0.0] * (padded.shape[1] - len(own))
