# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks on disk: what waits, what was delivered, what is dead.

A sequence is the callbacks of one fax to one target, in order; it is a job as long as any of them waits. That is changed in the
transaction that changes the callbacks, so that neither a crash nor a race leaves a callback that nobody delivers, or two that
work on the same sequence.
"""

from __future__ import annotations

import builtins
import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import sqlalchemy.dialects.postgresql as postgresql
import sqlalchemy.dialects.sqlite as sqlite

from softfax.database.aside import Aside
from softfax.database.jobs import Job, JobTable, job_columns, job_indexes
from softfax.database.offline import offline_database
from softfax.delivery.targets import CallbackTarget
from softfax.errors import LocalError

__all__ = ["METADATA", "Callback", "CallbackState", "Store", "StoredCallback", "offline_callbacks"]

METADATA = sa.MetaData()

CallbackState = str
WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"

_sequences = sa.Table(
    "softfax_callback_sequences",
    METADATA,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("fax_id", sa.String(64), nullable=False),
    sa.Column("target_key", sa.String(32), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    *job_columns(),
)
job_indexes(_sequences)
_callbacks = sa.Table(
    "softfax_callbacks",
    METADATA,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("sequence_id", sa.String(80), nullable=False),
    sa.Column("event_id", sa.String(120), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("path_suffix", sa.String(120), nullable=False),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("put_at", sa.Float, nullable=False),
    sa.Column("retried_from", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float, nullable=False),
    sa.Column("last_status", sa.Integer, nullable=False),
    sa.Column("last_error", sa.Text, nullable=False),
    sa.UniqueConstraint("sequence_id", "event_id"),
    sa.Index("softfax_callbacks_waiting", "sequence_id", "state", "number"),
    sa.Index("softfax_callbacks_state", "state", "ended_at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, kw_only=True)
class Callback:
    """One callback as it is put: to whom, of which fax, what. `path_suffix` is added to the target's path."""

    target: CallbackTarget
    fax_id: str
    event_id: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    path_suffix: str = ""
    put_at: float = field(default_factory=time.time)

    @property
    def sequence_id(self) -> str:
        """The sequence it belongs to."""
        return f"{self.fax_id}.{self.target.key}"

    @property
    def place(self) -> str:
        """The URL that it goes to, without the query, which may hold a token."""
        return self.target.at(self.path_suffix).url.partition("?")[0]


@dataclass(frozen=True, kw_only=True)
class StoredCallback(Callback):
    """A callback as it is on disk. Times are seconds since 1970; `ended_at` is 0 until it is delivered or dead."""

    number: int
    state: CallbackState
    retried_from: float
    attempts: int
    next_at: float
    ended_at: float
    last_status: int
    last_error: str


class Store:
    """The tables, and every transition on them. Blocking; from any thread."""

    def __init__(self, engine: sa.Engine, aside: Aside | None = None) -> None:
        self._engine = engine
        self._aside = aside or Aside(engine)
        #: The sequences; of one target as many at a time as it may get.
        self.jobs = JobTable(engine, _sequences, _sequences.c.target_key)
        self._insert: Any = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert

    # ---- putting ------------------------------------------------------------------------------------------------

    def put(self, callbacks: Sequence[Callback], hide: frozenset[str] = frozenset()) -> list[bool]:
        """Writes callbacks in order, in one transaction; false for one that was put before. Their sequences are due.

        Targets whose key is in `hide` are stored without password and secret.
        """
        with self._engine.begin() as connection:
            return self.write(connection, callbacks, hide)

    def write(
        self, connection: sa.Connection, callbacks: Sequence[Callback], hide: frozenset[str]
    ) -> builtins.list[bool]:
        """Do what `put` does within a transaction."""
        news: list[bool] = []
        touched: dict[str, Callback] = {}
        for callback in callbacks:
            new = self._insert(_callbacks).values(
                sequence_id=callback.sequence_id, event_id=callback.event_id, state=WAITING,
                path_suffix=callback.path_suffix, headers=json.dumps(callback.headers), body=callback.body,
                put_at=callback.put_at, retried_from=callback.put_at, next_at=callback.put_at, attempts=0, ended_at=0.0,
                last_status=0, last_error="",
            )  # fmt: skip
            new = new.on_conflict_do_nothing(index_elements=["sequence_id", "event_id"])
            done = connection.execute(new.returning(_callbacks.c.number))
            news.append(done.first() is not None)
            if news[-1]:
                touched.setdefault(callback.sequence_id, callback)
        # In one order everywhere, so that two writers on PostgreSQL cannot wait for each other.
        for sequence_id in sorted(touched):
            callback = touched[sequence_id]
            target = callback.target
            if target.key in hide:
                target = dataclasses.replace(target, password="", secret="")
            new = self._insert(_sequences).values(
                id=sequence_id,
                fax_id=callback.fax_id,
                target_key=target.key,
                target=json.dumps(dataclasses.asdict(target)),
                due=time.time(),
            )
            # One whose first callback waits for a retry goes on waiting.
            due = sa.case((_sequences.c.due > 0, _sequences.c.due), else_=new.excluded.due)
            connection.execute(new.on_conflict_do_update(index_elements=["id"], set_={"due": due}))
        return news

    # ---- a job --------------------------------------------------------------------------------------------------

    def waiting(self, job: Job, limit: int) -> list[StoredCallback]:
        """Waiting callbacks of a claimed sequence, in order. With none left, the job is noted as done."""
        query = _query().where(_callbacks.c.sequence_id == job.key, _callbacks.c.state == WAITING)
        query = query.order_by(_callbacks.c.number).limit(limit)
        for _ in range(3):
            with self._engine.connect() as connection:
                rows = connection.execute(query.where(self.jobs.mine(job))).all()
            if rows:
                if found := self._stored(rows):
                    return found
                self._aside.move()
            elif self._done(job, query):
                return []
        raise LocalError("callbacks that cannot be read cannot be set aside", "see what the log says of the database")

    def _done(self, job: Job, query: sa.Select[Any]) -> bool:
        """Let a sequence go that has nothing left; false if it has, by what was put meanwhile."""
        with self._engine.begin() as connection:
            # A write first: what puts a callback waits until this has ended, or this for what it has put.
            mine = sa.update(_sequences).where(self.jobs.mine(job))
            if (
                connection.execute(mine.values(token=job.token)).rowcount
                and connection.execute(query).first() is not None
            ):
                return False
            connection.execute(mine.values(due=0.0, held=False))
        return True

    def _stored(self, rows: Iterable[Any]) -> builtins.list[StoredCallback]:
        """Callbacks of their rows, but for those that cannot be read and are set aside."""
        found = []
        for row in rows:
            try:
                found.append(_stored(row))
            except Exception as error:
                self._aside.notice(_callbacks, {"number": row.number}, error)
        return found

    def ended(self, number: int, state: CallbackState, attempts: int, status: int, error: str) -> None:
        """A callback is delivered or dead."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(_callbacks)
                .where(_callbacks.c.number == number)
                .values(state=state, attempts=attempts, ended_at=time.time(), last_status=status, last_error=error)
            )

    def failed(self, job: Job, number: int, attempts: int, status: int, error: str, wait_s: float) -> None:
        """An attempt of the first callback failed: the sequence waits with it."""
        due = time.time() + wait_s
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(_callbacks)
                .where(_callbacks.c.number == number)
                .values(attempts=attempts, last_status=status, last_error=error, next_at=due)
            )
            connection.execute(sa.update(_sequences).where(self.jobs.mine(job)).values(held=False, due=due))

    # ---- people -------------------------------------------------------------------------------------------------

    def list(self, state: CallbackState | None = None, *, limit: int = 1000) -> list[StoredCallback]:
        """The callbacks in a state, or all, the oldest first."""
        query = _query().order_by(_callbacks.c.number).limit(limit)
        if state is not None:
            query = query.where(_callbacks.c.state == state)
        with self._engine.connect() as connection:
            return self._stored(connection.execute(query).all())

    def get(self, key: int | str) -> builtins.list[StoredCallback]:
        """Callbacks with this number or event id, or of this fax."""
        if isinstance(key, int) or (key.isascii() and key.isdigit() and len(key) < 16):
            where = _callbacks.c.number == int(key)
        else:
            where = sa.or_(_callbacks.c.event_id == key, _sequences.c.fax_id == key)
        with self._engine.connect() as connection:
            rows = connection.execute(_query().where(where).order_by(_callbacks.c.number).limit(1000)).all()
        return self._stored(rows)

    def waits(self, fax_id: str) -> bool:
        """Return True if a callback of a fax is neither delivered nor given up."""
        c = _callbacks.c
        waiting = sa.select(c.number).where(c.sequence_id.startswith(f"{fax_id}.", autoescape=True), c.state == WAITING)
        with self._engine.connect() as connection:
            return connection.execute(waiting.limit(1)).first() is not None

    def counts(self) -> dict[CallbackState, int]:
        """Number of callbacks in each state."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_callbacks.c.state, sa.func.count()).group_by(_callbacks.c.state)).all()
        return {WAITING: 0, DELIVERED: 0, DEAD: 0, **{str(state): int(count) for state, count in rows}}

    def replay(self, number: int) -> bool:
        """Queues a dead callback once more, with all its time to be retried; false if it is not dead."""
        with self._engine.begin() as connection:
            changed = connection.execute(
                sa.update(_callbacks)
                .where(_callbacks.c.number == number, _callbacks.c.state == DEAD)
                .values(state=WAITING, attempts=0, ended_at=0.0, retried_from=time.time(), next_at=time.time())
            )
            of_it = sa.select(_callbacks.c.sequence_id).where(_callbacks.c.number == number).scalar_subquery()
            idle = sa.and_(_sequences.c.id == of_it, _sequences.c.due <= 0)
            if changed.rowcount:
                connection.execute(sa.update(_sequences).where(idle).values(due=time.time()))
            return bool(changed.rowcount)

    def clock_set(self, step_s: float) -> None:
        """The clock was set forward by so much, or back: what waits is as old as it was."""
        c = _callbacks.c
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(_callbacks)
                .where(c.state == WAITING)
                .values(retried_from=c.retried_from + step_s, next_at=c.next_at + min(step_s, 0.0))
            )
        self.jobs.clock_set(step_s)

    # ---- upkeep -------------------------------------------------------------------------------------------------

    def forget(self, delivered_before: float, dead_before: float) -> None:
        """Deletes what ended before these times, and sequences that have nothing left."""
        old = sa.or_(
            sa.and_(_callbacks.c.state == DELIVERED, _callbacks.c.ended_at < delivered_before),
            sa.and_(_callbacks.c.state == DEAD, _callbacks.c.ended_at < dead_before),
        )
        with self._engine.begin() as connection:
            if connection.execute(sa.delete(_callbacks).where(old)).rowcount:
                used = sa.exists().where(_callbacks.c.sequence_id == _sequences.c.id)
                connection.execute(sa.delete(_sequences).where(_sequences.c.due <= 0, ~used))


@contextmanager
def offline_callbacks(data_dir: Path, url: str = "") -> Iterator[Store]:
    """The callbacks in a station's database. Raises LocalError where there are none."""
    with offline_database(data_dir, url, of="callbacks") as engine:
        if not METADATA.tables.keys() <= set(sa.inspect(engine).get_table_names()):
            raise LocalError("there are no callbacks in this database", "start the station once")
        yield Store(engine)


def _query() -> Any:
    return sa.select(_callbacks, _sequences.c.fax_id, _sequences.c.target).join_from(
        _callbacks, _sequences, _callbacks.c.sequence_id == _sequences.c.id
    )


def _stored(row: Any) -> StoredCallback:
    values = {name: value for name, value in row._mapping.items() if name != "sequence_id"}
    values["target"] = CallbackTarget(**json.loads(values["target"]))
    values["headers"] = tuple((str(name), str(value)) for name, value in json.loads(values["headers"]))
    values["body"] = bytes(values["body"])
    for name in ("put_at", "retried_from", "next_at", "ended_at", "attempts", "last_status"):
        if not isinstance(values[name], (int, float)):
            raise TypeError(f"{name} is {values[name]!r}")
    if not (values["state"] in (WAITING, DELIVERED, DEAD) and isinstance(values["target"].url, str)):
        raise ValueError("no callback")
    return StoredCallback(**values)
