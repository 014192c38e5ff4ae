"""What an artifact folder is: `config.json`, read and written without the engine.

An artifact is `config.json` (what it is, its calibration and thresholds), `model.onnx`, and what
its encoder needs: `vocabulary.npy` for n-grams, `tokenizer.json` for a Hugging Face encoder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gounmal.errors import InvalidArtifact
from gounmal.schema import LABELS, Label, Mode

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Literal[1] = 1
"""Version of the artifact's layout; another one is refused."""

Vector = Annotated[list[float], Field(min_length=len(LABELS), max_length=len(LABELS))]
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class ArtifactConfig(BaseModel):
    """config.json of an artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    name: ModelName
    version: ModelName
    labels: list[Label]
    encoder: Literal["ngrams", "tokenizer"]
    max_tokens: int | None = None
    """The longest sequence that the network takes; None where there is no limit."""
    scale: Vector
    shift: Vector
    """Calibration: score = sigmoid(scale × logit + shift), label by label."""
    thresholds: dict[Mode, dict[Label, float]]
    span_threshold: float
    metadata: dict[str, str] = Field(default_factory=dict)

    @property
    def tag(self) -> str:
        """Store tag, `name:version`."""
        return f"{self.name}:{self.version}"

    @classmethod
    def read(cls, folder: Path) -> ArtifactConfig:
        """Read the configuration of an artifact folder.

        Raises:
            InvalidArtifact: it is missing, or not what this version of gounmal writes.
        """
        path = folder / "config.json"
        try:
            config = cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise InvalidArtifact(f"{folder}: no config.json: not an artifact folder") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidArtifact(f"{path}: {where}: {first['msg']}") from error
        if tuple(config.labels) != LABELS:
            raise InvalidArtifact(f"{path}: labels: expected taxonomy v1 in its order")
        return config


def write_config(folder: Path, config: ArtifactConfig) -> None:
    """Write config.json."""
    text = json.dumps(config.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
