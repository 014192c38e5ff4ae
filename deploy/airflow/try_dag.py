"""Run the DAG as Airflow would, twice for one day, against a served gounmal: see try.sh.

Arguments: a folder that the service may read and write. Exit code 0: both runs succeeded, with one
job between them.
"""

# ruff: noqa: INP001, S101, S310, T201  (a script: it asks a server that it was given, and prints)

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.request import urlopen

from gounmal_nightly import DAG

DAY = "2026-03-01"


def main() -> None:
    """Run it and look at what came of it."""
    folder = Path(sys.argv[1])
    for run in ("first", "second"):
        ended = DAG.test(run_conf={"day": DAY})
        print(f"{run} run: {ended.state}")
        assert ended.state == "success", ended.state
    [job] = json.load(urlopen(os.environ["GOUNMAL_URL"] + "/jobs"))["jobs"]
    summary = json.loads((folder / "reports" / DAY / "summary.json").read_text())
    print(f"one job, {job['state']}; {summary['rows']} rows, {summary['flagged']} flagged")
    assert job["state"] == "done"
    assert summary["rows"] > 0
    assert (folder / "reports" / DAY / "report.html").is_file()


if __name__ == "__main__":
    main()
