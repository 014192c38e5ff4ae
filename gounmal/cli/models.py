"""Commands about models: how good one is, and which there are."""

# What a command needs is imported inside it, so that `gounmal --help` answers at once.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gounmal.cli.group import FILE, FOLDER, main, one_line_errors

if TYPE_CHECKING:
    from pathlib import Path


@main.command()
@click.argument("source", type=FILE, metavar="FILE")
@click.option("--output", type=FOLDER, help="Folder for evaluation.json and evaluation.html.")
@click.option("--text", help="Text column, if not found by its name.")
@click.option("--labels", help="Column with the labels' names, if not `labels`.")
@click.option("--kind", help="Column to sort lines by, if not `kind`.")
@click.option("--model", envvar="GOUNMAL_MODEL", help="Tag in the store, or a folder.")
@click.option("--policy", type=FILE, help="Its lists and thresholds count too.")
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
@click.argument("folder", type=FOLDER)
@one_line_errors
def import_(folder: Path) -> None:
    """Copy an artifact folder into the store."""
    from gounmal.model.store import import_artifact

    click.echo(import_artifact(folder))
