"""The core under a real Spark, on this machine."""

from __future__ import annotations

import os
import sys

import pyarrow as pa
import pytest

from gounmal.errors import InvalidInput

pytest.importorskip("pyspark", reason="no Spark in this environment: `make clusters-test` has one")

pytestmark = [
    pytest.mark.slow,
    # Spark's own, and those of what it imports.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    made = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield made
    made.stop()


def rows(frame):
    """What Spark has found, as Arrow."""
    return pa.table(frame.toArrow())


def test_spark_says_what_a_scan_says(spark, chat, artifact, policy, same):
    from gounmal.integrations.spark import moderate

    frame = spark.read.parquet(str(chat))
    same(rows(moderate(frame, model=artifact, policy=policy)))


def test_partitions_do_not_matter(  # noqa: PLR0917  (fixtures)
    spark, chat, artifact, policy, same, tmp_path
):
    from gounmal.integrations.spark import moderate

    frame = spark.read.parquet(str(chat)).repartition(5)
    decided = moderate(frame, model=artifact, policy=policy, text="message")
    decided.write.parquet(str(tmp_path / "decided"))
    same(rows(spark.read.parquet(str(tmp_path / "decided"))))


def test_no_rows_are_no_rows(spark, chat, artifact):
    from gounmal.integrations.spark import moderate

    frame = spark.read.parquet(str(chat)).filter("id < 0")
    decided = moderate(frame, model=artifact)
    assert decided.count() == 0
    assert decided.columns[:4] == frame.columns


def test_a_missing_column_is_said_before_anything_runs(spark, artifact):
    from gounmal.integrations.spark import moderate

    frame = spark.createDataFrame([(1, "안녕")], ["a", "b"])
    with pytest.raises(InvalidInput, match="no text column"):
        moderate(frame, model=artifact)
    with pytest.raises(InvalidInput, match="no column 'c'"):
        moderate(frame, model=artifact, text="c")
