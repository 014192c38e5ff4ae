"""Pretraining: what Korean chat looks like and which words are meant kindly, before any label.

Labels are for 150,000 texts, while there are 700,000 reviews with stars and comments without. So a
network first names hidden characters from what is around them, and tells good reviews from bad
ones: which n-grams mean alike, and what is hostile, is learnt from many more texts than have
labels. A character is hidden before n-grams are hashed, so that no n-gram gives it away.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gounmal.model.encoder import hash_features
from gounmal.text.normalize import canonical
from train.batches import Encodings, batches, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from gounmal.model.encoder import Vocabulary
    from train.model import GounmalModel

HIDDEN = "\x1a"
"""Stands for a hidden character: in no n-gram of the vocabulary."""

SPACES = 0.3
"""A space is hidden so many times as often as another character: it is easy to name."""

TOLD = 100
"""Steps between lines of progress."""


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """Settings of a pretraining."""

    epochs: float = 1.5
    hidden_share: float = 0.15
    """Of characters."""
    characters: int = 2_500
    """The most frequent ones, which can be named; others are hidden, and not asked for."""
    batch_tokens: int = 16_384
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    dropout: float = 0.05
    feature_dropout: float = 0.1
    """Less than in training with labels: there is far more text."""


def pretrain(  # noqa: PLR0913  (keyword-only settings)
    model: GounmalModel,
    texts: Sequence[str],
    stars: NDArray[np.float32],
    vocabulary: Vocabulary,
    *,
    config: PretrainConfig,
    max_tokens: int,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> float:
    """Train the layers below the head, in place.

    Args:
        model: its head and the wide columns of its table stay as they are.
        texts: any.
        stars: float32[n], 1 for a good review, 0 for a bad one, NaN for any other text.
        vocabulary: n-grams that the model knows.
        config: the settings.
        max_tokens: longer texts are cut.
        seed: of everything random.
        progress: called with a line now and then.

    Returns:
        Mean cross-entropy of the last steps, in nats a hidden character.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    # The canonical view alone: the skeleton beside it would give hidden characters away.
    views = [canonical(text).text[:max_tokens] for text in texts]
    common = Counter("".join(views)).most_common(config.characters)
    hide = _Hide({character: i for i, (character, _) in enumerate(common)}, config, rng)
    task = _Task(model.config.hidden, len(common))
    below = (model.table, model.enter, model.blocks, model.norm)
    parameters = [p for part in (*below, task) for p in part.parameters()]
    optimiser = torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    lengths = np.array([len(view) for view in views])
    plan = list(batches(lengths, max_tokens=config.batch_tokens, rng=rng))
    steps = max(3, int(len(plan) * config.epochs))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=steps, pct_start=max(0.05, 2 / steps)
    )
    losses: list[float] = []
    model.train()
    for step in range(steps):
        rows = plan[step % len(plan)]
        shown, wanted = hide([views[i] for i in rows.tolist()])
        ids, mask = _encoded(shown, vocabulary)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x, _ = model.hidden(ids, mask)
            named, rated = task(x, mask, wanted >= 0)
        loss = functional.cross_entropy(named.float(), wanted[wanted >= 0])
        losses.append(loss.item())
        there = torch.from_numpy(stars[rows])
        known = ~there.isnan()
        if known.any():
            loss = loss + functional.binary_cross_entropy_with_logits(
                rated.float()[known], there[known]
            )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        if step % TOLD == TOLD - 1 or step == steps - 1:
            progress(f"step {step + 1}/{steps}: {np.mean(losses[-TOLD:]):.3f} nats")
    return float(np.mean(losses[-TOLD:]))


class _Task(nn.Module):
    """Hidden tokens → names of characters, and whether a review is a good one."""

    def __init__(self, hidden: int, characters: int) -> None:
        super().__init__()
        self.name = nn.Linear(hidden, characters)
        self.rate = nn.Linear(2 * hidden, 1)

    def forward(self, x: Tensor, mask: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        """x: float[n, t, hidden]; asked: bool[n, t] → float[n asked, characters], float[n]."""
        mean = (x * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        peak = (x + (1 - mask) * -1e4).amax(dim=1)
        return self.name(x[asked]), self.rate(torch.cat((mean, peak), dim=-1))[:, 0]


class _Hide:
    """Hides characters of a batch."""

    def __init__(
        self, numbers: dict[str, int], config: PretrainConfig, rng: np.random.Generator
    ) -> None:
        self._numbers = numbers
        self._share = config.hidden_share
        self._rng = rng

    def __call__(self, views: Sequence[str]) -> tuple[list[str], Tensor]:
        """The views with characters hidden; int64[n, t], which stood there, -1 where not asked."""
        wanted = np.full((len(views), width_of(max(map(len, views)))), -1, np.int64)
        shown = []
        for row, view in enumerate(views):
            characters = list(view)
            draws = self._rng.random(len(view))
            for i in np.flatnonzero(draws < self._share).tolist():
                if characters[i] == " " and draws[i] >= SPACES * self._share:
                    continue
                wanted[row, i] = self._numbers.get(characters[i], -1)
                characters[i] = HIDDEN
            shown.append("".join(characters))
        return shown, torch.from_numpy(wanted)


def _encoded(views: Sequence[str], vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    keys, lengths = hash_features(views)
    encodings = Encodings(vocabulary.lookup(keys), np.cumsum(lengths) - lengths, lengths)
    return encodings.padded(np.arange(len(views)))
