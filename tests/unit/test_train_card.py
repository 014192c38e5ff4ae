import re
from copy import deepcopy

import pytest

from gounmal.schema import LABELS, Mode
from train.card import model_card

COUNTS = {
    "tp": 3,
    "fp": 1,
    "fn": 2,
    "tn": 4,
    "precision": 0.75,
    "recall": 0.6,
    "f1": 0.6667,
    "accuracy": 0.7,
}


def evaluation(split):
    row = {"n": 1234, "positives": 56, "average_precision": 0.8123, "calibration_error": 0.0123}
    probe = {"name": "short clean chat", "harmful": False, "n": 777, "flagged": 1, "share": 0.00129}
    return {
        "split": split,
        "labels": {label: {**row, "modes": dict.fromkeys(Mode, COUNTS)} for label in LABELS},
        "benchmarks": [
            {"benchmark": name, "metric": "F1", "value": 0.9137, "n": 88, "positives": 44}
            for name in ("KODOLI profanity", "K-MHaS any label")
        ],
        "probes": {mode: [probe] for mode in Mode},
        "slices": [{"longest": 18, **COUNTS}],
    }


@pytest.fixture
def metrics():
    file = {"name": "a.csv", "sha256": "f" * 64, "lines": 321, "as_declared": True}
    source = {
        "folder": "a",
        "repository": "o/r",
        "commit": "1234567890",
        "licence": "CC BY-SA 4.0",
        "labels_read": 300,
        "files": [file],
    }
    spans = {"threshold": 0.4, "lines": 99, "flagged": 90, "characters": COUNTS}
    return {
        "name": "model-x",
        "version": "9.8.7",
        "encoder": "ngrams",
        "size_bytes": 7_654_321,
        "origin": {"seed": 17, "base": None, "smoke": False, "recipe": {}, "seconds": {"fit": 61}},
        "machine": {
            "processor": "Z80",
            "cores": 3,
            "system": "Linux x86_64",
            "python": "3.11.0",
            "packages": {"torch": "2.0"},
        },
        "sources": [source],
        "written": {"negatives": 11, "positives": 12},
        "splits": {"train": {"texts": 4321, "groups": 4000}},
        "targets": {
            "balanced_chat": 0.002,
            "balanced_lookalikes": 0.05,
            "strict_chat": 0.01,
            "strict_lookalikes": 0.1,
            "strict_beta": 2.0,
            "lenient_precision": 0.95,
        },
        "harmless": {"longest": 40, "sources": ["chatbot"]},
        "calibration": ["platt"] * len(LABELS),
        "thresholds": {mode: dict.fromkeys(LABELS, 0.4321) for mode in Mode},
        "spans": {"dev": spans},
        "parity": {
            "texts": 555,
            "largest_difference": 0.02,
            "mean_difference": 0.001,
            "decisions_equal": 0.997,
        },
        **{who: {"dev": evaluation("dev")} for who in ("model", "float", "floor")},
    }


def test_card_says_what_was_measured(metrics):
    card = model_card(metrics)
    said = ("model-x", "9.8.7", "7.7 MB", "0.914", "0.13 %", "CC BY-SA 4.0", "`1234567`", "4,321")
    for what in (*said, "seed 17", "Z80", "99.70 %", "0.432", "0.750 | 0.600 | 0.667"):
        assert what in card
    for label in LABELS:
        assert card.count(f"| `{label}` |") >= 1 + len(Mode)


def test_every_number_comes_from_the_metrics(metrics):
    other = deepcopy(metrics)
    for one in (other["model"], other["float"], other["floor"]):
        for measure in one["dev"]["benchmarks"]:
            measure["value"] = 0.1111
        for label in one["dev"]["labels"].values():
            label["average_precision"] = 0.2222
    card = model_card(other)
    assert "0.914" not in card
    assert "0.812" not in card
    assert "0.111" in card
    assert "0.222" in card


def test_share_alike_is_said_only_where_it_is_so(metrics):
    assert "**Trained on CC BY-SA 4.0 text**" in model_card(metrics)
    metrics["sources"][0]["licence"] = "MIT"
    assert "No source has a share-alike licence." in model_card(metrics)


def test_smoke_runs_are_marked(metrics):
    assert "Smoke run" not in model_card(metrics)
    metrics["origin"]["smoke"] = True
    assert "Smoke run" in model_card(metrics)


def test_prose_is_wrapped_and_tables_are_not_broken(metrics):
    lines = model_card(metrics).splitlines()
    assert all(len(line) <= 100 for line in lines if not line.startswith(("|", ">")))
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    widths = {len(re.findall(r"\|", line)) for line in tables}
    assert min(widths) > 2
