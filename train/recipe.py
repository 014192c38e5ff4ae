"""The whole recipe: pretraining, teachers, then the student.

A network trained on the labels alone overfits after an epoch or two. So every network is pretrained
on texts without labels, teachers see the labels just once, and the one that ships learns from the
labels and from what the teachers and the linear floor say together, also of texts without labels:
more text, and softer answers than noisy labels.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from gounmal.model.classifier import TokenizerEncoder
from gounmal.model.encoder import Vocabulary
from gounmal.schema import Label
from train import floor
from train.abreast import abreast
from train.batches import encode, fitting
from train.fit import FitConfig, fit, merged
from train.mixture import WRITTEN_SOURCES, MixtureConfig, mix
from train.model import CheckpointModel, GounmalConfig, GounmalModel
from train.network import Network, tokenised
from train.pretrain import PretrainConfig, pretrain
from train.teachers import TeachersConfig, teach
from train.vocabulary import build_vocabulary
from train.wide import WideConfig, widen

if TYPE_CHECKING:
    from torch import nn

    from train.abreast import Arrays
    from train.batches import Encodings
    from train.data import Dataset
    from train.fit import Supervision
    from train.mixture import Mixture
    from train.readers import Unlabelled

LEXICON = Path(__file__).parent / "positives" / "lexicon.tsv"
"""Our own abusive expressions and their labels, for insertion into harmless lines."""

WIDE_SEED = 7
"""Added to a run's seed: other disguises than the student has seen."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every number of a training run; the defaults made the shipped model."""

    vocabulary_size: int = 120_000
    min_count: int = 6
    own_count: int = 5
    """How often an n-gram of our own lines counts: each of them was written to tell something."""
    max_tokens: int = 128
    """Longer texts are cut in training (in serving they are not)."""
    unlabelled: int = 250_000
    unlabelled_length: tuple[int, int] = (3, 80)
    candidates: int = 450_000
    """Unlabelled texts, taken at random, among which the linear floor looks for telling ones."""
    telling_share: float = 0.5
    """Of the unlabelled texts, so many are those that the floor thinks most abusive: in reviews
    taken at random there is hardly any abuse for a teacher to speak of."""
    pretraining: PretrainConfig = field(default_factory=lambda: PretrainConfig(epochs=2.0))
    teachers: TeachersConfig = field(default_factory=TeachersConfig)
    dim: int = 64
    hidden: int = 112
    dropout: float = 0.1
    mixture: MixtureConfig = field(default_factory=MixtureConfig)
    fit: FitConfig = field(default_factory=lambda: FitConfig(epochs=4, teacher_share=0.85))
    students: int = 2
    """Trained in the same way from the same beginning; the mean of their weights ships."""
    wide: WideConfig | None = field(default_factory=WideConfig)
    """What of a linear model is added to the wide path at the end; None for nothing."""
    checkpoint_fit: FitConfig = field(
        default_factory=lambda: FitConfig(epochs=3, learning_rate=3e-5, batch_tokens=2048)
    )


SMOKE = Recipe(
    vocabulary_size=4_000,
    min_count=1,
    unlabelled=50,
    candidates=200,
    pretraining=PretrainConfig(batch_tokens=2_048),
    teachers=TeachersConfig(dim=32, hidden=32, pretraining=PretrainConfig(batch_tokens=2_048)),
    dim=32,
    hidden=32,
    mixture=MixtureConfig(inserted=100, decoys=50, repeats=1),
    fit=FitConfig(epochs=3),
    wide=WideConfig(iterations=5, mixture=MixtureConfig(inserted=0, decoys=50)),
    checkpoint_fit=FitConfig(epochs=1, learning_rate=1e-3),
)
"""A few hundred lines, in seconds: shows that everything fits together, not that it learns."""


def train(
    dataset: Dataset,
    unlabelled: Sequence[Unlabelled],
    *,
    recipe: Recipe,
    seed: int,
    progress: Progress = lambda _: None,
) -> Network:
    """Train the small network."""
    linear = floor.fit(dataset, dataset.rows("train"))
    progress("the linear floor")
    texts = _pick((text for text, _ in unlabelled), linear, recipe, seed)
    mixture = mix(
        dataset,
        expressions=expressions(),
        unlabelled=texts,
        config=recipe.mixture,
        seed=seed,
    )
    progress(f"{len(mixture.texts):,} texts, {len(texts):,} of them unlabelled")
    supervision = mixture.supervision(dataset, None)
    vocabulary = _vocabulary(dataset, mixture, supervision, recipe)
    encodings = encode(mixture.texts, vocabulary, max_tokens=recipe.max_tokens)
    progress(f"{len(vocabulary):,} n-grams, {len(encodings.ids):,} tokens")
    large, small = _pretrained(dataset, unlabelled, vocabulary, recipe, seed, progress)
    teacher = teach(
        dataset,
        mixture,
        encodings,
        supervision,
        network=partial(deepcopy, large),
        linear=linear,
        config=recipe.teachers,
        seed=seed + 1,
        progress=progress,
    )
    told = replace(supervision, teacher=teacher)
    jobs = [
        partial(_student, small, encodings, told, recipe.fit, seed, number, progress)
        for number in range(recipe.students)
    ]
    students = [_with(small, weights) for weights in abreast(jobs)]
    network = Network(merged(students), vocabulary, None)
    if recipe.wide is not None:
        network = widened(network, dataset, recipe.wide, max_tokens=recipe.max_tokens, seed=seed)
        progress("the linear model is in the wide path")
    return network


def _pretrained(  # noqa: PLR0913, PLR0917  (what a recipe is carried out with)
    dataset: Dataset,
    unlabelled: Sequence[Unlabelled],
    vocabulary: Vocabulary,
    recipe: Recipe,
    seed: int,
    progress: Progress,
) -> list[GounmalModel]:
    """A teacher and a student, the same for each of them, that have seen texts and no label.

    They have seen nothing of dev or test.
    """
    labelled = [(dataset.texts[row], np.nan) for row in dataset.rows("train").tolist()]
    texts, stars = zip(*unlabelled, *labelled, strict=True)
    ratings = np.asarray(stars, np.float32)

    def job(own: TeachersConfig | Recipe) -> Arrays:
        settings = own.pretraining
        torch.manual_seed(seed)  # a network is drawn before it is trained
        model = _drawn(own, vocabulary, settings.dropout, settings.feature_dropout)
        pretrain(
            model,
            texts,
            ratings,
            vocabulary,
            config=settings,
            max_tokens=recipe.max_tokens,
            seed=seed,
            progress=partial(_told, progress, f"pretraining, {own.hidden} wide"),
        )
        return _weights(model)

    both: tuple[TeachersConfig | Recipe, ...] = (recipe.teachers, recipe)
    found = abreast([partial(job, own) for own in both])
    return [
        _with(_drawn(own, vocabulary, own.dropout), weights)
        for own, weights in zip(both, found, strict=True)
    ]


def _drawn(
    own: TeachersConfig | Recipe,
    vocabulary: Vocabulary,
    dropout: float,
    feature_dropout: float = GounmalConfig().feature_dropout,
) -> GounmalModel:
    return GounmalModel(
        GounmalConfig(
            vocab_size=len(vocabulary),
            dim=own.dim,
            hidden=own.hidden,
            dropout=dropout,
            feature_dropout=feature_dropout,
        )
    )


def _student(  # noqa: PLR0913, PLR0917  (what it is trained with)
    begun: GounmalModel,
    encodings: Encodings,
    supervision: Supervision,
    config: FitConfig,
    seed: int,
    number: int,
    progress: Progress,
) -> Arrays:
    return _weights(
        fit(
            deepcopy(begun),
            encodings,
            supervision,
            config=config,
            seed=seed + number,
            progress=partial(_told, progress, f"student {number + 1}"),
        )
    )


def _weights(model: nn.Module) -> Arrays:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def _with(model: GounmalModel, weights: Arrays) -> GounmalModel:
    """A copy with these weights."""
    copy = deepcopy(model)
    copy.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return copy


def widened(
    network: Network, dataset: Dataset, config: WideConfig, *, max_tokens: int, seed: int
) -> Network:
    """The small network with a linear model of the dataset as it is now in its wide path."""
    vocabulary = network.encoder
    assert isinstance(vocabulary, Vocabulary)  # noqa: S101  (only that has a wide path)
    encoded = partial(encode, vocabulary=vocabulary, max_tokens=max_tokens)
    seed += WIDE_SEED
    return replace(
        network, model=widen(network.model, dataset, encoded=encoded, config=config, seed=seed)
    )


def _vocabulary(
    dataset: Dataset, mixture: Mixture, supervision: Supervision, recipe: Recipe
) -> Vocabulary:
    sources = [dataset.source[row] if row >= 0 else "" for row in mixture.origin]
    own = np.flatnonzero([source in WRITTEN_SOURCES for source in sources])
    rows = np.concatenate([np.arange(len(mixture.texts)), np.repeat(own, recipe.own_count - 1)])
    return build_vocabulary(
        [mixture.texts[i] for i in rows.tolist()],
        supervision.answers()[rows],
        size=recipe.vocabulary_size,
        min_count=recipe.min_count,
    )


def fine_tune(
    dataset: Dataset,
    base: str,
    *,
    recipe: Recipe,
    seed: int,
    progress: Progress = lambda _: None,
) -> Network:
    """Fine-tune any Hugging Face encoder under the same head, on the same mixture.

    Args:
        dataset: labelled texts.
        base: hub id or local folder.
        recipe: the settings.
        seed: of everything random.
        progress: called with a line now and then.

    Raises:
        OSError: there is no such checkpoint.
        ValueError: it has no fast tokenizer.
    """
    tokenizer = AutoTokenizer.from_pretrained(base)
    if not tokenizer.is_fast:
        raise ValueError(f"{base}: serving needs a fast tokenizer (tokenizer.json)")
    model = CheckpointModel(base)
    limit = fitting(min(tokenizer.model_max_length, model.max_tokens, recipe.max_tokens))
    encoder = TokenizerEncoder(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()), limit)
    mixture = mix(
        dataset, expressions=expressions(), unlabelled=(), config=recipe.mixture, seed=seed
    )
    mixture.spans.clear()  # they are counted in characters; these tokens are longer
    trained = fit(
        model,
        tokenised(mixture.texts, encoder),
        mixture.supervision(dataset, None),
        config=recipe.checkpoint_fit,
        seed=seed,
        progress=progress,
    )
    return Network(trained, encoder, limit)


def expressions(path: Path = LEXICON) -> list[tuple[str, tuple[Label, ...]]]:
    """Abusive expressions with their labels."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(row["text"], tuple(map(Label, row["labels"].split(",")))) for row in rows]


def _pick(texts: Iterable[str], linear: floor.Linear, recipe: Recipe, seed: int) -> list[str]:
    """So many texts of fitting length: some that the floor finds abusive, the others at random."""
    shortest, longest = recipe.unlabelled_length
    fitting = [text for text in texts if shortest <= len(text) <= longest]
    Random(seed).shuffle(fitting)  # noqa: S311  (not for secrets)
    fitting = fitting[: recipe.candidates]
    n_telling = min(int(recipe.unlabelled * recipe.telling_share), len(fitting))
    abusive = linear.scores(fitting).max(axis=1, initial=0)
    order = np.argsort(-abusive, kind="stable").tolist()
    at_random = sorted(order[n_telling:])[: recipe.unlabelled - n_telling]
    return [fitting[i] for i in order[:n_telling] + at_random]


def _told(progress: Progress, step: str, line: str) -> None:
    progress(f"{step}: {line}")
