"""Ray Data: a Dataset of chat → the same with decisions, by `map_batches`.

    from gounmal.integrations.ray import moderate

    moderate(ray.data.read_parquet("chat"), model="/opt/gounmal-ko").write_parquet("decided")

Actors keep the model; each batch is judged as a scan judges a shard, and is as long. Every machine
needs this package, what it needs of others, and the artifact folder under the same path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from gounmal.integrations.arrow import Judged
from gounmal.scan.borders import ROWS

if TYPE_CHECKING:
    from ray.data import ActorPoolStrategy, Dataset

    from gounmal.policy import Policy


class Moderate:
    """What an actor does with a batch."""

    def __init__(self, judged: Judged) -> None:
        self._judged = judged

    def __call__(self, table: pa.Table) -> pa.Table:
        """Judge it."""
        schema = self._judged.schema(table.schema)
        return pa.Table.from_batches(self._judged(table.to_batches()), schema)


def moderate(  # noqa: PLR0913  (each a choice of the user's, by name)
    data: Dataset,
    *,
    model: str,
    policy: Policy | None = None,
    text: str | None = None,
    channel: str | None = None,
    compute: ActorPoolStrategy | None = None,
) -> Dataset:
    """Judge every row of a Dataset; lazily, as Ray Data does everything.

    Args:
        data: of chat.
        model: artifact folder, on every machine.
        policy: by default the shipped rules.
        text: column, if it cannot be told by its name.
        channel: likewise, where the policy has rules for channels.
        compute: how many actors, of one core each; by default as many as there is room for.

    Returns:
        The Dataset with the decision columns of a scan's Parquet.

    Raises:
        InvalidInput: a column named is not there, or no text column can be told.
    """
    columns = data.columns() or []
    judged = Judged.of(columns, model=model, policy=policy, text=text, channel=channel)
    return data.map_batches(
        Moderate,
        fn_constructor_args=(judged,),
        batch_format="pyarrow",
        batch_size=ROWS,
        compute=compute,
        num_cpus=1,
        udf_modifying_row_count=False,
    )
