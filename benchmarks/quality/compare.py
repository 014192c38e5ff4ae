"""One table of who finds how much: this model, linear models, a regex filter, a word list.

    python -m benchmarks.quality.compare --data DIR [--artifact models/gounmal-ko] [--split dev]

Writes results.json and results.md beside this file. The regex filter is korcen, if it is installed
(requirements/bench.txt).

Filters have no threshold, and a high recall is easy to have with many false alarms. So beside
everyone's own operating point, everyone is compared at the same false-positive rate twice: at that
of the word list, benchmark by benchmark, and at one that chat can live with, on harmless lines.
"""

from __future__ import annotations

import argparse
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from gounmal.classifier import Classifier
from gounmal.metrics import Counts, average_precision, flags, recall_at
from gounmal.schema import LABELS, Mode
from train import benchmarks, facts, floor, probes
from train.data import load
from train.evaluate import artifact_scorer, scored
from train.recipe import expressions
from train.release import tune
from train.tables import number, percent, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from train.benchmarks import Task
    from train.data import Dataset
    from train.evaluate import Scorer

HERE = Path(__file__).parent
SHARED_RATES = (0.002, 0.01)
"""False-positive rates on harmless lines at which everyone is compared."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, default=Path("models/gounmal-ko"))
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    dataset = load(options.data)
    everyone = dict(contestants(dataset, options.artifact))
    results = compare(dataset, options.split, everyone)
    results["machine"] = facts.machine()
    content = orjson.dumps(results, option=orjson.OPT_INDENT_2)
    (options.out / "results.json").write_bytes(content + b"\n")
    text = markdown(results)
    (options.out / "results.md").write_text(text, encoding="utf-8")
    print(text)


class Contestant:
    """Whoever can be compared: scores, and the thresholds that it is used with."""

    def __init__(self, scorer: Scorer, thresholds: dict[Mode, dict[Any, float]]) -> None:
        self.scorer = scorer
        self.limits = thresholds[Mode.BALANCED]

    def judge(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Scores float32[n, n_labels] and what is flagged, bool[n, n_labels]."""
        scores = scored(self.scorer, texts)
        return scores, flags(scores, self.limits)


def contestants(dataset: Dataset, artifact: Path) -> list[tuple[str, Contestant]]:
    """Everyone, this model first."""
    model = Classifier.load(artifact)
    rows = dataset.rows("train")
    out = [
        (f"gounmal {model.config.version}", Contestant(artifact_scorer(model), model.thresholds))
    ]
    characters = floor.fit(dataset, rows, grams=floor.FLOOR)
    both = floor.Average((characters, floor.fit(dataset, rows, grams=floor.JAMO)))
    for name, linear in (("LR, characters", characters), ("LR, characters and jamo", both)):
        tuned = tune(partial(_logits, linear.scores), dataset)
        out.append((name, Contestant(tuned.scorer, tuned.thresholds)))
    words = sorted({word for word, _ in expressions()})
    out.append(("word list (our lexicon)", _filter(lambda text: any(w in text for w in words))))
    korcen = _korcen()
    return [*out, korcen] if korcen else out


def _korcen() -> tuple[str, Contestant] | None:
    try:
        name = f"korcen {version('korcen')} (regex)"
    except PackageNotFoundError:
        return None
    from korcen import korcen  # noqa: PLC0415  (only where it is installed)

    return name, _filter(korcen.check)


def _filter(check: Callable[[str], bool]) -> Contestant:
    """A yes or no for every label alike."""

    def scorer(texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.asarray([bool(check(text)) for text in texts], np.float32)
        return np.repeat(found[:, None], len(LABELS), axis=1)

    return Contestant(scorer, {mode: dict.fromkeys(LABELS, 0.5) for mode in Mode})


def _logits(
    scorer: Callable[[Sequence[str]], NDArray[np.float32]], texts: Sequence[str]
) -> NDArray[np.float32]:
    scores = np.clip(scorer(texts).astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(scores / (1 - scores)).astype(np.float32)


def compare(dataset: Dataset, split: str, everyone: dict[str, Contestant]) -> dict[str, Any]:
    """All numbers, by contestant."""
    tasks = benchmarks.tasks(dataset, split)
    asked = {q.name: q.texts for q in probes.questions(dataset, split)}
    evasions = asked["hand-written evasions"]
    harmless = [*asked["short clean chat"], *asked["hand-written harmless"]]
    results: dict[str, Any] = {"split": split, "tasks": {}, "lines": {}, "shared": {}}
    reference = everyone["word list (our lexicon)"]
    for name, who in everyone.items():
        calm, alarms = who.judge(harmless)
        evasive, caught = who.judge(evasions)
        chat = len(asked["short clean chat"])
        results["lines"][name] = {
            "short clean chat flagged": round(float(alarms[:chat].any(axis=1).mean()), 5),
            "look-alikes flagged": round(float(alarms[chat:].any(axis=1).mean()), 5),
            "evasions found": round(float(caught.any(axis=1).mean()), 5),
        }
        shared = {"hand-written evasions": _at_shared(evasive.max(axis=1), calm.max(axis=1))}
        for task in tasks:
            results["tasks"].setdefault(task.name, {})[name] = _one(task, who, reference)
            positive = [e.text for e, y in zip(task.examples, task.truth, strict=True) if y]
            columns = [LABELS.index(label) for label in task.labels]
            score = who.judge(positive)[0][:, columns].max(axis=1)
            shared[task.name] = _at_shared(score, calm[:, columns].max(axis=1))
        results["shared"][name] = shared
    results["n"] = {
        **{task.name: [len(task.truth), int(task.truth.sum())] for task in tasks},
        "evasions": len(evasions),
        "harmless": len(harmless),
    }
    return results


def _one(task: Task, who: Contestant, reference: Contestant) -> dict[str, float]:
    texts = [example.text for example in task.examples]
    columns = [LABELS.index(label) for label in task.labels]
    scores, flagged = (part[:, columns] for part in who.judge(texts))
    own = Counts.of(task.truth, flagged.any(axis=1))
    rate = Counts.of(task.truth, reference.judge(texts)[1].any(axis=1)).false_positive_rate
    return {
        **own.to_dict(),
        "AP": round(average_precision(task.truth, scores.max(axis=1)), 4),
        "rate of the word list": round(rate, 4),
        "recall at that rate": round(recall_at(task.truth, scores.max(axis=1), rate), 4),
    }


def _at_shared(positive: NDArray[np.float32], calm: NDArray[np.float32]) -> list[float]:
    truth = np.arange(len(positive) + len(calm)) < len(positive)
    scores = np.concatenate([positive, calm])
    return [round(recall_at(truth, scores, rate), 4) for rate in SHARED_RATES]


def markdown(results: dict[str, Any]) -> str:
    """The tables."""
    names = list(results["lines"])
    tasks = results["tasks"]

    def by_task(key: str) -> str:
        rows = [[task, *(number(one[name][key]) for name in names)] for task, one in tasks.items()]
        return table(["benchmark", *names], rows)

    lines = [
        [what, *(percent(results["lines"][name][what]) for name in names)]
        for what in results["lines"][names[0]]
    ]
    shared = [
        [what, *(" / ".join(number(r) for r in results["shared"][n][what]) for n in names)]
        for what in results["shared"][names[0]]
    ]
    rates = " / ".join(percent(rate) for rate in SHARED_RATES)
    sections = {
        "Hand-written lines and clean chat, everyone as it is used": table(
            ["lines", *names], lines
        ),
        "F1, everyone as it is used": by_task("f1"),
        "Average precision, no thresholds": by_task("AP"),
        "Recall at the false-positive rate of the word list": by_task("recall at that rate"),
        f"Recall where {rates} of harmless lines are flagged": table(["lines", *names], shared),
    }
    head = (
        f"# Quality, {results['split']} split\n\n"
        "Written by `compare.py`, which says what each table means.\n"
    )
    return head + "".join(f"\n## {title}\n\n{body}\n" for title, body in sections.items())


if __name__ == "__main__":
    main()
