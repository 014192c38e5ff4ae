"""The network: token features or token ids in, a logit per label and evidence per token out.

One head for every encoder. `GounmalModel` is the small default, made for short chat on one CPU
core: hashed n-gram embeddings, gated convolutions, and beside them a linear ("wide") path from
every n-gram to every label, which is what makes rare words count from few examples.
`CheckpointModel` puts the same head on any Hugging Face encoder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel

from gounmal.model.encoder import N_FEATURES
from gounmal.schema import LABELS

N_LABELS = len(LABELS)
_NEVER = -1e4  # a logit that no softmax or maximum ever picks, and that int8 and fp16 survive


class GounmalConfig(PretrainedConfig):  # type: ignore[no-untyped-call]  # transformers is untyped
    """Sizes of the small network."""

    model_type = "gounmal"

    def __init__(  # noqa: PLR0913  (every size is a keyword of the config file)
        self,
        *,
        vocab_size: int = 100_000,
        dim: int = 64,
        hidden: int = 128,
        dilations: tuple[int, ...] = (1, 2, 4),
        dropout: float = 0.2,
        feature_dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.dim = dim
        self.hidden = hidden
        self.dilations = list(dilations)
        self.dropout = dropout
        self.feature_dropout = feature_dropout


class Table(nn.Module):
    """A row for each n-gram: `dim` columns for the network, then one a label for the wide path."""

    def __init__(self, size: int, dim: int, labels: int) -> None:
        super().__init__()
        weight = torch.zeros(size + 1, dim + labels)
        nn.init.normal_(weight[1:, :dim], std=0.1)
        self.weight = nn.Parameter(weight)

    def forward(self, ids: Tensor) -> Tensor:
        """ids: int[n, t, features] → float[n, t, dim + labels], the sum of their rows."""
        summed = functional.embedding_bag(ids.flatten(0, 1), self.weight, mode="sum", padding_idx=0)
        return summed.view(*ids.shape[:2], -1)


class ChannelDropout(nn.Module):
    """Dropout of whole channels of a message: one draw for all its tokens.

    Neighbouring tokens cannot make up for each other, and a draw for every value would cost more
    than the layers around it on a CPU.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """x: float[n, t, channels] or float[n, channels]."""
        if not self.training or self.share == 0:
            return x
        shape = (x.shape[0], *[1] * (x.dim() - 2), x.shape[-1])
        return x * ((torch.rand(shape) >= self.share) / (1 - self.share)).to(x.dtype)


class GatedConvolution(nn.Module):
    """Three neighbouring tokens → one, gated, with a residual.

    Written as one matrix product over shifted copies, which dynamic int8 quantisation understands
    and a convolution operator does not.
    """

    def __init__(self, hidden: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(hidden)
        self.mix = nn.Linear(3 * hidden, 2 * hidden)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: float[n, t, hidden]; mask: float[n, t, 1], 1 for tokens and 0 for padding."""
        y = self.norm(x) * mask
        padded = functional.pad(y, (0, 0, self.dilation, self.dilation))
        window = torch.cat(
            (padded[:, : -2 * self.dilation], y, padded[:, 2 * self.dilation :]), dim=-1
        )
        mixed: Tensor = self.dropout(functional.glu(self.mix(window), dim=-1))
        return x + mixed


class Domain(nn.Module):
    """What kind of text a message looks like, and what that adds to its logits.

    Whoever labelled comments on news drew the line elsewhere than whoever labelled posts of
    communities, and a look-alike in a short line of chat is nearly always harmless. A message has a
    share of each kind. Like the weights of `Form`, these are nothing while the network is trained.
    """

    KINDS = ("community", "news", "entertainment", "disguised", "composed", "chat", "written")
    """Posts of communities, comments on news and on celebrities, disguised lines, sentences made by
    machines or for pairs, clean chat, and what we wrote ourselves."""

    weight: Tensor
    bias: Tensor
    shift: Tensor

    def __init__(self, pooled: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(len(self.KINDS), pooled))
        self.register_buffer("bias", torch.zeros(len(self.KINDS)))
        self.register_buffer("shift", torch.zeros(N_LABELS, len(self.KINDS)))

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled: float[n, pooled] → float[n, labels]."""
        return functional.linear(self.shares(pooled), self.shift)

    def shares(self, pooled: Tensor) -> Tensor:
        """Of the same: float[n, kinds], which add up to 1."""
        return torch.softmax(functional.linear(pooled, self.weight, self.bias), dim=-1)


class EvidenceHead(nn.Module):
    """Hidden tokens → logits and evidence.

    A label's logit is the evidence of its tokens, pooled by an attention of its own, plus what the
    message as a whole says (mean and maximum), plus the wide path.
    """

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.domain = Domain(2 * hidden)
        self.token = nn.Linear(hidden, 2 * N_LABELS)
        self.whole = nn.Linear(2 * hidden, hidden)
        self.out = nn.Linear(hidden, N_LABELS)
        self.dropout = ChannelDropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, wide: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Pool.

        Args:
            x: float[n, t, hidden].
            mask: float[n, t, 1].
            wide: float[n, t, labels], evidence of the linear path.

        Returns:
            logits float[n, labels] and evidence float[n, t, labels] (a logit for each token).
        """
        evidence, attention = self.token(self.dropout(x)).chunk(2, dim=-1)
        if wide is not None:
            evidence = evidence + wide
        weights = torch.softmax(attention + (1 - mask) * _NEVER, dim=1)
        pooled = self.pooled(x, mask)
        whole = functional.gelu(self.whole(self.dropout(pooled)))
        logits = (weights * evidence).sum(dim=1) + self.out(self.dropout(whole))
        logits = logits + self.domain(pooled)
        if wide is not None:
            logits = logits + (wide * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1).sqrt()
        return logits, evidence + (1 - mask) * _NEVER

    @staticmethod
    def pooled(x: Tensor, mask: Tensor) -> Tensor:
        """The message as a whole, mean and maximum of its tokens: float[n, 2 × hidden]."""
        mean = (x * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        peak = (x + (1 - mask) * _NEVER).amax(dim=1)
        return torch.cat((mean, peak), dim=-1)


class Form(nn.Module):
    """What the form of a message adds to its logits: how long it is, how much of it is unknown.

    The same evidence means less in a short line than in a long one, since look-alikes are short; it
    means more where few n-grams are known, since an unknown one says nothing. The weights are
    nothing while the network is trained; `train/form.py` finds them afterwards.
    """

    HINGE = 12
    """Tokens; above and below, length counts for itself."""
    SHORTEST, LONGEST = -3.0, 2.4
    """Doublings of that length beyond which no more is added."""
    UNKNOWN = 0.45
    """The share of unknown n-grams at which nothing is added."""
    CLEAREST, STRANGEST = -0.2, 0.15
    """How far from it counts: more than a disguise makes unknown is another language, or noise."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(N_LABELS, 3))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids: int[n, t, N_FEATURES]; mask: float[n, t, 1] → float[n, labels]."""
        return functional.linear(self.measures(ids, mask), self.weight)

    @classmethod
    def measures(cls, ids: Tensor, mask: Tensor) -> Tensor:
        """Of the same: float[n, 3], shortness, length and the share of unknown n-grams."""
        tokens = mask.sum(dim=1).clamp(min=1)
        doublings = torch.log2(tokens / cls.HINGE)
        known = (ids > 0).sum(dim=(1, 2))[:, None] / (tokens * N_FEATURES)
        return torch.cat(
            (
                doublings.clamp(cls.SHORTEST, 0),
                doublings.clamp(0, cls.LONGEST),
                (1 - cls.UNKNOWN - known).clamp(cls.CLEAREST, cls.STRANGEST),
            ),
            dim=-1,
        )


class GounmalModel(PreTrainedModel):  # type: ignore[no-untyped-call]  # the same
    """The small default network."""

    config_class = GounmalConfig
    base_model_prefix = "gounmal"

    def __init__(self, config: GounmalConfig) -> None:
        super().__init__(config)
        self.table: nn.Module = Table(config.vocab_size, config.dim, N_LABELS)
        self.enter = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, config.hidden))
        self.blocks = nn.ModuleList(
            GatedConvolution(config.hidden, dilation, config.dropout)
            for dilation in config.dilations
        )
        self.norm = nn.LayerNorm(config.hidden)
        self.head = EvidenceHead(config.hidden, config.dropout)
        self.form = Form()

    def _init_weights(self, module: nn.Module) -> None:
        """Layers keep torch's own initialisation."""

    def hidden(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """ids: int[n, t, N_FEATURES] → hidden float[n, t, hidden], wide float[n, t, labels]."""
        if self.training and self.config.feature_dropout > 0:
            ids = ids * (torch.rand(ids.shape) >= self.config.feature_dropout)
        summed = self.table(ids)
        x = self.enter(summed[..., : self.config.dim])
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x), summed[..., self.config.dim :]

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Score a padded batch.

        Args:
            ids: int[n, t, N_FEATURES].
            mask: float[n, t, 1], 1 for tokens and 0 for padding.

        Returns:
            logits float[n, labels], evidence float[n, t, labels].
        """
        x, wide = self.hidden(ids, mask)
        logits, evidence = self.head(x, mask, wide)
        return logits + self.form(ids, mask), evidence


class CheckpointModel(nn.Module):
    """The evidence head on a Hugging Face encoder.

    Args:
        base: hub id or local folder of any checkpoint that `AutoModel` reads; a classification head
            that it may have is left out.
    """

    def __init__(self, base: str, *, dropout: float = 0.1) -> None:
        super().__init__()
        config = AutoConfig.from_pretrained(base)
        self.encoder = AutoModel.from_pretrained(base, config=config, attn_implementation="eager")
        self.head = EvidenceHead(config.hidden_size, dropout)
        self.max_tokens = int(getattr(config, "max_position_embeddings", 512))

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """ids: int[n, t] token ids; otherwise as `GounmalModel.forward`."""
        x = self.encoder(input_ids=ids, attention_mask=mask[..., 0].long()).last_hidden_state
        logits, evidence = self.head(x, mask)
        return logits, evidence


__all__ = [
    "CheckpointModel",
    "Domain",
    "EvidenceHead",
    "Form",
    "GounmalConfig",
    "GounmalModel",
    "Table",
]
