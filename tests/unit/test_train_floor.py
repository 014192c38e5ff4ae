import numpy as np
import pytest

from gounmal.schema import LABELS, Label
from train import floor
from train.data import build
from train.example import Example, harmless, known, some_of

PROFANITY = LABELS.index(Label.PROFANITY)


def dataset(n=30):
    bad = known((Label.PROFANITY, 1.0, 1.0), (Label.INSULT, 0.0, 1.0))
    examples = [Example(f"젠장 {i}번 또 늦었네", "a", *bad) for i in range(n)]
    examples += [harmless(f"좋은 {i}번 아침이네요", "b", 1.0) for i in range(n)]
    examples += [
        some_of((Label.INSULT, Label.HATE), f"저 녀석 {i}번 밉다", "c", 1.0, 1.0) for i in range(n)
    ]
    return build(examples)


def test_grams_are_counted_across_spaces_but_not_across_texts():
    counts = floor.Grams((1, 2), jamo=False).counts(["가가", "나"])
    one, other = counts[0], counts[1]
    assert one.sum() == 4 + 3  # " 가가 " has four characters and three pairs
    assert other.sum() == 3 + 2
    assert one.max() == 2
    assert floor.FLOOR.counts([]).shape == (0, 1 << floor.BITS)


def test_case_and_spaces_are_folded():
    first, second = (floor.FLOOR.counts([text]) for text in ("AB  c", " ab c "))
    assert (first != second).nnz == 0


def test_jamo_see_into_syllables():
    def shared(grams):
        one, other = grams.counts(["시발"]), grams.counts(["시뱔"])
        return one.multiply(other).nnz

    assert shared(floor.Grams((4,), jamo=True)) > shared(floor.Grams((4,), jamo=False))


def test_slope_is_that_of_the_loss():
    data = dataset(4)
    rows = np.arange(len(data.texts))
    logits = np.random.default_rng(0).normal(size=(len(rows), len(LABELS)))
    _, slope = floor.loss_and_slope(logits, data, rows, 0.7)
    step = 1e-5
    for i in range(0, len(rows), 3):
        for j in range(4):
            moved = np.zeros_like(logits)
            moved[i, j] = step
            up = floor.loss_and_slope(logits + moved, data, rows, 0.7)[0]
            down = floor.loss_and_slope(logits - moved, data, rows, 0.7)[0]
            assert slope[i, j] == pytest.approx((up - down) / (2 * step), abs=1e-4)


def test_a_text_that_counts_twice_is_as_good_as_two():
    data = dataset(4)
    rows = np.arange(len(data.texts))
    logits = np.random.default_rng(0).normal(size=(len(rows), len(LABELS)))
    counts = np.where(rows % 2, 2.0, 1.0).astype(np.float32)
    twice = np.repeat(rows, counts.astype(int))

    loss, slope = floor.loss_and_slope(logits, data, rows, 0.7, counts)

    assert loss == pytest.approx(floor.loss_and_slope(logits[twice], data, twice, 0.7)[0])
    once = floor.loss_and_slope(logits, data, rows, 0.7)[1]
    np.testing.assert_allclose(slope, once * counts[:, None], rtol=1e-5)


def test_it_learns_what_is_known_and_leaves_the_rest():
    data = dataset()
    fitted = floor.fit(data, data.rows("train"))
    bad, fine, rude = fitted.scores(["젠장 진짜", "좋은 아침", "저 녀석 밉다"])
    assert bad[PROFANITY] > 0.5 > fine[PROFANITY]
    hostile = [LABELS.index(Label.INSULT), LABELS.index(Label.HATE)]
    assert rude[hostile].max() > 0.5 > fine[hostile].max()
    assert fitted.scores([]).shape == (0, len(LABELS))


def test_an_average_is_between_its_members():
    data = dataset()
    members = tuple(
        floor.fit(data, data.rows("train"), grams=grams, iterations=5)
        for grams in (floor.FLOOR, floor.JAMO)
    )
    texts = ["젠장", "아침"]
    one, other = (member.scores(texts) for member in members)
    assert floor.Average(members).scores(texts) == pytest.approx((one + other) / 2)
