# SPDX-License-Identifier: GPL-2.0-or-later
"""Jobs: work that is due at a time. Attempts of faxes, callbacks, deliveries to mailboxes and reports by e-mail are claimed here.

A job is a row of its owner's table with the columns of `job_columns`: `due` (0 where there is nothing to do), `held` while it is
worked on, by `station`, and `token`, a number that each claim makes one larger. Every write of a worker names the token it got,
so that one whose job was taken from it changes nothing. One thread claims for all kinds, in short transactions; it sleeps until
the next job is due, or until it is woken. The same statements run on SQLite and PostgreSQL.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from softfax.database.stations import GONE, StationId, notify, stations
from softfax.errors import in_short

__all__ = [
    "DUE",
    "HELD",
    "Job",
    "JobTable",
    "Jobs",
    "Pool",
    "Work",
    "alone",
    "due_now",
    "job_columns",
    "job_indexes",
    "waiting",
]

log = logging.getLogger("softfax.database")

#: How often is looked for work that another process made due: `softfax deliveries replay`; on PostgreSQL it sends a message.
POLL_S, POLL_TOLD_S = 5.0, 10.0
#: Message to all stations about work that is due, with the name of its kind.
TURN = "due "
#: How often is looked for jobs that are held by nobody, as a lost answer of the database leaves them, and for what is long over.
UPKEEP_S = 60.0
#: After an error of the database, or of a worker, it is tried again this soon.
FAILED_S, REPEATED_S = 1.0, 5.0
#: Rows with work, and those that are worked on, as partial indexes name them, which are found by these words.
DUE, HELD = "due > 0", "held = true"


def job_columns() -> tuple[sa.Column[Any], ...]:
    """Return the columns that make the rows of a table jobs."""
    return (
        sa.Column("due", sa.Float, nullable=False, server_default="0"),
        sa.Column("token", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("station", sa.String(80), nullable=False, server_default=""),
    )


def waiting(name: str, *columns: sa.ColumnElement[Any]) -> sa.Index:
    """Return an index of the rows with work."""
    return sa.Index(name, *columns, sqlite_where=sa.text(DUE), postgresql_where=sa.text(DUE))


def job_indexes(table: sa.Table) -> None:
    """Index a table by when its jobs are due, and those that are worked on."""
    waiting(f"{table.name}_due", table.c.due)
    sa.Index(f"{table.name}_held", table.c.id, sqlite_where=sa.text(HELD), postgresql_where=sa.text(HELD))


def alone(connection: sa.Connection) -> bool:
    """Let no other claim, nor on SQLite write, until the transaction ends. To be called first in it. False, and nothing may be
    claimed, where this station was taken over; it is not, as long as the transaction lasts.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("softfax claims"))))
    if (me := station_of(connection)) is None or not me.many:
        return True
    mine = sa.select(stations.c.id).where(stations.c.id == me.text).with_for_update(read=True, key_share=True)
    return connection.execute(mine).first() is not None


def station_of(connection: sa.Connection | sa.Engine) -> StationId | None:
    """Return the station that a connection works for; None where that is another program."""
    found: StationId | None = connection.get_execution_options().get("station")
    return found


def due_now(connection: sa.Connection, kind: str) -> None:
    """Tell other stations, once the transaction has committed, that jobs of a kind are due, or may be claimed now."""
    notify(connection, TURN + kind)


@dataclass(frozen=True)
class Job:
    """A claimed job."""

    key: str
    token: int


class JobTable:
    """The rows of a table as jobs. `parts` groups them: no more than so many of one group are worked on at a time. Blocks."""

    def __init__(self, engine: sa.Engine, table: sa.Table, parts: sa.ColumnElement[str] | None = None) -> None:
        self.engine, self._table, self._key = engine, table, table.c.id
        self._parts = sa.literal("") if parts is None else parts
        t = table.c
        self._waiting = (sa.text(DUE), t.held.is_(False))
        self.me = station_of(engine)
        #: What a row that this station holds names; empty for another program.
        self.station = self.me.text if self.me is not None else ""
        #: Looks cost one statement each.
        self._looking = engine.execution_options(isolation_level="AUTOCOMMIT")

    def claim(self, most: int, each: int) -> list[Job]:
        """Claim up to `most` jobs that are due, the longest due first, with up to `each` of a group at work."""
        t, now = self._table.c, time.time()
        query = sa.select(self._key, self._parts.label("part")).where(*self._waiting, t.due <= now).order_by(t.due)
        claimed: list[Job] = []
        with self.engine.begin() as connection:
            if not alone(connection):
                return []
            held = sa.select(self._parts).select_from(self._table).where(sa.text(HELD))
            busy = Counter[str](connection.execute(held).scalars())
            while len(claimed) < most:
                full = [part for part, count in busy.items() if count >= each]
                # On PostgreSQL a row that is being written is claimed later: to wait for it might be to wait for each other.
                free = query.where(self._parts.not_in(full)).limit(most - len(claimed))
                found = connection.execute(free.with_for_update(skip_locked=True)).all()
                if not found:
                    break
                for key, part in found:
                    if busy[part] < each:
                        claimed.append(self._take(connection, key))
                        busy[part] += 1
        return claimed

    def _take(self, connection: sa.Connection, key: str) -> Job:
        t = self._table.c
        held = {"held": True, "token": t.token + 1, "station": self.station}
        taken = self._table.update().where(self._key == key).values(**held).returning(t.token)
        return Job(key, connection.execute(taken).scalar_one())

    def gone(self) -> sa.ColumnElement[bool]:
        """Condition of rows whose station has no row, and so holds nothing."""
        return self._table.c.station.not_in(sa.select(stations.c.id)) if self.me is not None else sa.true()

    def mine(self, job: Job) -> sa.ColumnElement[bool]:
        """Condition of every write about a job: that it is still the claimant's."""
        return sa.and_(self._key == job.key, self._table.c.token == job.token, self._table.c.held)

    def release(self, job: Job, due: float = 0.0, **values: Any) -> bool:
        """Let a job go, to be claimed again when it is `due` (0 for never), and set columns with it; false if it was taken."""
        with self.engine.begin() as connection:
            changed = self._table.update().where(self.mine(job)).values(held=False, due=due, **values)
            return bool(connection.execute(changed).rowcount)

    def next_due(self, after: float = 0.0) -> float | None:
        """Return when the first job is due that is due after a time."""
        t = self._table.c
        # SQLite seeks by the first of two conditions on a column: not past all that are due.
        query = sa.select(t.due).where(t.due > after, *self._waiting).order_by(t.due).limit(1)
        with self._looking.connect() as connection:
            found = connection.execute(query).scalar()
        return float(found) if isinstance(found, (int, float)) else None

    def clock_set(self, step_s: float) -> None:
        """Keep waits as long as they were meant when the clock is set back; set forward, they end sooner, without harm."""
        t = self._table.c
        if step_s < 0:
            with self.engine.begin() as connection:
                moved = self._table.update().where(sa.text(DUE), t.due > time.time())
                connection.execute(moved.values(due=t.due + step_s))

    def own_up(self, running: Collection[str]) -> None:
        """Release jobs that nobody works on: those of a station that has gone, and of this one those that are not `running`, as a
        claim whose answer got lost.
        """
        t, me = self._table.c, self.station
        query = sa.select(self._key, t.token, t.station, self.gone().label("gone")).where(sa.text(HELD))
        with self._looking.connect() as connection:
            held = connection.execute(query).all()
        for key, token, station, gone in held:
            if gone or (station == me and key not in running):
                nobodys = sa.or_(t.station == me, self.gone())
                with self.engine.begin() as connection:
                    left = self._table.update().where(self.mine(Job(key, token)), nobodys)
                    if connection.execute(left.values(held=False, token=t.token + 1)).rowcount:
                        self.released(connection, key, station)

    def released(self, connection: sa.Connection, key: str, station: str) -> None:
        """A job that nobody worked on is released: what else its row needs. `station` held it."""


J = TypeVar("J", bound=Job)


class Work(Protocol[J]):
    """Jobs of one kind. All is called in the thread that claims, and may block for a moment."""

    @property
    def name(self) -> str:
        """Name of the kind."""

    @property
    def rows(self) -> JobTable:
        """Its rows."""

    def claim(self, running: int) -> Sequence[J]:
        """Claim jobs that can be worked on now beside so many; none where no more can."""

    def begin(self, job: J) -> Future[Any]:
        """Begin to work on a claimed job, elsewhere."""

    def upkeep(self) -> None:
        """Tidy up; called at the start and once a minute."""

    def close(self) -> None:
        """Begin nothing more."""


class Pool:
    """A kind whose jobs are worked on in threads: `workers` at a time, `each` of one group. `work` releases its job."""

    def __init__(
        self,
        name: str,
        rows: JobTable,
        work: Callable[[Job], None],
        upkeep: Callable[[], None],
        workers: int,
        each: int | None = None,
    ) -> None:
        self.name, self.rows, self.upkeep, self._work = name, rows, upkeep, work
        self._workers, self._each = workers, min(each or workers, workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix=f"softfax-{name}")

    def claim(self, running: int) -> Sequence[Job]:
        """Claim as many as there are threads for."""
        return self.rows.claim(self._workers - running, self._each) if running < self._workers else ()

    def begin(self, job: Job) -> Future[None]:
        """Work on a job in a thread."""
        return self._threads.submit(self._run, job)

    def _run(self, job: Job) -> None:
        try:
            self._work(job)
        except Exception:
            log.exception("a job of %s failed and is repeated", self.name)
            self.rows.release(job, time.time() + REPEATED_S)

    def close(self) -> None:
        """Let the threads go that have nothing to do."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Claimed:
    """A kind, and what of it is under way."""

    def __init__(self, kind: Work[Any]) -> None:
        self.kind = kind
        self.running: dict[Future[Any], Job] = {}
        self.look_at = self.upkeep_at = 0.0
        self.failing = False


class Jobs:
    """The thread that claims jobs, of one database, as long as this station `may` work on it."""

    def __init__(self, may: Callable[[], bool] = lambda: True) -> None:
        self.may = may
        self._changed = threading.Condition()
        self._kinds: dict[str, _Claimed] = {}
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self, kind: Work[Any]) -> None:
        """Begin to claim jobs of a kind, what an earlier process held first."""
        with self._changed:
            self._kinds[kind.name] = _Claimed(kind)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="softfax-jobs", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def heard(self, what: str) -> None:
        """Take what a station says to all: jobs are due, or are held by nobody. From any thread; waits for nothing."""
        if what.startswith(TURN):
            self.wake(what.removeprefix(TURN))
        elif what == GONE:
            with self._changed:
                for claimed in self._kinds.values():
                    claimed.look_at = claimed.upkeep_at = 0.0
                self._changed.notify_all()

    def wake(self, name: str, wait_s: float = 0.0) -> None:
        """Look for jobs of a kind now or in a while: one is due then, or there is room. From any thread; waits for nothing."""
        with self._changed:
            if (claimed := self._kinds.get(name)) is not None:
                claimed.look_at = min(claimed.look_at, time.monotonic() + wait_s)
                self._changed.notify_all()

    def stop(self, name: str, timeout_s: float = 0.0) -> bool:
        """Claim no more jobs of a kind; false where those under way have not ended after so long. Blocks."""
        with self._changed:
            claimed = self._kinds.pop(name, None)
            self._changed.notify_all()
            ended = claimed is None or self._changed.wait_for(lambda: not claimed.running, timeout_s)
        if claimed is not None:
            claimed.kind.close()
        return ended

    def close(self) -> None:
        """Claim nothing more. Blocks until the thread has ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=30.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopping:
                    next_look = min((one.look_at for one in self._kinds.values()), default=float("inf"))
                    wait_s = next_look - time.monotonic()
                    if wait_s <= 0:
                        break
                    self._changed.wait(min(wait_s, POLL_TOLD_S))
                if self._stopping:
                    return
                due = [one for one in self._kinds.values() if one.look_at <= time.monotonic()]
                for one in due:
                    one.look_at = float("inf")  # a wake from here on counts
            may = self.may()
            for one in due:
                look_at = self._look(one) if may else time.monotonic() + FAILED_S
                with self._changed:
                    one.look_at = min(one.look_at, look_at)

    def _look(self, one: _Claimed) -> float:
        """Claim what can be; when to look again, as time.monotonic() counts."""
        now = time.monotonic()
        try:
            if now >= one.upkeep_at:
                with self._changed:
                    running = {job.key for job in one.running.values()}
                one.kind.rows.own_up(running)
                one.kind.upkeep()
                one.upkeep_at = now + UPKEEP_S
            next_due = one.kind.rows.next_due()
            if next_due is not None and next_due <= time.time():
                jobs = one.kind.claim(len(one.running))
                for job in jobs:
                    self._begin(one, job)
                if jobs:
                    return 0.0
                next_due = one.kind.rows.next_due(time.time())
        except Exception as error:
            one.upkeep_at = 0.0
            if isinstance(error, sa.exc.SQLAlchemyError):
                said = log.debug if one.failing else log.error  # once, not each second
                said("no %s can be claimed: %s", one.kind.name, in_short(error))
            else:
                log.exception("no %s can be claimed", one.kind.name)
            one.failing = True
            return now + FAILED_S
        one.failing = False
        poll_s = POLL_S if one.kind.rows.engine.dialect.name == "sqlite" else POLL_TOLD_S
        return now + (poll_s if next_due is None else min(poll_s, max(0.0, next_due - time.time())))

    def _begin(self, one: _Claimed, job: Job) -> None:
        with self._changed:
            if self._kinds.get(one.kind.name) is not one:
                return  # stopped meanwhile: the next start finds it
            future = one.kind.begin(job)
            one.running[future] = job

        def ended(done: Future[Any]) -> None:
            with self._changed:
                one.running.pop(done, None)
                one.look_at = 0.0
                if not done.cancelled() and (error := done.exception()) is not None:
                    one.upkeep_at = 0.0
                    log.error("a job of %s was broken off: %s", one.kind.name, in_short(error))
                self._changed.notify_all()

        future.add_done_callback(ended)
