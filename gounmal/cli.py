"""The command line: `gounmal serve · moderate · scan · report · worker · evaluate · models · demo`.

Exit codes: 0 it worked; 1 it was interrupted, or a bug (with a traceback); 2 the input, an option
or the installation is at fault, and one line on stderr says how; 3 and 4 see `scan`.
"""

# What a command needs is imported inside it, so that `gounmal --help` answers at once.
# ruff: noqa: PLC0415

from __future__ import annotations

import errno
import os
import shlex
import sys
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gounmal.errors import GounmalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gounmal.moderator import Moderator
    from gounmal.scan.recipe import Recipe
    from gounmal.schema import Decision

PASS_LINES = 256
"""Lines of a pipe judged together."""

_HINDRANCES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EMFILE}

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


class Failure(click.ClickException):
    """One line on stderr, exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"gounmal: {self.message}", file=file or sys.stderr, err=file is None)


class Hindered(Failure):
    """What is no fault of the input: when it is seen to, the same command goes on."""

    exit_code = 4


@contextmanager
def hindrances_named() -> Iterator[None]:
    """Tell a full disk and its like from faults of the user."""
    try:
        yield
    except OSError as error:
        if error.errno not in _HINDRANCES:
            raise
        remedy = "what is finished is kept: see to it and run the same command again"
        raise Hindered(f"{error.strerror}: {remedy}") from error


def one_line_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what gounmal and the operating system say on purpose into one line."""

    @wraps(command)
    def guarded(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except BrokenPipeError:
            # Whoever read our output has gone; Python must not complain about it at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except GounmalError as error:
            raise Failure(str(error)) from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Failure(f"{where}{error.strerror or error}") from error

    return guarded


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say who judges, by which rules."""
    for option in (
        click.option("--model", envvar="GOUNMAL_MODEL", help="Tag in the store, or a folder."),
        click.option(
            "--policy", envvar="GOUNMAL_POLICY", type=_FILE, help="By default policy.yaml."
        ),
        click.option(
            "--mode",
            type=click.Choice(["lenient", "balanced", "strict"]),
            help="In place of the policy's.",
        ),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gounmal", message="gounmal %(version)s")
def main() -> None:
    """Judge chat: is a line abusive, how, where, and what should happen to it.

    Exit codes: 0 it worked, 1 interrupted or a bug, 2 the input or an option is at fault.
    """


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="By default 3000.")
@click.option("--host", help="By default 127.0.0.1; any other needs API keys.")
@click.option("--workers", type=click.IntRange(1), help="By default as in configuration.yaml.")
@one_line_errors
def serve(port: int | None, host: str | None, workers: int | None) -> None:
    """Serve over HTTP.

    Others may call with an API key out of GOUNMAL_API_KEYS or GOUNMAL_API_KEYS_FILE. On Vertex AI
    and SageMaker, host and port are by default what the platform wants.
    """
    from gounmal.serve import run

    run(host=host, port=port, workers=workers)


@main.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT…")
@click.option("--channel", help="Whose rules apply, where the policy has some for it.")
@click.option("--json", "as_json", is_flag=True, help="JSON also on a terminal.")
@model_options
@one_line_errors
def moderate(texts: tuple[str, ...], *, channel: str | None, as_json: bool, **who: Any) -> None:
    """Judge lines of text; `-` stands for the lines of standard input.

    Prints one Decision a line, as JSON unless to a terminal.
    """
    from gounmal import terminal
    from gounmal.schema import Message

    moderator = _moderator(**who)
    show: Callable[[Decision], None] = terminal.print_decision
    if as_json or not _to_terminal():
        show = _print_json
    for lines in _lines(texts):
        for decision in moderator.moderate([Message(line, channel=channel) for line in lines]):
            show(decision)


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
    from gounmal.report.publish import load_previous
    from gounmal.scan.scan import carry_out
    from gounmal.scan.shards import ScanOptions, plan
    from gounmal.scan.workers import spare_memory

    spare_memory()
    recipe = _recipe(**{name: options[name] for name in ("model", "policy", "mode")})
    since, previous = options["since"], options["previous"]
    if previous:
        load_previous(previous, output)  # before hours of work, not after
    chosen = ScanOptions.of(
        recipe.load(),  # let go of: this process may have nothing to judge
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
            key=_key(secret) if secret else None,
            on_progress=on_progress,
        )
    terminal.print_scanned(scanned)
    if scanned.summary.failed:
        sys.exit(3)


@main.command()
@click.argument("source", metavar="FOLDER")
@click.option("--previous", help="As for `scan`: what to compare with.")
@click.option("--verdicts", type=_FILE, help="review.csv of this scan, filled in.")
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
@click.option("--processes", type=click.IntRange(1), help="By default one for each core.")
@click.option(
    "--nice",
    type=click.IntRange(0, 19),
    default=0,
    show_default=True,
    help="How much others on this machine come first.",
)
@one_line_errors
def worker(processes: int | None, nice: int) -> None:
    """Work on the jobs of a service: those in the database that GOUNMAL_DATABASE names.

    Takes a shard at a time in each process, until told to stop. The service and all workers see the
    same GOUNMAL_STATE folder, inputs and outputs, under the same paths.
    """
    from gounmal.jobs.settings import JobSettings
    from gounmal.jobs.supervisor import supervise_here
    from gounmal.model.store import ensure_default

    JobSettings.read()
    if not os.environ.get("GOUNMAL_MODEL"):
        ensure_default()
    supervise_here(processes, nice=nice)


@main.command()
@click.argument("source", type=_FILE, metavar="FILE")
@click.option("--output", type=_FOLDER, help="Folder for evaluation.json and evaluation.html.")
@click.option("--text", help="Text column, if not found by its name.")
@click.option("--labels", help="Column with the labels' names, if not `labels`.")
@click.option("--kind", help="Column to sort lines by, if not `kind`.")
@click.option("--model", envvar="GOUNMAL_MODEL", help="Tag in the store, or a folder.")
@click.option("--policy", type=_FILE, help="Its lists and thresholds count too.")
@click.option(
    "--lang",
    type=click.Choice(["ko", "en"]),
    default="ko",
    show_default=True,
    help="Language of the page.",
)
@one_line_errors
def evaluate(source: Path, output: Path | None, **options: Any) -> None:
    """Measure a model on your own labelled lines: CSV, TSV, JSONL (also .gz, .zst) or Parquet.

    Labels stand in one column (`profanity,insult`; empty or `-` for a harmless line), or in one for
    each label (1, 0, or empty where unknown); a column `abusive` (1 or 0) says whether any holds.
    """
    from gounmal import terminal
    from gounmal.evaluation.labelled import read_labelled
    from gounmal.evaluation.page import write
    from gounmal.evaluation.trial import evaluate_file
    from gounmal.files.columns import Role
    from gounmal.files.reader import inspect
    from gounmal.moderator import Moderator

    found = inspect(source, names={Role.TEXT: options["text"]} if options["text"] else None)
    lines = read_labelled(found, labels=options["labels"], kind=options["kind"])
    policy = options["policy"]
    moderator = Moderator.load(options["model"], policy=policy)
    with terminal.progress() as on_progress:
        measured = evaluate_file(
            lines,
            moderator,
            source=source.name,
            policy=policy.name if policy else None,
            on_progress=on_progress,
        )
    written = write(measured, output, language=options["lang"]) if output else ()
    terminal.print_evaluation(measured, written)


@main.group(invoke_without_command=True)
@click.pass_context
@one_line_errors
def models(context: click.Context) -> None:
    """What the Bento store holds."""
    if context.invoked_subcommand is None:
        from gounmal import terminal
        from gounmal.model.store import list_models

        terminal.print_models(list_models())


@models.command("import")
@click.argument("folder", type=_FOLDER)
@one_line_errors
def import_(folder: Path) -> None:
    """Copy an artifact folder into the store."""
    from gounmal.model.store import import_artifact

    click.echo(import_artifact(folder))


@main.command()
@click.option("--output", type=_FOLDER, required=True, help="Folder for the broadcast.")
@one_line_errors
def demo(output: Path) -> None:
    """Write a made-up broadcast's chat, to try `gounmal scan` on."""
    from gounmal.demo import write_demo

    output.mkdir(parents=True, exist_ok=True)
    path = output / "chat.csv"
    rows = write_demo(path)
    click.echo(f"{path}: {rows:,} messages")
    click.echo(f"next: gounmal scan {shlex.quote(str(path))} --output {shlex.quote(str(output))}")


def _moderator(*, model: str | None, policy: Path | None, mode: str | None) -> Moderator:
    """The one that serving would use, unless told otherwise."""
    return _recipe(model=model, policy=policy, mode=mode).load()


def _recipe(*, model: str | None, policy: Path | None, mode: str | None) -> Recipe:
    """How to make it, in any process."""
    from gounmal.config import Settings
    from gounmal.scan.recipe import Recipe

    if policy is None:
        beside_service = Settings.read(Path(__file__).resolve().parent.parent).policy
        policy = beside_service if beside_service.exists() else None
    return Recipe(model, policy, mode)


def _to_terminal() -> bool:
    return sys.stdout.isatty()


def _lines(texts: tuple[str, ...]) -> Iterator[list[str]]:
    """The texts in lots; those of standard input as they come."""
    for text in texts:
        if text != "-":
            yield [text]
            continue
        size = 1 if sys.stdin.isatty() else PASS_LINES
        while lines := list(islice(sys.stdin.buffer, size)):
            # Undecodable bytes become lone surrogates, which a Message refuses by name.
            yield [line.decode("utf-8", "surrogateescape").rstrip("\r\n") for line in lines]


def _print_json(decision: Decision) -> None:
    import orjson

    click.echo(orjson.dumps(decision.to_dict()))


def _key(secret: str) -> bytes:
    """A secret of any length as a key for pseudonyms."""
    import hashlib

    return hashlib.blake2b(secret.encode("utf-8", "surrogateescape"), digest_size=32).digest()


if __name__ == "__main__":
    main()
