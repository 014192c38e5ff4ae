"""How good is a scorer: per label and mode, on the benchmarks, on harmless lines, by length.

The same code judges the LR floor, the network and the exported artifact: all it needs is a function
from texts to calibrated probabilities.

    python -m train.evaluate --artifact DIR --data DIR [--split test] [--json FILE]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import orjson

from gounmal.evaluation.measure import LENGTHS, SURE, LabelResult, label_results
from gounmal.evaluation.metrics import Counts, flags
from gounmal.model.classifier import Classifier
from gounmal.schema import LABELS, Label, Mode
from gounmal.text.normalize import normalize
from train import benchmarks, probes, tables
from train.benchmarks import Judged
from train.data import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from train.benchmarks import Measure
    from train.data import Dataset
    from train.probes import Probe

Scorer = Callable[[Sequence[str]], "NDArray[np.float32]"]
"""Texts → calibrated probabilities, float32[n, n_labels]."""

CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Slice:
    """Any label at all, on the texts of at most so many characters (and more than the last)."""

    longest: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that was measured of one scorer on one split."""

    split: str
    labels: list[LabelResult]
    benchmarks: list[Measure]
    """At the thresholds of `balanced` where the metric needs any."""
    probes: dict[Mode, list[Probe]]
    slices: list[Slice]
    """At the thresholds of `balanced`."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ratios are written out beside the counts that they come from."""
        return {
            "split": self.split,
            "labels": {r.label.value: r.to_dict() for r in self.labels},
            "benchmarks": [{**asdict(m), "value": round(m.value, 4)} for m in self.benchmarks],
            "probes": {
                mode.value: [{**asdict(p), "share": round(p.share, 5)} for p in found]
                for mode, found in self.probes.items()
            },
            "slices": [{"longest": s.longest, **s.counts.to_dict()} for s in self.slices],
        }


def evaluate(
    scorer: Scorer,
    dataset: Dataset,
    *,
    thresholds: Mapping[Mode, Mapping[Label, float]],
    split: str = "dev",
    tests: Path = probes.TESTS,
) -> Evaluation:
    """Measure everything.

    Args:
        scorer: what is judged.
        dataset: has the texts of the split.
        thresholds: of every mode.
        split: `dev` or `test`; look at `test` once, at the end.
        tests: folder with our hand-written evasions and look-alikes.
    """
    rows = dataset.rows(split)
    merged = [dataset.texts[i] for i in rows.tolist()]
    asked = probes.questions(dataset, split, tests)
    texts = list(
        dict.fromkeys(
            [
                *merged,
                *(e.text for e in dataset.examples_of(split, *benchmarks.SOURCES)),
                *(text for question in asked for text in question.texts),
            ]
        )
    )
    scores = scored(scorer, texts)
    judged = {mode: Judged.of(texts, scores, limits) for mode, limits in thresholds.items()}
    own = scores[[judged[Mode.BALANCED].index[text] for text in merged]]
    return Evaluation(
        split=split,
        labels=label_results(
            own,
            dataset.targets[rows],
            {mode: flags(own, limits) for mode, limits in thresholds.items()},
        ),
        benchmarks=benchmarks.measure(dataset, split, judged[Mode.BALANCED]),
        probes={mode: [q.ask(found) for q in asked] for mode, found in judged.items()},
        slices=_slices(dataset, rows, flags(own, thresholds[Mode.BALANCED])),
    )


def scored(scorer: Scorer, texts: Sequence[str]) -> NDArray[np.float32]:
    """Score by chunks, short texts with short ones: float32[n, n_labels] in the order given."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    scores = np.zeros((len(texts), len(LABELS)), np.float32)
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        scores[chunk] = scorer([texts[i] for i in chunk])
    return scores


def artifact_scorer(classifier: Classifier) -> Scorer:
    """The exported artifact as a scorer."""
    return lambda texts: np.stack(
        [one.scores for one in classifier.score([normalize(text) for text in texts])]
    )


def any_truth(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[n]: does any label hold? 1, 0, or NaN where that is not known."""
    targets = dataset.targets[rows]
    some = (targets >= 1 - SURE).any(axis=1) | (dataset.any_value[rows] >= 1 - SURE)
    above = [LABELS.index(label) for label in LABELS if not label.parent]
    none = (targets[:, above] <= SURE).all(axis=1) & ~some
    return np.where(some, 1.0, np.where(none, 0.0, np.nan))


def _slices(dataset: Dataset, rows: NDArray[np.int64], flagged: NDArray[np.bool_]) -> list[Slice]:
    truth = any_truth(dataset, rows)
    found = np.asarray(flagged.any(axis=1))
    lengths = np.asarray([len(dataset.texts[i]) for i in rows.tolist()])
    out, shortest = [], 0
    for longest in LENGTHS:
        inside = (lengths > shortest) & (lengths <= longest) & ~np.isnan(truth)
        out.append(Slice(longest, Counts.of(truth[inside] == 1, found[inside])))
        shortest = longest
    return out


@click.command()
@click.option("--artifact", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Local sources.")
@click.option("--split", type=click.Choice(["dev", "test"]), default="dev", show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path), help="Write the numbers here.")
def main(artifact: Path, data: Path | None, split: str, out: Path | None) -> None:
    """Judge an exported artifact on a split of the sources."""
    classifier = Classifier.load(artifact)
    found = evaluate(
        artifact_scorer(classifier), load(data), thresholds=classifier.thresholds, split=split
    )
    if out:
        out.write_bytes(orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2))
    click.echo(tables.markdown(found.to_dict()))


if __name__ == "__main__":
    main()
