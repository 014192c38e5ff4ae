"""Inputs → a plan: what is there, what it is, where it is cut, what its decisions are called."""

from __future__ import annotations

from itertools import chain, count, islice, pairwise
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from gounmal.errors import InvalidInput
from gounmal.files.columns import Role
from gounmal.files.reader import COMPRESSIONS, SUFFIXES, Format, inspect
from gounmal.files.sources import find, place
from gounmal.files.times import parse_time
from gounmal.scan.borders import cuts
from gounmal.scan.plans import Plan, PlannedInput, ScanOptions, Shard, shard_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gounmal.files.reader import Input
    from gounmal.files.sources import Found, Place

ENDINGS = (*SUFFIXES, *(s + c for s in SUFFIXES if s != ".parquet" for c in COMPRESSIONS))
"""Of the files that are taken from a folder."""

SNIFFED_ROWS = 1_000
"""Rows among which a time is looked for."""


def plan(inputs: Sequence[str], output: str, *, options: ScanOptions) -> Plan:
    """Look at the inputs and cut them into shards. The same inputs give the same plan.

    Args:
        inputs: files, folders, globs or URIs. What is in the output folder is left out.
        output: folder for the results, a path or URI.
        options: what decides about their content.

    Raises:
        InvalidInput: there is nothing to scan, the only input cannot be read, or one would be
            overwritten.
    """
    listed = [file for location in inputs for file in _find(location, output, options)]
    found = {str(file.place): file for file in listed}.values()
    # By what was asked for, not by what is there: a schedule finds one file some days.
    alone = len(inputs) == 1 and [file.name for file in found] == [PurePath(inputs[0]).name]
    planned: list[PlannedInput] = []
    for file in found:
        taken = {item.output for item in planned}
        planned.append(_look(file, options, alone=alone, taken=taken))
        _refuse_overwriting(file, output, planned[-1].output)
    clock = next((c for i in planned if i.source and (c := _clock(i.source))), None)
    return Plan(
        inputs=tuple(planned),
        shards=tuple(_shards(planned, clock, options)),
        title=options.title or _stem(inputs[0]),
        clock=clock,
        output=output,
        options=options,
    )


def _find(location: str, output: str, options: ScanOptions) -> Iterator[Found]:
    """The files of one location, without those that a scan put there."""
    target = place(output)
    named = PurePath(location).name
    for file in find(location, ENDINGS):
        if file.name != named and _is_below(file.place, target):
            continue
        if options.since is None or file.modified >= options.since:
            yield file


def _look(file: Found, options: ScanOptions, *, alone: bool, taken: set[str]) -> PlannedInput:
    source, problem = None, None
    try:
        source = inspect(file.place, names={Role(r): n for r, n in options.columns.items()})
    except InvalidInput as error:
        if alone:
            raise
        problem = str(error)
    return PlannedInput(
        name=file.name,
        size=file.size,
        version=file.version,
        output=_output(file.name, source, options, alone=alone, taken=taken),
        source=source,
        problem=problem,
    )


def _output(
    name: str, source: Input | None, options: ScanOptions, *, alone: bool, taken: set[str]
) -> str:
    """Where the decisions of an input go: `decisions.csv`, or one of many in `decisions/`."""
    end = next((e for e in reversed(ENDINGS) if name.lower().endswith(e)), "")
    packed = next((c for c in COMPRESSIONS if end.endswith(c)), "")
    kind = options.format or (source.format.value if source else SUFFIXES.get(end, Format.CSV))
    if source and kind != source.format:
        packed = ""
    if alone:
        return f"decisions.{kind}{packed}"
    short = name[: len(name) - len(end)]
    numbered = (f"{name}-{number}" for number in count(2))
    free = (f"decisions/{stem}.{kind}{packed}" for stem in chain([short, name], numbered))
    return next(path for path in free if path not in taken)


def _shards(
    inputs: Sequence[PlannedInput], clock: str | None, options: ScanOptions
) -> Iterator[Shard]:
    index = 0
    for number, item in enumerate(inputs):
        unit, places = _cut(item, options)
        for start, stop in pairwise(places):
            key = {
                "input": _identity(item),
                "part": (unit, start, stop),
                "clock": clock,
                "options": [getattr(options, n) for n in ("format", "model", "mode", "policy")],
            }
            yield Shard(
                index=index,
                file=number,
                unit=unit,
                start=start,
                stop=None if unit == "file" else stop,
                size=round(item.size * (stop - start) / max(places[-1], 1)),
                key=shard_key(key),
            )
            index += 1


def _cut(item: PlannedInput, options: ScanOptions) -> tuple[str, list[int]]:
    """The unit and the borders of an input's shards."""
    source = item.source
    if source is None or source.compression:
        return "file", [0, item.size]
    unit = "rows" if source.format is Format.PARQUET else "bytes"
    return unit, cuts(source, item.size, options.shard_size)


def _identity(item: PlannedInput) -> list[object]:
    """What the content of an input's decisions depends on."""
    source = item.source
    if source is None:
        return [item.name, item.size, item.version, item.problem]
    path = source.path.resolve() if isinstance(source.path, Path) else source.path
    read = [source.format, source.compression, source.encoding, source.columns, source.delimiter]
    return [str(path), item.size, item.version, *read, source.roles]


def _clock(source: Input) -> str | None:
    """What the first time that can be read counts from."""
    column = source.roles.get(Role.TIME)
    if column is None:
        return None
    try:
        for chunk in islice(source.chunks(), 1):
            read = map(parse_time, chunk.values(column)[:SNIFFED_ROWS])
            return next((instant.clock.value for instant in read if instant), None)
    except InvalidInput:  # its shard will say so
        pass
    return None


def _refuse_overwriting(file: Found, output: str, name: str) -> None:
    folder = place(output)
    if isinstance(folder, Path) and isinstance(file.place, Path):
        same = (folder / name).exists() and (folder / name).samefile(file.place)
    else:
        same = str(file.place) == f"{output.rstrip('/')}/{name}"
    if same:
        raise InvalidInput(f"{file.place}: would be overwritten: choose another --output")


def _is_below(path: Place, folder: Place) -> bool:
    if not (isinstance(path, Path) and isinstance(folder, Path)):
        return False
    return path.resolve().is_relative_to(folder.resolve())


def _stem(location: str) -> str:
    name = PurePath(location).name
    return name.split(".")[0] or name or location
