from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gounmal.evaluation.measure import known_truth
from gounmal.evaluation.metrics import Counts, flags
from gounmal.schema import LABELS, Label, Mode
from train import board, probes, thresholds
from train.data import load
from train.thresholds import Targets

# Bound when it was defined, the default number of restarts cannot be patched.
choose_thresholds = partial(thresholds.choose_thresholds, restarts=4)

SMOKE = Path(__file__).parents[1] / "data" / "smoke"


@pytest.fixture(autouse=True)
def short_search(monkeypatch):
    monkeypatch.setattr(board, "CANDIDATES", 25)


@pytest.fixture(scope="module")
def dataset():
    return load(SMOKE, check=False)


@pytest.fixture(scope="module")
def noisy(dataset):
    """A scorer that knows the truth, but not for certain: better than chance, worse than right."""
    truth = np.nan_to_num(dataset.targets, nan=0.0)
    truth = np.maximum(truth, dataset.any_of * np.nan_to_num(dataset.any_value)[:, None])
    noise = np.random.default_rng(0).normal(scale=0.15, size=truth.shape)
    by_text = dict(zip(dataset.texts, np.clip(0.25 + truth / 2 + noise, 0, 0.99), strict=True))
    return lambda texts: np.asarray([by_text[" ".join(t.split())] for t in texts], np.float32)


def test_milder_modes_have_the_higher_thresholds(dataset, noisy):
    chosen = choose_thresholds(dataset, noisy, split="train")
    for label in LABELS:
        lenient, balanced, strict = (chosen[mode][label] for mode in Mode)
        assert 1 >= lenient >= balanced >= strict >= 0


@pytest.mark.parametrize("allowed", [0.0, 0.02, 0.1])
def test_no_more_harmless_lines_are_flagged_than_allowed(dataset, noisy, allowed):
    targets = Targets(
        balanced_chat=1.0,
        balanced_lookalikes=allowed,
        strict_chat=1.0,
        strict_lookalikes=2 * allowed,
    )
    chosen = choose_thresholds(dataset, noisy, split="train", targets=targets)
    calm = probes.own_harmless(dataset, "train")
    assert len(calm) > 50
    for mode, most in ((Mode.BALANCED, allowed), (Mode.STRICT, 2 * allowed)):
        assert flags(noisy(calm), chosen[mode]).any(axis=1).mean() <= most


def test_room_for_mistakes_is_used_for_recall(dataset, noisy):
    def found(allowed):
        chosen = choose_thresholds(
            dataset, noisy, split="train", targets=Targets(balanced_lookalikes=allowed)
        )
        rows = dataset.rows("train")
        sure, truth = known_truth(dataset.targets[rows], 0)
        texts = [dataset.texts[i] for i in rows[sure].tolist()]
        return Counts.of(truth, flags(noisy(texts), chosen[Mode.BALANCED])[:, 0]).recall

    assert found(0.2) > found(0.0)


def test_lenient_is_precise(dataset, noisy):
    targets = Targets(balanced_lookalikes=0.3, lenient_precision=0.9)
    chosen = choose_thresholds(dataset, noisy, split="train", targets=targets)
    rows = dataset.rows("train")
    scores = noisy([dataset.texts[i] for i in rows.tolist()])
    column = LABELS.index(Label.PROFANITY)
    sure, truth = known_truth(dataset.targets[rows], column)
    counts = Counts.of(truth, flags(scores, chosen[Mode.LENIENT])[sure, column])
    assert counts.precision >= 0.9
    assert counts.tp


def test_what_is_short_of_what_is_asked_counts_more():
    scores = np.asarray([[0.9], [0.2], [0.6], [0.1]])
    truth = np.asarray([True, True, False, False])
    tried = np.asarray([0.15, 0.5, 0.7])

    def qualities(**asked):
        part = board.Part.of(scores, [0], truth, **asked)
        return part.qualities(np.ones(len(LABELS)), 0, tried, 1.0)

    np.testing.assert_allclose(qualities(), [0.8, 0.5, 2 / 3])
    short = board.SHORTFALL * np.asarray([0, 0.2, 0.7 - 2 / 3])
    np.testing.assert_allclose(qualities(asked=0.7), qualities() - short)
    np.testing.assert_allclose(qualities(accuracy=True), [0.75, 0.5, 0.75])
