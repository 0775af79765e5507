# SPDX-License-Identifier: GPL-2.0-or-later
"""The stations that work on a database: which are there, and which have gone.

A station is a row. One that works alone holds the lock of the database, and its row has no lease. Many on one PostgreSQL renew
their leases by a heartbeat, on a connection of its own; a row whose lease has lapsed is deleted by another station. That
is all of a takeover: jobs held by a station that has no row are held by nobody (`JobTable.own_up`).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from softfax._version import __version__
from softfax.database.away import is_away
from softfax.database.schema import StationLock
from softfax.errors import LocalError, in_short

__all__ = [
    "GONE",
    "LEASE_S",
    "METADATA",
    "StationId",
    "StationView",
    "Stations",
    "notify",
    "stations",
    "steady",
    "views",
]

log = logging.getLogger("softfax.database")

METADATA = sa.MetaData()
LEASE_S, BEAT_S = 20.0, 5.0
#: A lease ends so much earlier for its holder, who counts by its own clock, than for the others.
MARGIN_S = 2.0
#: How often is asked whether to stop, and how soon a heartbeat that failed is tried again.
STOP_S, FAILED_S = 0.25, 1.0
CHANNEL = "softfax"
#: Message in the channel when a station has gone.
GONE = "gone"
#: Channel names have eight bits for the number of a station.
STATIONS_MAX = 256

stations = sa.Table(
    "softfax_stations",
    METADATA,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("name", sa.String(40), nullable=False),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("alive_until", sa.Float, nullable=False),
    #: Since when its lease has not lapsed.
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("config_digest", sa.String(64), nullable=False),
    sa.Column("draining", sa.Boolean, nullable=False),
    sa.Column("url", sa.String(300), nullable=False),
)


def steady() -> float:
    """The clock of leases: it goes on while the machine, or the process, sleeps; the same in all processes of a machine."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def notify(connection: sa.Connection, what: str) -> None:
    """Send all stations a message once the transaction has committed; on SQLite there are no others."""
    if connection.dialect.name != "sqlite":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, what)))


class StationId:
    """The id of a station: its name, a mark of its folder, and of this start. `folder` shows that a station with this name and
    mark has ended, by a lock that went with it.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name, self._file = name, -1
        #: Whether other stations work on the database.
        self.many = folder is not None
        mark = self._mark(folder / f"{name}.lock") if folder is not None else "alone"
        #: What ids of earlier starts in the same folder begin with: these have ended.
        self.prefix = f"{name}:{mark}:"
        self.text = self.prefix + secrets.token_hex(4)

    def has_ended(self, station: str) -> bool:
        """Return True if a station that has no row has certainly ended, and its calls with it."""
        return not self.many or station.startswith(self.prefix)

    def _mark(self, path: Path) -> str:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mark = os.pread(self._file, 8, 0).decode("ascii", "replace")
            if len(mark) != 8 or not mark.isalnum():
                mark = secrets.token_hex(4)
                os.pwrite(self._file, mark.encode(), 0)
        except BlockingIOError:
            raise LocalError(
                f"another station called {self.name} runs here ({path} is locked)",
                "stop it, or give this one another [data] name",
            ) from None
        except OSError as error:
            raise LocalError(f"{path} cannot be made ({error.strerror})", "check [data] dir") from None
        return mark

    def close(self) -> None:
        """Let the next start have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Stations:
    """The membership of a station, alone on its database or one of `many`."""

    def __init__(self, url: str, engine: sa.Engine, station: StationId, *, many: bool) -> None:
        self.me, self.many, self._engine = station, many, engine
        self._lock = StationLock(url, engine, shared=many)
        #: What a row tells others about this station.
        self.facts: dict[str, Any] = {"config_digest": "", "url": "", "draining": False}
        #: Called with the messages of stations, in a thread of this class.
        self.listeners: list[Callable[[str], None]] = []
        #: Number of this station among those of the database.
        self.number = 0
        #: When the lease ends, as `steady` counts; 0 where there is none.
        self.until = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._listening: sa.Connection | None = None
        self._joined = self._failing = False
        #: Whether something was heard that the database did not let a listener take.
        self._missed = False

    # ---- life ---------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Keep out stations that work alone, or all others. Blocks. Raises LocalError."""
        self._lock.acquire()

    def join(self) -> None:
        """Have a row, and where there are many, a heartbeat. Blocks: one of the same name that was killed elsewhere has to lapse.

        Raises LocalError.
        """
        until = time.monotonic() + LEASE_S + BEAT_S
        while not self._register():
            if time.monotonic() >= until:
                raise LocalError(
                    f"another station is called {self.me.name}", "give each station a name of its own in [data] name"
                )
            time.sleep(STOP_S)
        self._joined = True
        if self.many:
            self._thread = threading.Thread(target=self._run, name="softfax-lease", daemon=True)
            self._thread.start()

    def leave(self) -> None:
        """Delete the row: what this station still holds is held by nobody. Blocks."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=30.0)
        # Where the database is away, the others find out.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            if self._joined:
                with self._engine.begin() as connection:
                    connection.execute(stations.delete().where(stations.c.id == self.me.text))
                    notify(connection, GONE)
        self.until = -1.0
        self._lock.release()
        self.me.close()

    def _register(self) -> bool:
        """False while another has the name."""
        s, asked = stations.c, steady()
        with self._engine.begin() as connection:
            now = _now(connection)
            ended = s.id.startswith(self.me.prefix, autoescape=True) if self.many else sa.true()
            if self.many:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("softfax stations"))))
            connection.execute(
                stations.delete().where(sa.or_(ended, sa.and_(s.name == self.me.name, s.alive_until < now)))
            )
            if connection.execute(sa.select(s.id).where(s.name == self.me.name)).first() is not None:
                return False
            taken = set(connection.execute(sa.select(s.number)).scalars())
            self.number = next((n for n in range(STATIONS_MAX) if n not in taken), -1)
            if self.number < 0:
                raise LocalError(f"{STATIONS_MAX} stations work on this database", "stop one of them")
            alive_until = now + LEASE_S if self.many else 0.0
            connection.execute(
                stations.insert().values(
                    id=self.me.text, name=self.me.name, number=self.number, alive_until=alive_until, since=now, started=now,
                    version=__version__, **self.facts,
                )
            )  # fmt: skip
            notify(connection, GONE)
        self.until = asked + LEASE_S - MARGIN_S if self.many else 0.0
        return True

    # ---- the lease ----------------------------------------------------------------------------------------------

    def left_s(self) -> float:
        """Seconds for which this station certainly has its lease."""
        return self.until - steady() if self.many else float("inf")

    def holds(self) -> bool:
        """Return True while this station may claim and call."""
        return self.left_s() > 0 if self.many else self._lock.holds()

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._beat()
                while (left_s := began + BEAT_S - time.monotonic()) > 0 and not self._stopping.is_set():
                    self._listen(min(left_s, STOP_S))
            except Exception as error:
                if not self._failing:
                    log.error("the lease of this station cannot be renewed: %s", in_short(error))
                self._failing, self._listening = True, None
                self._lock.drop()
                self._stopping.wait(FAILED_S)

    def _beat(self) -> None:
        """Renew the lease, and take over from stations whose lease has lapsed."""
        s, asked = stations.c, steady()
        if not self._lock.take():
            raise LocalError("a station that works alone has the database", "")
        connection = self._lock.connection
        assert connection is not None
        now = _clock()
        renewed = stations.update().where(s.id == self.me.text).values(
            since=sa.case((s.alive_until < now, now), else_=s.since), alive_until=now + LEASE_S, **self.facts
        )  # fmt: skip
        if connection.execute(renewed).rowcount:
            self.until = asked + LEASE_S - MARGIN_S
        elif self._register():
            log.warning("this station was taken over: its lease had lapsed")
        if self._failing:
            log.warning("the lease of this station is renewed again")
            self._failing = False
        mine = stations.alias()
        # When the database itself was away all leases have lapsed, and all stations come back first.
        steadily = sa.exists().where(mine.c.id == self.me.text, mine.c.since < now - LEASE_S)
        lapsed = stations.delete().where(s.alive_until < now, steadily).returning(s.id)
        if gone := connection.execute(lapsed).scalars().all():
            log.error("taken over from %s", ", ".join(gone), extra={"said": True})
            notify(connection, GONE)
        if self._listening is not connection:
            connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            self._listening, self._missed = connection, True
        if self._missed:
            self._missed = False
            self._hear(GONE)  # messages sent meanwhile were not heard

    def _listen(self, timeout_s: float) -> None:
        assert self._listening is not None
        raw: Any = self._listening.connection.driver_connection
        for said in raw.notifies(timeout=timeout_s):
            self._hear(said.payload)

    def _hear(self, what: str) -> None:
        for listener in self.listeners:
            try:
                listener(what)
            except Exception as error:
                self._missed |= is_away(error)
                log.exception("what a station said was not taken")


def _clock() -> sa.ColumnElement[float]:
    return sa.func.extract("epoch", sa.func.clock_timestamp()).cast(sa.Float)


def _now(connection: sa.Connection) -> float:
    """Time of the database; on SQLite that is ours."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(sa.select(_clock())).scalar_one())


@dataclass(frozen=True, kw_only=True)
class StationView:
    """A station of a database. `lapsed_s` is for how long its lease has lapsed: 0 while it has one, None where it works alone."""

    name: str
    number: int
    started: datetime
    version: str
    config_digest: str
    draining: bool
    url: str
    lapsed_s: float | None
    calls: int


def views(connection: sa.Connection, held: sa.Table) -> list[StationView]:
    """The stations of a database, with the number of faxes that each has under way (rows `held`)."""
    s, now = stations.c, _now(connection)
    calls = sa.select(sa.func.count()).where(held.c.held, held.c.station == s.id).scalar_subquery()
    return [
        StationView(
            name=row.name, number=row.number, started=datetime.fromtimestamp(row.started, UTC), version=row.version,
            config_digest=row.config_digest, draining=row.draining, url=row.url, calls=row.calls,
            lapsed_s=max(0.0, now - row.alive_until) if row.alive_until else None,
        )
        for row in connection.execute(sa.select(stations, calls.label("calls")).order_by(s.number))
    ]  # fmt: skip
