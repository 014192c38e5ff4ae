"""Spark: a DataFrame of chat → the same with decisions, by `mapInArrow`.

    from gounmal.integrations.spark import moderate

    moderate(spark.read.parquet("chat"), model="/opt/gounmal-ko").write.parquet("decided")

Each partition is judged as a scan judges a shard. Every machine needs this package, what
requirements/clusters.in names as the core, and the artifact folder under the same path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from gounmal.files.outcomes import decision_fields
from gounmal.integrations.arrow import Judged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from gounmal.policy import Policy


def moderate(
    frame: DataFrame,
    *,
    model: str,
    policy: Policy | None = None,
    text: str | None = None,
    channel: str | None = None,
) -> DataFrame:
    """Judge every row of a DataFrame; lazily, as Spark does everything.

    Args:
        frame: of chat.
        model: artifact folder, on every machine.
        policy: by default the shipped rules.
        text: column, if it cannot be told by its name.
        channel: likewise, where the policy has rules for channels.

    Returns:
        The frame with the decision columns of a scan's Parquet.

    Raises:
        InvalidInput: a column named is not there, or no text column can be told.
    """
    # Workers import this page too, and documents name it: neither has a use for a driver's types.
    from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415
    from pyspark.sql.types import StructType  # noqa: PLC0415

    judged = Judged.of(frame.columns, model=model, policy=policy, text=text, channel=channel)
    added = from_arrow_schema(pa.schema(decision_fields(frame.columns)))

    def judge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return judged(batches)

    return frame.mapInArrow(judge, StructType([*frame.schema.fields, *added.fields]))
