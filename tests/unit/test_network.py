"""Fit, export and serve a tiny network: the same numbers at both ends."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gounmal.errors import InvalidArtifact
from gounmal.model.artifact import ArtifactConfig
from gounmal.model.classifier import Classifier, groups
from gounmal.schema import LABELS, Label, Mode
from gounmal.text.normalize import normalize
from train.batches import batches, encode, width_of
from train.export import export
from train.fit import FitConfig, Supervision, fit, logits_of, loss_of, merged
from train.mixture import tokens_of
from train.model import GounmalConfig, GounmalModel
from train.network import Network
from train.vocabulary import build_vocabulary

BAD = ["바보야", "이 바보", "바보 멍청이", "멍청이 같은", "저 멍청이"]
GOOD = ["안녕하세요", "이거 얼마예요", "예뻐요", "감사합니다", "저 왔어요"]
TEXTS = (BAD + GOOD) * 8
CONFIG = FitConfig(epochs=12, batch_tokens=256, learning_rate=1e-2, average=0.9)


def supervision():
    n = len(TEXTS)
    targets = np.full((n, len(LABELS)), np.nan, np.float32)
    targets[:, 1] = [float(text in BAD) for text in TEXTS]
    return Supervision(
        targets,
        np.ones_like(targets),
        np.zeros((n, len(LABELS)), np.bool_),
        np.zeros(n, np.float32),
        np.zeros(n, np.float32),
    )


@pytest.fixture(scope="module")
def network():
    vocabulary = build_vocabulary(TEXTS, supervision().answers(), size=2000, min_count=1)
    torch.manual_seed(0)
    model = GounmalModel(GounmalConfig(vocab_size=len(vocabulary), dim=16, hidden=32))
    encodings = encode(TEXTS, vocabulary, max_tokens=64)
    fitted = fit(model, encodings, supervision(), config=CONFIG)
    assert not fitted.form.weight.any()  # training leaves it alone
    fitted.form.weight.uniform_(-0.5, 0.5)
    domain = fitted.head.domain
    assert not any(buffer.any() for buffer in domain.buffers())  # the same
    domain.weight.normal_()
    domain.bias.normal_()
    domain.shift.uniform_(-0.5, 0.5)
    return fitted, vocabulary


@pytest.fixture(scope="module")
def artifact(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifact")
    config = ArtifactConfig(
        format=1,
        name="tiny",
        version="1",
        labels=list(LABELS),
        encoder="ngrams",
        scale=[1.0] * len(LABELS),
        shift=[0.0] * len(LABELS),
        thresholds={mode: dict.fromkeys(LABELS, 0.5) for mode in Mode},
        span_threshold=0.5,
    )
    sample = encode(TEXTS, network[1], max_tokens=64)
    export(network[0], folder, config, encoder=network[1], sample=sample)
    return folder


def test_it_learns_what_it_is_told(network):
    model, vocabulary = network
    logits = logits_of(model, encode(["바보", "감사해요"], vocabulary, max_tokens=64))
    assert logits[0, 1] > 0 > logits[1, 1]


def test_training_ends_after_so_many_steps_in_the_middle_of_an_epoch(network):
    _, vocabulary = network
    model = GounmalModel(GounmalConfig(vocab_size=len(vocabulary), dim=16, hidden=32))
    encodings = encode(TEXTS, vocabulary, max_tokens=64)
    said = []

    fit(model, encodings, supervision(), config=replace(CONFIG, steps=4), progress=said.append)

    per_epoch = sum(1 for _ in batches(encodings.lengths, max_tokens=CONFIG.batch_tokens))
    assert len(said) == -(-4 // per_epoch) < CONFIG.epochs


def test_unknown_labels_and_unstated_any_of_cost_nothing():
    known = supervision()
    known.targets[:] = np.nan
    rows = np.arange(4)
    loss = loss_of(torch.randn(4, 9), torch.randn(4, 3, 9), known, rows, CONFIG)
    assert loss.item() == 0


def test_any_of_is_satisfied_by_either_label():
    known = supervision()
    known.targets[:] = np.nan
    known.any_of[:, :2] = True
    known.any_value[:] = 1
    known.any_weight[:] = 1
    rows = np.arange(1)

    def loss(first, second):
        logits = torch.tensor([[first, second] + [-5.0] * 7])
        return loss_of(logits, torch.zeros(1, 1, 9), known, rows, CONFIG).item()

    assert loss(5.0, -5.0) == pytest.approx(loss(-5.0, 5.0), rel=1e-3)
    assert loss(5.0, -5.0) < loss(-5.0, -5.0) / 5


def test_spans_pull_evidence_to_their_tokens():
    known = supervision()
    known.targets[:] = np.nan
    known.spans[0] = (np.array([1]), [1])
    right, wrong = torch.zeros(1, 3, 9) - 5, torch.zeros(1, 3, 9) - 5
    right[0, 1, 1] = wrong[0, 2, 1] = 5
    losses = [
        loss_of(torch.zeros(1, 9), evidence, known, np.arange(1), CONFIG).item()
        for evidence in (right, wrong)
    ]
    assert losses[0] < losses[1]


def test_tokens_of_a_span_are_found_in_both_views():
    assert tokens_of("야 시1발", 2, 5).tolist() == [2, 3, 4, 8, 9]


def test_exported_scores_are_those_of_the_network(network, artifact):
    model, vocabulary = network
    lines = [*BAD, *GOOD, "시1발 ㅋㅋ", "a", "이 바보 " * 9]
    logits = logits_of(model, encode(lines, vocabulary, max_tokens=64))
    served = Classifier.load(artifact).score([normalize(line) for line in lines])
    expected = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose([s.scores for s in served], expected, atol=0.03)


def test_exported_evidence_is_that_of_the_network_whatever_stands_beside(network, artifact):
    model, vocabulary = network
    lines = ["바보", "이 바보", "멍청이 같은 저 멍청이 바보", "안녕하세요 바보", "a"]
    encodings = encode(lines, vocabulary, max_tokens=64)
    served = Classifier.load(artifact)
    ids, mask = served.encoder.encode([normalize(line) for line in lines]).padded(np.arange(5))
    together = served.session.run(["evidence"], {"ids": ids, "mask": mask})[0]
    for i in range(len(lines)):
        with torch.inference_mode():
            expected = torch.sigmoid(model(*encodings.padded(np.array([i])))[1])[0].numpy()
        length = encodings.lengths[i]
        np.testing.assert_allclose(together[i, :length], expected[:length], atol=0.05)
        assert not together[i, length:].any()


def test_scores_do_not_depend_on_company(artifact):
    classifier = Classifier.load(artifact)
    lines = [normalize("가" * n) for n in (1, 3, 9, 2, 40, 7, 300)]
    together = classifier.score(lines)
    for line, scored in zip(lines, together, strict=True):
        [alone] = classifier.score([line])
        np.testing.assert_allclose(alone.scores, scored.scores, atol=1e-5)
        assert scored.evidence.shape == (len(line.original), len(LABELS))


def test_config_faults_are_named(artifact, tmp_path):
    with pytest.raises(InvalidArtifact, match=r"no config\.json"):
        Classifier.load(tmp_path)
    content = json.loads((artifact / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(InvalidArtifact, match="format"):
        Classifier.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(InvalidArtifact, match=r"model\.onnx"):
        Classifier.load(tmp_path)


def test_no_pickle_is_ever_loaded(artifact, tmp_path):
    for name in ("config.json", "model.onnx"):
        (tmp_path / name).write_bytes((artifact / name).read_bytes())
    np.save(tmp_path / "vocabulary.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidArtifact, match="pickle"):
        Classifier.load(tmp_path)


def test_groups_cover_every_row_once_with_little_padding():
    lengths = np.random.default_rng(0).integers(0, 200, 500)
    found = list(groups(lengths))
    assert sorted(np.concatenate(found).tolist()) == list(range(500))
    padded = sum(lengths[rows].max() * len(rows) for rows in found)
    assert padded < 1.2 * lengths.sum()


def test_batches_cover_every_row_once():
    lengths = np.random.default_rng(0).integers(1, 300, 500)
    rng = np.random.default_rng(1)
    for made in (
        list(batches(lengths, max_tokens=512)),
        list(batches(lengths, max_tokens=512, rng=rng)),
    ):
        assert sorted(np.concatenate(made).tolist()) == list(range(500))
        assert all(width_of(lengths[r].max()) * len(r) <= 512 or len(r) == 1 for r in made)


def test_every_mode_has_every_label(artifact):
    thresholds = Classifier.load(artifact).thresholds
    assert set(thresholds) == set(Mode)
    assert all(set(of_mode) == set(Label) for of_mode in thresholds.values())


def test_kept_network_is_the_same_network(network, tmp_path):
    kept = Network(*network, None)
    kept.save(tmp_path)
    np.testing.assert_array_equal(Network.load(tmp_path).logits(BAD), kept.logits(BAD))


def test_merged_is_the_mean_of_all_weights(network):
    model, _ = network
    torch.manual_seed(3)
    other = GounmalModel(model.config)

    mean = merged([model, other]).state_dict()

    for name, value in model.state_dict().items():
        torch.testing.assert_close(mean[name], (value + other.state_dict()[name]) / 2)
