# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that is tried until it is done or given up: a row of its owner's table for each piece, a round for each try.

The table has `id`, `state`, `round_id`, `attempts`, `begun`, `ended` and `problem`, beside what the owner needs to know.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from softfax.delivery.aside import Aside
from softfax.delivery.durable import Durable
from softfax.delivery.policy import RetryPolicy
from softfax.delivery.rounds import Rounds
from softfax.errors import LocalError

__all__ = ["DEAD", "UPKEEP_S", "WAITING", "Tries"]

WAITING, DEAD = "waiting", "dead"
#: How often `upkeep` is wanted.
UPKEEP_S = 60.0
START_S = 60.0
KEEP_S = 30 * 24 * 3600.0
PRIORITY = 5


class Tries:
    """The rows of `table`, each given to `work(row)` in a thread of the durable engine when it is due.

    `target_of(key)` names the target of a row: rows of one that is slow do not hold up those of others (`start`).
    `work` says by `end`, `failed` or `again` what became of the row, and returns a word for the engine's record. All methods
    block on the database.
    """

    def __init__(
        self,
        kind: str,
        table: sa.Table,
        policy: RetryPolicy,
        work: Callable[[Any], str],
        target_of: Callable[[str], str] = lambda key: "",
    ) -> None:
        self._table, self._policy, self._work, self._target_of = table, policy, work, target_of
        self._rounds = Rounds(kind, self._run)
        self._engine: sa.Engine | None = None
        self._aside: Aside | None = None
        self._started = threading.Event()
        self._stopping = False

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, durable: Durable) -> None:
        """Makes the table, before the durable engine is launched."""
        durable.prepare(self._table.metadata)
        self._engine, self._aside = durable.engine, durable.aside
        self._rounds.prepare(durable)
        durable.clock.subscribers.append(self._clock_set)

    def start(self, workers: int, each: int | None = None) -> None:
        """Begins with what is due, so many rows at a time, `each` of them for one target."""
        self._started.set()
        self._rounds.start(workers, each)

    def stop(self) -> None:
        """Begins nothing new."""
        self._stopping = True

    def close(self) -> None:
        """Stop; waiting rows wait for the next start."""
        self._rounds.stop()

    @property
    def database(self) -> sa.Engine:
        """Raises LocalError before `prepare`."""
        if self._engine is None:
            raise LocalError("the station does not run", "enter it first")
        return self._engine

    def _clock_set(self, step_s: float) -> None:
        """Shift the age of waiting rows, so that none is given up because the clock was set."""
        t = self._table.c
        with self.database.begin() as connection:
            connection.execute(self._table.update().where(t.state == WAITING).values(begun=t.begun + step_s))

    def upkeep(self) -> None:
        """Gives rows that lost their round a new one, and forgets rows and rounds that ended long ago."""
        t = self._table.c
        with self.database.connect() as connection:
            waiting = connection.execute(sa.select(t.id, t.round_id).where(t.state == WAITING)).all()
        active = self._rounds.active(row.round_id for row in waiting)
        for row in waiting:
            if row.round_id not in active:
                try:
                    self.again(row.id, row.round_id)
                except (ValueError, TypeError) as error:
                    self._spoiled(row.id, error)
        if self._aside is not None:
            self._aside.move()
        with self.database.begin() as connection:
            connection.execute(self._table.delete().where(t.state != WAITING, t.ended < time.time() - KEEP_S))
        self._rounds.forget(time.time() - UPKEEP_S)

    # ---- rows ---------------------------------------------------------------------------------------------------

    def put(self, key: str, round_stem: str, state: str = WAITING, **values: Any) -> None:
        """Writes a piece of work down, with its first round in the same transaction; nothing if it is there already.

        Raises sqlalchemy's IntegrityError where another process was quicker.
        """
        t, now, round_id = self._table.c, time.time(), f"{round_stem}.1"
        with self.database.begin() as connection:
            if connection.execute(sa.select(t.id).where(t.id == key)).first() is not None:
                return
            connection.execute(
                self._table.insert().values(
                    id=key, state=state, round_id=round_id, attempts=0, begun=now,
                    ended=0.0 if state == WAITING else now, problem="", **values,
                )
            )  # fmt: skip
            if state == WAITING:
                self._rounds.enqueue(connection, key, round_id, PRIORITY, 0.0, self._target_of(key))

    def again(self, key: str, round_id: str, wait_s: float = 0.0, **values: Any) -> None:
        """The next round of a row after this one, unless the row has moved on; sets columns with it."""
        stem, _, number = round_id.rpartition(".")
        following = f"{stem}.{int(number) + 1}"
        t = self._table.c
        with self.database.begin() as connection:
            done = connection.execute(
                self._table.update()
                .where(t.id == key, t.round_id == round_id, t.state == WAITING)
                .values(round_id=following, **values)
            )
            if done.rowcount:
                self._rounds.enqueue(connection, key, following, PRIORITY, wait_s, self._target_of(key))

    def end(self, row: Any, state: str, problem: str = "") -> None:
        """A try was the last one."""
        with self.database.begin() as connection:
            connection.execute(
                self._table.update()
                .where(self._table.c.id == row.id)
                .values(state=state, attempts=row.attempts + 1, problem=problem, ended=time.time())
            )

    def failed(self, row: Any, problem: str, *, final: bool) -> float | None:
        """A try failed: seconds until the next one, None where the row is given up."""
        wait_s = None if final else self._policy.wait_s(row.attempts + 1, time.time() - row.begun, None)
        if wait_s is None:
            self.end(row, DEAD, problem)
        else:
            self.again(row.id, row.round_id, wait_s, attempts=row.attempts + 1, problem=problem)
        return wait_s

    def counts(self, *columns: str) -> dict[tuple[str, ...], int]:
        """Number of rows for each combination of these columns."""
        named = [self._table.c[name] for name in columns]
        with self.database.connect() as connection:
            rows = connection.execute(sa.select(*named, sa.func.count()).group_by(*named)).all()
        return {tuple(map(str, row[:-1])): int(row[-1]) for row in rows}

    def _run(self, key: str, round_id: str) -> str:
        """A round."""
        t = self._table.c
        with self.database.connect() as connection:
            query = sa.select(self._table).where(t.id == key, t.round_id == round_id)
            row = connection.execute(query).one_or_none()
        if row is None or row.state != WAITING:
            return "not its turn"
        # What was under way when an earlier station ended is taken up before this one has started.
        if not self._started.wait(START_S) or self._stopping:
            self.again(key, round_id)
            return "stopping"
        for name in ("attempts", "begun"):
            if not isinstance(row._mapping[name], (int, float)):
                self._spoiled(key, TypeError(f"{name} is {row._mapping[name]!r}"))
                return "set aside"
        return self._work(row)

    def _spoiled(self, key: str, error: Exception) -> None:
        """A row that cannot be read; it holds up no other."""
        if self._aside is not None:
            self._aside.notice(self._table, {"id": key}, error)
