"""One table of who finds how much: this model, linear models, a regex filter, a word list.

    python -m benchmarks.quality.compare --data DIR [--artifact models/gounmal-ko] [--split dev]

Writes results.json and results.md beside this file. The regex filter is korcen (PyPI), if it is
installed (requirements/bench.txt); the word list looks for our own lexicon, spelled as it is there.

Filters have no threshold, and a high recall is easy to have with many false alarms. So beside
everyone's own operating point stands what the others find while they flag as many harmless lines as
each filter does, benchmark by benchmark, and what those with scores find at rates that chat can
live with.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from scipy.special import logit

from gounmal.evaluation.metrics import Counts, average_precision, recall_at
from gounmal.model.classifier import Classifier
from gounmal.schema import LABELS, Label, Mode
from train import benchmarks, facts, floor, probes
from train.benchmarks import Judged
from train.data import load
from train.evaluate import artifact_scorer, scored
from train.recipe import expressions
from train.release import EPSILON, tune
from train.tables import number, percent, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from train.data import Dataset
    from train.evaluate import Scorer

HERE = Path(__file__).parent
RATES = (0.002, 0.01)
"""Shares of harmless lines flagged at which those with scores are compared."""

EVASIONS = "hand-written evasions"
HARMLESS = "hand-written harmless"
CHAT = "short clean chat"


@dataclass(frozen=True)
class Contestant:
    """Whoever can be compared.

    Attributes:
        thresholds: that it is used with.
        filter: says only yes or no, and the same of every label.
    """

    name: str
    scorer: Scorer
    thresholds: Mapping[Label, float]
    filter: bool = False


@dataclass(frozen=True)
class Question:
    """Texts of which some should be flagged for one of some labels."""

    name: str
    metric: str
    texts: Sequence[str]
    truth: NDArray[np.bool_]
    labels: Sequence[Label]

    def columns(self, judged: Judged) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Highest score and is it flagged, of the labels in question: float32[n], bool[n]."""
        rows = [judged.index[text] for text in self.texts]
        columns = [LABELS.index(label) for label in self.labels]
        scores, flagged = judged.scores[rows][:, columns], judged.flagged[rows][:, columns]
        return scores.max(axis=1, initial=0.0), np.asarray(flagged.any(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--artifact", type=Path, default=Path("models/gounmal-ko"))
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    dataset = load(options.data)
    weights = (options.artifact / "model.onnx").read_bytes()
    results = {
        "split": options.split,
        "model_sha256": hashlib.sha256(weights).hexdigest(),
        "machine": facts.machine(),
        **compare(
            contestants(dataset, Classifier.load(options.artifact)),
            questions(dataset, options.split),
        ),
    }
    content = orjson.dumps(results, option=orjson.OPT_INDENT_2)
    (options.out / "results.json").write_bytes(content + b"\n")
    text = markdown(results)
    (options.out / "results.md").write_text(text, encoding="utf-8")
    print(text)


def contestants(dataset: Dataset, model: Classifier) -> list[Contestant]:
    """Everyone, this model first. The linear ones are fitted here, and tuned as the model is."""
    out = [Contestant(model.tag, artifact_scorer(model), model.thresholds[Mode.BALANCED])]
    rows = dataset.rows("train")
    characters = floor.fit(dataset, rows, grams=floor.FLOOR)
    both = floor.Average((characters, floor.fit(dataset, rows, grams=floor.JAMO)))
    for name, linear in (("LR", characters), ("LR with jamo", both)):
        tuned = tune(partial(_logits, linear.scores), dataset)
        out.append(Contestant(name, tuned.scorer, tuned.thresholds[Mode.BALANCED]))
    try:
        name = f"korcen {version('korcen')}"
        from korcen import korcen  # noqa: PLC0415  (only where it is installed)

        out.append(_filter(name, korcen.check))
    except PackageNotFoundError:
        pass
    words = sorted({word for word, _ in expressions()})
    out.append(_filter("word list", lambda text: any(word in text for word in words)))
    return out


def _logits(scorer: Scorer, texts: Sequence[str]) -> NDArray[np.float32]:
    scores = np.clip(scorer(texts).astype(np.float64), EPSILON, 1 - EPSILON)
    return np.asarray(logit(scores), np.float32)


def _filter(name: str, check: Callable[[str], bool]) -> Contestant:
    def scorer(texts: Sequence[str]) -> NDArray[np.float32]:
        found = np.asarray([bool(check(text)) for text in texts], np.float32)
        return np.repeat(found[:, None], len(LABELS), axis=1)

    return Contestant(name, scorer, dict.fromkeys(LABELS, 0.5), filter=True)


def questions(dataset: Dataset, split: str) -> list[Question]:
    """The sources' benchmarks; our evasions among short clean chat and look-alikes."""
    out = [
        Question(t.name, t.metric, [e.text for e in t.examples], t.truth, t.labels)
        for t in benchmarks.tasks(dataset, split)
    ]
    own = {q.name: list(q.texts) for q in probes.questions(dataset, split)}
    for calm in (HARMLESS, CHAT):
        texts = [*own[EVASIONS], *own[calm]]
        truth = np.arange(len(texts)) < len(own[EVASIONS])
        out.append(Question(f"{EVASIONS} / {calm}", "recall / flagged", texts, truth, LABELS))
    return out


def compare(everyone: Sequence[Contestant], asked: Sequence[Question]) -> dict[str, Any]:
    """All numbers: of each question, and of each contestant at it."""
    texts = list(dict.fromkeys(text for question in asked for text in question.texts))
    judged = {}
    for who in everyone:
        print(f"judging: {who.name}", flush=True)
        judged[who.name] = Judged.of(texts, scored(who.scorer, texts), who.thresholds)
    return {
        "contestants": [{"name": who.name, "filter": who.filter} for who in everyone],
        "questions": [_answers(question, everyone, judged) for question in asked],
    }


def _answers(
    question: Question, everyone: Sequence[Contestant], judged: Mapping[str, Judged]
) -> dict[str, Any]:
    answers = {who.name: question.columns(judged[who.name]) for who in everyone}
    counts = {name: Counts.of(question.truth, found) for name, (_, found) in answers.items()}
    rates = {who.name: counts[who.name].false_positive_rate for who in everyone if who.filter}

    def at(rate: float) -> dict[str, float]:
        """What those who can choose find at this rate."""
        found = {
            who.name: recall_at(question.truth, answers[who.name][0], rate)
            for who in everyone
            if not who.filter
        }
        return {name: round(recall, 4) for name, recall in found.items()}

    return {
        "name": question.name,
        "metric": question.metric,
        "n": len(question.truth),
        "positives": int(question.truth.sum()),
        "as_used": {
            name: {
                **own.to_dict(),
                "false_positive_rate": round(own.false_positive_rate, 5),
                "average_precision": round(average_precision(question.truth, answers[name][0]), 4),
            }
            for name, own in counts.items()
        },
        "at_the_rate_of": {
            name: {"rate": round(rate, 5), "recall": at(rate) | {name: counts[name].recall}}
            for name, rate in rates.items()
        },
        "at_rate": [{"rate": rate, "recall": at(rate)} for rate in RATES],
    }


def markdown(results: dict[str, Any]) -> str:
    """The tables that are committed."""
    names = [who["name"] for who in results["contestants"]]
    scorers = [who["name"] for who in results["contestants"] if not who["filter"]]
    asked = results["questions"]
    parts = [f"# Quality, {results['split']} split", fill(_head(results, scorers[0]), 100)]
    rows = [
        [q["name"], q["metric"], f"{q['n']:,}", f"{q['positives']:,}"]
        + [_value(q, q["as_used"][name]) for name in names]
        for q in asked
    ]
    parts += [
        "## Everyone as it is used",
        table(["", "metric", "texts", "abusive", *names], rows, words=2),
    ]
    for name in asked[0]["at_the_rate_of"]:
        rows = []
        for q in asked:
            at = q["at_the_rate_of"][name]
            recalls = (number(at["recall"][who]) for who in (name, *scorers))
            rows.append([q["name"], percent(at["rate"]), *recalls])
        head = ["", f"harmless flagged by {name}", name, *scorers]
        parts += [f"## Recall at the false-positive rate of {name}", table(head, rows)]
    rows = [
        [
            q["name"],
            *(" / ".join(number(at["recall"][who]) for at in q["at_rate"]) for who in scorers),
        ]
        for q in asked
    ]
    rates = " / ".join(percent(rate) for rate in RATES)
    parts += [f"## Recall with {rates} of the harmless flagged", table(["", *scorers], rows)]
    return "\n\n".join(parts) + "\n"


def _value(question: Mapping[str, Any], own: Mapping[str, float]) -> str:
    if question["metric"] == "recall / flagged":
        return f"{percent(own['recall'])} / {percent(own['false_positive_rate'])}"
    return number(own["f1" if question["metric"] == "F1" else "accuracy"])


def _head(results: dict[str, Any], model: str) -> str:
    tuned = (
        "on which the thresholds of the model and of the linear models were chosen"
        if results["split"] == "dev"
        else "on which nothing was chosen"
    )
    return f"""Written by `compare.py`. Texts of the {results["split"]} split, {tuned}. `{model}`
(model.onnx `{results["model_sha256"][:12]}`) and LR (logistic regression on TF-IDF of character
1–4-grams; with jamo 3–7-grams beside it) at their balanced thresholds. Filters do not tell labels
apart: where a benchmark asks for one label, any alarm of theirs counts."""


if __name__ == "__main__":
    main()
