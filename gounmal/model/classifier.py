"""An artifact folder → calibrated scores and token evidence."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from gounmal.errors import InvalidArtifact, ScoringFailed
from gounmal.model.artifact import ArtifactConfig
from gounmal.model.encoder import Encoded, Encoder, Vocabulary, spread
from gounmal.moderator import Scored, Scores
from gounmal.schema import LABELS, Label, Mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from gounmal.text.normalize import Normalized

MAX_BATCH_TOKENS = 1_024
"""Padded tokens of one forward pass, unless one message alone has more.

Four times as many are no faster and take 38 MB more of each process (benchmarks/batch/passes.md).
"""

MAX_PADDING = 1.2
"""Padded over real tokens of one forward pass, at most."""

SPARE_TOKENS = 12
"""Padding that is cheaper than another forward pass, whatever its share."""


class Pass(NamedTuple):
    """What one forward pass says of some messages."""

    rows: NDArray[np.int64]
    """int64[n], their numbers."""
    lengths: NDArray[np.int64]
    """int64[n], how many tokens each has."""
    logits: NDArray[np.float32]
    """float32[n, labels], see `Classifier.calibrated`."""
    evidence: NDArray[np.float32]
    """float32[n, longest, labels], of each token and whatever pads it."""

    def tokens(self, i: int) -> NDArray[np.float32]:
        """float32[its tokens, labels], the evidence of the i-th."""
        return self.evidence[i, : self.lengths[i]]


class _Evidence:
    """The evidence of texts that were scored: worked out of those few that it is asked of."""

    def __init__(
        self, encoder: Encoder, texts: Sequence[Normalized], passes: Sequence[Pass]
    ) -> None:
        self._encoder = encoder
        self._texts = texts
        self._passes = passes

    def __call__(self, number: int) -> NDArray[np.float32]:
        one, i = self._places[number]
        return self._encoder.project(self._texts[number], one.tokens(i))

    @cached_property
    def _places(self) -> dict[int, tuple[Pass, int]]:
        rows = ((one, enumerate(one.rows.tolist())) for one in self._passes)
        return {number: (one, i) for one, numbers in rows for i, number in numbers}


@dataclass(slots=True)
class Work:
    """What the engine has done so far, for metrics: with several threads, about that."""

    passes: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    seconds: float = 0.0


class Classifier:
    """A loaded artifact: a `Scorer`. Safe to share between threads."""

    def __init__(
        self, config: ArtifactConfig, encoder: Encoder, session: ort.InferenceSession
    ) -> None:
        self.config = config
        self.encoder = encoder
        self.session = session
        self._scale = -np.array(config.scale, np.float32)
        self._shift = np.array(config.shift, np.float32)
        self.work = Work()

    @classmethod
    def load(cls, folder: str | Path, *, threads: int = 1) -> Classifier:
        """Load an artifact folder.

        Args:
            folder: of the artifact.
            threads: of the engine for one forward pass.

        Raises:
            InvalidArtifact: the folder cannot be used.
        """
        folder = Path(folder)
        config = ArtifactConfig.read(folder)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Every call has another shape: a memory plan made for one is waste for the next.
        options.enable_mem_pattern = False
        try:
            session = ort.InferenceSession(
                folder / "model.onnx", options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the engine's own exceptions share no base but Exception
            raise InvalidArtifact(f"{folder}: {error}") from error
        return cls(config, load_encoder(folder, config), session)

    @property
    def tag(self) -> str:
        """Store tag, `name:version`."""
        return self.config.tag

    @property
    def thresholds(self) -> dict[Mode, dict[Label, float]]:
        """Of every mode and label."""
        return self.config.thresholds

    @property
    def span_threshold(self) -> float:
        """A character with at least this much evidence belongs to a span."""
        return self.config.span_threshold

    def score(self, texts: Sequence[Normalized]) -> Sequence[Scored]:
        """One `Scored` for each text, in order.

        Raises:
            ScoringFailed: the engine failed; none of the texts was scored.
        """
        if not texts:
            return []
        passes = list(self.forward(self.encoder.encode(texts)))
        if len(texts) == 1:  # it pays for every step by itself
            alone = partial(self.encoder.project, texts[0], passes[0].tokens(0))
            return [Scored(self.calibrated(passes[0].logits)[0], alone)]
        logits = np.empty((len(texts), len(LABELS)), np.float32)
        for one in passes:
            logits[one.rows] = one.logits
        return Scores(self.calibrated(logits), _Evidence(self.encoder, texts, passes))

    def forward(self, encoded: Encoded) -> Iterator[Pass]:
        """What the network says of encoded messages: each in one pass, in any order.

        Raises:
            ScoringFailed: the engine failed; not all of them were scored.
        """
        self.work.tokens += len(encoded.ids)
        for rows in groups(encoded.lengths):
            yield Pass(rows, encoded.lengths[rows], *self._forward(*encoded.padded(rows)))

    def calibrated(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores float32[n, labels] that these logits stand for."""
        return np.asarray(1 / (1 + np.exp(logits * self._scale - self._shift)))

    def _forward(
        self, ids: NDArray[np.int32], mask: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Padded ids → logits float32[n, labels], evidence float32[n, t, labels]."""
        start = time.perf_counter()
        try:
            logits, evidence = self.session.run(None, {"ids": ids, "mask": mask})
        except Exception as error:  # the engine's own exceptions share no base but Exception
            raise ScoringFailed(f"engine: {type(error).__name__}") from error
        self.work.seconds += time.perf_counter() - start
        self.work.passes += 1
        self.work.padded_tokens += mask.size
        if len(logits) != len(ids):
            raise ScoringFailed(f"engine: {len(ids)} texts in, {len(logits)} out")
        return logits, evidence


class TokenizerEncoder:
    """Token ids of a Hugging Face tokenizer, made from the canonical view.

    A message over `max_tokens` is cut: such encoders know no positions beyond.
    """

    def __init__(self, tokenizer: Tokenizer, max_tokens: int | None) -> None:
        tokenizer.no_padding()
        if max_tokens is not None:
            tokenizer.enable_truncation(max_tokens)
        self.tokenizer = tokenizer

    def encode(self, texts: Sequence[Normalized]) -> Encoded:
        """See `Encoder.encode`."""
        # Not encode_batch, which would start threads of its own beside a server's workers.
        encodings = [self.tokenizer.encode(text.canonical.text) for text in texts]
        ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
        return Encoded(np.concatenate(ids), np.array([len(i) for i in ids], np.int64))

    def project(self, text: Normalized, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Encoder.project`."""
        view = text.canonical
        out = np.zeros((len(text.original), tokens.shape[1]), np.float32)
        spans = self.tokenizer.encode(view.text).offsets
        real = [i for i, (start, end) in enumerate(spans) if end > start]
        original = [view.original_span(*spans[i]) for i in real]
        spread(out, tokens[real], [s for s, _ in original], [e for _, e in original])
        return out


def load_encoder(folder: Path, config: ArtifactConfig) -> Encoder:
    """The encoder of an artifact folder.

    Raises:
        InvalidArtifact: its file cannot be used.
    """
    try:
        if config.encoder == "ngrams":
            return Vocabulary(np.load(folder / "vocabulary.npy", allow_pickle=False))
        return TokenizerEncoder(
            Tokenizer.from_file(str(folder / "tokenizer.json")), config.max_tokens
        )
    except Exception as error:  # each library raises its own, down to plain Exception
        raise InvalidArtifact(f"{folder}: {error}") from error


def groups(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Row numbers of forward passes: alike lengths together, so that padding stays small."""
    order = np.argsort(lengths, kind="stable")
    if len(order) == 1:
        yield order
        return
    first = end = real = 0
    # Of one length at a time: what more of them do to a pass can be told without counting them up.
    for length, count in Counter(lengths[order].tolist()).items():
        padding = length * (end - first) - real
        if padding > max(SPARE_TOKENS, (MAX_PADDING - 1) * (real + length)):
            yield order[first:end]
            first, real = end, 0
        most = max(1, MAX_BATCH_TOKENS // max(1, length))
        left = count
        while left:
            if end > first and end - first >= most:
                yield order[first:end]
                first, real = end, 0
            more = min(left, most - (end - first))
            end, real, left = end + more, real + more * length, left - more
    yield order[first:]
