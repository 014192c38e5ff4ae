"""What a training run is shown: disguised copies, inserted expressions, look-alikes, more texts."""

from __future__ import annotations

import numpy as np
import pytest

from gounmal.schema import LABELS, Label
from train import floor, recipe
from train.data import build
from train.example import Example, harmless, known, some_of
from train.mixture import DECOY_LENGTH, MixtureConfig, mix
from train.recipe import Recipe

BARE = MixtureConfig(disguised_share=0, own_disguised_share=0, inserted=0, decoys=0)


@pytest.fixture(scope="module")
def dataset():
    rude = known((Label.PROFANITY, 1.0, 1.0), (Label.INSULT, 0.0, 1.0))
    examples = [Example(f"젠장 {i}번 또 늦었네", "a", *rude) for i in range(40)]
    examples += [harmless(f"좋은 {i}번 아침이네요", "b", 1.0) for i in range(40)]
    examples += [harmless(f"시발점 {i}호", "negatives", 1.0) for i in range(20)]
    examples += [some_of((Label.INSULT,), f"저 녀석 {i}번 밉다", "c", 1.0, 1.0) for i in range(20)]
    return build(examples)


def mixture(dataset, config, unlabelled=(), seed=0):
    expressions = [("바보야", (Label.INSULT,)), ("멍청아", (Label.PROFANITY, Label.INSULT))]
    return mix(dataset, expressions=expressions, unlabelled=unlabelled, config=config, seed=seed)


def test_bare_it_is_the_training_rows_in_order(dataset):
    mixed = mixture(dataset, BARE)

    assert mixed.origin == dataset.rows("train").tolist()
    assert mixed.texts == [dataset.texts[row] for row in mixed.origin]


def test_the_same_seed_gives_the_same_texts(dataset):
    config = MixtureConfig(inserted=20, decoys=20)

    assert mixture(dataset, config).texts == mixture(dataset, config).texts
    assert mixture(dataset, config).texts != mixture(dataset, config, seed=1).texts


def test_a_look_alike_changes_nothing_of_what_is_known(dataset):
    n = len(dataset.rows("train"))
    mixed = mixture(dataset, MixtureConfig(disguised_share=0, inserted=0, decoys=200, repeats=1))
    before = len(mixed.texts) - 200
    known_of = mixed.supervision(dataset, None)

    assert before >= n
    assert mixed.decoys == list(range(before, len(mixed.texts)))
    hosts = set()
    for i in range(before, len(mixed.texts)):
        row = mixed.origin[i]
        assert "시발점" in mixed.texts[i]
        assert len(mixed.texts[i]) <= len(dataset.texts[row]) + DECOY_LENGTH + 2
        np.testing.assert_array_equal(known_of.targets[i], dataset.targets[row])
        np.testing.assert_array_equal(known_of.any_of[i], dataset.any_of[row])
        hosts.add(dataset.source[row])
    assert hosts > {"a", "b"}  # in abusive lines too: it is no evidence against abuse


def test_where_an_inserted_expression_stands_is_known(dataset):
    mixed = mixture(dataset, MixtureConfig(disguised_share=0, inserted=100, decoys=0))

    assert mixed.spans
    assert mixed.spans.keys() == mixed.labels.keys()
    plain = [i for i, (start, end) in mixed.spans.items() if mixed.texts[i][start:end] in PLAIN]
    assert plain
    known_of = mixed.supervision(dataset, None)
    for i in mixed.labels:
        assert set(np.flatnonzero(known_of.any_of[i])) == {
            LABELS.index(label) for label in mixed.labels[i]
        }
        assert known_of.any_weight[i] > 0


PLAIN = {"바보야", "멍청아"}


def test_of_unlabelled_texts_nothing_is_known(dataset):
    mixed = mixture(dataset, BARE, unlabelled=["뭐라고 했니"])
    last = mixed.supervision(dataset, None)

    assert mixed.origin[-1] == -1
    assert np.isnan(last.targets[-1]).all()
    assert not last.any_of[-1].any()


def test_half_of_the_unlabelled_texts_are_those_that_the_floor_finds_abusive(dataset):
    linear = floor.fit(dataset, dataset.rows("train"))
    rude = [f"젠장 {i}번 또 늦었네 정말" for i in range(10)]
    calm = [f"오늘 {i}번 날씨가 참 좋다" for i in range(200)]
    picked = recipe._pick([*calm, *rude, "짧", "길다" * 60], linear, Recipe(unlabelled=20), seed=3)

    assert len(picked) == 20
    assert set(rude) <= set(picked)
    assert len(set(picked) & set(calm)) == 10
