"""Finished shards → the output: decisions in order, the report's files, review.csv, each whole."""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gounmal.files.footers import join
from gounmal.files.reader import Format
from gounmal.files.sources import file_system, place
from gounmal.files.times import Clock
from gounmal.files.writers import headed, packed, replacing
from gounmal.report.compare import compare
from gounmal.report.counts import Counts
from gounmal.report.items import FailedShard
from gounmal.report.publish import REVIEW, files, load_previous
from gounmal.report.review import review_csv
from gounmal.scan.garbage import spared
from gounmal.scan.ledger import counted, done, failure, part_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gounmal.report.summary import Summary
    from gounmal.scan.plans import Plan, PlannedInput, Shard

NOT_DONE = "not done"
"""The reason for a shard that nobody has tried."""


def assemble(plan: Plan, folder: Path, *, key: bytes | None = None) -> Summary:
    """Put the finished shards together: decisions, summary.json, the report, review.csv.

    What is not finished is left out and named in `Summary.failed`. Can be called again.

    Args:
        plan: from `plan`.
        folder: that of `run_shard`.
        key: for the pseudonyms of the report, at most 64 bytes; by default a new random one.

    Raises:
        InvalidInput: the report to compare with is not there any more.
        OSError: the output cannot be written.
    """
    finished = {s.index for s in plan.shards if done(plan, s.index, folder)}
    for number, item in enumerate(plan.inputs):
        shards = [s for s in plan.shards if s.file == number and s.index in finished]
        if shards:
            with _published(plan.output, item.output, folder) as file:
                _join(plan, item, [part_path(shard, folder) for shard in shards], file)
    counts = _counts(plan, folder, finished)
    summary = _summary(plan, folder, finished, counts, key or secrets.token_bytes(32))
    names = [item.name for item in plan.inputs]
    written = {REVIEW: review_csv(counts.review(names)), **files(summary, plan.options.reports)}
    for name, content in written.items():
        with _published(plan.output, name, folder) as file:
            file.write(content)
    return summary


def _join(plan: Plan, item: PlannedInput, parts: list[Path], file: BinaryIO) -> None:
    """Parts in order → one file."""
    source = item.readable()
    kind = Format(plan.options.format or source.format)
    if kind is Format.PARQUET:
        join(parts, file)
        return
    if kind is not Format.JSONL:
        with packed(file, source, compressed=kind is source.format) as sink:
            headed(sink, source, kind)
    for path in parts:
        with path.open("rb") as part:
            shutil.copyfileobj(part, file, 1 << 20)


def _counts(plan: Plan, folder: Path, finished: set[int]) -> Counts:
    counts = Counts(Clock(plan.clock) if plan.clock else None)
    with spared() as collect:
        for shard in plan.shards:
            if shard.index in finished:
                counts.merge_dict(counted(shard, folder), file=shard.file)
                collect()
    return counts


def _summary(plan: Plan, folder: Path, finished: set[int], counts: Counts, key: bytes) -> Summary:
    from gounmal import __version__  # noqa: PLC0415  (the package imports its rooms)

    sources = [item.source for item in plan.inputs if item.source]
    formats = {source.format.value for source in sources}
    encodings = {source.encoding for source in sources}
    summary = counts.summary(
        key=key,
        files=[item.name for item in plan.inputs],
        gounmal=__version__,
        title=plan.title,
        source=plan.inputs[0].name if len(plan.inputs) == 1 else f"{len(plan.inputs)} files",
        format=" ".join(sorted(formats)),
        encoding=encodings.pop() if len(encodings) == 1 else None,
        model=plan.options.model,
        mode=plan.options.mode,
        policy=plan.options.policy,
        failed=[_failed(plan, s, folder) for s in plan.shards if s.index not in finished],
        language=plan.options.language,
    )
    if plan.options.previous is None:
        return summary
    before = load_previous(plan.options.previous, plan.output)
    return replace(summary, comparison=compare(before, summary))


def _failed(plan: Plan, shard: Shard, folder: Path) -> FailedShard:
    name = plan.inputs[shard.file].name
    return FailedShard(name, shard.part, failure(shard, folder) or NOT_DONE)


@contextmanager
def _published(output: str, name: str, folder: Path) -> Iterator[BinaryIO]:
    """A file of the output, which is there, whole, when the block ends well."""
    target = place(output)
    if isinstance(target, Path):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            yield file
        return
    # An object store shows an object when all of it is there.
    local = folder / f"{secrets.token_hex(8)}.partial"
    try:
        with local.open("wb") as file:
            yield file
        system, remote = file_system(f"{output.rstrip('/')}/{name}")
        system.put_file(str(local), remote)
    finally:
        local.unlink(missing_ok=True)
