"""What `gounmal scan` takes: against the engine's limit, for 100 k to 10 M lines, and when killed.

    python benchmarks/batch/suite.py [--rows 100000 1000000 10000000] [--kills 20] [--model …]

Writes results.json and results.md beside itself. The lines are made up as in million.py; Parquet
in, Parquet and report out, as many workers as there are cores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import limit
import million
import onnxruntime
import pyarrow.parquet as pq
from watched import Watched, watch

from gounmal.cores import usable_cores
from gounmal.model.classifier import ArtifactConfig
from gounmal.model.store import find

HERE = Path(__file__).resolve().parent
DISK_MB = 40
"""Of the disk that is too small for a scan's output."""


def command(source: Path, output: Path, model: Path) -> list[str]:
    scan = [sys.executable, "-m", "gounmal.cli", "scan", str(source), "--output", str(output)]
    return [*scan, "--model", str(model), "--report-key", "benchmark"]


def scanned(folder: Path, rows: int, model: Path) -> dict[str, Any]:
    """One undisturbed scan."""
    source, output = folder / f"{rows}.parquet", folder / f"out-{rows}"
    million.write(source, rows)
    took = watch(command(source, output, model))
    assert took.code == 0, f"exit code {took.code}"
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    written = pq.read_metadata(output / "decisions.parquet").num_rows
    assert rows == written == summary["rows"], "rows were lost or doubled"
    report = (output / "report.html").stat().st_size
    return {
        "rows": rows,
        **_rounded(took),
        "rows_per_s": round(rows / took.seconds),
        "report_bytes": report,
    }


def killed(folder: Path, rows: int, kills: int, model: Path) -> dict[str, Any]:
    """A scan killed at random moments and run again, against one left alone."""
    source = folder / "killed.parquet"
    million.write(source, rows)
    alone, often = folder / "alone", folder / "often"
    reference = watch(command(source, alone, model))
    random = Random(0)  # noqa: S311  (no secret)
    struck = runs = 0
    while struck < kills:
        runs += 1
        moment = random.uniform(0.5, reference.seconds)
        code = watch(command(source, often, model), lambda s, at=moment: s > at).code
        struck += code == -9
        assert code in {0, -9}, f"exit code {code}"
    assert watch(command(source, often, model)).code == 0
    return {
        "rows": rows,
        "kills": struck,
        "runs": runs + 1,
        "equal": digests(alone) == digests(often),
    }


def short_of_disk(folder: Path, model: Path) -> dict[str, Any] | None:
    """The same on a disk that is too small until files are taken away; only as root."""
    source, output = folder / "killed.parquet", folder / "small"
    output.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(output)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        return None
    try:
        filler = output / "filler"
        filler.write_bytes(b"\0" * (DISK_MB - 6) * 1_000_000)
        first = watch(command(source, output, model)).code
        filler.unlink()
        subprocess.run(["/bin/mount", "-o", "remount,size=4g", str(output)], check=True)
        second = watch(command(source, output, model)).code
        equal = digests(output) == digests(folder / "alone")
    finally:
        subprocess.run(["/bin/umount", str(output)], check=True)
    return {"exit_codes": [first, second], "equal": equal}


def digests(output: Path) -> dict[str, str]:
    """Of every file in a folder."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in output.iterdir()
        if path.is_file()
    }


def _rounded(took: Watched) -> dict[str, Any]:
    content = asdict(took)
    del content["code"]
    return {
        name: [round(v) for v in value] if isinstance(value, list) else round(value, 1)
        for name, value in content.items()
    }


def table(results: dict[str, Any]) -> str:
    """results.md."""
    head = (
        f"# Scan\n\n`{results['model']}`, {results['cores']} cores, {results['machine']}, "
        f"ONNX Runtime {results['onnxruntime']}, Python {results['python']}, {results['date']}; "
        f"load average before: {results['load_average']}. Parquet to Parquet and report; half of "
        "the lines are duplicates. Memory is of all processes together.\n\n"
        "| lines | seconds | lines/s | CPU seconds | peak MB |\n|---:|---:|---:|---:|---:|\n"
    )
    lines = [
        f"| {s['rows']:,} | {s['seconds']} | {s['rows_per_s']:,} | {s['cpu_seconds']} "
        f"| {s['peak_mb']} |"
        for s in results["scans"]
    ]
    against, kills = results["against_engine"], results["kills"]
    engine = (
        f"- The engine alone, on every core: {against['engine_messages_per_s']:,} messages/s, so "
        f"the {against['distinct']:,} distinct of {against['rows']:,} lines cost it "
        f"{against['engine_seconds']} s: **{against['share']:.0%}** of what the scan took."
    )
    survived = (
        f"- {kills['kills']} times `kill -9` in {kills['runs']} runs of {kills['rows']:,} lines: "
        f"output {'equal' if kills['equal'] else 'DIFFERENT'}, byte for byte."
    )
    facts = [engine, survived]
    if disk := results["short_of_disk"]:
        equal = "equal" if disk["equal"] else "DIFFERENT"
        facts.append(f"- Short of disk, then not: exit codes {disk['exit_codes']}, output {equal}.")
    return head + "\n".join(lines) + "\n\n" + "\n".join(facts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kill-rows", type=int, default=400_000, help="of the scan that is killed")
    parser.add_argument("--model")
    parser.add_argument("--output", type=Path, default=HERE)
    options = parser.parse_args()
    model = find(options.model)
    results: dict[str, Any] = {
        "model": ArtifactConfig.read(model).tag,
        "date": datetime.now(UTC).date().isoformat(),
        "cores": usable_cores(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        "load_average": round(os.getloadavg()[0], 1),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results["scans"] = [scanned(folder, rows, model) for rows in options.rows]
        measured = next(
            (s for s in results["scans"] if s["rows"] >= 1_000_000), results["scans"][-1]
        )
        rate = limit.measure(str(model), results["cores"])
        distinct = len({row[3] for row in million.rows(measured["rows"])})
        results["against_engine"] = {
            "rows": measured["rows"],
            "distinct": distinct,
            "engine_messages_per_s": round(rate),
            "engine_seconds": round(distinct / rate, 1),
            "share": round(distinct / rate / measured["seconds"], 3),
        }
        results["kills"] = killed(folder, options.kill_rows, options.kills, model)
        results["short_of_disk"] = short_of_disk(folder, model)
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=2)
    (options.output / "results.json").write_text(text + "\n", encoding="utf-8")
    (options.output / "results.md").write_text(table(results), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
