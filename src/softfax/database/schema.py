# SPDX-License-Identifier: GPL-2.0-or-later
"""The version of the tables in a station's database: older ones are brought up to date, newer ones refused; one station on each.

Missing tables are created by the module that owns them. What is written here is what an existing table needs besides.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from softfax._version import __version__
from softfax.database.postgresql import wait_long
from softfax.errors import LocalError

__all__ = ["VERSION", "StationLock", "bring_up_to_date", "one_at_a_time", "schema_version"]

log = logging.getLogger("softfax.database")

#: 1: callbacks alone. 2: the queue, mailboxes, e-mail and the web page beside them. 3: a result is kept once. 4: jobs are rows
#: that are claimed, instead of workflows of DBOS. 5: a job names the station that holds it. 6: an attempt names
#: the fax whose call it shares.
VERSION = 6
LOCK_WAIT_S = 5.0
#: How often is asked whether it is still there.
ASK_S = 1.0
#: Rows that are looked at at a time.
SOME = 500

_METADATA = sa.MetaData()
_schema = sa.Table(
    "softfax_schema",
    _METADATA,
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("softfax", sa.String(40), nullable=False),
    sa.Column("since", sa.Float, nullable=False),
)


def _results_once(connection: sa.Connection) -> None:
    """The result of a fax that is one of its attempts' is kept there alone; what is none of them, as the fax's own."""
    faxes = sa.table("softfax_faxes", *map(sa.column, ("id", "data", "result_event")))
    attempts = sa.table("softfax_attempts", *map(sa.column, ("fax_id", "result")))
    if not sa.inspect(connection).has_table(faxes.name):
        return
    ids = connection.execute(sa.select(faxes.c.id)).scalars().all()
    update = faxes.update().where(faxes.c.id == sa.bindparam("fax"))
    update = update.values(data=sa.bindparam("new"), result_event=sa.bindparam("own"))
    for start in range(0, len(ids), SOME):
        some = ids[start : start + SOME]
        of_attempts: dict[str, list[str]] = {}
        changed: list[dict[str, str]] = []
        for row in connection.execute(sa.select(attempts).where(attempts.c.fax_id.in_(some), attempts.c.result != "")):
            of_attempts.setdefault(row.fax_id, []).append(row.result)
        for row in connection.execute(sa.select(faxes).where(faxes.c.id.in_(some))).all():
            try:
                data = json.loads(row.data)
                result = data.pop("result", None)
                known = any(json.loads(one) == result for one in of_attempts.get(row.id, ()))
            except (ValueError, TypeError, AttributeError):
                continue  # it is set aside when it is read
            own = "" if result is None or known else json.dumps(result, ensure_ascii=False)
            changed.append({"fax": row.id, "new": json.dumps(data, ensure_ascii=False), "own": own})
        if changed:
            connection.execute(update, changed)


#: Tables of DBOS in SQLite; those in PostgreSQL have a schema of their own, which may be another's too.
_OF_DBOS = (
    "application_versions", "dbos_migrations", "event_dispatch_kv", "notifications", "operation_outputs", "queues", "streams",
    "workflow_events", "workflow_events_history", "workflow_input", "workflow_output", "workflow_schedules", "workflow_status",
)  # fmt: skip
#: Tables whose rows became jobs, and which of them have something to do.
_BECAME_JOBS = {
    "softfax_faxes": "round_id != ''",
    "softfax_callback_sequences":
        "EXISTS (SELECT 1 FROM softfax_callbacks WHERE sequence_id = softfax_callback_sequences.id AND state = 'waiting')",
    "softfax_mailbox_deliveries": "state = 'waiting'",
    "softfax_mail_reports": "state = 'waiting'",
}  # fmt: skip


def _claims(connection: sa.Connection) -> None:
    """Rows that had a round are jobs, due when they were, or now."""
    sqlite = connection.dialect.name == "sqlite"
    for table, waiting in _BECAME_JOBS.items():
        here = sa.inspect(connection)
        names = {column["name"] for column in here.get_columns(table)} if here.has_table(table) else set()
        if "round_id" not in names:
            continue
        new = {"due": "FLOAT NOT NULL DEFAULT 0", "token": "BIGINT NOT NULL DEFAULT 0",
               "held": "BOOLEAN NOT NULL DEFAULT false"}  # fmt: skip
        changes = [f"due = CASE WHEN {waiting} THEN {'due' if 'due' in names else 1} ELSE 0 END"]
        if table == "softfax_faxes":
            new["deadline"] = "FLOAT"
            of_sqlite = "CASE WHEN json_valid(data) THEN json_extract(data, '$.deadline') END"
            changes.append("deadline = " + (of_sqlite if sqlite else "(data::json ->> 'deadline')::float"))
            changes.append(f"held = ({waiting} AND state IN ('preparing', 'sending'))")
        indexes = [index["name"] for index in here.get_indexes(table) if re.search("round|_turn$", str(index["name"]))]
        for change in (
            *(f"ALTER TABLE {table} ADD COLUMN {name} {new[name]}" for name in new.keys() - names),
            f"UPDATE {table} SET {', '.join(changes)}",
            *(f"DROP INDEX {name}" for name in indexes),
            *(f"ALTER TABLE {table} DROP COLUMN {name}" for name in {"round_id", "generation"} & names),
        ):
            connection.execute(sa.text(change))
    for table in _OF_DBOS if sqlite else ():
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {table}"))


def _add(connection: sa.Connection, tables: Iterable[str], column: str, kind: str) -> None:
    """Add a column, empty in all rows, to those of the tables that there are without it."""
    for table in tables:
        here = sa.inspect(connection)
        if here.has_table(table) and column not in {one["name"] for one in here.get_columns(table)}:
            connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {column} {kind} NOT NULL DEFAULT ''"))


#: From a version to the next. Each runs in the transaction that notes the new version.
_STEPS: Mapping[int, Callable[[sa.Connection], None]] = {
    1: lambda connection: None,
    2: _results_once,
    3: _claims,
    # A job that is held names its station; an attempt, the fax whose call it shares.
    4: partial(_add, tables=tuple(_BECAME_JOBS), column="station", kind="VARCHAR(80)"),
    5: partial(_add, tables=("softfax_attempts",), column="joined", kind="VARCHAR(24)"),
}


def schema_version(connection: sa.Connection) -> int:
    """The version of a database's tables; 0 where there are none of ours yet."""
    names = sa.inspect(connection).get_table_names()
    if _schema.name in names:
        found = connection.execute(sa.select(sa.func.max(_schema.c.version))).scalar()
        if found is not None:
            return int(found)
    return 1 if any(name.startswith("softfax_") and name != _schema.name for name in names) else 0


def one_at_a_time(connection: sa.Connection) -> None:
    """Let a transaction of a start take its time: there may be many rows. Another station that starts waits for it."""
    if connection.dialect.name != "sqlite":
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
            connection.execute(sa.text(f"SET LOCAL {limit} = 0"))
        wait_long(connection)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("softfax schema"))))


def bring_up_to_date(engine: sa.Engine) -> bool:
    """Check the version before any table of ours is touched. Returns True if there were none yet.

    Raises LocalError for a database of a newer softfax; SQLAlchemyError.
    """
    with engine.begin() as connection:
        one_at_a_time(connection)
        found = schema_version(connection)
        if found == VERSION:
            return False
        if found > VERSION:
            by = connection.execute(sa.select(_schema.c.softfax).where(_schema.c.version == found)).scalar()
            raise LocalError(
                f"the database belongs to a newer softfax ({by}: tables {found}; this is {__version__}: tables {VERSION})",
                "install that version again, or restore the backup made before the upgrade",
            )
        _METADATA.create_all(connection)
        for version in range(max(found, 1), VERSION):
            if found:
                _STEPS[version](connection)
                log.info("the database was brought from version %d to %d", version, version + 1)
        connection.execute(_schema.insert().values(version=VERSION, softfax=__version__, since=time.time()))
        return found == 0


class StationLock:
    """One station at a time on a database: a locked file beside SQLite, an advisory lock in PostgreSQL.

    It goes with the process, and in PostgreSQL with the connection, which a failover ends: who works under it asks `holds`.
    Stations that work on one database together share it, against those that work alone and what puts a backup back.
    """

    def __init__(self, url: str, engine: sa.Engine, *, shared: bool = False) -> None:
        self._url, self._engine = url, engine
        self._try = sa.func.pg_try_advisory_lock_shared if shared else sa.func.pg_try_advisory_lock
        self._file: int | None = None
        #: The session that has it, in PostgreSQL.
        self.connection: sa.Connection | None = None
        self._taken = self._lost = False
        self._asked = 0.0
        self._asking = threading.Lock()

    def acquire(self, wait_s: float = LOCK_WAIT_S) -> None:
        """Blocks for as long as `wait_s` while a station that was killed goes. Raises LocalError."""
        until = time.monotonic() + wait_s
        take = self._take_file if self._url.startswith("sqlite") else self.take
        while not take():
            if time.monotonic() >= until:
                self.release()
                raise LocalError(
                    f"another station runs on this database{self._holder()}",
                    "stop it, or give this one a database of its own ([data] dir or url)",
                )
            time.sleep(0.1)

    def holds(self) -> bool:
        """Return True if the lock is still there, or could be taken again. From any thread; one asks, and the others wait."""
        with self._asking:
            if self._file is not None or time.monotonic() < self._asked + ASK_S:
                return not self._lost
            self._asked = time.monotonic()
            if self.connection is not None and not self._lost:
                try:
                    self.connection.execute(sa.text("SELECT 1"))
                    return True
                except sa.exc.SQLAlchemyError:
                    self.drop()
            try:
                taken = self.take()
            except sa.exc.SQLAlchemyError:
                self.drop()
                taken = False
            if taken or not self._lost:
                done = "it is taken again" if taken else "nothing is sent until this station has it again"
                log.warning("the lock on the database was lost: %s", done)
            self._lost = not taken
            return taken

    def release(self) -> None:
        """Lets another in."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.drop()

    def drop(self) -> None:
        """End the session that has it."""
        if self.connection is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                # Not back to the pool: the lock goes with the session.
                self.connection.invalidate()
                self.connection.close()
            self.connection = None

    def _path(self) -> Path:
        return Path(self._url.removeprefix("sqlite:///") + ".lock")

    def _take_file(self) -> bool:
        if self._file is None:
            try:
                self._file = os.open(self._path(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise LocalError(f"{self._path()} cannot be made ({error.strerror})", "check [data] dir") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        return True

    def take(self) -> bool:
        """Take it in PostgreSQL; true also where this session has it."""
        if self.connection is None:
            self.connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._taken = False
        if not self._taken:
            key = sa.func.hashtext("softfax station")
            self._taken = bool(self.connection.execute(sa.select(self._try(key))).scalar())
        return self._taken

    def _holder(self) -> str:
        if not self._url.startswith("sqlite"):
            return ""
        with contextlib.suppress(OSError):
            if pid := self._path().read_text()[:10].strip():
                return f" (process {pid})"
        return ""
