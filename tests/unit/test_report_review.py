"""The review queue: what is in it, how it comes back, and what its verdicts say."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gounmal.errors import InvalidInput
from gounmal.evaluation.labelled import read_labelled
from gounmal.files.reader import inspect
from gounmal.report.draw import digests, ranks, smallest
from gounmal.report.items import ReviewLine
from gounmal.report.review import judged, read_verdicts, review_csv, wilson
from gounmal.report.summary import Summary

DATA = Path(__file__).parents[1] / "data" / "report"


def line(row, *kinds, drawn=1, score=0.5, file=""):
    return ReviewLine(row, 1.0, "***", "hold", "insult", score, 0.5, file, list(kinds), drawn)


@pytest.fixture
def summary():
    queue = [
        line(1, "near", drawn=0),
        line(2, "near", "flagged", drawn=3),
        line(3, "flagged"),
        line(4, "unflagged", drawn=9),
        line(5, "unflagged"),
        line(6, "disagreement", drawn=0),
    ]
    return replace(Summary.load(DATA / "summary.json"), review=queue, judged=1_000, flagged=100)


def filled(path, summary, verdicts, encoding="utf-8-sig"):
    """review.csv as it comes back."""
    raw = review_csv([(entry, f"글 {entry.row}") for entry in summary.review])
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    for row in rows:
        row["abusive"] = verdicts.get(int(row["row"]), "")
    with path.open("w", encoding=encoding, newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(reversed(rows))  # moderators sort
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949"])
def test_verdicts_count_for_every_row_that_was_drawn(summary, tmp_path, encoding):
    said = {1: "1", 2: "O", 3: "no", 4: "0", 5: "yes", 6: "x"}
    found = judged(summary, read_verdicts(filled(tmp_path / "r.csv", summary, said, encoding)))
    assert (found.lines, found.judged) == (6, 6)
    assert (found.precision.share, found.precision.rows) == (3 / 4, 4)
    assert (found.missed.share, found.missed.rows) == (1 / 10, 10)
    assert found.precision.low < 0.75 < found.precision.high
    kinds = {name: (k.lines, k.judged, k.abusive) for name, k in found.kinds.items()}
    assert kinds == {
        "near": (2, 2, 2),
        "disagreement": (1, 1, 0),
        "unflagged": (2, 2, 1),
        "flagged": (2, 2, 1),
    }


def test_what_has_no_verdict_is_left_out(summary, tmp_path):
    found = judged(summary, read_verdicts(filled(tmp_path / "r.csv", summary, {1: "1", 3: "1"})))
    assert (found.judged, found.precision.rows, found.missed) == (2, 1, None)
    nothing = judged(summary, read_verdicts(filled(tmp_path / "r.csv", summary, {})))
    assert (nothing.judged, nothing.precision, nothing.missed) == (0, None, None)


def test_verdicts_of_another_scan_are_refused(summary, tmp_path):
    path = filled(tmp_path / "r.csv", summary, {1: "1", 3: "0"})
    other = replace(summary, review=[replace(entry, score=0.7) for entry in summary.review])
    with pytest.raises(InvalidInput, match="of another scan"):
        judged(other, read_verdicts(path))


def test_a_verdict_that_is_not_understood_is_named_by_its_line(summary, tmp_path):
    path = filled(tmp_path / "r.csv", summary, {5: "perhaps"})
    with pytest.raises(InvalidInput, match="line 3: abusive: expected 1, 0 or nothing"):
        read_verdicts(path)
    path.write_text("text,abusive\n글,1\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"no column 'file': expected a review.csv"):
        read_verdicts(path)


def test_no_cell_is_a_formula_and_files_keep_their_names(tmp_path):
    evil = "=HYPERLINK(0)"
    queue = [(line(1, "near", file="+a.csv"), evil), (line(2, "near"), "글\n둘째 줄")]
    path = tmp_path / "review.csv"
    path.write_bytes(review_csv(queue))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    assert rows[0]["text"] == f"'{evil}"
    assert not any(str(cell).startswith(("=", "+", "-", "@")) for r in rows for cell in r.values())
    marked = path.read_text(encoding="utf-8-sig").replace(f"'{evil},", f"'{evil},1")
    path.write_text(marked, encoding="utf-8-sig")
    assert read_verdicts(path) == {("+a.csv", 1): (0.5, True)}


def test_a_filled_in_queue_is_a_labelled_file(summary, tmp_path):
    found = inspect(filled(tmp_path / "r.csv", summary, {2: "1", 4: "0"}))
    lines = read_labelled(found)
    assert dict(zip(lines.texts, lines.any_truth, strict=True)) == {"글 2": 1.0, "글 4": 0.0}
    assert lines.kinds == ["unflagged", "near flagged"]


def test_wilson_gives_the_intervals_of_the_literature():
    """Newcombe, Two-Sided Confidence Intervals for the Single Proportion (1998), table I."""
    for hits, rows, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(hits, rows) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000), st.data())
def test_wilson_holds_the_share_within_zero_and_one(rows, data):
    hits = data.draw(st.integers(0, rows))
    low, high = wilson(hits, rows)
    assert 0 <= low <= hits / rows + 1e-12
    assert hits / rows - 1e-12 <= high <= 1
    assert wilson(rows - hits, rows) == pytest.approx((1 - high, 1 - low))


ROWS = st.lists(
    st.tuples(st.text(max_size=3), st.one_of(st.none(), st.integers(0, 9)), st.text(max_size=1))
)


def _ranks(rows):
    return ranks(*map(digests, zip(*rows, strict=True))).tolist()


@given(ROWS, st.randoms(use_true_random=False))
def test_ranks_go_by_content_alone(rows, random):
    if not rows:
        return
    before = dict(zip(rows, _ranks(rows), strict=True))
    random.shuffle(rows)
    assert dict(zip(rows, _ranks(rows), strict=True)) == before
    assert len(set(before.values())) == len({(t, str(w), u) for t, w, u in rows})


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2))), st.integers(1, 4))
def test_smallest_are_the_smallest_of_each_group(pairs, number):
    keys = np.array([rank for rank, _ in pairs], np.uint64)
    groups = np.array([group for _, group in pairs], np.int64)
    taken = smallest(keys, groups, number).tolist()
    first = {rank: i for i, (rank, _) in reversed(list(enumerate(pairs)))}
    for group in range(3):
        own = sorted(rank for rank, i in first.items() if pairs[i][1] == group)
        assert sorted(pairs[i][0] for i in taken if pairs[i][1] == group) == own[:number]
    assert set(taken) <= set(first.values())


def test_a_sample_by_rank_is_as_good_as_chance():
    """Of 20,000 rows, a tenth of them special: how many of 1,000 drawn are, against 100 ± 4 s."""
    texts = [f"글 {i}" for i in range(20_000)]
    order = np.argsort(_ranks([(text, None, "u") for text in texts]))[:1_000]
    special = sum(i % 10 == 0 for i in order.tolist())
    assert abs(special - 100) < 4 * math.sqrt(1_000 * 0.1 * 0.9)
