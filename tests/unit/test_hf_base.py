"""`python -m train --base DIR`: any Hugging Face encoder, from a checkpoint to a Decision."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    ElectraConfig,
    ElectraForSequenceClassification,
    PreTrainedTokenizerFast,
)

import train.__main__ as program
from gounmal.model.classifier import Classifier
from gounmal.moderator import Moderator
from gounmal.policy import Policy
from gounmal.schema import LABELS
from gounmal.text.normalize import normalize
from train.batches import WIDTHS, fitting, width_of

if TYPE_CHECKING:
    from pathlib import Path

    from train.network import Network

pytestmark = pytest.mark.slow

POSITIONS = 48
"""Of both checkpoints: no multiple of a width that training pads to."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = [*map(chr, range(ord("가"), ord("힣"), 4)), *"바보젠장시발병신ㅋㅎㅠabc0123456789?!.~"]
LINES = ("바보야", "안녕하세요", "시발 뭐야 진짜 ㅋㅋㅋ", "배송 언제 와요?", "젠 장 " * 9, "a")
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS,
}


def write_checkpoint(kind, folder):
    """A random network of this kind, and a tokenizer of one syllable a token."""
    letters = sorted(set(LETTERS))
    words = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(word, vocabulary[word]) for word in ("[CLS]", "[SEP]")],
    )
    named = {f"{word[1:-1].lower()}_token": word for word in SPECIAL}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    torch.manual_seed(0)
    if kind == "bert":
        model = BertModel(BertConfig(vocab_size=len(words), **SIZES))
    else:  # one with a head of its own, and embeddings narrower than its layers
        config = ElectraConfig(vocab_size=len(words), embedding_size=16, **SIZES)
        model = ElectraForSequenceClassification(config)
    model.save_pretrained(folder)


@dataclass(frozen=True)
class Run:
    kind: str
    network: Network
    """In float."""
    folder: Path
    classifier: Classifier


@pytest.fixture(scope="module", params=["bert", "electra"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    base, out = folder / f"tiny-{request.param}", folder / "artifact"
    write_checkpoint(request.param, base)
    kept = []

    def release(network, *args, **options):
        kept.append(network)
        return real(network, *args, **options)

    real = program.release
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on so little, threads only wait for each other
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "release", release)
        options = ["--smoke", "--no-store", "--base", str(base), "--out", str(out)]
        done = CliRunner().invoke(program.main, [*options, "--name", "tiny", "--version", "1"])
    torch.set_num_threads(threads)
    assert done.exit_code == 0, done.output
    return Run(request.param, kept[0], out, Classifier.load(out))


def float_scores(run, lines):
    """What the network says in float, under the artifact's calibration."""
    config = run.classifier.config
    logits = run.network.logits(lines) * np.array(config.scale) + np.array(config.shift)
    return 1 / (1 + np.exp(-logits))


def artifact_scores(run, lines):
    scored = run.classifier.score([normalize(line) for line in lines])
    return np.stack([one.scores for one in scored])


def test_artifact_says_where_it_comes_from(run):
    config = json.loads((run.folder / "config.json").read_text(encoding="utf-8"))
    assert config["encoder"] == "tokenizer"
    assert config["max_tokens"] == fitting(POSITIONS) < POSITIONS
    assert config["metadata"]["base"] == f"tiny-{run.kind}"
    assert f"- base: tiny-{run.kind}" in (run.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert not (run.folder / "vocabulary.npy").exists()


def test_artifact_scores_as_the_network_does(run):
    lines = [*LINES, "보" * 17, "장" * 300]
    found = artifact_scores(run, lines)
    assert np.ptp(found, axis=0).max() > 0.02  # it does tell lines apart
    np.testing.assert_allclose(found, float_scores(run, lines), atol=0.03)


def test_scores_do_not_depend_on_company(run):
    alone = np.concatenate([artifact_scores(run, [line]) for line in LINES])
    np.testing.assert_allclose(artifact_scores(run, LINES), alone, atol=1e-5)


@pytest.mark.parametrize("length", [POSITIONS - 3, POSITIONS - 1, POSITIONS, 120, 4_000])
def test_a_text_over_the_limit_is_judged_by_its_beginning(run, length):
    limit = run.classifier.config.max_tokens
    text = "바보야 젠장 " * (length // 7) + "바" * (length % 7)
    letters = np.array([not character.isspace() for character in text])
    [scored] = run.classifier.score([normalize(text)])
    assert scored.evidence.shape == (length, len(LABELS))
    seen = np.flatnonzero(letters)[: limit - 2]  # of the tokens, two mark beginning and end
    assert np.flatnonzero(scored.evidence.any(axis=1)).tolist() == seen.tolist()
    np.testing.assert_allclose(scored.scores[None], float_scores(run, [text]), atol=0.03)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("저 바보야", (2, 4)),
        ("저\u200b  바\u200b보야", (4, 7)),
        (unicodedata.normalize("NFD", "저 바보야"), (3, 7)),
        ("🙂🙂 ＡＢ 바보", (6, 8)),
    ],
)
def test_evidence_stands_where_the_original_has_it(run, text, where):
    encoder = run.classifier.encoder
    normalized = normalize(text)
    words = [encoder.tokenizer.id_to_token(i) for i in encoder.encode([normalized]).ids.tolist()]
    values = np.zeros((len(words), len(LABELS)), np.float32)
    values[[word in {"바", "##보"} for word in words], 1] = 1
    on_text = encoder.project(normalized, values)
    assert on_text.shape == (len(text), len(LABELS))
    assert np.flatnonzero(on_text[:, 1]).tolist() == [*range(*where)]


def test_it_moderates(run):
    everything = Moderator(run.classifier, Policy(thresholds=dict.fromkeys(LABELS, 0.0)))
    texts = [*LINES, unicodedata.normalize("NFD", "바보 젠장"), "", " \u200b", "🙂", "젠장" * 500]
    decisions = everything.moderate(texts)
    assert [d.masked == "" for d in decisions] == [text == "" for text in texts]
    for text, decision in zip(texts, decisions, strict=True):
        assert decision.flagged
        assert decision.model == "tiny:1"
        assert len(decision.masked) == len(text)
        assert bool(decision.spans) == bool(text)
        assert all(0 <= span.start < span.end <= len(text) for span in decision.spans)
    shipped = Moderator.load(run.folder).moderate(LINES)
    np.testing.assert_allclose(
        [[d.scores[label] for label in LABELS if label != "hate"] for d in shipped],
        np.delete(artifact_scores(run, LINES), LABELS.index("hate"), axis=1),
        atol=1e-4,
    )


def test_no_text_is_padded_beyond_the_limit():
    for limit in (4, 47, 48, 50, 128, 255, 256, 257, 512):
        most = fitting(limit)
        assert 0 < most <= limit
        assert max(width_of(length) for length in range(1, most + 1)) <= limit
    assert fitting(int(WIDTHS[3])) == WIDTHS[3]


def test_a_base_that_is_none_is_one_clear_line(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    done = CliRunner().invoke(
        program.main, ["--smoke", "--no-store", "--base", str(tmp_path), "--out", str(tmp_path)]
    )
    assert done.exit_code == 1
    assert f"--base {tmp_path}" in done.output
    assert not (tmp_path / "model.onnx").exists()
