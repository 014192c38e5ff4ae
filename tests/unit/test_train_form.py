"""What form and kind add: measured right, found on dev, not at the price of an order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gounmal.model.encoder import N_FEATURES
from gounmal.schema import LABELS
from train import form
from train.data import load
from train.form import _spread, _Worth, formed
from train.model import Form, GounmalConfig, GounmalModel
from train.network import Network
from train.vocabulary import build_vocabulary

SMOKE = Path(__file__).parents[1] / "data" / "smoke"


def measured(known: list[int], padding: int = 0) -> list[float]:
    """Of a message with so many known n-grams in each of its tokens."""
    ids = torch.zeros((1, len(known) + padding, N_FEATURES), dtype=torch.int32)
    mask = torch.zeros((1, len(known) + padding, 1))
    for token, count in enumerate(known):
        ids[0, token, :count] = 5
        mask[0, token] = 1
    return [round(value, 3) for value in Form.measures(ids, mask)[0].tolist()]


def test_length_counts_in_doublings_below_and_above_the_hinge():
    every = N_FEATURES
    assert measured([every] * 12)[:2] == [0, 0]
    assert measured([every] * 6)[:2] == [-1, 0]
    assert measured([every] * 24)[:2] == [0, 1]
    assert measured([every])[:2] == [Form.SHORTEST, 0]
    assert measured([every] * 300)[:2] == [0, Form.LONGEST]


def test_of_what_is_unknown_only_so_much_counts_and_padding_is_nothing():
    half = [N_FEATURES // 2] * 10
    unknown = 1 - half[0] / N_FEATURES - Form.UNKNOWN
    assert measured(half)[2] == pytest.approx(unknown, abs=1e-3)
    assert measured(half) == measured(half, padding=7)
    assert measured([0] * 10)[2] == Form.STRANGEST
    assert measured([N_FEATURES] * 10)[2] == Form.CLEAREST


@pytest.fixture(scope="module")
def dataset():
    return load(SMOKE, check=False)


@pytest.fixture(scope="module")
def biased(dataset):
    """A network that knows the truth, with some noise, and believes long lines too little."""
    known = np.maximum(
        np.nan_to_num(dataset.targets),
        dataset.any_of * np.nan_to_num(dataset.any_value)[:, None],
    )
    truth = dict(zip(dataset.texts, known, strict=True))

    class Biased(Network):
        __slots__ = ()

        def logits(self, texts):
            noise = np.random.default_rng(0).normal(size=(len(texts), len(LABELS)))
            right = [6 * truth.get(" ".join(text.split()), 0) - 0.1 * len(text) for text in texts]
            return np.asarray(noise + np.stack([x + np.zeros(len(LABELS)) for x in right]), "f4")

    answers = np.ones((len(dataset.texts), 1), np.float32)
    vocabulary = build_vocabulary(dataset.texts, answers, size=500, min_count=1)
    model = GounmalModel(GounmalConfig(vocab_size=len(vocabulary), dim=16, hidden=32))
    return Biased(model, vocabulary, None)


def test_what_is_found_is_worth_more_and_the_network_is_left_alone(dataset, biased):
    said = []
    found = formed(biased, dataset, grid=form.SMOKE_GRID, progress=said.append)
    before, after = map(float, said[-1].split(": ")[1].split(" → "))
    assert after > before
    assert not biased.model.form.weight.any()
    assert not any(buffer.any() for buffer in biased.model.head.domain.buffers())
    weight = found.model.form.weight
    assert weight[:, :2].sum() > 0  # the longer, the more
    for group in form.GROUPS:
        assert len({tuple((row > 0).tolist()) for row in weight[group]}) == 1
    again = formed(found, dataset, grid=form.SMOKE_GRID)  # as `--again` does
    assert torch.equal(again.model.form.weight, weight)


def test_an_order_that_is_asked_for_is_kept():
    before = _Worth(1.0, {form.ORDERED[0]: 0.9, "another": 0.9})
    assert _Worth(2.0, {form.ORDERED[0]: 0.8996, "another": 0.5}).keeps(before)
    assert not _Worth(2.0, {form.ORDERED[0]: 0.8994, "another": 1.0}).keeps(before)
    assert before.total() == pytest.approx(1.9)


def test_labels_of_a_group_share_their_weights():
    measures = len(form.GRID)
    rows = _spread(np.arange(3.0 * measures).reshape(3, measures))
    assert [int(row[0]) for row in rows] == [0, measures] + [2 * measures] * 7
    assert sorted(i for group in form.GROUPS for i in group) == list(range(len(LABELS)))


def test_any_other_network_is_left_as_it_is(dataset):
    other = Network(torch.nn.Linear(1, 1), None, None)
    assert formed(other, dataset) is other
