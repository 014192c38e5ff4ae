"""`gounmal scan` from the outside: undisturbed, killed, and short of disk."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from benchmarks.batch.watched import Watched, watch

if TYPE_CHECKING:
    from pathlib import Path

DISK_MB = 40
"""Of the disk that is too small for a scan's output, however little is in its way."""

FREE_MB = 1.5
"""Of it, to begin with."""

HINDERED = 4
"""What a scan exits with when the machine stands in its way."""

STRUCK_S = (1.5, 4.0)
"""When it is killed there: as it starts, and at work."""

KEY = "benchmark"
"""Of the report's pseudonyms: without one they differ from report to report."""


def command(source: Path, output: Path, model: Path, timed: Path | None = None) -> list[str]:
    """A scan; with a file named, `benchmarks.batch.timed` says there how long its parts took."""
    program = ["benchmarks.batch.timed", str(timed)] if timed else ["gounmal.cli"]
    scan = [sys.executable, "-m", *program, "scan", str(source), "--output", str(output)]
    return [*scan, "--model", str(model), "--report-key", KEY]


def undisturbed(
    source: Path, folder: Path, model: Path, policy: Path | None = None
) -> dict[str, Any]:
    """One scan with nothing in its way."""
    output, timed = folder / f"out-{source.stem}", folder / "timed"
    rows = pq.read_metadata(source).num_rows
    rules = ["--policy", str(policy)] if policy else []
    took = watch([*command(source, output, model, timed), *rules])
    assert took.code == 0, f"exit code {took.code}"
    seconds = json.loads(timed.read_text(encoding="utf-8"))
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    written = pq.read_metadata(output / "decisions.parquet").num_rows
    assert rows == written == summary["rows"], "rows were lost or doubled"
    report = (output / "report.html").stat().st_size
    shutil.rmtree(output)
    return {
        "rows": rows,
        **_rounded(took),
        "rows_per_s": round(rows / took.seconds),
        "flagged": summary["flagged"],
        "joined_s": round(seconds["_join"], 2),
        "report_s": round(seconds["assemble"] - seconds["_join"], 2),
        "report_bytes": report,
    }


@dataclass(frozen=True, slots=True)
class Reference:
    """A scan that was left alone."""

    source: Path
    output: Path
    seconds: float


def reference(source: Path, folder: Path, model: Path) -> Reference:
    """Leave one alone."""
    output = folder / f"alone-{source.stem}"
    took = watch(command(source, output, model))
    assert took.code == 0, f"exit code {took.code}"
    return Reference(source, output, took.seconds)


def killed(alone: Reference, folder: Path, kills: int, model: Path) -> dict[str, Any]:
    """A scan killed at random moments and run again, against one left alone."""
    output = folder / "often"
    random = Random(0)  # noqa: S311  (no secret)
    struck = runs = 0
    while struck < kills:
        runs += 1
        moment = random.uniform(0.5, alone.seconds)
        code = watch(command(alone.source, output, model), kill_after=moment).code
        struck += code == -9
        assert code in {0, -9}, f"exit code {code}"
    assert watch(command(alone.source, output, model)).code == 0
    return {"kills": struck, "runs": runs + 1, **compared(output, alone.output)}


def short_of_disk(alone: Reference, folder: Path, model: Path) -> dict[str, Any]:
    """The same on a disk that is full, where it is killed too, until there is room.

    `absent` is why not, where this cannot be tried.
    """
    output = folder / "small"
    output.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(output)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        return {"absent": "only root may mount a disk of a size of its own"}
    again = command(alone.source, output, model)
    try:
        filler = output / "filler"
        filler.write_bytes(bytes(int((DISK_MB - FREE_MB) * 2**20)))
        codes = [watch(again).code]
        assert codes[0] == HINDERED, "the disk was large enough"
        codes += [watch(again, kill_after=at).code for at in STRUCK_S]
        filler.unlink()
        subprocess.run(["/bin/mount", "-o", "remount,size=4g", str(output)], check=True)
        codes.append(watch(again).code)
        found = compared(output, alone.output)
    finally:
        subprocess.run(["/bin/umount", str(output)], check=True)
    return {"exit_codes": codes, **found}


def compared(output: Path, expected: Path) -> dict[str, Any]:
    """Every file against that of an undisturbed scan, byte by byte; and rows lost or doubled."""
    ids = pq.read_table(output / "decisions.parquet", columns=["id"])["id"].to_pylist()
    wanted = pq.read_table(expected / "decisions.parquet", columns=["id"])["id"].to_pylist()
    return {
        "equal": digests(output) == digests(expected),
        "lost": len(set(wanted) - set(ids)),
        "twice": len(ids) - len(set(ids)),
    }


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
