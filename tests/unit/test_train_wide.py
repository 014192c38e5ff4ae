"""The linear model in the wide path: what it learns, and that only its labels' columns change."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from gounmal.schema import LABELS, Label
from train.batches import encode
from train.data import build
from train.example import Example, harmless, known
from train.mixture import MixtureConfig
from train.model import GounmalConfig, GounmalModel
from train.vocabulary import build_vocabulary
from train.wide import WideConfig, fit_linear, widen

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


def test_it_tells_what_it_was_told_and_unknown_n_grams_say_nothing(dataset, vocabulary):
    rows = dataset.rows("train")
    encodings = encode([dataset.texts[i] for i in rows], vocabulary, max_tokens=64)
    weights = fit_linear(encodings, len(vocabulary), dataset, rows, config=CONFIG)

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
