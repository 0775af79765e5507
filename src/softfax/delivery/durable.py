# SPDX-License-Identifier: GPL-2.0-or-later
"""The durable engine: DBOS on SQLite, one file in the station's data folder, or on PostgreSQL by URL.

One per process, as DBOS allows. Who has durable work opens it with its tables (`prepare`), then launches it once: launching
takes up what an earlier process left unfinished. Application tables live in the same database, so that a row and the workflow
that works on it are committed together.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig

from softfax.delivery import aside
from softfax.delivery.clock import ClockWatch
from softfax.delivery.pace import Pace
from softfax.delivery.schema import StationLock, bring_up_to_date
from softfax.diskspace import make_private
from softfax.errors import LocalError, StarvedError, UsageError, is_starved

__all__ = [
    "APPLICATION",
    "DATABASE_NAME",
    "WORKFLOW_VERSION",
    "Durable",
    "database_engine",
    "database_error",
    "database_url",
]

log = logging.getLogger("softfax.delivery")

DATABASE_NAME = "softfax.sqlite"
BUSY_TIMEOUT_MS = 30_000
#: The version of what our workflows take and store, not of softfax: an upgrade goes on with the work it finds.
WORKFLOW_VERSION = "softfax-1"
APPLICATION = "softfax"


def database_url(data_dir: Path, url: str = "") -> str:
    """The URL of the database: `url` (sqlite:///FILE or postgresql://…), or the file in the data folder."""
    if not url:
        return f"sqlite:///{data_dir.absolute() / DATABASE_NAME}"
    if re.match(r"sqlite:///.", url):
        return url
    match = re.match(r"postgres(?:ql)?(?:\+psycopg)?://(.+)", url)
    if match is None:
        raise UsageError("the database URL names no database softfax knows", "use postgresql://… or sqlite:///FILE")
    return f"postgresql+psycopg://{match[1]}"


def database_engine(url: str, *, pool_size: int = 20, must_exist: bool = False) -> sa.Engine:
    """A SQLAlchemy engine; SQLite with a write-ahead log that is on disk before a commit returns. Raises LocalError."""
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True)
    path = Path(url.removeprefix("sqlite:///"))
    if must_exist and not path.is_file():
        raise LocalError(f"there is no database {path}", "name the station's configuration with --config")
    try:
        make_private(path.parent)
        # What is in it (documents' names, numbers, passwords of receivers) is for the station's user alone.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LocalError(f"the database {path} cannot be opened ({error.strerror})", "check [data] dir") from None
    engine = sa.create_engine(url, pool_size=pool_size, max_overflow=pool_size, json_deserializer=_json)

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        # An octet that is no UTF-8 spoils what it stands in, not the answer with all its rows.
        connection.text_factory = _text
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _json(text: str) -> Any:
    """Decode a JSON column of DBOS; a damaged value is None, since it would spoil every query that returns it."""
    try:
        return json.loads(text)
    except ValueError:
        return None


#: Of DBOS's table, what is asked of it here.
_workflows = sa.Table(
    "workflow_status",
    sa.MetaData(),
    *(sa.Column(name, sa.Text) for name in ("workflow_uuid", "name", "status", "executor_id")),
    sa.Column("completed_at", sa.BigInteger),
)


class Durable:
    """DBOS with its database. `executor` names this process among several on one PostgreSQL."""

    def __init__(self, url: str, *, executor: str = "softfax") -> None:
        self.url = url
        self.engine = database_engine(url)
        self.pace = Pace()
        self.aside = aside.Aside(self.engine)
        self.clock = ClockWatch()
        self.clock.subscribers.append(self._clock_set)
        self._executor = executor
        self._client: DBOSClient | None = None
        self._launched = False
        self._up_to_date = False
        #: Whether the database had no tables of ours before.
        self.fresh = False
        self._lock = StationLock(url, self.engine)

    @property
    def client(self) -> DBOSClient:
        """Enqueues and looks up workflows, also in a transaction of ours. Usable once launched."""
        if self._client is None:
            self._client = DBOSClient(system_database_engine=self.engine, application_name=APPLICATION)
        return self._client

    def prepare(self, metadata: sa.MetaData) -> None:
        """Makes the tables that are missing.

        Raises LocalError where the database cannot be used, is of a newer softfax, or another station runs on it.
        """
        try:
            if not self._up_to_date:
                self._lock.acquire()
                self.fresh = bring_up_to_date(self.engine)
                aside.METADATA.create_all(self.engine)
                self._up_to_date = True
            metadata.create_all(self.engine)
        except sa.exc.SQLAlchemyError as error:
            self._lock.release()
            raise database_error(self.url, error) from None

    def launch(self) -> None:
        """Starts the workers, and again what was under way when the last process ended. Blocks for a moment."""
        quiet = logging.getLogger("dbos")
        # Its messages go where ours go; with handlers of its own it would write to standard error.
        if not quiet.handlers:
            quiet.addHandler(logging.NullHandler())
            quiet.addFilter(_launch_failed)
        quiet.propagate = True
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self.url.replace("+psycopg", ""),
            "system_database_engine": self.engine,
            "application_version": WORKFLOW_VERSION,
            "executor_id": self._executor,
            "log_level": "ERROR" if log.getEffectiveLevel() > logging.DEBUG else "INFO",
            "enable_otlp": False,
            "notification_listener_polling_interval_sec": 1.0,
        }
        try:
            DBOS(config=config)
            DBOS.launch()
            self._take_over()
        except sa.exc.SQLAlchemyError as error:
            DBOS.destroy()
            raise database_error(self.url, error) from None
        except Exception as error:
            if not is_starved(error):
                raise
            DBOS.destroy()
            raise StarvedError from None
        self._launched = True
        self.clock.start()

    def _clock_set(self, step_s: float) -> None:
        """Keep delays as long as they were meant when the clock is set back; set forward, they end sooner, without harm."""
        if step_s < 0:
            table = "workflow_status" if self.url.startswith("sqlite") else "dbos.workflow_status"
            moved = sa.text(
                f"UPDATE {table} SET delay_until_epoch_ms = delay_until_epoch_ms + :ms WHERE status = 'DELAYED'"
            )
            with self.engine.begin() as connection:
                connection.execute(moved, {"ms": int(step_s * 1000)})

    def _take_over(self) -> None:
        """Take over jobs begun under another name ([data] name): a database belongs to one station."""
        left = self.workflows(["PENDING"], not_by=self._executor)
        if left:
            log.warning("%d rounds of a station of another name are taken over", len(left))
            DBOS.resume_workflows(left)

    def workflows(
        self,
        states: Sequence[str],
        *,
        name: str = "",
        ids: Sequence[str] | None = None,
        ended_before_s: float | None = None,
        not_by: str = "",
        limit: int = 10_000,
    ) -> list[str]:
        """Ids of workflows in these states. DBOS's own list would decode every column of each, and end at one that is damaged."""
        query = sa.select(_workflows.c.workflow_uuid).where(_workflows.c.status.in_(states)).limit(limit)
        if name:
            query = query.where(_workflows.c.name == name)
        if ids is not None:
            query = query.where(_workflows.c.workflow_uuid.in_(ids))
        if ended_before_s is not None:
            query = query.where(_workflows.c.completed_at <= int(ended_before_s * 1000))
        if not_by:
            query = query.where(_workflows.c.executor_id != not_by)
        if not self.url.startswith("sqlite"):
            query = query.execution_options(schema_translate_map={None: "dbos"})
        with self.engine.connect() as connection:
            return [str(key) for key in connection.execute(query).scalars()]

    def forget(self, states: Sequence[str], name: str, ended_before_s: float) -> None:
        """Forget the workflows of a name that ended before then. Blocks."""
        last: list[str] = []
        # One with a damaged key stays.
        while (ended := self.workflows(states, name=name, ended_before_s=ended_before_s, limit=500)) and ended != last:
            self.client.delete_workflows(ended)
            last = ended

    def close(self) -> None:
        """Stops the workers. Blocks until their threads have ended."""
        self.clock.stop()
        self.pace.close()
        if self._launched:
            DBOS.destroy()
            self._launched = False
        self._client = None
        self._lock.release()
        self.engine.dispose()


def database_error(url: str, error: BaseException) -> LocalError:
    """Return an error of SQLAlchemy's in our words, without the password."""
    sqlite = url.startswith("sqlite")
    shown = sa.make_url(url).render_as_string(hide_password=True).removeprefix("sqlite:///").replace("+psycopg", "")
    reason = str(getattr(error, "orig", None) or error).splitlines()[0].removeprefix("connection failed: ")
    if reason == "database is locked":
        return LocalError(f"the database {shown} is locked by another program", "end what has it open, and start again")
    if reason == "file is not a database":
        return LocalError(f"{shown} is not a database", "move it away, or put a backup back: softfax restore")
    remedy = "check [data] dir, its rights and the room on its disk" if sqlite else "check [data] url, and its server"
    return LocalError(f"the database {shown} cannot be used ({reason})", remedy)


def _launch_failed(record: logging.LogRecord) -> bool:
    """Drops the long log entry about a failed launch: the caller gets the error, and reports it in one line."""
    return not record.getMessage().startswith("DBOS failed to launch")
