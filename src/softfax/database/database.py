# SPDX-License-Identifier: GPL-2.0-or-later
"""The station's database: SQLite, one file in its data folder, or PostgreSQL by URL.

One station works on it. Who has tables in it makes them first (`prepare`); then jobs are claimed (`jobs`).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from softfax.database import aside
from softfax.database.clock import ClockWatch
from softfax.database.jobs import Jobs
from softfax.database.postgresql import POSTGRESQL, give_up_waiting
from softfax.database.schema import bring_up_to_date, one_at_a_time
from softfax.database.stations import METADATA as STATIONS
from softfax.database.stations import StationId, Stations
from softfax.diskspace import make_private
from softfax.errors import LocalError, UsageError, in_short

__all__ = [
    "DATABASE_NAME",
    "Database",
    "database_engine",
    "database_error",
    "database_url",
]

DATABASE_NAME = "softfax.sqlite"
BUSY_TIMEOUT_MS = 30_000


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


def database_engine(
    url: str, *, pool_size: int = 20, must_exist: bool = False, name: str = "softfax", station: StationId | None = None
) -> sa.Engine:
    """A SQLAlchemy engine; SQLite with a write-ahead log that is on disk before a commit returns. `station` is whose jobs are
    claimed by it. Raises LocalError.
    """
    of: dict[str, Any] = {"station": station}
    if not url.startswith("sqlite"):
        options = {"application_name": name, **POSTGRESQL}
        engine = sa.create_engine(
            url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, connect_args=options,
            execution_options=of,
        )  # fmt: skip
        give_up_waiting(engine)
        return engine
    path = Path(url.removeprefix("sqlite:///"))
    if must_exist and not path.is_file():
        raise LocalError(f"there is no database {path}", "name the station's configuration with --config")
    try:
        make_private(path.parent)
        # What is in it (documents' names, numbers, passwords of receivers) is for the station's user alone.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LocalError(f"the database {path} cannot be opened ({error.strerror})", "check [data] dir") from None
    engine = sa.create_engine(url, pool_size=pool_size, max_overflow=pool_size, execution_options=of)

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


_METADATA = sa.MetaData()
#: What all stations on the database sign with, by what it is for.
_secrets = sa.Table(
    "softfax_secrets",
    _METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.String(64), nullable=False),
)


class Database:
    """A station's database. `name` is that of the station in the server's own lists. With a `folder` of its own, it is one of
    many stations on the database, and alone without.
    """

    def __init__(self, url: str, *, name: str = "softfax", folder: Path | None = None) -> None:
        self.url = url
        me = StationId(name, folder)
        self.engine = database_engine(url, name=name, station=me)
        self.aside = aside.Aside(self.engine)
        self.clock = ClockWatch()
        self._up_to_date = False
        #: Whether the database had no tables of ours before.
        self.fresh = False
        self.stations = Stations(url, self.engine, me, many=folder is not None)
        self.jobs = Jobs(self.stations.holds)
        self.stations.listeners.append(self.jobs.heard)

    def prepare(self, metadata: sa.MetaData) -> None:
        """Make the tables and indexes that are missing.

        Raises LocalError where the database cannot be used, is of a newer softfax, or another station runs on it.
        """
        try:
            if not self._up_to_date:
                self.stations.enter()
                self.fresh = bring_up_to_date(self.engine)
                for own in (STATIONS, aside.METADATA, _METADATA):
                    self._make(own)
                self.stations.join()
                self._up_to_date = True
            self._make(metadata)
        except sa.exc.SQLAlchemyError as error:
            self.stations.leave()
            raise database_error(self.url, error) from None

    def _make(self, metadata: sa.MetaData) -> None:
        """Make the tables and indexes that are missing."""
        with self.engine.begin() as connection:
            one_at_a_time(connection)
            metadata.create_all(connection)
            for table in metadata.tables.values():
                for index in table.indexes:
                    # One that came after its table.
                    index.create(connection, checkfirst=True)

    def secret(self, name: str) -> str:
        """A secret that all stations on the database share, drawn when it is first asked for. Raises LocalError."""
        asked = sa.select(_secrets.c.value).where(_secrets.c.name == name)
        try:
            with contextlib.suppress(sa.exc.IntegrityError), self.engine.begin() as connection:
                if (found := connection.execute(asked).scalar()) is not None:
                    return str(found)
                connection.execute(_secrets.insert().values(name=name, value=secrets.token_hex(32)))
            # Another station may have been quicker.
            with self.engine.connect() as connection:
                return str(connection.execute(asked).scalar_one())
        except sa.exc.SQLAlchemyError as error:
            raise database_error(self.url, error) from None

    def close(self) -> None:
        """Claim no more jobs, and let another station in. Blocks until the threads have ended."""
        self.clock.stop()
        self.jobs.close()
        self.stations.leave()
        self.engine.dispose()


def database_error(url: str, error: BaseException) -> LocalError:
    """Return an error of SQLAlchemy's in our words, without the password."""
    sqlite = url.startswith("sqlite")
    shown = sa.make_url(url).render_as_string(hide_password=True).removeprefix("sqlite:///").replace("+psycopg", "")
    reason = in_short(error).removeprefix("connection failed: ")
    if reason == "database is locked":
        return LocalError(f"the database {shown} is locked by another program", "end what has it open, and start again")
    if reason == "file is not a database":
        return LocalError(f"{shown} is not a database", "move it away, or put a backup back: softfax restore")
    remedy = "check [data] dir, its rights and the room on its disk" if sqlite else "check [data] url, and its server"
    return LocalError(f"the database {shown} cannot be used ({reason})", remedy)
