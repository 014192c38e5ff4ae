"""A trained network with the encoder that it was trained on: texts in, logits out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors.torch import load_file, save_file

from gounmal.model.encoder import Vocabulary
from gounmal.text.normalize import normalize
from train.batches import Encodings, encode
from train.fit import logits_of
from train.model import GounmalConfig, GounmalModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from gounmal.model.classifier import TokenizerEncoder


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network with the encoder that it was trained on."""

    model: nn.Module
    encoder: Vocabulary | TokenizerEncoder
    max_tokens: int | None
    """The longest sequence that it takes; None where there is no limit."""

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32[n, labels], not calibrated."""
        return logits_of(self.model, self.encode(texts))

    def save(self, folder: Path) -> None:
        """Keep the weights in float, so that a release can be repeated without training."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.model.state_dict(), folder / "network.safetensors")
        if isinstance(self.encoder, Vocabulary):
            np.save(folder / "vocabulary.npy", self.encoder.keys, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Network:
        """The small network that `save` kept.

        Raises:
            OSError: it is not there.
        """
        vocabulary = Vocabulary(np.load(folder / "vocabulary.npy", allow_pickle=False))
        state = load_file(folder / "network.safetensors")
        hidden = state["norm.weight"].shape[0]
        dim = state["enter.0.weight"].shape[0]
        model = GounmalModel(GounmalConfig(vocab_size=len(vocabulary), dim=dim, hidden=hidden))
        model.load_state_dict(state)
        return cls(model, vocabulary, None)

    def encode(self, texts: Sequence[str]) -> Encodings:
        """Texts as the network takes them."""
        if isinstance(self.encoder, Vocabulary):
            return encode(texts, self.encoder, max_tokens=4_096)
        return tokenised(texts, self.encoder)


def tokenised(texts: Sequence[str], encoder: TokenizerEncoder) -> Encodings:
    """Texts as a checkpoint's tokenizer has them."""
    encoded = encoder.encode([normalize(text) for text in texts])
    starts = np.cumsum(encoded.lengths) - encoded.lengths
    return Encodings(encoded.ids, starts, encoded.lengths)
