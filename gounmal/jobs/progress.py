"""In what order jobs came, how far shards are, which workers live: tables beside those of DBOS.

DBOS knows what is to be done and what is done; this is what it has no place for. Losing it would
lose no work. SQLite and PostgreSQL alike.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gounmal.jobs.job import Failed, Progress

if TYPE_CHECKING:
    from collections.abc import Iterable

FAILED_SHOWN = 100
"""Failed shards that a job names."""

_META = sa.MetaData()
_ASKED = sa.Table(
    "gounmal_jobs",
    _META,
    sa.Column("job", sa.String, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False, index=True),
)
_PLANNED = sa.Table(
    "gounmal_planned",
    _META,
    sa.Column("job", sa.String, primary_key=True),
    sa.Column("shards", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
_SHARDS = sa.Table(
    "gounmal_shards",
    _META,
    sa.Column("job", sa.String, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False),
    sa.Column("problem", sa.String),
)
_BEATS = sa.Table(
    "gounmal_beats",
    _META,
    sa.Column("executor", sa.String, primary_key=True),
    sa.Column("beat", sa.BigInteger, nullable=False),
)


def connect(database: str) -> sa.Engine:
    """An engine for `GOUNMAL_DATABASE`, by the driver that DBOS brings."""
    url = sa.make_url(database)
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": 30})
        with engine.connect() as connection:
            # Readers and the writer do not wait for each other; the file remembers it.
            connection.execute(sa.text("PRAGMA journal_mode=WAL"))
        return engine
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=2,
        pool_pre_ping=True,
        connect_args={"application_name": "gounmal", "connect_timeout": 10},
    )


class ProgressTables:
    """Written by workers, read by doors."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        self._insert = dialect.insert

    def create(self) -> None:
        """Make the tables that are not there."""
        with self._engine.begin() as connection:
            for table in _META.sorted_tables:
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
                for index in table.indexes:
                    connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))

    def asked(self, job: str) -> None:
        """A job is about to be asked for; the first time counts."""
        row = self._insert(_ASKED).values(job=job, at=time.time_ns() // 1_000)
        with self._engine.begin() as connection:
            connection.execute(row.on_conflict_do_nothing())

    def newest(self, limit: int, before: tuple[int, str] | None) -> list[tuple[int, str]]:
        """When jobs were asked for, in microseconds since 1970, and their ids: newest first."""
        query = sa.select(_ASKED.c.at, _ASKED.c.job)
        if before is not None:
            query = query.where(sa.tuple_(_ASKED.c.at, _ASKED.c.job) < sa.tuple_(*before))
        query = query.order_by(_ASKED.c.at.desc(), _ASKED.c.job.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [(row.at, row.job) for row in connection.execute(query)]

    def planned(self, job: str, *, shards: int, size: int, at: float) -> None:
        """A job has been cut into shards, of so many bytes together."""
        self._put(_PLANNED, {"job": job, "shards": shards, "size": size, "at": at})

    def shard(  # noqa: PLR0913  (a row, by name)
        self,
        job: str,
        shard: int,
        *,
        rows: int,
        size: int,
        finished: bool = False,
        problem: str | None = None,
    ) -> None:
        """A shard has got so far: rows, and about as many bytes of input."""
        row = {"rows": rows, "size": size, "finished": finished, "problem": problem}
        self._put(_SHARDS, {"job": job, "shard": shard, **row})

    def of(self, job: str) -> tuple[Progress, float | None]:
        """What the shards of a job add up to, and when it was planned."""
        mine = _SHARDS.c.job == job
        sums = sa.select(
            sa.func.coalesce(sa.func.sum(_SHARDS.c.rows), 0),
            sa.func.coalesce(sa.func.sum(_SHARDS.c.size), 0),
            sa.func.coalesce(sa.func.sum(sa.cast(_SHARDS.c.finished, sa.Integer)), 0),
        ).where(mine)
        failed = (
            sa.select(_SHARDS.c.shard, _SHARDS.c.problem)
            .where(mine, _SHARDS.c.problem.is_not(None))
            .order_by(_SHARDS.c.shard)
            .limit(FAILED_SHOWN)
        )
        with self._engine.connect() as connection:
            plan = connection.execute(sa.select(_PLANNED).where(_PLANNED.c.job == job)).first()
            rows, size, finished = connection.execute(sums).one()
            failures = tuple(Failed(shard=s, reason=p) for s, p in connection.execute(failed))
        progress = Progress(
            shards=plan.shards if plan else None,
            finished=int(finished),
            rows=int(rows),
            done=min(float(size) / plan.size, 1.0) if plan and plan.size else 0.0,
            failed=failures,
        )
        return progress, plan.at if plan else None

    def forget(self, job: str) -> None:
        """Remove what is known of a job."""
        with self._engine.begin() as connection:
            for table in (_SHARDS, _PLANNED, _ASKED):
                connection.execute(sa.delete(table).where(table.c.job == job))

    def beat(self, executor: str) -> None:
        """Count one for a worker."""
        upsert = self._insert(_BEATS).values(executor=executor, beat=1)
        upsert = upsert.on_conflict_do_update(
            index_elements=["executor"], set_={"beat": _BEATS.c.beat + 1}
        )
        with self._engine.begin() as connection:
            connection.execute(upsert)

    def beats(self) -> dict[str, int]:
        """The count of every worker."""
        with self._engine.connect() as connection:
            return {row.executor: row.beat for row in connection.execute(sa.select(_BEATS))}

    def gone(self, executors: Iterable[str]) -> None:
        """These workers are no more."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_BEATS).where(_BEATS.c.executor.in_(list(executors))))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _put(self, table: sa.Table, row: dict[str, Any]) -> None:
        keys = [column.name for column in table.primary_key]
        upsert = self._insert(table).values(**row)
        upsert = upsert.on_conflict_do_update(
            index_elements=keys, set_={k: v for k, v in row.items() if k not in keys}
        )
        with self._engine.begin() as connection:
            connection.execute(upsert)
