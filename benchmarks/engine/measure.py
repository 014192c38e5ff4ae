"""ONNX Runtime against OpenVINO on the shipped artifact, at the lengths of live chat, one thread.

    python -m benchmarks.engine.measure [--artifact models/gounmal-ko] [--repeats 20]

Needs OpenVINO (requirements/bench.txt), which serving does not. Writes results.json and results.md
beside this file. Both engines get the same lines (`sample.py`) in the same order and take turns
within each repeat, on one core. What is reported is microseconds a message, the least and the
median over the repeats, of processor time: waiting for a core that others use is no part of it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import openvino
import orjson

from benchmarks.engine.engines import WIDTHS, FixedShapes, OnnxRuntime, OpenVino, nearest
from benchmarks.engine.sample import LINES
from gounmal.model.classifier import Classifier, groups
from gounmal.moderator import Moderator
from gounmal.text.normalize import normalize
from train.facts import machine
from train.tables import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.engine.engines import Engine

HERE = Path(__file__).parent
BATCHES = (1, 8, 32)
MAKES = (OnnxRuntime, OpenVino)
ANY, FIXED = "any shape", "fixed shapes"
WRONG = 0.05
"""A difference of probabilities that no rounding explains."""

Arrays = tuple["NDArray[np.int32]", "NDArray[np.float32]"]
"""Padded ids and mask: one pass through the network."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifact", type=Path, default=Path("models/gounmal-ko"))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    classifier = Classifier.load(options.artifact)
    lines = LINES.read_text(encoding="utf-8").splitlines()
    results = {
        **described(options.artifact, classifier, lines),
        "repeats": options.repeats,
        "unit": "microseconds a message, processor time",
        "batches": [
            measured(options.artifact, classifier, lines, size, options.repeats) for size in BATCHES
        ],
    }
    content = orjson.dumps(results, option=orjson.OPT_INDENT_2)
    (options.out / "results.json").write_bytes(content + b"\n")
    text = markdown(results)
    (options.out / "results.md").write_text(text, encoding="utf-8")
    print(text)


def described(folder: Path, classifier: Classifier, lines: Sequence[str]) -> dict[str, Any]:
    """What was measured, with what, on what."""
    tokens = classifier.encoder.encode([normalize(line) for line in lines]).lengths
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    return {
        "model": classifier.tag,
        "model_sha256": digest,
        "engines": {
            "ONNX Runtime": onnxruntime.__version__,
            "OpenVINO": openvino.__version__.partition("-")[0],
        },
        "machine": machine(),
        "lines": {
            "count": len(lines),
            "characters": _spread([len(line) for line in lines]),
            "tokens": _spread(tokens.tolist()),
        },
    }


def measured(
    folder: Path, classifier: Classifier, lines: Sequence[str], size: int, repeats: int
) -> dict[str, Any]:
    """One batch size: reading and encoding, each engine alone, and all of it as served."""
    batches = [lines[i : i + size] for i in range(0, len(lines), size)]
    shapes = {ANY: any_shape, FIXED: _few_widths}
    passes = {
        kind: [p for b in batches for p in cut(classifier, b)] for kind, cut in shapes.items()
    }
    engines: dict[str, list[Engine]] = {
        ANY: [make(folder) for make in MAKES],
        FIXED: [FixedShapes(make, folder, most=size) for make in MAKES],
    }
    moderator = Moderator(classifier)
    jobs: dict[tuple[str, str], Callable[[], None]] = {
        ("read", ""): lambda: each(batches, lambda b: any_shape(classifier, b)),
        ("Decision", ""): lambda: each(batches, moderator.moderate),
    }
    for kind, made in engines.items():
        for engine in made:
            jobs[engine.name, kind] = lambda e=engine, k=kind: each(passes[k], lambda p: e.run(*p))  # type: ignore[misc]
    seconds = defaultdict(list)
    for number in range(repeats + 1):
        for name, job in jobs.items():
            begun = time.process_time()
            job()
            if number:  # the first one warms up
                seconds[name].append(time.process_time() - begun)
    times = {name: times_of(found, len(lines)) for name, found in seconds.items()}
    return {
        "size": size,
        "read_and_encode": times["read", ""],
        "decision": times["Decision", ""],
        "engines": [
            {
                "engine": engine.name,
                "shapes": kind,
                **times[engine.name, kind],
                "passes": len(passes[kind]),
                "largest_difference": apart(made[0], engine, passes[kind]),
            }
            for kind, made in engines.items()
            for engine in made
        ],
    }


def any_shape(classifier: Classifier, lines: Sequence[str]) -> list[Arrays]:
    """What serving does: read, encode, put alike lengths together, pad to the longest."""
    encoded = classifier.encoder.encode([normalize(line) for line in lines])
    return [encoded.padded(rows) for rows in groups(encoded.lengths)]


def _few_widths(classifier: Classifier, lines: Sequence[str]) -> list[Arrays]:
    """The same with one pass for each of a few widths, and one for what is longer."""
    encoded = classifier.encoder.encode([normalize(line) for line in lines])
    lengths = encoded.lengths
    longest = int(lengths.max())
    width = np.array([nearest((*WIDTHS, max(longest, WIDTHS[-1] + 1)), n) for n in lengths])
    return [encoded.padded(np.flatnonzero(width == w)) for w in np.unique(width)]


def each(items: Sequence[Any], do: Callable[[Any], object]) -> None:
    for item in items:
        do(item)


def apart(first: Engine, second: Engine, passes: Sequence[Arrays]) -> float:
    """The largest difference between two engines' probabilities, before calibration."""
    gaps = []
    for ids, mask in passes:
        ours, theirs = (1 / (1 + np.exp(-e.run(ids, mask)[0])) for e in (first, second))
        gaps.append(float(np.abs(ours - theirs).max()))
    return round(max(gaps), 5)


def times_of(seconds: Sequence[float], messages: int) -> dict[str, float]:
    each = [1e6 * one / messages for one in seconds]
    return {"least": round(min(each), 1), "median": round(median(each), 1)}


def _spread(values: Sequence[int]) -> dict[str, float]:
    at = np.quantile(values, (0.5, 0.9, 0.99, 1.0)).round(1).tolist()
    found = dict(zip(("median", "p90", "p99", "longest"), at, strict=True))
    return {**found, "mean": round(float(np.mean(values)), 2)}


def markdown(results: dict[str, Any]) -> str:
    """The table that is committed."""
    return "\n\n".join([_head(results), _table(results), _notes(results)]) + "\n"


def _head(results: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["engines"].items())
    characters, tokens = results["lines"]["characters"], results["lines"]["tokens"]
    text = f"""`{results["model"]}` (model.onnx `{results["model_sha256"][:12]}`), {versions},
{results["machine"]["processor"]}, one thread. {results["repeats"]} repeats over
{results["lines"]["count"]:,} lines: characters median {characters["median"]:g}, 90 % up to
{characters["p90"]:.0f}, 99 % up to {characters["p99"]:.0f}; tokens (characters of all views) mean
{tokens["mean"]:.1f}. Microseconds of processor time a message, least / median."""
    return f"# Engines\n\n{fill(text, 100)}"


def _table(results: dict[str, Any]) -> str:
    def cell(times: dict[str, float]) -> str:
        return f"{times['least']:.0f} / {times['median']:.0f}"

    batches = results["batches"]
    rows = [["normalise and encode", *(cell(b["read_and_encode"]) for b in batches)]]
    for i, engine in enumerate(batches[0]["engines"]):
        cells = (cell(b["engines"][i]) for b in batches)
        rows.append([f"{engine['engine']}, {engine['shapes']}", *cells])
    for i, engine in enumerate(batches[0]["engines"]):
        cells = (cell(_sum(b["read_and_encode"], b["engines"][i])) for b in batches)
        rows.append([f"both: {engine['engine']}, {engine['shapes']}", *cells])
    rows.append(["text → Decision, as served", *(cell(b["decision"]) for b in batches)])
    sizes = (f"batches of {b['size']}" if b["size"] > 1 else "alone" for b in batches)
    return table(["", *sizes], rows)


def _sum(*parts: dict[str, float]) -> dict[str, float]:
    return {key: sum(part[key] for part in parts) for key in parts[0]}


def _notes(results: dict[str, Any]) -> str:
    every = [e for b in results["batches"] for e in b["engines"]]
    wrong = sorted({f"{e['engine']}, {e['shapes']}" for e in every if not _right(e)})
    apart = max(e["largest_difference"] for e in every if _right(e))
    text = f"""Any shape: each batch is cut into groups of alike lengths, padded to their longest,
as serving does. Fixed shapes: {", ".join(map(str, WIDTHS))} tokens, in 1, 2, 4 … messages up to the
batch size, one compiled network for each; what is longer goes to a network for any shape. The
engines' probabilities differ by {apart:.4f} at most."""
    if wrong:
        text += f" Not usable, as its answers are wrong or no numbers: {'; '.join(wrong)}."
    return fill(text, 100)


def _right(engine: dict[str, Any]) -> bool:
    """Are its answers those of the first engine? What is no number became null in JSON."""
    apart = engine["largest_difference"]
    return apart is not None and apart <= WRONG


if __name__ == "__main__":
    main()
