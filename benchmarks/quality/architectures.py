"""Small transformers against the n-gram network: the same texts, the same processor time, int8.

    python -m benchmarks.quality.architectures --data DIR [--minutes 8] [--only NAME] [--out DIR]

Each network is trained from scratch on the labelled texts and their disguised copies, for so many
minutes of processor time on one core, and exported as serving takes it. What it is worth is
measured on the dev split, free of thresholds; what it costs, at the lengths of live chat
(`benchmarks/engine/lines.txt`), with one thread of ONNX Runtime: text to scores, alone and in
batches of 32. No network learns from teachers or texts without labels here.

Writes architectures.json and architectures.md beside this file; with `--only`, one entry anew.
"""

from __future__ import annotations

import argparse
import time
import unicodedata
from collections import Counter
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import TYPE_CHECKING, Any

import orjson
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from benchmarks.engine.sample import LINES
from gounmal.model.artifact import FORMAT, ArtifactConfig
from gounmal.model.classifier import Classifier, TokenizerEncoder
from gounmal.model.encoder import Vocabulary
from gounmal.schema import LABELS, Mode
from gounmal.text.normalize import normalize
from train import benchmarks, facts
from train.batches import batches, encode
from train.benchmarks import Judged
from train.data import load
from train.evaluate import artifact_scorer, scored
from train.export import export
from train.fit import FitConfig, fit
from train.mixture import MixtureConfig, mix
from train.model import CheckpointModel, GounmalConfig, GounmalModel
from train.network import Network
from train.recipe import expressions
from train.tables import number, table
from train.vocabulary import build_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from train.batches import Encodings
    from train.data import Dataset
    from train.fit import Supervision

HERE = Path(__file__).parent
MAX_TOKENS = 128
TRIALS = (20, 60)
"""Steps of two trials, which show how many the processor time is enough for."""

MIN_COUNT = 5
"""A character is seen so often at least."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
REPEATS = 5
SHOWN = {
    "KODOLI profanity": "best F1",
    "KODOLI OFFEN vs NOT (insult)": "AP",
    "Curse (profanity or insult)": "AP",
    "K-MHaS any label": "best F1",
    "K-MHaS profanity": "best F1",
    "KOTOX easy": "best F1",
    "KOTOX normal": "best F1",
    "KOTOX hard": "best F1",
    "own lines, any label": "AP",
}
"""The columns of the table."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What all of them are trained on."""

    lines: Sequence[str]
    supervision: Supervision
    sample: Sequence[str]
    """Plain ones, from which the ranges of int8 activations are taken."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that has not been trained."""

    network: Network
    encodings: Encodings
    config: FitConfig


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of it."""

    name: str
    parameters: int
    megabytes: float
    epochs: float
    minutes: float
    quality: dict[str, float]
    alone: float
    """Microseconds of processor time a message, text to scores."""
    batched: float


def ngrams(texts: Texts, _: Path) -> Candidate:
    """The one that ships."""
    vocabulary = build_vocabulary(
        texts.lines, texts.supervision.answers(), size=120_000, min_count=6
    )
    model = GounmalModel(GounmalConfig(vocab_size=len(vocabulary), hidden=96))
    encodings = encode(texts.lines, vocabulary, max_tokens=MAX_TOKENS)
    return Candidate(Network(model, vocabulary, None), encodings, FitConfig())


def transformer(width: int, layers: int, *, jamo: bool) -> Callable[[Texts, Path], Candidate]:
    """A BERT of this size, a token for each character or for each jamo."""

    def make(texts: Texts, scratch: Path) -> Candidate:
        tokenizer = _characters(texts.lines, jamo=jamo)
        sizes = BertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 48,
            intermediate_size=4 * width,
            max_position_embeddings=2 * MAX_TOKENS,
        )
        BertModel(sizes).save_pretrained(scratch)
        network = Network(
            CheckpointModel(str(scratch)), TokenizerEncoder(tokenizer, MAX_TOKENS), MAX_TOKENS
        )
        config = FitConfig(learning_rate=1e-3, weight_decay=0.01)
        return Candidate(network, network.encode(texts.lines), config)

    return make


CANDIDATES: dict[str, Callable[[Texts, Path], Candidate]] = {
    "n-grams, gated convolutions, 3 × 96": ngrams,
    "transformer, characters, 4 × 192": transformer(192, 4, jamo=False),
    "transformer, characters, 2 × 192": transformer(192, 2, jamo=False),
    "transformer, jamo, 4 × 192": transformer(192, 4, jamo=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--only", choices=list(CANDIDATES))
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load(options.data)
    texts = gather(dataset)
    path = options.out / "architectures.json"
    found: dict[str, Any] = {"entries": {}}
    if options.only and path.exists():
        found = orjson.loads(path.read_bytes())
    for name in [options.only] if options.only else list(CANDIDATES):
        found["entries"][name] = asdict(judge(name, dataset, texts, options.minutes))
        found |= {"minutes": options.minutes, "machine": facts.machine()}
        path.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    text = markdown(found)
    (options.out / "architectures.md").write_text(text, encoding="utf-8")
    print(text)


def gather(dataset: Dataset) -> Texts:
    """The labelled texts, disguised copies and lines of our own, as teachers see them."""
    mixture = mix(dataset, expressions=expressions(), unlabelled=(), config=MixtureConfig(), seed=0)
    rows = dataset.rows("train")[:512].tolist()
    return Texts(
        mixture.texts, mixture.supervision(dataset, None), [dataset.texts[i] for i in rows]
    )


def judge(name: str, dataset: Dataset, texts: Texts, minutes: float) -> Entry:
    """Train, export and measure one of them."""
    torch.manual_seed(0)
    with TemporaryDirectory() as scratch:
        candidate = CANDIDATES[name](texts, Path(scratch))
        steps = _affordable(candidate, texts, minutes)
        begun = time.process_time()
        model = _trained(candidate, texts, steps, lambda line: print(f"{name}: {line}", flush=True))
        spent = (time.process_time() - begun) / 60
        network = replace(candidate.network, model=model)
        folder = Path(scratch) / "artifact"
        classifier = _exported(network, texts, folder)
        alone, batched = (_microseconds(classifier, size) for size in (1, 32))
        lengths, most = candidate.encodings.lengths, candidate.config.batch_tokens
        per_epoch = sum(1 for _ in batches(lengths, max_tokens=most))
        return Entry(
            name=name,
            parameters=sum(p.numel() for p in model.parameters()),
            megabytes=round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 2),
            epochs=round(steps / per_epoch, 2),
            minutes=round(spent, 1),
            quality=_quality(classifier, dataset),
            alone=alone,
            batched=batched,
        )


def _affordable(candidate: Candidate, texts: Texts, minutes: float) -> int:
    """How many steps so much processor time is enough for, by two trials on copies."""
    seconds = []
    for steps in TRIALS:
        trial = replace(candidate, network=deepcopy(candidate.network))
        begun = time.process_time()
        _trained(trial, texts, steps)
        seconds.append(time.process_time() - begun)
    each = (seconds[1] - seconds[0]) / (TRIALS[1] - TRIALS[0])
    return max(1, int(minutes * 60 / each))


def _trained(
    candidate: Candidate, texts: Texts, steps: int, progress: Callable[[str], None] = lambda _: None
) -> nn.Module:
    config = replace(candidate.config, steps=steps, epochs=steps)
    return fit(
        candidate.network.model,
        candidate.encodings,
        texts.supervision,
        config=config,
        progress=progress,
    )


def _characters(lines: Sequence[str], *, jamo: bool) -> Tokenizer:
    """A token for each character that is seen often enough; jamo are those of NFD."""
    counts: Counter[str] = Counter()
    for line in lines:
        text = normalize(line).canonical.text
        counts.update(unicodedata.normalize("NFD", text) if jamo else text)
    letters = [letter for letter, count in counts.most_common() if count >= MIN_COUNT]
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[1]))
    if jamo:
        tokenizer.normalizer = normalizers.NFD()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(word, vocabulary[word]) for word in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _exported(network: Network, texts: Texts, folder: Path) -> Classifier:
    config = ArtifactConfig(
        format=FORMAT,
        name="candidate",
        version="0",
        labels=list(LABELS),
        encoder="ngrams" if isinstance(network.encoder, Vocabulary) else "tokenizer",
        max_tokens=network.max_tokens,
        scale=[1.0] * len(LABELS),
        shift=[0.0] * len(LABELS),
        thresholds=dict.fromkeys(Mode, dict.fromkeys(LABELS, 0.5)),
        span_threshold=0.5,
    )
    own = network.encoder
    export(
        network.model,
        folder,
        config,
        encoder=own if isinstance(own, Vocabulary) else own.tokenizer,
        sample=network.encode(texts.sample),
    )
    return Classifier.load(folder)


def _quality(classifier: Classifier, dataset: Dataset) -> dict[str, float]:
    """What needs no threshold, of the int8 artifact on the dev split."""
    examples = dataset.examples_of("dev", *benchmarks.SOURCES)
    lines = list(dict.fromkeys(e.text for e in examples))
    scores = scored(artifact_scorer(classifier), lines)
    judged = Judged.of(lines, scores, classifier.thresholds[Mode.BALANCED])
    return {
        m.benchmark: round(m.value, 4)
        for m in benchmarks.measure(dataset, "dev", judged)
        if SHOWN.get(m.benchmark) == m.metric
    }


def _microseconds(classifier: Classifier, size: int) -> float:
    """Processor time a message, text to scores, the median over all lines of live chat."""
    lines = LINES.read_text(encoding="utf-8").splitlines()
    found = []
    for repeat in range(REPEATS + 1):
        begun = time.process_time()
        for first in range(0, len(lines), size):
            classifier.score([normalize(line) for line in lines[first : first + size]])
        if repeat:  # the first one warms up
            found.append(1e6 * (time.process_time() - begun) / len(lines))
    return round(median(found), 1)


def markdown(found: dict[str, Any]) -> str:
    """The table that is committed."""
    text = f"""Written by `architectures.py`: each trained from scratch for {found["minutes"]:g}
minutes of processor time on one core ({found["machine"]["processor"]}), on the labelled texts of
the train split and their disguised copies. The int8 artifact on the dev split, best F1 or AP;
microseconds of processor time a message, text to scores, at the lengths of live chat, ONNX Runtime
with one thread: alone / in batches of 32."""
    head = ["network", "parameters", "MB", "epochs", "µs alone / 32"]
    head += [f"{name}, {metric}" for name, metric in SHOWN.items()]
    rows = [
        [
            name,
            f"{entry['parameters'] / 1e6:.1f} M",
            f"{entry['megabytes']:.1f}",
            f"{entry['epochs']:.1f}",
            f"{entry['alone']:.0f} / {entry['batched']:.0f}",
            *(number(entry["quality"][shown]) for shown in SHOWN),
        ]
        for name, entry in found["entries"].items()
    ]
    return f"# Architectures\n\n{fill(text, 100)}\n\n{table(head, rows)}\n"


if __name__ == "__main__":
    main()
