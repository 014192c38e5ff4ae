"""`transformers.pipeline(batch_size=64)` on the float network: prints lines per second.

    python -m benchmarks.batch.pipeline MODEL [LINES]

As somebody would who has the network and no service: a `PreTrainedModel` behind a pipeline, which
batches, pads and calls it; torch has every core. It ends at scores: no spans, no policy, no file.
What it is given is what a scan is given, duplicates included.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import BatchFeature, FeatureExtractionMixin, Pipeline, PreTrainedModel

from benchmarks.batch.million import rows
from gounmal.model.classifier import Classifier
from gounmal.schema import LABELS
from gounmal.text.normalize import normalize
from train.model import GounmalConfig, GounmalModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NETWORK = Path("runs/gounmal-ko/network.safetensors")
BATCH = 64
WARM_UP = 10 * BATCH


class NgramFeatures(FeatureExtractionMixin):
    """A text → ids and mask of its tokens, by gounmal's own normaliser and encoder."""

    padding_value = 0

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.encoder = classifier.encoder

    def __call__(self, text: str) -> BatchFeature:
        """Those of one text."""
        ids, mask = self.encoder.encode([normalize(text)]).padded(np.zeros(1, np.int64))
        return BatchFeature({"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)})


class ModerationPipeline(Pipeline):
    """A text → its labels with their scores."""

    def __init__(self, classifier: Classifier, **parts: Any) -> None:
        super().__init__(**parts)
        self.scale = torch.tensor(classifier.config.scale)
        self.shift = torch.tensor(classifier.config.shift)

    def _sanitize_parameters(self, **_: Any) -> tuple[dict[str, Any], ...]:
        return {}, {}, {}

    def preprocess(self, text: str) -> BatchFeature:
        """Encode."""
        return self.feature_extractor(text)

    def _forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        logits, _ = self.model(inputs["ids"], inputs["mask"])
        return {"logits": logits}

    def postprocess(self, outputs: dict[str, Any]) -> dict[str, float]:
        """Calibrate."""
        scores = torch.sigmoid(outputs["logits"][0] * self.scale + self.shift)
        return dict(zip(LABELS, scores.tolist(), strict=True))


def network(path: Path, artifact: Path) -> PreTrainedModel:
    """The float network; where a checkout has no float weights, one of its sizes at random.

    How long it takes does not depend on the weights.
    """
    if path.exists():
        weights = load_file(path)
        hidden, dim = weights["enter.1.weight"].shape
        size = weights["table.weight"].shape[0] - 1
    else:
        recipe = json.loads((artifact / "metrics.json").read_bytes())["origin"]["recipe"]
        hidden, dim = recipe["hidden"], recipe["dim"]
        size = len(np.load(artifact / "vocabulary.npy", allow_pickle=False))
    model = GounmalModel(GounmalConfig(vocab_size=size, dim=dim, hidden=hidden))
    if path.exists():
        model.load_state_dict(weights)
    return model.eval()


def main() -> None:
    artifact = Path(sys.argv[1])
    classifier = Classifier.load(artifact)
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    texts = [row[3] for row in islice(rows(number), number)]
    judge = ModerationPipeline(
        classifier,
        model=network(NETWORK, artifact),
        feature_extractor=NgramFeatures(classifier),
        device="cpu",
    )
    for _ in judge(texts[:WARM_UP], batch_size=BATCH):
        pass
    begun = time.perf_counter()
    found = list(judge(texts, batch_size=BATCH))
    took = time.perf_counter() - begun
    assert len(found) == number
    told = {"lines": number, "lines_per_s": number / took, "threads": torch.get_num_threads()}
    told["weights"] = "trained" if NETWORK.exists() else "random"
    if NETWORK.exists():
        told["largest_difference"] = difference(classifier, texts[:BATCH], found)
    print(json.dumps(told))


def difference(
    classifier: Classifier, texts: Sequence[str], found: Sequence[Mapping[str, float]]
) -> float:
    """By how much the pipeline's scores of the first texts differ from the artifact's at most."""
    said = classifier.score([normalize(text) for text in texts])
    expected = np.array([scored.scores for scored in said])
    got = np.array([list(one.values()) for one in found[: len(texts)]])
    return float(np.abs(got - expected).max())


if __name__ == "__main__":
    main()
