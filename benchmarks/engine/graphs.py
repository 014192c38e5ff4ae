"""The network's graph as `train.graph` writes it, against what torch's exporter makes of it.

    python -m benchmarks.engine.graphs [--network runs/gounmal-ko] [--repeats 20]

Needs OpenVINO (requirements/bench.txt) and the float weights that `python -m train` keeps. Writes
graphs.json and graphs.md beside this file. Both graphs are quantised on the same lines and run in
both engines, which take turns within each repeat, on one core: processor time a message.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import torch
from torch import Tensor, nn

from benchmarks.engine.engines import OnnxRuntime, OpenVino
from benchmarks.engine.measure import any_shape, apart, each, times_of
from benchmarks.engine.sample import LINES
from gounmal.model.classifier import Classifier
from train import graph
from train.batches import encode
from train.export import traced
from train.facts import machine
from train.network import Network
from train.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.engine.engines import Engine
    from benchmarks.engine.measure import Arrays
    from train.batches import Encodings

HERE = Path(__file__).parent
BATCHES = (1, 32, 1_024)
WRITTEN, TRACED = "written", "traced"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", type=Path, default=Path("runs/gounmal-ko"))
    parser.add_argument("--artifact", type=Path, default=Path("models/gounmal-ko"))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    lines = LINES.read_text(encoding="utf-8").splitlines()
    classifier = Classifier.load(options.artifact)
    network = Network.load(options.network)
    with TemporaryDirectory() as folder:
        folders = graphs(network, encode(lines, network.encoder, max_tokens=256), Path(folder))  # type: ignore[arg-type]
        results = {
            "model": classifier.tag,
            "machine": machine(),
            "repeats": options.repeats,
            "lines": len(lines),
            "unit": "microseconds a message, processor time",
            "batches": [
                measured(folders, classifier, lines, size, options.repeats) for size in BATCHES
            ],
        }
    content = orjson.dumps(results, option=orjson.OPT_INDENT_2)
    (options.out / "graphs.json").write_bytes(content + b"\n")
    (options.out / "graphs.md").write_text(markdown(results), encoding="utf-8")
    print(markdown(results))


class SummedTable(nn.Module):
    """The table in int8, as a tracing exporter has to be told: rows to floats, then their sum."""

    rows: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, scale = graph.quantized_columns(weight.detach().numpy())
        self.register_buffer("rows", torch.from_numpy(rows))
        self.register_buffer("scale", torch.from_numpy(scale))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: int[n, t, features] → float[n, t, columns]."""
        return self.rows[ids.long()].float().sum(dim=2) * self.scale


def graphs(network: Network, sample: Encodings, folder: Path) -> dict[str, Path]:
    """Both graphs of one network, quantised on the same texts: the folder of each."""
    folders = {name: folder / name for name in (WRITTEN, TRACED)}
    for one in folders.values():
        one.mkdir()
    model: Any = network.model.eval()
    graph.write(model, graph.input_ranges(model, sample), folders[WRITTEN] / "model.onnx")
    model.table = SummedTable(model.get_parameter("table.weight"))
    traced(model, sample, folders[TRACED] / "model.onnx")
    return folders


def measured(
    folders: dict[str, Path], classifier: Classifier, lines: Sequence[str], size: int, repeats: int
) -> dict[str, Any]:
    """One batch size: every graph in every engine."""
    ordered = sorted(lines, key=len) if size == max(BATCHES) else lines
    batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    passes = [one for batch in batches for one in any_shape(classifier, batch)]
    engines = {
        (make.name, name): make(folder)
        for make in (OnnxRuntime, OpenVino)
        for name, folder in folders.items()
    }
    seconds = defaultdict(list)
    for number in range(repeats + 1):
        for key, engine in engines.items():
            begun = time.process_time()
            each(passes, partial(_run, engine))
            if number:  # the first one warms up
                seconds[key].append(time.process_time() - begun)
    reference = engines[OnnxRuntime.name, WRITTEN]
    return {
        "size": size,
        "passes": len(passes),
        "tokens": int(np.sum([mask.sum() for _, mask in passes])),
        "engines": [
            {
                "engine": key[0],
                "graph": key[1],
                **times_of(found, len(lines)),
                "largest_difference": apart(reference, engines[key], passes),
            }
            for key, found in seconds.items()
        ],
    }


def _run(engine: Engine, arrays: Arrays) -> None:
    engine.run(*arrays)


def markdown(results: dict[str, Any]) -> str:
    """The table that is committed."""
    batches = results["batches"]
    rows = [
        [
            f"{engine['engine']}, {engine['graph']}",
            *(f"{b['engines'][i]['least']:.0f} / {b['engines'][i]['median']:.0f}" for b in batches),
        ]
        for i, engine in enumerate(batches[0]["engines"])
    ]
    names = {1: "alone", max(BATCHES): f"{max(BATCHES):,}, sorted"}
    header = ["", *(names.get(b["size"], f"batches of {b['size']}") for b in batches)]
    most = max(e["largest_difference"] for b in batches for e in b["engines"])
    text = f"""The weights of `{results["model"]}` as int8 graphs: as `train.graph` writes it,
operator by operator, and as torch's exporter and ONNX Runtime's quantiser make it.
{results["machine"]["processor"]}, one thread, {results["repeats"]} repeats over
{results["lines"]:,} lines as long as those of live chat, encoded before. Microseconds of processor
time a message, least / median. Probabilities differ by {most:.3f} at most."""
    return f"# Graphs\n\n{fill(text, 100)}\n\n{table(header, rows)}\n"


if __name__ == "__main__":
    main()
