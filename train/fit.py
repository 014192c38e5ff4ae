"""Labelled texts → a trained network.

The loss is masked: a label counts for a text only where the text's source says something about it.
Where a source says only "one of these" (abusive, but not how), the probability that at least one of
them holds is trained, as a noisy-or of the labels.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gounmal.schema import LABELS
from train.batches import Encodings, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

N_LABELS = len(LABELS)
PADDING = -1e3
"""Evidence below this is that of padding."""


@dataclass(frozen=True)
class FitConfig:
    """Settings of one training run."""

    epochs: int = 6
    steps: int | None = None
    """As many batches at most; None for all of the epochs'."""
    batch_tokens: int = 8192
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    table_decay: float = 0.02
    smoothing: float = 0.02
    teacher_share: float = 0.5
    """How much of the loss comes from the teacher's probabilities where there are any."""
    span_share: float = 0.1
    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept."""


@dataclass(frozen=True)
class Supervision:
    """What is known of each text."""

    targets: NDArray[np.float32]
    """float32[n, labels], NaN where nothing is known."""
    weights: NDArray[np.float32]
    """float32[n, labels]"""
    any_of: NDArray[np.bool_]
    """bool[n, labels]: the labels that `any_value` speaks of; no True where it says nothing."""
    any_value: NDArray[np.float32]
    any_weight: NDArray[np.float32]
    teacher: NDArray[np.float32] | None = None
    """float32[n, labels], probabilities; NaN rows where there are none."""
    spans: dict[int, tuple[NDArray[np.int64], list[int]]] = field(default_factory=dict)
    """Text → the tokens of an expression that was put there, and its labels' columns."""

    def __len__(self) -> int:
        return len(self.targets)

    def answers(self) -> NDArray[np.float32]:
        """float32[n, labels + 1]: each label, then "is it abusive at all?"; NaN where unknown."""
        harmful = (self.targets == 1).any(axis=1) | (self.any_value >= 0.5)
        harmless = (self.targets == 0).all(axis=1)
        abusive = np.where(harmful, 1, np.where(harmless, 0, np.nan)).astype(np.float32)
        return np.concatenate([self.targets, abusive[:, None]], axis=1)

    def of(self, rows: NDArray[np.int64]) -> Supervision:
        """What is known of these texts alone, numbered anew."""
        number = {row: i for i, row in enumerate(rows.tolist())}
        return Supervision(
            self.targets[rows],
            self.weights[rows],
            self.any_of[rows],
            self.any_value[rows],
            self.any_weight[rows],
            None if self.teacher is None else self.teacher[rows],
            {number[row]: span for row, span in self.spans.items() if row in number},
        )


def fit(  # noqa: PLR0913  (keyword-only settings)
    model: nn.Module,
    encodings: Encodings,
    supervision: Supervision,
    *,
    config: FitConfig,
    seed: int = 0,
    after_epoch: Callable[[int, nn.Module], None] = lambda _, __: None,
    progress: Callable[[str], None] = lambda _: None,
) -> nn.Module:
    """Train `model` and return the running average of its weights as a model of its own."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    table = [p for n, p in model.named_parameters() if n.startswith("table")]
    rest = [p for n, p in model.named_parameters() if not n.startswith("table")]
    optimiser = torch.optim.AdamW(
        [
            {"params": table, "weight_decay": config.table_decay},
            {"params": rest, "weight_decay": config.weight_decay},
        ],
        lr=config.learning_rate,
        fused=True,
    )
    per_epoch = sum(1 for _ in batches(encodings.lengths, max_tokens=config.batch_tokens, rng=rng))
    steps = max(3, min(config.epochs * per_epoch, config.steps or config.epochs * per_epoch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        config.learning_rate,
        total_steps=steps,
        pct_start=max(0.1, 2 / steps),  # torch divides by the steps of the rise, less one
    )
    average = deepcopy(model).requires_grad_(requires_grad=False)
    step = 0
    for epoch in range(config.epochs):
        model.train()
        losses = []
        made = batches(encodings.lengths, max_tokens=config.batch_tokens, rng=rng)
        for rows in islice(made, steps - step):
            ids, mask = encodings.padded(rows)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits, evidence = model(ids, mask)
            loss = loss_of(logits.float(), evidence.float(), supervision, rows, config)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
            follow(average, model, min(config.average, (1 + step) / (10 + step)))
            losses.append(loss.item())
        if not losses:
            break
        progress(f"epoch {epoch + 1}/{config.epochs}: loss {np.mean(losses):.4f}")
        average.eval()
        after_epoch(epoch, average)
    return average


def follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the running average one step towards the model."""
    with torch.no_grad():
        for ours, theirs in zip(average.parameters(), model.parameters(), strict=True):
            ours.lerp_(theirs, 1 - decay)


def merged(models: Sequence[nn.Module]) -> nn.Module:
    """The mean of their weights, which is no worse than any where all began as the same model."""
    mean = deepcopy(models[0])
    states = [model.state_dict() for model in models]
    mean.load_state_dict({name: sum(s[name] for s in states) / len(states) for name in states[0]})
    return mean


def loss_of(
    logits: Tensor,
    evidence: Tensor,
    supervision: Supervision,
    rows: NDArray[np.int64],
    config: FitConfig,
) -> Tensor:
    """The mean loss of a batch: known labels, any-of statements, the teacher, spans.

    Args:
        logits: float[n, labels].
        evidence: float[n, t, labels].
        supervision: of all texts.
        rows: int64[n], which of them are in the batch.
        config: how much each part counts.
    """
    targets = torch.from_numpy(supervision.targets[rows])
    weights = torch.from_numpy(supervision.weights[rows])
    known = ~targets.isnan()
    smooth = targets.nan_to_num() * (1 - 2 * config.smoothing) + config.smoothing
    bce = functional.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    hard = (bce * weights * known).sum()

    any_of = torch.from_numpy(supervision.any_of[rows])
    stated = any_of.any(dim=1)
    # log P(none of them) = the sum of log(1 - p)
    none = (functional.logsigmoid(-logits) * any_of).sum(dim=1).clamp(max=-1e-4)
    value = torch.from_numpy(supervision.any_value[rows]).nan_to_num()
    value = value * (1 - 2 * config.smoothing) + config.smoothing
    some = torch.log(-torch.expm1(none))
    any_loss = -(value * some + (1 - value) * none)
    hard = hard + (any_loss * torch.from_numpy(supervision.any_weight[rows]) * stated).sum()

    loss = hard / len(rows)
    if supervision.teacher is not None:
        soft = torch.from_numpy(supervision.teacher[rows])
        taught = ~soft.isnan()
        kd = functional.binary_cross_entropy_with_logits(
            logits, soft.nan_to_num(), reduction="none"
        )
        loss = loss * (1 - config.teacher_share)
        loss = loss + config.teacher_share * (kd * taught).sum() / len(rows)
    span_loss = _span_loss(evidence, supervision, rows)
    return loss if span_loss is None else loss + config.span_share * span_loss


def _span_loss(
    evidence: Tensor, supervision: Supervision, rows: NDArray[np.int64]
) -> Tensor | None:
    """Evidence of the labels of an inserted expression: high inside it, low outside."""
    inside = torch.zeros(evidence.shape)
    counts = torch.zeros((len(rows), 1, evidence.shape[2]))
    for i, row in enumerate(rows.tolist()):
        if row in supervision.spans:
            tokens, columns = supervision.spans[row]
            for column in columns:
                inside[i, tokens[tokens < evidence.shape[1]], column] = 1
                counts[i, 0, column] = 1
    if not counts.any():
        return None
    counts = counts * (evidence > PADDING)
    loss = functional.binary_cross_entropy_with_logits(
        evidence.clamp(min=PADDING), inside, reduction="none"
    )
    return (loss * counts).sum() / counts.sum()


def logits_of(
    model: nn.Module, encodings: Encodings, *, batch_tokens: int = 16384
) -> NDArray[np.float32]:
    """float32[n, labels] logits, in the order of the texts."""
    model.eval()
    out = np.zeros((len(encodings), N_LABELS), np.float32)
    with torch.inference_mode():
        for rows in batches(encodings.lengths, max_tokens=batch_tokens):
            ids, mask = encodings.padded(rows)
            out[rows] = model(ids, mask)[0].float().numpy()
    return out
