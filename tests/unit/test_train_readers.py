import math

import numpy as np
import pytest
import zstandard

from gounmal.schema import LABELS, Label
from train import readers

PROFANITY, INSULT, HATE = Label.PROFANITY, Label.INSULT, Label.HATE


@pytest.fixture
def file(tmp_path):
    def write(content, name="a.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def facts(example):
    """What is known: label → target."""
    pairs = zip(LABELS, example.targets, strict=True)
    return {label: target for label, target in pairs if not math.isnan(target)}


def test_unknown_targets_have_no_weight(file):
    for example in readers.kmhas(file("a\t0\nb\t8\n")):
        for target, weight in zip(example.targets, example.weights, strict=True):
            assert math.isnan(target) == (weight == 0)


def test_kodoli_tells_vocabulary_from_intent(file):
    head = "index,sentences,abuse,sentiment,offensiveness\n"
    rows = '1,가,ABS,POS,NOT\n2,"나, 다",NON,NEG,OFFEN\n3,라,ABS,NEG,LIKELY\n4,마,?,NEG,NOT\n'
    kind, attack, maybe = readers.kodoli(file("\ufeff" + head + rows + "5,,ABS,NEG,NOT\n"))
    assert facts(kind)[PROFANITY] == 1
    assert facts(kind)[INSULT] == facts(kind)[HATE] == 0
    assert attack.text == "나, 다"
    assert facts(attack) == {PROFANITY: 0, INSULT: 1}
    assert facts(maybe) == {PROFANITY: 1, INSULT: 0.5}
    assert maybe.weights[LABELS.index(INSULT)] < attack.weights[LABELS.index(INSULT)]


def test_curse_splits_at_the_last_bar(file):
    bad, fine = readers.curse(file("가|나 |1\n다|0\n라|2\n|0\n마\n"))
    assert bad.text == "가|나"
    assert bad.any_of == (PROFANITY, INSULT)
    assert bad.any_value == 1
    assert facts(bad) == {}
    assert facts(fine) == {PROFANITY: 0, INSULT: 0}


def test_kmhas_knows_every_kind_and_counts_race_with_origin(file):
    head = "document\tlabel\n"
    both, race, none = readers.kmhas(file(head + "가\t2,3\n나\t6\n다\t8\n라\t9\n마\tx\n"))
    assert {label for label, target in facts(both).items() if target} == {
        PROFANITY,
        HATE,
        Label.HATE_POLITICS,
    }
    assert INSULT not in facts(both)
    assert facts(race)[Label.HATE_ORIGIN] == facts(race)[HATE] == 1
    assert facts(none) == dict.fromkeys(LABELS, 0)


def test_beep_bias_is_about_gender_only(file):
    head = "comments\tcontain_gender_bias\tbias\thate\n"
    rows = '가 "\tTrue\tgender\thate\n나\tFalse\tnone\toffensive\n다\tFalse\tothers\tnone\n'
    hate, offensive, none = readers.beep(file(head + rows + "라\tx\ty\tz\n"))
    assert hate.text == '가 "'
    assert facts(hate) == {Label.HATE_GENDER: 1}
    assert hate.any_of == (INSULT, HATE)
    assert facts(offensive) == {Label.HATE_GENDER: 0}
    assert 0.5 < offensive.any_value < hate.any_value == 1
    assert PROFANITY not in facts(none)
    assert facts(none)[HATE] == 0


def test_malicious_zero_means_malicious_and_stray_quotes_go(file):
    bad, quoted, fine = readers.malicious(file('content\tlable\n가\t0\n"나\t0"\n다\t1\n'))
    assert (bad.text, quoted.text, fine.text) == ("가", "나", "다")
    assert bad.any_of == quoted.any_of == (PROFANITY, INSULT, HATE)
    assert facts(fine) == dict.fromkeys(LABELS, 0)


def test_kotox_gives_both_sides_plain_and_disguised(file):
    head = "neutral,toxic,neutral_obfuscated_texts,toxic_obfuscated_texts,obfuscated_labels\n"
    found = list(readers.kotox(file(head + "가,나,ㄱㅏ,ㄴㅏ,[]\n", "hard_val.csv")))
    assert [(e.text, e.source, bool(e.any_of)) for e in found] == [
        ("가", "kotox/plain", False),
        ("나", "kotox/plain", True),
        ("ㄱㅏ", "kotox/hard", False),
        ("ㄴㅏ", "kotox/hard", True),
    ]
    assert len({e.pair for e in found}) == 1
    assert all(e.held for e in found)
    assert not any(e.held for e in readers.kotox(file(head + "가,나,다,라,[]\n", "hard_train.csv")))


def test_kosbi_leaves_the_undecided_out(file):
    rows = (
        '[{"context": "가", "context_label": "undecided", "sentence": "나",'
        ' "sentence_label": "unsafe"},'
        ' {"context": null, "sentence": "다", "sentence_label": "safe"}]'
    )
    unsafe, safe = readers.kosbi(file(rows))
    assert (unsafe.text, unsafe.any_of) == ("나", (INSULT, HATE))
    assert facts(safe) == dict.fromkeys(LABELS, 0)


def test_swearing_is_left_out_of_the_clean_collections(file):
    assert [e.text for e in readers.utterances(file("0\t가방 주세요\r\n1\t야 이 새끼야\r\n"))] == [
        "가방 주세요"
    ]
    chat = file("Q,A,label\n씨발 뭐야,진정하세요.,0\n")
    assert [e.text for e in readers.chatbot(chat)] == ["진정하세요."]


def test_own_harmless_lines_deny_all_and_abusive_ones_say_some(file):
    head = "text\tlabels\tkind\n"
    rows = "안녕\t-\tshort\n나가라\thate/age\nㅅㅂ\tprofanity,insult\n모름\tunknown\n"
    clean, age, both = readers.written(file(head + rows, "lines.tsv"))
    assert facts(clean) == dict.fromkeys(LABELS, 0)
    assert (age.any_of, both.any_of) == ((Label.HATE_AGE,), (PROFANITY, INSULT))
    assert (age.any_value, both.any_value) == (1, 1)
    assert facts(age) == facts(both) == {}


def test_a_curse_of_our_own_at_nobody_is_no_insult(file):
    [curse] = readers.written(file("text\tlabels\nㅅㅂ 품절\tprofanity\n", "lines.tsv"))
    assert curse.any_of == (PROFANITY,)
    assert facts(curse) == {INSULT: 0}


def test_reviews_are_read_compressed_and_plain_with_their_stars(file):
    lines = "좋아요\t10\n별로\t2\n그저\t6\n"
    packed = file(zstandard.ZstdCompressor().compress(lines.encode()), "reviews.tsv.zst")
    texts, stars = zip(*readers.reviews(packed), strict=True)
    assert texts == ("좋아요", "별로", "그저")
    np.testing.assert_array_equal(stars, (1, 0, np.nan))
    plain = file("id\tdocument\tlabel\n1\t좋아요\t1\n2\t별로\t0\n", "ratings.txt")
    texts, stars = zip(*readers.reviews(plain), strict=True)
    assert texts == ("document", "좋아요", "별로")
    np.testing.assert_array_equal(stars, (np.nan, 1, 0))


def test_kote_text_is_the_second_column(file):
    texts, _ = zip(*readers.second_column(file("12\t가 나\t1,2\n13\n")), strict=True)
    assert texts == ("가 나", "")


@pytest.mark.parametrize("reader", [*readers.LABELLED.values(), *readers.UNLABELLED.values()])
def test_any_line_is_survived(file, reader):
    content = "[]" if reader is readers.kosbi else "\x85\u2028,\t|\t,\n\n|||\n\t\t\t\n,,,,\n"
    assert isinstance(list(reader(file(content, "easy_train.csv"))), list)
