"""Kinds of texts: every source has one, and the network's own features tell them apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from train.batches import encode
from train.domain import KIND_OF, fit_domain, shares
from train.model import Domain, GounmalConfig, GounmalModel
from train.readers import LABELLED
from train.vocabulary import build_vocabulary

CALM = ["언제 와요", "고마워요", "색상 더 있나요", "잘 받았어요"] * 10
NEWS = ["정부가 오늘 발표한 내용", "국회 본회의 통과", "후보 사퇴하라", "기사 제목이 왜 저래"] * 2


@pytest.fixture(scope="module")
def encodings():
    texts = CALM + NEWS
    answers = np.ones((len(texts), 1), np.float32)
    vocabulary = build_vocabulary(texts, answers, size=500, min_count=1)
    return encode(texts, vocabulary, max_tokens=64), len(vocabulary)


@pytest.fixture(scope="module")
def model(encodings):
    torch.manual_seed(0)
    return GounmalModel(GounmalConfig(vocab_size=encodings[1], dim=16, hidden=32))


def test_kinds_are_told_apart_and_the_rare_one_counts_as_much(encodings, model):
    sources = ["chatbot"] * len(CALM) + ["kmhas"] * len(NEWS)
    fit_domain(model, encodings[0], sources)

    found = shares(model, encodings[0])

    assert found.shape == (len(sources), len(Domain.KINDS))
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    expected = [Domain.KINDS.index(KIND_OF[source]) for source in sources]
    assert found.argmax(axis=1).tolist() == expected
    seen = found[:, [Domain.KINDS.index("chat"), Domain.KINDS.index("news")]].sum(axis=1)
    assert seen.min() > 0.9  # nothing looks like what was never seen


def test_what_looks_like_a_kind_gets_what_was_found_for_it(encodings, model):
    fit_domain(model, encodings[0], ["chatbot"] * len(CALM) + ["kmhas"] * len(NEWS))
    ids, mask = encodings[0].padded(np.array([0, len(CALM)]))
    before, evidence = model(ids, mask)
    model.head.domain.shift[0, Domain.KINDS.index("news")] = 2.0

    after, same = model(ids, mask)

    moved = (after - before).detach().numpy()
    share = shares(model, encodings[0])[[0, len(CALM)], Domain.KINDS.index("news")]
    assert moved[:, 0] == pytest.approx(2 * share, abs=1e-3)
    assert share[1] > 0.75
    assert share[0] < 0.25
    assert not moved[:, 1:].any()
    assert torch.equal(same, evidence)
    model.head.domain.shift.zero_()


def test_every_source_has_a_kind():
    folders = {file.partition("/")[0] for file in LABELLED} | {"negatives", "positives"}
    assert folders == {source.partition("/")[0] for source in KIND_OF}
    assert set(KIND_OF.values()) == set(Domain.KINDS)
