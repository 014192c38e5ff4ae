"""Masked-character pretraining: what Korean looks like, before any label is seen.

A network that has never seen a label learns from millions of unlabelled characters which n-grams
mean alike. Of each text 15 % of the characters are hidden before n-grams are hashed, so that no
n-gram gives a hidden character away, and the network names each from what is around it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gounmal.encoder import hash_features
from gounmal.normalize import normalize
from train.batches import Encodings, batches, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gounmal.encoder import Vocabulary
    from train.model import GounmalModel

MASK = "\x1a"
HIDDEN_SHARE = 0.15
N_CHARACTERS = 2_500


def pretrain(  # noqa: PLR0913  (keyword-only settings)
    model: GounmalModel,
    texts: Sequence[str],
    vocabulary: Vocabulary,
    *,
    epochs: float = 1.0,
    batch_tokens: int = 8192,
    learning_rate: float = 2e-3,
    max_tokens: int = 128,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> float:
    """Train the encoder of `model` in place to name hidden characters.

    Returns:
        Mean cross-entropy in nats a hidden character over the last tenth of the steps.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    # The canonical view alone: the skeleton beside it would give hidden characters away.
    sequences = [normalize(text).canonical.text[:max_tokens] for text in texts]
    frequent = Counter("".join(sequences)).most_common(N_CHARACTERS)
    number = {character: i for i, (character, _) in enumerate(frequent)}
    lengths = np.array([len(s) for s in sequences])
    name = nn.Linear(model.config.hidden, len(number))
    parameters = [*model.parameters(), *name.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.01, fused=True)
    plan = list(batches(lengths, max_tokens=batch_tokens, rng=rng))
    steps = max(1, int(len(plan) * epochs))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=steps, pct_start=0.05
    )
    losses: list[float] = []
    model.train()
    for step in range(steps):
        rows = plan[step % len(plan)]
        hidden, targets = _hide([sequences[i] for i in rows], number, rng)
        keys, counts = hash_features(hidden)
        batch = Encodings(vocabulary.lookup(keys), np.cumsum(counts) - counts, counts)
        ids, mask = batch.padded(np.arange(len(rows)))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x, _ = model.hidden(ids, mask)
            wanted = torch.from_numpy(targets)
            logits = name(x[wanted >= 0])
        loss = functional.cross_entropy(logits.float(), wanted[wanted >= 0])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 200 == 199:
            progress(f"pretrain {step + 1}/{steps}: {np.mean(losses[-200:]):.3f} nats")
    return float(np.mean(losses[-max(1, steps // 10) :]))


def _hide(
    sequences: Sequence[str], number: dict[str, int], rng: np.random.Generator
) -> tuple[list[str], np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Hide characters; int64[n, t] says which stood there, -1 where none is asked for."""
    longest = max(map(len, sequences), default=0)
    targets = np.full((len(sequences), width_of(longest)), -1, np.int64)
    hidden = []
    for row, text in enumerate(sequences):
        characters = list(text)
        for i in np.flatnonzero(rng.random(len(text)) < HIDDEN_SHARE):
            targets[row, i] = number.get(characters[i], -1)
            characters[i] = MASK
        hidden.append("".join(characters))
    return hidden, targets
