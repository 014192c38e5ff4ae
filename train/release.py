"""A trained network → an artifact with its thresholds, its measurements and its model card.

Everything behind training, so that it can be repeated without it: export, calibrate, choose the
thresholds of the modes and of spans, evaluate beside the floor, write metrics.json and
MODEL_CARD.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from scipy.special import logit

from gounmal.evaluation.metrics import flags
from gounmal.model.artifact import FORMAT, ArtifactConfig, write_config
from gounmal.model.classifier import Classifier
from gounmal.model.encoder import Vocabulary
from gounmal.schema import LABELS, Mode
from train import facts, floor, probes
from train.calibrate import calibrate
from train.card import model_card
from train.evaluate import artifact_scorer, evaluate, scored
from train.export import export
from train.recipe import expressions
from train.spans import Spans, cases
from train.thresholds import RESTARTS, Targets, choose_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gounmal.schema import Label
    from train.calibrate import Calibration
    from train.data import Dataset
    from train.evaluate import Scorer
    from train.network import Network

WEIGHTS = ("model.onnx", "vocabulary.npy", "tokenizer.json")
EPSILON = 1e-7
SMOKE_RESTARTS = 3
"""Of the search for thresholds, where it only has to be shown that it runs."""
SAMPLE = 512
"""Texts from which the ranges of int8 activations are taken."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a network came to be: goes into the card as it is."""

    seed: int
    base: str | None = None
    smoke: bool = False
    recipe: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall-clock time of each step."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A scorer whose probabilities are calibrated, with thresholds chosen for it."""

    scorer: Scorer
    calibration: Calibration
    thresholds: dict[Mode, dict[Label, float]]


def release(  # noqa: PLR0913  (keyword-only settings)
    network: Network,
    dataset: Dataset,
    folder: Path,
    *,
    name: str,
    version: str,
    origin: Origin,
    splits: Sequence[str] = ("dev",),
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Write the artifact, metrics.json and MODEL_CARD.md to `folder`.

    Args:
        network: what was trained.
        dataset: its dev split is what everything is chosen on.
        folder: made if it is not there.
        name: of the model, also in the store.
        version: of the model.
        origin: how the network came to be.
        splits: what to evaluate on.
        progress: told what happens.

    Returns:
        The content of metrics.json.
    """
    restarts = SMOKE_RESTARTS if origin.smoke else RESTARTS
    tuned, classifier = export_tuned(
        network, dataset, folder, name=name, version=version, restarts=restarts
    )
    progress("exported and calibrated; fitting the floor")
    linear = floor.fit(dataset, dataset.rows("train"))
    below = tune(lambda texts: _logits(linear.scores(texts)), dataset, restarts=restarts)
    progress("evaluating")
    whole = Tuned(
        lambda texts: tuned.calibration(network.logits(texts)), tuned.calibration, tuned.thresholds
    )
    metrics = {
        "name": name,
        "version": version,
        "encoder": classifier.config.encoder,
        "size_bytes": sum((folder / w).stat().st_size for w in WEIGHTS if (folder / w).exists()),
        "origin": asdict(origin),
        "machine": facts.machine(),
        "sources": facts.sources(dataset),
        "written": facts.written(dataset),
        "splits": facts.splits(dataset),
        "targets": asdict(Targets()),
        "harmless": {"longest": probes.SHORT, "sources": probes.CHAT},
        "calibration": tuned.calibration.method,
        "thresholds": tuned.thresholds,
        "spans": {split: _spans(classifier, dataset, split) for split in splits},
        "parity": _parity(tuned, whole, dataset),
        "model": {split: _evaluated(tuned, dataset, split) for split in splits},
        "float": {split: _evaluated(whole, dataset, split) for split in splits},
        "floor": {split: _evaluated(below, dataset, split) for split in splits},
    }
    written = orjson.dumps(metrics, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    (folder / "metrics.json").write_bytes(written + b"\n")
    content: dict[str, Any] = orjson.loads(written)
    write_config(folder, classifier.config.model_copy(update={"metadata": _metadata(content)}))
    (folder / "MODEL_CARD.md").write_text(model_card(content), encoding="utf-8")
    return content


def export_tuned(  # noqa: PLR0913  (keyword-only settings)
    network: Network,
    dataset: Dataset,
    folder: Path,
    *,
    name: str,
    version: str,
    restarts: int = RESTARTS,
) -> tuple[Tuned, Classifier]:
    """Export, then calibrate the exported artifact itself: int8 moves scores a little."""
    encoder = network.encoder
    config = ArtifactConfig(
        format=FORMAT,
        name=name,
        version=version,
        labels=list(LABELS),
        encoder="ngrams" if isinstance(encoder, Vocabulary) else "tokenizer",
        max_tokens=network.max_tokens,
        scale=[1.0] * len(LABELS),
        shift=[0.0] * len(LABELS),
        thresholds=dict.fromkeys(Mode, dict.fromkeys(LABELS, 0.5)),
        span_threshold=0.5,
    )
    own = encoder if isinstance(encoder, Vocabulary) else encoder.tokenizer
    sample = [dataset.texts[i] for i in dataset.rows("train")[:SAMPLE].tolist()]
    export(network.model, folder, config, encoder=own, sample=network.encode(sample))
    plain = artifact_scorer(Classifier.load(folder))
    tuned = tune(lambda texts: _logits(plain(texts)), dataset, restarts=restarts)
    config = config.model_copy(
        update={
            "scale": tuned.calibration.scale.tolist(),
            "shift": tuned.calibration.shift.tolist(),
            "thresholds": tuned.thresholds,
        }
    )
    write_config(folder, config)
    made = cases(dataset, "dev", expressions())
    if made:
        best = Spans(Classifier.load(folder), made).best()
        write_config(folder, config.model_copy(update={"span_threshold": best.threshold}))
    classifier = Classifier.load(folder)
    return Tuned(artifact_scorer(classifier), tuned.calibration, tuned.thresholds), classifier


def tune(logits: Scorer, dataset: Dataset, *, restarts: int = RESTARTS) -> Tuned:
    """Calibrate a scorer of logits and choose its thresholds, on the dev split."""
    rows = dataset.rows("dev")
    texts = [dataset.texts[i] for i in rows.tolist()]
    calibration = calibrate(scored(logits, texts), dataset.targets[rows], dataset.group[rows])

    def scorer(texts: Sequence[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return calibration(logits(texts))

    chosen = choose_thresholds(dataset, lambda texts: scored(scorer, texts), restarts=restarts)
    return Tuned(scorer, calibration, chosen)


def _logits(
    scores: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(logit(np.clip(scores.astype(np.float64), EPSILON, 1 - EPSILON)), np.float32)


def _evaluated(tuned: Tuned, dataset: Dataset, split: str) -> dict[str, Any]:
    return evaluate(tuned.scorer, dataset, thresholds=tuned.thresholds, split=split).to_dict()


def _metadata(content: dict[str, Any]) -> dict[str, str]:
    """What the store shows of a model beside its tag."""
    measured = {
        f"{m['benchmark']}, {m['metric']}": str(m["value"])
        for m in content["model"]["dev"]["benchmarks"]
        if m["metric"] in {"F1", "micro F1"}
    }
    origin = content["origin"]
    return {"seed": str(origin["seed"]), "base": origin["base"] or "none", **measured}


def _spans(classifier: Classifier, dataset: Dataset, split: str) -> dict[str, Any]:
    found = Spans(classifier, cases(dataset, split, expressions())).at(classifier.span_threshold)
    return {**asdict(found), "characters": found.characters.to_dict()}


def _parity(tuned: Tuned, whole: Tuned, dataset: Dataset) -> dict[str, float]:
    """The int8 artifact against the float network, on the dev split."""
    texts = [dataset.texts[i] for i in dataset.rows("dev").tolist()]
    small, big = scored(tuned.scorer, texts), scored(whole.scorer, texts)
    limits = tuned.thresholds[Mode.BALANCED]
    same = (flags(small, limits) == flags(big, limits)).all(axis=1)
    return {
        "texts": len(texts),
        "largest_difference": round(float(np.abs(small - big).max()), 5),
        "mean_difference": round(float(np.abs(small - big).mean()), 6),
        "decisions_equal": round(float(same.mean()), 5),
    }
