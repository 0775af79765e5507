# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors that mean a database that takes nothing now, and those that do not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from softfax.database.away import is_away


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.AdminShutdown("terminating connection due to administrator command"),
        psycopg.errors.ConnectionTimeout("connection timeout expired"),
        psycopg.errors.IdleInTransactionSessionTimeout("terminating connection"),
        psycopg.errors.ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction"),
        psycopg.InterfaceError("the cursor is closed"),
        sqlite3.OperationalError("database is locked"),
    ],
)
def test_errors_of_a_database_that_is_away(error: Exception) -> None:
    """They mean that as the driver raises them, and as SQLAlchemy does."""
    assert is_away(error)
    base = psycopg.Error if isinstance(error, psycopg.Error) else sqlite3.Error
    assert is_away(sa.exc.DBAPIError.instance("SELECT 1", {}, error, base))  # type: ignore[call-overload]


def test_errors_of_sqlalchemy_about_lost_connections() -> None:
    assert is_away(sa.exc.TimeoutError("QueuePool limit of size 20 overflow 20 reached"))
    assert is_away(sa.exc.PendingRollbackError("Can't reconnect until invalid transaction is rolled back."))
    assert is_away(sa.exc.DBAPIError("SELECT 1", {}, Exception("gone"), connection_invalidated=True))


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.ProgrammingError("SELECT x", {}, Exception("no such column")),
        sa.exc.IntegrityError("INSERT", {}, Exception("duplicate key")),
        TimeoutError(),
        ValueError("x"),
    ],
)
def test_faults_of_ours_are_none(error: Exception) -> None:
    assert not is_away(error)


@pytest.mark.parametrize("statement", ["SELECT x", "SELECT 1 FROM nowhere", "COMMIT", "SELEKT"])
def test_a_wrong_statement_is_no_sqlite_that_is_away(statement: str) -> None:
    """They are of the class of errors that a locked file has."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError) as wrong:
        connection.exec_driver_sql(statement)
    assert not is_away(wrong.value)
    assert not is_away(wrong.value.orig)


def test_a_locked_sqlite_is_away(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "one", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'one'}", connect_args={"timeout": 0})
        with pytest.raises(sa.exc.OperationalError, match="locked") as locked, engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE one (a)")
    assert is_away(locked.value)
