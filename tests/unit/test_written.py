"""Our own hand-written lines: well-formed, and what tests is never what was trained on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gounmal.schema import LABELS
from gounmal.text.normalize import canonical

ROOT = Path(__file__).parents[2]
TRAINED = sorted((ROOT / "train").glob("*tives/*.tsv"))
TESTS = [ROOT / "tests" / "data" / name for name in ("evasions.tsv", "harmless.tsv")]


def rows(path: Path) -> list[list[str]]:
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header.startswith("text\tlabels")
    assert all(line.count("\t") == header.count("\t") for line in lines)
    return [line.split("\t") for line in lines]


def key(text: str) -> str:
    """Letters and digits only: two lines that differ in nothing else are the same line."""
    return re.sub(r"[\W_]", "", canonical(text).text) or text


@pytest.mark.parametrize("path", [*TRAINED, *TESTS], ids=lambda path: path.stem)
def test_every_line_has_a_text_and_known_labels(path):
    for text, labels, *_ in rows(path):
        assert text.strip() == text
        assert canonical(text).text
        assert labels == "-" or set(labels.split(",")) <= set(LABELS)


def test_harmless_lines_have_no_labels_and_abusive_ones_do():
    for path in [*TRAINED, *TESTS]:
        harmless = path.parent.name == "negatives" or path.stem == "harmless"
        assert {labels == "-" for _, labels, *_ in rows(path)} == {harmless}


def test_no_line_is_written_twice():
    for paths in ([p for p in TRAINED if p.stem != "lexicon"], TESTS):
        texts = [text for path in paths for text, *_ in rows(path)]
        assert len(texts) == len(set(texts))


def test_what_tests_was_not_trained_on():
    tests = {key(text) for path in TESTS for text, *_ in rows(path)}
    # Only places: whoever writes lines to train on must not read the tests off a failure.
    clashes = [
        f"{path.parent.name}/{path.name}:{number}"
        for path in TRAINED
        for number, (text, *_) in enumerate(rows(path), start=2)
        if key(text) in tests
    ]

    assert clashes == []


def test_there_are_enough_of_each():
    sizes = {f"{path.parent.name}/{path.stem}": len(rows(path)) for path in [*TRAINED, *TESTS]}
    negatives = sum(n for name, n in sizes.items() if name.startswith("negatives/"))
    positives = sum(n for name, n in sizes.items() if name.startswith("positives/"))

    assert negatives >= 9_000
    assert positives >= 5_000
    assert sizes["positives/lexicon"] >= 250
    assert sizes["data/evasions"] >= 300
    assert sizes["data/harmless"] >= 300
