"""Commands about files: a scan, and its report."""

# What a command needs is imported inside it, so that `gounmal --help` answers at once.
# ruff: noqa: PLC0415

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from gounmal.cli.group import (
    FILE,
    FOLDER,
    hindrances_named,
    main,
    model_options,
    one_line_errors,
    recipe_of,
)

if TYPE_CHECKING:
    from pathlib import Path


@main.command()
@click.argument("sources", nargs=-1, required=True, metavar="INPUT…")
@click.option("--output", required=True, help="Folder for the results: a path or URI.")
@click.option("--text", help="Text column, if not found by its name.")
@click.option("--time", help="Time column.")
@click.option("--user", help="User column.")
@click.option("--channel", help="Channel column.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "tsv", "jsonl", "parquet"]),
    help="Of the decisions; by default that of the input.",
)
@click.option(
    "--since",
    help="Only files modified since: a date and time, or 90m, 12h, 1d, 2w ago. With a schedule.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes that judge; by default one for each core that may be used.",
)
@click.option("--title", help="The programme's name, for the report.")
@click.option(
    "--lang",
    type=click.Choice(["ko", "en"]),
    default="ko",
    show_default=True,
    help="Language of the report.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Choice(["html", "md", "json"]),
    default=["html"],
    help="Form of the report, again for more; summary.json, which json stands for, always comes.",
)
@click.option(
    "--previous",
    help="Output folder of the broadcast before, or its summary.json, to compare with.",
)
@click.option(
    "--report-key",
    envvar="GOUNMAL_REPORT_KEY",
    help="Secret that keeps users' pseudonyms the same from report to report; better given as "
    "GOUNMAL_REPORT_KEY. By default pseudonyms differ in every report.",
)
@model_options
@one_line_errors
def scan(sources: tuple[str, ...], output: str, **options: Any) -> None:
    """Judge files of chat: CSV, TSV, JSONL (also .gz, .zst) or Parquet.

    INPUT is a file, a folder, a glob or a URI (s3://…, gs://…, abfs://…). Writes decisions,
    summary.json, report.html and review.csv to the output folder.

    Killed, out of disk or otherwise broken off, the same command goes on where it was. What is
    finished is in the hidden folder .scan of the output until all of it is.

    Exit codes: 0 all is done; 2 nothing could be scanned, and one line says why; 3 some parts of
    the input could not be read: the others are done; 4 the machine stood in the way, as with a
    full disk: see to it and run the same command again. Others (1, 137, 143): run it again.
    """
    from gounmal import terminal
    from gounmal.cores import usable_cores
    from gounmal.files.columns import Role
    from gounmal.files.times import moment
    from gounmal.report.findings import pseudonym_key
    from gounmal.report.publish import load_previous
    from gounmal.scan.planning import plan
    from gounmal.scan.plans import ScanOptions
    from gounmal.scan.scan import carry_out
    from gounmal.scan.workers import spare_memory

    spare_memory()
    recipe = recipe_of(**{name: options[name] for name in ("model", "policy", "mode")})
    since, previous = options["since"], options["previous"]
    if previous:
        load_previous(previous, output)  # before hours of work, not after
    chosen = ScanOptions.named(
        recipe.tag(),  # not of a moderator: this process may have nothing to judge
        recipe.rules(),
        columns={role.value: options[role] for role in Role if options[role]},
        format=options["kind"],
        title=options["title"],
        language=options["lang"],
        reports=options["reports"],
        previous=previous,
        since=moment(since) if since else None,
    )
    made = plan(sources, output, options=chosen)
    if not made.inputs:
        click.echo(f"no file is newer than {since}", err=True)
        return
    secret = options["report_key"]
    with hindrances_named(), terminal.progress() as on_progress:
        scanned = carry_out(
            made,
            recipe=recipe,
            workers=options["workers"] or usable_cores(),
            key=pseudonym_key(secret) if secret else None,
            on_progress=on_progress,
        )
    terminal.print_scanned(scanned)
    if scanned.summary.failed:
        sys.exit(3)


@main.command()
@click.argument("source", metavar="FOLDER")
@click.option("--previous", help="As for `scan`: what to compare with.")
@click.option("--verdicts", type=FILE, help="review.csv of this scan, filled in.")
@click.option(
    "--format",
    "forms",
    multiple=True,
    type=click.Choice(["html", "md", "json"]),
    default=["html"],
    show_default=True,
    help="Again for more; json is summary.json, which is always written.",
)
@click.option("--lang", type=click.Choice(["ko", "en"]), help="By default that of the scan.")
@click.option("--output", help="Folder for the report; by default FOLDER.")
@one_line_errors
def report(source: str, output: str | None, **options: Any) -> None:
    """Write the report of a finished scan again: compared, with verdicts, in other forms.

    FOLDER is the output of `scan`. What its summary.json knows of an earlier comparison or of
    earlier verdicts stays, unless there are new ones.
    """
    from dataclasses import replace

    from gounmal import terminal
    from gounmal.report.compare import compare
    from gounmal.report.publish import files, find_summary, load_previous, put
    from gounmal.report.review import judged, read_verdicts
    from gounmal.report.summary import Summary

    summary = Summary.load(find_summary(source))
    if options["lang"]:
        summary = replace(summary, language=options["lang"])
    if options["previous"]:
        before = load_previous(options["previous"], source)
        summary = replace(summary, comparison=compare(before, summary))
    if options["verdicts"]:
        summary = replace(summary, verdicts=judged(summary, read_verdicts(options["verdicts"])))
    folder = output or (source.rpartition("/")[0] or "." if source.endswith(".json") else source)
    made = files(summary, options["forms"])
    terminal.print_report(summary, [put(name, made[name], folder) for name in made])


@main.command()
@click.option("--output", type=FOLDER, required=True, help="Folder for the broadcast.")
@one_line_errors
def demo(output: Path) -> None:
    """Write a made-up broadcast's chat, to try `gounmal scan` on."""
    from gounmal.demo import write_demo

    output.mkdir(parents=True, exist_ok=True)
    path = output / "chat.csv"
    rows = write_demo(path)
    click.echo(f"{path}: {rows:,} messages")
    click.echo(f"next: gounmal scan {shlex.quote(str(path))} --output {shlex.quote(str(output))}")
