"""What batch takes, against what was asked for: speed, memory, kills, workers, the online path.

    python -m benchmarks.batch.suite [--quick] [--only PART] [--model …] [--port 3750]

Writes results.json and results.md beside this file; a run with --quick or --only writes to
runs/bench-batch, since its figures are none to keep. Takes about fifteen minutes on two cores,
--quick two or three. Needs what `make test` needs, PostgreSQL, and for the full disk root.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from traceback import print_exc
from typing import Any

from benchmarks.batch import jobs, limit, million, online, page, scans
from gounmal.cores import usable_cores
from gounmal.model.artifact import ArtifactConfig
from gounmal.model.locate import locate
from gounmal.model.store import SHIPPED
from gounmal.schema import LABELS
from train.facts import machine

HERE = Path(__file__).resolve().parent
UNKEPT = HERE.parents[1] / "runs" / "bench-batch"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    rows: tuple[int, ...] = (100_000, 1_000_000, 10_000_000)
    """Of the scans; the last but one is what the engine and the pipeline are held up to."""
    pipeline_lines: int = 40_000
    kills: int = 20
    kill_rows: int = 250_000
    job_rows: int = 1_000_000
    turns: int = 3
    turn_s: float = 15


QUICK = Sizes((20_000, 60_000), 2_000, 2, 70_000, 200_000, 1, 4)


class Parts:
    """The parts of the suite, each of which can be run alone."""

    def __init__(self, folder: Path, model: Path, sizes: Sizes, port: int) -> None:
        self._folder, self._model, self._sizes, self._port = folder, model, sizes, port
        self._reference: scans.Reference | None = None

    def scans(self) -> list[dict[str, Any]]:
        """Undisturbed, ever larger."""
        return self._scanned(self._sizes.rows[:-1])

    def largest(self) -> list[dict[str, Any]]:
        """The largest of them, last of all since it takes the longest."""
        return self._scanned(self._sizes.rows[-1:])

    def _scanned(self, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
        found = []
        for rows in sizes:
            found.append(scans.undisturbed(self._source(rows), self._folder, self._model))
            print(json.dumps(found[-1]), flush=True)
        return found

    def engine(self) -> dict[str, Any]:
        """Scans beside the engine's own limit on their unique lines, in turns: both drift.

        Each scan of those lines alone stands between two measurements of the limit. After them come
        two of all lines, the second with nothing flagged, as nearly of real chat: these lines flag
        one in twelve.
        """
        source = self._source(self._sizes.rows[-2])
        unique = self._folder / "unique.parquet"
        million.write_unique(unique, source)
        harmless = self._folder / "harmless.yaml"
        harmless.write_text(json.dumps({"thresholds": dict.fromkeys(LABELS, 1)}), encoding="utf-8")
        cores = usable_cores()
        rates = [limit.measure(self._model, unique, cores)]
        alone = []
        for _ in range(self._sizes.turns):
            alone.append(scans.undisturbed(unique, self._folder, self._model))
            rates.append(limit.measure(self._model, unique, cores))
        found = [
            scans.undisturbed(source, self._folder, self._model, policy)
            for policy in (None, harmless)
        ]
        return {
            "rates": list(map(round, rates)),
            "alone": [_timed(one) for one in alone],
            "scans": [_timed(one) for one in found],
        }

    def pipeline(self) -> dict[str, Any]:
        """`transformers.pipeline` on the float network."""
        module = [sys.executable, "-m", "benchmarks.batch.pipeline"]
        command = [*module, str(self._model), str(self._sizes.pipeline_lines)]
        # As it comes: torch takes every core.
        own = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=own).stdout
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found

    def kills(self) -> dict[str, Any]:
        """A scan, killed."""
        return scans.killed(self._alone(), self._folder, self._sizes.kills, self._model)

    def disk(self) -> dict[str, Any]:
        """A scan on a full disk."""
        return scans.short_of_disk(self._alone(), self._folder, self._model)

    def killed_jobs(self) -> dict[str, Any]:
        """Jobs, killed."""
        return jobs.killed(self._alone(), self._folder, self._sizes.kills, self._model)

    def workers(self) -> dict[str, Any]:
        """Three workers and one."""
        return jobs.three_and_one(self._source(self._sizes.job_rows), self._folder, self._model)

    def online(self) -> dict[str, Any]:
        """The online path beside a job."""
        return online.beside(
            self._source(self._sizes.job_rows),
            self._folder,
            self._model,
            port=self._port,
            turns=self._sizes.turns,
            seconds=self._sizes.turn_s,
        )

    def _source(self, rows: int) -> Path:
        """Chat of so many rows."""
        path = self._folder / f"{rows}.parquet"
        if not path.exists():
            million.write(path, rows)
        return path

    def _alone(self) -> scans.Reference:
        """What a scan left alone makes of the chat that is killed for."""
        if self._reference is None:
            source = self._source(self._sizes.kill_rows)
            self._reference = scans.reference(source, self._folder, self._model)
        return self._reference


def _timed(scan: dict[str, Any]) -> dict[str, Any]:
    """What of a scan is compared with the engine."""
    return {name: scan[name] for name in ("rows", "seconds", "flagged")}


PARTS = (
    *("scans", "engine", "pipeline", "workers", "online", "kills", "disk", "killed_jobs"),
    "largest",
)


def main() -> None:
    options = _options()
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sizes = QUICK if options.quick else Sizes()
    kept = not (options.quick or options.only)
    output = options.output or (HERE if kept else UNKEPT)
    output.mkdir(parents=True, exist_ok=True)
    model = locate(options.model)
    results: dict[str, Any] = {
        "model": ArtifactConfig.read(model).tag,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "cores": usable_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "onnxruntime": version("onnxruntime"),
        "load_average": round(os.getloadavg()[0], 1),
        "quick": options.quick,
        "took_s": {},
        "failed": {},
    }
    with tempfile.TemporaryDirectory(prefix="gounmal-bench-") as folder:
        parts = Parts(Path(folder), model, sizes, options.port)
        for name in options.only or PARTS:
            begun = time.monotonic()
            try:
                results[name] = getattr(parts, name)()
            except Exception as error:  # noqa: BLE001  (the others are worth having without it)
                print_exc()
                results["failed"][name] = f"{type(error).__name__}: {error}"[:200]
            results["took_s"][name] = round(time.monotonic() - begun)
            print(name, json.dumps(results.get(name)), results["took_s"][name], "s", flush=True)
            text = json.dumps(results, indent=2, ensure_ascii=False)
            (output / "results.json").write_text(text + "\n", encoding="utf-8")
            (output / "results.md").write_text(page.markdown(results), encoding="utf-8")
    print(page.markdown(results))
    sys.exit(bool(results["failed"]) or (not all(f.met for f in page.figures(results)) and kept))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="does it all work? no figures to keep")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--model", default=str(SHIPPED), help="folder or tag [default: as shipped]")
    parser.add_argument("--port", type=int, default=3750, help="of the service")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
