"""Commands about single lines, and the processes of the service."""

# What a command needs is imported inside it, so that `gounmal --help` answers at once.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from gounmal.cli.group import main, model_options, one_line_errors, recipe_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gounmal.schema import Decision

PASS_LINES = 256
"""Lines of a pipe judged together."""


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

    moderator = recipe_of(**who).load()
    show: Callable[[Decision], None] = terminal.print_decision
    if as_json or not _to_terminal():
        show = _print_json
    for lines in _lines(texts):
        for decision in moderator.moderate([Message(line, channel=channel) for line in lines]):
            show(decision)


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
