# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs that are retried until they are done or given up: deliveries to mailboxes, reports by e-mail.

Their table has `id` and the columns of `retried_columns`, beside what the owner needs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from softfax.database.away import until_written
from softfax.database.database import Database
from softfax.database.jobs import Job, JobTable, Pool, job_columns
from softfax.delivery.policy import RetryPolicy
from softfax.errors import LocalError

__all__ = ["DEAD", "WAITING", "RetriedJobs", "retried_columns"]

WAITING, DEAD = "waiting", "dead"
KEEP_S = 30 * 24 * 3600.0
#: How long jobs may take to end when the station stops.
END_S = 3.0


def retried_columns() -> tuple[sa.Column[Any], ...]:
    """Return the columns of a table of retried jobs, beside `id` and the owner's."""
    return (
        sa.Column("state", sa.String(10), nullable=False, index=True),
        *job_columns(),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("begun", sa.Float, nullable=False),
        sa.Column("ended", sa.Float, nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
    )


class RetriedJobs:
    """The rows of `table`, each given to `work(row)` in a thread when it is due. `parts` groups them by target.

    `work` says by `done` or `failed` what became of it. All methods block on the database.
    """

    def __init__(
        self,
        name: str,
        table: sa.Table,
        policy: RetryPolicy,
        work: Callable[[Any], None],
        parts: sa.ColumnElement[str] | None = None,
    ) -> None:
        self._name, self._table, self._policy, self._work, self._parts = name, table, policy, work, parts
        self._opened: Database | None = None
        self._stopped = threading.Event()

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, database: Database) -> None:
        """Make the table."""
        database.prepare(self._table.metadata)
        self._opened = database
        self._jobs = JobTable(database.engine, self._table, self._parts)
        database.clock.subscribers.append(self._clock_set)

    def start(self, workers: int, each: int | None = None) -> None:
        """Begin with what is due, so many rows at a time, `each` of them for one target."""
        self._database.jobs.start(Pool(self._name, self._jobs, self._run, self.upkeep, workers, each))

    def stop(self) -> None:
        """Begin nothing new; what is under way has a moment to end."""
        if self._opened is not None:
            self._opened.jobs.stop(self._name, END_S)
        self._stopped.set()

    @property
    def _database(self) -> Database:
        """The database. Raises LocalError before `prepare`."""
        if self._opened is None:
            raise LocalError("the station does not run", "enter it first")
        return self._opened

    def _clock_set(self, step_s: float) -> None:
        """Shift the age of waiting rows, so that none is given up because the clock was set."""
        t = self._table.c
        with self._database.engine.begin() as connection:
            connection.execute(self._table.update().where(t.state == WAITING).values(begun=t.begun + step_s))
        self._jobs.clock_set(step_s)

    def upkeep(self) -> None:
        """Forget rows that ended long ago."""
        t = self._table.c
        self._database.aside.move()
        with self._database.engine.begin() as connection:
            connection.execute(self._table.delete().where(t.state != WAITING, t.ended < time.time() - KEEP_S))

    # ---- rows ---------------------------------------------------------------------------------------------------

    def put(self, key: str, state: str = WAITING, **values: Any) -> None:
        """Write a job down; nothing if it is there already.

        Raises sqlalchemy's IntegrityError where another process was quicker.
        """
        t, now, waits = self._table.c, time.time(), state == WAITING
        with self._database.engine.begin() as connection:
            if connection.execute(sa.select(t.id).where(t.id == key)).first() is not None:
                return
            connection.execute(
                self._table.insert().values(
                    id=key, state=state, due=now if waits else 0.0, attempts=0, begun=now,
                    ended=0.0 if waits else now, problem="", **values,
                )
            )  # fmt: skip
        self._database.jobs.wake(self._name)

    def done(self, row: Any, state: str, problem: str = "") -> None:
        """End a job."""
        self._release(row, state=state, problem=problem, ended=time.time())

    def failed(self, row: Any, problem: str, *, final: bool) -> float | None:
        """An attempt failed: return the seconds until the next one, None where the job is given up."""
        wait_s = None if final else self._policy.wait_s(row.attempts + 1, time.time() - row.begun, None)
        if wait_s is None:
            self.done(row, DEAD, problem)
        else:
            self._release(row, time.time() + wait_s, problem=problem)
        return wait_s

    def _release(self, row: Any, due: float = 0.0, **values: Any) -> None:
        """Note what became of an attempt: what has gone out does not go out again because the database was away."""
        job = Job(row.id, row.token)
        release = partial(self._jobs.release, job, due, attempts=row.attempts + 1, **values)
        until_written(f"what became of a job of {self._name}", release, self._stopped)

    def counts(self, *columns: str) -> dict[tuple[str, ...], int]:
        """Number of rows for each combination of these columns."""
        named = [self._table.c[name] for name in columns]
        with self._database.engine.connect() as connection:
            rows = connection.execute(sa.select(*named, sa.func.count()).group_by(*named)).all()
        return {tuple(map(str, row[:-1])): int(row[-1]) for row in rows}

    def _run(self, job: Job) -> None:
        with self._database.engine.connect() as connection:
            row = connection.execute(sa.select(self._table).where(self._jobs.mine(job))).one_or_none()
        if row is None:
            return
        if row.state != WAITING:
            self._jobs.release(job)
            return
        for name in ("attempts", "begun"):
            if not isinstance(row._mapping[name], (int, float)):
                # It cannot be read, and holds up no other.
                error = TypeError(f"{name} is {row._mapping[name]!r}")
                self._database.aside.notice(self._table, {"id": row.id}, error)
                return
        self._work(row)
