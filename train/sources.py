"""The declared sources: what is trained on, where it comes from, under which licence.

None of the text is in this repository. `locate` finds a source's files in a local folder (the
layout is `DIR/<source>/<file>`) or downloads them at their pinned commit, and checks them.
"""

from __future__ import annotations

import hashlib
import shutil
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RAW = "https://raw.githubusercontent.com"
TIMEOUT_S = 60
CHUNK = 1 << 20


class SourceError(Exception):
    """A source is missing, unreachable, or not the file that was declared."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a source.

    Attributes:
        name: its name in the local folder.
        path: its path in the repository.
        rows: how many lines the whole file has at least, a tenth less than published; a copy with
            fewer is refused.
        starts: how its first line starts, the header where there is one; "" where any will do.
        sha256: of the whole file; None where no whole copy was at hand to compute it from, then
            only the shape (`rows`, `starts`) is checked.
    """

    name: str
    path: str
    rows: int = 1
    starts: str = ""
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One public collection."""

    folder: str
    repository: str
    commit: str
    licence: str
    files: tuple[File, ...]
    labelled: bool = True

    def url(self, file: File) -> str:
        """Where the file is at the pinned commit."""
        return f"{RAW}/{self.repository}/{self.commit}/{quote(file.path)}"


@dataclass(frozen=True, slots=True)
class Located:
    """A file found, and what was seen of it: goes into the model card."""

    source: Source
    file: File
    path: Path
    sha256: str
    rows: int

    @property
    def pinned(self) -> bool:
        """Is it, byte for byte, the file that was declared?"""
        return self.sha256 == self.file.sha256


def _kotox(level: str, part: str, sha256: str) -> File:
    path = f"data/KOTOX/{level}/ko_obfs_augmented_{level}_{part}.csv"
    return File(f"{level}_{part}.csv", path, 200, "neutral,toxic,", sha256)


SOURCES: tuple[Source, ...] = (
    Source(
        "kodoli",
        "cardy20/KODOLI",
        "1f552f2",
        "CC BY-SA 4.0",
        (File("kodoli.csv", "data/kodoli.csv", 31_000, "index,sentences,abuse"),),
    ),
    Source(
        "curse",
        "2runo/Curse-detection-data",
        "ff241621e103b6f220d30de324d0d07987887308",
        "MIT",
        (File("dataset.txt", "dataset.txt", 4_700),),
    ),
    Source(
        "kmhas",
        "adlnlp/K-MHaS",
        "ec7a7e7",
        "CC BY-SA 4.0",
        (File("kmhas_test.txt", "data/kmhas_test.txt", 19_500, "document\tlabel"),),
    ),
    Source(
        "beep",
        "kocohub/korean-hate-speech",
        "f8d05dce2b22007bb149e5139c0060c68ad8f94b",
        "CC BY-SA 4.0",
        (
            File("train.tsv", "labeled/train.tsv", 7_000, "comments\t"),
            File("unlabeled_comments_5.txt", "unlabeled/unlabeled_comments_5.txt", 25_000),
        ),
    ),
    Source(
        "malicious",
        "ZIZUN/korean-malicious-comments-dataset",
        "50b92f5",
        "MIT",
        (File("Dataset.csv", "Dataset.csv", 8_800, "content\tlable"),),
    ),
    Source(
        "kotox",
        "leeyejin1231/KOTOX",
        "5dc7a427542967ad4f3720aa90b080b8b2d33036",
        "MIT",
        (
            _kotox(
                "easy", "train", "1a4a15b8be1cc1022b101ccfb9885821d08e10a48e5e129b863ba672737252f0"
            ),
            _kotox(
                "easy", "val", "6e684b24273331f60a85a173d4c63619ef0cef4466581c3eb1e80739df8f1b1e"
            ),
            _kotox(
                "normal",
                "train",
                "aaf15ce8fe9a7419dc330f58a0d31da0089536560a6d658bee912be4a9d36a75",
            ),
            _kotox(
                "normal", "val", "a916ebfdbf6655ccf50a9e7f3d57f91a80bc6167be6257ce4211e85c4d81b23f"
            ),
            _kotox(
                "hard", "train", "79aaaa1062e9dca2301833c027c2ee5d558f0e61de9f1e685c4f7503d5190015"
            ),
            _kotox(
                "hard", "val", "73a4ffcf2db78793fb334db4f7059909c14f8f257b4a8821ee36bb5d2175ddd8"
            ),
        ),
    ),
    Source(
        "kda",
        "minkyeongjeon/kda",
        "a94619d5509c8cf0644950fd8a86f414f34b6817",
        "Apache-2.0",
        (
            File(
                "kda_ko.csv",
                "dataset/kda_ko.csv",
                6_800,
                "neutral,implicit",
                "30763fe7bb6b6cc60e598787305e4fac866bf1b900b6e2648fcb7b8dd04d8688",
            ),
        ),
    ),
    Source(
        "safety",
        "naver-ai/korean-safety-benchmarks",
        "e32837c",
        "MIT",
        (
            File(
                "kosbi_valid.json",
                "data/KoSBi/kosbi_valid.json",
                3_000,
                "[",
                "94708ec6593989e1b410a64d0e610967ff3cd8d515964d79560b35c5b2cabee7",
            ),
            File(
                "kosbi_test.json",
                "data/KoSBi/kosbi_test.json",
                3_000,
                "[",
                "6951a61a26ad1e8aba0936285c4fbc2d92d54a1f8c8b7f4055b6abc28a6dd41b",
            ),
        ),
    ),
    Source(
        "chatbot",
        "songys/Chatbot_data",
        "4cf20d1",
        "MIT",
        (
            File(
                "ChatbotData.csv",
                "ChatbotData .csv",
                10_600,
                "Q,A,label",
                "287eb129695b577321c80ad397bb3c2279164d4ca577874d129fd3db5b30afe2",
            ),
        ),
    ),
    Source(
        "3i4k",
        "warnikchow/3i4k",
        "cfa90c15f808becafca2d8ef8649b8b71f6bbe71",
        "CC BY-SA 4.0",
        (File("fci.txt", "data/fci.txt", 55_000),),
    ),
    Source(
        "kote",
        "searle-j/KOTE",
        "cafd2c3",
        "MIT",
        (
            File(
                "val.tsv",
                "val.tsv",
                4_500,
                "",
                "c7d686ee1d63be7f57ec939f372ebdc4ada8eac1c9eeeeac207774976ab69a6e",
            ),
            File(
                "test.tsv",
                "test.tsv",
                4_500,
                "",
                "8d8e11c5adf374f552cfbe6f2d7b9967e7335cc86c205beeefb6fd8c6ed9deb0",
            ),
        ),
        labelled=False,
    ),
    Source(
        # The local copy is the repository's raw/ folder in one file; one file of reviews is what a
        # download can name.
        "nsmc",
        "e9t/nsmc",
        "cc0670e",
        "CC0-1.0",
        (File("reviews.tsv.zst", "ratings.txt", 100_000),),
        labelled=False,
    ),
)


def locate(
    data: Path | None, *, cache: Path, check: bool = True, log: Callable[[str], None] | None = None
) -> list[Located]:
    """Find every declared file.

    Args:
        data: a folder in the layout of `SOURCES`; None downloads to `cache`.
        cache: where downloads are kept.
        check: refuse files that are shorter than declared or have another header. A hash that
            differs is refused for downloads only: a local copy may have rows kept back.
        log: told which file is being downloaded.

    Raises:
        SourceError: missing, unreachable or not as declared.
    """
    found = []
    for source in SOURCES:
        for file in source.files:
            if data is None:
                path = cache / source.folder / source.commit / file.name
                if not path.exists():
                    if log:
                        log(f"downloading {source.url(file)}")
                    _download(source.url(file), path)
            else:
                path = data / source.folder / file.name
            found.append(_verify(source, file, path, check=check, pinned=data is None))
    return found


def _verify(source: Source, file: File, path: Path, *, check: bool, pinned: bool) -> Located:
    if not path.is_file():
        raise SourceError(f"{path}: no such file; it is {file.path} of {source.repository}")
    digest = hashlib.sha256()
    rows, start = 0, b""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            start = start or chunk[:200]
            digest.update(chunk)
            rows += chunk.count(b"\n")
    located = Located(source, file, path, digest.hexdigest(), rows)
    if not check:
        return located
    if pinned and file.sha256 and not located.pinned:
        raise SourceError(f"{path}: sha256 {located.sha256}, declared {file.sha256}")
    compressed = path.suffix == ".zst" and start.startswith(b"\x28\xb5\x2f\xfd")
    if compressed:
        return located
    if not start.decode("utf-8-sig", errors="ignore").startswith(file.starts):
        raise SourceError(f"{path}: expected its first line to start with {file.starts!r}")
    if rows < file.rows:
        raise SourceError(f"{path}: {rows} lines, expected at least {file.rows}")
    return located


def _download(url: str, path: Path) -> None:
    """Fetch to a temporary name first, so that an interrupted download is never taken for done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        with (
            urllib.request.urlopen(url, timeout=TIMEOUT_S) as response,  # noqa: S310  (https only)
            partial.open("wb") as out,
        ):
            shutil.copyfileobj(response, out)
    except OSError as error:
        raise SourceError(f"{url}: {error}; give a local copy with --data DIR") from error
    partial.replace(path)
