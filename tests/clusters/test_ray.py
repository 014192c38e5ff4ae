"""The core under a real Ray, on this machine."""

from __future__ import annotations

import os

import pyarrow as pa
import pytest

from gounmal.errors import InvalidInput

pytest.importorskip("ray", reason="no Ray in this environment: `make clusters-test` has one")

pytestmark = [
    pytest.mark.slow,
    # Ray's own, and those of what it imports.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def ray():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield ray
    ray.shutdown()


def rows(data):
    """What Ray has found, as Arrow."""
    return pa.concat_tables(data.iter_batches(batch_format="pyarrow", batch_size=None))


def test_ray_says_what_a_scan_says(ray, chat, artifact, policy, same):
    from gounmal.integrations.ray import moderate

    data = ray.data.read_parquet(str(chat))
    same(rows(moderate(data, model=artifact, policy=policy)))


def test_blocks_and_actors_do_not_matter(  # noqa: PLR0917  (fixtures)
    ray, chat, artifact, policy, same, tmp_path
):
    from gounmal.integrations.ray import moderate

    data = ray.data.read_parquet(str(chat)).repartition(7)
    actors = ray.data.ActorPoolStrategy(min_size=1, max_size=2)
    decided = moderate(data, model=artifact, policy=policy, text="message", compute=actors)
    decided.write_parquet(str(tmp_path / "decided"))
    same(rows(ray.data.read_parquet(str(tmp_path / "decided"))))


def test_no_rows_are_no_rows(ray, chat, artifact):
    from gounmal.integrations.ray import moderate

    data = ray.data.read_parquet(str(chat)).filter(lambda row: row["id"] < 0)
    assert moderate(data, model=artifact, text="message").count() == 0


def test_a_missing_column_is_said_before_anything_runs(ray, artifact):
    from gounmal.integrations.ray import moderate

    data = ray.data.from_arrow(pa.table({"a": [1], "b": ["안녕"]}))
    with pytest.raises(InvalidInput, match="no text column"):
        moderate(data, model=artifact)
