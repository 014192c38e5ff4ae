"""What all commands share: the group that they are in, options, and faults as one line."""

# What a command needs is imported inside it, so that `gounmal --help` answers at once.
# ruff: noqa: PLC0415

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gounmal.errors import GounmalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gounmal.scan.recipe import Recipe

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)

_HINDRANCES = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EMFILE}


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
            "--policy", envvar="GOUNMAL_POLICY", type=FILE, help="By default policy.yaml."
        ),
        click.option(
            "--mode",
            type=click.Choice(["lenient", "balanced", "strict"]),
            help="In place of the policy's.",
        ),
    ):
        command = option(command)
    return command


def recipe_of(*, model: str | None, policy: Path | None, mode: str | None) -> Recipe:
    """How to make the moderator that serving would use, unless told otherwise, in any process."""
    from gounmal.config import Settings
    from gounmal.scan.recipe import Recipe

    if policy is None:
        beside_service = Settings.read(Path(__file__).resolve().parents[2]).policy
        policy = beside_service if beside_service.exists() else None
    return Recipe(model, policy, mode)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gounmal", message="gounmal %(version)s")
def main() -> None:
    """Judge chat: is a line abusive, how, where, and what should happen to it.

    Exit codes: 0 it worked, 1 interrupted or a bug, 2 the input or an option is at fault.
    """
