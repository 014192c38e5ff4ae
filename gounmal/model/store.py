"""Models in the Bento store: import an artifact, list what is there, find one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml.exceptions import BentoMLException, NotFound
from bentoml.models import BentoModel

from gounmal.errors import InvalidArtifact, ModelNotFound
from gounmal.model.artifact import ArtifactConfig

if TYPE_CHECKING:
    from datetime import datetime

# BentoML reports usage to its makers unless told otherwise; a self-hosted service should not.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

DEFAULT_NAME = "gounmal-ko"
"""Name of the shipped model in the store."""

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where this package lies; in a checkout, the artifact and service.py lie beside it."""

SHIPPED = CHECKOUT / "models" / DEFAULT_NAME
"""The artifact shipped with a checkout; not there in an installed package."""

REMEDY = f"get one with `gounmal models import models/{DEFAULT_NAME}`"

_STORE_FILE = "model.yaml"
"""What the store adds to an artifact's own files."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One model in the store."""

    tag: str
    folder: Path
    created: datetime
    size_bytes: int
    labels: dict[str, str]


class ModelReference(BentoModel):  # type: ignore[misc]  # BentoML loads it lazily, without a type
    """A service's reference to its model.

    As a class attribute it makes `bentoml build` put the model into the Bento. It looks in the
    store only (BentoML would ask its cloud next) and says what to do where it finds nothing.
    """

    @property
    def stored(self) -> Any:
        """The model in the store.

        Raises:
            NotFound: BentoML's own exception, which its commands print as one line.
        """
        stored = super().stored
        if stored is None:
            raise NotFound(f"no model {self.tag} in the Bento store: {REMEDY}")
        return stored


def import_artifact(folder: str | Path) -> str:
    """Copy an artifact folder into the store, under the tag that its config.json says.

    Doing it again with the same files changes nothing.

    Returns:
        The tag, `name:version`.

    Raises:
        InvalidArtifact: the folder is none, or its tag stands for other files in the store.
    """
    folder = Path(folder)
    config = ArtifactConfig.read(folder)
    digests = _digests(folder)
    for stored in bentoml.models.list(config.tag):
        if _digests(Path(stored.path)) != digests:
            raise InvalidArtifact(
                f"{folder}: the store has other files as {config.tag}: "
                f"change `version` in config.json, or `bentoml models delete {config.tag}`"
            )
        return config.tag
    labels = {"taxonomy": "v1", "encoder": config.encoder, "format": str(config.format)}
    with bentoml.models.create(config.tag, labels=labels, metadata=config.metadata) as model:
        for name in digests:
            target = Path(model.path) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)
    return config.tag


def list_models() -> list[StoredModel]:
    """Every model in the store, gounmal's or not, newest first."""
    models = [
        StoredModel(
            tag=str(model.tag),
            folder=Path(model.path),
            created=model.creation_time,
            size_bytes=model.file_size,
            labels=dict(model.info.labels),
        )
        for model in bentoml.models.list()
    ]
    return sorted(models, key=lambda model: model.created, reverse=True)


def find(tag: str | None = None) -> Path:
    """The folder of a model in the store.

    Args:
        tag: `name` alone means its newest version; by default the newest `gounmal-ko`, else the one
            shipped with a checkout.

    Raises:
        ModelNotFound: there is no such tag.
    """
    try:
        return Path(bentoml.models.get(tag or DEFAULT_NAME).path)
    except (BentoMLException, ValueError) as error:  # ValueError: not of the form of a tag
        if tag is None and SHIPPED.is_dir():
            return SHIPPED
        raise ModelNotFound(
            f"no model {tag or DEFAULT_NAME} in the Bento store: {REMEDY}"
        ) from error


def ensure_default() -> str | None:
    """Import the shipped artifact unless the store has a `gounmal-ko`.

    Returns:
        The tag that was imported; None if there was nothing to do.

    Raises:
        ModelNotFound: the store has none and none came with this installation.
    """
    try:
        bentoml.models.get(DEFAULT_NAME)
    except NotFound:
        if not SHIPPED.is_dir():
            raise ModelNotFound(f"no model {DEFAULT_NAME} in the Bento store: {REMEDY}") from None
        return import_artifact(SHIPPED)
    return None


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each of an artifact's files, by path within the folder."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _STORE_FILE and not path.name.startswith(".")
    }
