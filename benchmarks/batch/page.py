"""Results → results.md. Only formats and compares, never measures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import TYPE_CHECKING, Any

from train.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MB = 700
"""Most memory that a scan may take."""

FLAT = 1.1
"""Most that memory may grow while the file grows tenfold."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of what was asked for."""

    name: str
    must: str
    aim: str
    measured: str
    met: bool


def markdown(results: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = [f"# Batch\n\n{_head(results)}"]
    if asked := list(figures(results)):
        rows = [[f.name, f.must, f.aim, f.measured, "yes" if f.met else "**no**"] for f in asked]
        parts.append(table(["figure", "must", "aim", "measured", "met"], rows, words=5))
    if scans := undisturbed(results):
        parts.append(f"## Scans\n\n{_scans(scans)}")
    if engine := results.get("engine"):
        parts.append(f"## Beside the engine\n\n{_beside(engine)}")
    absent = {
        name: found["absent"]
        for name, found in results.items()
        if isinstance(found, dict) and "absent" in found
    }
    if failed := results["failed"] | absent:
        lines = [f"- {name}: {why}" for name, why in failed.items()]
        parts.append("## Not measured\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def figures(results: Mapping[str, Any]) -> Iterator[Figure]:
    """What was asked for, beside what was measured; without what was not."""
    if scans := undisturbed(results):
        yield from _of_engine(results, scans)
        yield from _of_size(scans)
    yield from _of_kills(results)
    if (three := results.get("workers")) and "absent" not in three:
        equal = "results equal" if three["equal"] else "results DIFFERENT"
        said = (
            f"{three['times_as_fast']:.2f} × ({three['one_s']} s → {three['three_s']} s, "
            f"{three['rows']:,} lines, PostgreSQL, {three['cores']} cores); {equal}"
        )
        met = three["equal"] and three["times_as_fast"] >= 1.7
        yield Figure("three workers vs one", "equal, ≥ 1.7 ×", "", said, met)
    if scans:
        yield _of_report(scans)
    if online := results.get("online"):
        alone, beside = online["alone"]["p99"], online["beside"]["p99"]
        said = (
            f"{online['times']:.2f} × ({alone:.2f} → {beside:.2f} ms at "
            f"{online['lines_per_s']:.0f} lines/s; the job: {online['job_rows_per_s']:,} lines/s)"
        )
        name = "online p99 with a job running vs without"
        yield Figure(name, "≤ 1.5 ×", "", said, online["times"] <= 1.5)


def undisturbed(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scans of every size, the smallest first."""
    return [*results.get("scans", ()), *results.get("largest", ())]


def main_scan(scans: list[dict[str, Any]]) -> dict[str, Any]:
    """That of a million lines, or the last but one."""
    return next((s for s in scans if s["rows"] == 1_000_000), scans[-min(2, len(scans))])


def _of_engine(results: Mapping[str, Any], scans: list[dict[str, Any]]) -> Iterator[Figure]:
    scan = main_scan(scans)
    if engine := results.get("engine"):
        alone = _alone(engine)
        limit, night = mean(engine["rates"]), engine["scans"][0]
        rate = night["rows"] / night["seconds"]
        said = f"{rate / limit:.0%} ({rate:,.0f} of {limit:,.0f}, {night['rows']:,} lines)"
        over = "over the engine's own limit on the same unique lines"
        yield Figure(f"scan, lines/s, {over}", "≥ 60 %", "80 %", said, rate / limit >= 0.6)
        said = (
            f"{mean(alone):.1%} (mean of {len(alone)}, {min(alone):.1%} to {max(alone):.1%}; "
            f"{engine['alone'][0]['rows']:,} lines)"
        )
        name = f"scan of those lines alone, lines/s, {over}"
        yield Figure(name, "≥ 60 %", "80 %", said, mean(alone) >= 0.6)
    if pipeline := results.get("pipeline"):
        times = scan["rows_per_s"] / pipeline["lines_per_s"]
        said = (
            f"{times:.1f} × ({scan['rows_per_s']:,} and {pipeline['lines_per_s']:,.0f} lines/s, "
            f"torch on {pipeline['threads']} threads, {pipeline['weights']} weights)"
        )
        name = "scan over `transformers.pipeline(batch_size=64)`, float"
        yield Figure(name, "≥ 15 ×", "50 ×", said, times >= 15)


def _of_size(scans: list[dict[str, Any]]) -> Iterator[Figure]:
    peaks = " → ".join(f"{s['peak_mb']:.0f}" for s in scans)
    sizes = " → ".join(_short(s["rows"]) for s in scans)
    most = max(s["peak_mb"] for s in scans)
    flat = len(scans) < 2 or scans[-1]["peak_mb"] <= FLAT * scans[-2]["peak_mb"]
    yield Figure(
        f"memory, {sizes} lines", "flat, ≤ 700 MB", "≤ 400 MB", f"{peaks} MB", flat and most <= MB
    )
    if len(scans) > 1:
        small, large = scans[-2:]
        times, limit = large["seconds"] / small["seconds"], large["rows"] / small["rows"]
        name = f"time, {_short(small['rows'])} → {_short(large['rows'])} lines"
        said = f"{times:.2f} × ({small['seconds']} s → {large['seconds']} s)"
        yield Figure(name, f"≤ {1.05 * limit:g} ×", f"{limit:g} ×", said, times <= 1.05 * limit)


def _of_kills(results: Mapping[str, Any]) -> Iterator[Figure]:
    for part, name in (("kills", "a scan"), ("killed_jobs", "a job")):
        if found := results.get(part):
            yield _kept(f"{found['kills']} random `kill -9` during {name}, run again", found)
    if (disk := results.get("disk")) and "absent" not in disk:
        codes = ", ".join(map(str, disk["exit_codes"]))
        figure = _kept(f"disk full, killed, room made: exit codes {codes}", disk)
        yield figure


def _kept(name: str, found: Mapping[str, Any]) -> Figure:
    equal = "equal, byte for byte" if found["equal"] else "DIFFERENT"
    said = f"{equal}; {found['lost']} lost, {found['twice']} twice"
    met = found["equal"] and not found["lost"] and not found["twice"]
    return Figure(name, "equal, 0 lost, 0 twice", "", said, met)


def _of_report(scans: list[dict[str, Any]]) -> Figure:
    scan = main_scan(scans)
    seconds, size = scan["report_s"], scan["report_bytes"] / 1e6
    said = f"{seconds} s, {size:.2f} MB"
    name = f"report for {_short(scan['rows'])} lines"
    return Figure(name, "≤ 5 s, < 2 MB", "", said, seconds <= 5 and size < 2)


def _scans(scans: list[dict[str, Any]]) -> str:
    return table(
        [
            "lines",
            "seconds",
            "lines/s",
            "CPU seconds",
            "peak MB",
            "decisions joined, s",
            "report, s",
        ],
        [
            [
                f"{s['rows']:,}",
                f"{s['seconds']}",
                f"{s['rows_per_s']:,}",
                f"{s['cpu_seconds']}",
                f"{s['peak_mb']:.0f}",
                f"{s['joined_s']}",
                f"{s['report_s']}",
            ]
            for s in scans
        ],
        words=0,
    )


def _alone(engine: Mapping[str, Any]) -> list[float]:
    """Scans of unique lines alone, each over the mean of the limits before and after it."""
    limits = map(mean, pairwise(engine["rates"]))
    scans = engine["alone"]
    return [s["rows"] / s["seconds"] / limit for s, limit in zip(scans, limits, strict=True)]


def _beside(engine: Mapping[str, Any]) -> str:
    """Scans over the engine's limit: more is flagged, which costs more; less is said twice."""
    limit, distinct = mean(engine["rates"]), engine["alone"][0]["rows"]
    rows = []
    for scan in (*engine["scans"], *engine["alone"]):
        row = [f"{scan['rows']:,}", f"{scan['flagged'] / scan['rows']:.1%}", f"{scan['seconds']}"]
        for lines in (scan["rows"], distinct):
            rate = lines / scan["seconds"]
            row.append(f"{rate:,.0f} ({rate / limit:.0%})")
        rows.append(row)
    head = ["lines", "flagged", "seconds", "lines/s", "unique lines/s"]
    measured = ", ".join(f"{rate:,}" for rate in engine["rates"])
    said = f"The engine's own limit, unique lines/s: {measured}; shares here are of their mean."
    return f"{table(head, rows, words=0)}\n\n{said}"


def _short(rows: int) -> str:
    return f"{rows / 1e6:g} M" if rows >= 1_000_000 else f"{rows / 1e3:g} k"


def _head(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"`{results['model']}` on {machine['processor']}, {results['cores']} cores, "
        f"{results['memory_gb']} GB, {machine['system']}, Python {machine['python']}, ONNX Runtime "
        f"{results['onnxruntime']}; {results['date']}, load average before: "
        f"{results['load_average']}.\nParquet to Parquet and report, by "
        "`python -m benchmarks.batch.suite`. Lines are made up, as short as live chat is, and half "
        "of them\nare duplicates. Seconds are of the whole command, from its start to its end; "
        "memory is that of all its\nprocesses together."
    )
