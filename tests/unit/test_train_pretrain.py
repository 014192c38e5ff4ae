"""What a network learns before it sees a label."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gounmal.model.encoder import hash_features, keep
from train.model import GounmalConfig, GounmalModel
from train.pretrain import HIDDEN, PretrainConfig, _Hide, pretrain

GOOD = ["정말 재미있게 봤어요", "배우 연기가 정말 좋아요", "또 보고 싶은 영화"]
BAD = ["돈이 아까운 영화", "지루해서 졸았어요", "정말 재미없게 봤어요"]
TEXTS = [*GOOD, *BAD] * 20
STARS = np.array([*[1.0] * 3, *[0.0] * 3] * 20, np.float32)
CONFIG = PretrainConfig(epochs=60, batch_tokens=512)


@pytest.fixture(scope="module")
def vocabulary():
    keys, counts = np.unique(hash_features(TEXTS)[0], return_counts=True)
    return keep(keys, counts, 4_000)


def drawn(vocabulary):
    torch.manual_seed(0)
    return GounmalModel(GounmalConfig(vocab_size=len(vocabulary), dim=16, hidden=16))


@pytest.fixture(scope="module")
def trained(vocabulary):
    model, lines = drawn(vocabulary), []
    loss = pretrain(
        model,
        TEXTS,
        STARS,
        vocabulary,
        config=CONFIG,
        max_tokens=64,
        seed=1,
        progress=lines.append,
    )
    return model, loss, lines


def test_hidden_characters_are_asked_for_and_in_no_n_gram(vocabulary):
    numbers = {character: i for i, character in enumerate(dict.fromkeys("".join(TEXTS)))}
    hide = _Hide(numbers, PretrainConfig(hidden_share=0.5), np.random.default_rng(0))

    shown, wanted = hide(TEXTS[:6])

    names = list(numbers)
    for text, view, row in zip(TEXTS, shown, wanted.tolist(), strict=False):
        asked = {i: names[number] for i, number in enumerate(row) if number >= 0}
        assert asked == {i: text[i] for i, c in enumerate(view) if c == HIDDEN}
        assert asked
        ids = vocabulary.lookup(hash_features([view])[0])
        assert not ids[list(asked)].any()


def test_it_learns_to_name_hidden_characters(trained, vocabulary):
    _, loss, lines = trained
    first = pretrain(
        drawn(vocabulary),
        TEXTS,
        STARS,
        vocabulary,
        config=PretrainConfig(epochs=0, batch_tokens=512),
        max_tokens=64,
        seed=1,
    )
    assert loss < first / 4
    assert lines[-1].endswith("nats")


def test_head_and_wide_path_learn_nothing(trained, vocabulary):
    (model, _, _), before = trained, drawn(vocabulary)
    dim = before.config.dim
    assert not torch.equal(model.table.weight[:, :dim], before.table.weight[:, :dim])
    assert torch.equal(model.table.weight[:, dim:], before.table.weight[:, dim:])
    for name, value in before.head.state_dict().items():
        assert torch.equal(model.head.state_dict()[name], value)


def test_the_same_seed_gives_the_same(trained, vocabulary):
    again = drawn(vocabulary)
    pretrain(again, TEXTS, STARS, vocabulary, config=CONFIG, max_tokens=64, seed=1)
    for name, value in trained[0].state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
