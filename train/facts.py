"""What a card says of a run besides its measurements: data, splits, machine, versions."""

from __future__ import annotations

import os
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from train.splits import SPLITS

if TYPE_CHECKING:
    from train.data import Dataset

PACKAGES = ("torch", "transformers", "onnxruntime", "numpy", "scipy")
CPU_INFO = Path("/proc/cpuinfo")


def sources(dataset: Dataset) -> list[dict[str, Any]]:
    """Every source with its files as they were found, and how many labels were read from it."""
    read = Counter(example.source.partition("/")[0] for example in dataset.examples)
    found: dict[str, dict[str, Any]] = {}
    for located in dataset.located:
        source = located.source
        entry = found.setdefault(
            source.folder,
            {
                "folder": source.folder,
                "repository": source.repository,
                "commit": source.commit,
                "licence": source.licence,
                "labels_read": read[source.folder],
                "files": [],
            },
        )
        entry["files"].append(
            {
                "name": located.file.name,
                "sha256": located.sha256,
                "lines": located.rows,
                "as_declared": located.pinned if located.file.sha256 else None,
            }
        )
    return list(found.values())


def written(dataset: Dataset) -> dict[str, int]:
    """How many of our own lines were read, by folder."""
    read = Counter(example.source for example in dataset.examples)
    return {folder: read[folder] for folder in ("negatives", "positives")}


def splits(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Texts and groups of near-duplicates in each split."""
    rows = {split: dataset.rows(split) for split in SPLITS}
    return {
        split: {"texts": len(own), "groups": len(np.unique(dataset.group[own]))}
        for split, own in rows.items()
    }


def machine() -> dict[str, Any]:
    """Processor, cores and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
