"""What a model is called → its artifact folder."""

from __future__ import annotations

from pathlib import Path

from gounmal.errors import ModelNotFound


def locate(model: str | Path | None = None) -> Path:
    """The folder of a model.

    Args:
        model: an artifact folder, or a tag in the store (`name` alone means its newest version); by
            default the newest `gounmal-ko` in the store, else the one shipped with a checkout.

    Raises:
        ModelNotFound: there is no such folder and no such tag.
    """
    if model is not None and Path(model).is_dir():
        return Path(model)
    from gounmal.model.store import REMEDY, find  # noqa: PLC0415  (BentoML takes a second to import)

    if isinstance(model, Path):
        raise ModelNotFound(f"{model}: no such folder: {REMEDY}")
    return find(model)
