"""The linear model in the wide path: what it learns, and that only its labels' columns change."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from gounmal.schema import LABELS, Label
from train import __main__ as program
from train.batches import encode
from train.data import build
from train.example import Example, harmless, known
from train.mixture import MixtureConfig, mix
from train.model import GounmalConfig, GounmalModel
from train.network import Network
from train.recipe import widened
from train.release import Origin
from train.vocabulary import build_vocabulary
from train.wide import WideConfig, fit_linear, times, widen

CONFIG = WideConfig(
    share=0.5, labels=(Label.PROFANITY,), mixture=MixtureConfig(inserted=0, decoys=0)
)


@pytest.fixture(scope="module")
def dataset():
    rude = known((Label.PROFANITY, 1.0, 1.0), (Label.INSULT, 0.0, 1.0))
    examples = [Example(f"젠장 {i}번 또 늦었네", "a", *rude) for i in range(40)]
    examples += [harmless(f"좋은 {i}번 아침이네요", "b", 1.0) for i in range(40)]
    return build(examples)


@pytest.fixture(scope="module")
def vocabulary(dataset):
    truth = np.where(np.isnan(dataset.targets), np.nan, dataset.targets)
    return build_vocabulary(dataset.texts, truth, size=3000, min_count=1)


def once(rows):
    return np.ones(len(rows), np.float32)


def test_it_tells_what_it_was_told_and_unknown_n_grams_say_nothing(dataset, vocabulary):
    rows = dataset.rows("train")
    encodings = encode([dataset.texts[i] for i in rows], vocabulary, max_tokens=64)
    weights = fit_linear(
        encodings, len(vocabulary), dataset, rows, counts=once(rows), config=CONFIG
    )

    assert weights.shape == (len(vocabulary) + 1, len(LABELS))
    assert not weights[0].any()
    lines = encode(["젠장 또", "좋은 아침"], vocabulary, max_tokens=64)
    rude, kind = (
        weights[lines.ids[start : start + length]].sum(axis=(0, 1))
        for start, length in zip(lines.starts, lines.lengths, strict=True)
    )
    column = LABELS.index(Label.PROFANITY)
    assert rude[column] > 0 > kind[column]


def test_only_the_columns_of_its_labels_change_and_the_network_is_left_alone(dataset, vocabulary):
    torch.manual_seed(0)
    model = GounmalModel(GounmalConfig(vocab_size=len(vocabulary), dim=16, hidden=32))
    before = model.get_parameter("table.weight").clone()
    encoded = partial(encode, vocabulary=vocabulary, max_tokens=64)

    wide = widen(model, dataset, encoded=encoded, config=CONFIG, seed=0)

    assert torch.equal(before, model.get_parameter("table.weight"))
    moved = (wide.get_parameter("table.weight") != before).any(dim=0)
    assert moved.nonzero().flatten().tolist() == [16 + LABELS.index(Label.PROFANITY)]


def test_what_a_run_kept_can_be_widened_later(dataset, vocabulary, tmp_path):
    model = GounmalModel(GounmalConfig(vocab_size=len(vocabulary), dim=16, hidden=32))
    program._keep(Network(model, vocabulary, None), Origin(seed=3, seconds={"train": 2}), tmp_path)

    kept, origin = program._kept(tmp_path)
    wide = widened(kept, dataset, CONFIG, max_tokens=64, seed=0)

    assert (origin.seed, origin.seconds) == (3, {"train": 2})
    rows = [dataset.texts[i] for i in dataset.rows("train")]
    before, after = kept.logits(rows), wide.logits(rows)
    column = LABELS.index(Label.PROFANITY)
    assert (before[:, column] != after[:, column]).any()
    others = np.delete(np.arange(len(LABELS)), column)
    np.testing.assert_allclose(before[:, others], after[:, others], atol=1e-5)


def test_lines_that_count_more_are_told_apart_better():
    """The same word in abuse and in harmless lines."""
    rude = known((Label.PROFANITY, 1.0, 1.0))
    data = build(
        [Example(f"젠장 {i}번 또 늦었네", "a", *rude) for i in range(40)]
        + [harmless(f"젠장조림 {i}호 주세요", "negatives", 1.0) for i in range(40)]
    )
    vocabulary = build_vocabulary(data.texts, data.targets, size=3000, min_count=1)
    rows = data.rows("train")
    encodings = encode([data.texts[i] for i in rows], vocabulary, max_tokens=64)
    lines = encode(["젠장 또 늦었네", "젠장조림 주세요"], vocabulary, max_tokens=64)
    own = np.asarray([data.source[i] == "negatives" for i in rows])

    def between(times):
        counts = np.where(own, times, 1).astype(np.float32)
        found = fit_linear(encodings, len(vocabulary), data, rows, counts=counts, config=CONFIG)
        abuse, food = (
            found[lines.ids[start : start + length], LABELS.index(Label.PROFANITY)].sum()
            for start, length in zip(lines.starts, lines.lengths, strict=True)
        )
        return abuse - food

    assert between(10) > between(1) > 0


def test_own_harmless_lines_and_those_with_a_look_alike_count_more_often():
    """Each as the settings say; every other text once."""
    data = build(
        [harmless(f"좋은 {i}번 아침이네요", "b", 1.0) for i in range(40)]
        + [harmless(f"시발점 {i}호", "negatives", 1.0) for i in range(20)]
    )
    config = MixtureConfig(inserted=0, decoys=30, own_disguised_share=1.0, disguised_share=1.0)
    mixture = mix(data, expressions=(), unlabelled=(), config=config, seed=0)

    counts = times(mixture, data, WideConfig(own_harmless=7, decoys=3))

    for i, row in enumerate(mixture.origin):
        own = 7 if data.source[row] == "negatives" else 1
        assert counts[i] == own * (3 if i in mixture.decoys else 1)
    assert set(counts.tolist()) == {1, 3, 7, 21}
