"""Arrow batches → the same rows with the columns that a scan adds.

Spark and Ray hand a table out in pieces. A piece is to them what a shard is to a scan: judged by
the same `Judge`, with a memory of its own for what it has seen, and given the same columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from gounmal.files.columns import Role, find_roles
from gounmal.files.outcomes import decided, decision_fields
from gounmal.files.parquet import check_text, python_values
from gounmal.files.reader import CHUNK_ROWS, Chunk
from gounmal.files.records import text_problem
from gounmal.model.classifier import Classifier
from gounmal.moderator import Moderator
from gounmal.scan.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gounmal.policy import Policy


TABLE = Path("the table")
"""For errors: there is no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Who judges which column: all that a worker somewhere in a cluster has to be told."""

    model: str
    """The artifact folder, where a worker finds it."""
    policy: Policy | None
    text: str
    channel: str | None

    @classmethod
    def of(
        cls,
        columns: Sequence[str],
        *,
        model: str,
        policy: Policy | None = None,
        text: str | None = None,
        channel: str | None = None,
    ) -> Judged:
        """The same with the columns found as a scan finds them.

        Args:
            columns: names of those that there are.
            model: the artifact folder.
            policy: by default the shipped rules.
            text: column, if it cannot be told by its name.
            channel: likewise; only a policy with rules for channels asks for it.

        Raises:
            InvalidInput: a column named is not there, or no text column can be told.
        """
        named = {Role.TEXT: text, Role.CHANNEL: channel}
        roles = find_roles(TABLE, tuple(columns), {r: n for r, n in named.items() if n})
        return cls(
            model=model, policy=policy, text=roles[Role.TEXT], channel=roles.get(Role.CHANNEL)
        )

    @staticmethod
    def schema(rows: pa.Schema) -> pa.Schema:
        """That of rows with their decisions."""
        return pa.schema([*rows, *decision_fields(rows.names)])

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Judge a piece: the same rows in the same order.

        Raises:
            InvalidArtifact: this worker has no such model.
            InvalidInput: the column holds no text.
            ScoringFailed: the engine fails on everything.
        """
        moderator = Moderator(_classifier(self.model), self.policy)
        judge = Judge(moderator, text=self.text, channel=self.channel)
        for batch in batches:
            check_text(TABLE, batch.schema.field(self.text))
            schema = self.schema(batch.schema)
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                rows = batch.slice(start, CHUNK_ROWS)
                texts = python_values(rows.column(self.text))
                chunk = Chunk(start, [text_problem(text) for text in texts], 0.0, batch=rows)
                arrays = [*rows.columns, *decided(judge(chunk))]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@lru_cache(maxsize=1)
def _classifier(model: str) -> Classifier:
    """Loaded once in each process, however many pieces it gets."""
    return Classifier.load(model)
