"""`python -m train`: read, train, calibrate, evaluate, export, write the card, save into the store.

python -m train --data DIR [--out models/gounmal-ko] [--base HF] [--smoke]
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch

from gounmal.errors import GounmalError
from train import tables
from train.data import load, unlabelled
from train.form import GRID, SMOKE_GRID, formed
from train.network import Network
from train.recipe import SMOKE, Recipe, fine_tune, train, widened
from train.release import Origin, release
from train.sources import SourceError

if TYPE_CHECKING:
    from train.data import Dataset

NAME = "gounmal-ko"
OUT = Path("models") / NAME
RUNS = Path("runs")
ORIGIN = "origin.json"
SMOKE_OUT = RUNS / "smoke"
SMOKE_DATA = Path(__file__).parents[1] / "tests" / "data" / "smoke"


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with the sources, DIR/<source>/<file>; without it they are downloaded.",
)
@click.option("--out", type=click.Path(path_type=Path), help=f"Artifact folder [default: {OUT}].")
@click.option("--base", help="Fine-tune this Hugging Face checkpoint (id or folder) instead.")
@click.option("--smoke", is_flag=True, help="Everything once, on a few hundred lines.")
@click.option("--seed", default=0, show_default=True, help="Of everything random.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--name", default=NAME, show_default=True, help="Of the model, also in the store.")
@click.option("--version", help="Of the model [default: the time].")
@click.option("--test", is_flag=True, help="Also evaluate on the test split: once, at the end.")
@click.option("--no-store", is_flag=True, help="Leave the Bento store alone.")
@click.option("--again", is_flag=True, help="Release what the last run trained; do not train.")
@click.option(
    "--widen",
    is_flag=True,
    help="The same, with what a linear model learns of the lines as they are now: minutes.",
)
def main(  # noqa: PLR0913  (one argument for each option)
    *,
    data: Path | None,
    out: Path | None,
    base: str | None,
    smoke: bool,
    seed: int,
    epochs: int | None,
    name: str,
    version: str | None,
    test: bool,
    no_store: bool,
    again: bool,
    widen: bool,
) -> None:
    """Train a model on the declared sources and release it."""
    clock = Clock()
    torch.manual_seed(seed)  # a network is drawn before it is fitted
    recipe = SMOKE if smoke else Recipe()
    if epochs:
        recipe = replace(
            recipe,
            fit=replace(recipe.fit, epochs=epochs),
            checkpoint_fit=replace(recipe.checkpoint_fit, epochs=epochs),
        )
    data = data or (SMOKE_DATA if smoke else None)
    try:
        dataset = load(data, check=not smoke)
        texts = list(unlabelled(data, check=not smoke))
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    clock.lap("read")
    clock.say(f"{len(dataset.texts):,} texts, {len(dataset.rows('train')):,} to train on")
    kept = RUNS / name
    if again or widen:
        network, origin = _kept(kept)
        if widen:
            network = _widened(network, dataset, recipe, seed)
            clock.lap("widen")
            origin = replace(origin, seconds={**origin.seconds, "widen": clock.seconds["widen"]})
    else:
        if base is None:
            network = train(dataset, texts, recipe=recipe, seed=seed, progress=clock.say)
        else:
            network = _fine_tuned(dataset, base, recipe, seed, clock)
        clock.lap("train")
        origin = Origin(
            seed=seed,
            # A local folder's path says nothing to a reader of the card.
            base=Path(base).name if base and Path(base).is_dir() else base,
            smoke=smoke,
            recipe=asdict(recipe),
            seconds=clock.seconds,
        )
    network = formed(network, dataset, grid=SMOKE_GRID if smoke else GRID, progress=clock.say)
    if not smoke:
        _keep(network, origin, kept)
    folder = out or (SMOKE_OUT if smoke else OUT)
    metrics = release(
        network,
        dataset,
        folder,
        name=name,
        version=version or f"{datetime.now(UTC):%Y%m%d.%H%M%S}",
        origin=origin,
        splits=("dev", "test") if test else ("dev",),
        progress=clock.say,
    )
    clock.say(f"wrote {folder}")
    if not no_store:
        from gounmal.model.store import import_artifact  # noqa: PLC0415  (BentoML is slow to import)

        try:
            clock.say(f"saved {import_artifact(folder)} into the Bento store")
        except GounmalError as error:
            raise click.ClickException(str(error)) from error
    click.echo(tables.markdown(metrics["model"]["dev"]))


def _kept(folder: Path) -> tuple[Network, Origin]:
    """The small network of the last run, and how it came to be."""
    try:
        origin = Origin(**json.loads((folder / ORIGIN).read_text(encoding="utf-8")))
        return Network.load(folder), origin
    except OSError as error:
        raise click.ClickException(f"--again: no finished run: {error}") from error


def _keep(network: Network, origin: Origin, folder: Path) -> None:
    network.save(folder)
    (folder / ORIGIN).write_text(json.dumps(asdict(origin), indent=2), encoding="utf-8")


def _widened(network: Network, dataset: Dataset, recipe: Recipe, seed: int) -> Network:
    if recipe.wide is None:
        raise click.ClickException("--widen: the recipe has no linear model")
    return widened(network, dataset, recipe.wide, max_tokens=recipe.max_tokens, seed=seed)


def _fine_tuned(dataset: Dataset, base: str, recipe: Recipe, seed: int, clock: Clock) -> Network:
    try:
        return fine_tune(dataset, base, recipe=recipe, seed=seed, progress=clock.say)
    except (OSError, ValueError) as error:  # what transformers raises for a base that is none
        raise click.ClickException(f"--base {base}: {error}") from error


class Clock:
    """Says what happens, with the time since the start, and keeps the time of each step."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        self.seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """End a step."""
        now = time.monotonic()
        self.seconds[step] = round(now - self.last, 1)
        self.last = now

    def say(self, line: str) -> None:
        """One line, to standard error."""
        click.echo(f"{time.monotonic() - self.start:7.1f} s  {line}", err=True)


if __name__ == "__main__":
    main()
