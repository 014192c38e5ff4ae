"""What the suite of batch says of its figures; what it measures, only a run can say."""

from __future__ import annotations

import pytest

from benchmarks.batch import page

MACHINE = {"processor": "a processor", "system": "Linux", "python": "3.11"}
HEAD = {
    "model": "gounmal-ko:1",
    "machine": MACHINE,
    "cores": 2,
    "memory_gb": 8,
    "onnxruntime": "1",
    "date": "2026-03-01",
    "load_average": 0.1,
    "failed": {},
}


def scan(rows, seconds, peak):
    return {
        "rows": rows,
        "seconds": seconds,
        "rows_per_s": round(rows / seconds),
        "cpu_seconds": seconds,
        "peak_mb": peak,
        "joined_s": 1.0,
        "report_s": 2.0,
        "report_bytes": 100_000,
    }


GOOD = {
    "scans": [scan(100_000, 5, 390), scan(1_000_000, 40, 400), scan(10_000_000, 410, 410)],
    "engine": {
        "rates": [14_900, 15_100, 14_900],
        "alone": [{"rows": 450_000, "seconds": seconds, "flagged": 45_000} for seconds in (36, 40)],
        "scans": [
            {"rows": 1_000_000, "seconds": 40, "flagged": 80_000},
            {"rows": 1_000_000, "seconds": 32, "flagged": 0},
        ],
    },
    "pipeline": {"lines_per_s": 500, "threads": 2, "weights": "trained"},
    "kills": {"kills": 20, "equal": True, "lost": 0, "twice": 0},
    "killed_jobs": {"kills": 20, "equal": True, "lost": 0, "twice": 0},
    "disk": {"exit_codes": [4, -9, -9, 0], "equal": True, "lost": 0, "twice": 0},
    "workers": {
        "rows": 600_000,
        "cores": 2,
        "one_s": 50,
        "three_s": 27,
        "times_as_fast": 1.85,
        "equal": True,
    },
    "online": {
        "times": 1.2,
        "lines_per_s": 200,
        "job_rows_per_s": 9_000,
        "alone": {"p99": 5.0},
        "beside": {"p99": 6.0},
    },
}


def judged(**other):
    return {figure.name: figure for figure in page.figures(GOOD | other)}


def test_every_figure_of_the_issue_is_there_and_met():
    found = judged()
    assert len(found) == 11
    assert all(figure.met for figure in found.values())
    limit = "over the engine's own limit on the same unique lines"
    assert found[f"scan, lines/s, {limit}"].measured.startswith("167%")
    assert found[f"scan of those lines alone, lines/s, {limit}"].measured.startswith(
        "79.2% (mean of 2, 75.0% to 83.3%"
    )
    assert found["time, 1 M → 10 M lines"].must == "≤ 10.5 ×"


@pytest.mark.parametrize(
    "other",
    [
        {"engine": GOOD["engine"] | {"rates": [20_000] * 3}},
        {"pipeline": {"lines_per_s": 2_000, "threads": 2, "weights": "trained"}},
        {"scans": [*GOOD["scans"][:2], scan(10_000_000, 421, 410)]},
        {"scans": [*GOOD["scans"][:2], scan(10_000_000, 410, 450)]},
        {"kills": GOOD["kills"] | {"equal": False}},
        {"killed_jobs": GOOD["kills"] | {"lost": 1}},
        {"disk": GOOD["disk"] | {"twice": 1}},
        {"workers": GOOD["workers"] | {"times_as_fast": 1.69}},
        {"workers": GOOD["workers"] | {"equal": False}},
        {"online": GOOD["online"] | {"times": 1.51}},
    ],
)
def test_what_is_missed_is_said(other):
    missed = [figure for figure in judged(**other).values() if not figure.met]
    assert len(missed) == 1
    assert "| **no** |" in page.markdown(HEAD | GOOD | other)


def test_what_flagging_costs_is_said():
    said = page.markdown(HEAD | GOOD)
    assert "| 1,000,000 | 8.0% | 40 | 25,000 (167%) | 11,250 (75%) |" in said
    assert "| 1,000,000 | 0.0% | 32 | 31,250 (209%) | 14,062 (94%) |" in said
    assert "| 450,000 | 10.0% | 36 | 12,500 (84%) | 12,500 (84%) |" in said
    assert "14,900, 15,100, 14,900; shares" in said


def test_what_could_not_be_measured_is_said_and_judged_by_nobody():
    absent = {"workers": {"absent": "no PostgreSQL here"}}
    assert len(judged(**absent)) == 10
    failed = HEAD | {"failed": {"disk": "OSError: why"}}
    said = page.markdown(failed | {"workers": absent["workers"]})
    assert "- disk: OSError: why" in said
    assert "- workers: no PostgreSQL here" in said
