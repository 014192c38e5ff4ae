import numpy as np
import pytest
from scipy.special import expit

from gounmal.evaluation.measure import known_truth
from gounmal.evaluation.metrics import expected_calibration_error
from gounmal.schema import LABELS
from train.calibrate import calibrate

N = 4000


def drawn(scale, shift):
    """Logits of a network whose truth is sigmoid(scale × logit + shift)."""
    rng = np.random.default_rng(3)
    logits = rng.normal(scale=3, size=(N, len(LABELS)))
    targets = (rng.random(logits.shape) < expit(scale * logits + shift)).astype(np.float32)
    return logits.astype(np.float32), targets


@pytest.mark.parametrize(("scale", "shift"), [(0.4, 0.0), (1.5, -1.5)])
def test_scale_and_shift_are_found_again(scale, shift):
    logits, targets = drawn(scale, shift)
    found = calibrate(logits, targets, np.arange(N))
    assert found.scale == pytest.approx(scale, rel=0.15)
    assert found.shift == pytest.approx(shift, abs=0.25)
    if shift:
        assert set(found.method) == {"platt"}
    before = expected_calibration_error(targets[:, 0], expit(logits[:, 0]))
    after = expected_calibration_error(targets[:, 0], found(logits)[:, 0])
    assert after < 0.03 < before


def test_scores_rise_with_logits():
    logits, targets = drawn(1.0, 0.0)
    found = calibrate(logits, 1 - targets, np.arange(N))
    assert (found.scale > 0).all()


def test_unknown_and_doubtful_targets_count_for_nothing():
    logits, targets = drawn(1.0, 0.0)
    half = targets.copy()
    half[::2] = [np.nan, 0.5, 0.4] * 3
    found = calibrate(logits, half, np.arange(N))
    again = calibrate(logits[1::2], targets[1::2], np.arange(N)[1::2])
    assert found.scale == pytest.approx(again.scale, rel=1e-4)
    sure, truth = known_truth(np.asarray([[0.0], [0.2], [0.5], [np.nan], [0.8], [1.0]]), 0)
    assert sure.tolist() == [True, True, False, False, True, True]
    assert truth.tolist() == [False, False, True, True]


def test_a_label_that_never_holds_is_left_alone():
    logits, targets = drawn(1.0, 0.0)
    targets[:, 0] = 0
    targets[:, 1] = np.nan
    found = calibrate(logits, targets, np.arange(N))
    assert found.scale[:2].tolist() == [1, 1]
    assert found.shift[:2].tolist() == [0, 0]
