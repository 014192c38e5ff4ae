from pathlib import Path

import numpy as np
import pytest

from gounmal.schema import LABELS, Label
from train import data
from train.data import build, load, unlabelled
from train.example import Example, harmless, known, some_of

SMOKE = Path(__file__).parents[1] / "data" / "smoke"
PROFANITY, INSULT = LABELS.index(Label.PROFANITY), LABELS.index(Label.INSULT)


def says(text, source="kodoli", *, profanity=None, insult=None, weight=1.0, **more):
    facts = [(Label.PROFANITY, profanity), (Label.INSULT, insult)]
    given = [(label, value, weight) for label, value in facts if value is not None]
    return Example(text, source, *known(*given), **more)


def test_equal_texts_are_one_row_with_weighted_targets():
    found = build(
        [
            says("가나  다", profanity=1.0),
            says("가나 다", "kmhas", profanity=0.0, weight=3.0, insult=1.0),
        ]
    )
    assert found.texts == ["가나 다"]
    assert found.row.tolist() == [0, 0]
    assert found.targets[0, PROFANITY] == pytest.approx(0.25)
    assert found.weights[0, PROFANITY] == pytest.approx(2.0)
    assert found.targets[0, INSULT] == 1
    assert np.isnan(found.targets[0, 2:]).all()
    assert not found.weights[0, 2:].any()
    assert found.source == ["kodoli"]


def test_examples_stay_as_their_sources_gave_them():
    examples = [says("가", profanity=1.0), says("가", "kmhas", profanity=0.0)]
    assert build(examples).examples == examples


def test_known_targets_are_worth_more_than_any_of():
    pair = (Label.PROFANITY, Label.INSULT)
    full = build([says("가", profanity=0.0, insult=0.0), some_of(pair, "가", "curse", 1.0, 1.0)])
    assert not full.any_of.any()
    half = build([says("가", profanity=0.0), some_of(pair, "가", "curse", 0.8, 0.5)])
    assert half.any_of[0].nonzero()[0].tolist() == [PROFANITY, INSULT]
    assert half.any_value[0] == pytest.approx(0.8)
    assert half.any_weight[0] == pytest.approx(0.5)


def test_the_strongest_any_of_stays():
    pair = (Label.PROFANITY, Label.INSULT)
    found = build([some_of(pair, "가", "a", 0.7, 0.3), some_of(pair[:1], "가", "b", 1.0, 0.9)])
    assert found.any_of[0].nonzero()[0].tolist() == [PROFANITY]
    assert found.any_weight[0] == pytest.approx(0.9)


def test_repeats_in_malicious_are_dropped_for_whoever_says_more():
    found = build([says("욕이다!", profanity=0.0), harmless("욕이다", "malicious", 0.5)])
    assert [e.source for e in found.examples] == ["kodoli"]


def test_a_part_has_the_texts_of_one_split_and_what_their_sources_said():
    whole = load(SMOKE, check=False)
    part = whole.part("dev")

    assert part.texts == [whole.texts[i] for i in whole.rows("dev").tolist()]
    assert part.rows("dev").tolist() == list(range(len(part.texts)))
    assert part.examples_of("dev", "kodoli") == whole.examples_of("dev", "kodoli") != []
    assert not part.examples_of("train", "kodoli")
    for example, row in zip(part.examples, part.row.tolist(), strict=True):
        assert " ".join(example.text.split()) == part.texts[row]


def test_held_groups_are_for_development_only():
    pair = "a pair"
    found = build(
        [
            harmless("이것은 원래의 문장", "kotox/plain", 1.0, pair=pair),
            harmless("전혀 다르게 쓴 글", "kotox/hard", 1.0, pair=pair, held=True),
        ]
    )
    assert len(set(found.group.tolist())) == 1
    assert found.rows("dev").tolist() == [0, 1]
    assert [e.held for e in found.examples_of("dev", "kotox/hard")] == [True]
    assert len(found.examples_of("dev", "kotox")) == 2
    assert not found.examples_of("train", "kotox")


def test_smoke_data_has_every_source_and_every_label():
    found = load(SMOKE, check=False)
    sources = {example.source.partition("/")[0] for example in found.examples}
    assert sources >= {
        *("kodoli", "curse", "kmhas", "beep", "malicious", "kotox", "kda", "safety"),
        *("chatbot", "3i4k"),
    }
    train = found.targets[found.rows("train")]
    assert (train == 1).any(axis=0).all()
    assert (train == 0).any(axis=0).all()
    for split in ("train", "dev", "test"):
        assert len(found.rows(split))
    texts, stars = zip(*unlabelled(SMOKE, check=False), strict=True)
    assert len(texts) > 50
    assert all(texts)
    assert {0.0, 1.0} <= set(stars)


def test_loading_twice_gives_the_same():
    one, two = load(SMOKE, check=False), load(SMOKE, check=False)
    assert one.texts == two.texts
    assert np.array_equal(one.split, two.split)
    assert np.array_equal(one.targets, two.targets, equal_nan=True)


def test_no_group_is_split_apart():
    found = load(SMOKE, check=False)
    for number in np.unique(found.group):
        assert len(set(found.split[found.group == number].tolist())) == 1


def test_own_lines_are_optional(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "WRITTEN", (tmp_path / "negatives",))
    assert not [e for e in load(SMOKE, check=False).examples if e.source == "negatives"]
    (tmp_path / "negatives").mkdir()
    (tmp_path / "negatives" / "a.tsv").write_text("text\tlabels\n좋은 아침\t-\n", encoding="utf-8")
    own = [e for e in load(SMOKE, check=False).examples if e.source == "negatives"]
    assert [e.text for e in own] == ["좋은 아침"]
